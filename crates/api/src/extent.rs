//! How much a request has to go through, before it does.

use catalog::{NodeName, ServiceName, Snapshot};

use crate::endpoint::Endpoint;
use crate::request::Request;

/// Rows that are gone through within some milliseconds.
const ROWS: usize = 4_000;
/// Bytes of values, likewise.
const BYTES: usize = 1 << 20;

/// Whether a read takes so long that others would notice who wait for the same thread. To know
/// that, no more rows are looked at than a short one has, and none of their content.
#[must_use]
pub fn is_long(endpoint: &Endpoint, request: &Request, snapshot: &Snapshot) -> bool {
    let query = &request.query;
    let tail = || request.tail_text();
    match endpoint.path {
        "/v1/kv/" if query.has("keys") => is_long_list(snapshot, &request.tail, false),
        "/v1/kv/" if query.has("recurse") => is_long_list(snapshot, &request.tail, true),
        // A transaction may list everything, and that several times.
        "/v1/txn" => lists(&request.body) && is_long_list(snapshot, b"", true),
        "/v1/catalog/service/" | "/v1/health/service/" | "/v1/health/checks/" => {
            let name = ServiceName::from(&*tail()).fold();
            snapshot.find_instances(name.as_str()).len() > ROWS
        }
        "/v1/catalog/connect/" | "/v1/health/connect/" => {
            let name = ServiceName::from(&*tail()).fold();
            snapshot.find_connect_instances(name.as_str()).len() > ROWS
        }
        "/v1/catalog/node/" | "/v1/catalog/node-services/" => {
            snapshot.services_of(&NodeName::from(&*tail())).nth(ROWS).is_some()
        }
        "/v1/health/node/" | "/v1/health/state/" => snapshot.check_list().nth(ROWS).is_some(),
        "/v1/catalog/services" => snapshot.service_tags().nth(ROWS).is_some(),
        "/v1/catalog/nodes" | "/v1/coordinate/nodes" => snapshot.node_list().nth(ROWS).is_some(),
        "/v1/session/list" | "/v1/session/node/" => snapshot.session_list().nth(ROWS).is_some(),
        "/v1/query" => snapshot.query_list().nth(ROWS).is_some(),
        _ => false,
    }
}

/// Whether the keys below a prefix are many, or their values long.
fn is_long_list(snapshot: &Snapshot, prefix: &[u8], with_values: bool) -> bool {
    let mut bytes = 0;
    for (row, entry) in snapshot.kv_list(prefix).enumerate() {
        bytes += if with_values { entry.fields().value.len() } else { 0 };
        if row >= ROWS || bytes >= BYTES {
            return true;
        }
    }
    false
}

/// Whether a transaction has the word of an operation that lists.
fn lists(body: &[u8]) -> bool {
    const WORD: &[u8] = b"get-tree";
    body.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}
