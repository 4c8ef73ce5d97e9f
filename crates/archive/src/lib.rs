//! The archives in which Consul keeps snapshots of its state.
//!
//! [`read`] takes an archive from a stream and hands its state on as a stream, [`write()`] makes
//! one of a state that is written to it: an archive may be far larger than what is kept of it in
//! memory, which is a few buffers. What is refused is refused with Consul's words. The state
//! itself is bytes to both. [`Records`] walks through a state as Consul writes it and tells what
//! each record is and how long, [`StateWriter`] writes one; what records mean is the business of
//! whoever restores them. No files: the caller has the streams, and says how many bytes there may
//! be once they are unpacked.
//!
//! ```text
//!   gzip( tar( meta.json, state.bin, SHA256SUMS ) )  ◀──▶  Meta, state
//!   state.bin = {"LastIndex": n} record record ...   ◀──▶  StateWriter, Records
//! ```
//!
//! ```
//! use std::io::Read;
//!
//! use archive::Meta;
//!
//! let mut bytes = Vec::new();
//! archive::write(&mut bytes, &Meta { index: 7, ..Meta::default() }, |out| out.write_all(b"state"))?;
//! let (meta, length) = archive::read(&bytes[..], 1 << 20, |state| state.bytes().count())?;
//! assert_eq!((meta.index, length), (7, 5));
//!
//! let error = archive::read(&b"not a snapshot"[..], 1 << 20, |_| ()).unwrap_err();
//! assert_eq!(error.to_string(), "failed to decompress snapshot: gzip: invalid header");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

mod error;
mod gzip;
mod meta;
mod records;
mod sums;
mod tar;

pub use error::ArchiveError;
pub use meta::{Meta, Server};
pub use records::{Record, Records, StateWriter, is_known, kind, type_name};

const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";

/// Longest description and longest list of sums that are taken; both are a few hundred bytes long.
const TEXT_BYTES: u64 = 1 << 20;

/// Reads an archive of which not more than `limit` bytes are unpacked. `state` gets the state as it
/// comes, **before** anything is known to be good; what it returns is worth something only with the
/// `Ok` of this function, and what it does not read is passed over.
///
/// # Errors
///
/// [`ArchiveError`] for what is no archive, is cut, is longer than the limit, or does not have the
/// sums that it says.
pub fn read<T>(
    input: impl Read,
    limit: u64,
    state: impl FnMut(&mut dyn Read) -> T,
) -> Result<(Meta, T), ArchiveError> {
    let mut reader = tar::Reader::new(gzip::Unpacked::new(input, limit)?);
    let found = read_files(&mut reader, state);
    // What is cut off at the limit looks broken in many ways.
    if reader.is_too_long() { Err(ArchiveError::TooLong(limit)) } else { found }
}

fn read_files<T>(
    reader: &mut tar::Reader<impl Read>,
    mut state: impl FnMut(&mut dyn Read) -> T,
) -> Result<(Meta, T), ArchiveError> {
    let mut meta = Meta::default();
    let mut list = Vec::new();
    let (mut meta_sum, mut state_sum) = (sums::of(b""), sums::of(b""));
    let mut found = None;
    while let Some(name) = reader.next_file()? {
        match name.as_str() {
            META => {
                let text = reader.whole(TEXT_BYTES).map_err(ArchiveError::Meta)?;
                meta = Meta::read(&text)?;
                meta_sum = sums::of(&text);
            }
            STATE if found.is_none() => {
                let mut summed = sums::Summed::new(&mut *reader);
                found = Some(state(&mut summed));
                let passed_over = io::copy(&mut summed, &mut io::sink());
                (_, state_sum) = summed.finish();
                let whole = passed_over.map_err(|error| error.to_string());
                whole.and_then(|_| reader.ended()).map_err(ArchiveError::State)?;
            }
            SUMS => list = reader.whole(TEXT_BYTES).map_err(ArchiveError::Sums)?,
            _ => return Err(ArchiveError::UnexpectedFile(name)),
        }
    }
    sums::check(&list, &[(META, meta_sum), (STATE, state_sum)])?;
    reader.finish()?;
    Ok((meta, found.unwrap_or_else(|| state(&mut io::empty()))))
}

/// Writes an archive. `state` is called twice and must write the same each time: its length and its
/// sum stand before it.
///
/// # Errors
///
/// Those of `out` and of `state`; a state of two different lengths, or of more than 8 GiB.
pub fn write(
    out: impl Write,
    meta: &Meta,
    state: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut measured = sums::Summed::new(());
    state(&mut measured)?;
    let (length, sum) = measured.finish();
    let meta = meta.write(length);
    let list = sums::write(&[(META, sums::of(&meta)), (STATE, sum)]);
    // Who asks waits for it: the time counts for more than the length.
    let mut tar = GzEncoder::new(out, Compression::fast());
    tar::append(&mut tar, META, meta.len() as u64, |out| out.write_all(&meta))?;
    tar::append(&mut tar, STATE, length, &state)?;
    tar::append(&mut tar, SUMS, list.len() as u64, |out| out.write_all(&list))?;
    tar::end(&mut tar)?;
    tar.finish()?.flush()
}

#[cfg(test)]
mod tests;
