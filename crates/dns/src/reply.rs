//! From records to a reply: what fits, and the message.

use std::cell::Cell;
use std::convert::Infallible;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{OptBuilder, QuestionBuilder, RecordSectionBuilder};
use domain::base::opt::ComposeOptData;
use domain::base::wire::Composer;
use domain::base::{Header, HeaderCounts, MessageBuilder, Question};

use crate::observe::{Limit, Observer, Step};
use crate::query::{Edns, HEADER_BYTES, PLAIN_BYTES, Query};
use crate::record::{Arena, Data, Record};
use crate::scratch::{Scratch, Seen};
use crate::writer::{Target, Wire, Written};
use crate::{Config, Transport};

/// No message is longer.
pub(crate) const MESSAGE_BYTES: usize = 65535;
/// Most answers over UDP without EDNS0, whatever is configured.
const UDP_ANSWERS: usize = 8;
/// Most answers of any reply; fewer of SRV, which bring further records.
const ANSWERS: usize = 4096;
const SRV_ANSWERS: usize = 1024;
/// What the reference leaves free of what the asker takes.
const MARGIN: usize = 8;
/// Most bytes over TCP.
const STREAM_BYTES: usize = 65523;
/// What the shortest answer takes: a pointer, ten bytes, an address of IPv4; and of SRV a target of
/// one label.
const ANSWER_BYTES: usize = 16;
const SRV_BYTES: usize = 21;

/// How a reply begins.
pub(crate) struct Head {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) recursion: bool,
    /// Of client subnet: how much of the address the answer depends on.
    pub(crate) scoped: bool,
}

/// What a reply may have.
struct Room {
    bytes: usize,
    answers: usize,
    /// What says how many answers.
    why: Limit,
}

fn room(config: &Config, query: &Query, transport: Transport) -> Room {
    let Some(bytes) = query.most_bytes(transport) else {
        let answers = if query.rtype == Rtype::SRV { SRV_ANSWERS } else { ANSWERS };
        return Room { bytes: STREAM_BYTES, answers, why: Limit::Records };
    };
    let few = (config.settings.udp_answer_limit as usize).clamp(1, UDP_ANSWERS);
    let answers = if bytes == PLAIN_BYTES { few } else { usize::MAX };
    Room { bytes: bytes - MARGIN, answers, why: Limit::UdpAnswers }
}

/// How many answers of a type can fit: more than these, and one to see that there are more, need
/// not be made.
pub(crate) fn most_answers(config: &Config, query: &Query, transport: Transport) -> usize {
    let Room { bytes, answers, .. } = room(config, query, transport);
    answers.min(bytes / if query.rtype == Rtype::SRV { SRV_BYTES } else { ANSWER_BYTES })
}

/// No reply with more bytes stays as it is.
pub(crate) fn most_bytes(config: &Config, query: &Query, transport: Transport) -> usize {
    room(config, query, transport).bytes + MARGIN
}

/// What is written of the records.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Extent {
    answers: usize,
    authority: bool,
    /// The additional section is only what belongs to these answers, without texts and EDNS0.
    cut: bool,
}

/// Writes the reply. At least one answer stays if there is one.
pub(crate) fn write<O: Observer>(
    config: &Config,
    transport: Transport,
    query: &Query,
    head: &Head,
    scratch: &mut Scratch,
    observer: &mut O,
    out: &mut Vec<u8>,
) {
    let total = scratch.answers.len();
    let compress = !config.settings.disable_compression;
    let mut extent = Extent { answers: total, authority: true, cut: false };
    let mut counted = compress;
    let Room { bytes, answers: most, why } = room(config, query, transport);
    if total > most {
        extent = Extent { answers: most, authority: true, cut: true };
        // As recorded: what is cut over UDP counts as if its names were written in full.
        counted = compress && transport == Transport::Tcp;
        observer.note(|| Step::Cut { from: total, to: most, why });
    }
    let mut measured = None;
    // What is too long anyway is not written to see it.
    let mut length = if scratch.overlong && !extent.cut {
        usize::MAX
    } else {
        measured = Some(extent);
        measure(query, head, scratch, extent, counted, out)
    };
    if extent.answers > 1 && length > bytes {
        let from = extent.answers;
        let escorted = !scratch.authority.is_empty();
        extent.authority = false;
        if escorted {
            measured = Some(extent);
            length = measure(query, head, scratch, extent, counted, out);
        }
        if length > bytes {
            extent.cut = true;
            // Without what goes along with them all answers may fit. The reference leaves out one
            // of them at least if little is too much.
            let mut fits = 1;
            let mut over = first_too_many(query, scratch, counted, bytes).clamp(2, from + 1);
            // Often all fit that are not surely too many.
            extent.answers = over - 1;
            loop {
                if measured != Some(extent) {
                    measured = Some(extent);
                    length = measure(query, head, scratch, extent, counted, out);
                }
                if over - fits <= 1 {
                    break;
                }
                if length <= bytes {
                    fits = extent.answers;
                } else {
                    over = extent.answers;
                }
                extent.answers = fits + (over - fits) / 2;
            }
            observer.note(|| Step::Cut { from, to: fits, why: Limit::Bytes });
        }
    }
    // One answer whose company is too long goes without what it can do without.
    let mut alone = false;
    if !extent.cut && length > bytes + MARGIN {
        keep(scratch, extent.answers);
        let escorted = extent.answers > 0 && !scratch.authority.is_empty();
        if escorted || scratch.kept.len() < scratch.additional.len() {
            extent.authority &= !escorted;
            extent.cut = true;
            alone = true;
        }
    }
    // What was measured by writing it is written.
    let whole = if compress && counted && measured == Some(extent) {
        length != usize::MAX
    } else {
        put(query, head, scratch, extent, compress, out)
    };
    let tells = config.settings.enable_truncate || transport == Transport::UdpShort;
    let truncated = (extent.answers < total || alone || !whole) && tells;
    if truncated {
        Header::for_message_slice_mut(out).set_tc(true);
    }
    let counts = *HeaderCounts::for_message_slice(out);
    observer.note(|| Step::Replied {
        rcode: rcode_name(head.rcode),
        truncated,
        answers: (scratch.answers.iter().take(usize::from(counts.ancount())))
            .map(|record| record.text(&scratch.arena))
            .collect(),
        authority: counts.nscount().into(),
        additional: counts.arcount().into(),
    });
}

