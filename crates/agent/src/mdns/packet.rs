//! The messages: a question for a cluster's service, and the four records that answer it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use domain::base::iana::{Class, Opcode, Rtype};
use domain::base::{Message, ToName};
use domain::rdata::{A, Aaaa, Ptr, Srv};

/// Largest message that is read: multicast DNS never sends a larger one.
pub(super) const LARGEST: usize = 9000;

/// Questions of one message, and records of one answer, that are looked at.
const LOOKED_AT: usize = 64;

/// How long others may keep the answer, in seconds.
const TIME_TO_LIVE: u32 = 120;

/// Names every service; asked for by browsers of the network.
const META_SERVICE: &str = "_services._dns-sd._udp.local";

/// A cluster's service, and the member that offers it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// `_serf_NAME._tcp.local`, without a dot at the end as all names here.
    name: String,
    /// `NODE._serf_NAME._tcp.local`
    instance: String,
    host: String,
    address: SocketAddr,
    text: String,
}

/// An id for a question. Not a secret: whoever sees the question may answer it.
pub(super) fn random_id() -> u16 {
    RandomState::new().hash_one(0) as u16
}

impl Service {
    /// The service of `cluster` as the member `node` offers it at its advertised address. Fails
    /// for names that DNS cannot carry.
    pub(crate) fn new(
        cluster: &str,
        node: &str,
        host: &str,
        address: SocketAddr,
    ) -> Result<Service, String> {
        let name = format!("_serf_{cluster}._tcp.local");
        let instance = format!("{node}.{name}");
        let host = host.trim_end_matches('.').to_owned();
        for name in [&instance, &host] {
            let fits = name.len() <= 253 && name.split('.').all(|l| (1..=63).contains(&l.len()));
            if !fits {
                return Err(format!("'{name}' is no name that DNS can carry"));
            }
        }
        let text = format!("Serf '{cluster}' cluster");
        if text.len() > 255 {
            return Err(format!("the cluster name '{cluster}' is too long"));
        }
        Ok(Service { name, instance, host, address, text })
    }

    /// The question for the members of the cluster.
    pub(super) fn question(&self, id: u16) -> Vec<u8> {
        let mut writer = Writer::new(id, 0, [1, 0]);
        writer.name(&self.name, true);
        writer.number(Rtype::PTR.to_int());
        writer.number(Class::IN.to_int());
        writer.bytes
    }

