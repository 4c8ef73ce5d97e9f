use std::sync::Arc;

use gossip::StreamRequest;
use wire::Security;
use wire::message::gossip::{BorrowedNodeState, NodeTable, StreamMessage};
use wire::message::serf::{BufferedEvent, SerfPushPull, UserEvents};
use wire::msgpack::Writer;
use wire::stream::{Progress, Role, StreamDecoder};

use super::super::{JoinTask, Waiting};
use super::*;

fn merge(serf: &mut Serf, join: bool, state: SerfPushPull, token: Option<Token>) -> Vec<Output> {
    merge_with(serf, join, NodeTable::default(), state, token)
}

fn merge_with(
    serf: &mut Serf,
    join: bool,
    nodes: NodeTable,
    state: SerfPushPull,
    token: Option<Token>,
) -> Vec<Output> {
    let state = SerfMessage::PushPull(state).encode();
    serf.on_remote_state(at(0), join, &nodes.into(), &state, token);
    outputs(serf)
}

fn own_state(serf: &mut Serf) -> SerfPushPull {
    match SerfMessage::decode(&serf.encoded_state()).unwrap() {
        SerfMessage::PushPull(state) => state,
        other => panic!("not a state: {other:?}"),
    }
}

#[test]
fn the_clocks_become_those_of_the_peer() {
    let mut serf = serf();
    serf.clocks.member.stamp();
    let before = own_state(&mut serf);
    assert_eq!(
        (before.lamport_time, before.event_lamport_time, before.query_lamport_time),
        (time(2), time(1), time(1))
    );
    let state = SerfPushPull {
        lamport_time: time(100),
        event_lamport_time: time(200),
        query_lamport_time: time(300),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, state.clone(), None);
    merge(&mut serf, false, state, None);
    let after = own_state(&mut serf);
    assert_eq!(
        (after.lamport_time, after.event_lamport_time, after.query_lamport_time),
        (time(100), time(200), time(300))
    );
}

#[test]
fn the_own_state_lists_members_and_the_whole_ring() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_joined(at(0), &node("charlie", 3, 1));
    serf.on_leave_intent(
        at(0),
        &wire::message::serf::LeaveIntent {
            lamport_time: time(5),
            node: name("bravo"),
            prune: false,
        },
    );
    serf.on_departed(at(0), &node("bravo", 2, 1));
    serf.send_user_event(at(0), "deploy".into(), None, false).unwrap();
    let state = own_state(&mut serf);
    let times = [("alpha", 0), ("bravo", 5), ("charlie", 0)].map(|(n, t)| (name(n), time(t)));
    assert_eq!(state.status_lamport_times, times.into());
    assert_eq!(state.left_members, [name("bravo")]);
    let slots = state.events.unwrap();
    assert_eq!(slots.len(), 512);
    let event = BufferedEvent { name: "deploy".into(), payload: None };
    assert_eq!(slots[1], Some(UserEvents { lamport_time: time(1), events: vec![event] }));
    assert_eq!(slots.iter().flatten().count(), 1);
}

/// Who only wants the answer tells of itself alone, its clocks included.
#[test]
fn a_pull_tells_of_nobody_else() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(0), &node("bravo", 2, 1));
    serf.send_user_event(at(0), "deploy".into(), None, false).unwrap();
    let whole = own_state(&mut serf);
    let mut own = Vec::new();
    let NodeState { name: who, address, port, meta, incarnation, state, versions } =
        node("alpha", 1, 1);
    let (meta, versions) = (&meta[..], &versions[..]);
    BorrowedNodeState { name: who.as_str(), address, port, meta, incarnation, state, versions }
        .write(&mut Writer::new(&mut own));
    let own = own.into();
    let segments = serf.segments(StreamRequest::Pull { own });
    let mut decoder = StreamDecoder::new(Role::Listener, Security::default());
    let Progress::Message(StreamMessage::PushPull(pull)) = decoder.feed(&segments.concat()) else {
        panic!("it is not read");
    };
    assert_eq!((pull.join, pull.nodes.len()), (false, 1));
    assert_eq!(pull.nodes.get(0).unwrap().name, "alpha");
    let Ok(SerfMessage::PushPull(state)) = SerfMessage::decode(&pull.user_state) else { panic!() };
    assert_eq!(state.status_lamport_times, [(name("alpha"), time(0))].into());
    assert_eq!((state.left_members, state.events), (vec![], Some(vec![])));
    assert_eq!(state.event_lamport_time, whole.event_lamport_time);
    assert_eq!(state.lamport_time, whole.lamport_time);
}

