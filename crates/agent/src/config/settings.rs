//! Settings with their meaning: checked, resolved, typed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serf::{ConfigError, Profile, Tags};

use super::address::{self, Chosen};
use super::{Failure, Layer};
use crate::floating::FloatingSettings;
use crate::handlers::HandlerSpec;
use crate::log::Level;
use crate::platform;

/// What a running agent is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Own name.
    pub node_name: String,
    /// Where gossip is received.
    pub bind: SocketAddr,
    /// A line for the operator: the address that was taken from an interface.
    pub notice: Option<String>,
    /// The configured address that others are told.
    pub advertise: Option<SocketAddr>,
    /// Discovery by mDNS, if it is wanted.
    pub mdns: Option<MdnsSettings>,
    /// The raw key of the configuration; its length is judged later.
    pub encrypt_key: Option<Bytes>,
    /// Where keys are kept.
    pub keyring_file: Option<PathBuf>,
    /// The handlers, in order.
    pub handlers: Vec<HandlerSpec>,
    /// Members to join at start.
    pub start_join: Vec<String>,
    /// Members to join in the background.
    pub retry_join: Vec<String>,
    /// Pause between attempts of the retry join.
    pub retry_interval: Duration,
    /// How many attempts follow the first; 0: no end.
    pub retry_max: u64,
    /// Whether joins deliver old events.
    pub replay: bool,
    /// Timing.
    pub profile: Profile,
    /// The profile as it was written.
    pub profile_name: String,
    /// Serf protocol; its range is judged later.
    pub protocol: i64,
    /// Where RPC is served, as it was written.
    pub rpc_addr: String,
    /// Token of RPC clients; empty: none.
    pub rpc_auth: String,
    /// Where members and clocks are kept.
    pub snapshot_path: Option<PathBuf>,
    /// Whether a snapshot is used after a leave.
    pub rejoin_after_leave: bool,
    /// Configured tags.
    pub tags: Tags,
    /// Where tags are kept.
    pub tags_file: Option<PathBuf>,
    /// Longest wait for a broadcast.
    pub broadcast_timeout: Duration,
    /// Whether gossip is compressed.
    pub compression: bool,
    /// SIGTERM leaves.
    pub leave_on_terminate: bool,
    /// SIGINT does not leave.
    pub skip_leave_on_interrupt: bool,
    /// Between attempts to reach a failed member.
    pub reconnect_interval: Duration,
    /// When a failed member is forgotten.
    pub reconnect_timeout: Duration,
    /// When a left member is forgotten.
    pub tombstone_timeout: Duration,
    /// Whether name conflicts are put to the vote.
    pub resolve_name_conflicts: bool,
    /// Encoded, in bytes.
    pub query_response_size_limit: usize,
    /// Encoded, in bytes.
    pub query_size_limit: usize,
    /// In bytes; its range is judged later.
    pub user_event_size_limit: usize,
    /// Whether names are restricted.
    pub validate_node_names: bool,
    /// Label of the gossip pool; empty: none.
    pub label: String,
    /// Drop gossip that is not sealed.
    pub encrypt_verify_incoming: bool,
    /// Seal what is sent.
    pub encrypt_verify_outgoing: bool,
    /// The first of the two above that the configuration names, whatever its value.
    pub encrypt_verify_named: Option<&'static str>,
    /// When a failed member's name may come from another address; zero: never.
    pub dead_node_reclaim_time: Duration,
    /// Send what was newly learned at once.
    pub eager_gossip: bool,
    /// Exchange states once more after joining.
    pub settle_exchange: bool,
    /// The floating role, if this member takes part in one.
    pub floating_role: Option<FloatingSettings>,
}

/// Discovery by mDNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdnsSettings {
    /// The name of the cluster.
    pub cluster: String,
    /// Only on this interface.
    pub interface: Option<String>,
    /// Whether a line says so at the start (a setting of newer Serf does).
    pub announce_interface: bool,
    /// Over IPv4.
    pub ipv4: bool,
    /// Over IPv6.
    pub ipv6: bool,
}

/// Longest label in bytes: its length travels in one byte.
const LABEL_BYTES: usize = wire::limits::LABEL_BYTES;

