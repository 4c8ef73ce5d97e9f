//! Patterns as Go reads them.
//!
//! Members, command lines and the filters of HTTP requests choose by regular expressions in the
//! syntax of Go's `regexp` (RE2), and every member must read one in the same way, whoever wrote it:
//! `\w`, `\d`, `\s` and `\b` know ASCII only, `\Q...\E` quotes, a `{` that begins no repetition is
//! itself. So the text is read here and only the machine that runs it is the `regex-automata`
//! crate's, the simplest one: cheap to build, linear in the length of the text. Patterns come from
//! others, so what one may cost is the caller's to say.
//!
//! ```
//! let pattern = pattern::Pattern::new(r"^web-\d+$", 64 << 10).unwrap();
//! assert!(pattern.is_match("web-12"));
//! ```

mod class;
mod parse;

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};

/// A compiled pattern. Matches anywhere in a text, unless it says otherwise.
#[derive(Debug)]
pub struct Pattern {
    machine: PikeVM,
    cost: usize,
}

/// Why a text is no pattern. For what Go refuses too, the words are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It breaks a rule of the syntax.
    #[error("error parsing regexp: {rule}: `{place}`")]
    Syntax {
        /// Which.
        rule: &'static str,
        /// Where; on one line and not for ever.
        place: String,
    },
    /// It costs more than the limit.
    #[error("error parsing regexp: expression too large")]
    TooLarge,
}

/// A character of a pattern costs at least this many bytes.
const BYTES_PER_CHARACTER: usize = 16;

impl Pattern {
    /// Compiles a pattern that may cost `limit`; see [`Self::cost`].
    ///
    /// # Errors
    ///
    /// Where Go refuses the text, and where it costs too much.
    pub fn new(text: &str, limit: usize) -> Result<Pattern, PatternError> {
        Self::compile(text, limit, false)
    }

    /// The same for [`Self::captures`], which costs more.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn with_groups(text: &str, limit: usize) -> Result<Pattern, PatternError> {
        Self::compile(text, limit, true)
    }

    fn compile(text: &str, limit: usize, groups: bool) -> Result<Pattern, PatternError> {
        if text.len() > limit / BYTES_PER_CHARACTER {
            return Err(PatternError::TooLarge);
        }
        let (expression, read) = parse::parse(text, limit, groups)?;
        let config = Config::new()
            .which_captures(if groups { WhichCaptures::All } else { WhichCaptures::None })
            .nfa_size_limit(Some(limit.saturating_sub(read)));
        let program = Compiler::new().configure(config).build_from_hir(&expression);
        let program = program.map_err(|_| PatternError::TooLarge)?;
        let places = program.states().len().saturating_mul(program.group_info().slot_len());
        let tables = places.saturating_mul(2 * size_of::<usize>());
        let cost = (read + program.memory_usage()).saturating_add(tables);
        if cost > limit {
            return Err(PatternError::TooLarge);
        }
        let machine = PikeVM::new_from_nfa(program).map_err(|_| PatternError::TooLarge)?;
        Ok(Pattern { machine, cost })
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.machine.is_match(&mut self.machine.create_cache(), text)
    }

    /// The first match and what each group of it matched, an empty text for one that took no part.
    /// Without groups, unless it was compiled with them, nothing.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut captures = self.machine.create_captures();
        self.machine.captures(&mut self.machine.create_cache(), text, &mut captures);
        captures.get_match()?;
        let group = |index| captures.get_group(index).and_then(|span| text.get(span.range()));
        Some((0..captures.group_len()).map(|index| group(index).unwrap_or_default()).collect())
    }

    /// What it took to compile: the bytes of its program, and about as many for the work to read
    /// it; with groups also those of the tables of a search, of what each of its states knows of
    /// each group. Matching takes time in proportion to this and to the length of the text.
    pub fn cost(&self) -> usize {
        self.cost
    }
}

#[cfg(test)]
mod tests;