#[test]
fn the_own_state_is_encoded_once_per_change() {
    let mut serf = serf();
    let first = serf.encoded_state();
    assert_eq!(serf.encoded_state().as_ptr(), first.as_ptr());
    serf.on_joined(at(0), &node("bravo", 2, 1));
    let second = serf.encoded_state();
    assert_ne!(second, first);
    serf.send_user_event(at(0), "deploy".into(), None, false).unwrap();
    assert_ne!(serf.encoded_state(), second);
}

/// Trap 17: the time of a listed leave is one more than the status time, and leaves come first.
#[test]
fn listed_leaves_count_before_joins_and_one_later() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    let state = SerfPushPull {
        left_members: vec![name("bravo"), name("stranger")],
        status_lamport_times: [(name("bravo"), time(7)), (name("charlie"), time(9))].into(),
        ..SerfPushPull::default()
    };
    let out = merge(&mut serf, true, state, None);
    assert_eq!(member_events(&out), [(MemberEventKind::Leave, "bravo".into())]);
    assert_eq!(
        (status(&serf, "bravo"), status_time(&serf, "bravo")),
        (Some(MemberStatus::Left), 8)
    );
    serf.on_joined(at(1), &node("stranger", 3, 1));
    serf.on_joined(at(1), &node("charlie", 4, 1));
    assert_eq!(
        (status(&serf, "stranger"), status_time(&serf, "stranger")),
        (Some(MemberStatus::Alive), 0),
        "it may have come back since"
    );
    assert_eq!(
        (status(&serf, "charlie"), status_time(&serf, "charlie")),
        (Some(MemberStatus::Alive), 9)
    );
    assert_eq!(queued(&serf), [0, 0, 0], "nothing of a state is passed on");
}

/// Of a leave that only exchanges tell of the time is a guess, and a member that comes back may
/// join at just that time. Who has not heard that join must not take it for leaving for ever.
#[test]
fn a_guessed_leave_gives_way_to_a_member_that_has_come_back() {
    let left = SerfPushPull {
        left_members: vec![name("bravo")],
        status_lamport_times: [(name("bravo"), time(7))].into(),
        ..SerfPushPull::default()
    };
    let back = SerfPushPull {
        status_lamport_times: [(name("bravo"), time(8))].into(),
        ..SerfPushPull::default()
    };
    // Unknown before.
    let mut serf = serf();
    merge(&mut serf, false, left.clone(), None);
    serf.on_joined(at(1), &node("bravo", 2, 2));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
    merge(&mut serf, false, back.clone(), None);
    assert_eq!(status_time(&serf, "bravo"), 8);
    // If it has not come back, it is listed again when it is gone.
    let mut serf = with(config(), None);
    merge(&mut serf, false, left.clone(), None);
    serf.on_joined(at(1), &node("bravo", 2, 1));
    serf.on_departed(at(2), &node("bravo", 2, 1));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Failed));
    merge(&mut serf, false, left.clone(), None);
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Left));
}

/// Otherwise it would be a failed member where others have it as left.
#[test]
fn the_leave_of_a_listed_stranger_counts_whenever_it_comes() {
    use wire::message::serf::LeaveIntent;
    let listed = SerfPushPull {
        left_members: vec![name("bravo")],
        status_lamport_times: [(name("bravo"), time(7))].into(),
        ..SerfPushPull::default()
    };
    let leave = LeaveIntent { lamport_time: time(7), node: name("bravo"), prune: false };
    // An old view has brought it back before its leave comes, or after.
    for before in [true, false] {
        let mut serf = with(config(), None);
        if before {
            assert!(serf.on_leave_intent(at(0), &leave), "news");
        }
        merge(&mut serf, false, listed.clone(), None);
        serf.on_joined(at(1), &node("bravo", 2, 1));
        if !before {
            assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
            assert!(serf.on_leave_intent(at(2), &leave), "news");
        }
        assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Leaving), "before: {before}");
        assert_eq!(queued(&serf)[0], usize::from(before), "repeated");
        serf.on_departed(at(3), &node("bravo", 2, 1));
        assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Left));
    }
}

