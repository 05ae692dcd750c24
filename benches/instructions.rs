//! Instruction counts of what a host calls, by callgrind: `.ci/instructions`.
//!
//! They are the same on every run, as ids, hasher and worlds are. Each operation is counted with
//! its outputs drained, and most are done many times, so that what happens rarely counts too. The
//! limits are in `benches/instructions.txt`.
#![expect(unused_qualifications, reason = "what the library's macros make has them")]

use core::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use presence_engine::{Api, DeviceId, LoginKind, Platform, Rate, Timeout, Timestamp};

use support::world::{DEVICES, NEVER, World, calm};

mod support;

/// How many users there are: so many that tables need not grow for a hundred more.
const USERS: usize = 1_900;
/// How often most operations are done.
const TIMES: u64 = 100;
/// How many a request names.
const NAMED: u64 = 100;

/// Everybody is online on one device.
fn online() -> World {
    World::fresh(USERS)
}

/// 1,000 users watch user 0.
fn watched() -> World {
    let mut world = online();
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
    let mut world = watched();
    (1..=1_000).step_by(2).for_each(|user| world.logout(user));
    world
}

/// Watchers have one to three sessions.
fn several_sessions() -> World {
    let mut world = watched();
    for user in 1..=1_000 {
        for device in &DEVICES[1..=user as usize % 3] {
            world.login_on(user, device);
        }
    }
    world
}

/// Users 0 to 99 watch all but themselves of the 201 users from 0 on.
fn lists() -> World {
    let mut world = online();
    for watcher in 0..TIMES as u32 {
        let targets: Vec<u64> = (0..=200).filter(|&target| target != u64::from(watcher)).collect();
        world.subscribe(watcher, &targets);
    }
    world
}

/// Everybody times out, one after another between 60,000 and 117,000.
fn mortal() -> World {
    let mut world = World::empty(calm().timeout(Timeout::Web, 60_000));
    for user in 0..USERS as u64 {
        world.now = Timestamp::from_millis(30 * user);
        let session = world.login(user);
        world.sessions.push(session);
    }
    world
}

/// Everybody was heard from again before his timer is reached.
fn heard() -> World {
    let mut world = mortal();
    world.engine.heartbeats(Timestamp::from_millis(59_000), &world.sessions);
    world
}

/// A second subscribe of anybody is refused.
fn exhausted() -> World {
    let mut world = online();
    let config = world.engine.config().to_builder().rate(Api::Subscribe, Rate::new(1, NEVER));
    let config = config.build().expect("the configuration is valid");
    world.engine.reconfigure(world.now, config).expect("rates can be changed");
    (0..USERS as u32).for_each(|user| world.subscribe(user, &[u64::from(user) ^ 1]));
    world
}

/// User 0 and the 100 after him have each other as friends.
fn friends() -> World {
    let mut world = online();
    for other in 1..=TIMES {
        world.engine.add_friend(world.now, &0, &other).expect("the ids are valid");
        world.engine.add_friend(world.now, &other, &0).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online())]
fn login(mut world: World) -> World {
    for user in 0..TIMES {
        world.login(NEVER + user);
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online())]
fn login_replacing(mut world: World) -> World {
    for user in 0..TIMES {
        world.login(user);
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(lists())]
fn logout_and_login(mut world: World) -> World {
    for user in 0..TIMES as u32 {
        black_box(world.log_in_again(user));
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online())]
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
#[bench::of_everybody(online())]
fn heartbeat(mut world: World) -> World {
    for &session in &world.sessions {
        black_box(world.engine.heartbeat(world.now, session)).ok();
    }
    world
}

#[library_benchmark]
#[bench::of_everybody(online())]
fn heartbeats(mut world: World) -> World {
    black_box(world.engine.heartbeats(world.now, &world.sessions));
    world
}

#[library_benchmark]
#[bench::nobody(online())]
#[bench::thousand(watched())]
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
#[bench::unchanged(watched())]
fn set_status_again(mut world: World) -> World {
    let session = world.sessions[0];
    for _ in 0..TIMES {
        black_box(world.change_status(session, 3));
    }
    world
}

#[library_benchmark]
#[bench::new(online(), 500)]
#[bench::again(lists(), 50)]
#[bench::evicting(lists(), 500)]
fn subscribe(mut world: World, first: u64) -> World {
    let targets: Vec<u64> = (first..first + NAMED).collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.subscribe(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::refused(exhausted())]
fn subscribe_refused(mut world: World) -> World {
    for session in &world.sessions[..TIMES as usize] {
        black_box(world.engine.subscribe(world.now, *session, &[500])).ok();
    }
    world
}

#[library_benchmark]
#[bench::hundred(lists(), 50..150)]
#[bench::everybody(lists(), 0..0)]
fn unsubscribe(mut world: World, targets: core::ops::Range<u64>) -> World {
    let targets: Vec<u64> = targets.collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.unsubscribe(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::hundred(online())]
fn query(mut world: World) -> World {
    let targets: Vec<u64> = (500..500 + NAMED).collect();
    for session in &world.sessions[..10] {
        black_box(world.engine.query(world.now, *session, &targets)).ok();
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online())]
fn inspect(mut world: World) -> World {
    for user in 0..TIMES {
        black_box(world.engine.inspect(world.now, &user)).ok();
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(online())]
fn add_friend(mut world: World) -> World {
    for friend in 1..=TIMES {
        world.engine.add_friend(world.now, &0, &friend).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_hundred(friends())]
fn remove_friend(mut world: World) -> World {
    for friend in 1..=TIMES {
        world.engine.remove_friend(world.now, &0, &friend).expect("the ids are valid");
    }
    world
}

#[library_benchmark]
#[bench::by_ten(lists())]
fn remove_user(mut world: World) -> World {
    for user in 0..10 {
        world.engine.remove_user(world.now, &user).expect("the id is valid");
        world.drain();
    }
    world
}

#[library_benchmark]
#[bench::expiry(mortal())]
#[bench::putting_back(heard())]
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
    benchmarks = login, login_replacing, logout_and_login, link_closed_on_a_phone, heartbeat,
        heartbeats
);
library_benchmark_group!(
    name = requests;
    benchmarks = set_status, set_status_again, subscribe, subscribe_refused, unsubscribe, query
);
library_benchmark_group!(
    name = orders;
    benchmarks = inspect, add_friend, remove_friend, remove_user
);
library_benchmark_group!(name = time; benchmarks = handle_timeout);

main!(library_benchmark_groups = links, requests, orders, time);
