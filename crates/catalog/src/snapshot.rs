//! The state as a stream of bytes, and back.
//!
//! ```text
//! "TRIBUNEC" version:u32 index:u64 frame… end
//! frame = length:u32 crc32:u32 record…        length > 0
//! record = tag:u8 postcard(row)
//! end = 0:u32 crc32 of the header and of all frames' bytes:u32
//! ```
//!
//! Numbers are little-endian. Indexes by name and the like are not written: they follow from the
//! rows. The same state makes the same bytes.

use std::io::{self, Read, Write};

use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::kv::Tombstone;
use crate::name::ModifyIndex;
use crate::restore::Staged;
use crate::row::Row;
use crate::state::Snapshot;

const MAGIC: &[u8; 8] = b"TRIBUNEC";
const VERSION: u32 = 2;
/// The oldest that is read: it has no prepared queries.
const VERSION_MIN: u32 = 1;
const HEADER: usize = 8 + 4 + 8;

/// A frame is closed as soon as it has this many bytes: what a writer keeps in memory.
const FRAME_BYTES: usize = 64 * 1024;

/// No frame is longer: nearly a full one and the largest row. A row comes with one command, and the
/// log takes none above 8 MiB (`raft::COMMAND_BYTES`), so that no state is too large to be saved.
const FRAME_MAX: usize = 16 * 1024 * 1024;

/// What stands in front of each row.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Mark = 1,
    Entry,
    Tombstone,
    LockDelay,
    Node,
    Service,
    Check,
    Session,
    Coordinate,
    VirtualAddress,
    Autopilot,
    Staging,
    Staged,
    Query,
}

/// All of them, in the order of their numbers.
const TAGS: [Tag; 14] = [
    Tag::Mark,
    Tag::Entry,
    Tag::Tombstone,
    Tag::LockDelay,
    Tag::Node,
    Tag::Service,
    Tag::Check,
    Tag::Session,
    Tag::Coordinate,
    Tag::VirtualAddress,
    Tag::Autopilot,
    Tag::Staging,
    Tag::Staged,
    Tag::Query,
];

struct Writer<'a> {
    out: &'a mut dyn Write,
    frame: Vec<u8>,
    whole: crc32fast::Hasher,
}

