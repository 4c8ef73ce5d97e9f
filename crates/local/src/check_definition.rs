//! What a check is to do, from a request, from a configuration file or from the data directory.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{Check, CheckId, ServiceId};
use gotext::GoDuration;
use gotext::object::{Nanoseconds, Object, ObjectError};

use crate::fields::{Fields, Form};
use crate::refused::Refused;
use crate::status::Status;

/// A check is not run more often than this.
const RUN_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How a check finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// It is told, and told again before its time is over.
    Ttl,
    /// By a request over HTTP.
    Http,
    /// By connecting.
    Tcp,
    /// By a datagram.
    Udp,
    /// By gRPC's health service.
    Grpc,
    /// By a program in a container.
    Docker,
    /// By asking the operating system for one of its services.
    OsService,
    /// By a program.
    Script,
    /// By HTTP/2's ping.
    H2Ping,
    /// By the checks of something else.
    Alias,
}

/// Why a check cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It is told, or it finds out by itself.
    #[error("Interval and TTL cannot both be specified")]
    IntervalAndTtl,
    /// It would find out by itself, but never does.
    #[error("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks")]
    NoInterval,
    /// It finds out by itself and from others.
    #[error("Interval cannot be set for Alias checks")]
    AliasInterval,
    /// It is told and finds out from others.
    #[error("TTL must be not be set for Alias checks")]
    AliasTtl,
    /// There is nothing that it could do.
    #[error("TTL must be > 0 for TTL checks")]
    NoTtl,
    /// Less than no output.
    #[error("MaxOutputMaxSize must be positive")]
    OutputMaxSize,
    /// The warning would never come.
    #[error("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")]
    Failures,
}

/// What a check is to do (consul-agent, "Service and check definitions"). Texts are empty, numbers
/// zero and lists empty where nothing was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckDefinition {
    /// Its ID: `ID` of a check of its own, `CheckID` of one within a service.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What the operator wants to remember.
    pub notes: String,
    /// The service that it checks, of a check of its own.
    pub service_id: String,
    /// The token to register it with, of a check of its own.
    pub token: String,
    /// Its first status, `critical` if empty.
    pub status: String,
    /// A program and its arguments.
    pub script_args: Vec<String>,
    /// The address of a request.
    pub http: String,
    /// Headers of the request.
    pub header: BTreeMap<String, Vec<String>>,
    /// The method of the request, `GET` if empty.
    pub method: String,
    /// The body of the request.
    pub body: String,
    /// Take a redirection for the answer.
    pub disable_redirects: bool,
    /// Host and port to ping over HTTP/2.
    pub h2ping: String,
    /// Ping within TLS; so unless told otherwise.
    pub h2ping_use_tls: bool,
    /// Host and port to connect to.
    pub tcp: String,
    /// Greet with TLS behind the connection.
    pub tcp_use_tls: bool,
    /// Host and port to send a datagram to.
    pub udp: String,
    /// The container to run the program in.
    pub docker_container_id: String,
    /// The shell to run it with there.
    pub shell: String,
    /// Host and port, and perhaps a slash and a service, to ask over gRPC.
    pub grpc: String,
    /// Ask within TLS.
    pub grpc_use_tls: bool,
    /// A service of the operating system.
    pub os_service: String,
    /// The name that a certificate must have.
    pub tls_server_name: String,
    /// Take any certificate.
    pub tls_skip_verify: bool,
    /// The node whose checks count.
    pub alias_node: String,
    /// The service whose checks count.
    pub alias_service: String,
    /// From the end of a run to the next one.
    pub interval: GoDuration,
    /// How long a run may take; zero for what its kind says.
    pub timeout: GoDuration,
    /// How long what it was told is true.
    pub ttl: GoDuration,
    /// How many results that are not critical, one after another, end a failure.
    pub success_before_passing: i64,
    /// How many critical results, one after another, make a warning; zero for as many as make it
    /// critical.
    pub failures_before_warning: i64,
    /// How many critical results, one after another, make it critical.
    pub failures_before_critical: i64,
    /// How long it may be critical until its service is removed; zero for ever.
    pub deregister_critical_service_after: GoDuration,
    /// The most bytes of output to keep, if less than the agent's; zero for the agent's.
    pub output_max_size: i64,
    /// The address behind a proxy that exposes an HTTP check.
    pub proxy_http: String,
    /// The same of a gRPC check.
    pub proxy_grpc: String,
}

