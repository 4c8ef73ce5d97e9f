//! Queries that the machine answers itself. Specification "Gossip wire protocol and behaviour",
//! B10.

use bytes::Bytes;
use gossip::Time;
use wire::message::serf::{MemberRecord, SerfMessage};

use super::Serf;
use super::keys::KeyVerb;
use super::queries::RESERVED_PREFIX;
use crate::interface::{Error, Fact, Member, MemberStatus, QueryId};

impl Serf {
    /// `name` is without its prefix.
    pub(super) fn answer_internal(
        &mut self,
        now: Time,
        id: QueryId,
        name: &str,
        payload: Option<&[u8]>,
    ) {
        match name {
            // The acknowledgement was the answer.
            "ping" => {}
            "conflict" => self.cast_vote(now, id, payload.unwrap_or_default()),
            "install-key" => self.take_key_task(now, id, KeyVerb::Install, payload),
            "use-key" => self.take_key_task(now, id, KeyVerb::Use, payload),
            "remove-key" => self.take_key_task(now, id, KeyVerb::Remove, payload),
            "list-keys" => self.list_keys(now, id),
            _ => self.internal_failed(name, "there is no such query".to_owned()),
        }
    }

    /// Says where the member of a name is; those that bear it do not vote.
    fn cast_vote(&mut self, now: Time, id: QueryId, payload: &[u8]) {
        let name = String::from_utf8_lossy(payload);
        if name == self.name.as_str() {
            return;
        }
        let record = self.member(&name).map(record);
        let message = SerfMessage::ConflictResponse(record).encode().into();
        self.respond_internal(now, id, "conflict", message);
    }

    pub(super) fn respond_internal(&mut self, now: Time, id: QueryId, name: &str, message: Bytes) {
        match self.respond(now, id, message) {
            // The keyring was long on its way to disk, or the asker in no hurry to hear.
            Ok(()) | Err(Error::PastDeadline) => {}
            Err(error) => self.internal_failed(name, error.to_string()),
        }
    }

    pub(super) fn internal_failed(&mut self, name: &str, why: String) {
        self.fact(Fact::InternalQueryFailed { name: format!("{RESERVED_PREFIX}{name}"), why });
    }
}

fn record(member: &Member) -> MemberRecord {
    MemberRecord {
        name: member.name.clone(),
        address: member.address,
        port: member.port,
        tags: (*member.tags).clone(),
        status: match member.status {
            MemberStatus::None => 0,
            MemberStatus::Alive => 1,
            MemberStatus::Leaving => 2,
            MemberStatus::Left => 3,
            MemberStatus::Failed => 4,
        },
        versions: member.versions,
    }
}
