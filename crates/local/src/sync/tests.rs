//! What cannot be seen from outside: that nothing is kept of what is over.

#![allow(clippy::unwrap_used)]

use catalog::Node;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::{
    Config, Input, Key, Local, Outcome, Output, RemoteView, ServiceDefinition, Source, Time,
};

const NOW: Time = Time::from_secs(1_700_000_000);

/// Answers every call with the outcome.
fn answer(local: &mut Local, outcome: &Outcome) {
    while let Some(output) = local.poll_output() {
        if let Output::Register { call, .. } | Output::Deregister { call, .. } = output {
            local.handle(NOW, Input::Called { call, outcome: outcome.clone() });
        }
    }
}

#[test]
fn nothing_is_held_of_what_got_through() {
    let node = Node { name: "n".into(), ..Node::default() };
    let mut local = Local::new(Config::new(node), NOW, SmallRng::seed_from_u64(1));
    let service = ServiceDefinition::parse(br#"{"Name": "a"}"#).unwrap();
    local.register_service(NOW, service.clone(), Source::Request, "", false).unwrap();
    answer(&mut local, &Outcome::Failed("down".into()));
    assert_eq!(local.queue.held(), [Key::Node, Key::Service("a".into())]);
    local.register_service(NOW, service, Source::Request, "", false).unwrap();
    answer(&mut local, &Outcome::Done);
    assert_eq!(local.queue.held(), [Key::Node]);
}

#[test]
fn nothing_is_held_of_what_is_gone() {
    let node = Node { name: "n".into(), ..Node::default() };
    let mut local = Local::new(Config::new(node.clone()), NOW, SmallRng::seed_from_u64(1));
    for name in ["a", "b"] {
        let body = format!(r#"{{"Name": "{name}", "Check": {{"TTL": "1h"}}}}"#);
        let service = ServiceDefinition::parse(body.as_bytes()).unwrap();
        local.register_service(NOW, service, Source::Request, "", false).unwrap();
    }
    answer(&mut local, &Outcome::Failed("down".into()));
    local.deregister_service(NOW, &"a".into()).unwrap();
    local.deregister_check(NOW, &"service:b".into()).unwrap();
    answer(&mut local, &Outcome::Failed("down".into()));
    assert_eq!(local.queue.held().len(), 4);
    local.handle(NOW, Input::TokensChanged);
    answer(&mut local, &Outcome::Done);
    let view = RemoteView { node: Some(node), ..RemoteView::default() };
    local.handle(NOW, Input::Remote(Ok(view)));
    answer(&mut local, &Outcome::Done);
    assert_eq!(local.queue.held(), []);
    assert_eq!((local.queue.dirty().count(), local.queue.in_flight()), (0, 0));
    assert_eq!(local.queue.waited_for().count(), 0);
}
