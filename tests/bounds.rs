//! What one input costs (BI-3), counted: comparisons of ids that were made to collide, and the work
//! of one call when very many are kicked, cleared or dropped at once.

use core::cell::Cell;
use core::hash::{BuildHasher, Hash, Hasher};

use presence_engine::{
    Accounts, Api, Config, ConfigBuilder, DeviceId, Engine, LoginKind, Output, Platform, Policy,
    Rate, Scope, SessionId, Timeout, Timestamp, UserId,
};

const DAY: u64 = 86_400_000;
/// So many that no request is refused.
const ANY: Rate = Rate::new(1 << 40, 1);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn unlimited() -> ConfigBuilder {
    let config = Config::builder().policy(Policy::Multi);
    Api::ALL.into_iter().fold(config, |config, api| config.rate(api, ANY))
}

fn login<U: UserId, S: BuildHasher>(
    engine: &mut Engine<U, S>,
    user: &U::Borrowed,
    platform: Platform,
    device: &str,
) -> SessionId {
    let (device, kind) = (DeviceId::new(device), LoginKind::Login);
    engine.login(engine.now(), user, platform, device, kind).expect("nobody is refused")
}

/// What waited for the host.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drained {
    closes: usize,
    events: usize,
    statuses: usize,
    told: usize,
}

fn drain<U: UserId, S: BuildHasher>(engine: &mut Engine<U, S>) -> Drained {
    let mut drained = Drained::default();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Close(_) => drained.closes += 1,
            Output::Event(_) => drained.events += 1,
            Output::Status(change) => {
                drained.statuses += 1;
                drained.told += change.to.len();
            }
        }
    }
    drained
}

/// An id that counts how often any is compared.
#[derive(Clone, Copy, Debug)]
struct Counted(u64);

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0 == other.0
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl UserId for Counted {
    type Borrowed = Self;

    fn from_borrowed(id: &Self) -> Self {
        *id
    }
}

/// A fast hasher that everybody knows, as many programs use one: a multiplication.
#[derive(Clone, Default)]
struct Public(u64);

impl Public {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    /// An id with this hash: what an attacker works out in a line.
    fn id_with_hash(hash: u64) -> Counted {
        // Each turn doubles the bits of the inverse that are right, from three on.
        let inverse = (0..5).fold(Self::FACTOR, |inverse: u64, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(Self::FACTOR.wrapping_mul(inverse)))
        });
        Counted(hash.wrapping_mul(inverse))
    }
}

impl BuildHasher for Public {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Public {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(Self::FACTOR);
    }
}

/// How many comparisons a look-up takes when 4,000 such ids are known, in thousandths.
fn comparisons_a_look_up<S: BuildHasher>(hasher: S) -> u64 {
    const IDS: u64 = 4_000;
    // The hashes differ in some of the middle bits only, by which a table does not tell them apart.
    let ids: Vec<_> = (0..IDS).map(|nth| Public::id_with_hash(nth << 32)).collect();
    let config = unlimited().accounts(Accounts::Known).build().expect("it is valid");
    let mut engine = Engine::<Counted, S>::with_hasher(config, hasher);
    for id in &ids {
        engine.register(at(0), id).expect("there is room");
    }
    let session = login(&mut engine, &ids[0], Platform::Web, "w");
    COMPARISONS.set(0);
    let mut found = 0;
    for ids in ids.chunks(100) {
        found += engine.query(at(0), session, ids).expect("it is admitted").statuses.len();
    }
    assert_eq!(found, ids.len());
    for id in &ids {
        assert!(engine.inspect(at(0), id).is_ok());
    }
    COMPARISONS.get() * 1_000 / (2 * IDS)
}

/// BI-3: ids that an attacker has made for a hasher without a key cost the default hasher nothing.
#[test]
fn colliding_ids_do_not_degrade_the_default_hasher() {
    let public = comparisons_a_look_up(Public::default());
    assert!(public > 100_000, "the ids collide where the hasher is known: {public}");
    let default = comparisons_a_look_up(std::hash::RandomState::new());
    assert!((900..2_000).contains(&default), "thousandths of a comparison: {default}");
}

