//! Consul's API without HTTP: what can be asked, and what is answered.
//!
//! ```text
//!   path, method ──find──▶ Endpoint ──▶ Handler::Read(request, snapshot)  ──▶ Answer
//!                              │        Handler::Write(request, snapshot) ──▶ Command, then Answer
//!                              │        Handler::Shell(call)              ──▶ the agent's own
//!                              └──▶ 404, 405, Allow, headers, parameters, metrics
//! ```
//!
//! Handlers read a [`Snapshot`](::catalog::Snapshot) and know no HTTP: an [`Answer`] says of which
//! rows it was made and which index they have, so that whoever carries it can wait for a change.
//! Bodies are the bytes that Consul writes: names, order, what is left out, and how Go escapes
//! texts.
//!
//! Specification "HTTP API".
//!
//! ```
//! let row = api::find("/v1/kv/app/name").unwrap();
//! assert_eq!((row.endpoint.allow().as_str(), row.tail), ("OPTIONS,GET,PUT,DELETE", 8));
//! assert!(api::find("/v1/nope").is_none());
//! ```

mod answer;
mod catalog;
mod consistency;
mod coordinate;
mod endpoint;
mod extent;
mod health;
pub mod json;
mod kv;
mod later;
mod local;
mod near;
mod operator;
mod query;
mod register;
mod request;
mod restored;
mod rows;
mod select;
pub mod session;
mod shell;
mod table;
mod txn;

pub use answer::{Answer, Body, Failure};
pub use consistency::Consistency;
pub use endpoint::{
    Agent, Endpoint, Enterprise, Handler, Meta, Parameters, Proposal, Reader, Then,
};
pub use extent::is_long;
pub use health::streams;
pub use local::{AgentCheck, AgentHealth, AgentService};
pub use query::QueryUse;
pub use request::{Method, Query, Request, percent_decode};
pub use restored::{Restored, restored};
pub use select::{CheckView, ServiceView};
pub use shell::Call;
pub use table::{ENDPOINTS, Found, find};
