//! The relations and the reach beside plain vectors: what the tests and the fuzz target `relations`
//! run, over bytes.
//!
//! The vectors are scanned from end to end whatever is asked, one user named after another as the
//! rules say it, and know nothing of edges, blocks, indices and windows.

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use super::{Kinds, Relations};
use crate::id::{SessionId, UserSlot};
use crate::reach::Reach;

/// More find nothing more, and one input would take too long.
const OPS_MAX: usize = 100;
/// So many that lists are kept in each of the ways there are; or few, which takes less time.
const MANY: u32 = 1_000;
const FEW: u32 = 50;
const FRIENDS_MAX: u64 = 400;
/// More than a group keeps in place.
const SESSIONS_MAX: usize = 6;

/// Some users, in some order; one may be named twice.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Users {
    first: u8,
    count: u8,
    stride: u8,
    /// Tells many from few.
    size: u8,
}

impl Users {
    fn of(self, users: u32) -> Vec<u32> {
        let count = match self.size % 8 {
            0 => u32::from(self.count) * 4,
            1..=3 => u32::from(self.count),
            _ => u32::from(self.count) % 4,
        };
        let nth = |nth| (user(self.first) + nth * u32::from(self.stride)) % users;
        (0..count).map(nth).collect()
    }
}

/// What happens to the relations and the sessions.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Op {
    Subscribe {
        who: u8,
        whom: Users,
        max: u16,
    },
    Unsubscribe {
        who: u8,
        whom: Users,
    },
    Clear {
        who: u8,
    },
    Befriend {
        who: u8,
        whom: Users,
        max: u16,
    },
    Unfriend {
        who: u8,
        whom: Users,
    },
    /// Many begin or end to watch one.
    Watch {
        who: Users,
        whom: u8,
        max: u16,
        what: u8,
    },
    Remove {
        who: u8,
    },
    /// Each gets a session, unless he has as many as there may be.
    Open {
        who: Users,
    },
    /// Each loses one, the first or a later one.
    Close {
        who: Users,
        nth: u8,
    },
}

/// Runs the operations that some bytes stand for.
pub(crate) fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(are_many) = bool::arbitrary(&mut bytes) else { return };
    let mut pair = Pair::new(if are_many { MANY } else { FEW });
    for number in 0..OPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut bytes) else { break };
        pair.run(op);
        let invariants = [pair.relations.check_invariants(), pair.reach.check_invariants()];
        assert_eq!(invariants, [Ok(()); 2], "after {op:?}, number {number}");
    }
    for user in (0..pair.users).step_by(97) {
        pair.check_user(user);
    }
}

/// The relations, and what they must be.
struct Pair {
    users: u32,
    relations: Relations,
    reach: Reach,
    lists: Vec<Vec<u32>>,
    friends: Vec<Vec<u32>>,
    sessions: Vec<Vec<SessionId>>,
    opened: u32,
}

