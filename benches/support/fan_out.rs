//! A: one user's change told to many.

use core::hint::black_box;

use presence_engine::SessionId;

use super::floors::{gather, gather_present, gather_spans};
use super::least::Least;
use super::measure::{Sample, timed};
use super::scene::{Bounds, Case, Contender, Scale, Scene, Visit};
use super::world::{AHEAD, CHECK, DEVICES, RivalWorld, World, both, custom};
use super::{Random, side_by_side};

/// How many watchers a round visits, about.
const VISITED: usize = 1_000_000;
/// The rival is slower, and does less in a round.
const VISITED_BY_RIVAL: usize = 100_000;

const A1: Bounds = Bounds::new(1.4, 40.0);
const A2: Bounds = Bounds::new(1.7, 25.0);
const A3: Bounds = Bounds::new(3.0, 5.0);
const A4: Bounds = Bounds::new(2.0, 20.0);

pub fn visit(scale: &Scale, visit: Visit<'_>) {
    if scale.wants("A1") || scale.wants("A2") {
        crowds(scale, visit);
    }
    if scale.wants("A3") {
        for watchers in [10, 200] {
            let mut scene = Scattered::new(scale, watchers);
            let name = format!("W = {watchers}, {AHEAD} at hand");
            visit(Case { row: "A3", name, bounds: A3, scene: &mut scene });
            scene.is_ahead = false;
            if !scale.is_quick {
                let name = format!("W = {watchers}, one by one");
                visit(Case { row: "A3", name, bounds: Bounds::NONE, scene: &mut scene });
            }
        }
    }
    if scale.wants("A4") {
        let mut scene = Spans::new(scale);
        let name = format!("W = {}", scale.of(100_000));
        visit(Case { row: "A4", name, bounds: A4, scene: &mut scene });
    }
}

/// Crowds of three sizes, first with everybody online, then with half and nine tenths of the
/// watchers offline.
fn crowds(scale: &Scale, visit: Visit<'_>) {
    let sizes = [1_000, 100_000, scale.users];
    let mut scene = Crowds::new(scale.users, true, scale.users, &sizes);
    let mut visit_all = |scene: &mut Crowds, row, what: &str, bounds| {
        for (at, size) in sizes.into_iter().enumerate() {
            scene.at = at;
            let name = format!("W = {size}{what}");
            visit(Case { row, name, bounds, scene });
        }
    };
    if scale.wants("A1") {
        visit_all(&mut scene, "A1", &format!(", {AHEAD} at hand"), A1);
    }
    scene.is_ahead = false;
    if scale.wants("A1") && !scale.is_quick {
        visit_all(&mut scene, "A1", ", one by one", Bounds::NONE);
    }
    if scale.wants("A2") {
        scene.log_out(|user| user % 2 == 0);
        visit_all(&mut scene, "A2", ", half offline", A2);
        scene.log_out(|user| user % 10 != 1);
        visit_all(&mut scene, "A2", ", nine tenths offline", A2);
    }
}

/// A user whom many watch.
struct Crowd {
    target: u32,
    /// His session, as each host has it at hand with what he asks.
    session: SessionId,
    number: u64,
    word: u64,
    watchers: Vec<u32>,
}

/// Crowds of some sizes in one world. Of each size there are so many that all of them together have
/// as many watchers as there are users, and they are asked in turn, in no order of theirs: it is
/// rare that somebody changes again while his watchers are still in a cache.
pub struct Crowds {
    world: World,
    rival: Option<RivalWorld>,
    /// The session of each user; 0 for one who is offline.
    table: Vec<u64>,
    crowds: Vec<Vec<Crowd>>,
    /// Which size is asked.
    at: usize,
    is_mixed: bool,
    /// Whether the host has [`AHEAD`] inputs at hand, and has the engine read ahead.
    is_ahead: bool,
    told: Vec<u64>,
    least: Least,
    /// How many were asked, by size and contender.
    asked: Vec<[usize; 4]>,
}

