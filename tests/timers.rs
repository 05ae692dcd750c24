//! Time as the host sees it: `poll_timeout` and `handle_timeout`, deadlines to the millisecond,
//! hosts that are late or whose clock runs back, and the bound of work.

mod common;

use presence_engine::{
    Config, ConfigBuilder, DeviceId, Engine, KickedAway, LoginKind, Output, Platform, Policy,
    State, Timeout, Timestamp,
};

use common::sim::{DAY, Sim, WEEK};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Short timeouts, all different, so that a short story meets all of them.
fn brisk(config: ConfigBuilder) -> ConfigBuilder {
    config
        .policy(Policy::Multi)
        .max_instances(Platform::Web, 2)
        .timeout(Timeout::Native, 400)
        .timeout(Timeout::Web, 60)
        .timeout(Timeout::MiniProgram, 70)
        .timeout(Timeout::Background, 30)
        .timeout(Timeout::Exit, 5)
        .timeout(Timeout::Push, 7_000)
        .timeout(Timeout::ClearSubscriptions, 2_400)
}

/// A stream of numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

const STEPS: u64 = 400;

/// One step of a story in which all kinds of timers are armed, moved and called off.
fn step(sim: &mut Sim, numbers: &mut Numbers) {
    let user = ["ann", "bob", "cat", "dan"][numbers.next(4) as usize];
    let platform = Platform::ALL[numbers.next(8) as usize];
    let device = format!("{user}/{platform}/{}", numbers.next(2));
    let session = sim.login(&device);
    match numbers.next(6) {
        0 => sim.background(session),
        1 => sim.exit(session),
        2 => sim.close(session),
        3 => sim.logout(session),
        4 => drop(sim.ask(|engine, now| engine.subscribe(now, session, &["ann", "eve", user]))),
        _ => sim.say(session, &device),
    }
}

/// Lets time pass in the host's event loop: called when asked, and never otherwise.
fn run_until(sim: &mut Sim, until: u64, mut each: impl FnMut(&mut Sim)) -> u64 {
    let mut calls = 0;
    while let Some(next) = sim.engine.poll_timeout().filter(|&next| next <= at(until)) {
        assert!(next > sim.now || calls == 0, "{next:?} was named at {:?}", sim.now);
        sim.at(next.as_millis()).ask(|engine, now| engine.handle_timeout(now));
        each(sim);
        calls += 1;
    }
    calls
}

/// TI-6: a host that calls exactly when it is asked to is never late, and misses nothing.
#[test]
fn an_event_loop_hears_of_everything_on_time() {
    let mut looping = Sim::with(brisk);
    let mut lazy = Sim::with(brisk);
    let (mut numbers, mut same_numbers, mut stamps) = (Numbers(1), Numbers(1), Numbers(2));
    let mut heard = Vec::new();
    let mut now = 0;
    let mut take = |sim: &mut Sim| {
        let stamp = format!("{} ", sim.now.as_millis());
        for line in sim.news() {
            assert!(line.starts_with(&stamp), "heard of {line:?} at {stamp}");
            heard.push(line);
        }
    };
    for _ in 0..STEPS {
        now += stamps.next(150);
        run_until(&mut looping, now, &mut take);
        step(looping.at(now), &mut numbers);
        take(&mut looping);
        step(lazy.at(now), &mut same_numbers);
    }
    run_until(&mut looping, u64::MAX, &mut take);
    // What stays longest is a note (ML-10).
    assert_eq!(heard, lazy.tick(now + 2 * WEEK).news());
    let end = lazy.engine.stats();
    assert_eq!((end.sessions, end.push_registrations, end.edges, end.timers), (0, 0, 0, 0));
    assert_eq!((looping.engine.poll_timeout(), lazy.engine.poll_timeout()), (None, None));
}

