//! Records before they are written: names and texts stand in one buffer.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;

/// A piece of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    at: u32,
    len: u32,
}

/// The buffer.
#[derive(Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Keeps bytes. A reply's buffers stay far below the 4 GiB that a piece can name: the number of
    /// records and the length of each are bounded.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Piece {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Piece { at, len: bytes.len() as u32 }
    }

    pub(crate) fn get(&self, piece: Piece) -> &[u8] {
        let at = piece.at as usize;
        self.bytes.get(at..at + piece.len as usize).unwrap_or_default()
    }

    /// Where the next piece begins.
    pub(crate) fn mark(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// What was pushed since a mark; the byte at the mark becomes its length, as in a character
    /// string. `None`, and nothing is kept, if it has no room there.
    pub(crate) fn close(&mut self, mark: usize) -> Option<Piece> {
        let length = self.bytes.len().checked_sub(mark + 1)?;
        let (Ok(length), Some(first)) = (u8::try_from(length), self.bytes.get_mut(mark)) else {
            self.bytes.truncate(mark);
            return None;
        };
        *first = length;
        Some(Piece { at: mark as u32, len: u32::from(length) + 1 })
    }
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) owner: Piece,
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

/// What a record says. Names are in wire form.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Piece),
    Ns(Piece),
    Ptr(Piece),
    /// `glue`: where in the additional section what belongs to it begins.
    Srv {
        weight: u16,
        port: u16,
        target: Piece,
        glue: u32,
    },
    /// One character string.
    Txt(Piece),
    /// Both names, the serial; the other numbers are the configuration's.
    Soa {
        mname: Piece,
        rname: Piece,
        serial: u32,
        numbers: [u32; 4],
    },
}

impl Data {
    pub(crate) fn rtype(&self) -> Rtype {
        match self {
            Self::A(_) => Rtype::A,
            Self::Aaaa(_) => Rtype::AAAA,
            Self::Cname(_) => Rtype::CNAME,
            Self::Ns(_) => Rtype::NS,
            Self::Ptr(_) => Rtype::PTR,
            Self::Srv { .. } => Rtype::SRV,
            Self::Txt(_) => Rtype::TXT,
            Self::Soa { .. } => Rtype::SOA,
        }
    }

    /// Its length when no name in it is compressed.
    pub(crate) fn plain_bytes(&self) -> usize {
        match self {
            Self::A(_) => 4,
            Self::Aaaa(_) => 16,
            Self::Cname(piece) | Self::Ns(piece) | Self::Ptr(piece) | Self::Txt(piece) => {
                piece.len as usize
            }
            Self::Srv { target, .. } => 6 + target.len as usize,
            Self::Soa { mname, rname, .. } => 20 + (mname.len + rname.len) as usize,
        }
    }
}

impl Record {
    /// Its length when no name in it is compressed.
    pub(crate) fn plain_bytes(&self) -> usize {
        self.owner.len as usize + 10 + self.data.plain_bytes()
    }

    /// Its least length: names point to others, but for the target of SRV.
    pub(crate) fn least_bytes(&self) -> usize {
        let pointer = |piece: &Piece| piece.len.min(2) as usize;
        let data = match &self.data {
            Data::Cname(piece) | Data::Ns(piece) | Data::Ptr(piece) => pointer(piece),
            Data::Soa { mname, rname, .. } => 20 + pointer(mname) + pointer(rname),
            other => other.plain_bytes(),
        };
        pointer(&self.owner) + 10 + data
    }

    /// As text, for people.
    pub(crate) fn text(&self, arena: &Arena) -> String {
        let name = |piece: &Piece| crate::name::text(arena.get(*piece));
        let data = match &self.data {
            Data::A(address) => address.to_string(),
            Data::Aaaa(address) => address.to_string(),
            Data::Cname(target) | Data::Ns(target) | Data::Ptr(target) => name(target),
            Data::Srv { weight, port, target, .. } => {
                format!("1 {weight} {port} {}", name(target))
            }
            Data::Txt(text) => crate::name::quoted(arena.get(*text).get(1..).unwrap_or_default()),
            Data::Soa { mname, rname, serial, numbers: [refresh, retry, expire, least] } => {
                let (mname, rname) = (name(mname), name(rname));
                format!("{mname} {rname} {serial} {refresh} {retry} {expire} {least}")
            }
        };
        format!("{} {} IN {} {data}", name(&self.owner), self.ttl, self.data.rtype())
    }
}
