//! The own tags: on disk first, then announced; one change after another.

use std::collections::VecDeque;

use bytes::Bytes;
use gossip::{Time, Token};

use super::{Persisting, Serf, Waiting};
use crate::interface::{Error, Output, Persist, PersistId, TagChange, Tags};
use crate::limits;

/// Changes of the own tags. Each is made to what those before it have left, and only one at a time
/// is on its way to disk, so that the file ends with what is announced last.
#[derive(Debug, Default)]
pub(super) struct TagTasks {
    pub(super) waiting: VecDeque<TagTask>,
    /// On its way to disk.
    writing: Option<(Token, Tags)>,
}

#[derive(Debug)]
pub(super) struct TagTask {
    caller: Token,
    change: TagChange,
    persist: bool,
}

/// The meta that carries `tags`: protocol 2 knows nothing but the role.
pub(super) fn encode(protocol: u8, tags: &Tags) -> Bytes {
    if protocol < 3 {
        return wire::message::encode_role(tags.get("role").map_or("", String::as_str));
    }
    wire::message::encode_tags(tags)
}

impl TagChange {
    /// The tags that come of it.
    fn applied_to(self, present: &Tags) -> Tags {
        match self {
            TagChange::Replace(tags) => tags,
            TagChange::Edit { delete, set } => {
                let mut tags = present.clone();
                delete.iter().for_each(|name| drop(tags.remove(name)));
                tags.extend(set);
                tags
            }
        }
    }
}

impl Serf {
    pub(super) fn set_tags(&mut self, now: Time, caller: Token, change: TagChange, persist: bool) {
        if self.tag_tasks.waiting.len() >= limits::TAG_CHANGES {
            return self.failed(caller, Error::TooManyTagChanges);
        }
        self.tag_tasks.waiting.push_back(TagTask { caller, change, persist });
        self.next_tag_task(now);
    }

    fn next_tag_task(&mut self, now: Time) {
        while self.tag_tasks.writing.is_none()
            && let Some(TagTask { caller, change, persist }) = self.tag_tasks.waiting.pop_front()
        {
            let tags = change.applied_to(&self.config.tags);
            // Before they are on disk: the reference writes tags that it then refuses, and does
            // not start with them.
            if encode(self.config.protocol, &tags).len() > limits::META_BYTES {
                self.failed(caller, Error::TagsTooBig);
            } else if persist {
                let id = PersistId(self.next_id());
                self.persisting.insert(id, Persisting::Tags);
                self.tag_tasks.writing = Some((caller, tags.clone()));
                self.outputs.push_back(Output::Persist { id, what: Persist::Tags(tags) });
            } else {
                self.announce_tags(now, caller, tags);
            }
        }
    }

    pub(super) fn tags_persisted(&mut self, now: Time, result: Result<(), String>) {
        if let Some((caller, tags)) = self.tag_tasks.writing.take() {
            match result {
                Ok(()) => self.announce_tags(now, caller, tags),
                Err(why) => self.failed(caller, Error::Persist(why)),
            }
        }
        self.next_tag_task(now);
    }

    fn announce_tags(&mut self, now: Time, caller: Token, tags: Tags) {
        let meta = encode(self.config.protocol, &tags);
        self.config.tags = tags;
        let timeout = self.config.broadcast_timeout;
        let command = gossip::Command::UpdateMeta { meta, timeout };
        self.ask_gossip(now, Waiting::TagsAnnounced(caller), command);
    }
}
