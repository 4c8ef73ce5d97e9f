//! The records of a state, as Consul writes it.

use wire::msgpack::{Reader, Value, Writer};

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

/// The index that stands at the head of a state.
///
/// # Errors
///
/// [`ArchiveError::Record`] for what is no head.
pub fn last_index(state: &[u8]) -> Result<u64, ArchiveError> {
    let mut index = 0;
    let mut reader = Reader::new(state);
    let read = reader.read_record(&[], |reader, name| {
        if name == b"LastIndex" {
            index = reader.read_u64()?;
            return Ok(());
        }
        reader.skip()
    });
    read.map_err(|error| ArchiveError::Record(error.to_string()))?;
    Ok(index)
}

/// The records of a state, one after another; ends after the first that is none.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    state: &'a [u8],
    position: usize,
    begun: bool,
}

impl<'a> Records<'a> {
    /// The records of this state.
    pub fn new(state: &'a [u8]) -> Self {
        Records { state, position: 0, begun: false }
    }

    fn read(&mut self) -> Result<Option<Record<'a>>, wire::DecodeError> {
        let start = self.position;
        let mut reader = Reader::new(&self.state[start..]);
        if !self.begun {
            self.begun = true;
            reader.skip()?;
        }
        if reader.rest().is_empty() {
            return Ok(None);
        }
        let kind = reader.take(1)?[0];
        let rest = reader.rest();
        let value_at = reader.position();
        reader.skip()?;
        let length = reader.position();
        self.position = start + length;
        Ok(Some(Record { kind, value: &rest[..length - value_at], length }))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(record) => record.map(Ok),
            Err(error) => {
                self.position = self.state.len();
                Some(Err(ArchiveError::Record(error.to_string())))
            }
        }
    }
}

/// Writes a state, record by record.
#[derive(Debug)]
pub struct StateWriter {
    bytes: Vec<u8>,
}

impl StateWriter {
    /// Begins a state whose last command had this index.
    #[must_use]
    pub fn new(last_index: u64) -> Self {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.write_map(1);
        writer.write_text("LastIndex");
        writer.write_u64(last_index);
        StateWriter { bytes }
    }

    /// Appends a record of a type.
    pub fn put(&mut self, kind: u8, value: &Value) {
        self.bytes.push(kind);
        Writer::new(&mut self.bytes).write_value(value);
    }

    /// The state.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
