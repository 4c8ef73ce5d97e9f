//! Services: instances on nodes, by name, and by the service that a proxy stands for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addresses;
use crate::error::Error;
use crate::instances::Instances;
use crate::mark::Mark;
use crate::name::{ModifyIndex, NodeName, Pairs, ServiceId, ServiceName};
use crate::node::Node;
use crate::sorted::Sorted;
use crate::state::{Snapshot, Write};
use crate::watch::Key;

/// Where an instance is: folded names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The node.
    pub node: NodeName,
    /// The instance on it.
    pub id: ServiceId,
}

/// An address of a service for one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAddress {
    /// An address, unchecked.
    pub address: Box<str>,
    /// A port, unchecked.
    pub port: i64,
}

/// How much DNS prefers an instance while it passes, or warns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// While all its checks pass.
    pub passing: i64,
    /// While one of them warns.
    pub warning: i64,
}

/// Tags in the client's order; `None` where it gave none. Shared: those of a service's instances
/// and of their checks are mostly the same.
pub type Tags = Option<Arc<[Box<str>]>>;

/// One instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The node it is on.
    pub node: NodeName,
    /// Its identity there.
    pub id: ServiceId,
    /// What it is an instance of.
    pub name: ServiceName,
    /// Empty for a service proper, else which kind of proxy or gateway.
    pub kind: Box<str>,
    /// Its tags.
    pub tags: Tags,
    /// Its address, empty for the node's.
    pub address: Box<str>,
    /// Further addresses by purpose.
    pub tagged_addresses: Pairs<ServiceAddress>,
    /// Its metadata.
    pub meta: Pairs,
    /// Its port, unchecked.
    pub port: i64,
    /// Its Unix socket.
    pub socket_path: Box<str>,
    /// Its weights in DNS.
    pub weights: Weights,
    /// Whether the catalogue's tags win over the agent's.
    pub enable_tag_override: bool,
    /// A proxy's configuration, JSON kept as it came.
    pub proxy: Option<Box<str>>,
    /// The service that a proxy stands for, out of `proxy`.
    pub destination: Option<ServiceName>,
    /// Whether the service speaks mesh by itself.
    pub native: bool,
    /// Its locality, JSON kept as it came.
    pub locality: Option<Box<str>>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The write that changed it last.
    pub modify: ModifyIndex,
}

impl Service {
    /// Its place in the table.
    #[must_use]
    pub fn key(&self) -> ServiceKey {
        ServiceKey { node: self.node.fold(), id: self.id.fold() }
    }

    /// The service that this instance gives mesh access to.
    #[must_use]
    pub fn connects_to(&self) -> Option<ServiceName> {
        let own = self.native.then_some(&self.name);
        own.or(self.destination.as_ref()).map(ServiceName::fold)
    }
}

impl Snapshot {
    /// One instance.
    #[must_use]
    pub fn service(&self, node: &NodeName, id: &ServiceId) -> Option<&Service> {
        self.service_row(node.fold(), id).map(|service| &**service)
    }

    /// The same on a node of a folded name.
    pub(crate) fn service_row(&self, node: NodeName, id: &ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&ServiceKey { node, id: id.fold() })
    }

    /// The instances on a node by ID.
    pub fn services_of(&self, node: &NodeName) -> impl Iterator<Item = &Service> {
        self.service_rows(node).map(|row| &**row)
    }

    pub(crate) fn service_rows(&self, node: &NodeName) -> impl Iterator<Item = &Arc<Service>> {
        let node = node.fold();
        let from = ServiceKey { node: node.clone(), id: "".into() };
        self.services
            .starting_at(from)
            .take_while(move |(key, _)| key.node == node)
            .map(|(_, row)| row)
    }

    /// The instances of a service by node and ID, each with its node.
    pub fn instances<'a>(
        &'a self,
        name: &ServiceName,
    ) -> impl Iterator<Item = (&'a Node, &'a Service)> + use<'a> {
        named(&self.instances, name)
    }

    /// The instances that give mesh access to a service.
    pub fn connect_instances(&self, name: &ServiceName) -> impl Iterator<Item = (&Node, &Service)> {
        named(&self.connect_instances, name)
    }

    /// Every pair of a service's name and a set of tags that some instance has.
    pub fn service_tags(&self) -> impl Iterator<Item = (&ServiceName, &Tags)> {
        self.service_tags.keys().map(|(name, tags)| (name, tags))
    }

    /// The index of the list of services.
    #[must_use]
    pub fn service_list_index(&self) -> ModifyIndex {
        self.mark(&Mark::Services)
    }

    /// The index of a service's instances. Without any: of the last time that some service lost
    /// its last one, else of the tables.
    #[must_use]
    pub fn service_index(&self, name: &ServiceName) -> ModifyIndex {
        let tables = || self.mark(&Mark::Nodes).max(self.mark(&Mark::Services));
        self.service_mark(name).unwrap_or_else(tables)
    }

    /// As [`Snapshot::service_index`], for answers that hold checks.
    #[must_use]
    pub fn health_index(&self, name: &ServiceName) -> ModifyIndex {
        let tables = || self.service_index(name).max(self.mark(&Mark::Checks));
        self.service_mark(name).unwrap_or_else(tables)
    }

    /// The index of the instances that give mesh access to a service: the latest of their names'.
    #[must_use]
    pub fn connect_index(&self, name: &ServiceName) -> ModifyIndex {
        let names =
            self.connect_instances(name).map(|(_, service)| self.health_index(&service.name));
        names.max().unwrap_or_else(|| self.health_index(name))
    }

    fn service_mark(&self, name: &ServiceName) -> Option<ModifyIndex> {
        let own = self.marks.get(&Mark::Service(name.fold()));
        own.or_else(|| self.marks.get(&Mark::ServiceExtinction))
    }

    fn has_instance(&self, name: &ServiceName) -> bool {
        self.instances(name).next().is_some()
    }

    /// Lets an instance have its names and tags from where others have them already.
    pub(crate) fn share_service(&self, row: &mut Service) {
        if let Some(node) = self.nodes.key(&row.node) {
            row.node = node.clone();
        }
        self.share_names(row);
    }

    /// The same for its own name and its tags.
    fn share_names(&self, row: &mut Service) {
        let own = (row.name.clone(), row.tags.clone());
        if let Some(((name, tags), _)) = self.service_tags.get_key_value(&own) {
            (row.name, row.tags) = (name.clone(), tags.clone());
        } else if let Some((_, other)) = self.instances(&row.name).next()
            && other.name == row.name
        {
            row.name = other.name.clone();
        }
    }

    /// Enters an instance in the indexes by name, by mesh name, by address and by tags; true if its
    /// tags are new under its name.
    pub(crate) fn link_service(&mut self, service: &Arc<Service>) -> bool {
        self.link_instance(service);
        addresses::put(&mut self.service_addresses, service);
        let tags = (service.name.clone(), service.tags.clone());
        if let Some(count) = self.service_tags.get_mut(&tags) {
            *count += 1;
            return false;
        }
        self.service_tags.insert(tags, 1);
        true
    }

    /// The reverse; true if nobody else has its tags.
    pub(crate) fn unlink_service(&mut self, service: &Service) -> bool {
        self.unlink_instance(service);
        addresses::remove(&mut self.service_addresses, service);
        let tags = (service.name.clone(), service.tags.clone());
        match self.service_tags.get(&tags).copied() {
            Some(count) if count > 1 => {
                self.service_tags.insert(tags, count - 1);
                false
            }
            _ => self.service_tags.remove(&tags).is_some(),
        }
    }
}

