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
    assert_eq!(store.write(&command).await.unwrap(), Response::Done);
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
