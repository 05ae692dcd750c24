//! B: subscribing, unsubscribing, and subscribing anew. G: the token bucket.

use core::hash::BuildHasher;
use core::hint::black_box;
use std::collections::VecDeque;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use presence_engine::{
    Api, DeviceId, Engine, LoginKind, Platform, Rate, RequestError, SessionId, Timestamp,
};

use super::bucket::{self, Buckets, RateHistory};
use super::floors::{Edges, timed_stores};
use super::least::LeastBuckets;
use super::least_lists::{LeastLists, packed};
use super::measure::{Sample, timed};
use super::naive::Naive;
use super::scene::{Bounds, Case, Contender, Scale, Scene, Visit};
use super::world::{NEVER, RivalWorld, World, any_session, both, calm, drain, login_order};
use super::{Random, called, side_by_side};

/// How many users a request names.
const NAMED: usize = 100;
/// How many users a full list has.
const LIST: usize = 200;
/// So many requests that nobody makes all of them.
const MANY: u64 = 1 << 20;
/// In how many parts the users who ask are divided. A round is about one part, and the others make
/// the caches forget it.
const PARTS: usize = 5;

const B1_SUBSCRIBE: Bounds = Bounds::new(10.0, 1.2);
const B1_UNSUBSCRIBE: Bounds = Bounds::new(20.0, 1.0);
const B2: Bounds = Bounds::rival(6.0);
const B3: Bounds = Bounds::new(10.0, 2.0);
const G: Bounds = Bounds::floor(5.0);

pub fn visit(scale: &Scale, visit: Visit<'_>) {
    if scale.wants("B1") {
        let members = scale.of(if scale.is_quick { 5_000 } else { 10_000 });
        let mut scene = Subscriptions::new(scale.users, members, true);
        visit(Case { row: "B1", name: "sub".into(), bounds: B1_SUBSCRIBE, scene: &mut scene });
        scene.undone.is_asked = true;
        visit(Case { row: "B1", name: "unsub".into(), bounds: B1_UNSUBSCRIBE, scene: &mut scene });
        drop(scene);
    }
    if scale.wants("B1") && !scale.is_quick {
        let mut scene = Subscriptions::of_strangers(scale);
        let name = "sub, strangers".into();
        visit(Case { row: "B1", name, bounds: Bounds::NONE, scene: &mut scene });
        scene.undone.is_asked = true;
        let name = "unsub, strangers".into();
        visit(Case { row: "B1", name, bounds: Bounds::NONE, scene: &mut scene });
    }
    if scale.wants("B2") {
        let mut scene = Texts::new(scale, RandomState::default());
        visit(Case { row: "B2", name: "sub".into(), bounds: B2, scene: &mut scene });
        scene.undone.is_asked = true;
        visit(Case { row: "B2", name: "unsub".into(), bounds: B2, scene: &mut scene });
    }
    if scale.wants("B2") && !scale.is_quick {
        let mut scene = Texts::new(scale, std::hash::RandomState::default());
        let name = "sub, std's hasher".into();
        visit(Case { row: "B2", name, bounds: Bounds::NONE, scene: &mut scene });
        scene.undone.is_asked = true;
        let name = "unsub, std's hasher".into();
        visit(Case { row: "B2", name, bounds: Bounds::NONE, scene: &mut scene });
    }
    if scale.wants("B3") {
        let mut scene = Renewals::new(scale);
        visit(Case { row: "B3", name: "full list".into(), bounds: B3, scene: &mut scene });
    }
    if scale.wants("G") {
        let mut scene = Checks::new(scale);
        for (name, api) in Checks::NAMES {
            scene.api = api;
            visit(Case { row: "G", name: name.into(), bounds: G, scene: &mut scene });
        }
    }
    if scale.wants("G") && !scale.is_quick {
        let mut scene = CheckedRequests::new(scale);
        let name = "refused, in a request".into();
        visit(Case { row: "G", name, bounds: Bounds::NONE, scene: &mut scene });
        scene.is_admitted = true;
        let name = "admitted, in a request".into();
        visit(Case { row: "G", name, bounds: Bounds::NONE, scene: &mut scene });
    }
}

/// Who names whom: watchers, each with a full list of targets, and the same in another order, for
/// taking them out.
struct Names {
    watchers: Vec<u32>,
    added: Vec<Vec<u32>>,
    removed: Vec<Vec<u32>>,
}

