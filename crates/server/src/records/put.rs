//! How the fields of rows are written: as they stand, without a copy of them. There are many rows,
//! and each is written twice (`shell/snapshot.rs`).

use std::sync::Arc;

use catalog::{CheckId, ModifyIndex, ServiceAddress};
use wire::msgpack::Writer;

/// What can stand in a field.
pub(super) trait Put {
    fn put(&self, out: &mut Writer<'_>);
}

/// Named values. The names are in alphabetical order, as Consul writes them.
pub(super) struct Map<'a, const N: usize>(pub(super) [(&'static str, &'a dyn Put); N]);

impl<const N: usize> Put for Map<'_, N> {
    fn put(&self, out: &mut Writer<'_>) {
        debug_assert!(self.0.is_sorted_by(|a, b| a.0 < b.0), "names out of order");
        out.write_map(N);
        for (name, value) in &self.0 {
            out.write_text(name);
            value.put(out);
        }
    }
}

/// What is not there.
pub(super) struct Nil;

impl Put for Nil {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_nil();
    }
}

impl<T: Put> Put for Option<T> {
    fn put(&self, out: &mut Writer<'_>) {
        match self {
            Some(value) => value.put(out),
            None => out.write_nil(),
        }
    }
}

impl<T: Put> Put for [T] {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_array(self.len());
        self.iter().for_each(|value| value.put(out));
    }
}

/// Values by name.
impl<V: Put> Put for [(Box<str>, V)] {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_map(self.len());
        for (name, value) in self {
            out.write_text(name);
            value.put(out);
        }
    }
}

impl<T: Put + ?Sized> Put for &T {
    fn put(&self, out: &mut Writer<'_>) {
        (**self).put(out);
    }
}

impl<T: Put + ?Sized> Put for Box<T> {
    fn put(&self, out: &mut Writer<'_>) {
        (**self).put(out);
    }
}

impl<T: Put + ?Sized> Put for Arc<T> {
    fn put(&self, out: &mut Writer<'_>) {
        (**self).put(out);
    }
}

impl Put for str {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_text(self);
    }
}

impl Put for String {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_text(self);
    }
}

impl Put for bool {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_bool(*self);
    }
}

impl Put for u64 {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_u64(*self);
    }
}

impl Put for i64 {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_i64(*self);
    }
}

impl Put for f64 {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_f64(*self);
    }
}

impl Put for ModifyIndex {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_u64(self.0);
    }
}

impl Put for CheckId {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_text(self.as_str());
    }
}

impl Put for ServiceAddress {
    fn put(&self, out: &mut Writer<'_>) {
        Map([("Address", &self.address), ("Port", &self.port)]).put(out);
    }
}

/// Bytes that need be no text.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Put for Raw<'_> {
    fn put(&self, out: &mut Writer<'_>) {
        out.write_raw(self.0);
    }
}

/// JSON that is kept as it came; nil for none.
pub(super) struct Json<'a>(pub(super) Option<&'a str>);

impl Put for Json<'_> {
    fn put(&self, out: &mut Writer<'_>) {
        let value: Option<serde_json::Value> =
            self.0.and_then(|kept| serde_json::from_str(kept).ok());
        value.put(out);
    }
}

impl Put for serde_json::Value {
    fn put(&self, out: &mut Writer<'_>) {
        match self {
            Self::Null => out.write_nil(),
            Self::Bool(value) => out.write_bool(*value),
            Self::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => out.write_i64(number),
                (None, Some(number)) => out.write_u64(number),
                (None, None) => out.write_f64(number.as_f64().unwrap_or_default()),
            },
            Self::String(text) => out.write_text(text),
            Self::Array(items) => items[..].put(out),
            Self::Object(fields) => {
                out.write_map(fields.len());
                for (name, value) in fields {
                    out.write_text(name);
                    value.put(out);
                }
            }
        }
    }
}
