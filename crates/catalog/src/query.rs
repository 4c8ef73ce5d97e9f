//! Prepared queries: questions for services that are kept under a name, or under a prefix of names
//! (consul-http, "Prepared queries").
//!
//! ```text
//!   text ──lookup──▶ a query as it stands, or a template with its texts filled in
//!                        │
//!                        └──run──▶ instances by node and ID; the caller shuffles and sorts them
//! ```

mod expression;
mod run;
mod template;

use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::mark::Mark;
use crate::name::{ModifyIndex, Pairs, ServiceName, SessionId, Uuid, folded};
use crate::service::Tags;
use crate::state::{Snapshot, Write};
use crate::table::Table;
use crate::watch::Key;

pub use run::{Chosen, Passed, QueryRun, Unfit};
use template::Template;

/// A prepared query's identity.
pub type QueryId = Uuid;

/// The only kind of templates.
pub const NAME_PREFIX_MATCH: &str = "name_prefix_match";

/// A secret, which no log shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Box<str>);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "hidden" })
    }
}

/// What makes a query one for all names that begin with its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryTemplate {
    /// [`NAME_PREFIX_MATCH`]; empty for a query that is no template.
    pub kind: Box<str>,
    /// What the whole name is matched with, for `${match(N)}`; empty for none.
    pub regexp: Box<str>,
    /// Whether tags that came out empty are left out.
    pub remove_empty_tags: bool,
}

/// One place to ask when there is nothing at home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverTarget {
    /// Another cluster.
    pub peer: Box<str>,
    /// Another datacenter.
    pub datacenter: Box<str>,
}

/// Where to ask when there is nothing at home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryFailover {
    /// That many of the nearest datacenters.
    pub nearest_n: i64,
    /// Then these.
    pub datacenters: Tags,
    /// Or these instead.
    pub targets: Option<Box<[FailoverTarget]>>,
}

/// Which instances a query is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceQuery {
    /// The service.
    pub service: ServiceName,
    /// Where else.
    pub failover: QueryFailover,
    /// Whether a warning keeps an instance away, too.
    pub only_passing: bool,
    /// Checks that do not count.
    pub ignore_check_ids: Tags,
    /// Whose neighbours come first: a node, `_agent`, `_ip`.
    pub near: Box<str>,
    /// Tags that an instance must have, or must not behind a `!`.
    pub tags: Tags,
    /// What the metadata of its node must say.
    pub node_meta: Pairs,
    /// What its own metadata must say.
    pub service_meta: Pairs,
    /// Whether what gives mesh access to the service is meant.
    pub connect: bool,
    /// Another cluster, whose service it is.
    pub peer: Box<str>,
}

/// One prepared query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedQuery {
    /// Its identity, drawn by the proposer.
    pub id: QueryId,
    /// What it is asked for by; a template's is a prefix.
    pub name: Box<str>,
    /// The session that it ends with.
    pub session: Option<SessionId>,
    /// On whose behalf it runs.
    pub token: Secret,
    /// What makes it a template.
    pub template: QueryTemplate,
    /// Which instances.
    pub service: ServiceQuery,
    /// How long DNS answers may be kept, as the client wrote it; empty for what is configured.
    pub dns_ttl: Box<str>,
    /// The write that made it.
    pub create: ModifyIndex,
    /// The last write of it.
    pub modify: ModifyIndex,
}

impl PreparedQuery {
    /// Whether it stands for all names that begin with its own.
    #[must_use]
    pub fn is_template(&self) -> bool {
        !self.template.kind.is_empty()
    }
}

/// A write of a prepared query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueryWrite {
    /// Makes one.
    Create(PreparedQuery),
    /// Puts another in its place.
    Update(PreparedQuery),
    /// Removes one.
    Delete(QueryId),
}

/// The table, and what is looked up by: names and prefixes are folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queries {
    rows: Table<QueryId, PreparedQuery>,
    names: OrdMap<Box<str>, QueryId>,
    prefixes: OrdMap<Box<str>, Compiled>,
    sessions: OrdSet<(SessionId, QueryId)>,
}

