//! A machine whose content can be checked: numbers, each with the index it was applied at.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft::{Batch, Machine};

/// The numbers that were applied, in order. Clones show the same content.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Content>>);

#[derive(Clone, Default)]
pub(crate) struct Content {
    /// Index and number.
    pub(crate) lines: Vec<(u64, u64)>,
    /// Commands that were not whole.
    pub(crate) damaged: u64,
}

impl Ledger {
    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command that enters a number: the number, then bytes that follow from it.
pub(crate) fn command(number: u64) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..number % 397).map(|n| (number.wrapping_mul(31) + n) as u8));
    bytes
}

impl Machine for Ledger {
    type Reply = ();
    type Image = Content;

    fn apply(&mut self, first_index: u64, _clock_ms: u64, batch: &Batch) -> Vec<()> {
        let mut content = self.content();
        for (index, bytes) in (first_index..).zip(batch.commands()) {
            let number = bytes.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
            content.lines.push((index, number));
            content.damaged += u64::from(bytes != command(number));
        }
        vec![(); batch.len()]
    }

    fn image(&self) -> Content {
        self.content().clone()
    }

    fn save(image: &Content, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&image.damaged.to_be_bytes())?;
        image.lines.iter().try_for_each(|(index, number)| {
            out.write_all(&index.to_be_bytes())?;
            out.write_all(&number.to_be_bytes())
        })
    }

    fn restore(&mut self, input: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
        let mut content = self.content();
        content.damaged = numbers.next().unwrap_or(0);
        content.lines.clear();
        while let (Some(index), Some(number)) = (numbers.next(), numbers.next()) {
            content.lines.push((index, number));
        }
        Ok(())
    }
}