impl Crowds {
    /// Of the users, `watching` watch somebody of each size.
    pub fn new(users: usize, has_rival: bool, watching: usize, sizes: &[usize]) -> Self {
        let (mut world, mut rival) = both(users, has_rival);
        let mut random = Random::new(1);
        // Those stay online whoever is logged out.
        let mut targets = (1..).step_by(10);
        let mut crowds: Vec<Vec<Crowd>> = Vec::new();
        for &size in sizes {
            let count = watching.div_ceil(size);
            let crowd = |target: u32| Crowd {
                target,
                session: world.sessions[target as usize],
                number: rival.as_ref().map_or(0, |rival| rival.sessions[target as usize]),
                word: Least::first_session(target),
                watchers: Vec::with_capacity(size),
            };
            crowds.push(targets.by_ref().take(count).map(crowd).collect());
        }
        // Each size is split up anew. All that somebody watches is one request, in no order of the
        // watchers: so their places in the tables are in no order along any list.
        let crowd_of: Vec<_> = sizes.iter().map(|_| random.shuffled(watching)).collect();
        let mut requests = Vec::with_capacity(watching);
        for (at, watcher) in random.shuffled(users).into_iter().take(watching).enumerate() {
            let mut watched = Vec::with_capacity(sizes.len());
            for (nth, &size) in sizes.iter().enumerate() {
                let Crowd { target, watchers, .. } =
                    &mut crowds[nth][crowd_of[nth][at] as usize / size];
                if *target != watcher {
                    watchers.push(watcher);
                    watched.push(u64::from(*target));
                }
            }
            requests.push((watcher, watched));
        }
        let subscribe = || {
            for (watcher, watched) in &requests {
                world.subscribe(*watcher, watched);
            }
        };
        let subscribe_rival = || {
            if let Some(rival) = &mut rival {
                for (watcher, watched) in &requests {
                    rival.subscribe(*watcher, watched);
                }
            }
        };
        side_by_side(subscribe_rival, subscribe);
        let table = (1..=users as u64).collect();
        let known = crowds.iter().flatten();
        let known = known.map(|crowd| (crowd.target, &crowd.watchers[..]));
        let mut scene = Self {
            world,
            rival,
            table,
            least: Least::new(users, known),
            crowds,
            at: 0,
            is_mixed: false,
            is_ahead: true,
            told: Vec::new(),
            asked: vec![[0; 4]; sizes.len()],
        };
        scene.check();
        scene
    }

    /// Logs out all users whom `goes` names.
    fn log_out(&mut self, goes: impl Fn(u32) -> bool) {
        for user in (0..self.table.len() as u32).filter(|&user| goes(user)) {
            if self.table[user as usize] != 0 {
                self.world.logout(user);
                if let Some(rival) = &mut self.rival {
                    rival.logout(user);
                }
                self.table[user as usize] = 0;
            }
        }
        self.is_mixed = true;
        self.check();
    }

    /// Asserts that all tell as many.
    fn check(&mut self) {
        let crowds = self.crowds.iter().map(|of_size| &of_size[0]);
        for Crowd { session, number, word, watchers, .. } in crowds {
            gather_present(&self.table, watchers, &mut self.told);
            let expected = 1 + self.told.len();
            if !self.is_mixed {
                let told = self.least.set_status(1, *word, custom(CHECK));
                assert_eq!(told + 1, expected);
            }
            // Whatever it was before, the last is a change.
            let told = [0, CHECK].map(|nth| self.world.change_status(*session, nth));
            assert_eq!(told[1], expected);
            if let Some(rival) = &mut self.rival {
                let told = [0, CHECK].map(|nth| rival.change_status(*number, nth));
                assert_eq!(told[1], expected);
            }
        }
    }
}

