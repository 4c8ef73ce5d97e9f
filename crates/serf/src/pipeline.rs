//! An event's way to the application: the snapshot's record, then the coalescers.
//! Specification "Gossip wire protocol and behaviour", B15 and B16.

use gossip::Time;
use wire::LamportTime;

use crate::coalesce::{MemberCoalescer, UserCoalescer};
use crate::config::Config;
use crate::interface::{Event, Member, MemberEventKind, Output, SnapshotRecord};
use crate::snapshot::SnapshotState;

/// What the snapshot file has been told.
#[derive(Debug)]
struct Recorder {
    clock: LamportTime,
    event_clock: LamportTime,
    query_clock: LamportTime,
    left: bool,
}

/// The stages between the machine and the application.
#[derive(Debug)]
pub(crate) struct Pipeline {
    recorder: Option<Recorder>,
    members: Option<MemberCoalescer>,
    users: Option<UserCoalescer>,
}

impl Pipeline {
    /// Nothing is recorded without a snapshot.
    pub(crate) fn new(config: &Config, snapshot: Option<&SnapshotState>) -> Self {
        Pipeline {
            recorder: snapshot.map(|state| Recorder {
                clock: state.clock,
                event_clock: state.event_clock,
                query_clock: state.query_clock,
                left: false,
            }),
            members: MemberCoalescer::new(config.coalesce_period, config.quiescent_period),
            users: UserCoalescer::new(config.user_coalesce_period, config.user_quiescent_period),
        }
    }

    /// A member event; returns when to flush if it is held.
    pub(crate) fn member(
        &mut self,
        now: Time,
        kind: MemberEventKind,
        member: Member,
        clock: LamportTime,
        out: &mut impl Extend<Output>,
    ) -> Option<Time> {
        if let Some(recorder) = &mut self.recorder {
            out.extend(recorder.member(kind, &member).map(Output::Snapshot));
            out.extend(recorder.clock(clock).map(Output::Snapshot));
        }
        match &mut self.members {
            Some(coalescer) => Some(coalescer.hold(now, kind, member)),
            None => {
                out.extend([Output::Event(Event::Member { kind, members: vec![member] })]);
                None
            }
        }
    }

    /// A user event; returns when to flush if it is held.
    pub(crate) fn user(
        &mut self,
        now: Time,
        event: Event,
        out: &mut impl Extend<Output>,
    ) -> Option<Time> {
        let Event::User { lamport_time, name, coalesce, .. } = &event else {
            out.extend([Output::Event(event)]);
            return None;
        };
        if let Some(recorder) = &mut self.recorder {
            out.extend(recorder.event_clock(*lamport_time).map(Output::Snapshot));
        }
        match &mut self.users {
            Some(coalescer) if *coalesce => {
                let (time, name) = (*lamport_time, name.clone());
                Some(coalescer.hold(now, &name, time, event))
            }
            _ => {
                out.extend([Output::Event(event)]);
                None
            }
        }
    }

    /// A query was taken in, for the application or for us.
    pub(crate) fn query_seen(&mut self, time: LamportTime) -> Option<Output> {
        self.recorder.as_mut()?.query_clock(time).map(Output::Snapshot)
    }

    /// Whether the member clock has moved since it was recorded.
    pub(crate) fn clock_is_due(&self, clock: LamportTime) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| last_used(clock) > recorder.clock)
    }

    /// Records the member clock if it has moved.
    pub(crate) fn record_clock(&mut self, clock: LamportTime) -> Option<Output> {
        self.recorder.as_mut()?.clock(clock).map(Output::Snapshot)
    }

    /// Records our leave; nothing but clocks is recorded after it.
    pub(crate) fn record_leave(&mut self) -> Option<Output> {
        let recorder = self.recorder.as_mut()?;
        recorder.left = true;
        Some(Output::Snapshot(SnapshotRecord::Leave))
    }

    /// The member events held.
    pub(crate) fn flush_members(&mut self) -> Vec<Event> {
        self.members.as_mut().map(MemberCoalescer::flush).unwrap_or_default()
    }

    /// The user events held.
    pub(crate) fn flush_users(&mut self) -> Vec<Event> {
        self.users.as_mut().map(UserCoalescer::flush).unwrap_or_default()
    }
}

/// The last time that a clock has given out or seen.
fn last_used(clock: LamportTime) -> LamportTime {
    LamportTime(clock.0.saturating_sub(1))
}

impl Recorder {
    fn member(&self, kind: MemberEventKind, member: &Member) -> Option<SnapshotRecord> {
        // A name with a line end would forge lines.
        if self.left || member.name.as_str().contains('\n') {
            return None;
        }
        let node = member.name.clone();
        match kind {
            MemberEventKind::Join => {
                let address = (member.address.to_ip()?, member.port).into();
                Some(SnapshotRecord::Alive { node, address })
            }
            MemberEventKind::Leave | MemberEventKind::Failed => {
                Some(SnapshotRecord::NotAlive { node })
            }
            MemberEventKind::Update | MemberEventKind::Reap => None,
        }
    }

    fn clock(&mut self, clock: LamportTime) -> Option<SnapshotRecord> {
        let last = last_used(clock);
        (last > self.clock).then(|| {
            self.clock = last;
            SnapshotRecord::Clock(last)
        })
    }

    fn event_clock(&mut self, time: LamportTime) -> Option<SnapshotRecord> {
        (!self.left && time > self.event_clock).then(|| {
            self.event_clock = time;
            SnapshotRecord::EventClock(time)
        })
    }

    fn query_clock(&mut self, time: LamportTime) -> Option<SnapshotRecord> {
        (!self.left && time > self.query_clock).then(|| {
            self.query_clock = time;
            SnapshotRecord::QueryClock(time)
        })
    }
}
