//! E: everybody times out; everybody's timer is put back. J: the longest call in the first.

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use foldhash::fast::FixedState;
use presence_engine::{
    Accounts, Config, DeviceId, Engine, LoginKind, Platform, SessionId, Timeout, Timestamp,
};

use super::floors::expire;
use super::least::{Least, SLOTS};
use super::measure::{Sample, timed};
use super::rival::{Rival, Rules};
use super::scene::{Bounds, Case, Contender, Scale, Scene, Visit};
use super::world::{CALM, any_session, drain, login_order};
use super::{Random, side_by_side};

const E1: Bounds = Bounds::new(25.0, 25.0);
const E2: Bounds = Bounds::floor(3.0);
const J: Bounds = Bounds::nanos(1_000_000.0);

type Expiring = Engine<u64, FixedState>;

const TIMEOUT_MS: u64 = 60_000;
/// How often a host of the rival looks for timers that are due.
const STEP_MS: u64 = 100;

pub fn visit(scale: &Scale, visit: Visit<'_>) {
    // As after a gateway's end: everybody's latest heartbeat was within the last minute. The rival
    // never forgets anybody, and with known accounts the engine does not either: what forgetting
    // costs is told beside it.
    let (has_e1, has_j) = (scale.wants("E1"), scale.wants("J"));
    let users = scale.users;
    if has_e1 || has_j {
        let rival = || has_e1.then(|| heard_rival(users, TIMEOUT_MS));
        let engine = || heard_engine(users, TIMEOUT_MS, Accounts::Known);
        let (rival, engine) = side_by_side(rival, engine);
        let scene = Expiry::new(users, TIMEOUT_MS, engine, rival);
        visit_expiry("over 60 s", scene, has_e1.then_some(E1), has_j, visit);
    }
    if (has_e1 || has_j) && !scale.is_quick {
        let at_once = || heard_engine(users, 1, Accounts::Known);
        let forgotten = || heard_engine(users, TIMEOUT_MS, Accounts::Open);
        let (at_once, forgotten) = side_by_side(at_once, forgotten);
        let cases = [("at once", 1, at_once), ("over 60 s, all forgotten", TIMEOUT_MS, forgotten)];
        for (name, spread_ms, engine) in cases {
            let scene = Expiry::new(users, spread_ms, engine, None);
            visit_expiry(name, scene, has_e1.then_some(Bounds::NONE), has_j, visit);
        }
    }
    if scale.wants("E2") {
        let mut scene = Rearming::new(scale.users);
        visit(Case { row: "E2", name: "a session".into(), bounds: E2, scene: &mut scene });
    }
}

/// E1, if it has bounds, and J.
fn visit_expiry(name: &str, mut scene: Expiry, e1: Option<Bounds>, has_j: bool, visit: Visit<'_>) {
    if let Some(bounds) = e1 {
        visit(Case { row: "E1", name: name.into(), bounds, scene: &mut scene });
    }
    if has_j {
        let mut scene = LongestCall(&mut scene);
        visit(Case { row: "J", name: name.into(), bounds: J, scene: &mut scene });
    }
}

/// A wheel's buckets and the deadlines of its entries, in random order.
struct Wheel {
    buckets: Vec<Vec<u32>>,
    deadlines: Vec<u64>,
}

impl Wheel {
    fn new(users: usize) -> Self {
        let order = Random::new(2).shuffled(users);
        let buckets = order.chunks(users.div_ceil(600)).map(<[u32]>::to_vec).collect();
        Self { buckets, deadlines: (0..users as u64).collect() }
    }

    fn round(&self) -> Sample {
        let users = self.deadlines.len();
        timed(users, || black_box(expire(&self.buckets, &self.deadlines, users as u64)))
    }
}

/// An engine with everybody logged in, in random order, in the course of `spread_ms`.
fn full(users: usize, spread_ms: u64, accounts: Accounts) -> (Expiring, Vec<SessionId>) {
    let config = Config::builder().timeout(Timeout::Web, TIMEOUT_MS).accounts(accounts).build();
    let config = config.expect("the configuration is valid");
    let mut engine = Engine::with_hasher(config, FixedState::default());
    let mut sessions = vec![any_session(); users];
    for (nth, &user) in login_order(users).iter().enumerate() {
        let now = Timestamp::from_millis(nth as u64 * spread_ms / users as u64);
        let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
        let session = engine.login(now, &u64::from(user), Platform::Web, device, kind);
        sessions[user as usize] = session.expect("a login of a valid user succeeds");
        drain(&mut engine);
    }
    (engine, sessions)
}

