//! One check that is run again and again.

use std::future::Future;
use std::sync::Arc;

use catalog::{NodeName, ServiceId};
use checks::{Environment, HttpTarget, Limits, Target, Ticker, Tls};
use local::{CheckDefinition, CheckKind, Status};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::catalogue::Catalogue;
use crate::random;

/// What a definition looks at; `None` for what looks at nothing by itself.
fn target(definition: &CheckDefinition) -> Option<Target> {
    let tls = Tls {
        server_name: definition.tls_server_name.clone(),
        skip_verify: definition.tls_skip_verify,
    };
    Some(match definition.kind() {
        CheckKind::Script => Target::Script { args: definition.script_args.clone() },
        CheckKind::Http => {
            let header = definition.header.iter();
            let header = header.flat_map(|(name, values)| {
                values.iter().map(move |value| (name.clone(), value.clone()))
            });
            let proxied = Some(&definition.proxy_http).filter(|url| !url.is_empty());
            Target::Http(HttpTarget {
                url: proxied.unwrap_or(&definition.http).clone(),
                method: definition.method.clone(),
                header: header.collect(),
                body: definition.body.clone(),
                disable_redirects: definition.disable_redirects,
                tls,
            })
        }
        CheckKind::Tcp => Target::Tcp {
            address: definition.tcp.clone(),
            tls: definition.tcp_use_tls.then_some(tls),
        },
        CheckKind::Udp => Target::Udp { address: definition.udp.clone() },
        CheckKind::Grpc => {
            let proxied = Some(&definition.proxy_grpc).filter(|target| !target.is_empty());
            Target::Grpc {
                target: proxied.unwrap_or(&definition.grpc).clone(),
                tls: definition.grpc_use_tls.then_some(tls),
            }
        }
        CheckKind::H2Ping => Target::H2Ping {
            address: definition.h2ping.clone(),
            tls: definition.h2ping_use_tls.then_some(tls),
        },
        CheckKind::Docker => Target::Docker {
            container: definition.docker_container_id.clone(),
            args: definition.script_args.clone(),
        },
        CheckKind::OsService => Target::OsService { name: definition.os_service.clone() },
        _ => return None,
    })
}

/// Runs a check until it is aborted.
pub(crate) async fn run<F: Future<Output = ()>>(
    definition: Arc<CheckDefinition>,
    output_max_bytes: usize,
    environment: Arc<Environment>,
    catalogue: Catalogue,
    report: impl Fn(Status, String) -> F,
) {
    let Some(target) = target(&definition) else {
        return mirror(&definition, &catalogue, report).await;
    };
    let mut generator = SmallRng::from_seed(random::seed());
    let now = Instant::now();
    let mut ticker = Ticker::new(now, definition.run_interval(), &mut generator);
    loop {
        tokio::time::sleep_until(ticker.due()).await;
        let limits = Limits { timeout: definition.run_timeout(), output_max_bytes };
        let outcome = checks::run(&target, limits, &environment).await;
        ticker.completed(Instant::now());
        let status = match outcome.status {
            checks::Status::Passing => Status::Passing,
            checks::Status::Warning => Status::Warning,
            checks::Status::Critical => Status::Critical,
        };
        report(status, outcome.output).await;
    }
}

/// Says what the checks of a service of another node say, whenever they say something else.
async fn mirror<F: Future<Output = ()>>(
    definition: &CheckDefinition,
    catalogue: &Catalogue,
    report: impl Fn(Status, String) -> F,
) {
    if !definition.is_alias() || definition.alias_node.is_empty() {
        return;
    }
    let node = NodeName::from(&*definition.alias_node).fold();
    let service = ServiceId::from(&*definition.alias_service);
    let watches = [
        catalog::Watch::Key(catalog::Key::NodeChecks(node.clone())),
        catalog::Watch::Key(catalog::Key::NodeServices(node.clone())),
    ];
    let mut changes = catalogue.watch(&watches);
    let mut said = None;
    loop {
        let now = aliased(catalogue, &node, &service, definition);
        if said.as_ref() != Some(&now) {
            report(now.0, now.1.clone()).await;
            said = Some(now);
        }
        changes.woken().await;
    }
}

fn aliased(
    catalogue: &Catalogue,
    node: &NodeName,
    service: &ServiceId,
    definition: &CheckDefinition,
) -> (Status, String) {
    let snapshot = catalogue.read();
    let named = !service.is_empty();
    if named && snapshot.service(node, service).is_none() {
        let text = format!(
            "Service {} could not be found on node {}",
            definition.alias_service, definition.alias_node
        );
        return (Status::Critical, text);
    }
    let id = service.fold();
    let mut worst = Status::Passing;
    let mut output = None;
    let mut any = false;
    for check in snapshot.node_checks(node) {
        let counts = check.service_id.is_empty() || (named && check.service_id.fold() == id);
        if !counts {
            continue;
        }
        any = true;
        let status = Status::parse(&check.status).unwrap_or(Status::Critical);
        if status > worst {
            worst = status;
            output = Some(format!(
                "Aliased check {} failing: {}",
                gotext::quote(&check.name),
                check.output
            ));
        }
    }
    let well = if any { "All checks passing." } else { "No checks found." };
    (worst, output.unwrap_or_else(|| well.to_owned()))
}
