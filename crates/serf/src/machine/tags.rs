//! The own tags: on disk first, then announced.

use bytes::Bytes;
use gossip::{Time, Token};

use super::{Persisting, Serf, Waiting};
use crate::interface::{Error, Output, Persist, PersistId, Tags};
use crate::limits;

/// New tags on their way to disk.
#[derive(Debug)]
pub(super) struct TagsTask {
    caller: Token,
    tags: Tags,
}

/// The meta that carries `tags`: protocol 2 knows nothing but the role.
pub(super) fn encode(protocol: u8, tags: &Tags) -> Bytes {
    if protocol < 3 {
        return wire::message::encode_role(tags.get("role").map_or("", String::as_str));
    }
    wire::message::encode_tags(tags)
}

impl Serf {
    pub(super) fn set_tags(&mut self, now: Time, caller: Token, tags: Tags, persist: bool) {
        // Before they are on disk: the reference writes tags that it then refuses, and does not
        // start with them.
        if encode(self.config.protocol, &tags).len() > limits::META_BYTES {
            return self.failed(caller, Error::TagsTooBig);
        }
        if !persist {
            return self.announce_tags(now, caller, tags);
        }
        let id = PersistId(self.next_id());
        let what = Persist::Tags(tags.clone());
        self.persisting.insert(id, Persisting::Tags(TagsTask { caller, tags }));
        self.outputs.push_back(Output::Persist { id, what });
    }

    pub(super) fn tags_persisted(&mut self, now: Time, task: TagsTask, result: Result<(), String>) {
        match result {
            Ok(()) => self.announce_tags(now, task.caller, task.tags),
            Err(why) => self.failed(task.caller, Error::Persist(why)),
        }
    }

    fn announce_tags(&mut self, now: Time, caller: Token, tags: Tags) {
        let meta = encode(self.config.protocol, &tags);
        self.config.tags = tags;
        let timeout = self.config.broadcast_timeout;
        let command = gossip::Command::UpdateMeta { meta, timeout };
        self.ask_gossip(now, Waiting::TagsAnnounced(caller), command);
    }
}
