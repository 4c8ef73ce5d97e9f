//! A listener answers at once, with its state from before the merge.

use std::collections::BTreeMap;

use gossip::ConnectionId;
use wire::message::gossip::{State, StreamMessage};
use wire::{Incarnation, NodeName};

use super::{Checker, Verdict, who};
use crate::action::Deeds;
use crate::host::HostId;
use crate::observation::{Observation, What};
use crate::world::World;

/// What a host was asked in the step that is going on, and what of it was news.
#[derive(Debug, Default)]
pub(super) struct Exchanges(BTreeMap<HostId, (ConnectionId, Vec<(NodeName, Incarnation)>)>);

impl Checker for Exchanges {
    fn name(&self) -> &'static str {
        "a listener answers at once, with its state from before the merge"
    }

    fn see(&mut self, world: &World, _deeds: &Deeds, seen: &Observation) -> Verdict {
        match &seen.what {
            What::Asked { connection, news, .. } => {
                self.0.insert(seen.host, (*connection, news.clone()));
            }
            What::Replied { connection, message } => {
                let Some((asked, news)) = self.0.get(&seen.host) else { return Ok(()) };
                if asked != connection {
                    return Ok(());
                }
                if let Some(StreamMessage::PushPull(state)) = message {
                    let living = state.nodes.iter().filter(|e| e.state == State::Alive);
                    let mut entries = living.map(|e| (NodeName::from(e.name), e.incarnation));
                    if let Some((name, _)) = entries.find(|entry| news.contains(entry)) {
                        let who = who(world, seen.host);
                        return Err(format!("{who} answers with {name}, which it was just told"));
                    }
                }
                self.0.remove(&seen.host);
            }
            What::Handled if self.0.remove(&seen.host).is_some() => {
                return Err(format!("{} did not answer a stream", who(world, seen.host)));
            }
            What::Ended => {
                self.0.remove(&seen.host);
            }
            _ => {}
        }
        Ok(())
    }
}
