//! User events. Specification "Gossip wire protocol and behaviour", B8.

use bytes::Bytes;
use gossip::{Priority, Time};
use wire::message::serf::{BufferedEvent, SerfMessage, UserEvent};

use super::Serf;
use crate::history::Verdict;
use crate::interface::{Error, Event, Fact};

impl Serf {
    pub(super) fn send_user_event(
        &mut self,
        now: Time,
        name: String,
        payload: Option<Bytes>,
        coalesce: bool,
    ) -> Result<(), Error> {
        let limit = self.config.user_event_size_limit;
        if name.len() + payload.as_ref().map_or(0, Bytes::len) > limit {
            return Err(Error::EventTooBig(limit));
        }
        let lamport_time = self.clocks.event.time();
        let event = UserEvent { lamport_time, name, payload, coalesce };
        let message = Bytes::from(SerfMessage::UserEvent(event.clone()).encode());
        if message.len() > limit {
            return Err(Error::EncodedEventTooBig(limit));
        }
        self.clocks.event.stamp();
        self.take_user_event(now, event).map_err(Error::Dropped)?;
        self.pass_on(now, Priority::Event, message);
        Ok(())
    }

    /// Returns whether the event is fresh, to be passed on.
    pub(super) fn on_user_event(&mut self, now: Time, event: UserEvent) -> bool {
        if !self.clocks.event.witness(event.lamport_time) {
            self.dropped_as_absurd(event.lamport_time);
            return false;
        }
        self.take_user_event(now, event).is_ok()
    }

    /// Delivers a fresh event; otherwise the error says why not.
    fn take_user_event(&mut self, now: Time, event: UserEvent) -> Result<(), &'static str> {
        let buffered = BufferedEvent { name: event.name, payload: event.payload };
        match self.events.see(event.lamport_time, &buffered, self.clocks.event.time()) {
            Verdict::Fresh => {}
            Verdict::Old => return Err("its time has passed"),
            Verdict::Repeated => return Err("it was seen before"),
            Verdict::Crowded => {
                let why = "the event buffer is full";
                self.dropped(why.to_owned());
                return Err(why);
            }
        }
        let BufferedEvent { name, payload } = buffered;
        self.fact(Fact::UserEvent { name: name.clone() });
        let (lamport_time, coalesce) = (event.lamport_time, event.coalesce);
        self.emit_user(now, Event::User { lamport_time, name, payload, coalesce });
        Ok(())
    }
}
