//! The logged-in devices, each a session or a push registration, in lists by user.
//!
//! # Layout
//!
//! 32 bytes a device. A user's list is linked through the records, earliest login first; its head
//! is in the user's record. Which session a device has is not kept here: those of a user are in the
//! order of his logins, too. What only a mini program in the background has is kept apart.
//!
//! # Invariants
//!
//! 1. A list holds the devices of one user, each once, in the order of their logins.
//! 2. A record that has left its list keeps its name until [`Devices::release`]: outputs that still
//!    wait for the host refer to it.
//! 3. A device has an [`Away`] exactly when it is marked so, and then a session.
//! 4. The free records are in a list of their own, and counted.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{DeviceId, DeviceSlot, UserSlot};
use crate::platform::Platform;
use crate::retired::Retired;
use crate::time::Timestamp;

/// One logged-in device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) user: UserSlot,
    next: DeviceSlot,
    /// The place of the login among all logins, in 56 bits, above three small things.
    marks: u64,
}

const _: () = assert!(size_of::<Device>() == 32);

impl Device {
    const PLATFORM: u64 = Platform::ALL.len() as u64 - 1;
    const SESSION: u64 = 1 << 3;
    const AWAY: u64 = 1 << 4;
    const ORDER_SHIFT: u32 = 8;

    #[inline]
    pub(crate) fn platform(&self) -> Platform {
        Platform::ALL[(self.marks & Self::PLATFORM) as usize]
    }

    /// Returns whether the device has a live session; without, it is a push registration.
    #[inline]
    pub(crate) fn has_session(&self) -> bool {
        self.marks & Self::SESSION != 0
    }

    /// Returns the place of the login among all logins.
    #[inline]
    pub(crate) fn order(&self) -> u64 {
        self.marks >> Self::ORDER_SHIFT
    }
}

/// When a mini program was first put in the background or left (LV-3).
#[derive(Clone, Debug, Default)]
pub(crate) struct Away {
    pub(crate) background_since: Option<Timestamp>,
    pub(crate) exit_since: Option<Timestamp>,
}

/// All logged-in devices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices {
    records: Vec<Device>,
    /// The first of those that are free: linked as well, so that no table grows when many end.
    free: Option<DeviceSlot>,
    free_count: usize,
    away: BTreeMap<DeviceSlot, Away>,
    logins: u64,
    /// Out of their lists, but perhaps named by outputs.
    retired: Retired<DeviceSlot>,
}

