use wire::message::serf::{JoinIntent, LeaveIntent};

use super::*;

fn join(node: &str, at: u64) -> JoinIntent {
    JoinIntent { lamport_time: time(at), node: name(node) }
}

fn leave(node: &str, at: u64, prune: bool) -> LeaveIntent {
    LeaveIntent { lamport_time: time(at), node: name(node), prune }
}

#[test]
fn a_departure_without_an_intent_is_a_failure_whatever_the_layer_below_says() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(1), &NodeState { state: State::Left, ..node("bravo", 2, 1) });
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Failed));
    let events = member_events(&outputs(&mut serf));
    assert_eq!(
        events,
        [(MemberEventKind::Join, "bravo".into()), (MemberEventKind::Failed, "bravo".into())]
    );
}

#[test]
fn a_departure_after_an_intent_is_a_leave() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    assert!(serf.on_leave_intent(at(1), &leave("bravo", 5, false)));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Leaving));
    serf.on_departed(at(2), &NodeState { state: State::Dead, ..node("bravo", 2, 1) });
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Left));
    assert_eq!(member_events(&outputs(&mut serf))[1], (MemberEventKind::Leave, "bravo".into()));
}

#[test]
fn an_intent_after_the_failure_makes_it_a_leave() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(1), &node("bravo", 2, 1));
    outputs(&mut serf);
    assert!(serf.on_leave_intent(at(2), &leave("bravo", 5, false)));
    let out = outputs(&mut serf);
    assert_eq!(member_events(&out), [(MemberEventKind::Leave, "bravo".into())]);
    assert!(matches!(
        facts(&out)[..],
        [Fact::Member { kind: MemberEventKind::Leave, forced: true, .. }]
    ));
    assert!(serf.table.left().contains("bravo") && serf.table.failed().is_empty());
}

#[test]
fn intents_before_the_member_are_remembered() {
    let mut serf = serf();
    assert!(serf.on_join_intent(at(0), &join("joined", 7)));
    assert!(!serf.on_join_intent(at(0), &join("joined", 7)), "no news, not passed on");
    assert!(serf.on_leave_intent(at(0), &leave("leaving", 8, false)));
    assert_eq!(serf.clocks.member.time(), time(9));
    serf.on_joined(at(1), &node("joined", 2, 1));
    serf.on_joined(at(1), &node("leaving", 3, 1));
    assert_eq!(
        (status(&serf, "joined"), status_time(&serf, "joined")),
        (Some(MemberStatus::Alive), 7)
    );
    assert_eq!(
        (status(&serf, "leaving"), status_time(&serf, "leaving")),
        (Some(MemberStatus::Leaving), 8)
    );
}

#[test]
fn only_a_later_intent_counts_and_a_join_cancels_a_leave() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    assert!(serf.on_join_intent(at(0), &join("bravo", 5)));
    assert!(!serf.on_leave_intent(at(0), &leave("bravo", 5, false)));
    assert!(serf.on_leave_intent(at(0), &leave("bravo", 6, false)));
    outputs(&mut serf);
    assert!(serf.on_join_intent(at(0), &join("bravo", 7)));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
    assert!(member_events(&outputs(&mut serf)).is_empty());
}

/// Found by the simulator: an operator's leave and the member's own join, neither knowing of the
/// other. Whichever came first stood, and members disagreed for ever.
#[test]
fn of_a_join_and_a_leave_of_one_time_the_join_counts_in_any_order() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    assert!(serf.on_leave_intent(at(0), &leave("bravo", 5, false)));
    assert!(serf.on_join_intent(at(0), &join("bravo", 5)));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
    assert!(!serf.on_leave_intent(at(0), &leave("bravo", 5, false)));
    assert!(!serf.on_join_intent(at(0), &join("bravo", 5)), "neither goes on for ever");
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
}

