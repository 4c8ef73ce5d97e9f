//! Settings as one source gives them, and how a later source goes over an earlier one.

use std::collections::BTreeMap;

use gotext::GoDuration;
use serf::Tags;

use super::options::{Kind, OPTIONS, OptionRow};

/// What one source (a file, the command line, or several merged) has set.
///
/// Zero, empty and `false` count as not set, so they are never held; the exceptions are switches
/// that are on by default. Specification "Serf agent", section 4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    values: BTreeMap<&'static str, Setting>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
enum Setting {
    Bool(bool),
    Text(String),
    Int(i64),
    Duration(GoDuration),
    List(Vec<String>),
    Tags(Tags),
}

impl Layer {
    /// Notes a switch.
    pub(super) fn set_bool(&mut self, row: &'static OptionRow, value: bool) {
        if value || row.default == "true" {
            self.values.insert(row.name(), Setting::Bool(value));
        }
    }

    /// Notes a text.
    pub(super) fn set_text(&mut self, row: &'static OptionRow, value: String) {
        if !value.is_empty() {
            self.values.insert(row.name(), Setting::Text(value));
        }
    }

    /// Notes a number.
    pub(super) fn set_int(&mut self, row: &'static OptionRow, value: i64) {
        // A protocol below zero counts as not set too.
        if value > 0 || (value != 0 && row.name() != "protocol") {
            self.values.insert(row.name(), Setting::Int(value));
        }
    }

    /// Notes a duration.
    pub(super) fn set_duration(&mut self, row: &'static OptionRow, value: GoDuration) {
        if value.as_nanoseconds() != 0 {
            self.values.insert(row.name(), Setting::Duration(value));
        }
    }

    /// Appends to a list.
    pub(super) fn append(&mut self, row: &'static OptionRow, items: Vec<String>) {
        if items.is_empty() {
            return;
        }
        match self.values.entry(row.name()).or_insert_with(|| Setting::List(Vec::new())) {
            Setting::List(list) => list.extend(items),
            other => *other = Setting::List(items),
        }
    }

    /// Adds tags, key by key.
    pub(super) fn add_tags(&mut self, row: &'static OptionRow, tags: Tags) {
        if tags.is_empty() {
            return;
        }
        match self.values.entry(row.name()).or_insert_with(|| Setting::Tags(Tags::new())) {
            Setting::Tags(all) => all.extend(tags),
            other => *other = Setting::Tags(tags),
        }
    }

    /// Takes a setting out.
    pub(super) fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Lays a later source over this one: lists are appended, tags go key by key, the rest is
    /// replaced.
    pub fn merge(&mut self, later: Layer) {
        for (name, value) in later.values {
            match (self.values.get_mut(name), value) {
                (Some(Setting::List(list)), Setting::List(more)) => list.extend(more),
                (Some(Setting::Tags(tags)), Setting::Tags(more)) => tags.extend(more),
                (_, value) => {
                    self.values.insert(name, value);
                }
            }
        }
    }

    /// Whether some source has set it.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The first option that some source has set and whose name begins so.
    pub(crate) fn first_set(&self, prefix: &str) -> Option<&'static str> {
        self.values.keys().copied().find(|name| name.starts_with(prefix))
    }

    /// A text, empty if it is not set.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Setting::Text(text)) => text,
            _ => "",
        }
    }

    /// A text, or the default of its row.
    pub(crate) fn text_or_default(&self, name: &str) -> &str {
        match self.text(name) {
            "" => default_of(name),
            text => text,
        }
    }

    /// A switch, or the default of its row.
    pub(crate) fn bool(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Setting::Bool(value)) => *value,
            _ => default_of(name) == "true",
        }
    }

    /// A number, or the default of its row.
    pub(crate) fn int(&self, name: &str) -> i64 {
        match self.values.get(name) {
            Some(Setting::Int(value)) => *value,
            _ => default_of(name).parse().unwrap_or(0),
        }
    }

    /// A duration, or the default of its row.
    pub(crate) fn duration(&self, name: &str) -> GoDuration {
        match self.values.get(name) {
            Some(Setting::Duration(value)) => *value,
            _ => GoDuration::parse(default_of(name)).unwrap_or_default(),
        }
    }

    /// A list, empty if it is not set.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        match self.values.get(name) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// The tags, the deprecated role among them.
    pub(crate) fn tags(&self) -> Tags {
        let mut tags = match self.values.get("tags") {
            Some(Setting::Tags(tags)) => tags.clone(),
            _ => Tags::new(),
        };
        let role = self.text("role");
        if !role.is_empty() {
            tags.insert("role".to_owned(), role.to_owned());
        }
        tags
    }

    /// The names of the settings that differ and that a reload does not take into use, in the
    /// order of the table.
    pub fn changes_ignored_by_reload(&self, new: &Layer) -> Vec<&'static str> {
        OPTIONS
            .iter()
            .filter(|row| !row.reloadable)
            .map(OptionRow::name)
            .filter(|name| self.values.get(name) != new.values.get(name))
            .collect()
    }
}

fn default_of(name: &str) -> &'static str {
    match OPTIONS.iter().find(|row| row.name() == name) {
        // Some defaults are described, not written.
        Some(row) if matches!(row.kind, Kind::Text) && row.default.contains(' ') => "",
        Some(row) => row.default,
        None => {
            debug_assert!(false, "no option is called {name}");
            ""
        }
    }
}
