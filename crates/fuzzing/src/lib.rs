//! What the fuzzers run.
//!
//! Each [`Target`] takes any bytes at all and feeds them to one decoder, or to the Serf machine as
//! a sequence of inputs. It panics where something that must hold does not: a decoder panics, a
//! value does not survive being written and read again, two ways to the same value disagree, a
//! bound is passed. Memory and time are watched by whoever runs the target.
//!
//! ```text
//! recorded vectors ──▶ corpus::seeds ──┬──▶ fuzz/ (libFuzzer, nightly)  ──┐
//!                                      └──▶ tests/smoke.rs (stable, CI) ──┴──▶ Target::run
//! ```
//!
//! An input that once failed is kept in `fuzz/regressions/TARGET/` and is run by the test.
//!
//! ```
//! let target = fuzzing::target("lzw").expect("one of the targets");
//! target.run(b"any bytes");
//! ```

pub mod corpus;
mod machine;
mod tape;
mod text;
mod wire_targets;

/// One thing to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its binary, its corpus and its folder of regressions.
    pub name: &'static str,
    /// What an input means to it.
    pub input: &'static str,
    run: fn(&[u8]),
}

impl Target {
    /// Runs one input.
    ///
    /// # Panics
    ///
    /// Where something that must hold does not: that is what a fuzzer looks for.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }
}

const fn row(name: &'static str, input: &'static str, run: fn(&[u8])) -> Target {
    Target { name, input, run }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    row("datagram", "flags, then a datagram or the body of one", wire_targets::datagram),
    row("gossip_message", "a message from its type byte", wire_targets::gossip_message),
    row("serf_message", "a Serf message from its type byte", wire_targets::serf_message),
    row("msgpack", "a value", wire_targets::msgpack),
    row("lzw", "the base-2 logarithm of the budget, then compressed bytes", wire_targets::lzw),
    row("stream", "flags, size of the pieces, then a stream or its content", wire_targets::stream),
    row("push_pull", "a push/pull behind its type byte", wire_targets::push_pull),
    row("rpc_request", "size of the pieces, then what a client sends", wire_targets::rpc_request),
    row(
        "rpc_response",
        "kind of the bodies, size of the pieces, then what an agent sends",
        wire_targets::rpc_response,
    ),
    row("snapshot", "the content of a snapshot file", text::snapshot),
    row("gotext", "a text: JSON, a duration, base64, an address, a number", text::gotext),
    row("config", "the content of a configuration file", text::config),
    row("machine", "settings, then a sequence of inputs", machine::run),
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Runs one input of the target of that name.
///
/// # Panics
///
/// As [`Target::run`]; and where there is no such target.
pub fn run(name: &str, input: &[u8]) {
    target(name).unwrap_or_else(|| panic!("no target is called {name:?}")).run(input);
}
