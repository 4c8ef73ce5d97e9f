//! Rows by their addresses, for who knows an address and asks whose it is.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use crate::name::folded_cmp;
use crate::node::Node;
use crate::service::Service;
use crate::sorted::Sorted;
use crate::state::Snapshot;

/// Rows that have an address, by it. One of IPv4 within IPv6 counts as the former.
pub(crate) type Addresses<T> = Sorted<At<T>>;

/// A row, and what of its address is compared first.
#[derive(Debug)]
pub(crate) struct At<T> {
    digest: u32,
    row: Arc<T>,
}

impl<T> Clone for At<T> {
    fn clone(&self) -> Self {
        Self { digest: self.digest, row: self.row.clone() }
    }
}

/// What has an address.
pub(crate) trait Addressed {
    fn address(&self) -> &str;
    /// The order of rows with the same address.
    fn rank(&self, other: &Self) -> Ordering;
}

impl Addressed for Node {
    fn address(&self) -> &str {
        &self.address
    }

    fn rank(&self, other: &Self) -> Ordering {
        folded_cmp(self.name.as_str(), other.name.as_str())
    }
}

impl Addressed for Service {
    fn address(&self) -> &str {
        &self.address
    }

    fn rank(&self, other: &Self) -> Ordering {
        folded_cmp(self.name.as_str(), other.name.as_str())
            .then_with(|| folded_cmp(self.node.as_str(), other.node.as_str()))
            .then_with(|| folded_cmp(self.id.as_str(), other.id.as_str()))
    }
}

fn parse(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

fn digest(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let number = u128::from(address);
            (number ^ number >> 32 ^ number >> 64 ^ number >> 96) as u32
        }
    }
}

fn order<T: Addressed>(row: &At<T>, digest: u32, address: IpAddr) -> Ordering {
    let exact = || {
        let text = row.row.address();
        // A digest is all of such an address, and mostly there is no other kind.
        if address.is_ipv4() && !text.contains(':') {
            return Ordering::Equal;
        }
        parse(text).cmp(&Some(address))
    };
    row.digest.cmp(&digest).then_with(exact)
}

/// Enters a row, if it has an address.
pub(crate) fn put<T: Addressed>(index: &mut Addresses<T>, row: &Arc<T>) {
    let Some(address) = parse(row.address()) else { return };
    let digest = digest(address);
    let place = |other: &At<T>| order(other, digest, address).then_with(|| other.row.rank(row));
    index.put(At { digest, row: row.clone() }, place);
}

/// Takes a row out.
pub(crate) fn remove<T: Addressed>(index: &mut Addresses<T>, row: &T) {
    let Some(address) = parse(row.address()) else { return };
    let digest = digest(address);
    index.remove(|other| order(other, digest, address).then_with(|| other.row.rank(row)));
}

fn first<T: Addressed>(index: &Addresses<T>, address: IpAddr) -> Option<&T> {
    let address = address.to_canonical();
    let digest = digest(address);
    let found = index.first_from(|other| order(other, digest, address))?;
    order(found, digest, address).is_eq().then_some(&*found.row)
}

impl Snapshot {
    /// The node with an address, the first by name.
    #[must_use]
    pub fn node_at(&self, address: IpAddr) -> Option<&Node> {
        first(&self.node_addresses, address)
    }

    /// The instance with an address of its own, the first by its service's name, node and ID.
    #[must_use]
    pub fn instance_at(&self, address: IpAddr) -> Option<&Service> {
        first(&self.service_addresses, address)
    }
}