/// The level of the log, or the complaint about it.
pub fn log_level(layer: &Layer) -> Result<Level, Failure> {
    let text = layer.text_or_default("log_level");
    Level::parse(text).ok_or_else(|| {
        let upper = text.to_uppercase();
        Failure::new(format!(
            "Invalid log level: {upper}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]"
        ))
    })
}

impl Settings {
    /// Gives the layer its meaning. Looks up names and interfaces, and so may block; opens no
    /// sockets and reads no files.
    pub fn check(layer: &Layer) -> Result<Settings, Failure> {
        let (bind, notice) = bind_address(layer)?;
        let advertise = advertise_address(layer)?;
        let encrypt_key = encrypt_key(layer)?;
        let profile = profile(layer)?;
        let label = layer.text("label").to_owned();
        if label.len() > LABEL_BYTES {
            return Err(Failure::new(format!(
                "Invalid label: {} bytes are more than {LABEL_BYTES}",
                label.len()
            ))
            .hint("shorten 'label', on every member alike"));
        }
        let path = |name| Some(layer.text(name)).filter(|p| !p.is_empty()).map(PathBuf::from);
        let period = |name| layer.duration(name).saturating_std();
        let size = |name| usize::try_from(layer.int(name)).unwrap_or(0);
        let floating_role = FloatingSettings::check(layer)?;
        if let Some(role) = &floating_role {
            role.check_own([Some(bind.ip()), advertise.map(|address| address.ip())])?;
        }
        Ok(Settings {
            node_name: layer.text("node_name").to_owned(),
            bind,
            notice,
            advertise,
            mdns: mdns(layer),
            encrypt_key,
            keyring_file: path("keyring_file"),
            handlers: handlers(layer)?,
            start_join: layer.list("start_join").to_vec(),
            retry_join: layer.list("retry_join").to_vec(),
            retry_interval: period("retry_interval"),
            retry_max: u64::try_from(layer.int("retry_max_attempts")).unwrap_or(0),
            replay: layer.bool("replay_on_join"),
            profile,
            profile_name: layer.text_or_default("profile").to_owned(),
            protocol: layer.int("protocol"),
            rpc_addr: layer.text_or_default("rpc_addr").to_owned(),
            rpc_auth: layer.text("rpc_auth").to_owned(),
            snapshot_path: path("snapshot_path"),
            rejoin_after_leave: layer.bool("rejoin_after_leave"),
            tags: layer.tags(),
            tags_file: path("tags_file"),
            broadcast_timeout: period("broadcast_timeout"),
            // The key of the same meaning has no effect, as in the real agent.
            compression: !layer.bool("disable-compression"),
            leave_on_terminate: layer.bool("leave_on_terminate"),
            skip_leave_on_interrupt: layer.bool("skip_leave_on_interrupt"),
            reconnect_interval: period("reconnect_interval"),
            reconnect_timeout: period("reconnect_timeout"),
            tombstone_timeout: period("tombstone_timeout"),
            resolve_name_conflicts: !layer.bool("disable_name_resolution"),
            query_response_size_limit: size("query_response_size_limit"),
            query_size_limit: size("query_size_limit"),
            user_event_size_limit: size("user_event_size_limit"),
            validate_node_names: layer.bool("validate_node_names"),
            label,
            encrypt_verify_incoming: layer.bool("encrypt_verify_incoming"),
            encrypt_verify_outgoing: layer.bool("encrypt_verify_outgoing"),
            encrypt_verify_named: layer.first_set("encrypt_verify_"),
            dead_node_reclaim_time: period("dead_node_reclaim_time"),
            eager_gossip: !layer.bool("disable_eager_gossip"),
            settle_exchange: !layer.bool("disable_settle_exchange"),
            floating_role,
        })
    }

