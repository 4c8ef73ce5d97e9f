//! Snapshots: the whole state at one entry of the log, so that the log before it can go.
//!
//! ```text
//!   "TRBsnap1" ─ frame ─ frame ─ … ─ empty frame          frame = length (4) ─ crc (4) ─ bytes
//!                 header   the machine's bytes
//! ```
//!
//! A checksum covers its frame and, through the one before, all that precede it: what is cut off,
//! exchanged or changed is found before the machine reads it. A file is written beside the current
//! one and takes its name when it is on disk. In memory the machine's own image is kept, and
//! written only if somebody asks for the bytes.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crc32fast::Hasher;

use crate::limits::FRAME_BYTES;
use crate::types::{LogId, SnapshotMeta, StoredMembership};
use crate::{Machine, codec};

/// Format and version.
const MAGIC: &[u8; 8] = b"TRBsnap1";
const CURRENT: &str = "snapshot";
const UNFINISHED: &str = "snapshot.new";

/// What belongs to a state beside the machine's own content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    /// The index that the next command gets.
    pub(crate) next_index: u64,
    pub(crate) clock_ms: u64,
}

impl Header {
    /// openraft's view. Two snapshots of one entry are the same, so the entry is their name.
    pub(crate) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: self.applied.map_or_else(String::new, |id| id.to_string()),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        codec::put_option(out, self.applied.as_ref())?;
        codec::put_stored(out, &self.membership)?;
        out.write_all(&self.next_index.to_be_bytes())?;
        out.write_all(&self.clock_ms.to_be_bytes())
    }

    fn read(input: &mut impl Read) -> io::Result<Self> {
        Ok(Self {
            applied: codec::option(input)?,
            membership: codec::stored(input)?,
            next_index: codec::u64(input)?,
            clock_ms: codec::u64(input)?,
        })
    }
}

/// Where the bytes of a snapshot come from.
pub(crate) enum Source<M: Machine> {
    /// A file, from its start.
    File(File),
    /// A state in memory, written when it is read.
    Image(Header, Arc<M::Image>),
    /// Nothing that was received yet.
    Empty,
}

impl<M: Machine> Source<M> {
    fn into_reader(self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::File(file) => Box::new(file),
            Self::Image(header, image) => {
                let mut bytes = Vec::new();
                write::<M>(&mut bytes, &header, &image)?;
                Box::new(Cursor::new(bytes))
            }
            Self::Empty => Box::new(io::empty()),
        })
    }
}

/// A snapshot in memory.
type Kept<M> = Option<(Header, Arc<<M as Machine>::Image>)>;

/// The current snapshot, if there is one.
pub(crate) enum Snapshots<M: Machine> {
    /// A file in this directory.
    Disk(PathBuf),
    /// The state itself.
    Memory(Arc<Mutex<Kept<M>>>),
}

impl<M: Machine> Clone for Snapshots<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Disk(directory) => Self::Disk(directory.clone()),
            Self::Memory(kept) => Self::Memory(Arc::clone(kept)),
        }
    }
}

