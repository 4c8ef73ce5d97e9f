//! The last bytes of something that may never end.

/// Keeps the last bytes of what is pushed, and counts all of them.
#[derive(Debug)]
pub(crate) struct Capture {
    /// At most twice the bound, so that bytes are moved rarely.
    kept: Vec<u8>,
    max_bytes: usize,
    total: u64,
}

impl Capture {
    pub(crate) fn new(max_bytes: usize) -> Capture {
        Capture { kept: Vec::new(), max_bytes, total: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let last = &bytes[bytes.len().saturating_sub(self.max_bytes)..];
        if self.kept.len() + last.len() > self.max_bytes.saturating_mul(2) {
            let stays = self.max_bytes - last.len();
            self.kept.drain(..self.kept.len().saturating_sub(stays));
        }
        self.kept.extend_from_slice(last);
    }

    /// What is kept, as text.
    pub(crate) fn text(&self) -> String {
        gotext::decode::lossy(self.last())
    }

    /// The same behind a line that says how much is missing, if anything is.
    pub(crate) fn report(&self) -> String {
        if self.total <= self.max_bytes as u64 {
            return self.text();
        }
        format!("Captured {} of {} bytes\n...\n{}", self.max_bytes, self.total, self.text())
    }

    fn last(&self) -> &[u8] {
        &self.kept[self.kept.len().saturating_sub(self.max_bytes)..]
    }
}

#[cfg(test)]
mod tests;
