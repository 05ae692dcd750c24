//! The session table: handles, and when each session was last heard from (LV).
//!
//! # Layout
//!
//! 21 bytes a session: a record of 16 with what heartbeats and requests need (when it was last
//! heard, its generation, its user), and beside it 4 of device and 1 of platform.
//!
//! # Invariants
//!
//! 1. A slot is live exactly when its generation is odd.
//! 2. A slot that is not live is in the free list once, or its generations are used up.

use alloc::vec::Vec;

use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::platform::Platform;
use crate::time::Timestamp;

#[derive(Clone, Debug)]
struct Session {
    heard: Timestamp,
    generation: u32,
    user: UserSlot,
}

const _: () = assert!(size_of::<Session>() == 16);

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    records: Vec<Session>,
    devices: Vec<DeviceSlot>,
    platforms: Vec<Platform>,
    free: Vec<u32>,
    used_up: usize,
}

impl Sessions {
    /// How many sessions can be live: timers keep the slot in 31 bits.
    const COUNT_MAX: usize = 1 << 31;

    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.records.len() < Self::COUNT_MAX
    }

    /// Opens a session, heard from at `now`. The caller has checked that there is room.
    pub(crate) fn open(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        device: DeviceSlot,
        platform: Platform,
    ) -> SessionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.records.push(Session { heard: now, generation: 0, user });
            self.devices.push(device);
            self.platforms.push(platform);
            (self.records.len() - 1) as u32
        });
        let record = &mut self.records[slot as usize];
        record.heard = now;
        record.generation += 1;
        record.user = user;
        self.devices[slot as usize] = device;
        self.platforms[slot as usize] = platform;
        SessionId::from_parts(slot, record.generation)
    }

    /// Ends a live session.
    pub(crate) fn close(&mut self, session: SessionId) {
        let slot = session.slot();
        let generation = &mut self.records[slot as usize].generation;
        debug_assert_eq!(*generation, session.generation(), "only live sessions are closed");
        *generation = generation.wrapping_add(1);
        // At 0 again the slot has used up its generations, and no id may come twice: it is given
        // up, and counts as used for ever.
        if *generation != 0 {
            self.free.push(slot);
        } else {
            self.used_up += 1;
        }
    }

    /// Records that the session is alive and returns its user, if it is.
    #[inline]
    pub(crate) fn hear(&mut self, session: SessionId, now: Timestamp) -> Option<UserSlot> {
        let record = self.records.get_mut(session.slot() as usize)?;
        if record.generation != session.generation() {
            return None;
        }
        record.heard = now;
        Some(record.user)
    }

    /// Returns the device of a live session.
    #[inline]
    pub(crate) fn device(&self, session: SessionId) -> Option<DeviceSlot> {
        let at = session.slot() as usize;
        (self.records.get(at)?.generation == session.generation()).then(|| self.devices[at])
    }

    /// Returns the live session in a slot.
    #[inline]
    pub(crate) fn in_slot(&self, slot: u32) -> Option<SessionId> {
        let generation = self.records.get(slot as usize)?.generation;
        (generation & 1 == 1).then(|| SessionId::from_parts(slot, generation))
    }

    /// Returns whose the session in a slot is.
    #[inline]
    pub(crate) fn user(&self, slot: u32) -> UserSlot {
        self.records[slot as usize].user
    }

    /// Returns when the session in a slot was last heard from.
    #[inline]
    pub(crate) fn heard(&self, slot: u32) -> Timestamp {
        self.records[slot as usize].heard
    }

    #[inline]
    pub(crate) fn platform(&self, slot: u32) -> Platform {
        self.platforms[slot as usize]
    }

    /// Returns how many sessions are live.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free.len() - self.used_up
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let odd = self.records.iter().filter(|record| record.generation & 1 == 1).count();
        if odd != self.len() {
            return Err("sessions 1: the live sessions are not those of odd generation");
        }
        let mut free = self.free.clone();
        free.sort_unstable();
        free.dedup();
        let used_up = self.records.iter().enumerate().filter(|&(slot, record)| {
            record.generation == 0 && free.binary_search(&(slot as u32)).is_err()
        });
        if free.len() != self.free.len()
            || free.iter().any(|&slot| self.records[slot as usize].generation & 1 == 1)
            || used_up.count() != self.used_up
        {
            return Err("sessions 2: the free list is not the slots that are not live");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LV-7: an id is never given twice, not even when a slot has used up its generations.
    #[test]
    fn a_slot_is_given_up_when_its_generations_are() {
        let mut sessions = Sessions::default();
        let first = sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Platform::Web);
        sessions.close(first);
        sessions.records[0].generation = u32::MAX - 1;
        let last = sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Platform::Web);
        assert_eq!((last.slot(), last.generation()), (0, u32::MAX));
        sessions.close(last);
        assert_eq!(
            sessions.open(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), Platform::Web).slot(),
            1
        );
        assert_eq!(sessions.hear(first, Timestamp::ZERO), None);
        assert_eq!(sessions.hear(last, Timestamp::ZERO), None);
        assert_eq!(sessions.check_invariants(), Ok(()));
    }
}
