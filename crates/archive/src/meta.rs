//! The description of a snapshot.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotext::Json;
use gotext::object::Object;
use wire::msgpack::Writer;

use crate::ArchiveError;

/// The description of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The version of the description itself.
    pub version: u64,
    /// The name of the snapshot: term, index and the time in milliseconds.
    pub id: String,
    /// The index of the last command in the state.
    pub index: u64,
    /// The term of that command.
    pub term: u64,
    /// The servers at that time.
    pub servers: Vec<Server>,
    /// The index of the command that made them the servers.
    pub configuration_index: u64,
    /// The length of the state in bytes, as it was written down.
    pub size: u64,
}

/// A server of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// 0 if it votes.
    pub suffrage: u64,
    /// Its identity.
    pub id: String,
    /// Its `host:port`.
    pub address: String,
}

impl Default for Meta {
    fn default() -> Self {
        Meta {
            version: 1,
            id: String::new(),
            index: 0,
            term: 0,
            servers: Vec::new(),
            configuration_index: 0,
            size: 0,
        }
    }
}

impl Meta {
    pub(crate) fn read(text: &[u8]) -> Result<Meta, ArchiveError> {
        let mut fields = Object::parse(text)?;
        let mut configuration: Object = fields.field("Configuration")?;
        let mut servers = Vec::new();
        for mut server in configuration.objects("Servers")?.unwrap_or_default() {
            servers.push(Server {
                suffrage: server.field("Suffrage")?,
                id: server.field("ID")?,
                address: server.field("Address")?,
            });
        }
        Ok(Meta {
            version: fields.field("Version")?,
            id: fields.field("ID")?,
            index: fields.field("Index")?,
            term: fields.field("Term")?,
            servers,
            configuration_index: fields.field("ConfigurationIndex")?,
            size: fields.field("Size")?,
        })
    }

    /// The line that is written for a state of this length.
    pub(crate) fn write(&self, size: u64) -> Vec<u8> {
        let number = |number: u64| Json::Verbatim(number.to_string().into());
        let servers = self
            .servers
            .iter()
            .map(|server| {
                Json::record([
                    ("Suffrage", number(server.suffrage)),
                    ("ID", Json::text(server.id.as_str())),
                    ("Address", Json::text(server.address.as_str())),
                ])
            })
            .collect();
        let mut peers = Vec::new();
        let mut writer = Writer::new(&mut peers);
        writer.write_array(self.servers.len());
        for server in &self.servers {
            writer.write_raw(server.address.as_bytes());
        }
        let record = Json::record([
            ("Version", number(self.version)),
            ("ID", Json::text(self.id.as_str())),
            ("Index", number(self.index)),
            ("Term", number(self.term)),
            ("Peers", Json::text(STANDARD.encode(&peers))),
            ("Configuration", Json::record([("Servers", Json::List(servers))])),
            ("ConfigurationIndex", number(self.configuration_index)),
            ("Size", number(size)),
        ]);
        format!("{}\n", record.compact()).into_bytes()
    }
}
