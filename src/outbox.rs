//! Changes that wait for the host, in flat buffers that are used again and again.
//!
//! # Layout
//!
//! A record is 24 bytes. What a record has many of (sessions to tell, displaced devices, the bytes
//! of a custom status) lies in buffers of its own, in the order of the records, which hold only
//! lengths: 8 bytes a session told, and nothing is allocated for any of them once the buffers have
//! grown.
//!
//! # Invariants
//!
//! 1. The lengths of the waiting records sum up to what waits in each buffer.

use alloc::string::String;
use alloc::vec::Vec;

use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::output::{Action, CloseReason, Reason};
use crate::status::State;
use crate::time::Timestamp;

/// One waiting output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Close {
        session: SessionId,
        device: DeviceSlot,
        reason: CloseReason,
    },
    /// The user, too, so that what is kept of him need not wait for what is kept of the device.
    Event {
        user: UserSlot,
        device: DeviceSlot,
        action: Action,
        reason: Reason,
        displaced: u32,
    },
    Status {
        user: UserSlot,
        state: State,
        custom: u32,
        told: u32,
    },
}

const _: () = assert!(size_of::<Record>() == 24);

/// A record with what belongs to it.
pub(crate) struct Popped<'a> {
    pub(crate) record: Record,
    pub(crate) told: &'a [SessionId],
    pub(crate) displaced: &'a [DeviceSlot],
    pub(crate) custom: &'a str,
}

/// The waiting outputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    records: Flat<Record>,
    told: Flat<SessionId>,
    displaced: Flat<DeviceSlot>,
    custom: String,
    custom_read: usize,
    /// How many records were ever handed out.
    taken: u64,
}

impl Outbox {
    #[inline]
    pub(crate) fn close(
        &mut self,
        at: Timestamp,
        session: SessionId,
        device: DeviceSlot,
        reason: CloseReason,
    ) {
        self.make_room();
        self.records.items.push(Record { at, kind: Kind::Close { session, device, reason } });
    }

    #[inline]
    pub(crate) fn event(
        &mut self,
        at: Timestamp,
        user: UserSlot,
        device: DeviceSlot,
        action: Action,
        reason: Reason,
        displaced: &[DeviceSlot],
    ) {
        self.make_room();
        self.displaced.items.extend_from_slice(displaced);
        let displaced = displaced.len() as u32;
        let kind = Kind::Event { user, device, action, reason, displaced };
        self.records.items.push(Record { at, kind });
    }

    /// Adds a status output; `tell` appends the sessions to tell.
    #[inline]
    pub(crate) fn status(
        &mut self,
        at: Timestamp,
        user: UserSlot,
        state: State,
        custom: &str,
        tell: impl FnOnce(&mut Vec<SessionId>),
    ) {
        self.make_room();
        let first = self.told.items.len();
        tell(&mut self.told.items);
        let told = (self.told.items.len() - first) as u32;
        if !custom.is_empty() {
            self.custom.push_str(custom);
        }
        let custom = custom.len() as u32;
        let kind = Kind::Status { user, state, custom, told };
        self.records.items.push(Record { at, kind });
    }

