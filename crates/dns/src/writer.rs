//! What `domain` composes messages into: bytes, with names that point back to what stands before
//! them.
//!
//! Its own compressors make their tables anew for every message, and remember nothing of a target
//! that may not be compressed itself (that of SRV) though later names may point to it. This one is
//! kept from message to message.

use std::cell::Cell;
use std::convert::Infallible;

use domain::base::iana::Class;
use domain::base::name::{NameIter, ToLabelIter};
use domain::base::rdata::ComposeRecordData;
use domain::base::record::ComposeRecord;
use domain::base::wire::Composer;
use domain::base::{Serial, ToName, Ttl};
use domain::dep::octseq::{OctetsBuilder, Truncate};
use domain::rdata::{A, Aaaa, Cname, Ns, Ptr, Soa, Srv, Txt};

use crate::name::{LABELS, labels};
use crate::record::{Arena, Data, Record};

/// Pointers reach no further.
const POINTER_REACH: usize = 0x4000;
const POINTER: u16 = 0xc000;
/// Where the question's name stands.
const QUESTION_AT: usize = 12;
const SLOTS: usize = 64;

#[derive(Clone, Copy, Default)]
struct Slot {
    message: u32,
    hash: u32,
    at: u16,
}

/// Which names stand where in the message that is written.
pub(crate) struct Names {
    slots: Vec<Slot>,
    used: usize,
    message: u32,
    on: bool,
    /// How long the question's name is, the first of the message.
    question_bytes: usize,
    /// Whether it is entered: only for names that are not the same.
    question_entered: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS],
            used: 0,
            message: 0,
            on: false,
            question_bytes: 0,
            question_entered: false,
        }
    }
}

impl Names {
    /// Forgets everything; for a message with names that are compressed, or are not.
    pub(crate) fn begin(&mut self, on: bool) {
        // Slots of other messages count as free.
        self.message = self.message.wrapping_add(1);
        if self.message == 0 {
            self.slots.fill(Slot::default());
            self.message = 1;
        }
        (self.used, self.on) = (0, on);
        (self.question_bytes, self.question_entered) = (0, false);
    }

    /// Where a name stands already.
    fn find(&self, hash: u32, wire: &[u8], message: &[u8]) -> Option<u16> {
        let mask = self.slots.len() - 1;
        let mut index = hash as usize & mask;
        loop {
            let slot = self.slots.get(index)?;
            if slot.message != self.message {
                return None;
            }
            if slot.hash == hash && stands_at(message, usize::from(slot.at), wire) {
                return Some(slot.at);
            }
            index = (index + 1) & mask;
        }
    }

