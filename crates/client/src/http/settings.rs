//! Where the agent is and how to talk to it.

use std::fmt;

/// Where an agent listens that was not told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

/// How to reach an agent. Texts that are empty are not given.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, or `http://`, `https://` or `unix://` before it; a path behind the host stands
    /// before the path of every request.
    pub address: String,
    /// The token to show.
    pub token: String,
    /// A file whose contents are the token; it wins over `token` unless it is empty.
    pub token_file: String,
    /// The datacenter to ask; empty: the agent's own.
    pub datacenter: String,
    /// The namespace to ask in; agents of the open-source edition refuse any.
    pub namespace: String,
    /// The partition to ask in; agents of the open-source edition refuse any.
    pub partition: String,
    /// Whether any server may answer a read, not only the leader.
    pub stale: bool,
    /// User and password of a proxy before the agent.
    pub basic_auth: Option<(String, String)>,
    /// Whether to use TLS although the address does not say so.
    pub https: bool,
    /// What TLS needs.
    pub tls: TlsSettings,
}

/// What TLS needs; files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The authorities to trust; empty: the system's.
    pub ca_file: String,
    /// A folder of such files; looked at only without `ca_file`.
    pub ca_path: String,
    /// The client's certificate.
    pub certificate: String,
    /// The key of the certificate.
    pub key: String,
    /// The name that the agent's certificate must have; empty: the host of the address.
    pub server_name: String,
    /// Whether the agent's certificate is checked at all.
    pub verify: bool,
}

/// Without the token and the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address)
            .field("token_file", &self.token_file)
            .field("datacenter", &self.datacenter)
            .field("stale", &self.stale)
            .field("https", &self.https)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: DEFAULT_ADDRESS.to_owned(),
            token: String::new(),
            token_file: String::new(),
            datacenter: String::new(),
            namespace: String::new(),
            partition: String::new(),
            stale: false,
            basic_auth: None,
            https: false,
            tls: TlsSettings {
                ca_file: String::new(),
                ca_path: String::new(),
                certificate: String::new(),
                key: String::new(),
                server_name: String::new(),
                verify: true,
            },
        }
    }
}

impl Settings {
    /// What the variables of the environment say, which `read` looks up; also the names and values
    /// of those that should be booleans and are not. An empty variable is as good as none.
    pub fn from_environment(
        read: impl Fn(&str) -> Option<String>,
    ) -> (Settings, Vec<(&'static str, String)>) {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let mut settings = Settings::default();
        let mut unreadable = Vec::new();
        if let Some(address) = read("CONSUL_HTTP_ADDR") {
            settings.address = address;
        }
        settings.basic_auth = read("CONSUL_HTTP_AUTH").map(|auth| {
            let (user, password) = auth.split_once(':').unwrap_or((auth.as_str(), ""));
            (user.to_owned(), password.to_owned())
        });
        for (variable, field) in [
            ("CONSUL_HTTP_TOKEN", &mut settings.token),
            ("CONSUL_HTTP_TOKEN_FILE", &mut settings.token_file),
            ("CONSUL_NAMESPACE", &mut settings.namespace),
            ("CONSUL_PARTITION", &mut settings.partition),
            ("CONSUL_CACERT", &mut settings.tls.ca_file),
            ("CONSUL_CAPATH", &mut settings.tls.ca_path),
            ("CONSUL_CLIENT_CERT", &mut settings.tls.certificate),
            ("CONSUL_CLIENT_KEY", &mut settings.tls.key),
            ("CONSUL_TLS_SERVER_NAME", &mut settings.tls.server_name),
        ] {
            if let Some(value) = read(variable) {
                *field = value;
            }
        }
        for (variable, field) in [
            ("CONSUL_HTTP_SSL", &mut settings.https),
            ("CONSUL_HTTP_SSL_VERIFY", &mut settings.tls.verify),
        ] {
            let Some(value) = read(variable) else { continue };
            match gotext::parse_bool(&value) {
                Ok(on) => *field = on,
                Err(_) => unreadable.push((variable, value)),
            }
        }
        (settings, unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_and_what_is_no_boolean_is_told() {
        let (settings, unreadable) = Settings::from_environment(|name| {
            Some(
                match name {
                    "CONSUL_HTTP_ADDR" => "unix://a.sock",
                    "CONSUL_HTTP_AUTH" => "user:pass:word",
                    "CONSUL_HTTP_SSL" => "zz",
                    "CONSUL_HTTP_SSL_VERIFY" => "false",
                    "CONSUL_CACERT" => "ca.pem",
                    "CONSUL_HTTP_TOKEN" => "",
                    _ => return None,
                }
                .to_owned(),
            )
        });
        let mut expected = Settings {
            address: "unix://a.sock".to_owned(),
            basic_auth: Some(("user".to_owned(), "pass:word".to_owned())),
            ..Settings::default()
        };
        expected.tls.verify = false;
        expected.tls.ca_file = "ca.pem".to_owned();
        assert_eq!(settings, expected);
        assert_eq!(unreadable, [("CONSUL_HTTP_SSL", "zz".to_owned())]);
        expected.token = "secret".to_owned();
        let shown = format!("{expected:?}");
        assert!(!shown.contains("pass") && !shown.contains("secret"), "not for logs: {shown}");
    }
}
