//! `snapshot`: the whole state as an archive, and back (consul-http, "Snapshot").

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent::log::Level;
use api::{Body, Consistency, Failure, Method, Request};
use archive::{Archive, Meta};
use bytes::Bytes;
use catalog::{Command, Response, RestorePart, Time};
use local::Input;

use super::{Outcome, empty};
use crate::http::{ARCHIVE, Parameters, Reply, Site};
use crate::limits::{RESTORE_PART_BYTES, SNAPSHOT_BYTES};
use crate::{random, reconcile, records};

/// Hands out an archive, or takes one in.
pub(super) async fn call(site: &Arc<Site>, request: &Request, parameters: Parameters) -> Outcome {
    match request.method {
        Method::Get => save(site, parameters).await,
        _ if parameters.consistency == Consistency::Stale => {
            Err(Failure::internal("stale not allowed for restore"))
        }
        _ => restore(site, request.body.clone()).await,
    }
}

/// Work that takes long goes to a thread of its own, so that nobody waits for it.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Failure::internal("the work on the snapshot broke off")))
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

async fn save(site: &Arc<Site>, parameters: Parameters) -> Outcome {
    if parameters.consistency != Consistency::Stale {
        let unsure = |error: crate::store::WriteError| Failure::internal(error.to_string());
        site.store.confirm().await.map_err(unsure)?;
    }
    let snapshot = site.catalogue().read().clone();
    let identity = &site.shell.identity;
    let (index, term) = (snapshot.index().0, site.store.status().term);
    let meta = Meta {
        id: format!("{term}-{index}-{}", since_1970().as_millis()),
        index,
        term,
        servers: vec![archive::Server {
            suffrage: 0,
            id: identity.node_id.to_string(),
            address: identity.server.to_string(),
        }],
        configuration_index: 1,
        ..Meta::default()
    };
    let datacenter = identity.datacenter.clone();
    let bytes = aside(move || {
        let state = records::write(&snapshot, &datacenter);
        Ok(Bytes::from(Archive { meta, state }.write()))
    });
    let reply = Reply::new(200, Body::Bytes(ARCHIVE, bytes.await?));
    Ok(reply
        .with("X-Consul-Index", index.to_string())
        .with("X-Consul-Knownleader", "true")
        .with("X-Consul-Lastcontact", "0")
        .with("X-Consul-Query-Backend", "blocking-query"))
}

/// Nothing changes before the whole archive is known to be good.
async fn restore(site: &Arc<Site>, body: Bytes) -> Outcome {
    let now = Time(u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX));
    let (image, left_out) = aside(move || {
        let refused = |error: &dyn std::fmt::Display| Failure::internal(error.to_string());
        let archive = Archive::read(&body, SNAPSHOT_BYTES).map_err(|error| refused(&error))?;
        let restored = records::read(&archive.state, now).map_err(|error| refused(&error))?;
        let mut image = Vec::new();
        restored.snapshot.save(&mut image).map_err(|error| refused(&error))?;
        Ok((image, restored.left_out))
    })
    .await?;
    let id = random::uuid();
    let parts = image.chunks(RESTORE_PART_BYTES);
    let last = parts.len() - 1;
    for (number, bytes) in (0..).zip(parts) {
        let part = RestorePart { id, number, last: number as usize == last, bytes: bytes.into() };
        let done = site.store.write(&Command::Restore(part)).await;
        let response = done.map_err(|error| Failure::internal(error.to_string()))?;
        if let Response::Refused(error) = response {
            return Err(Failure::internal(error.to_string()));
        }
    }
    let left_out = left_out.iter().map(|(name, count)| format!("{count} {name}"));
    let left_out = left_out.collect::<Vec<_>>().join(", ");
    let left_out = if left_out.is_empty() { "nothing".to_owned() } else { left_out };
    let log = &site.shell.log;
    log.entry(Level::Info, "agent.server", "snapshot restored", [("left_out", left_out.into())]);
    // What this server and its agent say about themselves was not in the archive, or was another's.
    reconcile::own(&site.shell.identity, &site.store, log).await;
    site.shell.keeper.tell(Input::ServerJoined).await;
    Ok(empty())
}