/// Found by the simulator: an operator's leave of a member that was erased here and had joined at
/// the same time elsewhere. Exchanges tell the time of the join only, which says nothing.
#[test]
fn a_leave_from_before_its_member_was_known_is_told_once_more_and_refuted_at_the_same_time() {
    let mut here = serf();
    assert!(here.on_leave_intent(at(0), &leave("bravo", 5, false)));
    assert_eq!(queued(&here)[0], 0);
    here.on_joined(at(1), &node("bravo", 2, 1));
    assert_eq!(status(&here, "bravo"), Some(MemberStatus::Leaving));
    assert_eq!(queued(&here)[0], 1);

    let mut ours = serf();
    assert!(ours.on_join_intent(at(0), &join("alpha", 5)));
    let out = receive(&mut ours, at(1), SerfMessage::Leave(leave("alpha", 5, false)));
    assert!(facts(&out).iter().any(|fact| matches!(fact, Fact::LeaveRefuted)));
    assert_eq!(status_time(&ours, "alpha"), 6);
    let again = receive(&mut ours, at(2), SerfMessage::Leave(leave("alpha", 5, false)));
    assert!(!facts(&again).iter().any(|fact| matches!(fact, Fact::LeaveRefuted)), "once");
}

/// Trap 18: two members would pass each other's leaves on for ever.
#[test]
fn a_leave_raises_the_status_time_of_a_member_that_is_leaving_or_left() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    for time in [5, 6] {
        assert!(serf.on_leave_intent(at(0), &leave("bravo", time, false)));
        assert!(!serf.on_leave_intent(at(0), &leave("bravo", time, false)));
    }
    serf.on_departed(at(1), &node("bravo", 2, 1));
    assert!(serf.on_leave_intent(at(1), &leave("bravo", 7, false)));
    assert!(!serf.on_leave_intent(at(1), &leave("bravo", 7, false)));
    assert_eq!(status_time(&serf, "bravo"), 7);
}

#[test]
fn a_leave_of_ourselves_is_refuted_while_we_run() {
    let mut serf = serf();
    let out = receive(&mut serf, at(0), SerfMessage::Leave(leave("alpha", 41, false)));
    assert_eq!(status(&serf, "alpha"), Some(MemberStatus::Alive));
    assert_eq!(status_time(&serf, "alpha"), 42, "the refutation is stamped after the leave");
    assert!(facts(&out).iter().any(|fact| matches!(fact, Fact::LeaveRefuted)));
}

#[test]
fn nobody_can_erase_us() {
    let mut serf = serf();
    command(&mut serf, at(0), Command::Leave);
    serf.on_leave_intent(at(1), &leave("alpha", 99, true));
    wake(&mut serf, at(60_000));
    assert!(serf.member("alpha").is_some());
}

#[test]
fn a_failed_member_is_pruned_at_once() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 3));
    serf.on_departed(at(1), &node("bravo", 2, 3));
    outputs(&mut serf);
    let out = receive(&mut serf, at(2), SerfMessage::Leave(leave("bravo", 5, true)));
    let events =
        [(MemberEventKind::Leave, "bravo".into()), (MemberEventKind::Reap, "bravo".into())];
    assert_eq!(member_events(&out), events);
    assert!(serf.member("bravo").is_none());
    let certified =
        |fact: &&Fact| matches!(fact, Fact::Certified { incarnation: Incarnation(3), .. });
    assert!(facts(&out).iter().any(certified));
}

/// Found by the simulator: copies of the leave that had erased a member were kept for it, and it
/// was taken for leaving when it came back.
#[test]
fn the_leave_that_erased_a_member_is_not_kept_for_it() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 3));
    serf.on_departed(at(1), &node("bravo", 2, 3));
    assert!(serf.on_leave_intent(at(2), &leave("bravo", 5, true)));
    assert!(serf.member("bravo").is_none());
    assert!(!serf.on_leave_intent(at(2), &leave("bravo", 5, true)));
    serf.on_joined(at(3), &node("bravo", 2, 4));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Alive));
}

