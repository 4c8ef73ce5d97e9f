//! Where a machine's randomness comes from.

/// What a machine draws its randomness from: the same seed and inputs give the same outputs.
///
/// Peers see random choices (whom it probes, when it answers), and might work out their seed. The
/// names in its tables are theirs, too; who knew the key of the hashes could choose names that
/// collide. Where peers are not to be trusted the two are therefore numbers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// For every random choice.
    pub choices: u64,
    /// The key of the hashes of names. No output depends on it.
    pub hashes: u64,
}

/// For tests and simulations.
impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        Seed { choices: seed, hashes: seed }
    }
}