/// A rival with the same sessions.
fn full_rival(users: usize) -> (Rival, Vec<u64>) {
    let mut rival = Rival::new(Rules { timeout_ms: TIMEOUT_MS, ..CALM });
    let mut sessions = vec![0; users];
    for &user in &login_order(users) {
        let session = rival.login(0, u64::from(user), Platform::Web as u8, "w");
        sessions[user as usize] = session;
        rival.drain();
    }
    (rival, sessions)
}

/// When who is heard from, in the course of `spread_ms`: in another order than that of the logins.
fn heard(users: usize, spread_ms: u64) -> impl Iterator<Item = (u64, u32)> {
    let moments = (0..users as u64).map(move |nth| nth * spread_ms / users as u64);
    moments.zip(Random::new(5).shuffled(users))
}

/// An engine with everybody logged in at once, and then heard from.
fn heard_engine(users: usize, spread_ms: u64, accounts: Accounts) -> Expiring {
    let (mut engine, sessions) = full(users, 1, accounts);
    for (now, user) in heard(users, spread_ms) {
        let heard = engine.heartbeat(Timestamp::from_millis(now), sessions[user as usize]);
        heard.expect("the session is live");
    }
    engine
}

/// A rival with the same sessions, heard from at the same times.
fn heard_rival(users: usize, spread_ms: u64) -> Rival {
    let (mut rival, sessions) = full_rival(users);
    for (now, user) in heard(users, spread_ms) {
        assert!(rival.heartbeat(now, sessions[user as usize]));
    }
    rival
}

/// Nobody is heard from: every session ends, with all that it entails.
struct Expiry {
    engine: Expiring,
    rival: Option<Rival>,
    wheel: Wheel,
    least: Option<Least>,
    /// Of the least program: a slot for each millisecond in which somebody was heard from.
    slots: Vec<Vec<u32>>,
    entries: Vec<u32>,
    /// How long each call took, in the latest round.
    calls: Vec<Duration>,
}

impl Expiry {
    /// With the least program beside it if there is a rival.
    fn new(users: usize, spread_ms: u64, engine: Expiring, rival: Option<Rival>) -> Self {
        let mut least = rival.is_some().then(|| Least::new(users, core::iter::empty()));
        if let Some(least) = &mut least {
            for (now, user) in heard(users, spread_ms) {
                assert!(least.heartbeat(now, least.session(user)));
            }
        }
        let slots = vec![Vec::new(); spread_ms as usize];
        let (wheel, entries, calls) = (Wheel::new(users), login_order(users), Vec::new());
        Self { engine, rival, wheel, least, slots, entries, calls }
    }

    fn users(&self) -> usize {
        self.wheel.deadlines.len()
    }

    /// The host was away, and catches up.
    fn expire(&mut self) -> Sample {
        let mut engine = self.engine.clone();
        let end = Timestamp::from_millis(4 * TIMEOUT_MS);
        let mut outputs = 0;
        let users = self.users();
        self.calls.clear();
        let sample = timed(users, || {
            loop {
                let start = Instant::now();
                engine.handle_timeout(end);
                self.calls.push(start.elapsed());
                outputs += drain(&mut engine).1;
                if engine.poll_timeout().is_none_or(|next| next > end) {
                    break;
                }
            }
        });
        // The link's end, the event, and the status.
        assert_eq!(outputs, 3 * users);
        assert_eq!(engine.stats().sessions, 0);
        sample
    }

    fn expire_least(&mut self) -> Option<Sample> {
        let Self { least, slots, entries, .. } = self;
        let least = least.as_mut()?;
        least.begin_anew();
        let mut outputs = 0;
        let sample = timed(entries.len(), || outputs = least.expire(entries, slots));
        assert_eq!(outputs, 3 * entries.len());
        Some(sample)
    }

    /// The rival has no bound of work; it is called in steps, so that its news do not pile up.
    fn expire_rival(&self) -> Option<Sample> {
        let mut rival = self.rival.clone()?;
        let mut news = 0;
        let sample = timed(self.users(), || {
            for now in (TIMEOUT_MS..4 * TIMEOUT_MS).step_by(STEP_MS as usize) {
                rival.pass_time(now);
                news += rival.drain().1;
            }
        });
        assert_eq!((news, rival.session_count()), (3 * self.users(), 0));
        Some(sample)
    }
}

