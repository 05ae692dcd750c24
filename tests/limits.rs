//! Bounds and hostile input (BI): what is too large, too much at once, or made to break things.

mod common;

use core::borrow::Borrow;
use core::cell::Cell;
use core::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;

use presence_engine::{
    Api, Config, ConfigBuilder, DeviceId, Engine, KickedAway, Limit, LoginKind, Output, Platform,
    Policy, Rate, Scope, SessionId, Timeout, Timestamp, UserId,
};

use common::model::Model;
use common::op::{Device, Line, Machine, Op, Out, Patch, Session};
use common::sim::{DAY, Sim, WEEK};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// BI-1: whatever is too large or malformed is refused with a value, and nothing has changed.
#[test]
fn what_is_too_large_is_refused_whole() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["bob"]);
    sim.news();
    let before = (sim.list(ann), sim.engine.stats());
    let huge = "x".repeat(1 << 20);
    let many = vec![huge.as_str(); 10_000];
    let device = || DeviceId::new("d");
    let codes = sim.ask(|engine, now| {
        [
            engine.login(now, &huge, Platform::Mac, device(), LoginKind::Login).unwrap_err().code(),
            engine.set_status(now, ann, &huge).unwrap_err().code(),
            engine.query(now, ann, &many).unwrap_err().code(),
            engine.subscribe(now, ann, &many).unwrap_err().code(),
            engine.unsubscribe(now, ann, &many).unwrap_err().code(),
            engine.add_friend(now, "ann", &huge).unwrap_err().code(),
            engine.remove_friend(now, &huge, "ann").unwrap_err().code(),
            engine.force_out(now, &huge, &Scope::All).unwrap_err().code(),
            engine.register(now, &huge).unwrap_err().code(),
            engine.remove_user(now, &huge).unwrap_err().code(),
            engine.inspect(now, &huge).unwrap_err().code(),
        ]
    });
    let invalid = "invalid_user_id";
    assert_eq!(codes[..2], [invalid, "custom_status_too_long"]);
    assert_eq!(codes[2..5], ["too_many_users"; 3]);
    assert_eq!(codes[5..], [invalid; 6]);
    sim.quiet();
    assert_eq!((sim.list(ann), sim.engine.stats()), before);
    sim.engine.check_invariants().expect("nothing is half applied");
}

/// EV-4: a long backlog of which only a part is taken loses nothing, and stays in order.
#[test]
fn a_backlog_that_is_taken_in_part_loses_nothing() {
    const USERS: u64 = 6_000;
    let custom = |user: u64| format!("{user:0100}");
    let mut engine = Engine::<u64>::new(Config::default());
    let enter = |engine: &mut Engine<u64>, user| {
        let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
        let session = engine.login(at(0), &user, Platform::Web, device, kind);
        engine.set_status(at(0), session.unwrap(), &custom(user)).unwrap();
    };
    (0..USERS).for_each(|user| enter(&mut engine, user));
    let mut taken = 0;
    let mut take = |engine: &mut Engine<u64>| {
        let (user, nth) = (taken / 4, taken % 4);
        match engine.poll_output() {
            Some(Output::Event(event)) => assert!(nth % 2 == 0 && *event.user == user),
            Some(Output::Status(change)) => {
                assert!(nth % 2 == 1 && *change.user == user && change.to.len() == 1);
                assert_eq!(change.custom, if nth == 1 { String::new() } else { custom(user) });
            }
            _ => return false,
        }
        taken += 1;
        true
    };
    // More than is kept in any case, less than half, and then more than half.
    for part in [4_200, 10_000, 2_000] {
        (0..part).for_each(|_| assert!(take(&mut engine)));
        let user = engine.stats().sessions as u64;
        enter(&mut engine, user);
        engine.check_invariants().unwrap();
    }
    while take(&mut engine) {}
    assert_eq!((taken, engine.stats().pending_outputs), (4 * (USERS + 3), 0));
}