/// TI-6: nothing is named where nothing is pending, whatever else the engine knows.
#[test]
fn nothing_pending_is_no_timeout() {
    let mut sim = Sim::with(|config| config.policy(Policy::Multi));
    assert_eq!(sim.engine.poll_timeout(), None);
    sim.befriend("ann", "bob");
    sim.ask(|engine, now| engine.inspect(now, "ann")).map(drop).expect("a valid id");
    assert_eq!(sim.engine.poll_timeout(), None, "friends need no timer");
    let ann = sim.login("ann/web/w1");
    sim.say(ann, "hi");
    assert!(sim.engine.poll_timeout().is_some());
    sim.logout(ann);
    assert_eq!(sim.engine.poll_timeout(), None, "the session is over");
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["cat"]);
    sim.logout(ann);
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(DAY)), "the list's clearing");
    let ann = sim.login("ann/ipad/p1");
    sim.ask(|engine, now| engine.unsubscribe(now, ann, &[] as &[&str]))
        .map(drop)
        .expect("admitted");
    sim.close(ann);
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(WEEK)), "the expiry");
    sim.ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
    assert_eq!(sim.engine.poll_timeout(), None, "removed with everything");
    assert_eq!(sim.engine.stats().timers, 0);
}

/// TI-4, TI-6: a call before the moment that was named changes nothing.
#[test]
fn a_call_before_its_time_does_nothing() {
    let mut sim = Sim::with(brisk);
    let (mut numbers, mut stamps) = (Numbers(3), Numbers(4));
    let mut now = 0;
    let mut early_calls = 0;
    for _ in 0..STEPS {
        now += stamps.next(150);
        step(sim.at(now), &mut numbers);
        sim.news();
        let Some(next) = sim.engine.poll_timeout().filter(|&next| next > sim.now) else { continue };
        let before = (sim.engine.stats(), sim.engine.poll_timeout());
        sim.engine.handle_timeout(at(next.as_millis() - 1));
        assert_eq!((sim.engine.stats(), sim.engine.poll_timeout()), before);
        sim.quiet();
        now = next.as_millis() - 1;
        early_calls += 1;
    }
    assert!(early_calls > STEPS / 2);
}

/// LV-2, TI-6: over many heartbeats a session ends exactly one timeout after the last of them, and
/// the host is called a few times a timeout, not once a heartbeat.
#[test]
fn heartbeats_move_the_deadline_without_calls() {
    let mut sim = Sim::new();
    let ann = sim.at(1_234).login("ann/web/w1");
    let mut stamps = Numbers(5);
    let mut last = 1_234;
    let mut calls = 0;
    sim.news();
    for _ in 0..5_000 {
        let now = last + stamps.next(2_000);
        calls += run_until(&mut sim, now, Sim::quiet);
        sim.at(now).hear(ann);
        last = now;
    }
    let timeouts = (last - 1_234) / 60_000;
    assert!(timeouts > 50 && calls <= 4 * timeouts, "{calls} calls in {timeouts} timeouts");
    run_until(&mut sim, last + 59_999, Sim::quiet);
    assert!(sim.is_live(ann));
    run_until(&mut sim, last + 60_000, |_| {});
    assert_eq!(sim.news()[0], format!("{} close ann/web/w1 timed_out", last + 60_000));
    assert_eq!(sim.engine.poll_timeout(), None);
}

/// LV-1, LV-2: heard one millisecond before the deadline, again and again, it never ends.
#[test]
fn a_heartbeat_at_the_last_moment_is_in_time() {
    let mut sim = Sim::with(|config| config.timeout(Timeout::Native, 64));
    let ann = sim.login("ann/mac/m1");
    for round in 1..=2_000 {
        sim.at(round * 63).hear(ann);
    }
    sim.at(2_000 * 63 + 64);
    assert!(sim.engine.heartbeat(sim.now, ann).is_err());
}

/// TI-3, LV-2, LV-3, ST-6, SU-9: each kind of timeout, of any length and from any start, fires at
/// its millisecond and not one before.
#[test]
fn each_timeout_is_exact_at_any_length() {
    let lengths = [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, (1 << 24) + 1, (1 << 53) - 1, 1 << 60];
    let starts = [0, 1, 63, 64, 4_095, 1_700_000_000_000, 1 << 59];
    for (timeout, length) in Timeout::ALL.into_iter().flat_map(|t| lengths.map(|l| (t, l))) {
        for start in starts {
            let mut sim = armed(timeout, start, length);
            sim.news();
            let edges = sim.engine.stats().edges;
            assert_eq!(sim.tick(start + length - 1).news(), [""; 0], "{timeout:?} {length}");
            assert_eq!(sim.engine.stats().edges, edges, "{timeout:?} {length} from {start}");
            let told = sim.tick(start + length).news();
            if timeout == Timeout::ClearSubscriptions {
                assert_eq!((sim.engine.stats().edges, edges), (0, 1), "{length} from {start}");
            } else {
                let end = format!("{} status ann ", start + length);
                assert!(told.last().is_some_and(|line| line.starts_with(&end)), "{told:?}");
            }
        }
    }
}

