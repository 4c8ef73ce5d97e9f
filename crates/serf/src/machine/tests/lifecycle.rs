use std::collections::BTreeSet;

use super::*;
use crate::ConfigError;
use crate::interface::{Persist, PersistId, TagChange, Tags};
use crate::limits;

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn records(outputs: &[Output]) -> Vec<String> {
    let line = |output: &Output| match output {
        Output::Snapshot(record) => Some(record.to_line()),
        _ => None,
    };
    outputs.iter().filter_map(line).collect()
}

#[test]
fn settings_that_cannot_work() {
    let refused = |config: Config| Serf::new(config, None, None, 1_u64, Time::ZERO).err();
    let low = refused(Config { protocol: 1, ..config() }).unwrap();
    assert_eq!(low.to_string(), "Protocol version '1' too low. Must be in range: [2, 5]");
    let high = refused(Config { protocol: 6, ..config() }).unwrap();
    assert_eq!(high.to_string(), "Protocol version '6' too high. Must be in range: [2, 5]");
    let limit = refused(Config { user_event_size_limit: 9217, ..config() }).unwrap();
    assert_eq!(limit.to_string(), "user event size limit exceeds limit of 9216 bytes");
    let big = refused(Config { tags: tags(&[("k", &"v".repeat(600))]), ..config() }).unwrap();
    assert_eq!(big.to_string(), "Encoded length of tags exceeds limit of 512 bytes");
    let mut odd = Config { validate_node_names: true, ..config() };
    odd.gossip.name = "a b".into();
    assert!(matches!(refused(odd), Some(ConfigError::InvalidName(_))));
}

#[test]
fn the_versions_and_tags_of_each_protocol() {
    for protocol in 2..=5 {
        let tags = tags(&[("role", "web"), ("dc", "east")]);
        let serf = with(Config { protocol, tags: tags.clone(), ..config() }, None);
        let local = serf.gossip.local();
        assert_eq!(local.versions.to_bytes(), [1, 5, 2, 2, 5, protocol]);
        match protocol {
            2 => assert_eq!(local.meta, "web"),
            _ => assert_eq!(wire::message::decode_tags(&local.meta), tags),
        }
    }
    let bare = with(Config { protocol: 2, ..config() }, None);
    assert!(bare.gossip.local().meta.is_empty());
    // To the others an empty meta is an empty role.
    let mut serf = serf();
    serf.on_joined(at(0), &NodeState { meta: Bytes::new(), ..node("bravo", 2, 1) });
    assert_eq!(*serf.member("bravo").unwrap().tags, tags(&[("role", "")]));
}

#[test]
fn we_are_a_member_from_the_start() {
    let mut serf = Serf::new(config(), None, None, 1_u64, Time::ZERO).unwrap();
    assert_eq!(serf.local().name, name("alpha"));
    assert_eq!(serf.members().count(), 1);
    assert_eq!(member_events(&outputs(&mut serf)), [(MemberEventKind::Join, "alpha".into())]);
}

#[test]
fn a_leave_alone_takes_the_propagation_delay() {
    let mut serf = with(config(), Some(SnapshotState::default()));
    let out = command(&mut serf, at(0), Command::Leave);
    assert!(outcome(&out).is_none());
    assert_eq!(records(&out)[0], "leave\n");
    assert_eq!(member_events(&out), [(MemberEventKind::Leave, "alpha".into())]);
    let again = command(&mut serf, at(10), Command::Leave);
    assert_eq!(failure(&again).as_deref(), Some("Leave already in progress"));
    let join =
        command(&mut serf, at(10), Command::Join { targets: vec![], ignore_old_events: true });
    assert_eq!(failure(&join).as_deref(), Some("Serf can't Join after Leave or Shutdown"));
    assert!(outcome(&wake(&mut serf, at(999))).is_none());
    assert!(matches!(outcome(&wake(&mut serf, at(1000))), Some(Outcome::Ok)));
    assert_eq!(status(&serf, "alpha"), Some(MemberStatus::Left));
    assert!(matches!(outcome(&command(&mut serf, at(1001), Command::Leave)), Some(Outcome::Ok)));
}

#[test]
fn a_leave_that_nobody_takes_notice_of_goes_on_and_says_so_once() {
    let mut serf = with(Config { broadcast_timeout: Duration::from_millis(1), ..config() }, None);
    meet(&mut serf, &node("bravo", 2, 1));
    let mut out = command(&mut serf, at(0), Command::Leave);
    while outcome(&out).is_none() {
        let next = serf.next_timeout().unwrap();
        out.extend(wake(&mut serf, next));
    }
    assert!(matches!(outcome(&out), Some(Outcome::Ok)));
    let late = |fact: &&&Fact| matches!(fact, Fact::LeaveBroadcastTimeout);
    assert_eq!(facts(&out).iter().filter(late).count(), 1);
}

