//! One user's record: what is kept of him beside his relations and sessions.
//!
//! # Layout
//!
//! 16 bytes a user, and one box of 120 bytes for those who have or had a custom status, notes,
//! timers or buckets. Buckets are a box of their own.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bucket::Buckets;
use crate::id::{DeviceId, DeviceSlot};
use crate::platform::Platform;
use crate::time::Timestamp;

/// How many kicks while away are remembered of a user (ML-10).
pub(crate) const NOTES_MAX: usize = 16;

/// How long a kick while away is remembered: seven days (ML-10).
pub(crate) const NOTE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// What is kept of one user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) extras: Option<Box<Extras>>,
    /// The earliest of his logged-in devices.
    pub(crate) devices: DeviceSlot,
    /// Whether the slot is somebody's.
    pub(crate) is_used: bool,
    /// Whether he exists by AC-2's known accounts, and so is never forgotten.
    pub(crate) is_registered: bool,
}

const _: () = assert!(size_of::<User>() == 16 && size_of::<Extras>() == 120);

/// What most users do not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) custom: String,
    pub(crate) buckets: Option<Box<Buckets>>,
    pub(crate) notes: Notes,
    /// When push registrations expire (ST-6), and the place in the order of arming.
    pub(crate) push_expiry: Option<Armed>,
    /// When the subscription list is cleared (SU-9), and the place in the order of arming.
    pub(crate) clearing: Option<Armed>,
    /// When the buckets are full and the notes are gone, so that the user can be forgotten.
    pub(crate) forgetting: Option<Timestamp>,
}

/// A deadline, and the place of its arming among all armings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armed {
    pub(crate) at: Timestamp,
    pub(crate) order: u64,
}

impl User {
    /// A user of whom nothing is known yet.
    pub(crate) const UNUSED: Self =
        Self { extras: None, devices: DeviceSlot::NONE, is_used: false, is_registered: false };

    /// Returns the custom status; empty if none.
    pub(crate) fn custom(&self) -> &str {
        self.extras.as_ref().map_or("", |extras| &extras.custom)
    }

    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Returns when the next of the user's timers is due.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let extras = self.extras.as_ref()?;
        let armed = [extras.push_expiry, extras.clearing].into_iter().flatten();
        armed.map(|armed| armed.at).chain(extras.forgetting).min()
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
