//! Random commands against a model of plain maps and full scans, and what must hold of every state:
//! who is woken, what a snapshot keeps, that the same commands make the same bytes.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use catalog::{
    Behavior, Check, Command, Health, Key, Kind, KvVerb, KvWrite, ModifyIndex, Node, NodeName,
    Register, Response, RowVerb, Service, ServiceName, Session, SessionId, Snapshot, State, Time,
    TxnOp, TxnVerb, Usage, Watch, Watches, Weights,
};
use proptest::prelude::*;

const KEYS: [&str; 5] = ["a", "a/1", "a/2", "ab", "b"];
const PREFIXES: [&str; 4] = ["", "a", "a/", "b"];
const NODES: [&str; 3] = ["n1", "N2", "n3"];
const SERVICES: [&str; 2] = ["web", "db"];
const CHECKS: [&str; 2] = ["serfHealth", "c"];

fn session_id(n: u8) -> SessionId {
    SessionId::from_bytes([n % 3 + 1; 16])
}

fn node(n: u8) -> NodeName {
    NODES[n as usize % NODES.len()].into()
}

fn kv(verb: u8, key: u8, value: u8, index: u64) -> KvWrite {
    use KvVerb::{Cas, Delete, DeleteCas, DeleteTree, Lock, Set, Unlock};
    KvWrite {
        verb: [Set, Cas, Lock, Unlock, Delete, DeleteCas, DeleteTree][verb as usize % 7],
        key: KEYS[key as usize % KEYS.len()].as_bytes().into(),
        value: [value % 2].into(),
        flags: 0,
        index: ModifyIndex(index),
        session: session_id(value).to_string().into(),
    }
}

fn bare_node(n: u8, address: u8) -> Node {
    Node {
        id: if address.is_multiple_of(4) {
            SessionId::from_bytes([n % 2 + 9; 16]).to_string().as_str().into()
        } else {
            "".into()
        },
        name: node(n),
        address: format!("10.0.0.{}", address % 2).into(),
        ..Node::default()
    }
}

fn service(n: u8, id: u8, tag: u8) -> Service {
    Service {
        node: node(n),
        id: ["s1", "S2"][id as usize % 2].into(),
        name: SERVICES[tag as usize / 2 % 2].into(),
        tags: Some([["x", "y"][tag as usize % 2].into()].into()),
        address: ["", "10.0.0.1", "::ffff:10.0.0.9"][tag as usize % 5 % 3].into(),
        weights: Weights { passing: 1, warning: 1 },
        native: tag.is_multiple_of(3),
        ..Service::default()
    }
}

fn check(n: u8, id: u8, state: u8) -> Check {
    Check {
        node: node(n),
        id: CHECKS[id as usize % 2].into(),
        status: ["passing", "critical", "warning", "unheard-of"][state as usize % 4].into(),
        service_id: ["", "s1"][usize::from(state > 3)].into(),
        ..Check::default()
    }
}

/// A command out of four bytes; `index` is one that a row may well have.
fn command([what, a, b, c]: [u8; 4], index: u64) -> Command {
    match what % 10 {
        0..=2 => Command::Kv(kv(a, b, c, index)),
        3 => Command::SessionCreate(Box::new(Session {
            id: session_id(a),
            name: "".into(),
            node: node(b),
            lock_delay_ns: i64::from(c % 3) * 1_000_000,
            behavior: [Behavior::Release, Behavior::Delete][a as usize % 2],
            ttl: "".into(),
            node_checks: (c > 128).then(|| ["C".into()].into()),
            service_checks: None,
            checks: None,
            create: ModifyIndex::ZERO,
            modify: ModifyIndex::ZERO,
        })),
        4 => Command::SessionDestroy(session_id(a)),
        5 | 6 => Command::Register(Box::new(Register {
            node: bare_node(a, b),
            skip_node_update: b.is_multiple_of(2),
            service: (c % 3 > 0).then(|| Box::new(service(a, b / 2, c / 4))),
            checks: (c % 2..1).map(|_| check(a, b, c % 7)).collect(),
        })),
        7 => Command::Deregister {
            node: node(a),
            service: ["", "s1", "s2"][b as usize % 3].into(),
            check: ["", "C"][c as usize % 2].into(),
        },
        8 => Command::Txn(
            [
                TxnOp::Kv(TxnVerb::Write(kv(a, b, c, index).verb), Box::new(kv(a, b, c, index))),
                TxnOp::Kv(TxnVerb::GetTree, Box::new(kv(0, 0, 0, 0))),
                TxnOp::Service(RowVerb::Set, Box::new(service(b, a, c))),
                TxnOp::Check(RowVerb::Delete, Box::new(check(c, a, b))),
            ]
            .into(),
        ),
        _ => Command::Reap(Time(index)),
    }
}

