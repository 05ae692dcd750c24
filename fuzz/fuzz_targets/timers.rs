//! The wheel and the batch beside a list of deadlines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| presence_engine::_fuzz::timers(bytes));
