//! A list in order that is persistent as the tables are, and beside that knows the row at each
//! place, and finds rows without allocating: what a range of a tree does not.

use std::cmp::Ordering;
use std::sync::Arc;

/// Most rows of one chunk. A change copies a chunk and the list of the chunks.
const CHUNK: usize = 64;

/// Rows in order. Cloning is one reference count.
#[derive(Clone, Debug)]
pub(crate) enum Sorted<T> {
    Few(Arc<[T]>),
    Many(Arc<[Chunk<T>]>),
}

#[derive(Clone, Debug)]
pub(crate) struct Chunk<T> {
    /// How many rows there are up to its last.
    end: usize,
    rows: Arc<[T]>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self::Few(Arc::new([]))
    }
}

impl<T> Sorted<T> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(rows) => rows.len(),
            Self::Many(chunks) => chunks.last().map_or(0, |chunk| chunk.end),
        }
    }

    /// The row at a place.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        match self {
            Self::Few(rows) => rows.get(place),
            Self::Many(chunks) => {
                let at = chunks.partition_point(|chunk| chunk.end <= place);
                let chunk = chunks.get(at)?;
                chunk.rows.get(place - (chunk.end - chunk.rows.len()))
            }
        }
    }

    /// All rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::Few(rows) => (&rows[..], &[][..]),
            Self::Many(chunks) => (&[][..], &chunks[..]),
        };
        few.iter().chain(many.iter().flat_map(|chunk| chunk.rows.iter()))
    }

    /// The place of a row, or where it would be; `order` says how a row stands to it.
    pub(crate) fn find(&self, order: impl Fn(&T) -> Ordering) -> Result<usize, usize> {
        let (chunk, place) = self.find_in_chunk(order);
        let before = match self {
            Self::Few(_) => 0,
            Self::Many(chunks) => chunks.get(chunk).map_or(0, |chunk| chunk.end - chunk.rows.len()),
        };
        place.map(|place| before + place).map_err(|place| before + place)
    }

    /// The same as a chunk, and a place there.
    fn find_in_chunk(&self, order: impl Fn(&T) -> Ordering) -> (usize, Result<usize, usize>) {
        match self {
            Self::Few(rows) => (0, rows.binary_search_by(order)),
            Self::Many(chunks) => {
                let before =
                    |chunk: &Chunk<T>| chunk.rows.last().is_some_and(|row| order(row).is_lt());
                let at = chunks.partition_point(before).min(chunks.len().saturating_sub(1));
                let rows = chunks.get(at).map_or(&[][..], |chunk| &chunk.rows);
                (at, rows.binary_search_by(&order))
            }
        }
    }

    /// The first row of those that do not stand before what `order` compares with.
    pub(crate) fn first_from(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let place = self.find(|row| order(row).then(Ordering::Greater));
        self.get(place.unwrap_or_else(|place| place))
    }
}

impl<T: Clone> Sorted<T> {
    /// Enters a row, in the place of one that stands where it does.
    pub(crate) fn put(&mut self, row: T, order: impl Fn(&T) -> Ordering) {
        let (chunk, place) = self.end(&order).unwrap_or_else(|| self.find_in_chunk(order));
        let old = self.chunk(chunk);
        let (before, behind) = match place {
            Ok(place) => (&old[..place], &old[place + 1..]),
            Err(place) => old.split_at(place),
        };
        let mut rows = Vec::with_capacity(old.len() + 1);
        rows.extend_from_slice(before);
        rows.push(row);
        rows.extend_from_slice(behind);
        self.change(chunk, rows);
    }

    /// The place behind all rows, if that is where one stands: rows often come in their order.
    fn end(&self, order: impl Fn(&T) -> Ordering) -> Option<(usize, Result<usize, usize>)> {
        let (chunk, rows) = match self {
            Self::Few(rows) => (0, rows),
            Self::Many(chunks) => (chunks.len() - 1, &chunks.last()?.rows),
        };
        rows.last().is_some_and(|row| order(row).is_lt()).then_some((chunk, Err(rows.len())))
    }

    /// Takes a row out; false if it is not there.
    pub(crate) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> bool {
        let (chunk, Ok(place)) = self.find_in_chunk(order) else { return false };
        let mut rows = self.chunk(chunk).to_vec();
        rows.remove(place);
        self.change(chunk, rows);
        true
    }

    fn chunk(&self, at: usize) -> &[T] {
        match self {
            Self::Few(rows) => rows,
            Self::Many(chunks) => chunks.get(at).map_or(&[], |chunk| &chunk.rows),
        }
    }

