//! The filtering language of Consul's HTTP API: `?filter=Service.Meta.env == prod and v1 in Tags`.
//!
//! ```text
//!   text ──syntax──▶ expression ──compile, with the fields of the endpoint──▶ Filter
//!                                                                               │ matches
//!                                                          row (a [`Record`]) ──┴──▶ yes or no
//! ```
//!
//! An expression is checked once, against the table of what an endpoint lets one select
//! ([`fields`]): unknown selectors, operators that do not fit and values of another type are errors
//! before there is a row. Rows are seen through [`Record`], so that nothing is converted to be
//! filtered. Text, depth and the cost of patterns are bounded ([`limits`]).
//!
//! Specification "HTTP API", section 6. The texts of errors are those of the recordings, those of
//! syntax errors included; what stands before them ([`ERROR_PREFIX`]) is left to the endpoint,
//! because one leaves it out.
//!
//! ```
//! use filter::{Filter, Record, View, fields};
//!
//! struct Node;
//! impl Record for Node {
//!     fn get(&self, name: &str) -> Option<View<'_>> {
//!         (name == "Node").then_some(View::Text("web-1"))
//!     }
//!     fn is_empty(&self) -> bool {
//!         false
//!     }
//! }
//! let filter = Filter::new(r#"Node matches "^web" and Node != web_2"#, fields::NODE)?;
//! assert!(filter.matches(&Node));
//! let error = Filter::new("Nodes == web", fields::NODE).unwrap_err();
//! assert_eq!(error.to_string(), r#"Selector "Nodes" is not valid"#);
//! # Ok::<(), filter::FilterError>(())
//! ```

mod compile;
pub mod fields;
pub mod limits;
mod row;
mod syntax;

pub use compile::{Filter, FilterError};
pub use fields::{Field, Kind};
pub use row::{Items, Record, View};

/// What most endpoints write before a [`FilterError`].
pub const ERROR_PREFIX: &str = "Failed to create boolean expression evaluator: ";

#[cfg(test)]
mod tests;
