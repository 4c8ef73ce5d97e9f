//! Prepared queries as requests write them.

use std::collections::BTreeMap;

use catalog::{
    Error, FailoverTarget, ModifyIndex, Pairs, PreparedQuery, QueryFailover, QueryTemplate, Secret,
    ServiceName, ServiceQuery, Tags, Uuid,
};
use gotext::GoDuration;
use gotext::decode::Value;
use gotext::object::{FromValue, Object, ObjectError};

use super::refused;
use crate::answer::Failure;
use crate::register::indexes;

/// What stands for a secret that was not shown.
const HIDDEN: &str = "<hidden>";

/// What a request says.
pub(super) struct Read {
    pub(super) id: String,
    session: String,
    sameness_group: String,
    query: PreparedQuery,
}

pub(super) fn read(text: &[u8]) -> Result<Read, ObjectError> {
    let value = gotext::decode::first_value(text)?;
    // `null` is no query: Go's program ends on it.
    if value == Value::Null {
        let found = "null".to_owned();
        return Err(ObjectError::Type { found, place: "value".into(), wanted: "struct" });
    }
    let mut body = Object::from_value(value)?;
    let id = body.field("ID")?;
    let name: String = body.field("Name")?;
    let session = body.field("Session")?;
    let token: String = body.field("Token")?;
    let template = template(body.field("Template")?)?;
    let (service, sameness_group) = service(body.field("Service")?)?;
    let mut dns: Object = body.field("DNS")?;
    let ttl: String = dns.field("TTL")?;
    dns.finish()?;
    indexes(&mut body)?;
    body.finish()?;
    let query = PreparedQuery {
        id: Uuid::default(),
        name: name.into(),
        session: None,
        token: Secret::from(&*token),
        template,
        service,
        dns_ttl: ttl.into(),
        create: ModifyIndex::ZERO,
        modify: ModifyIndex::ZERO,
    };
    Ok(Read { id, session, sameness_group, query })
}

fn template(mut object: Object) -> Result<QueryTemplate, ObjectError> {
    let template = QueryTemplate {
        kind: object.field::<String>("Type")?.into(),
        regexp: object.field::<String>("Regexp")?.into(),
        remove_empty_tags: object.field("RemoveEmptyTags")?,
    };
    object.finish()?;
    Ok(template)
}

/// Which instances, and the group of clusters that another edition has.
fn service(mut object: Object) -> Result<(ServiceQuery, String), ObjectError> {
    let service: String = object.field("Service")?;
    let group = object.field("SamenessGroup")?;
    let query = ServiceQuery {
        service: ServiceName::from(&*service),
        failover: failover(object.field("Failover")?)?,
        only_passing: object.field("OnlyPassing")?,
        ignore_check_ids: list(&mut object, "IgnoreCheckIDs")?,
        near: object.field::<String>("Near")?.into(),
        tags: list(&mut object, "Tags")?,
        node_meta: pairs(&mut object, "NodeMeta")?,
        service_meta: pairs(&mut object, "ServiceMeta")?,
        connect: object.field("Connect")?,
        peer: object.field::<String>("Peer")?.into(),
    };
    object.finish()?;
    Ok((query, group))
}

fn failover(mut object: Object) -> Result<QueryFailover, ObjectError> {
    let target = |mut object: Object| {
        let target = FailoverTarget {
            peer: object.field::<String>("Peer")?.into(),
            datacenter: object.field::<String>("Datacenter")?.into(),
        };
        object.finish()?;
        Ok(target)
    };
    let targets = object.objects("Targets")?;
    let failover = QueryFailover {
        nearest_n: object.field("NearestN")?,
        datacenters: list(&mut object, "Datacenters")?,
        targets: targets
            .map(|list| list.into_iter().map(target).collect::<Result<_, ObjectError>>())
            .transpose()?,
    };
    object.finish()?;
    Ok(failover)
}

fn list(object: &mut Object, name: &str) -> Result<Tags, ObjectError> {
    let list: Option<Vec<String>> = object.optional(name)?;
    Ok(list.map(|list| list.into_iter().map(String::into_boxed_str).collect()))
}

fn pairs(object: &mut Object, name: &str) -> Result<Pairs, ObjectError> {
    let map: Option<BTreeMap<String, String>> = object.optional(name)?;
    Ok(map.map(|map| map.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
}

/// The query of a request, under the ID that it has or gets.
pub(super) fn check(read: Read, id: Uuid) -> Result<PreparedQuery, Failure> {
    let invalid = |why: String| Failure::internal(format!("Invalid prepared query: {why}"));
    let query = PreparedQuery { id, ..read.query };
    if query.name.is_empty() && !query.is_template() && read.session.is_empty() {
        return Err(invalid("Must be bound to a session".into()));
    }
    if query.token.reveal() == HIDDEN {
        return Err(invalid(format!(
            "Bad Token '{HIDDEN}', it looks like a query definition with a redacted token was \
             submitted"
        )));
    }
    check_service(&query.service, &read.sameness_group).map_err(invalid)?;
    check_ttl(&query.dns_ttl).map_err(invalid)?;
    let session = match &*read.session {
        "" => None,
        text => {
            let unknown = || refused(&Error::InvalidSession(text.into()));
            Some(Uuid::parse(text).ok_or_else(unknown)?)
        }
    };
    Ok(PreparedQuery { session, ..query })
}

fn check_service(service: &ServiceQuery, sameness_group: &str) -> Result<(), String> {
    let failover = &service.failover;
    if service.service.is_empty() {
        return Err("Must provide a Service name to query".into());
    }
    if !sameness_group.is_empty() {
        return Err("sameness-groups are an enterprise-only feature".into());
    }
    if failover.nearest_n < 0 {
        return Err(format!("Bad NearestN '{}', must be >= 0", failover.nearest_n));
    }
    let has_targets = failover.targets.as_ref().is_some_and(|targets| !targets.is_empty());
    let has_others = failover.nearest_n > 0
        || failover.datacenters.as_ref().is_some_and(|datacenters| !datacenters.is_empty());
    if has_targets && has_others {
        return Err("Targets cannot be populated with NearestN or Datacenters".into());
    }
    catalog::query_meta_valid(&service.node_meta)
}

fn check_ttl(ttl: &str) -> Result<(), String> {
    if ttl.is_empty() {
        return Ok(());
    }
    let parsed = GoDuration::parse(ttl).map_err(|why| format!("Bad DNS TTL '{ttl}': {why}"))?;
    match parsed.as_nanoseconds() {
        0.. => Ok(()),
        ns => Err(format!("DNS TTL '{ns}', must be >=0")),
    }
}