/// The state as the simplest program would keep it: no order, no index, no sharing.
#[derive(Clone, Default)]
struct Model {
    keys: BTreeMap<Vec<u8>, ModelEntry>,
    delays: BTreeMap<Vec<u8>, u64>,
}

#[derive(Clone, PartialEq, Debug)]
struct ModelEntry {
    value: Vec<u8>,
    lock_index: u64,
    session: Option<SessionId>,
    create: u64,
    modify: u64,
}

impl Model {
    /// One write of keys, given which sessions there are.
    fn write(
        &mut self,
        op: &KvWrite,
        index: u64,
        now: u64,
        sessions: &BTreeSet<SessionId>,
    ) -> bool {
        let key = op.key.to_vec();
        let old = self.keys.get(&key).cloned();
        let session = SessionId::parse(&op.session);
        let modify = old.as_ref().map_or(0, |old| old.modify);
        let holder = old.as_ref().and_then(|old| old.session);
        let count = old.as_ref().map_or(0, |old| old.lock_index);
        let (lock_index, holder) = match op.verb {
            KvVerb::Cas if modify != op.index.0 => return false,
            KvVerb::Set | KvVerb::Cas => (0, holder),
            KvVerb::Lock if session.is_none_or(|id| !sessions.contains(&id)) => return false,
            KvVerb::Lock if holder.is_some() && holder != session => return false,
            KvVerb::Lock if holder.is_none() => {
                if self.delays.get(&key).is_some_and(|&until| until > now) {
                    return false;
                }
                (count + 1, session)
            }
            KvVerb::Lock => (count, session),
            KvVerb::Unlock if holder.is_none() || holder != session => return false,
            KvVerb::Unlock => (count, None),
            KvVerb::DeleteCas if old.is_some() && modify != op.index.0 => return false,
            KvVerb::Delete | KvVerb::DeleteCas => {
                self.keys.remove(&key);
                return true;
            }
            KvVerb::DeleteTree => {
                self.keys.retain(|other, _| !other.starts_with(&key));
                return true;
            }
        };
        let mut new = ModelEntry {
            value: op.value.to_vec(),
            lock_index,
            session: holder,
            create: old.as_ref().map_or(index, |old| old.create),
            modify,
        };
        if old.as_ref() != Some(&new) {
            new.modify = index;
            self.keys.insert(key, new);
        }
        true
    }

    fn end(&mut self, session: &Session, index: u64, now: u64) {
        for (key, entry) in &mut self.keys {
            if entry.session == Some(session.id) {
                entry.session = None;
                entry.modify = index;
                if session.lock_delay_ns > 0 {
                    self.delays.insert(key.clone(), now + session.lock_delay_ns as u64 / 1_000_000);
                }
                if session.behavior == Behavior::Delete {
                    entry.modify = u64::MAX;
                }
            }
        }
        self.keys.retain(|_, entry| entry.modify != u64::MAX);
    }
}

fn saved(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.save(&mut bytes).unwrap();
    bytes
}

