//! The archives in which Consul keeps snapshots of its state.
//!
//! An [`Archive`] is bytes and back: what `consul snapshot save` writes, what restoring takes, and
//! what is refused, with Consul's words. It checks the sums and reads the description; the state
//! itself is bytes to it. [`Records`] walks through a state as Consul writes it and tells what each
//! record is and how long; what records mean is the business of whoever restores them. No files:
//! the caller has the bytes, and says how many there may be once they are unpacked.
//!
//! ```text
//!   gzip( tar( meta.json, state.bin, SHA256SUMS ) )  ◀──▶  Archive { meta, state }
//!   state.bin = {"LastIndex": n} record record ...    ──▶  Records
//! ```
//!
//! ```
//! use archive::{Archive, Meta};
//!
//! let archive = Archive { meta: Meta { index: 7, ..Meta::default() }, state: b"state".to_vec() };
//! let read = Archive::read(&archive.write(), 1 << 20)?;
//! assert_eq!((read.meta.index, read.state), (7, b"state".to_vec()));
//!
//! let error = Archive::read(b"not a snapshot", 1 << 20).unwrap_err();
//! assert_eq!(error.to_string(), "failed to decompress snapshot: gzip: invalid header");
//! # Ok::<(), archive::ArchiveError>(())
//! ```

mod error;
mod gzip;
mod meta;
mod records;
mod sums;
mod tar;

pub use error::ArchiveError;
pub use meta::{Meta, Server};
pub use records::{Record, Records, StateWriter, is_known, kind, last_index, type_name};

/// A snapshot: its description and the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// What stands in `meta.json`.
    pub meta: Meta,
    /// What stands in `state.bin`.
    pub state: Vec<u8>,
}

const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";

impl Archive {
    /// Reads an archive of which not more than `limit` bytes are unpacked.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`] for what is no archive, is cut, is longer than the limit, or does not have
    /// the sums that it says.
    pub fn read(bytes: &[u8], limit: usize) -> Result<Archive, ArchiveError> {
        let unpacked = gzip::unpack(bytes, limit)?;
        let mut reader = tar::Reader::new(&unpacked);
        let mut archive = Archive::default();
        let (mut meta, mut sums): (&[u8], &[u8]) = (b"", b"");
        while let Some((name, contents)) = reader.next_file()? {
            match name.as_str() {
                META => {
                    meta = contents.whole().map_err(ArchiveError::Meta)?;
                    archive.meta = Meta::read(meta)?;
                }
                STATE => archive.state = contents.whole().map_err(ArchiveError::State)?.to_vec(),
                SUMS => sums = contents.whole().map_err(ArchiveError::Sums)?,
                other => return Err(ArchiveError::UnexpectedFile(other.to_owned())),
            }
        }
        sums::check(sums, &[(META, meta), (STATE, &archive.state)])?;
        reader.finish()?;
        Ok(archive)
    }

    /// The archive as bytes.
    pub fn write(&self) -> Vec<u8> {
        let meta = self.meta.write(self.state.len() as u64);
        let sums = sums::write(&[(META, &meta), (STATE, &self.state)]);
        let mut packed = Vec::with_capacity(self.state.len() + 8 * tar::BLOCK);
        for (name, contents) in [(META, &meta), (STATE, &self.state), (SUMS, &sums)] {
            tar::append(&mut packed, name, contents);
        }
        tar::end(&mut packed);
        gzip::pack(&packed)
    }
}

#[cfg(test)]
mod tests;
