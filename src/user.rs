//! The users' records: what is kept of each beside his relations and sessions.
//!
//! # Layout
//!
//! 12 bytes a user; a cache line for those who have or had a custom status, notes or deadlines; and
//! 32 bytes, in columns, for those whose buckets may not be full.
//!
//! # Invariants
//!
//! 1. Extras belong to one user, and `pending` counts those with deadlines to come.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::bucket::{Api, Buckets, RateHistory};
use crate::id::{DeviceId, DeviceSlot, UserSlot};
use crate::platform::Platform;
use crate::pool::Pool;
use crate::text::Text;
use crate::time::Timestamp;

/// How many kicks while away are remembered of a user (ML-10).
pub(crate) const NOTES_MAX: usize = 16;

/// How long a kick while away is remembered: seven days (ML-10).
pub(crate) const NOTE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// All users.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    records: Vec<User>,
    extras: Pool<Extras>,
    buckets: Buckets,
    /// How many users have deadlines to come.
    pending: usize,
}

#[derive(Clone, Copy, Debug)]
struct User {
    /// The number of his extras or [`User::NUMBER`], below [`User::USED`] and
    /// [`User::REGISTERED`].
    extras: u32,
    /// The number of his buckets or [`User::NUMBER`], below [`User::PENDING`] and
    /// [`User::BEFRIENDED`].
    buckets: u32,
    /// The earliest of his logged-in devices.
    devices: DeviceSlot,
}

const _: () = assert!(size_of::<User>() == 12 && size_of::<Extras>() == 64);

/// What most users do not have.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Extras {
    pub(crate) custom: Text,
    /// When push registrations expire (ST-6), and the place in the order of arming.
    pub(crate) push_expiry: Option<Armed>,
    /// When the subscription list is cleared (SU-9), and the place in the order of arming.
    pub(crate) clearing: Option<Armed>,
    /// When the buckets are full and the notes are gone, so that the user can be forgotten.
    pub(crate) forgetting: Forgetting,
    pub(crate) notes: Notes,
}

/// A deadline, and the place of its arming among all armings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed {
    pub(crate) at: Timestamp,
    pub(crate) order: NonZeroU64,
}

/// A deadline or none, in 8 bytes: at the end of time nobody need be forgotten any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgetting(Timestamp);

impl Default for Forgetting {
    fn default() -> Self {
        Self(Timestamp::MAX)
    }
}

impl Forgetting {
    pub(crate) fn new(at: Option<Timestamp>) -> Self {
        at.map_or_else(Self::default, Self)
    }

    fn at(self) -> Option<Timestamp> {
        (self.0 != Timestamp::MAX).then_some(self.0)
    }
}

impl User {
    const USED: u32 = 1 << 31;
    const REGISTERED: u32 = 1 << 30;
    const PENDING: u32 = 1 << 30;
    /// He has friends, or had some.
    const BEFRIENDED: u32 = 1 << 31;
    /// The bits of a number; all of them are no number.
    const NUMBER: u32 = Self::REGISTERED - 1;

    /// A user of whom nothing is known yet.
    const UNUSED: Self =
        Self { extras: Self::NUMBER, buckets: Self::NUMBER, devices: DeviceSlot::NONE };

    #[inline]
    fn extras(self) -> Option<u32> {
        let number = self.extras & Self::NUMBER;
        (number != Self::NUMBER).then_some(number)
    }

    #[inline]
    fn buckets(self) -> Option<u32> {
        let number = self.buckets & Self::NUMBER;
        (number != Self::NUMBER).then_some(number)
    }

    fn is_pending(self) -> bool {
        self.buckets & Self::PENDING != 0
    }
}

const _: () = assert!(UserSlot::COUNT_MAX <= User::NUMBER as usize);

