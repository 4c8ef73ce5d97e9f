//! Addresses that stand for a service in the mesh, whatever instances it has: numbers of
//! 240.0.0.0/4, given out as the first instance that gives access to a service is registered.

use std::net::Ipv4Addr;

use crate::name::ServiceName;
use crate::service::{Service, ServiceAddress};
use crate::state::{Snapshot, Write};

/// The name of such an address among those of an instance.
const TAG: &str = "consul-virtual";
const NETWORK: u32 = 0xf000_0000;
/// The last number of the network is no address.
const LAST: u32 = 0x0fff_fffe;

/// The address of a number.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(NETWORK + number)
}

impl Snapshot {
    /// The number of a service, if one of its instances gives access to it.
    pub(crate) fn virtual_number(&self, name: &ServiceName) -> Option<u32> {
        self.virtual_numbers.get(&name.fold()).copied()
    }

    /// Gives a service a number, and takes both from whom they were. What is no number of an
    /// address, as another program's snapshot may have it, is passed over.
    pub(crate) fn link_virtual(&mut self, name: ServiceName, number: u32) {
        if !(1..=LAST).contains(&number) {
            return;
        }
        if let Some(former) = self.virtual_names.insert(number, name.clone()) {
            self.virtual_numbers.remove(&former);
        }
        if let Some(former) = self.virtual_numbers.insert(name, number).filter(|n| *n != number) {
            self.virtual_names.remove(&former);
        }
    }
}

impl Write<'_> {
    /// Gives an instance of the mesh the address of the service that it gives access to.
    pub(crate) fn virtual_address(&mut self, row: &mut Service) {
        let Some(name) = row.connects_to() else { return };
        let Some(number) = self.root.virtual_number(&name).or_else(|| self.virtual_take(name))
        else {
            return;
        };
        let address = address(number).to_string().into();
        let address = ServiceAddress { address, port: row.port };
        let mut pairs = row.tagged_addresses.take().unwrap_or_default().into_vec();
        match pairs.binary_search_by(|(tag, _)| (**tag).cmp(TAG)) {
            Ok(at) => pairs[at].1 = address,
            Err(at) => pairs.insert(at, (TAG.into(), address)),
        }
        row.tagged_addresses = Some(pairs.into());
    }

    /// The next number, or one that was given back; none if all are taken.
    fn virtual_take(&mut self, name: ServiceName) -> Option<u32> {
        let next = self.root.virtual_names.get_max().map_or(1, |(last, _)| last + 1);
        let number = if next <= LAST {
            next
        } else {
            (1..=LAST).find(|number| !self.root.virtual_names.contains_key(number))?
        };
        self.root.link_virtual(name, number);
        Some(number)
    }

    /// Gives the number of a service back that nothing gives access to any more.
    pub(crate) fn virtual_release(&mut self, service: &Service) {
        let Some(name) = service.connects_to() else { return };
        if self.root.connect_instances(&name).next().is_some() {
            return;
        }
        if let Some(number) = self.root.virtual_numbers.remove(&name) {
            self.root.virtual_names.remove(&number);
        }
    }
}
