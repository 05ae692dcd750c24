//! Instruction counts of what a host calls, by callgrind: `.ci/instructions`.
//!
//! They are the same on every run, as ids, hasher and worlds are. Each operation is counted with
//! its outputs drained, and most are done many times, so that what happens rarely counts too. The
//! limits are in `benches/instructions.txt`.
//!
//! What ends in `_in_a_crowd` is the same work among 64 times as many users. It has no limit of its
//! own: it must cost what it costs among few (BI-3).
#![expect(unused_qualifications, reason = "what the library's macros make has them")]

use core::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use presence_engine::{
    Api, DeviceId, LoginKind, Platform, Policy, Rate, Scope, Timeout, Timestamp,
};

use support::world::{DEVICES, NEVER, World, calm, login_order};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

/// How many users there are: so many that tables need not grow for a hundred more.
const USERS: usize = 1_900;
/// How many there are in a crowd: tables are as full as those of the few.
const CROWD: usize = 64 * USERS;
/// How often most operations are done.
const TIMES: u64 = 100;
/// How many a request names.
const NAMED: u64 = 100;

/// Everybody is online on one device.
fn online(users: usize) -> World {
    let mut world = World::fresh(users);
    // The table of users' timers has its size, as after a while of service: a user whose list was
    // about to be cleared came back.
    let last = login_order(users)[users - 1];
    world.subscribe(last, &[NEVER]);
    let mut session = world.sessions[last as usize];
    world.log_in_again(last, &mut session);
    world.sessions[last as usize] = session;
    world.engine.unsubscribe_all(world.now, session).expect("no request is refused");
    world
}

/// 1,000 users watch user 0.
fn watched(users: usize) -> World {
    let mut world = online(users);
    for watcher in 1..=1_000 {
        world.subscribe(watcher, &[0]);
    }
    // Buffers have their sizes, as after a while of service.
    let session = world.sessions[0];
    for nth in 0..4 {
        assert_eq!(world.change_status(session, nth), 1_001);
    }
    world
}

/// Every second of the watchers has left.
fn half_offline() -> World {
    let mut world = watched(USERS);
    (1..=1_000).step_by(2).for_each(|user| world.logout(user));
    world
}

/// Watchers have one to three sessions.
fn several_sessions() -> World {
    let mut world = watched(USERS);
    for user in 1..=1_000 {
        for device in &DEVICES[1..=user as usize % 3] {
            world.login_on(user, device);
        }
    }
    world
}

/// User 0 is in two hundred tabs, all of which his next login ends.
fn tabs(users: usize) -> World {
    let mut world = online(users);
    let limit = |world: &mut World, tabs| {
        let config = world.engine.config().to_builder().max_instances(Platform::Web, tabs).build();
        let config = config.expect("the configuration is valid");
        world.engine.reconfigure(world.now, config).expect("a limit can be changed");
    };
    limit(&mut world, 200);
    for nth in 1..200 {
        world.login_on(0, &nth.to_string());
    }
    limit(&mut world, 1);
    world
}

/// Users 0 to 99 watch all but themselves of the 201 users from 0 on.
fn lists(users: usize) -> World {
    let mut world = online(users);
    for watcher in 0..TIMES as u32 {
        let targets: Vec<u64> = (0..=200).filter(|&target| target != u64::from(watcher)).collect();
        world.subscribe(watcher, &targets);
    }
    world
}

/// Of these, 1,900 time out, one after another between 60,000 and 117,000.
fn mortal(users: usize) -> World {
    let mut world = World::empty(calm().timeout(Timeout::Web, 60_000));
    // One at least, so that as many levels of the wheel are looked at.
    for user in USERS as u64..users.max(USERS + 1) as u64 {
        let (device, kind) = (DeviceId::new("desk"), LoginKind::Login);
        let login = world.engine.login(world.now, &user, Platform::Linux, device, kind);
        login.expect("a login of a valid user succeeds");
        world.drain();
    }
    for user in 0..USERS as u64 {
        world.now = Timestamp::from_millis(30 * user);
        let session = world.login(user);
        world.sessions.push(session);
    }
    world
}

/// They were heard from again before their timers are reached.
fn heard(users: usize) -> World {
    let mut world = mortal(users);
    world.engine.heartbeats(Timestamp::from_millis(59_000), &world.sessions);
    world
}

