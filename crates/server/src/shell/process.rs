//! `agent/reload`, `agent/leave`: what concerns the process.

use api::Failure;
use tokio::sync::oneshot;

use super::services::stopping;
use super::{Outcome, empty};
use crate::ask::Ask;
use crate::http::Site;

pub(super) async fn reload(site: &Site) -> Outcome {
    ask(site, Ask::Reload).await
}

pub(super) async fn leave(site: &Site) -> Outcome {
    ask(site, Ask::Leave).await
}

async fn ask(
    site: &Site,
    what: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Ask,
) -> Outcome {
    let (answer, done) = oneshot::channel();
    site.shell.asks.send(what(answer)).await.map_err(|_| stopping())?;
    match done.await {
        Ok(outcome) => outcome.map(|()| empty()).map_err(Failure::internal),
        Err(_) => Err(stopping()),
    }
}
