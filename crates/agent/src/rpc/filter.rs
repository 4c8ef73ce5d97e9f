//! Which members `members-filtered` shows.

use serf::{Member, Pattern};
use wire::rpc::MembersFilter;

use crate::limits;

/// The compiled patterns.
#[derive(Debug)]
pub(super) struct MemberFilter {
    tags: Vec<(String, Pattern)>,
    status: Option<Pattern>,
    name: Option<Pattern>,
}

impl MemberFilter {
    /// Compiles the patterns; the error is for the client.
    pub(super) fn new(filter: &MembersFilter) -> Result<Self, String> {
        let mut left = limits::PATTERNS_COST;
        let mut compile = |text: &str| compile(text, &mut left);
        let tags = filter
            .tags
            .iter()
            .map(|(name, pattern)| Ok((name.clone(), compile(pattern)?)))
            .collect::<Result<_, String>>()?;
        let mut optional = |text: &str| (!text.is_empty()).then(|| compile(text)).transpose();
        Ok(MemberFilter { tags, status: optional(&filter.status)?, name: optional(&filter.name)? })
    }

    /// Whether the member passes all patterns. A tag that it lacks counts as empty.
    pub(super) fn passes(&self, member: &Member) -> bool {
        let matches = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
        };
        matches(&self.status, member.status.as_str())
            && matches(&self.name, member.name.as_str())
            && self.tags.iter().all(|(name, pattern)| {
                pattern.is_match(member.tags.get(name).map(String::as_str).unwrap_or_default())
            })
    }
}

/// The pattern between `^` and `$`, deliberately without a group: `a|b` is `^a` or `b$`, as in
/// the real agent. What it costs is taken from `left`.
fn compile(pattern: &str, left: &mut usize) -> Result<Pattern, String> {
    let limit = limits::PATTERN_COST.min(*left);
    let pattern = Pattern::new(&format!("^{pattern}$"), limit)
        .map_err(|error| format!("Failed to compile regex: {error}"))?;
    *left -= pattern.cost();
    Ok(pattern)
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
    fn patterns_are_read_as_in_go() {
        assert!(passes(r"\Qa.b\E.*", "a.bc"));
        assert!(!passes(r"\Qa.b\E", "axb"));
        // The quote goes on to the end, which is our own.
        assert!(!passes(r"x\Q(", "x("));
        assert!(passes(r"a{b", "a{b"));
        assert!(passes(r"\w{1,63}", "web1"));
        assert!(!passes(r"\w+", "é"));
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
