#![allow(clippy::unwrap_used)]

use super::{Pattern, PatternError};

const LIMIT: usize = 128 << 10;

/// Pattern, text, and whether Go's `regexp` says that it matches.
const GO: &[(&str, &str, bool)] = &[
    // ASCII classes and word boundaries.
    (r"^\w{8}$", "web12345", true),
    (r"^\w{1,63}$", "web_12345", true),
    (r"\w", "é٣", false),
    (r"^\W+$", "é٣", true),
    (r"\d", "٣", false),
    (r"^\D$", "٣", true),
    (r"^\s+$", " \t\n\r\x0C", true),
    (r"\s", "\x0B\u{A0}\u{2003}", false),
    (r"^\S$", "\x0B", true),
    (r"é\b", "é1", true),
    (r"é\bé", "éé", false),
    (r"é\B", "é", true),
    (r"\B", "", true),
    (r"\bweb\b", "a web.", true),
    (r"^[\w-]+$", "web-1", true),
    (r"^[^\W]+$", "web-1", false),
    (r"^[\W\d]+$", "é1-", true),
    // Case, and what it does to classes.
    (r"(?i)^É$", "é", true),
    (r"(?i)^k$", "\u{212A}", true),
    (r"(?i)^\w$", "\u{212A}", true),
    (r"^\w$", "\u{212A}", false),
    (r"(?i)^\W$", "\u{17F}", false),
    (r"(?i)^[[:lower:]]$", "A", true),
    (r"(?i)^[^a]$", "A", false),
    (r"(?i)^\p{Lu}$", "a", true),
    (r"a(?i)b", "aB", true),
    (r"a(?i)b", "AB", false),
    (r"(?i:a)b", "Ab", true),
    (r"(?i:a)b", "AB", false),
    (r"(?i)a(?-i)b", "AB", false),
    (r"a(?i)*b", "aaaB", true),
    // Classes in brackets.
    (r"^[[:alpha:]]+$", "é", false),
    (r"^[[:^alpha:]]+$", "é1", true),
    (r"^[[:word:][:space:]]+$", "a_ \x0B", true),
    (r"^[[a]+$", "[a", true),
    (r"^[]a]+$", "]a", true),
    (r"^[[:]+$", "[:", true),
    (r"^[:alpha:]+$", "pal:", true),
    (r"^[a&&b]+$", "a&b", true),
    (r"^[+--]+$", "-,+", true),
    (r"^[a~~b]+$", "~", true),
    (r"^[a-]+$", "a-", true),
    (r"^[\d-z]+$", "5-z", true),
    (r"^[^a]$", "\n", true),
    (r"^[\x{D000}-\x{E000}]$", "\u{D7FF}", true),
    // Unicode.
    (r"^\pL+$", "aéΣ", true),
    (r"^\PL$", "1", true),
    (r"^\p{Greek}$", "Σ", true),
    (r"^\p{^Greek}$", "Σ", false),
    (r"^\P{^Greek}$", "Σ", true),
    (r"^\p{Zl}$", "\u{2028}", true),
    (r"^\p{Any}$", "\n", true),
    (r"^.{2}$", "éΣ", true),
    // Quotes, braces, escapes.
    (r"^\Qa.b\E.$", "a.bc", true),
    (r"^\Qa.b\E", "axb", false),
    (r"^\Qa*", "a*", true),
    (r"^\\Qa$", r"\Qa", true),
    (r"a{b", "a{b", true),
    (r"^a{,2}$", "a{,2}", true),
    (r"^a{02}$", "a{02}", true),
    (r"^a{2$", "a{2", true),
    (r"^{$", "{", true),
    (r"^a{2,}$", "aaa", true),
    (r"^a{0}$", "", true),
    (r"^a}$", "a}", true),
    (r"^\x41\x{e9}\101\07\t\.\_$", "AéA\x07\t._", true),
    (r"^\z", "", true),
    (r"\Aa\z", "a\n", false),
    // Lines and dots.
    (r"^a$", "a\n", false),
    (r"(?m)^b$", "a\nb\nc", true),
    (r"a.b", "a\nb", false),
    (r"(?s)a.b", "a\nb", true),
    (r"(?U)a+?", "a", true),
    (r"a b#c", "a b#c", true),
    // Groups and alternatives.
    (r"^a|b$", "xb", true),
    (r"^(?:a|b)$", "xb", false),
    (r"^(?P<n>a)(?<n>b)$", "ab", true),
    (r"^(|a)+b$", "aab", true),
    (r"^()*$", "", true),
    (r"^*a", "a", true),
    (r"(?)a", "a", true),
    (r"^(a{10}){100}$", "a", false),
];

