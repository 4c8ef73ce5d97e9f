//! The state as a stream of bytes, and back.
//!
//! ```text
//! "TRIBUNEC" version:u32 index:u64 frame… end
//! frame = length:u32 crc32:u32 record…        length > 0
//! record = tag:u8 postcard(row)
//! end = 0:u32 crc32 of the header and of all frames' bytes:u32
//! ```
//!
//! Behind the record of a restoring that is under way stand the rows of the state that comes with
//! it. Numbers are little-endian. Indexes by name and the like are not written: they follow from
//! the rows. The same state makes the same bytes.
//!
//! | version | since then |
//! |---|---|
//! | 1 | |
//! | 2 | prepared queries |
//! | 3 | numbers of entries are of variable length; a restoring comes as rows, not as a stream |

use std::io::{self, Read, Write};
use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::entry::Entry;
use crate::kv::Tombstone;
use crate::name::ModifyIndex;
use crate::node::Node;
use crate::restore::Staged;
use crate::row::Row;
use crate::service::Service;
use crate::state::Snapshot;

/// What every stream begins with; no tag is its first byte.
pub(crate) const MAGIC: &[u8; 8] = b"TRIBUNEC";
const VERSION: u32 = 3;
/// The oldest that is read.
const VERSION_MIN: u32 = 1;
/// The last one with entries of wide numbers, and with restorings as streams.
const VERSION_WIDE: u32 = 2;
const HEADER: usize = 8 + 4 + 8;

/// A frame is closed as soon as it has this many bytes: what a writer keeps in memory.
const FRAME_BYTES: usize = 64 * 1024;

/// No frame is longer: nearly a full one and the largest row. A row comes with one command, and the
/// log takes none above 8 MiB (`raft::COMMAND_BYTES`), so that no state is too large to be saved.
const FRAME_MAX: usize = 16 * 1024 * 1024;

/// What stands in front of each row.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Tag {
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
    /// A piece of a stream (`Staged::stream`).
    Staged,
    Query,
    /// Only in parts of a restoring.
    NamedIndex,
    LastIndex,
}

/// All of them, in the order of their numbers.
const TAGS: [Tag; 16] = [
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
    Tag::NamedIndex,
    Tag::LastIndex,
];

struct Writer<'a> {
    out: &'a mut dyn Write,
    frame: Vec<u8>,
    whole: crc32fast::Hasher,
}

