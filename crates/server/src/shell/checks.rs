//! `agent/check/`, `agent/checks` and `agent/health/`: the agent's own checks.

use std::collections::BTreeMap;

use api::{AgentCheck, AgentHealth, AgentService, Failure, Request};
use catalog::{Check, CheckId, Service, ServiceId, ServiceName};
use local::{Aggregate, CheckDefinition, Health, Source, Status, parse_update};

use super::services::{filter, refused, stopping, unchanged, wants_text, word};
use super::{Outcome, empty, json};
use crate::http::{Reply, Site};

pub(super) async fn list(site: &Site, request: &Request) -> Outcome {
    let filter = filter(request, filter::fields::CHECK, false)?;
    let checks: Vec<Check> = site
        .shell
        .keeper
        .look(|local, _| local.checks().map(|check| check.row().clone()).collect())
        .await
        .ok_or_else(stopping)?;
    let rows: BTreeMap<&str, AgentCheck<'_>> = checks
        .iter()
        .filter(|row| {
            filter.as_ref().is_none_or(|filter| filter.matches(&api::CheckView::new(row)))
        })
        .map(|row| (row.id.as_str(), AgentCheck(row)))
        .collect();
    Ok(json(&rows))
}

pub(super) async fn register(site: &Site, request: &Request) -> Outcome {
    let definition = CheckDefinition::parse(&request.body).map_err(|why| refused(&why))?;
    let token = request.token.to_string();
    let changed = site
        .shell
        .keeper
        .change(move |local, now| local.register_check(now, definition, Source::Request, &token));
    changed.await.map(|()| empty()).map_err(unchanged)
}

pub(super) async fn deregister(site: &Site, request: &Request) -> Outcome {
    let id = CheckId::from(&*request.tail_text());
    let changed =
        site.shell.keeper.change(move |local, now| local.deregister_check(now, &id)).await;
    changed.map(|()| empty()).map_err(unchanged)
}

/// A check with a TTL is told what is.
pub(super) async fn told(site: &Site, request: &Request, status: Status) -> Outcome {
    let note = request.query.first("note").unwrap_or_default().to_owned();
    tell(site, request, status, note).await
}

pub(super) async fn update(site: &Site, request: &Request) -> Outcome {
    let (status, output) = parse_update(&request.body).map_err(|why| refused(&why))?;
    tell(site, request, status, output).await
}

async fn tell(site: &Site, request: &Request, status: Status, output: String) -> Outcome {
    let id = CheckId::from(&*request.tail_text());
    let changed =
        site.shell.keeper.change(move |local, now| local.update_ttl(now, &id, status, &output));
    changed.await.map(|()| empty()).map_err(unchanged)
}

/// How a service is, copied out of the machine.
struct Found {
    status: Aggregate,
    service: Service,
    checks: Vec<Check>,
}

impl Found {
    fn of(health: &Health<'_>) -> Self {
        Self {
            status: health.status,
            service: health.service.row().clone(),
            checks: health.checks.iter().map(|check| check.row().clone()).collect(),
        }
    }

    fn row<'a>(&'a self, datacenter: &'a str) -> AgentHealth<'a> {
        AgentHealth {
            status: self.status.as_str(),
            service: Some(AgentService::new(&self.service, datacenter, None)),
            checks: self.checks.iter().collect(),
        }
    }
}

const REASON: &str = "X-Consul-Reason";

pub(super) async fn health_by_id(site: &Site, request: &Request, accept: &str) -> Outcome {
    if request.tail.is_empty() {
        return Err(Failure::internal("Missing serviceID"));
    }
    let id = ServiceId::from(&*request.tail_text());
    let name = id.clone();
    let look = move |local: &mut local::Local, _| local.health(&name).map(|it| Found::of(&it));
    let found = site.shell.keeper.look(look).await.ok_or_else(stopping)?;
    let text = wants_text(request, accept);
    let Some(found) = found else {
        let why = format!("ServiceId {id} not found");
        let reply = if text {
            word(404, why.clone())
        } else {
            let none = AgentHealth { status: "critical", service: None, checks: Vec::new() };
            Reply { status: 404, ..json(&none) }
        };
        return Ok(reply.with(REASON, why));
    };
    let status = found.status.http_status();
    let reply = if text {
        word(status, found.status.as_str())
    } else {
        Reply { status, ..json(&found.row(&site.agent.datacenter)) }
    };
    Ok(reply.with(REASON, found.status.as_str()))
}

pub(super) async fn health_by_name(site: &Site, request: &Request, accept: &str) -> Outcome {
    if request.tail.is_empty() {
        return Err(Failure::internal("Missing service Name"));
    }
    let asked = request.tail_text().into_owned();
    let name = ServiceName::from(&*asked);
    let look = move |local: &mut local::Local, _| {
        local.health_of_name(&name).map(|it| Found::of(&it)).collect::<Vec<_>>()
    };
    let found = site.shell.keeper.look(look).await.ok_or_else(stopping)?;
    let text = wants_text(request, accept);
    let Some(worst) = found.iter().map(|found| found.status).max() else {
        let why = format!("ServiceName {asked} Not Found");
        let reply =
            if text { word(404, why.clone()) } else { Reply { status: 404, ..json::<[()]>(&[]) } };
        return Ok(reply.with(REASON, why));
    };
    let status = worst.http_status();
    let reply = if text {
        word(status, worst.as_str())
    } else {
        let rows: Vec<_> = found.iter().map(|found| found.row(&site.agent.datacenter)).collect();
        Reply { status, ..json(&rows) }
    };
    Ok(reply.with(REASON, worst.as_str()))
}
