//! Runs that must be alike: with and without further ticks, other hashers, other drains, other
//! bounds of work, refused calls, junk, and another epoch. And a journal whose digests are pinned.
//!
//! `PRESENCE_CASES` (default 64 a test) makes a run longer or shorter, `PRESENCE_SEED` repeats the
//! one that a failure tells of.

use core::fmt::Debug;
use core::hash::{BuildHasher, BuildHasherDefault, Hasher};
use core::ops::Range;
use std::hash::RandomState;

use presence_engine::{
    Answer, Api, Config, ConfigError, DeviceId, Engine, FriendError, Input, InputError, Limit,
    LoginError, LoginKind, Platform, Policy, QueryError, Rate, SessionId, Stats, Timeout,
    Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use common::driver::{Driver, session_of};
use common::env::number_from_env;
use common::lockstep;
use common::model::Model;
use common::op::{Device, Line, Machine, Op, Out, Session};
use common::rig::{self, News, Rig, by_method};
use common::steps::{Act, Script, Step, USERS, Wait, everybody};
use common::story::op_line;
use common::trace::write_line;
use strategies::{check, script};

mod common;
#[path = "common/journal.rs"]
mod journal;
#[path = "common/strategies.rs"]
mod strategies;

/// Later than this, a story may not be moved: its deadlines could leave the range.
const LATE: u64 = 1 << 61;
/// Longer than a note and any timeout of a story that is not huge.
const LONG: u64 = 12 * 604_800_000;

fn cases() -> u32 {
    number_from_env("PRESENCE_CASES").map_or(64, |cases| cases.try_into().unwrap_or(u32::MAX))
}

/// A script, and numbers for what a test does beside it, one a step.
fn disturbed() -> impl Strategy<Value = (Script, Vec<u8>)> {
    (script(60..=60), vec(any::<u8>(), 60))
}

/// Compares what two runs of one story gave.
fn alike<T: PartialEq + Debug>(story: &[(u64, Op)], a: &[T], b: &[T]) -> Result<(), String> {
    rig::alike(a, b).map_err(|problem| {
        let story: Vec<_> = story.iter().map(|(now, op)| op_line(*now, op)).collect();
        format!("{}\n{problem}", story.join("\n"))
    })
}

/// Compares all that two runs of one story gave.
fn same<S: BuildHasher, T: BuildHasher>(
    story: &[(u64, Op)],
    a: &Rig<S>,
    b: &Rig<T>,
) -> Result<(), String> {
    alike(story, &a.news, &b.news)?;
    alike(story, &a.replies, &b.replies)
}

/// TI-4, TI-6: further calls that only let time pass, at any moments, and drains at any moments
/// change no output, no answer and no session id.
#[test]
fn further_ticks_change_nothing() {
    check(cases(), disturbed(), |(script, numbers)| {
        let (config, story) = (script.setup.config(), script.story());
        let plain = Rig::<RandomState>::told(config.clone(), &story);
        let mut ticked = Rig::<RandomState>::new(config);
        let mut latest = 0;
        for ((now, op), number) in story.iter().zip(numbers.iter().copied().cycle()) {
            for turn in 0..number % 6 {
                let next = ticked.engine.poll_timeout().map_or(0, Timestamp::as_millis);
                let moment = match (number / 8 + turn) % 5 {
                    0 => next,
                    1 => next.saturating_sub(1),
                    2 => latest + (now.saturating_sub(latest)) / 2,
                    3 => latest + (now.saturating_sub(latest)) / 255 * u64::from(number),
                    _ => now.saturating_sub(1),
                };
                if (latest..=*now).contains(&moment) {
                    ticked.engine.handle_timeout(Timestamp::from_millis(moment));
                }
                if number & 128 == 128 {
                    ticked.drain();
                }
            }
            ticked.enter(*now, op);
            if number & 64 == 64 {
                ticked.drain();
            }
            latest = latest.max(*now);
        }
        ticked.drain();
        same(&story, &plain, &ticked)
    });
}

/// TI-7: outputs, answers and session ids do not depend on the hasher, not even on one that gives
/// every id the same hash.
#[test]
fn hashers_change_nothing() {
    check(cases(), script(1..=120), |script| {
        let (config, story) = (script.setup.config(), script.story());
        let random = Rig::<RandomState>::told(config.clone(), &story);
        let other = Rig::<RandomState>::told(config.clone(), &story);
        let constant = Rig::<BuildHasherDefault<Zero>>::told(config, &story);
        same(&story, &random, &other)?;
        same(&story, &random, &constant)
    });
}

/// Gives everything the same hash.
#[derive(Default)]
struct Zero;

impl Hasher for Zero {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}
}

