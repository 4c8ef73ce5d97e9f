//! A warning for who takes out of the catalogue what an agent will put back.

use agent::log::Level;
use catalog::{CheckId, Command, NodeName, RowVerb, ServiceId, TxnOp};

use crate::http::Site;

/// The header of an answer that warns (RFC 7234, section 5.5).
const WARNING: &str = "Warning";
const NODE: &str = "node";
const SERVICE: &str = "service";
const CHECK: &str = "check";

/// What the agent owns and a write takes out of the catalogue: the kind of thing, its ID, and the
/// call that this agent is to be asked by.
type Removal = (&'static str, String, &'static str);

/// What a command takes out of the catalogue that this agent owns.
pub(crate) async fn owned(site: &Site, command: &Command) -> Vec<Removal> {
    let removals = removals(command, &site.shell.identity.node);
    if removals.is_empty() {
        return removals;
    }
    let is_owned = move |local: &mut local::Local, _| {
        let owns = |(what, id, _): &Removal| match *what {
            SERVICE => local.service(&id.as_str().into()).is_some(),
            CHECK => local.check(&id.as_str().into()).is_some(),
            _ => true,
        };
        removals.into_iter().filter(owns).collect()
    };
    site.shell.keeper.look(is_owned).await.unwrap_or_default()
}

/// What a command takes from a node.
fn removals(command: &Command, own: &str) -> Vec<Removal> {
    let here = |node: &NodeName| node.fold() == NodeName::from(own).fold();
    let node = || (NODE, own.to_owned(), "leave");
    let service = |id: &ServiceId| (SERVICE, id.as_str().to_owned(), "service/deregister");
    let check = |id: &CheckId| (CHECK, id.as_str().to_owned(), "check/deregister");
    match command {
        Command::Deregister { node: from, service: gone, check: row } if here(from) => {
            vec![match (gone.is_empty(), row.is_empty()) {
                (true, true) => node(),
                (false, _) => service(gone),
                (true, false) => check(row),
            }]
        }
        Command::Txn(ops) => {
            let removal = |op: &TxnOp| match op {
                TxnOp::Node(verb, row) if removes(verb) && here(&row.name) => Some(node()),
                TxnOp::Service(verb, row) if removes(verb) && here(&row.node) => {
                    Some(service(&row.id))
                }
                TxnOp::Check(verb, row) if removes(verb) && here(&row.node) => Some(check(&row.id)),
                _ => None,
            };
            ops.iter().filter_map(removal).collect()
        }
        _ => Vec::new(),
    }
}

fn removes(verb: &RowVerb) -> bool {
    matches!(verb, RowVerb::Delete | RowVerb::DeleteCas)
}

/// Tells the log what was taken out; the header that names this agent and the first of it.
pub(crate) fn warn(site: &Site, owned: Vec<Removal>) -> Option<(&'static str, String)> {
    let own = &*site.shell.identity.node;
    let mut header = None;
    for (what, id, call) in owned {
        let text = "The catalog was told to forget what this agent owns and will register again";
        let fields = [(what, id.into()), ("agent", own.to_owned().into())];
        site.shell.log.entry(Level::Warn, "agent", text, fields);
        header.get_or_insert_with(|| {
            let text = format!(
                "agent {own} owns this {what} and will register it again, ask it: /v1/agent/{call}"
            );
            let text: String = text.chars().flat_map(quotable).collect();
            (WARNING, format!("299 - \"{text}\""))
        });
    }
    header
}

/// A character within quotes: of ASCII, and on one line.
fn quotable(character: char) -> Vec<char> {
    match character {
        '"' | '\\' => vec!['\\', character],
        ' '..='~' => vec![character],
        other => other.escape_default().filter(|escaped| *escaped != '\\').collect(),
    }
}
