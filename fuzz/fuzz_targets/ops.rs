//! Random stories against the naive model, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/mod.rs"]
mod common;

fuzz_target!(|bytes: &[u8]| common::targets::ops(bytes));
