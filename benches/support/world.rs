//! Engines and rivals filled with users and sessions.
//!
//! Ids are numbers, and both hash them with the same fast hasher, so that what is compared is what
//! they do with them. A world is made once for each size in turn, and copied for each scene.

use core::cell::RefCell;
use std::sync::Mutex;

use foldhash::fast::FixedState;
use presence_engine::{
    Api, Config, ConfigBuilder, DeviceId, Engine, LoginKind, Output, Platform, Rate, SessionId,
    Timeout, Timestamp,
};

use super::rival::{Rival, Rules};
use super::{Random, side_by_side};

/// So long, or so many, that it is never reached.
pub const NEVER: u64 = 1 << 40;

/// The devices of a user in the order in which he logs in on them.
pub const DEVICES: [&str; 3] = ["w", "x", "y"];

/// An engine with users 0 to `users`, logged in on one device each.
#[derive(Clone)]
pub struct World {
    pub engine: Engine<u64, FixedState>,
    /// The latest session of each user.
    pub sessions: Vec<SessionId>,
    pub now: Timestamp,
}

/// How many inputs are at hand where a host has the engine read ahead.
pub const AHEAD: usize = 16;

/// A configuration under which nobody times out, no request is refused, and a user can be in three
/// tabs.
pub fn calm() -> ConfigBuilder {
    let any = Rate::new(NEVER, 1);
    Api::ALL.into_iter().fold(
        Config::builder().timeout(Timeout::Web, NEVER).max_instances(Platform::Web, 3),
        |config, api| config.rate(api, any),
    )
}

impl World {
    /// An engine without users.
    pub fn empty(config: ConfigBuilder) -> Self {
        let config = config.build().expect("the configuration is valid");
        Self {
            engine: Engine::with_hasher(config, FixedState::default()),
            sessions: Vec::new(),
            now: Timestamp::from_millis(1),
        }
    }

    /// Logs `users` in, in random order, so that their slots say nothing of their numbers.
    pub fn online(users: usize) -> Self {
        static LATEST: Mutex<Option<World>> = Mutex::new(None);
        let mut latest = LATEST.lock().expect("nobody panics who holds it");
        match &*latest {
            Some(latest) if latest.sessions.len() == users => latest.clone(),
            _ => {
                *latest = None;
                latest.insert(Self::fresh(users)).clone()
            }
        }
    }

    /// A world as it has grown, with room in its tables.
    pub fn fresh(users: usize) -> Self {
        let mut world = Self::empty(calm());
        world.sessions = vec![any_session(); users];
        for user in login_order(users) {
            world.sessions[user as usize] = world.login(u64::from(user));
        }
        assert_eq!(world.engine.stats().sessions, users);
        world
    }

    pub fn login(&mut self, user: u64) -> SessionId {
        self.login_on(user, DEVICES[0])
    }

    pub fn login_on(&mut self, user: u64, device: &str) -> SessionId {
        let device = DeviceId::new(device);
        let session = self.engine.login(self.now, &user, Platform::Web, device, LoginKind::Login);
        self.drain();
        session.expect("a login of a valid user succeeds")
    }

    pub fn logout(&mut self, user: u32) {
        let session = self.sessions[user as usize];
        self.engine.logout(self.now, session).expect("the session is live");
        self.drain();
    }

    /// Logs a user out and in again, and returns how many sessions are told. The host knows the
    /// session, and is told the new one.
    #[inline]
    pub fn log_in_again(&mut self, user: u32, session: &mut SessionId) -> usize {
        self.engine.logout(self.now, *session).expect("the session is live");
        let told = self.drain();
        let (platform, device) = (Platform::Web, DeviceId::new(DEVICES[0]));
        let kind = LoginKind::Login;
        let new = self.engine.login(self.now, &u64::from(user), platform, device, kind);
        *session = new.expect("a login of a valid user succeeds");
        told + self.drain()
    }

    /// Takes all outputs and returns how many sessions they tell.
    #[inline]
    pub fn drain(&mut self) -> usize {
        drain(&mut self.engine).0
    }

    /// Has a user subscribe `targets`, up to 100 of them in a request.
    pub fn subscribe(&mut self, watcher: u32, targets: &[u64]) {
        let session = self.sessions[watcher as usize];
        for targets in targets.chunks(100) {
            let done = self.engine.subscribe(self.now, session, targets);
            let done = done.expect("no request is refused");
            assert!(done.failures.is_empty() && done.evicted.is_empty());
        }
    }

