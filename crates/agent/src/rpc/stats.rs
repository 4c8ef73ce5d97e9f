//! What `info` shows.

use std::collections::BTreeMap;

use wire::rpc::Stats;

use crate::node::NodeHandle;

type Section = BTreeMap<String, String>;

/// Every section, as the real agent names them.
pub(super) async fn collect(node: &NodeHandle) -> Stats {
    let handlers = node
        .handlers_at_start()
        .iter()
        .map(|spec| (spec.filter.to_string(), spec.script.clone()))
        .collect();
    let sections = [
        ("agent", section([("name", node.name().to_string())])),
        ("event_handlers", handlers),
        ("runtime", runtime()),
        ("serf", machine(node).await),
        ("tags", node.tags().await),
    ];
    Stats { sections: sections.into_iter().map(|(name, all)| (name.to_owned(), all)).collect() }
}

fn section<const N: usize>(values: [(&str, String); N]) -> Section {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn runtime() -> Section {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // In Go's words, which scripts may compare across a mixed cluster.
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    section([
        ("os", std::env::consts::OS.replace("macos", "darwin")),
        ("arch", architecture.to_owned()),
        ("version", concat!("tribune", env!("CARGO_PKG_VERSION")).to_owned()),
        ("max_procs", processors.to_string()),
        ("goroutines", tasks.to_string()),
        ("cpu_count", processors.to_string()),
    ])
}

async fn machine(node: &NodeHandle) -> Section {
    let numbers = node.statistics().await;
    let mut section = section([
        ("members", numbers.members.to_string()),
        ("failed", numbers.failed.to_string()),
        ("left", numbers.left.to_string()),
        ("health_score", numbers.health_score.to_string()),
        ("member_time", numbers.member_time.to_string()),
        ("event_time", numbers.event_time.to_string()),
        ("query_time", numbers.query_time.to_string()),
        ("intent_queue", numbers.intent_queue.to_string()),
        ("event_queue", numbers.event_queue.to_string()),
        ("query_queue", numbers.query_queue.to_string()),
        ("encrypted", numbers.encrypted.to_string()),
    ]);
    if node.keeps_coordinates() {
        let resets = numbers.coordinate_resets.to_string();
        section.insert("coordinate_resets".to_owned(), resets);
    }
    section
}
