//! Writes the first inputs of every fuzzer into `fuzz/corpus/TARGET/`.
//!
//! `cargo run -p tribune-fuzzing --example make_corpora [FOLDER]`

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{fs, io};

use fuzzing::corpus;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus"),
        PathBuf::from,
    );
    for seeds in [corpus::seeds(&corpus::shared_folder())?, corpus::regressions()?] {
        for (target, inputs) in seeds {
            let folder = folder.join(target);
            fs::create_dir_all(&folder)?;
            for input in &inputs {
                let mut hasher = DefaultHasher::new();
                input.hash(&mut hasher);
                fs::write(folder.join(format!("{:016x}", hasher.finish())), input)?;
            }
            println!("{target}: {}", inputs.len());
        }
    }
    Ok(())
}
