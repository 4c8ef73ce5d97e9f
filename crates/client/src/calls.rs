//! The commands, one method each.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::rpc::{
    Coordinate, CoordinateReply, EventRequest, Evidence, EvidenceReply, JoinReply, KeyReport,
    Member, MembersFilter, MembersReply, QueryRequest, Request, Stats,
};

use crate::{Client, Error, Kind, Subscription};

impl Client {
    /// All members that the agent knows, those that left or failed included.
    pub fn members(&mut self) -> Result<Vec<Member>, Error> {
        Ok(self.call_for::<MembersReply>(&Request::Members)?.members)
    }

    /// The members that match. The agent puts `^` before and `$` behind each pattern.
    pub fn members_filtered(&mut self, filter: MembersFilter) -> Result<Vec<Member>, Error> {
        Ok(self.call_for::<MembersReply>(&Request::MembersFiltered(filter))?.members)
    }

    /// Sends a user event; it is on its way when this returns.
    pub fn event(&mut self, event: EventRequest) -> Result<(), Error> {
        self.call(&Request::Event(event))
    }

    /// Declares that a member has left, or with `prune` erases it. Members that are not known,
    /// and members that are alive, are no error.
    pub fn force_leave(&mut self, node: &str, prune: bool) -> Result<(), Error> {
        self.call(&Request::ForceLeave { node: node.to_owned(), prune })
    }

    /// Joins by addresses; returns how many answered. With `replay` the agent also delivers the
    /// events that the cluster remembers from before.
    pub fn join(&mut self, addresses: &[String], replay: bool) -> Result<i64, Error> {
        let request = Request::Join { existing: addresses.to_vec(), replay };
        Ok(self.call_for::<JoinReply>(&request)?.contacted)
    }

    /// Deletes tags of the agent, then sets others.
    pub fn tags(
        &mut self,
        tags: BTreeMap<String, String>,
        delete: Vec<String>,
    ) -> Result<(), Error> {
        self.call(&Request::Tags { tags, delete })
    }

    /// Makes the agent leave the cluster; returns when it has left. It shuts down after that.
    pub fn leave(&mut self) -> Result<(), Error> {
        self.call(&Request::Leave)
    }

    /// Adds a key, in base64, to every keyring.
    pub fn install_key(&mut self, key: &str) -> Result<KeyReport, Error> {
        self.call_for_keys(&Request::InstallKey { key: key.to_owned() })
    }

    /// Makes a key, in base64, the one that seals.
    pub fn use_key(&mut self, key: &str) -> Result<KeyReport, Error> {
        self.call_for_keys(&Request::UseKey { key: key.to_owned() })
    }

    /// Takes a key, in base64, out of every keyring.
    pub fn remove_key(&mut self, key: &str) -> Result<KeyReport, Error> {
        self.call_for_keys(&Request::RemoveKey { key: key.to_owned() })
    }

    /// The keys in all keyrings.
    pub fn list_keys(&mut self) -> Result<KeyReport, Error> {
        self.call_for_keys(&Request::ListKeys)
    }

    fn call_for_keys(&mut self, request: &Request) -> Result<KeyReport, Error> {
        let (report, reason): (KeyReport, String) = self.call_for_both(request)?;
        if reason.is_empty() {
            return Ok(report);
        }
        Err(Error::Keys { reason, report: Box::new(report) })
    }

    /// What the agent tells about itself.
    pub fn stats(&mut self) -> Result<Stats, Error> {
        self.call_for(&Request::Stats)
    }

    /// A member's network coordinate, if the agent knows one.
    pub fn coordinate(&mut self, node: &str) -> Result<Option<Coordinate>, Error> {
        let request = Request::GetCoordinate { node: node.to_owned() };
        let reply: CoordinateReply = self.call_for(&request)?;
        Ok(reply.known.then_some(reply.coordinate))
    }

    /// Subscribes to events. The filter is that of event handlers, `*` for everything; with
    /// Tribune's agents it may also be `evidence`, which `*` does not include.
    pub fn stream(&mut self, filter: &str) -> Result<Subscription, Error> {
        self.subscribe(&Request::Stream { filter: filter.to_owned() }, Kind::Event)
    }

    /// Subscribes to the log, from this level up; the lines that the agent remembers come first.
    pub fn monitor(&mut self, log_level: &str) -> Result<Subscription, Error> {
        self.subscribe(&Request::Monitor { log_level: log_level.to_owned() }, Kind::Log)
    }

    /// Sends a query. Its answers are records, the last one when the time is up.
    pub fn query(&mut self, query: QueryRequest) -> Result<Subscription, Error> {
        self.subscribe(&Request::Query(query), Kind::Query)
    }

    /// Answers a query that a stream of this connection has brought.
    pub fn respond(&mut self, id: u64, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.call(&Request::Respond { id, payload: Some(payload.into()) })
    }

    /// Ends a subscription; records that were under way may still come.
    pub fn stop(&mut self, subscription: Subscription) -> Result<(), Error> {
        self.call(&Request::Stop { sequence: subscription.0 })
    }

    /// Who accused whom of having failed, the oldest first; about one member, or about all if
    /// the name is empty. Only Tribune's agents know it: others fail with
    /// [`Error::Unsupported`] and close the connection.
    pub fn evidence(&mut self, node: &str) -> Result<Vec<Evidence>, Error> {
        let request = Request::Evidence { node: node.to_owned() };
        Ok(self.call_for::<EvidenceReply>(&request)?.evidence)
    }
}
