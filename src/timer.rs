//! Deadlines in exact order: a hierarchical wheel that knows nothing of users.
//!
//! An owner has at most one entry. An entry never fires later than asked but may fire earlier: the
//! owner then says what its deadline really is and is put back ([`Wheel::arm`]), or that it has
//! none. So a deadline that moves away, as with every heartbeat, or is off, costs nothing until the
//! old one is reached; and an owner that has a new one by then finds its entry there.
//!
//! # Layout
//!
//! Eight levels of 256 slots cover all of `u64` milliseconds; level n has slots of 256^n ms, and
//! the next 256 of them are told apart: a ring, so that a minute is always two levels away,
//! wherever it begins. A level exists from its first use on. An entry is 4 bytes in its slot, and 8
//! bytes in the table of places by which it is found when its deadline comes nearer.
//!
//! # Invariants
//!
//! 1. The slots of level n begin at multiples of 256^n, of which the next 256 are told apart; that
//!    of `now` itself has entries only if it begins at `now`, or on level 0.
//! 2. The place of an owner names its entry, and nothing else has a place.
//! 3. A bit is set exactly for the slots, and for the levels, that are not empty.

use alloc::vec::Vec;

use crate::time::Timestamp;

pub(crate) use batch::Batch;

mod batch;

const DIGIT_BITS: u32 = 8;
const SLOTS: usize = 1 << DIGIT_BITS;

/// For how many entries a slot keeps its room when it is empty.
const ROOM_KEPT: usize = 64;
/// How many larger buffers go round, and how large they are at most, in entries.
const SPARE_MAX: usize = 8;
const SPARE_LEN_MAX: usize = 1 << 16;
/// For how many entries at a time what they need is called for.
const COMING_MAX: u64 = 128;

/// Who a timer belongs to: an index in one of two families of owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Session(u32),
    User(u32),
}

/// Those to whom timers belong: they know their deadlines.
pub(crate) trait Owners {
    /// Returns the deadline of an owner whose entry is taken out at `now`: `None` if it has none.
    fn deadline(&mut self, owner: Owner, now: Timestamp) -> Option<Timestamp>;

    /// Reads something of what the owner's deadline will need, before it is asked for.
    fn call_for(&self, owner: Owner) -> u64;
}

/// An [`Owner`] in 4 bytes: the family is the top bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u32);

impl Entry {
    const FAMILY: u32 = 1 << 31;

    #[inline]
    fn owner(self) -> Owner {
        match self.0 & Self::FAMILY {
            0 => Owner::Session(self.0),
            _ => Owner::User(self.0 & !Self::FAMILY),
        }
    }

    /// Returns the family, and the index in it.
    #[inline]
    fn parts(self) -> (usize, usize) {
        ((self.0 >> 31) as usize, (self.0 & !Self::FAMILY) as usize)
    }
}

impl From<Owner> for Entry {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Session(slot) => Self(slot),
            Owner::User(slot) => Self(slot | Self::FAMILY),
        }
    }
}

/// Where an owner's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: u8,
    slot: u8,
    at: u32,
}

impl Place {
    const NONE: Self = Self { level: u8::MAX, slot: 0, at: 0 };
}

const _: () = assert!(size_of::<Place>() == 8);

#[derive(Clone, Debug)]
struct Level {
    occupied: [u64; SLOTS / 64],
    slots: [Vec<Entry>; SLOTS],
}

impl Level {
    fn new() -> Self {
        Self { occupied: [0; SLOTS / 64], slots: [const { Vec::new() }; SLOTS] }
    }

    /// Returns the first slot from `from` on, around the ring, that is not empty.
    fn first(&self, from: usize) -> Option<usize> {
        const WORDS: usize = SLOTS / 64;
        let after = self.occupied[from / 64] & u64::MAX << (from % 64);
        if after != 0 {
            return Some(from / 64 * 64 + after.trailing_zeros() as usize);
        }
        // At the end that word again, as the slots before `from` are the last.
        let mut words = (1..=WORDS).map(|nth| (from / 64 + nth) % WORDS);
        let word = words.find(|&word| self.occupied[word] != 0)?;
        Some(word * 64 + self.occupied[word].trailing_zeros() as usize)
    }
}

