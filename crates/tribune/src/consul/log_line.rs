//! Lines as Consul's logger writes them, for the few that commands write.

use crate::output::complain;

/// Writes a line with this level and text to standard error.
pub(super) fn write(level: &str, text: &str) {
    complain(format!("{} {:7} {text}", now(), format!("[{level}]")));
}

/// The time, with milliseconds and the offset of its zone.
fn now() -> String {
    let now = chrono::Local::now();
    let zone = now.format("%z").to_string();
    let zone = if zone == "+0000" { "Z" } else { &zone };
    format!("{}{zone}", now.format("%Y-%m-%dT%H:%M:%S%.3f"))
}

/// A value of a field: in quotes if it has blanks or quotes in it.
pub(super) fn field(value: &str) -> String {
    let plain = |character: char| !character.is_whitespace() && character != '"';
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        gotext::quote(value)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(super::field("5s"), "5s");
        assert_eq!(super::field("a \"b\""), r#""a \"b\"""#);
        assert_eq!(super::field(""), "\"\"");
    }
}
