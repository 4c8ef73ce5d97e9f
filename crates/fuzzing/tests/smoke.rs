//! Every target takes its kept inputs, the inputs that once failed, the recorded vectors, and some
//! that differ from them at random; always the same ones. `TRIBUNE_FUZZ_ROUNDS` asks for more of
//! the last kind, `TRIBUNE_FUZZ_SEED` for other ones; with 0 of them this is a replay of what is
//! there.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use fuzzing::{TARGETS, Target, corpus};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Changed inputs for each target: a second or two without optimisation.
const ROUNDS: usize = 2_000;

fn setting<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn run(target: &Target, input: &[u8]) {
    let result = catch_unwind(AssertUnwindSafe(|| target.run(input)));
    if result.is_err() {
        panic!("{} fails on {}", target.name, corpus::hex(input));
    }
}

/// Bytes that decoders take for something.
const TELLING: [u8; 16] = [
    0x00, 0x01, 0x7f, 0x80, 0x82, 0x90, 0xa0, 0xc0, 0xc4, 0xcc, 0xcf, 0xd9, 0xdb, 0xdd, 0xdf, 0xff,
];

fn changed(rng: &mut SmallRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds.choose(rng).cloned().unwrap_or_default();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=input.len());
        match rng.random_range(0..7) {
            0 => input.truncate(at),
            1 => input.insert(at, *TELLING.choose(rng).unwrap()),
            2 => input.insert(at, rng.random()),
            3 => {
                // What follows from here, once more.
                let end = rng.random_range(at..=input.len());
                let part = input[at..end].to_vec();
                input.extend_from_slice(&part);
            }
            4 => {
                let other = seeds.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ if at < input.len() => match rng.random_range(0..4) {
                0 => input[at] ^= 1 << rng.random_range(0..8),
                1 => input[at] = *TELLING.choose(rng).unwrap(),
                2 => input[at] = rng.random(),
                _ => drop(input.remove(at)),
            },
            _ => {}
        }
    }
    input
}

fn smoke(name: &str) {
    let target = fuzzing::target(name).unwrap();
    let mut seeds = corpus::kept(name).unwrap();
    assert!(!seeds.is_empty(), "{name} has no kept inputs");
    seeds.extend(corpus::regressions().unwrap().remove(name).unwrap());
    if std::env::var_os("TRIBUNE_FUZZ_KEPT_ONLY").is_none() {
        let recorded = corpus::seeds(&corpus::shared_folder()).unwrap().remove(name).unwrap();
        assert!(!recorded.is_empty(), "{name} has no recorded inputs");
        seeds.extend(recorded);
    }
    for seed in &seeds {
        run(&target, seed);
    }
    let mut rng = SmallRng::seed_from_u64(setting("TRIBUNE_FUZZ_SEED", 0x7121));
    for _ in 0..setting("TRIBUNE_FUZZ_ROUNDS", ROUNDS) {
        run(&target, &changed(&mut rng, &seeds));
    }
}

macro_rules! smoke_tests {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        #[test]
        fn every_target_has_its_test() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
        }
    };
}

smoke_tests! {
    datagram, gossip_message, serf_message, msgpack, lzw, stream, push_pull, rpc_request,
    rpc_response, snapshot, gotext, config, hcl, settings, filter, body, archive, question,
    machine,
}
