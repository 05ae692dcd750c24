//! Time and determinism (TI).

use core::hash::{BuildHasherDefault, Hasher};

use presence_engine::{
    Config, DeviceId, Engine, LoginKind, Output, Platform, Policy, SessionId, State, Timeout,
    Timestamp,
};

use crate::common::sim::{Sim, WEEK};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// TI-1: the epoch is the host's own, and engines know nothing of each other or of the clock.
#[test]
fn one_story_at_two_epochs_side_by_side_is_the_same_story() {
    let epochs = [0, 1_700_000_000_000];
    let mut sims = [Sim::new(), Sim::new()];
    let mut told = [Vec::new(), Vec::new()];
    for step in 0..4 {
        for (sim, (epoch, told)) in sims.iter_mut().zip(epochs.iter().zip(&mut told)) {
            match step {
                0 => drop(sim.at(epoch + 3).login("ann/android/a1")),
                1 => drop(sim.at(epoch + 9).login("bob/web/w1")),
                2 => drop(sim.at(epoch + 60_009).login("ann/web/w1")),
                _ => drop(sim.tick(epoch + WEEK)),
            }
            for line in sim.news() {
                let (time, rest) = line.split_once(' ').expect("a line starts with its time");
                let time: u64 = time.parse().expect("the time is a number");
                told.push(format!("{} {rest}", time - epoch));
            }
        }
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].len(), 12);
    assert_eq!(told[0][0], "3 event ann/android/a1 login register");
}

/// TI-2: an earlier stamp counts as the latest, for what it arms and for what it tells.
#[test]
fn a_stamp_from_the_past_counts_as_the_latest() {
    let mut sim = Sim::new();
    sim.at(50_000).login("ann/web/w1");
    sim.at(10).login("bob/web/w1");
    assert_eq!(
        sim.news()[2..],
        ["50000 event bob/web/w1 login register", "50000 status bob online -> bob/web/w1"]
    );
    sim.tick(109_999).quiet();
    assert_eq!(sim.tick(110_000).news().len(), 6);
    assert_eq!(sim.engine.stats().clock_regressions, 1);
}

/// TI-3: at its very deadline a timer has fired before the input of that stamp is looked at.
#[test]
fn an_input_at_the_deadline_comes_after_the_timer() {
    for (stamp, state) in [(59_999, State::Online), (60_000, State::Offline)] {
        let mut sim = Sim::new();
        let bob = sim.login("bob/linux/l1");
        let ann = sim.login("ann/web/w1");
        let answer = sim.at(stamp).ask(|engine, now| engine.query(now, bob, &["ann"]));
        let answer = answer.expect("it is admitted");
        assert_eq!(answer.statuses[0].1.state, state, "at {stamp}");
        assert_eq!(sim.is_live(ann), state == State::Online);
    }
}

/// TI-3: what a timer arms is counted from its own deadline, however late the host calls.
#[test]
fn a_late_host_hears_of_each_effect_at_its_own_time() {
    let mut sim = Sim::new();
    sim.login("ann/ipad/p1");
    sim.news();
    sim.at(3 * WEEK).login("bob/web/w1");
    assert_eq!(
        sim.news(),
        [
            "400000 close ann/ipad/p1 timed_out".to_owned(),
            "400000 event ann/ipad/p1 disconnect time_out".to_owned(),
            "400000 status ann push_online ->".to_owned(),
            format!("{} status ann offline ->", 400_000 + WEEK),
            format!("{} event bob/web/w1 login register", 3 * WEEK),
            format!("{} status bob online -> bob/web/w1", 3 * WEEK),
        ]
    );
}

/// TI-4: calls that only let time pass change nothing in the sequence of outputs.
#[test]
fn ticks_at_any_moments_leave_the_outputs_as_they_are() {
    let told = |step: Option<usize>| {
        let mut sim = Sim::with(|config| {
            config
                .policy(Policy::Multi)
                .timeout(Timeout::Native, 700)
                .timeout(Timeout::Web, 800)
                .timeout(Timeout::Push, 1_100)
                .timeout(Timeout::ClearSubscriptions, 900)
        });
        let mut last = 0;
        let mut pass = |sim: &mut Sim, until: u64| {
            let from = core::mem::replace(&mut last, until);
            for tick in step.into_iter().flat_map(|step| (from..until).step_by(step)) {
                sim.tick(tick);
            }
            sim.at(until);
        };
        for round in 0..5 {
            pass(&mut sim, round * 2_000);
            let ann = sim.login("ann/iphone/i1");
            sim.login("bob/mac/m1");
            sim.watch(ann, &["bob", "cat"]);
            pass(&mut sim, round * 2_000 + 600 + round * 50);
            sim.login("cat/web/w1");
        }
        pass(&mut sim, 12_000);
        sim.tick(12_000).news()
    };
    let undisturbed = told(None);
    assert!(undisturbed.len() > 40, "{undisturbed:#?}");
    for step in [1_000, 37, 1] {
        assert_eq!(told(Some(step)), undisturbed, "a tick each {step} ms");
    }
}