#[test]
fn after_the_end_nothing_is_taken_in() {
    let below = config().gossip;
    let mut serf = with(Config::new(below), None);
    serf.on_joined(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    serf.shutdown(at(1));
    let names: Vec<_> =
        member_events(&outputs(&mut serf)).into_iter().map(|(_, name)| name).collect();
    assert!(names.contains(&"bravo".to_owned()), "what was held comes out");
    assert_eq!(serf.next_timeout(), None);
    let leave = command(&mut serf, at(2), Command::Leave);
    assert_eq!(failure(&leave).as_deref(), Some("Leave called after Shutdown"));
    serf.handle(at(3), Input::Packet { from: "127.0.0.9:1".parse().unwrap(), bytes: b"\x08\x01" });
    assert!(outputs(&mut serf).is_empty());
}

#[test]
fn members_are_reaped_strictly_after_their_time() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    let day = 24 * 3600 * 1000;
    assert!(member_events(&wake(&mut serf, at(day))).is_empty());
    let out = wake(&mut serf, at(day + 1));
    assert_eq!(member_events(&out), [(MemberEventKind::Reap, "bravo".into())]);
}

#[test]
fn a_member_back_soon_after_its_failure_flaps() {
    let mut serf = serf();
    for (gone, back, flaps) in [(0, 59_999, true), (100_000, 160_000, false)] {
        serf.on_joined(at(gone), &node("bravo", 2, 1));
        serf.on_departed(at(gone), &node("bravo", 2, 1));
        outputs(&mut serf);
        serf.on_joined(at(back), &node("bravo", 2, 2));
        let out = outputs(&mut serf);
        assert_eq!(facts(&out).iter().any(|f| matches!(f, Fact::Flapped { .. })), flaps);
        assert_eq!(member_events(&out), [(MemberEventKind::Join, "bravo".into())]);
    }
}

/// Trap 27: what the layer below forgets stays here.
#[test]
fn a_return_renews_address_and_tags_and_keeps_the_status_time() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    let join = wire::message::serf::JoinIntent { lamport_time: time(9), node: name("bravo") };
    serf.on_join_intent(at(0), &join);
    serf.on_departed(at(0), &node("bravo", 2, 1));
    assert!(serf.gossip.node("bravo").is_none());
    serf.on_joined(at(1), &NodeState { port: 7000, ..node("bravo", 3, 1) });
    let member = serf.member("bravo").unwrap();
    assert_eq!((member.address, member.port, member.status), (ip(3), 7000, MemberStatus::Alive));
    assert_eq!(status_time(&serf, "bravo"), 9);
}

#[test]
fn a_full_table_forgets_those_gone_for_longest() {
    let mut serf = serf();
    let known = serf.table.get("alpha").unwrap().clone();
    for number in 1..limits::MEMBERS {
        let mut entry = known.clone();
        entry.member.name = name(&format!("m{number}"));
        entry.member.status = [MemberStatus::Failed, MemberStatus::Left][number % 2];
        entry.gone_since = Some(at(number as u64));
        serf.table.insert(entry);
    }
    serf.on_joined(at(99_999), &node("bravo", 2, 1));
    let full = |out: &[Output]| facts(out).iter().any(|fact| matches!(fact, Fact::TableFull));
    assert!(full(&outputs(&mut serf)));
    assert_eq!(serf.table.len(), limits::MEMBERS - limits::MEMBERS_ERASED + 1);
    let first_kept = limits::MEMBERS_ERASED + 1;
    assert!(serf.member("bravo").is_some() && serf.member("alpha").is_some());
    assert!(serf.member(&format!("m{}", first_kept - 1)).is_none());
    assert!(serf.member(&format!("m{first_kept}")).is_some());
    serf.on_joined(at(99_999), &node("carol", 3, 1));
    assert!(!full(&outputs(&mut serf)));
}