/// An engine in which `timeout` is running from `start` on, and nothing else ends before it.
fn armed(timeout: Timeout, start: u64, length: u64) -> Sim {
    let mut sim = Sim::with(|config| {
        Timeout::ALL.into_iter().fold(config, |config, other| {
            config.timeout(other, if other == timeout { length } else { u64::MAX >> 1 })
        })
    });
    let platform = match timeout {
        Timeout::Native => "linux",
        Timeout::Web => "web",
        Timeout::MiniProgram | Timeout::Background | Timeout::Exit => "mini_program",
        Timeout::Push | Timeout::ClearSubscriptions => "ipad",
    };
    let ann = sim.at(start).login(&format!("ann/{platform}/d"));
    match timeout {
        Timeout::Native | Timeout::Web | Timeout::MiniProgram => {}
        Timeout::Background => sim.background(ann),
        Timeout::Exit => sim.exit(ann),
        Timeout::Push => sim.close(ann),
        Timeout::ClearSubscriptions => {
            sim.watch(ann, &["bob"]);
            sim.close(ann);
        }
    }
    sim
}

/// TI-2: a clock that runs back is counted, and does the same as one that stands still.
#[test]
fn a_clock_that_runs_back_stands_still() {
    let mut back = Sim::with(brisk);
    let mut still = Sim::with(brisk);
    let (mut numbers, mut same_numbers, mut stamps) = (Numbers(6), Numbers(6), Numbers(7));
    let mut latest = 0;
    for _ in 0..STEPS {
        let now = latest + stamps.next(100);
        let now = now.saturating_sub(stamps.next(120));
        latest = latest.max(now);
        step(back.at(now), &mut numbers);
        step(still.at(latest), &mut same_numbers);
        assert_eq!(back.news(), still.news());
    }
    assert_eq!(back.engine.poll_timeout(), still.engine.poll_timeout());
    assert!(back.engine.stats().clock_regressions > STEPS / 4);
    assert_eq!(still.engine.stats().clock_regressions, 0);
}

/// TI-2: every input that comes with an earlier stamp is counted, the same stamp is not.
#[test]
fn regressions_are_counted_input_by_input() {
    let mut engine = Engine::<u64>::new(Config::default());
    let login = |engine: &mut Engine<u64>, now| {
        engine.login(at(now), &1, Platform::Web, DeviceId::new("w"), LoginKind::Login)
    };
    let session = login(&mut engine, 100).expect("it is accepted");
    engine.handle_timeout(at(100));
    assert_eq!(engine.stats().clock_regressions, 0);
    engine.handle_timeout(at(99));
    assert_eq!(engine.stats().clock_regressions, 1);
    assert_eq!(engine.heartbeats(at(0), &[session, session]), 2);
    assert_eq!(engine.stats().clock_regressions, 2);
    assert!(engine.query(at(50), session, &[] as &[u64]).is_err());
    assert_eq!(engine.stats().clock_regressions, 3);
    assert!(engine.reconfigure(at(50), Config::default()).is_ok());
    assert!(engine.inspect(at(101), &1).is_ok());
    assert_eq!(engine.stats().clock_regressions, 4);
}

