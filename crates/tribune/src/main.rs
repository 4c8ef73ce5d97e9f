//! The tribune binary: argument parsing and printing, nothing else.
//!
//! Called `serf` it is Serf's command line, called `consul` it is Consul's; as `tribune` it has
//! Serf's under `tribune serf`, Consul's, and a few commands of its own.

mod command;
mod commands;
mod completions;
mod consul;
mod flags;
mod go_syntax;
mod help;
mod manual;
mod output;
mod platform;
mod serf;
mod table;
mod tribune;

use std::ffi::OsString;
use std::path::Path;

#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: memory::Heap = memory::Heap::new();

const _: () = assert!(!wire::planted::COMPILED_IN, "known mistakes are for the simulator alone");

fn main() {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let code = match Path::new(&program).file_stem() {
        Some(name) if name == "serf" => serf::run(&arguments),
        Some(name) if name == "consul" => consul::run(&arguments),
        _ => tribune::run(&arguments),
    };
    std::process::exit(code);
}
