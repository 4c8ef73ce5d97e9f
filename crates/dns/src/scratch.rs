//! What is kept from question to question, so that none allocates.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Range;
use std::sync::Arc;

use catalog::{Chosen, Error, NamedQuery, PreparedQuery};

use crate::draw::Draw;
use crate::name::Name;
use crate::record::{Arena, Data, Piece, Record};
use crate::writer::Names;

/// Memory for one thread that answers.
#[derive(Default)]
pub struct Scratch {
    pub(crate) arena: Arena,
    pub(crate) answers: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// What is left of `additional` when answers were cut.
    pub(crate) kept: Vec<Record>,
    pub(crate) names: Names,
    /// What SRV records on nodes with metadata take at least, with all that belongs to them.
    pub(crate) least_bytes: usize,
    /// That is more than there is room for: texts, the first to be left out, are not made any more.
    pub(crate) overlong: bool,
    pub(crate) wanted: Option<Name>,
    /// Rows of instances that were read for names which answers lead to.
    pub(crate) followed_rows: usize,
    /// Names that SRV records have led to.
    pub(crate) followed: Followed,
    pub(crate) seen: Seen,
    draws: Vec<Draw>,
    seen_pool: Vec<Seen>,
    chosen: Vec<Vec<Chosen>>,
    pub(crate) filled: Filled,
}

impl Scratch {
    /// The name that [`crate::Outcome::Chase`] is about, in wire form and small letters.
    #[must_use]
    pub fn wanted(&self) -> &[u8] {
        self.wanted.as_ref().map_or(&[], Name::wire)
    }

    pub(crate) fn begin(&mut self) {
        self.arena.clear();
        self.answers.clear();
        self.authority.clear();
        self.additional.clear();
        self.kept.clear();
        (self.least_bytes, self.overlong) = (0, false);
        self.wanted = None;
        self.followed_rows = 0;
        if !self.followed.places.is_empty() {
            self.followed.places.clear();
        }
    }

    /// A draw of so many, with the room of an earlier one.
    pub(crate) fn lend_draw(&mut self, count: usize) -> Draw {
        let mut draw = self.draws.pop().unwrap_or_default();
        draw.begin(count);
        draw
    }

    pub(crate) fn return_draw(&mut self, draw: Draw) {
        self.draws.push(draw);
    }

    pub(crate) fn lend_seen(&mut self) -> Seen {
        let mut seen = self.seen_pool.pop().unwrap_or_default();
        seen.clear();
        seen
    }

    pub(crate) fn return_seen(&mut self, seen: Seen) {
        self.seen_pool.push(seen);
    }

    /// An empty list for what a query chooses.
    pub(crate) fn lend_chosen(&mut self) -> Vec<Chosen> {
        self.chosen.pop().unwrap_or_default()
    }

    pub(crate) fn return_chosen(&mut self, chosen: Vec<Chosen>) {
        self.chosen.push(chosen);
    }

    pub(crate) fn section(&mut self, section: Section) -> &mut Vec<Record> {
        match section {
            Section::Answer => &mut self.answers,
            Section::Authority => &mut self.authority,
            Section::Additional => &mut self.additional,
        }
    }

    pub(crate) fn push(&mut self, section: Section, owner: Piece, ttl: u32, data: Data) {
        self.section(section).push(Record { owner, ttl, data });
    }
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// Names that were followed, by hashes as in [`Seen`], each with the records of the additional
/// section that it gave.
#[derive(Default)]
pub(crate) struct Followed {
    hasher: RandomState,
    places: HashMap<u64, Range<usize>>,
}

impl Followed {
    fn hash(&self, name: &Name) -> u64 {
        let mut folded = *name;
        folded.fold();
        self.hasher.hash_one(folded.wire())
    }

    /// What a name gave, in any letters.
    pub(crate) fn get(&self, name: &Name) -> Option<Range<usize>> {
        self.places.get(&self.hash(name)).cloned()
    }

    pub(crate) fn keep(&mut self, name: &Name, gave: Range<usize>) {
        self.places.insert(self.hash(name), gave);
    }
}

/// So many are kept.
const MOST_FILLED: usize = 16;

/// Templates of prepared queries that were filled in, the last ones, by the names that led to them.
#[derive(Default)]
pub(crate) struct Filled {
    last: VecDeque<(Box<str>, Arc<PreparedQuery>)>,
}

impl Filled {
    /// The template that a name leads to, filled in for it.
    pub(crate) fn get(
        &mut self,
        named: &NamedQuery<'_>,
        name: &str,
    ) -> Result<Arc<PreparedQuery>, Error> {
        let mut last = self.last.iter();
        let known = last
            .find(|(text, query)| **text == *name && (query.id, query.modify) == named.version());
        if let Some((_, query)) = known {
            return Ok(query.clone());
        }
        let query = Arc::new(named.fill(name)?.into_owned());
        self.last.truncate(MOST_FILLED - 1);
        self.last.push_front((name.into(), query.clone()));
        Ok(query)
    }
}

/// What was seen, by hashes that nobody outside can aim at.
#[derive(Default)]
pub(crate) struct Seen {
    hasher: RandomState,
    few: Vec<u64>,
    many: HashSet<u64>,
}

/// So many are searched one by one.
const FEW: usize = 16;

impl Seen {
    pub(crate) fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    /// True the first time.
    pub(crate) fn first(&mut self, what: impl Hash) -> bool {
        let hash = self.hasher.hash_one(what);
        if self.few.contains(&hash) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(hash);
            return true;
        }
        self.many.insert(hash)
    }
}
