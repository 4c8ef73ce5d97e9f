//! Restoring: another state takes the place of this one. It comes with the log in parts, so that
//! every server has the same bytes, and those who start anew find them where they found the rest;
//! the last part swaps the state in one step.

use std::io::{self, Read};
use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::name::{ModifyIndex, Time, Uuid};
use crate::row::Row;
use crate::snapshot::{MAGIC, Tag, append, append_row};
use crate::state::{Snapshot, Write};

/// A part of a state: whole rows, as [`PartWriter`] makes it. Logs of before hold pieces of what
/// [`Snapshot::save`] wrote then, cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePart {
    /// Which restoring it belongs to.
    pub id: Uuid,
    /// Its place among the parts, from 0. The first one takes the place of what others began.
    pub number: u32,
    /// Whether it is the last.
    pub last: bool,
    /// The rows.
    #[serde(with = "crate::kv::bytes")]
    pub bytes: Box<[u8]>,
}

/// Makes the parts of one restoring. Rows are entered in the order in which they are put, over
/// those of before ([`Snapshot::enter`]).
#[derive(Debug)]
pub struct PartWriter {
    id: Uuid,
    number: u32,
    bytes: Vec<u8>,
}

impl PartWriter {
    /// Those of a restoring that nobody else uses the identity of.
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        Self { id, number: 0, bytes: Vec::new() }
    }

    /// Bytes of the part so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// None that a row of this crate is known to cause.
    pub fn put(&mut self, row: &Row) -> io::Result<()> {
        append_row(&mut self.bytes, row)
    }

    /// Appends an index by name ([`Snapshot::enter_index`]).
    ///
    /// # Errors
    ///
    /// As [`PartWriter::put`].
    pub fn put_index(&mut self, name: &str, index: ModifyIndex) -> io::Result<()> {
        append(&mut self.bytes, Tag::NamedIndex, &(name, index))
    }

    /// Appends the index of the last command ([`Snapshot::enter_last_index`]).
    ///
    /// # Errors
    ///
    /// As [`PartWriter::put`].
    pub fn put_last_index(&mut self, index: ModifyIndex) -> io::Result<()> {
        append(&mut self.bytes, Tag::LastIndex, &index)
    }

    /// The part so far; the next one begins.
    pub fn take(&mut self, last: bool) -> RestorePart {
        let bytes = std::mem::take(&mut self.bytes);
        self.part(bytes, last)
    }

    /// The part as it was at a [`length`](Self::length); what was put since then begins the next
    /// one.
    ///
    /// # Panics
    ///
    /// If the part is not that long.
    pub fn take_first(&mut self, length: usize) -> RestorePart {
        let rest = self.bytes.split_off(length);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        self.part(bytes, false)
    }

    fn part(&mut self, bytes: Vec<u8>, last: bool) -> RestorePart {
        let number = self.number;
        self.number += 1;
        RestorePart { id: self.id, number, last, bytes: bytes.into() }
    }
}

/// The state that is to take the place of this one, as far as it has come.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) id: Uuid,
    /// When the last part came.
    pub(crate) time: Time,
    /// How many have come.
    pub(crate) parts: u32,
    pub(crate) root: Arc<Snapshot>,
    /// In place of these, the pieces of a stream that have come.
    pub(crate) stream: Vector<Arc<[u8]>>,
}

impl Staged {
    /// The number of the part that is to come.
    fn next(&self) -> usize {
        self.parts as usize + self.stream.len()
    }
}

impl Write<'_> {
    /// Takes a part; the last one swaps the state.
    pub(crate) fn restore(&mut self, part: &RestorePart) -> Result<(), Error> {
        let interrupted = || Error::Restore("another one began in between".into());
        let mut staged = match self.root.staged.take() {
            Some(staged) if staged.id == part.id && part.number > 0 => staged,
            other if part.number > 0 => {
                self.root.staged = other;
                return Err(interrupted());
            }
            _ => Staged {
                id: part.id,
                time: self.now,
                parts: 0,
                root: Arc::default(),
                stream: Vector::new(),
            },
        };
        if staged.next() != part.number as usize {
            return Err(interrupted());
        }
        staged.time = self.now;
        let wrong = |error: io::Error| Error::Restore(error.to_string().into());
        if !staged.stream.is_empty() || part.number == 0 && part.bytes.starts_with(MAGIC) {
            staged.stream.push_back((*part.bytes).into());
        } else {
            staged.parts += 1;
            // Who reads the state has a hand on this one too: what they share is copied.
            Arc::make_mut(&mut staged.root).take_part(&part.bytes, self.root).map_err(wrong)?;
        }
        if !part.last {
            self.root.staged = Some(staged);
            return Ok(());
        }
        let mut root = if staged.stream.is_empty() {
            Arc::unwrap_or_clone(staged.root)
        } else {
            Snapshot::restore(&mut Stream { rest: staged.stream, read: 0 }).map_err(wrong)?
        };
        // Later than all that was ever written here or there: indexes never come twice.
        root.index.0 = self.index.0.max(root.index.0.saturating_add(1));
        *self.root = root;
        *self.replaced = true;
        Ok(())
    }

    /// Forgets the parts of a restoring that did not go on since a time.
    pub(crate) fn restore_reap(&mut self, before: Time) {
        if self.root.staged.as_ref().is_some_and(|staged| staged.time < before) {
            self.root.staged = None;
        }
    }
}

/// The pieces of a stream; each is given free once it has been read.
struct Stream {
    rest: Vector<Arc<[u8]>>,
    read: usize,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.rest.front() {
            let count = (&piece[self.read..]).read(buffer)?;
            if count > 0 {
                self.read += count;
                return Ok(count);
            }
            if buffer.is_empty() {
                return Ok(0);
            }
            self.rest.pop_front();
            self.read = 0;
        }
        Ok(0)
    }
}