impl Scene for Crowds {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, rival, table, told, least, is_ahead, .. } = self;
        let crowds = &self.crowds[self.at];
        let visited = if contender == Contender::Rival { VISITED_BY_RIVAL } else { VISITED };
        let repeats = (visited.min(table.len()) / crowds[0].watchers.len()).max(1);
        let asked = &mut self.asked[self.at][contender as usize];
        let nths = *asked..*asked + repeats;
        *asked += repeats;
        // A number without a factor in common goes through all of them.
        let crowd = |nth: usize| &crowds[nth * 7_919 % crowds.len()];
        let units = nths.clone().map(|nth| crowd(nth).watchers.len()).sum();
        let asked = nths.clone().map(|nth| (crowd(nth), nth / crowds.len()));
        Some(match contender {
            Contender::Floor => timed(units, || {
                for (Crowd { watchers, .. }, _) in asked {
                    match self.is_mixed {
                        true => gather_present(table, watchers, told),
                        false => gather(table, watchers, told),
                    }
                    black_box(&told);
                }
            }),
            Contender::Engine => timed(units, || {
                for (nth, (Crowd { session, .. }, lap)) in nths.clone().zip(asked) {
                    if *is_ahead && (nth - nths.start) % AHEAD == 0 {
                        let next = nth..nths.end.min(nth + AHEAD);
                        world.engine.prefetch(next.map(|nth| crowd(nth).session));
                    }
                    black_box(world.change_status(*session, lap));
                }
            }),
            Contender::Rival => {
                let rival = rival.as_mut()?;
                timed(units, || {
                    for (Crowd { number, .. }, lap) in asked {
                        black_box(rival.change_status(*number, lap));
                    }
                })
            }
            Contender::Least if self.is_mixed => return None,
            Contender::Least => timed(units, || {
                for (Crowd { word, .. }, lap) in asked {
                    black_box(least.set_status(lap as u64, *word, custom(lap)));
                }
            }),
        })
    }
}

/// Many users with a few watchers each, strewn over the world. Each is asked once and then not
/// until all others were, so that nothing about him is in a cache.
struct Scattered {
    world: World,
    rival: RivalWorld,
    table: Vec<u64>,
    /// Of every user; most are empty.
    lists: Vec<Vec<u32>>,
    targets: Vec<u32>,
    /// The session of each target, as each host knows it.
    sessions: Vec<SessionId>,
    numbers: Vec<u64>,
    words: Vec<u64>,
    in_round: usize,
    /// How many were asked, by each contender.
    asked: [usize; 4],
    told: Vec<u64>,
    least: Least,
    /// Whether the host has [`AHEAD`] inputs at hand, and has the engine read ahead.
    is_ahead: bool,
}

impl Scattered {
    fn new(scale: &Scale, watchers: usize) -> Self {
        let users = scale.users;
        let (mut world, rival) = both(users, true);
        let mut rival = rival.expect("there is a rival");
        let mut random = Random::new(3);
        let order = random.shuffled(users);
        let mut targets = random.shuffled(users);
        targets.truncate(scale.of(if scale.is_quick { 300_000 } else { 1_000_000 }) / watchers);
        let mut lists = vec![Vec::new(); users];
        for (nth, &target) in targets.iter().enumerate() {
            let list: &mut Vec<u32> = &mut lists[target as usize];
            let next = (nth * watchers..).map(|nth| order[nth % users]);
            list.extend(next.filter(|&watcher| watcher != target).take(watchers));
        }
        let requests = || {
            let all = targets.iter().map(|&target| (target, &lists[target as usize]));
            all.flat_map(|(target, list)| list.iter().map(move |&watcher| (watcher, target)))
        };
        let subscribe = || {
            requests().for_each(|(watcher, target)| world.subscribe(watcher, &[target.into()]));
        };
        let subscribe_rival = || {
            requests().for_each(|(watcher, target)| rival.subscribe(watcher, &[target.into()]));
        };
        side_by_side(subscribe_rival, subscribe);
        let session = |&target: &u32| world.sessions[target as usize];
        let sessions: Vec<_> = targets.iter().map(session).collect();
        assert_eq!(world.change_status(sessions[0], CHECK), 1 + watchers);
        let session = |&target: &u32| rival.sessions[target as usize];
        let numbers: Vec<_> = targets.iter().map(session).collect();
        assert_eq!(rival.change_status(numbers[0], CHECK), 1 + watchers);
        let table = (1..=users as u64).collect();
        let in_round = (targets.len() / 10).max(1);
        let (asked, told) = ([0; 4], Vec::new());
        let known = targets.iter().map(|&target| (target, &lists[target as usize][..]));
        let mut least = Least::new(users, known);
        let words: Vec<_> = targets.iter().map(|&target| least.session(target)).collect();
        assert_eq!(least.set_status(1, words[0], "a"), watchers);
        Self {
            world,
            rival,
            table,
            lists,
            targets,
            sessions,
            numbers,
            words,
            in_round,
            asked,
            told,
            least,
            is_ahead: true,
        }
    }
}

