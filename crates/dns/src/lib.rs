//! The DNS interface of the agent without sockets and clock: a question's bytes to an answer's,
//! over one [`Snapshot`] of the catalogue.
//!
//! ```text
//!   question ──read──▶ Query ──form──▶ node, service, addr, arpa, … ──▶ records ──cut──▶ reply
//!                        │                  │        rows of the Snapshot
//!                        │                  └─▶ Chase: a name of another zone, for the recursors
//!                        └─▶ Recurse: not our zone    each step ──▶ Observer
//! ```
//!
//! Instances are chosen before anything is built of them: drawn at random, and read one by one
//! until the reply has what fits. What a question costs follows from what is read for it, not from
//! how much there is. Nothing is allocated for a question once a [`Scratch`] is warm, but for a
//! template of prepared queries, which is filled in for each name. `examples/answers.rs` says what
//! answers cost.
//!
//! `domain` reads messages and composes them; what it composes into (`writer.rs`) is ours, as
//! it is kept from message to message.
//!
//! Not here: sockets, recursors, how old a snapshot may be, who may see what.
//!
//! Specification "Consul DNS interface"; recordings `consul-dns`.
//!
//! ```
//! use dns::{Config, Outcome, Scratch, Settings, Transport, View};
//! use rand::{SeedableRng, rngs::SmallRng};
//!
//! let config = Config::new(&Settings::default()).unwrap();
//! let snapshot = catalog::Snapshot::default();
//! let view = View {
//!     snapshot: Some(&snapshot),
//!     transport: Transport::Udp,
//!     source: [127, 0, 0, 1].into(),
//!     unix_seconds: 1_700_000_000,
//!     foreign: &[],
//! };
//! let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\x07service\x06consul\0\0\x01\0\x01";
//! let (mut scratch, mut reply) = (Scratch::default(), Vec::new());
//! let mut rng = SmallRng::seed_from_u64(1);
//! let outcome = dns::answer(&config, &view, query, &mut rng, &mut scratch, &mut (), &mut reply);
//! assert_eq!((outcome, reply[3] & 15), (Outcome::Answered, 3)); // no such name
//! ```

mod address;
mod config;
mod draw;
mod form;
mod name;
mod node;
mod observe;
mod prepared;
mod query;
mod record;
mod recursion;
mod reply;
mod reverse;
mod said;
mod scratch;
mod service;
mod work;
mod writer;
mod zone;

use std::net::IpAddr;

use catalog::Snapshot;
use rand::Rng;

pub use config::{Config, Error, Settings};
pub use observe::{Drop, Limit, Observer, STEPS, Step, Trace};
pub use recursion::{
    belongs, chase_query, cut, payload_bytes, question, record_type, recursion_failed, subject,
};
pub use said::{is_readable, said};
pub use scratch::Scratch;

/// Most names of other zones that one answer leads to: so many [`Outcome::Chase`] come at most.
pub const CHASES: usize = 16;

/// Most bytes of a short reply: what fits into a packet on the way (RFC 9715).
pub const SHORT_BYTES: usize = 1232;

/// How the question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a datagram of one that gets short replies only: at most [`SHORT_BYTES`]. What is cut says
    /// so, whatever is configured, so that it comes over TCP.
    UdpShort,
    /// On a connection.
    Tcp,
}

/// What a question is answered from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The state; none while no leader is known.
    pub snapshot: Option<&'a Snapshot>,
    /// How the question came.
    pub transport: Transport,
    /// Who asks.
    pub source: IpAddr,
    /// Now, in seconds since 1970: the serial of the zone.
    pub unix_seconds: u32,
    /// What recursors said of the names that earlier calls wanted; empty in the first call.
    pub foreign: &'a [Foreign<'a>],
}

/// A name of another zone.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// As [`Scratch::wanted`] gave it.
    pub name: &'a [u8],
    /// The reply to [`chase_query`]; none if nobody gave one.
    pub reply: Option<&'a [u8]>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send the reply.
    Answered,
    /// Pass the question on to the recursors as it is. Only where there are any.
    Recurse,
    /// Ask the recursors for [`Scratch::wanted`] and call [`answer`] again, with one more
    /// [`Foreign`], and with random numbers that are those of this call: with others it may choose
    /// other instances, whose names are to be asked for next. Only where there are recursors.
    Chase,
    /// Send nothing.
    Silent,
}

/// Answers one question. `out` holds the reply afterwards, without the length that goes before it
/// on a connection; it is empty unless [`Outcome::Answered`].
pub fn answer<R: Rng, O: Observer>(
    config: &Config,
    view: &View<'_>,
    query: &[u8],
    rng: &mut R,
    scratch: &mut Scratch,
    observer: &mut O,
    out: &mut Vec<u8>,
) -> Outcome {
    out.clear();
    scratch.begin();
    let query = match query::read(query) {
        query::Read::Question(query) => query,
        query::Read::Refused(header, rcode) => {
            reply::refuse(header, None, rcode, out);
            observer.note(|| reply::refused(rcode));
            return Outcome::Answered;
        }
        query::Read::Malformed(query) => {
            let rcode = domain::base::iana::Rcode::FORMERR;
            reply::refuse(query.header, Some(&query), rcode, out);
            observer.note(|| reply::refused(rcode));
            return Outcome::Answered;
        }
        query::Read::Silent => {
            observer.note(|| Step::Silent);
            return Outcome::Silent;
        }
    };
    work::Work { config, view, query: &query, rng, scratch, observer }.run(out)
}
