//! Which members `members-filtered` shows.

use regex::{Regex, RegexBuilder};
use serf::Member;
use wire::rpc::MembersFilter;

use crate::limits;

/// The compiled patterns.
#[derive(Debug)]
pub(super) struct MemberFilter {
    tags: Vec<(String, Regex)>,
    status: Option<Regex>,
    name: Option<Regex>,
}

impl MemberFilter {
    /// Compiles the patterns; the error is for the client.
    pub(super) fn new(filter: &MembersFilter) -> Result<Self, String> {
        let optional = |text: &str| (!text.is_empty()).then(|| compile(text)).transpose();
        let tags = filter
            .tags
            .iter()
            .map(|(name, pattern)| Ok((name.clone(), compile(pattern)?)))
            .collect::<Result<_, String>>()?;
        Ok(MemberFilter { tags, status: optional(&filter.status)?, name: optional(&filter.name)? })
    }

    /// Whether the member passes all patterns. A tag that it lacks counts as empty.
    pub(super) fn passes(&self, member: &Member) -> bool {
        let matches = |regex: &Option<Regex>, text: &str| {
            regex.as_ref().is_none_or(|regex| regex.is_match(text))
        };
        matches(&self.status, member.status.as_str())
            && matches(&self.name, member.name.as_str())
            && self.tags.iter().all(|(name, regex)| {
                regex.is_match(member.tags.get(name).map(String::as_str).unwrap_or_default())
            })
    }
}

/// The pattern between `^` and `$`, deliberately without a group: `a|b` is `^a` or `b$`, as in
/// the real agent.
fn compile(pattern: &str) -> Result<Regex, String> {
    let anchored = format!("^{}$", plain_quotes(pattern));
    RegexBuilder::new(&anchored)
        .size_limit(limits::PATTERN_BYTES)
        .dfa_size_limit(limits::PATTERN_BYTES)
        .build()
        .map_err(|error| format!("Failed to compile regex: {}", one_line(&error)))
}

/// RE2's `\Q...\E`, which the `regex` crate lacks, as single escapes.
fn plain_quotes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = find_quote(rest) {
        plain.push_str(&rest[..at]);
        let quoted = &rest[at + 2..];
        let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        plain.push_str(&regex::escape(literal));
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Where the next `\Q` is whose backslash is not itself escaped.
fn find_quote(pattern: &str) -> Option<usize> {
    let mut characters = pattern.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == '\\'
            && let Some((_, 'Q')) = characters.next()
        {
            return Some(at);
        }
    }
    None
}

/// The last line says what is wrong; those before only point at it.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serf::MemberStatus;
    use std::sync::Arc;
    use wire::{Address, NodeName, Versions};

    fn member(name: &str, tags: &[(&str, &str)]) -> Member {
        Member {
            name: NodeName::from(name),
            address: Address::default(),
            port: 7946,
            tags: Arc::new(tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()),
            status: MemberStatus::Alive,
            versions: Versions::default(),
        }
    }

    fn passes(name_pattern: &str, name: &str) -> bool {
        let filter = MembersFilter { name: name_pattern.into(), ..MembersFilter::default() };
        MemberFilter::new(&filter).unwrap().passes(&member(name, &[]))
    }

    #[test]
    fn patterns_are_anchored_without_a_group() {
        assert!(passes("node1", "node1"));
        assert!(!passes("node", "node1"));
        assert!(passes("a|b", "abc"));
        assert!(passes("a|b", "xb"));
        assert!(!passes("a|b", "xbc"));
        assert!(passes("", "anything"));
    }

    #[test]
    fn quotes_of_re2_are_understood() {
        assert!(passes(r"\Qa.b\E.*", "a.bc"));
        assert!(!passes(r"\Qa.b\E", "axb"));
        assert!(passes(r"x\Q(", "x("));
        assert_eq!(plain_quotes(r"\\Qa"), r"\\Qa");
    }

    #[test]
    fn a_missing_tag_counts_as_empty() {
        let filter = |pattern: &str| MembersFilter {
            tags: [("role".to_owned(), pattern.to_owned())].into(),
            ..MembersFilter::default()
        };
        let passes =
            |pattern, tags| MemberFilter::new(&filter(pattern)).unwrap().passes(&member("n", tags));
        assert!(passes("", &[]));
        assert!(!passes("", &[("role", "web")]));
        assert!(passes("w.*", &[("role", "web")]));
        let status = MembersFilter { status: "left|alive".into(), ..MembersFilter::default() };
        assert!(MemberFilter::new(&status).unwrap().passes(&member("n", &[])));
    }

    #[test]
    fn what_does_not_compile_is_said_in_one_line() {
        for pattern in ["(", "a{1000}{1000}{1000}", "[z-a]"] {
            let filter = MembersFilter { name: pattern.into(), ..MembersFilter::default() };
            let why = MemberFilter::new(&filter).unwrap_err();
            assert!(why.starts_with("Failed to compile regex: "), "{why}");
            assert!(!why.contains('\n'), "{why}");
        }
    }
}
