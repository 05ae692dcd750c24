//! Bytes as a trace: the reader must take anything, and what it takes must give the same output
//! from the engine and from the model.
#![no_main]

use libfuzzer_sys::fuzz_target;

use common::driver::Driver;
use common::model::Model;
use common::op::Machine;
use common::story::{config_line, op_line};
use common::trace::{Entry, ReplayError, read_line, replay};

#[path = "../../tests/common/mod.rs"]
mod common;

/// The model is quadratic in places.
const LINES_MAX: usize = 400;

fuzz_target!(|bytes: &[u8]| {
    let lines = || bytes.split_inclusive(|&byte| byte == b'\n').take(LINES_MAX);
    for line in lines() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        for number in [1, 2] {
            if let Ok(entry) = read_line(line, number) {
                check_reading(&entry, number);
            }
        }
    }
    let trace = lines().collect::<Vec<_>>().concat();
    let expected = replayed::<Model>(&trace);
    let given = replayed::<Driver>(&trace);
    assert!(expected == given, "the model gives\n{expected}\nthe engine gives\n{given}");
    // What stands before a malformed line stands without it.
    let sound: Vec<_> = (1..).zip(lines()).take_while(|&(n, line)| is_sound(line, n)).collect();
    let sound = sound.into_iter().map(|(_, line)| line).collect::<Vec<_>>().concat();
    let rest = given.strip_prefix(&replayed::<Driver>(&sound)[..]);
    assert!(rest.is_some(), "the lines before a malformed one give something else without it");
});

/// What is read and written is read as the same.
fn check_reading(entry: &Entry, number: u64) {
    let line = match entry {
        Entry::Config(patch) => config_line(patch),
        Entry::Op { t, op } => op_line(*t, op),
    };
    let again = read_line(line.as_bytes(), number);
    // How a policy is wrong is not kept.
    if !line.contains("\"policy\"") {
        assert_eq!(again.as_ref(), Ok(entry), "{line}");
    }
}

fn is_sound(line: &[u8], number: u64) -> bool {
    read_line(line.strip_suffix(b"\n").unwrap_or(line), number).is_ok()
}

/// Returns the output of a replay, and at its end what is wrong with the trace, if anything is.
fn replayed<M: Machine>(trace: &[u8]) -> String {
    let mut output = Vec::new();
    let end = replay::<M>(trace, &mut output);
    let mut output = String::from_utf8(output).expect("output lines are UTF-8");
    match end {
        Ok(_) => {}
        Err(ReplayError::Malformed { line, malformed }) => {
            output += &format!("line {line}: {malformed}\n");
        }
        Err(error) => panic!("neither a slice nor a vector fails: {error}"),
    }
    output
}