fn named<'a>(
    index: &'a Instances,
    name: &ServiceName,
) -> impl Iterator<Item = (&'a Node, &'a Service)> + use<'a> {
    let list = index.get(&name.fold());
    let list = list.into_iter().flat_map(Sorted::iter);
    list.filter_map(|instance| Some((&**instance.node.as_ref()?, &*instance.service)))
}

impl Write<'_> {
    /// Writes an instance, unless it says already what it is to say. Under another name than
    /// before it moves.
    pub(crate) fn service_set(&mut self, mut row: Service) -> Result<(), Error> {
        let mut key = row.key();
        // Rows and tables share what is said more than once.
        key.node = self.root.nodes.key(&key.node).ok_or(Error::MissingNode)?.clone();
        row.node = key.node.clone();
        self.virtual_address(&mut row);
        let old = self.root.services.get(&key).cloned();
        row.create = old.as_ref().map_or(self.index, |old| old.create);
        row.modify = old.as_ref().map_or(self.index, |old| old.modify);
        if old.as_deref() == Some(&row) {
            return Ok(());
        }
        row.modify = self.index;
        self.root.share_names(&mut row);
        let row = Arc::new(row);
        let mut list_changed = false;
        if let Some(old) = &old {
            list_changed = self.root.unlink_service(old);
            self.service_changed(old);
        }
        self.root.services.insert(key, row.clone());
        list_changed |= self.root.link_service(&row);
        self.service_changed(&row);
        if let Some(old) = &old {
            self.virtual_release(old);
        }
        if let Some(old) = old.filter(|old| old.name.fold() != row.name.fold()) {
            self.service_extinct(&old.name);
        }
        if list_changed {
            self.touched.push(Key::ServiceList);
        }
        Ok(())
    }

    /// Removes an instance with its checks.
    pub(crate) fn service_delete(&mut self, node: &NodeName, id: &ServiceId) {
        let key = ServiceKey { node: node.fold(), id: id.fold() };
        let Some(service) = self.root.services.get(&key).cloned() else { return };
        let checks: Vec<_> =
            (self.root.checks_of(&service)).map(|check| check.id.clone()).collect();
        for check in checks {
            self.check_delete(&key.node, &check);
        }
        self.root.services.remove(&key);
        let list_changed = self.root.unlink_service(&service);
        self.virtual_release(&service);
        self.bump(Mark::Checks);
        self.service_changed(&service);
        self.service_extinct(&service.name);
        if list_changed {
            self.touched.push(Key::ServiceList);
        }
    }

    fn service_changed(&mut self, service: &Service) {
        let node = service.node.fold();
        self.bump(Mark::Services);
        self.bump(Mark::Nodes);
        self.bump(Mark::Node(node.clone()));
        self.touched.push(Key::NodeServices(node));
        self.touch_service(service, true);
    }

    /// A service without instances has no index of its own.
    fn service_extinct(&mut self, name: &ServiceName) {
        if !self.root.has_instance(name) {
            self.root.marks.remove(&Mark::Service(name.fold()));
            self.bump(Mark::ServiceExtinction);
        }
    }

    /// What is said of a service has changed: of the instance or its node, or of its health alone.
    pub(crate) fn touch_service(&mut self, service: &Service, instance: bool) {
        let name = service.name.fold();
        self.bump(Mark::Service(name.clone()));
        if let Some(name) = service.connects_to() {
            self.touched.push(Key::Connect(name));
        }
        self.touched.push(if instance { Key::Service(name) } else { Key::Health(name) });
    }

    /// The same for all services of a node.
    pub(crate) fn touch_services_of(&mut self, node: &NodeName, instance: bool) {
        let services: Vec<_> = self.root.service_rows(node).cloned().collect();
        for service in &services {
            self.touch_service(service, instance);
        }
    }
}
