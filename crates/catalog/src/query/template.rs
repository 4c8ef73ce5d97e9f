//! Templates: queries whose texts are filled in for the name that was asked for.

use std::cell::Cell;
use std::fmt::Arguments;

use pattern::Pattern;

use super::expression::{Scope, Text};
use super::{FailoverTarget, NAME_PREFIX_MATCH, PreparedQuery, QueryFailover, ServiceQuery};
use crate::name::{Pairs, ServiceName};
use crate::service::Tags;

/// What the pattern of one template may cost.
const PATTERN_LIMIT: usize = 256 << 10;
/// How many bytes all texts of a template may have.
const TEXT_BYTES: usize = 64 << 10;
/// As how many bytes each of them counts at least, which is work, too.
const TEXT_LEAST: usize = 16;
/// Longest name that templates stand for. Whoever asks chooses it, and the work grows with it; DNS
/// knows 255 bytes.
const NAME_BYTES: usize = 1 << 10;
/// How many bytes they may have once they are filled in.
const FILLED_BYTES: usize = 256 << 10;

/// A template that was read.
#[derive(Debug)]
pub(super) struct Template {
    /// In the order in which [`each`] comes to them.
    texts: Vec<Text>,
    pattern: Option<Pattern>,
}

impl Template {
    /// Reads the template of a query, and tries it on the shortest name that it stands for.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn new(query: &PreparedQuery) -> Result<Self, String> {
        if &*query.template.kind != NAME_PREFIX_MATCH {
            return Err(format!("Bad Template.Type '{}'", query.template.kind));
        }
        let mut texts = Vec::new();
        let mut bytes = 0_usize;
        each(&query.service, &mut |place, text| {
            bytes = bytes.saturating_add(text.len().max(TEXT_LEAST));
            if bytes > TEXT_BYTES {
                return Err(format!("its texts are longer than {TEXT_BYTES} bytes"));
            }
            let read = Text::parse(text);
            texts.push(read.map_err(|why| format!("Bad format '{text}' in {place}: {why}"))?);
            Ok(text.to_owned())
        })?;
        let pattern = match &*query.template.regexp {
            "" => None,
            regexp => {
                let pattern = Pattern::with_groups(regexp, PATTERN_LIMIT);
                Some(pattern.map_err(|why| format!("Bad Regexp: {why}"))?)
            }
        };
        let template = Self { texts, pattern };
        template.fill(query, &query.name)?;
        Ok(template)
    }

    /// The query with its texts filled in for a name.
    ///
    /// # Errors
    ///
    /// Which text has no value, and why.
    pub(super) fn fill(&self, query: &PreparedQuery, name: &str) -> Result<PreparedQuery, String> {
        if name.len() > NAME_BYTES {
            return Err(format!("the name is longer than {NAME_BYTES} bytes"));
        }
        let groups = self.pattern.as_ref().and_then(|pattern| pattern.captures(name));
        let scope = Scope {
            full: name,
            prefix: &query.name,
            groups: groups.as_deref().unwrap_or_default(),
            budget: Cell::new(FILLED_BYTES),
        };
        let mut texts = self.texts.iter();
        let mut service = each(&query.service, &mut |place, text| {
            let Some(read) = texts.next() else { return Ok(text.to_owned()) };
            let filled = read.check().and_then(|()| read.fill(&scope));
            filled.map_err(|why| format!("Bad evaluation for '{text}' in {place}: {why}"))
        })?;
        if query.template.remove_empty_tags {
            let tags = service.tags.unwrap_or_default().to_vec();
            let kept = tags.into_iter().filter(|tag| !tag.is_empty());
            service.tags = Some(kept.collect());
        }
        Ok(PreparedQuery {
            id: query.id,
            name: query.name.clone(),
            session: query.session,
            token: query.token.clone(),
            template: query.template.clone(),
            service,
            dns_ttl: query.dns_ttl.clone(),
            create: query.create,
            modify: query.modify,
        })
    }
}

/// What becomes of a text, whose place is named for errors.
type Change<'a> = dyn FnMut(Arguments<'_>, &str) -> Result<String, String> + 'a;

/// Takes each text of a query through `change`, in a fixed order.
fn each(service: &ServiceQuery, change: &mut Change<'_>) -> Result<ServiceQuery, String> {
    let failover = &service.failover;
    Ok(ServiceQuery {
        service: ServiceName::from(&*change(
            format_args!("Service.Service"),
            service.service.as_str(),
        )?),
        failover: QueryFailover {
            nearest_n: failover.nearest_n,
            datacenters: list("Service.Failover.Datacenters", &failover.datacenters, change)?,
            targets: targets(&failover.targets, change)?,
        },
        only_passing: service.only_passing,
        ignore_check_ids: list("Service.IgnoreCheckIDs", &service.ignore_check_ids, change)?,
        near: change(format_args!("Service.Near"), &service.near)?.into(),
        tags: list("Service.Tags", &service.tags, change)?,
        node_meta: pairs("Service.NodeMeta", &service.node_meta, change)?,
        service_meta: pairs("Service.ServiceMeta", &service.service_meta, change)?,
        connect: service.connect,
        peer: change(format_args!("Service.Peer"), &service.peer)?.into(),
    })
}

fn list(place: &str, list: &Tags, change: &mut Change<'_>) -> Result<Tags, String> {
    let Some(list) = list else { return Ok(None) };
    let one = |(at, text)| Ok(change(format_args!("{place}[{at}]"), text)?.into());
    list.iter().map(|text| &**text).enumerate().map(one).collect::<Result<_, String>>().map(Some)
}

fn pairs(place: &str, pairs: &Pairs, change: &mut Change<'_>) -> Result<Pairs, String> {
    let Some(pairs) = pairs else { return Ok(None) };
    let one = |(key, text): &(Box<str>, Box<str>)| {
        Ok((key.clone(), change(format_args!("{place}[{key}]"), text)?.into()))
    };
    pairs.iter().map(one).collect::<Result<_, String>>().map(Some)
}

type Targets = Option<Box<[FailoverTarget]>>;

fn targets(targets: &Targets, change: &mut Change<'_>) -> Result<Targets, String> {
    const PLACE: &str = "Service.Failover.Targets";
    let Some(targets) = targets else { return Ok(None) };
    let one = |(at, target): (usize, &FailoverTarget)| {
        Ok(FailoverTarget {
            peer: change(format_args!("{PLACE}[{at}].Peer"), &target.peer)?.into(),
            datacenter: change(format_args!("{PLACE}[{at}].Datacenter"), &target.datacenter)?
                .into(),
        })
    };
    targets.iter().enumerate().map(one).collect::<Result<_, String>>().map(Some)
}
