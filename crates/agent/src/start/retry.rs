//! Joining in the background, again and again until somebody answers.

use gotext::GoDuration;

use crate::config::Settings;
use crate::log::{Level, Log};
use crate::node::NodeHandle;

/// All attempts have failed.
pub(super) struct Exhausted;

/// Returns only when the last attempt has failed; with nothing to join, or once it has joined, it
/// stays idle for ever.
pub(super) async fn join(node: &NodeHandle, settings: &Settings, log: &Log) -> Exhausted {
    let addresses = &settings.retry_join;
    let mut failures = 0;
    while !addresses.is_empty() {
        let replay = settings.replay;
        let text = format_args!("Joining cluster...(replay: {replay})");
        log.line(Level::Info, "agent", text);
        let why = match node.join(addresses.clone(), replay).await {
            Ok(count) => {
                let text = format_args!("Join completed. Synced with {count} initial agents");
                log.line(Level::Info, "agent", text);
                break;
            }
            Err(why) => why,
        };
        failures += 1;
        if settings.retry_max > 0 && failures > settings.retry_max {
            log.line(Level::Err, "agent", "maximum retry join attempts made, exiting");
            return Exhausted;
        }
        let pause = i64::try_from(settings.retry_interval.as_nanos()).unwrap_or(i64::MAX);
        let shown = GoDuration::from_nanoseconds(pause);
        log.line(Level::Warn, "agent", format_args!("Join failed: {why}, retrying in {shown}"));
        tokio::time::sleep(settings.retry_interval).await;
    }
    std::future::pending().await
}
