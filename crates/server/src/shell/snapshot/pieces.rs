//! A body that a thread writes while a client reads it.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::pace::Pace;

/// Bytes of a piece.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Pieces that wait for the client.
const WAITING: usize = 4;

/// A piece, or that there are no more.
type Next = Option<Bytes>;

/// The thread's end: each write is a piece. It fails when the client is gone, silent or slow
/// ([`Pace`]). What is dropped without [`Sender::finish`] is cut, and breaks off at the client's
/// end.
pub(super) struct Sender {
    pieces: mpsc::Sender<Next>,
    pace: Pace,
    runtime: Handle,
}

/// The client's end, before anything was written.
pub(super) struct Unbegun(mpsc::Receiver<Next>);

/// The client's end.
pub(super) struct Pieces {
    first: Option<Bytes>,
    /// Gone when the end was read.
    rest: Option<mpsc::Receiver<Next>>,
}

/// Both ends. To be called on the runtime.
pub(super) fn pair() -> (Sender, Unbegun) {
    let (pieces, receiver) = mpsc::channel(WAITING);
    (Sender { pieces, pace: Pace::default(), runtime: Handle::current() }, Unbegun(receiver))
}

impl Sender {
    /// Says that this was all.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.send(None)
    }

    fn send(&mut self, next: Next) -> io::Result<()> {
        self.pace.moved(next.as_ref().map_or(0, Bytes::len));
        match self.runtime.block_on(self.pace.keep(self.pieces.send(next))) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Some(Bytes::copy_from_slice(bytes))).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unbegun {
    /// The body, as soon as there is something of it. Nothing if the thread ended without a word.
    pub(super) async fn begin(mut self) -> Option<Pieces> {
        let first = self.0.recv().await.flatten()?;
        Some(Pieces { first: Some(first), rest: Some(self.0) })
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let Poll::Ready(next) = rest.poll_recv(context) else { return Poll::Pending };
        if let Some(Some(piece)) = next {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        this.rest = None;
        // A thread that ended without a word left the rest out.
        Poll::Ready(next.is_none().then(|| Err(io::ErrorKind::UnexpectedEof.into())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_a_thread_writes_is_read_and_it_is_told_when_nobody_reads() {
        let (mut sender, unbegun) = pair();
        let thread = tokio::task::spawn_blocking(move || {
            for number in 0..20_u8 {
                sender.write_all(&[number; 3])?;
            }
            Ok::<_, io::Error>(sender)
        });
        let mut body = unbegun.begin().await.unwrap();
        for number in 0..20 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap()[..], [number; 3]);
        }
        let mut sender = thread.await.unwrap().unwrap();
        drop(body);
        let thread = tokio::task::spawn_blocking(move || sender.write_all(b"x"));
        assert_eq!(thread.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);

        let (sender, unbegun) = pair();
        drop(sender);
        assert!(unbegun.begin().await.is_none());
    }

    #[tokio::test]
    async fn only_what_was_finished_has_an_end() {
        for finished in [true, false] {
            let (mut sender, unbegun) = pair();
            let thread = tokio::task::spawn_blocking(move || {
                sender.write_all(b"one")?;
                sender.write_all(b"two")?;
                if finished { sender.finish() } else { Ok(()) }
            });
            let mut body = unbegun.begin().await.unwrap();
            thread.await.unwrap().unwrap();
            for piece in [b"one", b"two"] {
                assert_eq!(
                    body.frame().await.unwrap().unwrap().into_data().unwrap()[..],
                    piece[..]
                );
            }
            if !finished {
                let error = body.frame().await.unwrap().unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
            assert!(body.frame().await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_holds_the_thread_for_a_while_only() {
        let (mut sender, unbegun) = pair();
        let (done, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let written = (0..WAITING + 2).try_for_each(|_| sender.write_all(b"x"));
            let _ = done.send(written);
        });
        // One is taken, and as many as may wait: with one more the clock runs.
        let body = unbegun.begin().await;
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(body);
    }
}
