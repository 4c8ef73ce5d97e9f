//! Who this agent is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use catalog::Uuid;

/// What never changes while the agent runs, but for the metadata.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The node's name.
    pub node: Box<str>,
    /// The node's ID.
    pub node_id: Uuid,
    /// The datacenter.
    pub datacenter: Box<str>,
    /// Where others find it within the datacenter.
    pub advertise: IpAddr,
    /// Where others find it from elsewhere.
    pub advertise_wan: IpAddr,
    /// The address that servers talk to.
    pub server: SocketAddr,
    /// How many servers make a datacenter; 0 for a development server, which does not wait.
    pub expect: u32,
    /// What the node says about itself.
    pub meta: Meta,
}

/// Pairs of text.
type Pairs = Vec<(Box<str>, Box<str>)>;

/// What a node says about itself, which a reload may change. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Meta(Arc<ArcSwap<Pairs>>);

impl Meta {
    /// Metadata of these pairs.
    #[must_use]
    pub fn new(pairs: Pairs) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(pairs)))
    }

    pub(crate) fn pairs(&self) -> Arc<Pairs> {
        self.0.load_full()
    }

    pub(crate) fn replace(&self, pairs: Pairs) {
        self.0.store(Arc::new(pairs));
    }
}

impl Identity {
    /// Its name among the servers of all datacenters.
    pub(crate) fn wan_name(&self) -> String {
        format!("{}.{}", self.node, self.datacenter)
    }

    /// Its addresses by name.
    pub(crate) fn tagged_addresses(&self) -> Vec<(Box<str>, Box<str>)> {
        let family = |address: IpAddr| if address.is_ipv4() { "ipv4" } else { "ipv6" };
        let (lan, wan) = (self.advertise.to_string(), self.advertise_wan.to_string());
        let mut pairs: Vec<(Box<str>, Box<str>)> = vec![
            ("lan".into(), lan.as_str().into()),
            (format!("lan_{}", family(self.advertise)).into(), lan.into()),
            ("wan".into(), wan.as_str().into()),
            (format!("wan_{}", family(self.advertise_wan)).into(), wan.into()),
        ];
        pairs.sort();
        pairs
    }
}
