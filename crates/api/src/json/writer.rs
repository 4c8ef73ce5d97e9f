//! A value's way to text. Answers consist of thousands of short texts and names of fields: each is
//! looked at and copied in one go, eight bytes at a time.

use std::fmt::{self, Display};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{self, Serialize, Serializer};
use serde_json::Error;

/// Where a value is written.
pub(super) struct Writer {
    out: Vec<u8>,
    /// The next text is JSON already.
    is_raw: bool,
}

/// What `serde_json` calls JSON that is kept as it came.
pub(crate) const RAW: &str = "$serde_json::private::RawValue";

impl Writer {
    pub(super) fn new() -> Self {
        Self { out: Vec::with_capacity(256), is_raw: false }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn text(&mut self, text: &str) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.escaped(text);
        self.out.push(b'"');
    }

    /// A text without its quotes. Go escapes what could end a script in a page.
    fn escaped(&mut self, text: &str) {
        let out = &mut self.out;
        let mut rest = text.as_bytes();
        loop {
            if let Some((eight, after)) = rest.split_first_chunk::<8>()
                && are_plain(u64::from_le_bytes(*eight))
            {
                out.extend_from_slice(eight);
                rest = after;
                continue;
            }
            let Some((&byte, mut after)) = rest.split_first() else { return };
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0..0x20 | b'<' | b'>' | b'&' => {
                    let digit = |number: u8| HEX[usize::from(number & 0xf)];
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
                }
                // The two line separators.
                0xe2 => match after {
                    [0x80, last @ (0xa8 | 0xa9), behind @ ..] => {
                        out.extend_from_slice(b"\\u202");
                        out.push(HEX[usize::from(last & 0xf)]);
                        after = behind;
                    }
                    _ => out.push(byte),
                },
                _ => out.push(byte),
            }
            rest = after;
        }
    }

    fn open(&mut self, open: &str, close: &'static str) -> Inside<'_> {
        self.out.extend_from_slice(open.as_bytes());
        Inside { writer: self, close, is_first: true }
    }

    /// Opens the object around a variant with content.
    fn variant(&mut self, name: &str) {
        self.out.push(b'{');
        self.text(name);
        self.out.push(b':');
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether eight bytes are ASCII of which nothing is escaped.
#[inline]
fn are_plain(bytes: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    // Without borrows from byte to byte the top bits say which bytes are zero; a borrow only comes
    // from a byte that is one of them.
    let holds = |bytes: u64, byte: u8| {
        let bytes = bytes ^ (ONES * u64::from(byte));
        bytes.wrapping_sub(ONES) & !bytes
    };
    let controls = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let brackets = holds(bytes | (ONES * 0x02), b'>'); // and '<'
    let quotes = holds(bytes | (ONES * 0x04), b'&'); // and '"'
    (bytes | controls | brackets | quotes | holds(bytes, b'\\')) & TOPS == 0
}

/// What `Display` shows, into a text.
struct Shown<'a>(&'a mut Writer);

impl fmt::Write for Shown<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        Ok(())
    }
}

/// A list or an object that is being written, or the one field of what is JSON already.
pub(super) struct Inside<'a> {
    writer: &'a mut Writer,
    close: &'static str,
    is_first: bool,
}

impl Inside<'_> {
    fn comma(&mut self) {
        if !self.is_first {
            self.writer.out.push(b',');
        }
        self.is_first = false;
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        if !self.writer.is_raw {
            self.comma();
            self.writer.text(name);
            self.writer.out.push(b':');
        }
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), Error> {
        self.writer.out.extend_from_slice(self.close.as_bytes());
        Ok(())
    }
}

/// Numbers are as the library has them.
macro_rules! numbers {
    ($($method:ident($number:ty))*) => {$(
        fn $method(self, number: $number) -> Result<(), Error> {
            number.serialize(&mut serde_json::Serializer::new(&mut self.out))
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    numbers! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_f32(f32) serialize_f64(f64)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        if self.is_raw {
            self.is_raw = false;
            self.out.extend_from_slice(value.as_bytes());
        } else {
            self.text(value);
        }
        Ok(())
    }

    /// Bytes are a text in base64, as Go writes them.
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        let length = base64::encoded_len(value.len(), true).unwrap_or_default();
        self.out.push(b'"');
        let from = self.out.len();
        self.out.resize(from + length, b'=');
        let text = &mut self.out[from..];
        STANDARD.encode_slice(value, text).map_err(ser::Error::custom)?;
        self.out.push(b'"');
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, Error> {
        Ok(self.open("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, Error> {
        self.variant(variant);
        Ok(self.open("[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'a>, Error> {
        Ok(self.open("{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Inside<'a>, Error> {
        self.is_raw = name == RAW;
        Ok(if self.is_raw { self.open("", "") } else { self.open("{", "}") })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, Error> {
        self.variant(variant);
        Ok(self.open("{", "}}"))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        use fmt::Write;
        self.out.push(b'"');
        write!(Shown(self), "{value}").map_err(ser::Error::custom)?;
        self.out.push(b'"');
        Ok(())
    }
}

/// What serde tells apart and JSON does not.
macro_rules! parts {
    ($($kind:ident $method:ident($($name:ident)?) $part:ident;)*) => {$(
        impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), Error> {
                self.$part($($name,)? value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

parts! {
    SerializeSeq serialize_element() element;
    SerializeTuple serialize_element() element;
    SerializeTupleStruct serialize_field() element;
    SerializeTupleVariant serialize_field() element;
    SerializeStruct serialize_field(name) field;
    SerializeStructVariant serialize_field(name) field;
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let at = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        // A key is a text, whatever it is made of.
        if self.writer.out.get(at) != Some(&b'"') {
            self.writer.out.insert(at, b'"');
            self.writer.out.push(b'"');
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}
