//! Services: `[TAG.]NAME.service`, `_NAME._TAG`, `NAME.connect`.

use std::fmt::Write as _;
use std::net::IpAddr;

use catalog::{
    Check, Chosen, Found as Instance, Health, Instances, Node, Service, Snapshot, Weights,
};
use domain::base::iana::Rtype;
use rand::Rng;

use crate::address::{self, Family};
use crate::draw::Draw;
use crate::form::{Form, Reading};
use crate::name::{Dotted, Name};
use crate::observe::{Drop, Limit, Observer, Step};
use crate::record::{Data, Piece, Record};
use crate::reply;
use crate::scratch::Section;
use crate::work::{Ask, FOLLOWED_ROWS, Found, RECORDS, Work};

/// Most records of a followed name, unless EDNS0 was asked for.
const FOLLOWED: usize = 5;

/// What answers are made of.
pub(crate) enum Source<'a, 'l> {
    /// Instances of a service, in random order: those that serve and have a tag, empty for any.
    Service { instances: Instances<'a>, draw: Draw, tag: &'l str },
    /// What a query has chosen, as it stands.
    Query { instances: Instances<'a>, chosen: std::slice::Iter<'l, Chosen> },
}

impl Source<'_, '_> {
    /// How many were not looked at.
    fn left(&self) -> usize {
        match self {
            Self::Service { draw, .. } => draw.left(),
            Self::Query { chosen, .. } => chosen.len(),
        }
    }
}

/// What the address of an instance is.
enum Whereabouts<'a> {
    /// Its own, or one that its node has beside the plain one.
    Other(IpAddr),
    /// Its node's plain one.
    Node(IpAddr),
    Host(&'a str),
}

