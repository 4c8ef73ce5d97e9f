//! HTTP: listeners, connections, and the way of a request through the table of endpoints.
//!
//! ```text
//!   listen ─▶ tls? ─▶ connection (a place of its address) ─▶ route ─▶ parameters ─▶ handler
//!                       │                                      │                      │
//!                      head                                 301, 404                  ▼
//!                                                 block, until it differs ─▶ reply ───┘
//! ```

mod answers;
mod block;
mod body;
mod finished;
mod gzip;
mod head;
mod listen;
mod parameters;
mod path;
mod reply;
mod route;
mod tls;

pub(crate) use answers::Answers;
pub(crate) use block::Wait;
pub(crate) use body::Bodies;
pub(crate) use body::Pieces;
pub(crate) use listen::{Listener, Places, Service, serve};
pub(crate) use parameters::Parameters;
pub(crate) use reply::{ARCHIVE, Reply};
pub(crate) use route::{Manners, Site};
pub(crate) use tls::{Tls, TlsError, check_files as check_tls_files};
