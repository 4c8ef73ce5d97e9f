//! Clusters in virtual time: what members do together.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use serf::MemberEventKind::{Failed, Join, Leave, Reap, Update};
use serf::{
    Command, Config, Error, Event, Fact, KeyOperation, Keyring, MemberStatus, Outcome,
    QueryProgress, QueryRequest, TagChange, Tags, Token,
};
use wire::Key;
use wire::message::serf::Filter;
use world::{World, config, name};

const SECOND: Duration = Duration::from_secs(1);

fn event(name: &str) -> Command {
    Command::UserEvent { name: name.to_owned(), payload: None, coalesce: false }
}

fn done(world: &mut World, host: usize, token: Token, limit: Duration) -> Outcome {
    let is_done = |w: &World| w.hosts[host].outcomes.contains_key(&token);
    assert!(world.run_until(limit, is_done), "no outcome of {token:?} on {host}");
    world.hosts[host].outcomes.remove(&token).unwrap()
}

fn everybody_says(world: &World, but: usize, of: &str, status: Option<MemberStatus>) -> bool {
    let others = world.hosts.iter().enumerate().filter(|(i, h)| *i != but && h.serf.is_some());
    others.map(|(_, host)| host.status_of(of)).all(|said| said == status)
}

#[test]
fn an_event_is_delivered_once_everywhere() {
    for loss in [0.0, 0.2] {
        let mut world = World::cluster(1, 9);
        world.loss = loss;
        for sender in 0..3 {
            world.command(sender, event(&format!("from-{sender}")));
        }
        world.run(35 * SECOND);
        for host in &world.hosts {
            for sender in 0..3 {
                assert_eq!(host.user_events(&format!("from-{sender}")), 1, "loss {loss}");
            }
        }
    }
}

#[test]
fn a_query_is_answered_by_all_and_relayed_duplicates_are_dropped() {
    let mut world = World::cluster(2, 6);
    let request = QueryRequest {
        name: "uptime".into(),
        request_ack: true,
        relay_factor: 3,
        ..QueryRequest::default()
    };
    let token = world.command(0, Command::Query(request));
    let Outcome::QuerySent { query } = done(&mut world, 0, token, SECOND) else { panic!() };
    world.run(SECOND);
    for index in 0..6 {
        let delivered = world.hosts[index].events.iter().any(|e| matches!(e, Event::Query { .. }));
        assert!(delivered, "{index}");
        world.command(index, Command::Respond { query, payload: name(index).into() });
    }
    world.run(5 * SECOND);
    let host = &world.hosts[0];
    let mut acks = BTreeSet::new();
    let mut responses = BTreeSet::new();
    for (_, progress) in &host.progress {
        match progress {
            QueryProgress::Ack { from } => assert!(acks.insert(from.clone())),
            QueryProgress::Response { from, payload } => {
                assert_eq!(payload.as_deref(), Some(from.as_str().as_bytes()));
                assert!(responses.insert(from.clone()));
            }
            QueryProgress::Done => {}
        }
    }
    assert_eq!((acks.len(), responses.len()), (6, 6));
    assert!(matches!(host.progress.last(), Some((_, QueryProgress::Done))));
    let duplicates = |f: &&Fact| {
        matches!(f, Fact::QueryAck { duplicate: true } | Fact::QueryResponse { duplicate: true })
    };
    assert!(host.facts.iter().filter(duplicates).count() > 5, "relays make duplicates");
}