/// A template that can be filled in.
#[derive(Clone, Debug)]
struct Compiled {
    id: QueryId,
    template: Arc<Template>,
}

impl Queries {
    /// Enters a query over one that has its ID. A template that cannot be compiled answers no name.
    fn enter(&mut self, query: PreparedQuery, template: Option<Template>) {
        self.remove(&query.id);
        let name: Box<str> = query.name.to_lowercase().into();
        if let Some(template) = template {
            let compiled = Compiled { id: query.id, template: Arc::new(template) };
            self.prefixes.insert(name.clone(), compiled);
        }
        if !name.is_empty() {
            self.names.insert(name, query.id);
        }
        if let Some(session) = query.session {
            self.sessions.insert((session, query.id));
        }
        self.rows.insert(query.id, query);
    }

    fn remove(&mut self, id: &QueryId) -> bool {
        let Some(old) = self.rows.remove(id) else { return false };
        let name: Box<str> = old.name.to_lowercase().into();
        if self.names.get(&name) == Some(id) {
            self.names.remove(&name);
        }
        if self.prefixes.get(&name).is_some_and(|compiled| compiled.id == *id) {
            self.prefixes.remove(&name);
        }
        if let Some(session) = old.session {
            self.sessions.remove(&(session, *id));
        }
        true
    }

    /// The template with the longest prefix of a folded name. Each step looks at the last prefix
    /// that is not behind the name, and cuts the name to what the two share.
    fn longest_prefix(&self, name: &str) -> Option<&Compiled> {
        let mut rest = name;
        loop {
            let not_behind = (Bound::Unbounded, Bound::Included(rest));
            let (prefix, compiled) = self.prefixes.range::<_, str>(not_behind).next_back()?;
            if rest.starts_with(&**prefix) {
                return Some(compiled);
            }
            let mut characters = rest.char_indices().zip(prefix.chars());
            let ((shared, _), _) = characters.find(|((_, own), other)| own != other)?;
            rest = &rest[..shared];
        }
    }
}

impl Snapshot {
    /// The prepared query of an ID.
    #[must_use]
    pub fn query(&self, id: &QueryId) -> Option<&PreparedQuery> {
        self.queries.rows.get(id).map(|query| &**query)
    }

    /// All prepared queries by ID.
    pub fn query_list(&self) -> impl Iterator<Item = &PreparedQuery> {
        self.queries.rows.iter().map(|(_, query)| &**query)
    }

    /// The index of every answer about prepared queries.
    #[must_use]
    pub fn query_index(&self) -> ModifyIndex {
        self.mark(&Mark::Queries)
    }

    /// The query that a text means, with its texts filled in if it is a template.
    ///
    /// # Errors
    ///
    /// Those of [`Snapshot::query_named`] and [`NamedQuery::fill`].
    pub fn query_lookup(&self, text: &str) -> Result<Option<Cow<'_, PreparedQuery>>, Error> {
        self.query_named(text)?.map(|named| named.fill(text)).transpose()
    }

    /// What a text means: a query by its ID, or by its name without regard to case, else the
    /// template with the longest prefix of it.
    ///
    /// # Errors
    ///
    /// [`Error::TemplateById`].
    pub fn query_named(&self, text: &str) -> Result<Option<NamedQuery<'_>>, Error> {
        let as_it_stands = |query| Ok(Some(NamedQuery { query, template: None }));
        if let Some(query) = Uuid::parse(text).and_then(|id| self.query(&id)) {
            return match query.is_template() {
                true => Err(Error::TemplateById),
                false => as_it_stands(query),
            };
        }
        let name = folded(text);
        let named = self.queries.names.get(&*name).and_then(|id| self.query(id));
        if let Some(query) = named.filter(|query| !query.is_template()) {
            return as_it_stands(query);
        }
        let Some(compiled) = self.queries.longest_prefix(&name) else { return Ok(None) };
        let query = self.query(&compiled.id);
        Ok(query.map(|query| NamedQuery { query, template: Some(&compiled.template) }))
    }

    /// Enters a prepared query as it comes from a snapshot.
    pub(crate) fn query_enter(&mut self, query: PreparedQuery) {
        let template = query.is_template().then(|| Template::new(&query).ok()).flatten();
        self.queries.enter(query, template);
    }
}

