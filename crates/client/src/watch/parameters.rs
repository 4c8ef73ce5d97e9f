//! What a watch is given.

use gotext::decode::Value;

/// The values of parameters, which are taken out one after another.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, Value)>);

impl Parameters {
    /// These parameters; of several with one name the last counts, and `null` is none.
    pub fn new(given: impl IntoIterator<Item = (String, Value)>) -> Parameters {
        Parameters(given.into_iter().filter(|(_, value)| *value != Value::Null).collect())
    }

    /// Takes a value of any type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let mut found = None;
        self.0.retain_mut(|(given, value)| {
            if given != name {
                return true;
            }
            found = Some(std::mem::replace(value, Value::Null));
            false
        });
        found
    }

    /// Takes a text; the empty one if there is none.
    ///
    /// # Errors
    ///
    /// A value of another type.
    pub fn text(&mut self, name: &str) -> Result<String, String> {
        match self.take(name) {
            None => Ok(String::new()),
            Some(Value::Text(text)) => Ok(text),
            Some(_) => Err(format!("Expecting {name} to be a string")),
        }
    }

    /// Takes a text, or a list of some.
    ///
    /// # Errors
    ///
    /// A value of another type.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("Expecting {name} to be a string or a list of strings");
        let text = |item| match item {
            Value::Text(text) => Ok(text),
            _ => Err(wrong()),
        };
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) => Ok(vec![text]),
            Some(Value::List(items)) => items.into_iter().map(text).collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// Takes a truth; false if there is none.
    ///
    /// # Errors
    ///
    /// A value of another type.
    pub fn bool(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(on),
            Some(_) => Err(format!("Expecting {name} to be a boolean")),
        }
    }

    /// Takes a text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, String> {
        match self.text(name)? {
            value if value.is_empty() => Err(format!("Must specify a single {name} to watch")),
            value => Ok(value),
        }
    }

    /// What is left.
    pub fn rest(&self) -> &[(String, Value)] {
        &self.0
    }

    /// Refuses what is left.
    ///
    /// # Errors
    ///
    /// The names.
    pub fn refuse_rest(&self) -> Result<(), String> {
        let names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        match names.is_empty() {
            true => Ok(()),
            false => Err(format!("Invalid parameters: [{}]", names.join(" "))),
        }
    }
}
