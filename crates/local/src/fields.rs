//! The two forms of a definition: a request's body and a configuration file.

use std::collections::BTreeMap;

use gotext::decode::Value;
use gotext::object::{FromValue, Object, ObjectError, objects};

/// Where a definition comes from, which decides what its fields are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A body of a request, or a file that the agent wrote: `TaggedAddresses`, and for many fields
    /// also `tagged_addresses`.
    Body,
    /// A configuration file: `tagged_addresses`. A list of one object stands for the object.
    File,
}

/// An object in one of the forms, whose fields are taken out one after another.
pub(crate) struct Fields {
    object: Object,
    pub(crate) form: Form,
    strict: bool,
}

impl Fields {
    /// An object all of whose names must be known.
    pub(crate) fn new(object: Object, form: Form) -> Self {
        Self { object, form, strict: true }
    }

    /// Names that are not known are left out, within it too.
    pub(crate) fn lenient(self) -> Self {
        Self { strict: false, ..self }
    }

    /// A field whose name is the same word in both forms.
    pub(crate) fn word<T: FromValue + Default>(&mut self, name: &str) -> Result<T, ObjectError> {
        self.object.field(name)
    }

    /// A field that has other names in bodies than in files.
    pub(crate) fn named<T: FromValue + Default>(
        &mut self,
        body: &[&str],
        file: &[&str],
    ) -> Result<T, ObjectError> {
        Ok(self.optional(body, file)?.unwrap_or_default())
    }

    /// The same, where absence says something.
    pub(crate) fn optional<T: FromValue>(
        &mut self,
        body: &[&str],
        file: &[&str],
    ) -> Result<Option<T>, ObjectError> {
        self.object.aliased(match self.form {
            Form::Body => body,
            Form::File => file,
        })
    }

    /// An object within.
    pub(crate) fn nested(
        &mut self,
        body: &[&str],
        file: &[&str],
    ) -> Result<Option<Fields>, ObjectError> {
        let Some(value) = self.block(body, file)? else { return Ok(None) };
        Ok(Some(self.within(Object::from_value(value)?)))
    }

    /// A map within, `None` if it is absent.
    pub(crate) fn map<T: FromValue + Default>(
        &mut self,
        body: &[&str],
        file: &[&str],
    ) -> Result<Option<BTreeMap<String, T>>, ObjectError> {
        self.block(body, file)?.map(BTreeMap::from_value).transpose()
    }

    /// A list of objects within.
    pub(crate) fn list(
        &mut self,
        body: &[&str],
        file: &[&str],
    ) -> Result<Option<Vec<Fields>>, ObjectError> {
        let Some(value) = self.optional::<Value>(body, file)? else { return Ok(None) };
        Ok(Some(objects(value)?.into_iter().map(|object| self.within(object)).collect()))
    }

    /// An object within, as a map has it.
    pub(crate) fn within(&self, object: Object) -> Fields {
        Fields { object, ..*self }
    }

    fn block(&mut self, body: &[&str], file: &[&str]) -> Result<Option<Value>, ObjectError> {
        Ok(match self.optional::<Value>(body, file)? {
            // In HCL each block is a list.
            Some(Value::List(mut items)) if self.form == Form::File && items.len() == 1 => {
                items.pop().filter(|item| *item != Value::Null)
            }
            other => other,
        })
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self) -> Result<(), ObjectError> {
        if self.strict { self.object.finish() } else { Ok(()) }
    }
}