/// The timers of all owners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wheel {
    now: u64,
    levels: Vec<Level>,
    /// A bit for each level that is not empty.
    busy: u8,
    /// The level whose slot at the digit of `now` is being emptied.
    emptying: Option<u8>,
    /// For how many of the last entries of that slot has been called: about, as others may come and
    /// go, and only speed depends on it.
    called_for: usize,
    places: [Vec<Place>; 2],
    spare: Vec<Vec<Entry>>,
}

impl Wheel {
    /// Sees to it that the owner is popped at `deadline` or earlier.
    ///
    /// O(1). Returns from when on a call of [`Wheel::pop`] is needed for it.
    #[inline]
    pub(crate) fn arm(&mut self, owner: Owner, deadline: Timestamp) -> Timestamp {
        let (entry, deadline) = (Entry::from(owner), deadline.as_millis().max(self.now));
        let place = self.place(entry);
        if place != Place::NONE {
            let start = self.start(place.level, place.slot);
            if start <= deadline {
                return Timestamp::from_millis(start);
            }
            self.cancel(entry, place);
        }
        let place = self.insert(entry, deadline);
        Timestamp::from_millis(self.start(place.level, place.slot))
    }

    /// Adds an entry that is nowhere. The deadline is not before `now`.
    ///
    /// Where many are put back, this waits for its stores: so there are three of them, and what
    /// would be more is out of line.
    #[inline(always)]
    fn insert(&mut self, entry: Entry, deadline: u64) -> Place {
        let away = (deadline - self.now) | 1;
        let mut level = (u64::BITS - 1 - away.leading_zeros()) / DIGIT_BITS;
        let shift = level * DIGIT_BITS;
        // As `now` is in the middle of a slot, it may be one too many.
        level += u32::from((deadline >> shift) - (self.now >> shift) >= SLOTS as u64);
        let slot = digit(deadline, level);
        if self.levels.len() <= level as usize {
            self.add_levels(level);
        }
        if self.levels[level as usize].slots[slot].is_empty() {
            self.occupy(level, slot);
        }
        let entries = &mut self.levels[level as usize].slots[slot];
        let place = Place { level: level as u8, slot: slot as u8, at: entries.len() as u32 };
        entries.push(entry);
        self.set_place(entry, place);
        place
    }

    /// Notes that a slot is about to have an entry.
    #[inline(never)]
    fn occupy(&mut self, level: u32, slot: usize) {
        let Level { occupied, slots } = &mut self.levels[level as usize];
        occupied[slot / 64] |= 1 << (slot % 64);
        self.busy |= 1 << level;
        // Above, a few entries would hold a large buffer for long.
        if slots[slot].capacity() == 0 && level <= 1 {
            slots[slot] = self.spare.pop().unwrap_or_default();
        }
    }

    /// Adds levels up to one. Out of line, as a level is large, and would be made room for on the
    /// stack by every call.
    #[cold]
    fn add_levels(&mut self, level: u32) {
        self.levels.resize_with(level as usize + 1, Level::new);
    }

    /// Drops the entry at a place. O(1).
    fn cancel(&mut self, entry: Entry, place: Place) {
        self.set_place(entry, Place::NONE);
        let entries = &mut self.levels[usize::from(place.level)].slots[usize::from(place.slot)];
        entries.swap_remove(place.at as usize);
        if let Some(&moved) = entries.get(place.at as usize) {
            self.set_place(moved, place);
        } else if entries.is_empty() {
            self.vacate(place.level, place.slot);
        }
    }

