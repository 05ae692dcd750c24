//! What the engine takes: bytes a user and an edge, counted at the allocator, and no allocation at
//! all where the host calls most.
//!
//! Bytes are those that were asked for, without what the allocator adds. Tables double, so the
//! worlds are made of a power of two of users, and of one more than that, where tables have just
//! doubled: between these two bounds are all other sizes.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

use foldhash::fast::FixedState;
use presence_engine::{
    Accounts, Api, Config, ConfigBuilder, DeviceId, Engine, Limit, LoginKind, Output, Platform,
    Rate, SessionId, Timeout, Timestamp,
};

/// Counts what this thread holds and how often it asks, so that tests that run side by side do not
/// disturb each other.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count(grown: isize) {
    BYTES.set(BYTES.get() + grown);
    PEAK.set(PEAK.get().max(BYTES.get()));
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; all is left to the system's"
)]
// SAFETY: every call is passed on as it is, and counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        count(layout.size() as isize);
        // SAFETY: the caller keeps the promises of this method, which are those of that one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // For a moment both blocks may be there.
        count(new_size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread holds.
fn held() -> isize {
    BYTES.get()
}

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

const NEVER: u64 = 1 << 40;
const TIMEOUT_MS: u64 = 60_000;

struct World {
    engine: Engine<u64, FixedState>,
    sessions: Vec<SessionId>,
    now: u64,
}

impl World {
    /// Nobody is there, and the list of sessions has room, so that all that is allocated is the
    /// engine's.
    fn empty(users: usize) -> Self {
        Self::of(users, |config| config.limit(Limit::Subscriptions, 200))
    }

    fn of(users: usize, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        let any = Rate::new(NEVER, 1);
        let config = Api::ALL.into_iter().fold(Config::builder(), |c, api| c.rate(api, any));
        let config = change(config.timeout(Timeout::Web, TIMEOUT_MS)).build();
        let config = config.expect("the configuration is valid");
        let engine = Engine::with_hasher(config, FixedState::default());
        Self { engine, sessions: Vec::with_capacity(users), now: 1 }
    }

    fn online(users: usize) -> Self {
        let mut world = Self::empty(users);
        for user in 0..users as u64 {
            world.login(user);
        }
        world
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn login(&mut self, user: u64) {
        let (device, kind) = (DeviceId::new("web-1"), LoginKind::Login);
        let session = self.engine.login(self.at(), &user, Platform::Web, device, kind);
        self.sessions.push(session.expect("a login of a valid user succeeds"));
        self.drain();
    }

    fn subscribe(&mut self, watcher: usize, targets: &[u64]) {
        let (now, session) = (self.at(), self.sessions[watcher]);
        for targets in targets.chunks(100) {
            let done = self.engine.subscribe(now, session, targets).expect("no request is refused");
            assert!(done.failures.is_empty() && done.evicted.is_empty());
        }
    }

    /// Unsubscribes all whom the only user watches, some in a request, and goes on as after that.
    fn unsubscribe(&mut self, names: &[u64], at_once: usize) {
        let (now, session) = (self.at(), self.sessions[0]);
        for names in names.chunks(at_once) {
            self.engine.unsubscribe(now, session, names).expect("the request is within limits");
        }
        assert_eq!(self.engine.stats().users, 1);
        for _ in 0..8 {
            self.engine.subscribe(now, session, &[1]).expect("the request is within limits");
            self.engine.unsubscribe(now, session, &[1]).expect("the request is within limits");
        }
    }

    /// Has everybody ask something once, so that what is kept of a user for his rates is there.
    fn open_buckets(&mut self) {
        for &session in &self.sessions {
            let answer = self.engine.query(Timestamp::from_millis(self.now), session, &[NEVER]);
            assert!(answer.is_ok());
        }
    }

    fn drain(&mut self) -> usize {
        let mut told = 0;
        while let Some(output) = self.engine.poll_output() {
            if let Output::Status(change) = output {
                told += change.to.len();
            }
        }
        told
    }

    /// A little of everything, as it goes on after a burst.
    fn make_the_rounds(&mut self, user: usize) {
        self.set_status(user, "here");
        self.set_status(user, "");
    }

    fn set_status(&mut self, user: usize, custom: &str) -> usize {
        let (now, session) = (self.at(), self.sessions[user]);
        self.engine.set_status(now, session, custom).expect("the session is live");
        self.drain()
    }

    /// Lets time pass until nothing is pending.
    fn run_out(&mut self) {
        while let Some(next) = self.engine.poll_timeout() {
            self.engine.handle_timeout(next);
            self.drain();
        }
    }
}

/// The bytes of one of `count` things, from what was held before them.
fn bytes_each(before: isize, count: usize) -> f64 {
    (held() - before) as f64 / count as f64
}

#[track_caller]
fn assert_at_most(what: &str, bytes: f64, bound: f64) {
    println!("{what}: {bytes:.1} bytes, at most {bound}");
    assert!(bytes <= bound, "{what}: {bytes:.1} bytes, at most {bound}");
}

/// C1: an edge, everybody watching 200 and watched by 200.
#[test]
fn an_edge_of_a_community_is_small() {
    const EDGE_BYTES_MAX: f64 = 10.5;
    let (users, edges) = (2_000, 200);
    let mut world = World::online(users);
    world.open_buckets();
    let mut targets = Vec::with_capacity(edges);
    let before = held();
    // Lists grow side by side.
    for from in (0..edges).step_by(50) {
        for watcher in 0..users {
            targets.clear();
            let offsets = (from..from + 50).map(|nth| 1 + nth * 9);
            targets.extend(offsets.map(|offset| ((watcher + offset) % users) as u64));
            world.subscribe(watcher, &targets);
        }
    }
    assert_eq!(world.engine.stats().edges, users * edges);
    assert_at_most("an edge, 200 out and in", bytes_each(before, users * edges), EDGE_BYTES_MAX);
}

/// C2: an edge of a user whom a hundred thousand watch who watch nobody else.
#[test]
fn an_edge_of_a_crowd_is_small() {
    const EDGE_BYTES_MAX: f64 = 12.5;
    let watchers = 100_000;
    let mut world = World::online(watchers + 1);
    world.open_buckets();
    let before = held();
    for watcher in 1..=watchers {
        world.subscribe(watcher, &[0]);
    }
    assert_eq!(world.engine.stats().edges, watchers);
    assert_at_most("an edge, all watch one", bytes_each(before, watchers), EDGE_BYTES_MAX);
}

/// C3: a user with one session and no relations, tables full and tables just doubled.
#[test]
fn a_user_is_small() {
    const FULL_BYTES_MAX: f64 = 115.0;
    const DOUBLED_BYTES_MAX: f64 = 219.0;
    const PEAK_BYTES_MAX: f64 = 228.0;
    for (users, bound) in [(1 << 16, FULL_BYTES_MAX), ((1 << 16) + 1, DOUBLED_BYTES_MAX)] {
        let mut world = World::empty(users);
        let before = held();
        PEAK.set(before);
        for user in 0..users as u64 {
            world.login(user);
        }
        let name = format!("a user, {users} of them");
        assert_at_most(&name, bytes_each(before, users), bound);
        let peak = (PEAK.get() - before) as f64 / users as f64;
        assert_at_most("the same at its peak", peak, PEAK_BYTES_MAX);
    }
}

/// TI-8: when all have gone and nothing is left of anybody, what is held are empty tables, which
/// serve the next as many users without growing.
#[test]
fn what_has_ended_is_given_back_or_used_again() {
    const EMPTY_BYTES_MAX: f64 = 150.0;
    let users = 1 << 14;
    let mut world = World::empty(2 * users);
    let before = held();
    for user in 0..users as u64 {
        world.login(user);
    }
    world.run_out();
    let stats = world.engine.stats();
    assert_eq!((stats.users, stats.sessions, stats.timers), (0, 0, 0));
    assert_at_most("a user that was", bytes_each(before, users), EMPTY_BYTES_MAX);

    world.sessions.clear();
    world.now = u64::MAX >> 2;
    let before = held();
    for user in 0..users as u64 {
        world.login(NEVER + user);
    }
    // The ids' look-up may be built anew, but nothing else.
    assert_at_most("a user in his place", bytes_each(before, users), 40.0);
    world.run_out();

    drop(world);
}

/// TI-8, BI-2: ids that nobody has, asked for, subscribed, evicted and unsubscribed, leave not a
/// byte. In release it is a million of them.
#[test]
fn a_million_junk_ids_leave_memory_where_it_was() {
    const JUNK: u64 = if cfg!(debug_assertions) { 40_000 } else { 1_000_000 };
    const PEAK_BYTES_MAX: isize = 1 << 17;
    let mut world = World::empty(0);
    let config = world.engine.config().clone();
    let mut engine = Engine::<String, _>::with_hasher(config, FixedState::default());
    let (device, kind) = (DeviceId::new("web-1"), LoginKind::Login);
    let ann = engine.login(world.at(), "ann", Platform::Web, device, kind).expect("it is valid");
    // All of one length, so that the last ones take what the first took.
    let junk = |from: u64| -> Vec<String> {
        (from..from + 100).map(|nth| format!("nobody-at-all-{nth:010}")).collect()
    };
    let mut abuse = |from: u64| {
        world.now += 1;
        let now = world.at();
        // More than the list takes, so that the first are evicted.
        for from in [from, from + 100, from + 200] {
            let junk = junk(from);
            assert!(engine.query(now, ann, &junk).is_ok_and(|found| found.failures.is_empty()));
            assert!(engine.subscribe(now, ann, &junk).is_ok_and(|done| done.failures.is_empty()));
        }
        assert!(engine.unsubscribe(now, ann, &junk(from + 100)).is_ok());
        assert!(engine.unsubscribe_all(now, ann).is_ok());
        while engine.poll_output().is_some() {}
        engine.stats().users
    };
    // Tables and lists get the size that one list needs.
    for round in 0..20 {
        abuse(round * 300);
    }
    let before = held();
    PEAK.set(before);
    for from in (6_000..6_000 + JUNK).step_by(300) {
        assert_eq!(abuse(from), 1);
    }
    assert_eq!(held(), before);
    let peak = PEAK.get() - before;
    assert!(peak <= PEAK_BYTES_MAX, "{peak} bytes above");
}

/// BI-2: what waited for a host that was away for a while is not held for ever.
#[test]
fn a_burst_of_outputs_gives_its_room_back() {
    const USERS: usize = 64;
    let long = "x".repeat(1 << 16);
    let mut world = World::of(USERS, |config| config.limit(Limit::CustomStatusBytes, 1 << 20));
    (0..USERS as u64).for_each(|user| world.login(user));
    (0..USERS).for_each(|user| world.make_the_rounds(user));
    let before = held();
    // Once taken to the end at last, and once with something always waiting.
    for rest in [0, 1] {
        for _ in 0..8 {
            for &session in &world.sessions {
                for custom in [&*long, ""] {
                    let done = world.engine.set_status(world.at(), session, custom);
                    done.expect("the session is live");
                }
            }
        }
        assert!(held() - before > (8 * USERS * long.len()) as isize);
        let waiting = world.engine.stats().pending_outputs;
        (rest..waiting).for_each(|_| assert!(world.engine.poll_output().is_some()));
        for user in 0..8 * USERS {
            let (now, session) = (world.at(), world.sessions[user % USERS]);
            let custom = if user / USERS % 2 == 0 { "a" } else { "" };
            world.engine.set_status(now, session, custom).expect("the session is live");
            let waiting = world.engine.stats().pending_outputs;
            (rest..waiting).for_each(|_| assert!(world.engine.poll_output().is_some()));
        }
        world.drain();
        (0..64).for_each(|user| world.make_the_rounds(user));
        let kept = held() - before;
        assert!(kept < 4 * long.len() as isize, "{kept} bytes are kept, with {rest} waiting");
    }
}

/// BI-2: one request that names many leaves no more than many that name a few.
#[test]
fn a_long_request_gives_its_room_back() {
    const NAMED: u64 = 20_000;
    let [few, many] = [100, NAMED as usize].map(|at_once| {
        let mut world = World::of(1, |config| {
            let config = config.limit(Limit::Subscriptions, NAMED);
            config.limit(Limit::SubscribeUsers, NAMED).limit(Limit::UnsubscribeUsers, NAMED)
        });
        let before = held();
        world.login(0);
        let names: Vec<u64> = (1..=NAMED).collect();
        let (now, session) = (world.at(), world.sessions[0]);
        for names in names.chunks(at_once) {
            world.engine.subscribe(now, session, names).expect("the request is within limits");
        }
        assert_eq!(world.engine.stats().users, 1 + NAMED as usize);
        world.unsubscribe(&names, at_once);
        drop(names);
        held() - before
    });
    assert!(many <= few + (1 << 16), "{many} bytes are kept instead of {few}");
}

/// BI-2: nor does one request after which nothing is left of many.
#[test]
fn many_who_are_forgotten_at_once_give_their_room_back() {
    const NAMED: u64 = 30_000;
    let mut world = World::of(1, |config| {
        config.limit(Limit::Subscriptions, NAMED).limit(Limit::UnsubscribeUsers, NAMED)
    });
    world.login(0);
    let names: Vec<u64> = (1..=NAMED).collect();
    let mut turn = |at_once| {
        world.subscribe(0, &names);
        world.unsubscribe(&names, at_once);
        held()
    };
    let [_, few, many] = [100, 100, NAMED as usize].map(&mut turn);
    assert!(many <= few + (1 << 16), "{} bytes more are kept", many - few);
}

/// BI-2: an id is kept for the outputs that name it, and no longer: the host need not call again.
#[test]
fn an_id_goes_with_the_last_output_that_names_it() {
    const LEN: usize = 1 << 16;
    let mut world = World::of(1, |config| config);
    let device = DeviceId::from("d".repeat(LEN));
    let (now, engine) = (world.at(), &mut world.engine);
    let session = engine.login(now, &0, Platform::Web, device, LoginKind::Login);
    engine.logout(now, session.expect("there is room")).expect("the session is live");
    assert_eq!(engine.stats().users, 0);
    let before = held();
    while let Some(output) = engine.poll_output() {
        assert!(!matches!(output, Output::Event(event) if event.device.as_str().len() != LEN));
    }
    assert!(before - held() >= LEN as isize, "{} bytes are let go", before - held());
}

/// BI-2: who comes and goes leaves nothing, whether he is forgotten or not.
#[test]
fn logins_that_come_and_go_leave_nothing() {
    for (accounts, users) in [(Accounts::Open, 1), (Accounts::Known, 0)] {
        let mut world = World::of(10, |config| config.accounts(accounts));
        let turn = |world: &mut World| {
            world.login(7);
            let (now, session) = (world.at(), world.sessions.pop().expect("he has a session"));
            world.engine.logout(now, session).expect("the session is live");
            world.drain();
        };
        (0..100).for_each(|_| turn(&mut world));
        let before = held();
        (0..10_000).for_each(|_| turn(&mut world));
        assert!(held() <= before, "{} bytes more", held() - before);
        assert_eq!(world.engine.stats().users + users, 1);
    }
}

/// BI-2, BI-3: of changed rates only those are kept of which somebody may not have heard.
#[test]
fn thousands_of_changed_rates_are_forgotten() {
    let change = |world: &mut World, times: u64| {
        for nth in 0..times {
            let rate = Rate::new(nth % 7 + 1, 1_000);
            let config = world.engine.config().to_builder().rate(Api::Query, rate);
            let config = config.build().expect("the rates are valid");
            world.engine.reconfigure(world.at(), config).expect("rates can be changed");
        }
    };
    for users in [100, 2_048] {
        let mut world = World::online(users);
        change(&mut world, 1_000);
        let before = held();
        change(&mut world, 10_000);
        assert!(held() <= before, "{} bytes more", held() - before);
    }
}

/// BI-2: what is kept for the rates of users who leave, and have all their tokens, serves the next.
#[test]
fn full_buckets_of_those_who_left_serve_the_next() {
    const USERS: u64 = 2_000;
    let mut world = World::of(USERS as usize, |config| config.accounts(Accounts::Known));
    for user in 0..2 * USERS {
        world.engine.register(world.at(), &user).expect("the id is valid");
    }
    let come_and_go = |world: &mut World, users: core::ops::Range<u64>, asks: bool| {
        users.for_each(|user| world.login(user));
        for session in core::mem::take(&mut world.sessions) {
            if asks {
                let answer = world.engine.query(world.at(), session, &[0]);
                assert!(answer.is_ok());
            }
            world.now += 2;
            world.engine.logout(world.at(), session).expect("the session is live");
            world.drain();
        }
        held()
    };
    let (first, second) = (0..USERS, USERS..2 * USERS);
    for users in [first.clone(), second.clone()] {
        come_and_go(&mut world, users, false);
    }
    let none = come_and_go(&mut world, first.clone(), false);
    let once = come_and_go(&mut world, first, true);
    assert!(once > none, "a bucket takes room");
    let twice = come_and_go(&mut world, second, true);
    assert!(twice <= once, "{} bytes more", twice - once);
}

/// A dropped engine leaves nothing.
#[test]
fn nothing_leaks() {
    let before = held();
    let mut world = World::online(1_000);
    for watcher in 1..1_000 {
        world.subscribe(watcher, &[0, watcher as u64 - 1 + NEVER]);
    }
    world.set_status(0, "a text that is longer than any that is kept in place of its pointer");
    drop(world);
    assert_eq!(held(), before);
}

#[test]
fn heartbeats_do_not_allocate() {
    let mut world = World::online(1_000);
    let count = allocations(|| {
        for _ in 0..10 {
            world.now += 1_000;
            let now = Timestamp::from_millis(world.now);
            for &session in &world.sessions {
                assert!(world.engine.heartbeat(now, session).is_ok());
            }
            assert_eq!(world.engine.heartbeats(now, &world.sessions), 1_000);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn reading_ahead_does_not_allocate() {
    let mut world = World::online(1_000);
    for watcher in 1..1_000 {
        world.subscribe(watcher, &[0, watcher as u64 - 1]);
    }
    let users: Vec<u64> = (0..2_000).collect();
    let count = allocations(|| {
        world.engine.prefetch(world.sessions.iter().copied());
        world.engine.prefetch_users(&users);
    });
    assert_eq!(count, 0);
}

#[test]
fn draining_does_not_allocate() {
    let mut world = World::online(1_000);
    for watcher in 1..1_000 {
        world.subscribe(watcher, &[0]);
    }
    // What outputs have named is given back when they are drained, to lists that grow once.
    for is_first in [true, false] {
        let (now, session) = (world.at(), world.sessions[0]);
        world.engine.set_status(now, session, "busy").expect("the session is live");
        world.engine.logout(now, session).expect("the session is live");
        assert_eq!(world.engine.stats().pending_outputs, 4);
        let mut told = 0;
        let count = allocations(|| told = world.drain());
        assert!(is_first || count == 0);
        assert_eq!(told, 1_000 + 999);
        world.login(0);
        world.sessions.swap_remove(0);
    }
}

/// Forgetting many at once does not allocate more than forgetting a few.
#[test]
fn forgetting_does_not_allocate() {
    let mut world = World::online(1);
    let names: Vec<u64> = (1..=100).map(|user| NEVER + user).collect();
    let mut forget = |count: usize| {
        world.subscribe(0, &names[..count]);
        let (now, session) = (world.at(), world.sessions[0]);
        let allocations = allocations(|| {
            let done = world.engine.unsubscribe(now, session, &names[..count]);
            done.expect("the request is within limits");
        });
        assert_eq!(world.engine.stats().users, 1);
        allocations
    };
    let [_, few, many] = [100, 10, 100].map(&mut forget);
    assert!(many <= few, "{many} allocations instead of {few}");
}

/// The first fan-outs make room for the recipients; those that follow use it again.
#[test]
fn repeated_fan_outs_do_not_allocate() {
    let mut world = World::online(1_001);
    for watcher in 1..=1_000 {
        world.subscribe(watcher, &[0]);
    }
    for custom in ["busy", "free"] {
        assert_eq!(world.set_status(0, custom), 1_001);
    }
    let count = allocations(|| {
        for _ in 0..10 {
            for custom in ["busy", "free"] {
                assert_eq!(world.set_status(0, custom), 1_001);
            }
        }
    });
    assert_eq!(count, 0);
}

/// Nor do those of whose watchers hardly anybody is there: room is made for whom they tell.
#[test]
fn fan_outs_to_the_absent_do_not_allocate() {
    const WATCHERS: usize = 40_000;
    let mut world = World::online(WATCHERS + 1);
    for watcher in 1..=WATCHERS {
        world.subscribe(watcher, &[0]);
    }
    for watcher in (1..=WATCHERS).filter(|watcher| watcher % 100 != 0) {
        let (now, session) = (world.at(), world.sessions[watcher]);
        world.engine.logout(now, session).expect("the session is live");
        world.drain();
    }
    let told = 1 + WATCHERS / 100;
    // What the burst of logins and logouts has left is given back by halves.
    for _ in 0..20 {
        world.make_the_rounds(0);
    }
    let count = allocations(|| {
        for custom in ["busy", "free"] {
            assert_eq!(world.set_status(0, custom), told);
        }
    });
    assert_eq!(count, 0);
}

/// Once all of the wheel has been in use, putting timers back needs no memory, but for a burst:
/// what many timers in one place of the wheel have taken is given back when they have gone.
#[test]
fn putting_timers_back_does_not_allocate() {
    const BURST_ALLOCATIONS_MAX: usize = 10;
    for (users, count_max) in [(64, 0), (1_000, BURST_ALLOCATIONS_MAX)] {
        let mut world = World::online(users);
        let minute = |world: &mut World| {
            for _ in 0..60 {
                world.now += 1_000;
                let now = Timestamp::from_millis(world.now);
                world.engine.handle_timeout(now);
                assert_eq!(world.engine.heartbeats(now, &world.sessions), users);
            }
        };
        let mut last = usize::MAX;
        for _ in 0..700 {
            last = allocations(|| minute(&mut world));
        }
        assert_eq!(world.engine.stats().sessions, users);
        assert!(last <= count_max, "{users} sessions: {last} allocations");
    }
}