/// TI-3: over one jump, chains of timers of several users unfold in the order of time.
#[test]
fn a_jump_unfolds_what_lies_in_it() {
    let mut sim = Sim::with(brisk);
    let ann = sim.at(0).login("ann/iphone/i1");
    sim.watch(ann, &["bob", "cat"]);
    sim.at(10).login("cat/web/w1");
    sim.at(20).login("bob/android/a1");
    sim.news();
    let cat = sim.at(1_000_000).login("cat/web/w1");
    assert_eq!(
        sim.news(),
        [
            "70 close cat/web/w1 timed_out",
            "70 event cat/web/w1 disconnect link_close",
            "70 status cat offline -> ann/iphone/i1",
            "400 close ann/iphone/i1 timed_out",
            "400 event ann/iphone/i1 disconnect time_out",
            "400 status ann push_online ->",
            "420 close bob/android/a1 timed_out",
            "420 event bob/android/a1 disconnect time_out",
            "420 status bob push_online ->",
            "7400 status ann offline ->",
            "7420 status bob offline ->",
            "1000000 event cat/web/w1 login register",
            "1000000 status cat online -> cat/web/w1",
        ]
    );
    let stats = sim.engine.stats();
    assert_eq!((stats.users, stats.edges), (1, 0), "ann's list was cleared at 2800");
    assert!(sim.is_live(cat));
}

/// LV-3: of delays that end in the same millisecond the timeout is told, then the background.
#[test]
fn ties_of_a_mini_program_have_an_order() {
    let ended = |timeout, background, exit| {
        let mut sim = Sim::with(|config| {
            config
                .timeout(Timeout::MiniProgram, timeout)
                .timeout(Timeout::Background, background)
                .timeout(Timeout::Exit, exit)
        });
        let ann = sim.login("ann/mini_program/p1");
        sim.exit(ann);
        sim.background(ann);
        sim.news();
        sim.tick(99).quiet();
        sim.tick(100).news()[0].clone()
    };
    assert_eq!(ended(100, 100, 100), "100 close ann/mini_program/p1 timed_out");
    assert_eq!(ended(101, 100, 100), "100 close ann/mini_program/p1 background");
    assert_eq!(ended(101, 101, 100), "100 close ann/mini_program/p1 exit");
    assert_eq!(ended(100, 101, 100), "100 close ann/mini_program/p1 timed_out");
}

/// LV-3: heartbeats put the timeout off, and neither of the two delays.
#[test]
fn heartbeats_do_not_help_a_mini_program_that_was_left() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/mini_program/p1");
    sim.background(ann);
    for second in 1..30 {
        sim.at(second * 1_000).hear(ann);
    }
    sim.news();
    sim.tick(29_999).quiet();
    assert_eq!(sim.tick(30_000).news()[0], "30000 close ann/mini_program/p1 background");
}

/// LV-2: who may be silent for weeks or years ends to the millisecond, whatever the length of his
/// silences, and with whatever ticks. The engine keeps 32 bits of when he was heard.
#[test]
fn a_silence_of_weeks_ends_at_its_deadline() {
    const LAP: u64 = 1 << 32;
    let mut numbers = Numbers(5);
    for timeout in [LAP / 2 - 1, LAP / 2, LAP, LAP + 5, 3 * LAP, 1 << 40] {
        let config = Config::builder().timeout(Timeout::Web, timeout).build();
        let mut engine = Engine::<u64>::new(config.expect("the configuration is valid"));
        let mut now = numbers.next(LAP);
        let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
        let session = engine.login(at(now), &1, Platform::Web, device, kind);
        let session = session.expect("there is room");
        let mut heard = now;
        for _ in 0..30 {
            // A lap, or half of one, and whatever is beside it; no longer than he may be silent.
            let silence = [0, 1, LAP / 2, LAP, 2 * LAP][numbers.next(5) as usize];
            let silence = (silence + numbers.next(3)).saturating_sub(1).min(timeout - 1);
            if numbers.next(2) == 0 {
                let tick = at(now + numbers.next(silence + 1));
                engine.handle_timeout(tick);
                assert_eq!(engine.check_invariants(), Ok(()));
            }
            now = heard + silence;
            assert!(engine.poll_timeout().is_some_and(|next| next <= at(heard + timeout)));
            assert_eq!(engine.heartbeat(at(now), session), Ok(()), "{silence} of {timeout}");
            assert_eq!(engine.check_invariants(), Ok(()));
            (heard, now) = (engine.now().as_millis(), engine.now().as_millis());
        }
        while engine.poll_output().is_some() {}
        engine.handle_timeout(at(heard + timeout - 1));
        assert_eq!(engine.stats().sessions, 1, "{timeout}");
        engine.handle_timeout(at(heard + 3 * timeout));
        let closed = engine.poll_output().expect("the link ends");
        let end = at(heard + timeout);
        assert!(matches!(closed, Output::Close(close) if close.at == end), "{closed:?}");
        assert_eq!((engine.check_invariants(), engine.poll_timeout()), (Ok(()), None));
    }
}