impl Devices {
    /// How many devices can be logged in. Unit tests fill it.
    const COUNT_MAX: usize = if cfg!(test) { 1 << 13 } else { DeviceSlot::NONE.index() };

    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.free.is_some() || self.records.len() < Self::COUNT_MAX
    }

    /// Appends a device with a session to the list that starts at `head`, as the newest login. The
    /// caller has checked that there is room.
    pub(crate) fn append(
        &mut self,
        head: &mut DeviceSlot,
        user: UserSlot,
        platform: Platform,
        id: DeviceId,
    ) -> DeviceSlot {
        self.logins += 1;
        let marks = self.logins << Device::ORDER_SHIFT | Device::SESSION | platform as u64;
        let device = Device { id, user, next: DeviceSlot::NONE, marks };
        let slot = match self.free {
            Some(slot) => {
                let next = core::mem::replace(&mut self.records[slot.index()], device).next;
                self.free = (next != DeviceSlot::NONE).then_some(next);
                self.free_count -= 1;
                slot
            }
            None => {
                let slot = DeviceSlot(self.records.len() as u32);
                self.records.push(device);
                slot
            }
        };
        match self.list(*head).last() {
            Some((last, _)) => self.records[last.index()].next = slot,
            None => *head = slot,
        }
        slot
    }

    /// Notes that the device's session has ended: what is left is a push registration, until it is
    /// unlinked.
    pub(crate) fn end_session(&mut self, slot: DeviceSlot) {
        self.come_back(slot);
        self.records[slot.index()].marks &= !Device::SESSION;
    }

    /// Returns since when a mini program is away, if it is.
    pub(crate) fn away(&self, slot: DeviceSlot) -> Option<&Away> {
        let is_away = self.records[slot.index()].marks & Device::AWAY != 0;
        if is_away { self.away.get(&slot) } else { None }
    }

    /// Notes that a mini program, which has a session, is away.
    pub(crate) fn leave(&mut self, slot: DeviceSlot) -> &mut Away {
        self.records[slot.index()].marks |= Device::AWAY;
        self.away.entry(slot).or_default()
    }

    /// Notes that a device is not away, if it was.
    pub(crate) fn come_back(&mut self, slot: DeviceSlot) {
        if self.records[slot.index()].marks & Device::AWAY != 0 {
            self.forget_away(slot);
        }
    }

    #[cold]
    fn forget_away(&mut self, slot: DeviceSlot) {
        self.records[slot.index()].marks &= !Device::AWAY;
        self.away.remove(&slot);
    }

    /// Takes a device out of the list that starts at `head`.
    pub(crate) fn unlink(&mut self, head: &mut DeviceSlot, slot: DeviceSlot) {
        let next = self.records[slot.index()].next;
        if *head == slot {
            *head = next;
        } else {
            let before = self.list(*head).find(|(_, device)| device.next == slot);
            let before = before.map(|(before, _)| before.index());
            if let Some(before) = before {
                self.records[before].next = next;
            }
        }
        self.retired.push(slot);
    }

    /// Returns whether something is on its way to be free.
    #[inline]
    pub(crate) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Gives the records that left their lists, and that no waiting output names, back for use.
    /// To be called between steps.
    pub(crate) fn release(&mut self, made: u64, taken: u64) {
        let Self { records, free, free_count, retired, .. } = self;
        retired.release(made, taken, |slot| {
            let record = &mut records[slot.index()];
            record.id = DeviceId::default();
            record.next = free.replace(slot).unwrap_or(DeviceSlot::NONE);
            *free_count += 1;
        });
    }

    /// Walks the list that starts at `head`, earliest login first.
    pub(crate) fn list(
        &self,
        head: DeviceSlot,
    ) -> impl Iterator<Item = (DeviceSlot, &Device)> + Clone {
        let mut at = head;
        core::iter::from_fn(move || {
            let device = self.records.get(at.index())?;
            let slot = core::mem::replace(&mut at, device.next);
            Some((slot, device))
        })
    }

    /// Finds a device by name in the list that starts at `head`.
    pub(crate) fn find(
        &self,
        head: DeviceSlot,
        platform: Platform,
        id: &DeviceId,
    ) -> Option<DeviceSlot> {
        let mut list = self.list(head);
        list.find(|(_, device)| device.platform() == platform && device.id == *id)
            .map(|(slot, _)| slot)
    }

    pub(crate) fn get(&self, slot: DeviceSlot) -> &Device {
        &self.records[slot.index()]
    }

    /// Reads something of a device.
    #[inline]
    pub(crate) fn call_for(&self, slot: DeviceSlot) -> u32 {
        self.records.get(slot.index()).map_or(0, |device| device.next.0)
    }

    /// Returns how many devices are in a list.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free_count - self.retired.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let marked =
            self.records.iter().enumerate().filter(|(_, device)| device.marks & Device::AWAY != 0);
        let marked = marked.map(|(slot, device)| (DeviceSlot(slot as u32), device.has_session()));
        if !marked.eq(self.away.keys().map(|&slot| (slot, true))) {
            return Err("devices 3: a device is away and not marked so, or the other way round");
        }
        let free = self.list(self.free.unwrap_or(DeviceSlot::NONE)).take(self.free_count + 1);
        if free.count() != self.free_count {
            return Err("devices 4: the free records are miscounted");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_all_slots_are_taken() {
        let (mut devices, mut head) = (Devices::default(), DeviceSlot::NONE);
        let platform = Platform::Web;
        for _ in 0..Devices::COUNT_MAX {
            assert!(devices.has_room());
            head = DeviceSlot::NONE;
            devices.append(&mut head, UserSlot(0), platform, DeviceId::new("d"));
        }
        assert!(!devices.has_room());
        let last = head;
        devices.end_session(last);
        devices.unlink(&mut head, last);
        devices.release(0, 0);
        assert!(devices.has_room());
    }

    /// TI-5: a device has the place of its login among all logins, whatever else is marked.
    #[test]
    fn logins_are_in_order() {
        let (mut devices, mut head) = (Devices::default(), DeviceSlot::NONE);
        for nth in 1..=3 {
            let (platform, id) = (Platform::MiniProgram, DeviceId::new("d"));
            let slot = devices.append(&mut head, UserSlot(0), platform, id);
            devices.leave(slot);
            assert_eq!((devices.get(slot).order(), devices.get(slot).platform()), (nth, platform));
        }
        assert!(!devices.has_retired());
        let first = head;
        devices.end_session(first);
        devices.unlink(&mut head, first);
        assert!(devices.has_retired());
        devices.release(0, 0);
        assert!(!devices.has_retired());
        assert_eq!((devices.check_invariants(), devices.len()), (Ok(()), 2));
    }
}
