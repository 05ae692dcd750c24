//! The trace pairs of `conformance/`, byte for byte, and the real traces, by the digest of their
//! output.

use std::fs;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use common::driver::Driver;
use common::model::Model;
use common::op::Machine;
use common::trace::{ReplayError, replay};

mod common;

const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
const PAIRS_MIN: usize = 80;

/// Beside the project and not part of it.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

#[test]
fn model_gives_the_expected_bytes() {
    pairs::<Model>();
}

#[test]
fn engine_gives_the_expected_bytes() {
    pairs::<Driver>();
}

#[test]
fn engine_gives_the_digest_of_qtox() {
    real_trace::<Driver>("qtox");
}

#[test]
fn engine_gives_the_digest_of_college() {
    real_trace::<Driver>("college");
}

/// Replays every pair, and fails with what differs in each that does.
#[track_caller]
fn pairs<M: Machine>() {
    let mut names = Vec::new();
    for entry in fs::read_dir(PAIRS).expect("the folder of the pairs is part of the project") {
        let name = entry.expect("a folder that opens can be listed").file_name();
        if let Some(name) = name.to_string_lossy().strip_suffix(".in.jsonl") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    assert!(names.len() >= PAIRS_MIN, "only {} pairs in {PAIRS}", names.len());
    let failures: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let problem = pair::<M>(name).err()?;
            Some(format!("{name}: {problem}"))
        })
        .collect();
    let (failed, all) = (failures.len(), names.len());
    assert!(failures.is_empty(), "{failed} of {all} pairs fail\n{}", failures.join("\n"));
}

fn pair<M: Machine>(name: &str) -> Result<(), String> {
    let read = |end: &str| {
        let path = Path::new(PAIRS).join(format!("{name}.{end}"));
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (input, expected) = (read("in.jsonl")?, read("out.jsonl")?);
    let mut actual = Vec::new();
    let end = replay::<M>(&input[..], &mut actual);
    match (end, name.ends_with("-malformed")) {
        (Ok(_), false) | (Err(ReplayError::Malformed { .. }), true) => {}
        (Ok(_), true) => return Err("replayed to its end, though a line is malformed".into()),
        (Err(error), _) => return Err(error.to_string()),
    }
    match difference(&expected, &actual) {
        Some(difference) => Err(difference),
        None => Ok(()),
    }
}

/// The first line in which two outputs differ.
fn difference(expected: &[u8], actual: &[u8]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut expected = expected.split_inclusive(|&byte| byte == b'\n');
    let mut actual = actual.split_inclusive(|&byte| byte == b'\n');
    let shown = |line: Option<&[u8]>| match line {
        Some(line) => {
            String::from_utf8_lossy(line).escape_debug().to_string().replace("\\\"", "\"")
        }
        None => "(no such line)".into(),
    };
    let mut number = 1;
    loop {
        let (wanted, given) = (expected.next(), actual.next());
        if wanted != given {
            let (wanted, given) = (shown(wanted), shown(given));
            return Some(format!("line {number}\n  expected {wanted}\n  actual   {given}"));
        }
        number += 1;
    }
}

/// Replays a trace of [`REAL`] and compares the digest of its output; without the folder there is
/// nothing to do.
#[track_caller]
fn real_trace<M: Machine>(name: &str) {
    let folder = Path::new(REAL);
    if !folder.exists() {
        eprintln!("{name} skipped: there is no {REAL}");
        return;
    }
    let digests = fs::read_to_string(folder.join("DIGESTS")).expect("the digests are readable");
    let expected = digests
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(digest, of)| (of.trim() == name).then_some(digest))
        .unwrap_or_else(|| panic!("{name} has no digest"));
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .arg(folder.join(format!("{name}.in.jsonl.gz")))
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip can be started");
    let input = gzip.stdout.take().expect("the output is piped");
    let mut output = Hashing(Sha256::new());
    let totals = replay::<M>(BufReader::with_capacity(1 << 16, input), &mut output);
    // The replay has dropped its end of the pipe, so that gzip ends also after a malformed line.
    let status = gzip.wait().expect("gzip was started");
    let totals = totals.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(status.success(), "{name}: gzip ended with {status}");
    assert_eq!(output.hex(), expected, "the digest of {name}, {totals:?}");
}

/// Keeps nothing of what is written but its digest.
struct Hashing(Sha256);

impl Hashing {
    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
