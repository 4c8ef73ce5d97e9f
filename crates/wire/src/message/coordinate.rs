//! Network coordinates.

use bytes::Bytes;

use crate::msgpack::{Reader, Writer};
use crate::{DecodeError, limits};

/// A position in the Vivaldi space, as it travels in acks and over the RPC.
///
/// Nothing is checked but the form: whether the numbers make sense is the caller's question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinate {
    /// The Euclidean part, in seconds; normally 8 dimensions.
    pub vec: Vec<f64>,
    /// Confidence in the position, dimensionless; lower is better.
    pub error: f64,
    /// A correction from recent samples, in seconds.
    pub adjustment: f64,
    /// The part of every distance that the space does not explain, in seconds.
    pub height: f64,
}

impl Coordinate {
    /// The first byte of an ack's payload that carries a coordinate.
    pub const PAYLOAD_VERSION: u8 = 1;

    /// Reads the map.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut coordinate = Coordinate::default();
        let declared = ["Vec", "Error", "Adjustment", "Height"];
        reader.read_record(&declared, |reader, field| {
            match field {
                b"Vec" => {
                    let limit = limits::COORDINATE_DIMENSIONS;
                    let list = reader.read_list("dimension count", limit, |reader| {
                        reader.read_f64().map(Some)
                    })?;
                    coordinate.vec = list.unwrap_or_default();
                }
                b"Error" => coordinate.error = reader.read_f64()?,
                b"Adjustment" => coordinate.adjustment = reader.read_f64()?,
                b"Height" => coordinate.height = reader.read_f64()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(coordinate)
    }

    /// Writes the map.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(4);
        writer.field_f64("Adjustment", self.adjustment);
        writer.field_f64("Error", self.error);
        writer.field_f64("Height", self.height);
        writer.write_text("Vec");
        writer.write_array(self.vec.len());
        for &component in &self.vec {
            writer.write_f64(component);
        }
    }

    /// The payload of an ack that carries this coordinate.
    pub fn to_payload(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + 9 * self.vec.len());
        let mut writer = Writer::new(&mut out);
        writer.write_encoded(&[Coordinate::PAYLOAD_VERSION]);
        self.write(&mut writer);
        out.into()
    }

    /// The coordinate in the payload of an ack; fails where it is of another version.
    pub fn from_payload(payload: &[u8]) -> Result<Self, DecodeError> {
        let (&version, body) = payload.split_first().ok_or(DecodeError::Empty)?;
        if version != Coordinate::PAYLOAD_VERSION {
            return Err(DecodeError::UnknownType { what: "ack payload", found: version });
        }
        Coordinate::read(&mut Reader::new(body))
    }
}
