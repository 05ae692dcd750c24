//! The engine and the model side by side.

use core::hash::BuildHasher;
use core::panic::AssertUnwindSafe;
use std::hash::RandomState;
use std::panic::catch_unwind;

use presence_engine::Config;

use super::driver::Driver;
use super::hosts;
use super::model::Model;
use super::op::{Line, Machine, Op, Patch};
use super::steps::{Script, Teller, Told, USERS};
use super::story::{config_line, difference, op_line};

/// After how many inputs a configuration of [`Setting::changes`] takes the place of another.
const CHANGED_AFTER: usize = 8;

/// Drives the engine through a script and compares it with the model after every input. What went
/// wrong is told with the whole story, a panic of the engine too.
pub fn run(script: &Script) -> Result<(), String> {
    run_in(Setting::of(script), script)
}

/// The configuration of a story and how it changes, in the place of the script's own.
pub struct Setting<'a> {
    pub config: Config,
    /// What the configuration changes of the defaults, to tell the story.
    pub first: Patch,
    pub changes: &'a [Patch],
    /// How two hosts differ who then tell the story again, if they do (`hosts.rs`).
    pub hosts: Option<u8>,
}

impl Setting<'_> {
    /// The configuration of a script, without changes.
    pub fn of(script: &Script) -> Self {
        let (first, config) = (script.setup.patch(), script.setup.config());
        Self { first, config, changes: &[], hosts: None }
    }
}

/// Drives the engine and the model through a script as [`run`] does, in a setting.
pub fn run_in(setting: Setting<'_>, script: &Script) -> Result<(), String> {
    let mut story = Vec::new();
    guard(|| compare(&setting, script, &mut story)).map_err(|problem| {
        let story: Vec<_> = story.iter().map(|(now, op)| op_line(*now, op)).collect();
        report(&setting.first, setting.config.timer_work_max(), &story, &problem)
    })
}

/// Runs a check, and takes a panic for what it has found.
pub fn guard<T>(check: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("the engine panicked: {}", text.unwrap_or("(no text)")))
    })
}

/// Tells what went wrong after a story, the configuration and then an input a line.
pub fn report(config: &Patch, work: u64, story: &[String], problem: &str) -> String {
    let first = config_line(config);
    format!("{first}\n{}\n(timer_work_max {work})\n{problem}", story.join("\n"))
}

fn compare(
    setting: &Setting<'_>,
    script: &Script,
    story: &mut Vec<(u64, Op)>,
) -> Result<(), String> {
    let mut teller = Teller::under(setting.config.clone(), script);
    let mut driver = Driver::<RandomState>::new(setting.config.clone());
    let mut changes = setting.changes.iter();
    let mut given = Vec::new();
    while let Some(Told { now, op, lines }) = teller.next() {
        given.clear();
        story.push((now, op));
        driver.apply(now, &story[story.len() - 1].1, &mut given);
        check_lines(&lines, &given)?;
        check_engine(&driver, &teller.model)?;
        if story.len() % CHANGED_AFTER == 0 {
            changes.next().into_iter().for_each(|change| {
                teller.interject(Op::Reconfigure(change.clone()));
            });
        }
    }
    let now = teller.model.now();
    for user in USERS {
        check_user(&driver, &teller.model, user)?;
        story.push((now, Op::Inspect { user: user.to_owned() }));
        let op = &story[story.len() - 1].1;
        let (mut expected, mut given) = (Vec::new(), Vec::new());
        teller.model.apply(now, op, &mut expected);
        driver.apply(now, op, &mut given);
        check_lines(&expected, &given)?;
    }
    setting.hosts.map_or(Ok(()), |ways| hosts::compare(&setting.config, story, ways))
}

/// Compares the lines of one input.
pub fn check_lines(expected: &[Line], given: &[Line]) -> Result<(), String> {
    if expected == given {
        return Ok(());
    }
    Err(format!("the model expects -, the engine gives +\n{}", difference(expected, given)))
}

/// Compares what can be seen of an engine without an input.
pub fn check_engine<S: BuildHasher>(driver: &Driver<S>, model: &Model) -> Result<(), String> {
    let engine = &driver.engine;
    engine
        .check_invariants()
        .map_err(|invariant| format!("an invariant is broken: {invariant}"))?;
    let stats = engine.stats();
    let given = (stats.sessions, stats.push_registrations, stats.edges, stats.pending_outputs);
    let expected = (model.sessions(), model.registrations(), model.edges(), 0);
    if given != expected {
        return Err(format!(
            "of sessions, push registrations, edges and waiting outputs \
             the model has {expected:?}, the engine {given:?}"
        ));
    }
    let poll = engine.poll_timeout().map(|next| next.as_millis());
    match model.next_deadline() {
        Some(deadline) if poll.is_none_or(|poll| poll > deadline) => {
            Err(format!("something is due at {deadline}, but poll_timeout gives {poll:?}"))
        }
        _ => Ok(()),
    }
}

/// Compares what can be seen of a user in the engine without an input: his devices, sessions and
/// relations.
pub fn check_user<S: BuildHasher>(
    driver: &Driver<S>,
    model: &Model,
    user: &str,
) -> Result<(), String> {
    let engine = &driver.engine;
    let of_model =
        model.devices(user).map(|(device, live)| (device.platform, &*device.device, live));
    let of_engine = engine.devices(user);
    let of_engine = of_engine.map(|of| (of.platform, of.device.as_str(), of.session.is_some()));
    let (expected, given): (Vec<_>, Vec<_>) = (of_model.collect(), of_engine.collect());
    if expected != given {
        return Err(format!("{user} has the devices {expected:?}, in the engine {given:?}"));
    }
    for of in engine.devices(user) {
        let owner = of.session.map(|session| engine.owner(session));
        if owner.as_ref().is_some_and(|owner| owner.as_ref() != Some(&of)) {
            return Err(format!("a session of {user} has the owner {owner:?}"));
        }
    }
    let (subscriptions, friends) = model.relations(user);
    if !engine.subscriptions(user).eq(subscriptions) {
        let given: Vec<_> = engine.subscriptions(user).collect();
        return Err(format!("{user} subscribes {subscriptions:?}, in the engine {given:?}"));
    }
    // Friends have no order.
    let mut given: Vec<_> = engine.friends(user).collect();
    let mut expected: Vec<_> = friends.iter().collect();
    given.sort_unstable();
    expected.sort_unstable();
    if given != expected {
        return Err(format!("{user} has the friends {expected:?}, in the engine {given:?}"));
    }
    Ok(())
}
