//! The users' records: what is kept of each beside his relations and sessions.
//!
//! # Layout
//!
//! 8 bytes a user, and 192 for those who have or had a custom status, notes, timers or buckets.
//!
//! # Invariants
//!
//! 1. Extras belong to one user, and `pending` counts those that say they are.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::bucket::{Buckets, RateHistory};
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
    /// How many users have deadlines to come.
    pending: usize,
}

#[derive(Clone, Copy, Debug)]
struct User {
    /// The number of his extras in the pool, or [`User::NO_EXTRAS`], below two marks.
    marks: u32,
    /// The earliest of his logged-in devices.
    devices: DeviceSlot,
}

const _: () = assert!(size_of::<User>() == 8 && size_of::<Extras>() == 192);

/// What most users do not have. Requests use the first line of it, or the other two.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Extras {
    pub(crate) custom: Text,
    /// When push registrations expire (ST-6), and the place in the order of arming.
    pub(crate) push_expiry: Option<Armed>,
    /// When the subscription list is cleared (SU-9), and the place in the order of arming.
    pub(crate) clearing: Option<Armed>,
    /// When the buckets are full and the notes are gone, so that the user can be forgotten.
    pub(crate) forgetting: Option<Timestamp>,
    pub(crate) buckets: Option<Buckets>,
    pub(crate) notes: Notes,
    /// Whether any of his deadlines is to come.
    is_pending: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            custom: Text::EMPTY,
            push_expiry: None,
            clearing: None,
            forgetting: None,
            buckets: None,
            notes: Notes::default(),
            is_pending: false,
        }
    }
}

/// A deadline, and the place of its arming among all armings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed {
    pub(crate) at: Timestamp,
    pub(crate) order: NonZeroU64,
}

impl Extras {
    /// Returns whether it is noted that there is this next deadline, or none.
    pub(crate) fn counts(&self, next: Option<Timestamp>) -> bool {
        self.is_pending == next.is_some()
    }
}

impl User {
    const USED: u32 = 1 << 31;
    const REGISTERED: u32 = 1 << 30;
    const NO_EXTRAS: u32 = Self::REGISTERED - 1;

    /// A user of whom nothing is known yet.
    const UNUSED: Self = Self { marks: Self::NO_EXTRAS, devices: DeviceSlot::NONE };

    #[inline]
    fn extras(self) -> Option<u32> {
        let number = self.marks & Self::NO_EXTRAS;
        (number != Self::NO_EXTRAS).then_some(number)
    }
}

impl Users {
    /// Makes room for a user who has just become known.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.records.len() <= user.index() {
            self.records.resize(user.index() + 1, User::UNUSED);
        }
        self.records[user.index()].marks |= User::USED;
    }

    /// Notes that the user exists by AC-2's known accounts, and so is never forgotten.
    pub(crate) fn register(&mut self, user: UserSlot) {
        self.records[user.index()].marks |= User::REGISTERED;
    }

    /// Erases what is known of a user but his devices.
    pub(crate) fn erase(&mut self, user: UserSlot) {
        let record = &mut self.records[user.index()];
        if let Some(number) = record.extras() {
            self.pending -= usize::from(self.extras.take(number).is_pending);
        }
        record.marks = User::NO_EXTRAS | record.marks & User::USED;
    }

    /// Forgets a user who has no devices.
    pub(crate) fn forget(&mut self, user: UserSlot) {
        self.erase(user);
        self.records[user.index()] = User::UNUSED;
    }

    /// Returns whether the slot is somebody's.
    #[inline]
    pub(crate) fn is_used(&self, user: UserSlot) -> bool {
        self.records[user.index()].marks & User::USED != 0
    }

    #[inline]
    pub(crate) fn is_registered(&self, user: UserSlot) -> bool {
        self.records[user.index()].marks & User::REGISTERED != 0
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
        let record = &mut self.records[user.index()];
        let number = match record.extras() {
            Some(number) => number,
            None => {
                let number = self.extras.insert(Extras::default());
                record.marks = record.marks & !User::NO_EXTRAS | number;
                number
            }
        };
        self.extras.get_mut(number)
    }

    /// Returns the custom status; empty if none.
    #[inline]
    pub(crate) fn custom(&self, user: UserSlot) -> &str {
        self.extras(user).map_or("", |extras| extras.custom.as_str())
    }

    /// Returns when the next of the user's timers is due.
    pub(crate) fn next_deadline(&self, user: UserSlot) -> Option<Timestamp> {
        let extras = self.extras(user)?;
        let armed = [extras.push_expiry, extras.clearing].into_iter().flatten();
        armed.map(|armed| armed.at).chain(extras.forgetting).min()
    }

    /// Returns the same, having counted whether there is one. To be asked after every change.
    pub(crate) fn count_deadline(&mut self, user: UserSlot) -> Option<Timestamp> {
        let next = self.next_deadline(user);
        if let Some(number) = self.records[user.index()].extras() {
            let is_pending = &mut self.extras.get_mut(number).is_pending;
            self.pending -= usize::from(*is_pending);
            *is_pending = next.is_some();
            self.pending += usize::from(*is_pending);
        }
        next
    }

    /// Returns how many users have deadlines to come.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Has the buckets of some users, as many as there are, catch up with the rates.
    pub(crate) fn catch_up(&mut self, from: usize, count: usize, rates: &RateHistory) {
        for record in self.records.iter().skip(from).take(count) {
            let extras = record.extras().map(|number| self.extras.get_mut(number));
            if let Some(buckets) = extras.and_then(|extras| extras.buckets.as_mut()) {
                buckets.catch_up(rates);
            }
        }
    }

    /// Returns how many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let numbers = self.records.iter().filter_map(|record| record.extras());
        if !self.extras.holds(numbers.clone()) {
            return Err("user 1: extras do not belong to one user");
        }
        if numbers.filter(|&number| self.extras.get(number).is_pending).count() != self.pending {
            return Err("user 1: the users with deadlines are miscounted");
        }
        Ok(())
    }
}

/// The devices that lost their push registration to a displacement, oldest first (ML-10).
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
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
        if self.notes.len() >= NOTES_MAX {
            self.notes.remove(0);
        }
        self.notes.push(Note { platform, device, made_at: now });
    }

    /// Takes the note of a device; tells whether there was one, and not yet gone.
    pub(crate) fn spend(&mut self, now: Timestamp, platform: Platform, device: &DeviceId) -> bool {
        let is_noted = |note: &Note| note.platform == platform && note.device == *device;
        match self.notes.iter().position(is_noted) {
            Some(at) => self.notes.remove(at).is_valid(now),
            None => false,
        }
    }

    /// Drops the notes that are gone at `now`.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.notes.retain(|note| note.is_valid(now));
    }

    /// Returns when the newest note is gone: `None` inside if that cannot be represented.
    pub(crate) fn gone_at(&self) -> Option<Option<Timestamp>> {
        self.notes.last().map(|note| note.made_at.checked_add(NOTE_MS))
    }

    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }
}

impl Note {
    fn is_valid(&self, now: Timestamp) -> bool {
        now.millis_since(self.made_at) < NOTE_MS
    }
}
