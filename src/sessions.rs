//! The session table: handles, and when each session was last heard from (LV).
//!
//! # Layout
//!
//! 16 bytes a session: 8 that heartbeats and deadlines need (when it was last heard, and the lower
//! half of its id: its generation, and whose timeout holds for it), and beside them 8 of user and
//! device. A table of 8 bytes a session stays in the caches for twice as many sessions as one of
//! 16.
//!
//! # Invariants
//!
//! 1. A slot is live exactly when its generation is odd, but for the mark of the silent; then it
//!    has a family.
//! 2. A slot that is not live is in the free list once, or its generations are used up, and its
//!    link names itself.
//! 3. The silent are the live sessions that are marked as such.
//!
//! # Why 32 bits of a moment are enough
//!
//! A session was heard within the last 2^32 ms, which is 49 days, or it is kept among the silent
//! with the whole moment; or its deadline is beyond all time, and nobody looks: taken for heard
//! later than it was, its deadline is so all the more, as timeouts never change. To see to that,
//! its timer is popped no later than [`LOOK_AGAIN_MS`] after it was heard
//! ([`Sessions::look_again`]): only of sessions that may be silent for weeks, as by default none
//! may. The mark makes its lower half one that no id has, so that a heartbeat of one who is silent
//! goes the way of those that are refused, and others pay nothing for it.
//!
//! # Why a session likes the slot of its user's number
//!
//! What an input touches of a user waits for the session's record to say whose it is. If a session
//! is in the slot of its user's number, as the only one of a user mostly is, that can be guessed
//! from the id alone: the processor goes on with the guess and asks for the user's lines while the
//! record is still on its way. A change told to ten costs a fifth less for it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::platform::Family;
use crate::time::Timestamp;

/// After how long at the most the timer of a session that is not silent is to be popped.
pub(crate) const LOOK_AGAIN_MS: u64 = 1 << 31;

#[derive(Clone, Debug)]
struct Session {
    /// The lower half of the moment at which it was heard; of a free slot, the one before it in the
    /// list of these.
    heard: u32,
    /// The lower half of its id: of the silent, heard longer ago than can be told, even and with
    /// [`SILENT`]; of a free slot, the generation of its last id and one more.
    lower: u32,
}

const _: () = assert!(size_of::<Session>() == 8);

/// The mark of the silent, above generation and family.
const SILENT: u32 = 1 << 31;

impl Session {
    #[inline]
    fn is_silent(&self) -> bool {
        self.lower & SILENT != 0
    }

    /// Returns the lower half of the id, whether silent or not: odd if the slot is live.
    #[inline]
    fn lower(&self) -> u32 {
        self.lower & !SILENT | u32::from(self.is_silent())
    }

    /// Returns the generation, whether silent or not.
    #[inline]
    fn generation(&self) -> u32 {
        self.lower() & SessionId::GENERATION_MAX
    }

    #[inline]
    fn family_number(&self) -> usize {
        (self.lower >> SessionId::FAMILY_SHIFT) as usize % Family::NUMBERS
    }

    /// Returns how many milliseconds before `now` it was heard, if it is not silent.
    #[inline]
    fn age(&self, now: Timestamp) -> u64 {
        u64::from((now.as_millis() as u32).wrapping_sub(self.heard))
    }
}

/// Records in the session's record that it is alive; tells whether it is, and not silent.
#[inline]
fn hear(records: &mut [Session], session: SessionId, now: Timestamp) -> bool {
    let Some(record) = records.get_mut(session.slot() as usize) else { return false };
    let is_live = record.lower == session.lower();
    if is_live {
        record.heard = now.as_millis() as u32;
    }
    is_live
}

/// Whose a session is.
#[derive(Clone, Debug)]
struct Link {
    /// Of a free slot, the one after it in the list of these: so nothing has to grow when a million
    /// sessions end. One whose generations are used up names itself.
    user: UserSlot,
    device: DeviceSlot,
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    records: Vec<Session>,
    links: Vec<Link>,
    /// The first free slot, and how many there are.
    free: Option<u32>,
    free_count: usize,
    used_up: usize,
    /// When the silent were last heard.
    silent: BTreeMap<u32, Timestamp>,
}

/// No slot: there are fewer.
const NOWHERE: u32 = u32::MAX;

impl Sessions {
    /// How many sessions can be live: timers keep the slot in 31 bits. Unit tests fill it.
    pub(crate) const COUNT_MAX: usize = if cfg!(test) { 1 << 12 } else { 1 << 31 };