impl Names {
    /// Some users of the world who watch each other: each has about as many watchers as targets.
    fn of_community(users: usize, members: usize) -> Self {
        Self::new(users, members, members)
    }

    /// Some users of the world who watch any: hardly anybody has two watchers.
    fn of_strangers(users: usize, watchers: usize) -> Self {
        Self::new(users, watchers, users)
    }

    /// Targets are of the first `known` of all users, in random order; watchers are the first of
    /// these.
    fn new(users: usize, watchers: usize, known: usize) -> Self {
        let mut random = Random::new(9);
        let everybody = random.shuffled(users);
        let order = everybody[..watchers].to_vec();
        let added: Vec<_> = order
            .iter()
            .map(|&watcher| {
                let targets = random.distinct(LIST + 1, known).into_iter();
                let mut targets: Vec<_> = targets.map(|at| everybody[at as usize]).collect();
                targets.retain(|&target| target != watcher);
                targets.truncate(LIST);
                targets
            })
            .collect();
        let mut removed = added.clone();
        removed.iter_mut().for_each(|targets| random.shuffle(targets));
        Self { watchers: order, added, removed }
    }

    /// The requests of one part: first one of each watcher, then the other of each.
    fn requests(&self, part: usize) -> impl Iterator<Item = (usize, u32, usize)> {
        let in_part = self.watchers.len() / PARTS;
        let part = part % PARTS * in_part..(part % PARTS + 1) * in_part;
        let watchers = &self.watchers;
        (0..LIST / NAMED)
            .flat_map(move |half| part.clone().map(move |at| (at, watchers[at], half * NAMED)))
    }

    /// The edges that all these are, between `users`.
    fn edges(&self, users: usize) -> Edges {
        let mut edges = Edges::new(users);
        for (&watcher, targets) in self.watchers.iter().zip(&self.added) {
            edges.append(watcher, targets);
        }
        edges
    }

    fn units(&self) -> usize {
        self.watchers.len() / PARTS * LIST
    }
}

/// What is measured of a scene that does something and undoes it: the one first, and what the other
/// took meanwhile is kept until it is asked for.
#[derive(Default)]
struct Undone {
    is_asked: bool,
    kept: [VecDeque<Sample>; Contender::ALL.len()],
}

impl Undone {
    /// Returns what was kept, if undoing is asked for.
    fn take(&mut self, contender: Contender) -> Option<Sample> {
        if self.is_asked { self.kept[contender as usize].pop_front() } else { None }
    }

    /// Returns the sample that is asked for, and keeps that of undoing while doing is.
    fn keep(&mut self, contender: Contender, [undone, done]: [Sample; 2]) -> Sample {
        if self.is_asked {
            return undone;
        }
        self.kept[contender as usize].push_back(undone);
        done
    }
}

/// Requests of 100 ids each, numbers.
pub struct Subscriptions {
    world: World,
    rival: Option<RivalWorld>,
    least: LeastLists<u64>,
    edges: Edges,
    names: Names,
    added: Vec<Vec<u64>>,
    removed: Vec<Vec<u64>>,
    rounds: [usize; Contender::ALL.len()],
    undone: Undone,
}

impl Subscriptions {
    /// A community of `members` of the users, or more if a list would not find enough to name.
    pub fn new(users: usize, members: usize, has_rival: bool) -> Self {
        Self::of(Names::of_community(users, members.max(2 * LIST)), users, has_rival)
    }

    fn of_strangers(scale: &Scale) -> Self {
        Self::of(Names::of_strangers(scale.users, scale.of(10_000).max(PARTS)), scale.users, true)
    }

    fn of(names: Names, users: usize, has_rival: bool) -> Self {
        let (world, rival) = both(users, has_rival);
        let least = LeastLists::new((0..users as u64).collect(), names.edges(users));
        let mut edges = names.edges(users);
        edges.reserve();
        let ids = |lists: &[Vec<u32>]| {
            lists.iter().map(|list| list.iter().map(|&user| user.into()).collect()).collect()
        };
        let (added, removed) = (ids(&names.added), ids(&names.removed));
        let (rounds, undone) = Default::default();
        let mut scene = Self { world, rival, least, edges, names, added, removed, rounds, undone };
        for part in 0..PARTS {
            scene.ask_engine(part);
            scene.ask_rival(part);
            assert_eq!(scene.world.engine.stats().edges, (part + 1) * scene.names.units());
        }
        scene.take_back_from_engine(0);
        assert_eq!(scene.world.engine.stats().edges, (PARTS - 1) * scene.names.units());
        scene.ask_engine(0);
        for (is_undoing, parts) in [(true, PARTS - 1), (false, PARTS)] {
            scene.ask_least(0, is_undoing);
            assert_eq!(scene.least.edge_counts(), [parts * scene.names.units(); 2]);
        }
        scene
    }

