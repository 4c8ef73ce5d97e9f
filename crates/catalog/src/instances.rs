//! The instances of each service with all that is asked of them often: their node, their row, and
//! the worst status of their checks. It follows from the tables and is kept as they change.

use std::cmp::Ordering;
use std::net::Ipv4Addr;
use std::sync::Arc;

use imbl::OrdMap;

use crate::check::{CRITICAL, Check};
use crate::name::{NodeName, ServiceId, ServiceName, folded_cmp};
use crate::node::Node;
use crate::service::Service;
use crate::sorted::Sorted;
use crate::state::Snapshot;

/// How the tags of addresses of one family begin.
const LAN: &str = "lan_ipv";

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
    /// Its own address or else its node's, where it is one of IPv4 and there is no other to choose.
    /// Most answers need nothing else of the rows. It stands in what would be a gap.
    pub(crate) address: Option<[u8; 4]>,
}

/// Instances by a folded name, in the order of nodes and IDs.
pub(crate) type Instances = OrdMap<ServiceName, Sorted<Instance>>;

/// What is not well, by folded names: nodes by the checks of the node alone, under an empty ID,
/// and instances by their own.
pub(crate) type Ailing = OrdMap<(NodeName, ServiceId), Ailments>;

/// How many checks do not pass, by what they say. Counted, so that one that passes again need not
/// be held against all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ailments {
    other: u32,
    warning: u32,
    critical: u32,
}

impl Ailments {
    fn of(&mut self, health: Health) -> Option<&mut u32> {
        match health {
            Health::Passing => None,
            Health::Other => Some(&mut self.other),
            Health::Warning => Some(&mut self.warning),
            Health::Critical => Some(&mut self.critical),
        }
    }

    fn worst(self) -> Health {
        let worse = [
            (Health::Critical, self.critical),
            (Health::Warning, self.warning),
            (Health::Other, self.other),
        ];
        worse.iter().find(|(_, count)| *count > 0).map_or(Health::Passing, |(health, _)| *health)
    }
}

/// See [`Instance::address`].
fn only_address(node: Option<&Node>, service: &Service) -> Option<[u8; 4]> {
    let of_service = service.tagged_addresses.as_deref().unwrap_or_default();
    let of_service = of_service.iter().map(|(tag, tagged)| (&**tag, &*tagged.address));
    if !service.address.is_empty() {
        return unrivalled(&service.address, of_service);
    }
    let named = |(tag, text): (&str, &str)| tag.starts_with(LAN) && !text.is_empty();
    if of_service.into_iter().any(named) {
        return None;
    }
    let node = node?;
    let of_node = node.tagged_addresses.as_deref().unwrap_or_default();
    unrivalled(&node.address, of_node.iter().map(|(tag, text)| (&**tag, &**text)))
}

/// An address of IPv4, if those with the tags that say which address is for whom are the same.
fn unrivalled<'a>(
    text: &str,
    mut tagged: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<[u8; 4]> {
    let address: Ipv4Addr = text.parse().ok()?;
    let same = |(tag, other): (&str, &str)| {
        !tag.starts_with(LAN) || other.is_empty() || other.parse() == Ok(address)
    };
    tagged.all(same).then(|| address.octets())
}

fn by_key(one: &Service, other: &Service) -> Ordering {
    folded_cmp(one.node.as_str(), other.node.as_str())
        .then_with(|| folded_cmp(one.id.as_str(), other.id.as_str()))
}

fn put(index: &mut Instances, name: &ServiceName, instance: Instance) {
    let order = |other: &Instance| by_key(&other.service, &instance.service);
    let Some(list) = index.get_mut(name) else {
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
    if !old.is_some_and(is_same) {
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
        let ailing = |id| {
            self.ailing.get(&(key.node.clone(), id)).map_or(Health::Passing, |all| all.worst())
        };
        let health = if self.ailing.is_empty() {
            Health::Passing
        } else {
            ailing(ServiceId::default()).max(ailing(key.id.clone()))
        };
        let node = self.nodes.get(&key.node).cloned();
        let address = only_address(node.as_deref(), service);
        let instance = Instance { node, service: service.clone(), health, address };
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
        if old == new {
            return;
        }
        let mut all = self.ailing.get(&place).copied().unwrap_or_default();
        let before = all.worst();
        if let Some(count) = old.and_then(|old| all.of(old)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = new.and_then(|new| all.of(new)) {
            *count += 1;
        }
        if all == Ailments::default() {
            self.ailing.remove(&place);
        } else {
            self.ailing.insert(place.clone(), all);
        }
        if all.worst() == before {
            return;
        }
        let (node, id) = place;
        if id.is_empty() {
            self.link_instances_of(&node);
        } else if let Some(row) = self.services.get(&crate::ServiceKey { node, id }).cloned() {
            self.link_instance(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ServiceAddress;

    fn only(node: (&str, &[(&str, &str)]), service: (&str, &[(&str, &str)])) -> Option<String> {
        let of_node = node.1.iter().map(|(tag, text)| ((*tag).into(), (*text).into()));
        let of_service = service.1.iter().map(|(tag, text)| {
            ((*tag).into(), ServiceAddress { address: (*text).into(), port: 0 })
        });
        let node = Node {
            address: node.0.into(),
            tagged_addresses: Some(of_node.collect()),
            ..Node::default()
        };
        let service = Service {
            address: service.0.into(),
            tagged_addresses: Some(of_service.collect()),
            ..Service::default()
        };
        only_address(Some(&node), &service).map(|address| Ipv4Addr::from(address).to_string())
    }

    #[test]
    fn an_address_is_kept_where_there_is_no_choice() {
        let plain: (&str, &[_]) = ("10.0.0.1", &[]);
        let tagged: (&str, &[_]) = ("10.0.0.1", &[("lan_ipv4", "10.0.0.1"), ("wan", "1.2.3.4")]);
        let kept = Some("10.0.0.1".to_owned());
        assert_eq!(only(plain, ("", &[])), kept);
        assert_eq!(only(tagged, ("", &[("wan", "1.2.3.4")])), kept);
        assert_eq!(only(("web.example.com", &[]), tagged), kept);
        for other in [("lan_ipv4", "10.0.0.2"), ("lan_ipv6", "::1")] {
            assert_eq!(only(("10.0.0.1", &[other]), ("", &[])), None);
            assert_eq!(only(plain, ("10.0.0.2", &[other][..])).is_some(), other.1 == "10.0.0.2");
            assert_eq!(only(plain, ("", &[other])), None);
        }
        for no_address in ["web", "::1", "::ffff:10.0.0.1", ""] {
            assert_eq!(only((no_address, &[]), ("", &[])), None);
        }
    }

    #[test]
    fn an_instance_is_small() {
        assert_eq!(size_of::<Instance>(), 3 * size_of::<usize>());
    }
}
