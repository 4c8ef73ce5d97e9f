//! How a command of Consul's ends that does not succeed.

/// Why a command failed, which decides what is shown and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The text is shown on standard error; the exit code is 1.
    Said(String),
    /// As [`Failure::Said`], with the help of the command below.
    Misused(String),
    /// Nothing is shown; the exit code is this.
    Silent(i32),
}

impl Failure {
    /// What failed, and why.
    pub(crate) fn of(what: &str, why: impl std::fmt::Display) -> Failure {
        Failure::Said(format!("{what}: {why}"))
    }

    /// A mistake in the arguments; the help says what is right.
    pub(crate) fn misused(text: &str) -> Failure {
        Failure::Misused(text.to_owned())
    }

    /// A mistake in the arguments that speaks for itself.
    pub(crate) fn said(text: &str) -> Failure {
        Failure::Said(text.to_owned())
    }
}

/// The error that a number of arguments is, unless it is right.
pub(super) fn too_many(found: usize, expected: usize) -> Result<(), Failure> {
    if found > expected {
        let text = format!("Too many arguments (expected {expected}, got {found})");
        return Err(Failure::Said(text));
    }
    Ok(())
}