    /// Has everybody ask something once, so that what is kept of a user for his rates is there, and
    /// what comes later is for edges alone.
    pub fn open_buckets(&mut self) {
        for &session in &self.sessions {
            let answer = self.engine.query(self.now, session, &[u64::MAX]);
            assert!(answer.is_ok());
        }
    }

    /// Changes the custom status of the session's user and returns how many sessions are told.
    #[inline]
    pub fn change_status(&mut self, session: SessionId, nth: usize) -> usize {
        self.engine.set_status(self.now, session, custom(nth)).expect("the session is live");
        self.drain()
    }
}

/// Takes all outputs and returns how many sessions they tell, and how many outputs they are.
#[inline]
pub fn drain<U: presence_engine::UserId, S: core::hash::BuildHasher>(
    engine: &mut Engine<U, S>,
) -> (usize, usize) {
    let (mut told, mut count) = (0, 0);
    while let Some(output) = engine.poll_output() {
        if let Output::Status(change) = &output {
            told += change.to.len();
        }
        count += 1;
        core::hint::black_box(&output);
    }
    (told, count)
}

/// A rival with the same users.
#[derive(Clone)]
pub struct RivalWorld {
    pub rival: Rival,
    pub sessions: Vec<u64>,
    pub now: u64,
}

/// What [`calm`] is for the rival.
pub const CALM: Rules = Rules {
    timeout_ms: NEVER,
    subscriptions_max: 200,
    instances_max: 3,
    is_single: true,
    rate: (NEVER as f64, NEVER as f64),
};

impl RivalWorld {
    pub fn empty(rules: Rules) -> Self {
        Self { rival: Rival::new(rules), sessions: Vec::new(), now: 1 }
    }

    pub fn online(users: usize) -> Self {
        thread_local!(static LATEST: RefCell<Option<RivalWorld>> = const { RefCell::new(None) });
        LATEST.with_borrow_mut(|latest| match latest {
            Some(latest) if latest.sessions.len() == users => latest.clone(),
            _ => {
                *latest = None;
                latest.insert(Self::fresh(users)).clone()
            }
        })
    }

    fn fresh(users: usize) -> Self {
        let mut world = Self::empty(CALM);
        world.sessions = vec![0; users];
        for user in login_order(users) {
            world.sessions[user as usize] = world.login(u64::from(user));
        }
        world
    }

    pub fn login(&mut self, user: u64) -> u64 {
        self.login_on(user, DEVICES[0])
    }

    pub fn login_on(&mut self, user: u64, device: &str) -> u64 {
        let session = self.rival.login(self.now, user, Platform::Web as u8, device);
        self.rival.drain();
        session
    }

    pub fn logout(&mut self, user: u32) {
        self.rival.logout(self.now, self.sessions[user as usize]);
        self.rival.drain();
    }

    #[inline]
    pub fn log_in_again(&mut self, user: u32, session: &mut u64) -> usize {
        self.rival.logout(self.now, *session);
        let (told, _) = self.rival.drain();
        let platform = Platform::Web as u8;
        *session = self.rival.login(self.now, u64::from(user), platform, DEVICES[0]);
        told + self.rival.drain().0
    }

    pub fn subscribe(&mut self, watcher: u32, targets: &[u64]) {
        let session = self.sessions[watcher as usize];
        for targets in targets.chunks(100) {
            let evicted = self.rival.subscribe(self.now, session, targets);
            assert!(evicted.is_some_and(|evicted| evicted.is_empty()));
        }
    }

    pub fn change_status(&mut self, session: u64, nth: usize) -> usize {
        self.rival.set_status(self.now, session, custom(nth));
        self.rival.drain().0
    }
}

/// Both with the same users, or the first alone.
pub fn both(users: usize, has_rival: bool) -> (World, Option<RivalWorld>) {
    let rival = || has_rival.then(|| RivalWorld::online(users));
    let (rival, world) = side_by_side(rival, || World::online(users));
    (world, rival)
}

/// A number whose custom status no other has.
pub const CHECK: usize = usize::MAX;

/// A custom status that differs from those of the numbers beside it.
pub fn custom(nth: usize) -> &'static str {
    match nth {
        CHECK => "checked",
        _ if nth % 2 == 0 => "a",
        _ => "b",
    }
}

/// In which order users log in.
pub fn login_order(users: usize) -> Vec<u32> {
    Random::new(7).shuffled(users)
}

/// A placeholder for tables that are filled in random order.
pub fn any_session() -> SessionId {
    SessionId::from_bits(1).expect("1 is an id's number")
}
