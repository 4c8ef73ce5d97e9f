//! The recorded transactions over keys, step by step.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use catalog::{
    Behavior, Command, Entry, KvVerb, KvWrite, ModifyIndex, Node, Register, Response, RowVerb,
    Session, SessionId, State, Time, TxnOp, TxnResult, TxnVerb, txn_refused,
};
use serde_json::{Value, json};

struct Replay {
    state: State,
    index: u64,
    /// Captured texts and numbers by name.
    captured: BTreeMap<String, Value>,
    /// Which of our indexes each recorded one is.
    indexes: BTreeMap<u64, u64>,
}

impl Replay {
    fn write(&mut self, command: Command) -> Response {
        self.index += 1;
        self.state.apply(ModifyIndex(self.index), Time(0), [command]).remove(0)
    }

    /// Fills captured variables in.
    fn filled(&self, value: &Value) -> Value {
        let mut text = value.to_string();
        for (name, value) in &self.captured {
            text = text.replace(&format!("\"#{{{name}}}\""), &value.to_string());
            if let Some(value) = value.as_str() {
                text = text.replace(&format!("${{{name}}}"), value);
            }
        }
        serde_json::from_str(&text).unwrap()
    }

    /// Compares an answer with the recorded one; indexes need only correspond.
    fn compare(&mut self, mut ours: Value, mut recorded: Value, what: &Value) {
        for pointer in ["CreateIndex", "ModifyIndex"] {
            let ours = rows(&mut ours, pointer);
            let recorded = rows(&mut recorded, pointer);
            for (ours, recorded) in ours.into_iter().zip(recorded) {
                let known = *self.indexes.entry(recorded).or_insert(ours);
                assert_eq!(known, ours, "{pointer} {recorded} in the answer to {what}");
            }
        }
        // One text names an index.
        let errors = recorded.get_mut("Errors").and_then(Value::as_array_mut);
        for error in errors.into_iter().flatten() {
            let text = error["What"].as_str().unwrap();
            let named = self.indexes.iter().find_map(|(recorded, ours)| {
                let of = |index| format!("current modify index {index} != ");
                text.contains(&of(recorded)).then(|| text.replace(&of(recorded), &of(ours)))
            });
            if let Some(text) = named {
                error["What"] = text.into();
            }
        }
        assert_eq!(ours, recorded, "{what}");
    }

    fn txn(&mut self, ops: &[TxnOp], reads: bool) -> Value {
        let refused = txn_refused(ops);
        let answer = if !refused.is_empty() {
            Err(refused)
        } else if reads {
            self.state.snapshot().txn(ops)
        } else {
            match self.write(Command::Txn(ops.into())) {
                Response::Txn(results) => Ok(results),
                Response::TxnFailed(errors) => Err(errors),
                other => panic!("{other:?}"),
            }
        };
        match answer {
            Ok(results) => {
                let results: Vec<_> =
                    results.iter().map(|row| json!({"KV": result(row)})).collect();
                json!({"Results": results, "Errors": null})
            }
            Err(errors) => {
                let error =
                    |e: &catalog::TxnError| json!({"OpIndex": e.op, "What": e.what.to_string()});
                let errors: Vec<_> = errors.iter().map(error).collect();
                json!({"Results": null, "Errors": errors})
            }
        }
    }
}

/// Takes the numbers of a name out of an answer: those of a list of entries or of results.
fn rows(answer: &mut Value, name: &str) -> Vec<u64> {
    let list = if answer.is_array() || answer.is_null() { answer } else { &mut answer["Results"] };
    let rows = list.as_array_mut().into_iter().flatten();
    rows.filter_map(|row| {
        let row = if row["KV"].is_object() { &mut row["KV"] } else { row };
        row.as_object_mut()?.remove(name)?.as_u64()
    })
    .collect()
}

fn entry(entry: &Entry, with_value: bool) -> Value {
    let fields = entry.fields();
    let value =
        (with_value && !fields.value.is_empty()).then(|| BASE64_STANDARD.encode(fields.value));
    let mut row = json!({
        "LockIndex": fields.lock_index, "Key": String::from_utf8_lossy(fields.key),
        "Flags": fields.flags, "Value": value,
        "CreateIndex": fields.create.0, "ModifyIndex": fields.modify.0,
    });
    if let Some(session) = fields.session {
        row["Session"] = session.to_string().into();
    }
    row
}

fn result(result: &TxnResult) -> Value {
    match result {
        TxnResult::Value(row) => entry(row, true),
        TxnResult::Entry(row) => entry(row, false),
        TxnResult::Absent(key) => json!({"LockIndex": 0, "Key": String::from_utf8_lossy(key),
            "Flags": 0, "Value": null, "CreateIndex": 0, "ModifyIndex": 0}),
        other => panic!("{other:?}"),
    }
}

