//! What an endpoint is: the row of a table that makes the router, the answer 405 and the metrics.

use catalog::{Command, Response, Snapshot, Uuid};

use crate::answer::{Answer, Failure};
use crate::request::{Method, Request};
use crate::shell::Call;

/// The agent that is asked.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its datacenter.
    pub datacenter: Box<str>,
    /// Its node's name.
    pub node: Box<str>,
    /// Most bytes of a value of a key.
    pub kv_value_max_bytes: usize,
    /// Most bytes of a transaction's body.
    pub txn_max_bytes: usize,
    /// The shortest time to live of a session, in nanoseconds.
    pub session_ttl_min_ns: i64,
    /// Whether coordinates are kept.
    pub coordinates: bool,
}

/// What a handler reads from.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The state.
    pub snapshot: &'a Snapshot,
    /// The agent that is asked.
    pub agent: &'a Agent,
    /// An identity that nobody has, for what is made.
    pub fresh: Uuid,
}

/// What becomes of the answer to a command.
pub type Then = Box<dyn FnOnce(Response) -> Result<Answer, Failure> + Send>;

/// What a request to write comes to.
pub enum Proposal {
    /// To be replicated.
    Command(Command, Then),
    /// Nothing to write.
    Answer(Answer),
}

impl Proposal {
    /// A command that is answered by true or false; `prefix` stands before the text of a refusal.
    pub(crate) fn written(prefix: &'static str, command: Command) -> Self {
        let then = move |response| match response {
            Response::Written(done) => Ok(Answer::truth(done)),
            Response::Refused(error) => Err(Failure::internal(format!("{prefix}{error}"))),
            _ => Ok(Answer::truth(true)),
        };
        Self::Command(command, Box::new(then))
    }
}

/// What answers.
#[derive(Clone, Copy)]
pub enum Handler {
    /// A read of the state.
    Read(fn(&Request, &Reader<'_>) -> Result<Answer, Failure>),
    /// A write of the state.
    Write(fn(&Request, &Reader<'_>) -> Result<Proposal, Failure>),
    /// What only the agent's shell can answer.
    Shell(Call),
    /// A feature that is off or not there: always this status and text.
    Off(u16, &'static str),
}

/// Which headers tell about the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// None.
    None,
    /// Index, leader, last contact, backend.
    Query,
    /// As `Query`, also with a failure, which then shows the index 1 and no leader.
    Deferred,
    /// As `Deferred`, with the consistency that was used.
    Catalog,
    /// As `Query`, with the consistency that was used.
    Health,
}

/// Which of the common parameters are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// None: what concerns the agent alone.
    None,
    /// `index` and `wait` alone.
    Wait,
    /// Consistency alone.
    Consistency,
    /// Consistency, `wait`, `index`, and the datacenter.
    All,
    /// As `All`, but the datacenter is in the body.
    Body,
}

/// What becomes of `ns` and `partition`, which are another edition's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enterprise {
    /// Both are refused.
    Refuse,
    /// `ns` is taken, `partition` is refused.
    AllowNamespace,
    /// Neither is looked at.
    Ignore,
}

/// One path and what answers there.
pub struct Endpoint {
    /// The path; with a slash at its end, everything under it.
    pub path: &'static str,
    /// What answers to which method, in the order in which `Allow` names them.
    pub handlers: &'static [(Method, Handler)],
    /// Which headers an answer has.
    pub meta: Meta,
    /// Which parameters count.
    pub parameters: Parameters,
    /// Another edition's parameters.
    pub enterprise: Enterprise,
    /// Whether `?cached` is known: the answer says that it was not.
    pub cached: bool,
}

impl Endpoint {
    /// The methods for `Allow`.
    #[must_use]
    pub fn allow(&self) -> String {
        let mut methods = String::from("OPTIONS");
        for (method, _) in self.handlers {
            methods.push(',');
            methods.push_str(method.as_str());
        }
        methods
    }

    /// What answers to a method.
    #[must_use]
    pub fn handler(&self, method: Method) -> Option<Handler> {
        self.handlers.iter().find(|(known, _)| *known == method).map(|(_, handler)| *handler)
    }
}