    /// How many free slots a session leaves behind it at most to get the one that it likes.
    const LEAP_MAX: usize = 64;

    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.free.is_some() || self.records.len() < Self::COUNT_MAX
    }

    /// Opens a session, heard from at `now`. The caller has checked that there is room.
    pub(crate) fn open(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        device: DeviceSlot,
        family: Family,
    ) -> SessionId {
        let slot = self.take_slot(user);
        let at = slot as usize;
        self.links[at] = Link { user, device };
        let record = &mut self.records[at];
        record.heard = now.as_millis() as u32;
        record.lower = (family as u32) << SessionId::FAMILY_SHIFT | (record.generation() + 1);
        SessionId::from_parts(slot, record.lower)
    }

    /// Takes a free slot: that of the user's number, if it can be had.
    fn take_slot(&mut self, UserSlot(liked): UserSlot) -> u32 {
        let is_near = (liked as usize) < self.records.len() + Self::LEAP_MAX;
        if is_near && liked as usize <= 2 * self.len() {
            while self.records.len() <= liked as usize {
                self.add_slot();
            }
        }
        let slot = match self.free {
            Some(_) if self.is_free(liked) => liked,
            Some(first) => first,
            None => self.add_slot(),
        };
        self.take_out(slot);
        slot
    }

    /// Returns whether the slot can be taken.
    fn is_free(&self, slot: u32) -> bool {
        let record = self.records.get(slot as usize);
        record.is_some_and(|record| record.generation() & 1 == 0)
            && self.links[slot as usize].user.0 != slot
    }

    /// Takes a slot out of the free list.
    fn take_out(&mut self, slot: u32) {
        let before = self.records[slot as usize].heard;
        let UserSlot(after) = self.links[slot as usize].user;
        match self.links.get_mut(before as usize) {
            Some(link) => link.user.0 = after,
            None => self.free = (after != NOWHERE).then_some(after),
        }
        if let Some(record) = self.records.get_mut(after as usize) {
            record.heard = before;
        }
        self.free_count -= 1;
    }

    /// Puts a slot in front of the free list. Its device stays readable.
    fn put_in(&mut self, slot: u32) {
        let after = self.free.replace(slot).unwrap_or(NOWHERE);
        if let Some(record) = self.records.get_mut(after as usize) {
            record.heard = slot;
        }
        self.records[slot as usize].heard = NOWHERE;
        self.links[slot as usize].user = UserSlot(after);
        self.free_count += 1;
    }

    /// Adds a free slot, and returns it.
    fn add_slot(&mut self) -> u32 {
        let slot = self.records.len() as u32;
        self.records.push(Session { heard: 0, lower: 0 });
        self.links.push(Link { user: UserSlot(NOWHERE), device: DeviceSlot::NONE });
        self.put_in(slot);
        slot
    }

    /// Ends a live session.
    pub(crate) fn close(&mut self, session: SessionId) {
        let slot = session.slot();
        let record = &mut self.records[slot as usize];
        debug_assert_eq!(record.lower(), session.lower(), "only live ones are closed");
        if record.is_silent() {
            self.silent.remove(&slot);
        }
        // After the last of them the slot has used up its generations, and no id may come twice: it
        // is given up, and counts as used for ever.
        if record.generation() < SessionId::GENERATION_MAX {
            record.lower = record.generation() + 1;
            self.put_in(slot);
        } else {
            record.lower = 0;
            self.links[slot as usize].user = UserSlot(slot);
            self.used_up += 1;
        }
    }

    /// Records that the session is alive; tells whether it is, and not silent.
    #[inline]
    pub(crate) fn hear(&mut self, session: SessionId, now: Timestamp) -> bool {
        hear(&mut self.records, session, now)
    }

    /// Records that sessions are alive, up to the first that is not, or is silent; returns how many
    /// are before it. Only ids and records are read, so that the processor has many under way.
    #[inline]
    pub(crate) fn hear_first(&mut self, sessions: &[SessionId], now: Timestamp) -> usize {
        let records = &mut self.records[..];
        sessions.iter().take_while(|&&session| hear(records, session, now)).count()
    }

    /// Records that a session that is silent is alive after all; tells whether it is one. Its timer
    /// is to be armed anew.
    pub(crate) fn hear_silent(&mut self, session: SessionId, now: Timestamp) -> bool {
        let Some(record) = self.records.get_mut(session.slot() as usize) else { return false };
        if !record.is_silent() || record.lower() != session.lower() {
            return false;
        }
        *record = Session { heard: now.as_millis() as u32, lower: session.lower() };
        self.silent.remove(&session.slot());
        true
    }

    /// Reads what a session will need that ends in a slot, or is opened there, if there is such a
    /// slot.
    #[inline]
    pub(crate) fn call_for_slot(&self, slot: u32) -> u32 {
        let at = slot as usize;
        let Some(record) = self.records.get(at) else { return 0 };
        record.heard ^ self.links[at].user.0
    }

    /// Returns the device of the last session in a slot, whether live or not: to be read ahead.
    #[inline]
    pub(crate) fn device_hint(&self, slot: u32) -> DeviceSlot {
        self.links.get(slot as usize).map_or(DeviceSlot::NONE, |link| link.device)
    }

    /// Returns whose the session in a slot is if it is live, else anybody: to be read ahead.
    #[inline]
    pub(crate) fn user_hint(&self, slot: u32) -> UserSlot {
        self.links[slot as usize].user
    }

    /// Returns the device of a live session.
    #[inline]
    pub(crate) fn device(&self, session: SessionId) -> Option<DeviceSlot> {
        let at = session.slot() as usize;
        (self.records.get(at)?.lower() == session.lower()).then(|| self.links[at].device)
    }

    /// Returns the live session in a slot.
    #[inline]
    pub(crate) fn in_slot(&self, slot: u32) -> Option<SessionId> {
        let lower = self.records.get(slot as usize)?.lower();
        (lower & 1 == 1).then(|| SessionId::from_parts(slot, lower))
    }

    /// Returns whose the session in a slot is.
    #[inline]
    pub(crate) fn user(&self, slot: u32) -> UserSlot {
        likely(self.links[slot as usize].user, slot)
    }

    /// Returns when the session in a slot was last heard from: not after `now`, which is the latest
    /// moment up to which timers have been popped.
    #[inline]
    pub(crate) fn heard(&self, slot: u32, now: Timestamp) -> Timestamp {
        let record = &self.records[slot as usize];
        if record.is_silent() {
            return self.silent.get(&slot).copied().unwrap_or(now);
        }
        Timestamp::from_millis(now.as_millis().saturating_sub(record.age(now)))
    }

    /// Returns what tells of many slots the deadline of the session there, by the timeouts of the
    /// families in their order: `None` if it is not live, or silent, or there is no such moment, or
    /// the timeout is 0.
    #[inline]
    pub(crate) fn foresight(
        &self,
        now: Timestamp,
        timeouts: [u32; Family::NUMBERS],
    ) -> impl Fn(u32) -> Option<Timestamp> {
        let records = &self.records[..];
        move |slot| {
            let record = records.get(slot as usize)?;
            let heard = now.as_millis().saturating_sub(record.age(now));
            let timeout = timeouts[record.family_number()];
            let is_usual = record.lower & (SILENT | 1) == 1 && timeout > 0;
            let heard = is_usual.then_some(Timestamp::from_millis(heard))?;
            heard.checked_add(timeout.into())
        }
    }

    /// Notes that the timer of the session in a slot is popped at `now`; returns when that is to be
    /// so again: `None` if it is silent, or at the end of time, and that need not be before its
    /// deadline.
    #[cold]
    pub(crate) fn look_again(&mut self, slot: u32, now: Timestamp) -> Option<Timestamp> {
        if self.records[slot as usize].is_silent() {
            return None;
        }
        if self.records[slot as usize].age(now) < LOOK_AGAIN_MS {
            return now.checked_add(LOOK_AGAIN_MS);
        }
        self.silent.insert(slot, self.heard(slot, now));
        let lower = &mut self.records[slot as usize].lower;
        *lower = *lower & !1 | SILENT;
        None
    }

    /// Reads something of what the deadline of the session in a slot will need.
    #[inline]
    pub(crate) fn call_for(&self, slot: u32) -> u32 {
        self.records[slot as usize].lower
    }

    /// Returns the family of the platform of the live session in a slot.
    #[inline]
    pub(crate) fn family(&self, slot: u32) -> Family {
        Family::from_number(self.records[slot as usize].family_number())
    }

    /// Returns how many sessions are live.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free_count - self.used_up
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let odd = self.records.iter().filter(|record| record.generation() & 1 == 1).count();
        if odd != self.len() {
            return Err("sessions 1: the live sessions are not those of odd generation");
        }
        let has_no_family = |record: &Session| {
            let numbers = if record.lower() & 1 == 1 { Family::ALL.len() } else { 1 };
            record.family_number() >= numbers
        };
        if self.records.iter().any(has_no_family) {
            return Err("sessions 1: a live session has no family, or another slot one");
        }
        let (mut free, mut before, mut slot) = (0, NOWHERE, self.free.unwrap_or(NOWHERE));
        while let Some(record) = self.records.get(slot as usize) {
            if !self.is_free(slot) || record.heard != before || free > self.free_count {
                return Err("sessions 2: the free list is broken");
            }
            free += 1;
            (before, slot) = (slot, self.links[slot as usize].user.0);
        }
        let is_used_up = |&slot: &u32| {
            self.records[slot as usize].lower == 0 && self.links[slot as usize].user.0 == slot
        };
        let used_up = (0..self.records.len() as u32).filter(is_used_up).count();
        if (free, used_up) != (self.free_count, self.used_up) {
            return Err("sessions 2: a slot is neither live nor free nor used up");
        }
        let slots = 0..self.records.len() as u32;
        let marked = slots.filter(|&slot| self.records[slot as usize].is_silent());
        if !marked.eq(self.silent.keys().copied()) {
            return Err("sessions 3: the silent are not those that are marked");
        }
        Ok(())
    }
}

