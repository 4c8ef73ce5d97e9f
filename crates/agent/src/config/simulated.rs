//! What a simulator takes from a configuration: everything but where the agent runs.

use super::layer::Layer;
use super::read::{check_event_handlers, read_path, row};
use super::{Failure, Settings};

/// The settings of any member of a cluster whose agents are configured so.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The settings of the machine; name and address are placeholders.
    pub config: serf::Config,
    /// The profile as it was written.
    pub profile: String,
    /// Whether gossip is sealed.
    pub sealed: bool,
    /// Whether gossip is compressed.
    pub compressed: bool,
}

/// Keys that say where an agent runs and what its machine has.
const OF_THE_MACHINE: [&str; 7] =
    ["node_name", "bind", "advertise", "interface", "discover", "mdns.interface", "tags_file"];

/// Reads a file, or the files of a folder, as the agent does, for a cluster of simulated members;
/// None: the defaults.
///
/// # Errors
///
/// What the agent itself would complain about.
pub fn simulated(path: Option<&str>) -> Result<Simulated, Failure> {
    let mut layer = Layer::default();
    if let Some(path) = path {
        read_path(path, &mut layer)?;
    }
    check_event_handlers(&layer)?;
    for name in OF_THE_MACHINE {
        layer.forget(name);
    }
    layer.set_text(row("node_name"), "node".to_owned());
    layer.set_text(row("bind"), "127.0.0.1:7946".to_owned());
    let settings = Settings::check(&layer)?;
    Ok(Simulated {
        config: settings.machine()?,
        profile: settings.profile_name.clone(),
        sealed: settings.encrypt_key.is_some() || settings.keyring_file.is_some(),
        compressed: settings.compression,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_of_another_machine_is_taken_without_its_place() -> Result<(), Failure> {
        let path = std::env::temp_dir().join(format!("tribune-sim-{}.json", std::process::id()));
        let text = r#"{"node_name": "a", "bind": "203.0.113.9:1", "interface": "none-such",
            "profile": "wan", "encrypt_key": "MDEyMzQ1Njc4OWFiY2RlZg==", "tags": {"role": "db"},
            "disable_eager_gossip": true}"#;
        std::fs::write(&path, text).map_err(|error| Failure::new(error.to_string()))?;
        let result = simulated(path.to_str());
        let _ = std::fs::remove_file(&path);
        let simulated = result?;
        assert!(simulated.sealed && simulated.profile == "wan");
        assert_eq!(simulated.config.gossip.probe_interval, Duration::from_secs(5));
        assert!(!simulated.config.gossip.eager_gossip);
        assert_eq!(simulated.config.tags["role"], "db");
        Ok(())
    }

    #[test]
    fn complaints_are_those_of_the_agent() {
        let missing = simulated(Some("/none/such.json"));
        assert!(missing.is_err_and(|failure| failure.message.contains("/none/such.json")));
        assert!(simulated(None).is_ok_and(|simulated| !simulated.sealed));
    }
}