/// BI-3: a kick, a forcing out and a removal cost what the user has, whoever else is there.
#[test]
fn a_mass_kick_costs_what_is_kicked() {
    const DEVICES: usize = 300;
    let config = unlimited().max_instances(Platform::Ipad, DEVICES as u64).build();
    let mut engine = Engine::<u64>::new(config.expect("it is valid"));
    for stranger in 1_000..6_000 {
        login(&mut engine, &stranger, Platform::Mac, "m");
    }
    let watcher = login(&mut engine, &1, Platform::Web, "w");
    engine.subscribe(at(0), watcher, &[0]).expect("it is admitted");
    let come = |engine: &mut Engine<u64>| {
        for nth in 0..DEVICES {
            login(engine, &0, Platform::Ipad, &nth.to_string());
        }
        drain(engine);
    };

    come(&mut engine);
    let single = engine.config().to_builder().policy(Policy::Single).build();
    engine.reconfigure(at(0), single.expect("it is valid")).expect("a policy can be changed");
    login(&mut engine, &0, Platform::Mac, "m");
    let kicked = Drained { closes: DEVICES, events: 1, ..Drained::default() };
    assert_eq!(drain(&mut engine), kicked, "he stays online (ML-8)");

    let multi = engine.config().to_builder().policy(Policy::Multi).build();
    engine.reconfigure(at(0), multi.expect("it is valid")).expect("a policy can be changed");
    let out = Drained { closes: DEVICES + 1, events: DEVICES + 1, statuses: 1, told: 1 };
    come(&mut engine);
    engine.force_out(at(0), &0, &Scope::All).expect("the id is valid");
    assert_eq!(drain(&mut engine), out);

    login(&mut engine, &0, Platform::Mac, "m");
    come(&mut engine);
    engine.remove_user(at(0), &0).expect("the id is valid");
    assert_eq!(drain(&mut engine), out);
}

const USERS: u64 = 2_000;
const LIST: usize = 100;
const WORK_MAX: usize = 1_000;

/// Calls `handle_timeout` until nothing is due, and `each` after every call.
fn run_until(engine: &mut Engine<u64>, now: Timestamp, mut each: impl FnMut(&mut Engine<u64>)) {
    while engine.poll_timeout().is_some_and(|next| next <= now) {
        engine.handle_timeout(now);
        each(engine);
    }
}

/// BI-3, SU-9: when the lists of 2,000 users are cleared in one millisecond, no call drops more
/// edges than its bound, and the rest of the list that reaches it.
#[test]
fn a_mass_unsubscription_comes_in_bounded_pieces() {
    let config = unlimited().timer_work_max(WORK_MAX as u64).build();
    let mut engine = Engine::<u64>::new(config.expect("it is valid"));
    let sessions: Vec<_> =
        (0..USERS).map(|user| login(&mut engine, &user, Platform::Mac, "m")).collect();
    for (user, &session) in (0..).zip(&sessions) {
        let list: Vec<u64> = (1..=LIST as u64).map(|nth| (user + nth * 7) % USERS).collect();
        engine.subscribe(at(0), session, &list).expect("it is admitted");
    }
    for &session in &sessions {
        engine.logout(at(0), session).expect("the session is live");
    }
    drain(&mut engine);
    let mut left = engine.stats().edges;
    assert_eq!(left, USERS as usize * LIST);
    let mut calls = 0;
    run_until(&mut engine, at(DAY), |engine| {
        let dropped = left - engine.stats().edges;
        assert!(dropped < WORK_MAX + LIST, "{dropped} edges in a call");
        left -= dropped;
        calls += 1;
    });
    assert_eq!((left, engine.stats().users), (0, 0));
    assert!(calls >= USERS as usize * LIST / (WORK_MAX + LIST), "{calls} calls");
    assert_eq!(drain(&mut engine), Drained::default());
}

/// BI-3, ST-6: likewise when the push registrations of 2,000 users expire.
#[test]
fn a_mass_expiry_of_registrations_comes_in_bounded_pieces() {
    const PHONES: usize = 3;
    let config = unlimited().timer_work_max(WORK_MAX as u64).timeout(Timeout::Push, DAY);
    let config = config.max_instances(Platform::Iphone, PHONES as u64).build();
    let mut engine = Engine::<u64>::new(config.expect("it is valid"));
    for user in 0..USERS {
        for nth in 0..PHONES {
            let phone = login(&mut engine, &user, Platform::Iphone, &nth.to_string());
            engine.link_closed(at(0), phone).expect("the session is live");
        }
    }
    drain(&mut engine);
    let mut left = engine.stats().push_registrations;
    assert_eq!(left, USERS as usize * PHONES);
    let mut offline = 0;
    run_until(&mut engine, at(DAY), |engine| {
        let dropped = left - engine.stats().push_registrations;
        assert!(dropped < WORK_MAX + PHONES, "{dropped} registrations in a call");
        left -= dropped;
        let drained = drain(engine);
        assert_eq!((drained.closes, drained.events, drained.told), (0, 0, 0), "EV-3");
        offline += drained.statuses;
    });
    assert_eq!((left, offline), (0, USERS as usize));
}
