//! A table of rows: a persistent ordered map, so that a reader keeps the version it began with
//! while the writer goes on.

use std::borrow::Borrow;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

/// Rows by key. Cloning is one reference count; changed rows are copied, the rest is shared.
#[derive(Clone, Debug)]
pub(crate) struct Table<K: Ord, R> {
    rows: OrdMap<K, Arc<R>>,
}

impl<K: Ord, R> Default for Table<K, R> {
    fn default() -> Self {
        Self { rows: OrdMap::new() }
    }
}

impl<K: Ord + Clone, R> Table<K, R> {
    /// The row of a key.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Arc<R>>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key)
    }

    /// A key as the table has it.
    pub(crate) fn key(&self, key: &K) -> Option<&K> {
        self.rows.get_key_value(key).map(|(key, _)| key)
    }

    /// All rows in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Arc<R>)> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows from `key` on, in order.
    pub(crate) fn starting_at<Q: Ord>(&self, key: Q) -> impl Iterator<Item = (&K, &Arc<R>)>
    where
        K: Borrow<Q>,
    {
        self.rows.range::<_, Q>((Bound::Included(key), Bound::Unbounded))
    }

    pub(crate) fn insert(&mut self, key: K, row: impl Into<Arc<R>>) -> Option<Arc<R>> {
        self.rows.insert(key, row.into())
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<Arc<R>> {
        self.rows.remove(key)
    }
}
