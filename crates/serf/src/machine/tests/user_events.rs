use wire::message::serf::UserEvent;

use super::*;

fn event(at: u64, name: &str, payload: &'static str, coalesce: bool) -> UserEvent {
    UserEvent { lamport_time: time(at), name: name.into(), payload: Some(payload.into()), coalesce }
}

#[test]
fn the_recorded_edges_of_the_window() {
    let mut serf = serf();
    assert!(serf.on_user_event(at(0), event(1000, "now", "", false)));
    assert!(!serf.on_user_event(at(0), event(488, "old", "", false)));
    assert!(serf.on_user_event(at(0), event(489, "kept", "", false)));
    assert_eq!(user_events(&outputs(&mut serf)), [(1000, "now".into()), (489, "kept".into())]);
}

#[test]
fn the_coalesce_mark_makes_no_other_event() {
    let mut serf = serf();
    assert!(serf.on_user_event(at(0), event(5, "e", "x", true)));
    assert!(!serf.on_user_event(at(0), event(5, "e", "x", false)));
}

#[test]
fn sending_stamps_with_the_time_before_the_step() {
    let mut serf = serf();
    for stamp in 1..4 {
        let command = Command::UserEvent { name: "deploy".into(), payload: None, coalesce: true };
        let out = super::command(&mut serf, at(0), command);
        assert!(matches!(outcome(&out), Some(Outcome::Ok)));
        assert_eq!(user_events(&out), [(stamp, "deploy".into())]);
    }
    assert_eq!(serf.statistics().event_time, time(4));
}

#[test]
fn the_recorded_limits_of_size() {
    let mut serf = serf();
    let mut send = |payload: usize| {
        let payload = Some(vec![b'x'; payload].into());
        let command = Command::UserEvent { name: "deploy".into(), payload, coalesce: true };
        failure(&super::command(&mut serf, at(0), command))
    };
    assert_eq!(send(476), None);
    let after = "encoded user event exceeds configured limit of 512 bytes after encoding";
    assert_eq!(send(477).as_deref(), Some(after));
    assert_eq!(send(506).as_deref(), Some(after));
    let before = "user event exceeds configured limit of 512 bytes before encoding";
    assert_eq!(send(507).as_deref(), Some(before));
    assert_eq!(serf.statistics().event_time, time(2), "a refused event takes no time");
}

#[test]
fn a_snapshot_sets_the_minimum() {
    let state = SnapshotState { event_clock: time(42), ..SnapshotState::default() };
    let mut serf = with(config(), Some(state));
    assert_eq!(serf.statistics().event_time, time(43));
    assert!(!serf.on_user_event(at(0), event(42, "seen before the restart", "", false)));
    assert!(serf.on_user_event(at(0), event(43, "new", "", false)));
}

#[test]
fn marked_events_are_coalesced_and_others_pass() {
    let below = config().gossip;
    let mut serf = with(Config::new(below), None);
    for (at_time, name, coalesce) in [(5, "a", true), (6, "a", true), (7, "b", false)] {
        serf.on_user_event(at(0), event(at_time, name, "", coalesce));
    }
    assert_eq!(user_events(&outputs(&mut serf)), [(7, "b".into())]);
    assert_eq!(user_events(&wake(&mut serf, at(999))), []);
    assert_eq!(user_events(&wake(&mut serf, at(1000))), [(6, "a".into())]);
}

#[test]
fn an_own_event_that_is_dropped_is_no_success() {
    let mut serf = serf();
    // At the end of time the times are all the same.
    serf.clocks.event.restore(time(u64::MAX));
    let send = || Command::UserEvent { name: "deploy".into(), payload: None, coalesce: true };
    assert_eq!(failure(&command(&mut serf, at(0), send())), None);
    let out = command(&mut serf, at(0), send());
    assert_eq!(failure(&out).as_deref(), Some("dropped: it was seen before"));
    assert!(user_events(&out).is_empty());
}

#[test]
fn a_time_that_nothing_has_reached_is_not_believed() {
    use wire::message::serf::{JoinIntent, LeaveIntent};
    let end = time(u64::MAX - 1);
    let forged = [
        SerfMessage::UserEvent(UserEvent { lamport_time: end, ..event(0, "x", "", false) }),
        SerfMessage::Join(JoinIntent { lamport_time: end, node: name("bravo") }),
        SerfMessage::Leave(LeaveIntent { lamport_time: end, node: name("bravo"), prune: true }),
        SerfMessage::Query(query(end.0, 1)),
    ];
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    let before = serf.statistics();
    for message in forged {
        let source = "127.0.0.66:7946".parse().unwrap();
        serf.source.from = Some(source);
        let out = receive(&mut serf, at(0), message);
        let told: Vec<_> = facts(&out)
            .into_iter()
            .filter_map(|fact| match fact {
                Fact::MessageDropped { from, kind, why } => Some((*from, kind.is_some(), why)),
                _ => None,
            })
            .collect();
        let [(from, true, why)] = told[..] else { panic!("{told:?}") };
        assert_eq!(from, Some(source));
        assert!(why.ends_with("Lamport time, 18446744073709551614"), "{why}");
        assert!(
            !out.iter().any(|output| matches!(output, Output::Event(_) | Output::Packet { .. }))
        );
    }
    let after = serf.statistics();
    assert_eq!(
        (after.member_time, after.event_time, after.query_time),
        (before.member_time, before.event_time, before.query_time)
    );
    assert_eq!(serf.member("bravo").unwrap().status, MemberStatus::Alive);
}
