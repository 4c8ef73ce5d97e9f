//! The commands of one entry.

use bytes::{BufMut, Bytes};

/// Bytes before the commands: the clock.
const HEAD: usize = 8;

/// What one entry of the log carries: the proposer's clock and some commands, in the bytes that
/// are stored: `clock (8)`, then for each command `length (4)` and its bytes. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
    commands: usize,
}

impl Batch {
    /// Reads stored bytes; `None` if they are not a batch.
    pub(crate) fn decode(bytes: Bytes) -> Option<Self> {
        let mut rest = bytes.get(HEAD..)?;
        let mut commands = 0;
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>()?;
            rest = after.get(u32::from_be_bytes(*length) as usize..)?;
            commands += 1;
        }
        Some(Self { bytes, commands })
    }

    /// As stored.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The wall clock of the server that proposed the entry, in milliseconds since 1970.
    pub fn clock_ms(&self) -> u64 {
        self.bytes.first_chunk::<HEAD>().map_or(0, |clock| u64::from_be_bytes(*clock))
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// The commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.get(HEAD..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (command, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            Some(command)
        })
    }
}

/// A batch that is being filled.
pub(crate) struct Filling {
    bytes: Vec<u8>,
    commands: usize,
}

impl Filling {
    /// An empty one, with the time of its proposal in milliseconds since 1970.
    pub(crate) fn new(clock_ms: u64) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.put_u64(clock_ms);
        Self { bytes, commands: 0 }
    }

    /// Bytes of the batch so far.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Commands so far.
    pub(crate) fn commands(&self) -> usize {
        self.commands
    }

    /// Adds a command; the caller keeps to the limits.
    pub(crate) fn push(&mut self, command: &[u8]) {
        let length = u32::try_from(command.len()).expect("a command is at most COMMAND_BYTES");
        self.bytes.put_u32(length);
        self.bytes.put_slice(command);
        self.commands += 1;
    }

    /// The batch, in a place of its length: it stays in memory for a while.
    pub(crate) fn finish(self) -> Batch {
        Batch { bytes: self.bytes.into_boxed_slice().into(), commands: self.commands }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn filled(commands: &[&[u8]]) -> Batch {
        let mut filling = Filling::new(1_700_000_000_123);
        for command in commands {
            filling.push(command);
        }
        filling.finish()
    }

    #[test]
    fn what_is_filled_is_read_back() {
        for commands in [&[][..], &[b"".as_slice()], &[b"one", b"", b"three"]] {
            let batch = Batch::decode(filled(commands).bytes().clone()).unwrap();
            assert_eq!(batch, filled(commands));
            assert_eq!(batch.clock_ms(), 1_700_000_000_123);
            assert_eq!(batch.len(), commands.len());
            assert_eq!(batch.commands().collect::<Vec<_>>(), commands);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_batch() {
        let bytes = filled(&[b"one", b"two"]).bytes().clone();
        let whole = [HEAD, HEAD + 4 + 3, bytes.len()];
        for length in 0..=bytes.len() {
            let read = Batch::decode(bytes.slice(..length));
            assert_eq!(read.is_some(), whole.contains(&length), "{length} bytes");
        }
    }
}
