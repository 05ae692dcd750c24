//! Which sessions reach a user, and the gathering of those that reach many users: the fan-out.
//!
//! # Layout
//!
//! One cell of 8 bytes a user, so that a fan-out reads nothing else of a watcher: the id of his
//! only session, or that he has none, or the number of his group. A group (32 bytes, up to three
//! ids in place) exists only for a user with two sessions or more. There are as many cells as a
//! power of two, those beyond the users vacant: a slot is masked instead of compared.
//!
//! # Invariants
//!
//! 1. A cell is vacant for no session, the id for one, a group's number for more.
//! 2. A group has at least two ids, in the order of the logins, and belongs to one cell.
//! 3. There are no cells or as many as a power of two, and as many as there are users at least.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::id::{SessionId, UserSlot};
use crate::pool::Pool;

/// The bits of an entry that are a slot.
const SLOTS: u32 = UserSlot::COUNT_MAX as u32;
const _: () = assert!(UserSlot::COUNT_MAX as u64 == (1 << 30) - 1, "the mask is no larger");

type Group = SmallVec<[SessionId; GROUP_LEN]>;

/// How many ids of a group are kept in place.
const GROUP_LEN: usize = 3;

const VACANT: SessionId = SessionId::marker(0, 2);
const GROUP_TAG: u32 = 4;

/// How many watchers are gathered before those before them are looked over.
const STEP: usize = 512;

/// How many watchers are gathered at a time where not all are alike: enough that what a window
/// costs by itself does not count, few enough that it is still in the nearest cache when it is
/// looked over.
const WINDOW: usize = 2_048;

/// So many are gathered in one loop, which saves what a window costs by itself.
const FEW: usize = 32;

/// The sessions of every user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    cells: Vec<SessionId>,
    groups: Pool<Group>,
}

