//! The seeds of the fuzz targets, and random bytes in their place: what a target runs, a test runs
//! too. The unit tests of private modules take this file alone.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use core::panic::AssertUnwindSafe;
use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::vec::Vec;

pub use random::Random;

#[path = "random.rs"]
mod random;

/// Runs every seed of a fuzz target. A package without them, as from a registry, has none to run.
pub fn replay(target: &str, run: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        std::eprintln!("skipped: the package was made without its fuzz targets");
        return;
    }
    let folder = fuzz.join("seeds").join(target);
    let found = fs::read_dir(&folder).expect("a target has seeds");
    let mut seeds: Vec<_> = found.map(|seed| seed.expect("it can be listed").path()).collect();
    seeds.sort_unstable();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds {
        let bytes = fs::read(&seed).expect("a seed can be read");
        named(&seed.display(), || run(&bytes));
    }
}

/// Runs random bytes, of lengths from a few to some hundred.
pub fn random(count: u64, run: impl Fn(&[u8])) {
    for seed in 0..count {
        let mut random = Random(seed);
        let len = random.next() % 600;
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        named(&format_args!("random bytes {seed}"), || run(&bytes));
    }
}

/// Says which input a panic is of.
fn named(input: &dyn core::fmt::Display, run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        std::eprintln!("the input is {input}");
        resume_unwind(panic);
    }
}