    fn ask_engine(&mut self, part: usize) -> Sample {
        let Self { world, names, added, .. } = self;
        timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                let session = world.sessions[watcher as usize];
                let targets = &added[at][from..from + NAMED];
                black_box(world.engine.subscribe(world.now, session, targets)).ok();
            }
        })
    }

    fn take_back_from_engine(&mut self, part: usize) -> Sample {
        let Self { world, names, removed, .. } = self;
        timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                let session = world.sessions[watcher as usize];
                let targets = &removed[at][from..from + NAMED];
                black_box(world.engine.unsubscribe(world.now, session, targets)).ok();
            }
        })
    }

    fn ask_least(&mut self, part: usize, is_undoing: bool) -> Sample {
        let Self { least, names, added, removed, .. } = self;
        let lists = if is_undoing { removed } else { added };
        timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                let targets = lists[at][from..from + NAMED].iter().copied();
                match is_undoing {
                    true => least.unsubscribe(watcher, targets),
                    false => least.subscribe(watcher, targets),
                }
            }
        })
    }

    fn ask_rival(&mut self, part: usize) -> Option<Sample> {
        let Self { rival, names, added, .. } = self;
        let RivalWorld { rival, sessions, now } = rival.as_mut()?;
        let sample = timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                let targets = &added[at][from..from + NAMED];
                black_box(rival.subscribe(*now, sessions[watcher as usize], targets));
            }
        });
        Some(sample)
    }

    fn take_back_from_rival(&mut self, part: usize) -> Option<Sample> {
        let Self { rival, names, removed, .. } = self;
        let RivalWorld { rival, sessions, now } = rival.as_mut()?;
        let sample = timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                let targets = &removed[at][from..from + NAMED];
                black_box(rival.unsubscribe(*now, sessions[watcher as usize], targets));
            }
        });
        Some(sample)
    }

    fn append(&mut self, part: usize) -> Sample {
        let Self { names, edges, .. } = self;
        let sample = timed(names.units(), || {
            for (at, watcher, from) in names.requests(part) {
                edges.append(watcher, &names.added[at][from..from + NAMED]);
            }
        });
        for (at, watcher, from) in names.requests(part) {
            edges.take_back(watcher, &names.added[at][from..from + NAMED]);
        }
        sample
    }
}

impl Scene for Subscriptions {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        if let Some(undone) = self.undone.take(contender) {
            return Some(undone);
        }
        let part = self.rounds[contender as usize];
        self.rounds[contender as usize] += 1;
        let samples = match contender {
            // Taking an edge out takes no less than putting it in, however it is done.
            Contender::Floor => [self.append(part); 2],
            Contender::Engine => [self.take_back_from_engine(part), self.ask_engine(part)],
            Contender::Least => [self.ask_least(part, true), self.ask_least(part, false)],
            Contender::Rival => [self.take_back_from_rival(part)?, self.ask_rival(part)?],
        };
        Some(self.undone.keep(contender, samples))
    }
}

/// Who names whom, by texts.
struct Lists {
    names: Names,
    added: Vec<Vec<String>>,
    removed: Vec<Vec<String>>,
}

impl Lists {
    fn new(names: Names) -> Self {
        let ids = |lists: &[Vec<u32>]| {
            lists.iter().map(|list| list.iter().map(|&user| text(user)).collect()).collect()
        };
        Self { added: ids(&names.added), removed: ids(&names.removed), names }
    }

    /// Who names whom in the requests of one part.
    fn requests(&self, part: usize, is_undoing: bool) -> impl Iterator<Item = (u32, &[String])> {
        let lists = if is_undoing { &self.removed } else { &self.added };
        let requests = self.names.requests(part);
        requests.map(move |(at, watcher, from)| (watcher, &lists[at][from..from + NAMED]))
    }
}

/// The id of a user who has a text for one.
fn text(user: u32) -> String {
    format!("user{user:07}")
}

/// An engine with texts for ids, everybody logged in.
struct TextHost<S> {
    engine: Engine<String, S>,
    now: Timestamp,
    sessions: Vec<SessionId>,
}

