//! What a run found.

use std::fmt;

use crate::limits::FAILURE_BYTES;

/// How the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// As it should be.
    Passing,
    /// It answers, and says that something is wrong.
    Warning,
    /// It does not answer, or not well.
    Critical,
}

impl Status {
    /// The word of the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Passing => "passing",
            Status::Warning => "warning",
            Status::Critical => "critical",
        }
    }

    /// What a program's exit code means; none if a signal ended it.
    pub(crate) fn of_exit_code(code: Option<i64>) -> Status {
        match code {
            Some(0) => Status::Passing,
            Some(1) => Status::Warning,
            _ => Status::Critical,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the target is.
    pub status: Status,
    /// What operators see beside it.
    pub output: String,
}

impl Outcome {
    pub(crate) fn passing(output: impl Into<String>) -> Outcome {
        Outcome { status: Status::Passing, output: output.into() }
    }

    pub(crate) fn warning(output: impl Into<String>) -> Outcome {
        Outcome { status: Status::Warning, output: output.into() }
    }

    /// What went wrong is what operators see: as much of it as a text of ours may be long, for it
    /// may quote what a server said.
    pub(crate) fn critical(why: impl fmt::Display) -> Outcome {
        let mut output = why.to_string();
        let mut end = output.len().min(FAILURE_BYTES);
        while !output.is_char_boundary(end) {
            end -= 1;
        }
        output.truncate(end);
        Outcome { status: Status::Critical, output }
    }
}
