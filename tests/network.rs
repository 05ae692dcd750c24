//! Clients and a host over a hostile network: after quiet, all agree. The program that plays many
//! more stories is `examples/simulate.rs`.
//!
//! `PRESENCE_STORIES` (default 300) makes the run longer or shorter.

#[path = "../examples/simulate.rs"]
#[expect(dead_code, reason = "the test calls `run` in the place of `main`")]
mod simulate;

use std::ffi::OsString;

fn run(args: &[&str]) -> (u8, String, String) {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = simulate::run(&args, &mut stdout, &mut stderr);
    let text = |bytes| String::from_utf8(bytes).expect("only text is written");
    (status, text(stdout), text(stderr))
}

#[test]
fn every_story_settles_as_the_rules_demand() {
    let count = std::env::var("PRESENCE_STORIES").unwrap_or("300".into());
    let (status, summary, failure) = run(&["--count", &count]);
    assert_eq!(status, 0, "{failure}");
    assert!(summary.starts_with(&format!("{count} stories, ")), "{summary}");
}
