//! `snapshot`: the whole state as an archive, and back (consul-http, "Snapshot").
//!
//! ```text
//!   GET   Snapshot ─▶ records ─▶ archive ─▶ pieces of 64 KiB ─▶ body       (twice: length and sum
//!                                                                          stand before the state)
//!   PUT   body ─▶ Spool ─▶ archive ─▶ records: is all of it good?
//!                   └────▶ archive ─▶ records ─▶ parts of 1 MiB ─▶ log; the last swaps the state
//! ```
//!
//! Neither way holds more than buffers and the states themselves.

mod pace;
mod pieces;
mod spool;
#[cfg(test)]
mod tests;

pub(crate) use spool::Spool;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent::log::Level;
use api::{Body, Consistency, Failure};
use archive::Meta;
use catalog::{Command, PartWriter, Response, RestorePart, Snapshot, Time};
use local::Input;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use self::pieces::Sender;
use super::{Outcome, empty};
use crate::http::{ARCHIVE, Parameters, Reply, Site};
use crate::limits::{RESTORE_PART_BYTES, SNAPSHOT_WAIT, SNAPSHOTS, UNPACKED_BYTES};
use crate::records::{self, Part};
use crate::{random, reconcile};

/// Who makes an archive has a place.
static MAKING: Semaphore = Semaphore::const_new(SNAPSHOTS);

/// Who takes one has another.
static TAKING: Semaphore = Semaphore::const_new(SNAPSHOTS);

