//! One question on its way: which zone it is for, what it means, and what is said of it.

use std::fmt::Display;

use domain::base::iana::{Rcode, Rtype};
use rand::Rng;

use crate::form::{Form, Place};
use crate::name::{Dotted, Name, labels};
use crate::observe::{Observer, Step};
use crate::query::{self, Query};
use crate::record::{Data, Piece};
use crate::reply::{self, Head, MESSAGE_BYTES};
use crate::scratch::{Scratch, Section};
use crate::{CHASES, Config, Outcome, View, form, prepared, service};

/// How deep names within our zones are followed.
pub(crate) const DEPTH: u8 = 3;
/// Most records that are made for one question; answers above it are cut anyway.
pub(crate) const RECORDS: usize = 8192;
/// Most rows of instances that are read for names which answers lead to: each of a thousand answers
/// may lead to a thousand instances that are not well.
pub(crate) const FOLLOWED_ROWS: usize = 1 << 15;

pub(crate) struct Work<'w, R, O> {
    pub(crate) config: &'w Config,
    pub(crate) view: &'w View<'w>,
    pub(crate) query: &'w Query,
    pub(crate) rng: &'w mut R,
    pub(crate) scratch: &'w mut Scratch,
    pub(crate) observer: &'w mut O,
}

/// A name that is looked up: the question's own, or one that an answer leads to.
pub(crate) struct Ask<'a> {
    /// As it was written.
    pub(crate) wire: &'a [u8],
    /// The same, kept.
    pub(crate) owner: Piece,
    pub(crate) dotted: &'a Dotted,
    pub(crate) rtype: Rtype,
    /// The zone, in the spelling of the name.
    pub(crate) zone: &'a [u8],
    /// Whether the zone is the second one.
    pub(crate) alt: bool,
    /// The first label of the zone.
    pub(crate) zone_label: usize,
    /// How many names led here.
    pub(crate) depth: u8,
    /// Where answers go.
    pub(crate) section: Section,
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Whatever was found is in the sections.
    Records,
    /// The same, which another asker might not get.
    ForAsker,
    /// The name is there, but has nothing of the type: the SOA says for how long.
    NoData,
    /// The same, where another asker might get something.
    NoDataForAsker,
    /// The name is not there.
    NoName,
    /// It cannot be said.
    Failed,
}

