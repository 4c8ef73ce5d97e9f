#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use api::{Failure, Method, Query, Reader};
use bytes::Bytes;
use catalog::State;

use super::*;

fn read(_: &Request, _: &Reader<'_>) -> Result<Answer, Failure> {
    Ok(Answer::new(Body::Empty))
}

fn other(_: &Request, _: &Reader<'_>) -> Result<Answer, Failure> {
    Ok(Answer::truth(true))
}

fn request(tail: &str, query: &str) -> Request {
    Request {
        method: Method::Get,
        tail: tail.as_bytes().into(),
        query: Query::parse(query).unwrap(),
        body: Bytes::new(),
        source: None,
        token: "".into(),
    }
}

struct Tried {
    answers: Answers,
    made: Cell<usize>,
}

impl Tried {
    fn get(&self, state: &Arc<Snapshot>, ask: (Read, &Request), waited: bool, bytes: usize) {
        let (read, request) = ask;
        let make = || {
            self.made.set(self.made.get() + 1);
            let answer = Answer::new(Body::Json(Bytes::from(vec![b'1'; bytes])));
            Ok::<_, Failure>(Evaluated::new(answer, 0))
        };
        let got = self.answers.get(state, read, request, waited, make).unwrap();
        assert_eq!(body(&got.answer).len(), bytes);
    }
}

#[test]
fn the_same_answer_is_made_once_a_state() {
    let tried = Tried { answers: Answers::default(), made: Cell::new(0) };
    let state = || Arc::new(State::default().snapshot());
    let (first, second) = (state(), state());
    let (web, api) = (request("web", "index=7"), request("api", "index=7"));
    let passing = request("web", "index=7&passing");
    let secret = Request { token: "secret".into(), ..web.clone() };
    // Whatever differs in anything is another answer.
    for made in 1..=2 {
        for (asked, bytes) in [(&web, 1), (&api, 2), (&passing, 3), (&secret, 4)] {
            tried.get(&first, (read, asked), true, bytes);
            tried.get(&first, (other, asked), true, bytes + 10);
        }
        assert_eq!(tried.made.get(), 8, "{made}");
    }
    tried.get(&second, (read, &web), true, 5);
    tried.get(&second, (read, &web), true, 5);
    assert_eq!(tried.made.get(), 9);
    // The first one is not the newest any more.
    tried.get(&first, (read, &web), true, 6);
    assert_eq!(tried.made.get(), 10);
}

#[test]
fn only_what_others_may_want_is_kept_and_not_without_end() {
    let tried = Tried { answers: Answers::default(), made: Cell::new(0) };
    let state = Arc::new(State::default().snapshot());
    let web = request("web", "");
    for (bytes, made) in [(LONG_BYTES - 1, 2), (LONG_BYTES, 1), (BYTES + 1, 2)] {
        tried.made.set(0);
        tried.answers.clear();
        tried.get(&state, (read, &web), false, bytes);
        tried.get(&state, (read, &web), false, bytes);
        assert_eq!(tried.made.get(), made, "{bytes}");
    }
    // A long question counts, too.
    let long = request("web", &format!("filter={}", "x".repeat(BYTES / 2)));
    for (asked, made) in [(&long, 1), (&Request { token: "b".into(), ..long.clone() }, 2)] {
        tried.made.set(0);
        tried.get(&state, (read, asked), true, LONG_BYTES);
        tried.get(&state, (read, asked), true, LONG_BYTES);
        assert_eq!(tried.made.get(), made, "{}", asked.token);
    }
    tried.answers.clear();
    for number in 0..=ANSWERS {
        tried.get(&state, (read, &request(&number.to_string(), "")), true, 1);
    }
    assert_eq!(tried.answers.kept().answers.len(), ANSWERS);
}
