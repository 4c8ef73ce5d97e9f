//! `/v1/txn`: several operations, all or none (consul-http, "Transactions").

use catalog::{
    Check, CheckId, Command, KvVerb, KvWrite, ModifyIndex, Node, NodeName, Response, RowVerb,
    Service, ServiceId, TxnError, TxnOp, TxnResult, TxnVerb, txn_refused,
};
use gotext::object::{Base64, Object, ObjectError, objects};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::answer::{Answer, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::register;
use crate::request::Request;
use crate::rows::{Absent, CheckRow, KvRow, NodeRow, ServiceRow};

/// Most operations of one transaction.
const OPERATIONS: usize = 128;

pub(crate) fn apply(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    let ops = decode(&request.body)
        .map_err(|error| Failure::bad(format!("Failed to parse body: {error}")))?;
    if ops.len() > OPERATIONS {
        return Err(Failure::new(
            413,
            format!("Transaction contains too many operations ({} > {OPERATIONS})", ops.len()),
        ));
    }
    let limit = reader.agent.kv_value_max_bytes;
    for op in &ops {
        if let TxnOp::Kv(_, write) = op
            && write.value.len() > limit
        {
            return Err(Failure::new(
                413,
                format!(
                    "Value for key {} is too large ({} > {limit} bytes)",
                    gotext::quote(&String::from_utf8_lossy(&write.key)),
                    write.value.len()
                ),
            ));
        }
    }
    let datacenter = reader.agent.datacenter.clone();
    let writes = ops.iter().any(is_write);
    let refused = txn_refused(&ops);
    if !refused.is_empty() {
        let read = (!writes).then_some(Read { index: 0, known_leader: false });
        return Ok(Proposal::Answer(failed(&refused, read)));
    }
    if !writes {
        let read = Some(Read { index: 1, known_leader: true });
        return Ok(Proposal::Answer(match reader.snapshot.txn(&ops) {
            Ok(results) => applied(&results, &datacenter, read),
            Err(errors) => failed(&errors, read),
        }));
    }
    let then = move |response| match response {
        Response::Txn(results) => Ok(applied(&results, &datacenter, None)),
        Response::TxnFailed(errors) => Ok(failed(&errors, None)),
        Response::Refused(error) => Err(Failure::internal(error.to_string())),
        _ => Ok(applied(&[], &datacenter, None)),
    };
    Ok(Proposal::Command(Command::Txn(ops.into()), Box::new(then)))
}

fn is_write(op: &TxnOp) -> bool {
    match op {
        TxnOp::Kv(verb, _) => matches!(verb, TxnVerb::Write(_)),
        TxnOp::Node(verb, _) | TxnOp::Service(verb, _) | TxnOp::Check(verb, _) => {
            *verb != RowVerb::Get
        }
    }
}

fn decode(body: &[u8]) -> Result<Vec<TxnOp>, ObjectError> {
    let value = gotext::decode::first_value(body)?;
    if value == gotext::decode::Value::Null {
        return Ok(Vec::new());
    }
    let mut ops = Vec::new();
    for mut element in objects(value)? {
        let kv: Option<Object> = element.optional("KV")?;
        let node: Option<Object> = element.optional("Node")?;
        let service: Option<Object> = element.optional("Service")?;
        let check: Option<Object> = element.optional("Check")?;
        element.finish()?;
        if let Some(object) = kv {
            ops.push(kv_op(object)?);
        } else if let Some(mut object) = node {
            let verb = row_verb(&mut object)?;
            let node = inner(object, "Node", node_of)?;
            ops.push(TxnOp::Node(verb, Box::new(node)));
        } else if let Some(mut object) = service {
            let verb = row_verb(&mut object)?;
            let name: String = object.field("Node")?;
            let mut service: Service = inner(object, "Service", register::service)?.service;
            service.node = NodeName::from(&*name);
            service.tagged_addresses = None;
            if service.id.is_empty() && verb != RowVerb::Get {
                service.id = ServiceId::from(service.name.as_str());
            }
            ops.push(TxnOp::Service(verb, Box::new(service)));
        } else if let Some(mut object) = check {
            let verb = row_verb(&mut object)?;
            let mut check: Check = inner(object, "Check", register::check)?;
            if check.id.is_empty() {
                check.id = CheckId::from(&*check.name);
            }
            ops.push(TxnOp::Check(verb, Box::new(check)));
        }
    }
    Ok(ops)
}

/// The row of an operation; nothing else may stand beside it.
fn inner<T>(
    mut object: Object,
    name: &str,
    read: impl FnOnce(Object) -> Result<T, ObjectError>,
) -> Result<T, ObjectError> {
    let row = read(object.field::<Object>(name)?)?;
    object.finish()?;
    Ok(row)
}

fn kv_op(mut object: Object) -> Result<TxnOp, ObjectError> {
    let verb: String = object.field("Verb")?;
    let key: String = object.field("Key")?;
    let value: Base64 = object.field("Value")?;
    let write = KvWrite {
        verb: kv_verb(&verb).unwrap_or(KvVerb::Set),
        key: key.into_bytes().into(),
        value: value.0.into(),
        flags: object.field("Flags")?,
        index: ModifyIndex(object.field("Index")?),
        session: object.field::<String>("Session")?.into(),
    };
    // Another edition's, and ours has one of each.
    let _: (String, String) = (object.field("Namespace")?, object.field("Partition")?);
    object.finish()?;
    let verb = match verb.as_str() {
        "get" => TxnVerb::Get,
        "get-or-empty" => TxnVerb::GetOrEmpty,
        "get-tree" => TxnVerb::GetTree,
        "check-index" => TxnVerb::CheckIndex,
        "check-session" => TxnVerb::CheckSession,
        "check-not-exists" => TxnVerb::CheckNotExists,
        other => kv_verb(other).map_or(TxnVerb::Unknown(other.into()), TxnVerb::Write),
    };
    Ok(TxnOp::Kv(verb, Box::new(write)))
}

fn kv_verb(text: &str) -> Option<KvVerb> {
    Some(match text {
        "set" => KvVerb::Set,
        "cas" => KvVerb::Cas,
        "lock" => KvVerb::Lock,
        "unlock" => KvVerb::Unlock,
        "delete" => KvVerb::Delete,
        "delete-cas" => KvVerb::DeleteCas,
        "delete-tree" => KvVerb::DeleteTree,
        _ => return None,
    })
}

fn row_verb(object: &mut Object) -> Result<RowVerb, ObjectError> {
    let verb: String = object.field("Verb")?;
    Ok(match verb.as_str() {
        "get" => RowVerb::Get,
        "set" => RowVerb::Set,
        "cas" => RowVerb::Cas,
        "delete" => RowVerb::Delete,
        "delete-cas" => RowVerb::DeleteCas,
        other => RowVerb::Unknown(other.into()),
    })
}

fn node_of(mut object: Object) -> Result<Node, ObjectError> {
    let name: String = object.field("Node")?;
    let node = register::node(&mut object, &name)?;
    let _: String = object.field("PeerName")?;
    let _: String = object.field("Datacenter")?;
    register::indexes(&mut object).and_then(|(create, modify)| {
        object.finish()?;
        Ok(Node { create, modify, ..node })
    })
}

/// What a transaction that only reads tells besides.
#[derive(Clone, Copy)]
struct Read {
    index: u64,
    known_leader: bool,
}

struct Outcome<'a> {
    results: Option<Vec<Row<'a>>>,
    errors: Option<Vec<ErrorRow>>,
    read: Option<Read>,
}

