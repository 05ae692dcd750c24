//! What is played: a day of two users, told output by output, and the coming and going of a
//! crowd.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use presence_engine::{
    Api, Config, DeviceId, Engine, Limit, LoginKind, Output, Platform, Rate, SessionId, State,
    Timestamp, UnknownSession,
};

const DAY_MS: u64 = 24 * 3_600_000;

/// A hasher with a key (FNV-1a). Where strangers choose ids, the key has to be a secret.
#[derive(Clone, Copy)]
struct Keyed(u64);

struct Fnv(u64);

impl BuildHasher for Keyed {
    type Hasher = Fnv;

    fn build_hasher(&self) -> Fnv {
        Fnv(self.0)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

type People = Engine<String, Keyed>;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn login(engine: &mut People, now: u64, user: &str, platform: Platform) -> SessionId {
    let (device, kind) = (DeviceId::new("d"), LoginKind::Login);
    engine.login(at(now), user, platform, device, kind).expect("nobody is refused")
}

/// Takes all outputs, which have to be these.
#[track_caller]
fn heard(engine: &mut People, expected: &[&str]) {
    let mut lines = Vec::new();
    while let Some(output) = engine.poll_output() {
        lines.push(match output {
            Output::Close(close) => {
                format!("{} close {} {}", close.at, close.user, close.reason.name())
            }
            Output::Event(event) => {
                let displaced = event.displaced.len();
                let (action, reason) = (event.action.name(), event.reason.name());
                format!("{} event {} {action} {reason} {displaced}", event.at, event.user)
            }
            Output::Status(change) => {
                let (state, custom, to) = (change.state, change.custom, change.to);
                format!("{} status {} {state} {custom:?} {to:?}", change.at, change.user)
            }
        });
    }
    assert_eq!(lines, expected);
}

/// States, fan-out, a kick, refusals, time-outs and the expiry of a push registration.
pub fn a_day() {
    let config = Config::builder().limit(Limit::Subscriptions, 2).rate(Api::Query, Rate::new(1, 9));
    let config = config.build().expect("it is valid");
    let mut engine = People::with_hasher(config, Keyed(0x5eed));
    let ann = ann_watches(&mut engine);
    let mac = bob_is_kicked_by_himself(&mut engine);
    ann_asks(&mut engine, ann);
    bob_is_away(&mut engine, mac);
    nobody_is_heard_again(&mut engine);
}

fn ann_watches(engine: &mut People) -> SessionId {
    let ann = login(engine, 0, "ann", Platform::Web);
    let done = engine.subscribe(at(0), ann, &["bob", "cat", "dan"]).expect("it is admitted");
    assert_eq!((done.evicted, done.failures.len()), (Vec::from([String::from("bob")]), 0));
    engine.add_friend(at(0), "ann", "bob").expect("both ids are valid");
    heard(engine, &["0 event ann login register 0", r#"0 status ann online "" [s0v1]"#]);
    ann
}

fn bob_is_kicked_by_himself(engine: &mut People) -> SessionId {
    let phone = login(engine, 10, "bob", Platform::Iphone);
    engine.set_status(at(11), phone, "busy").expect("the session is live");
    let mac = login(engine, 12, "bob", Platform::Mac);
    assert_eq!(engine.heartbeat(at(12), phone), Err(UnknownSession));
    heard(
        engine,
        &[
            "10 event bob login register 0",
            r#"10 status bob online "" [s1v1, s0v1]"#,
            "11 event bob custom_status_change set_custom_status 0",
            r#"11 status bob online "busy" [s1v1, s0v1]"#,
            "12 close bob kicked",
            "12 event bob login register 1",
        ],
    );
    mac
}

fn ann_asks(engine: &mut People, ann: SessionId) {
    let answer = engine.query(at(20), ann, &["bob", "", "eve"]).expect("it is admitted");
    let found: Vec<_> = answer.statuses.iter().map(|(_, status)| &status.custom[..]).collect();
    assert_eq!((&found[..], answer.failures.len()), (&["busy", ""][..], 1));
    let refused = engine.query(at(21), ann, &["bob"]).map(drop).map_err(|error| error.to_string());
    let expected = "too many requests; the next is admitted in 8 ms";
    assert_eq!(refused, Err(String::from(expected)));
    heard(engine, &[]);
}

fn bob_is_away(engine: &mut People, mac: SessionId) {
    engine.logout(at(30), mac).expect("the session is live");
    let phone = login(engine, 40, "bob", Platform::Iphone);
    engine.link_closed(at(50), phone).expect("the session is live");
    heard(
        engine,
        &[
            "30 event bob logout unregister 0",
            r#"30 status bob offline "" [s0v1]"#,
            "40 event bob login register 0",
            r#"40 status bob online "" [s1v5, s0v1]"#,
            "50 event bob disconnect link_close 0",
            r#"50 status bob push_online "" [s0v1]"#,
        ],
    );
    assert_eq!(engine.inspect(at(50), "bob").map(|found| found.state()), Ok(State::PushOnline));
}

/// Ann's tab ends, then her list, and a week later Bob's registration.
fn nobody_is_heard_again(engine: &mut People) {
    let mut now = at(50);
    while let Some(next) = engine.poll_timeout() {
        now = now.max(next);
        engine.handle_timeout(now);
    }
    heard(
        engine,
        &[
            "60021 close ann timed_out",
            "60021 event ann disconnect link_close 0",
            r#"60021 status ann offline "" []"#,
            r#"604800050 status bob offline "" []"#,
        ],
    );
    // Friends stay until the host says otherwise.
    let stats = engine.stats();
    assert_eq!((stats.users, stats.edges, stats.sessions, stats.timers), (2, 1, 0, 0));
}

/// Tables grow, thousands watch one, and all expire in calls of bounded work.
pub fn a_crowd() {
    const USERS: u64 = 5_000;
    let mut engine = Engine::<u64, Keyed>::with_hasher(Config::default(), Keyed(1));
    for user in 0..USERS {
        let (device, kind) = (DeviceId::new("d"), LoginKind::Login);
        let session = engine.login(at(user), &user, Platform::Linux, device, kind);
        let session = session.expect("nobody is refused");
        engine.subscribe(at(user), session, &[0, user + 1]).expect("it is admitted");
    }
    let (mut told, mut now, mut calls) = (0, at(USERS), 0);
    loop {
        while let Some(output) = engine.poll_output() {
            told += if let Output::Status(change) = output { change.to.len() } else { 0 };
        }
        let Some(next) = engine.poll_timeout() else { break };
        now = now.max(next).max(at(DAY_MS));
        engine.handle_timeout(now);
        calls += 1;
    }
    // Who comes is told of himself, and the one before him is too. The watchers of him who goes
    // are gone already, but for those of user 0, who goes first.
    let (come, go) = (2 * USERS - 1, USERS - 1);
    assert_eq!(told as u64, come + go);
    assert!(calls > USERS / Config::default().timer_work_max(), "{calls} calls");
    assert_eq!(engine.stats().users + engine.stats().edges, 0);
}
