//! Moves the fuzzers' inputs between their three forms.
//!
//! ```text
//! corpora seed   TARGET FOLDER    the recorded vectors, and what once failed   ──▶ FOLDER/
//! corpora unpack TARGET FOLDER    fuzz/corpora/TARGET.hex, and what once failed ──▶ FOLDER/
//! corpora pack   TARGET FOLDER    FOLDER/ ──▶ fuzz/corpora/TARGET.hex
//! ```
//!
//! `cargo run -p tribune-fuzzing --example corpora -- unpack lzw fuzz/corpus/lzw`

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::{env, fs, io};

use fuzzing::corpus;

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [what, target, folder] = &arguments[..] else {
        return Err(io::Error::other("usage: corpora seed|unpack|pack TARGET FOLDER"));
    };
    let folder = Path::new(folder);
    let mut inputs = match &what[..] {
        "seed" => of(target, corpus::seeds(&corpus::shared_folder())?)?,
        "unpack" => corpus::kept(target)?,
        "pack" => return corpus::keep(target, corpus::unpacked(folder)?),
        _ => return Err(io::Error::other(format!("{what} is not seed, unpack or pack"))),
    };
    inputs.extend(of(target, corpus::regressions()?)?);
    fs::create_dir_all(folder)?;
    for input in &inputs {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        fs::write(folder.join(format!("{:016x}", hasher.finish())), input)?;
    }
    println!("{target}: {}", inputs.len());
    Ok(())
}

fn of(target: &str, mut seeds: corpus::Seeds) -> io::Result<Vec<Vec<u8>>> {
    let unknown = || io::Error::other(format!("no target is called {target}"));
    seeds.remove(target).ok_or_else(unknown)
}
