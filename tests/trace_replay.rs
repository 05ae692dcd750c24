//! The bytes that the trace writer gives, and what the replay loop makes of a trace.

use std::io::{self, Write};

use presence_engine::{Config, Limit, Platform, State};

use common::op::{Answer, Device, Failed, Line, Machine, Op, Out, Refusal};
use common::trace::{Malformed, ReplayError, Totals, replay, replay_with, write_line};

mod common;

fn written(t: u64, n: u64, out: Out) -> String {
    let mut bytes = b"before".to_vec();
    write_line(&mut bytes, n, &Line { t, out });
    let line = bytes.strip_prefix(b"before").expect("a line is appended");
    String::from_utf8(line.to_vec()).expect("a line is UTF-8")
}

fn device(platform: Platform, device: &str) -> Device {
    Device { user: "ann".into(), platform, device: device.into() }
}

fn failures() -> Vec<Failed> {
    vec![
        Failed { user: String::new(), reason: "invalid_user_id" },
        Failed { user: "ann".into(), reason: "self_subscription" },
    ]
}

#[test]
fn outputs_are_written_as_in_the_format() {
    let web = || device(Platform::Web, "w1");
    for (out, expected) in [
        (
            Out::Close { device: web(), reason: "kicked", by: Some(Platform::Android) },
            concat!(
                r#""close","user":"ann","platform":"web","device":"w1","#,
                r#""reason":"kicked","by":"android"}"#,
            ),
        ),
        (
            Out::Close { device: web(), reason: "timed_out", by: None },
            r#""close","user":"ann","platform":"web","device":"w1","reason":"timed_out"}"#,
        ),
        (
            Out::Event {
                action: "login",
                reason: "register",
                device: device(Platform::Android, "a1"),
                kicked: Some(vec!["web/w1".into(), "mini_program/\"".into()]),
            },
            concat!(
                r#""event","action":"login","reason":"register","user":"ann","#,
                r#""platform":"android","device":"a1","kicked":["web/w1","mini_program/\""]}"#,
            ),
        ),
        (
            Out::Event {
                action: "logout",
                reason: "removed",
                device: device(Platform::MiniProgram, ""),
                kicked: None,
            },
            concat!(
                r#""event","action":"logout","reason":"removed","user":"ann","#,
                r#""platform":"mini_program","device":""}"#,
            ),
        ),
        (
            Out::Status {
                user: "ann".into(),
                state: State::Online,
                custom: String::new(),
                to: vec!["ann/android/a1".into(), "bob/web/w9".into()],
            },
            concat!(
                r#""status","user":"ann","state":"online","custom":"","#,
                r#""to":["ann/android/a1","bob/web/w9"]}"#,
            ),
        ),
    ] {
        assert_eq!(written(5, 3, out), format!("{{\"t\":5,\"n\":3,\"out\":{expected}\n"));
    }
}