impl Reach {
    /// Makes room for the user, who has no session.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.cells.len() <= user.index() {
            self.cells.resize((user.index() + 1).next_power_of_two(), VACANT);
        }
    }

    /// Reads something of the user's cell.
    #[inline]
    pub(crate) fn call_for(&self, user: UserSlot) -> u32 {
        self.cells.get(user.index()).map_or(0, |cell| cell.slot())
    }

    /// Adds a session, as the newest.
    pub(crate) fn add(&mut self, user: UserSlot, session: SessionId) {
        let cell = self.cells[user.index()];
        if cell == VACANT {
            self.cells[user.index()] = session;
        } else if cell.is_id() {
            let group = Group::from_slice(&[cell, session]);
            let number = self.groups.insert(group);
            self.cells[user.index()] = SessionId::marker(number, GROUP_TAG);
        } else {
            self.groups.get_mut(cell.slot()).push(session);
        }
    }

    /// Removes a session that has ended.
    pub(crate) fn remove(&mut self, user: UserSlot, session: SessionId) {
        let cell = &mut self.cells[user.index()];
        if *cell == session {
            *cell = VACANT;
        } else if !cell.is_id() && *cell != VACANT {
            self.remove_from_group(user, session);
        }
    }

    #[inline(never)]
    fn remove_from_group(&mut self, user: UserSlot, session: SessionId) {
        let cell = &mut self.cells[user.index()];
        let number = cell.slot();
        let group = self.groups.get_mut(number);
        group.retain(|id| *id != session);
        if let [last] = group[..] {
            *cell = last;
            self.groups.take(number);
        }
    }

    /// Returns the user's sessions, earliest login first.
    #[inline]
    pub(crate) fn of(&self, user: UserSlot) -> &[SessionId] {
        match self.cells.get(user.index()) {
            Some(&VACANT) | None => &[],
            Some(cell) if cell.is_id() => core::slice::from_ref(cell),
            Some(cell) => self.groups.get(cell.slot()),
        }
    }

    /// Appends the sessions of all users whom the entries name to `told`: an entry is a user's slot
    /// with bits above it, and one without any bit of `kinds` is passed over.
    ///
    /// They are gathered as if everybody counted and had one session, which is the rule. Each step
    /// is looked over after the next one is begun: what it reads has arrived by then, and what
    /// waits for cells is not held up. Only where the rule does not hold goes another way.
    #[inline]
    pub(crate) fn gather(&self, entries: &[u32], kinds: u32, told: &mut Vec<SessionId>) {
        if entries.len() <= FEW {
            return self.gather_few(entries, kinds, told);
        }
        let start = told.len();
        let mut steps = entries.chunks(STEP);
        let mut before: &[u32] = &[];
        let mut seen = 0;
        loop {
            let step = steps.next().unwrap_or(&[]);
            self.append_cells(step, told);
            let arrived = &told[start + seen..][..before.len()];
            if !(are_of(kinds, before) & are_single(arrived)) {
                told.truncate(start + seen);
                return self.gather_mixed(&entries[seen..], kinds, told);
            }
            if step.is_empty() {
                return;
            }
            seen += before.len();
            before = step;
        }
    }

    /// Returns the cells, one at least, and the last one's number: as mask it takes nothing of an
    /// entry but its kinds. So the compiler sees that no entry is beyond them.
    #[inline]
    fn masked(&self) -> (&[SessionId], u32) {
        let cells = if self.cells.is_empty() { &[VACANT] } else { &self.cells[..] };
        let last = (cells.len() - 1) as u32;
        (&cells[..=last as usize], last)
    }

    /// Appends the cells of all users whom the entries name.
    #[inline]
    fn append_cells(&self, entries: &[u32], told: &mut Vec<SessionId>) {
        let (cells, last) = self.masked();
        debug_assert!(entries.iter().all(|entry| entry & SLOTS <= last), "invariant 3");
        told.extend(entries.iter().map(|&entry| cells[(entry & last) as usize]));
    }

    /// Does the same where some do not count, have no session or several: a window is gathered, and
    /// compacted in place.
    #[inline(never)]
    fn gather_mixed(&self, entries: &[u32], kinds: u32, told: &mut Vec<SessionId>) {
        for window in entries.chunks(WINDOW) {
            let start = told.len();
            self.append_cells(window, told);
            // Apart from the gathering: what waits for a cell there keeps others from being asked
            // for.
            let all_count = are_of(kinds, window);
            if !all_count {
                // A loop without a branch.
                for (cell, &entry) in told[start..].iter_mut().zip(window) {
                    *cell = if entry & kinds != 0 { *cell } else { VACANT };
                }
            }
            if !all_count || !are_single(&told[start..]) {
                self.compact(start, told);
            }
        }
    }

    /// Does the same for a few, where one loop is less than three.
    #[inline]
    fn gather_few(&self, entries: &[u32], kinds: u32, told: &mut Vec<SessionId>) {
        let start = told.len();
        let (cells, last) = self.masked();
        debug_assert!(entries.iter().all(|entry| entry & SLOTS <= last), "invariant 3");
        let mut all_bits = 1;
        told.extend(entries.iter().map(|&entry| {
            let cell = cells[(entry & last) as usize];
            let cell = if kinds == 0 || entry & kinds != 0 { cell } else { VACANT };
            all_bits &= cell.to_bits();
            cell
        }));
        if all_bits == 0 {
            self.compact(start, told);
        }
    }

    /// Replaces the cells from `start` on by the sessions that they stand for.
    fn compact(&self, start: usize, told: &mut Vec<SessionId>) {
        let mut len = start;
        let mut has_groups = false;
        for at in start..told.len() {
            let cell = told[at];
            told[len] = cell;
            has_groups |= cell.to_bits() & 7 == u64::from(GROUP_TAG);
            len += usize::from(cell != VACANT);
        }
        told.truncate(len);
        if has_groups {
            self.splice_groups(start, told);
        }
    }

    /// Replaces the groups' cells from `start` on by their ids.
    ///
    /// Whoever it is, three ids are written, and the next user's are written over those that are
    /// none: so nothing is to be predicted but that groups of more than three are rare.
    fn splice_groups(&self, start: usize, told: &mut Vec<SessionId>) {
        let count = told.len() - start;
        told.resize(start + GROUP_LEN * count, VACANT);
        // The cells wait at the end, where what they stand for reaches them last.
        let waiting = told.len() - count;
        told.copy_within(start..start + count, waiting);
        let mut len = start;
        for nth in waiting..waiting + count {
            let cell = told[nth];
            let number = if cell.is_id() { 0 } else { cell.slot() };
            let group = &self.groups.get(number)[..];
            if group.len() > GROUP_LEN && !cell.is_id() {
                let rest = told[nth..].to_vec();
                told.truncate(len);
                return self.splice_slowly(&rest, told);
            }
            let id = |nth| group.get(nth).copied().unwrap_or(VACANT);
            let ids = [if cell.is_id() { cell } else { id(0) }, id(1), id(2)];
            told[len..len + GROUP_LEN].copy_from_slice(&ids);
            len += if cell.is_id() { 1 } else { group.len() };
        }
        told.truncate(len);
    }

    /// Appends the sessions of cells among which is a group of more than three.
    fn splice_slowly(&self, cells: &[SessionId], told: &mut Vec<SessionId>) {
        for &cell in cells {
            if cell.is_id() {
                told.push(cell);
            } else {
                told.extend_from_slice(self.groups.get(cell.slot()));
            }
        }
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        if self.cells.len() & self.cells.len().wrapping_sub(1) != 0 {
            return Err("reach 3: there are not as many cells as a power of two");
        }
        let numbers = self.cells.iter().filter(|cell| !cell.is_id() && **cell != VACANT);
        let numbers = numbers.map(|cell| cell.slot());
        if numbers.clone().any(|number| self.groups.get(number).len() < 2) {
            return Err("reach 2: a group has fewer than two ids");
        }
        if !self.groups.holds(numbers) {
            return Err("reach 2: a group does not belong to one cell");
        }
        Ok(())
    }
}

