//! What the trace reader takes and refuses, sentence by sentence of the format.

use presence_engine::{Accounts, Groups, GroupsError, Platform, Policy, Rate, Tier};
use proptest::prelude::*;

use common::op::{Device, Op, Patch, Session};
use common::trace::{Entry, read_line};

mod common;

fn op(line: &str) -> Op {
    match read_line(line.as_bytes(), 2) {
        Ok(Entry::Op { t: 7, op }) => op,
        other => panic!("{line}: {other:?}"),
    }
}

fn config(line: &str) -> Patch {
    match read_line(line.as_bytes(), 1) {
        Ok(Entry::Config(patch)) => patch,
        other => panic!("{line}: {other:?}"),
    }
}

/// The field for which a line, the second of its trace, is malformed.
fn fault(line: impl AsRef<[u8]>) -> String {
    fault_in(2, line)
}

fn fault_in(number: u64, line: impl AsRef<[u8]>) -> String {
    let line = line.as_ref();
    match read_line(line, number) {
        Ok(entry) => panic!("{} is taken as {entry:?}", line.escape_ascii()),
        Err(malformed) => malformed.field,
    }
}

fn web() -> Device {
    Device { user: "ann".into(), platform: Platform::Web, device: "w".into() }
}

fn session(nth: Option<u64>) -> Session {
    Session { device: web(), nth }
}

const WEB: &str = r#""t":7,"user":"ann","platform":"web","device":"w""#;

