//! `event/fire` and `event/list`.

use api::{Failure, Request};
use tokio::time::timeout_at;

use super::Outcome;
use crate::events::UserEvent;
use crate::http::{Parameters, Reply, Site, Wait};
use crate::random;

pub(super) async fn fire(site: &Site, request: &Request) -> Outcome {
    let asked = request.query.filled("datacenter").or(request.query.filled("dc"));
    let event = UserEvent::from_request(request, random::uuid())?;
    if asked.is_some_and(|asked| asked != &*site.agent.datacenter) {
        return Err(Failure::internal("No path to datacenter"));
    }
    let payload = Some(event.encode().into());
    site.shell
        .lan
        .user_event(event.pool_name(), payload, false)
        .await
        .map_err(|why| Failure::internal(format!("error broadcasting event: {why}")))?;
    Ok(Reply::new(200, event.body()))
}

pub(super) async fn list(site: &Site, request: &Request, parameters: Parameters) -> Reply {
    let name = request.query.filled("name");
    let wait = parameters.wait.unwrap_or(site.manners.wait).min(site.manners.wait_max);
    let until = Wait::new(parameters.index, wait).until;
    loop {
        let more = site.shell.events.more();
        let (body, index) = site.shell.events.list(name);
        let waits = parameters.index == index;
        if !waits || timeout_at(until, more).await.is_err() {
            return Reply::new(200, body).with("X-Consul-Index", index.to_string());
        }
    }
}
