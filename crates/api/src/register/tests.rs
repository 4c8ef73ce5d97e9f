#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn what_is_kept_is_escaped_as_it_is_shown() {
    let body = br#"{"Name": "c", "Definition": {"HTTP": "http://x/?a=1&b=<", "Interval": "1s"}}"#;
    let check = check(Object::parse(body).unwrap()).unwrap();
    let kept = r#"{"Interval":"1s","HTTP":"http://x/?a=1\u0026b=\u003c"}"#;
    assert_eq!(check.definition.as_deref(), Some(kept));
    let mut node = Object::parse(br#"{"Locality": {"Region": "a&b"}}"#).unwrap();
    assert_eq!(locality(&mut node).unwrap().as_deref(), Some(r#"{"Region":"a\u0026b"}"#));
}