impl Writer<'_> {
    fn put(&mut self, tag: Tag, row: &impl Serialize) -> io::Result<()> {
        append(&mut self.frame, tag, row)?;
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

/// Appends a row with what stands in front of it.
pub(crate) fn append(out: &mut Vec<u8>, tag: Tag, row: &impl Serialize) -> io::Result<()> {
    out.push(tag as u8);
    *out = postcard::to_extend(row, std::mem::take(out)).map_err(invalid)?;
    Ok(())
}

/// Appends any row.
pub(crate) fn append_row(out: &mut Vec<u8>, row: &Row) -> io::Result<()> {
    match row {
        Row::Entry(entry) => append(out, Tag::Entry, entry),
        Row::Tombstone { key, modify, time } => {
            append(out, Tag::Tombstone, &(key, Tombstone { modify: *modify, time: *time }))
        }
        Row::Node(node) => append(out, Tag::Node, node),
        Row::Service(service) => append(out, Tag::Service, service),
        Row::Check(check) => append(out, Tag::Check, check),
        Row::Session(session) => append(out, Tag::Session, session),
        Row::Coordinate(row) => append(out, Tag::Coordinate, row),
        Row::VirtualAddress(name, number) => append(out, Tag::VirtualAddress, &(name, number)),
        Row::Autopilot(row) => append(out, Tag::Autopilot, row),
        Row::Query(query) => append(out, Tag::Query, query),
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
        self.put_rows(&mut writer)?;
        if let Some(staged) = &self.staged {
            let head = (staged.id, staged.time, staged.parts, staged.root.index);
            writer.put(Tag::Staging, &head)?;
            for piece in &staged.stream {
                writer.put(Tag::Staged, piece)?;
            }
            staged.root.put_rows(&mut writer)?;
        }
        writer.close()?;
        let sum = writer.whole.finalize();
        out.write_all(&0u32.to_le_bytes())?;
        out.write_all(&sum.to_le_bytes())?;
        out.flush()
    }

    fn put_rows(&self, writer: &mut Writer<'_>) -> io::Result<()> {
        for mark in self.marks.iter() {
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
        Ok(())
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
                let root = match &mut root.staged {
                    Some(staged) if tag != Tag::Staged as u8 => Arc::make_mut(&mut staged.root),
                    _ => &mut root,
                };
                root.take_row(tag, version, &mut rest)?;
            }
        }
    }

    /// Enters the rows of a part. What is the same in the state that this one takes the place of is
    /// shared with it: for a while both are there.
    pub(crate) fn take_part(&mut self, mut part: &[u8], current: &Self) -> io::Result<()> {
        while let Some((&tag, mut row)) = part.split_first() {
            if tag == Tag::Entry as u8 {
                let entry: Entry = take(&mut row)?;
                let same = current.kv.entries.get(entry.key()).filter(|there| **there == entry);
                self.enter(Row::Entry(same.cloned().unwrap_or(entry)));
            } else if tag == Tag::Node as u8 {
                let node: Node = take(&mut row)?;
                match current.nodes.get(&node.name.fold()).filter(|there| ***there == node) {
                    Some(same) => self.enter_node(same.clone()),
                    None => self.enter(Row::Node(node)),
                }
            } else if tag == Tag::Service as u8 {
                let service: Box<Service> = take(&mut row)?;
                match current.services.get(&service.key()).filter(|there| ***there == *service) {
                    Some(same) => self.enter_service(same.clone()),
                    None => self.enter(Row::Service(service)),
                }
            } else if tag == Tag::Check as u8 {
                let check: Box<Check> = take(&mut row)?;
                match current.checks.get(&check.key()).filter(|there| ***there == *check) {
                    Some(same) => self.enter_check(same.clone()),
                    None => self.enter(Row::Check(check)),
                }
            } else if tag == Tag::Staging as u8 {
                return Err(invalid("a stray part"));
            } else {
                self.take_row(tag, VERSION, &mut row)?;
            }
            part = row;
        }
        Ok(())
    }

    /// Enters one row, with what follows from it.
    fn take_row(&mut self, tag: u8, version: u32, rest: &mut &[u8]) -> io::Result<()> {
        let tag = TAGS.into_iter().find(|known| *known as u8 == tag);
        match tag.ok_or_else(|| invalid("unknown kind of row in the snapshot"))? {
            Tag::Mark => {
                let (mark, index) = take(rest)?;
                self.marks.set(mark, index);
            }
            Tag::Entry if version <= VERSION_WIDE => {
                let entry = Entry::unpack_wide(take(rest)?);
                self.enter(Row::Entry(entry.ok_or_else(|| invalid("a torn entry"))?));
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
                let (parts, index) =
                    if version <= VERSION_WIDE { (0, ModifyIndex::ZERO) } else { take(rest)? };
                let root = Arc::new(Self { index, ..Self::default() });
                self.staged = Some(Staged { id, time, parts, root, stream: Vector::new() });
            }
            Tag::Staged => {
                let piece: &[u8] = take(rest)?;
                let staged = self.staged.as_mut().ok_or_else(|| invalid("a stray part"))?;
                staged.stream.push_back(piece.into());
            }
            Tag::NamedIndex => {
                let (name, index): (&str, ModifyIndex) = take(rest)?;
                self.enter_index(name, index);
            }
            Tag::LastIndex => {
                let index = take(rest)?;
                self.enter_last_index(index);
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