impl<S: BuildHasher> TextHost<S> {
    fn new(users: usize, hasher: S) -> Self {
        let config = calm().build().expect("the configuration is valid");
        let mut engine = Engine::with_hasher(config, hasher);
        let now = Timestamp::from_millis(1);
        let mut sessions = vec![any_session(); users];
        for user in login_order(users) {
            let (device, kind) = (DeviceId::new("w"), LoginKind::Login);
            let session = engine.login(now, text(user).as_str(), Platform::Web, device, kind);
            drain(&mut engine);
            sessions[user as usize] = session.expect("a login of a valid user succeeds");
        }
        Self { engine, now, sessions }
    }

    fn ask(&mut self, lists: &Lists, part: usize, is_undoing: bool) -> Sample {
        let Self { engine, now, sessions } = self;
        timed(lists.names.units(), || {
            for (watcher, targets) in lists.requests(part, is_undoing) {
                let session = sessions[watcher as usize];
                if is_undoing {
                    black_box(engine.unsubscribe(*now, session, targets)).ok();
                } else {
                    black_box(engine.subscribe(*now, session, targets)).ok();
                }
            }
        })
    }
}

fn ask_naive(naive: &mut Naive, lists: &Lists, part: usize, is_undoing: bool) -> Sample {
    timed(lists.names.units(), || {
        for (watcher, targets) in lists.requests(part, is_undoing) {
            if is_undoing {
                naive.unsubscribe(watcher.into(), targets);
            } else {
                naive.subscribe(watcher.into(), targets, LIST);
            }
        }
    })
}

fn ask_least(least: &mut LeastLists<u128>, lists: &Lists, part: usize, is_undoing: bool) -> Sample {
    timed(lists.names.units(), || {
        for (watcher, targets) in lists.requests(part, is_undoing) {
            let targets = targets.iter().map(|id| packed(id));
            match is_undoing {
                true => least.unsubscribe(watcher, targets),
                false => least.subscribe(watcher, targets),
            }
        }
    })
}

/// The same with texts for ids, against a rival of the standard library's maps and its own hasher.
struct Texts<S> {
    host: TextHost<S>,
    naive: Naive,
    least: LeastLists<u128>,
    lists: Lists,
    rounds: [usize; Contender::ALL.len()],
    undone: Undone,
}

impl<S: BuildHasher> Texts<S> {
    fn new(scale: &Scale, hasher: S) -> Self {
        let users = scale.users / if scale.is_quick { 4 } else { 1 };
        let lists = Lists::new(Names::of_community(users, scale.of(5_000).max(2 * LIST)));
        let units = lists.names.units();
        let host = || {
            let mut host = TextHost::new(users, hasher);
            for part in 0..PARTS {
                host.ask(&lists, part, false);
                assert_eq!(host.engine.stats().edges, (part + 1) * units);
            }
            host
        };
        let naive = || {
            let mut naive = Naive::default();
            login_order(users).into_iter().for_each(|user| naive.login(&text(user), user.into()));
            for part in 0..PARTS {
                ask_naive(&mut naive, &lists, part, false);
            }
            naive
        };
        let (host, naive) = side_by_side(host, naive);
        let ids = (0..users as u32).map(|user| packed(&text(user))).collect();
        let mut least = LeastLists::new(ids, lists.names.edges(users));
        ask_least(&mut least, &lists, 0, true);
        assert_eq!(least.edge_counts(), [(PARTS - 1) * units; 2]);
        ask_least(&mut least, &lists, 0, false);
        assert_eq!(least.edge_counts(), [PARTS * units; 2]);
        let (rounds, undone) = Default::default();
        Self { host, naive, least, lists, rounds, undone }
    }
}

impl<S: BuildHasher> Scene for Texts<S> {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        if let Some(undone) = self.undone.take(contender) {
            return Some(undone);
        }
        let Self { host, naive, least, lists, rounds, .. } = self;
        let part = rounds[contender as usize];
        rounds[contender as usize] += 1;
        let both = [true, false];
        let samples = match contender {
            Contender::Floor => return None,
            Contender::Least => both.map(|undo| ask_least(least, lists, part, undo)),
            Contender::Engine => both.map(|undo| host.ask(lists, part, undo)),
            Contender::Rival => both.map(|undo| ask_naive(naive, lists, part, undo)),
        };
        Some(self.undone.keep(contender, samples))
    }
}