impl Users {
    /// Makes room for a user who has just become known.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.records.len() <= user.index() {
            self.records.resize(user.index() + 1, User::UNUSED);
        }
        self.records[user.index()].extras |= User::USED;
    }

    /// Notes that the user exists by AC-2's known accounts, and so is never forgotten.
    pub(crate) fn register(&mut self, user: UserSlot) {
        self.records[user.index()].extras |= User::REGISTERED;
    }

    /// Erases what is known of a user but his devices.
    pub(crate) fn erase(&mut self, user: UserSlot) {
        let record = &mut self.records[user.index()];
        if let Some(number) = record.extras() {
            self.extras.take(number);
        }
        if let Some(number) = record.buckets() {
            self.buckets.remove(number);
        }
        self.pending -= usize::from(record.is_pending());
        record.extras = User::NUMBER | record.extras & User::USED;
        record.buckets = User::NUMBER;
    }

    /// Reads something of the user's record and extras.
    #[inline]
    pub(crate) fn call_for(&self, user: UserSlot) -> u32 {
        let Some(record) = self.records.get(user.index()) else { return 0 };
        let number = record.extras & User::NUMBER;
        self.extras.find(number).map_or(0, |extras| u32::from(extras.custom.is_empty()))
    }

    /// Reads something of the user's record.
    #[inline]
    pub(crate) fn call_for_record(&self, user: UserSlot) -> u32 {
        self.records.get(user.index()).map_or(0, |record| record.extras)
    }

    /// Reads something of the user's record and buckets.
    #[inline]
    pub(crate) fn call_for_buckets(&self, user: UserSlot) -> u64 {
        let number = self.records.get(user.index()).map_or(User::NUMBER, |record| record.buckets);
        self.buckets.call_for(number & User::NUMBER)
    }

    /// Forgets a user who has no devices.
    pub(crate) fn forget(&mut self, user: UserSlot) {
        self.erase(user);
        self.records[user.index()] = User::UNUSED;
    }

    /// Returns whether the slot is somebody's.
    #[inline]
    pub(crate) fn is_used(&self, user: UserSlot) -> bool {
        self.records[user.index()].extras & User::USED != 0
    }

    #[inline]
    pub(crate) fn is_registered(&self, user: UserSlot) -> bool {
        self.records[user.index()].extras & User::REGISTERED != 0
    }

    /// Notes that the user has friends.
    pub(crate) fn befriend(&mut self, user: UserSlot) {
        self.records[user.index()].buckets |= User::BEFRIENDED;
    }

    /// Returns whether the user may have friends: for sure not, if he never had any.
    #[inline]
    pub(crate) fn may_have_friends(&self, user: UserSlot) -> bool {
        self.records[user.index()].buckets & User::BEFRIENDED != 0
    }

    /// Returns the earliest of his logged-in devices.
    #[inline]
    pub(crate) fn devices(&self, user: UserSlot) -> DeviceSlot {
        self.records[user.index()].devices
    }

    #[inline]
    pub(crate) fn devices_mut(&mut self, user: UserSlot) -> &mut DeviceSlot {
        &mut self.records[user.index()].devices
    }

    #[inline]
    pub(crate) fn extras(&self, user: UserSlot) -> Option<&Extras> {
        self.records[user.index()].extras().map(|number| self.extras.get(number))
    }

    #[inline]
    pub(crate) fn extras_mut(&mut self, user: UserSlot) -> Option<&mut Extras> {
        self.records[user.index()].extras().map(|number| self.extras.get_mut(number))
    }

    /// Returns the user's extras, which he has from now on.
    #[inline]
    pub(crate) fn make_extras(&mut self, user: UserSlot) -> &mut Extras {
        let number = match self.records[user.index()].extras() {
            Some(number) => number,
            None => self.add_extras(user),
        };
        self.extras.get_mut(number)
    }

    /// Gives a user extras, and returns their number.
    #[cold]
    fn add_extras(&mut self, user: UserSlot) -> u32 {
        let number = self.extras.insert(Extras::default());
        let record = &mut self.records[user.index()];
        record.extras = record.extras & !User::NUMBER | number;
        number
    }

    /// Returns whether some of the user's buckets may not be full.
    #[inline]
    pub(crate) fn has_buckets(&self, user: UserSlot) -> bool {
        self.records[user.index()].buckets().is_some()
    }

    /// Takes one of the user's tokens, or tells after how many milliseconds there will be one.
    #[inline]
    pub(crate) fn take_token(
        &mut self,
        user: UserSlot,
        api: Api,
        now: Timestamp,
        rates: &RateHistory,
    ) -> Result<(), u64> {
        let number = match self.records[user.index()].buckets() {
            Some(number) => number,
            None => self.add_buckets(user, rates),
        };
        self.buckets.take(number, api, now, rates)
    }

    /// Returns when all of the user's buckets are full, if some may not be: `None` inside if that
    /// cannot be represented.
    pub(crate) fn full_at(
        &mut self,
        user: UserSlot,
        rates: &RateHistory,
    ) -> Option<Option<Timestamp>> {
        let number = self.records[user.index()].buckets()?;
        Some(self.buckets.full_at(number, rates))
    }

    /// Gives a user full buckets, and returns their number.
    #[cold]
    fn add_buckets(&mut self, user: UserSlot, rates: &RateHistory) -> u32 {
        let number = self.buckets.add(rates);
        let record = &mut self.records[user.index()];
        record.buckets = record.buckets & !User::NUMBER | number;
        number
    }

    /// Forgets the user's buckets, which are full.
    pub(crate) fn drop_buckets(&mut self, user: UserSlot) {
        let record = &mut self.records[user.index()];
        if let Some(number) = record.buckets() {
            self.buckets.remove(number);
            record.buckets |= User::NUMBER;
        }
    }

    /// Returns the custom status; empty if none.
    #[inline]
    pub(crate) fn custom(&self, user: UserSlot) -> &str {
        match self.extras(user) {
            Some(extras) if !extras.custom.is_empty() => extras.custom.as_str(),
            _ => "",
        }
    }

    /// Returns when the next of the user's timers is due.
    pub(crate) fn next_deadline(&self, user: UserSlot) -> Option<Timestamp> {
        let extras = self.extras(user)?;
        let [push_expiry, clearing] =
            [extras.push_expiry, extras.clearing].map(|armed| armed.map(|armed| armed.at));
        earlier(earlier(push_expiry, clearing), extras.forgetting.at())
    }

    /// Returns the same, having counted whether there is one. To be asked after every change.
    pub(crate) fn count_deadline(&mut self, user: UserSlot) -> Option<Timestamp> {
        let next = self.next_deadline(user);
        let record = &mut self.records[user.index()];
        if record.is_pending() != next.is_some() {
            record.buckets ^= User::PENDING;
            match next {
                Some(_) => self.pending += 1,
                None => self.pending -= 1,
            }
        }
        next
    }

    /// Returns whether it is counted that there is a next deadline, or none.
    pub(crate) fn is_counted(&self, user: UserSlot) -> bool {
        self.records[user.index()].is_pending() == self.next_deadline(user).is_some()
    }

    /// Returns how many users have deadlines to come.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Has the buckets of some users, as many as there are, catch up with the rates.
    pub(crate) fn catch_up(&mut self, from: usize, count: usize, rates: &RateHistory) {
        for record in self.records.iter().skip(from).take(count) {
            if let Some(number) = record.buckets() {
                self.buckets.catch_up(number, rates);
            }
        }
    }

    /// Returns how many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        if !self.extras.holds(self.records.iter().filter_map(|record| record.extras())) {
            return Err("user 1: extras do not belong to one user");
        }
        self.buckets.check_invariants(self.records.iter().filter_map(|record| record.buckets()))?;
        if self.records.iter().filter(|record| record.is_pending()).count() != self.pending {
            return Err("user 1: the users with deadlines are miscounted");
        }
        Ok(())
    }
}

