//! The records of a state, as Consul writes it.

use std::io::{self, Read, Write};

use wire::DecodeError;
use wire::msgpack::{Reader, Writer};

use crate::ArchiveError;

/// The types of records that the catalogue consists of.
pub mod kind {
    /// A node, with a service or a check of it.
    pub const REGISTER: u8 = 0;
    /// A key.
    pub const KEY: u8 = 2;
    /// A session.
    pub const SESSION: u8 = 3;
    /// A key that was deleted.
    pub const TOMBSTONE: u8 = 5;
    /// Coordinates.
    pub const COORDINATES: u8 = 6;
    /// A prepared query.
    pub const PREPARED_QUERY: u8 = 7;
    /// How servers are kept in order.
    pub const AUTOPILOT: u8 = 9;
    /// The index of a table.
    pub const INDEX: u8 = 16;
    /// Writes that had come in part; last of all.
    pub const CHUNKING: u8 = 29;
    /// The virtual address of a service.
    pub const VIRTUAL_ADDRESS: u8 = 32;
    /// The last virtual address that was given out, or one that was given back.
    pub const FREE_VIRTUAL_ADDRESS: u8 = 33;
    /// Types from here on may be passed over by who does not know them.
    pub const IGNORABLE: u8 = 128;
}

/// Types of records and their names.
const TYPES: &[(u8, &str)] = &[
    (0, "Register"),
    (1, "Deregister"),
    (2, "KVS"),
    (3, "Session"),
    (5, "Tombstone"),
    (6, "CoordinateBatchUpdate"),
    (7, "PreparedQuery"),
    (9, "Autopilot"),
    (12, "Intention"),
    (13, "ConnectCA"),
    (14, "ConnectCAProviderState"),
    (15, "ConnectCAConfig"),
    (16, "Index"),
    (17, "ACLToken"),
    (19, "ACLPolicy"),
    (22, "ConfigEntry"),
    (23, "ACLRole"),
    (25, "ACLBindingRule"),
    (27, "ACLAuthMethod"),
    (29, "ChunkingState"),
    (30, "FederationState"),
    (31, "SystemMetadata"),
    (32, "ServiceVirtualIP"),
    (33, "FreeVirtualIP"),
    (34, "KindServiceNames"),
    (35, "PeeringWrite"),
    (38, "PeeringTrustBundleWrite"),
    (40, "PeeringSecretsWrite"),
    (42, "ResourceOperation"),
];

/// Whether a type of records is known; what others say is not known either.
#[must_use]
pub fn is_known(kind: u8) -> bool {
    TYPES.iter().any(|(known, _)| *known == kind)
}

/// The name of a type of records.
pub fn type_name(kind: u8) -> String {
    match TYPES.iter().find(|(known, _)| *known == kind) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("Unknown({kind})"),
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its type; [`type_name`] has the names.
    pub kind: u8,
    /// Its value in MessagePack.
    pub value: &'a [u8],
    /// How many bytes it takes in the state. The head of the state counts for the first record.
    pub length: usize,
}

impl Record<'_> {
    /// The key of a record of the type KVS.
    pub fn key(&self) -> Option<String> {
        let mut key = None;
        let mut reader = Reader::new(self.value);
        let read = reader.read_record(&[], |reader, name| {
            if name == b"Key" {
                key = Some(String::from_utf8_lossy(reader.read_bytes()?).into_owned());
                return Ok(());
            }
            reader.skip()
        });
        read.ok()?;
        key
    }
}

/// The records of a state, one after another, from a stream. What is kept in memory is the record
/// that is looked at and what was read ahead.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    limit: usize,
    buffer: Vec<u8>,
    /// How much of the buffer was looked at.
    position: usize,
    begun: bool,
    /// Whether nothing more comes.
    ended: bool,
}

/// How much is read ahead.
const AHEAD_BYTES: usize = 64 << 10;

