//! Joining other members in the background, again and again until somebody answers.

use std::time::Duration;

use agent::log::{Level, Log, Value};
use agent::node::NodeHandle;
use gotext::GoDuration;

/// Whom to join in one pool.
pub(super) struct Join {
    /// `LAN` or `WAN`.
    pub(super) pool: &'static str,
    pub(super) addresses: Vec<String>,
    /// Between attempts.
    pub(super) pause: Duration,
    /// Attempts after the first; 0: no end.
    pub(super) most: u32,
}

impl Join {
    /// Joins. The error is that of the last attempt.
    pub(super) async fn run(&self, node: &NodeHandle, log: &Log) -> Result<(), String> {
        if self.addresses.is_empty() {
            return Ok(());
        }
        let pause = i64::try_from(self.pause.as_nanos()).unwrap_or(i64::MAX);
        let pause = GoDuration::from_nanoseconds(pause).to_string();
        let cluster = || ("cluster", Value::from(self.pool));
        log.entry(Level::Info, "agent", "Joining cluster...", [cluster()]);
        let mut attempts = 0;
        loop {
            match node.join(self.addresses.clone(), false).await {
                Ok(count) => {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    let fields = [cluster(), ("num_agents", count.into())];
                    let text = "Join cluster completed. Synced with initial agents";
                    log.entry(Level::Info, "agent", text, fields);
                    return Ok(());
                }
                Err(why) => {
                    attempts += 1;
                    if self.most > 0 && attempts > self.most {
                        let pool = self.pool;
                        return Err(format!("agent: max join {pool} retry exhausted, exiting"));
                    }
                    let fields = [
                        cluster(),
                        ("retry_interval", pause.clone().into()),
                        ("error", why.into()),
                    ];
                    log.entry(Level::Warn, "agent", "Join cluster failed, will retry", fields);
                }
            }
            tokio::time::sleep(self.pause).await;
        }
    }
}