/// SU-9: who has friends and no subscriptions has nothing to be cleared.
#[test]
fn friends_are_no_list_to_be_cleared() {
    // Whether anything else is known of him or not.
    for has_asked in [false, true] {
        let mut engine = Engine::<u64>::new(Config::default());
        let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
        engine.add_friend(at(0), &1, &2).unwrap();
        let session = engine.login(at(0), &1, Platform::Web, device, kind).unwrap();
        if has_asked {
            engine.set_status(at(0), session, "here").unwrap();
        }
        engine.logout(at(1), session).unwrap();
        assert_eq!((engine.stats().timers, engine.poll_timeout()), (0, None));
    }
}

/// BI-1: device ids and custom statuses are taken byte for byte, whatever is in them.
#[test]
fn hostile_texts_are_only_texts() {
    let texts = ["", "\0", "a\0b", "\u{feff}", "é/web/w1", "\"},{\"", "💥", "\u{202e}", "a/b"];
    let mut sim = Sim::with(|config| config.policy(Policy::Multi).max_instances(Platform::Mac, 99));
    let huge = "d".repeat(1 << 16);
    for text in texts.into_iter().chain([huge.as_str()]) {
        let id = DeviceId::new(text);
        let login = sim.ask(|engine, now| {
            engine.login(now, "ann", Platform::Mac, id.clone(), LoginKind::Login)
        });
        let session = login.expect("every device id is allowed");
        while let Some(output) = sim.engine.poll_output() {
            if let Output::Event(event) = output {
                assert_eq!(event.device.as_str(), text);
            }
        }
        let fits = text.len() <= 100;
        let set = sim.ask(|engine, now| engine.set_status(now, session, text));
        assert_eq!(set.is_ok(), fits, "{text:?}");
        if fits {
            assert_eq!(sim.custom("ann"), text);
        }
        while sim.engine.poll_output().is_some() {}
    }
    assert_eq!(sim.engine.stats().sessions, texts.len() + 1, "each is a device of its own");
    sim.engine.check_invariants().expect("texts are only texts");
}

/// BI-1, CS-1: a text of exactly the limit is taken, whatever the limit is.
#[test]
fn a_status_of_exactly_the_limit_fits() {
    for limit in [1, 2, 100, 4_096] {
        let mut sim = Sim::with(|config| config.limit(Limit::CustomStatusBytes, limit));
        let ann = sim.login("ann/web/w1");
        let text = "x".repeat(limit as usize);
        sim.say(ann, &text);
        assert_eq!(sim.custom("ann"), text);
        assert!(sim.ask(|engine, now| engine.set_status(now, ann, &(text + "x"))).is_err());
    }
}

/// BI-1, BI-4: the largest numbers are taken everywhere, and nothing overflows.
#[test]
fn huge_limits_are_limits_like_others() {
    for huge in [(1 << 53) - 1, u64::MAX] {
        let mut sim = Sim::with(|config| {
            let config = config.policy(Policy::Multi).timer_work_max(huge);
            let config = Limit::ALL.into_iter().fold(config, |c, limit| c.limit(limit, huge));
            let config = Timeout::ALL.into_iter().fold(config, |c, t| c.timeout(t, huge));
            let config = Platform::ALL.into_iter().fold(config, |c, p| c.max_instances(p, huge));
            Api::ALL.into_iter().fold(config, |c, api| c.rate(api, Rate::new(huge, huge)))
        });
        let sessions: Vec<_> = (0..9).map(|nth| sim.login(&format!("ann/ipad/{nth}"))).collect();
        let users: Vec<_> = (0..600).map(|nth| format!("u{nth}")).collect();
        for &session in &sessions {
            sim.ask(|engine, now| {
                assert!(engine.query(now, session, &users).is_ok());
                assert!(engine.subscribe(now, session, &users).is_ok());
                assert!(engine.set_status(now, session, &"x".repeat(10_000)).is_ok());
                assert!(engine.unsubscribe(now, session, &users[7..]).is_ok());
            });
        }
        assert_eq!(sim.engine.stats().edges, 7);
        sim.at(5).close(sessions[0]);
        sim.reconfigure(|c| {
            c.rate(Api::Query, Rate::new(1, huge)).rate(Api::Subscribe, Rate::new(huge, 1))
        });
        sim.ask(|engine, now| engine.query(now, sessions[1], &users)).map(drop).expect("a token");
        let refused = sim.ask(|engine, now| engine.query(now, sessions[1], &users));
        assert_eq!(refused.map(drop).map_err(|error| error.code()), Err("rate_limited"));
        sim.engine.check_invariants().expect("nothing overflows");
    }
}