/// A session that ends while it is silent leaves nothing to the next one in its place, and does not
/// speak for it.
#[test]
fn a_silence_ends_with_its_session() {
    let long = 1 << 40;
    let config = Config::builder().timeout(Timeout::Web, long).build();
    let mut engine = Engine::<u64>::new(config.expect("the configuration is valid"));
    let login = |engine: &mut Engine<u64>, now| {
        let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
        engine.login(at(now), &1, Platform::Web, device, kind).expect("there is room")
    };
    let silent = login(&mut engine, 0);
    engine.handle_timeout(at(long / 2));
    assert_eq!((engine.check_invariants(), engine.stats().sessions), (Ok(()), 1));
    assert_eq!(engine.logout(at(long / 2), silent), Ok(()));
    let next = login(&mut engine, long / 2);
    assert_eq!(engine.check_invariants(), Ok(()));
    engine.handle_timeout(at(long));
    assert!(engine.heartbeat(at(long), silent).is_err());
    assert_eq!(engine.owner(next).map(|device| *device.user), Some(1));
    engine.handle_timeout(at(long + long / 2 - 1));
    assert!(engine.owner(next).is_some());
    engine.handle_timeout(at(long + long / 2));
    assert!(engine.owner(next).is_none());
}

/// TI-9: at the end of time a deadline comes if it can be represented, of each kind.
#[test]
fn deadlines_at_the_end_of_time() {
    for timeout in Timeout::ALL {
        for (start, fires) in [(u64::MAX - 1_000, true), (u64::MAX - 999, false)] {
            let mut sim = armed(timeout, start, 1_000);
            sim.news();
            let before = sim.engine.stats();
            sim.tick(u64::MAX - 1).quiet();
            sim.tick(u64::MAX);
            let is_changed = sim.engine.stats() != before || !sim.news().is_empty();
            assert_eq!(is_changed, fires, "{timeout:?} from {start}");
            assert_eq!(sim.engine.poll_timeout(), None, "{timeout:?} from {start}");
        }
    }
}

/// TI-9: the largest durations are taken, and at the largest stamp everything still works.
#[test]
fn at_the_end_of_time_nothing_wraps() {
    let mut sim = Sim::with(|config| {
        Timeout::ALL
            .into_iter()
            .fold(config.policy(Policy::Multi), |config, t| config.timeout(t, u64::MAX))
    });
    let ann = sim.login("ann/web/w1");
    assert_eq!(sim.engine.poll_timeout().map(|next| next <= Timestamp::MAX), Some(true));
    sim.at(1).hear(ann);
    sim.tick(u64::MAX);
    assert!(sim.is_live(ann), "heard at 1, its deadline lies after the end");
    for device in ["ann/mini_program/p1", "ann/ipad/p1", "bob/web/w1"] {
        let session = sim.login(device);
        sim.watch(session, &["cat"]);
        sim.background(session);
        sim.exit(session);
        sim.close(session);
    }
    let limited = (0..20).map(|_| sim.ask(|engine, now| engine.query(now, ann, &["x"]).is_ok()));
    assert_eq!(limited.filter(|&admitted| admitted).count(), 0, "the newcomer displaced it");
    assert_eq!(sim.engine.poll_timeout(), None);
    assert_eq!(sim.state("ann"), State::PushOnline);
}

