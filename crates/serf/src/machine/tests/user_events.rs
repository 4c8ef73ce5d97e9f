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