impl Serialize for Outcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Results", &self.results)?;
        map.serialize_entry("Errors", &self.errors)?;
        if let Some(read) = self.read {
            map.serialize_entry("Index", &read.index)?;
            map.serialize_entry("LastContact", &0)?;
            map.serialize_entry("KnownLeader", &read.known_leader)?;
            map.serialize_entry("ConsistencyLevel", "")?;
            map.serialize_entry("NotModified", &false)?;
            map.serialize_entry("Backend", &0)?;
            map.serialize_entry("ResultsFilteredByACLs", &false)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
enum Row<'a> {
    #[serde(rename = "KV")]
    Kv(KvRow<'a>),
    Node(NodeRow<'a>),
    Service(ServiceRow<'a>),
    Check(CheckRow<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorRow {
    op_index: usize,
    what: String,
}

fn applied(results: &[TxnResult], datacenter: &str, read: Option<Read>) -> Answer {
    let results = results.iter().map(|result| result_row(result, datacenter)).collect();
    said(Outcome { results: Some(results), errors: None, read })
}

fn result_row<'a>(result: &'a TxnResult, datacenter: &'a str) -> Row<'a> {
    match result {
        TxnResult::Value(entry) => Row::Kv(KvRow::new(entry)),
        TxnResult::Entry(entry) => Row::Kv(KvRow::without_value(entry)),
        TxnResult::Absent(key) => Row::Kv(KvRow::absent(key)),
        TxnResult::Node(node) => Row::Node(NodeRow::new(node, datacenter)),
        TxnResult::Service(service) => Row::Service(ServiceRow::new(service, Absent::Null)),
        TxnResult::Check(check) => Row::Check(CheckRow::new(check, Absent::Null)),
    }
}

fn failed(errors: &[TxnError], read: Option<Read>) -> Answer {
    let row = |error: &TxnError| ErrorRow { op_index: error.op, what: error.what.to_string() };
    let errors = Some(errors.iter().map(row).collect());
    said(Outcome { results: None, errors, read }).status(409)
}

fn said(outcome: Outcome<'_>) -> Answer {
    let mut answer = Answer::new(json::body(&outcome));
    if let Some(read) = outcome.read {
        answer.headers.push(("X-Consul-LastContact", "0".into()));
        answer.headers.push(("X-Consul-KnownLeader", read.known_leader.to_string()));
    }
    answer
}