/// Users with full lists subscribe half of them anew, in requests of 100 ids in random order.
struct Renewals {
    world: World,
    names: Names,
    renewed: Vec<Vec<u64>>,
    /// The rival's lists: no look-up of the user, no id to be found, only the list.
    lists: Vec<IndexSet<u32, RandomState>>,
    least: LeastLists<u64>,
    table: Vec<u64>,
    slots: Vec<u32>,
    rounds: [usize; Contender::ALL.len()],
}

impl Renewals {
    fn new(scale: &Scale) -> Self {
        let names = Names::of_community(scale.users, scale.of(10_000).max(2 * LIST));
        let mut world = World::online(scale.users);
        for (&watcher, targets) in names.watchers.iter().zip(&names.added) {
            let targets: Vec<u64> = targets.iter().map(|&target| target.into()).collect();
            world.subscribe(watcher, &targets);
        }
        let edges = LIST * names.watchers.len();
        assert_eq!(world.engine.stats().edges, edges);
        let renewed = names.removed.iter();
        let renewed = renewed.map(|list| list.iter().map(|&user| u64::from(user)).collect());
        let renewed: Vec<Vec<u64>> = renewed.collect();
        let session = world.sessions[names.watchers[0] as usize];
        let done = world.engine.subscribe(world.now, session, &renewed[0][..NAMED]);
        assert!(done.is_ok_and(|done| done.failures.is_empty() && done.evicted.is_empty()));
        assert_eq!(world.engine.stats().edges, edges);
        let lists = names.added.iter().map(|list| list.iter().copied().collect()).collect();
        let users = (0..scale.users as u64).collect();
        let mut least = LeastLists::new(users, names.edges(scale.users));
        least.subscribe(names.watchers[0], renewed[0][..NAMED].iter().copied());
        assert_eq!(least.edge_counts(), [edges; 2]);
        // Half of these are in the list.
        least.unsubscribe(names.watchers[0], renewed[0][..NAMED / 2].iter().copied());
        assert_eq!(least.edge_counts(), [edges - NAMED / 2; 2]);
        least.subscribe(names.watchers[0], renewed[0][..NAMED].iter().copied());
        assert_eq!(least.edge_counts(), [edges; 2]);
        let (table, slots) = (vec![0; scale.users], Random::new(5).shuffled(scale.users));
        Self { world, names, renewed, lists, least, table, slots, rounds: [0; 4] }
    }
}

impl Scene for Renewals {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, names, renewed, lists, least, table, slots, .. } = self;
        let part = self.rounds[contender as usize];
        self.rounds[contender as usize] += 1;
        let units = names.units();
        Some(match contender {
            Contender::Floor => timed_stores(table, slots, part as u64),
            Contender::Engine => timed(units, || {
                for (at, watcher, from) in names.requests(part) {
                    let session = world.sessions[watcher as usize];
                    let targets = &renewed[at][from..from + NAMED];
                    black_box(world.engine.subscribe(world.now, session, targets)).ok();
                }
            }),
            Contender::Rival => timed(units, || {
                for (at, _, from) in names.requests(part) {
                    let list = &mut lists[at];
                    for target in &names.removed[at][from..from + NAMED] {
                        list.shift_remove(target);
                        list.insert(*target);
                    }
                }
            }),
            Contender::Least => timed(units, || {
                for (at, watcher, from) in names.requests(part) {
                    let targets = renewed[at][from..from + NAMED].iter().copied();
                    least.subscribe(watcher, targets);
                }
            }),
        })
    }
}

/// The bucket's check by itself, as the engine has it: its module is compiled into the benches once
/// more. Everybody's buckets lie in one table, and are asked in random order.
struct Checks {
    rates: RateHistory,
    buckets: Buckets,
    table: Vec<u64>,
    slots: Vec<u32>,
    /// What is asked.
    api: bucket::Api,
    now: u64,
    /// For each [`bucket::Api`].
    least: [LeastBuckets; 3],
}

impl Checks {
    const NAMES: [(&str, bucket::Api); 3] = [
        ("refused", bucket::Api::Subscribe),
        ("admitted", bucket::Api::Query),
        ("admitted, full", bucket::Api::Unsubscribe),
    ];