impl<R: Rng, O: Observer> Work<'_, R, O> {
    pub(crate) fn run(&mut self, out: &mut Vec<u8>) -> Outcome {
        let query = self.query;
        let limit = query.most_bytes(self.view.transport).unwrap_or(MESSAGE_BYTES);
        self.observer.note(|| Step::Asked {
            name: crate::name::text(query.name.wire()),
            rtype: query.rtype.to_string(),
            limit,
        });
        let wire = query.name.wire();
        let dotted = Dotted::new(wire);
        let recursion = self.config.settings.recursors;
        let mut head =
            Head { rcode: Rcode::NOERROR, authoritative: true, recursion, scoped: false };
        let owner = self.scratch.arena.keep(wire);
        if dotted.count() > 0 && dotted.label(dotted.count() - 1) == "arpa" {
            if !self.reverse(&dotted, owner) {
                if recursion {
                    self.observer.note(|| Step::Passed);
                    return Outcome::Recurse;
                }
                let rcode = Rcode::SERVFAIL;
                let head = Head { rcode, authoritative: false, recursion: true, scoped: false };
                reply::bare(query, &head, true, out);
                self.observer.note(|| reply::bare_step(rcode, query.edns.is_some().into()));
                return Outcome::Answered;
            }
        } else if let Some((zone_label, alt)) = self.zone_of(wire) {
            let zone = suffix(wire, zone_label);
            let (depth, section, rtype) = (0, Section::Answer, query.rtype);
            let dotted = &dotted;
            let ask = Ask { wire, owner, dotted, rtype, zone, alt, zone_label, depth, section };
            match rtype {
                Rtype::SOA => self.soa_and_servers(&ask),
                Rtype::NS => self.servers(&ask, Section::Answer),
                Rtype::AXFR => head.rcode = Rcode::NOTIMP,
                _ => match self.look_up(&ask) {
                    Found::Records => {}
                    Found::ForAsker => head.scoped = true,
                    Found::NoData => self.soa(Section::Authority, self.soa_zone(&ask)),
                    Found::NoDataForAsker => {
                        head.scoped = true;
                        self.soa(Section::Authority, self.soa_zone(&ask));
                    }
                    Found::NoName => {
                        head.rcode = Rcode::NXDOMAIN;
                        self.soa(Section::Authority, self.soa_zone(&ask));
                    }
                    Found::Failed => head.rcode = Rcode::SERVFAIL,
                },
            }
            if self.scratch.wanted.is_some() {
                return Outcome::Chase;
            }
        } else if recursion {
            self.observer.note(|| Step::Passed);
            return Outcome::Recurse;
        } else {
            let rcode = Rcode::REFUSED;
            let head = Head { rcode, authoritative: false, recursion, scoped: false };
            reply::bare(query, &head, false, out);
            self.observer.note(|| reply::refused(rcode));
            return Outcome::Answered;
        }
        let (config, transport) = (self.config, self.view.transport);
        reply::write(config, transport, query, &head, self.scratch, self.observer, out);
        Outcome::Answered
    }

    /// The zone that a name belongs to, the longer one if both: its first label, and whether it is
    /// the second zone.
    fn zone_of(&self, wire: &[u8]) -> Option<(usize, bool)> {
        let main = zone_label(wire, self.config.domain.name.wire()).map(|label| (label, false));
        let alt = self.config.alt_domain.as_ref();
        let alt = alt.and_then(|alt| zone_label(wire, alt.name.wire())).map(|label| (label, true));
        match (main, alt) {
            (Some(main), Some(alt)) => Some(if alt.0 < main.0 { alt } else { main }),
            (main, alt) => main.or(alt),
        }
    }

    /// What a name within a zone comes to.
    pub(crate) fn look_up(&mut self, ask: &Ask<'_>) -> Found {
        let Some(reading) = form::read(ask.dotted, ask.zone_label, ask.rtype == Rtype::SRV) else {
            return self.meaningless("it has none of the words that say what it is");
        };
        if reading.subject == 0 {
            return self.meaningless("nothing stands before the word that says what it is");
        }
        if !ask.dotted.plain() {
            return self.meaningless("no name is registered with such letters");
        }
        let (form, dotted) = (reading.form, ask.dotted);
        self.observer.note(|| {
            let (name, tag) = match form {
                Form::Service => service::name_and_tag(dotted, reading.subject),
                Form::Query => (prepared::name(dotted, reading.subject), ""),
                _ => (dotted.joined(0, reading.subject), ""),
            };
            let tag = (!tag.is_empty()).then(|| tag.to_owned());
            Step::Meant { form: form.word(), name: name.to_owned(), tag }
        });
        match form {
            Form::Addr => return self.hexadecimal(ask, &reading),
            Form::Virtual => return self.virtual_address(ask, &reading),
            _ => {}
        }
        let here = match reading.place(dotted) {
            Place::Own => true,
            Place::Named(name) | Place::Datacenter(name) => name == self.config.settings.datacenter,
            // As in the reference, where peers do not exist for the mesh.
            Place::Peer => form == Form::Connect,
            Place::Malformed => false,
        };
        if form == Form::Node && !is_node_type(ask.rtype) {
            // As recorded: without any look-up.
            return if matches!(reading.place(dotted), Place::Malformed) {
                self.meaningless("the labels before the zone name no place")
            } else {
                self.nothing("nodes have no records of that type")
            };
        }
        if !here {
            return self.meaningless("it is of another datacenter or peer");
        }
        let Some(snapshot) = self.view.snapshot else { return self.leaderless() };
        match form {
            Form::Node => self.node(ask, snapshot, dotted.joined(0, reading.subject)),
            Form::Service => self.service(ask, snapshot, &reading),
            Form::Connect => self.connect(ask, snapshot, &reading),
            Form::Query => self.prepared(ask, snapshot, &reading),
            _ => self.meaningless("nothing of that kind is configured"),
        }
    }

    pub(crate) fn meaningless(&mut self, why: &'static str) -> Found {
        self.observer.note(|| Step::Meaningless { why });
        Found::NoName
    }

    pub(crate) fn failed(&mut self, why: &dyn Display) -> Found {
        self.observer.note(|| Step::Failed { why: why.to_string() });
        Found::Failed
    }

    pub(crate) fn leaderless(&mut self) -> Found {
        self.failed(&"no leader is known, or it is gone for too long")
    }

    /// Follows a name that an answer leads to; what it comes to goes into a section.
    pub(crate) fn chase(&mut self, name: &Name, depth: u8, section: Section) {
        let wire = name.wire();
        let room = self.scratch.answers.len() + self.scratch.additional.len() < RECORDS;
        let Some((zone_label, alt)) = self.zone_of(wire) else {
            return self.chase_foreign(name, section);
        };
        if depth > DEPTH || !room {
            let deep = "names lead too deep";
            return self.unfollowed(wire, if room { deep } else { "no more records fit" });
        }
        self.observer.note(|| Step::Chased { name: crate::name::text(wire), foreign: false });
        let dotted = &Dotted::new(wire);
        let (owner, zone) = (self.scratch.arena.keep(wire), suffix(wire, zone_label));
        let rtype = Rtype::ANY;
        let ask = Ask { wire, owner, dotted, rtype, zone, alt, zone_label, depth, section };
        self.look_up(&ask);
    }

    /// A name of another zone: what the recursors said of it, or a wish to ask them.
    fn chase_foreign(&mut self, name: &Name, section: Section) {
        if !self.config.settings.recursors {
            return self
                .unfollowed(name.wire(), "it is of another zone, and there are no recursors");
        }
        let mut folded = *name;
        folded.fold();
        let known = self.view.foreign.iter().find(|foreign| foreign.name == folded.wire());
        match known {
            Some(foreign) => {
                let name = || crate::name::text(name.wire());
                self.observer.note(|| Step::Chased { name: name(), foreign: true });
                if let Some(reply) = foreign.reply {
                    self.foreign_records(&folded, reply, section);
                }
            }
            None if self.scratch.wanted.is_none() && self.view.foreign.len() < CHASES => {
                self.scratch.wanted = Some(folded);
            }
            // Another is asked for first, and this question answered anew.
            None if self.scratch.wanted.is_some() => {}
            None => self.unfollowed(name.wire(), "too many names were asked for"),
        }
    }

    fn unfollowed(&mut self, wire: &[u8], why: &'static str) {
        self.observer.note(|| Step::Unfollowed { name: crate::name::text(wire), why });
    }

    /// The name is there, but without anything.
    pub(crate) fn nothing(&mut self, why: &'static str) -> Found {
        self.observer.note(|| Step::Nothing { why });
        Found::Records
    }

    /// The answers of somebody else's reply that lead from a name to its addresses, as far as they
    /// can be read. Whatever else it says was not asked, and would go out as if it were ours.
    fn foreign_records(&mut self, name: &Name, reply: &[u8], section: Section) {
        let mut next = *name;
        query::answers(reply, |owner, ttl, data| {
            if !owner.wire().eq_ignore_ascii_case(next.wire()) {
                return;
            }
            let owner = self.scratch.arena.keep(owner.wire());
            let data = match data {
                query::Foreign::A(address) => Data::A(address),
                query::Foreign::Aaaa(address) => Data::Aaaa(address),
                query::Foreign::Cname(name) => {
                    next = name;
                    Data::Cname(self.scratch.arena.keep(name.wire()))
                }
            };
            self.scratch.push(section, owner, ttl, data);
        });
    }

    /// `<text>.<form>.<datacenter>.<zone>`; none if no message could hold it.
    pub(crate) fn name_within(&self, text: &str, form: Form, zone: &[u8]) -> Option<Name> {
        let mut name = Name::empty();
        name.push_text(text)?;
        name.push(form.word().as_bytes())?;
        name.push(self.config.settings.datacenter.as_bytes())?;
        name.raw(zone)?;
        Some(name)
    }
}

fn is_node_type(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::A | Rtype::AAAA | Rtype::ANY | Rtype::TXT)
}

/// The label at which a zone begins at the end of a name.
fn zone_label(wire: &[u8], zone: &[u8]) -> Option<usize> {
    let at = wire.len().checked_sub(zone.len())?;
    if !wire.get(at..)?.eq_ignore_ascii_case(zone) {
        return None;
    }
    // It must begin where a label does.
    let mut start = 0;
    for (count, label) in labels(wire).enumerate() {
        if start == at {
            return Some(count);
        }
        start += label.len() + 1;
    }
    (start == at).then(|| labels(wire).count())
}

/// A name from one of its labels on.
fn suffix(wire: &[u8], label: usize) -> &[u8] {
    let start = labels(wire).take(label).map(|label| label.len() + 1).sum();
    wire.get(start..).unwrap_or_default()
}