impl Pair {
    fn new(users: u32) -> Self {
        let (mut relations, mut reach) = (Relations::default(), Reach::default());
        for user in (0..users).map(UserSlot) {
            relations.admit(user);
            reach.admit(user);
        }
        let none = || alloc::vec![Vec::new(); users as usize];
        let (lists, friends, sessions) = (none(), none(), alloc::vec![Vec::new(); users as usize]);
        Self { users, relations, reach, lists, friends, sessions, opened: 0 }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Subscribe { who, whom, max } => {
                let who = self.user(who);
                self.subscribe(who, &self.others(whom, who), max);
                self.check_user(who);
                self.check_user(self.user(whom.first));
            }
            Op::Unsubscribe { who, whom } => {
                let who = self.user(who);
                self.unsubscribe(who, &self.others(whom, who));
                self.check_user(who);
                self.check_user(self.user(whom.first));
            }
            Op::Clear { who } => self.clear(self.user(who)),
            Op::Befriend { who, whom, max } => {
                let who = self.user(who);
                for friend in self.others(whom, who) {
                    self.befriend(who, friend, max);
                }
                self.check_user(who);
            }
            Op::Unfriend { who, whom } => {
                let who = self.user(who);
                for friend in self.others(whom, who) {
                    self.unfriend(who, friend);
                }
                self.check_user(who);
            }
            Op::Watch { who, whom, max, what } => {
                let whom = self.user(whom);
                for watcher in self.others(who, whom) {
                    match what % 4 {
                        0 => self.subscribe(watcher, &[whom], max),
                        1 => self.unsubscribe(watcher, &[whom]),
                        2 => self.befriend(watcher, whom, max),
                        _ => self.unfriend(watcher, whom),
                    }
                }
                self.check_user(whom);
            }
            Op::Remove { who } => self.remove(self.user(who)),
            Op::Open { who } => who.of(self.users).into_iter().for_each(|user| self.open(user)),
            Op::Close { who, nth } => {
                who.of(self.users).into_iter().for_each(|user| self.close(user, nth));
            }
        }
    }

    fn user(&self, number: u8) -> u32 {
        user(number) % self.users
    }

    /// Returns the users named but one: nobody watches himself.
    fn others(&self, named: Users, one: u32) -> Vec<u32> {
        named.of(self.users).into_iter().filter(|&user| user != one).collect()
    }

    fn subscribe(&mut self, who: u32, whom: &[u32], max: u16) {
        let max = u64::from(max % 512) + 1;
        let mut expected = Vec::new();
        let list = &mut self.lists[who as usize];
        for &target in whom {
            list.retain(|&other| other != target);
            list.push(target);
            while list.len() as u64 > max {
                expected.push(list.remove(0));
            }
        }
        let mut evicted = Vec::new();
        self.relations.subscribe(UserSlot(who), &slots(whom), max, &mut evicted);
        assert_eq!(evicted, slots(&expected), "the evicted of {who}");
    }

    fn unsubscribe(&mut self, who: u32, whom: &[u32]) {
        let list = &mut self.lists[who as usize];
        let (gone, left) = list.iter().partition::<Vec<_>, _>(|target| whom.contains(target));
        *list = left;
        let mut dropped = Vec::new();
        self.relations.unsubscribe(UserSlot(who), &slots(whom), &mut dropped);
        assert_eq!(sorted(dropped), sorted(slots(&gone)), "the unsubscribed of {who}");
    }

    fn clear(&mut self, who: u32) {
        let mut dropped = Vec::new();
        self.relations.clear_subscriptions(UserSlot(who), &mut dropped);
        let list = core::mem::take(&mut self.lists[who as usize]);
        assert_eq!(dropped, slots(&list), "the whole list of {who}");
        self.check_user(who);
    }

    fn befriend(&mut self, who: u32, friend: u32, max: u16) {
        let max = u64::from(max) % FRIENDS_MAX + 1;
        let friends = &mut self.friends[who as usize];
        let is_friend = friends.contains(&friend);
        let has_room = (friends.len() as u64) < max;
        if !is_friend && has_room {
            friends.push(friend);
        }
        let added = self.relations.add_friend(UserSlot(who), UserSlot(friend), max);
        assert_eq!(added, is_friend || has_room, "{friend} as a friend of {who}");
    }

    fn unfriend(&mut self, who: u32, friend: u32) {
        self.friends[who as usize].retain(|&other| other != friend);
        self.relations.remove_friend(UserSlot(who), UserSlot(friend));
    }

    fn remove(&mut self, who: u32) {
        let mut expected = self.watched(who);
        expected.extend(self.watchers(who).iter().map(|&(watcher, _)| watcher));
        let mut others = Vec::new();
        self.relations.remove_user(UserSlot(who), &mut others);
        assert_eq!(sorted(others), sorted(slots(&expected)), "the others of {who}");
        for lists in [&mut self.lists, &mut self.friends] {
            lists[who as usize].clear();
            lists.iter_mut().for_each(|list| list.retain(|&other| other != who));
        }
        assert!(self.relations.is_alone(UserSlot(who)));
        self.check_user(who);
    }

    fn open(&mut self, who: u32) {
        let sessions = &mut self.sessions[who as usize];
        if sessions.len() < SESSIONS_MAX {
            self.opened += 1;
            let session = SessionId::from_parts(self.opened, 1);
            sessions.push(session);
            self.reach.add(UserSlot(who), session);
        }
    }

    fn close(&mut self, who: u32, nth: u8) {
        let sessions = &mut self.sessions[who as usize];
        if !sessions.is_empty() {
            let session = sessions.remove(usize::from(nth) % sessions.len());
            self.reach.remove(UserSlot(who), session);
        }
    }

    /// Returns whom somebody watches, each once.
    fn watched(&self, who: u32) -> Vec<u32> {
        let list = &self.lists[who as usize];
        let friends = self.friends[who as usize].iter().filter(|&friend| !list.contains(friend));
        list.iter().chain(friends).copied().collect()
    }

    /// Compares all that can be asked about a user.
    fn check_user(&self, who: u32) {
        let (slot, relations) = (UserSlot(who), &self.relations);
        let (list, friends) = (&self.lists[who as usize], &self.friends[who as usize]);
        assert_eq!(relations.subscriptions(slot).collect::<Vec<_>>(), slots(list), "list of {who}");
        let given = relations.friends(slot).collect();
        assert_eq!(sorted(given), sorted(slots(friends)), "the friends of {who}");
        assert_eq!(relations.subscription_count(slot), list.len());
        assert_eq!(relations.has_subscriptions(slot), !list.is_empty());
        for target in [(who + 1) % self.users, list.first().copied().unwrap_or(0)] {
            let is_subscribed = list.contains(&target);
            assert_eq!(relations.is_subscribed(slot, UserSlot(target)), is_subscribed);
        }
        assert_eq!(self.reach.of(slot), self.sessions[who as usize], "the sessions of {who}");
        let watchers = self.watchers(who);
        let is_alone = self.watched(who).is_empty() && watchers.is_empty();
        assert_eq!(relations.is_alone(slot), is_alone, "{who}");
        for kinds in [[true, true], [true, false], [false, true], [false, false]] {
            let counts = |by: [bool; 2]| by[0] && kinds[0] || by[1] && kinds[1];
            let watchers = watchers.iter().filter(|&&(_, by)| counts(by));
            let expected = watchers.flat_map(|&(watcher, _)| &self.sessions[watcher as usize]);
            let mut told = Vec::new();
            let [subscriptions, friends] = kinds;
            let kinds = Kinds::new(subscriptions, friends);
            kinds.gather(&self.reach, relations.watchers(slot), &mut told);
            assert_eq!(sorted(told), sorted(expected.copied().collect()), "told of {who}");
        }
    }

    /// Returns who watches a user, and whether by a subscription, and as a friend.
    fn watchers(&self, who: u32) -> Vec<(u32, [bool; 2])> {
        let mut watchers = Vec::new();
        for (watcher, (list, friends)) in (0..).zip(self.lists.iter().zip(&self.friends)) {
            let by = [list.contains(&who), friends.contains(&who)];
            if by != [false, false] {
                watchers.push((watcher, by));
            }
        }
        watchers
    }
}

/// Few of all users nearly always.
fn user(number: u8) -> u32 {
    if number < 224 { u32::from(number % 8) } else { u32::from(number) % 32 * 31 }
}

fn slots(users: &[u32]) -> Vec<UserSlot> {
    users.iter().copied().map(UserSlot).collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items
}
