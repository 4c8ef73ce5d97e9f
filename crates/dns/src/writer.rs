//! Writing a message: records, and names that point back to what stands before them.
//!
//! `domain` composes names into its own builders, which remember nothing of a target that may not
//! be compressed itself (that of SRV) though later names may point to it, and which make their
//! tables anew for every message. This one is kept from message to message.

use crate::name::{LABELS, labels};
use crate::record::{Arena, Data, Record};

/// Pointers reach no further.
const POINTER_REACH: usize = 0x4000;
const POINTER: u16 = 0xc000;
/// Where the question's name stands.
const QUESTION_AT: usize = 12;
/// No message is longer.
pub(crate) const MESSAGE_BYTES: usize = 65535;
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
    question: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS],
            used: 0,
            message: 0,
            on: false,
            question: false,
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
        (self.used, self.on, self.question) = (0, on, false);
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

    /// Writes the owner of a record, most often the name that was asked for.
    fn put_owner(&mut self, wire: &[u8], question: &[u8], out: &mut Vec<u8>) {
        if self.on && wire.len() > 1 && wire == question {
            out.extend_from_slice(&(POINTER | QUESTION_AT as u16).to_be_bytes());
        } else {
            self.put_name(wire, question, true, out);
        }
    }

    fn put_name(&mut self, wire: &[u8], question: &[u8], points: bool, out: &mut Vec<u8>) {
        if self.on && !self.question {
            self.question = true;
            self.enter(question, QUESTION_AT, out);
        }
        if self.on {
            let known = self.enter(wire, out.len(), out);
            if let Some((start, at)) = known.filter(|_| points) {
                out.extend_from_slice(wire.get(..start).unwrap_or_default());
                out.extend_from_slice(&(POINTER | at).to_be_bytes());
                return;
            }
        }
        out.extend_from_slice(wire);
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

/// Writes a record; false, and nothing, if the message would be too long.
pub(crate) fn put_record(
    record: &Record,
    arena: &Arena,
    question: &[u8],
    names: &mut Names,
    out: &mut Vec<u8>,
) -> bool {
    let from = out.len();
    names.put_owner(arena.get(record.owner), question, out);
    out.extend_from_slice(&record.data.rtype().to_int().to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&record.ttl.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    match &record.data {
        Data::A(address) => out.extend_from_slice(&address.octets()),
        Data::Aaaa(address) => out.extend_from_slice(&address.octets()),
        Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => {
            names.put_name(arena.get(*name), question, true, out);
        }
        Data::Srv { weight, port, target, .. } => {
            for number in [1, *weight, *port] {
                out.extend_from_slice(&number.to_be_bytes());
            }
            names.put_name(arena.get(*target), question, false, out);
        }
        Data::Txt(data) => out.extend_from_slice(arena.get(*data)),
        Data::Soa { mname, rname, serial, numbers } => {
            names.put_name(arena.get(*mname), question, true, out);
            names.put_name(arena.get(*rname), question, true, out);
            out.extend_from_slice(&serial.to_be_bytes());
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        }
    }
    let length = out.len() - length_at - 2;
    if let (Some(place), Ok(length)) =
        (out.get_mut(length_at..length_at + 2), u16::try_from(length))
    {
        place.copy_from_slice(&length.to_be_bytes());
    }
    if out.len() > MESSAGE_BYTES {
        out.truncate(from);
        return false;
    }
    true
}
