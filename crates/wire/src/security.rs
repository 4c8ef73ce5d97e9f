//! What a member demands of others and does itself to keep its cluster apart.

use bytes::Bytes;

use crate::packet::SealOptions;
use crate::seal::SealVersion;
use crate::stream::StreamSeal;
use crate::{Keyring, label};

/// How packets and streams are sealed and labelled. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// None: in clear.
    pub keyring: Option<Keyring>,
    /// The label; empty for none, at most [`crate::limits::LABEL_BYTES`].
    pub label: Bytes,
    /// Whether what is not sealed is refused. Off only while encryption is being introduced.
    pub verify_incoming: bool,
    /// Whether what is sent is sealed. Off only while encryption is being introduced.
    pub verify_outgoing: bool,
}

impl Default for Security {
    /// In clear, without a label.
    fn default() -> Self {
        Security {
            keyring: None,
            label: Bytes::new(),
            verify_incoming: true,
            verify_outgoing: true,
        }
    }
}

impl Security {
    /// The ring whose primary key seals what is sent; None where nothing is sealed.
    pub fn sealing_keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref().filter(|_| self.verify_outgoing)
    }

    /// How many bytes of a packet label and seal take.
    pub fn packet_overhead(&self) -> usize {
        let seal = self.sealing_keyring().map_or(0, |_| SealVersion::Plain.overhead());
        label::overhead(&self.label) + seal
    }

    /// How to seal a packet.
    pub fn packet_options(&self, crc: bool, compress: bool) -> SealOptions<'_> {
        let key = self.sealing_keyring().map(Keyring::primary);
        SealOptions { crc, compress, label: &self.label, key, version: SealVersion::Plain }
    }

    /// How to seal what is written to a stream; `dialer` is whether this side opened it.
    pub fn stream_options(&self, dialer: bool, compress: bool) -> StreamSeal<'_> {
        let key = self.sealing_keyring().map(Keyring::primary);
        let version = SealVersion::Plain;
        StreamSeal { label: &self.label, label_header: dialer, compress, key, version }
    }
}