#[test]
fn each_operation_of_a_client_is_read_with_its_fields() {
    let users = || vec!["bob".to_owned(), String::new()];
    let cases = [
        (r#"{"op":"heartbeat",WEB}"#, Op::Heartbeat { session: session(None) }),
        (r#"{"op":"heartbeat",WEB,"session":3}"#, Op::Heartbeat { session: session(Some(3)) }),
        (r#"{"op":"link_closed",WEB}"#, Op::LinkClosed { session: session(None) }),
        (r#"{"op":"logout",WEB}"#, Op::Logout { session: session(None) }),
        (r#"{"op":"background",WEB}"#, Op::Background { session: session(None) }),
        (r#"{"op":"foreground",WEB}"#, Op::Foreground { session: session(None) }),
        (r#"{"op":"exit",WEB,"session":1}"#, Op::Exit { session: session(Some(1)) }),
        (r#"{"op":"login",WEB}"#, Op::Login { device: web(), reconnect: false }),
        (r#"{"op":"login",WEB,"reconnect":true}"#, Op::Login { device: web(), reconnect: true }),
        (r#"{"op":"login",WEB,"reconnect":false}"#, Op::Login { device: web(), reconnect: false }),
        (
            r#"{"op":"set_status",WEB,"custom":""}"#,
            Op::SetStatus { session: session(None), custom: String::new() },
        ),
        (
            r#"{"op":"query",WEB,"users":["bob",""]}"#,
            Op::Query { session: session(None), users: users() },
        ),
        (
            r#"{"op":"subscribe",WEB,"users":["bob",""],"session":2}"#,
            Op::Subscribe { session: session(Some(2)), users: users() },
        ),
        (
            r#"{"op":"unsubscribe",WEB,"users":[]}"#,
            Op::Unsubscribe { session: session(None), users: vec![] },
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(op(&line.replace("WEB", WEB)), expected, "{line}");
    }
}

#[test]
fn each_operation_of_the_host_is_read_with_its_fields() {
    let (ann, bob) = (|| "ann".to_owned(), || "bob".to_owned());
    let cases = [
        (
            r#"{"op":"add_friend","t":7,"user":"ann","friend":"bob"}"#,
            Op::AddFriend { user: ann(), friend: bob() },
        ),
        (
            r#"{"op":"remove_friend","t":7,"user":"ann","friend":"bob"}"#,
            Op::RemoveFriend { user: ann(), friend: bob() },
        ),
        (
            r#"{"op":"force_out","t":7,"user":"ann"}"#,
            Op::ForceOut { user: ann(), platform: None, device: None },
        ),
        (
            r#"{"op":"force_out","t":7,"user":"ann","platform":"mini_program"}"#,
            Op::ForceOut { user: ann(), platform: Some(Platform::MiniProgram), device: None },
        ),
        (
            r#"{"op":"force_out",WEB}"#,
            Op::ForceOut { user: ann(), platform: Some(Platform::Web), device: Some("w".into()) },
        ),
        (r#"{"op":"register","t":7,"user":"ann"}"#, Op::Register { user: ann() }),
        (r#"{"op":"remove_user","t":7,"user":"ann"}"#, Op::RemoveUser { user: ann() }),
        (r#"{"op":"inspect","t":7,"user":"ann"}"#, Op::Inspect { user: ann() }),
        (r#"{"op":"tick","t":7}"#, Op::Tick),
        (r#"{"op":"reconfigure","t":7}"#, Op::Reconfigure(Patch::default())),
    ];
    for (line, expected) in cases {
        assert_eq!(op(&line.replace("WEB", WEB)), expected, "{line}");
    }
}

#[test]
fn keys_come_in_any_order_and_space_stands_around_tokens() {
    let heartbeat = Op::Heartbeat { session: session(None) };
    for line in [
        r#"{"device":"w","platform":"web","user":"ann","t":7,"op":"heartbeat"}"#,
        "\t {\r\"op\" : \"heartbeat\" ,\"t\"\t:7 , \"user\":\"ann\",\"platform\":\"web\",\
         \"device\": \"w\" } \t\r",
        r#"{"\u006fp":"heart\u0062eat","t":7,"user":"ann","platform":"w\u0065b","device":"w"}"#,
    ] {
        assert_eq!(op(line), heartbeat, "{line}");
    }
}

#[test]
fn strings_are_taken_as_they_are() {
    for (written, meant) in [
        (r"", ""),
        (r"\u0000\u001f\u007f", "\0\u{1f}\u{7f}"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\ud83d\ude00 😀 \u00e9 é", "😀 😀 é é"),
        ("\u{7f}\u{feff}\u{2028}", "\u{7f}\u{feff}\u{2028}"),
    ] {
        let line = format!(r#"{{"op":"inspect","t":7,"user":"{written}"}}"#);
        assert_eq!(op(&line), Op::Inspect { user: meant.into() }, "{line}");
    }
}

#[test]
fn a_config_is_read_at_every_level() {
    let line = r#"{"op":"config","tier":"trial","status_switch":false,"friend_switch":true,
        "accounts":"known","policy":"dual","kicked_away":{"on_reconnect":true,"on_login":false},
        "max_instances":{"android":1,"iphone":2,"ipad":3,"windows":4,"mac":5,"linux":6,"web":7},
        "limits":{"subscriptions":1,"query_users":2,"subscribe_users":3,"unsubscribe_users":4,
        "friends":5,"custom_status_bytes":6,"query_rate":[7,8],"subscribe_rate":[9,10],
        "unsubscribe_rate":[0,9007199254740991]},"timeouts":{"native":1,"web":2,"mini_program":3,
        "background":4,"exit":5,"push":6,"clear_subscriptions":7}}"#;
    let expected = Patch {
        tier: Some(Tier::Trial),
        status_switch: Some(false),
        friend_switch: Some(true),
        accounts: Some(Accounts::Known),
        policy: Some(Ok(Policy::Dual)),
        max_instances: [1, 2, 3, 4, 5, 6, 7].map(Some),
        on_reconnect: Some(true),
        on_login: Some(false),
        limits: [1, 2, 3, 4, 5, 6].map(Some),
        rates: [(7, 8), (9, 10), (0, (1 << 53) - 1)].map(|(n, ms)| Some(Rate::new(n, ms))),
        timeouts: [1, 2, 3, 4, 5, 6, 7].map(Some),
    };
    assert_eq!(config(&line.replace('\n', "")), expected);
    let partial = config(r#"{"limits":{"friends":0},"timeouts":{},"op":"config"}"#);
    let limits = [None, None, None, None, Some(0), None];
    assert_eq!(partial, Patch { limits, ..Patch::default() });
}

#[test]
fn a_reconfigure_is_read_like_a_config() {
    let line = r#"{"op":"reconfigure","t":7,"tier":"professional","policy":"multi",
        "max_instances":{"web":2},"kicked_away":{"on_login":true},"limits":{"query_rate":[1,2]},
        "status_switch":true,"friend_switch":false}"#;
    let expected = Patch {
        tier: Some(Tier::Professional),
        status_switch: Some(true),
        friend_switch: Some(false),
        policy: Some(Ok(Policy::Multi)),
        max_instances: [None, None, None, None, None, None, Some(2)],
        on_login: Some(true),
        rates: [Some(Rate::new(1, 2)), None, None],
        ..Patch::default()
    };
    assert_eq!(op(&line.replace('\n', "")), Op::Reconfigure(expected));
}

#[test]
fn a_policy_is_a_word_or_groups_that_the_configuration_judges() {
    use Platform::{Android, Ipad, Iphone, Linux, Mac, Web, Windows};
    let groups = Groups::new([vec![Web], vec![Android, Iphone, Ipad, Windows, Mac, Linux]]);
    for (policy, expected) in [
        (r#""single""#, Ok(Policy::Single)),
        (r#""triple""#, Ok(Policy::Triple)),
        (
            r#"[["web"],[],["linux","mac","windows","ipad","iphone","android"]]"#,
            groups.map(Policy::Groups),
        ),
        ("[]", Err(GroupsError::Missing { platform: Android })),
        (r#"[["mac"],["mac"]]"#, Err(GroupsError::Twice { platform: Mac })),
        (r#"[["mini_program"]]"#, Err(GroupsError::MiniProgram)),
    ] {
        let line = format!(r#"{{"op":"config","policy":{policy}}}"#);
        assert_eq!(config(&line).policy, Some(expected), "{line}");
    }
    let wrong = ["\"Single\"", "\"\"", "null", "1", "1E400", "{}", "[null]", "[\"web\"]", "[{}]"];
    for policy in wrong {
        assert_eq!(fault_in(1, format!(r#"{{"op":"config","policy":{policy}}}"#)), "policy");
    }
    for group in ["\"Web\"", "null", "[\"web\"]", "1", "\"mac\",\"mac\",\"tv\"", "\"mac\","] {
        assert_eq!(fault_in(1, format!(r#"{{"op":"config","policy":[[{group}]]}}"#)), "policy");
    }
}

#[test]
fn what_is_not_one_line_of_json_is_refused() {
    let lines: [&[u8]; 19] = [
        b"",
        b" ",
        b"\t\r ",
        b"\r",
        b"null",
        b"7",
        b"\"tick\"",
        b"[]",
        b"[{\"op\":\"tick\",\"t\":7}]",
        b"\xef\xbb\xbf{\"op\":\"tick\",\"t\":7}",
        b"{\"op\":\"tick\",\"t\":7}{\"op\":\"tick\",\"t\":7}",
        b"{\"op\":\"tick\",\"t\":7} x",
        b"{\"op\":\"tick\",\"t\":7},",
        b"{\"op\":\"tick\",\n\"t\":7}",
        b"{\"op\":\"tick\",\"t\":7}\n",
        b"\x0c{\"op\":\"tick\",\"t\":7}",
        b"\xc2\xa0{\"op\":\"tick\",\"t\":7}",
        b"{\"op\":\"inspect\",\"t\":7,\"user\":\"\xff\"}",
        b"{\"op\":\"inspect\",\"t\":7,\"user\":\"\xed\xa0\x80\"}",
    ];
    for line in lines {
        assert_eq!(fault(line), "line", "{}", line.escape_ascii());
    }
    for line in [
        "{",
        "{}x",
        "{op:1}",
        "{'op':'tick','t':7}",
        "{\"op\":\"tick\",\"t\":7",
        "{\"op\":\"tick\",\"t\":7,}",
        "{\"op\":\"tick\",,\"t\":7}",
        "{,\"op\":\"tick\",\"t\":7}",
        "{\"op\":\"tick\" \"t\":7}",
        "{\"op\":\"tick\",\"t\" 7}",
        "{\"op\":\"tick\",\"t\":7/**/}",
        "{\"op\":\"tick\",7:7}",
        "{\"op\":\"tick\",\"t\":}",
        "{\"op\":\"tick\",\"t\":7]",
        "{\"op\":\"tick\0\",\"t\":7}",
        "{\"op\":\"tick\",\"t\":7,\"\\ud800\":1}",
        "{\"op\":\"tick\",\"t\":7,\"\t\":1}",
    ] {
        let _ = fault(line);
    }
}

#[test]
fn a_string_is_strict_json() {
    for string in [
        "\"\t\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"\r\"",
        r#""\x41""#,
        r#""\'""#,
        r#""\u00g0""#,
        r#""\u12""#,
        r#""\ud800""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800""#,
        r#""\udc00""#,
        r#""\ude00\ud83d""#,
        "\"",
        "'ann'",
        "ann",
        "null",
        "1",
        "true",
        "[\"ann\"]",
        "{}",
    ] {
        let line = format!(r#"{{"op":"inspect","t":7,"user":{string}}}"#);
        assert_eq!(fault(&line), "user", "{line}");
    }
}

#[test]
fn an_integer_is_digits_up_to_2_53() {
    let read = |t: &str| read_line(format!(r#"{{"op":"tick","t":{t}}}"#).as_bytes(), 1);
    for (written, t) in [("0", 0), ("9007199254740991", 9_007_199_254_740_991), ("10", 10)] {
        assert_eq!(read(written), Ok(Entry::Op { t, op: Op::Tick }));
    }
    let wrong = "9007199254740992 18446744073709551615 18446744073709551616 1.0 1. .1 0.0 1e3 \
                 99999999999999999999999999 1E400 1e-400 0e0 -0 -1 - +1 00 01 0x1 1_000 NaN \
                 Infinity null true \"1\" [1] {}";
    for wrong in wrong.split(' ') {
        assert_eq!(read(wrong).unwrap_err().field, "t", "{wrong}");
    }
}

#[test]
fn a_session_is_an_integer_from_1() {
    for (number, ok) in [("1", true), ("9007199254740991", true), ("0", false), ("null", false)] {
        let line = format!(r#"{{"op":"exit",{WEB},"session":{number}}}"#);
        match read_line(line.as_bytes(), 1) {
            Ok(_) => assert!(ok, "{line}"),
            Err(malformed) => assert_eq!((malformed.field.as_str(), ok), ("session", false)),
        }
    }
}

#[test]
fn a_rate_is_exactly_two_integers() {
    let rates = "[] [1] [1,2,3] [1,2,null] [1,null] [1.0,2] [1,2.0] [-1,2] [1,2,] [[1,2]] null 12 \
                 [1,9007199254740992] \"1,2\" {\"requests\":1,\"per_ms\":2}";
    for rate in rates.split(' ') {
        let line = format!(r#"{{"op":"reconfigure","t":7,"limits":{{"query_rate":{rate}}}}}"#);
        assert_eq!(fault(&line), "limits.query_rate", "{line}");
    }
}

#[test]
fn no_key_comes_twice_at_any_level() {
    for (line, field) in [
        (r#"{"op":"tick","t":7,"t":7}"#, "t"),
        (r#"{"op":"tick","op":"tick","t":7}"#, "op"),
        (r#"{"op":"tick","\u006fp":"tick","t":7}"#, "op"),
        (r#"{"op":"reconfigure","t":7,"limits":{},"limits":{}}"#, "limits"),
        (r#"{"op":"reconfigure","t":7,"limits":{"friends":1,"friends":1}}"#, "limits.friends"),
        (
            r#"{"op":"reconfigure","t":7,"limits":{"query_rate":[1,2],"query_rate":[1,2]}}"#,
            "limits.query_rate",
        ),
        (
            r#"{"op":"reconfigure","t":7,"kicked_away":{"on_login":true,"on_login":true}}"#,
            "kicked_away.on_login",
        ),
        (r#"{"op":"reconfigure","t":7,"max_instances":{"mac":1,"mac":1}}"#, "max_instances.mac"),
    ] {
        assert_eq!(fault(line), field, "{line}");
    }
    let line = r#"{"op":"config","timeouts":{"web":1,"w\u0065b":1}}"#;
    assert_eq!(fault_in(1, line), "timeouts.web");
}

#[test]
fn an_operation_has_no_keys_but_its_own() {
    let session_bound = ["heartbeat", "link_closed", "logout", "background", "foreground", "exit"];
    for name in session_bound {
        for key in [r#""custom":"""#, r#""users":[]"#, r#""reconnect":true"#, r#""friend":"bob""#] {
            let field = key.split('"').nth(1).expect("a key is quoted");
            assert_eq!(fault(format!(r#"{{"op":"{name}",{WEB},{key}}}"#)), field);
            assert_eq!(fault(format!(r#"{{{key},{WEB},"op":"{name}"}}"#)), field);
        }
    }
    for (line, field) in [
        (r#"{"op":"tick","t":7,"x":1}"#, "x"),
        (r#"{"op":"tick","t":7,"":1}"#, ""),
        (r#"{"op":"tick","t":7,"T":1}"#, "T"),
        (r#"{"op":"tick","t":7,"n":1}"#, "n"),
        (r#"{"op":"tick","t":7,"user":"ann"}"#, "user"),
        (r#"{"op":"tick","t":7,"limits":{}}"#, "limits"),
        (r#"{"op":"login",WEB,"session":1}"#, "session"),
        (r#"{"op":"set_status",WEB,"custom":"","users":[]}"#, "users"),
        (r#"{"op":"query",WEB,"users":[],"custom":""}"#, "custom"),
        (r#"{"op":"force_out",WEB,"session":1}"#, "session"),
        (r#"{"op":"register","t":7,"user":"ann","friend":"bob"}"#, "friend"),
        (r#"{"op":"inspect","t":7,"user":"ann","platform":"web"}"#, "platform"),
        (r#"{"op":"add_friend",WEB,"friend":"bob"}"#, "platform"),
        (r#"{"op":"reconfigure","t":7,"timeouts":{"web":5}}"#, "timeouts"),
        (r#"{"op":"reconfigure","t":7,"timeouts":{}}"#, "timeouts"),
        (r#"{"op":"reconfigure","t":7,"accounts":"open"}"#, "accounts"),
        (r#"{"op":"reconfigure","t":7,"user":"ann"}"#, "user"),
        (r#"{"op":"reconfigure","t":7,"limits":{"frends":1}}"#, "limits.frends"),
        (r#"{"op":"reconfigure","t":7,"kicked_away":{"x":true}}"#, "kicked_away.x"),
        (
            r#"{"op":"reconfigure","t":7,"max_instances":{"mini_program":1}}"#,
            "max_instances.mini_program",
        ),
    ] {
        let line = line.replace("WEB", WEB);
        assert_eq!(fault(&line), field, "{line}");
    }
    for (line, field) in [
        (r#"{"op":"config","t":0}"#, "t"),
        (r#"{"op":"config","users":[]}"#, "users"),
        (r#"{"op":"config","timer_work_max":1}"#, "timer_work_max"),
        (r#"{"op":"config","timeouts":{"android":1}}"#, "timeouts.android"),
    ] {
        assert_eq!(fault_in(1, line), field, "{line}");
    }
}

#[test]
fn a_missing_field_is_named() {
    for (line, field) in [
        ("{}", "op"),
        (r#"{"t":7}"#, "op"),
        (r#"{"op":"tick"}"#, "t"),
        (r#"{"op":"reconfigure"}"#, "t"),
        (r#"{"op":"login","t":7,"platform":"web","device":"w"}"#, "user"),
        (r#"{"op":"login","t":7,"user":"ann","device":"w"}"#, "platform"),
        (r#"{"op":"login","t":7,"user":"ann","platform":"web"}"#, "device"),
        (r#"{"op":"heartbeat","t":7,"user":"ann","platform":"web"}"#, "device"),
        (r#"{"op":"set_status",WEB}"#, "custom"),
        (r#"{"op":"query",WEB}"#, "users"),
        (r#"{"op":"subscribe",WEB}"#, "users"),
        (r#"{"op":"unsubscribe",WEB}"#, "users"),
        (r#"{"op":"add_friend","t":7,"user":"ann"}"#, "friend"),
        (r#"{"op":"remove_friend","t":7,"friend":"ann"}"#, "user"),
        (r#"{"op":"force_out","t":7}"#, "user"),
        (r#"{"op":"force_out","t":7,"user":"ann","device":"w"}"#, "platform"),
        (r#"{"op":"register","t":7}"#, "user"),
        (r#"{"op":"remove_user","t":7}"#, "user"),
        (r#"{"op":"inspect","t":7}"#, "user"),
    ] {
        let line = line.replace("WEB", WEB);
        assert_eq!(fault(&line), field, "{line}");
    }
}

#[test]
fn a_wrongly_typed_field_is_named() {
    for (line, field) in [
        (r#"{"op":"log_in","t":7}"#, "op"),
        (r#"{"op":"Tick","t":7}"#, "op"),
        (r#"{"op":"","t":7}"#, "op"),
        (r#"{"op":null,"t":7}"#, "op"),
        (r#"{"op":["tick"],"t":7}"#, "op"),
        (r#"{"op":"config"}"#, "op"),
        (r#"{"op":"login","t":7,"user":"a","platform":"Web","device":"w"}"#, "platform"),
        (r#"{"op":"login","t":7,"user":"a","platform":6,"device":"w"}"#, "platform"),
        (r#"{"op":"login","t":7,"user":"a","platform":"tv","device":"w"}"#, "platform"),
        (r#"{"op":"force_out","t":7,"user":"a","platform":null}"#, "platform"),
        (r#"{"op":"login","t":7,"user":"a","platform":"web","device":1}"#, "device"),
        (r#"{"op":"login",WEB,"reconnect":1}"#, "reconnect"),
        (r#"{"op":"login",WEB,"reconnect":null}"#, "reconnect"),
        (r#"{"op":"login",WEB,"reconnect":"true"}"#, "reconnect"),
        (r#"{"op":"set_status",WEB,"custom":null}"#, "custom"),
        (r#"{"op":"query",WEB,"users":"bob"}"#, "users"),
        (r#"{"op":"query",WEB,"users":{}}"#, "users"),
        (r#"{"op":"query",WEB,"users":["bob",null]}"#, "users"),
        (r#"{"op":"query",WEB,"users":["bob",7]}"#, "users"),
        (r#"{"op":"query",WEB,"users":["bob",]}"#, "users"),
        (r#"{"op":"add_friend","t":7,"user":"ann","friend":[]}"#, "friend"),
        (r#"{"op":"reconfigure","t":7,"tier":"Flagship"}"#, "tier"),
        (r#"{"op":"reconfigure","t":7,"tier":2}"#, "tier"),
        (r#"{"op":"reconfigure","t":7,"status_switch":1}"#, "status_switch"),
        (r#"{"op":"reconfigure","t":7,"friend_switch":null}"#, "friend_switch"),
        (r#"{"op":"reconfigure","t":7,"max_instances":1}"#, "max_instances"),
        (r#"{"op":"reconfigure","t":7,"max_instances":[1,1,1,1,1,1,1]}"#, "max_instances"),
        (r#"{"op":"reconfigure","t":7,"max_instances":{"mac":null}}"#, "max_instances.mac"),
        (r#"{"op":"reconfigure","t":7,"kicked_away":true}"#, "kicked_away"),
        (r#"{"op":"reconfigure","t":7,"kicked_away":{"on_login":0}}"#, "kicked_away.on_login"),
        (r#"{"op":"reconfigure","t":7,"limits":null}"#, "limits"),
        (r#"{"op":"reconfigure","t":7,"limits":{"friends":1.0}}"#, "limits.friends"),
    ] {
        let line = line.replace("WEB", WEB);
        assert_eq!(fault(&line), field, "{line}");
    }
    for (line, field) in [
        (r#"{"op":"config","accounts":"Open"}"#, "accounts"),
        (r#"{"op":"config","accounts":null}"#, "accounts"),
        (r#"{"op":"config","timeouts":{"web":-1}}"#, "timeouts.web"),
    ] {
        assert_eq!(fault_in(1, line), field, "{line}");
    }
}

#[test]
fn a_config_is_the_first_line_or_none() {
    assert_eq!(read_line(br#"{"op":"config"}"#, 1), Ok(Entry::Config(Patch::default())));
    for number in [0, 2, u64::MAX] {
        assert_eq!(fault_in(number, r#"{"op":"config"}"#), "op");
    }
}

#[test]
fn nesting_as_deep_as_a_line_is_long_is_refused() {
    for opening in ["[", "{\"a\":", "{\"limits\":", "[{\"op\":"] {
        let deep = opening.repeat(100_000);
        let _ = fault(&deep);
        for (key, field) in [
            ("x", "x"),
            ("t", "t"),
            ("op", "op"),
            ("user", "user"),
            ("users", "users"),
            ("policy", "policy"),
        ] {
            assert_eq!(fault(format!(r#"{{"{key}":{deep}"#)), field, "{opening} in {key}");
        }
        let line = format!(r#"{{"limits":{{"query_rate":{deep}"#);
        assert_eq!(fault(line), "limits.query_rate", "{opening}");
    }
}

/// Well-formed lines from which the property tests make others.
const SEEDS: [&str; 6] = [
    r#"{"op":"login","t":12,"user":"a\u0041n","platform":"web","device":"w","reconnect":true}"#,
    r#"{"op":"query","t":0,"user":"","platform":"ipad","device":"w","session":1,"users":["","b"]}"#,
    r#"{"op":"config","policy":[["web"],["mac"]],"limits":{"friends":1,"query_rate":[1,2]}}"#,
    r#"{"op":"config","accounts":"known","timeouts":{"web":10},"kicked_away":{"on_login":true}}"#,
    r#"{"op":"reconfigure","t":3,"tier":"trial","max_instances":{"mac":1},"policy":"dual"}"#,
    r#"{"op":"set_status","t":1,"user":"u","platform":"mac","device":"\ud83d\ude00","custom":""}"#,
];

/// What every line that is taken fulfils, whatever it says.
fn check(bytes: &[u8]) {
    let Ok(entry) = read_line(bytes, 1) else {
        return;
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("a line taken is JSON");
    let object = value.as_object().expect("a line taken is an object");
    let t = object.get("t").and_then(serde_json::Value::as_u64);
    match entry {
        Entry::Config(_) => assert_eq!((object["op"].as_str(), t), (Some("config"), None)),
        Entry::Op { t: read, op } => {
            assert_eq!(t, Some(read));
            // The keys' order says nothing, and neither do the escapes of strings.
            let again = value.to_string();
            assert_eq!(read_line(again.as_bytes(), 2), Ok(Entry::Op { t: read, op }), "{again}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check(&bytes);
    }

    #[test]
    fn a_damaged_line_is_refused_or_means_what_it_says(
        seed in prop::sample::select(&SEEDS[..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4, any::<u8>()), 1..4),
    ) {
        const BYTES: &[u8] = b"\"\\{}[]:, \t\r\n0129-.eEutn\0\x1f\x7f\xc3\xff";
        let mut bytes = seed.as_bytes().to_vec();
        for (at, what, byte) in damage {
            let at = at.index(bytes.len());
            let byte = BYTES[usize::from(byte) % BYTES.len()];
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
        }
        check(&bytes);
    }
}

#[test]
fn the_seeds_are_well_formed() {
    for seed in SEEDS {
        assert!(read_line(seed.as_bytes(), 1).is_ok(), "{seed}");
        check(seed.as_bytes());
    }
}