    fn insert(&mut self, hash: u32, at: u16) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut index = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(index) {
            if slot.message != self.message {
                *slot = Slot { message: self.message, hash, at };
                self.used += 1;
                return;
            }
            index = (index + 1) & mask;
        }
    }

    /// Never beyond two slots for each place that a pointer reaches.
    fn grow(&mut self) {
        let slots = vec![Slot::default(); self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, slots);
        self.used = 0;
        let message = self.message;
        for slot in old.iter().filter(|slot| slot.message == message) {
            self.insert(slot.hash, slot.at);
        }
    }

    /// Enters a name that stands, or is about to, at a place of the message, as far as it is new:
    /// from which byte on it stands before, and where.
    fn enter(&mut self, wire: &[u8], place: usize, message: &[u8]) -> Option<(usize, u16)> {
        let mut starts = [0u8; LABELS];
        let mut hashes = [0u32; LABELS];
        let (mut at, mut count) = (0, 0);
        for (label, (start, hash)) in labels(wire).zip(starts.iter_mut().zip(&mut hashes)) {
            *start = at as u8;
            at += label.len() + 1;
            *hash = digest(label);
            count += 1;
        }
        let mut rest = 0;
        for hash in hashes.iter_mut().take(count).rev() {
            rest = mix(rest, *hash);
            *hash = rest;
        }
        for (start, hash) in starts.iter().zip(hashes).take(count) {
            let start = usize::from(*start);
            if let Some(known) = self.find(hash, wire.get(start..).unwrap_or_default(), message) {
                return Some((start, known));
            }
            if place + start < POINTER_REACH {
                self.insert(hash, (place + start) as u16);
            }
        }
        None
    }

    /// Enters a name that stands in the message.
    fn enter_at(&mut self, place: usize, length: usize, message: &[u8]) {
        let wire = message.get(place..place + length).unwrap_or_default();
        self.enter(wire, place, message);
    }

    /// Writes a name, as a pointer from where it is known on.
    fn put(&mut self, wire: &[u8], uncompressed: usize, out: &mut Vec<u8>) {
        if !self.on {
            return out.extend_from_slice(wire);
        }
        if self.question_bytes == 0 {
            self.question_bytes = wire.len();
            return out.extend_from_slice(wire);
        }
        if uncompressed > 0 {
            self.enter_question(out);
            self.enter_at(out.len().saturating_sub(uncompressed), uncompressed, out);
        }
        // Most often the owner of a record is what was asked for.
        let question = out.get(QUESTION_AT..QUESTION_AT + self.question_bytes);
        let known = if wire.len() > 1 && question == Some(wire) {
            Some((0, QUESTION_AT as u16))
        } else {
            self.enter_question(out);
            self.enter(wire, out.len(), out)
        };
        match known {
            Some((start, at)) => {
                out.extend_from_slice(wire.get(..start).unwrap_or_default());
                out.extend_from_slice(&(POINTER | at).to_be_bytes());
            }
            None => out.extend_from_slice(wire),
        }
    }

    fn enter_question(&mut self, message: &[u8]) {
        if !self.question_entered {
            self.question_entered = true;
            self.enter_at(QUESTION_AT, self.question_bytes, message);
        }
    }
}

/// What of a label is compared first.
fn digest(label: &[u8]) -> u32 {
    let (words, rest) = label.as_chunks();
    let hash =
        words.iter().fold(label.len() as u32, |hash, word| mix(hash, u32::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, &byte| mix(hash, u32::from(byte)))
}

fn mix(hash: u32, word: u32) -> u32 {
    (hash ^ word).wrapping_mul(0x0100_0193).rotate_left(5)
}

/// Whether a name stands in a message, letter for letter.
fn stands_at(message: &[u8], mut at: usize, wire: &[u8]) -> bool {
    let mut rest = wire;
    // Pointers lead back only, and each is followed by at least one label.
    for _ in 0..=2 * LABELS {
        let Some(&length) = message.get(at) else { return false };
        if length & 0xc0 == 0xc0 {
            let Some(&low) = message.get(at + 1) else { return false };
            at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            continue;
        }
        let size = usize::from(length) + 1;
        let (Some(there), Some(here)) = (message.get(at..at + size), rest.get(..size)) else {
            return false;
        };
        if there != here {
            return false;
        }
        if length == 0 {
            return true;
        }
        rest = rest.get(size..).unwrap_or_default();
        at += size;
    }
    false
}

/// A message that is composed.
pub(crate) struct Target<'a> {
    out: &'a mut Vec<u8>,
    names: &'a mut Names,
    uncompressed: &'a Cell<usize>,
}

impl<'a> Target<'a> {
    /// Of a message whose names are compressed, or are not. `uncompressed` is what the records of
    /// that message get, too.
    pub(crate) fn new(
        out: &'a mut Vec<u8>,
        names: &'a mut Names,
        compress: bool,
        uncompressed: &'a Cell<usize>,
    ) -> Self {
        names.begin(compress);
        Self { out, names, uncompressed }
    }
}

impl OctetsBuilder for Target<'_> {
    type AppendError = Infallible;

    fn append_slice(&mut self, slice: &[u8]) -> Result<(), Infallible> {
        self.out.extend_from_slice(slice);
        Ok(())
    }
}

/// What names are known to stand in is read before it is believed, so that none is forgotten.
impl Truncate for Target<'_> {
    fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }
}

