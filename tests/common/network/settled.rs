//! What must hold when all has settled.

use std::collections::{BTreeMap, BTreeSet};

use core::hash::BuildHasherDefault;

use presence_engine::{
    DeviceId, Limit, LoginKind, Platform, Policy, State, Tier, Timeout, Timestamp,
};

use super::breach::{Breach, Check, check};
use super::dice::mix;
use super::host::Presence;
use super::ledger::{NOTE_MS, Seat};
use super::scene::{Act, silence_ms};
use super::wire::User;
use super::world::World;

/// How long it may take until all has settled, beyond what timeouts and troubles take.
const PATIENCE_MS: u64 = 3_600_000;
/// After so long no frame of before is still on its way.
const STRAGGLERS_MS: u64 = 60_000;
/// For so long nothing has happened when all has settled.
const CALM_MS: u64 = 5_000;
/// How often the survivors of the long wait are heard, who have no shorter timeout.
const BEAT_MS: u64 = 60_000;

/// Plays all rounds of the world's scene, each with a settling and checks after it, and then has
/// the clients leave, to see what stays.
pub fn play(world: &mut World<'_>) -> Result<(), Breach> {
    for round in &world.scene.rounds {
        world.set_fair(false);
        let start = world.now;
        for (at, act) in &round.acts {
            world.advance(start + at)?;
            world.act(act)?;
        }
        world.advance(start + round.lasts)?;
        settle(world)?;
        check_all(world)?;
    }
    farewell(world)?;
    settle(world)?;
    check_all(world)?;
    let config = world.host.engine.config();
    let timers =
        [Timeout::Push, Timeout::ClearSubscriptions].map(|timeout| config.timeout(timeout));
    let longest = timers.into_iter().fold(NOTE_MS, u64::max);
    let wait = longest + PATIENCE_MS;
    world.host.idle_for(world.now, wait, BEAT_MS - 1)?;
    world.now += wait;
    check_memory(world)
}

/// Heals the network and waits: for timeouts and backoffs first, then until nothing happens.
fn settle(world: &mut World<'_>) -> Result<(), Breach> {
    world.set_fair(true);
    world.host.note(world.now, || "-- quiet".to_owned());
    let config = world.host.engine.config();
    let platforms = world.scene.devices.iter().map(|device| device.platform);
    let longest = platforms.map(|platform| silence_ms(config, platform)).fold(0, u64::max);
    world.advance(world.now + world.trouble_ms() + longest + STRAGGLERS_MS)?;
    let give_up_at = world.now + PATIENCE_MS;
    loop {
        let before = world.host.notifications;
        world.advance(world.now + CALM_MS)?;
        let mut open = world.clients.iter().filter(|client| client.is_open());
        let waiting = open.find(|client| client.settled_link().is_none());
        if waiting.is_none() && world.host.notifications == before {
            return Ok(());
        }
        check(Check::Settling, world.now < give_up_at, || {
            format!(
                "{} does not settle",
                waiting.map_or_else(|| "the host".into(), ToString::to_string)
            )
        })?;
    }
}

/// Has all clients leave, each in its own way, but for those that survive.
fn farewell(world: &mut World<'_>) -> Result<(), Breach> {
    world.set_fair(false);
    for number in 0..world.clients.len() {
        let config = world.host.engine.config();
        let timeout = silence_ms(config, world.scene.devices[number].platform);
        let chance = mix(&[world.scene.seed, number as u64]) % 5;
        if world.scene.has_survivors && timeout >= BEAT_MS && chance < 3 {
            continue;
        }
        let act = match chance {
            0 => Act::Kill(number),
            1 => Act::Vanish(number),
            _ => Act::Logout(number),
        };
        world.act(&act)?;
    }
    Ok(())
}

fn check_all(world: &mut World<'_>) -> Result<(), Breach> {
    let users: Vec<_> = (0..=world.scene.users).map(User).collect();
    check_sessions(world)?;
    users.iter().try_for_each(|user| check_user(world, *user))?;
    (0..world.clients.len()).try_for_each(|number| check_view(world, number))?;
    world.host.catch_up(world.now)?;
    let engine = &world.host.engine;
    world.host.ledger.check_deadlines(engine.config(), engine.now().as_millis())?;
    let invariants = engine.check_invariants();
    check(Check::Invariant, invariants.is_ok(), || format!("{invariants:?}"))
}

/// Engine, host, back end and clients have the same idea of who is connected.
fn check_sessions(world: &World<'_>) -> Result<(), Breach> {
    let (engine, ledger) = (&world.host.engine, &world.host.ledger);
    let mut connected = BTreeMap::new();
    for (number, client) in world.clients.iter().enumerate() {
        let Some(link) = client.settled_link() else { continue };
        let device = &world.scene.devices[number];
        let (user, platform) = (device.user, device.platform);
        let seat = Seat { user, platform, device: super::device_id_text(number) };
        let session = world.host.session(link);
        let Some(session) = session else {
            let what =
                format!("{client} is connected by {link:?}, of which the host knows nothing");
            return Err(Breach { check: Check::Agreement, what });
        };
        connected.insert(session, seat);
    }
    let by_ledger: BTreeMap<_, _> = ledger.live().map(|(id, seat)| (id, seat.clone())).collect();
    check(Check::Agreement, by_ledger == connected, || {
        format!("live are {by_ledger:?}, connected are {connected:?}")
    })?;
    for (session, seat) in &connected {
        let owner = engine.owner(*session);
        let is_right =
            owner.is_some_and(|owner| seat.is(*owner.user, owner.platform, owner.device));
        check(Check::Agreement, is_right, || format!("{session} of {seat:?} is of {owner:?}"))?;
    }
    let counts = (engine.stats().sessions, world.host.live_links(), connected.len());
    check(Check::Agreement, counts.0 == counts.2 && counts.1 == counts.2, || {
        format!("engine, host and clients have {counts:?} sessions")
    })?;
    check(Check::Agreement, world.host.has_all_friends(), || {
        format!(
            "the database does not have these friends: {:?}",
            ledger.friends().collect::<Vec<_>>()
        )
    })?;
    let pending = engine.stats().pending_outputs;
    check(Check::Agreement, pending == 0, || format!("{pending} outputs wait"))
}

