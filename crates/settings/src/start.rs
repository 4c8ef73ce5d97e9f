//! What `validate` lets pass and a start refuses.

use gotext::decode::Value;

use crate::Failure;
use crate::network::ListenAddress;
use crate::settings::Settings;
use crate::table::{self, Effect};

/// Lengths of a gossip key, in bytes.
const KEY_BYTES: [usize; 3] = [16, 24, 32];

impl Settings {
    /// Whether an agent can be started from these settings at all: what is refused before the
    /// banner, with what this program does not have yet.
    ///
    /// # Errors
    ///
    /// The text for standard error, behind `==> `.
    pub fn check_start(&self) -> Result<(), Failure> {
        self.log.level()?;
        self.check_tls()?;
        if let Some(id) = &self.node.id {
            catalog::uuid_valid(id).map_err(|why| {
                Failure::new(format!("failed to setup node ID: specified NodeID is invalid: {why}"))
                    .hint("give 'node_id' (-node-id) a UUID, or leave it out")
            })?;
        }
        self.check_supported()
    }

    /// The keys that were given and are checked, while what they are for is yet to come. A switch
    /// that is off changes nothing.
    #[must_use]
    pub fn keys_to_come(&self) -> Vec<&'static str> {
        let keys = table::rows().filter(|row| row.effect == Effect::Kept).filter_map(|row| row.key);
        let is_on = |value: &Value| !matches!(value, Value::Bool(false));
        keys.filter(|key| self.given.given(key).is_some_and(is_on)).collect()
    }

    fn check_tls(&self) -> Result<(), Failure> {
        let grpc_tls_named = self.given.given("ports.grpc_tls").is_some();
        let sealed = self.tls.grpc.cert_file.is_some() || self.tls.grpc.key_file.is_some();
        if self.network.ports.grpc.is_some() && sealed && !grpc_tls_named {
            return Err(Failure::new(
                "the `ports.grpc` listener no longer supports TLS. Use `ports.grpc_tls` instead. \
                 This message is appearing because GRPC is configured to use TLS, but \
                 `ports.grpc_tls` is not defined",
            ));
        }
        let listeners = [&self.tls.internal_rpc, &self.tls.https, &self.tls.grpc];
        let without_ca = |listener: &&&crate::TlsListener| {
            listener.verify_incoming && listener.ca_file.is_none() && listener.ca_path.is_none()
        };
        match listeners.iter().find(without_ca) {
            Some(_) => Err(Failure::new("VerifyIncoming set but no CA certificates were provided")),
            None => Ok(()),
        }
    }

    /// Whether this program has what is asked for.
    pub(crate) fn check_supported(&self) -> Result<(), Failure> {
        if !self.server {
            return Err(Failure::new(
                "Tribune runs as a server only: client agents are yet to come",
            )
            .hint("set 'server' (-server), or try -dev"));
        }
        if self.bootstrap_expect > 1 {
            return Err(Failure::new(format!(
                "bootstrap_expect cannot be {}: clusters of several servers are yet to come",
                self.bootstrap_expect
            ))
            .hint("set 'bootstrap_expect' (-bootstrap-expect) to 1"));
        }
        for key in ["retry_join", "retry_join_wan"] {
            let addresses = self.given.list(key);
            let asks_cloud = |address: &&String| {
                address.split_whitespace().any(|word| word.starts_with("provider="))
            };
            if let Some(address) = addresses.iter().find(asks_cloud) {
                let flag = key.replace('_', "-");
                return Err(Failure::new(format!(
                    "{key} cannot ask a cloud for members: {}",
                    gotext::quote(address)
                ))
                .hint(format!("name members by address in '{key}' (-{flag})")));
            }
        }
        self.check_relied_upon()
    }

    /// What an operator would rely on although nothing does it yet.
    fn check_relied_upon(&self) -> Result<(), Failure> {
        if self.acl.enabled && self.acl.default_policy == "deny" {
            return Err(Failure::new(
                "acl.default_policy cannot be deny: there is no access control yet, whoever \
                 reaches this agent may do everything",
            )
            .hint(
                "leave 'acl' out, and keep others away with 'client_addr' (-client), \
                 'http_config.allow_write_http_from' or a firewall",
            ));
        }
        if self.given.text("limits.request_limits.mode") == "enforcing" {
            return Err(Failure::new(
                "limits.request_limits.mode cannot be enforcing: rates are not limited yet",
            )
            .hint("leave 'limits.request_limits' out, or set its mode to \"disabled\""));
        }
        Ok(())
    }

    /// What fails behind the banner, of what can be told without doing it.
    ///
    /// # Errors
    ///
    /// The text behind `Error starting agent: error=`.
    pub fn check_after_banner(&self) -> Result<(), Failure> {
        if let Some(key) = &self.gossip.encrypt
            && !KEY_BYTES.contains(&key.0.len())
        {
            return Err(Failure::new(
                "Failed to configure keyring: key size must be 16, 24 or 32 bytes",
            ));
        }
        let server = |why: String| Failure::new(format!("Failed to start Consul server: {why}"));
        let protocol = self.cluster.protocol;
        if !(2..=3).contains(&protocol) {
            let wrong = if protocol < 2 { "low" } else { "high" };
            return Err(server(format!(
                "Protocol version '{protocol}' too {wrong}. Must be in range: [2, 3]"
            )));
        }
        let policy = &self.acl.default_policy;
        if self.acl.enabled && !matches!(policy.as_str(), "allow" | "deny") {
            return Err(server(format!("Unsupported default ACL policy: {policy}")));
        }
        let network = &self.network;
        let mut listeners =
            [&network.http, &network.https, &network.grpc, &network.grpc_tls].into_iter().flatten();
        let mode = &self.unix_sockets.mode;
        let no_mode = !mode.is_empty() && u32::from_str_radix(mode, 8).is_err();
        if no_mode && listeners.any(|address| matches!(address, ListenAddress::Unix(_))) {
            return Err(Failure::new("Failed setting up socket: invalid mode specified: 0")
                .hint(format!("'unix_sockets.mode' is {}: write octal", gotext::quote(mode))));
        }
        Ok(())
    }
}