/// A second subscribe of users 0 to 99 is refused.
fn exhausted(users: usize) -> World {
    let mut world = online(users);
    let config = world.engine.config().to_builder().rate(Api::Subscribe, Rate::new(1, NEVER));
    let config = config.build().expect("the configuration is valid");
    world.engine.reconfigure(world.now, config).expect("rates can be changed");
    (0..TIMES as u32).for_each(|user| world.subscribe(user, &[u64::from(user) ^ 1]));
    world
}

/// User 0 and the 100 after him have each other as friends.
fn friends(users: usize) -> World {
    let mut world = online(users);
    for other in 1..=TIMES {
        world.engine.add_friend(world.now, &0, &other).expect("the ids are valid");
        world.engine.add_friend(world.now, &other, &0).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn login(mut world: World) -> World {
    for user in 0..TIMES {
        world.login(NEVER + user);
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn login_replacing(mut world: World) -> World {
    for user in 0..TIMES {
        world.login(user);
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(lists(USERS))]
#[bench::by_hundred_in_a_crowd(lists(CROWD))]
fn logout_and_login(mut world: World) -> World {
    for user in 0..TIMES as u32 {
        let mut session = world.sessions[user as usize];
        black_box(world.log_in_again(user, &mut session));
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn link_closed_on_a_phone(mut world: World) -> World {
    for user in 0..TIMES {
        let (device, kind) = (DeviceId::new("phone"), LoginKind::Login);
        let login = world.engine.login(world.now, &user, Platform::Android, device, kind);
        let session = login.expect("a login of a valid user succeeds");
        world.engine.link_closed(world.now, session).expect("the session is live");
        world.drain();
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn background_and_foreground(mut world: World) -> World {
    for user in 0..TIMES {
        let (device, kind) = (DeviceId::new("mini"), LoginKind::Login);
        let login = world.engine.login(world.now, &user, Platform::MiniProgram, device, kind);
        let session = login.expect("a login of a valid user succeeds");
        world.engine.background(world.now, session).expect("the session is live");
        world.engine.exit(world.now, session).expect("the session is live");
        world.engine.foreground(world.now, session).expect("the session is live");
        world.drain();
    }
    world
}

#[library_benchmark]
#[bench::of_everybody(online(USERS))]
#[bench::of_everybody_in_a_crowd(online(CROWD))]
fn heartbeat(mut world: World) -> World {
    for &session in &world.sessions[..USERS] {
        black_box(world.engine.heartbeat(world.now, session)).ok();
    }
    world
}

#[library_benchmark]
#[bench::of_everybody(online(USERS))]
#[bench::of_everybody_in_a_crowd(online(CROWD))]
fn heartbeats(mut world: World) -> World {
    black_box(world.engine.heartbeats(world.now, &world.sessions[..USERS]));
    world
}

#[library_benchmark]
#[bench::of_two_hundred(lists(USERS))]
#[bench::of_two_hundred_in_a_crowd(lists(CROWD))]
fn prefetch(world: World) -> World {
    world.engine.prefetch(world.sessions[..200].iter().copied());
    world
}

#[library_benchmark]
#[bench::of_two_hundred(lists(USERS))]
#[bench::of_two_hundred_in_a_crowd(lists(CROWD))]
fn prefetch_users(world: World) -> World {
    let users: [u64; 200] = core::array::from_fn(|user| user as u64);
    world.engine.prefetch_users(&users);
    world
}

#[library_benchmark]
#[bench::nobody(online(USERS))]
#[bench::nobody_in_a_crowd(online(CROWD))]
#[bench::thousand(watched(USERS))]
#[bench::thousand_in_a_crowd(watched(CROWD))]
#[bench::half_offline(half_offline())]
#[bench::several_sessions(several_sessions())]
fn set_status(mut world: World) -> World {
    let session = world.sessions[0];
    for nth in 0..10 {
        black_box(world.change_status(session, nth));
    }
    world
}

#[library_benchmark]
#[bench::unchanged(watched(USERS))]
#[bench::unchanged_in_a_crowd(watched(CROWD))]
fn set_status_again(mut world: World) -> World {
    let session = world.sessions[0];
    for _ in 0..TIMES {
        black_box(world.change_status(session, 3));
    }
    world
}

#[library_benchmark]
#[bench::new(online(USERS), 500)]
#[bench::new_in_a_crowd(online(CROWD), 500)]
#[bench::again(lists(USERS), 50)]
#[bench::again_in_a_crowd(lists(CROWD), 50)]
#[bench::evicting(lists(USERS), 500)]
#[bench::evicting_in_a_crowd(lists(CROWD), 500)]
fn subscribe(mut world: World, first: u64) -> World {
    let targets: Vec<u64> = (first..first + NAMED).collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.subscribe(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::refused(exhausted(USERS))]
#[bench::refused_in_a_crowd(exhausted(CROWD))]
fn subscribe_refused(mut world: World) -> World {
    for session in &world.sessions[..TIMES as usize] {
        black_box(world.engine.subscribe(world.now, *session, &[500])).ok();
    }
    world
}

#[library_benchmark]
#[bench::hundred(lists(USERS), 50..150)]
#[bench::hundred_in_a_crowd(lists(CROWD), 50..150)]
#[bench::everybody(lists(USERS), 0..0)]
#[bench::everybody_in_a_crowd(lists(CROWD), 0..0)]
fn unsubscribe(mut world: World, targets: core::ops::Range<u64>) -> World {
    let targets: Vec<u64> = targets.collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.unsubscribe(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::hundred(online(USERS))]
#[bench::hundred_in_a_crowd(online(CROWD))]
fn query(mut world: World) -> World {
    let targets: Vec<u64> = (500..500 + NAMED).collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.query(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn inspect(mut world: World) -> World {
    for user in 0..TIMES {
        black_box(world.engine.inspect(world.now, &user)).ok();
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online(USERS))]
#[bench::by_hundred_in_a_crowd(online(CROWD))]
fn add_friend(mut world: World) -> World {
    for friend in 1..=TIMES {
        world.engine.add_friend(world.now, &0, &friend).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(friends(USERS))]
#[bench::by_hundred_in_a_crowd(friends(CROWD))]
fn remove_friend(mut world: World) -> World {
    for friend in 1..=TIMES {
        world.engine.remove_friend(world.now, &0, &friend).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(lists(USERS))]
#[bench::by_hundred_in_a_crowd(lists(CROWD))]
fn force_out(mut world: World) -> World {
    for user in 0..TIMES {
        world.engine.force_out(world.now, &user, &Scope::All).expect("the id is valid");
        world.drain();
    }
    world
}

#[library_benchmark]
#[bench::of_two_hundred(tabs(USERS))]
#[bench::of_two_hundred_in_a_crowd(tabs(CROWD))]
fn mass_kick(mut world: World) -> World {
    world.login_on(0, "newest");
    world
}

#[library_benchmark]
#[bench::of_the_policy(online(USERS))]
#[bench::of_the_policy_in_a_crowd(online(CROWD))]
fn reconfigure(mut world: World) -> World {
    for policy in [Policy::Multi, Policy::Dual].into_iter().cycle().take(TIMES as usize) {
        let config = world.engine.config().to_builder().policy(policy).build();
        let config = config.expect("the configuration is valid");
        world.engine.reconfigure(world.now, config).expect("a policy can be changed");
    }
    world
}

#[library_benchmark]
#[bench::by_ten(lists(USERS))]
#[bench::by_ten_in_a_crowd(lists(CROWD))]
fn remove_user(mut world: World) -> World {
    for user in 0..10 {
        world.engine.remove_user(world.now, &user).expect("the id is valid");
        world.drain();
    }
    world
}

#[library_benchmark]
#[bench::expiry(mortal(USERS))]
#[bench::expiry_in_a_crowd(mortal(CROWD))]
#[bench::putting_back(heard(USERS))]
#[bench::putting_back_in_a_crowd(heard(CROWD))]
fn handle_timeout(mut world: World) -> World {
    let now = Timestamp::from_millis(118_000);
    while world.engine.poll_timeout().is_some_and(|next| next <= now) {
        world.engine.handle_timeout(now);
        world.drain();
    }
    world
}

library_benchmark_group!(
    name = links;
    benchmarks = login, login_replacing, logout_and_login, link_closed_on_a_phone,
        background_and_foreground, heartbeat, heartbeats, prefetch, prefetch_users
);
library_benchmark_group!(
    name = requests;
    benchmarks = set_status, set_status_again, subscribe, subscribe_refused, unsubscribe, query
);
library_benchmark_group!(
    name = orders;
    benchmarks = inspect, add_friend, remove_friend, force_out, mass_kick, reconfigure,
        remove_user
);
library_benchmark_group!(name = passing; benchmarks = handle_timeout);

main!(library_benchmark_groups = links, requests, orders, passing);