/// Otherwise the time would outrun the clocks of others, whose prune would then be too old.
#[test]
fn the_time_of_a_leave_does_not_rise_with_every_exchange() {
    let mut first = serf();
    first.on_joined(at(0), &node("bravo", 2, 1));
    first.on_departed(at(0), &node("bravo", 2, 1));
    let listed = SerfPushPull {
        left_members: vec![name("bravo")],
        status_lamport_times: [(name("bravo"), time(7))].into(),
        ..SerfPushPull::default()
    };
    for _ in 0..3 {
        merge(&mut first, false, listed.clone(), None);
        assert_eq!(status_time(&first, "bravo"), 8);
    }
    let mut second = with(config(), None);
    second.on_joined(at(0), &node("bravo", 2, 1));
    second.on_departed(at(0), &node("bravo", 2, 1));
    for _ in 0..3 {
        let state = own_state(&mut first);
        merge(&mut second, false, state, None);
        let state = own_state(&mut second);
        merge(&mut first, false, state, None);
    }
    assert_eq!((status_time(&first, "bravo"), status_time(&second, "bravo")), (9, 9));
}

/// A peer for which a member is still leaving lists the leave's own time, which is taken for a
/// join. Only the one that the reader adds to a listed leave gets past it: told one less, the
/// member would stay failed.
#[test]
fn a_leave_that_was_listed_as_a_join_still_counts() {
    let mut knows = serf();
    knows.on_joined(at(0), &node("bravo", 2, 1));
    let leave = wire::message::serf::LeaveIntent {
        lamport_time: time(8),
        node: name("bravo"),
        prune: false,
    };
    knows.on_leave_intent(at(0), &leave);
    let mut missed = with(config(), None);
    missed.on_joined(at(0), &node("bravo", 2, 1));
    let state = own_state(&mut knows);
    merge(&mut missed, false, state, None);
    assert_eq!(status_time(&missed, "bravo"), 8);
    for serf in [&mut knows, &mut missed] {
        serf.on_departed(at(1), &node("bravo", 2, 1));
    }
    let state = own_state(&mut knows);
    merge(&mut missed, false, state, None);
    assert_eq!(status(&missed, "bravo"), Some(MemberStatus::Left));
}

#[test]
fn being_listed_as_left_is_refuted_at_two_more() {
    let mut serf = serf();
    let state = SerfPushPull {
        left_members: vec![name("alpha")],
        status_lamport_times: [(name("alpha"), time(500))].into(),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, state, None);
    assert_eq!(status_time(&serf, "alpha"), 502);
    assert_eq!(status(&serf, "alpha"), Some(MemberStatus::Alive));
}

/// Who has heard of a leave of ours does not list us until it believes that we are gone. Found by
/// the simulator: nobody would ever tell it otherwise.
#[test]
fn a_later_time_of_ours_is_a_leave_that_nobody_told_us_of() {
    let mut serf = serf();
    let told = |at| SerfPushPull {
        status_lamport_times: [(name("alpha"), time(at))].into(),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, told(500), None);
    assert_eq!(status_time(&serf, "alpha"), 500, "from the run before: no leave of this one");
    merge(&mut serf, false, told(500), None);
    assert_eq!((status_time(&serf, "alpha"), queued(&serf)), (500, [0, 0, 0]));
    let out = merge(&mut serf, false, told(501), None);
    assert_eq!(status_time(&serf, "alpha"), 502);
    assert_eq!(queued(&serf), [1, 0, 0], "everybody is told");
    assert!(facts(&out).iter().any(|fact| matches!(fact, Fact::LeaveRefuted)));
    let joining = joining(&mut serf, false);
    merge(&mut serf, true, told(600), Some(joining));
    assert_eq!(status_time(&serf, "alpha"), 600, "the join that is under way will tell them");
}

