//! What the fuzzers run.
//!
//! Each [`Target`] takes any bytes at all and feeds them to one decoder, or to the Serf machine as
//! a sequence of inputs. It panics where something that must hold does not: a decoder panics, a
//! value does not survive being written and read again, two ways to the same value disagree, a
//! bound is passed. Memory and time are watched by whoever runs the target.
//!
//! ```text
//! recorded vectors ──▶ corpus::seeds ──┬──▶ fuzz/ (libFuzzer)           ──┐
//!                                      └──▶ tests/smoke.rs (stable, CI) ──┴──▶ Target::run
//! ```
//!
//! An input that once failed is kept in `fuzz/regressions/TARGET/` and is run by the test.
//!
//! ```
//! let target = fuzzing::target("lzw").expect("one of the targets");
//! target.run(b"any bytes");
//! ```

mod consul;
pub mod corpus;
mod machine;
mod question;
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

/// A function for each target, so that a binary holds no more than its own; and the list of all.
macro_rules! targets {
    ($($name:ident = $run:path, $input:literal;)*) => {
        $(
            #[doc = concat!("Runs one input: ", $input, ".")]
            ///
            /// # Panics
            ///
            /// As [`Target::run`].
            pub fn $name(input: &[u8]) {
                $run(input);
            }
        )*

        /// All targets.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), input: $input, run: $name }),*];
    };
}

targets! {
    datagram = wire_targets::datagram, "flags, then a datagram or the body of one";
    gossip_message = wire_targets::gossip_message, "a message from its type byte";
    serf_message = wire_targets::serf_message, "a Serf message from its type byte";
    msgpack = wire_targets::msgpack, "a value";
    lzw = wire_targets::lzw, "the base-2 logarithm of the budget, then compressed bytes";
    stream = wire_targets::stream, "flags, size of the pieces, then a stream or its content";
    push_pull = wire_targets::push_pull, "a push/pull behind its type byte";
    rpc_request = wire_targets::rpc_request, "size of the pieces, then what a client sends";
    rpc_response = wire_targets::rpc_response,
        "kind of the bodies, size of the pieces, then what an agent sends";
    snapshot = text::snapshot, "the content of a snapshot file";
    gotext = text::gotext, "a text: JSON, a duration, base64, an address, a number";
    config = text::config, "the content of a configuration file";
    hcl = text::hcl, "the content of a configuration file in HCL";
    settings = text::settings, "the content of a configuration file of the Consul agent";
    filter = text::filter, "an expression of the filtering language";
    body = consul::body, "the call, then the body of a request to a server of Consul's API";
    archive = consul::archive, "an archive of a server's state, or the state in one";
    question = question::question, "flags, then a question of DNS or what a recursor says";
    machine = machine::run, "settings, then a sequence of inputs";
}

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}
