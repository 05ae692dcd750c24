//! The relations beside plain vectors.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| presence_engine::_fuzz::relations(bytes));