/// ML-10: without any call in between, a note is there at seven days less one millisecond, whether
/// or not the engine knows its user for anything else.
#[test]
fn a_note_is_gone_at_exactly_seven_days() {
    for (start, has_friend) in [(0, true), (0, false), (77, true), (1_700_000_000_000, false)] {
        for (age, is_refused) in [(WEEK - 1, true), (WEEK, false)] {
            let mut sim = Sim::with(|config| {
                config.kicked_away(KickedAway { on_reconnect: true, on_login: false })
            });
            let phone = sim.at(start).login("ann/android/a1");
            sim.close(phone);
            let web = sim.login("ann/web/w1");
            sim.logout(web);
            if has_friend {
                sim.befriend("ann", "bob");
            }
            let login = sim.at(start + age).try_login("ann/android/a1", LoginKind::Reconnect);
            assert_eq!(login.is_err(), is_refused, "after {age} ms from {start}");
        }
    }
}

/// An engine whose timers are all due at 1,000, and that does one unit of work a call.
fn overdue(users: u64, work_max: u64) -> Sim {
    let mut sim =
        Sim::with(|config| config.timeout(Timeout::Native, 1_000).timer_work_max(work_max));
    for nth in 0..users {
        let session = sim.login(&format!("u{nth}/mac/m1"));
        sim.watch(session, &[&format!("u{}", (nth + 1) % users)]);
    }
    sim.news();
    sim
}

/// TI-6, BI-3: with a bound of one unit every call gets on, and names a moment already due while
/// there is more; the outputs are those of an engine without bound.
#[test]
fn a_bound_of_one_gets_everything_done_in_small_pieces() {
    let mut sim = overdue(50, 1);
    let mut lines = Vec::new();
    let mut calls = 0;
    loop {
        sim.at(5_000).ask(|engine, now| engine.handle_timeout(now));
        calls += 1;
        let news = sim.news();
        assert!(news.len() <= 3, "one session ends in a call, {news:?}");
        lines.extend(news);
        match sim.engine.poll_timeout() {
            Some(next) if next <= sim.now => assert!(calls < 1_000, "no progress"),
            _ => break,
        }
    }
    assert!(calls >= 50, "{calls} calls");
    assert_eq!(lines, overdue(50, u64::MAX).tick(5_000).news());
}

/// TI-3: an input between two bounded calls sees every earlier timer fired.
#[test]
fn an_input_waits_for_all_that_is_due_before_it() {
    let mut sim = overdue(50, 1);
    sim.at(5_000).ask(|engine, now| engine.handle_timeout(now));
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(1_000)));
    assert!(sim.engine.stats().sessions >= 49);
    assert_eq!(sim.state("u49"), State::Offline);
    assert_eq!((sim.engine.stats().sessions, sim.news().len()), (0, 150));
}

/// TI-3: likewise a heartbeat, which comes too late however far the host has got; TI-2: the same
/// stamp again is no earlier one.
#[test]
fn a_heartbeat_waits_for_all_that_is_due_before_it() {
    for now in [1_000, 5_000] {
        let mut sim = overdue(50, 1);
        let last = sim.engine.devices("u49").find_map(|device| device.session);
        let last = last.expect("u49 is online");
        while sim.engine.poll_timeout() != Some(at(1_000)) {
            sim.at(now).ask(|engine, now| engine.handle_timeout(now));
        }
        assert!(sim.engine.owner(last).is_some(), "there is more to do");
        assert_eq!(sim.engine.stats().clock_regressions, 0);
        assert!(sim.ask(|engine, now| engine.heartbeat(now, last)).is_err());
        assert_eq!((sim.engine.stats().sessions, sim.news().len()), (0, 150));
    }
}

