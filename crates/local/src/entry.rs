//! A service and a check as the agent has them.

use std::sync::Arc;

use catalog::{Check, Service};

use crate::check_definition::{CheckDefinition, CheckKind};
use crate::damping::Damping;
use crate::interface::{Source, Token};
use crate::time::Time;

/// A service of the agent.
#[derive(Clone, Debug)]
pub struct LocalService {
    pub(crate) row: Service,
    pub(crate) token: Box<str>,
    pub(crate) source: Source,
    pub(crate) sidecar: bool,
}

impl LocalService {
    /// The service as the catalogue is to have it.
    #[must_use]
    pub fn row(&self) -> &Service {
        &self.row
    }

    /// The token that it was registered with; empty for none.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Who defined it.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn call_token(&self) -> Token {
        call_token(&self.token, self.source)
    }
}

/// A check of the agent.
#[derive(Clone, Debug)]
pub struct LocalCheck {
    pub(crate) row: Check,
    pub(crate) definition: Option<Arc<CheckDefinition>>,
    pub(crate) token: Box<str>,
    pub(crate) source: Source,
    pub(crate) damping: Damping,
    /// Since when results say that it is critical. What nobody has looked at does not count.
    pub(crate) critical_since: Option<Time>,
    /// What a check with a TTL was told last.
    pub(crate) told: Box<str>,
}

impl LocalCheck {
    /// The check as the catalogue is to have it.
    #[must_use]
    pub fn row(&self) -> &Check {
        &self.row
    }

    /// What it does; `None` for maintenance.
    #[must_use]
    pub fn definition(&self) -> Option<&CheckDefinition> {
        self.definition.as_deref()
    }

    /// The token that it was registered with; empty for none.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Who defined it.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn call_token(&self) -> Token {
        call_token(&self.token, self.source)
    }

    pub(crate) fn is_kind(&self, kind: CheckKind) -> bool {
        self.definition.as_ref().is_some_and(|definition| definition.kind() == kind)
    }
}

fn call_token(own: &str, source: Source) -> Token {
    match (own, source) {
        ("", Source::File) => Token::File,
        ("", Source::Request) => Token::Default,
        (own, _) => Token::Own(own.into()),
    }
}