    /// The answer to a message, None if nothing in it concerns this member.
    pub(super) fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let message = Message::from_octets(message).ok()?;
        let header = message.header();
        if header.qr() || header.opcode() != Opcode::QUERY {
            return None;
        }
        let mut records: Vec<Record> = Vec::new();
        for question in message.question().take(LOOKED_AT) {
            let Ok(question) = question else { break };
            // The top bit asks for a unicast answer, which it is anyway.
            let class = question.qclass().to_int() & 0x7fff;
            if class != Class::IN.to_int() && class != Class::ANY.to_int() {
                continue;
            }
            for record in self.records_for(&text(question.qname()), question.qtype()) {
                if !records.contains(&record) {
                    records.push(record);
                }
            }
        }
        if records.is_empty() {
            return None;
        }
        let mut writer = Writer::new(0, 0x8400, [0, records.len() as u16]);
        for record in records {
            self.write(&mut writer, record);
        }
        Some(writer.bytes)
    }

    fn records_for(&self, name: &str, kind: Rtype) -> Vec<Record> {
        let wants = |wanted| kind == wanted || kind == Rtype::ANY;
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        if is(META_SERVICE) && wants(Rtype::PTR) {
            return vec![Record::MetaPointer];
        }
        if is(&self.name) && wants(Rtype::PTR) {
            return vec![Record::Pointer, Record::Location, Record::Address, Record::Text];
        }
        if is(&self.instance) {
            return match kind {
                Rtype::ANY => vec![Record::Location, Record::Address, Record::Text],
                Rtype::SRV => vec![Record::Location, Record::Address],
                Rtype::TXT => vec![Record::Text],
                _ => self.own_address(kind),
            };
        }
        if is(&self.host) { self.own_address(kind) } else { Vec::new() }
    }

    fn own_address(&self, kind: Rtype) -> Vec<Record> {
        let own = if self.address.is_ipv4() { Rtype::A } else { Rtype::AAAA };
        if kind == own || kind == Rtype::ANY { vec![Record::Address] } else { Vec::new() }
    }

    fn write(&self, writer: &mut Writer, record: Record) {
        match record {
            Record::MetaPointer => writer.record(META_SERVICE, Rtype::PTR, |writer| {
                writer.name(&self.name, true);
            }),
            Record::Pointer => writer.record(&self.name, Rtype::PTR, |writer| {
                writer.name(&self.instance, true);
            }),
            Record::Location => writer.record(&self.instance, Rtype::SRV, |writer| {
                writer.number(10);
                writer.number(1);
                writer.number(self.address.port());
                writer.name(&self.host, false);
            }),
            Record::Address => match self.address.ip() {
                IpAddr::V4(ip) => writer.record(&self.host, Rtype::A, |writer| {
                    writer.bytes.extend_from_slice(&ip.octets());
                }),
                IpAddr::V6(ip) => writer.record(&self.host, Rtype::AAAA, |writer| {
                    writer.bytes.extend_from_slice(&ip.octets());
                }),
            },
            Record::Text => writer.record(&self.instance, Rtype::TXT, |writer| {
                writer.bytes.push(self.text.len() as u8);
                writer.bytes.extend_from_slice(self.text.as_bytes());
            }),
        }
    }

    /// The addresses of the cluster's members in an answer, in its order.
    pub(super) fn members(&self, message: &[u8]) -> Vec<SocketAddr> {
        self.read_members(message).unwrap_or_default()
    }

    fn read_members(&self, message: &[u8]) -> Option<Vec<SocketAddr>> {
        let message = Message::from_octets(message).ok()?;
        if !message.header().qr() {
            return None;
        }
        let mut pointed: Vec<String> = Vec::new();
        let mut locations: Vec<(String, String, u16)> = Vec::new();
        let mut addresses: BTreeMap<String, IpAddr> = BTreeMap::new();
        for item in message.iter().take(LOOKED_AT) {
            // What follows a record that cannot be read is lost.
            let Ok((record, _)) = item else { break };
            let owner = text(record.owner());
            if let Ok(Some(pointer)) = record.to_record::<Ptr<_>>() {
                if owner.eq_ignore_ascii_case(&self.name) {
                    pointed.push(text(pointer.data().ptrdname()));
                }
            } else if let Ok(Some(location)) = record.to_record::<Srv<_>>() {
                let data = location.data();
                locations.push((owner, text(data.target()), data.port()));
            } else if let Ok(Some(address)) = record.to_record::<A>() {
                addresses.entry(owner).or_insert(IpAddr::V4(address.data().addr()));
            } else if let Ok(Some(address)) = record.to_record::<Aaaa>() {
                addresses.entry(owner).or_insert(IpAddr::V6(address.data().addr()));
            }
        }
        let found = locations.iter().filter(|(instance, ..)| pointed.contains(instance));
        Some(
            found
                .filter_map(|(_, host, port)| {
                    addresses.get(host).map(|ip| SocketAddr::new(*ip, *port))
                })
                .collect(),
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    MetaPointer,
    Pointer,
    Location,
    Address,
    Text,
}

/// A name in lower case, for comparing.
fn text(name: impl ToName) -> String {
    let mut text = String::new();
    for label in name.iter_labels() {
        if label.is_root() {
            break;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(&String::from_utf8_lossy(label.as_slice()).to_lowercase());
    }
    text
}

/// Writes messages with the compression that the real agent's library has: names are recorded
/// wherever they stand, but the target of a location is written in full.
struct Writer {
    bytes: Vec<u8>,
    /// Where each name, or its end, stands already.
    names: BTreeMap<String, u16>,
}

impl Writer {
    fn new(id: u16, flags: u16, [questions, answers]: [u16; 2]) -> Self {
        let mut writer = Writer { bytes: Vec::new(), names: BTreeMap::new() };
        for number in [id, flags, questions, answers, 0, 0] {
            writer.number(number);
        }
        writer
    }

    fn number(&mut self, number: u16) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    fn record(&mut self, owner: &str, kind: Rtype, data: impl FnOnce(&mut Self)) {
        self.name(owner, true);
        self.number(kind.to_int());
        self.number(Class::IN.to_int());
        self.bytes.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
        let length_at = self.bytes.len();
        self.number(0);
        data(self);
        let length = (self.bytes.len() - length_at - 2) as u16;
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn name(&mut self, name: &str, compress: bool) {
        let mut rest = name;
        while !rest.is_empty() {
            if let Some(position) = self.names.get(rest).filter(|_| compress) {
                return self.number(0xc000 | *position);
            }
            // The messages here are far shorter than what a pointer reaches.
            self.names.entry(rest.to_owned()).or_insert(self.bytes.len() as u16);
            let (label, behind) = rest.split_once('.').unwrap_or((rest, ""));
            self.bytes.push(label.len() as u8);
            self.bytes.extend_from_slice(label.as_bytes());
            rest = behind;
        }
        self.bytes.push(0);
    }
}