#[test]
fn tags_are_on_disk_before_they_are_announced() {
    let mut serf = serf();
    let new = tags(&[("role", "db")]);
    let set = |persist| Command::SetTags { change: TagChange::Replace(new.clone()), persist };
    let out = command(&mut serf, at(0), set(true));
    let [Output::Persist { id, what: Persist::Tags(written) }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(written, &new);
    assert!(serf.tags().is_empty());
    serf.handle(at(1), Input::Persisted { id: *id, result: Err("disk full".into()) });
    assert_eq!(failure(&outputs(&mut serf)).as_deref(), Some("disk full"));
    assert!(serf.tags().is_empty());

    let out = command(&mut serf, at(2), set(true));
    let [Output::Persist { id, .. }] = out[..] else { panic!("{out:?}") };
    serf.handle(at(3), Input::Persisted { id, result: Ok(()) });
    serf.handle(at(3), Input::Persisted { id: PersistId(99), result: Ok(()) });
    let out = outputs(&mut serf);
    assert!(matches!(outcome(&out), Some(Outcome::Ok)));
    assert_eq!(member_events(&out), [(MemberEventKind::Update, "alpha".into())]);
    assert_eq!(*serf.local().tags, new);
    // The same tags again are no update.
    assert!(member_events(&command(&mut serf, at(4), set(false))).is_empty());
}

#[test]
fn tags_change_one_after_another() {
    let mut serf = serf();
    let edit = |delete: &[&str], set: &[(&str, &str)]| Command::SetTags {
        change: TagChange::Edit {
            delete: delete.iter().map(|name| (*name).to_owned()).collect(),
            set: tags(set),
        },
        persist: true,
    };
    let first = command(&mut serf, at(0), edit(&[], &[("a", "1"), ("b", "2")]));
    let [Output::Persist { id: PersistId(mut last), .. }] = first[..] else { panic!("{first:?}") };
    // These wait, and apply to what the first leaves.
    assert!(command(&mut serf, at(0), edit(&["b"], &[("c", "3")])).is_empty());
    assert!(command(&mut serf, at(0), edit(&["a"], &[("a", &"v".repeat(600))])).is_empty());
    assert!(command(&mut serf, at(0), edit(&["c", "a"], &[("c", "4")])).is_empty());
    let left =
        [tags(&[("a", "1"), ("b", "2")]), tags(&[("a", "1"), ("c", "3")]), tags(&[("c", "4")])];
    let mut refused = Vec::new();
    for (turn, expected) in left.iter().enumerate() {
        serf.handle(at(turn as u64), Input::Persisted { id: PersistId(last), result: Ok(()) });
        assert_eq!(serf.tags(), expected);
        let out = outputs(&mut serf);
        refused.extend(failure(&out));
        let writes: Vec<_> = out
            .iter()
            .filter_map(|output| match output {
                Output::Persist { id, what: Persist::Tags(tags) } => Some((id.0, tags)),
                _ => None,
            })
            .collect();
        match (writes[..].first(), left.get(turn + 1)) {
            (Some((id, written)), Some(next)) => {
                assert_eq!((writes.len(), *written), (1, next));
                last = *id;
            }
            (written, next) => assert_eq!((written, next), (None, None)),
        }
    }
    assert_eq!(refused, ["Encoded length of tags exceeds limit of 512 bytes"]);

    for _ in 0..=limits::TAG_CHANGES {
        assert!(failure(&command(&mut serf, at(9), edit(&[], &[]))).is_none());
    }
    let why = failure(&command(&mut serf, at(9), edit(&[], &[])));
    assert_eq!(why.as_deref(), Some("too many tag changes in progress, try again later"));
}

#[test]
fn tags_that_are_too_long_never_reach_the_disk() {
    let mut serf = serf();
    let change = TagChange::Replace(tags(&[("k", &"v".repeat(600))]));
    let command = Command::SetTags { change, persist: true };
    let out = super::command(&mut serf, at(0), command);
    let text = "Encoded length of tags exceeds limit of 512 bytes";
    assert_eq!(failure(&out).as_deref(), Some(text));
    assert_eq!(out.len(), 1);
}

#[test]
fn what_happens_is_recorded_as_in_the_golden_file() {
    let mut serf =
        Serf::new(config(), None, Some(SnapshotState::default()), 1_u64, Time::ZERO).unwrap();
    let mut lines = records(&outputs(&mut serf));
    serf.broadcast_join(at(0));
    serf.on_joined(at(0), &node("bravo", 2, 1));
    lines.extend(records(&outputs(&mut serf)));
    serf.send_user_event(at(0), "deploy".into(), None, true).unwrap();
    let query = Query { name: "_serf_ping".into(), ..query(1, 1) };
    serf.on_query(at(0), query);
    serf.on_updated(at(0), &node("bravo", 2, 2));
    serf.on_departed(at(0), &node("bravo", 2, 1));
    lines.extend(records(&outputs(&mut serf)));
    assert_eq!(
        lines.concat(),
        "alive: alpha 127.0.0.1:7946\nalive: bravo 127.0.0.2:7946\nclock: 1\nevent-clock: 1\n\
         query-clock: 1\nnot-alive: bravo\n"
    );
}

#[test]
fn clocks_are_recorded_now_and_then_while_they_move() {
    let mut serf = with(config(), Some(SnapshotState::default()));
    serf.broadcast_join(at(0));
    serf.settle(at(0));
    assert_eq!(records(&wake(&mut serf, at(499))), Vec::<String>::new());
    assert_eq!(records(&wake(&mut serf, at(500))), ["clock: 1\n"]);
    assert_eq!(records(&wake(&mut serf, at(5000))), Vec::<String>::new());
}

#[test]
fn after_a_leave_only_clocks_are_recorded() {
    let mut serf = with(config(), Some(SnapshotState::default()));
    serf.on_joined(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    let mut lines = records(&command(&mut serf, at(0), Command::Leave));
    serf.on_departed(at(1), &node("bravo", 2, 1));
    serf.send_user_event(at(1), "late".into(), None, false).unwrap();
    lines.extend(records(&wake(&mut serf, at(2000))));
    assert_eq!(lines[0], "leave\n");
    assert!(lines[1..].iter().all(|line| line.starts_with("clock: ")), "{lines:?}");
}

#[test]
fn names_cannot_forge_lines() {
    let mut serf = with(config(), Some(SnapshotState::default()));
    serf.on_joined(at(0), &node("x\nleave", 2, 1));
    assert!(records(&outputs(&mut serf)).is_empty());
}

#[test]
fn without_a_snapshot_nothing_is_recorded() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    assert!(records(&outputs(&mut serf)).is_empty());
}

#[test]
fn saved_clocks_are_witnessed_and_saved_members_tried_in_random_order() {
    let alive = ["alpha", "bravo", "charlie", "delta"];
    let state = SnapshotState {
        alive: alive
            .iter()
            .zip(1..)
            .map(|(n, last)| ((*n).into(), ([127, 0, 0, last], 7946).into()))
            .collect(),
        clock: time(41),
        event_clock: time(42),
        query_clock: time(43),
    };
    let first = |seed| {
        let mut serf = Serf::new(config(), None, Some(state.clone()), seed, Time::ZERO).unwrap();
        let statistics = serf.statistics();
        assert_eq!(
            (statistics.member_time, statistics.event_time, statistics.query_time),
            (time(42), time(43), time(44))
        );
        let tried = |output| match output {
            Output::Fact(Fact::Rejoining { name, .. }) => Some(name.to_string()),
            _ => None,
        };
        let tried: Vec<_> = outputs(&mut serf).into_iter().filter_map(tried).collect();
        assert_eq!(tried.len(), 1, "one after another");
        tried[0].clone()
    };
    let firsts: BTreeSet<_> = (0..40).map(first).collect();
    assert_eq!(firsts, ["bravo", "charlie", "delta"].map(str::to_owned).into(), "never ourselves");
}

#[test]
fn peers_with_odd_names_are_kept_out_where_names_are_validated() {
    let mut serf = with(Config { validate_node_names: true, ..config() }, None);
    for (name, valid) in
        [("web-1.dc", true), ("web_1", false), ("a b", false), (&"x".repeat(129)[..], false)]
    {
        serf.on_joined(at(0), &node(name, 2, 1));
        assert_eq!(serf.member(name).is_some(), valid, "{name}");
    }
}

#[test]
fn an_idle_member_has_no_timers() {
    let mut serf = with(config(), Some(SnapshotState::default()));
    let mut now = Time::ZERO;
    for _ in 0..200 {
        now = now + Duration::from_millis(500);
        wake(&mut serf, now);
    }
    assert_eq!(serf.timers.next(), None);
}

/// A setting below zero comes as zero; it must not make the machine turn on the spot.
#[test]
fn intervals_of_zero_turn_activities_off() {
    let zero = Duration::ZERO;
    let config = Config { reconnect_interval: zero, queue_check_interval: zero, ..config() };
    let mut serf = with(config, None);
    let bravo = node("bravo", 2, 1);
    meet(&mut serf, &bravo);
    serf.on_departed(at(0), &bravo);
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Failed));
    let event = Command::UserEvent { name: "e".into(), payload: None, coalesce: false };
    command(&mut serf, at(1), event);
    assert!(queued(&serf)[2] > 0);
    let reconnects =
        wake(&mut serf, at(2)).iter().any(|o| matches!(o, Output::Fact(Fact::Reconnecting { .. })));
    assert!(!reconnects);
    assert!(serf.timers.next().is_none_or(|next| next > at(2)));
}

/// Found by the simulator: the join intent took the place of the leave intent.
#[test]
fn a_join_that_ends_after_a_leave_began_says_nothing() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.handle(at(0), Input::Command { token: Token(2), command: Command::Leave });
    assert_eq!(queued(&serf), [1, 0, 0]);
    let left = status_time(&serf, "alpha");
    let task = super::super::JoinTask {
        caller: Token(1),
        targets: Default::default(),
        contacted: 1,
        failures: Vec::new(),
        ignore_old_events: false,
    };
    serf.join_next(at(1), task);
    assert!(matches!(outcome(&outputs(&mut serf)), Some(Outcome::Joined { contacted: 1, .. })));
    assert_eq!(status_time(&serf, "alpha"), left);
    assert_eq!(status(&serf, "alpha"), Some(MemberStatus::Leaving));
}
