//! The reader.

use super::Dialect;
use crate::{DecodeError, limits};

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads values from a slice, checking every length against what is there.
///
/// Typed reads follow the tolerance of Go's codec: integers in any width and sign if they fit,
/// nil as the zero value of anything, strings and bytes in any form. Nothing is allocated from a
/// claimed count. When a read fails, the position is somewhere inside the value; clone the reader
/// beforehand to try again.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    dialect: Dialect,
}

/// The head of a value: everything but its bytes or children.
pub(super) enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Single(f32),
    Double(f64),
    Raw(u32),
    Binary(u32),
    Array(u32),
    Map(u32),
    /// Kind byte and length.
    Extension(u8, u32),
}

impl<'a> Reader<'a> {
    /// A reader of the gossip dialect at the start of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Reader::with_dialect(input, Dialect::Gossip)
    }

    /// A reader of either dialect at the start of `input`.
    pub fn with_dialect(input: &'a [u8], dialect: Dialect) -> Self {
        Reader { input, position: 0, dialect }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.position..]
    }

    /// Takes the next `length` bytes as they are.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.rest().get(..length).ok_or(DecodeError::Incomplete)?;
        self.position += length;
        Ok(taken)
    }

    /// The first byte of the next value.
    pub fn peek(&self) -> Result<u8> {
        self.rest().first().copied().ok_or(DecodeError::Incomplete)
    }

    /// Reads a nil if the next value is one; tells whether it was.
    pub fn read_nil(&mut self) -> Result<bool> {
        let is_nil = self.peek()? == 0xc0;
        self.position += usize::from(is_nil);
        Ok(is_nil)
    }

    /// Reads a boolean; 0 and 1 are booleans too.
    pub fn read_bool(&mut self) -> Result<bool> {
        let found = self.peek()?;
        self.position += 1;
        match found {
            0xc0 | 0xc2 | 0x00 => Ok(false),
            0xc3 | 0x01 => Ok(true),
            _ => Err(DecodeError::WrongType { expected: "a boolean", found }),
        }
    }

    /// Reads an unsigned number of 64 bits.
    pub fn read_u64(&mut self) -> Result<u64> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(0),
            Head::Unsigned(value) => Ok(value),
            Head::Signed(value) => {
                u64::try_from(value).map_err(|_| DecodeError::OutOfRange("an unsigned field"))
            }
            _ => Err(DecodeError::WrongType { expected: "a whole number", found }),
        }
    }

    /// Reads an unsigned number of 32 bits.
    pub fn read_u32(&mut self) -> Result<u32> {
        u32::try_from(self.read_u64()?).map_err(|_| DecodeError::OutOfRange("32 bits"))
    }

    /// Reads an unsigned number of 16 bits.
    pub fn read_u16(&mut self) -> Result<u16> {
        u16::try_from(self.read_u64()?).map_err(|_| DecodeError::OutOfRange("16 bits"))
    }

    /// Reads an unsigned number of 8 bits.
    pub fn read_u8(&mut self) -> Result<u8> {
        u8::try_from(self.read_u64()?).map_err(|_| DecodeError::OutOfRange("8 bits"))
    }

    /// Reads a signed number of 64 bits.
    pub fn read_i64(&mut self) -> Result<i64> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(0),
            Head::Unsigned(value) => {
                i64::try_from(value).map_err(|_| DecodeError::OutOfRange("a signed field"))
            }
            Head::Signed(value) => Ok(value),
            _ => Err(DecodeError::WrongType { expected: "a whole number", found }),
        }
    }

    /// Reads a floating-point number; whole numbers are taken too.
    pub fn read_f64(&mut self) -> Result<f64> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(0.0),
            Head::Double(value) => Ok(value),
            Head::Single(value) => Ok(f64::from(value)),
            Head::Unsigned(value) => Ok(value as f64),
            Head::Signed(value) => Ok(value as f64),
            _ => Err(DecodeError::WrongType { expected: "a number", found }),
        }
    }

    /// Reads bytes in any of their forms; nil is empty.
    pub fn read_bytes(&mut self) -> Result<&'a [u8]> {
        Ok(self.read_optional_bytes()?.unwrap_or_default())
    }

    /// Reads bytes in any of their forms, keeping nil apart from empty.
    pub fn read_optional_bytes(&mut self) -> Result<Option<&'a [u8]>> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(None),
            Head::Raw(length) | Head::Binary(length) => Ok(Some(self.take(length as usize)?)),
            _ => Err(DecodeError::WrongType { expected: "bytes", found }),
        }
    }

    /// Reads bytes in any of their forms, or as a list of numbers below 256, as the RPC's peers
    /// accept them; keeps nil apart from empty.
    pub fn read_byte_list(&mut self) -> Result<Option<Vec<u8>>> {
        if !matches!(self.peek()?, 0x90..=0x9f | 0xdc | 0xdd) {
            return Ok(self.read_optional_bytes()?.map(<[u8]>::to_vec));
        }
        let count = self.read_array()?.unwrap_or_default();
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.push(self.read_u8()?);
        }
        Ok(Some(bytes))
    }

    /// Reads a string as the bytes it is made of; nil is empty. Unlike [`Reader::read_bytes`] it
    /// refuses bin in the RPC dialect.
    pub fn read_raw_text(&mut self) -> Result<&'a [u8]> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(&[]),
            Head::Raw(length) => self.take(length as usize),
            Head::Binary(length) if self.dialect == Dialect::Gossip => self.take(length as usize),
            _ => Err(DecodeError::WrongType { expected: "text", found }),
        }
    }

    /// Reads a string; nil is empty. Other than UTF-8 is [`DecodeError::NotText`], and then the
    /// reader stands behind the string.
    pub fn read_text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.read_raw_text()?).map_err(|_| DecodeError::NotText)
    }

    /// Reads the head of a list: how many values follow. None for nil. The count is a claim, not
    /// a promise.
    pub fn read_array(&mut self) -> Result<Option<usize>> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(None),
            Head::Array(count) => Ok(Some(count as usize)),
            _ => Err(DecodeError::WrongType { expected: "a list", found }),
        }
    }

    /// Reads the head of a map: how many pairs follow. None for nil. The count is a claim, not a
    /// promise.
    pub fn read_map(&mut self) -> Result<Option<usize>> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => Ok(None),
            Head::Map(count) => Ok(Some(count as usize)),
            _ => Err(DecodeError::WrongType { expected: "a map", found }),
        }
    }

    /// Reads a record: a map of named fields, or a list of values in the order of `declared`.
    ///
    /// `field` is called once per field with its name and must read or [`Reader::skip`] exactly
    /// one value; skipping names it does not know is what makes unknown fields harmless. A field
    /// given twice is read twice, so the last one wins. Fields that are absent are not called
    /// for, so what `field` writes to keeps its value: the base of the RPC's sticky headers.
    /// Returns false for nil, which stands for a record of zero values.
    ///
    /// ```
    /// use wire::msgpack::Reader;
    ///
    /// let (mut sequence, mut name) = (0, "");
    /// let mut reader = Reader::new(b"\x82\xa3Seq\x07\xa4Name\xa2me");
    /// reader.read_record(&["Name", "Seq"], |reader, field| {
    ///     match field {
    ///         b"Seq" => sequence = reader.read_u64()?,
    ///         b"Name" => name = reader.read_text()?,
    ///         _ => reader.skip()?,
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!((sequence, name), (7, "me"));
    /// # Ok::<(), wire::DecodeError>(())
    /// ```
    pub fn read_record(
        &mut self,
        declared: &[&str],
        mut field: impl FnMut(&mut Self, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        let found = self.peek()?;
        match self.read_head()? {
            Head::Nil => return Ok(false),
            Head::Map(count) => {
                for _ in 0..count {
                    let name = self.read_raw_text()?;
                    field(self, name)?;
                }
            }
            Head::Array(count) => {
                for index in 0..count as usize {
                    match declared.get(index) {
                        Some(name) => field(self, name.as_bytes())?,
                        None => self.skip()?,
                    }
                }
            }
            _ => return Err(DecodeError::WrongType { expected: "a record", found }),
        }
        Ok(true)
    }

    /// Skips one value with everything inside it.
    pub fn skip(&mut self) -> Result<()> {
        self.skip_nested(limits::MSGPACK_DEPTH)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let children = match self.read_head()? {
            Head::Raw(length) | Head::Binary(length) | Head::Extension(_, length) => {
                self.take(length as usize)?;
                0
            }
            Head::Array(count) => u64::from(count),
            Head::Map(pairs) => 2 * u64::from(pairs),
            _ => 0,
        };
        for _ in 0..children {
            self.skip_nested(depth)?;
        }
        Ok(())
    }

    pub(super) fn read_head(&mut self) -> Result<Head> {
        let marker = self.peek()?;
        self.position += 1;
        Ok(match marker {
            0x00..=0x7f => Head::Unsigned(u64::from(marker)),
            0x80..=0x8f => Head::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Head::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Head::Raw(u32::from(marker & 0x1f)),
            0xc0 => Head::Nil,
            0xc1 => return Err(DecodeError::WrongType { expected: "a value", found: marker }),
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4..=0xc6 => Head::Binary(self.read_length(marker - 0xc4)?),
            0xc7..=0xc9 => {
                let length = self.read_length(marker - 0xc7)?;
                Head::Extension(self.big_endian::<1>()?[0], length)
            }
            0xca => Head::Single(f32::from_be_bytes(self.big_endian()?)),
            0xcb => Head::Double(f64::from_be_bytes(self.big_endian()?)),
            0xcc => Head::Unsigned(u64::from(self.big_endian::<1>()?[0])),
            0xcd => Head::Unsigned(u64::from(u16::from_be_bytes(self.big_endian()?))),
            0xce => Head::Unsigned(u64::from(u32::from_be_bytes(self.big_endian()?))),
            0xcf => Head::Unsigned(u64::from_be_bytes(self.big_endian()?)),
            0xd0 => Head::Signed(i64::from(i8::from_be_bytes(self.big_endian()?))),
            0xd1 => Head::Signed(i64::from(i16::from_be_bytes(self.big_endian()?))),
            0xd2 => Head::Signed(i64::from(i32::from_be_bytes(self.big_endian()?))),
            0xd3 => Head::Signed(i64::from_be_bytes(self.big_endian()?)),
            0xd4..=0xd8 => Head::Extension(self.big_endian::<1>()?[0], 1 << (marker - 0xd4)),
            0xd9..=0xdb => Head::Raw(self.read_length(marker - 0xd9)?),
            0xdc => Head::Array(self.read_length(1)?),
            0xdd => Head::Array(self.read_length(2)?),
            0xde => Head::Map(self.read_length(1)?),
            0xdf => Head::Map(self.read_length(2)?),
            0xe0..=0xff => Head::Signed(i64::from(marker as i8)),
        })
    }

    /// A length of 1, 2 or 4 bytes, by the logarithm of its size.
    fn read_length(&mut self, size_log2: u8) -> Result<u32> {
        Ok(match size_log2 {
            0 => u32::from(self.big_endian::<1>()?[0]),
            1 => u32::from(u16::from_be_bytes(self.big_endian()?)),
            _ => u32::from_be_bytes(self.big_endian()?),
        })
    }

    fn big_endian<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.rest().first_chunk::<N>().ok_or(DecodeError::Incomplete)?;
        self.position += N;
        Ok(*bytes)
    }
}
