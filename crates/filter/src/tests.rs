#![allow(clippy::unwrap_used)]

mod naive;
mod recorded;

use serde_json::Value;

use crate::{Filter, FilterError, Items, Record, View, fields, limits};

/// JSON as a row.
impl Record for Value {
    fn get(&self, name: &str) -> Option<View<'_>> {
        self.as_object()?.get(name).map(view)
    }
    fn is_empty(&self) -> bool {
        self.as_object().is_none_or(serde_json::Map::is_empty)
    }
}

impl Items for Value {
    fn len(&self) -> usize {
        self.as_array().map_or(0, Vec::len)
    }
    fn item(&self, index: usize) -> View<'_> {
        view(&self[index])
    }
}

fn view(value: &Value) -> View<'_> {
    match value {
        Value::Null => View::Null,
        Value::Bool(value) => View::Bool(*value),
        Value::Number(number) => View::Int(number.as_i64().unwrap()),
        Value::String(text) => View::Text(text),
        Value::Array(_) => View::List(value),
        Value::Object(_) => View::Record(value),
    }
}

fn refused(text: &str) -> FilterError {
    Filter::new(text, fields::NODE).unwrap_err()
}

#[test]
fn length_is_bounded() {
    let long = |length: usize| format!("Node == `{}`", "a".repeat(length - 10));
    assert!(Filter::new(&long(limits::EXPRESSION_BYTES), fields::NODE).is_ok());
    assert_eq!(refused(&long(limits::EXPRESSION_BYTES + 1)), FilterError::TooLong);
}

#[test]
fn depth_is_bounded() {
    let nested =
        |levels: usize| format!("{}Node == a{}", "(".repeat(levels - 1), ")".repeat(levels - 1));
    assert!(Filter::new(&nested(limits::DEPTH), fields::NODE).is_ok());
    assert_eq!(refused(&nested(limits::DEPTH + 1)), FilterError::TooDeep);
    assert_eq!(refused(&"(".repeat(limits::EXPRESSION_BYTES)), FilterError::TooDeep);
    assert_eq!(refused(&"not ".repeat(limits::EXPRESSION_BYTES / 4)), FilterError::TooDeep);
}

/// A chain is not nesting: as long as the text may be.
#[test]
fn chains_are_long() {
    let terms = vec!["Node==a"; 5_000].join(" or ");
    assert!(terms.len() <= limits::EXPRESSION_BYTES);
    assert!(Filter::new(&terms, fields::NODE).is_ok());
}

#[test]
fn cost_of_patterns_is_bounded_together() {
    let one = r"Node matches `^[\w.-]{1,255}$`";
    assert!(Filter::new(one, fields::NODE).is_ok());
    let many = vec![one; 500].join(" or ");
    let error = refused(&many).to_string();
    assert!(error.ends_with("error parsing regexp: expression too large"), "{error}");
    let error = refused(r"Node matches `((a{100}){100}){100}`").to_string();
    assert!(error.starts_with("Failed to compile regular expression"), "{error}");
}

#[test]
fn errors_of_rules_are_bounded() {
    let many = vec![r#""\q" in Node"#; 100].join(" or ");
    assert_eq!(refused(&many).to_string().lines().count(), limits::ERRORS);
}

#[test]
fn lines_are_counted() {
    let expected = r#"2:6 (10): no match found, expected: "and", "or", [ \t\r\n] or EOF"#;
    assert_eq!(refused("Node\n== a ;").to_string(), expected);
}

#[test]
fn numbers_without_sign() {
    let refused = |value: &str| {
        let text = format!("Port == `{value}`");
        Filter::new(&text, fields::MEMBER).unwrap_err().to_string()
    };
    assert!(refused("-1").ends_with(r#"strconv.ParseUint: parsing "-1": invalid syntax"#));
    assert!(refused("65536").ends_with(r#"parsing "65536": value out of range"#));
    assert!(Filter::new("Port == 65535", fields::MEMBER).is_ok());
}

#[test]
fn lists_of_numbers() {
    let row = serde_json::json!({"Addr": [127, 0, 0, 1]});
    let matches = |text: &str| Filter::new(text, fields::MEMBER).unwrap().matches(&row);
    assert!(matches("127 in Addr"));
    assert!(!matches("Addr contains 128"));
    assert!(Filter::new("256 in Addr", fields::MEMBER).is_err());
}

/// Records that are not there answer as maps without the key do.
#[test]
fn absent_records() {
    let row = serde_json::json!({"Proxy": null, "Tags": [], "TaggedAddresses": null});
    let matches = |text: &str| Filter::new(text, fields::NODE_SERVICE).unwrap().matches(&row);
    assert!(!matches("Proxy.Mode == ``"));
    assert!(matches("Proxy.Mode != direct"));
    assert!(matches("TaggedAddresses is empty"));
    assert!(!matches("lan in TaggedAddresses"));
    assert!(matches("Proxy.Mode matches x and Proxy.Mode not matches x"));
}
