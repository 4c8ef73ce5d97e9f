//! Labels, which keep clusters apart that share a network (A8).
//!
//! ```text
//! f4 | length: u8 | label
//! ```

use crate::limits;
use crate::message::gossip::kind;

/// Why a packet or stream is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A header without a label, or cut off.
    #[error("malformed label header")]
    Malformed,
    /// Another cluster's label, none where we have one, or one where we have none.
    #[error("wrong label: another cluster shares this network")]
    Wrong,
}

/// What is in front of a labelled packet or stream; 0 for the empty label.
pub fn overhead(label: &[u8]) -> usize {
    if label.is_empty() { 0 } else { 2 + label.len() }
}

/// Appends the header of a label; nothing for the empty one.
///
/// A label has at most [`limits::LABEL_BYTES`]; a configuration must not let more through, and
/// what is beyond is cut off here.
pub fn write(label: &[u8], out: &mut Vec<u8>) {
    let label = &label[..label.len().min(limits::LABEL_BYTES)];
    if !label.is_empty() {
        out.extend_from_slice(&[kind::LABEL, label.len() as u8]);
        out.extend_from_slice(label);
    }
}

/// Takes the header off and returns label and rest; the label is empty where there is no header.
pub fn strip(bytes: &[u8]) -> Result<(&[u8], &[u8]), LabelError> {
    match bytes {
        [kind::LABEL, 0, ..] | [kind::LABEL] => Err(LabelError::Malformed),
        [kind::LABEL, length, rest @ ..] => {
            rest.split_at_checked(usize::from(*length)).ok_or(LabelError::Malformed)
        }
        _ => Ok((&[], bytes)),
    }
}

/// Takes the header off and insists that the label is `expected`, which may be empty.
pub fn strip_expected<'a>(bytes: &'a [u8], expected: &[u8]) -> Result<&'a [u8], LabelError> {
    let (label, rest) = strip(bytes)?;
    if label == expected { Ok(rest) } else { Err(LabelError::Wrong) }
}
