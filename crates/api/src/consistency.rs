//! How sure a read must be (consul-http, "Consistency").

use gotext::GoDuration;

use crate::answer::Failure;
use crate::request::Query;

/// How sure a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// The leader's state.
    #[default]
    Leader,
    /// The leader's state, and it is known to lead.
    Consistent,
    /// Any server's state.
    Stale,
}

impl Consistency {
    /// As answers name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Consistent => "consistent",
            Self::Stale => "stale",
        }
    }

    /// What a request asks for.
    ///
    /// # Errors
    ///
    /// Parameters that contradict each other, and a bound that is no length of time.
    pub fn read(query: &Query) -> Result<Self, Failure> {
        let conflict = |other: &str| {
            Err(Failure::bad(format!(
                "Cannot specify ?{other} with ?consistent, conflicting semantics."
            )))
        };
        let mut stale = query.has("stale");
        if let Some(text) = query.filled("max_stale") {
            let invalid =
                |_| Failure::bad(format!("Invalid max_stale value {}", gotext::quote(text)));
            stale |= GoDuration::parse(text).map_err(invalid)?.as_nanoseconds() > 0;
        }
        let consistent = query.has("consistent");
        if stale && consistent {
            return conflict("stale");
        }
        if query.has("cached") && consistent {
            return conflict("cached");
        }
        Ok(match (stale, consistent) {
            (true, _) => Self::Stale,
            (_, true) => Self::Consistent,
            _ => Self::Leader,
        })
    }
}