/// Found by the simulator: a member that others have joined, and that never joined itself, has no
/// time of its own. Once it was told so, a time that others have for it is one that they made up.
#[test]
fn who_never_joined_answers_a_hidden_leave_as_well() {
    let mut serf = serf();
    let told = |at| SerfPushPull {
        status_lamport_times: [(name("alpha"), time(at))].into(),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, told(0), None);
    assert_eq!((status_time(&serf, "alpha"), queued(&serf)), (0, [0, 0, 0]));
    let out = merge(&mut serf, false, told(9), None);
    assert!(facts(&out).iter().any(|fact| matches!(fact, Fact::LeaveRefuted)));
    assert_eq!((status_time(&serf, "alpha"), queued(&serf)), (10, [1, 0, 0]));
}

/// Found by the simulator: whoever guessed the very time of a join never took in that join.
#[test]
fn a_join_counts_against_the_guessed_time_of_a_leave() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    let listing = SerfPushPull {
        left_members: vec![name("bravo"), name("stranger")],
        status_lamport_times: [(name("bravo"), time(7)), (name("stranger"), time(7))].into(),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, listing, None);
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Leaving));
    let listed = SerfPushPull {
        status_lamport_times: [(name("bravo"), time(8)), (name("stranger"), time(8))].into(),
        ..SerfPushPull::default()
    };
    merge(&mut serf, false, listed, None);
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Leaving), "as much of a guess");
    for (node, news) in [("bravo", true), ("bravo", false), ("stranger", true)] {
        let join = wire::message::serf::JoinIntent { lamport_time: time(8), node: name(node) };
        assert_eq!(serf.on_join_intent(at(1), &join), news, "{node}");
    }
    serf.on_joined(at(2), &node("stranger", 3, 1));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
    assert_eq!(status(&serf, "stranger"), Some(MemberStatus::Alive));
}

fn state_with_events() -> SerfPushPull {
    let slot = |at, name: &str| {
        let event = BufferedEvent { name: name.into(), payload: None };
        Some(UserEvents { lamport_time: time(at), events: vec![event] })
    };
    SerfPushPull {
        event_lamport_time: time(10),
        events: Some(vec![None, slot(8, "old"), slot(9, "newer"), None]),
        ..SerfPushPull::default()
    }
}

fn joining(serf: &mut Serf, ignore_old_events: bool) -> Token {
    let task = JoinTask {
        caller: Token(1),
        targets: Default::default(),
        contacted: 0,
        failures: Vec::new(),
        ignore_old_events,
    };
    serf.waiting.insert(Token(77), Waiting::Join(task));
    Token(77)
}

/// Trap 28, in all its ways.
#[test]
fn old_events_are_ignored_only_by_own_joins_that_want_it() {
    let both = [(8, "old".to_owned()), (9, "newer".to_owned())];
    let mut replaying = serf();
    let token = joining(&mut replaying, false);
    assert_eq!(user_events(&merge(&mut replaying, true, state_with_events(), Some(token))), both);

    let mut ignoring = serf();
    let token = joining(&mut ignoring, true);
    assert_eq!(user_events(&merge(&mut ignoring, true, state_with_events(), Some(token))), []);
    assert_eq!(ignoring.clocks.event.time(), time(10));
    ignoring.send_user_event(at(0), "own".into(), None, false).unwrap();
    assert_eq!(user_events(&outputs(&mut ignoring)), [(10, "own".to_owned())]);

    // Another's join while ours is under way, and a periodic exchange.
    for (join, token) in [(true, None), (false, None)] {
        let mut serf = serf();
        joining(&mut serf, true);
        assert_eq!(user_events(&merge(&mut serf, join, state_with_events(), token)), both);
    }
}

