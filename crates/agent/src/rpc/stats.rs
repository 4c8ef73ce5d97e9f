//! What `info` shows.

use wire::rpc::Stats;

use crate::node::NodeHandle;
use crate::runtime;

/// Every section, as the real agent names them.
pub(super) async fn collect(node: &NodeHandle) -> Stats {
    let handlers = node
        .handlers_at_start()
        .iter()
        .map(|spec| (spec.filter.to_string(), spec.script.clone()))
        .collect();
    let sections = [
        ("agent", [("name".to_owned(), node.name().to_string())].into()),
        ("event_handlers", handlers),
        ("runtime", runtime::section()),
        ("serf", node.statistics_section().await),
        ("tags", node.tags().await),
    ];
    Stats { sections: sections.into_iter().map(|(name, all)| (name.to_owned(), all)).collect() }
}
