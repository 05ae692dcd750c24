//! Clients and a host over a hostile network: after quiet, all agree. The program that plays many
//! more stories is `examples/simulate.rs`; it is taken in as a module and run within the test.
//!
//! `PRESENCE_STORIES` (default 200) makes the run longer or shorter.

use std::env;
use std::ffi::OsString;

#[path = "../examples/simulate.rs"]
#[expect(dead_code, reason = "the test calls `run` in the place of `main`")]
mod simulate;

/// Runs the program. Returns its exit status and what it wrote, as result and as complaint.
fn run(args: &[&str]) -> (u8, String, String) {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = simulate::run(&args, &mut stdout, &mut stderr);
    let text = |bytes| String::from_utf8(bytes).expect("only text is written");
    (status, text(stdout), text(stderr))
}

#[test]
fn all_agree_after_quiet() {
    let count = env::var("PRESENCE_STORIES").unwrap_or_else(|_| "200".to_owned());
    let (status, summary, failure) = run(&["--count", &count]);
    assert_eq!(status, 0, "{failure}");
    assert!(summary.starts_with(&format!("{count} stories, ")), "{summary}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let alone = run(&["--seed", "1000", "--count", "20", "--threads", "1"]);
    assert_eq!(alone.0, 0, "{}", alone.2);
    assert_eq!(run(&["--seed", "1000", "--count", "20", "--threads", "3"]), alone);
}

/// A host that breaks its part of the promise is found, and the story told is a short one that
/// begins with its seed.
#[test]
fn a_broken_host_is_found_and_the_story_told_is_short() {
    let (status, summary, failure) = run(&["--careless", "--count", "100", "--threads", "1"]);
    assert_eq!((status, summary.as_str()), (1, ""));
    let seed = failure.strip_prefix("seed ").and_then(|rest| rest.split_once(" fails\n"));
    let (seed, rest) = seed.expect("the seed comes first");
    let (broken, shrunk) = rest.split_once("\n\nshrunk in ").expect("the story was made short");
    let (check, _) = broken.split_once(':').expect("the promise is named");
    assert!(shrunk.contains(&format!("\n{check}: ")), "the short story fails alike: {shrunk}");
    let acts = shrunk.lines().filter(|line| line.contains(" -- ")).count();
    assert!(acts < 30, "{shrunk}");

    assert_eq!(run(&["--seed", seed]).0, 0, "the careful host fails too");
}

#[test]
fn bad_arguments_are_named() {
    let cases: [(&[&str], &str); 6] = [
        (&["--seeds", "1"], "unknown argument --seeds"),
        (&["7"], "unknown argument 7"),
        (&["--count"], "--count needs a number"),
        (&["--count", "0"], "--count needs a number from 1 on, not 0"),
        (&["--seed", "-1"], "--seed needs a number from 0 on, not -1"),
        (&["--seed", "18446744073709551615"], "there are no seeds beyond 2^64"),
    ];
    for (args, problem) in cases {
        let complaint = format!("simulate: {problem}; see simulate --help\n");
        assert_eq!(run(args), (1, String::new(), complaint));
    }
    let (status, help, _) = run(&["--count", "0", "--help"]);
    assert_eq!(status, 1, "what comes first is refused first: {help}");
    let (status, help, complaint) = run(&["--help"]);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(help.contains("usage: simulate"), "{help}");
}
