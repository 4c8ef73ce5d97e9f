//! Sets of characters.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::PatternError;

/// The last character that has another case.
const LAST_CASED: u32 = 0x1E943;

/// What a look into the tables of Unicode costs.
const TABLE_COST: usize = 2048;

/// The characters of a range of code points; those that are none (surrogates) occur in no text.
pub(super) fn range(first: u32, last: u32) -> impl Iterator<Item = ClassUnicodeRange> {
    let part = |first: u32, last: u32| {
        let (first, last) = (char::from_u32(first)?, char::from_u32(last)?);
        (first <= last).then(|| ClassUnicodeRange::new(first, last))
    };
    let low = part(first, last.min(0xD7FF));
    let high = part(first.max(0xE000), last);
    low.into_iter().chain(high)
}

pub(super) fn ranges(list: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(list.iter().map(|(first, last)| ClassUnicodeRange::new(*first, *last)))
}

/// The class of `\d`, `\s` or `\w`.
pub(super) fn perl(letter: char) -> Option<ClassUnicode> {
    Some(match letter {
        'd' => ranges(&[('0', '9')]),
        's' => ranges(&[('\t', '\n'), ('\x0C', '\r'), (' ', ' ')]),
        'w' => ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        _ => return None,
    })
}

/// The class of `[:name:]`.
pub(super) fn posix(name: &str) -> Option<ClassUnicode> {
    Some(match name {
        "alnum" => ranges(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        "alpha" => ranges(&[('A', 'Z'), ('a', 'z')]),
        "ascii" => ranges(&[('\0', '\x7F')]),
        "blank" => ranges(&[('\t', '\t'), (' ', ' ')]),
        "cntrl" => ranges(&[('\0', '\x1F'), ('\x7F', '\x7F')]),
        "digit" => ranges(&[('0', '9')]),
        "graph" => ranges(&[('!', '~')]),
        "lower" => ranges(&[('a', 'z')]),
        "print" => ranges(&[(' ', '~')]),
        "punct" => ranges(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        "space" => ranges(&[('\t', '\r'), (' ', ' ')]),
        "upper" => ranges(&[('A', 'Z')]),
        "word" => ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        "xdigit" => ranges(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        _ => return None,
    })
}

/// The class of `\p{name}`: a category of one or two letters, or a script.
fn unicode(name: &str) -> Option<ClassUnicode> {
    if name == "Any" {
        return Some(ranges(&[('\0', char::MAX)]));
    }
    // No text has any.
    if name == "Cs" {
        return Some(ClassUnicode::empty());
    }
    let mut letters = name.chars();
    let capital = letters.next().is_some_and(|first| first.is_ascii_uppercase());
    let property = match name.len() {
        1 => "gc",
        2 if letters.all(|second| second.is_ascii_lowercase()) => "gc",
        3.. if letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') => "sc",
        _ => return None,
    };
    if !capital {
        return None;
    }
    let found = regex_syntax::parse(&format!("\\p{{{property}={name}}}")).ok()?;
    match found.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A class of one.
        HirKind::Literal(only) => {
            let only = std::str::from_utf8(&only.0).ok()?.chars().next()?;
            Some(ranges(&[(only, only)]))
        }
        _ => None,
    }
}

/// What reading a pattern may still cost.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    spent: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Budget { limit, spent: 0 }
    }

    pub(super) fn spent(&self) -> usize {
        self.spent
    }

    fn charge(&mut self, cost: usize) -> Result<(), PatternError> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(PatternError::TooLarge) } else { Ok(()) }
    }

    /// The class of `\p{name}`; None if Unicode has no such.
    pub(super) fn unicode(&mut self, name: &str) -> Result<Option<ClassUnicode>, PatternError> {
        self.charge(TABLE_COST)?;
        Ok(unicode(name))
    }

    /// Adds to a class what differs from its characters in case only. Every character that may have
    /// another case is looked up, and charged for.
    pub(super) fn fold(&mut self, class: &mut ClassUnicode) -> Result<(), PatternError> {
        let all_cased = ClassUnicode::new(range(u32::from('A'), LAST_CASED));
        let mut cased = class.clone();
        cased.intersect(&all_cased);
        if cased == all_cased {
            return Ok(());
        }
        self.charge(cased.iter().map(|range| range.len()).sum())?;
        // The tables of cases are built in.
        cased.try_case_fold_simple().map_err(|_| PatternError::TooLarge)?;
        class.union(&cased);
        Ok(())
    }
}
