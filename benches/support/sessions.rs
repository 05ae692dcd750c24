//! D: heartbeats. F: a user who logs out and in again, with watchers and a list.

use core::hint::black_box;
use core::ops::Range;

use presence_engine::{SessionId, Timestamp};

use super::floors::{gather, timed_stores};
use super::least::Least;
use super::measure::{Sample, timed};
use super::scene::{Bounds, Case, Contender, Scale, Scene, Visit};
use super::world::{AHEAD, RivalWorld, World, both};
use super::{Random, called, side_by_side};

const D1: Bounds = Bounds::new(3.5, 10.0);
const D2: Bounds = Bounds::new(2.0, 15.0);
const F: Bounds = Bounds::new(2.0, 8.0);

/// How many heartbeats are told at once.
const BATCH: usize = 256;

pub fn visit(scale: &Scale, visit: Visit<'_>) {
    if scale.wants("D1") || scale.wants("D2") {
        let mut scene = Heartbeats::new(scale.users, true);
        if scale.wants("D1") {
            visit(Case { row: "D1", name: "one by one".into(), bounds: D1, scene: &mut scene });
        }
        if scale.wants("D2") {
            scene.is_batched = true;
            visit(Case { row: "D2", name: "by 256".into(), bounds: D2, scene: &mut scene });
        }
    }
    if scale.wants("F") {
        let mut scene = Returns::new(scale.users, scale.of(20_000), true);
        let name = format!("{EDGES} out and in, {AHEAD} at hand");
        visit(Case { row: "F", name, bounds: F, scene: &mut scene });
        scene.is_ahead = false;
        if !scale.is_quick {
            let name = format!("{EDGES} out and in, one by one");
            visit(Case { row: "F", name, bounds: Bounds::NONE, scene: &mut scene });
        }
    }
}

/// A heartbeat of everybody, in random order.
pub struct Heartbeats {
    world: World,
    rival: Option<RivalWorld>,
    table: Vec<u64>,
    slots: Vec<u32>,
    sessions: Vec<SessionId>,
    /// The rival's, for an eighth of the users.
    numbers: Vec<u64>,
    least: Least,
    /// Those of the least program, in the same order.
    words: Vec<u64>,
    is_batched: bool,
}

impl Heartbeats {
    pub fn new(users: usize, has_rival: bool) -> Self {
        let (mut world, rival) = both(users, has_rival);
        let slots = Random::new(5).shuffled(users);
        let sessions: Vec<_> = slots.iter().map(|&user| world.sessions[user as usize]).collect();
        assert_eq!(world.engine.heartbeats(world.now, &sessions), users);
        let eighth = slots.iter().take(users.div_ceil(8));
        let numbers = rival.iter().flat_map(|rival| {
            eighth.clone().map(|&user| rival.sessions[user as usize]).collect::<Vec<_>>()
        });
        let numbers = numbers.collect();
        let (table, is_batched) = (vec![0; users], false);
        let mut least = Least::new(users, core::iter::empty());
        let words: Vec<_> = slots.iter().map(|&user| least.session(user)).collect();
        assert!(words.iter().all(|&session| least.heartbeat(1, session)));
        assert_eq!(least.heartbeats(1, &words), users);
        Self { world, rival, table, slots, sessions, numbers, least, words, is_batched }
    }
}

impl Scene for Heartbeats {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, table, slots, sessions, numbers, least, words, .. } = self;
        world.now = Timestamp::from_millis(world.now.as_millis() + 1);
        let now = world.now;
        Some(match contender {
            Contender::Floor => timed_stores(table, slots, now.as_millis()),
            Contender::Engine if self.is_batched => timed(sessions.len(), || {
                for batch in sessions.chunks(BATCH) {
                    black_box(world.engine.heartbeats(now, batch));
                }
            }),
            Contender::Engine => {
                let engine = called(&mut world.engine);
                timed(sessions.len(), || {
                    for &session in sessions.iter() {
                        black_box(engine.heartbeat(now, session).is_ok());
                    }
                })
            }
            Contender::Rival => {
                let rival = self.rival.as_mut()?;
                timed(numbers.len(), || {
                    for &number in numbers.iter() {
                        black_box(rival.rival.heartbeat(now.as_millis(), number));
                    }
                })
            }
            Contender::Least if self.is_batched => timed(words.len(), || {
                for batch in words.chunks(BATCH) {
                    black_box(least.heartbeats(now.as_millis(), batch));
                }
            }),
            Contender::Least => {
                let least = called(least);
                timed(words.len(), || {
                    for &session in words.iter() {
                        black_box(least.heartbeat(now.as_millis(), session));
                    }
                })
            }
        })
    }
}

/// How many watch each user of a community, and how many he watches.
pub const EDGES: usize = 200;

/// A community in a larger world: each member watches [`EDGES`] others and is watched by as many.
pub struct Community {
    /// Its members, by the numbers of users.
    pub members: Vec<u32>,
    /// Whom each member watches.
    pub watched: Vec<Vec<u64>>,
    /// Who watches each member.
    pub watchers: Vec<Vec<u32>>,
}

