#![allow(clippy::unwrap_used)]

use std::future::Future;

use api::{Body, Method, Query};
use catalog::{Command, KvVerb, KvWrite};

use super::*;
use crate::store::{Store, with_store};

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn agent() -> Agent {
    Agent {
        datacenter: "dc1".into(),
        node: "one".into(),
        kv_value_max_bytes: 512,
        txn_max_bytes: 512,
        session_ttl_min_ns: 0,
        coordinates: true,
    }
}

fn set(key: &str, value: &str) -> Command {
    Command::Kv(KvWrite {
        verb: KvVerb::Set,
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: "".into(),
    })
}

fn request(path: &str) -> (Read, Request) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let found = api::find(path).unwrap();
    let Some(api::Handler::Read(read)) = found.endpoint.handler(Method::Get) else {
        panic!("{path} is not read")
    };
    let request = Request {
        method: Method::Get,
        tail: path.as_bytes()[path.len() - found.tail..].into(),
        query: Query::parse(query).unwrap(),
        body: bytes::Bytes::new(),
        token: "".into(),
        source: None,
    };
    (read, request)
}

/// The endpoint of the keys.
fn any() -> &'static Endpoint {
    api::find("/v1/kv/").unwrap().endpoint
}

/// Waits until a reader waits.
async fn until_waiting(store: &Store) {
    let waits = async {
        while store.catalogue().watchers() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap();
}

fn waiting(store: &Store, path: &str, index: u64) -> impl Future<Output = Answer> + use<> {
    let (evaluate, request) = request(path);
    let catalogue = store.catalogue().clone();
    let task = tokio::spawn(async move {
        let wait = Some(Wait { index, until: Instant::now() + PATIENCE });
        read((&catalogue, &agent()), None, (any(), evaluate), &request, wait).await.unwrap()
    });
    async move { task.await.unwrap() }
}

#[test]
fn who_waits_is_answered_when_the_answer_is_another_one_and_nobody_is_left() {
    with_store(async |store| {
        store.write(set("a", "1")).await.unwrap();
        let index = store.catalogue().read().kv_index().0;
        let answer = waiting(&store, "/v1/kv/a", index);
        until_waiting(&store).await;
        // Another key, the same value again: nothing to tell.
        store.write(set("b", "1")).await.unwrap();
        store.write(set("a", "1")).await.unwrap();
        assert_eq!(store.catalogue().watchers(), 1);
        store.write(set("a", "2")).await.unwrap();
        let answer = answer.await;
        assert!(answer.index.0 > index);
        assert_eq!(store.catalogue().watchers(), 0);
    });
}

#[test]
fn who_leaves_takes_nobody_along_that_waits_for_the_same() {
    with_store(async |store| {
        store.write(set("a", "1")).await.unwrap();
        let watches = [catalog::Watch::Key(catalog::Key::Kv(b"a".as_slice().into()))];
        let catalogue = store.catalogue();
        let (first, mut second) = (catalogue.watch(&watches), catalogue.watch(&watches));
        assert_eq!(catalogue.watchers(), 2);
        drop(first);
        assert_eq!(catalogue.watchers(), 1);
        store.write(set("a", "2")).await.unwrap();
        tokio::time::timeout(PATIENCE, second.woken()).await.unwrap();
        // That was one change, and it is told once.
        let again = tokio::time::timeout(Duration::ZERO, second.woken()).await;
        assert!(again.is_err());
        drop(second);
        assert_eq!(catalogue.watchers(), 0);
    });
}

#[test]
fn an_older_index_is_answered_at_once() {
    with_store(async |store| {
        store.write(set("a", "1")).await.unwrap();
        store.write(set("a", "2")).await.unwrap();
        let newest = store.catalogue().read().kv_index().0;
        assert_eq!(waiting(&store, "/v1/kv/a", newest - 1).await.index.0, newest);
        assert_eq!(store.catalogue().watchers(), 0);
    });
}

#[test]
fn at_the_end_the_index_is_the_one_that_was_seen() {
    with_store(async |store| {
        store.write(set("a", "1")).await.unwrap();
        let (evaluate, request) = request("/v1/kv/none");
        let seen = store.catalogue().read().kv_index();
        let wait = Wait { index: seen.0, until: Instant::now() };
        store.write(set("b", "1")).await.unwrap();
        let wait = Some(Wait { index: seen.0 + 1, ..wait });
        let catalogue = store.catalogue();
        let answer =
            read((catalogue, &agent()), None, (any(), evaluate), &request, wait).await.unwrap();
        assert_eq!((answer.status, answer.index.0), (404, seen.0 + 1));
    });
}

#[test]
fn who_hangs_up_waits_no_more() {
    with_store(async |store| {
        let (evaluate, request) = request("/v1/kv/a?recurse");
        let catalogue = store.catalogue().clone();
        let task = tokio::spawn(async move {
            let wait = Some(Wait { index: 9, until: Instant::now() + PATIENCE });
            read((&catalogue, &agent()), None, (any(), evaluate), &request, wait).await
        });
        until_waiting(&store).await;
        task.abort();
        let _ = task.await;
        assert_eq!(store.catalogue().watchers(), 0);
    });
}

/// A long answer that says for whom it was made.
fn whose(_: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    Ok(Answer::new(Body::Text(reader.fresh.to_string().repeat(1000))))
}

#[test]
fn what_has_an_order_by_chance_is_made_for_each_who_asks() {
    with_store(async |store| {
        let (_, request) = request("/v1/kv/a");
        let catalogue = store.catalogue();
        let ask = async |fresh| {
            let answer =
                read((catalogue, &agent()), fresh, (any(), whose), &request, None).await.unwrap();
            answer.body
        };
        let [one, other] = [1, 2].map(|byte| Some(Uuid::from_bytes([byte; 16])));
        let shared = ask(None).await;
        assert_eq!(ask(None).await, shared);
        let first = ask(one).await;
        assert_ne!(first, shared);
        assert_ne!(ask(other).await, first);
        assert_eq!(ask(None).await, shared);
    });
}

#[test]
fn long_reads_are_made_by_another_thread() {
    fn thread() -> String {
        format!("{:?}", std::thread::current().id())
    }
    fn whose(_: &Request, _: &Reader<'_>) -> Result<Answer, Failure> {
        Ok(Answer::new(Body::Text(thread())))
    }
    with_store(async |store| {
        store.write(set("a/long", &"x".repeat(1 << 20))).await.unwrap();
        store.write(set("b/short", "x")).await.unwrap();
        let paths = ["/v1/kv/?recurse", "/v1/kv/b/?recurse", "/v1/kv/?keys", "/v1/kv/a/long"];
        for path in paths {
            let (_, request) = request(path);
            let site = (store.catalogue(), &agent());
            let answer = read(site, None, (any(), whose), &request, None).await.unwrap();
            assert_eq!(answer.body != Body::Text(thread()), path == paths[0], "{path}");
        }
    });
}
