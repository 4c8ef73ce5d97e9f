//! Every bound of the machine, with the reason for its number.

use std::time::Duration;

/// Longest encoded tags, as in every peer.
pub const META_BYTES: usize = 512;

/// Longest name of a member: with the longest tags, or with the name of an accuser, it fits into a
/// packet. Who has a longer one could not be told of, and would only fill memory.
pub const NAME_BYTES: usize = 512;

/// Members in the table, in any state: several times the largest known clusters, and half a
/// gigabyte, of all layers, if somebody invents that many with the longest names and tags. A
/// further name is ignored.
pub const MEMBERS: usize = 1 << 16;

/// Probes relayed for others at one time. A member asks three helpers a second at most, so this
/// serves hundreds of troubled members; a further request is dropped, which costs the asker one
/// nack.
pub const RELAYS: usize = 1024;

/// State exchanges whose entries wait to be merged: twice what the driver lets in at a time
/// (256). A further request is refused; answers are as many as exchanges that we have begun.
pub const PENDING_MERGES: usize = 512;

/// Table entries of all exchanges that wait to be merged, twice what one may carry; and bytes of
/// the layer above's states, twice as well. A few kilobytes on the wire may expand to the largest
/// state, so that the number of exchanges alone is no bound. Beyond either a further exchange is
/// refused, unless it is the only one.
pub const PENDING_ENTRIES: usize = 2 * wire::limits::PUSH_PULL_NODES;
/// See [`PENDING_ENTRIES`].
pub const PENDING_STATE_BYTES: usize = 2 * wire::limits::STREAM_BYTES;

/// Entries merged before packets get their turn: about a millisecond of work.
pub const MERGE_SLICE: usize = 512;

/// Suspicions that may end before packets get their turn, for the same reason.
pub const EXPIRY_SLICE: usize = 512;

/// Intents of the layer above that wait; one slot per member name, so only names count. Beyond
/// it the least wanted is dropped. Well above Serf's own pruning at twice its members.
pub const INTENTS: usize = 1 << 16;

/// Queries that wait, and user events that wait: Serf's own `MaxQueueDepth`.
pub const BROADCASTS: usize = 4096;

/// Bytes of one queue of the layer above: 4096 messages of the default size limit (512) with
/// their envelope.
pub const QUEUE_BYTES: usize = 4 << 20;

/// Death certificates: at a thousand reaped members a day one forgets none within the tombstone
/// timeout. Beyond it the one that ends first is dropped.
pub const DEATH_CERTIFICATES: usize = 8192;

/// Between questions to one certified member that others say is alive: one small packet, so that
/// hearsay makes no flood.
pub const ASK_THE_DEAD: Duration = Duration::from_secs(10);

/// Members that are asked at once which of two claims at one incarnation is theirs, with two small
/// packets each: as many as may have restarted while somebody slept. The others are asked after the
/// next exchange.
pub const DISPUTE_BURST: u32 = 32;

/// One more is asked each time this has passed: invented claims make no flood.
pub const DISPUTE_REFILL: Duration = Duration::from_millis(100);

/// Gathering time of an eager send: long enough that what one packet brought leaves in one
/// packet, short enough that five hops (3^5 > 200 members) stay under 20 ms.
pub const EAGER_GATHER: Duration = Duration::from_millis(2);

/// Eager packets that may be sent at once: ten bursts to three peers, enough for a join or an
/// event with everything that follows from it.
pub const EAGER_BURST: u32 = 30;

/// One more eager packet is allowed each time this has passed: 150 packets a second, which keeps
/// an event storm (or 200 members joining at once) at some 2 % of one core per member; what
/// waits meanwhile shares packets.
pub const EAGER_REFILL: Duration = Duration::from_micros(6_667);

/// So many members may appear at once, and those that come later are a crowd: to tell of these
/// alone as often as of anything else takes seconds of ticks.
pub const CROWD: u32 = 32;

/// And one more each time this has passed, from then on without a further appearance.
pub const CROWD_PASSES: Duration = Duration::from_millis(250);

/// News of a crowd that waits to be told once. Beyond it the least wanted is dropped: exchanges
/// tell it.
pub const HEARSAY: usize = 1 << 12;

/// In a larger table an exchange is larger, and settling exchanges are rarer in proportion. And
/// hearsay of a crowd is not told: what all of them had to read together would grow with the square
/// of the table, and one exchange brings as much as all of it.
pub const USUAL_MEMBERS: usize = 200;

/// In such a table so many times as long must nobody have appeared before a settling exchange: a
/// member hears of each newcomer only from itself, which tells some sixteen of them.
pub const LARGE_CALM: u32 = 6;

/// Whose join is told of later than this after it has appeared does not come with a crowd; in a
/// table larger than [`USUAL_MEMBERS`] it is longer in proportion.
pub const NEWCOMER: Duration = Duration::from_secs(2);

/// A crowd whose members stop to appear for so long is over, in a table of [`USUAL_MEMBERS`]; in a
/// larger one in proportion.
pub const CROWD_PAUSES: Duration = Duration::from_secs(1);

/// Of a crowd that came by the same door so many ask that member again, and the others anybody: a
/// second of its processor's time for each exchange that all of them make.
pub const DOOR_MEMBERS: usize = 1000;

/// A time that grows with the table.
pub(crate) fn by_size(time: Duration, members: usize) -> Duration {
    time.saturating_mul(members.max(USUAL_MEMBERS) as u32) / USUAL_MEMBERS as u32
}

/// The settling exchange comes this long after a join at the earliest: by then the alive
/// messages of those who joined at the same time have reached somebody.
pub const SETTLE_EARLIEST: Duration = Duration::from_millis(50);

/// And at the latest. The choice between is random so that members that joined together do not
/// exchange together.
pub const SETTLE_LATEST: Duration = Duration::from_millis(150);

/// While members appear, a settling exchange is followed by another, this many times at most, each
/// after twice the time. The last one comes some 13 seconds after the one before, which is 25
/// seconds after the join on average, and 38 at most; the exchanges that everybody makes twice a
/// minute do the rest.
pub const SETTLE_ROUNDS: u32 = 7;

/// When an exchange has brought nothing new in a crowd, another one makes sure this long after it
/// at the earliest: soon enough for those who wait for whole views, and after the last ones have
/// come.
pub const CONFIRM_EARLIEST: Duration = Duration::from_millis(1500);

/// And at the latest.
pub const CONFIRM_LATEST: Duration = Duration::from_millis(2500);

/// How long a settling exchange is put off while a crowd goes on appearing.
pub const SETTLE_PUT_OFF: Duration = Duration::from_secs(4);

/// Whoever has joined is settled when nobody has appeared for this long.
pub const SETTLE_QUIET: Duration = Duration::from_secs(10);
