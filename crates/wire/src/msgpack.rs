//! The msgpack dialects of Go's codec, as they travel between members and over the RPC.
//!
//! One bounded [`Reader`] accepts everything that any known peer accepts; the [`Writer`] knows the
//! two [`Dialect`]s and the two [`IntegerHabit`]s. [`Value`] is a tree for where no schema is
//! known. The rules are those of the specification "Gossip wire protocol and behaviour", A2, and
//! "Serf agent", "Encoding".

mod reader;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use reader::Reader;
pub use value::Value;
pub use writer::{IntegerHabit, Writer};

/// Which of the two flavours is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Between members: strings and bytes are one family (fixraw, raw 16, raw 32). A reader takes
    /// every form for either.
    #[default]
    Gossip,
    /// Between an agent and its clients: str 8 exists, bytes are bin. A reader refuses bin where
    /// text is wanted, as the real agent does.
    Rpc,
}