    /// The settings of the machine. The failures are those that the real agent has behind
    /// `Failed to start the Serf agent: `.
    pub fn machine(&self) -> Result<serf::Config, Failure> {
        let protocol = self.protocol_in_range()?;
        let (address, port) = self.final_advertise()?;
        let mut gossip =
            gossip::Config::new(self.profile, self.node_name.as_str().into(), address.into(), port);
        gossip.bind_port = self.bind.port();
        gossip.label = Bytes::copy_from_slice(self.label.as_bytes());
        gossip.encrypt_verify_incoming = self.encrypt_verify_incoming;
        gossip.encrypt_verify_outgoing = self.encrypt_verify_outgoing;
        gossip.dead_node_reclaim_time = self.dead_node_reclaim_time;
        gossip.eager_gossip = self.eager_gossip;
        gossip.settle_exchange = self.settle_exchange;
        let mut config = serf::Config::new(gossip);
        config.tags = self.tags.clone();
        config.protocol = protocol;
        config.broadcast_timeout = self.broadcast_timeout;
        config.query_size_limit = self.query_size_limit;
        config.query_response_size_limit = self.query_response_size_limit;
        config.user_event_size_limit = self.user_event_size_limit;
        config.reconnect_interval = self.reconnect_interval;
        config.reconnect_timeout = self.reconnect_timeout;
        config.tombstone_timeout = self.tombstone_timeout;
        config.resolve_name_conflicts = self.resolve_name_conflicts;
        config.rejoin_after_leave = self.rejoin_after_leave;
        config.validate_node_names = self.validate_node_names;
        config.persist_keyring = self.keyring_file.is_some();
        Settings::check_machine(&config)?;
        Ok(config)
    }

    /// Refuses settings of an encryption that there is no key for: gossip would be open, whatever
    /// they say. `keyring` holds the configured key or those of the keyring file.
    pub fn check_keyring(&self, keyring: &[Bytes]) -> Result<(), Failure> {
        match self.encrypt_verify_named.filter(|_| keyring.is_empty()) {
            None => Ok(()),
            Some(name) => {
                Err(start_failure(format!("'{name}' is set, but there is no encryption key")).hint(
                    "give a key by 'encrypt_key' (-encrypt; 'serf keygen' makes one) or \
                     'keyring_file', or remove 'encrypt_verify_incoming' and \
                     'encrypt_verify_outgoing'",
                ))
            }
        }
    }

    /// Whether the machine accepts these settings; to be asked again when tags were added.
    pub fn check_machine(config: &serf::Config) -> Result<(), Failure> {
        serf::validate(config).map_err(|error| {
            let hint = match error {
                ConfigError::ProtocolTooLow(_) | ConfigError::ProtocolTooHigh(_) => {
                    "set 'protocol' (-protocol) to 5, or leave it out"
                }
                ConfigError::EventLimitTooHigh => "lower 'user_event_size_limit'",
                ConfigError::InvalidName(_) => {
                    "change 'node_name' (-node), or switch 'validate_node_names' off"
                }
                ConfigError::TagsTooBig => "shorten 'tags' (-tag), or remove some",
                ConfigError::Gossip(gossip::ConfigError::NameTooLong(_)) => {
                    "shorten 'node_name' (-node)"
                }
                _ => return start_failure(error),
            };
            start_failure(error).hint(hint)
        })
    }

    fn protocol_in_range(&self) -> Result<u8, Failure> {
        let wrong = match self.protocol {
            ..2 => "low",
            2..=5 => return Ok(self.protocol as u8),
            6.. => "high",
        };
        Err(start_failure(format!(
            "Protocol version '{}' too {wrong}. Must be in range: [2, 5]",
            self.protocol
        ))
        .hint("set 'protocol' (-protocol) to 5, or leave it out"))
    }

    /// What others are told: the configured address, or the bound one, or a private one.
    fn final_advertise(&self) -> Result<(IpAddr, u16), Failure> {
        if let Some(address) = self.advertise {
            return Ok((address.ip(), address.port()));
        }
        if !self.bind.ip().is_unspecified() {
            return Ok((self.bind.ip(), self.bind.port()));
        }
        let interfaces = platform::interfaces().unwrap_or_default();
        let default = platform::default_interface();
        match address::private_address(&interfaces, default.as_deref()) {
            Some(address) => Ok((address, self.bind.port())),
            None => Err(start_failure(
                "Failed to create memberlist: Failed to get final advertise address: \
                 No private IP address found, and explicit IP not provided",
            )
            .hint("say with 'bind' (-bind) or 'advertise' (-advertise) where others reach it")),
        }
    }
}