/// Returns whether all entries are of all `kinds`; they are not looked at if these are none.
#[inline]
fn are_of(kinds: u32, entries: &[u32]) -> bool {
    kinds == 0 || entries.iter().fold(kinds, |all, &entry| all & entry) == kinds
}

/// Returns whether all cells are of users with one session.
#[inline]
fn are_single(cells: &[SessionId]) -> bool {
    cells.iter().fold(1, |all, cell| all & cell.to_bits()) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> SessionId {
        SessionId::from_parts(slot, 1)
    }

    #[test]
    fn only_users_with_one_session_are_single() {
        let mut cells = [id(0), id(7)];
        assert!(are_single(&cells));
        cells[1] = VACANT;
        assert!(!are_single(&cells));
    }

    /// NO-2: every session of every watcher, each once, in windows full, mixed and broken off.
    #[test]
    fn gathering_finds_all_sessions_whatever_stands_side_by_side() {
        for sessions_max in 0..7 {
            for users in [0, 1, 2, 39, 40, 511, 2_047, 2_048, 2_049, 4_100u32] {
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
                reach.gather(&everybody, 0, &mut told);
                assert_eq!(told, expected);
                assert_eq!(reach.check_invariants(), Ok(()));
            }
        }
    }

    /// NO-4: of many edges only those of the kinds that count are told, few or many of them.
    #[test]
    fn only_edges_of_a_kind_are_gathered() {
        const KIND: u32 = 1 << 31;
        let mut reach = Reach::default();
        for user in 0..5_000 {
            reach.admit(UserSlot(user));
            reach.add(UserSlot(user), id(user));
        }
        for (count, every) in [(10, 3), (40, 3), (5_000, 3), (5_000, 5_001), (5_000, 1)] {
            let counts = |user: u32| user % every == 0;
            let entries: Vec<u32> =
                (0..count).map(|user| user | if counts(user) { KIND } else { 0 }).collect();
            let mut told = Vec::new();
            reach.gather(&entries, KIND, &mut told);
            assert!(told.into_iter().eq((0..count).filter(|&user| counts(user)).map(id)));
        }
    }

    /// NO-2, NO-4: where users who do not count, or not by one session, come late among many, and
    /// others have been told before.
    #[test]
    fn one_who_is_unlike_the_others_is_found_in_every_step() {
        const KIND: u32 = 1 << 31;
        const USERS: u32 = 3 * STEP as u32 + 40;
        for odd in (0..USERS).step_by(STEP / 4 - 1) {
            for sessions in [0, 1, 2] {
                for counts in [false, true] {
                    let mut reach = Reach::default();
                    let mut entries = Vec::new();
                    let before: Vec<_> = (0..7).map(|nth| id(1_000_000 + nth)).collect();
                    let mut expected = before.clone();
                    for user in 0..USERS {
                        let is_odd = user == odd;
                        let (count, counts) = if is_odd { (sessions, counts) } else { (1, true) };
                        reach.admit(UserSlot(user));
                        for nth in 0..count {
                            reach.add(UserSlot(user), id(user * 10 + nth));
                            if counts {
                                expected.push(id(user * 10 + nth));
                            }
                        }
                        entries.push(user | if counts { KIND } else { 0 });
                    }
                    let mut told = before;
                    reach.gather(&entries, KIND, &mut told);
                    assert_eq!(told, expected);
                }
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