/// What the engine says of a user is what follows from all that it has said.
fn check_user(world: &mut World<'_>, user: User) -> Result<(), Breach> {
    let status = world.host.status(user);
    let (engine, ledger) = (&world.host.engine, &world.host.ledger);
    let true_one = (ledger.state(user), ledger.custom(user));
    check(Check::Status, (status.state, status.custom.as_str()) == true_one, || {
        format!("{user:?} is {status:?}, but should be {true_one:?}")
    })?;
    let devices = engine.devices(&user).map(|device| {
        let state = if device.session.is_some() { State::Online } else { State::PushOnline };
        let (platform, device) = (device.platform, device.device.as_str().to_owned());
        (Seat { user, platform, device }, state)
    });
    let devices: BTreeSet<_> = devices.collect();
    let of_user = ledger.back_end().filter(|(seat, _)| seat.user == user);
    let by_events: BTreeSet<_> = of_user.map(|(seat, state)| (seat.clone(), state)).collect();
    check(Check::Agreement, devices == by_events, || {
        format!("{user:?} has {devices:?}, by events he has {by_events:?}")
    })
}

/// A client sees what is true of everybody whom it watches, and knows whom it watches.
fn check_view(world: &mut World<'_>, number: usize) -> Result<(), Breach> {
    let World { clients, host, scene, .. } = world;
    let (client, me) = (&clients[number], scene.devices[number].user);
    if !client.is_open() {
        return Ok(());
    }
    let listed: BTreeSet<_> = host.engine.subscriptions(&me).copied().collect();
    let friends: BTreeSet<_> = host.engine.friends(&me).copied().collect();
    let seen = &client.seen;
    check(Check::View, (&seen.listed, &seen.friends) == (&listed, &friends), || {
        let (by_list, by_friends) = (&seen.listed, &seen.friends);
        format!("{client} watches {by_list:?} and {by_friends:?}, not {listed:?} and {friends:?}")
    })?;
    let config = host.engine.config();
    let mut watched = BTreeSet::from([me]);
    if config.tier().has_subscriptions() && config.status_switch() {
        watched.extend(&listed);
    }
    if config.friend_switch() {
        watched.extend(&friends);
    }
    for user in watched {
        let (sees, is) = (seen.statuses.get(&user), host.status(user));
        check(Check::View, sees == Some(&is), || {
            format!("{client} sees {user:?} as {sees:?}, but he is {is:?}")
        })?;
    }
    Ok(())
}

/// The engine holds what a new one would that is told of the living only.
fn check_memory(world: &World<'_>) -> Result<(), Breach> {
    let (engine, ledger) = (&world.host.engine, &world.host.ledger);
    let config = engine.config().to_builder().tier(Tier::Flagship).status_switch(true);
    let mut config = config.policy(Policy::Multi);
    for platform in Platform::LIMITED {
        config = config.max_instances(platform, u64::MAX);
    }
    for limit in Limit::ALL {
        config = config.limit(limit, u64::MAX);
    }
    let config = config.build().expect("nothing is zero");
    let mut fresh = Presence::with_hasher(config, BuildHasherDefault::default());
    let now = Timestamp::ZERO;
    for user in ledger.known() {
        fresh.register(now, &user).expect("every number is an id");
    }
    for (owner, friend) in ledger.friends() {
        fresh.add_friend(now, &owner, &friend).expect("both are known");
    }
    let login = |fresh: &mut Presence, seat: &Seat| {
        let (platform, device) = (seat.platform, DeviceId::new(&seat.device));
        let session = fresh.login(now, &seat.user, platform, device, LoginKind::Login);
        session.expect("nobody was kicked")
    };
    // Those that are left are of users who are Online by another device (ST-6).
    for (seat, _) in ledger.back_end().filter(|(_, state)| *state == State::PushOnline) {
        let session = login(&mut fresh, seat);
        fresh.link_closed(now, session).expect("the session is live");
    }
    for (_, seat) in ledger.live() {
        let session = login(&mut fresh, seat);
        let list = ledger.list(seat.user);
        if fresh.subscriptions(&seat.user).count() < list.len() {
            fresh.subscribe(now, session, list).map(drop).expect("the bucket is full");
        }
    }
    while fresh.poll_output().is_some() {}
    let (needed, mut kept) = (fresh.stats(), engine.stats());
    kept.clock_regressions = needed.clock_regressions;
    check(Check::Memory, kept == needed, || {
        format!("the engine keeps {kept:?}, the living need {needed:?}")
    })
}