#[test]
fn a_live_member_that_is_pruned_gets_the_time_to_refute() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_joined(at(0), &node("charlie", 3, 1));
    serf.on_leave_intent(at(0), &leave("bravo", 5, true));
    serf.on_leave_intent(at(0), &leave("charlie", 6, true));
    serf.on_join_intent(at(100), &join("bravo", 7));
    wake(&mut serf, at(5_999));
    assert_eq!(status(&serf, "charlie"), Some(MemberStatus::Leaving));
    let out = wake(&mut serf, at(6_000));
    assert_eq!(member_events(&out), [(MemberEventKind::Reap, "charlie".into())]);
    assert_eq!(
        status(&serf, "bravo"),
        Some(MemberStatus::Alive),
        "the refutation cancels the order"
    );
}

/// Found in a cluster whose settling exchanges changed the order of packets.
#[test]
fn a_prune_that_overtakes_the_news_of_the_failure_is_done_with_it() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_leave_intent(at(0), &leave("bravo", 5, true));
    assert_eq!(status(&serf, "bravo"), Some(MemberStatus::Leaving));
    outputs(&mut serf);
    serf.on_departed(at(1), &node("bravo", 2, 1));
    let events =
        [(MemberEventKind::Leave, "bravo".into()), (MemberEventKind::Reap, "bravo".into())];
    assert_eq!(member_events(&outputs(&mut serf)), events);
    assert!(serf.certificates.status_time(at(1), "bravo").is_some());
}

#[test]
fn an_erased_member_comes_back_only_above_its_certificate() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(1), &node("bravo", 2, 1));
    serf.on_leave_intent(at(2), &leave("bravo", 5, true));
    assert!(!serf.on_join_intent(at(3), &join("bravo", 5)), "at the time of its death");
    assert!(serf.certificates.status_time(at(3), "bravo").is_some());
    assert!(serf.on_join_intent(at(4), &join("bravo", 6)));
    assert!(serf.certificates.status_time(at(4), "bravo").is_none());
    serf.on_joined(at(5), &node("bravo", 2, 1));
    assert_eq!(status_time(&serf, "bravo"), 6);
}

/// Found by the simulator: where an old view had brought a dead member back, the time of its forced
/// leave was listed as if it were of a join, and let it pass everywhere.
#[test]
fn a_listed_time_above_a_certificate_does_not_withdraw_it() {
    let mut serf = serf();
    serf.on_joined(at(0), &node("bravo", 2, 1));
    serf.on_departed(at(1), &node("bravo", 2, 1));
    serf.on_leave_intent(at(2), &leave("bravo", 5, true));
    serf.on_listed_time(at(3), "bravo", LamportTime(9), &mut 0);
    assert!(serf.certificates.status_time(at(3), "bravo").is_some());
    assert!(serf.on_join_intent(at(4), &join("bravo", 10)), "its own word");
    assert!(serf.certificates.status_time(at(4), "bravo").is_none());
}

/// Packets are filled with the news of the membership first, whatever came first.
#[test]
fn an_intent_in_the_packet_of_the_departure_makes_it_a_leave() {
    use wire::message::gossip::{Dead, Message};
    let mut serf = serf();
    meet(&mut serf, &node("bravo", 2, 1));
    let dead = Dead { incarnation: Incarnation(1), node: name("bravo"), from: name("bravo") };
    let intent = Bytes::from(SerfMessage::Leave(leave("bravo", 9, false)).encode());
    let parts: [Bytes; 2] =
        [Message::Dead(dead).encode().into(), Message::User(intent).encode().into()];
    let mut packet = Vec::new();
    let options = serf.security().packet_options(false, false);
    for body in wire::compound::assemble(&parts) {
        wire::packet::seal(&body, &options, [0; 12], &mut packet);
    }
    let from = "127.0.0.99:7946".parse().unwrap();
    serf.handle(at(1), Input::Packet { from, bytes: &packet });
    let events = member_events(&outputs(&mut serf));
    assert_eq!(events, [(MemberEventKind::Leave, "bravo".into())]);
}