    /// Takes out the next owner that is due, and moves the wheel to its moment, no later than
    /// `until`. On the way it puts back those whose deadline is later than their entry, and drops
    /// those that have none. Takes at most `budget` entries out, and counts them off.
    ///
    /// All that is due at one moment has been popped when [`Wheel::next`] is later than it.
    pub(crate) fn pop(
        &mut self,
        until: Timestamp,
        budget: &mut u64,
        owners: &mut impl Owners,
    ) -> Option<(Owner, Timestamp)> {
        while *budget > 0 {
            let level = match self.emptying {
                Some(level) => level,
                None => self.reach_next(until)?,
            };
            let slot = digit(self.now, u32::from(level));
            let mut entries = core::mem::take(&mut self.levels[usize::from(level)].slots[slot]);
            let due = self.put_back(&mut entries, budget, owners);
            let is_empty = entries.is_empty();
            self.levels[usize::from(level)].slots[slot] = entries;
            if is_empty {
                self.vacate(level, slot as u8);
            }
            if due.is_some() {
                return due;
            }
        }
        None
    }

    /// Takes entries out of the slot that begins at `now`, latest first, until one is due, and puts
    /// those back whose deadline is later.
    #[inline]
    fn put_back(
        &mut self,
        entries: &mut Vec<Entry>,
        budget: &mut u64,
        owners: &mut impl Owners,
    ) -> Option<(Owner, Timestamp)> {
        while *budget > 0 {
            if self.called_for == 0 {
                self.call_for(entries, *budget, owners);
            }
            let Some(entry) = entries.pop() else { break };
            self.called_for = self.called_for.saturating_sub(1);
            *budget -= 1;
            let owner = entry.owner();
            match owners.deadline(owner, self.now()).map(Timestamp::as_millis) {
                Some(deadline) if deadline > self.now => {
                    self.insert(entry, deadline);
                }
                due => {
                    self.set_place(entry, Place::NONE);
                    if due.is_some() {
                        return Some((owner, Timestamp::from_millis(self.now)));
                    }
                }
            }
        }
        None
    }

    /// Reads something of what the deadlines of the last entries will need, and of their places.
    #[inline]
    fn call_for(&mut self, entries: &[Entry], budget: u64, owners: &impl Owners) {
        let count = COMING_MAX.min(budget) as usize;
        let coming = &entries[entries.len().saturating_sub(count)..];
        self.called_for = coming.len();
        // In a loop of few instructions the processor waits for many of them at once.
        let read = coming.iter().fold(0, |read, &entry| {
            read ^ owners.call_for(entry.owner()) ^ u64::from(self.place(entry).at)
        });
        core::hint::black_box(read);
    }

    /// Returns up to when all has been popped that was due before.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Reads something of the place of an owner's entry.
    #[inline]
    pub(crate) fn call_for_place(&self, owner: Owner) -> u32 {
        self.place(Entry::from(owner)).at
    }

    /// Moves the wheel on to `until`, to which everything has been popped.
    #[inline]
    pub(crate) fn advance(&mut self, until: Timestamp) {
        debug_assert!(self.next().is_none_or(|next| next > until), "popped up to `until`");
        debug_assert!(self.now() <= until, "time never runs back");
        self.now = until.as_millis();
    }

    /// Returns when the next entry is to be popped: at its deadline or earlier.
    #[inline]
    pub(crate) fn next(&self) -> Option<Timestamp> {
        if self.emptying.is_some() {
            return Some(Timestamp::from_millis(self.now));
        }
        let (_, start) = self.first()?;
        Some(Timestamp::from_millis(start))
    }

    /// Returns whether the owner has no entry, or one that may be popped later than `deadline`.
    pub(crate) fn pops_after(&self, owner: Owner, deadline: Timestamp) -> bool {
        let place = self.place(Entry::from(owner));
        place == Place::NONE || self.start(place.level, place.slot) > deadline.as_millis()
    }

    /// Moves the wheel to the slot that comes next, if it begins at or before `until`, and returns
    /// its level.
    fn reach_next(&mut self, until: Timestamp) -> Option<u8> {
        let (level, start) = self.first()?;
        if start > until.as_millis() {
            return None;
        }
        self.now = start;
        self.emptying = Some(level);
        self.called_for = 0;
        Some(level)
    }

