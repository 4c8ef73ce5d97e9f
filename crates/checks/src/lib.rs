//! One run of one health check.
//!
//! [`run`] looks once at one [`Target`] (a script, a URL, a port, a container) and says how it is
//! and what it said, in the words in which Consul's agent says it: operators match on them. A
//! [`Ticker`] says when to look again. ([`tell`] runs a program that is not asked but told
//! something: the handler of a watch.) What a result means (thresholds, the catalogue, checks that
//! report by themselves or mirror others) is not decided here.
//!
//! ```text
//!   Target ─┐            script ── a process group ── bounded output ──┐
//!   Limits ─┼─▶ run ──▶  http, grpc, h2ping ── transport ─┐            ├─▶ Outcome
//!   Environment          tcp, udp ────────────────────────┴─ dial, tls ┤    status, output
//!                        docker ── transport ── local socket ──────────┘
//! ```
//!
//! What is checked is not trusted: it can neither hold a run beyond its timeout, nor make us keep
//! more than the bound of the output (and small constants, in `limits`), whether it floods,
//! trickles, hangs or ignores signals. Everything that a run starts ends with its future, except
//! what runs in a container and a question to the resolver, which nobody lets us end: a script is
//! killed with all that it started in its process group.
//!
//! ```
//! use checks::{Environment, Limits, Status, Target, run};
//! use std::time::Duration;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! let outcome = runtime.block_on(async {
//!     let target = Target::Script { args: vec!["echo".into(), "well".into()] };
//!     let limits = Limits {
//!         timeout: Duration::from_secs(20),
//!         output_max_bytes: Limits::OUTPUT_MAX_BYTES,
//!     };
//!     run(&target, limits, &Environment::default()).await
//! });
//! assert_eq!(outcome.status, Status::Passing);
//! assert_eq!(outcome.output, "well\n");
//! ```

mod capture;
mod dial;
mod docker;
mod environment;
mod grpc;
mod h2ping;
mod http;
mod limits;
mod location;
mod os_service;
mod outcome;
mod platform;
mod script;
mod target;
mod tcp;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod ticker;
mod tls;
mod transport;
mod trust;
mod udp;
mod verifier;

pub use environment::Environment;
pub use limits::Limits;
pub use outcome::{Outcome, Status};
pub use script::{Ended, ScriptError, Told, tell};
pub use target::{HttpTarget, Target, Tls};
pub use ticker::Ticker;
pub use trust::Trust;

/// Looks once at a target. Never fails: what goes wrong is the outcome.
///
/// Needs a tokio runtime with I/O and time. Dropping the future ends the run at once.
pub async fn run(target: &Target, limits: Limits, environment: &Environment) -> Outcome {
    let deadline = limits.deadline();
    match target {
        Target::Script { args } => script::check(args, limits).await,
        Target::Http(target) => {
            http::check(target, limits.output_max_bytes, deadline, environment).await
        }
        Target::Tcp { address, tls } => {
            tcp::check(address, tls.as_ref(), deadline, environment).await
        }
        Target::Udp { address } => udp::check(address, deadline).await,
        Target::Grpc { target, tls } => {
            grpc::check(target, tls.as_ref(), deadline, environment).await
        }
        Target::H2Ping { address, tls } => {
            h2ping::check(address, tls.as_ref(), deadline, environment).await
        }
        Target::Docker { container, args } => {
            docker::check(container, args, limits, environment).await
        }
        Target::OsService { name } => os_service::check(name, limits, environment).await,
    }
}
