//! What an agent's memory comes to.

use serf::Config;

/// Of an agent alone, its program's code included: the packaged agent has 2.8 MB resident.
const ALONE: u64 = 2_800_000;

/// Of every member that it knows, without its tags: entries in the tables of both layers, its
/// coordinate and the last round trips to it, and its part of the state that is exchanged.
const MEMBER: u64 = 1_430;

/// Of every byte of a member's tags as they travel: once so, once in the exchanged state, and once
/// as a map of texts.
const TAG_BYTE: u64 = 4;

/// Bytes that an agent with these settings comes to take in a cluster of that size. An estimate:
/// the test `footprint` measures what the machines of a world hold and compares.
pub fn footprint(config: &Config, members: usize) -> u64 {
    let tags = wire::message::encode_tags(&config.tags).len() as u64;
    ALONE + members as u64 * (MEMBER + tags * TAG_BYTE)
}
