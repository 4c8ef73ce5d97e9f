//! A cluster to play with, on loopback addresses of this machine: `tribune cluster 5`.
//!
//! Every node is a child process with an agent and a small web page of its own. The role `primary`
//! floats among them, and with it one more loopback address. The parent plays the network's part
//! for that address: it relays each connection to the node that announced it last, as a switch
//! would after a gratuitous ARP; so a frozen or killed primary leaves a gap that can be seen.
//!
//! ```text
//!   keyboard, script ──▶ Cluster ──▶ signals, new processes ──▶ node processes
//!        screen      ◀── Watcher ◀── members over RPC       ◀──   agent + page
//!   http://ADDRESS/  ──▶ switch  ──▶ page of the announced node
//! ```

mod cluster;
mod layout;
mod page;
mod script;
mod session;
mod switch;
mod watcher;

pub use layout::{Layout, LayoutError};
pub use page::{end_with_parent, serve as serve_page};
pub use script::{Action, ScriptError, Target, parse as parse_script};
pub use session::{Options, run};
