//! Nodes: `NAME.node`, their metadata as TXT.

use std::net::IpAddr;

use catalog::{Node, Snapshot};
use domain::base::iana::Rtype;
use rand::Rng;

use crate::address::{self, Family};
use crate::name::Name;
use crate::observe::{Drop, Observer, Step};
use crate::record::{Data, Piece};
use crate::scratch::Section;
use crate::work::{Ask, Found, Work};

/// A key with this beginning has its value as the whole text.
const RAW: &str = "rfc1035-";
/// The length of an identity with its dashes, and of its digits.
const ID_BYTES: usize = 36;
const ID_DIGITS: usize = 32;

impl<R: Rng, O: Observer> Work<'_, R, O> {
    pub(crate) fn node(&mut self, ask: &Ask<'_>, snapshot: &Snapshot, name: &str) -> Found {
        let node = snapshot.find_node(name).or_else(|| by_identity(snapshot, name));
        let Some(node) = node else {
            return self.meaningless("no node has that name, or an identity of that beginning");
        };
        let address = address::of_node(node, Family::of(ask.rtype));
        self.observer.note(|| Step::Node {
            node: node.name.as_str().to_owned(),
            address: address.to_owned(),
        });
        let ttl = self.config.node_ttl;
        if ask.rtype != Rtype::TXT {
            self.address_records(ask, address, ttl);
        }
        match ask.rtype {
            Rtype::TXT | Rtype::ANY => self.metadata(node, ask.owner, ttl, ask.section),
            _ if self.config.settings.node_meta_txt && ask.depth == 0 => {
                self.metadata(node, ask.owner, ttl, Section::Additional);
            }
            _ => {}
        }
        Found::Records
    }

    /// What an address comes to: a record of its family, or a name and what that leads to.
    fn address_records(&mut self, ask: &Ask<'_>, address: &str, ttl: u32) {
        let data = match address::parse(address) {
            Some(IpAddr::V4(address)) if ask.rtype != Rtype::AAAA => Data::A(address),
            Some(IpAddr::V6(address)) if ask.rtype != Rtype::A => Data::Aaaa(address),
            Some(_) => {
                return self.drop_it(|| Drop::Family { address: address.to_owned() });
            }
            None => {
                let Some(target) = Name::from_text(address) else {
                    return self.drop_it(|| Drop::Unwritable { name: address.to_owned() });
                };
                let data = Data::Cname(self.scratch.arena.keep(target.wire()));
                self.scratch.push(ask.section, ask.owner, ttl, data);
                return self.chase(&target, ask.depth + 1, ask.section);
            }
        };
        self.scratch.push(ask.section, ask.owner, ttl, data);
    }

    /// One TXT for each pair of a node's metadata. Texts over 255 bytes are left out: the reference
    /// gives no reply at all then.
    pub(crate) fn metadata(&mut self, node: &Node, owner: Piece, ttl: u32, section: Section) {
        for (key, value) in node.meta.as_deref().unwrap_or_default() {
            let arena = &mut self.scratch.arena;
            let mark = arena.mark();
            arena.push(0);
            rfc1464(key, value, |byte| arena.push(byte));
            match arena.close(mark) {
                Some(text) => self.scratch.push(section, owner, ttl, Data::Txt(text)),
                None => self.drop_it(|| Drop::Unwritable { name: format!("{key}={value}") }),
            }
        }
    }
}

/// A pair as RFC 1464 has it; a backslash makes the byte behind it stand for itself, as the
/// reference's library reads texts.
fn rfc1464(key: &str, value: &str, mut push: impl FnMut(u8)) {
    let raw = key.get(..RAW.len()).is_some_and(|start| start.eq_ignore_ascii_case(RAW));
    if !raw {
        let begins = key.len() - key.trim_start_matches(' ').len();
        let ends = key.trim_end_matches(' ').len();
        for (at, byte) in key.bytes().enumerate() {
            if matches!(byte, b'`' | b'=') || (byte == b' ' && (at < begins || at >= ends)) {
                push(b'`');
            }
            push(byte);
        }
        push(b'=');
    }
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => bytes.next().into_iter().for_each(&mut push),
            b'`' if !raw => [b'`', b'`'].into_iter().for_each(&mut push),
            _ => push(byte),
        }
    }
}

/// The node of a whole identity, or of the beginning of one: an even number of digits.
fn by_identity<'a>(snapshot: &'a Snapshot, text: &str) -> Option<&'a Node> {
    if text.len() == ID_BYTES {
        return snapshot.find_node_by_id(text);
    }
    let digits = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || text.len() > ID_DIGITS {
        return None;
    }
    let mut dashed = [b'-'; ID_BYTES];
    let mut length = 0;
    for (at, byte) in text.bytes().enumerate() {
        length += usize::from(matches!(at, 8 | 12 | 16 | 20));
        *dashed.get_mut(length)? = byte;
        length += 1;
    }
    snapshot.find_node_by_id(std::str::from_utf8(dashed.get(..length)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, value: &str) -> String {
        let mut bytes = Vec::new();
        rfc1464(key, value, |byte| bytes.push(byte));
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn metadata_is_quoted_by_rfc_1464() {
        assert_eq!(text("role", "web"), "role=web");
        assert_eq!(text("a=b", "c=d"), "a`=b=c=d");
        assert_eq!(text(" a b ", "x"), "` a b` =x");
        assert_eq!(text("a`b", "c`d"), "a``b=c``d");
        assert_eq!(text("RFC1035-x", "v=spf1 `"), "v=spf1 `");
        assert_eq!(text("k", "a\\ b"), "k=a b");
        assert_eq!(text("", ""), "=");
    }
}