/// TI-5: sessions in the order of their creation, though last heard in another; then push
/// registrations in the order in which they were armed.
#[test]
fn timers_of_one_millisecond_have_an_order() {
    let mut sim = Sim::with(|config| {
        config.timeout(Timeout::Web, 100).timeout(Timeout::Push, 150).timeout(Timeout::Native, 999)
    });
    let pam = sim.login("pam/ipad/1");
    let quin = sim.login("quin/ipad/1");
    let zoe = sim.login("zoe/web/1");
    let ann = sim.login("ann/web/1");
    sim.at(50).hear(ann);
    sim.hear(zoe);
    sim.close(quin);
    sim.close(pam);
    sim.at(100).login("mia/web/1");
    sim.news();
    let lines = sim.tick(200).news();
    let statuses: Vec<_> = lines.iter().filter(|line| line.contains("status")).collect();
    assert_eq!(
        statuses,
        [
            "150 status zoe offline ->",
            "150 status ann offline ->",
            "200 status mia offline ->",
            "200 status quin offline ->",
            "200 status pam offline ->",
        ]
    );
}

/// TI-6: the next call is named as long as something is pending, and never after it is due.
#[test]
fn the_engine_names_the_moment_of_its_next_effect_or_one_before() {
    let mut sim = Sim::new();
    assert_eq!(sim.engine.poll_timeout(), None);
    let ann = sim.at(1_000).login("ann/web/w1");
    let bob = sim.login("bob/mac/m1");
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(61_000)));
    sim.at(30_000).hear(ann);
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(90_000)));
    sim.logout(ann);
    assert!(sim.engine.poll_timeout().is_some_and(|next| next <= at(401_000)));
    sim.logout(bob);
    assert_eq!(sim.engine.poll_timeout(), None);
}

/// The worst hasher there is: everything collides.
#[derive(Default)]
struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _bytes: &[u8]) {}
}

/// Everything that an engine says in a story with many watchers, to the last bit.
fn told_with<S: core::hash::BuildHasher>(mut engine: Engine<u64, S>) -> Vec<String> {
    let device = DeviceId::new("d");
    let mut sessions: Vec<SessionId> = Vec::new();
    for user in 0..60 {
        let login = engine.login(at(user), &user, Platform::Web, device.clone(), LoginKind::Login);
        sessions.push(login.expect("there is room"));
        let watched: Vec<u64> = (0..30).map(|n| (user * 7 + n * 13) % 60).collect();
        engine.subscribe(at(user), sessions[user as usize], &watched).map(drop).expect("admitted");
    }
    for user in (0..60).step_by(3) {
        engine.remove_user(at(100), &user).expect("every number is valid");
    }
    engine.handle_timeout(at(100_000));
    let mut told = Vec::new();
    while let Some(output) = engine.poll_output() {
        told.push(match output {
            Output::Status(change) => format!("{:?} {} {:?}", change.at, change.user, change.to),
            Output::Event(event) => format!("{:?} {} {:?}", event.at, event.user, event.action),
            Output::Close(close) => {
                format!("{:?} {:?} {:?}", close.at, close.session, close.reason)
            }
        });
    }
    told
}

/// TI-7: whatever the hasher, the same outputs in the same order, recipients included.
#[test]
fn the_hasher_never_shows() {
    let told = told_with(Engine::new(Config::default()));
    assert!(told.len() > 250);
    assert_eq!(told_with(Engine::new(Config::default())), told);
    let worst = BuildHasherDefault::<Constant>::default();
    assert_eq!(told_with(Engine::with_hasher(Config::default(), worst)), told);
}

/// TI-8: a bucket that is dropped once it is full, or kept until then, counts alike.
#[test]
fn forgetting_a_user_is_not_noticed() {
    for (away, tokens) in [(4_749, 18), (4_999, 19), (5_000, 20), (60_000, 20)] {
        let mut sim = Sim::new();
        let ann = sim.login("ann/web/w1");
        for _ in 0..20 {
            sim.engine.query(sim.now, ann, &["bob"]).map(drop).expect("there are tokens");
        }
        sim.logout(ann);
        sim.tick(away);
        assert_eq!(sim.engine.stats().users, usize::from(away < 5_000), "after {away} ms");
        let ann = sim.login("ann/web/w1");
        for nth in 0..tokens {
            assert!(sim.engine.query(sim.now, ann, &["bob"]).is_ok(), "{nth} after {away} ms");
        }
        assert!(sim.engine.query(sim.now, ann, &["bob"]).is_err(), "after {away} ms");
    }
}

/// TI-9: no stamp wraps; what would be due after the end of time never is.
#[test]
fn a_deadline_beyond_the_end_of_time_never_comes() {
    let last = u64::MAX - 60_000;
    let mut sim = Sim::new();
    sim.at(last).login("ann/web/w1");
    sim.at(last + 1).login("bob/web/w1");
    sim.news();
    let lines = sim.tick(u64::MAX).news();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], format!("{} close ann/web/w1 timed_out", u64::MAX));
    assert_eq!(sim.engine.poll_timeout(), None);
    assert_eq!(sim.state("bob"), State::Online);
}
