//! Compressing what is made while it is sent: each piece can be read when it arrives.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame};

use super::reply::Streamed;

/// A compressed body.
pub(super) struct Gzip {
    plain: Streamed,
    /// Gone when the end was sent.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    pub(super) fn new(plain: Streamed) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        Self { plain, encoder: Some(encoder) }
    }
}

impl Body for Gzip {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        const SURE: &str = "memory takes every byte";
        let this = self.get_mut();
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            let Poll::Ready(frame) = Pin::new(&mut this.plain).poll_frame(context) else {
                return Poll::Pending;
            };
            let bytes = match frame {
                Some(Ok(frame)) => {
                    let Ok(plain) = frame.into_data() else { continue };
                    encoder.write_all(&plain).and_then(|()| encoder.flush()).expect(SURE);
                    std::mem::take(encoder.get_mut())
                }
                // What could be unpacked to its end would look whole.
                Some(Err(error)) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => match this.encoder.take() {
                    Some(encoder) => encoder.finish().expect(SURE),
                    None => return Poll::Ready(None),
                },
            };
            return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;

    use super::*;

    #[tokio::test]
    async fn each_piece_can_be_read_when_it_is_there() {
        let (mut sender, channel) = Channel::<Bytes, io::Error>::new(1);
        let mut body = Gzip::new(channel.boxed_unsync());
        let mut decoder = flate2::write::GzDecoder::new(Vec::new());
        let mut whole = Vec::new();
        for piece in ["one\n", "two\n"] {
            sender.send_data(piece.into()).await.unwrap();
            let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
            whole.extend_from_slice(&bytes);
            decoder.write_all(&bytes).unwrap();
            decoder.flush().unwrap();
            assert!(decoder.get_ref().ends_with(piece.as_bytes()));
        }
        drop(sender);
        whole.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        assert!(body.frame().await.is_none());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&whole[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[tokio::test]
    async fn what_breaks_off_has_no_end() {
        let (sender, channel) = Channel::<Bytes, io::Error>::new(1);
        let mut body = Gzip::new(channel.boxed_unsync());
        sender.abort(io::ErrorKind::TimedOut.into());
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(body.frame().await.is_none());
    }
}