    /// Makes a chunk have other rows: two chunks if there are too many, one with a neighbour if
    /// both have few.
    fn change(&mut self, at: usize, mut rows: Vec<T>) {
        let Self::Many(chunks) = self else {
            let rest = Self::split(&mut rows, true);
            *self = match rest {
                None => Self::Few(rows.into()),
                Some(rest) => Self::chunked([rows.into(), rest.into()].into_iter()),
            };
            return;
        };
        let few = |other: &&Chunk<T>| rows.len() + other.rows.len() <= CHUNK / 2;
        let before = at.checked_sub(1).and_then(|before| chunks.get(before)).filter(few);
        let next = chunks.get(at + 1).filter(few).filter(|_| before.is_none());
        if before.is_none() && next.is_none() && (1..=CHUNK).contains(&rows.len()) {
            // The list is copied only while somebody else has it.
            let chunks = &mut Arc::make_mut(chunks)[at..];
            let (had, has) = (chunks[0].rows.len(), rows.len());
            chunks[0].rows = rows.into();
            chunks.iter_mut().for_each(|chunk| chunk.end = chunk.end + has - had);
            return;
        }
        if let Some(before) = before {
            rows.splice(..0, before.rows.iter().cloned());
        }
        rows.extend(next.iter().flat_map(|next| next.rows.iter().cloned()));
        let from = at - usize::from(before.is_some());
        let behind = at + 1 + usize::from(next.is_some());
        let rest = Self::split(&mut rows, behind == chunks.len());
        let own = |chunk: &Chunk<T>| chunk.rows.clone();
        let changed = [Some(rows), rest].into_iter().flatten().map(Arc::from);
        let parts = (chunks.iter().take(from).map(own))
            .chain(changed)
            .chain(chunks.iter().skip(behind).map(own));
        *self = Self::chunked(parts);
    }

    /// What of too many rows stands in another chunk. The last chunk stays full: rows often come in
    /// their order.
    fn split(rows: &mut Vec<T>, last: bool) -> Option<Vec<T>> {
        (rows.len() > CHUNK).then(|| rows.split_off(if last { CHUNK } else { CHUNK / 2 }))
    }

    fn chunked(parts: impl Iterator<Item = Arc<[T]>>) -> Self {
        let mut end = 0;
        let chunks: Vec<_> = parts
            .filter(|rows| !rows.is_empty())
            .map(|rows| {
                end += rows.len();
                Chunk { end, rows }
            })
            .collect();
        match &chunks[..] {
            [] => Self::default(),
            [one] => Self::Few(one.rows.clone()),
            _ => Self::Many(chunks.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn lists_are_sets_with_places(
            steps in prop::collection::vec((any::<bool>(), 0..500u16), 0..600),
            ascending in 0..400u16,
        ) {
            let (mut list, mut set) = (Sorted::default(), BTreeSet::new());
            let first = (0..ascending).map(|row| (true, row));
            for (number, (enter, row)) in first.chain(steps).enumerate() {
                let before = list.clone();
                let had: Vec<u16> = set.iter().copied().collect();
                if enter {
                    list.put(row, |other| other.cmp(&row));
                    set.insert(row);
                } else {
                    prop_assert_eq!(list.remove(|other| other.cmp(&row)), set.remove(&row));
                }
                prop_assert_eq!(list.len(), set.len());
                if number % 97 == 0 {
                    prop_assert!(before.iter().eq(&had), "a list of before has changed");
                    prop_assert!(list.iter().eq(&set));
                    for (place, row) in set.iter().enumerate() {
                        prop_assert_eq!(list.get(place), Some(row));
                        prop_assert_eq!(list.find(|other| other.cmp(row)), Ok(place));
                    }
                    prop_assert_eq!(list.get(set.len()), None);
                    let from = list.first_from(|other| other.cmp(&row));
                    prop_assert_eq!(from, set.range(row..).next());
                }
                if let Sorted::Many(chunks) = &list {
                    let mut sizes = chunks.iter().map(|chunk| chunk.rows.len());
                    prop_assert!(sizes.all(|size| (1..=CHUNK).contains(&size)));
                    let pairs = chunks.windows(2);
                    let filled = |pair: &[Chunk<u16>]| pair[0].rows.len() + pair[1].rows.len();
                    prop_assert!(pairs.map(filled).all(|rows| rows > CHUNK / 2));
                }
            }
        }
    }
}
