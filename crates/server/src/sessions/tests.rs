#![allow(clippy::unwrap_used)]

use catalog::{Node, PartWriter, Register, Response, Row, Uuid};

use super::*;
use crate::store::with_store;

fn id(number: u8) -> SessionId {
    Uuid::from_bytes([number; 16])
}

#[test]
fn the_first_end_is_known_whatever_is_renewed() {
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let mut ends = Ends::default();
    assert!(ends.set(id(1), after(20)));
    assert!(ends.set(id(2), after(10)));
    assert!(!ends.set(id(2), after(30)), "a renewal makes nothing sooner");
    assert_eq!(ends.first(), Some((after(20), id(1))));
    ends.forget(id(1));
    assert_eq!(ends.first(), Some((after(30), id(2))));
    ends.forget(id(2));
    assert_eq!((ends.first(), ends.by_session.len()), (None, 0));
}

async fn apply(store: &Store, command: Command) {
    assert_eq!(store.write(command).await.unwrap(), Response::Done);
}

fn session(number: u8, ttl: &str) -> Command {
    let node = "n1".into();
    Command::SessionCreate(
        Session { id: id(number), node, ttl: ttl.into(), ..Session::default() }.into(),
    )
}

fn known(timers: &SessionTimers) -> Vec<SessionId> {
    let ends = timers.ends();
    assert_eq!(ends.by_session.len(), ends.by_time.len());
    let mut known: Vec<_> = ends.by_session.keys().copied().collect();
    known.sort();
    known
}

#[test]
fn the_times_of_the_sessions_in_the_catalogue_are_kept_and_no_others() {
    with_store(async |store| {
        let node = Node { name: "n1".into(), ..Node::default() };
        let node = Register { node, service: None, checks: [].into(), skip_node_update: false };
        apply(&store, Command::Register(node.into())).await;
        apply(&store, session(1, "10s")).await;
        let (timers, mut followed) = (SessionTimers::default(), None);
        let mut follow = || timers.follow(store.catalogue(), &mut followed);
        follow();
        assert_eq!(known(&timers), [id(1)], "what was there before");
        apply(&store, session(2, "10s")).await;
        apply(&store, session(3, "")).await;
        apply(&store, session(4, "20s")).await;
        apply(&store, Command::SessionDestroy(id(4))).await;
        follow();
        assert_eq!(known(&timers), [id(1), id(2)]);
        let end = timers.ends().first();
        follow();
        assert_eq!(timers.ends().first(), end, "nothing came or went");

        let mut writer = PartWriter::new(id(9));
        for session in store.catalogue().read().session_list() {
            writer.put(&Row::Session(session.clone())).unwrap();
        }
        apply(&store, Command::SessionDestroy(id(1))).await;
        follow();
        assert_eq!(known(&timers), [id(2)]);
        apply(&store, Command::Restore(writer.take(true))).await;
        follow();
        assert_eq!(known(&timers), [id(1), id(2)], "another state");
        assert!(timers.ends().by_session.values().all(|at| *at > end.unwrap().0), "from now on");
    });
}

/// Lets other tasks and the log's threads work, without a look at any clock.
async fn until(what: &str, store: &Store, is_so: impl Fn(&catalog::Snapshot) -> bool) {
    for _ in 0..1_000_000 {
        if is_so(&store.catalogue().read()) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{what} has not come");
}

/// Whether the session is there after the clock went on by so much.
async fn is_there_after(store: &Store, number: u8, wait: Duration) -> bool {
    tokio::time::advance(wait).await;
    // Long enough for a task that is due: it writes, and the log's own tasks answer.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    store.catalogue().read().session(&id(number)).is_some()
}

#[test]
fn a_session_ends_after_twice_its_time_unless_it_is_renewed() {
    with_store(async |store| {
        let node = Node { name: "n1".into(), ..Node::default() };
        let node = Register { node, service: None, checks: [].into(), skip_node_update: false };
        apply(&store, Command::Register(node.into())).await;
        for (number, ttl) in [(1, "10s"), (2, "15s"), (3, "20s"), (4, "")] {
            apply(&store, session(number, ttl)).await;
        }
        // From here on time goes by when the test says so.
        tokio::time::pause();
        let timers = SessionTimers::default();
        let task = tokio::spawn(timers.clone().run(store.clone()));
        while known(&timers).len() < 3 {
            tokio::task::yield_now().await;
        }
        let seconds = Duration::from_secs;
        // Timers of the runtime are of whole milliseconds.
        let last = Duration::from_millis(1001);
        assert!(is_there_after(&store, 1, seconds(19)).await, "one second before twice its time");
        let renewed = store.catalogue().read().session(&id(2)).cloned().unwrap();
        timers.renew(&renewed);
        tokio::time::advance(last).await;
        let gone = |number| move |state: &catalog::Snapshot| state.session(&id(number)).is_none();
        until("the end of the first", &store, gone(1)).await;
        assert_eq!(known(&timers), [id(2), id(3)]);

        // The second would have ended at 30 s; it was renewed at 19 s. The third is destroyed.
        apply(&store, Command::SessionDestroy(id(3))).await;
        assert!(is_there_after(&store, 2, seconds(11)).await, "it was renewed");
        assert_eq!(known(&timers), [id(2)], "a destroyed session has no end");
        assert!(is_there_after(&store, 2, seconds(17)).await, "48 s: a second is left");
        tokio::time::advance(last).await;
        until("the end of the second", &store, gone(2)).await;
        assert!(known(&timers).is_empty());
        assert!(is_there_after(&store, 4, seconds(100_000)).await, "one without a time stays");
        task.abort();
    });
}