/// BI-2, ML-10: at most sixteen notes are kept of a user, though all his devices are kicked.
#[test]
fn notes_are_bounded() {
    let mut sim = Sim::with(|config| {
        let away = KickedAway { on_reconnect: true, on_login: false };
        config.max_instances(Platform::Android, 500).kicked_away(away)
    });
    for nth in 0..500 {
        let phone = sim.login(&format!("ann/android/{nth}"));
        sim.close(phone);
    }
    sim.login("ann/web/w1");
    let mut refused = Vec::new();
    for nth in 0..500 {
        let mut engine = sim.engine.clone();
        let device = DeviceId::new(&nth.to_string());
        let kind = LoginKind::Reconnect;
        if engine.login(sim.now, "ann", Platform::Android, device, kind).is_err() {
            refused.push(nth);
        }
    }
    assert_eq!(refused, (484..500).collect::<Vec<_>>());
}

/// BI-2: a list of junk ids, subscribed and taken back, leaves nothing behind.
#[test]
fn junk_that_was_subscribed_is_not_kept() {
    let mut sim = Sim::with(|config| {
        let free = Rate::new(1_000_000, 1);
        config.rate(Api::Subscribe, free).rate(Api::Unsubscribe, free)
    });
    let ann = sim.login("ann/linux/l1");
    sim.watch(ann, &["bob"]);
    sim.news();
    let before = sim.engine.stats();
    for round in 0..1_000 {
        let junk: Vec<_> = (0..100).map(|nth| format!("junk-{round}-{nth}")).collect();
        sim.at(round).ask(|engine, now| {
            assert!(engine.subscribe(now, ann, &junk).is_ok_and(|done| done.failures.is_empty()));
            assert!(engine.query(now, ann, &junk[..1]).is_ok() || round >= 20);
            assert!(engine.unsubscribe(now, ann, &junk).is_ok_and(|done| done.failures.is_empty()));
        });
        assert_eq!(sim.engine.stats().users, before.users, "round {round}");
    }
    sim.quiet();
    assert_eq!(sim.engine.stats(), before);
    assert_eq!(sim.list(ann), ["bob"]);
    sim.engine.check_invariants().expect("junk is gone");
}

/// BI-2: junk that is evicted is not kept either; the list bounds what one user can make known.
#[test]
fn junk_that_is_evicted_is_not_kept() {
    let mut sim = Sim::with(|config| config.rate(Api::Subscribe, Rate::new(1_000_000, 1)));
    let ann = sim.login("ann/linux/l1");
    for round in 0..300 {
        let junk: Vec<_> = (0..100).map(|nth| format!("junk-{round}-{nth}")).collect();
        let done = sim.ask(|engine, now| engine.subscribe(now, ann, &junk));
        assert!(done.is_ok());
        assert!(sim.engine.stats().users <= 201);
    }
    sim.logout(ann);
    sim.tick(DAY);
    assert_eq!(sim.engine.stats().users, 0);
}

/// How many outputs wait after one call of `handle_timeout`, and how many sessions they tell.
fn waiting(engine: &mut Engine<u64>) -> (usize, usize) {
    let (mut outputs, mut told) = (0, 0);
    while let Some(output) = engine.poll_output() {
        outputs += 1;
        if let Output::Status(change) = output {
            told += change.to.len();
        }
    }
    (outputs, told)
}