fn keys_of(snapshot: &Snapshot) -> BTreeMap<Vec<u8>, ModelEntry> {
    let entry = |e: &catalog::Entry| {
        let f = e.fields();
        let entry = ModelEntry {
            value: f.value.to_vec(),
            lock_index: f.lock_index,
            session: f.session,
            create: f.create.0,
            modify: f.modify.0,
        };
        (f.key.to_vec(), entry)
    };
    snapshot.kv_list(b"").map(entry).collect()
}

/// What is found by indexes is what a scan of all rows finds.
fn assert_found(state: &Snapshot) {
    let services: Vec<_> =
        state.node_list().flat_map(|node| state.services_of(&node.name)).collect();
    for name in SERVICES {
        let found = state.find_instances(name);
        let connect = state.find_connect_instances(name);
        let name = ServiceName::from(name);
        let scan = |wanted: &dyn Fn(&Service) -> bool| -> Vec<_> {
            let rows = services.iter().filter(|service| wanted(service));
            rows.map(|row| (state.node(&row.node).unwrap(), *row)).collect()
        };
        let named = scan(&|service| service.name == name);
        let meshed = scan(&|service| service.connects_to().as_ref() == Some(&name));
        for (found, scanned) in [(found, named), (connect, meshed)] {
            let rows: Vec<_> = (0..found.len()).filter_map(|place| found.get(place)).collect();
            assert!(rows.iter().map(|row| (row.node(), row.service())).eq(scanned));
            for row in rows {
                let checks: BTreeSet<_> = row.checks().map(|check| &check.id).collect();
                let scanned = state.health_of(row.service());
                assert!(checks == scanned.map(|check| &check.id).collect());
                let worst = row.checks().map(Health::of).max().unwrap_or_default();
                assert_eq!(row.health(), worst);
                let own = &row.service().address;
                let address = if own.is_empty() { &row.node().address } else { own };
                assert_eq!(row.address(), address.parse().ok());
            }
        }
    }
    for address in ["10.0.0.0", "10.0.0.1", "10.0.0.9", "::1"] {
        let address: IpAddr = address.parse().unwrap();
        let is = |text: &str| text.parse().is_ok_and(|it: IpAddr| it.to_canonical() == address);
        let node = state.node_list().find(|node| is(&node.address));
        assert_eq!(state.node_at(address), node);
        let named = services.iter().filter(|service| is(&service.address));
        assert_eq!(state.instance_at(address), named.copied().min_by_key(|row| row.name.fold()));
    }
    for beginning in ["", "09", "09090909-09", "0a", "0b"] {
        let begins = |node: &&Node| !node.id.is_empty() && node.id.as_str().starts_with(beginning);
        let nodes: Vec<_> = state.node_list().filter(begins).collect();
        let only = if nodes.len() == 1 { Some(nodes[0]) } else { None };
        assert_eq!(state.find_node_by_id(beginning), only);
    }
}

