//! What somebody else's reply says, as the last step of an explanation.

use domain::base::iana::{Rcode, Rtype};
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