fn op(value: &Value) -> TxnOp {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let verb = match text("Verb") {
        "set" => TxnVerb::Write(KvVerb::Set),
        "cas" => TxnVerb::Write(KvVerb::Cas),
        "lock" => TxnVerb::Write(KvVerb::Lock),
        "unlock" => TxnVerb::Write(KvVerb::Unlock),
        "delete" => TxnVerb::Write(KvVerb::Delete),
        "delete-cas" => TxnVerb::Write(KvVerb::DeleteCas),
        "delete-tree" => TxnVerb::Write(KvVerb::DeleteTree),
        "get" => TxnVerb::Get,
        "get-or-empty" => TxnVerb::GetOrEmpty,
        "get-tree" => TxnVerb::GetTree,
        "check-index" => TxnVerb::CheckIndex,
        "check-session" => TxnVerb::CheckSession,
        "check-not-exists" => TxnVerb::CheckNotExists,
        other => TxnVerb::Unknown(other.into()),
    };
    let write = KvWrite {
        verb: KvVerb::Set,
        key: text("Key").as_bytes().into(),
        value: BASE64_STANDARD.decode(text("Value")).unwrap().into(),
        flags: value["Flags"].as_u64().unwrap_or_default(),
        index: ModifyIndex(value["Index"].as_u64().unwrap_or_default()),
        session: text("Session").into(),
    };
    TxnOp::Kv(verb, Box::new(write))
}

fn setup() -> Replay {
    let mut replay = Replay {
        state: State::default(),
        index: 0,
        captured: BTreeMap::new(),
        indexes: BTreeMap::new(),
    };
    let node = Node { name: "node1".into(), address: "127.0.0.1".into(), ..Node::default() };
    let (service, checks) = (None, [].into());
    let request = Register { node, skip_node_update: false, service, checks };
    replay.write(Command::Register(Box::new(request)));
    for (n, name) in [(1, "sid"), (2, "sid2")] {
        let session = Session {
            id: SessionId::from_bytes([n; 16]),
            node: "node1".into(),
            behavior: Behavior::Release,
            ..Session::default()
        };
        replay.captured.insert(name.to_owned(), session.id.to_string().into());
        replay.write(Command::SessionCreate(Box::new(session)));
    }
    replay
}

#[test]
fn transactions_over_keys_answer_as_recorded() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/consul-http/txn-kv.json");
    let scenario: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut replay = setup();
    let mut compared = 0;
    for step in scenario["steps"].as_array().unwrap() {
        let (request, response) = (replay.filled(&step["request"]), &step["response"]);
        let path = request["path"].as_str().unwrap();
        let ours = if path.starts_with("/v1/txn") {
            let ops: Vec<_> =
                request["json"].as_array().unwrap().iter().map(|this| op(&this["KV"])).collect();
            replay.txn(&ops, !response["json"]["Index"].is_null())
        } else if let Some(key) = path.strip_prefix("/v1/kv/")
            && !key.starts_with('?')
        {
            let found = replay.state.snapshot();
            found.kv_get(key.as_bytes()).map_or(Value::Null, |row| json!([entry(row, true)]))
        } else {
            continue;
        };
        for (name, pointer) in step["capture"].as_object().into_iter().flatten() {
            let value = ours.pointer(pointer.as_str().unwrap()).unwrap().clone();
            replay.captured.insert(name.clone(), value);
        }
        let mut recorded = replay.filled(&response["json"]);
        if path.starts_with("/v1/txn") {
            recorded = json!({"Results": recorded["Results"], "Errors": recorded["Errors"]});
        }
        replay.compare(ours, recorded, &request);
        compared += 1;
    }
    assert_eq!(compared, 56);
}

#[test]
fn a_node_that_is_written_has_an_identity_or_none() {
    let node = |verb, id: &str| {
        let node = Node { id: id.into(), name: "n".into(), ..Node::default() };
        TxnOp::Node(verb, node.into())
    };
    let refused = txn_refused(&[
        node(RowVerb::Set, "short"),
        node(RowVerb::Get, "short"),
        node(RowVerb::Set, ""),
        node(RowVerb::Set, "aaaaaaaa-0000-0000-0000-00000000000f"),
    ]);
    let said: Vec<_> = refused.iter().map(|error| (error.op, error.what.to_string())).collect();
    assert_eq!(said, [(0, "Bad node ID: uuid string is wrong length".to_owned())]);
}

/// A request of a few bytes does not read all keys a hundred times.
#[test]
fn the_trees_of_a_transaction_are_bounded() {
    let mut state = State::default();
    let write = |verb, value: usize| KvWrite {
        verb,
        key: (*b"k").into(),
        value: vec![0; value].into(),
        flags: 0,
        index: ModifyIndex::ZERO,
        session: "".into(),
    };
    let set = Command::Kv(write(KvVerb::Set, 7 << 20));
    state.apply(ModifyIndex(1), Time(0), [set]);
    let tree = || TxnOp::Kv(TxnVerb::GetTree, write(KvVerb::Set, 0).into());
    let trees = |count| (0..count).map(|_| tree()).collect::<Vec<_>>();
    assert_eq!(state.snapshot().txn(&trees(9)).unwrap().len(), 9);
    let errors = state.snapshot().txn(&trees(12)).unwrap_err();
    let failed: Vec<_> = errors.iter().map(|error| error.op).collect();
    assert_eq!(failed, [9, 10, 11]);
}
