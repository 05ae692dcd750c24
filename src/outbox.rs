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

use alloc::collections::VecDeque;
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
    Close { session: SessionId, device: DeviceSlot, reason: CloseReason },
    Event { device: DeviceSlot, action: Action, reason: Reason, displaced: u32 },
    Status { user: UserSlot, state: State, custom: u32, told: u32 },
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
    records: VecDeque<Record>,
    told: Flat<SessionId>,
    displaced: Flat<DeviceSlot>,
    custom: Flat<u8>,
    /// How many records were ever made.
    made: u64,
    /// How many were made since none waited.
    burst: usize,
}

impl Outbox {
    pub(crate) fn close(
        &mut self,
        at: Timestamp,
        session: SessionId,
        device: DeviceSlot,
        reason: CloseReason,
    ) {
        self.push(at, Kind::Close { session, device, reason });
    }

    pub(crate) fn event(
        &mut self,
        at: Timestamp,
        device: DeviceSlot,
        action: Action,
        reason: Reason,
        displaced: &[DeviceSlot],
    ) {
        self.displaced.make_room();
        self.displaced.items.extend_from_slice(displaced);
        let displaced = displaced.len() as u32;
        self.push(at, Kind::Event { device, action, reason, displaced });
    }

    /// Adds a status output; `tell` appends the sessions to tell.
    pub(crate) fn status(
        &mut self,
        at: Timestamp,
        user: UserSlot,
        state: State,
        custom: &str,
        tell: impl FnOnce(&mut Vec<SessionId>),
    ) {
        self.told.make_room();
        let first = self.told.items.len();
        tell(&mut self.told.items);
        let told = (self.told.items.len() - first) as u32;
        self.custom.make_room();
        self.custom.items.extend_from_slice(custom.as_bytes());
        let custom = custom.len() as u32;
        self.push(at, Kind::Status { user, state, custom, told });
    }

    /// Takes out the oldest record.
    pub(crate) fn pop(&mut self) -> Option<Popped<'_>> {
        let record = self.records.pop_front()?;
        let (mut told, mut displaced, mut custom) = (0, 0, 0);
        match record.kind {
            Kind::Close { .. } => {}
            Kind::Event { displaced: len, .. } => displaced = len as usize,
            Kind::Status { told: sessions, custom: bytes, .. } => {
                (told, custom) = (sessions as usize, bytes as usize);
            }
        }
        Some(Popped {
            record,
            told: self.told.read(told),
            displaced: self.displaced.read(displaced),
            // The bytes of whole texts, so the check never fails.
            custom: core::str::from_utf8(self.custom.read(custom)).unwrap_or_default(),
        })
    }

    /// Returns how many records were ever made, and how many of them have been taken out.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.made, self.made - self.records.len() as u64)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    fn push(&mut self, at: Timestamp, kind: Kind) {
        // As with the flat buffers, room for a burst shrinks by halves once it has passed.
        if self.records.is_empty() {
            if self.records.capacity() > ROOM_KEPT.max(8 * self.burst) {
                self.records.shrink_to(self.records.capacity() / 2);
            }
            self.burst = 0;
        }
        self.burst += 1;
        self.records.push_back(Record { at, kind });
        self.made += 1;
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let (mut sessions, mut devices, mut bytes) = (0, 0, 0);
        for record in &self.records {
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
            || bytes != self.custom.waiting()
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

impl<T> Flat<T> {
    /// Drops what has been read, once that is all, or most of much.
    fn make_room(&mut self) {
        if self.read == self.items.len() {
            let used = self.items.len();
            self.items.clear();
            self.read = 0;
            // After a burst the room shrinks by halves, so that steady use never allocates.
            if self.items.capacity() > ROOM_KEPT.max(8 * used) {
                self.items.shrink_to(self.items.capacity() / 2);
            }
        } else if self.read > ROOM_KEPT && self.read > self.items.len() / 2 {
            self.items.drain(..self.read);
            self.read = 0;
        }
    }

    fn read(&mut self, len: usize) -> &[T] {
        let start = self.read;
        self.read += len;
        &self.items[start..self.read]
    }

    fn waiting(&self) -> usize {
        self.items.len() - self.read
    }
}
