//! What was asked: a question's bytes, read as leniently as the reference reads them.

use domain::base::iana::{Class, Opcode, OptionCode, Rcode, Rtype};
use domain::base::opt::{ClientSubnet, Opt, UnknownOptData};
use domain::base::{Header, HeaderCounts, ParsedName, ParsedRecord};
use domain::dep::octseq::Parser;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::name::Name;
use crate::{SHORT_BYTES, Transport};

pub(crate) const HEADER_BYTES: usize = 12;

/// Most bytes of a reply over UDP without EDNS0.
pub(crate) const PLAIN_BYTES: usize = 512;
/// Most bytes of a datagram of ours.
const DATAGRAM_BYTES: usize = 65467;

/// One question that can be answered.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) header: Header,
    /// As it was asked.
    pub(crate) name: Name,
    pub(crate) rtype: Rtype,
    pub(crate) class: u16,
    pub(crate) edns: Option<Edns>,
}

/// What the asker says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Edns {
    pub(crate) bytes: u16,
    pub(crate) subnet: Option<ClientSubnet>,
}

/// What can be done with a message.
pub(crate) enum Read {
    Question(Query),
    /// To be refused by its header alone.
    Refused(Header, Rcode),
    /// To be refused with its question.
    Malformed(Query),
    /// Not to be replied to.
    Silent,
}

impl Query {
    /// Most bytes of a datagram that the asker takes.
    pub(crate) fn datagram_bytes(&self) -> usize {
        let asked = self.edns.map_or(0, |edns| usize::from(edns.bytes));
        asked.clamp(PLAIN_BYTES, DATAGRAM_BYTES)
    }

    /// Most bytes of the reply; none where only the message itself bounds it.
    pub(crate) fn most_bytes(&self, transport: Transport) -> Option<usize> {
        match transport {
            Transport::Udp => Some(self.datagram_bytes()),
            Transport::UdpShort => Some(self.datagram_bytes().min(SHORT_BYTES)),
            Transport::Tcp => None,
        }
    }
}

/// Reads a message.
pub(crate) fn read(message: &[u8]) -> Read {
    if message.len() < HEADER_BYTES {
        return Read::Silent;
    }
    let header = *Header::for_message_slice(message);
    let counts = HeaderCounts::for_message_slice(message);
    if header.qr() {
        return Read::Silent;
    }
    if !matches!(header.opcode(), Opcode::QUERY | Opcode::NOTIFY) {
        return Read::Refused(header, Rcode::NOTIMP);
    }
    if counts.qdcount() != 1 || counts.ancount() > 1 || counts.nscount() > 1 || counts.arcount() > 2
    {
        return Read::Refused(header, Rcode::FORMERR);
    }
    if message.len() == HEADER_BYTES {
        return Read::Refused(header, Rcode::REFUSED);
    }
    let mut parser = Parser::from_ref(message);
    let Some(mut query) = question(header, &mut parser) else {
        return Read::Refused(header, Rcode::FORMERR);
    };
    let before = counts.ancount() + counts.nscount();
    for at in 0..before + counts.arcount() {
        // Counts with nothing behind them are passed over.
        if parser.remaining() == 0 {
            break;
        }
        let Some(edns) = record(&mut parser) else {
            return Read::Malformed(Query { edns: None, ..query });
        };
        // Elsewhere it has no meaning.
        if at >= before {
            query.edns = edns.or(query.edns);
        }
    }
    Read::Question(query)
}

fn question(header: Header, parser: &mut Parser<'_, [u8]>) -> Option<Query> {
    parser.advance(HEADER_BYTES).ok()?;
    let name = name(parser)?;
    let mut number = |whole: bool| match parser.remaining() {
        0 => Some(0),
        1 if !whole => parser.advance(1).ok().map(|()| 0),
        _ => parser.parse_u16_be().ok(),
    };
    let rtype = Rtype::from_int(number(true)?);
    // As recorded: a class that is cut is none.
    let class = number(false)?;
    Some(Query { header, name, rtype, class, edns: None })
}