    /// Takes out the oldest record.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Popped<'_>> {
        let record = *self.records.items.get(self.records.read)?;
        self.records.read += 1;
        self.taken += 1;
        let mut popped = Popped { record, told: &[], displaced: &[], custom: "" };
        match record.kind {
            Kind::Close { .. } | Kind::Event { displaced: 0, .. } => {}
            Kind::Event { displaced, .. } => {
                popped.displaced = self.displaced.read(displaced as usize);
            }
            Kind::Status { told, custom, .. } => {
                popped.told = self.told.read(told as usize);
                if custom > 0 {
                    let start = self.custom_read;
                    self.custom_read += custom as usize;
                    popped.custom = &self.custom[start..self.custom_read];
                }
            }
        }
        Some(popped)
    }

    /// Returns how many records were ever made, and how many of them have been taken out.
    #[inline]
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.taken + self.records.waiting() as u64, self.taken)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.records.waiting()
    }

    /// Starts anew once all has been read, as a host does that drains after every call.
    #[inline]
    fn make_room(&mut self) {
        let Self { records, told, displaced, custom_read, .. } = self;
        // Any of them may be; together they are but one comparison.
        let is_much = records.read + told.read + displaced.read + *custom_read > ROOM_KEPT;
        if records.read > 0 && (is_much || records.waiting() == 0) {
            self.drop_read();
        }
    }

    #[inline]
    fn drop_read(&mut self) {
        if self.records.waiting() > 0 {
            return self.drop_most();
        }
        let Self { records, told, displaced, custom, .. } = self;
        // One comparison for all: of a number that is larger, a bit above is set.
        let room = records.items.capacity() | told.items.capacity();
        if room | displaced.items.capacity() | custom.capacity() >= 2 * ROOM_KEPT {
            self.shrink();
        }
        self.records.clear();
        self.told.clear();
        self.displaced.clear();
        self.custom.clear();
        self.custom_read = 0;
    }

    /// Gives room back after a burst: it shrinks by halves, so that steady use never allocates.
    fn shrink(&mut self) {
        let Self { records, told, displaced, custom, .. } = self;
        records.shrink();
        told.shrink();
        displaced.shrink();
        let used = custom.len();
        custom.clear();
        if custom.capacity() > ROOM_KEPT.max(8 * used) {
            custom.shrink_to(custom.capacity() / 2);
        }
    }

    /// Drops what has been read, where it is most of much: for a host that never drains to the end.
    #[cold]
    fn drop_most(&mut self) {
        self.records.drop_most();
        self.told.drop_most();
        self.displaced.drop_most();
        if self.custom_read > ROOM_KEPT && self.custom_read > self.custom.len() / 2 {
            self.custom.drain(..self.custom_read);
            self.custom_read = 0;
        }
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let (mut sessions, mut devices, mut bytes) = (0, 0, 0);
        for record in &self.records.items[self.records.read..] {
            match record.kind {
                Kind::Close { .. } => {}
                Kind::Event { displaced, .. } => devices += displaced as usize,
                Kind::Status { told, custom, .. } => {
                    sessions += told as usize;
                    bytes += custom as usize;
                }
            }
        }
        if sessions != self.told.waiting()
            || devices != self.displaced.waiting()
            || bytes != self.custom.len() - self.custom_read
        {
            return Err("outbox 1: the lengths do not sum up to what waits");
        }
        Ok(())
    }
}

/// The room, in items, that a buffer never gives back.
const ROOM_KEPT: usize = 4_096;

/// A buffer that is written at its end and read from its front.
#[derive(Clone, Debug)]
struct Flat<T> {
    items: Vec<T>,
    read: usize,
}

impl<T> Default for Flat<T> {
    fn default() -> Self {
        Self { items: Vec::new(), read: 0 }
    }
}

impl<T: Copy> Flat<T> {
    /// Starts anew, as all has been read.
    #[inline]
    fn clear(&mut self) {
        self.items.clear();
        self.read = 0;
    }

    /// Gives half of the room back, if it is far more than was used.
    fn shrink(&mut self) {
        let used = self.items.len();
        if self.items.capacity() > ROOM_KEPT.max(8 * used) {
            self.items.clear();
            self.items.shrink_to(self.items.capacity() / 2);
        }
    }

    fn drop_most(&mut self) {
        if self.read > ROOM_KEPT && self.read > self.items.len() / 2 {
            self.items.drain(..self.read);
            self.read = 0;
        }
    }

    /// Reads the next `len` items.
    #[inline]
    fn read(&mut self, len: usize) -> &[T] {
        let start = self.read;
        self.read += len;
        &self.items[start..self.read]
    }

    #[inline]
    fn waiting(&self) -> usize {
        self.items.len() - self.read
    }
}
