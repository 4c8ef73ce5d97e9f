//! Unpacking.

use std::io::{Chain, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::ArchiveError;

/// How long the head of a gzip stream is at least.
const HEAD: usize = 10;

/// What is unpacked, as far as it goes.
pub(crate) struct Unpacked<R> {
    decoder: MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>,
    /// How much may still come.
    left: u64,
    is_too_long: bool,
    failure: Option<String>,
}

impl<R: Read> Unpacked<R> {
    /// Of which not more than `limit` bytes may come.
    pub(crate) fn new(mut input: R, limit: u64) -> Result<Self, ArchiveError> {
        let mut head = Vec::with_capacity(HEAD);
        let read = (&mut input).take(HEAD as u64).read_to_end(&mut head);
        read.map_err(|error| ArchiveError::Tail(error.to_string()))?;
        match head[..] {
            [] => return Err(ArchiveError::Gzip("EOF")),
            _ if head.len() < HEAD => return Err(ArchiveError::Gzip("unexpected EOF")),
            [0x1f, 0x8b, 8, ..] => {}
            _ => return Err(ArchiveError::Gzip("gzip: invalid header")),
        }
        let decoder = MultiGzDecoder::new(Cursor::new(head).chain(input));
        Ok(Unpacked { decoder, left: limit, is_too_long: false, failure: None })
    }

    /// Fills a buffer, or as much of it as there is; says how much.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() && self.failure.is_none() && !self.is_too_long {
            match self.decoder.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    match self.left.checked_sub(count as u64) {
                        Some(left) => self.left = left,
                        None => self.is_too_long = true,
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.failure = Some(text(&error)),
            }
        }
        filled
    }

    /// Whether there was more than the limit.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Why it broke off, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

fn text(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        ErrorKind::InvalidInput if error.to_string().contains("header") => {
            "gzip: invalid header".to_owned()
        }
        _ => error.to_string(),
    }
}
