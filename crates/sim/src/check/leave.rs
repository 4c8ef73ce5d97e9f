//! A departure is a leave only after an intent; else it is a failure, whatever the layer below
//! calls it.

use std::collections::{BTreeMap, BTreeSet};

use serf::{Fact, MemberEventKind, MessageKind};
use wire::NodeName;
use wire::message::gossip::StreamMessage;
use wire::message::serf::SerfMessage;

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// Of whose intents to leave every run has heard.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    heard: BTreeSet<(HostId, u32, NodeName)>,
    /// What the exchange lists that the step is about: it counts after the departures in it.
    listed: BTreeMap<HostId, Vec<NodeName>>,
}

impl Checker for Leaves {
    fn name(&self) -> &'static str {
        "a departure is a leave only after an intent"
    }

    fn see(&mut self, world: &World, deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        let Some(run) = host.process().map(|process| process.run) else { return Ok(()) };
        match &seen.what {
            What::Fact(Fact::MessageReceived { kind: MessageKind::Leave, subject, .. }) => {
                self.heard.insert((seen.host, run, subject.as_str().into()));
            }
            What::Asked { message: StreamMessage::PushPull(state), .. }
            | What::Answered { message: StreamMessage::PushPull(state), .. } => {
                if let Ok(SerfMessage::PushPull(state)) = SerfMessage::decode(&state.user_state) {
                    self.listed.entry(seen.host).or_default().extend(state.left_members);
                }
            }
            What::Handled => {
                let listed = self.listed.remove(&seen.host).into_iter().flatten();
                self.heard.extend(listed.map(|name| (seen.host, run, name)));
            }
            What::Fact(Fact::Member {
                kind: MemberEventKind::Leave, forced: false, name, ..
            }) => {
                let heard = self.heard.contains(&(seen.host, run, name.clone()));
                let declared = deeds.declared.contains(&(seen.host, name.clone()));
                if !heard && !declared && *name != host.name {
                    let who = who(world, seen.host);
                    return Err(format!("{who} says that {name} has left, and heard no intent"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