impl Writer<'_> {
    fn put(&mut self, tag: Tag, row: &impl Serialize) -> io::Result<()> {
        self.frame.push(tag as u8);
        self.frame = postcard::to_extend(row, std::mem::take(&mut self.frame)).map_err(invalid)?;
        if self.frame.len() >= FRAME_BYTES { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> io::Result<()> {
        if self.frame.len() > FRAME_MAX {
            return Err(invalid("a row is too large for a snapshot"));
        }
        if self.frame.is_empty() {
            return Ok(());
        }
        self.whole.update(&self.frame);
        self.out.write_all(&(self.frame.len() as u32).to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(&self.frame).to_le_bytes())?;
        self.out.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

impl Snapshot {
    /// Writes the state, a frame at a time.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn save(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend(self.index.0.to_le_bytes());
        out.write_all(&header)?;
        let mut whole = crc32fast::Hasher::new();
        whole.update(&header);
        let mut writer = Writer { out, frame: Vec::with_capacity(2 * FRAME_BYTES), whole };
        for mark in &self.marks {
            writer.put(Tag::Mark, &mark)?;
        }
        for entry in &self.kv.entries {
            writer.put(Tag::Entry, entry)?;
        }
        for stone in &self.kv.tombstones {
            writer.put(Tag::Tombstone, &stone)?;
        }
        for delay in &self.kv.lock_delays {
            writer.put(Tag::LockDelay, &delay)?;
        }
        for node in self.node_list() {
            writer.put(Tag::Node, node)?;
        }
        for (_, service) in self.services.iter() {
            writer.put(Tag::Service, &**service)?;
        }
        for check in self.check_list() {
            writer.put(Tag::Check, check)?;
        }
        for session in self.session_list() {
            writer.put(Tag::Session, session)?;
        }
        for coordinate in self.coordinates() {
            writer.put(Tag::Coordinate, coordinate)?;
        }
        for number in &self.virtual_numbers {
            writer.put(Tag::VirtualAddress, &number)?;
        }
        if let Some(row) = &self.autopilot {
            writer.put(Tag::Autopilot, &**row)?;
        }
        for query in self.query_list() {
            writer.put(Tag::Query, query)?;
        }
        if let Some(staged) = &self.staged {
            writer.put(Tag::Staging, &(staged.id, staged.time))?;
            for part in &staged.parts {
                writer.put(Tag::Staged, part)?;
            }
        }
        writer.close()?;
        let sum = writer.whole.finalize();
        out.write_all(&0u32.to_le_bytes())?;
        out.write_all(&sum.to_le_bytes())?;
        out.flush()
    }

    /// Reads what [`Snapshot::save`] wrote. Allocates no more than the bytes that are there.
    ///
    /// # Errors
    ///
    /// Those of `input`; `InvalidData` for another format or version and for damage;
    /// `UnexpectedEof` for a stream that ends early.
    pub fn restore(input: &mut dyn Read) -> io::Result<Self> {
        let mut header = [0; HEADER];
        input.read_exact(&mut header)?;
        if header[..8] != *MAGIC {
            return Err(invalid("this is no snapshot of the catalogue"));
        }
        let version = word(&header[8..12]);
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(invalid(format!("version {version} of the snapshot is not known here")));
        }
        let index = u64::from(word(&header[12..16])) | u64::from(word(&header[16..])) << 32;
        let mut root = Self { index: ModifyIndex(index), ..Self::default() };
        let mut whole = crc32fast::Hasher::new();
        whole.update(&header);
        loop {
            let mut head = [0; 8];
            input.read_exact(&mut head)?;
            let (length, sum) = (word(&head[..4]) as usize, word(&head[4..]));
            if length == 0 {
                let same = whole.finalize() == sum;
                return if same { Ok(root) } else { Err(invalid("the snapshot is damaged")) };
            }
            if length > FRAME_MAX {
                return Err(invalid(format!("a frame of {length} bytes is too long")));
            }
            let mut frame = Vec::new();
            (&mut *input).take(length as u64).read_to_end(&mut frame)?;
            if frame.len() < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if crc32fast::hash(&frame) != sum {
                return Err(invalid("a frame of the snapshot is damaged"));
            }
            whole.update(&frame);
            let mut rest = &frame[..];
            while let Some((&tag, row)) = rest.split_first() {
                rest = row;
                root.take_row(tag, &mut rest)?;
            }
        }
    }

    /// Enters one row, with what follows from it.
    fn take_row(&mut self, tag: u8, rest: &mut &[u8]) -> io::Result<()> {
        let tag = TAGS.into_iter().find(|known| *known as u8 == tag);
        match tag.ok_or_else(|| invalid("unknown kind of row in the snapshot"))? {
            Tag::Mark => {
                let (mark, index) = take(rest)?;
                self.marks.insert(mark, index);
            }
            Tag::Entry => self.enter(Row::Entry(take(rest)?)),
            Tag::Tombstone => {
                let (key, Tombstone { modify, time }) = take(rest)?;
                self.enter(Row::Tombstone { key, modify, time });
            }
            Tag::LockDelay => {
                let (key, until) = take(rest)?;
                self.kv.lock_delays.insert(key, until);
            }
            Tag::Node => self.enter(Row::Node(take(rest)?)),
            Tag::Service => self.enter(Row::Service(take(rest)?)),
            Tag::Check => self.enter(Row::Check(take(rest)?)),
            Tag::Session => self.enter(Row::Session(take(rest)?)),
            Tag::Coordinate => self.enter(Row::Coordinate(take(rest)?)),
            Tag::VirtualAddress => {
                let (name, number) = take(rest)?;
                self.enter(Row::VirtualAddress(name, number));
            }
            Tag::Autopilot => self.enter(Row::Autopilot(take(rest)?)),
            Tag::Query => self.enter(Row::Query(take(rest)?)),
            Tag::Staging => {
                let (id, time) = take(rest)?;
                self.staged = Some(Staged { id, time, parts: Vector::new() });
            }
            Tag::Staged => {
                let staged = self.staged.as_mut().ok_or_else(|| invalid("a stray part"))?;
                staged.parts.push_back(take(rest)?);
            }
        }
        Ok(())
    }
}

fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> io::Result<T> {
    let (row, left) = postcard::take_from_bytes(rest).map_err(invalid)?;
    *rest = left;
    Ok(row)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
