//! The writer.

use super::Dialect;

/// How numbers of signed fields above 127 are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntegerHabit {
    /// As unsigned numbers: the older codec, understood by all, and the one to send.
    #[default]
    Unsigned,
    /// In the shortest signed form: the newer codec.
    Signed,
}

/// Appends values to a buffer, each in its shortest form.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
    habit: IntegerHabit,
}

impl<'a> Writer<'a> {
    /// A writer of the gossip dialect with the older integer habit.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer::with_dialect(out, Dialect::Gossip)
    }

    /// A writer of either dialect with the older integer habit, which the RPC shares.
    pub fn with_dialect(out: &'a mut Vec<u8>, dialect: Dialect) -> Self {
        Writer { out, dialect, habit: IntegerHabit::Unsigned }
    }

    /// The same writer with another integer habit.
    pub fn habit(self, habit: IntegerHabit) -> Self {
        Writer { habit, ..self }
    }

    /// Appends bytes as they are: a type byte, or values already encoded.
    pub fn write_encoded(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// Writes nil.
    pub fn write_nil(&mut self) {
        self.out.push(0xc0);
    }

    /// Writes a boolean.
    pub fn write_bool(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }

    /// Writes the number of an unsigned field.
    pub fn write_u64(&mut self, value: u64) {
        match value {
            0..=0x7f => self.out.push(value as u8),
            0x80..=0xff => self.out.extend_from_slice(&[0xcc, value as u8]),
            0x100..=0xffff => self.marked(0xcd, (value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.marked(0xce, (value as u32).to_be_bytes()),
            _ => self.marked(0xcf, value.to_be_bytes()),
        }
    }

    /// Writes the number of a signed field.
    pub fn write_i64(&mut self, value: i64) {
        if let (Ok(unsigned), IntegerHabit::Unsigned) = (u64::try_from(value), self.habit) {
            return self.write_u64(unsigned);
        }
        if (-32..=127).contains(&value) {
            self.out.push(value as u8);
        } else if let Ok(narrow) = i8::try_from(value) {
            self.marked(0xd0, narrow.to_be_bytes());
        } else if let Ok(narrow) = i16::try_from(value) {
            self.marked(0xd1, narrow.to_be_bytes());
        } else if let Ok(narrow) = i32::try_from(value) {
            self.marked(0xd2, narrow.to_be_bytes());
        } else {
            self.marked(0xd3, value.to_be_bytes());
        }
    }

    /// Writes a floating-point number, always in 64 bits.
    pub fn write_f64(&mut self, value: f64) {
        self.marked(0xcb, value.to_be_bytes());
    }

    pub(super) fn write_f32(&mut self, value: f32) {
        self.marked(0xca, value.to_be_bytes());
    }

    pub(super) fn write_extension(&mut self, kind: u8, bytes: &[u8]) {
        self.marked(0xc9, (bytes.len() as u32).to_be_bytes());
        self.out.push(kind);
        self.out.extend_from_slice(bytes);
    }

    /// Writes a string.
    pub fn write_text(&mut self, text: &str) {
        self.write_raw(text.as_bytes());
    }

    /// Writes a string that may be other than UTF-8.
    pub fn write_raw(&mut self, raw: &[u8]) {
        let length = raw.len();
        if length < 32 {
            self.out.push(0xa0 | length as u8);
        } else if let (Ok(short), Dialect::Rpc) = (u8::try_from(length), self.dialect) {
            self.marked(0xd9, [short]);
        } else if let Ok(medium) = u16::try_from(length) {
            self.marked(0xda, medium.to_be_bytes());
        } else {
            self.marked(0xdb, (length as u32).to_be_bytes());
        }
        self.out.extend_from_slice(raw);
    }

    /// Writes bytes: like a string between members, as bin over the RPC.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        if self.dialect == Dialect::Gossip {
            return self.write_raw(bytes);
        }
        let length = bytes.len();
        match length {
            0..=255 => self.out.extend_from_slice(&[0xc4, length as u8]),
            256..=0xffff => self.marked(0xc5, (length as u16).to_be_bytes()),
            _ => self.marked(0xc6, (length as u32).to_be_bytes()),
        }
        self.out.extend_from_slice(bytes);
    }

    /// Writes bytes, or nil.
    pub fn write_optional_bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.write_bytes(bytes),
            None => self.write_nil(),
        }
    }

    /// Writes the head of a list; `count` values must follow.
    pub fn write_array(&mut self, count: usize) {
        match count {
            0..=15 => self.out.push(0x90 | count as u8),
            16..=0xffff => self.marked(0xdc, (count as u16).to_be_bytes()),
            _ => self.marked(0xdd, (count as u32).to_be_bytes()),
        }
    }

    /// Writes the head of a map; `pairs` keys with their values must follow.
    pub fn write_map(&mut self, pairs: usize) {
        match pairs {
            0..=15 => self.out.push(0x80 | pairs as u8),
            16..=0xffff => self.marked(0xde, (pairs as u16).to_be_bytes()),
            _ => self.marked(0xdf, (pairs as u32).to_be_bytes()),
        }
    }

    fn marked<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.out.push(marker);
        self.out.extend_from_slice(&bytes);
    }
}
