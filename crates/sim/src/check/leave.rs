//! A departure is a leave only after an intent; else it is a failure, whatever the layer below
//! calls it. Nor is it a failure to those who were told last that it is a leave.

use std::collections::{BTreeMap, BTreeSet};

use serf::{Fact, MemberEventKind, MessageKind, Outcome};
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
    /// Who has left and was not started again since, and which runs were told so.
    gone: BTreeSet<NodeName>,
    told: BTreeSet<(HostId, u32, NodeName)>,
    /// What the exchange lists that the step is about: it counts after the departures in it.
    listed: BTreeMap<HostId, Vec<NodeName>>,
}

impl Checker for Leaves {
    fn name(&self) -> &'static str {
        "a departure is a leave only after an intent"
    }

    fn see(&mut self, world: &World, deeds: &Deeds, seen: &Observation) -> Verdict {
        let host = world.host(seen.host);
        match &seen.what {
            // Only a leave ends the process with its own outcome.
            What::Done(_, Outcome::Ok) if host.process().is_none() => {
                self.gone.insert(host.name.clone());
            }
            What::Began => {
                self.gone.remove(&host.name);
                self.told.retain(|(_, _, name)| *name != host.name);
            }
            _ => {}
        }
        let Some(run) = host.process().map(|process| process.run) else { return Ok(()) };
        match &seen.what {
            What::Fact(Fact::MessageReceived { kind: MessageKind::Leave, subject, .. }) => {
                self.heard.insert((seen.host, run, subject.as_str().into()));
            }
            What::Asked { message: StreamMessage::PushPull(state), .. }
            | What::Answered { message: StreamMessage::PushPull(state), .. } => {
                if let Ok(SerfMessage::PushPull(state)) = SerfMessage::decode(&state.user_state) {
                    // Who knows a time of it and does not list it takes it for one that is back.
                    let here = |told: &&(HostId, u32, NodeName)| {
                        let (host, _, name) = *told;
                        *host == seen.host && !state.left_members.contains(name)
                    };
                    let back = |told: &&(HostId, u32, NodeName)| {
                        state.status_lamport_times.get(told.2.as_str()).is_some()
                    };
                    let back: Vec<_> =
                        self.told.iter().filter(here).filter(back).cloned().collect();
                    back.iter().for_each(|told| drop(self.told.remove(told)));
                    self.listed.entry(seen.host).or_default().extend(state.left_members);
                }
            }
            What::Handled => {
                let listed = self.listed.remove(&seen.host).unwrap_or_default();
                let gone = listed.iter().filter(|name| self.gone.contains(*name));
                self.told.extend(gone.map(|name| (seen.host, run, name.clone())));
                let listed = listed.into_iter();
                self.heard.extend(listed.map(|name| (seen.host, run, name)));
            }
            // An old view has brought it back; it is told again.
            What::Fact(Fact::Member { kind: MemberEventKind::Join, name, .. }) => {
                self.told.remove(&(seen.host, run, name.clone()));
            }
            What::Fact(Fact::Member { kind: MemberEventKind::Failed, name, .. })
                if self.told.contains(&(seen.host, run, name.clone())) =>
            {
                let who = who(world, seen.host);
                return Err(format!(
                    "{who} says that {name} has failed, and was told of its leave"
                ));
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