/// TI-3, TI-4, BI-3: where one call of `handle_timeout` stops does not matter to who calls until
/// nothing is due.
#[test]
fn the_work_bound_changes_nothing() {
    check(cases(), script(1..=120), |script| {
        let (config, story) = (script.setup.config(), script.story());
        let [least, most] = [1, u64::MAX].map(|units| {
            let config = config.to_builder().timer_work_max(units).build();
            Rig::<RandomState>::told(config.expect("a bound of at least 1 is valid"), &story)
        });
        same(&story, &least, &most)
    });
}

/// TI-7: an input as a value does what the method does that it mirrors.
#[test]
fn values_do_what_methods_do() {
    check(cases(), script(1..=120), |script| {
        let (config, story) = (script.setup.config(), script.story());
        let mut methods = Rig::<RandomState>::new(config.clone());
        let mut values = Rig::<RandomState>::new(config);
        for (now, op) in &story {
            methods.enter_by(*now, op, by_method);
            values.enter_by(*now, op, Engine::apply);
            if let Op::Heartbeat { session } = op {
                let all = methods.given.get(&session.device).cloned().unwrap_or_default();
                let input = Input::Heartbeats { sessions: all };
                let at = Timestamp::from_millis(*now);
                methods.replies.push(by_method(&mut methods.engine, at, input.clone()));
                values.replies.push(values.engine.apply(at, input));
            }
            methods.drain();
            values.drain();
        }
        same(&story, &methods, &values)
    });
}

/// LV-1: one call for many heartbeats does what a call for each does, and counts those alive.
#[test]
fn many_heartbeats_are_like_single_ones() {
    check(cases(), script(1..=80), |script| {
        let (config, story) = (script.setup.config(), script.story());
        let mut single = Rig::<RandomState>::new(config.clone());
        let mut many = Rig::<RandomState>::new(config);
        for (now, op) in &story {
            single.give(*now, op);
            many.give(*now, op);
            let mut all: Vec<SessionId> = single.given.values().flatten().copied().collect();
            all.sort_unstable();
            let at = Timestamp::from_millis(*now);
            let heard = all.iter().filter(|&&id| single.engine.heartbeat(at, id).is_ok()).count();
            alike(&story, &[many.engine.heartbeats(at, &all)], &[heard])?;
        }
        same(&story, &single, &many)
    });
}

/// TI-7: what is read ahead changes nothing, whoever is named.
#[test]
fn reading_ahead_changes_nothing() {
    check(cases(), script(1..=80), |script| {
        let (config, story) = (script.setup.config(), script.story());
        let plain = Rig::<RandomState>::told(config.clone(), &story);
        let mut ahead = Rig::<RandomState>::new(config);
        for (now, op) in &story {
            let sessions: Vec<_> = ahead.given.values().flatten().copied().collect();
            ahead.engine.prefetch(sessions);
            ahead.engine.prefetch_users(USERS.into_iter().chain(["nobody", "", "not valid"]));
            ahead.give(*now, op);
        }
        same(&story, &plain, &ahead)
    });
}