/// Everything that can be asked for: the watch, whether a needless wake is a fault, the answer.
fn questions(state: &Snapshot) -> Vec<(Vec<Watch>, bool, String)> {
    let mut all = Vec::new();
    for key in KEYS {
        let watch = Watch::Key(Key::Kv(key.as_bytes().into()));
        all.push((vec![watch], true, format!("{:?}", state.kv_get(key.as_bytes()))));
    }
    for prefix in PREFIXES {
        let found: Vec<_> = state.kv_list(prefix.as_bytes()).collect();
        all.push((vec![Watch::Prefix(prefix.as_bytes().into())], true, format!("{found:?}")));
    }
    for name in NODES {
        let name = NodeName::from(name);
        let folded = name.fold();
        let services: Vec<_> = state.services_of(&name).collect();
        let watches = [Key::Node(folded.clone()), Key::NodeServices(folded.clone())];
        let answer = format!("{:?} {services:?}", state.node(&name));
        all.push((watches.map(Watch::Key).into(), false, answer));
        let checks: Vec<_> = state.node_checks(&name).collect();
        all.push((vec![Watch::Key(Key::NodeChecks(folded))], false, format!("{checks:?}")));
    }
    for name in SERVICES {
        let name = ServiceName::from(name);
        let instances: Vec<_> = state.instances(&name).collect();
        let health: Vec<Vec<_>> =
            instances.iter().map(|(_, service)| state.health_of(service).collect()).collect();
        let connect: Vec<_> = state.connect_instances(&name).collect();
        let checks: Vec<Vec<_>> =
            instances.iter().map(|(_, service)| state.checks_of(service).collect()).collect();
        let (service, health_key) = (Key::Service(name.clone()), Key::Health(name.clone()));
        all.push((vec![Watch::Key(service.clone())], false, format!("{instances:?}")));
        let both = [service.clone(), health_key].map(Watch::Key);
        all.push((both.into(), false, format!("{instances:?} {health:?}")));
        all.push((vec![Watch::Key(Key::Connect(name.clone()))], false, format!("{connect:?}")));
        let of_checks = [service, Key::ServiceChecks(name)].map(Watch::Key);
        all.push((of_checks.into(), false, format!("{checks:?}")));
    }
    let tags: Vec<_> = state.service_tags().collect();
    all.push((vec![Watch::Key(Key::ServiceList)], false, format!("{tags:?}")));
    for n in 0..3 {
        let id = session_id(n);
        all.push((vec![Watch::Key(Key::Session(id))], true, format!("{:?}", state.session(&id))));
    }
    let nodes: Vec<_> = state.node_list().collect();
    all.push((vec![Watch::Any(Kind::Nodes)], false, format!("{nodes:?}")));
    let checks: Vec<_> = state.check_list().collect();
    all.push((vec![Watch::Any(Kind::Checks)], false, format!("{checks:?}")));
    let sessions: Vec<_> = state.session_list().collect();
    all.push((vec![Watch::Any(Kind::Sessions)], true, format!("{sessions:?}")));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After each command: the keys are the model's; whoever's answer changed is woken; no watcher
    /// of keys or sessions is woken in vain; an earlier snapshot says what it said.
    #[test]
    fn states_follow_the_model(bytes in prop::collection::vec(any::<[u8; 4]>(), 1..60)) {
        let mut state = State::default();
        let mut model = Model::default();
        for (n, bytes) in bytes.into_iter().enumerate() {
            let (index, now) = (n as u64 + 1, n as u64 / 2);
            let command = command(bytes, u64::from(bytes[3]) % (index + 1));
            let before = state.snapshot();
            let (asked, bytes_before) = (questions(&before), saved(&before));
            let sessions: BTreeSet<_> = before.session_list().map(|session| session.id).collect();

            let one = [command.clone()];
            let answer = state.apply(ModifyIndex(index), Time(now), one).remove(0);
            let after = state.snapshot();
            match &command {
                Command::Kv(op) => {
                    let done = model.write(op, index, now, &sessions);
                    prop_assert_eq!(answer == Response::Written(true), done);
                }
                Command::Txn(ops) => {
                    if let (TxnOp::Kv(_, op), Response::Txn(_)) = (&ops[0], &answer) {
                        prop_assert!(model.write(op, index, now, &sessions));
                    }
                }
                _ => {}
            }
            for session in before.session_list().filter(|old| after.session(&old.id).is_none()) {
                model.end(session, index, now);
            }
            prop_assert_eq!(keys_of(&after), model.keys.clone());
            assert_found(&after);
            let names: BTreeSet<_> = after.service_tags().map(|(name, _)| name.clone()).collect();
            let instances = after.node_list().flat_map(|node| after.services_of(&node.name));
            let usage = after.usage();
            let counted = Usage {
                nodes: after.node_list().count(),
                services: names.len(),
                instances: instances.count(),
                kv_entries: model.keys.len(),
                sessions: after.session_list().count(),
                ..usage.clone()
            };
            prop_assert_eq!(usage, counted);

            let mut watches = Watches::default();
            let ids: Vec<_> = asked.iter().map(|asked| watches.add(asked.0.clone())).collect();
            let woken = watches.wake(&state.take_touched());
            for ((id, (watch, exact, old)), (_, _, new)) in
                ids.iter().zip(&asked).zip(questions(&after))
            {
                let changed = *old != new;
                prop_assert!(!changed || woken.contains(id), "{command:?} leaves {watch:?} asleep");
                let needless = *exact && !changed && woken.contains(id)
                    && !matches!(command, Command::Txn(_) | Command::Register(_));
                prop_assert!(!needless, "{command:?} wakes {watch:?} in vain");
                watches.remove(*id);
            }
            prop_assert!(watches.is_empty());
            prop_assert_eq!(saved(&before), bytes_before);
            if matches!(answer, Response::Refused(_) | Response::TxnFailed(_)) {
                prop_assert_eq!(questions(&before), questions(&after));
                prop_assert!(woken.is_empty());
            }
        }
        // The same commands make the same bytes, restored bytes make the same state, and both go
        // on alike.
        let bytes = saved(&state.snapshot());
        let restored = Snapshot::restore(&mut &bytes[..]).unwrap();
        prop_assert_eq!(saved(&restored), bytes);
        prop_assert_eq!(questions(&restored), questions(&state.snapshot()));
        assert_found(&restored);
        let mut other = State::new(restored);
        for n in 0..20u8 {
            let command = command([n, n / 2, n / 3, n / 5], 3);
            let (index, now) = (ModifyIndex(100 + u64::from(n)), Time(50));
            let ours = state.apply(index, now, [command.clone()]);
            prop_assert_eq!(ours, other.apply(index, now, [command]));
        }
        prop_assert_eq!(saved(&state.snapshot()), saved(&other.snapshot()));
    }

    /// A damaged or cut snapshot is refused, whatever the damage.
    #[test]
    fn damage_is_refused(at in 0usize..4_000, bit in 0u8..8, keys in 0u8..40) {
        let mut state = State::default();
        for n in 0..keys {
            let index = ModifyIndex(u64::from(n) + 1);
            state.apply(index, Time(0), [command([n, n, n / 2, n / 3], 1)]);
        }
        let mut bytes = saved(&state.snapshot());
        let at = at % bytes.len();
        prop_assert!(Snapshot::restore(&mut &bytes[..at]).is_err());
        bytes[at] ^= 1 << bit;
        prop_assert!(Snapshot::restore(&mut &bytes[..]).is_err());
    }

    /// Any bytes are read to an end, without a panic.
    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"TRIBUNEC\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((noise.len() as u32).to_le_bytes());
        bytes.extend(crc32fast::hash(&noise).to_le_bytes());
        bytes.extend(&noise);
        prop_assert!(Snapshot::restore(&mut &bytes[..]).is_err());
    }
}

/// The log takes commands of up to 8 MiB, so no row that one brings may keep a state from being
/// saved: a server that cannot write its snapshot ends.
#[test]
fn the_largest_row_is_saved_and_restored() {
    let mut state = State::default();
    for (n, key) in KEYS.iter().enumerate() {
        let value = vec![n as u8; if n == 2 { 8 << 20 } else { 60_000 }].into();
        let write = KvWrite { value, ..kv(0, n as u8, 0, 0) };
        assert_eq!(write.key[..], *key.as_bytes());
        state.apply(ModifyIndex(n as u64 + 1), Time(0), [Command::Kv(write)]);
    }
    let bytes = saved(&state.snapshot());
    let restored = Snapshot::restore(&mut &bytes[..]).unwrap();
    assert_eq!(keys_of(&restored), keys_of(&state.snapshot()));
}
