//! The indexes under the names that Consul's snapshots have for them (consul-agent, "Snapshot
//! archive").

use crate::mark::Mark;
use crate::name::{ModifyIndex, NodeName, ServiceName};
use crate::state::Snapshot;

/// What stands before the name of what is this cluster's own.
const OWN: &str = "peer.~:";
const NODE: &str = "node.";
const SERVICE: &str = "service.";

/// Names of marks that have one.
const NAMES: [(&str, Mark); 12] = [
    ("kvs", Mark::Kv),
    ("nodes", Mark::Nodes),
    ("peer.~:nodes", Mark::Nodes),
    ("services", Mark::Services),
    ("peer.~:services", Mark::Services),
    ("checks", Mark::Checks),
    ("peer.~:checks", Mark::Checks),
    ("sessions", Mark::Sessions),
    ("coordinates", Mark::Coordinates),
    ("prepared-queries", Mark::Queries),
    ("peer.~:node_last_extinction", Mark::NodeExtinction),
    ("peer.~:service_last_extinction", Mark::ServiceExtinction),
];

/// The name without what older versions did not put before it.
fn bare(name: &str) -> &str {
    name.strip_prefix(OWN).unwrap_or(name)
}

impl Snapshot {
    /// Every index by name, as far as there is one.
    #[must_use]
    pub fn index_table(&self) -> Vec<(String, ModifyIndex)> {
        let mut rows = Vec::new();
        for (mark, index) in self.marks.iter() {
            match &mark {
                // Shown as they were given; what is gone has no index any more.
                Mark::Node(name) => {
                    let name = self.node(name).map_or(name, |node| &node.name);
                    rows.push((format!("{OWN}{NODE}{name}"), index));
                }
                Mark::Service(name) => {
                    let given = self.instances(name).next().map(|(_, service)| &service.name);
                    rows.push((format!("{OWN}{SERVICE}{}", given.unwrap_or(name)), index));
                }
                _ => {
                    let known = NAMES.iter().filter(|(_, known)| *known == mark);
                    rows.extend(known.map(|(name, _)| ((*name).to_owned(), index)));
                }
            }
        }
        let buried = self.kv.tombstones.values().map(|stone| stone.modify).max();
        rows.extend(buried.map(|index| ("tombstones".to_owned(), index)));
        rows.sort();
        rows
    }

    /// Enters an index of a name, unless there is a later one already. What this state has no
    /// index for is passed over.
    pub fn enter_index(&mut self, name: &str, index: ModifyIndex) {
        let own = bare(name);
        let mark = if own == "tombstones" {
            Mark::Kv
        } else if let Some(node) = own.strip_prefix(NODE) {
            Mark::Node(NodeName::from(node).fold())
        } else if let Some(service) = own.strip_prefix(SERVICE) {
            Mark::Service(ServiceName::from(service).fold())
        } else if let Some((_, mark)) = NAMES.iter().find(|(known, _)| bare(known) == own) {
            mark.clone()
        } else {
            return;
        };
        let index = index.max(self.mark(&mark));
        self.marks.set(mark, index);
    }
}
