//! Requests of clients.

use std::time::Duration;

use agent::telemetry::{Kind, Metrics, Series, milliseconds};
use api::{Endpoint, Handler, Method, QueryUse};

use super::Telemetry;

/// Services with longer names are not counted one by one: clients may ask for whatever they like,
/// and it stays in memory for a while.
const SERVICE_NAME_BYTES: usize = 256;

/// What is counted of requests.
pub(super) struct Requests {
    /// As [`api::ENDPOINTS`].
    endpoints: Vec<EndpointSeries>,
    /// Every read or write of the state.
    rpc: [Series; 2],
    /// Every read of the state.
    query: Series,
    /// Every prepared query that is run, and every one that is explained.
    prepared: [Series; 2],
}

struct EndpointSeries {
    /// How long it took, for each method that something answers.
    methods: Vec<(Method, MethodSeries)>,
    /// What the service is counted under that is asked for.
    service: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct MethodSeries {
    took: Series,
    state: State,
    client: Option<ClientSeries>,
}

/// What a request does with the state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    Read,
    Written,
}

/// Of the few endpoints that have counters of their own.
#[derive(Clone, Copy)]
struct ClientSeries {
    asked: Series,
    done: Series,
    failed: Series,
}

impl Requests {
    pub(super) fn new(metrics: &Metrics, node: &str) -> Self {
        let endpoint = |endpoint: &Endpoint| {
            let client = client_name(endpoint.path).map(|name| {
                let counter = |front: &str| {
                    let name = format!("{front}.{name}");
                    metrics.enter(Kind::Counter, &name, &[("node", node.into())])
                };
                ClientSeries {
                    asked: counter("client.api"),
                    done: counter("client.api.success"),
                    failed: counter("client.rpc.error"),
                }
            });
            let path = endpoint.path.trim_start_matches('/').replace('/', "_");
            let method = |(method, handler): &(Method, Handler)| {
                let labels = [("method", method.as_str().into()), ("path", path.as_str().into())];
                let series = MethodSeries {
                    took: metrics.enter(Kind::Sample, "api.http", &labels),
                    state: match handler {
                        Handler::Read(_) => State::Read,
                        Handler::Write(_) => State::Written,
                        Handler::Shell(_) | Handler::Off(..) => State::Untouched,
                    },
                    client,
                };
                (*method, series)
            };
            EndpointSeries {
                methods: endpoint.handlers.iter().map(method).collect(),
                service: service_name(endpoint.path),
            }
        };
        let counter = |name: &str| metrics.enter(Kind::Counter, name, &[]);
        Self {
            endpoints: api::ENDPOINTS.iter().map(endpoint).collect(),
            rpc: [counter("client.rpc"), counter("rpc.request")],
            query: counter("rpc.query"),
            prepared: ["execute", "explain"]
                .map(|name| metrics.enter(Kind::Sample, &format!("prepared-query.{name}"), &[])),
        }
    }
}

impl Telemetry {
    /// Counts a request that was answered: `index` is the endpoint's place in the table, `tail`
    /// what stands behind its path. A method that nothing answers is not counted.
    pub(crate) fn answered(
        &self,
        index: usize,
        tail: &[u8],
        method: Method,
        status: u16,
        took: Duration,
    ) {
        let requests = &self.requests;
        let Some(endpoint) = requests.endpoints.get(index) else { return };
        let found = endpoint.methods.iter().find(|(known, _)| *known == method);
        let Some((_, series)) = found else { return };
        // What is refused with such a status was not asked of the state; that nothing is there is
        // an answer.
        let refused = (400..500).contains(&status) && status != 404;
        let rpc = requests.rpc.into_iter().filter(|_| series.state != State::Untouched && !refused);
        let query = (series.state == State::Read && !refused).then_some(requests.query);
        let client = series.client.map(|client| match status {
            ..400 => [Some(client.asked), Some(client.done)],
            400..500 => [Some(client.asked), None],
            _ => [Some(client.asked), Some(client.failed)],
        });
        let counters = rpc.chain(query).chain(client.into_iter().flatten().flatten());
        let took = (series.took, milliseconds(took));
        let of_query = api::ENDPOINTS.get(index).and_then(|row| QueryUse::of(row, tail));
        let prepared = match of_query.filter(|_| !refused) {
            Some(QueryUse::Execute) => Some((requests.prepared[0], took.1)),
            Some(QueryUse::Explain) => Some((requests.prepared[1], took.1)),
            _ => None,
        };
        let samples = [took].into_iter().chain(prepared);
        self.metrics.record(counters.map(|counter| (counter, 1.0)).chain(samples));
        let is_counted = !refused && tail.len() <= SERVICE_NAME_BYTES;
        if let Some(name) = endpoint.service.filter(|_| is_counted) {
            let service = String::from_utf8_lossy(tail);
            self.metrics.labelled(&[("service", service.into())]).count(name, 1);
        }
    }

    /// Counts a transaction that only read.
    pub(crate) fn transaction_read(&self, took: Duration) {
        self.metrics.record([(self.txn_read, milliseconds(took))]);
    }
}

/// The name of an endpoint's own counters.
fn client_name(path: &str) -> Option<&'static str> {
    Some(match path {
        "/v1/catalog/register" => "catalog_register",
        "/v1/catalog/deregister" => "catalog_deregister",
        "/v1/catalog/datacenters" => "catalog_datacenters",
        "/v1/catalog/nodes" => "catalog_nodes",
        "/v1/catalog/services" => "catalog_services",
        "/v1/catalog/service/" | "/v1/catalog/connect/" => "catalog_service_nodes",
        "/v1/catalog/node/" => "catalog_node_services",
        "/v1/catalog/node-services/" => "catalog_node_service_list",
        "/v1/catalog/gateway-services/" => "catalog_gateway_services",
        _ => return None,
    })
}

/// Under what the services are counted that an endpoint is asked for.
fn service_name(path: &str) -> Option<&'static str> {
    Some(match path {
        "/v1/catalog/service/" => "catalog.service.query",
        "/v1/catalog/connect/" => "catalog.connect.query",
        "/v1/health/service/" => "health.service.query",
        "/v1/health/connect/" => "health.connect.query",
        "/v1/health/ingress/" => "health.ingress.query",
        _ => return None,
    })
}