/// A place, if one is free before long.
async fn place(places: &'static Semaphore) -> Result<SemaphorePermit<'static>, Failure> {
    match tokio::time::timeout(SNAPSHOT_WAIT, places.acquire()).await {
        Ok(place) => Ok(place.expect("nobody closes it")),
        Err(_) => Err(Failure::new(
            503,
            format!(
                "too many snapshots at a time: {SNAPSHOTS} others are not done yet, try again \
                 later"
            ),
        )),
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

fn refused(error: &dyn std::fmt::Display) -> Failure {
    Failure::internal(error.to_string())
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Hands out an archive, as it is made.
pub(super) async fn save(site: &Arc<Site>, parameters: Parameters) -> Outcome {
    if parameters.consistency != Consistency::Stale {
        site.store.confirm().await.map_err(|error| refused(&error))?;
    }
    let place = place(&MAKING).await?;
    let snapshot: Arc<Snapshot> = site.catalogue().read().clone();
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
    let (sender, pieces) = pieces::pair();
    let log = site.shell.log.clone();
    let work = tokio::task::spawn_blocking(move || {
        let _place = place;
        let saved = save_to(sender, &meta, &snapshot, &datacenter);
        match &saved {
            // Who hangs up knows.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let fields = [("error", error.to_string().into())];
                log.entry(Level::Warn, "agent.server", "snapshot was not sent", fields);
            }
            _ => {}
        }
        saved
    });
    // What fails later breaks the connection off.
    let Some(pieces) = pieces.begin().await else {
        let why = match work.await {
            Ok(Ok(())) => "the archive is empty".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the work on the snapshot broke off".to_owned(),
        };
        return Err(Failure::internal(why));
    };
    let mut reply = Reply::streamed(pieces);
    reply.body = Body::Bytes(ARCHIVE, bytes::Bytes::new());
    Ok(reply
        .with("X-Consul-Index", index.to_string())
        .with("X-Consul-Knownleader", "true")
        .with("X-Consul-Lastcontact", "0")
        .with("X-Consul-Query-Backend", "blocking-query"))
}

fn save_to(sender: Sender, meta: &Meta, snapshot: &Snapshot, datacenter: &str) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(pieces::PIECE_BYTES, sender);
    let written = archive::write(&mut out, meta, |out| records::write(snapshot, datacenter, out));
    let written = written.and_then(|()| out.flush());
    // What is left of one that failed is not sent.
    let (sender, _) = out.into_parts();
    written.and_then(|()| sender.finish())
}

/// Takes an archive. Nothing changes before all of it is known to be good.
pub(crate) async fn restore(site: &Arc<Site>, spool: Spool, parameters: Parameters) -> Reply {
    take(site, spool, parameters).await.unwrap_or_else(Reply::from)
}

async fn take(site: &Arc<Site>, spool: Spool, parameters: Parameters) -> Outcome {
    if parameters.consistency == Consistency::Stale {
        return Err(Failure::internal("stale not allowed for restore"));
    }
    let now = Time(u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX));
    let (spool, left_out) = aside(move || {
        let mut spool = spool;
        let left_out = read(&mut spool, now, &mut |_| Ok(()))?;
        Ok((spool, left_out))
    })
    .await?;
    // Once begun it goes to its end, also if the client hangs up: the last part swaps the state,
    // and then there is more to do.
    let swapping = swap(site.clone(), spool, now, left_out);
    tokio::spawn(swapping)
        .await
        .unwrap_or_else(|_| Err(Failure::internal("the work on the snapshot broke off")))
}

/// Puts what was found to be good in the place of the state.
async fn swap(site: Arc<Site>, mut spool: Spool, now: Time, left_out: LeftOut) -> Outcome {
    let (parts, mut incoming) = mpsc::channel(1);
    let making = aside(move || send_parts(&mut spool, now, &parts));
    let store = &site.store;
    let writing = async move {
        while let Some(part) = incoming.recv().await {
            let done = store.write(Command::Restore(part)).await;
            let response = done.map_err(|error| refused(&error))?;
            if let Response::Refused(error) = response {
                return Err(refused(&error));
            }
        }
        Ok(())
    };
    // Why a part was not taken says more than that the next one could not be handed over.
    let (made, written) = tokio::join!(making, writing);
    written.and(made)?;
    let left_out = left_out.iter().map(|(name, count)| format!("{count} {name}"));
    let left_out = left_out.collect::<Vec<_>>().join(", ");
    let (log, text) = (&site.shell.log, "snapshot restored");
    let mut reply = empty();
    if left_out.is_empty() {
        log.line(Level::Info, "agent.server", text);
    } else {
        reply = reply
            .with("Warning", format!("299 - \"left out, as it is not there yet: {left_out}\""));
        log.entry(Level::Warn, "agent.server", text, [("left_out", left_out.into())]);
    }
    // What this server and its agent say about themselves was not in the archive, or was another's.
    reconcile::own(&site.shell.identity, &site.store, log).await;
    site.shell.keeper.tell(Input::ServerJoined).await;
    Ok(reply)
}

type LeftOut = std::collections::BTreeMap<String, usize>;

/// Reads the whole archive once.
fn read(
    spool: &mut Spool,
    now: Time,
    take: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
) -> Result<LeftOut, Failure> {
    let archive = spool.reader().map_err(|error| refused(&error))?;
    let read =
        archive::read(archive, UNPACKED_BYTES, |state| records::read(state, now, &mut *take));
    let (_, records) = read.map_err(|error| refused(&error))?;
    records.map_err(|error| refused(&error))
}

/// Makes the parts of a restoring of what was found to be good.
fn send_parts(
    spool: &mut Spool,
    now: Time,
    parts: &mpsc::Sender<RestorePart>,
) -> Result<(), Failure> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut writer = PartWriter::new(random::uuid());
    read(spool, now, &mut |part| {
        let before = writer.length();
        match part {
            Part::LastIndex(index) => writer.put_last_index(index)?,
            Part::Row(row) => writer.put(&row)?,
            Part::Index(name, index) => writer.put_index(name, index)?,
        }
        if before > 0 && writer.length() > RESTORE_PART_BYTES {
            // A long row needs all the room of an entry.
            parts.blocking_send(writer.take_first(before)).map_err(gone)?;
        }
        if writer.length() < RESTORE_PART_BYTES {
            return Ok(());
        }
        parts.blocking_send(writer.take(false)).map_err(gone)
    })?;
    parts.blocking_send(writer.take(true)).map_err(|error| refused(&error))
}
