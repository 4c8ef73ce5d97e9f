//! Answers that several want at once: ten thousand that wait for one service are woken by the same
//! write, and the list of a large one is asked for again before anything was written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use api::{Answer, Body, Request};
use catalog::Snapshot;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::block::Read;

/// How many answers are kept: as many as there are services whose watchers one write wakes, for a
/// node with very many of them.
const ANSWERS: usize = 64;
/// Bytes of all bodies that are kept, and of the requests for them.
const BYTES: usize = 4 << 20;
/// Shorter bodies are sooner made than looked for, unless many are waiting for them.
const LONG_BYTES: usize = 1 << 10;

/// Answers that are made at a time by threads of their own: two keep a small machine busy.
const ASIDE: usize = 2;

/// An answer, and of which state.
pub(super) struct Evaluated {
    pub(super) answer: Answer,
    /// The index of the state.
    pub(super) seen: u64,
    print: OnceLock<u64>,
}

impl Evaluated {
    pub(super) fn new(answer: Answer, seen: u64) -> Self {
        Self { answer, seen, print: OnceLock::new() }
    }

    /// What two equal answers share.
    pub(super) fn print(&self) -> u64 {
        *self.print.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            self.answer.status.hash(&mut hasher);
            body(&self.answer).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// The answer for who asked: what it was made of is no part of it. It is copied if others
    /// have it too; its bytes are not.
    pub(super) fn into_answer(self: Arc<Self>) -> Answer {
        match Arc::try_unwrap(self) {
            Ok(own) => own.answer,
            Err(shared) => {
                let Answer { status, ref body, index, watches: _, meta, ref headers } =
                    shared.answer;
                let (body, headers) = (body.clone(), headers.clone());
                Answer { status, body, index, watches: Vec::new(), meta, headers }
            }
        }
    }
}

fn body(answer: &Answer) -> &[u8] {
    match &answer.body {
        Body::Empty => &[],
        Body::Json(bytes) | Body::Bytes(_, bytes) => bytes,
        Body::Text(text) => text.as_bytes(),
    }
}

/// Answers of the newest state that somebody asked. A read depends on nothing but its request and
/// the state, so that they hold until there is another state; then they are forgotten.
pub(crate) struct Answers {
    kept: Mutex<Kept>,
    aside: Arc<Semaphore>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { kept: Mutex::default(), aside: Arc::new(Semaphore::new(ASIDE)) }
    }
}

#[derive(Default)]
struct Kept {
    /// Not kept alive by this; nor can another one have its place while this is here.
    state: Weak<Snapshot>,
    answers: Vec<(Asked, Arc<Evaluated>)>,
    bytes: usize,
}

/// A request, as far as its answer depends on it: where it comes from only matters to what is for
/// one asker alone.
struct Asked {
    hash: u64,
    read: Read,
    request: Request,
}

impl Asked {
    fn is(&self, hash: u64, read: Read, request: &Request) -> bool {
        let own = &self.request;
        self.hash == hash
            && std::ptr::fn_addr_eq(self.read, read)
            && own.method == request.method
            && own.tail == request.tail
            && own.query == request.query
            && own.token == request.token
            && own.body == request.body
    }
}

impl Answers {
    /// The answer of `state` to a request, if it was kept; else it is made. What others may want
    /// is kept: that of one who `waited`, and long ones.
    pub(super) fn get<E>(
        &self,
        state: &Arc<Snapshot>,
        read: Read,
        request: &Request,
        waited: bool,
        make: impl FnOnce() -> Result<Evaluated, E>,
    ) -> Result<Arc<Evaluated>, E> {
        let mut hash = None;
        {
            let mut kept = self.kept();
            if kept.state.as_ptr() != Arc::as_ptr(state) {
                kept.forget(state);
            }
            if !kept.answers.is_empty() {
                let hash = *hash.insert(hash_of(read, request));
                let found = kept.answers.iter().find(|(asked, _)| asked.is(hash, read, request));
                if let Some((_, answer)) = found {
                    return Ok(answer.clone());
                }
            }
        }
        let made = Arc::new(make()?);
        let length = body(&made.answer).len();
        if waited || length >= LONG_BYTES {
            let hash = hash.unwrap_or_else(|| hash_of(read, request));
            let bytes = length + request.tail.len() + request.query.size();
            let mut kept = self.kept();
            let has_room = kept.answers.len() < ANSWERS && kept.bytes + bytes <= BYTES;
            if has_room && kept.state.as_ptr() == Arc::as_ptr(state) {
                kept.bytes += bytes;
                let asked = Asked { hash, read, request: request.clone() };
                kept.answers.push((asked, made.clone()));
            }
        }
        Ok(made)
    }

    /// Does what takes long in another thread, so that nobody else waits for it. It is done to its
    /// end also if nobody wants it any more.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let place = self.aside.clone().acquire_owned().await.expect("it is never closed");
        let work = move || {
            let done = work();
            drop(place);
            done
        };
        match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// Forgets all: there is another state.
    pub(crate) fn clear(&self) {
        let old = std::mem::take(&mut *self.kept());
        drop(old);
    }

    /// Short, and never across an await.
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, state: &Arc<Snapshot>) {
        *self = Self { state: Arc::downgrade(state), ..Self::default() };
    }
}

fn hash_of(read: Read, request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (read as usize).hash(&mut hasher);
    request.tail.hash(&mut hasher);
    request.query.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
