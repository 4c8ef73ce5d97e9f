use bytes::Bytes;
use wire::Incarnation;
use wire::message::gossip::NodeState;

use super::*;
use crate::Time;

const USUAL: [u8; 6] = [1, 5, 2, 2, 5, 5];

fn local(versions: [u8; 6], state: State) -> Node {
    Node {
        name: "local".into(),
        address: std::net::IpAddr::from([127, 0, 0, 1]).into(),
        port: 7946,
        meta: Bytes::new(),
        versions: Versions::from_bytes(&versions).expect("six bytes"),
        incarnation: Incarnation(1),
        state,
        changed: Time::ZERO,
    }
}

fn remote(versions: &[u8], state: State) -> NodeTable {
    let remote = NodeState {
        name: "remote".into(),
        versions: Bytes::copy_from_slice(versions),
        ..local(USUAL, state).to_state()
    };
    [remote].into_iter().collect()
}

fn refusal(versions: &[u8], state: State) -> Option<String> {
    let local = [local(USUAL, State::Alive)];
    check(local.iter(), &remote(versions, state)).err().map(|error| error.to_string())
}

#[test]
fn everyone_must_speak_what_all_the_living_understand() {
    assert_eq!(refusal(&USUAL, State::Alive), None);
    assert_eq!(
        refusal(&[3, 5, 3, 2, 5, 5], State::Alive).as_deref(),
        Some("Node 'local' protocol version (2) is incompatible: [3, 5]")
    );
    assert_eq!(
        refusal(&[1, 5, 2, 2, 3, 3], State::Alive).as_deref(),
        Some("Node 'local' delegate protocol version (5) is incompatible: [2, 3]")
    );
    // The dead do not narrow the range, but must be in it.
    assert_eq!(refusal(&[3, 5, 3, 2, 5, 5], State::Dead), None);
    assert_eq!(
        refusal(&[1, 9, 9, 2, 5, 5], State::Left).as_deref(),
        Some("Node 'remote' protocol version (9) is incompatible: [1, 5]")
    );
}

/// Trap D2 as the issue resolves it: whoever announces no versions does not part the cluster.
#[test]
fn entries_that_announce_nothing_are_left_out() {
    for versions in [&[][..], &[1, 5, 2, 2, 5], &[1, 0, 2, 2, 5, 5], &[0; 6]] {
        assert_eq!(refusal(versions, State::Alive), None, "{versions:?}");
    }
    let unknown = [local([0; 6], State::Alive)];
    assert_eq!(check(unknown.iter(), &remote(&USUAL, State::Alive)), Ok(()));
}

#[test]
fn nonsense_is_told_from_silence() {
    for (raw, nonsense) in [
        (&[0, 5, 2, 2, 5, 5][..], true),
        (&[3, 2, 2, 2, 5, 5], true),
        (&[0, 5, 2], true),
        (&[1, 0, 2, 2, 5, 5], false),
        (&[0, 5], false),
        (&[], false),
        (&USUAL, false),
    ] {
        assert_eq!(is_nonsense(raw), nonsense, "{raw:?}");
    }
}
