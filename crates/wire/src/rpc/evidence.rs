//! Evidence: who accused whom of having failed. Only Tribune's agents have it; see
//! `docs/evidence.md`.

use std::time::Duration;

use super::{Frame, Result, read_records, read_text};
use crate::Incarnation;
use crate::msgpack::{Reader, Writer};

/// What happened to a member's good name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EvidenceKind {
    /// Somebody suspects it of having failed.
    #[default]
    Suspect,
    /// Another one confirms the suspicion.
    Confirm,
    /// It was declared to have failed.
    Dead,
    /// It said that it is alive after all.
    Refute,
    /// A kind that only a newer agent knows.
    Other(String),
}

impl EvidenceKind {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            EvidenceKind::Suspect => "suspect",
            EvidenceKind::Confirm => "confirm",
            EvidenceKind::Dead => "dead",
            EvidenceKind::Refute => "refute",
            EvidenceKind::Other(word) => word,
        }
    }
}

impl From<String> for EvidenceKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "suspect" => EvidenceKind::Suspect,
            "confirm" => EvidenceKind::Confirm,
            "dead" => EvidenceKind::Dead,
            "refute" => EvidenceKind::Refute,
            _ => EvidenceKind::Other(word),
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whom it is about.
    pub node: String,
    /// The incarnation it is about.
    pub incarnation: Incarnation,
    /// What happened.
    pub kind: EvidenceKind,
    /// Who says so.
    pub by: String,
    /// The health score of the one who says so, 0 being the best; None where it was not told.
    pub health: Option<u32>,
    /// When this agent learned of it, in milliseconds since 1970.
    pub time_unix_ms: i64,
    /// For how long the member had been under suspicion; zero for the first accusation.
    pub suspected_for: Duration,
}

/// How many fields [`Evidence`] has on the wire.
const FIELDS: usize = 7;

impl Evidence {
    /// Writes the record; inside a stream it carries the field `Event` too.
    pub(super) fn write_fields(&self, writer: &mut Writer<'_>, event: Option<&str>) {
        writer.write_map(FIELDS + usize::from(event.is_some()));
        writer.write_text("By");
        writer.write_text(&self.by);
        if let Some(event) = event {
            writer.write_text("Event");
            writer.write_text(event);
        }
        writer.write_text("Health");
        writer.write_i64(self.health.map_or(-1, i64::from));
        writer.write_text("Incarnation");
        writer.write_u64(u64::from(self.incarnation.0));
        writer.write_text("Kind");
        writer.write_text(self.kind.as_str());
        writer.write_text("Node");
        writer.write_text(&self.node);
        writer.write_text("SuspectedFor");
        let nanoseconds = self.suspected_for.as_nanos().min(i64::MAX as u128) as i64;
        writer.write_i64(nanoseconds);
        writer.write_text("Time");
        writer.write_i64(self.time_unix_ms);
    }

    /// Reads one field; tells whether it is one of this record.
    pub(super) fn read_field(&mut self, reader: &mut Reader<'_>, field: &[u8]) -> Result<bool> {
        match field {
            b"Node" => self.node = read_text(reader)?,
            b"Incarnation" => self.incarnation = Incarnation(reader.read_u32()?),
            b"Kind" => self.kind = EvidenceKind::from(read_text(reader)?),
            b"By" => self.by = read_text(reader)?,
            b"Health" => self.health = u32::try_from(reader.read_i64()?).ok(),
            b"Time" => self.time_unix_ms = reader.read_i64()?,
            b"SuspectedFor" => {
                let nanoseconds = u64::try_from(reader.read_i64()?).unwrap_or(0);
                self.suspected_for = Duration::from_nanos(nanoseconds);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Frame for Evidence {
    fn write(&self, writer: &mut Writer<'_>) {
        self.write_fields(writer, None);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut evidence = Evidence::default();
        let declared = ["Node", "Incarnation", "Kind", "By", "Health", "Time", "SuspectedFor"];
        reader.read_record(&declared, |reader, field| {
            if evidence.read_field(reader, field)? { Ok(()) } else { reader.skip() }
        })?;
        Ok(evidence)
    }
}

/// The answer to `evidence`: the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceReply {
    /// The pieces.
    pub evidence: Vec<Evidence>,
}

impl Frame for EvidenceReply {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.write_map(1);
        writer.write_text("Evidence");
        writer.write_array(self.evidence.len());
        self.evidence.iter().for_each(|piece| piece.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut reply = EvidenceReply::default();
        reader.read_record(&["Evidence"], |reader, field| {
            if field != b"Evidence" {
                return reader.skip();
            }
            reply.evidence = read_records(reader, Evidence::read)?;
            Ok(())
        })?;
        Ok(reply)
    }
}