#[test]
fn results_are_written_as_in_the_format() {
    let of = Refusal::of;
    for (result, expected) in [
        (Ok(Answer::Done), r#""ok":{}"#),
        (
            Ok(Answer::Query {
                statuses: vec![
                    ("bob".into(), State::Online, "x".into()),
                    ("c".into(), State::PushOnline, String::new()),
                ],
                failures: vec![],
            }),
            concat!(
                r#""ok":{"statuses":[{"user":"bob","state":"online","custom":"x"},"#,
                r#"{"user":"c","state":"push_online","custom":""}],"failures":[]}"#,
            ),
        ),
        (
            Ok(Answer::Subscribe { evicted: vec!["c".into()], failures: failures() }),
            concat!(
                r#""ok":{"evicted":["c"],"failures":[{"user":"","reason":"invalid_user_id"},"#,
                r#"{"user":"ann","reason":"self_subscription"}]}"#,
            ),
        ),
        (Ok(Answer::Unsubscribe { failures: vec![] }), r#""ok":{"failures":[]}"#),
        (
            Ok(Answer::Inspect {
                state: State::Online,
                custom: "x".into(),
                platforms: vec![
                    (Platform::Iphone, State::PushOnline),
                    (Platform::Web, State::Online),
                ],
            }),
            concat!(
                r#""ok":{"state":"online","custom":"x","#,
                r#""platforms":[["iphone","push_online"],["web","online"]]}"#,
            ),
        ),
        (Err(of("empty_list")), r#""err":{"code":"empty_list"}"#),
        (
            Err(Refusal { limit: Some(500), ..of("too_many_users") }),
            r#""err":{"code":"too_many_users","limit":500}"#,
        ),
        (
            Err(Refusal { retry_after: Some(130), ..of("rate_limited") }),
            r#""err":{"code":"rate_limited","retry_after":130}"#,
        ),
        (
            Err(Refusal { failures: Some(failures()), ..of("all_failed") }),
            concat!(
                r#""err":{"code":"all_failed","failures":[{"user":"","reason":"invalid_user_id"},"#,
                r#"{"user":"ann","reason":"self_subscription"}]}"#,
            ),
        ),
        (
            Err(Refusal { field: Some("limits.friends"), ..of("invalid_config") }),
            r#""err":{"code":"invalid_config","field":"limits.friends"}"#,
        ),
    ] {
        let line = written(u64::MAX, 1, Out::Result(result));
        assert_eq!(line, format!("{{\"t\":{},\"n\":1,\"out\":\"result\",{expected}}}\n", u64::MAX));
    }
}

#[test]
fn only_quotes_backslashes_and_controls_are_escaped() {
    let custom = |custom: &str| {
        let to = vec![];
        let status =
            Out::Status { user: String::new(), state: State::Offline, custom: custom.into(), to };
        let line = written(0, 10, status);
        let (_, rest) = line.split_once(r#""custom":""#).expect("a status has a custom status");
        rest.strip_suffix("\",\"to\":[]}\n").expect("it is the last but one").to_owned()
    };
    for code in 0..0x20 {
        let expected = match code {
            8 => r"\b".to_owned(),
            9 => r"\t".to_owned(),
            10 => r"\n".to_owned(),
            12 => r"\f".to_owned(),
            13 => r"\r".to_owned(),
            _ => format!("\\u{code:04x}"),
        };
        assert_eq!(custom(&char::from(code).to_string()), expected);
    }
    assert_eq!(custom(r#"a"b\c"#), r#"a\"b\\c"#);
    assert_eq!(custom("\"\n\u{1f}\\"), r#"\"\n\u001f\\"#);
    let plain = " !/'<>&\u{7f}\u{80}\u{9f}é\u{2028}\u{2029}\u{feff}\u{ffff}😀";
    assert_eq!(custom(plain), plain);
}

/// Tells in its results what it was given.
struct Echo {
    friends_max: u64,
}

impl Machine for Echo {
    fn new(config: Config) -> Self {
        Self { friends_max: config.limit(Limit::Friends) }
    }

    fn apply(&mut self, now: u64, op: &Op, lines: &mut Vec<Line>) {
        let to = vec!["a".into(), "b".into()];
        let (user, custom) = (String::new(), String::new());
        if *op != Op::Tick {
            lines
                .push(Line { t: now, out: Out::Status { user, state: State::Online, custom, to } });
        }
        let refusal = Refusal { limit: Some(self.friends_max), ..Refusal::of("echo") };
        lines.push(Line { t: now, out: Out::Result(Err(refusal)) });
    }
}

const TICK: &str = "{\"op\":\"tick\",\"t\":4}\n";

fn echo(n: u64, friends_max: u64) -> String {
    let err = format!("{{\"code\":\"echo\",\"limit\":{friends_max}}}");
    format!("{{\"t\":4,\"n\":{n},\"out\":\"result\",\"err\":{err}}}\n")
}

fn replayed(input: &str) -> (Result<Totals, ReplayError>, String) {
    let mut output = Vec::new();
    let end = replay::<Echo>(input.as_bytes(), &mut output);
    (end, String::from_utf8(output).expect("the output is UTF-8"))
}

#[test]
fn the_last_line_may_lack_its_end_and_no_line_may_be_empty() {
    for (input, lines) in [("", 0), (TICK, 1), (TICK.trim_end(), 1)] {
        let (end, output) = replayed(input);
        assert_eq!(end.expect("the trace is well-formed").lines, lines);
        assert_eq!(output, if lines == 0 { String::new() } else { echo(1, 3_000) });
    }
    for (input, number) in [("\n", 1), ("\r\n", 1), (&format!("{TICK}\n{TICK}"), 2)] {
        let (end, output) = replayed(input);
        assert_eq!(malformed(end), (number, "line".into()));
        assert_eq!(output, if number == 1 { String::new() } else { echo(1, 3_000) });
    }
}

fn malformed(end: Result<Totals, ReplayError>) -> (u64, String) {
    match end {
        Err(ReplayError::Malformed { line, malformed: Malformed { field, .. } }) => (line, field),
        other => panic!("ended with {other:?}"),
    }
}

#[test]
fn a_first_config_is_taken_or_refused_as_a_whole() {
    let ok = "{\"t\":0,\"n\":1,\"out\":\"result\",\"ok\":{}}\n";
    let refused = |field: &str| {
        let err = format!("{{\"code\":\"invalid_config\",\"field\":\"{field}\"}}");
        format!("{{\"t\":0,\"n\":1,\"out\":\"result\",\"err\":{err}}}\n")
    };
    for (config, result, friends_max) in [
        (r#"{"op":"config","limits":{"friends":5}}"#, ok.to_owned(), 5),
        (
            r#"{"op":"config","limits":{"friends":5},"timeouts":{"exit":0}}"#,
            refused("timeouts.exit"),
            3_000,
        ),
        (
            r#"{"op":"config","limits":{"friends":0},"policy":[["mini_program"]]}"#,
            refused("policy"),
            3_000,
        ),
        (
            r#"{"op":"config","tier":"trial","max_instances":{"mac":2},"limits":{"friends":0}}"#,
            refused("max_instances.mac"),
            3_000,
        ),
        (r#"{"op":"config","limits":{"query_rate":[1,0]}}"#, refused("limits.query_rate"), 3_000),
    ] {
        let (end, output) = replayed(&format!("{config}\n{TICK}"));
        assert_eq!(end.expect("the trace is well-formed").lines, 2);
        assert_eq!(output, result + &echo(2, friends_max), "{config}");
    }
}

#[test]
fn a_malformed_line_ends_the_replay_and_what_came_before_stands() {
    let (end, output) = replayed(&format!("{TICK}{TICK}{{\"op\":\"tick\",\"t\":-1}}\n{TICK}"));
    assert_eq!(output, echo(1, 3_000) + &echo(2, 3_000));
    let error = end.expect_err("the third line is malformed");
    assert!(error.to_string().starts_with("line 3, field t: "), "{error}");
    assert_eq!(malformed(Err(error)), (3, "t".into()));

    let (end, output) = replayed(&format!("{TICK}{{\"op\":\"config\"}}\n"));
    assert_eq!((malformed(end), output), ((2, "op".into()), echo(1, 3_000)));
}

#[test]
fn totals_count_what_came_out() {
    let input =
        format!("{{\"op\":\"config\"}}\n{TICK}{{\"op\":\"register\",\"t\":5,\"user\":\"a\"}}");
    let mut numbers = Vec::new();
    let totals = replay_with::<Echo>(input.as_bytes(), |n, _| {
        numbers.push(n);
        Ok(())
    });
    let expected =
        Totals { lines: 3, outputs: 4, statuses: 1, told: 2, errors: 2, ..Totals::default() };
    assert_eq!(totals.expect("the trace is well-formed"), expected);
    assert_eq!(numbers, [1, 2, 3, 3]);
}

/// Takes some bytes and then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => self.0 = left,
            None => return Err(io::ErrorKind::StorageFull.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_output_ends_the_replay() {
    let end = replay::<Echo>(TICK.repeat(3).as_bytes(), &mut Full(100));
    assert!(
        matches!(end, Err(ReplayError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
    );
}
