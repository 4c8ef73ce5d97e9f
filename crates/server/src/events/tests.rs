#![allow(clippy::unwrap_used)]

use super::*;

fn event(number: u8, filters: [&str; 3]) -> UserEvent {
    let [node_filter, service_filter, tag_filter] = filters.map(str::to_owned);
    UserEvent {
        id: Uuid::from_bytes([number; 16]),
        name: "deploy".into(),
        payload: Bytes::from_static(b"\xff\0"),
        node_filter,
        service_filter,
        tag_filter,
        lamport_time: 7,
    }
}

#[test]
fn what_goes_into_the_pool_comes_back() {
    let sent = event(1, ["^n", "web", ""]);
    let came = UserEvent::decode(&sent.pool_name(), &sent.encode(), 7).unwrap();
    let shown = |event: &UserEvent| serde_json::to_value(event.row()).unwrap();
    assert_eq!(shown(&came), shown(&sent));
    assert!(UserEvent::decode("consul:new-leader", &sent.encode(), 7).is_none());
    for strange in
        [&b""[..], b"\x80", b"\x93\x01\x02\x03", b"\x81\xa2ID\xa1x", b"\xdf\xff\xff\xff\xff"]
    {
        assert!(UserEvent::decode(&sent.pool_name(), strange, 7).is_none(), "{strange:?}");
    }
}

#[test]
fn filters_say_which_nodes_are_meant() {
    let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).into()).collect());
    let services = [
        Service { id: "web-1".into(), tags: tags(&["a", "primary"]), ..Service::default() },
        Service { id: "db".into(), ..Service::default() },
    ];
    let concerns = |filters| event(1, filters).concerns("node1", services.iter());
    for filters in [["", "", ""], ["^node", "", ""], ["1$", "web", "^prim"], ["", "^db$", ""]] {
        assert!(concerns(filters), "{filters:?}");
    }
    for filters in [
        ["node2", "", ""],
        ["node2", "web", ""],
        ["", "cache", ""],
        // Both of one service.
        ["", "db", "primary"],
        // Nobody can read it.
        ["(", "", ""],
        ["", "(", ""],
        ["", "web", "("],
    ] {
        assert!(!concerns(filters), "{filters:?}");
    }
}

#[test]
fn only_the_newest_events_are_remembered() {
    let events = Events::default();
    assert_eq!(events.list(None).1, 1);
    let most = u8::try_from(EVENTS - 1).unwrap();
    for number in (0..=most).chain([5]) {
        events.take(event(number, [""; 3]));
    }
    let shared = events.shared.events.lock().unwrap();
    assert_eq!(shared.len(), EVENTS);
    assert_eq!(shared.front().unwrap().id, Uuid::from_bytes([1; 16]));
}
