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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn event(outbox: &mut Outbox, displaced: usize) {
        let displaced = vec![DeviceSlot(0); displaced];
        let (action, reason) = (Action::Login, Reason::Register);
        outbox.event(Timestamp::ZERO, UserSlot(0), DeviceSlot(0), action, reason, &displaced);
    }

    fn status(outbox: &mut Outbox, told: usize, custom: &str) {
        let session = SessionId::from_parts(0, 1);
        outbox.status(Timestamp::ZERO, UserSlot(0), State::Online, custom, |to| {
            to.resize(to.len() + told, session);
        });
    }

    fn take(outbox: &mut Outbox, count: usize) {
        (0..count).for_each(|_| assert!(outbox.pop().is_some()));
        assert_eq!(outbox.check_invariants(), Ok(()));
    }

    /// How many items there are in each buffer, read or not.
    fn lens(outbox: &Outbox) -> [usize; 4] {
        let Outbox { records, told, displaced, custom, .. } = outbox;
        [records.items.len(), told.items.len(), displaced.items.len(), custom.len()]
    }

    #[test]
    fn an_outbox_that_is_drained_starts_anew() {
        let mut outbox = Outbox::default();
        for turn in 0..3 {
            event(&mut outbox, 2);
            status(&mut outbox, 3, "text");
            assert_eq!(lens(&outbox), [2, 3, 2, 4]);
            assert_eq!((outbox.len(), outbox.progress()), (2, (2 * turn + 2, 2 * turn)));
            take(&mut outbox, 2);
            assert_eq!((outbox.len(), outbox.pop().is_none()), (0, true));
        }
        event(&mut outbox, 0);
        assert_eq!((lens(&outbox), outbox.progress()), ([1, 0, 0, 0], (7, 6)));
    }

    /// BI-2: where a host never drains to the end, what has been read goes once it is most of much.
    #[test]
    fn what_is_read_of_a_backlog_goes() {
        for custom in ["", "x"] {
            let mut outbox = Outbox::default();
            let add = |outbox: &mut Outbox| status(outbox, 0, custom);
            (0..10_000).for_each(|_| add(&mut outbox));
            // Half of it is not most.
            take(&mut outbox, 5_000);
            add(&mut outbox);
            assert_eq!(lens(&outbox), [10_001, 0, 0, 10_001 * custom.len()]);
            take(&mut outbox, 1);
            add(&mut outbox);
            assert_eq!(lens(&outbox), [5_001, 0, 0, 5_001 * custom.len()]);
            take(&mut outbox, 5_001);
            // No more than is kept in any case is not much.
            (0..6_000).for_each(|_| add(&mut outbox));
            take(&mut outbox, ROOM_KEPT);
            add(&mut outbox);
            assert_eq!(lens(&outbox), [6_001, 0, 0, 6_001 * custom.len()]);
        }
    }

    /// Much of anything is much.
    #[test]
    fn what_is_read_of_a_few_large_outputs_goes() {
        let text = "x".repeat(1_000);
        let add = |outbox: &mut Outbox, at| match at {
            1 => status(outbox, 1_000, ""),
            2 => event(outbox, 1_000),
            _ => status(outbox, 0, &text),
        };
        for at in 1..4 {
            let mut outbox = Outbox::default();
            (0..10).for_each(|_| add(&mut outbox, at));
            take(&mut outbox, 6);
            add(&mut outbox, at);
            let mut expected = [11, 0, 0, 0];
            expected[at] = 5_000;
            assert_eq!(lens(&outbox), expected);
        }
    }

    /// One output may have many of anything.
    #[test]
    fn what_is_read_of_one_output_stays_as_long_as_others_wait() {
        let mut outbox = Outbox::default();
        for _ in 0..2 {
            status(&mut outbox, 10, "");
            take(&mut outbox, 1);
            status(&mut outbox, 0, "0123456789");
            event(&mut outbox, 10);
            take(&mut outbox, 1);
            event(&mut outbox, 0);
            assert_eq!(lens(&outbox), [3, 0, 10, 10]);
            take(&mut outbox, 1);
            event(&mut outbox, 0);
            assert_eq!(lens(&outbox), [4, 0, 10, 10]);
            take(&mut outbox, 2);
            status(&mut outbox, 10, "");
            status(&mut outbox, 10, "");
            take(&mut outbox, 1);
            status(&mut outbox, 0, "");
            assert_eq!(lens(&outbox), [3, 20, 0, 0]);
            take(&mut outbox, 2);
        }
    }

    /// What room there is after some has been used of what there was.
    fn rooms(before: [usize; 4], events: usize, custom: usize) -> [usize; 4] {
        let mut outbox = Outbox::default();
        outbox.records.items.reserve_exact(before[0]);
        outbox.told.items.reserve_exact(before[1]);
        outbox.displaced.items.reserve_exact(before[2]);
        outbox.custom.reserve_exact(before[3]);
        (0..events).for_each(|_| event(&mut outbox, 0));
        status(&mut outbox, 0, &"x".repeat(custom));
        take(&mut outbox, events + 1);
        event(&mut outbox, 0);
        let Outbox { records, told, displaced, custom, .. } = &outbox;
        let [told, displaced] = [told.items.capacity(), displaced.items.capacity()];
        [records.items.capacity(), told, displaced, custom.capacity()]
    }

    /// BI-2: the room of a burst is given back by halves, when far less is used.
    #[test]
    fn room_is_given_back_by_halves() {
        const MUCH: usize = 4 * ROOM_KEPT;
        for at in 0..4 {
            // Alone, or with others.
            for other in 0..4 {
                let mut before = [ROOM_KEPT; 4];
                (before[at], before[other]) = (MUCH, MUCH);
                let expected = before.map(|room| if room == MUCH { MUCH / 2 } else { room });
                assert_eq!(rooms(before, 1, 1), expected);
            }
        }
        // Less than twice what is kept is not much, and an eighth is not far less.
        assert_eq!(rooms([5_000; 4], 1, 1), [5_000; 4]);
        let before = [MUCH, ROOM_KEPT, ROOM_KEPT, MUCH];
        assert_eq!(rooms(before, MUCH / 8 - 1, MUCH / 8), before);
        let [records, .., custom] = rooms(before, MUCH / 8 - 2, MUCH / 8 - 1);
        assert_eq!([records, custom], [MUCH / 2; 2]);
    }
}
