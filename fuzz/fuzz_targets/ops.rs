//! Random stories against the naive model: `tests/model.rs`, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

use common::lockstep;
use common::steps::Script;

#[path = "../../tests/common/mod.rs"]
mod common;

/// Longer stories find no more, and one input would take too long.
const STEPS_MAX: usize = 400;

fuzz_target!(|script: Script| {
    let mut script = script;
    script.steps.truncate(STEPS_MAX);
    if let Err(story) = lockstep::run(&script) {
        panic!("{story}");
    }
});
