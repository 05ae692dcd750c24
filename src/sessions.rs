//! The session table: handles, and when each session was last heard from (LV).
//!
//! # Layout
//!
//! Structure of arrays, 29 bytes a session: 4 of generation and 8 of last heard (the two that a
//! heartbeat touches), 8 of order, 4 of user, 4 of device, 1 of platform.
//!
//! # Invariants
//!
//! 1. A slot is live exactly when its generation is odd.
//! 2. A slot that is not live is in the free list once, or its generations are used up.

use alloc::vec::Vec;

use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::platform::Platform;
use crate::time::Timestamp;

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    generations: Vec<u32>,
    heard: Vec<Timestamp>,
    orders: Vec<u64>,
    users: Vec<UserSlot>,
    devices: Vec<DeviceSlot>,
    platforms: Vec<Platform>,
    free: Vec<u32>,
    live: usize,
    opened: u64,
}

impl Sessions {
    /// How many sessions can be live: timers keep the slot in 31 bits.
    const COUNT_MAX: usize = 1 << 31;

    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.generations.len() < Self::COUNT_MAX
    }

    /// Opens a session, heard from at `now`. The caller has checked that there is room, and tells
    /// the device with [`Sessions::set_device`].
    pub(crate) fn open(&mut self, now: Timestamp, user: UserSlot, platform: Platform) -> SessionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            self.heard.push(now);
            self.orders.push(0);
            self.users.push(user);
            self.devices.push(DeviceSlot::NONE);
            self.platforms.push(platform);
            (self.generations.len() - 1) as u32
        });
        let at = slot as usize;
        self.generations[at] += 1;
        self.heard[at] = now;
        self.orders[at] = self.opened;
        self.users[at] = user;
        self.platforms[at] = platform;
        self.opened += 1;
        self.live += 1;
        SessionId::from_parts(slot, self.generations[at])
    }

    pub(crate) fn set_device(&mut self, session: SessionId, device: DeviceSlot) {
        self.devices[session.slot() as usize] = device;
    }

    /// Ends a live session.
    pub(crate) fn close(&mut self, session: SessionId) {
        let slot = session.slot();
        let generation = &mut self.generations[slot as usize];
        debug_assert_eq!(*generation, session.generation(), "only live sessions are closed");
        *generation = generation.wrapping_add(1);
        // At 0 again the slot has used up its generations, and no id may come twice.
        if *generation != 0 {
            self.free.push(slot);
        }
        self.live -= 1;
    }

    /// Records that the session is alive; tells whether it is.
    #[inline]
    pub(crate) fn hear(&mut self, session: SessionId, now: Timestamp) -> bool {
        let at = session.slot() as usize;
        match self.generations.get(at) {
            Some(&generation) if generation == session.generation() => {
                self.heard[at] = now;
                true
            }
            _ => false,
        }
    }

    /// Returns the user of a live session.
    pub(crate) fn user(&self, session: SessionId) -> Option<UserSlot> {
        let at = session.slot() as usize;
        let generation = self.generations.get(at)?;
        (*generation == session.generation()).then(|| self.users[at])
    }

    /// Returns the device of a live session.
    pub(crate) fn device(&self, session: SessionId) -> Option<DeviceSlot> {
        let at = session.slot() as usize;
        let generation = self.generations.get(at)?;
        (*generation == session.generation()).then(|| self.devices[at])
    }

    /// Returns the live session in a slot.
    pub(crate) fn in_slot(&self, slot: u32) -> Option<SessionId> {
        let generation = *self.generations.get(slot as usize)?;
        (generation & 1 == 1).then(|| SessionId::from_parts(slot, generation))
    }

    /// Returns when the session in a slot was last heard from.
    pub(crate) fn heard(&self, slot: u32) -> Timestamp {
        self.heard[slot as usize]
    }

    /// Returns the place of the session in a slot in the order of creation.
    pub(crate) fn order(&self, slot: u32) -> u64 {
        self.orders[slot as usize]
    }

    pub(crate) fn platform(&self, slot: u32) -> Platform {
        self.platforms[slot as usize]
    }

    /// Returns how many sessions are live.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let odd = self.generations.iter().filter(|&generation| generation & 1 == 1).count();
        if odd != self.live {
            return Err("sessions 1: the live sessions are not those of odd generation");
        }
        let mut free = self.free.clone();
        free.sort_unstable();
        free.dedup();
        let used_up = self.generations.iter().enumerate().filter(|&(slot, &generation)| {
            generation == 0 && free.binary_search(&(slot as u32)).is_err()
        });
        if free.len() != self.free.len()
            || free.iter().any(|&slot| self.generations[slot as usize] & 1 == 1)
            || used_up.count() + free.len() + self.live != self.generations.len()
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
        let first = sessions.open(Timestamp::ZERO, UserSlot(0), Platform::Web);
        sessions.close(first);
        sessions.generations[0] = u32::MAX - 1;
        let last = sessions.open(Timestamp::ZERO, UserSlot(0), Platform::Web);
        assert_eq!((last.slot(), last.generation()), (0, u32::MAX));
        sessions.close(last);
        assert_eq!(sessions.open(Timestamp::ZERO, UserSlot(0), Platform::Web).slot(), 1);
        assert!(!sessions.hear(first, Timestamp::ZERO) && !sessions.hear(last, Timestamp::ZERO));
        assert_eq!(sessions.check_invariants(), Ok(()));
    }
}