/// What a text leads to: a query as it stands, or a template for it.
#[derive(Clone, Copy, Debug)]
pub struct NamedQuery<'a> {
    query: &'a PreparedQuery,
    template: Option<&'a Template>,
}

impl<'a> NamedQuery<'a> {
    /// The query as it stands; none for a template.
    #[must_use]
    pub fn as_it_stands(&self) -> Option<&'a PreparedQuery> {
        self.template.is_none().then_some(self.query)
    }

    /// The identity of the query, and when it was written last: for the same, `fill` always comes
    /// to the same.
    #[must_use]
    pub fn version(&self) -> (QueryId, ModifyIndex) {
        (self.query.id, self.query.modify)
    }

    /// The query, filled in for the text that led to it if it is a template.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] for a template that has no value for this text.
    pub fn fill(&self, text: &str) -> Result<Cow<'a, PreparedQuery>, Error> {
        let Some(template) = self.template else { return Ok(Cow::Borrowed(self.query)) };
        let filled = template.fill(self.query, text).map_err(|why| Error::Query(why.into()))?;
        Ok(Cow::Owned(filled))
    }
}

impl Write<'_> {
    pub(crate) fn query_write(&mut self, write: &QueryWrite) -> Result<(), Error> {
        match write {
            QueryWrite::Create(query) => self.query_set(query, self.index),
            QueryWrite::Update(query) => {
                let old = self.root.query(&query.id).ok_or(Error::MissingQuery(query.id))?;
                let create = old.create;
                self.query_set(query, create)
            }
            QueryWrite::Delete(id) => {
                self.query_delete(*id);
                Ok(())
            }
        }
    }

    fn query_set(&mut self, query: &PreparedQuery, create: ModifyIndex) -> Result<(), Error> {
        let queries = &self.root.queries;
        let folded: Box<str> = query.name.to_lowercase().into();
        let is_other = |id: &QueryId| *id != query.id;
        if !folded.is_empty() && queries.names.get(&folded).is_some_and(is_other) {
            return Err(Error::QueryName(query.name.clone()));
        }
        let catches_all = |compiled: &Compiled| is_other(&compiled.id);
        if query.is_template()
            && folded.is_empty()
            && queries.prefixes.get(&folded).is_some_and(catches_all)
        {
            return Err(Error::EmptyTemplateName);
        }
        if Uuid::parse(&query.name).is_some_and(|id| self.root.query(&id).is_some()) {
            return Err(Error::QueryNameIsId(query.name.clone()));
        }
        if let Some(session) = query.session
            && self.root.session(&session).is_none()
        {
            return Err(Error::InvalidSession(session.to_string().into()));
        }
        let template = match query.is_template() {
            true => Some(Template::new(query).map_err(|why| Error::Template(why.into()))?),
            false => None,
        };
        let row = PreparedQuery { create, modify: self.index, ..query.clone() };
        self.query_changed(row.id);
        self.root.queries.enter(row, template);
        Ok(())
    }

    fn query_delete(&mut self, id: QueryId) {
        if self.root.queries.remove(&id) {
            self.query_changed(id);
        }
    }

    /// Removes the queries that end with a session.
    pub(crate) fn queries_of_session(&mut self, session: SessionId) {
        let from = (session, QueryId::from_bytes([0; 16]));
        let ended: Vec<_> = (self.root.queries.sessions.range(from..))
            .take_while(|(owner, _)| *owner == session)
            .map(|(_, id)| *id)
            .collect();
        for id in ended {
            self.query_delete(id);
        }
    }

    fn query_changed(&mut self, id: QueryId) {
        self.bump(Mark::Queries);
        self.touched.push(Key::Query(id));
    }
}