/// TI-5: of timers that are due at one moment, those of sessions fire first, by when these were
/// created, then those of push registrations, then those of lists, by when they were armed: never
/// by who is in which slot, or has something else pending.
#[test]
fn ties_of_all_kinds_have_an_order() {
    let config = brisk(Config::builder()).timeout(Timeout::Native, DAY).timer_work_max(1);
    let mut engine = Engine::<u64>::new(config.build().expect("it is valid"));
    // All have slots, in the order of their numbers.
    for user in 1..=7 {
        engine.add_friend(at(0), &user, &99).expect("both are valid");
    }
    let login = |engine: &mut Engine<u64>, now, user, platform| {
        let (device, kind) = (DeviceId::new("d"), LoginKind::Login);
        engine.login(at(now), &user, platform, device, kind).expect("there is room")
    };
    for user in [4, 2] {
        let phone = login(&mut engine, 3_000, user, Platform::Iphone);
        engine.link_closed(at(3_000), phone).expect("it is live");
    }
    for (user, platform) in [(5, Platform::Web), (1, Platform::Iphone), (3, Platform::Web)] {
        let session = login(&mut engine, 7_600, user, platform);
        engine.subscribe(at(7_600), session, &[50, 51]).expect("there is room");
        engine.link_closed(at(7_600), session).expect("it is live");
    }
    for user in [7, 6] {
        login(&mut engine, 9_940, user, Platform::Web);
    }
    let rest = |engine: &Engine<u64>, user| {
        engine.devices(&user).count() + engine.subscriptions(&user).count()
    };
    engine.handle_timeout(at(9_999));
    let mut before = [0, 1, 2, 3, 4, 5, 6, 7].map(|user| rest(&engine, user));
    assert_eq!(before, [0, 3, 1, 2, 1, 2, 1, 1]);
    let mut fired = Vec::new();
    while engine.poll_timeout().is_some_and(|next| next <= at(10_000)) {
        engine.handle_timeout(at(10_000));
        let after = [0, 1, 2, 3, 4, 5, 6, 7].map(|user| rest(&engine, user));
        let changed: Vec<_> = (0..8).filter(|&user| after[user] != before[user]).collect();
        assert!(changed.len() < 2, "{changed:?} in one unit of work");
        fired.extend(changed);
        before = after;
    }
    assert_eq!(fired, [7, 6, 4, 2, 5, 1, 3]);
    assert_eq!(engine.check_invariants(), Ok(()));
}

/// TI-6, BI-3: timers of those who have left wake nobody, but once the host has begun, it is called
/// until they are gone, so that no input pays for all of them.
#[test]
fn timers_of_those_who_left_go_in_small_pieces() {
    let mut sim = Sim::with(|config| config.timeout(Timeout::Native, 1_000).timer_work_max(10));
    let sessions: Vec<_> = (0..100).map(|nth| sim.login(&format!("u{nth}/mac/m1"))).collect();
    for session in sessions {
        sim.ask(|engine, now| engine.logout(now, session)).expect("the session is live");
    }
    sim.news();
    assert_eq!(sim.engine.poll_timeout(), None);
    let mut calls = 0;
    loop {
        sim.at(5_000).ask(|engine, now| engine.handle_timeout(now));
        calls += 1;
        match sim.engine.poll_timeout() {
            Some(next) => assert!(next <= at(5_000) && calls < 100, "{next:?}, {calls} calls"),
            None => break,
        }
    }
    assert!(calls >= 10, "{calls} calls");
    assert_eq!(sim.news().len(), 0);
}

/// TI-6, SU-9: when a list has run empty by itself, nothing is pending for it.
#[test]
fn a_list_that_ran_empty_is_not_cleared() {
    let mut sim = Sim::with(|config| config);
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["bob"]);
    sim.ask(|engine, now| engine.add_friend(now, "ann", "cat")).expect("both are valid");
    sim.ask(|engine, now| engine.logout(now, ann)).expect("the session is live");
    let timers = sim.engine.stats().timers;
    sim.ask(|engine, now| engine.remove_user(now, "bob")).expect("bob is valid");
    assert_eq!(sim.engine.stats().timers, timers - 1);
    assert_eq!(sim.engine.check_invariants(), Ok(()));
}

/// AC-3, SU-9: when somebody on it is removed, what else is on a list is cleared all the same.
#[test]
fn a_list_that_lost_one_is_cleared_in_time() {
    let mut sim = Sim::with(|config| config.timeout(Timeout::ClearSubscriptions, 1_000));
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["bob", "cat"]);
    sim.ask(|engine, now| engine.logout(now, ann)).expect("the session is live");
    sim.ask(|engine, now| engine.remove_user(now, "bob")).expect("bob is valid");
    sim.tick(999);
    assert_eq!(sim.engine.subscriptions("ann").collect::<Vec<_>>(), ["cat"]);
    sim.tick(1_000);
    assert_eq!(sim.engine.subscriptions("ann").count(), 0);
}
