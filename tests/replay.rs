//! The replay example: what it writes, where, and how it ends.
//!
//! The program is taken in as a module and run within the test, so that this works whatever was
//! built before. One test starts it as a process, if `cargo test` has built it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../examples/replay.rs"]
#[expect(dead_code, reason = "the test calls `run` in the place of `main`")]
mod replay;

const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

const TICKS: &str = "{\"op\":\"tick\",\"t\":1}\n{\"op\":\"tick\",\"t\":2}\n";

/// What the program left behind.
#[derive(Debug, PartialEq)]
struct End {
    status: u8,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str], stdin: &str) -> End {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = replay::run(&args, stdin.as_bytes(), &mut stdout, &mut stderr);
    let text = |bytes| String::from_utf8(bytes).expect("only text is written");
    End { status, stdout: text(stdout), stderr: text(stderr) }
}

fn pair(name: &str) -> (String, String) {
    let read = |end| {
        let path = format!("{PAIRS}/{name}.{end}");
        fs::read_to_string(path).expect("the pair is part of the project")
    };
    (read("in.jsonl"), read("out.jsonl"))
}

#[test]
fn a_trace_is_replayed_byte_for_byte_from_a_file_and_from_standard_input() {
    let (input, expected) = pair("no-02-who-is-told");
    let expected = End { status: 0, stdout: expected, stderr: String::new() };
    assert_eq!(run(&["-"], &input), expected);
    assert_eq!(run(&[&format!("{PAIRS}/no-02-who-is-told.in.jsonl")], ""), expected);
}

#[test]
fn a_malformed_line_is_named_with_its_field_and_what_came_before_is_written() {
    let (input, expected) = pair("trace-unknown-op-malformed");
    let end = run(&["-"], &input);
    assert_eq!((end.status, end.stdout), (2, expected));
    assert!(end.stderr.starts_with("replay: line 2, field op: "), "{}", end.stderr);

    let end = run(&["--quiet", "-"], &format!("{TICKS}{{\"op\":\"tick\",\"t\":-1}}\n"));
    assert_eq!((end.status, end.stdout), (2, String::new()));
    assert!(end.stderr.starts_with("replay: line 3, field t: "), "{}", end.stderr);
}

#[test]
fn a_missing_file_and_bad_arguments_are_told() {
    for (args, message) in [
        (&["no/such/file.jsonl"][..], "replay: no/such/file.jsonl: "),
        (&["a", "b"], "replay: more than one FILE; see replay --help\n"),
        (&["--loud"], "replay: unknown option --loud; see replay --help\n"),
        (&["--quiet"], "replay: --quiet needs a FILE or -; see replay --help\n"),
    ] {
        let end = run(args, "");
        assert_eq!((end.status, end.stdout.as_str()), (1, ""), "{args:?}");
        assert!(end.stderr.starts_with(message), "{args:?}: {}", end.stderr);
    }
}

#[test]
fn help_is_no_error() {
    let end = run(&["a", "--help"], "");
    assert_eq!((end.status, end.stderr.as_str()), (0, ""));
    assert!(end.stdout.contains("usage: replay"), "{}", end.stdout);
}

#[test]
fn quiet_counts_what_a_full_replay_writes() {
    let (input, output) = pair("ti-05-same-millisecond");
    let end = run(&["--quiet", "-"], &input);
    assert_eq!((end.status, end.stdout.as_str()), (0, ""));

    let statuses: Vec<_> =
        output.lines().filter(|line| line.contains(r#""out":"status""#)).collect();
    let told = |line: &&str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("outputs are JSON");
        line["to"].as_array().map_or(0, Vec::len)
    };
    let (lines, told) = (input.lines().count(), statuses.iter().map(told).sum::<usize>());
    let statuses = statuses.len();
    let expected =
        format!("{lines} lines, {statuses} status outputs, {told} notifications to sessions, 0.");
    assert!(end.stderr.starts_with(&expected), "{} and not {expected}", end.stderr);
    assert!(end.stderr.ends_with(" seconds\n"), "{}", end.stderr);
    assert_eq!(end.stderr.lines().count(), 1);
}

/// What everybody sees first: the kick, the timeouts, the expiry, the eviction, the refusals.
#[test]
fn the_story_is_told_without_arguments() {
    let end = run(&[], "");
    assert_eq!((end.status, end.stderr.as_str()), (0, ""));
    let mut rest = end.stdout.as_str();
    for passage in [
        "   00:00:20  bob/iphone/blue logs in\n",
        "               close   bob/android/pixel: kicked by iphone\n",
        "answer  subscribed, evicted cat\n",
        "refuse  rate_limited, admitted in 500 ms\n",
        "   00:06:40  (time passes)\n               close   dan/ipad/sofa: timed_out\n",
        "7d 00:06:40  (time passes)\n               tell    ann/windows/desk: dan is offline\n",
        "refuse  tier_required\n",
    ] {
        match rest.split_once(passage) {
            Some((_, after)) => rest = after,
            None => panic!("{passage:?} is not where it was expected in\n{}", end.stdout),
        }
    }
    assert!(end.stdout.lines().all(|line| line.len() <= 100), "a line is too wide");
}

/// A pipe whose reader has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_who_goes_ends_the_program_quietly() {
    for args in [&[][..], &["--help"], &["-"]] {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        let mut stderr = Vec::new();
        let status = replay::run(&args, TICKS.as_bytes(), &mut Gone, &mut stderr);
        assert_eq!((status, stderr.as_slice()), (0, &b""[..]), "{args:?}");
    }
}

#[test]
fn the_process_ends_with_the_status() {
    let Some(program) = built() else {
        eprintln!("skipped: the example was not built with this test");
        return;
    };
    let run = |file: &str| {
        let path = Path::new(PAIRS).join(format!("{file}.in.jsonl"));
        Command::new(&program).arg(path).output().expect("the example can be started")
    };
    let good = run("no-02-who-is-told");
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(good.stdout, pair("no-02-who-is-told").1.as_bytes());
    let malformed = run("trace-unknown-op-malformed");
    assert_eq!(malformed.status.code(), Some(2));
    assert_eq!(malformed.stdout, pair("trace-unknown-op-malformed").1.as_bytes());
}

/// The example beside this test, which is in `target/PROFILE/deps`.
fn built() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let program =
        test.parent()?.parent()?.join("examples/replay").with_extension(env::consts::EXE_EXTENSION);
    program.exists().then_some(program)
}
