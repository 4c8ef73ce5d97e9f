//! Restoring: another state takes the place of this one. It comes with the log in parts, so that
//! every server has the same bytes, and those who start anew find them where they found the rest;
//! the last part swaps the state in one step.

use std::io::Read;
use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::name::{Time, Uuid};
use crate::state::{Snapshot, Write};

/// A part of a state, as [`Snapshot::save`] writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePart {
    /// Which restoring it belongs to.
    pub id: Uuid,
    /// Its place among the parts, from 0. The first one takes the place of what others began.
    pub number: u32,
    /// Whether it is the last.
    pub last: bool,
    /// The bytes.
    #[serde(with = "crate::kv::bytes")]
    pub bytes: Box<[u8]>,
}

/// The parts that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) id: Uuid,
    /// When the last one came.
    pub(crate) time: Time,
    pub(crate) parts: Vector<Arc<[u8]>>,
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
            _ => Staged { id: part.id, time: self.now, parts: Vector::new() },
        };
        if staged.parts.len() != part.number as usize {
            return Err(interrupted());
        }
        staged.time = self.now;
        staged.parts.push_back((*part.bytes).into());
        if !part.last {
            self.root.staged = Some(staged);
            return Ok(());
        }
        let mut bytes = Parts { rest: staged.parts, read: 0 };
        let mut root = Snapshot::restore(&mut bytes)
            .map_err(|error| Error::Restore(error.to_string().into()))?;
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

/// The parts as one stream; each is given free once it has been read.
struct Parts {
    rest: Vector<Arc<[u8]>>,
    read: usize,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(part) = self.rest.front() {
            let count = (&part[self.read..]).read(buffer)?;
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
