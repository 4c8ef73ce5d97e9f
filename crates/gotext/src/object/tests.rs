#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

fn body(text: &str) -> Object {
    Object::parse(text.as_bytes()).unwrap()
}

#[test]
fn names_match_in_any_case_and_the_last_of_several_counts() {
    let mut object = body(r#"{"name": "a", "Other": 1, "NAME": "b"}"#);
    assert_eq!(object.field::<String>("Name").unwrap(), "b");
    assert_eq!(object.clone().rest().len(), 1);
    assert_eq!(object.finish().unwrap_err().to_string(), r#"json: unknown field "Other""#);
}

#[test]
fn errors_say_what_was_found() {
    let kinds =
        [("5", "number"), ("\"a\"", "string"), ("[]", "array"), ("{}", "object"), ("true", "bool")];
    for (value, kind) in kinds {
        let text = format!(r#"{{"A": {value}}}"#);
        let found = |result: Result<(), ObjectError>| match result {
            Err(error) => assert!(
                error.to_string().starts_with(&format!("json: cannot unmarshal {kind} into Go ")),
                "{error}"
            ),
            Ok(()) => panic!("{value} was taken"),
        };
        match kind {
            "string" => found(body(&text).field::<i64>("A").map(|_| ())),
            _ => found(body(&text).field::<String>("A").map(|_| ())),
        }
    }
    let error = body(r#"{"A": -1}"#).field::<u64>("A").unwrap_err().to_string();
    assert!(error.starts_with("json: cannot unmarshal number -1 into Go "), "{error}");
    assert_eq!(Object::parse(b" ").unwrap_err().to_string(), "EOF");
    assert_eq!(Object::parse(b"{").unwrap_err().to_string(), "unexpected EOF");
}

#[test]
fn numbers_keep_all_their_digits() {
    let mut object = body(r#"{"Flags": 18446744073709551615, "D": 1.5e9, "T": "1m"}"#);
    assert_eq!(object.field::<u64>("Flags").unwrap(), u64::MAX);
    assert_eq!(object.field::<Nanoseconds>("D").unwrap().0, Some(1_500_000_000));
    assert_eq!(object.field::<Nanoseconds>("T").unwrap().0, Some(60_000_000_000));
}

#[test]
fn null_is_absent_but_no_object_of_a_list() {
    assert_eq!(Object::parse(b"null").unwrap(), Object::default());
    assert_eq!(body(r#"{"A": null}"#).optional::<String>("A").unwrap(), None);
    assert_eq!(body(r#"{"A": [null]}"#).field::<Vec<String>>("A").unwrap(), [""]);
    assert!(body(r#"{"A": [null]}"#).objects("A").is_err());
}
