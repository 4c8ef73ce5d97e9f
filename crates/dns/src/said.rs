//! What somebody else's reply says: whether it can be read, and as the last step of an explanation.

use domain::base::iana::{Rcode, Rtype};
use domain::base::message::RecordSection;
use domain::base::rdata::ParseRecordData;
use domain::base::{Message, ParsedName, ParsedRecord};
use domain::rdata::{A, Aaaa, Cname, Mx, Ns, Ptr, Soa, Srv, Txt};

use crate::name::{self, Name};
use crate::observe::Step;
use crate::reply::{self, rcode_name};

type Parsed<'a> = ParsedRecord<'a, [u8]>;
type Owner<'a> = ParsedName<&'a [u8]>;

/// The step that tells of a recursor's reply, or of the failure that no reply comes to. Answers are
/// told up to one that cannot be read.
#[must_use]
pub fn said(reply: Option<&[u8]>) -> Step {
    let message = reply.and_then(|reply| Message::from_slice(reply).ok());
    let Some(message) = message else { return reply::bare_step(Rcode::SERVFAIL, 0) };
    let (header, counts) = (message.header(), message.header_counts());
    let records = message.answer().into_iter().flatten();
    Step::Replied {
        rcode: rcode_name(header.rcode()),
        truncated: header.tc(),
        answers: records.map_while(|record| line(&record.ok()?)).collect(),
        authority: counts.nscount().into(),
        additional: counts.arcount().into(),
    }
}

/// Whether every record of a reply is there that its header announces, and can be read. Those of
/// types that are not known here are what their length says.
#[must_use]
pub fn is_readable(reply: &[u8]) -> bool {
    let Ok(message) = Message::from_slice(reply) else { return false };
    let all = |records: RecordSection<'_, [u8]>| {
        records.into_iter().all(|record| record.is_ok_and(|record| data(&record).is_some()))
    };
    let sections = [message.answer(), message.authority(), message.additional()];
    sections.into_iter().all(|section| section.is_ok_and(all))
}

/// A record as [`crate::record::Record::text`] has it.
fn line(record: &Parsed<'_>) -> Option<String> {
    let (owner, data) = (text(&record.owner())?, data(record)?);
    let (class, ttl) = (record.class(), record.ttl().as_secs());
    Some(format!("{owner} {ttl} {class} {} {data}", record.rtype()))
}

fn data(record: &Parsed<'_>) -> Option<String> {
    Some(match record.rtype() {
        Rtype::A => read::<A>(record)?.addr().to_string(),
        Rtype::AAAA => read::<Aaaa>(record)?.addr().to_string(),
        Rtype::CNAME => text(read::<Cname<Owner<'_>>>(record)?.cname())?,
        Rtype::NS => text(read::<Ns<Owner<'_>>>(record)?.nsdname())?,
        Rtype::PTR => text(read::<Ptr<Owner<'_>>>(record)?.ptrdname())?,
        Rtype::MX => {
            let mx = read::<Mx<Owner<'_>>>(record)?;
            format!("{} {}", mx.preference(), text(mx.exchange())?)
        }
        Rtype::SRV => {
            let srv = read::<Srv<Owner<'_>>>(record)?;
            let target = text(srv.target())?;
            format!("{} {} {} {target}", srv.priority(), srv.weight(), srv.port())
        }
        Rtype::TXT => {
            let texts = read::<Txt<&[u8]>>(record)?;
            texts.iter().map(name::quoted).collect::<Vec<_>>().join(" ")
        }
        Rtype::SOA => {
            let soa = read::<Soa<Owner<'_>>>(record)?;
            let names = [text(soa.mname())?, text(soa.rname())?].join(" ");
            let times = [soa.refresh(), soa.retry(), soa.expire(), soa.minimum()];
            let times = times.map(|time| time.as_secs().to_string()).join(" ");
            format!("{names} {} {times}", soa.serial())
        }
        // As RFC 3597 has it.
        _ => {
            let bytes =
                record.to_record::<domain::base::rdata::UnknownRecordData<&[u8]>>().ok()??;
            bytes.data().to_string()
        }
    })
}

fn read<'a, D: ParseRecordData<'a, [u8]>>(record: &Parsed<'a>) -> Option<D> {
    Some(record.to_record::<D>().ok()??.into_data())
}

fn text(name: &Owner<'_>) -> Option<String> {
    let mut wire = Name::empty();
    name.iter()
        .filter(|label| !label.is_root())
        .try_for_each(|label| wire.push(label.as_slice()))?;
    Some(name::text(wire.wire()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_readable_as_a_whole() {
        let whole = |counts: [u8; 3], records: &[u8]| {
            let [answers, authority, additional] = counts;
            let header = [0, 7, 0x80, 0, 0, 1, 0, answers, 0, authority, 0, additional];
            is_readable(&[&header[..], b"\x01a\0\0\x01\0\x01", records].concat())
        };
        let record = |kind: u8, data: &[u8]| {
            let head = [0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8];
            [&head[..], data].concat()
        };
        let address = record(1, &[192, 0, 2, 1]);
        assert!(whole([0; 3], b"") && whole([1, 0, 0], &address));
        assert!(whole([1, 1, 1], &address.repeat(3)));
        assert!(whole([1, 0, 0], &record(99, b"whatever")), "a type of later");
        assert!(whole([1, 0, 0], &record(5, &[0xc0, 12])));
        assert!(!whole([2, 0, 0], &address), "fewer than announced");
        assert!(!whole([1, 0, 0], &address[..address.len() - 1]), "an end too early");
        assert!(!whole([0, 1, 0], &record(1, b"123")), "a length of no address");
        assert!(!whole([0, 0, 1], &record(5, &[0xc0, 200])), "a name behind the end");
        assert!(!whole([1, 0, 0], &record(5, &[0xc0, 31])), "a name that leads to itself");
        assert!(!is_readable(b"") && !is_readable(&[0x80; 11]));
    }
}
