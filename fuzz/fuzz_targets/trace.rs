//! Bytes as a trace, for the reader and for the engine beside the model.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/mod.rs"]
mod common;

fuzz_target!(|bytes: &[u8]| common::targets::trace(bytes));
