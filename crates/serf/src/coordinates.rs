//! Where members are in the latency space: our own place, and those that others told in their acks.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::time::Duration;

use rand::Rng;
use wire::NodeName;
use wire::message::Coordinate;

use crate::vivaldi::{Latencies, Rejection, Vivaldi};

/// The places of all who have answered a probe.
#[derive(Debug)]
pub(crate) struct Coordinates {
    own: Vivaldi,
    others: HashMap<NodeName, Other, Keyed>,
}

/// What is known of one member.
#[derive(Debug)]
struct Other {
    latencies: Latencies,
    place: Coordinate,
}

/// Others choose the names, so that the key of the hashes is ours.
#[derive(Clone, Copy, Debug)]
struct Keyed(u64);

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

impl Coordinates {
    /// Of nobody. The key is that of [`Seed::hashes`](gossip::Seed).
    pub(crate) fn new(hash_key: u64) -> Self {
        Coordinates { own: Vivaldi::new(), others: HashMap::with_hasher(Keyed(hash_key)) }
    }

    pub(crate) fn own(&self) -> &Vivaldi {
        &self.own
    }

    /// Where that other member is.
    pub(crate) fn other(&self, name: &str) -> Option<&Coordinate> {
        self.others.get(name).map(|other| &other.place)
    }

    pub(crate) fn len(&self) -> usize {
        self.others.len()
    }

    /// Takes in one measured round trip to `node`, which is at `place`.
    pub(crate) fn update(
        &mut self,
        node: &NodeName,
        place: Coordinate,
        rtt: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), Rejection> {
        let known = self.others.get(node);
        let mut latencies = known.map(|other| other.latencies).unwrap_or_default();
        self.own.update(&mut latencies, &place, rtt, rng)?;
        self.others.insert(node.clone(), Other { latencies, place });
        Ok(())
    }

    /// Drops what is known of a member.
    pub(crate) fn forget(&mut self, node: &str) {
        self.others.remove(node);
    }

    /// Drops what is known of all but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.others.retain(|name, _| keep(name.as_str()));
    }
}
