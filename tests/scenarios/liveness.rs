//! The life of a session (LV).

use presence_engine::{Engine, LoginKind, Platform, Scope, SessionId, State, Timeout, Timestamp};

use crate::common::sim::Sim;

type Input = (&'static str, fn(&mut Engine<String>, Timestamp, SessionId) -> bool);

/// Whatever a client can send, each with whether the engine accepts it.
const CLIENT_INPUTS: [Input; 11] = [
    ("heartbeat", |engine, now, id| engine.heartbeat(now, id).is_ok()),
    ("heartbeats", |engine, now, id| engine.heartbeats(now, &[id]) == 1),
    ("background", |engine, now, id| engine.background(now, id).is_ok()),
    ("foreground", |engine, now, id| engine.foreground(now, id).is_ok()),
    ("exit", |engine, now, id| engine.exit(now, id).is_ok()),
    ("set_status", |engine, now, id| engine.set_status(now, id, "here").is_ok()),
    ("query", |engine, now, id| engine.query(now, id, &["bob"]).is_ok()),
    ("subscribe", |engine, now, id| engine.subscribe(now, id, &["bob"]).is_ok()),
    ("unsubscribe", |engine, now, id| engine.unsubscribe(now, id, &["bob"]).is_ok()),
    ("a refused status", |engine, now, id| engine.set_status(now, id, &"x".repeat(101)).is_err()),
    ("a refused query", |engine, now, id| engine.query(now, id, &[] as &[&str]).is_err()),
];

/// LV-1: every input on the session counts as heard, whatever comes of it.
#[test]
fn each_input_of_a_client_counts_as_heard() {
    for (name, send) in CLIENT_INPUTS {
        let mut sim = Sim::new();
        let ann = sim.login("ann/web/w1");
        sim.at(59_999);
        assert!(send(&mut sim.engine, sim.now, ann), "{name}");
        sim.tick(119_998);
        assert!(sim.is_live(ann), "{name}");
        sim.tick(119_999);
        assert!(!sim.is_live(ann), "{name}");
    }
}

/// LV-1: heartbeats each two minutes keep a session alive; what others say does not.
#[test]
fn only_its_own_inputs_keep_a_session_alive() {
    let mut sim = Sim::with(|config| config.max_instances(Platform::Mac, 2));
    let silent = sim.login("ann/mac/m1");
    let loud = sim.login("ann/mac/m2");
    for minute in (0..60).step_by(2) {
        sim.at(minute * 60_000).hear(loud);
        assert_eq!(sim.is_live(silent), minute < 7);
    }
    assert!(sim.is_live(loud));
}

/// LV-2: 400 s, 60 s on Web and MiniProgram; broken at exactly that.
#[test]
fn each_platform_has_its_timeout() {
    for platform in Platform::ALL {
        let is_native = !matches!(platform, Platform::Web | Platform::MiniProgram);
        let (timeout, reason) =
            if is_native { (400_000, "time_out") } else { (60_000, "link_close") };
        let device = format!("ann/{platform}/d");
        let mut sim = Sim::new();
        let session = sim.at(17).login(&device);
        sim.news();
        sim.tick(17 + timeout - 1).quiet();
        sim.at(17 + timeout);
        assert!(sim.engine.heartbeat(sim.now, session).is_err(), "a heartbeat too late");
        let at = 17 + timeout;
        assert_eq!(
            sim.news()[..2],
            [
                format!("{at} close {device} timed_out"),
                format!("{at} event {device} disconnect {reason}")
            ]
        );
    }
}

/// LV-3: 30 s after it went to the background, 5 s after it was left; not a millisecond before.
#[test]
fn a_mini_program_in_the_background_or_left_ends_soon() {
    for (exit, delay, reason) in [(false, 30_000, "background"), (true, 5_000, "exit")] {
        let mut sim = Sim::new();
        let ann = sim.login("ann/mini_program/p1");
        sim.news();
        sim.at(1_000);
        let left =
            if exit { sim.engine.exit(sim.now, ann) } else { sim.engine.background(sim.now, ann) };
        left.expect("the session is live");
        sim.at(1_000 + delay - 1).hear(ann);
        sim.quiet();
        sim.tick(1_000 + delay);
        let at = 1_000 + delay;
        assert_eq!(
            sim.news(),
            [
                format!("{at} close ann/mini_program/p1 {reason}"),
                format!("{at} event ann/mini_program/p1 disconnect link_close"),
                format!("{at} status ann offline ->"),
            ]
        );
    }
}

/// LV-3: back in the foreground at the last moment it lives on, and the next delay is whole.
#[test]
fn the_foreground_cancels_background_and_exit() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/mini_program/p1");
    sim.background(ann);
    sim.at(25_000).exit(ann);
    sim.at(29_999).foreground(ann);
    sim.news();
    sim.tick(80_000).quiet();
    sim.exit(ann);
    sim.tick(84_999).quiet();
    assert_eq!(sim.tick(85_000).news()[0], "85000 close ann/mini_program/p1 exit");
}