/// TI-2: a stamp earlier than the latest is taken as the latest, whatever it is.
#[test]
fn earlier_stamps_are_the_latest() {
    check(cases(), disturbed(), |(script, numbers)| {
        let config = script.setup.config();
        let (mut latest, mut repeated, mut earlier) = (0, Vec::new(), Vec::new());
        for ((now, op), number) in script.story().into_iter().zip(numbers.iter().copied().cycle()) {
            let stamp = if now > latest { now } else { latest / 256 * u64::from(number) };
            latest = latest.max(now);
            repeated.push((latest, op.clone()));
            earlier.push((stamp, op));
        }
        let a = Rig::<RandomState>::told(config.clone(), &repeated);
        let b = Rig::<RandomState>::told(config, &earlier);
        same(&earlier, &a, &b)
    });
}

/// TI-1: the epoch is the host's choice; a story that begins later gives the same, later.
#[test]
fn the_epoch_changes_nothing() {
    check(cases(), (script(1..=120), any::<u64>()), |(mut script, epoch)| {
        script.setup.start = 0;
        let (config, story) = (script.setup.config(), script.story());
        if story.iter().any(|&(now, _)| now > LATE) {
            return Ok(());
        }
        let epoch = epoch / 4;
        let at_zero = lines(Driver::new(config.clone()), &story);
        let moved: Vec<_> = story.iter().map(|(now, op)| (now + epoch, op.clone())).collect();
        let mut moved = lines(Driver::new(config), &moved);
        moved.iter_mut().for_each(|line| line.t -= epoch);
        alike(&story, &at_zero, &moved)
    });
}