    /// Returns the level of the slot that begins first, and when that is: not before `now`.
    fn first(&self) -> Option<(u8, u64)> {
        let mut first: Option<(u8, u64)> = None;
        let mut busy = self.busy;
        while busy != 0 {
            let level = busy.trailing_zeros() as u8;
            busy &= busy - 1;
            let from = digit(self.now, u32::from(level));
            let slot = self.levels[usize::from(level)].first(from)?;
            let start = self.start(level, slot as u8).max(self.now);
            if first.is_none_or(|(_, known)| start < known) {
                first = Some((level, start));
            }
        }
        first
    }

    /// Returns when a slot begins, or began if it is that of `now`.
    #[inline]
    fn start(&self, level: u8, slot: u8) -> u64 {
        let shift = u32::from(level) * DIGIT_BITS;
        let base = self.now >> shift;
        let ahead = slot.wrapping_sub(base as u8);
        (base + u64::from(ahead)) << shift
    }

    /// Notes that a slot has run empty.
    fn vacate(&mut self, level: u8, slot: u8) {
        let Level { occupied, slots } = &mut self.levels[usize::from(level)];
        occupied[usize::from(slot) / 64] &= !(1 << (slot % 64));
        if occupied.iter().all(|&word| word == 0) {
            self.busy &= !(1 << level);
        }
        // A burst that has passed gives its memory back.
        let entries = &mut slots[usize::from(slot)];
        if entries.capacity() > ROOM_KEPT {
            let entries = core::mem::take(entries);
            if entries.capacity() <= SPARE_LEN_MAX && self.spare.len() < SPARE_MAX {
                self.spare.push(entries);
            }
        }
        if self.emptying == Some(level) && usize::from(slot) == digit(self.now, u32::from(level)) {
            self.emptying = None;
        }
    }

    #[inline]
    fn place(&self, entry: Entry) -> Place {
        let (family, at) = entry.parts();
        self.places[family].get(at).copied().unwrap_or(Place::NONE)
    }

    #[inline]
    fn set_place(&mut self, entry: Entry, place: Place) {
        let (family, at) = entry.parts();
        match self.places[family].get_mut(at) {
            Some(known) => *known = place,
            None => self.add_place(entry, place),
        }
    }

    #[cold]
    fn add_place(&mut self, entry: Entry, place: Place) {
        let (family, at) = entry.parts();
        let places = &mut self.places[family];
        places.resize(at, Place::NONE);
        places.push(place);
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let mut entries = 0;
        for (level, Level { occupied, slots }) in self.levels.iter().enumerate() {
            if (self.busy >> level & 1 == 1) != slots.iter().any(|list| !list.is_empty()) {
                return Err("timer 3: a bit does not tell whether the level is empty");
            }
            let current = digit(self.now, level as u32);
            let begins_now = self.start(level as u8, current as u8) == self.now;
            for (slot, list) in slots.iter().enumerate() {
                entries += list.len();
                if !list.is_empty() && slot == current && level > 0 && !begins_now {
                    return Err("timer 1: an entry is in a slot that has passed");
                }
                if (occupied[slot / 64] >> (slot % 64) & 1 == 1) == list.is_empty() {
                    return Err("timer 3: a bit does not tell whether the slot is empty");
                }
                for (at, entry) in list.iter().enumerate() {
                    let place = Place { level: level as u8, slot: slot as u8, at: at as u32 };
                    if self.place(*entry) != place {
                        return Err("timer 2: the place of an owner does not name its entry");
                    }
                }
            }
        }
        let placed = self.places.iter().flatten().filter(|&&place| place != Place::NONE).count();
        if entries != placed {
            return Err("timer 2: something without an entry has a place");
        }
        Ok(())
    }
}

fn digit(millis: u64, level: u32) -> usize {
    ((millis >> (level * DIGIT_BITS)) % SLOTS as u64) as usize
}

#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod oracle;

#[cfg(test)]
mod tests;