impl AsRef<[u8]> for Target<'_> {
    fn as_ref(&self) -> &[u8] {
        self.out
    }
}

impl AsMut<[u8]> for Target<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.out
    }
}

impl Composer for Target<'_> {
    fn append_compressed_name<N: ToName + ?Sized>(&mut self, name: &N) -> Result<(), Infallible> {
        match name.as_flat_slice() {
            Some(wire) => self.names.put(wire, self.uncompressed.take(), self.out),
            None => name.compose(self)?,
        }
        Ok(())
    }

    fn can_compress(&self) -> bool {
        self.names.on
    }
}

/// A name of ours, in wire form.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl ToLabelIter for Wire<'_> {
    type LabelIter<'a>
        = NameIter<'a>
    where
        Self: 'a;

    fn iter_labels(&self) -> NameIter<'_> {
        type Name = domain::base::Name<[u8]>;
        Name::from_slice(self.0).unwrap_or(Name::root_slice()).iter()
    }

    fn compose_len(&self) -> u16 {
        self.0.len() as u16
    }
}

impl ToName for Wire<'_> {
    fn as_flat_slice(&self) -> Option<&[u8]> {
        Some(self.0)
    }
}

/// A name that is written in full, and that later names may point to.
struct Uncompressed<'a> {
    name: Wire<'a>,
    /// How long it is, once it is the last of the message.
    length: &'a Cell<usize>,
}

impl ToLabelIter for Uncompressed<'_> {
    type LabelIter<'a>
        = NameIter<'a>
    where
        Self: 'a;

    fn iter_labels(&self) -> NameIter<'_> {
        self.name.iter_labels()
    }

    fn compose_len(&self) -> u16 {
        self.name.compose_len()
    }
}

impl ToName for Uncompressed<'_> {
    fn compose<T: OctetsBuilder + ?Sized>(&self, target: &mut T) -> Result<(), T::AppendError> {
        self.length.set(self.name.0.len());
        target.append_slice(self.name.0)
    }
}

/// A record as `domain` composes it.
pub(crate) struct Written<'a> {
    pub(crate) record: &'a Record,
    pub(crate) arena: &'a Arena,
    /// The message's.
    pub(crate) uncompressed: &'a Cell<usize>,
}

impl Written<'_> {
    fn compose<T: Composer + ?Sized>(
        &self,
        data: impl ComposeRecordData,
        target: &mut T,
    ) -> Result<(), T::AppendError> {
        let owner = Wire(self.arena.get(self.record.owner));
        let ttl = Ttl::from_secs(self.record.ttl);
        domain::base::Record::new(owner, Class::IN, ttl, data).compose(target)
    }
}

impl ComposeRecord for Written<'_> {
    fn compose_record<T: Composer + ?Sized>(&self, target: &mut T) -> Result<(), T::AppendError> {
        let name = |piece| Wire(self.arena.get(piece));
        match self.record.data {
            Data::A(address) => self.compose(A::new(address), target),
            Data::Aaaa(address) => self.compose(Aaaa::new(address), target),
            Data::Cname(piece) => self.compose(Cname::new(name(piece)), target),
            Data::Ns(piece) => self.compose(Ns::new(name(piece)), target),
            Data::Ptr(piece) => self.compose(Ptr::new(name(piece)), target),
            Data::Srv { weight, port, target: piece, .. } => {
                let length = self.uncompressed;
                let name = Uncompressed { name: name(piece), length };
                self.compose(Srv::new(1, weight, port, name), target)
            }
            Data::Txt(piece) => {
                let text = Txt::from_octets(self.arena.get(piece));
                self.compose(text.expect("texts are kept as character strings"), target)
            }
            Data::Soa { mname, rname, serial, numbers } => {
                let [refresh, retry, expire, least] = numbers.map(Ttl::from_secs);
                let (mname, rname, serial) = (name(mname), name(rname), Serial(serial));
                let data = Soa::new(mname, rname, serial, refresh, retry, expire, least);
                self.compose(data, target)
            }
        }
    }
}