/// What Go refuses, and in which words.
const REFUSED: &[(&str, &str)] = &[
    ("(", "missing closing ): `(`"),
    ("a)", "unexpected ): `a)`"),
    ("[a", "missing closing ]: `[a`"),
    ("[a\\]", "missing closing ]: `[a\\]`"),
    ("[z-a]", "invalid character class range: `z-a`"),
    ("[a--]", "invalid character class range: `a--`"),
    (r"[a-\d]", r"invalid escape sequence: `\d`"),
    ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ("*", "missing argument to repetition operator: `*`"),
    ("(|*)", "missing argument to repetition operator: `*`"),
    ("{2}", "missing argument to repetition operator: `{2}`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("a*??", "invalid nested repetition operator: `*??`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{3,2}", "invalid repeat count: `{3,2}`"),
    ("(a{10}){101}", "invalid repeat count: `{101}`"),
    ("a{99999999999999999999}", "invalid repeat count: `{99999999999999999999}`"),
    (r"\C", r"invalid escape sequence: `\C`"),
    (r"\Z", r"invalid escape sequence: `\Z`"),
    (r"\1", r"invalid escape sequence: `\1`"),
    (r"\é", r"invalid escape sequence: `\é`"),
    (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
    ("\\", "trailing backslash at end of expression: ``"),
    (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
    (r"\p{L", r"invalid character class range: `\p{L`"),
    ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
    ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?P<a", "invalid named capture: `(?P<a`"),
    ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
];

#[test]
fn texts_match_as_in_go() {
    for (pattern, text, expected) in GO {
        let compiled = Pattern::new(pattern, LIMIT);
        let compiled = compiled.unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(compiled.is_match(text), *expected, "{pattern} on {text:?}");
    }
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (pattern, why) in REFUSED {
        let error = Pattern::new(pattern, LIMIT).unwrap_err();
        assert_eq!(error.to_string(), format!("error parsing regexp: {why}"), "{pattern}");
    }
}

#[test]
fn an_error_is_one_short_line() {
    let error = Pattern::new(&format!("(\n{}", "a".repeat(500)), LIMIT).unwrap_err().to_string();
    assert!(!error.contains('\n') && error.len() < 120, "{error}");
}

#[test]
fn what_one_pattern_may_cost_is_bounded() {
    let dear = [
        "a{1000}".repeat(100),
        r"\pL{1000}".to_owned(),
        r"(?i)\pL".repeat(100),
        r"(?i)[\x{0}-\x{1E000}]".repeat(40),
        r"\p{Lu}".repeat(150),
        "(".repeat(500) + &")".repeat(500),
        "a".repeat(LIMIT),
    ];
    for pattern in dear {
        let error = Pattern::new(&pattern, LIMIT).unwrap_err();
        let deep = PatternError::Syntax {
            rule: "expression nests too deeply",
            place: pattern.chars().take(64).collect(),
        };
        assert!(error == PatternError::TooLarge || error == deep, "{error}");
    }
    // What operators write has room.
    for pattern in [r"^.{1,255}$", r"^[\w.-]{1,255}$", r"(?i)^[a-z0-9é-ü]{1,63}$", r"^\pL{1,4}$"]
    {
        let cost = Pattern::new(pattern, LIMIT).unwrap().cost();
        assert!(cost <= LIMIT, "{pattern}: {cost}");
    }
}

#[test]
fn groups_say_what_they_matched_as_in_go() {
    let cases: [(&str, &str, Option<&[&str]>); 8] = [
        ("^geo-(.*?)-([^\\-]+?)$", "geo-a-b-c", Some(&["geo-a-b-c", "a-b", "c"])),
        ("(a+?)(a*)", "aaa", Some(&["aaa", "a", "aa"])),
        ("(?U)(a+)(a*?)", "aaa", Some(&["aaa", "a", "aa"])),
        ("(a)|(b)", "b", Some(&["b", "", "b"])),
        ("(?:a)(?P<name>b)", "xab", Some(&["ab", "b"])),
        ("(a){0}(b)", "b", Some(&["b", "", "b"])),
        ("(?i)WEB-(\\d+)", "web-12", Some(&["web-12", "12"])),
        ("(x)", "y", None),
    ];
    for (pattern, text, wanted) in cases {
        let found = Pattern::with_groups(pattern, LIMIT).unwrap().captures(text);
        assert_eq!(found.as_deref(), wanted, "{pattern}");
    }
}

/// Callers take it from what is left.
#[test]
fn nothing_costs_more_than_its_limit() {
    let within = |limit| Pattern::new("^a$", limit).is_ok_and(|pattern| pattern.cost() <= limit);
    assert!(within(4096));
    for limit in 0..4096 {
        assert!(within(limit) || Pattern::new("^a$", limit).is_err(), "{limit}");
    }
}

#[test]
fn what_groups_cost_is_bounded_too() {
    for dear in ["()".repeat(500), "(a)".repeat(200)] {
        assert!(Pattern::new(&dear, LIMIT).is_ok(), "{dear}");
        assert_eq!(Pattern::with_groups(&dear, LIMIT).unwrap_err(), PatternError::TooLarge);
    }
    for pattern in [r"^geo-(.*?)-([^\-]+?)$", r"^(.+)\.(.+)\.(.+)\.(.+)\.(.+)\.(.+)$"] {
        let cost = Pattern::with_groups(pattern, LIMIT).unwrap().cost();
        assert!(cost <= LIMIT / 2, "{pattern}: {cost}");
    }
}
