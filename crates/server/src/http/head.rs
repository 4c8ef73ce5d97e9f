//! The heads of requests, as far as hyper leaves something to be wished for: what is malformed is
//! answered in Go's words, and no client takes for ever to say what it wants, or to take what it
//! is given.
//!
//! A good request costs a copy of its head. Only when hyper writes an answer to what it could not
//! read is the copy looked at, and the answer replaced.

mod refusal;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a head may take from its first byte on.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long a connection may be idle, longer than clients keep one that they do not use; and how
/// long a client may take nothing of what is written for it.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// How much of a head is remembered, for who has to say what is wrong with it.
const REMEMBERED_BYTES: usize = 16 << 10;

/// What a connection is about. Shared by its stream and its service, which are one task.
#[derive(Clone)]
pub(super) struct Stage(Arc<AtomicU8>);

/// Nothing of a request is there.
const IDLE: u8 = 0;
/// A head has begun.
const HEAD: u8 = 1;
/// A request is being served.
const SERVED: u8 = 2;

impl Stage {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(IDLE)))
    }

    /// A head was read and understood.
    pub(super) fn serving(&self) {
        self.set(SERVED);
    }

    /// A body that is served until all of it is on its way.
    pub(super) fn until_sent<B>(self, body: B) -> Staged<B> {
        Staged { body, stage: self }
    }

    fn set(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of an answer; with its end the request ends.
pub(super) struct Staged<B> {
    body: B,
    stage: Stage,
}

impl<B> Drop for Staged<B> {
    fn drop(&mut self) {
        self.stage.set(IDLE);
    }
}

impl<B: Body + Unpin> Body for Staged<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The stream of a connection.
pub(super) struct Guarded<S> {
    inner: S,
    stage: Stage,
    /// When the stage began that has a deadline, or the client last took something.
    since: Instant,
    /// Something is written that the client does not take.
    is_stalled: bool,
    /// Goes off no later than the deadline: it is set anew only when it does.
    alarm: Pin<Box<Sleep>>,
    head: Vec<u8>,
    refusal: Option<Refusal>,
}

/// An answer that takes the place of hyper's.
struct Refusal {
    text: Vec<u8>,
    sent: usize,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, stage: Stage) -> Self {
        Self {
            inner,
            stage,
            since: Instant::now(),
            is_stalled: false,
            alarm: Box::pin(sleep(HEAD_TIME)),
            head: Vec::new(),
            refusal: None,
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        match self.stage.get() {
            SERVED => return,
            IDLE => {
                self.stage.set(HEAD);
                self.since = Instant::now();
                self.head.clear();
            }
            _ => {}
        }
        let room = REMEMBERED_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether the client has taken too long. Registers the task to be woken when it has.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        while self.alarm.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let allowed = match self.stage.get() {
                _ if self.is_stalled => IDLE_TIME,
                HEAD => HEAD_TIME,
                IDLE => IDLE_TIME,
                _ => {
                    self.since = now;
                    IDLE_TIME
                }
            };
            let end = self.since + allowed;
            if end <= now {
                return true;
            }
            // A head can begin at any time, and is then not to wait for the idle time to pass.
            self.alarm.as_mut().reset(end.min(now + HEAD_TIME));
        }
        false
    }

    /// What came of writing, unless the client has taken nothing for too long.
    fn given<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() != self.is_stalled {
            self.is_stalled = written.is_pending();
            self.since = Instant::now();
        }
        if self.is_stalled && self.is_late(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Whether what is to be written now is hyper's answer to a head that it did not understand,
    /// or comes after one: then ours is written in its place.
    fn refuses(&mut self, bytes: &[u8]) -> bool {
        if self.refusal.is_none() && self.stage.get() == HEAD {
            self.refusal = refusal::of(bytes, &self.head).map(|text| Refusal { text, sent: 0 });
        }
        self.refusal.is_some()
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>, asked: usize) -> Poll<io::Result<usize>> {
        let Some(Refusal { text, sent }) = &mut self.refusal else { return Poll::Ready(Ok(asked)) };
        while *sent < text.len() {
            let count = ready!(Pin::new(&mut self.inner).poll_write(context, &text[*sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += count;
        }
        Poll::Ready(Ok(asked))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(())) => self.took(&buffer.filled()[before..]),
            Poll::Pending if self.is_late(context) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match self.refuses(bytes) {
            true => self.poll_refusal(context, bytes.len()),
            false => Pin::new(&mut self.inner).poll_write(context, bytes),
        };
        self.given(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match self.refuses(slices.first().map(|slice| &**slice).unwrap_or_default()) {
            true => self.poll_refusal(context, slices.iter().map(|slice| slice.len()).sum()),
            false => Pin::new(&mut self.inner).poll_write_vectored(context, slices),
        };
        self.given(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.given(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.given(context, shut)
    }
}

#[cfg(test)]
mod tests;