impl<R: Rng, O: Observer> Work<'_, R, O> {
    pub(crate) fn service(
        &mut self,
        ask: &Ask<'_>,
        snapshot: &Snapshot,
        reading: &Reading,
    ) -> Found {
        let (name, tag) = name_and_tag(ask.dotted, reading.subject);
        self.of_service(ask, name, tag, snapshot.find_instances(name))
    }

    /// As recorded, labels before the last are ignored.
    pub(crate) fn connect(
        &mut self,
        ask: &Ask<'_>,
        snapshot: &Snapshot,
        reading: &Reading,
    ) -> Found {
        let name = ask.dotted.label(reading.subject - 1);
        self.of_service(ask, name, "", snapshot.find_connect_instances(name))
    }

    /// Reads one of the instances that were not read yet, each as likely as the others.
    pub(crate) fn draw<'a>(
        &mut self,
        instances: Instances<'a>,
        draw: &mut Draw,
    ) -> Option<Instance<'a>> {
        loop {
            let Some(instance) = instances.get(draw.next(self.rng)?) else { continue };
            self.read_instance(&instance);
            return Some(instance);
        }
    }

    pub(crate) fn read_instance(&mut self, instance: &Instance<'_>) {
        self.observer.note(|| {
            let service = instance.service();
            Step::Instance {
                node: instance.node().name.as_str().to_owned(),
                id: service.id.as_str().to_owned(),
                address: service.address.to_string(),
                port: service.port,
            }
        });
    }

    /// The next instance for an answer, or for a name that an answer leads to.
    fn next<'a>(&mut self, source: &mut Source<'a, '_>, followed: bool) -> Option<Instance<'a>> {
        let (instances, draw, tag) = match source {
            Source::Service { instances, draw, tag } => (*instances, draw, *tag),
            Source::Query { instances, chosen } => {
                let instance = instances.get(chosen.next()?.place)?;
                self.read_instance(&instance);
                return Some(instance);
            }
        };
        loop {
            if followed && !self.may_follow(1) {
                return None;
            }
            let instance = self.draw(instances, draw)?;
            if !tag.is_empty() && !has_tag(instance.service(), tag) {
                self.drop_it(|| Drop::Tag);
            } else if self.serves(&instance) {
                return Some(instance);
            }
        }
    }

    /// Whether an instance may be in an answer.
    pub(crate) fn serves(&mut self, instance: &Instance<'_>) -> bool {
        let worst = match self.config.settings.only_passing {
            true => Health::Passing,
            false => Health::Warning,
        };
        if instance.health() <= worst {
            return true;
        }
        self.drop_it(|| {
            // The one of them that comes first.
            let harms = |check: &&Check| Health::of(check) > worst;
            Drop::of_check(instance.checks().find(harms))
        });
        false
    }

    pub(crate) fn drop_it(&mut self, why: impl FnOnce() -> Drop) {
        self.observer.note(|| Step::Dropped { why: why() });
    }

    fn of_service(
        &mut self,
        ask: &Ask<'_>,
        name: &str,
        tag: &str,
        instances: Instances<'_>,
    ) -> Found {
        if instances.is_empty() {
            self.nothing("no instance of it is registered");
        }
        let draw = self.scratch.lend_draw(instances.len());
        let mut source = Source::Service { instances, draw, tag };
        let found = self.instances(ask, self.config.service_ttl(name), &mut source);
        if let Source::Service { draw, .. } = source {
            self.scratch.return_draw(draw);
        }
        found
    }

    /// Answers from instances, as many as can fit and one more.
    pub(crate) fn instances(
        &mut self,
        ask: &Ask<'_>,
        ttl: u32,
        source: &mut Source<'_, '_>,
    ) -> Found {
        let srv = ask.rtype == Rtype::SRV && ask.depth == 0;
        let most = if ask.depth == 0 {
            reply::most_answers(self.config, self.query, self.view.transport)
        } else {
            self.followed()
        };
        let addresses = match self.config.settings.a_record_limit as usize {
            0 => usize::MAX,
            limit => limit,
        };
        let mut seen = self.scratch.lend_seen();
        let (mut host, mut limit) = (None, None);
        let (mut made, mut any) = (0, false);
        while let Some(instance) = self.next(source, ask.depth > 0) {
            let (node, service) = (instance.node(), instance.service());
            any = true;
            let own = || address::of_service(service, Family::of(ask.rtype));
            if srv {
                let own = own();
                if !seen.first((node.name.as_str(), own, service.port)) {
                    self.drop_it(|| Drop::Duplicate);
                    continue;
                }
                let place = self.whereabouts(ask, node, own);
                made += usize::from(self.srv(ask, &instance, &place, ttl));
            } else {
                // Whose address it is, only SRV asks.
                let place = match instance.address() {
                    Some(address) => Whereabouts::Other(address.into()),
                    None => self.whereabouts(ask, node, own()),
                };
                let data = match place {
                    Whereabouts::Other(address) | Whereabouts::Node(address) => {
                        match record(ask.rtype, address) {
                            Some(data) if seen.first(address) => data,
                            Some(_) => {
                                self.drop_it(|| Drop::Duplicate);
                                continue;
                            }
                            None => {
                                self.drop_it(|| Drop::Family { address: address.to_string() });
                                continue;
                            }
                        }
                    }
                    Whereabouts::Host(text) => {
                        let name = || text.to_owned();
                        if Name::from_text(text).is_none() {
                            self.drop_it(|| Drop::Unwritable { name: name() });
                        } else if host.is_some() {
                            let why = "is a name, and another came first";
                            self.drop_it(|| Drop::Name { name: name(), why });
                        } else {
                            host = Some(text);
                        }
                        continue;
                    }
                };
                self.scratch.push(ask.section, ask.owner, ttl, data);
                made += 1;
                if made >= addresses {
                    limit = Some(Limit::Addresses);
                    break;
                }
            }
            let records = self.scratch.answers.len() + self.scratch.additional.len();
            if made > most || records >= RECORDS {
                break;
            }
        }
        let unread = source.left();
        if unread > 0 {
            self.observer.note(|| Step::Enough { unread, limit });
        }
        self.scratch.return_seen(seen);
        if made > 0 {
            if let Some(name) = host {
                self.observer.note(|| Step::Unfollowed {
                    name: name.to_owned(),
                    why: "only where no instance has an address is a name the answer",
                });
            }
            return Found::Records;
        }
        if let Some(target) = host.and_then(Name::from_text) {
            let data = Data::Cname(self.scratch.arena.keep(target.wire()));
            self.scratch.push(ask.section, ask.owner, ttl, data);
            self.follow(&target, ask.depth + 1, ask.section, ttl);
            return Found::Records;
        }
        if any { Found::NoData } else { Found::NoName }
    }

    /// Whether so many rows more may be read for a name that an answer leads to.
    pub(crate) fn may_follow(&mut self, rows: usize) -> bool {
        let before = self.scratch.followed_rows;
        self.scratch.followed_rows = before.saturating_add(rows);
        before < FOLLOWED_ROWS
    }

    fn followed(&self) -> usize {
        if self.query.edns.is_some() { RECORDS } else { FOLLOWED }
    }

    /// Follows a name for a service: addresses and what leads to them, with the service's TTL.
    fn follow(&mut self, target: &Name, depth: u8, section: Section, ttl: u32) {
        let from = self.scratch.section(section).len();
        self.chase(target, depth, section);
        let most = if depth == 1 { self.followed() } else { FOLLOWED };
        let records = self.scratch.section(section);
        let mut to = from;
        for at in from..records.len() {
            let Some(mut record) = records.get(at).copied() else { break };
            let leads = matches!(record.data, Data::A(_) | Data::Aaaa(_) | Data::Cname(_));
            if leads && to - from < most {
                record.ttl = ttl;
                if let Some(place) = records.get_mut(to) {
                    *place = record;
                    to += 1;
                }
            }
        }
        records.truncate(to);
    }

    /// Follows the target of an SRV record. What it gave to an earlier one, in whatever letters, it
    /// gives again: instances by the thousand may lead to one name, and that to as many rows.
    fn follow_once(&mut self, target: &Name, owner: Piece, ttl: u32) {
        let from = self.scratch.additional.len();
        let Some(gave) = self.scratch.followed.get(target) else {
            self.follow(target, 1, Section::Additional, ttl);
            let to = self.scratch.additional.len();
            return self.scratch.followed.keep(target, from..to);
        };
        let room = RECORDS.saturating_sub(self.scratch.answers.len() + from);
        for at in gave.take(room) {
            let Some(mut record) = self.scratch.additional.get(at).copied() else { break };
            if self.scratch.arena.get(record.owner).eq_ignore_ascii_case(target.wire()) {
                record.owner = owner;
            }
            self.scratch.additional.push(record);
        }
    }

    /// Where an instance with an address of its own, or an empty one, is. One that is the name that
    /// was asked for means its node.
    fn whereabouts<'a>(&self, ask: &Ask<'_>, node: &'a Node, own: &'a str) -> Whereabouts<'a> {
        let family = Family::of(ask.rtype);
        if !own.is_empty() && !self.is_name(ask, own) {
            return match address::parse(own) {
                Some(address) => Whereabouts::Other(address),
                None => Whereabouts::Host(own),
            };
        }
        if !own.is_empty()
            && let Some(address) = address::parse(&node.address)
        {
            return Whereabouts::Node(address);
        }
        let text = address::of_node(node, family);
        match address::parse(text) {
            Some(address) if *text == *node.address => Whereabouts::Node(address),
            Some(address) => Whereabouts::Other(address),
            None => Whereabouts::Host(text),
        }
    }

    fn is_name(&self, ask: &Ask<'_>, text: &str) -> bool {
        let name = text.strip_suffix('.').unwrap_or(text);
        name.eq_ignore_ascii_case(ask.dotted.joined(0, ask.dotted.count()))
    }

    /// An SRV record with what belongs to it; false if no message can hold it.
    fn srv(
        &mut self,
        ask: &Ask<'_>,
        instance: &Instance<'_>,
        place: &Whereabouts<'_>,
        ttl: u32,
    ) -> bool {
        let (node, service) = (instance.node(), instance.service());
        let own = self.name_within(node.name.as_str(), Form::Node, ask.zone);
        let target = match place {
            Whereabouts::Node(_) => own,
            Whereabouts::Other(address) => self.hexadecimal_name(*address, ask.zone),
            Whereabouts::Host(text) => Name::from_text(text),
        };
        let Some(target) = target else {
            let name = match place {
                Whereabouts::Host(text) => text,
                _ => node.name.as_str(),
            };
            self.drop_it(|| Drop::Unwritable { name: name.to_owned() });
            return false;
        };
        let owner = self.scratch.arena.keep(target.wire());
        let glue = self.scratch.additional.len() as u32;
        let data = Data::Srv {
            weight: weight(service.weights, instance.health()),
            // As the reference cuts numbers that are no ports.
            port: service.port as u16,
            target: owner,
            glue,
        };
        self.scratch.push(ask.section, ask.owner, ttl, data);
        match place {
            Whereabouts::Node(address) | Whereabouts::Other(address) => {
                let data = match address {
                    IpAddr::V4(address) => Data::A(*address),
                    IpAddr::V6(address) => Data::Aaaa(*address),
                };
                self.scratch.push(Section::Additional, owner, ttl, data);
            }
            Whereabouts::Host(_) => self.follow_once(&target, owner, ttl),
        }
        if self.config.settings.node_meta_txt
            && !self.scratch.overlong
            && node.meta.as_deref().is_some_and(|meta| !meta.is_empty())
            && let Some(own) = own
        {
            let owner: Piece = self.scratch.arena.keep(own.wire());
            self.metadata(node, owner, ttl, Section::Additional);
            let all = self.scratch.answers.last().into_iter();
            let all = all.chain(self.scratch.additional.iter().skip(glue as usize));
            self.scratch.least_bytes += all.map(Record::least_bytes).sum::<usize>();
            let most = reply::most_bytes(self.config, self.query, self.view.transport);
            self.scratch.overlong = self.scratch.least_bytes > most;
        }
        true
    }

    /// `<hexadecimal>.addr.<datacenter>.<zone>`.
    fn hexadecimal_name(&self, address: IpAddr, zone: &[u8]) -> Option<Name> {
        let mut text = Hexadecimal::default();
        match address {
            IpAddr::V4(address) => write!(text, "{:08x}", u32::from(address)).ok()?,
            IpAddr::V6(address) => write!(text, "{:032x}", u128::from(address)).ok()?,
        }
        let digits = std::str::from_utf8(text.bytes.get(..text.length)?).ok()?;
        self.name_within(digits, Form::Addr, zone)
    }
}