fn lines(mut driver: Driver, story: &[(u64, Op)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (now, op) in story {
        driver.apply(*now, op, &mut lines);
    }
    lines
}

/// TI-9, BI-1: near the end of time the engine still follows the rules; what would be due after it
/// never comes.
#[test]
fn the_end_of_time_is_like_any_other() {
    check(cases(), disturbed(), |(mut script, numbers)| {
        script.setup.start = 4 + script.setup.start % 2;
        let last =
            numbers.iter().map(|&number| Step { wait: Wait::Far(4), act: script_act(number) });
        script.steps.extend(last.take(20));
        lockstep::run(&script)
    });
}

fn script_act(number: u8) -> Act {
    match number % 3 {
        0 => Act::Tick,
        1 => Act::Login { user: number, platform: number / 4, device: 0, reconnect: false },
        _ => Act::Inspect(number),
    }
}

/// TI-8: users who come and go without a trace never change what happens to others.
#[test]
fn junk_changes_nothing() {
    check(cases(), disturbed(), |(script, numbers)| {
        let (config, story) = (script.setup.config(), script.story());
        let plain = lines(Driver::new(config.clone()), &story);
        let mut driver: Driver = Driver::new(config);
        let mut littered = Vec::new();
        for ((now, op), number) in story.iter().zip(numbers.iter().copied().cycle()) {
            driver.apply(*now, op, &mut littered);
            for op in junk(number) {
                let mut lines = Vec::new();
                driver.apply(*now, &op, &mut lines);
                // The last is the result.
                lines.pop();
                littered.extend(lines.into_iter().filter(|line| !is_junk(line)));
            }
            driver.engine.check_invariants()?;
        }
        alike(&story, &plain, &littered)
    });
}

/// What junk users do within one moment. Nobody hears of it but themselves.
fn junk(number: u8) -> Vec<Op> {
    let name = |number: u8| format!("junk{}", number % 8);
    let (user, friend) = (name(number / 8), name(number / 8 + 1));
    let platform = Platform::ALL[usize::from(number % 8)];
    let device = Device { user: user.clone(), platform, device: "a".into() };
    let session = Session { device: device.clone(), nth: None };
    let users = vec![USERS[usize::from(number % 6)].to_owned(), friend.clone()];
    match number % 5 {
        0 => vec![
            Op::AddFriend { user: user.clone(), friend: friend.clone() },
            Op::RemoveFriend { user, friend },
        ],
        1 => vec![
            Op::Login { device, reconnect: false },
            Op::Subscribe { session: session.clone(), users },
            Op::SetStatus { session: session.clone(), custom: "x".into() },
            Op::Logout { session },
        ],
        2 => vec![
            Op::Login { device, reconnect: true },
            Op::AddFriend { user: user.clone(), friend: users[0].clone() },
            Op::LinkClosed { session },
            Op::ForceOut { user, platform: None, device: None },
        ],
        3 => vec![
            Op::Login { device, reconnect: false },
            Op::Subscribe { session: session.clone(), users: users.clone() },
            Op::Unsubscribe { session: session.clone(), users },
            Op::Logout { session },
            Op::RemoveUser { user },
        ],
        _ => vec![
            Op::ForceOut { user: user.clone(), platform: None, device: None },
            Op::Inspect { user },
        ],
    }
}

fn is_junk(line: &Line) -> bool {
    match &line.out {
        Out::Close { device, .. } | Out::Event { device, .. } => device.user.starts_with("junk"),
        Out::Status { user, .. } => user.starts_with("junk"),
        Out::Result(_) => false,
    }
}

/// TI-8: once everybody is out, nobody has friends, and time has passed, nothing is kept.
#[test]
fn nothing_is_kept_of_who_left() {
    check(cases(), script(1..=120), |mut script| {
        script.setup.start %= 4;
        script.setup.accounts = 0;
        for timeout in &mut script.setup.timeouts {
            *timeout %= 240;
        }
        // Nor does any bucket fill for ever.
        for (_, per_ms) in &mut script.setup.rates {
            *per_ms %= 255;
        }
        let mut story = script.story();
        let end = story.last().map_or(0, |&(now, _)| now);
        if end > LATE {
            return Ok(());
        }
        for user in everybody() {
            let ops = USERS
                .map(|friend| Op::RemoveFriend { user: user.clone(), friend: friend.to_owned() });
            story.extend(ops.map(|op| (end, op)));
            story.push((end, Op::ForceOut { user, platform: None, device: None }));
        }
        story.push((end + LONG, Op::Tick));
        let rig = Rig::<RandomState>::told(script.setup.config(), &story);
        let mut stats = rig.engine.stats();
        stats.clock_regressions = 0;
        rig.engine.check_invariants()?;
        alike(&story, &[Stats::default()], &[stats])
    });
}

/// LI-7, LV-1, ML-12: a refused call leaves everything as it was, but that a live session was heard
/// from. A note that is spent (ML-10) and a token that is taken (QU-3) are not looked for.
#[test]
fn refusals_change_nothing() {
    check(cases(), script(50..=50), |script| {
        let story = script.story();
        let mut rig = Rig::<RandomState>::new(script.setup.config());
        for (at, (now, op)) in story.iter().enumerate() {
            let (mut with, mut without) = (rig.clone(), rig.clone());
            rig.give(*now, op);
            let Some(Err(error)) = rig.replies.last() else { continue };
            with.give(*now, op);
            refuse_fixed(&mut with, *now)?;
            match session_of(op) {
                Some(session) if error.code() != "unknown_session" => {
                    without.give(*now, &Op::Heartbeat { session: session.clone() });
                }
                _ => {
                    without.pass(*now);
                    without.drain();
                }
            }
            // Both were answered differently, and from here on alike.
            with.replies.clear();
            without.replies.clear();
            let leaves_a_trace = matches!(
                error,
                InputError::Login(LoginError::KickedOffline)
                    | InputError::Query(QueryError::AllFailed(_))
            );
            let rest = if leaves_a_trace { 0 } else { story.len() };
            go_on_alike(&story, at + 1..rest, [with, without])
                .map_err(|difference| format!("{difference}\nafter the refusal {error:?}"))?;
        }
        Ok(())
    });
}

/// Tries to change what cannot be changed while running.
fn refuse_fixed(rig: &mut Rig, now: u64) -> Result<(), String> {
    let config = rig.engine.config().clone();
    let exit = config.timeout(Timeout::Exit) / 2 + 1;
    let other = config.to_builder().policy(Policy::Single).timeout(Timeout::Exit, exit).build();
    let other = other.map_err(|error| error.to_string())?;
    if config.timeout(Timeout::Exit) == exit {
        return Ok(());
    }
    let refused = rig.engine.reconfigure(Timestamp::from_millis(now), other);
    let expected = Err(ConfigError::Fixed { field: "timeouts.exit" });
    if refused != expected || *rig.engine.config() != config {
        return Err(format!("{refused:?} of a change of what is fixed"));
    }
    Ok(())
}

/// Compares all that can be seen of two engines, and then what the rest of a story does to them.
fn go_on_alike(
    story: &[(u64, Op)],
    rest: Range<usize>,
    [mut a, mut b]: [Rig; 2],
) -> Result<(), String> {
    let story_until = &story[..rest.start];
    for user in USERS {
        // At the earliest stamp, so that no time passes.
        let op = Op::Inspect { user: user.to_owned() };
        a.give(0, &op);
        b.give(0, &op);
    }
    same(story_until, &a, &b)?;
    let seen = |rig: &Rig| {
        let mut stats = rig.engine.stats();
        stats.clock_regressions = 0;
        format!("{stats:?} {:?} {:?}", rig.engine.poll_timeout(), rig.engine.config())
    };
    if rest.end > rest.start {
        alike(story_until, &[seen(&a)], &[seen(&b)])?;
    }
    for (now, op) in story.get(rest.clone()).unwrap_or_default() {
        a.give(*now, op);
        b.give(*now, op);
    }
    same(&story[..rest.end.max(rest.start)], &a, &b)
}

/// What a build must give of a journal of so many inputs a part: the digest of the output lines,
/// and that of the session ids and of the order in which sessions are told. They change with what
/// an engine does, and with the journal, and with nothing else.
struct Pinned {
    inputs: usize,
    lines: &'static str,
    ids: &'static str,
}

const SHORT_JOURNAL: Pinned = Pinned {
    inputs: 1_000,
    lines: "6c7d582fb46809263945b18dcd1a709498f5766761b5ea0de8a10e2972995533",
    ids: "b6acf2d3202a751676a1322ead5abab212dd7eab7f919466da20257ae7c7ea4d",
};
const LONG_JOURNAL: Pinned = Pinned {
    inputs: 12_000,
    lines: "99d451243cebca299be32b7e50aeb6266211785703139a1ad26bb28d02413159",
    ids: "987d18be81b3326468b07fb027a005754d5e2056f1f0becd73dea510894aea74",
};

/// TI-7: 10,000 inputs give the same outputs and answers in every build, by every hasher, and by
/// the model.
#[test]
fn a_journal_has_one_digest() {
    check_digests(&SHORT_JOURNAL);
}

/// TI-7: so do 120,000.
#[test]
#[cfg_attr(debug_assertions, ignore = "for optimized builds, which .ci/run makes")]
fn a_long_journal_has_one_digest() {
    check_digests(&LONG_JOURNAL);
}

#[track_caller]
fn check_digests(pinned: &Pinned) {
    let len = pinned.inputs;
    let digests = [digest_of_lines::<Driver<RandomState>>(len), digest_of_ids::<RandomState>(len)];
    assert_eq!(digests, [pinned.lines, pinned.ids], "the engine gives something else");
    let constant = digest_of_lines::<Driver<BuildHasherDefault<Zero>>>(len);
    let constant = [constant, digest_of_ids::<BuildHasherDefault<Zero>>(len)];
    assert_eq!(constant, digests, "another hasher gives something else");
    assert_eq!(digest_of_lines::<Model>(len), pinned.lines, "the model gives something else");
}

/// The digest of all output lines as a trace has them, of an engine or of the model.
fn digest_of_lines<M: Machine>(len: usize) -> String {
    let mut digest = Sha256::new();
    for part in 0..journal::PARTS {
        let mut machine = M::new(journal::config(part));
        let (mut lines, mut text) = (Vec::new(), Vec::new());
        for (number, (now, op)) in (1..).zip(journal::part(part, len)) {
            machine.apply(now, &op, &mut lines);
            lines.drain(..).for_each(|line| write_line(&mut text, number, &line));
            digest.update(&text);
            text.clear();
        }
    }
    hex(digest)
}

/// The digest of what lines of text do not show: the ids of sessions, and the order in which they
/// are told.
fn digest_of_ids<S: BuildHasher + Default>(len: usize) -> String {
    let mut digest = Sha256::new();
    for part in 0..journal::PARTS {
        let mut rig = Rig::<S>::new(journal::config(part));
        for (now, op) in journal::part(part, len) {
            rig.give(now, &op);
            for news in rig.news.drain(..) {
                match news {
                    News::Close { session, .. } => digest.update(session.to_bits().to_le_bytes()),
                    News::Event { .. } => {}
                    News::Status { to, .. } => {
                        to.iter().for_each(|id| digest.update(id.to_bits().to_le_bytes()));
                    }
                }
            }
            for reply in rig.replies.drain(..) {
                if let Ok(Answer::LoggedIn(session)) = reply {
                    digest.update(session.to_bits().to_le_bytes());
                }
            }
        }
    }
    hex(digest)
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// LI-7, TI-4, TI-8: whose slot is free decides which ids are issued, and neither a refused order
/// nor one more tick decides whose is, even where a changed rate has made somebody forgettable
/// before his timer knows.
#[test]
fn refusals_and_ticks_do_not_show_in_session_ids() {
    const DAY: u64 = 86_400_000;
    let session_of_a_newcomer = |has_refusal: bool, has_tick: bool| {
        let slow = Rate::new(1, 30 * DAY);
        let config = Config::builder().limit(Limit::Friends, 1).rate(Api::Subscribe, slow).build();
        let mut engine = Engine::<u64>::new(config.expect("the configuration is valid"));
        let at = Timestamp::from_millis;
        let login = |engine: &mut Engine<u64>, now, user, platform| {
            let device = DeviceId::new("d");
            engine.login(at(now), &user, platform, device, LoginKind::Login).expect("it is valid")
        };
        let leaving = login(&mut engine, 0, 1, Platform::Web);
        for user in 2..5 {
            login(&mut engine, 0, user, Platform::Android);
        }
        engine.add_friend(at(0), &5, &6).expect("it is the first");
        engine.subscribe(at(0), leaving, &[7]).expect("there is a token");
        engine.unsubscribe_all(at(0), leaving).expect("there is a token");
        if has_tick {
            engine.handle_timeout(at(60_000));
        }
        // The browser's link has long been broken.
        engine.register(at(3_600_000), &5).expect("the id is valid");
        let fast = engine.config().clone().to_builder().rate(Api::Subscribe, Rate::new(1, 10));
        engine.reconfigure(at(DAY), fast.build().expect("it is valid")).expect("rates may change");
        if has_refusal {
            let refused = engine.add_friend(at(2 * DAY), &5, &1);
            assert_eq!(refused, Err(FriendError::TooManyFriends { limit: 1 }));
        }
        let late = 7 * DAY + 1_800_000;
        [2 * DAY + 1, late].map(|now| login(&mut engine, now, now, Platform::Mac))
    };
    let plain = session_of_a_newcomer(false, false);
    assert_eq!(session_of_a_newcomer(true, false), plain);
    assert_eq!(session_of_a_newcomer(false, true), plain);
}
