//! Stand-ins until the wire crate has its keyring.

/// Keys, the primary first.
#[derive(Clone, Debug, Default)]
pub struct Keyring;

/// How packets and streams are sealed and labelled.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// None: in clear.
    pub keyring: Option<Keyring>,
}
