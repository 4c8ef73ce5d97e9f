#![allow(clippy::unwrap_used)]

use super::*;
use crate::identity::Meta;
use crate::store::with_store;

struct Nowhere;

impl agent::log::Sink for Nowhere {
    fn write(&mut self, _: &agent::log::Line) {}
}

fn identity() -> Identity {
    Identity {
        node: "n1".into(),
        node_id: catalog::Uuid::from_bytes([1; 16]),
        datacenter: "dc1".into(),
        advertise: [127, 0, 0, 1].into(),
        advertise_wan: [127, 0, 0, 1].into(),
        server: ([127, 0, 0, 1], 8300).into(),
        expect: 1,
        meta: Meta::default(),
    }
}

fn deregister(service: &str, check: &str) -> Command {
    Command::Deregister { node: "n1".into(), service: service.into(), check: check.into() }
}

#[test]
fn what_was_removed_does_not_stand_until_it_is_said_again() {
    with_store(async |store| {
        let identity = identity();
        assert!(!stands(&identity, &store));
        register(&identity, &store).await.unwrap();
        assert!(stands(&identity, &store));
        let thief = Node { id: own_node(&identity).id, name: "thief".into(), ..Node::default() };
        let thief =
            Register { node: thief, service: None, checks: [].into(), skip_node_update: false };
        for removal in [
            deregister("", ""),
            deregister(SERVICE, ""),
            deregister("", SERF_HEALTH),
            Command::Register(thief.into()),
        ] {
            store.write(removal.clone()).await.unwrap();
            assert!(!stands(&identity, &store), "{removal:?}");
            register(&identity, &store).await.unwrap();
            assert!(stands(&identity, &store), "{removal:?}");
        }
    });
}

#[test]
fn a_name_that_a_living_node_has_is_not_taken() {
    with_store(async |store| {
        let other = Identity { node_id: catalog::Uuid::from_bytes([2; 16]), ..identity() };
        register(&other, &store).await.unwrap();
        let why = register(&identity(), &store).await.unwrap_err();
        assert!(why.contains("n1"), "{why}");
        assert!(!stands(&identity(), &store));
        assert!(stands(&other, &store));
    });
}

#[test]
fn members_of_another_pool_are_removed_and_other_nodes_stay() {
    with_store(async |store| {
        let own = identity();
        let other = Identity {
            node: "n2".into(),
            node_id: catalog::Uuid::from_bytes([2; 16]),
            ..own.clone()
        };
        for identity in [&own, &other] {
            register(identity, &store).await.unwrap();
        }
        let node = Node { name: "external".into(), ..Node::default() };
        let checks = [].into();
        let external = Register { node, service: None, checks, skip_node_update: false };
        store.write(Command::Register(external.into())).await.unwrap();
        let members = BTreeSet::from([NodeName::from("N1").fold()]);
        remove_strangers(&members, &store, &Log::consul(Level::Warn, Box::new(Nowhere), None))
            .await;
        let snapshot = store.catalogue().read();
        let names: Vec<_> = snapshot.node_list().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["external", "n1"]);
    });
}