impl<M: Machine> Snapshots<M> {
    /// The one in `directory`, read into `machine`. `None` if there is none yet.
    pub(crate) fn load(directory: &Path, machine: &mut M) -> io::Result<Option<Header>> {
        match fs::remove_file(directory.join(UNFINISHED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match File::open(directory.join(CURRENT)) {
            Ok(file) => restore(file, machine).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes this state the current snapshot and returns its size in bytes (0 in memory). Takes as
    /// long as the disk.
    pub(crate) fn save(&self, header: &Header, image: &Arc<M::Image>) -> io::Result<u64> {
        match self {
            Self::Disk(directory) => replace(directory, |file| write::<M>(file, header, image)),
            Self::Memory(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some((header.clone(), Arc::clone(image)));
                Ok(0)
            }
        }
    }

    /// The current snapshot, to be read.
    pub(crate) fn current(&self) -> io::Result<Option<(Header, Source<M>)>> {
        match self {
            Self::Disk(directory) => match File::open(directory.join(CURRENT)) {
                Ok(mut file) => {
                    let header = Header::read(&mut Frames::new(&mut file)?)?;
                    file.seek(SeekFrom::Start(0))?;
                    Ok(Some((header, Source::File(file))))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Self::Memory(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept
                    .clone()
                    .map(|(header, image)| (header.clone(), Source::Image(header, image))))
            }
        }
    }

    /// Makes a snapshot from elsewhere the current one and `machine` its content.
    pub(crate) fn install(&self, source: Source<M>, machine: &mut M) -> io::Result<Header> {
        let mut reader = source.into_reader()?;
        match self {
            Self::Disk(directory) => {
                replace(directory, |file| io::copy(&mut reader, file).map(drop))?;
                restore(File::open(directory.join(CURRENT))?, machine)
            }
            Self::Memory(_) => {
                let header = restore(reader, machine)?;
                self.save(&header, &Arc::new(machine.image()))?;
                Ok(header)
            }
        }
    }
}

/// Writes a new file and gives it the current one's name once it is on disk.
fn replace(directory: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<u64> {
    let unfinished = directory.join(UNFINISHED);
    let written = File::create(&unfinished).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        file.metadata().map(|metadata| metadata.len())
    });
    match written {
        Ok(size) => {
            fs::rename(&unfinished, directory.join(CURRENT))?;
            File::open(directory)?.sync_all()?;
            Ok(size)
        }
        Err(error) => {
            // It only takes up space; the next start removes it too.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

fn write<M: Machine>(out: impl Write, header: &Header, image: &M::Image) -> io::Result<()> {
    let mut framed = Framed::new(out)?;
    header.write(&mut framed)?;
    M::save(image, &mut framed)?;
    framed.finish()
}

fn restore(input: impl Read, machine: &mut impl Machine) -> io::Result<Header> {
    let mut frames = Frames::new(input)?;
    let header = Header::read(&mut frames)?;
    machine.restore(&mut frames)?;
    if frames.read(&mut [0])? != 0 {
        return Err(codec::invalid("the snapshot holds more than its state"));
    }
    Ok(header)
}

/// Cuts what is written into frames.
struct Framed<W> {
    out: W,
    frame: Vec<u8>,
    checksum: u32,
}

impl<W: Write> Framed<W> {
    fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self { out, frame: Vec::with_capacity(FRAME_BYTES), checksum: 0 })
    }

    fn put_frame(&mut self) -> io::Result<()> {
        let mut hasher = Hasher::new_with_initial(self.checksum);
        hasher.update(&self.frame);
        self.checksum = hasher.finalize();
        codec::put_length(&mut self.out, self.frame.len())?;
        self.out.write_all(&self.checksum.to_be_bytes())?;
        self.out.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.frame.is_empty() {
            self.put_frame()?;
        }
        self.put_frame()?;
        self.out.flush()
    }
}

impl<W: Write> Write for Framed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME_BYTES - self.frame.len());
        self.frame.extend_from_slice(&bytes[..taken]);
        if self.frame.len() == FRAME_BYTES {
            self.put_frame()?;
        }
        Ok(taken)
    }

    /// Frames are of full length whatever the writer does.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what is in frames, each after its check.
struct Frames<R> {
    input: R,
    frame: Vec<u8>,
    position: usize,
    checksum: u32,
    ended: bool,
}

impl<R: Read> Frames<R> {
    fn new(mut input: R) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(codec::invalid("this is no snapshot of a version known here"));
        }
        Ok(Self { input, frame: Vec::new(), position: 0, checksum: 0, ended: false })
    }

    fn next_frame(&mut self) -> io::Result<()> {
        let length = codec::length(&mut self.input, FRAME_BYTES)?;
        let mut checksum = [0; 4];
        self.input.read_exact(&mut checksum)?;
        self.frame.resize(length, 0);
        self.input.read_exact(&mut self.frame)?;
        let mut hasher = Hasher::new_with_initial(self.checksum);
        hasher.update(&self.frame);
        self.checksum = hasher.finalize();
        if self.checksum != u32::from_be_bytes(checksum) {
            return Err(codec::invalid("the snapshot is damaged: a checksum does not fit"));
        }
        self.position = 0;
        self.ended = length == 0;
        Ok(())
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position == self.frame.len() && !self.ended {
            self.next_frame()?;
        }
        let rest = &self.frame[self.position..];
        let taken = rest.len().min(out.len());
        out[..taken].copy_from_slice(&rest[..taken]);
        self.position += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn framed(content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut framed = Framed::new(&mut bytes).unwrap();
        framed.write_all(content).unwrap();
        framed.finish().unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Frames::new(bytes)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_is_framed_is_read_back() {
        for length in [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES] {
            let content: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
            assert_eq!(read(&framed(&content)).unwrap(), content);
        }
    }

    #[test]
    fn what_is_cut_off_or_changed_is_found() {
        let bytes = framed(&vec![7; FRAME_BYTES + 100]);
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            assert!(read(&bytes[..length]).is_err(), "{length} bytes");
        }
        for position in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[position] ^= 0x10;
            assert!(read(&changed).is_err(), "byte {position}");
        }
    }

    #[test]
    fn frames_of_two_snapshots_do_not_mix() {
        let one = framed(&vec![1; 2 * FRAME_BYTES]);
        let two = framed(&vec![2; 2 * FRAME_BYTES]);
        let half = MAGIC.len() + 8 + FRAME_BYTES;
        let mixed = [&one[..half], &two[half..]].concat();
        assert!(read(&mixed).is_err());
    }
}