/// BI-3: when 20,000 sessions end in one millisecond no call has more than its bound of outputs.
#[test]
fn a_mass_expiry_comes_in_bounded_pieces() {
    const USERS: u64 = 20_000;
    let mut engine = Engine::<u64>::new(Config::default());
    for user in 0..USERS {
        let device = DeviceId::new("d");
        engine.login(at(0), &user, Platform::Mac, device, LoginKind::Login).expect("accepted");
        if user % 100 > 0 {
            engine.add_friend(at(0), &(user / 100 * 100), &user).expect("two valid ids");
        }
    }
    waiting(&mut engine);
    let bound = engine.config().timer_work_max() as usize;
    let (mut ended, mut calls) = (0, 0);
    while engine.poll_timeout().is_some_and(|next| next <= at(400_000)) {
        engine.handle_timeout(at(400_000));
        let (outputs, told) = waiting(&mut engine);
        // A session gives a close, an event and a status, each timer and each session told is a
        // unit of work, and a call ends with the step that reaches the bound.
        assert!(outputs <= 3 * bound && told <= bound + 1, "{outputs} outputs told {told}");
        assert_eq!(outputs % 3, 0, "a step is never cut");
        ended += outputs / 3;
        calls += 1;
    }
    assert_eq!((ended, engine.stats().sessions), (USERS as usize, 0));
    assert!((USERS as usize / bound..100).contains(&calls), "{calls} calls");
}

/// BI-3: watchers who are away take work too, though nobody is told.
#[test]
fn watchers_who_are_away_count_as_work() {
    const WATCHERS: u64 = 1_000;
    let mut engine = Engine::<u64>::new(Config::default());
    for user in 0..50 {
        let device = DeviceId::new("d");
        engine.login(at(0), &user, Platform::Mac, device, LoginKind::Login).expect("accepted");
        for watcher in 100..100 + WATCHERS {
            engine.add_friend(at(0), &watcher, &user).expect("two valid ids");
        }
    }
    waiting(&mut engine);
    let steps_max = engine.config().timer_work_max().div_ceil(WATCHERS) as usize;
    while engine.poll_timeout().is_some_and(|next| next <= at(400_000)) {
        engine.handle_timeout(at(400_000));
        let (outputs, told) = waiting(&mut engine);
        assert!(outputs <= 3 * steps_max && told == 0, "{outputs} outputs told {told}");
    }
    assert_eq!(engine.stats().sessions, 0);
}

/// BI-3, LV-6: whoever polls late, what has ended is let go bit by bit, and no slot is lost.
#[test]
fn a_host_that_never_drains_the_last_output_keeps_nothing_for_it() {
    let mut engine = Engine::<u64>::new(Config::default());
    let device = || DeviceId::new("a device id of more than twenty-two bytes");
    for user in 0..10_000 {
        engine.login(at(0), &user, Platform::Mac, device(), LoginKind::Login).expect("accepted");
        engine.remove_user(at(0), &user).expect("it is valid");
        while engine.stats().pending_outputs > 1 {
            assert!(engine.poll_output().is_some());
        }
        if user % 1_000 == 0 {
            assert_eq!(engine.check_invariants(), Ok(()));
        }
    }
    assert_eq!((engine.stats().users, engine.stats().pending_outputs), (0, 1));
}

/// BI-3: a step that tells many ends the call; the next begins a new one.
#[test]
fn a_call_ends_after_the_fan_out_that_reaches_the_bound() {
    let config = Config::builder().policy(Policy::Multi).timer_work_max(10);
    let config = config.timeout(Timeout::Web, 100).build().expect("it is valid");
    let mut engine = Engine::<u64>::new(config);
    for user in 0..5 {
        let device = DeviceId::new("d");
        engine.login(at(0), &user, Platform::Web, device, LoginKind::Login).expect("accepted");
    }
    for watcher in 100..150 {
        let device = DeviceId::new("d");
        engine.login(at(0), &watcher, Platform::Mac, device, LoginKind::Login).expect("accepted");
        for user in 0..5 {
            engine.add_friend(at(0), &watcher, &user).expect("accepted");
        }
    }
    waiting(&mut engine);
    let mut fan_outs = 0;
    while engine.poll_timeout().is_some_and(|next| next <= at(100)) {
        engine.handle_timeout(at(100));
        let (outputs, told) = waiting(&mut engine);
        assert!(outputs == 0 || (outputs, told) == (3, 50), "{outputs} outputs told {told}");
        fan_outs += outputs / 3;
    }
    assert_eq!(fan_outs, 5);
}