/// A failure of the Serf layer to start.
fn start_failure(why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("Failed to start the Serf agent: Error creating Serf: {why}"))
}

fn bind_address(layer: &Layer) -> Result<(SocketAddr, Option<String>), Failure> {
    let text = layer.text_or_default("bind");
    let bind = address::resolve(text).map_err(|why| {
        Failure::new(format!("Invalid bind address: {why}")).hint(format!(
            "'bind' (-bind) is '{text}'; write ADDRESS or ADDRESS:PORT, IPv6 in brackets"
        ))
    })?;
    let name = layer.text("interface");
    if name.is_empty() {
        return Ok((bind, None));
    }
    let interfaces = platform::interfaces()
        .map_err(|why| Failure::new(format!("Failed to get interface addresses: {why}")))?;
    let chosen = address::on_interface(name, bind, &interfaces).map_err(|why| {
        Failure::new(why).hint("let 'interface' (-iface) and 'bind' (-bind) fit together")
    })?;
    Ok(match chosen {
        Chosen::Configured => (bind, None),
        Chosen::FromInterface(bind) => {
            (bind, Some(format!("Using interface '{name}' address '{}'", bind.ip())))
        }
    })
}

fn advertise_address(layer: &Layer) -> Result<Option<SocketAddr>, Failure> {
    let text = layer.text("advertise");
    if text.is_empty() {
        return Ok(None);
    }
    let hint = || {
        format!(
            "'advertise' (-advertise) is '{text}'; write ADDRESS or ADDRESS:PORT, IPv6 in brackets"
        )
    };
    let address = address::resolve(text)
        .map_err(|why| Failure::new(format!("Invalid advertise address: {why}")).hint(hint()))?;
    if address.ip().is_unspecified() {
        // Nobody can reach it. (The real agent tells it to everybody.)
        let why = format!("Invalid advertise address: {} is no single address", address.ip());
        return Err(Failure::new(why).hint(hint()));
    }
    Ok(Some(address))
}

fn encrypt_key(layer: &Layer) -> Result<Option<Bytes>, Failure> {
    let text = layer.text("encrypt_key");
    if text.is_empty() {
        return Ok(None);
    }
    // The key itself never appears in a text.
    let key = gotext::decode_base64(text).map_err(|error| {
        Failure::new(format!("Invalid encryption key: {error}")).hint(
            "'encrypt_key' (-encrypt) is 16, 24 or 32 bytes in base64, as 'serf keygen' makes it",
        )
    })?;
    Ok(Some(Bytes::from(key)))
}

fn profile(layer: &Layer) -> Result<Profile, Failure> {
    match layer.text_or_default("profile") {
        "lan" => Ok(Profile::Lan),
        "wan" => Ok(Profile::Wan),
        "local" => Ok(Profile::Local),
        other => Err(Failure::new(format!("Unknown profile: {other}"))
            .hint("'profile' (-profile) is lan, wan or local, in lower case")),
    }
}

fn handlers(layer: &Layer) -> Result<Vec<HandlerSpec>, Failure> {
    let mut handlers = Vec::new();
    for text in layer.list("event_handlers") {
        handlers.extend(HandlerSpec::parse(text).map_err(|e| Failure::new(e.to_string()))?);
    }
    Ok(handlers)
}

fn mdns(layer: &Layer) -> Option<MdnsSettings> {
    let cluster = layer.text("discover");
    if cluster.is_empty() {
        return None;
    }
    let named = layer.text("mdns.interface");
    let interface = if named.is_empty() { layer.text("interface") } else { named };
    Some(MdnsSettings {
        cluster: cluster.to_owned(),
        interface: (!interface.is_empty()).then(|| interface.to_owned()),
        announce_interface: !named.is_empty(),
        ipv4: !layer.bool("mdns.disable_ipv4"),
        ipv6: !layer.bool("mdns.disable_ipv6"),
    })
}
