//! Has the linker put side by side what a settled agent runs: the system keeps 64 KiB for each
//! function that runs alone among others. `bench/layout.py` makes the list.

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    let target = std::env::var("CARGO_CFG_TARGET_ENV");
    if let (Ok("musl"), Ok(folder)) = (target.as_deref(), std::env::var("CARGO_MANIFEST_DIR")) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/layout.ld");
    }
}