/// LV-3: both delays run side by side; a repeat of one does not restart it.
#[test]
fn the_first_of_the_two_delays_wins() {
    for (exit_at, ends_at, reason) in
        [(24_999, 29_999, "exit"), (25_000, 30_000, "background"), (25_001, 30_000, "background")]
    {
        let mut sim = Sim::new();
        let ann = sim.login("ann/mini_program/p1");
        sim.background(ann);
        sim.at(exit_at).exit(ann);
        sim.at(29_000).background(ann);
        sim.exit(ann);
        sim.news();
        sim.tick(ends_at - 1).quiet();
        let line = format!("{ends_at} close ann/mini_program/p1 {reason}");
        assert_eq!(sim.tick(ends_at).news()[0], line);
    }
}

/// LV-4: elsewhere background, foreground and exit change nothing.
#[test]
fn other_platforms_stay_online_in_the_background() {
    for platform in Platform::ALL.into_iter().filter(|&p| p != Platform::MiniProgram) {
        let mut sim = Sim::new();
        let ann = sim.login(&format!("ann/{platform}/d"));
        sim.news();
        sim.background(ann);
        sim.exit(ann);
        sim.foreground(ann);
        sim.background(ann);
        sim.tick(59_999).quiet();
        assert!(sim.is_live(ann), "{platform}");
    }
}

/// LV-5: a link reported closed is over at once; a browser's destroy is a log-out.
#[test]
fn a_reported_close_and_a_destroy_act_at_once() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let bob = sim.login("bob/web/w1");
    sim.news();
    sim.at(10).close(ann);
    sim.logout(bob);
    assert_eq!(
        sim.news(),
        [
            "10 event ann/web/w1 disconnect link_close",
            "10 status ann offline ->",
            "10 event bob/web/w1 logout unregister",
            "10 status bob offline ->",
        ]
    );
}

/// LV-6: the host is told to close each link that the engine ended itself, and no other.
#[test]
fn the_engine_closes_what_it_ends_itself() {
    let mut sim = Sim::with(|config| config.timeout(Timeout::Native, 200_000));
    let closed = |sim: &mut Sim| -> Vec<String> {
        let lines = sim.news().into_iter().filter(|line| line.contains(" close "));
        lines.map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" ")).collect()
    };
    let client = sim.login("ann/mac/m1");
    sim.logout(client);
    let client = sim.login("ann/mac/m1");
    sim.close(client);
    assert_eq!(closed(&mut sim), [""; 0]);
    sim.login("ann/mac/m1");
    sim.login("ann/mac/m1");
    assert_eq!(closed(&mut sim), ["replaced"]);
    let mini = sim.login("ann/mini_program/p1");
    assert_eq!(closed(&mut sim), ["kicked by mini_program"]);
    sim.background(mini);
    assert_eq!(closed(sim.tick(30_000)), ["background"]);
    let mini = sim.login("ann/mini_program/p1");
    sim.exit(mini);
    assert_eq!(closed(sim.tick(40_000)), ["exit"]);
    sim.login("ann/linux/l1");
    assert_eq!(closed(sim.tick(240_000)), ["timed_out"]);
    sim.login("ann/linux/l1");
    sim.force_out("ann", &Scope::All);
    assert_eq!(closed(&mut sim), ["forced"]);
    sim.login("ann/linux/l1");
    sim.engine.remove_user(sim.now, "ann").expect("a valid id");
    assert_eq!(closed(&mut sim), ["removed"]);
}

/// LV-7: the id of an ended session is refused by every input, and nothing comes of it.
#[test]
fn an_ended_session_is_refused_and_its_successor_unhurt() {
    let mut sim = Sim::new();
    let old = sim.login("ann/mini_program/p1");
    let new = sim.at(10).login("ann/mini_program/p1");
    sim.news();
    sim.at(20_000);
    for (name, send) in CLIENT_INPUTS {
        if !name.starts_with("a refused") {
            assert!(!send(&mut sim.engine, sim.now, old), "{name}");
        }
    }
    assert_eq!(
        sim.engine.logout(sim.now, old).map_err(|error| error.code()),
        Err("unknown_session")
    );
    assert!(sim.engine.link_closed(sim.now, old).is_err());
    sim.tick(60_009).quiet();
    assert!(sim.is_live(new), "neither heard nor left");
    sim.tick(60_010);
    assert!(!sim.is_live(new));
}

/// LV-7: an id is never used twice, though its place in the tables is.
#[test]
fn a_session_id_never_comes_back() {
    let mut sim = Sim::new();
    let mut ended = Vec::new();
    for round in 0..200 {
        let session = sim.at(round).login("ann/web/w1");
        for &old in &ended {
            assert!(old != session && sim.engine.heartbeat(sim.now, old).is_err());
        }
        sim.logout(session);
        ended.push(session);
    }
    let reconnect = sim.try_login("ann/web/w1", LoginKind::Reconnect).expect("it is accepted");
    assert!(!ended.contains(&reconnect));
    assert_eq!(sim.state("ann"), State::Online);
}