/// Returns the earlier of two moments, if there is one.
#[inline]
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The devices that lost their push registration to a displacement, oldest first (ML-10).
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Boxed, as hardly anybody has any.
    #[expect(clippy::box_collection, reason = "8 bytes where there are none")]
    notes: Option<Box<Vec<Note>>>,
}

#[derive(Clone, Debug)]
struct Note {
    platform: Platform,
    device: DeviceId,
    made_at: Timestamp,
}

impl Notes {
    /// Notes a device; the oldest note goes if there are too many.
    pub(crate) fn make(&mut self, now: Timestamp, platform: Platform, device: DeviceId) {
        let notes = self.notes.get_or_insert_default();
        if notes.len() >= NOTES_MAX {
            notes.remove(0);
        }
        notes.push(Note { platform, device, made_at: now });
    }

    /// Takes the note of a device; tells whether there was one, and not yet gone.
    pub(crate) fn spend(&mut self, now: Timestamp, platform: Platform, device: &DeviceId) -> bool {
        let Some(notes) = &mut self.notes else { return false };
        let is_noted = |note: &Note| note.platform == platform && note.device == *device;
        let Some(at) = notes.iter().position(is_noted) else { return false };
        let is_valid = notes.remove(at).is_valid(now);
        self.notes.take_if(|notes| notes.is_empty());
        is_valid
    }

    /// Drops the notes that are gone at `now`.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.notes.take_if(|notes| {
            notes.retain(|note| note.is_valid(now));
            notes.is_empty()
        });
    }

    /// Returns when the newest note is gone: `None` inside if that cannot be represented.
    pub(crate) fn gone_at(&self) -> Option<Option<Timestamp>> {
        self.notes.as_ref()?.last().map(|note| note.made_at.checked_add(NOTE_MS))
    }

    pub(crate) fn len(&self) -> usize {
        self.notes.as_ref().map_or(0, |notes| notes.len())
    }
}

impl Note {
    fn is_valid(&self, now: Timestamp) -> bool {
        now.millis_since(self.made_at) < NOTE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_had_friends_is_known_to_have_none() {
        let mut users = Users::default();
        let (alone, befriended) = (UserSlot(0), UserSlot(1));
        users.admit(alone);
        users.admit(befriended);
        users.befriend(befriended);
        assert!(!users.may_have_friends(alone) && users.may_have_friends(befriended));
        users.erase(befriended);
        assert!(!users.may_have_friends(befriended));
    }

    /// ML-10: after seven days nothing is kept of a note.
    #[test]
    fn notes_are_dropped_when_they_are_gone() {
        let mut notes = Notes::default();
        for millis in 0..2 {
            notes.make(Timestamp::from_millis(millis), Platform::Web, DeviceId::new("d"));
        }
        for (after, left) in [(0, 2), (NOTE_MS - 1, 2), (NOTE_MS, 1), (NOTE_MS + 1, 0)] {
            notes.expire(Timestamp::from_millis(after));
            assert_eq!((notes.len(), notes.gone_at().is_some()), (left, left > 0));
        }
    }
}
