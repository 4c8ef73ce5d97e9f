//! Packing and unpacking.

use std::io::{ErrorKind, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::ArchiveError;

/// How long the head of a gzip stream is at least.
const HEAD: usize = 10;

/// What was unpacked, and why that broke off if it did.
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) failure: Option<String>,
}

pub(crate) fn unpack(bytes: &[u8], limit: usize) -> Result<Unpacked, ArchiveError> {
    match bytes {
        [] => return Err(ArchiveError::Gzip("EOF")),
        [0x1f, 0x8b, 8, ..] if bytes.len() >= HEAD => {}
        _ if bytes.len() < HEAD => return Err(ArchiveError::Gzip("unexpected EOF")),
        _ => return Err(ArchiveError::Gzip("gzip: invalid header")),
    }
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    let failure = reader.read_to_end(&mut unpacked).err().map(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        ErrorKind::InvalidInput if error.to_string().contains("header") => {
            "gzip: invalid header".to_owned()
        }
        _ => error.to_string(),
    });
    if unpacked.len() > limit {
        return Err(ArchiveError::TooLong(limit));
    }
    Ok(Unpacked { bytes: unpacked, failure })
}

pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}