impl Scene for Scattered {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self {
            world, rival, table, lists, targets, sessions, numbers, words, told, least, ..
        } = self;
        let is_ahead = self.is_ahead;
        let first = self.asked[contender as usize];
        self.asked[contender as usize] += self.in_round;
        let units = self.in_round * lists[targets[0] as usize].len();
        let asked =
            (first..first + self.in_round).map(|nth| (nth % targets.len(), nth / targets.len()));
        Some(match contender {
            Contender::Floor => timed(units, || {
                for (nth, _) in asked {
                    gather(table, &lists[targets[nth] as usize], told);
                    black_box(&told);
                }
            }),
            Contender::Engine => timed(units, || {
                for (nth, lap) in asked {
                    if is_ahead && nth % AHEAD == 0 {
                        world.engine.prefetch(sessions[nth..].iter().copied().take(AHEAD));
                    }
                    black_box(world.change_status(sessions[nth], lap));
                }
            }),
            Contender::Rival => timed(units, || {
                for (nth, lap) in asked {
                    black_box(rival.change_status(numbers[nth], lap));
                }
            }),
            Contender::Least => timed(units, || {
                for (nth, lap) in asked {
                    black_box(least.set_status(lap as u64, words[nth], custom(lap)));
                }
            }),
        })
    }
}

/// A crowd of users with one to three sessions: six, three and one of ten.
struct Spans {
    world: World,
    rival: RivalWorld,
    spans: Vec<(u32, u32)>,
    flat: Vec<u64>,
    target: u32,
    watchers: Vec<u32>,
    told: Vec<u64>,
}

impl Spans {
    fn new(scale: &Scale) -> Self {
        let users = scale.users;
        let (mut world, rival) = both(users, true);
        let mut rival = rival.expect("there is a rival");
        let count_of = |user: usize| [1, 1, 1, 1, 1, 1, 2, 2, 2, 3][user % 10];
        let more = || {
            let devices =
                |user| DEVICES[1..count_of(user)].iter().map(move |&device| (user, device));
            (0..users).flat_map(devices)
        };
        let log_in = || {
            for (user, device) in more() {
                world.login_on(user as u64, device);
            }
        };
        let log_in_to_rival = || {
            for (user, device) in more() {
                rival.login_on(user as u64, device);
            }
        };
        side_by_side(log_in_to_rival, log_in);
        let mut spans = vec![(0, 1); users];
        let mut flat = Vec::new();
        for (user, span) in spans.iter_mut().enumerate() {
            let count = count_of(user);
            *span = (flat.len() as u32, count as u32);
            flat.extend((0..count).map(|nth| (user + nth) as u64));
        }
        flat.extend([0; 2]);
        let mut watchers = Random::new(1).shuffled(users);
        let target = watchers.pop().expect("there are users");
        watchers.truncate(scale.of(100_000));
        for &watcher in &watchers {
            world.subscribe(watcher, &[u64::from(target)]);
            rival.subscribe(watcher, &[u64::from(target)]);
        }
        let mut told = Vec::new();
        gather_spans(&spans, &flat, &watchers, &mut told);
        let expected = told.len() + spans[target as usize].1 as usize;
        assert_eq!(world.change_status(world.sessions[target as usize], CHECK), expected);
        assert_eq!(rival.change_status(rival.sessions[target as usize], CHECK), expected);
        Self { world, rival, spans, flat, target, watchers, told }
    }
}

impl Scene for Spans {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, rival, spans, flat, watchers, told, .. } = self;
        let target = self.target as usize;
        let per_repeat: usize = watchers.iter().map(|&user| spans[user as usize].1 as usize).sum();
        let repeats = if contender == Contender::Rival { 2 } else { 10 };
        let units = repeats * per_repeat;
        Some(match contender {
            Contender::Floor => timed(units, || {
                for _ in 0..repeats {
                    gather_spans(spans, flat, watchers, told);
                    black_box(&told);
                }
            }),
            Contender::Engine => timed(units, || {
                for nth in 0..repeats {
                    black_box(world.change_status(world.sessions[target], nth));
                }
            }),
            Contender::Rival => timed(units, || {
                for nth in 0..repeats {
                    black_box(rival.change_status(rival.sessions[target], nth));
                }
            }),
            Contender::Least => return None,
        })
    }
}
