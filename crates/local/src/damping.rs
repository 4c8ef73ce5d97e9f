//! How many results of a kind, one after another, it takes until a check says so.

use crate::check_definition::CheckDefinition;
use crate::status::Status;

/// Counts the results of a check that finds out by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Damping {
    successes_wanted: i64,
    warning_wanted: i64,
    critical_wanted: i64,
    successes: i64,
    failures: i64,
}

impl Damping {
    /// The counters begin full: the first result counts at once.
    pub(crate) fn new(check: &CheckDefinition) -> Self {
        let critical_wanted = check.failures_before_critical;
        Self {
            successes_wanted: check.success_before_passing,
            warning_wanted: match check.failures_before_warning {
                0 => critical_wanted,
                wanted => wanted,
            },
            critical_wanted,
            successes: check.success_before_passing,
            failures: critical_wanted,
        }
    }

    /// What a result changes the check to; `None` if it is not the time yet.
    pub(crate) fn result(&mut self, status: Status) -> Option<Status> {
        if status != Status::Critical {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            return (self.successes >= self.successes_wanted).then_some(status);
        }
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.critical_wanted {
            Some(Status::Critical)
        } else if self.failures >= self.warning_wanted {
            Some(Status::Warning)
        } else {
            None
        }
    }
}