impl Scene for Expiry {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        Some(match contender {
            Contender::Floor => self.wheel.round(),
            Contender::Engine => self.expire(),
            Contender::Rival => self.expire_rival()?,
            Contender::Least => self.expire_least()?,
        })
    }
}

/// The longest call of an expiry that is repeated. As a call does the same each time, the shortest
/// that it ever took counts: what is longer, the machine took for others.
struct LongestCall<'a>(&'a mut Expiry);

impl LongestCall<'_> {
    const REPEATS: usize = 3;
}

impl Scene for LongestCall<'_> {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self(expiry) = self;
        (contender == Contender::Engine).then(|| {
            expiry.expire();
            let mut shortest = expiry.calls.clone();
            for _ in 1..Self::REPEATS {
                expiry.expire();
                assert_eq!(expiry.calls.len(), shortest.len());
                for (shortest, &call) in shortest.iter_mut().zip(&expiry.calls) {
                    *shortest = call.min(*shortest);
                }
            }
            let elapsed = shortest.into_iter().max().unwrap_or_default();
            Sample { elapsed, units: 1 }
        })
    }
}

/// Everybody is heard from, and then everybody's timer is reached, and put back.
struct Rearming {
    engine: Expiring,
    wheel: Wheel,
    /// In another order than that of the logins.
    sessions: Vec<SessionId>,
    now: u64,
    least: Least,
    /// Of the least program, 256 slots of 256 ms.
    slots: Box<[Vec<u32>; SLOTS]>,
    order: Vec<u32>,
    least_now: u64,
}

impl Rearming {
    fn new(users: usize) -> Self {
        let (engine, mut sessions) = full(users, TIMEOUT_MS / 2, Accounts::Open);
        Random::new(5).shuffle(&mut sessions);
        let mut order: Vec<u32> = (0..users as u32).collect();
        let mut slots = Box::new([const { Vec::new() }; SLOTS]);
        for &user in &login_order(users) {
            let deadline = TIMEOUT_MS + u64::from(user) * (TIMEOUT_MS / 2) / users as u64;
            slots[(deadline >> 8) as usize % slots.len()].push(user);
        }
        Random::new(5).shuffle(&mut order);
        let least = Least::new(users, core::iter::empty());
        let now = TIMEOUT_MS - 20_000;
        let wheel = Wheel::new(users);
        Self { engine, wheel, sessions, now, least, slots, order, least_now: now }
    }

    fn round_least(&mut self) -> Sample {
        let Self { least, slots, order, least_now: now, .. } = self;
        for (nth, &user) in order.iter().enumerate() {
            let now = *now + nth as u64 * 10_000 / order.len() as u64;
            assert!(least.heartbeat(now, least.session(user)));
        }
        let from = *now / 256;
        *now += 50_000;
        let sample = timed(order.len(), || {
            for nth in from..*now / 256 {
                black_box(least.put_back(slots, nth * 256, TIMEOUT_MS));
            }
        });
        assert_eq!(slots.iter().map(Vec::len).sum::<usize>(), order.len());
        sample
    }

    fn round(&mut self) -> Sample {
        let Self { engine, sessions, now, .. } = self;
        // Heard from in the next 10 s, everybody's deadline is at least 10 s after the pass.
        for (nth, &session) in sessions.iter().enumerate() {
            let now = *now + nth as u64 * 10_000 / sessions.len() as u64;
            let heard = engine.heartbeat(Timestamp::from_millis(now), session);
            heard.expect("the session is live");
        }
        *now += 50_000;
        let now = Timestamp::from_millis(*now);
        let sample = timed(sessions.len(), || {
            while engine.poll_timeout().is_some_and(|next| next <= now) {
                engine.handle_timeout(now);
            }
        });
        assert_eq!(engine.stats().sessions, sessions.len());
        assert_eq!(engine.stats().pending_outputs, 0);
        sample
    }
}

impl Scene for Rearming {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        match contender {
            Contender::Floor => Some(self.wheel.round()),
            Contender::Engine => Some(Self::round(self)),
            Contender::Least => Some(Self::round_least(self)),
            Contender::Rival => None,
        }
    }
}