impl Community {
    pub fn new(users: usize, members: usize, edges: usize) -> Self {
        let mut random = Random::new(11);
        let mut numbers = random.shuffled(users);
        numbers.truncate(members);
        let mut offsets = random.distinct(edges, members - 1);
        offsets.iter_mut().for_each(|offset| *offset += 1);
        let member = |at: usize| numbers[at % members];
        let watched = (0..members)
            .map(|at| offsets.iter().map(|&o| u64::from(member(at + o as usize))).collect());
        let watchers = (0..members)
            .map(|at| offsets.iter().map(|&o| member(at + members - o as usize)).collect());
        let (watched, watchers) = (watched.collect(), watchers.collect());
        Self { watched, watchers, members: numbers }
    }
}

/// A member of a community, with his session as each host has it at hand with what he does.
struct Member {
    user: u32,
    id: u64,
    session: SessionId,
    number: u64,
    word: u64,
}

/// Members of a community log out and in again. Their lists stay, and all who watch them are told
/// twice.
pub struct Returns {
    world: World,
    rival: Option<RivalWorld>,
    members: Vec<Member>,
    /// Who watches each member.
    watchers: Vec<Vec<u32>>,
    table: Vec<u64>,
    told: Vec<u64>,
    in_round: usize,
    /// How many returned, by each contender.
    returned: [usize; Contender::ALL.len()],
    least: Least,
    /// Whether the host has [`AHEAD`] inputs at hand, and has the engine read ahead.
    is_ahead: bool,
}

impl Returns {
    /// A community of `members` of the users, or more if a list would not find enough to name.
    pub fn new(users: usize, members: usize, has_rival: bool) -> Self {
        let (count, edges) = (members.max(2 * EDGES), EDGES);
        let Community { members, watched, watchers } = Community::new(users, count, edges);
        let (mut world, mut rival) = both(users, has_rival);
        let requests = || members.iter().zip(&watched);
        let subscribe = || {
            for (&member, watched) in requests() {
                world.subscribe(member, watched);
            }
        };
        let subscribe_rival = || {
            if let Some(rival) = &mut rival {
                for (&member, watched) in requests() {
                    rival.subscribe(member, watched);
                }
            }
        };
        side_by_side(subscribe_rival, subscribe);
        let known = members.iter().copied().zip(watchers.iter().map(Vec::as_slice));
        let mut least = Least::new(users, known).with_ids();
        let member = |user: u32| Member {
            user,
            id: user.into(),
            session: world.sessions[user as usize],
            number: rival.as_ref().map_or(0, |rival| rival.sessions[user as usize]),
            word: least.session(user),
        };
        let mut members: Vec<_> = members.into_iter().map(member).collect();
        // One is told of what he himself did only when he logs in.
        let Member { user, id, session, number, word, .. } = &mut members[0];
        assert_eq!(world.log_in_again(*user, session), 2 * edges + 1);
        if let Some(rival) = &mut rival {
            assert_eq!(rival.log_in_again(*user, number), 2 * edges + 1);
        }
        assert_eq!(least.log_in_again(1, word, *id), 2 * edges);
        // The tables for those who are offline grow when the first of them are.
        for Member { user, session, .. } in &mut members {
            world.log_in_again(*user, session);
        }
        let table = (1..=users as u64).collect();
        let (told, in_round, returned) = (Vec::new(), members.len() / 10, [0; 4]);
        let is_ahead = true;
        Self { world, rival, members, watchers, table, told, in_round, returned, least, is_ahead }
    }
}

impl Scene for Returns {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let Self { world, members, watchers, told, least, .. } = self;
        let in_round =
            if contender == Contender::Rival { self.in_round / 4 } else { self.in_round };
        let first = self.returned[contender as usize];
        self.returned[contender as usize] += in_round;
        // A number without a factor in common goes through all members, in no order of theirs.
        let count = members.len();
        let places = |nths: Range<usize>| nths.map(move |nth| nth * 7_919 % count);
        let (last, is_ahead) = (first + in_round, self.is_ahead);
        Some(match contender {
            Contender::Floor => timed(in_round, || {
                for at in places(first..last) {
                    for _ in 0..2 {
                        gather(&self.table, &watchers[at], told);
                        black_box(&told);
                    }
                }
            }),
            Contender::Engine => timed(in_round, || {
                for some in (first..last).step_by(AHEAD) {
                    let some = some..last.min(some + AHEAD);
                    if is_ahead {
                        world.engine.prefetch_users(places(some.clone()).map(|at| &members[at].id));
                    }
                    for at in places(some) {
                        let Member { user, session, .. } = &mut members[at];
                        black_box(world.log_in_again(*user, session));
                    }
                }
            }),
            Contender::Rival => {
                let rival = self.rival.as_mut()?;
                timed(in_round, || {
                    for at in places(first..last) {
                        let Member { user, number, .. } = &mut members[at];
                        black_box(rival.log_in_again(*user, number));
                    }
                })
            }
            Contender::Least => timed(in_round, || {
                for at in places(first..last) {
                    let Member { id, word, .. } = &mut members[at];
                    black_box(least.log_in_again(1, word, *id));
                }
            }),
        })
    }
}
