//! A warning for who takes out of the catalogue what an agent will put back.

use agent::log::Level;
use catalog::Command;

use crate::http::Site;

/// The header of an answer that warns (RFC 7234, section 5.5).
const WARNING: &str = "Warning";

/// The header that names this agent, if a command takes something out of the catalogue that it
/// owns; the log is told, too.
pub(crate) async fn warning(site: &Site, command: &Command) -> Option<(&'static str, String)> {
    let Command::Deregister { node, service, check } = command else { return None };
    let own = &*site.shell.identity.node;
    if node.fold() != catalog::NodeName::from(own).fold() {
        return None;
    }
    let (what, id, call) = match (service.is_empty(), check.is_empty()) {
        (true, true) => ("node", own, "leave"),
        (false, _) => ("service", service.as_str(), "service/deregister"),
        (true, false) => ("check", check.as_str(), "check/deregister"),
    };
    let (wanted, wanted_check) = (service.clone(), check.clone());
    let is_owned =
        move |local: &mut local::Local, _| match (wanted.is_empty(), wanted_check.is_empty()) {
            (true, true) => true,
            (false, _) => local.service(&wanted).is_some(),
            (true, false) => local.check(&wanted_check).is_some(),
        };
    if !site.shell.keeper.look(is_owned).await? {
        return None;
    }
    let fields = [(what, id.to_owned().into()), ("agent", own.to_owned().into())];
    let text = "The catalog was told to forget what this agent owns and will register again";
    site.shell.log.entry(Level::Warn, "agent", text, fields);
    let text = format!(
        "agent {own} owns this {what} and will register it again, ask it: /v1/agent/{call}"
    );
    let text: String = text.chars().flat_map(quotable).collect();
    Some((WARNING, format!("299 - \"{text}\"")))
}

/// A character within quotes: of ASCII, and on one line.
fn quotable(character: char) -> Vec<char> {
    match character {
        '"' | '\\' => vec!['\\', character],
        ' '..='~' => vec![character],
        other => other.escape_default().filter(|escaped| *escaped != '\\').collect(),
    }
}