/// A hasher that counts how often a hash is begun, and is the same in every run.
#[derive(Clone, Default)]
struct Counting(Rc<Cell<u64>>);

struct Fnv(u64);

impl BuildHasher for Counting {
    type Hasher = Fnv;

    fn build_hasher(&self) -> Fnv {
        self.0.set(self.0.get() + 1);
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// BI-3: an input looks up as many ids among 20,000 strangers as among 20.
#[test]
fn strangers_cost_an_input_nothing() {
    let hashes_with = |strangers: u64| {
        let count = Counting::default();
        let mut engine = Engine::<u64, Counting>::with_hasher(Config::default(), count.clone());
        let login = |engine: &mut Engine<u64, Counting>, user| {
            let device = DeviceId::new("d");
            engine.login(at(0), &user, Platform::Mac, device, LoginKind::Login).expect("accepted")
        };
        for stranger in 1_000..1_000 + strangers {
            login(&mut engine, stranger);
        }
        let ann = login(&mut engine, 1);
        login(&mut engine, 2);
        engine.add_friend(at(0), &2, &1).expect("accepted");
        let mut each = Vec::new();
        let mut count = |engine: &mut Engine<u64, Counting>,
                         what: &dyn Fn(&mut Engine<u64, Counting>)| {
            let before = count.0.get();
            what(engine);
            while engine.poll_output().is_some() {}
            each.push(count.0.get() - before);
        };
        count(&mut engine, &|engine| engine.heartbeat(at(1), ann).expect("live"));
        count(&mut engine, &|engine| engine.set_status(at(1), ann, "x").expect("live"));
        count(&mut engine, &|engine| drop(engine.query(at(1), ann, &[1, 2, 1_001]).expect("live")));
        count(&mut engine, &|engine| {
            drop(engine.subscribe(at(1), ann, &[2, 1_002]).expect("live"));
        });
        count(&mut engine, &|engine| {
            drop(engine.unsubscribe(at(1), ann, &[] as &[u64]).expect("live"));
        });
        count(&mut engine, &|engine| engine.force_out(at(1), &2, &Scope::All).expect("valid"));
        count(&mut engine, &|engine| drop(engine.inspect(at(1), &2).expect("valid")));
        count(&mut engine, &|engine| engine.remove_friend(at(1), &2, &1).expect("valid"));
        count(&mut engine, &|engine| engine.logout(at(1), ann).expect("live"));
        each
    };
    let few = hashes_with(20);
    assert_eq!(few, hashes_with(20_000));
    assert_eq!(few[..4], [0, 0, 3, 2], "one look-up an id, and none for a session");
}

/// LI-7, BI-1: the same refused inputs, on a copy, leave a copy that behaves like the original.
#[test]
fn refused_inputs_do_not_show_in_anything_that_follows() {
    let mut sim = Sim::with(|config| config.limit(Limit::Friends, 1).policy(Policy::Multi));
    let ann = sim.login("ann/mac/m1");
    let bob = sim.login("bob/mac/m1");
    sim.befriend("bob", "ann");
    sim.watch(ann, &["bob"]);
    let ended = sim.login("cat/mac/m1");
    sim.logout(ended);
    sim.news();
    let mut spared = Sim::new();
    let saved = sim.engine.clone();
    sim.at(10).ask(|engine, now| {
        for _ in 0..50 {
            assert!(engine.logout(now, ended).is_err());
            assert!(engine.link_closed(now, ended).is_err());
            assert!(engine.foreground(now, ended).is_err());
            assert!(engine.subscribe(now, ended, &["x"]).is_err());
            assert!(engine.add_friend(now, "bob", "new").is_err());
            assert!(engine.add_friend(now, "bob", "bob").is_err());
            let fixed = engine.config().to_builder().timer_work_max(5).build();
            assert!(engine.reconfigure(now, fixed.expect("it is valid in itself")).is_err());
        }
    });
    spared.engine = saved;
    for sim in [&mut sim, &mut spared] {
        assert_eq!(sim.engine.stats().edges, 2);
    }
    let follow = |sim: &mut Sim| {
        let mut told = Vec::new();
        sim.at(20).ask(|engine, now| {
            let _ = engine.set_status(now, bob, "y");
            let _ = engine.logout(now, ann);
            let _ = engine.remove_user(now, "bob");
            engine.handle_timeout(at(WEEK));
            while let Some(output) = engine.poll_output() {
                told.push(format!("{output:?}"));
            }
        });
        (told, sim.engine.stats())
    };
    assert_eq!(follow(&mut sim), follow(&mut spared));
}

/// One op, and what the engine says of its rate: admitted, or after how long.
fn both(sim: &mut Sim, model: &mut Model, session: SessionId, api: Api) {
    let now = sim.now.as_millis();
    let outcome = sim.ask(|engine, now| match api {
        Api::Query => engine.query(now, session, &["x"]).map(drop).map_err(|e| e.to_string()),
        Api::Subscribe => {
            engine.subscribe(now, session, &["x"]).map(drop).map_err(|e| e.to_string())
        }
        Api::Unsubscribe => {
            engine.unsubscribe(now, session, &["x"]).map(drop).map_err(|e| e.to_string())
        }
    });
    let device = Device { user: "ann".into(), platform: Platform::Linux, device: "l".into() };
    let session = Session { device, nth: None };
    let users = vec!["x".to_owned()];
    let op = match api {
        Api::Query => Op::Query { session, users },
        Api::Subscribe => Op::Subscribe { session, users },
        Api::Unsubscribe => Op::Unsubscribe { session, users },
    };
    let expected = match told_by(model, now, &op) {
        Ok(()) => Ok(()),
        Err(wait) => Err(format!("too many requests; the next is admitted in {wait} ms")),
    };
    assert_eq!(outcome, expected, "{api:?} at {now}");
}

/// What the model answers: `Err` with the wait of a rate limit.
fn told_by(model: &mut Model, now: u64, op: &Op) -> Result<(), u64> {
    let mut lines = Vec::new();
    model.apply(now, op, &mut lines);
    match lines.pop() {
        Some(Line { out: Out::Result(Err(refusal)), .. }) => {
            Err(refusal.retry_after.unwrap_or_else(|| panic!("{refusal:?}")))
        }
        other => {
            assert!(matches!(other, Some(Line { out: Out::Result(Ok(_)), .. })), "{other:?}");
            Ok(())
        }
    }
}

/// LI-4, BI-2: through 3,000 changes of rate, some of them far from any request, every bucket
/// counts as if it had been converted at each.
#[test]
fn thousands_of_changed_rates_are_exact() {
    let long = |config: ConfigBuilder| config.timeout(Timeout::Native, 1 << 40);
    let mut sim = Sim::with(long);
    let mut model = Model::new(long(Config::builder()).build().expect("it is valid"));
    let ann = sim.login("ann/linux/l");
    let device = Device { user: "ann".into(), platform: Platform::Linux, device: "l".into() };
    assert_eq!(told_by(&mut model, 0, &Op::Login { device, reconnect: false }), Ok(()));
    let mut now = 0;
    for change in 0_u64..3_000 {
        now += change * 7_919 % 97;
        sim.at(now);
        let rates = [change % 13 + 1, change % 29 + 1, change % 7 + 1]
            .map(|requests| Rate::new(requests, change * 31 % 4_001 + 1));
        sim.reconfigure(|config| {
            let apis = Api::ALL.into_iter().zip(rates);
            apis.fold(config, |config, (api, rate)| config.rate(api, rate))
        });
        let patch = Patch { rates: rates.map(Some), ..Patch::default() };
        assert_eq!(told_by(&mut model, now, &Op::Reconfigure(patch)), Ok(()));
        // In the middle nobody asks for longer than the engine remembers single changes.
        if change % 3 == 0 && !(500..2_000).contains(&change) {
            for _ in 0..change % 11 {
                both(&mut sim, &mut model, ann, Api::ALL[(change / 3) as usize % 3]);
            }
        }
    }
    for api in Api::ALL {
        for _ in 0..40 {
            both(&mut sim, &mut model, ann, api);
        }
    }
    sim.engine.check_invariants().expect("the buckets caught up");
}

/// An id that is equal to anything now and then, and hashes differently at every call.
#[derive(Clone, Debug)]
struct Liar(u64);

thread_local! {
    static LIES: Cell<u64> = const { Cell::new(1) };
}

fn lie() -> u64 {
    LIES.set(LIES.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    LIES.get() >> 33
}

impl PartialEq for Liar {
    fn eq(&self, other: &Self) -> bool {
        lie() % 3 == 0 || self.0 == other.0 && lie() % 3 > 0
    }
}

impl Eq for Liar {}

impl Hash for Liar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (lie() % 4).hash(state);
    }
}

impl UserId for Liar {
    type Borrowed = Self;

