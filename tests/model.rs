//! Random stories: the engine against the naive model.
//!
//! `PRESENCE_CASES` (default 256) and `PRESENCE_STEPS` (default 200) make a run longer or shorter,
//! `PRESENCE_SEED` repeats the one that a failure tells of.

use core::mem;
use std::collections::HashMap;
use std::hash::RandomState;

use presence_engine::{Engine, Input, InputError, SessionId, State, Timestamp};

use proptest::collection::vec;
use proptest::prelude::any;

use common::env::number_from_env;
use common::lockstep;
use common::model::Model;
use common::op::{Device, Session};
use common::rig::{News, Rig};
use common::steps::{Act, Pick, Script, Step, Teller, Told, USERS, Wait};
use common::story::{config_line, op_line};
use common::trace::{Entry, read_line};
use strategies::{check, script};

mod common;
#[path = "common/strategies.rs"]
mod strategies;

/// As many bits as an integer of a trace may have.
const TRACE_INT_MAX: u64 = (1 << 53) - 1;

fn cases() -> u32 {
    number_from_env("PRESENCE_CASES").map_or(256, |cases| cases.try_into().unwrap_or(u32::MAX))
}

fn steps() -> usize {
    number_from_env("PRESENCE_STEPS").map_or(200, |steps| steps.try_into().unwrap_or(usize::MAX))
}

/// TI-7, BI-1: whatever comes, the engine does what the rules say, as the model reads them, and its
/// data structures hold.
#[test]
fn engine_follows_the_model() {
    let steps = steps();
    check(cases(), script(steps..=steps), |script| lockstep::run(&script));
}

/// LI-4: rates that change thousands of times, and buckets that nobody touches meanwhile.
#[test]
fn many_changes_of_rate_are_followed() {
    let mut script = Script::default();
    script.setup.timeouts = [u8::MAX; 7];
    for user in [0, 1, 2] {
        let login = Act::Login { user, platform: 0, device: 0, reconnect: false };
        script.steps.push(Step { wait: Wait::None, act: login });
    }
    for number in 0..2_600_u32 {
        let [low, high, ..] = number.wrapping_mul(2_654_435_761).to_be_bytes();
        let change = Act::Reconfigure([(7, low, high), (7, high, low)]);
        let wait = if low % 3 == 0 { Wait::Short(high) } else { Wait::None };
        script.steps.push(Step { wait, act: change });
        // The third user is asked for the first time when the history has been dropped twice.
        let of = if number < 2_200 { low % 2 } else { low % 3 };
        let (of, users) = (Pick { of, how: 0 }, vec![high]);
        match high % 8 {
            0 => script.steps.push(Step { wait, act: Act::Query(of, users) }),
            1 => script.steps.push(Step { wait, act: Act::Subscribe(of, users) }),
            2 => script.steps.push(Step { wait, act: Act::Unsubscribe(of, users) }),
            _ => {}
        }
    }
    if let Err(story) = lockstep::run(&script) {
        panic!("{story}");
    }
}

/// SU-2, SU-3, SU-6, FR-3, SU-8: the lists of two users who do nothing but subscribe, unsubscribe,
/// and make friends and lose them.
#[test]
fn lists_keep_their_order() {
    check(cases() * 4, vec(any::<(u8, u8, u8)>(), 1..=100), |numbers| {
        let mut script = Script::default();
        script.setup.timeouts = [u8::MAX; 7];
        // The largest cap, or one that is often reached.
        script.setup.limits[0] = numbers[0].0 % 2 * 3;
        let me = Pick { of: 0, how: 0 };
        let login = |user| Act::Login { user, platform: 0, device: 0, reconnect: false };
        let acts = numbers.into_iter().map(|(what, first, second)| match what % 8 {
            0..=2 => Act::Subscribe(me, vec![first]),
            3 => Act::Subscribe(me, vec![first, second]),
            4 => Act::Unsubscribe(me, vec![first]),
            5 => Act::RemoveFriend(0, first),
            6 => Act::AddFriend(0, first),
            _ => Act::AddFriend(first, 0),
        });
        let acts = [login(0), login(1)].into_iter().chain(acts);
        script.steps = acts.map(|act| Step { wait: Wait::One, act }).collect();
        lockstep::run(&script)
    });
}