#[test]
fn a_state_with_absurd_times_is_told_once_and_moves_nothing() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    outputs(&mut serf);
    let before = serf.encoded_state();
    let end = time(u64::MAX);
    let event = BufferedEvent { name: "x".into(), payload: None };
    let state = SerfPushPull {
        lamport_time: end,
        event_lamport_time: end,
        query_lamport_time: end,
        status_lamport_times: [(name("alpha"), end), (name("bravo"), end)].into(),
        left_members: vec![name("bravo")],
        events: Some(vec![Some(UserEvents { lamport_time: end, events: vec![event] })]),
    };
    let token = joining(&mut serf, true);
    let out = merge(&mut serf, true, state, Some(token));
    let told = facts(&out).iter().filter(|f| matches!(f, Fact::MessageDropped { .. })).count();
    assert_eq!(told, 1, "{out:?}");
    assert_eq!(serf.encoded_state(), before);
    // Nor is every event to come an old one.
    serf.send_user_event(at(0), "own".into(), None, false).unwrap();
    assert_eq!(user_events(&outputs(&mut serf)), [(1, "own".to_owned())]);
}

#[test]
fn events_of_a_state_are_not_coalescable() {
    let mut serf = serf();
    let out = merge(&mut serf, false, state_with_events(), None);
    assert!(out.iter().all(|o| !matches!(o, Output::Event(Event::User { coalesce: true, .. }))));
}

#[test]
fn what_is_not_a_state_is_dropped() {
    let mut serf = serf();
    for bytes in [&b""[..], b"\x02", b"\x01\x80", b"\x63"] {
        serf.on_remote_state(at(0), true, &NodeTable::default().into(), bytes, None);
        assert!(
            matches!(facts(&outputs(&mut serf))[..], [Fact::MessageDropped { .. }]),
            "{bytes:?}"
        );
    }
}

#[test]
fn tags_are_shared_until_they_change() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    let tags = Arc::clone(&serf.member("bravo").unwrap().tags);
    serf.on_updated(at(0), &node("bravo", 2, 2));
    assert!(Arc::ptr_eq(&tags, &serf.member("bravo").unwrap().tags));
}

/// Who lists a member as left, and knows of no later run of it, has its leave from before; that
/// member has come back, and its join may have the very time that would be guessed for the leave.
#[test]
fn a_listed_leave_is_of_an_incarnation_that_the_sender_knows() {
    let bravo = {
        let mut config = config();
        config.gossip.name = name("bravo");
        with(config, None).known()
    };
    let left = || SerfPushPull {
        left_members: vec![name("bravo")],
        status_lamport_times: [("bravo", time(4))].into(),
        ..SerfPushPull::default()
    };
    let status = |nodes: NodeTable| {
        let mut serf = serf();
        serf.adopt(at(0), [bravo.clone()].iter());
        merge_with(&mut serf, false, nodes, left(), None);
        serf.member("bravo").unwrap().status
    };
    let listed = |incarnation| NodeTable::from_iter([node("bravo", 2, incarnation)]);
    assert_eq!(status(NodeTable::default()), MemberStatus::Alive, "forgotten with its leave");
    assert_eq!(status(listed(0)), MemberStatus::Alive);
    assert_eq!(status(listed(1)), MemberStatus::Leaving);
    assert_eq!(status(listed(2)), MemberStatus::Leaving);
}

/// Who sleeps while a member leaves, and until others have forgotten all of it but its leave, finds
/// it gone: that is the leave, unless it has been there after all.
#[test]
fn a_leave_that_was_passed_over_counts_when_its_member_is_gone() {
    let left = || SerfPushPull {
        left_members: vec![name("bravo")],
        status_lamport_times: [("bravo", time(4))].into(),
        ..SerfPushPull::default()
    };
    let bravo = node("bravo", 2, 3);
    let departs = |sign_of_life: bool, incarnation| {
        let mut serf = serf();
        meet(&mut serf, &bravo);
        merge(&mut serf, false, left(), None);
        assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
        if sign_of_life {
            serf.on_round_trip(&name("bravo"), Duration::from_millis(1), None);
        }
        serf.on_departed(at(9), &node("bravo", 2, incarnation));
        assert!(serf.intents.passed_over.is_empty());
        status(&serf, "bravo")
    };
    assert_eq!(departs(false, 3), Some(MemberStatus::Left));
    assert_eq!(departs(true, 3), Some(MemberStatus::Failed), "it has answered since");
    assert_eq!(departs(false, 4), Some(MemberStatus::Failed), "it has refuted something since");
}