impl<R: Read> Records<R> {
    /// The records of this state, of which none may be longer than `limit` bytes.
    pub fn new(input: R, limit: usize) -> Self {
        Records { input, limit, buffer: Vec::new(), position: 0, begun: false, ended: false }
    }

    /// The index that stands at the head of the state. To be asked before the first record.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Record`] for what is no head.
    pub fn last_index(&mut self) -> Result<u64, ArchiveError> {
        let found = self.scan(|reader| {
            let mut index = 0;
            reader.read_record(&[], |reader, name| {
                if name == b"LastIndex" {
                    index = reader.read_u64()?;
                    return Ok(());
                }
                reader.skip()
            })?;
            Ok(index)
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The next record; nothing behind the last, and behind an error.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Record`] for what is none, [`ArchiveError::LongRecord`].
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ArchiveError> {
        let mut head = 0;
        if !std::mem::replace(&mut self.begun, true) {
            let skipped = self.scan(|reader| reader.skip().map(|()| reader.position()))?;
            head = skipped.unwrap_or_default();
            self.position += head;
        }
        let scanned = self.scan(|reader| {
            if reader.rest().is_empty() {
                // More may come; at the end there is no record.
                return Err(DecodeError::Empty);
            }
            reader.take(1)?;
            reader.skip()?;
            Ok(reader.position())
        });
        let Some(length) = scanned? else { return Ok(None) };
        let record = &self.buffer[self.position..self.position + length];
        let kind = record[0];
        if length > self.limit {
            self.give_up();
            return Err(self.too_long(kind));
        }
        self.position += length;
        let record = &self.buffer[self.position - length..self.position];
        Ok(Some(Record { kind, value: &record[1..], length: head + length }))
    }

    fn too_long(&self, kind: u8) -> ArchiveError {
        ArchiveError::LongRecord { name: type_name(kind), limit: self.limit }
    }

    /// Looks at what comes next until there is enough of it. Nothing if there is nothing.
    fn scan<T>(
        &mut self,
        mut look: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ArchiveError> {
        loop {
            let seen = &self.buffer[self.position..];
            match look(&mut Reader::new(seen)) {
                Ok(found) => return Ok(Some(found)),
                Err(DecodeError::Empty) if self.ended => return Ok(None),
                Err(DecodeError::Empty | DecodeError::Incomplete) if !self.ended => {
                    if seen.len() > self.limit {
                        let kind = seen.first().copied().unwrap_or_default();
                        self.give_up();
                        return Err(self.too_long(kind));
                    }
                    if let Err(error) = self.read_on() {
                        self.give_up();
                        return Err(ArchiveError::Record(error.to_string()));
                    }
                }
                Err(error) => {
                    self.give_up();
                    return Err(ArchiveError::Record(error.to_string()));
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.ended = true;
        self.buffer.clear();
        self.position = 0;
    }

    /// Reads as much as there is already, so that long records are not looked at often.
    fn read_on(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.position);
        self.position = 0;
        let wanted = self.buffer.len().max(AHEAD_BYTES);
        let found = (&mut self.input).take(wanted as u64).read_to_end(&mut self.buffer)?;
        self.ended = found == 0;
        Ok(())
    }
}

/// Writes a state, record by record.
pub struct StateWriter<'a> {
    out: &'a mut dyn Write,
    bytes: Vec<u8>,
}

impl<'a> StateWriter<'a> {
    /// Begins a state whose last command had this index.
    pub fn new(out: &'a mut dyn Write, last_index: u64) -> Self {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write_map(1);
        writer.write_text("LastIndex");
        writer.write_u64(last_index);
        StateWriter { out, bytes }
    }

    /// Appends a record of a type whose one value is written here.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn put(&mut self, kind: u8, write: impl FnOnce(&mut Writer<'_>)) -> io::Result<()> {
        self.bytes.push(kind);
        write(&mut Writer::new(&mut self.bytes));
        if self.bytes.len() < AHEAD_BYTES {
            return Ok(());
        }
        self.out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    /// Ends the state.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&self.bytes)
    }
}