/// FR-1, SU-1, NO-2, BI-3: hundreds watch the same few, come and go, and are told.
#[test]
fn crowds_of_watchers_are_told() {
    let mut script = Script::default();
    script.setup.timeouts = [u8::MAX; 7];
    // Lower numbers stand for the same few.
    let mut crowd = |wait, what, user, from: u8| {
        let from = 192 + from % 64;
        script.steps.push(Step { wait, act: Act::Crowd { what, user, from, count: 7 } });
    };
    for from in 0..50 {
        crowd(Wait::None, 0, 0, from);
    }
    for number in 0..180_u8 {
        let [_, what, user, from] = u32::from(number).wrapping_mul(2_654_435_761).to_be_bytes();
        crowd(Wait::One, what, user % 3, from);
    }
    for from in 0..48 {
        crowd(Wait::None, 1, 0, from);
        crowd(Wait::None, 0, 1, from);
    }
    if let Err(story) = lockstep::run(&script) {
        panic!("{story}");
    }
}

/// NO-1, NO-2, NO-5: whoever replays what a session is told has at any time the true status of all
/// whom its user watches. Nobody else is told, and no session after its end.
#[test]
fn inboxes_end_in_the_truth() {
    check(cases() / 2, script(1..=100), |script| {
        let mut story = Vec::new();
        let mut inboxes = Inboxes::default();
        let mut rig = Rig::<RandomState>::new(script.setup.config());
        let mut teller = Teller::new(&script);
        loop {
            let before = teller.model.clone();
            let Some(Told { now, op, .. }) = teller.next() else { return Ok(()) };
            story.push(op_line(now, &op));
            rig.give(now, &op);
            let step = inboxes.take(&mut rig, [&before, &teller.model]);
            step.map_err(|problem| format!("{}\n{problem}", story.join("\n")))?;
        }
    });
}

/// What every live session knows of others.
#[derive(Default)]
struct Inboxes {
    live: HashMap<Device, SessionId>,
    known: HashMap<(SessionId, String), (State, String)>,
}

impl Inboxes {
    /// Takes the outputs of an input, between two states of the model that tell who watches whom.
    fn take(&mut self, rig: &mut Rig, models: [&Model; 2]) -> Result<(), String> {
        for news in mem::take(&mut rig.news) {
            match news {
                News::Close { session, device, .. } => {
                    if self.live.remove(&device) != Some(session) {
                        return Err(format!("{session:?} of {device} is closed, but was not live"));
                    }
                }
                News::Event { action: "login", device, .. } => {
                    let session = *rig.given[&device].last().ok_or("a login gives an id")?;
                    self.live.insert(device, session);
                }
                News::Event { action: "logout" | "disconnect", device, .. } => {
                    self.live.remove(&device);
                }
                News::Event { .. } => {}
                News::Status { user, state, custom, mut to, .. } => {
                    to.sort_unstable();
                    if to.windows(2).any(|pair| pair[0] == pair[1]) {
                        return Err(format!("a session is told twice of {user}"));
                    }
                    let told = self.live.iter().filter(|(_, session)| to.contains(session));
                    let told: Vec<_> = told.map(|(device, &session)| (device, session)).collect();
                    if told.len() != to.len() {
                        return Err(format!("a session is told of {user} that is not live"));
                    }
                    for (device, session) in told {
                        if !models.iter().any(|model| is_told(model, &device.user, &user)) {
                            return Err(format!("{device} is told of {user}, but does not watch"));
                        }
                        self.known.insert((session, user.clone()), (state, custom.clone()));
                    }
                }
            }
        }
        self.compare(rig, models[1])
    }

    fn compare(&mut self, rig: &mut Rig, model: &Model) -> Result<(), String> {
        let Self { live, known } = self;
        if live.len() != rig.engine.stats().sessions {
            return Err(format!("after the outputs, {} sessions are live", live.len()));
        }
        known.retain(|(session, user), _| {
            let mut watching = live.iter().filter(|&(_, live)| live == session);
            watching.any(|(device, _)| is_told(model, &device.user, user))
        });
        for user in USERS {
            // The earliest stamp is as good as the latest.
            let seen = rig.engine.inspect(Timestamp::ZERO, user).map_err(|e| e.to_string())?;
            let truth = (seen.state(), seen.custom().to_owned());
            for (device, &session) in &*live {
                if !is_told(model, &device.user, user) {
                    continue;
                }
                // Who begins to watch asks once.
                let told = known.entry((session, user.to_owned()));
                let told = told.or_insert_with(|| truth.clone());
                if *told != truth {
                    return Err(format!("{device} takes {user} for {told:?}, not {truth:?}"));
                }
            }
        }
        Ok(())
    }
}