    fn from_borrowed(id: &Self) -> Self {
        id.clone()
    }

    fn is_valid(id: &Self) -> bool {
        id.0 % 16 > 0 || lie() % 2 == 0
    }
}

/// BI-1: ids that break the promises of `Eq` and `Hash` give wrong answers and never a panic.
#[test]
fn ids_that_lie_do_no_harm() {
    let config = Config::builder().policy(Policy::Multi).timeout(Timeout::Native, 5_000).build();
    let config = config.expect("it is valid");
    // The lies are the same in every run, and so must be what the tables make of them.
    let mut engine = Engine::<Liar, _>::with_hasher(config, Counting::default());
    let mut sessions = Vec::new();
    for round in 0..4_000 {
        let now = at(round * 3);
        let (user, other) = (Liar(lie() % 40), Liar(lie() % 40));
        let platform = Platform::ALL[lie() as usize % 8];
        let device = DeviceId::new(&(lie() % 3).to_string());
        match lie() % 9 {
            0..3 => sessions.extend(engine.login(now, &user, platform, device, LoginKind::Login)),
            3 => drop(engine.add_friend(now, &user, &other)),
            4 => drop(engine.remove_user(now, &user)),
            5 => drop(engine.force_out(now, &user, &Scope::Platform(platform))),
            6 => drop(engine.remove_friend(now, &user, &other)),
            _ if sessions.is_empty() => {}
            what => {
                let session = sessions.swap_remove(lie() as usize % sessions.len());
                drop(engine.subscribe(now, session, &[user.clone(), other.clone()]));
                drop(engine.query(now, session, &[other.clone(), user.clone()]));
                drop(engine.unsubscribe(now, session, &[user]));
                let _ =
                    if what == 7 { engine.logout(now, session) } else { engine.exit(now, session) };
            }
        }
        while let Some(output) = engine.poll_output() {
            assert!(format!("{output:?}").len() > 10);
        }
    }
    engine.handle_timeout(Timestamp::MAX);
    while engine.poll_timeout().is_some_and(|next| next <= Timestamp::MAX) {
        engine.handle_timeout(Timestamp::MAX);
    }
    assert_eq!(engine.stats().sessions, 0, "what they name is whole all the same");
    let borrowed: &Liar = Liar(1).borrow();
    assert!(format!("{borrowed:?}").contains('1'));
}