#[test]
fn filters_choose_who_answers() {
    let mut world = World::cluster(3, 5);
    let filters = vec![Filter::Nodes(vec!["n1".into(), "n3".into()])];
    let request =
        QueryRequest { name: "who".into(), request_ack: true, filters, ..QueryRequest::default() };
    world.command(0, Command::Query(request));
    world.run(5 * SECOND);
    let acks: BTreeSet<String> = world.hosts[0]
        .progress
        .iter()
        .filter_map(|(_, progress)| match progress {
            QueryProgress::Ack { from } => Some(from.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(acks, ["n1", "n3"].map(str::to_owned).into());
}

#[test]
fn a_leave_is_left_and_a_kill_is_failed() {
    let mut world = World::cluster(4, 5);
    let token = world.command(1, Command::Leave);
    let before = world.now;
    assert!(matches!(done(&mut world, 1, token, 10 * SECOND), Outcome::Ok));
    let took = world.now - before;
    assert!(took >= SECOND && took <= 4 * SECOND, "{took:?}");
    assert!(everybody_says(&world, 1, "n1", Some(MemberStatus::Left)));
    assert_eq!(world.hosts[1].member_events("n1").last(), Some(&Leave));
    world.kill(1);
    world.kill(2);
    let failed = |w: &World| everybody_says(w, 2, "n2", Some(MemberStatus::Failed));
    assert!(world.run_until(60 * SECOND, failed));
    assert!(everybody_says(&world, 1, "n1", Some(MemberStatus::Left)));
    assert_eq!(world.hosts[0].member_events("n1"), [Join, Leave]);
    assert_eq!(world.hosts[0].member_events("n2"), [Join, Failed]);
}

#[test]
fn force_leave_turns_a_failed_member_into_a_left_one_everywhere() {
    let mut world = World::cluster(5, 4);
    world.kill(3);
    assert!(world.run_until(60 * SECOND, |w| everybody_says(
        w,
        3,
        "n3",
        Some(MemberStatus::Failed)
    )));
    let command = Command::ForceLeave { node: "n3".into(), prune: false };
    let token = world.command(0, command);
    assert!(matches!(done(&mut world, 0, token, 6 * SECOND), Outcome::Ok));
    assert!(world.run_until(SECOND, |w| everybody_says(w, 3, "n3", Some(MemberStatus::Left))));
    assert_eq!(world.hosts[1].member_events("n3"), [Join, Failed, Leave]);
}

#[test]
fn force_leave_of_a_live_member_is_refuted() {
    let mut world = World::cluster(6, 4);
    let token = world.command(0, Command::ForceLeave { node: "n3".into(), prune: false });
    assert!(matches!(done(&mut world, 0, token, 6 * SECOND), Outcome::Ok));
    world.run(10 * SECOND);
    assert!(everybody_says(&world, 99, "n3", Some(MemberStatus::Alive)));
    assert_eq!(world.hosts[1].member_events("n3"), [Join]);
}

#[test]
fn the_only_other_member_hears_of_its_prune_and_refutes_it() {
    let mut world = World::cluster(41, 2);
    let token = world.command(0, Command::ForceLeave { node: "n1".into(), prune: true });
    assert!(matches!(done(&mut world, 0, token, 6 * SECOND), Outcome::Ok));
    world.run(10 * SECOND);
    assert_eq!(world.hosts[0].status_of("n1"), Some(MemberStatus::Alive));
    assert_eq!(world.hosts[0].member_events("n1"), [Join]);
}

#[test]
fn a_pruned_failed_member_is_erased_and_old_views_do_not_bring_it_back() {
    let mut world = World::cluster(7, 5);
    // One member that hears nothing of it all.
    world.hosts[4].island = 1;
    world.kill(3);
    let failed = |w: &World| {
        w.hosts[..3].iter().all(|host| host.status_of("n3") == Some(MemberStatus::Failed))
    };
    assert!(world.run_until(60 * SECOND, failed));
    world.command(0, Command::ForceLeave { node: "n3".into(), prune: true });
    world.run(2 * SECOND);
    for index in 0..3 {
        assert_eq!(world.hosts[index].status_of("n3"), None, "{index}");
        assert_eq!(world.hosts[index].member_events("n3"), [Join, Failed, Leave, Reap]);
    }
    world.hosts[4].island = 0;
    world.run(120 * SECOND);
    for index in 0..3 {
        assert_eq!(world.hosts[index].status_of("n3"), None, "{index}");
        assert_eq!(world.hosts[index].status_of("n4"), Some(MemberStatus::Alive));
    }
    // The member itself comes back by joining.
    world.start(3, None);
    world.join(3, 0, true);
    assert!(world.run_until(5 * SECOND, |w| everybody_says(
        w,
        99,
        "n3",
        Some(MemberStatus::Alive)
    )));
}

/// A fault of the reference: such a member stays invisible though it is alive.
#[test]
fn a_pruned_member_that_refuted_becomes_visible_again() {
    let mut world = World::cluster(8, 4);
    // Its refutations reach nobody for a while.
    const JOIN_INTENT: &[u8] = b"\x01\x82\xa5LTime";
    let is_refutation =
        |_: usize, body: &[u8]| body.windows(JOIN_INTENT.len()).any(|window| window == JOIN_INTENT);
    world.drop_rule = Some(Box::new(is_refutation));
    world.command(0, Command::ForceLeave { node: "n3".into(), prune: true });
    world.run(7 * SECOND);
    assert_eq!(world.hosts[0].status_of("n3"), None, "erased, though it is up");
    world.drop_rule = None;
    let back = |w: &World| everybody_says(w, 99, "n3", Some(MemberStatus::Alive));
    assert!(world.run_until(180 * SECOND, back), "by a push/pull at the latest");
    assert_eq!(world.hosts[0].member_events("n3"), [Join, Reap, Join]);
}

#[test]
fn new_tags_reach_everybody() {
    let mut world = World::cluster(9, 4);
    let tags: Tags = [("role".to_owned(), "db".to_owned())].into();
    let token = world
        .command(2, Command::SetTags { change: TagChange::Replace(tags.clone()), persist: true });
    assert!(matches!(done(&mut world, 2, token, 5 * SECOND), Outcome::Ok));
    world.run(SECOND);
    for host in &world.hosts {
        assert_eq!(*host.serf.as_ref().unwrap().member("n2").unwrap().tags, tags);
        assert_eq!(host.member_events("n2"), [Join, Update]);
    }
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn keys(world: &mut World, operation: KeyOperation) -> serf::KeyReport {
    let token = world.command(0, Command::Keys(operation));
    match done(world, 0, token, 10 * SECOND) {
        Outcome::Keys(report) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_rotated_while_the_cluster_runs() {
    let mut world = World::new(10);
    for index in 0..4 {
        world.add(config(index), Some(Keyring::new(key(1))));
    }
    // One more, without a key: it stays alone.
    world.add(config(4), None);
    for index in 1..5 {
        world.join(index, 0, true);
    }
    world.run(5 * SECOND);
    assert!(world.hosts[..4].iter().all(|host| host.alive_members() == 4));
    assert_eq!(world.hosts[4].alive_members(), 1);

    let raw = |byte| bytes::Bytes::copy_from_slice(key(byte).as_bytes());
    let refused = keys(&mut world, KeyOperation::Use(raw(2)));
    assert_eq!(refused.failure.as_deref(), Some("4/4 nodes reported failure"));
    let before = world.now;
    for operation in
        [KeyOperation::Install(raw(2)), KeyOperation::Use(raw(2)), KeyOperation::Remove(raw(1))]
    {
        let report = keys(&mut world, operation);
        assert_eq!((report.nodes, report.responses, report.failure), (4, 4, None));
    }
    assert!(world.now - before < 3 * SECOND, "does not wait once all have answered");
    let listed = keys(&mut world, KeyOperation::List);
    assert_eq!(listed.keys.into_values().collect::<Vec<_>>(), [4]);
    assert_eq!(listed.primary_keys.into_values().collect::<Vec<_>>(), [4]);
    world.command(1, event("sealed"));
    world.run(5 * SECOND);
    for host in &world.hosts[..4] {
        assert_eq!(host.keyring, [key(2).as_bytes()]);
        assert_eq!(host.user_events("sealed"), 1);
        assert_eq!(host.alive_members(), 4);
    }
}

#[test]
fn an_impostor_loses_its_name() {
    let mut world = World::cluster(11, 4);
    let mut impostor = config(4);
    impostor.gossip.name = "n1".into();
    let impostor = world.add(impostor, None);
    world.join(impostor, 0, true);
    assert!(world.run_until(60 * SECOND, |w| w.hosts[4].shut_down), "it goes");
    world.run(10 * SECOND);
    assert!(world.hosts[1].serf.is_some(), "and the other stays");
    let lost = |f: &Fact| matches!(f, Fact::ConflictVote { kept: false, .. });
    assert!(world.hosts[4].facts.iter().any(lost));
}

#[test]
fn a_member_restarts_from_its_snapshot() {
    let mut world = World::cluster(12, 4);
    world.command(0, event("before"));
    world.run(2 * SECOND);
    let clock = world.hosts[2].serf.as_ref().unwrap().statistics().event_time;
    world.kill(2);
    world.run(SECOND);
    // Same name and address, sooner than the others notice.
    world.start(2, None);
    let whole = |w: &World| w.hosts.iter().all(|host| host.alive_members() == 4);
    assert!(world.run_until(10 * SECOND, whole), "it rejoins by itself");
    let host = &world.hosts[2];
    assert!(host.facts.iter().any(|f| matches!(f, Fact::Rejoined { .. })));
    assert_eq!(host.user_events("before"), 0, "seen before the restart");
    assert!(host.serf.as_ref().unwrap().statistics().event_time >= clock);
    world.command(0, event("after"));
    world.run(2 * SECOND);
    assert_eq!(world.hosts[2].user_events("after"), 1);
}

#[test]
fn a_left_member_rejoins_only_if_told_to() {
    for rejoin_after_leave in [false, true] {
        let mut world = World::new(13);
        for index in 0..3 {
            world.add(Config { rejoin_after_leave, ..config(index) }, None);
        }
        world.join(1, 0, true);
        world.join(2, 0, true);
        world.run(5 * SECOND);
        let token = world.command(2, Command::Leave);
        done(&mut world, 2, token, 10 * SECOND);
        world.kill(2);
        world.run(40 * SECOND);
        world.start(2, None);
        world.run(5 * SECOND);
        assert_eq!(world.hosts[2].alive_members(), if rejoin_after_leave { 3 } else { 1 });
    }
}

#[test]
fn a_joiner_sees_old_events_only_if_it_wants_to() {
    let mut world = World::cluster(14, 3);
    world.command(0, event("old"));
    world.run(10 * SECOND);
    for (index, ignore) in [(3, true), (4, false)] {
        world.add(config(index), None);
        let token = world.join(index, 0, ignore);
        let outcome = done(&mut world, index, token, 5 * SECOND);
        assert!(
            matches!(outcome, Outcome::Joined { contacted: 1, ref failures } if failures.is_empty())
        );
        world.run(60 * SECOND);
        assert_eq!(world.hosts[index].user_events("old"), usize::from(!ignore));
    }
}

#[test]
fn a_join_tells_which_targets_failed() {
    let mut world = World::cluster(15, 2);
    world.add(config(2), None);
    world.add(config(3), None);
    world.kill(3);
    let target = |w: &World, to: usize| serf::JoinTarget {
        address: w.hosts[to].address,
        name: None,
        label: name(to),
    };
    let targets = vec![target(&world, 3), target(&world, 0)];
    let token = world.command(2, Command::Join { targets, ignore_old_events: true });
    let Outcome::Joined { contacted, failures } = done(&mut world, 2, token, 30 * SECOND) else {
        panic!()
    };
    assert_eq!(contacted, 1);
    assert_eq!(failures, [("n3".to_owned(), "connect: connection refused".to_owned())]);
}

#[test]
fn a_failed_member_is_tried_again_when_the_network_heals() {
    let mut world = World::cluster(16, 4);
    world.hosts[3].island = 1;
    let apart = |w: &World| everybody_says(w, 3, "n3", Some(MemberStatus::Failed));
    assert!(world.run_until(60 * SECOND, apart));
    // Long enough for the layer below to forget each other.
    world.run(120 * SECOND);
    world.hosts[3].island = 0;
    let whole = |w: &World| w.hosts.iter().all(|host| host.alive_members() == 4);
    assert!(world.run_until(300 * SECOND, whole));
    assert!(
        world.hosts.iter().any(|h| h.facts.iter().any(|f| matches!(f, Fact::Reconnecting { .. })))
    );
}

/// Trap 22: what travels on is what came, unknown fields and all.
#[test]
fn messages_are_passed_on_as_they_came() {
    let mut world = World::cluster(17, 3);
    world.hosts[0].sent = Some(Vec::new());
    let foreign = b"\x03\x84\xa2CC\xc2\xa6Future\x91\x07\xa5LTime\x05\xa4Name\xa3abc";
    world.inject(0, &[&b"\x08"[..], foreign].concat());
    world.run(2 * SECOND);
    let sent = world.hosts[0].sent.take().unwrap();
    assert!(sent.iter().any(|body| body.windows(foreign.len()).any(|window| window == foreign)));
    assert!(world.hosts.iter().all(|host| host.user_events("abc") == 1));
}

#[test]
fn two_leaves_at_once_settle() {
    let mut world = World::cluster(18, 5);
    let tokens = [1, 2].map(|index| (index, world.command(index, Command::Leave)));
    for (index, token) in tokens {
        assert!(matches!(done(&mut world, index, token, 12 * SECOND), Outcome::Ok));
    }
    let again = world.command(1, Command::Leave);
    assert!(matches!(done(&mut world, 1, again, SECOND), Outcome::Ok));
    let queues = world.hosts[0].serf.as_ref().unwrap().statistics();
    world.run(30 * SECOND);
    assert!(queues.intent_queue <= 4, "{queues:?}");
    let now = world.hosts[0].serf.as_ref().unwrap().statistics();
    assert_eq!((now.intent_queue, now.left), (0, 2), "nobody passes leaves on for ever");
}

#[test]
fn force_leave_without_anybody_to_tell_ends_at_once() {
    let mut world = World::new(19);
    world.add(config(0), None);
    let token = world.command(0, Command::ForceLeave { node: "ghost".into(), prune: true });
    assert!(matches!(world.hosts[0].outcomes.remove(&token), Some(Outcome::Ok)));
    let token = world.command(0, event(&"x".repeat(600)));
    let outcome = world.hosts[0].outcomes.remove(&token);
    assert!(matches!(outcome, Some(Outcome::Failed(Error::EventTooBig(512)))));
}

#[test]
fn an_idle_member_wakes_for_its_probes_only() {
    let mut world = World::cluster(20, 5);
    world.run(60 * SECOND);
    for host in &mut world.hosts {
        host.wakes = 0;
    }
    world.run(60 * SECOND);
    for (index, host) in world.hosts.iter().enumerate() {
        // Two a second, and a few for the push/pull.
        assert!(host.wakes <= 130, "{index}: {} wakes in a minute", host.wakes);
    }
}

#[test]
fn a_cluster_knows_how_far_its_members_are() {
    let mut world = World::cluster(21, 3);
    world.run(120 * SECOND);
    for host in &world.hosts {
        let serf = host.serf.as_ref().unwrap();
        let own = serf.coordinate(host.config.gossip.name.as_str()).unwrap();
        for index in 0..3 {
            let other = serf.coordinate(&name(index)).unwrap();
            assert!(serf::distance(own, other) < Duration::from_millis(20));
        }
    }
}
