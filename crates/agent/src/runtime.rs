//! What the run-time system says about itself, under the names of the real agent's.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::platform;
use crate::telemetry::Gauge;

/// How long a start takes at most: what it needed is let go of after this.
const STARTING: Duration = Duration::from_secs(10);

/// Between two times of letting go. A hundred minor faults a minute are nothing, and what rare work
/// brought in does not stay for long.
const FORGETTING: Duration = Duration::from_secs(60);

/// Keeps the process as small as its present work: again and again lets go of the program's own
/// pages, of which only those come back that are needed. The system itself keeps each 64 KiB in
/// which anything ever ran, be it once at the start. Never returns.
pub async fn forget_idle_pages() {
    tokio::time::sleep(STARTING).await;
    loop {
        platform::forget_idle_pages();
        tokio::time::sleep(FORGETTING).await;
    }
}

/// The section `runtime` of `info` and of `agent/self`. To be called on a runtime.
pub fn section() -> BTreeMap<String, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = Handle::current().metrics().num_alive_tasks();
    // In Go's words, which scripts may compare across a mixed cluster.
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    let values = [
        ("os", std::env::consts::OS.replace("macos", "darwin")),
        ("arch", architecture.to_owned()),
        ("version", concat!("tribune", env!("CARGO_PKG_VERSION")).to_owned()),
        ("max_procs", processors.to_string()),
        ("goroutines", tasks.to_string()),
        ("cpu_count", processors.to_string()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Tasks and memory now. To be called on a runtime.
pub fn gauges() -> Vec<Gauge> {
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut gauges = vec![Gauge::new("runtime.num_goroutines", tasks as f64)];
    if let Some((private, resident)) = platform::memory_bytes() {
        gauges.push(Gauge::new("runtime.alloc_bytes", private as f64));
        gauges.push(Gauge::new("runtime.sys_bytes", resident as f64));
    }
    gauges
}

/// The name of this machine, if it tells.
pub fn host_name() -> Option<String> {
    platform::host_name()
}