/// Which service is looked up, and the tag that its instances must have, empty for any. What is not
/// quite a name of RFC 2782 is a service behind a tag, whatever its labels begin with.
pub(crate) fn name_and_tag(dotted: &Dotted, subject: usize) -> (&str, &str) {
    let underscored = |at: usize| dotted.label(at).strip_prefix('_');
    if subject == 2
        && let (Some(name), Some(tag)) = (underscored(0), underscored(1))
    {
        return (name, if tag == "tcp" { "" } else { tag });
    }
    (dotted.label(subject - 1), dotted.joined(0, subject - 1))
}

/// Digits on the stack.
#[derive(Default)]
struct Hexadecimal {
    bytes: [u8; 32],
    length: usize,
}

impl std::fmt::Write for Hexadecimal {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let place = self.bytes.get_mut(self.length..self.length + text.len());
        place.ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

fn has_tag(service: &Service, folded: &str) -> bool {
    let tags = service.tags.as_deref().unwrap_or_default();
    tags.iter().any(|tag| tag.eq_ignore_ascii_case(folded))
}

/// The record of an address for a question, if it is of its type. As recorded, TXT too gets
/// addresses.
fn record(rtype: Rtype, address: IpAddr) -> Option<Data> {
    match (rtype, address) {
        (Rtype::A | Rtype::ANY | Rtype::TXT, IpAddr::V4(address)) => Some(Data::A(address)),
        (Rtype::AAAA | Rtype::ANY | Rtype::TXT, IpAddr::V6(address)) => Some(Data::Aaaa(address)),
        _ => None,
    }
}

/// The weight of an instance. Both zero means that none was given.
fn weight(weights: Weights, health: Health) -> u16 {
    let weight = match (weights, health) {
        // Only where a query does not look at the check.
        (_, Health::Critical) => 0,
        (Weights { passing: 0, warning: 0 }, _) | (_, Health::Other) => 1,
        (weights, Health::Warning) => weights.warning,
        (weights, Health::Passing) => weights.passing,
    };
    weight.clamp(0, u16::MAX.into()) as u16
}
