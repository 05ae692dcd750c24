//! What the fuzz targets of the whole engine run. Each takes any bytes, and panics where something
//! is wrong; the tests run them over the seeds.

use arbitrary::{Arbitrary, Unstructured};
use presence_engine::Config;

use super::drafts::{self, Draft};
use super::driver::Driver;
use super::lockstep::{self, Setting};
use super::model::Model;
use super::op::{Machine, Patch};
use super::steps::Script;
use super::story::{config_line, op_line};
use super::trace::{Entry, ReplayError, read_line, replay};

/// Longer stories find no more, and one input would take too long.
const STEPS_MAX: usize = 400;
const UNDER_A_DRAFT_MAX: usize = 100;
/// The model is quadratic in places.
const LINES_MAX: usize = 400;

/// Random stories against the naive model, guided by coverage, and then from two hosts.
pub fn ops(bytes: &[u8]) {
    let Ok(mut script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    script.steps.truncate(STEPS_MAX);
    let setting = Setting { hosts: Some(script.setup.hosts()), ..Setting::of(&script) };
    if let Err(story) = lockstep::run_in(setting, &script) {
        panic!("{story}");
    }
}

/// A configuration, what it is changed to, and what happens meanwhile.
#[derive(Debug, Arbitrary)]
struct Case {
    first: Draft,
    others: Vec<Draft>,
    text: Vec<u8>,
    script: Script,
}

/// Configurations of any kind: what is refused is refused for the right reason, what is accepted
/// holds what was asked for, is read as it is written, and an engine lives under it by the rules.
pub fn config(bytes: &[u8]) {
    let Ok(mut case) = Case::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    #[cfg(feature = "serde")]
    {
        case.first.check_text();
        drafts::check_bytes(&case.text);
    }
    let Some(config) = case.first.build(&Config::default()) else { return };
    for other in &case.others {
        if let Some(other) = other.build(&config) {
            drafts::check_change(&config, &other);
        }
    }
    // What is fixed is no field of a change in a trace.
    let change = |draft: &Draft| Patch { accounts: None, timeouts: [None; 7], ..draft.patch() };
    let changes: Vec<_> = case.others.iter().map(change).collect();
    case.script.steps.truncate(UNDER_A_DRAFT_MAX);
    let hosts = Some(case.script.setup.hosts());
    let setting = Setting { config, first: case.first.patch(), changes: &changes, hosts };
    if let Err(story) = lockstep::run_in(setting, &case.script) {
        panic!("{story}");
    }
}

/// Bytes as a trace: the reader must take anything, and what it takes must give the same output
/// from the engine and from the model.
pub fn trace(bytes: &[u8]) {
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
}

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
