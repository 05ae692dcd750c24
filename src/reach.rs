//! Which sessions reach a user, and the gathering of those that reach many users: the fan-out.
//!
//! # Layout
//!
//! One cell of 8 bytes a user, so that a fan-out reads nothing else of a watcher: the id of his only
//! session, or that he has none, or the number of his group. A group (32 bytes, up to three ids in
//! place) exists only for a user with two sessions or more.
//!
//! # Invariants
//!
//! 1. A cell is vacant for no session, the id for one, a group's number for more.
//! 2. A group has at least two ids, in the order of the logins, and belongs to one cell.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::id::{SessionId, UserSlot};

type Group = SmallVec<[SessionId; 3]>;

const VACANT: SessionId = SessionId::marker(0, 2);
const GROUP_TAG: u32 = 4;

/// How many watchers are gathered at a time: enough to overlap their cache misses, few enough to
/// stay in registers and the nearest cache.
const WINDOW: usize = 16;

/// The sessions of every user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    cells: Vec<SessionId>,
    groups: Vec<Group>,
    free: Vec<u32>,
}

impl Reach {
    /// Makes room for the user, who has no session.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.cells.len() <= user.index() {
            self.cells.resize(user.index() + 1, VACANT);
        }
    }

    /// Adds a session, as the newest.
    pub(crate) fn add(&mut self, user: UserSlot, session: SessionId) {
        let cell = self.cells[user.index()];
        if cell == VACANT {
            self.cells[user.index()] = session;
        } else if cell.is_id() {
            let group = Group::from_slice(&[cell, session]);
            let number = match self.free.pop() {
                Some(number) => {
                    self.groups[number as usize] = group;
                    number
                }
                None => {
                    self.groups.push(group);
                    (self.groups.len() - 1) as u32
                }
            };
            self.cells[user.index()] = SessionId::marker(number, GROUP_TAG);
        } else {
            self.groups[cell.slot() as usize].push(session);
        }
    }

    /// Removes a session that has ended.
    pub(crate) fn remove(&mut self, user: UserSlot, session: SessionId) {
        let cell = &mut self.cells[user.index()];
        if *cell == session {
            *cell = VACANT;
        } else if !cell.is_id() && *cell != VACANT {
            let number = cell.slot();
            let group = &mut self.groups[number as usize];
            group.retain(|id| *id != session);
            if let [last] = group[..] {
                *cell = last;
                *group = Group::new();
                self.free.push(number);
            }
        }
    }

    /// Returns the user's sessions, earliest login first.
    pub(crate) fn of(&self, user: UserSlot) -> &[SessionId] {
        match self.cells.get(user.index()) {
            Some(&VACANT) | None => &[],
            Some(cell) if cell.is_id() => core::slice::from_ref(cell),
            Some(cell) => &self.groups[cell.slot() as usize],
        }
    }

    /// Appends the sessions of all `users` to `told`: the user's slot is what `slot` makes of an
    /// entry, and entries without slot are passed over.
    ///
    /// Where all of a window have one session each, which is the rule, the window is copied;
    /// elsewhere it is compacted without branches, and groups are spliced in.
    #[inline]
    pub(crate) fn gather(
        &self,
        users: &[u32],
        told: &mut Vec<SessionId>,
        slot: impl Fn(u32) -> Option<usize>,
    ) {
        for window in users.chunks(WINDOW) {
            let mut found = [VACANT; WINDOW];
            let mut all = 1;
            for (found, &entry) in found.iter_mut().zip(window) {
                *found = slot(entry).and_then(|at| self.cells.get(at)).copied().unwrap_or(VACANT);
                all &= found.to_bits();
            }
            let found = &found[..window.len()];
            if all == 1 {
                told.extend_from_slice(found);
            } else {
                self.gather_mixed(found, told);
            }
        }
    }

    fn gather_mixed(&self, found: &[SessionId], told: &mut Vec<SessionId>) {
        let mut ids = [VACANT; WINDOW];
        let mut len = 0;
        for &cell in found {
            if !cell.is_id() && cell != VACANT {
                told.extend_from_slice(&ids[..len]);
                told.extend_from_slice(&self.groups[cell.slot() as usize]);
                len = 0;
                continue;
            }
            ids[len % WINDOW] = cell;
            len += usize::from(cell.is_id());
        }
        told.extend_from_slice(&ids[..len]);
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let numbers = self.cells.iter().filter(|cell| !cell.is_id() && **cell != VACANT);
        let mut numbers: Vec<u32> = numbers.map(|cell| cell.slot()).collect();
        if numbers.iter().any(|&number| self.groups[number as usize].len() < 2) {
            return Err("reach 2: a group has fewer than two ids");
        }
        numbers.extend_from_slice(&self.free);
        numbers.sort_unstable();
        if !numbers.iter().copied().eq(0..self.groups.len() as u32) {
            return Err("reach 2: a group does not belong to one cell");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> SessionId {
        SessionId::from_parts(slot, 1)
    }

    /// NO-2: every session of every watcher, each once, in windows full, mixed and broken off.
    #[test]
    fn gathering_finds_all_sessions_whatever_stands_side_by_side() {
        for sessions_max in 0..5 {
            for users in 0..40u32 {
                let mut reach = Reach::default();
                let mut expected = Vec::new();
                for user in 0..users {
                    reach.admit(UserSlot(user));
                    for nth in 0..(user * 7 + 3) % (sessions_max + 1) {
                        reach.add(UserSlot(user), id(user * 10 + nth));
                        expected.push(id(user * 10 + nth));
                    }
                }
                let mut told = Vec::new();
                let everybody: Vec<u32> = (0..users).collect();
                reach.gather(&everybody, &mut told, |entry| Some(entry as usize));
                assert_eq!(told, expected);
                assert_eq!(reach.check_invariants(), Ok(()));
            }
        }
    }

    #[test]
    fn sessions_come_and_go_in_any_order() {
        let mut reach = Reach::default();
        let user = UserSlot(3);
        reach.admit(user);
        for slot in 0..4 {
            reach.add(user, id(slot));
        }
        reach.remove(user, id(1));
        assert_eq!(reach.of(user), [id(0), id(2), id(3)]);
        reach.remove(user, id(0));
        reach.remove(user, id(3));
        assert_eq!(reach.of(user), [id(2)]);
        reach.remove(user, id(9));
        reach.remove(user, id(2));
        assert_eq!(reach.of(user), []);
        assert_eq!(reach.of(UserSlot(99)), []);
        assert_eq!(reach.check_invariants(), Ok(()));
    }
}
