//! The instances of each service with all that is asked of them often: their node, their row, and
//! the worst status of their checks. It follows from the tables and is kept as they change.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::OrdMap;

use crate::check::{CRITICAL, Check};
use crate::name::{NodeName, ServiceId, ServiceName, folded_cmp};
use crate::node::Node;
use crate::service::Service;
use crate::sorted::Sorted;
use crate::state::Snapshot;

/// How an instance is: the worst status of the checks that its health follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// All pass, or there are none.
    #[default]
    Passing,
    /// A word that is none of these, whatever it means.
    Other,
    /// Some warn.
    Warning,
    /// Some are critical.
    Critical,
}

impl Health {
    /// What a check's status means.
    #[must_use]
    pub fn of(check: &Check) -> Self {
        match &*check.status {
            "passing" => Self::Passing,
            "warning" => Self::Warning,
            CRITICAL => Self::Critical,
            _ => Self::Other,
        }
    }
}

/// One instance. The node is missing only while rows of a snapshot are entered.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) service: Arc<Service>,
    pub(crate) health: Health,
}

/// Instances by a folded name, in the order of nodes and IDs.
pub(crate) type Instances = OrdMap<ServiceName, Sorted<Instance>>;

/// What is not well, by folded names: nodes by the checks of the node alone, under an empty ID,
/// and instances by their own.
pub(crate) type Ailing = OrdMap<(NodeName, ServiceId), Health>;

fn by_key(one: &Service, other: &Service) -> Ordering {
    folded_cmp(one.node.as_str(), other.node.as_str())
        .then_with(|| folded_cmp(one.id.as_str(), other.id.as_str()))
}

fn put(index: &mut Instances, name: &ServiceName, instance: Instance) {
    let order = |other: &Instance| by_key(&other.service, &instance.service);
    let Some(list) = index.get(name) else {
        let mut list = Sorted::default();
        list.put(instance, |_| Ordering::Less);
        index.insert(name.clone(), list);
        return;
    };
    let old = list.find(order).ok().and_then(|place| list.get(place));
    let is_same = |old: &Instance| {
        Arc::ptr_eq(&old.service, &instance.service)
            && old.node.as_ref().map(Arc::as_ptr) == instance.node.as_ref().map(Arc::as_ptr)
            && old.health == instance.health
    };
    if !old.is_some_and(is_same)
        && let Some(list) = index.get_mut(name)
    {
        list.put(instance.clone(), order);
    }
}

fn remove(index: &mut Instances, name: &ServiceName, service: &Service) {
    let Some(list) = index.get_mut(name) else { return };
    list.remove(|other| by_key(&other.service, service));
    if list.len() == 0 {
        index.remove(name);
    }
}

impl Snapshot {
    /// Enters an instance by its names, as its node and its checks are now.
    pub(crate) fn link_instance(&mut self, service: &Arc<Service>) {
        let key = service.key();
        let ailing = |id| self.ailing.get(&(key.node.clone(), id)).copied().unwrap_or_default();
        let health = if self.ailing.is_empty() {
            Health::Passing
        } else {
            ailing(ServiceId::default()).max(ailing(key.id.clone()))
        };
        let node = self.nodes.get(&key.node).cloned();
        let instance = Instance { node, service: service.clone(), health };
        if let Some(name) = service.connects_to() {
            put(&mut self.connect_instances, &name, instance.clone());
        }
        put(&mut self.instances, &service.name.fold(), instance);
    }

    pub(crate) fn unlink_instance(&mut self, service: &Service) {
        if let Some(name) = service.connects_to() {
            remove(&mut self.connect_instances, &name, service);
        }
        remove(&mut self.instances, &service.name.fold(), service);
    }

    /// Enters the instances on a node anew: the node has changed, or its health.
    pub(crate) fn link_instances_of(&mut self, node: &NodeName) {
        let rows: Vec<_> = self.service_rows(node).cloned().collect();
        rows.iter().for_each(|row| self.link_instance(row));
    }

    /// The table has a check in the place of another one, or has one no more.
    pub(crate) fn check_moved(&mut self, old: Option<&Check>, new: Option<&Check>) {
        let place = |check: &Check| (check.node.fold(), check.service_id.fold());
        let places = [old.map(place), new.map(place)];
        if let [Some(place), other] = &places
            && Some(place) != other.as_ref()
        {
            self.health_moved(place.clone(), old.map(Health::of), None);
        }
        let [before, now] = places;
        if let Some(place) = now {
            let old = old.filter(|_| before.as_ref() == Some(&place));
            self.health_moved(place, old.map(Health::of), new.map(Health::of));
        }
    }

    /// One check of a node or of an instance has come, gone, or has another status.
    fn health_moved(
        &mut self,
        place: (NodeName, ServiceId),
        old: Option<Health>,
        new: Option<Health>,
    ) {
        let before = self.ailing.get(&place).copied().unwrap_or_default();
        // Only when the worst gets better are the others looked at.
        let now = if old.is_some_and(|old| old == before && new.is_none_or(|new| new < old)) {
            let (node, id) = &place;
            let same = |check: &&Check| check.service_id.fold() == *id;
            self.node_checks(node).filter(same).map(Health::of).max().unwrap_or_default()
        } else {
            before.max(new.unwrap_or_default())
        };
        if now == before {
            return;
        }
        match now {
            Health::Passing => self.ailing.remove(&place),
            _ => self.ailing.insert(place.clone(), now),
        };
        let (node, id) = place;
        if id.is_empty() {
            self.link_instances_of(&node);
        } else if let Some(row) = self.services.get(&crate::ServiceKey { node, id }).cloned() {
            self.link_instance(&row);
        }
    }
}