impl CheckDefinition {
    /// Reads the body of a registration and refuses what no agent could take.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the recorded order.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let mut fields = Fields::new(Object::parse(body)?, Form::Body);
        let check = Self::read(&mut fields, Place::Alone)?;
        fields.finish()?;
        if check.name.is_empty() {
            return Err(Refused::CheckName);
        }
        if !check.status_valid() {
            return Err(Refused::CheckStatus);
        }
        check.validate().map_err(Refused::Check)?;
        Ok(check)
    }

    /// Fills a check of its own from a configuration file. Unknown names are refused; whether it
    /// can be run is for [`CheckDefinition::validate`].
    ///
    /// # Errors
    ///
    /// A value of another type, a duration that is none, an unknown name.
    pub fn from_file(object: Object) -> Result<Self, ObjectError> {
        let mut fields = Fields::new(object, Form::File);
        let check = Self::read(&mut fields, Place::Alone)?;
        fields.finish()?;
        Ok(check)
    }

    /// Fills one out of an object within a service's definition.
    pub(crate) fn within_service(mut fields: Fields) -> Result<Self, ObjectError> {
        let mut check = Self::read(&mut fields, Place::Service)?;
        fields.finish()?;
        // Which service it is of is plain.
        check.service_id.clear();
        Ok(check)
    }

    /// Fills one from a file that an agent wrote; what it does not know is left out.
    pub(crate) fn from_saved(object: Object) -> Result<Self, ObjectError> {
        Self::read(&mut Fields::new(object, Form::Body).lenient(), Place::Service)
    }

    fn read(f: &mut Fields, place: Place) -> Result<Self, ObjectError> {
        let mut check = Self {
            name: f.word("Name")?,
            notes: f.word("Notes")?,
            status: f.word("Status")?,
            http: f.word("HTTP")?,
            header: f.map(&["Header"], &["header"])?.unwrap_or_default(),
            method: f.word("Method")?,
            body: f.word("Body")?,
            h2ping: f.word("H2PING")?,
            tcp: f.word("TCP")?,
            udp: f.word("UDP")?,
            shell: f.word("Shell")?,
            grpc: f.word("GRPC")?,
            ..Self::default()
        };
        let id: &[&str] = if place == Place::Alone { &["ID"] } else { &["CheckID"] };
        check.id = f.named(id, &["id"])?;
        check.service_id = f.named(&["ServiceID", "service_id"], &["service_id", "serviceid"])?;
        if place == Place::Alone || f.form == Form::File {
            check.token = f.word("Token")?;
        } else {
            check.proxy_http = f.word("ProxyHTTP")?;
            check.proxy_grpc = f.word("ProxyGRPC")?;
        }
        check.read_targets(f)?;
        check.read_times(f)?;
        Ok(check)
    }

    fn read_targets(&mut self, f: &mut Fields) -> Result<(), ObjectError> {
        self.script_args =
            f.named(&["Args", "ScriptArgs", "script_args"], &["args", "scriptargs"])?;
        self.disable_redirects =
            f.named(&["DisableRedirects", "disable_redirects"], &["disable_redirects"])?;
        let ping_tls: Option<bool> =
            f.optional(&["H2PingUseTLS", "h2ping_use_tls"], &["h2ping_use_tls"])?;
        self.h2ping_use_tls = ping_tls.unwrap_or(!self.h2ping.is_empty());
        self.tcp_use_tls = f.named(&["TCPUseTLS", "tcp_use_tls"], &["tcp_use_tls"])?;
        self.docker_container_id = f.named(
            &["DockerContainerID", "docker_container_id"],
            &["docker_container_id", "dockercontainerid"],
        )?;
        self.grpc_use_tls = f.named(&["GRPCUseTLS", "grpc_use_tls"], &["grpc_use_tls"])?;
        self.os_service = f.named(&["OSService"], &["os_service"])?;
        self.tls_server_name =
            f.named(&["TLSServerName", "tls_server_name"], &["tls_server_name"])?;
        self.tls_skip_verify =
            f.named(&["TLSSkipVerify", "tls_skip_verify"], &["tls_skip_verify", "tlsskipverify"])?;
        self.alias_node = f.named(&["AliasNode"], &["alias_node"])?;
        self.alias_service = f.named(&["AliasService"], &["alias_service"])?;
        Ok(())
    }

    fn read_times(&mut self, f: &mut Fields) -> Result<(), ObjectError> {
        let duration = |found: Nanoseconds| GoDuration::from_nanoseconds(found.0.unwrap_or(0));
        self.interval = duration(f.word("Interval")?);
        self.timeout = duration(f.word("Timeout")?);
        self.ttl = duration(f.word("TTL")?);
        self.deregister_critical_service_after = duration(f.named(
            &["DeregisterCriticalServiceAfter", "deregister_critical_service_after"],
            &["deregister_critical_service_after", "deregistercriticalserviceafter"],
        )?);
        self.success_before_passing =
            f.named(&["SuccessBeforePassing"], &["success_before_passing"])?;
        self.failures_before_warning =
            f.named(&["FailuresBeforeWarning"], &["failures_before_warning"])?;
        self.failures_before_critical =
            f.named(&["FailuresBeforeCritical"], &["failures_before_critical"])?;
        self.output_max_size = f.named(&["OutputMaxSize"], &["output_max_size"])?;
        Ok(())
    }

    /// Whether it can be run.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn validate(&self) -> Result<(), CheckError> {
        let zero = GoDuration::default();
        let runs = !self.script_args.is_empty()
            || [&self.http, &self.tcp, &self.udp, &self.grpc, &self.h2ping, &self.os_service]
                .iter()
                .any(|target| !target.is_empty());
        let alias = self.is_alias();
        if self.interval > zero && self.ttl > zero {
            return Err(CheckError::IntervalAndTtl);
        }
        if runs && self.interval <= zero {
            return Err(CheckError::NoInterval);
        }
        if runs && alias {
            return Err(CheckError::AliasInterval);
        }
        if alias && self.ttl > zero {
            return Err(CheckError::AliasTtl);
        }
        if !runs && !alias && self.ttl <= zero {
            return Err(CheckError::NoTtl);
        }
        if self.output_max_size < 0 {
            return Err(CheckError::OutputMaxSize);
        }
        if self.failures_before_warning > self.failures_before_critical {
            return Err(CheckError::Failures);
        }
        Ok(())
    }

    /// Everything that it says, as Go's program prints a record, but for what may be secret: the
    /// token, and what headers say.
    pub(crate) fn printed(&self, output_max_size: usize) -> String {
        let args = self.script_args.join(" ");
        let headers: Vec<String> =
            self.header.keys().map(|name| format!("{name}:[hidden]")).collect();
        let headers = headers.join(" ");
        let fields: [&dyn std::fmt::Display; 34] = [
            &self.id,
            &self.name,
            &self.notes,
            &self.service_id,
            &"",
            &self.status,
            &format_args!("[{args}]"),
            &self.http,
            &self.h2ping,
            &self.h2ping_use_tls,
            &format_args!("map[{headers}]"),
            &self.method,
            &self.body,
            &self.disable_redirects,
            &self.tcp,
            &self.tcp_use_tls,
            &self.udp,
            &self.interval,
            &self.docker_container_id,
            &self.shell,
            &self.grpc,
            &self.grpc_use_tls,
            &self.os_service,
            &self.tls_server_name,
            &self.tls_skip_verify,
            &self.alias_node,
            &self.alias_service,
            &self.timeout,
            &self.ttl,
            &self.success_before_passing,
            &self.failures_before_warning,
            &self.failures_before_critical,
            &self.deregister_critical_service_after,
            &output_max_size,
        ];
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        format!("&{{{} {{}}}}", fields.join(" "))
    }

    pub(crate) fn status_valid(&self) -> bool {
        self.status.is_empty() || Status::parse(&self.status).is_some()
    }

    /// Whether it goes by the checks of something else.
    #[must_use]
    pub fn is_alias(&self) -> bool {
        !self.alias_node.is_empty() || !self.alias_service.is_empty()
    }

    /// Whether it starts a program.
    #[must_use]
    pub fn is_script(&self) -> bool {
        !self.script_args.is_empty()
    }

    fn is_docker(&self) -> bool {
        self.is_script() && !self.docker_container_id.is_empty()
    }

    /// How it finds out; of several targets the first that counts.
    #[must_use]
    pub fn kind(&self) -> CheckKind {
        if self.ttl > GoDuration::default() {
            CheckKind::Ttl
        } else if !self.http.is_empty() {
            CheckKind::Http
        } else if !self.tcp.is_empty() {
            CheckKind::Tcp
        } else if !self.udp.is_empty() {
            CheckKind::Udp
        } else if !self.grpc.is_empty() {
            CheckKind::Grpc
        } else if self.is_docker() {
            CheckKind::Docker
        } else if !self.os_service.is_empty() {
            CheckKind::OsService
        } else if self.is_script() {
            CheckKind::Script
        } else if !self.h2ping.is_empty() {
            CheckKind::H2Ping
        } else {
            CheckKind::Alias
        }
    }

    /// From the end of a run to the next one: what was given, but a second at least.
    #[must_use]
    pub fn run_interval(&self) -> Duration {
        self.interval.saturating_std().max(RUN_INTERVAL_MIN)
    }

    /// How long a run may take: what was given, else 30 s for programs and services of the
    /// operating system, 10 s for everything else.
    #[must_use]
    pub fn run_timeout(&self) -> Duration {
        let given = self.timeout.saturating_std();
        let slow =
            matches!(self.kind(), CheckKind::Script | CheckKind::Docker | CheckKind::OsService);
        match (given.is_zero(), slow) {
            (false, _) => given,
            (true, true) => Duration::from_secs(30),
            (true, false) => Duration::from_secs(10),
        }
    }

    /// The word for it in the catalogue; of several targets another one may come first than in
    /// [`CheckDefinition::kind`], as recorded.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        let words = [
            (!self.grpc.is_empty(), "grpc"),
            (!self.http.is_empty(), "http"),
            (self.ttl > GoDuration::default(), "ttl"),
            (!self.tcp.is_empty(), "tcp"),
            (!self.udp.is_empty(), "udp"),
            (self.is_alias(), "alias"),
            (self.is_docker(), "docker"),
            (self.is_script(), "script"),
            (!self.h2ping.is_empty(), "h2ping"),
            (!self.os_service.is_empty(), "os_service"),
        ];
        words.into_iter().find(|(given, _)| *given).map_or("", |(_, word)| word)
    }

    /// The row of a check of its own; its service's name and tags are not known here.
    pub(crate) fn row(&self) -> Check {
        let id = if self.id.is_empty() { &self.name } else { &self.id };
        Check {
            id: CheckId::from(id.as_str()),
            service_id: ServiceId::from(self.service_id.as_str()),
            interval: self.interval.to_string().into(),
            timeout: self.timeout.to_string().into(),
            ..self.row_within(CheckId::default())
        }
    }

    /// The row of a check within a service. An interval that was not given is not shown.
    pub(crate) fn row_within(&self, id: CheckId) -> Check {
        let shown = |duration: GoDuration| match duration.as_nanoseconds() {
            0 => Box::default(),
            _ => duration.to_string().into(),
        };
        let status = if self.status.is_empty() { catalog::CRITICAL } else { &self.status };
        Check {
            id,
            name: self.name.as_str().into(),
            status: status.into(),
            notes: self.notes.as_str().into(),
            kind: self.type_name().into(),
            interval: shown(self.interval),
            timeout: shown(self.timeout),
            ..Check::default()
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Alone,
    Service,
}
