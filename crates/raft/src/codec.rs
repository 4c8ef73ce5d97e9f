//! The bytes of what Raft itself stores: ids, votes, memberships. Integers are big-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use openraft::{BasicNode, CommittedLeaderId, LeaderId};

use crate::types::{LogId, Membership, NodeId, StoredMembership, Vote};

/// Servers in one membership, as it is believed when read.
const SERVERS: usize = 1024;

/// Bytes of a server's address, likewise.
const ADDRESS: usize = 1024;

pub(crate) fn put_log_id(out: &mut impl Write, id: &LogId) -> io::Result<usize> {
    out.write_all(&id.leader_id.term.to_be_bytes())?;
    out.write_all(&id.leader_id.node_id.to_be_bytes())?;
    out.write_all(&id.index.to_be_bytes())?;
    Ok(32)
}

pub(crate) fn log_id(input: &mut impl Read) -> io::Result<LogId> {
    let (term, node) = (u64(input)?, u128(input)?);
    Ok(LogId::new(CommittedLeaderId::new(term, node), u64(input)?))
}

pub(crate) fn put_vote(out: &mut impl Write, vote: &Vote) -> io::Result<usize> {
    out.write_all(&vote.leader_id.term.to_be_bytes())?;
    out.write_all(&vote.leader_id.node_id.to_be_bytes())?;
    out.write_all(&[u8::from(vote.committed)])?;
    Ok(25)
}

pub(crate) fn vote(input: &mut impl Read) -> io::Result<Vote> {
    let leader_id = LeaderId::new(u64(input)?, u128(input)?);
    Ok(Vote { leader_id, committed: flag(input)? })
}

pub(crate) fn put_membership(out: &mut impl Write, membership: &Membership) -> io::Result<()> {
    let configs = membership.get_joint_config();
    put_length(out, configs.len())?;
    for config in configs {
        put_length(out, config.len())?;
        for id in config {
            out.write_all(&id.to_be_bytes())?;
        }
    }
    put_length(out, membership.nodes().count())?;
    for (id, node) in membership.nodes() {
        out.write_all(&id.to_be_bytes())?;
        put_length(out, node.addr.len())?;
        out.write_all(node.addr.as_bytes())?;
    }
    Ok(())
}

pub(crate) fn membership(input: &mut impl Read) -> io::Result<Membership> {
    let mut configs = Vec::new();
    for _ in 0..length(input, SERVERS)? {
        let mut config: BTreeSet<NodeId> = BTreeSet::new();
        for _ in 0..length(input, SERVERS)? {
            config.insert(u128(input)?);
        }
        configs.push(config);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..length(input, SERVERS)? {
        let id = u128(input)?;
        let mut address = vec![0; length(input, ADDRESS)?];
        input.read_exact(&mut address)?;
        let address = String::from_utf8(address).map_err(|_| invalid("an address is no text"))?;
        nodes.insert(id, BasicNode::new(address));
    }
    Ok(Membership::new(configs, nodes))
}

pub(crate) fn put_stored(out: &mut impl Write, stored: &StoredMembership) -> io::Result<()> {
    put_option(out, stored.log_id().as_ref())?;
    put_membership(out, stored.membership())
}

pub(crate) fn stored(input: &mut impl Read) -> io::Result<StoredMembership> {
    Ok(StoredMembership::new(option(input)?, membership(input)?))
}

pub(crate) fn put_option(out: &mut impl Write, id: Option<&LogId>) -> io::Result<()> {
    out.write_all(&[u8::from(id.is_some())])?;
    id.map_or(Ok(()), |id| put_log_id(out, id).map(drop))
}

pub(crate) fn option(input: &mut impl Read) -> io::Result<Option<LogId>> {
    if flag(input)? { log_id(input).map(Some) } else { Ok(None) }
}

pub(crate) fn put_length(out: &mut impl Write, length: usize) -> io::Result<()> {
    let length = u32::try_from(length).map_err(|_| invalid("a length is beyond four bytes"))?;
    out.write_all(&length.to_be_bytes())
}

/// A length that is at most `limit`, so that it may be allocated.
pub(crate) fn length(input: &mut impl Read, limit: usize) -> io::Result<usize> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes(bytes) as usize;
    if length > limit { Err(invalid("a length is beyond its limit")) } else { Ok(length) }
}

pub(crate) fn flag(input: &mut impl Read) -> io::Result<bool> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    match byte[0] {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid("a flag is neither 0 nor 1")),
    }
}

pub(crate) fn u64(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn u128(input: &mut impl Read) -> io::Result<u128> {
    let mut bytes = [0; 16];
    input.read_exact(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes))
}

pub(crate) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn example() -> StoredMembership {
        let id = LogId::new(CommittedLeaderId::new(7, u128::MAX - 1), 9);
        let nodes = BTreeMap::from([(1, BasicNode::new("10.0.0.1:8300")), (5, BasicNode::new(""))]);
        let configs = vec![BTreeSet::from([1, 2]), BTreeSet::from([1])];
        StoredMembership::new(Some(id), Membership::new(configs, nodes))
    }

    #[test]
    fn what_is_put_is_read_back() {
        let mut bytes = Vec::new();
        put_stored(&mut bytes, &example()).unwrap();
        let vote = Vote { leader_id: LeaderId::new(3, 1 << 100), committed: true };
        put_vote(&mut bytes, &vote).unwrap();
        let mut input = bytes.as_slice();
        assert_eq!(stored(&mut input).unwrap(), example());
        assert_eq!(super::vote(&mut input).unwrap(), vote);
        assert!(input.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error() {
        let mut bytes = Vec::new();
        put_stored(&mut bytes, &example()).unwrap();
        for length in 0..bytes.len() {
            assert!(stored(&mut &bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(membership(&mut [0xff; 64].as_slice()).is_err());
    }
}
