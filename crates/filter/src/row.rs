//! How rows are looked at.

/// A value of a row.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// A map or a record that is not there. Not for an absent list: that is an empty one.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// A list.
    List(&'a dyn Items),
    /// A record or a map.
    Record(&'a dyn Record),
}

/// Named values: a record, or a map with texts as keys.
pub trait Record {
    /// The value of this name, if there is one.
    fn get(&self, name: &str) -> Option<View<'_>>;
    /// Whether there is none at all.
    fn is_empty(&self) -> bool;
}

/// The values of a list.
pub trait Items {
    /// How many there are.
    fn len(&self) -> usize;
    /// One of them; `index` is below [`Items::len`].
    fn item(&self, index: usize) -> View<'_>;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: AsRef<str>> Items for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn item(&self, index: usize) -> View<'_> {
        View::Text(self[index].as_ref())
    }
}
