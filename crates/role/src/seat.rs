//! A participant's seat: the machine, with what everybody who drives it does alike.

use std::net::SocketAddr;

use serf::{Member, MemberStatus, Tags, Time};
use wire::NodeName;

use crate::claim::Record;
use crate::machine::{Config, Input, Output, RoleMachine};

/// What the visible tag is called and says: for people, scripts and filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The role's name, and the value of the visible tag at the holder.
    pub role: String,
    /// The visible tag.
    pub tag: String,
    /// Its value at all others.
    pub standby: String,
}

impl Words {
    /// Puts both tags of a participant among its others.
    pub fn put(&self, record: Record, holding: bool, tags: &mut Tags) {
        tags.insert(Record::tag(&self.role), record.to_string());
        tags.insert(self.tag.clone(), self.visible(holding).to_owned());
    }

    fn are_put(&self, record: Record, holding: bool, tags: &Tags) -> bool {
        tags.get(&Record::tag(&self.role)).is_some_and(|tag| *tag == record.to_string())
            && tags.get(&self.tag).is_some_and(|tag| tag == self.visible(holding))
    }

    fn visible(&self, holding: bool) -> &str {
        if holding { &self.role } else { &self.standby }
    }
}

/// Members that are asked for the state of things after a pause.
const REFRESH_MEMBERS: usize = 3;

/// The machine of one participant. Its driver feeds it through here.
#[derive(Debug)]
pub struct Seat {
    machine: RoleMachine,
    words: Words,
    node: NodeName,
    /// What the machine wants the own tags to say.
    shown: Option<(Record, bool)>,
}

impl Seat {
    /// As [`RoleMachine::new`].
    pub fn new(config: Config, words: Words, healthy: bool, now: Time) -> Self {
        let node = config.node.clone();
        Seat { machine: RoleMachine::new(config, healthy, now), words, node, shown: None }
    }

    /// The machine.
    pub fn machine(&self) -> &RoleMachine {
        &self.machine
    }

    /// Tells the machine something other than the members.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        self.machine.handle(now, input);
    }

    /// Tells the machine the members. True if the own tags do not say what the machine wants: the
    /// driver is to set them again.
    pub fn look(&mut self, now: Time, members: &[Member]) -> bool {
        self.machine.handle(now, Input::Members(members));
        let own = members.iter().find(|member| member.name == self.node);
        let (Some((record, holding)), Some(own)) = (self.shown, own) else { return false };
        own.status == MemberStatus::Alive && !self.words.are_put(record, holding, &own.tags)
    }

    /// What to do next; None when everything was taken. At [`Output::Announce`] the driver sets
    /// the own tags.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.machine.poll_output();
        if let Some(Output::Announce { record, holding }) = &output {
            self.shown = Some((*record, *holding));
        }
        output
    }

    /// What the machine wants the own tags to say, beside all others; None before its first word.
    pub fn tags(&self) -> Option<Tags> {
        let (record, holding) = self.shown?;
        let mut tags = Tags::new();
        self.words.put(record, holding, &mut tags);
        Some(tags)
    }

    /// With whom to exchange states for [`Output::Refresh`]: a few members that are up.
    pub fn to_refresh(node: &NodeName, members: &[Member]) -> Vec<SocketAddr> {
        let up = |member: &&Member| member.status == MemberStatus::Alive && member.name != *node;
        members.iter().filter(up).take(REFRESH_MEMBERS).filter_map(Member::socket_address).collect()
    }

    /// With whom to exchange states for [`Output::Reach`].
    pub fn to_reach(nodes: &[NodeName], members: &[Member]) -> Vec<SocketAddr> {
        let named = members.iter().filter(|member| nodes.contains(&member.name));
        named.filter_map(Member::socket_address).collect()
    }
}
