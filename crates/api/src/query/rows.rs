//! The JSON forms of prepared queries and of what they find.

use catalog::{FailoverTarget, PreparedQuery};
use serde::{Serialize, Serializer};

use crate::consistency::Consistency;
use crate::rows::{Absent, EntryRow, Map, TagList};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TemplateRow<'a> {
    r#type: &'a str,
    regexp: &'a str,
    remove_empty_tags: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetRow<'a> {
    peer: &'a str,
    datacenter: &'a str,
}

impl<'a> TargetRow<'a> {
    fn new(target: &'a FailoverTarget) -> Self {
        Self { peer: &target.peer, datacenter: &target.datacenter }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailoverRow<'a> {
    nearest_n: i64,
    datacenters: TagList<'a>,
    targets: Option<Vec<TargetRow<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceQueryRow<'a> {
    service: &'a str,
    sameness_group: &'static str,
    failover: FailoverRow<'a>,
    only_passing: bool,
    #[serde(rename = "IgnoreCheckIDs")]
    ignore_check_ids: TagList<'a>,
    near: &'a str,
    tags: TagList<'a>,
    node_meta: Map<'a>,
    service_meta: Map<'a>,
    connect: bool,
    peer: &'a str,
}

#[derive(Serialize)]
struct DnsRow<'a> {
    #[serde(rename = "TTL")]
    ttl: &'a str,
}

/// A prepared query.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryRow<'a> {
    #[serde(rename = "ID")]
    id: String,
    name: &'a str,
    session: String,
    token: &'a str,
    template: TemplateRow<'a>,
    service: ServiceQueryRow<'a>,
    #[serde(rename = "DNS")]
    dns: DnsRow<'a>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> QueryRow<'a> {
    /// Without ACLs everybody may see the token.
    pub(super) fn new(query: &'a PreparedQuery) -> Self {
        let service = &query.service;
        let targets = service.failover.targets.as_ref();
        Self {
            id: query.id.to_string(),
            name: &query.name,
            session: query.session.map(|id| id.to_string()).unwrap_or_default(),
            token: query.token.reveal(),
            template: TemplateRow {
                r#type: &query.template.kind,
                regexp: &query.template.regexp,
                remove_empty_tags: query.template.remove_empty_tags,
            },
            service: ServiceQueryRow {
                service: service.service.as_str(),
                sameness_group: "",
                failover: FailoverRow {
                    nearest_n: service.failover.nearest_n,
                    datacenters: TagList(&service.failover.datacenters, Absent::Null),
                    targets: targets.map(|list| list.iter().map(TargetRow::new).collect()),
                },
                only_passing: service.only_passing,
                ignore_check_ids: TagList(&service.ignore_check_ids, Absent::Null),
                near: &service.near,
                tags: TagList(&service.tags, Absent::Null),
                node_meta: Map(&service.node_meta),
                service_meta: Map(&service.service_meta),
                connect: service.connect,
                peer: &service.peer,
            },
            dns: DnsRow { ttl: &query.dns_ttl },
            create_index: query.create.0,
            modify_index: query.modify.0,
        }
    }
}

/// What other reads say in headers; nobody waits for these, so that the index is always the first.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReadMeta {
    index: u64,
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
    not_modified: bool,
    backend: u64,
    #[serde(rename = "ResultsFilteredByACLs")]
    filtered: bool,
}

impl ReadMeta {
    pub(super) fn new(consistency: Consistency) -> Self {
        Self {
            index: 1,
            last_contact: 0,
            known_leader: true,
            consistency_level: consistency.as_str(),
            not_modified: false,
            backend: 0,
            filtered: false,
        }
    }
}

/// A query as it would be run.
#[derive(Serialize)]
pub(super) struct ExplainRow<'a> {
    #[serde(rename = "Query")]
    pub(super) query: QueryRow<'a>,
    #[serde(flatten)]
    pub(super) meta: ReadMeta,
}

/// What a query found.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ExecuteRow<'a> {
    pub(super) service: &'a str,
    pub(super) nodes: Vec<EntryRow<'a>>,
    #[serde(rename = "DNS", serialize_with = "ttl")]
    pub(super) ttl: &'a str,
    pub(super) datacenter: &'a str,
    #[serde(rename = "PeerName")]
    pub(super) peer: &'a str,
    pub(super) failovers: u64,
    #[serde(flatten)]
    pub(super) meta: ReadMeta,
}

fn ttl<S: Serializer>(ttl: &str, serializer: S) -> Result<S::Ok, S::Error> {
    DnsRow { ttl }.serialize(serializer)
}
