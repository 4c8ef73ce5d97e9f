//! Tags and the meta of a member that carries them (B4).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::DecodeError;
use crate::msgpack::{Reader, Writer};

/// The first byte of a meta that carries a map of tags.
const TAGS: u8 = 0xff;

/// The meta of a member with these tags, for Serf protocols above 2.
///
/// May exceed the 512 bytes that peers allow: check the length of what comes back.
pub fn encode_tags(tags: &BTreeMap<String, String>) -> Bytes {
    let mut out = vec![TAGS];
    let mut writer = Writer::new(&mut out);
    writer.write_map(tags.len());
    for (name, value) in tags {
        writer.field_text(name, value);
    }
    out.into()
}

/// The meta of a member on Serf protocol 2, which knows no tag but the role.
pub fn encode_role(role: &str) -> Bytes {
    Bytes::copy_from_slice(role.as_bytes())
}

/// The tags in a meta: a map, or else the bare role.
///
/// Never fails: what was read before an error stays, as it does for peers. Bytes that are not
/// UTF-8 are replaced.
pub fn decode_tags(meta: &[u8]) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    match meta.split_first() {
        Some((&TAGS, body)) => {
            // Whatever was decoded before an error counts.
            let _ = read_tags(&mut Reader::new(body), &mut tags);
        }
        _ => {
            tags.insert("role".to_owned(), String::from_utf8_lossy(meta).into_owned());
        }
    }
    tags
}

/// Reads a map of tags into `tags`.
pub(super) fn read_tags(
    reader: &mut Reader<'_>,
    tags: &mut BTreeMap<String, String>,
) -> Result<(), DecodeError> {
    for _ in 0..reader.read_map()?.unwrap_or_default() {
        let name = String::from_utf8_lossy(reader.read_raw_text()?).into_owned();
        let value = String::from_utf8_lossy(reader.read_raw_text()?).into_owned();
        tags.insert(name, value);
    }
    Ok(())
}