/// The length that a reply would have; the longest of all if no message could hold it.
fn measure(
    query: &Query,
    head: &Head,
    scratch: &mut Scratch,
    extent: Extent,
    compress: bool,
    out: &mut Vec<u8>,
) -> usize {
    if compress {
        let whole = put(query, head, scratch, extent, true, out);
        return if whole { out.len() } else { usize::MAX };
    }
    let opt = if extent.cut { 0 } else { query.edns.map_or(0, |edns| opt_bytes(&edns)) };
    if extent.cut {
        keep(scratch, extent.answers);
    }
    let additional = if extent.cut { &scratch.kept } else { &scratch.additional };
    let authority = if extent.authority { &scratch.authority[..] } else { &[] };
    let records = scratch.answers.iter().take(extent.answers).chain(authority).chain(additional);
    let records: usize = records.map(Record::plain_bytes).sum();
    HEADER_BYTES + query.name.wire().len() + 4 + records + opt
}

/// Fills `kept` with what belongs to the first answers.
fn keep(scratch: &mut Scratch, answers: usize) {
    let Scratch { answers: all, additional, kept, arena, seen, .. } = scratch;
    kept.clear();
    seen.clear();
    for answer in all.iter().take(answers) {
        keep_one(answer, additional, arena, seen, kept);
    }
}

/// Adds what belongs to an answer: the first record for its target, unless that had it already, and
/// what that leads to.
fn keep_one(
    answer: &Record,
    additional: &[Record],
    arena: &Arena,
    seen: &mut Seen,
    kept: &mut Vec<Record>,
) {
    let Data::Srv { target, glue, .. } = answer.data else { return };
    let mut owner = arena.get(target);
    if !seen.first(owner) {
        return;
    }
    for record in additional.iter().skip(glue as usize) {
        // Recursors may write a name in other letters than it was asked for.
        if !arena.get(record.owner).eq_ignore_ascii_case(owner) {
            break;
        }
        kept.push(*record);
        let Data::Cname(next) = record.data else { break };
        owner = arena.get(next);
    }
}

/// So many answers, with what belongs to them, are too long even if every name that may be
/// compressed is; exactly so if none is.
fn first_too_many(query: &Query, scratch: &mut Scratch, compress: bool, bytes: usize) -> usize {
    let Scratch { answers, additional, kept, arena, seen, .. } = scratch;
    kept.clear();
    seen.clear();
    let size = if compress { Record::least_bytes } else { Record::plain_bytes };
    let mut length = HEADER_BYTES + query.name.wire().len() + 4;
    let fitting = answers.iter().take_while(|answer| {
        let from = kept.len();
        keep_one(answer, additional, arena, seen, kept);
        let company = kept.iter().skip(from).map(size).sum::<usize>();
        length += size(answer) + company;
        length <= bytes
    });
    fitting.count() + 1
}