/// Reads one record, for EDNS0 if it says that.
fn record(parser: &mut Parser<'_, [u8]>) -> Option<Option<Edns>> {
    let record = ParsedRecord::parse(parser).ok()?;
    if record.rtype() != Rtype::OPT {
        return Some(None);
    }
    let class = record.class().to_int();
    let options = record.into_record::<Opt<&[u8]>>().ok()??;
    let mut edns = Edns { bytes: class, subnet: None };
    // Other options are passed over, but must end where the record ends.
    for option in options.data().iter::<UnknownOptData<&[u8]>>() {
        let option = option.ok()?;
        if option.code() == OptionCode::CLIENT_SUBNET {
            let bytes = option.as_slice();
            // No family and no bits: the asker wants nothing told of itself, as `dig +subnet=0`.
            if bytes == [0; 4] {
                continue;
            }
            let mut parser = Parser::from_ref(&bytes);
            let subnet = ClientSubnet::parse(&mut parser).ok()?;
            // The first counts.
            edns.subnet.get_or_insert(subnet);
        }
    }
    Some(Some(edns))
}

/// A name, with its pointers followed. A pointer may only lead back, so that none leads in circles.
pub(crate) fn name(parser: &mut Parser<'_, [u8]>) -> Option<Name> {
    let parsed = ParsedName::parse(parser).ok()?;
    let mut name = Name::empty();
    for label in parsed.iter().take_while(|label| !label.is_root()) {
        name.push(label.as_slice())?;
    }
    name.end()?;
    Some(name)
}

/// The question of a reply.
pub(crate) fn about(reply: &[u8]) -> Option<Query> {
    let header = *Header::for_message_slice(reply.get(..HEADER_BYTES)?);
    if HeaderCounts::for_message_slice(reply).qdcount() != 1 {
        return None;
    }
    question(header, &mut Parser::from_ref(reply))
}

/// What is taken of other servers' answers.
#[allow(clippy::large_enum_variant)] // One at a time, on the stack, so that none allocates.
pub(crate) enum Foreign {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Name),
}

/// Gives the records of a reply's answer section that are addresses or lead to them, up to one that
/// cannot be read.
pub(crate) fn answers(reply: &[u8], mut take: impl FnMut(&Name, u32, Foreign)) {
    let Some(header) = reply.get(..HEADER_BYTES) else { return };
    let counts = HeaderCounts::for_message_slice(header);
    let mut parser = Parser::from_ref(reply);
    let asked = (0..counts.qdcount()).try_fold(parser.advance(HEADER_BYTES).ok(), |ready, _| {
        ready?;
        name(&mut parser)?;
        Some(parser.advance(4).ok())
    });
    if asked.flatten().is_none() {
        return;
    }
    for _ in 0..counts.ancount() {
        if answer(&mut parser, &mut take).is_none() {
            return;
        }
    }
}

fn answer(parser: &mut Parser<'_, [u8]>, take: &mut impl FnMut(&Name, u32, Foreign)) -> Option<()> {
    let owner = name(parser)?;
    let rtype = Rtype::from_int(parser.parse_u16_be().ok()?);
    let class = Class::from_int(parser.parse_u16_be().ok()?);
    let ttl = parser.parse_u32_be().ok()?;
    let length = usize::from(parser.parse_u16_be().ok()?);
    let end = parser.pos().checked_add(length)?;
    if parser.remaining() < length {
        return None;
    }
    let data = match rtype {
        _ if class != Class::IN => None,
        Rtype::A => {
            let mut octets = [0; 4];
            parser.parse_buf(&mut octets).ok()?;
            Some(Foreign::A(octets.into()))
        }
        Rtype::AAAA => {
            let mut octets = [0; 16];
            parser.parse_buf(&mut octets).ok()?;
            Some(Foreign::Aaaa(octets.into()))
        }
        Rtype::CNAME => Some(Foreign::Cname(name(parser)?)),
        _ => None,
    };
    if let Some(data) = data {
        if parser.pos() != end {
            return None;
        }
        take(&owner, ttl, data);
    }
    parser.seek(end).ok()
}
