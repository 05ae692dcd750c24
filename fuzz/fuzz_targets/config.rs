//! Configurations of any kind, and short stories under those that are accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/mod.rs"]
mod common;

fuzz_target!(|bytes: &[u8]| common::targets::config(bytes));
