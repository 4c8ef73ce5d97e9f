//! What one expression may cost: it comes from anybody who may ask.

/// Longest expression, in bytes. Generated ones list some thousand names with `or`.
pub const EXPRESSION_BYTES: usize = 64 << 10;

/// Deepest nesting of `not` and parentheses; the reader recurses. A chain of `and` or `or` is not
/// nesting.
pub const DEPTH: usize = 128;

/// What all patterns of an expression may cost together, as `pattern::Pattern::cost` counts: some
/// milliseconds to compile.
pub const PATTERNS_COST: usize = 1 << 20;

/// Errors that one text is told of; each is looked up among the others.
pub const ERRORS: usize = 16;
