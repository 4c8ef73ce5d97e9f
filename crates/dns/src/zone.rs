//! The zone itself: SOA, NS; and the names that are addresses: `addr`, `virtual`.

use std::net::IpAddr;

use domain::base::iana::Rtype;
use rand::Rng;

use crate::address::{self, Family};
use crate::config::Zone;
use crate::form::{Form, Place, Reading};
use crate::name::Name;
use crate::observe::{Drop, Observer};
use crate::record::Data;
use crate::scratch::Section;
use crate::work::{Ask, Found, Work};

/// The service of the servers, and how many are named.
const SERVERS: &str = "consul";
const SERVERS_NAMED: usize = 3;

impl<'w, R: Rng, O: Observer> Work<'w, R, O> {
    /// The zone whose SOA goes with a name: as recorded, the second one only for names below it.
    pub(crate) fn soa_zone(&self, ask: &Ask<'_>) -> &'w Zone {
        let alt = self.config.alt_domain.as_ref().filter(|_| ask.alt && ask.zone_label > 0);
        alt.unwrap_or(&self.config.domain)
    }

    pub(crate) fn soa(&mut self, section: Section, zone: &Zone) {
        let Some([mname, rname]) = &zone.soa else { return };
        let arena = &mut self.scratch.arena;
        let (mname, rname) = (arena.keep(mname.wire()), arena.keep(rname.wire()));
        let owner = arena.keep(zone.name.wire());
        let (serial, numbers) = (self.view.unix_seconds, self.config.settings.soa);
        let [.., least] = numbers;
        self.scratch.push(section, owner, least, Data::Soa { mname, rname, serial, numbers });
    }

    pub(crate) fn soa_and_servers(&mut self, ask: &Ask<'_>) {
        self.soa(Section::Answer, self.soa_zone(ask));
        self.servers(ask, Section::Authority);
    }

    /// Some healthy servers, with their addresses.
    pub(crate) fn servers(&mut self, ask: &Ask<'_>, section: Section) {
        let Some(snapshot) = self.view.snapshot else { return };
        let instances = snapshot.find_instances(SERVERS);
        let mut draw = self.scratch.lend_draw(instances.len());
        let zone = self.scratch.arena.keep(ask.zone);
        let ttl = self.config.node_ttl;
        let mut named = 0;
        while named < SERVERS_NAMED {
            let Some(instance) = self.draw(instances, &mut draw) else { break };
            let node = instance.node();
            if !self.serves(&instance) {
                continue;
            }
            let name = || node.name.as_str().to_owned();
            if !is_label(node.name.as_str()) {
                let why = "is no label of letters, digits and dashes";
                self.drop_it(|| Drop::Name { name: name(), why });
                continue;
            }
            let Some(mut target) = self.name_within(node.name.as_str(), Form::Node, ask.zone)
            else {
                self.drop_it(|| Drop::Unwritable { name: name() });
                continue;
            };
            target.fold();
            let owner = self.scratch.arena.keep(target.wire());
            self.scratch.push(section, zone, ttl, Data::Ns(owner));
            named += 1;
            let data = match address::parse(address::of_node(node, Family::Any)) {
                Some(IpAddr::V4(address)) => Data::A(address),
                Some(IpAddr::V6(address)) => Data::Aaaa(address),
                None => {
                    let text = address::of_node(node, Family::Any);
                    let Some(next) = Name::from_text(text) else { continue };
                    let data = Data::Cname(self.scratch.arena.keep(next.wire()));
                    self.scratch.push(Section::Additional, owner, ttl, data);
                    self.chase(&next, 1, Section::Additional);
                    continue;
                }
            };
            self.scratch.push(Section::Additional, owner, ttl, data);
        }
        self.scratch.return_draw(draw);
    }

    /// `<hexadecimal>.addr`: the address is in the name.
    pub(crate) fn hexadecimal(&mut self, ask: &Ask<'_>, reading: &Reading) -> Found {
        let text = ask.dotted.label(0);
        let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if reading.subject != 1 || !hexadecimal || !text.len().is_multiple_of(2) {
            return self.meaningless("it is not one even number of hexadecimal digits");
        }
        let data = match text.len() {
            8 => u32::from_str_radix(text, 16).ok().map(|number| Data::A(number.into())),
            32 => u128::from_str_radix(text, 16).ok().map(|number| Data::Aaaa(number.into())),
            _ => None,
        };
        // As recorded: other lengths are there, but are no addresses.
        let Some(data) = data else {
            return self.nothing("an address has 8 digits, or 32");
        };
        let right = ask.rtype == data.rtype() || ask.rtype == Rtype::ANY;
        let section = if right { ask.section } else { Section::Additional };
        self.push_lowercase(ask, section, data);
        Found::Records
    }

    /// `<service>.virtual`: the address that stands for a service in the mesh.
    pub(crate) fn virtual_address(&mut self, ask: &Ask<'_>, reading: &Reading) -> Found {
        match reading.place(ask.dotted) {
            Place::Malformed => {
                return self.meaningless("the labels before the zone name no place");
            }
            Place::Datacenter(name) if name != self.config.settings.datacenter => {
                return self.meaningless("it is of another datacenter");
            }
            // As recorded: one label is a peer.
            Place::Named(_) | Place::Peer => return self.nothing("it is of a peer"),
            Place::Own | Place::Datacenter(_) => {}
        }
        let Some(snapshot) = self.view.snapshot else { return self.leaderless() };
        let name = ask.dotted.label(reading.subject - 1);
        let Some(address) = snapshot.find_virtual_address(name) else {
            return self.nothing("no address stands for that service");
        };
        self.push_lowercase(ask, ask.section, Data::A(address));
        Found::Records
    }

    /// As recorded: these answers have the name in small letters, its zone as it was asked.
    fn push_lowercase(&mut self, ask: &Ask<'_>, section: Section, data: Data) {
        let mut owner = Name::empty();
        let own = ask.wire.len() - ask.zone.len();
        let below = ask.wire.get(..own).unwrap_or_default();
        let mut folded = Name::empty();
        let whole = folded.raw(below).and_then(|()| {
            folded.fold();
            owner.raw(folded.wire())?;
            owner.raw(ask.zone)
        });
        if whole.is_some() {
            let owner = self.scratch.arena.keep(owner.wire());
            self.scratch.push(section, owner, self.config.node_ttl, data);
        }
    }
}

/// Whether a node's name is one label of letters, digits and dashes.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