/// Writes everything; false if the end of it had no room in any message.
fn put(
    query: &Query,
    head: &Head,
    scratch: &mut Scratch,
    extent: Extent,
    compress: bool,
    out: &mut Vec<u8>,
) -> bool {
    if extent.cut {
        keep(scratch, extent.answers);
    }
    let Scratch { answers, authority, additional, kept, arena, names, .. } = scratch;
    let answers = answers.get(..extent.answers).unwrap_or(answers);
    let authority = if extent.authority { &authority[..] } else { &[] };
    let additional = if extent.cut { &kept[..] } else { &additional[..] };
    let uncompressed = Cell::new(0);
    let target = Target::new(out, names, compress, &uncompressed);
    let mut section = question(begin(query.header, head, target), query).answer();
    let mut whole = push(&mut section, answers, arena, &uncompressed);
    let mut section = section.authority();
    whole = whole && push(&mut section, authority, arena, &uncompressed);
    let mut section = section.additional();
    whole = whole && push(&mut section, additional, arena, &uncompressed);
    if let Some(edns) = query.edns.filter(|_| whole && !extent.cut) {
        // What is not there is not missed.
        let _ = section.opt(|opt| put_opt(opt, &edns, head.scoped));
    }
    whole
}

/// Appends records; false if one finds no room.
fn push<T: Composer>(
    section: &mut impl RecordSectionBuilder<T>,
    records: &[Record],
    arena: &Arena,
    uncompressed: &Cell<usize>,
) -> bool {
    records.iter().all(|record| section.push(Written { record, arena, uncompressed }).is_ok())
}

fn begin<T: Composer<AppendError = Infallible>>(
    asked: Header,
    head: &Head,
    target: T,
) -> MessageBuilder<T> {
    let Ok(mut message) = MessageBuilder::from_target(target);
    message.set_push_limit(MESSAGE_BYTES + 1);
    let header = message.header_mut();
    header.set_id(asked.id());
    header.set_qr(true);
    header.set_opcode(asked.opcode());
    header.set_aa(head.authoritative);
    header.set_rd(asked.rd() && asked.opcode() == Opcode::QUERY);
    header.set_ra(head.recursion);
    header.set_cd(asked.cd());
    header.set_rcode(head.rcode);
    message
}

fn question<T: Composer>(message: MessageBuilder<T>, query: &Query) -> QuestionBuilder<T> {
    let mut section = message.question();
    let name = Wire(query.name.wire());
    let pushed = section.push(Question::new(name, query.rtype, Class::from_int(query.class)));
    debug_assert!(pushed.is_ok(), "every message has room for one question");
    section
}

fn opt_bytes(edns: &Edns) -> usize {
    11 + edns.subnet.map_or(0, |subnet| 4 + usize::from(subnet.compose_len()))
}

fn put_opt<T: Composer>(
    opt: &mut OptBuilder<'_, T>,
    edns: &Edns,
    scoped: bool,
) -> Result<(), T::AppendError> {
    opt.set_udp_payload_size(edns.bytes);
    let Some(subnet) = edns.subnet else { return Ok(()) };
    let bits = subnet.source_prefix_len();
    opt.client_subnet(bits, if scoped { bits } else { 0 }, subnet.addr())
}

/// Refuses a message by its header; its question may be echoed.
pub(crate) fn refuse(asked: Header, query: Option<&Query>, rcode: Rcode, out: &mut Vec<u8>) {
    let head = Head { rcode, authoritative: false, recursion: false, scoped: false };
    let mut message = begin(asked, &head, out);
    // As recorded: what is refused unread keeps these.
    message.header_mut().set_rd(asked.rd());
    message.header_mut().set_ad(asked.ad());
    if let Some(query) = query {
        question(message, query);
    }
}

/// The step that tells of a refusal.
pub(crate) fn refused(rcode: Rcode) -> Step {
    bare_step(rcode, 0)
}

/// The step that tells of a reply without answers.
pub(crate) fn bare_step(rcode: Rcode, additional: usize) -> Step {
    let (answers, truncated) = (Vec::new(), false);
    Step::Replied { rcode: rcode_name(rcode), truncated, answers, authority: 0, additional }
}

pub(crate) fn rcode_name(rcode: Rcode) -> &'static str {
    match rcode {
        Rcode::NOERROR => "NOERROR",
        Rcode::FORMERR => "FORMERR",
        Rcode::SERVFAIL => "SERVFAIL",
        Rcode::NXDOMAIN => "NXDOMAIN",
        Rcode::NOTIMP => "NOTIMP",
        Rcode::REFUSED => "REFUSED",
        _ => "OTHER",
    }
}

/// A reply without records: the question, and EDNS0 if asked for.
pub(crate) fn bare(query: &Query, head: &Head, edns: bool, out: &mut Vec<u8>) {
    let mut section = question(begin(query.header, head, out), query).additional();
    if let Some(edns) = query.edns.filter(|_| edns) {
        let pushed = section.opt(|opt| put_opt(opt, &edns, false));
        debug_assert!(pushed.is_ok(), "every message has room for one question and EDNS0");
    }
}
