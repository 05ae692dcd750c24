//! The logged-in devices, each a session or a push registration, in lists by user.
//!
//! # Layout
//!
//! 56 bytes a device. A user's list is linked through the records, earliest login first; its head
//! is in the user's record.
//!
//! # Invariants
//!
//! 1. A list holds the devices of one user, each once, in the order of their logins.
//! 2. A record that has left its list keeps its name until [`Devices::release`]: outputs that still
//!    wait for the host refer to it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::id::{DeviceId, DeviceSlot, SessionId, UserSlot};
use crate::platform::Platform;
use crate::retired::Retired;
use crate::time::Timestamp;

/// One logged-in device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// The live session; without, the device is a push registration.
    pub(crate) session: Option<SessionId>,
    /// Since when a mini program is away; `None` for all others, and for one that is not.
    pub(crate) away: Option<Box<Away>>,
    pub(crate) user: UserSlot,
    next: DeviceSlot,
    pub(crate) platform: Platform,
}

const _: () = assert!(size_of::<Device>() == 56);

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
    free: Vec<DeviceSlot>,
    /// Out of their lists, but perhaps named by outputs.
    retired: Retired<DeviceSlot>,
}

impl Devices {
    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.records.len() < DeviceSlot::NONE.index()
    }

    /// Appends a device to the list that starts at `head`, as the newest login. The caller has
    /// checked that there is room.
    pub(crate) fn append(
        &mut self,
        head: &mut DeviceSlot,
        user: UserSlot,
        platform: Platform,
        id: DeviceId,
        session: SessionId,
    ) -> DeviceSlot {
        let next = DeviceSlot::NONE;
        let device = Device { id, session: Some(session), away: None, user, next, platform };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.records[slot.index()] = device;
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
        self.records[slot.index()].session = None;
        self.retired.push(slot);
    }

    /// Returns whether something is on its way to be free.
    #[inline]
    pub(crate) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Notes that `made` outputs were made so far. To be called between steps.
    #[inline]
    pub(crate) fn stamp(&mut self, made: u64) {
        self.retired.stamp(made);
    }

    /// Gives the records that left their lists, and that no waiting output names, back for use.
    pub(crate) fn release(&mut self, taken: u64) {
        let Self { records, free, retired } = self;
        retired.release(taken, |slot| {
            records[slot.index()].id = DeviceId::default();
            free.push(slot);
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
        list.find(|(_, device)| device.platform == platform && device.id == *id)
            .map(|(slot, _)| slot)
    }

    pub(crate) fn get(&self, slot: DeviceSlot) -> &Device {
        &self.records[slot.index()]
    }

    pub(crate) fn get_mut(&mut self, slot: DeviceSlot) -> &mut Device {
        &mut self.records[slot.index()]
    }

    /// Returns how many devices are in a list.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free.len() - self.retired.len()
    }
}
