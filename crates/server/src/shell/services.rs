//! `agent/service/` and `agent/services`: the agent's own services.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{AgentService, Failure, Request};
use catalog::{Service, ServiceId};
use filter::Filter;
use local::{Refused, ServiceDefinition, Source};
use tokio::time::timeout_at;

use super::{Outcome, empty, json};
use crate::http::{Parameters, Reply, Site, Wait};
use crate::keeper::NotChanged;

pub(super) fn refused(refused: &Refused) -> Failure {
    Failure::new(refused.status(), refused.to_string())
}

/// What is answered to a change that did not come to its end.
pub(super) fn unchanged(why: NotChanged) -> Failure {
    match why {
        NotChanged::Refused(why) => refused(&why),
        NotChanged::Stopping => stopping(),
        NotChanged::Unwritten(_) => Failure::internal(why.to_string()),
    }
}

pub(super) fn stopping() -> Failure {
    Failure::internal("the agent is stopping")
}

/// A filter over what the agent has; `prefixed` says whether its errors say where they come from.
pub(super) fn filter(
    request: &Request,
    fields: &'static [filter::Field],
    prefixed: bool,
) -> Result<Option<Filter>, Failure> {
    let Some(text) = request.query.filled("filter") else { return Ok(None) };
    let prefix = if prefixed { filter::ERROR_PREFIX } else { "" };
    let filter = Filter::new(text, fields);
    filter.map(Some).map_err(|error| Failure::internal(format!("{prefix}{error}")))
}

pub(super) async fn list(site: &Site, request: &Request) -> Outcome {
    let filter = filter(request, filter::fields::NODE_SERVICE, true)?;
    let services: Vec<Service> = site
        .shell
        .keeper
        .look(|local, _| local.services().map(|service| service.row().clone()).collect())
        .await
        .ok_or_else(stopping)?;
    let datacenter = &site.agent.datacenter;
    let rows: BTreeMap<&str, AgentService<'_>> = services
        .iter()
        .filter(|row| {
            filter.as_ref().is_none_or(|filter| filter.matches(&api::ServiceView::new(row)))
        })
        .map(|row| (row.id.as_str(), AgentService::new(row, datacenter, None)))
        .collect();
    Ok(json(&rows))
}

/// One service, at once or when its content is no longer what the client has seen.
pub(super) async fn one(site: &Site, request: &Request, parameters: Parameters) -> Outcome {
    let id = ServiceId::from(&*request.tail_text());
    let seen = request.query.filled("hash").map(str::to_owned);
    let wait = parameters.wait.unwrap_or(site.manners.wait).min(site.manners.wait_max);
    let until = Wait::new(0, wait).until;
    loop {
        let changed = site.shell.keeper.changed();
        let name = id.clone();
        let found = site
            .shell
            .keeper
            .look(move |local, _| local.service(&name).map(|service| service.row().clone()))
            .await
            .ok_or_else(stopping)?;
        let Some(service) = found else {
            return Err(Failure::new(404, format!("unknown service ID: {id}")));
        };
        let hash = local::content_hash(&service);
        let same = seen.as_deref() == Some(&*hash);
        if !same || timeout_at(until, changed).await.is_err() {
            let row = AgentService::new(&service, &site.agent.datacenter, Some(&hash));
            return Ok(json(&row).with("X-Consul-Contenthash", &*hash));
        }
    }
}

pub(super) async fn register(site: &Arc<Site>, request: &Request) -> Outcome {
    let definition = ServiceDefinition::parse(&request.body).map_err(|why| refused(&why))?;
    let replace = match request.query.first("replace-existing-checks") {
        None => false,
        Some("") => true,
        Some(text) => text == "true",
    };
    let token = request.token.to_string();
    let changed = site.shell.keeper.change(move |local, now| {
        local.register_service(now, definition, Source::Request, &token, replace)
    });
    changed.await.map(|()| empty()).map_err(unchanged)
}

pub(super) async fn deregister(site: &Site, request: &Request) -> Outcome {
    let id = ServiceId::from(&*request.tail_text());
    let changed =
        site.shell.keeper.change(move |local, now| local.deregister_service(now, &id)).await;
    changed.map(|()| empty()).map_err(unchanged)
}

/// Whether maintenance is to begin or to end.
pub(super) fn enable(request: &Request) -> Result<bool, Failure> {
    let Some(text) = request.query.first("enable") else {
        return Err(Failure::bad("Missing value for enable"));
    };
    gotext::parse_bool(text)
        .map_err(|_| Failure::bad(format!("Invalid value for enable: {}", gotext::quote(text))))
}

pub(super) async fn maintenance(site: &Site, request: &Request) -> Outcome {
    if request.tail.is_empty() {
        return Err(Failure::bad("Missing service ID"));
    }
    let enable = enable(request)?;
    let id = ServiceId::from(&*request.tail_text());
    let reason = request.query.first("reason").unwrap_or_default().to_owned();
    let token = request.token.to_string();
    let changed = site.shell.keeper.change(move |local, now| {
        if enable {
            local.enter_service_maintenance(now, &id, &reason, &token)
        } else {
            local.leave_service_maintenance(now, &id)
        }
    });
    changed.await.map(|()| empty()).map_err(unchanged)
}

pub(super) async fn node_maintenance(site: &Site, request: &Request) -> Outcome {
    let enable = enable(request)?;
    let reason = request.query.first("reason").unwrap_or_default().to_owned();
    let token = request.token.to_string();
    let changed = site.shell.keeper.change(move |local, now| {
        Ok(if enable {
            local.enter_node_maintenance(now, &reason, &token)
        } else {
            local.leave_node_maintenance(now)
        })
    });
    changed.await.map(|()| empty()).map_err(unchanged)
}

/// The status alone, if the client asks for text.
pub(super) fn wants_text(request: &Request, accept: &str) -> bool {
    request.query.first("format") == Some("text") || accept.starts_with("text/plain")
}

/// The plain content type of a status word.
pub(super) fn word(status: u16, text: impl Into<String>) -> Reply {
    let text: String = text.into();
    Reply::new(status, api::Body::Bytes("text/plain", text.into_bytes().into()))
}
