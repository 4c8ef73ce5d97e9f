//! What is replicated.

use std::fmt::Debug;
use std::io::{self, Read, Write};

use crate::Batch;

/// A state that changes by commands alone, the same on every server.
///
/// `apply` must draw neither time nor chance: what it needs is in the commands and in the clock.
pub trait Machine: Send + Sync + Sized + 'static {
    /// The answer to one command.
    type Reply: Debug + Send + Sync + 'static;

    /// The state as it was at one moment, cheap to take and untouched by later commands.
    type Image: Send + Sync + 'static;

    /// Applies the commands of one entry. The first has the index `first_index`, each further one
    /// the next. `clock_ms` is the entry's clock in milliseconds since 1970; it never falls. The
    /// replies are as many as the commands, in their order.
    fn apply(&mut self, first_index: u64, clock_ms: u64, batch: &Batch) -> Vec<Self::Reply>;

    /// The state now.
    fn image(&self) -> Self::Image;

    /// Writes an image as a stream of bytes.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn save(image: &Self::Image, out: &mut dyn Write) -> io::Result<()>;

    /// Replaces the state by one that [`Machine::save`] wrote. Every byte was checked before it is
    /// read here.
    ///
    /// # Errors
    ///
    /// Those of `input`, and [`io::ErrorKind::InvalidData`] for what this version cannot read. The
    /// state is not used any more then.
    fn restore(&mut self, input: &mut dyn Read) -> io::Result<()>;
}

/// The outcome of a command that was replicated, flushed and applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<R> {
    /// The command's index: greater than that of every earlier one, also over restarts.
    pub index: u64,
    /// What the machine answered.
    pub reply: R,
}