/// Returns the user, whom his own number, as it were, lets the processor guess.
#[inline]
fn likely(UserSlot(user): UserSlot, guess: u32) -> UserSlot {
    // The compiler must not know that both are the same, or it would wait for the user.
    let guessed = core::hint::black_box(guess);
    if user == guess { UserSlot(guessed) } else { unlikely(UserSlot(user)) }
}

/// Cold, so that there is a branch to predict; plain, so that a heartbeat, which asks for no user,
/// has none.
#[cold]
#[inline(never)]
fn unlikely(user: UserSlot) -> UserSlot {
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_the_slot_of_its_user_where_it_can() {
        let mut sessions = Sessions::default();
        let mut open = |user| {
            let session =
                sessions.open(Timestamp::ZERO, UserSlot(user), DeviceSlot(0), Family::Web);
            assert_eq!(sessions.check_invariants(), Ok(()));
            assert_eq!(sessions.user(session.slot()), UserSlot(user));
            assert!(sessions.hear(session, Timestamp::ZERO));
            (session.slot(), session)
        };
        let (first, second) = (open(0), open(0));
        assert_eq!((first.0, second.0), (0, 1));
        // Taken, near enough, and too far away for so few sessions.
        assert_eq!([1, 5, 1_000, 4, 2, 3].map(|user| open(user).0), [2, 5, 4, 3, 6, 7]);
        sessions.close(first.1);
        sessions.close(second.1);
        assert_eq!(sessions.check_invariants(), Ok(()));
        let slots = [1, 0].map(|user| {
            sessions.open(Timestamp::ZERO, UserSlot(user), DeviceSlot(0), Family::Web).slot()
        });
        assert_eq!(slots, [1, 0]);
    }

    /// Only who was not heard for weeks counts as silent, which costs more.
    #[test]
    fn who_is_heard_is_not_silent() {
        let mut sessions = Sessions::default();
        let at = Timestamp::from_millis;
        let session = sessions.open(at(5), UserSlot(0), DeviceSlot(0), Family::MiniProgram);
        for (now, again) in [
            (5, Some(at(5 + LOOK_AGAIN_MS))),
            (4 + LOOK_AGAIN_MS, Some(at(4 + 2 * LOOK_AGAIN_MS))),
            (5 + LOOK_AGAIN_MS, None),
        ] {
            assert_eq!(sessions.look_again(session.slot(), at(now)), again);
            assert_eq!(sessions.heard(session.slot(), at(now)), at(5));
            assert_eq!(sessions.records[0].is_silent(), again.is_none());
            assert_eq!(sessions.family(session.slot()), Family::MiniProgram);
            assert_eq!(sessions.in_slot(session.slot()), Some(session));
            refuse_alike(&mut sessions, session);
        }
        assert!(sessions.hear_silent(session, at(6 + LOOK_AGAIN_MS)));
        assert_eq!(sessions.family(session.slot()), Family::MiniProgram);
        assert!(!sessions.records[0].is_silent() && sessions.check_invariants().is_ok());
    }

    /// LV-7: an id that differs by as little as its family is of nobody.
    fn refuse_alike(sessions: &mut Sessions, session: SessionId) {
        let bits = [1 << 1, 1 << 28, 1 << 29, 1 << 30, 1 << 31, 1 << 32];
        for alike in bits.map(|bit| SessionId::from_bits(session.to_bits() ^ bit)) {
            let alike = alike.expect("odd bits are an id's");
            let now = Timestamp::from_millis(u64::MAX);
            assert!(!sessions.hear(alike, now) && !sessions.hear_silent(alike, now));
            assert_eq!(sessions.device(alike), None);
        }
    }

    /// What is foreseen is the deadline of live sessions with a timeout, if there is such a moment.
    #[test]
    fn deadlines_are_foreseen() {
        let timeouts = [60, 400, 0, 0];
        let end = u64::MAX - 100;
        for family in Family::ALL {
            assert_eq!(Family::from_number(family as usize), family);
            for (heard, now) in [(0, 0), (5, 7), (1 << 33, (1 << 33) + 50), (end, end + 50)] {
                let mut sessions = Sessions::default();
                let at = Timestamp::from_millis;
                let session = sessions.open(at(heard), UserSlot(0), DeviceSlot(0), family);
                let foresee = |sessions: &Sessions| sessions.foresight(at(now), timeouts)(0);
                let timeout = u64::from(timeouts[family as usize]);
                let deadline = heard.checked_add(timeout).filter(|_| timeout > 0);
                assert_eq!(foresee(&sessions), deadline.map(at), "{family:?}, {heard}, {now}");
                refuse_alike(&mut sessions, session);
                sessions.close(session);
                assert_eq!(foresee(&sessions), None);
            }
        }
        assert_eq!(Sessions::default().foresight(Timestamp::ZERO, timeouts)(0), None);
    }

    /// A slot that is too far ahead, or for too few sessions, is not made for the sake of a number.
    #[test]
    fn few_slots_are_left_behind() {
        let mut sessions = Sessions::default();
        let open = |sessions: &mut Sessions, user| {
            let session =
                sessions.open(Timestamp::ZERO, UserSlot(user), DeviceSlot(0), Family::Web);
            session.slot()
        };
        let count = 300;
        assert!((0..count).all(|user| open(&mut sessions, user) == user));
        // 64 ahead is one too many.
        let leap = Sessions::LEAP_MAX as u32;
        assert_eq!([count + leap, 500].map(|user| open(&mut sessions, user)), [count, count + 1]);
        assert_eq!(open(&mut sessions, count + 1 + leap), count + 1 + leap);
        assert_eq!(sessions.free_count, leap as usize - 1);
        // Twice as many slots as sessions are the most.
        let mut sessions = Sessions::default();
        assert!((0..32).all(|user| open(&mut sessions, user) == user));
        assert_eq!(open(&mut sessions, 65), 32);
        assert_eq!(open(&mut sessions, 66), 66);
        assert_eq!(sessions.check_invariants(), Ok(()));
    }

    /// Whatever is opened and closed, the free slots are in one list, and the one liked is taken.
    #[test]
    fn free_slots_are_taken_from_anywhere_in_their_list() {
        let mut sessions = Sessions::default();
        let mut live: Vec<SessionId> = Vec::new();
        for step in 0..2_000u32 {
            let dice = step.wrapping_mul(0x9e37_79b1) >> 16;
            // Up to about 40 of them come, and go again.
            if dice % 80 < live.len() as u32 {
                let session = live.swap_remove(dice as usize % live.len());
                sessions.close(session);
                assert!(!sessions.hear(session, Timestamp::ZERO));
            } else {
                let liked = dice % 64;
                let is_free = sessions.is_free(liked);
                let (user, device) = (UserSlot(liked), DeviceSlot(step));
                let session = sessions.open(Timestamp::ZERO, user, device, Family::Web);
                assert!(!is_free || session.slot() == liked);
                assert!(!live.contains(&session));
                assert_eq!(sessions.device(session), Some(device));
                live.push(session);
            }
            assert_eq!(sessions.len(), live.len());
            assert_eq!(sessions.check_invariants(), Ok(()));
        }
        assert!(live.iter().all(|&session| sessions.hear(session, Timestamp::ZERO)));
    }

    /// LV-7: an id is never given twice, not even when a slot has used up its generations.
    #[test]
    fn a_slot_is_given_up_when_its_generations_are() {
        let mut sessions = Sessions::default();
        let first = sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Family::Web);
        sessions.close(first);
        sessions.records[0].lower = SessionId::GENERATION_MAX - 1;
        let last = sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Family::MiniProgram);
        assert_eq!((last.slot(), last.generation()), (0, SessionId::GENERATION_MAX));
        sessions.close(last);
        assert_eq!(
            sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Family::Web).slot(),
            1
        );
        assert!(!sessions.hear(first, Timestamp::ZERO));
        assert!(!sessions.hear(last, Timestamp::ZERO));
        assert_eq!(sessions.check_invariants(), Ok(()));
    }
}