fn is_told(model: &Model, watcher: &str, user: &str) -> bool {
    watcher == user || model.watches(watcher, user)
}

/// LV-7: an ended session's id is refused by every call and changes nothing, the device's next
/// session and whoever has taken its place included.
#[test]
fn stale_ids_change_nothing() {
    check(cases() / 4, script(60..=60), |script| {
        let mut story = Vec::new();
        let mut rig = Rig::<RandomState>::new(script.setup.config());
        let mut pestered = rig.clone();
        let mut teller = Teller::new(&script);
        while let Some(Told { now, op, .. }) = teller.next() {
            story.push(op_line(now, &op));
            rig.give(now, &op);
            pestered.give(now, &op);
            for (device, ids) in rig.given.clone() {
                for (nth, id) in (1..).zip(ids) {
                    let session = Session { device: device.clone(), nth: Some(nth) };
                    if !teller.model.live().contains(&session) {
                        pester(&mut pestered.engine, Timestamp::from_millis(now), id)?;
                    }
                }
            }
            pestered.drain();
            let seen = |rig: &Rig| {
                let mut stats = rig.engine.stats();
                stats.clock_regressions = 0;
                (stats, rig.replies.clone(), rig.news.clone())
            };
            let (expected, given) = (seen(&rig), seen(&pestered));
            if expected != given {
                let story = story.join("\n");
                return Err(format!("{story}\nwithout stale ids {expected:?}\nwith {given:?}"));
            }
        }
        Ok(())
    });
}

/// Calls all that takes a session id.
fn pester(engine: &mut Engine<String>, now: Timestamp, id: SessionId) -> Result<(), String> {
    let users = || vec!["u0".to_owned(), "u1".to_owned()];
    let inputs = [
        Input::Heartbeat { session: id },
        Input::Background { session: id },
        Input::Foreground { session: id },
        Input::Exit { session: id },
        Input::SetStatus { session: id, custom: "stale".into() },
        Input::SetStatus { session: id, custom: "stale ".repeat(99) },
        Input::Query { session: id, users: users() },
        Input::Query { session: id, users: Vec::new() },
        Input::Subscribe { session: id, users: users() },
        Input::Unsubscribe { session: id, users: Vec::new() },
        Input::LinkClosed { session: id },
        Input::Logout { session: id },
    ];
    for input in inputs {
        let answer = engine.apply(now, input.clone());
        if answer.as_ref().err().map(InputError::code) != Some("unknown_session") {
            return Err(format!("{input:?} is answered {answer:?}"));
        }
    }
    let heard = engine.heartbeats(now, &[id, id]);
    if heard == 0 { Ok(()) } else { Err(format!("{id:?} is heard")) }
}

/// What the property tests and the fuzz targets print of a failure is a trace that can be replayed.
#[test]
fn stories_are_traces() {
    check(cases() / 4, script(1..=50), |script| {
        let entry = Ok(Entry::Config(script.setup.patch()));
        let line = config_line(&script.setup.patch());
        let is_small = script.setup.patch().timeouts.iter().flatten().all(|&ms| is_int(ms));
        if is_small && read_line(line.as_bytes(), 1) != entry {
            return Err(line);
        }
        for told in Teller::new(&script).filter(|told| is_int(told.now)) {
            let line = op_line(told.now, &told.op);
            let entry = Entry::Op { t: told.now, op: told.op };
            let read = read_line(line.as_bytes(), 2);
            if read.as_ref() != Ok(&entry) {
                return Err(format!("{line}\nis not {entry:?}\nbut {read:?}"));
            }
        }
        Ok(())
    });
}

fn is_int(number: u64) -> bool {
    number <= TRACE_INT_MAX
}