    fn new(scale: &Scale) -> Self {
        // Of one there is a token in all time; one is never full again before it is asked, and one
        // always is.
        let rates = [(MANY, 16 * MANY), (1, NEVER), (20, 20)];
        let mut least = rates.map(|rate| LeastBuckets::new(scale.users, rate));
        let rates = RateHistory::new(rates.map(bucket::Rate::from));
        let mut buckets = Buckets::default();
        let now = Timestamp::from_millis(1);
        for user in 0..scale.users as u32 {
            assert_eq!(buckets.add(&rates), user);
            for api in bucket::Api::ALL {
                assert_eq!(buckets.take(user, api, now, &rates), Ok(()));
                assert!(least[api as usize].take(1, user));
            }
            assert_eq!(buckets.take(user, bucket::Api::Subscribe, now, &rates), Err(NEVER));
            assert!(!least[bucket::Api::Subscribe as usize].take(1, user));
        }
        let slots = Random::new(5).shuffled(scale.users);
        let (table, api) = (vec![0; scale.users], bucket::Api::Query);
        Self { rates, buckets, table, slots, api, now: 1, least }
    }
}

impl Scene for Checks {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { rates, buckets, table, slots, api, least, .. } = self;
        self.now += 2;
        let api = *api;
        let (millis, now) = (self.now, Timestamp::from_millis(self.now));
        Some(match contender {
            Contender::Floor => timed_stores(table, slots, millis),
            Contender::Engine => {
                let (buckets, rates) = (called(buckets), &*called(rates));
                timed(slots.len(), || {
                    for &slot in slots.iter() {
                        black_box(buckets.take(slot, api, now, rates).is_ok());
                    }
                })
            }
            Contender::Least => {
                let least = called(&mut least[api as usize]);
                timed(slots.len(), || {
                    for &slot in slots.iter() {
                        black_box(least.take(millis, slot));
                    }
                })
            }
            Contender::Rival => return None,
        })
    }
}

/// What the bucket's check adds to a request, with the way to the user's buckets: a request that it
/// refuses, less one that is refused just before it, as it names nobody; and a query that it
/// admits, less the same query for oneself, which is free.
struct CheckedRequests {
    world: World,
    table: Vec<u64>,
    slots: Vec<u32>,
    sessions: Vec<SessionId>,
    is_admitted: bool,
}

impl CheckedRequests {
    fn new(scale: &Scale) -> Self {
        let mut world = World::online(scale.users);
        let once = Rate::new(1, NEVER);
        let config = world.engine.config().to_builder().rate(Api::Subscribe, once);
        let config = config.build().expect("the configuration is valid");
        world.engine.reconfigure(world.now, config).expect("rates can be changed");
        for user in 0..scale.users {
            let (session, target) = (world.sessions[user], (user as u64 + 1) % 2);
            world.engine.subscribe(world.now, session, &[target]).expect("once is admitted");
            world.engine.unsubscribe(world.now, session, &[target]).expect("it is admitted");
        }
        assert_eq!(world.engine.stats().edges, 0);
        let slots = Random::new(5).shuffled(scale.users);
        // A quarter of all is enough, and far more than caches hold.
        let asking = slots.iter().take(scale.users / 4);
        let sessions = asking.map(|&user| world.sessions[user as usize]).collect();
        let table = vec![0; scale.users];
        let is_admitted = false;
        let mut scene = Self { world, table, slots, sessions, is_admitted };
        let refused = scene.world.engine.subscribe(scene.world.now, scene.sessions[0], &[0]);
        assert!(matches!(refused, Err(RequestError::RateLimited { .. })));
        scene
    }
}

impl Scene for CheckedRequests {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, table, slots, sessions, .. } = self;
        world.now = Timestamp::from_millis(world.now.as_millis() + 1);
        let now = world.now;
        Some(match contender {
            Contender::Floor => timed_stores(table, slots, now.as_millis()),
            Contender::Engine => {
                let engine = &mut world.engine;
                let mut ask = |is_checked| match self.is_admitted {
                    true => timed(sessions.len(), || {
                        for (&session, &user) in sessions.iter().zip(slots.iter()) {
                            let other = if is_checked { 0 } else { user };
                            let users = [u64::from(user), u64::from(other)];
                            black_box(engine.query(now, session, &users).is_ok());
                        }
                    }),
                    false => timed(sessions.len(), || {
                        let users: &[u64] = if is_checked { &[0] } else { &[] };
                        for &session in sessions.iter() {
                            black_box(engine.subscribe(now, session, users).is_err());
                        }
                    }),
                };
                let (without, with) = (ask(false), ask(true));
                let elapsed = with.elapsed.saturating_sub(without.elapsed);
                Sample { elapsed, ..with }
            }
            Contender::Rival | Contender::Least => return None,
        })
    }
}
