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
//! wherever it begins. A level exists from its first use on. An entry is 4 bytes in its slot, and 4
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
/// How many entries are taken out together at most.
const WINDOW: usize = 1_024;

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

    /// Returns a function that gives the deadline of an owner, if that takes little more than
    /// reading it: the same as [`Owners::deadline`], or `None`, and that has to be asked. It is
    /// called for many in turn, of whom the processor then has many under way.
    fn foresight(&self, now: Timestamp) -> impl Fn(Owner) -> Option<Timestamp>;
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

/// Where an owner's entry is: a level, a slot of it, and which group of the entries there, in 4
/// bytes, as every timer that is put back writes one to a line that is in no cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u32);

/// How many entries a group has, which is searched for one: a line of them. Beyond the first
/// [`SMALL_GROUPS`], which are sixteen million entries of one slot, groups are large, so that 32
/// bits tell all of them apart. Unit tests have few small ones.
const GROUP: usize = 16;
const SMALL_GROUPS: usize = if cfg!(test) { 4 } else { 1 << 20 };
const LARGE_GROUP: usize = 4_096;

impl Place {
    const NONE: Self = Self(u32::MAX);

    const LEVEL_BITS: u32 = 3;

    #[inline]
    fn new(level: u32, slot: usize, at: usize) -> Self {
        let group = match at.checked_sub(SMALL_GROUPS * GROUP) {
            None => at / GROUP,
            Some(beyond) => SMALL_GROUPS + beyond / LARGE_GROUP,
        };
        Self((group as u32) << (DIGIT_BITS + Self::LEVEL_BITS) | level << DIGIT_BITS | slot as u32)
    }

    #[inline]
    fn level(self) -> u32 {
        self.0 >> DIGIT_BITS & ((1 << Self::LEVEL_BITS) - 1)
    }

    #[inline]
    fn slot(self) -> usize {
        self.0 as usize % SLOTS
    }

    /// Returns where the group begins, and how many entries it has at most.
    fn group(self) -> (usize, usize) {
        let group = (self.0 >> (DIGIT_BITS + Self::LEVEL_BITS)) as usize;
        match group.checked_sub(SMALL_GROUPS) {
            None => (group * GROUP, GROUP),
            Some(large) => (SMALL_GROUPS * GROUP + large * LARGE_GROUP, LARGE_GROUP),
        }
    }
}

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
    emptying: Option<u32>,
    places: [Vec<Place>; 2],
    /// A buffer for the deadlines of a window.
    deadlines: Vec<u64>,
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
            let start = self.start(place.level(), place.slot());
            if start <= deadline {
                return Timestamp::from_millis(start);
            }
            self.cancel(entry, place);
        }
        let place = self.insert(entry, deadline);
        Timestamp::from_millis(self.start(place.level(), place.slot()))
    }

    /// Adds an entry that is nowhere. The deadline is not before `now`.
    #[inline]
    fn insert(&mut self, entry: Entry, deadline: u64) -> Place {
        let level = self.level_of(deadline);
        let slot = digit(deadline, level);
        let entries = self.levels.get_mut(level as usize).map(|level| &mut level.slots[slot]);
        let at = match entries {
            Some(entries) if has_room(entries) => {
                entries.push(entry);
                entries.len() - 1
            }
            _ => self.make_room(level, slot, entry),
        };
        let place = Place::new(level, slot, at);
        self.set_place(entry, place);
        place
    }

    /// Returns on which level the slot of a deadline is that is not before `now`.
    #[inline]
    fn level_of(&self, deadline: u64) -> u32 {
        let away = (deadline - self.now) | 1;
        let level = (u64::BITS - 1 - away.leading_zeros()) / DIGIT_BITS;
        let shift = level * DIGIT_BITS;
        // As `now` is in the middle of a slot, it may be one too many.
        level + u32::from((deadline >> shift) - (self.now >> shift) >= SLOTS as u64)
    }

    /// Returns the last deadline whose slot is on a level.
    fn last_on(&self, level: u32) -> u64 {
        let shift = level * DIGIT_BITS;
        match (self.now >> shift).checked_add(SLOTS as u64) {
            Some(end) if end <= u64::MAX >> shift => (end << shift) - 1,
            _ => u64::MAX,
        }
    }

    /// Adds an entry to a slot that may be empty, or without room, or of a level that is not there
    /// yet, and returns where it is.
    #[inline(never)]
    fn make_room(&mut self, level: u32, slot: usize, entry: Entry) -> usize {
        if self.levels.len() <= level as usize {
            self.add_levels(level);
        }
        if self.levels[level as usize].slots[slot].is_empty() {
            self.occupy(level, slot);
        }
        let entries = &mut self.levels[level as usize].slots[slot];
        entries.push(entry);
        entries.len() - 1
    }

    /// Notes that a slot is about to have an entry.
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
        let entries = &mut self.levels[place.level() as usize].slots[place.slot()];
        let (start, len) = place.group();
        let group = entries.get(start..entries.len().min(start + len)).unwrap_or_default();
        let Some(at) = group.iter().position(|&other| other == entry) else {
            debug_assert!(false, "the place names the entry");
            return;
        };
        entries.swap_remove(start + at);
        let moved = entries.get(start + at).copied();
        let is_empty = entries.is_empty();
        self.set_place(entry, Place::NONE);
        if let Some(moved) = moved {
            self.set_place(moved, place);
        } else if is_empty {
            self.vacate(place.level(), place.slot());
        }
    }

    /// Takes out owners who are due next, if that is no later than `until`, moves the wheel to
    /// their moment and returns it. On the way it puts back those whose deadline is later than
    /// their entry, and drops those that have none. Takes at most `budget` entries out, and counts
    /// them off.
    ///
    /// All that is due at one moment has been popped when [`Wheel::next`] is later than it.
    pub(crate) fn pop(
        &mut self,
        until: Timestamp,
        budget: &mut u64,
        owners: &mut impl Owners,
        due: &mut Vec<Owner>,
    ) -> Option<Timestamp> {
        due.clear();
        while *budget > 0 {
            let level = match self.emptying {
                Some(level) => level,
                None => self.reach_next(until)?,
            };
            let slot = digit(self.now, level);
            let mut entries = core::mem::take(&mut self.levels[level as usize].slots[slot]);
            while *budget > 0 && !entries.is_empty() && due.is_empty() {
                self.take_window(&mut entries, budget, owners, due);
            }
            let is_empty = entries.is_empty();
            self.levels[level as usize].slots[slot] = entries;
            if is_empty {
                self.vacate(level, slot);
            }
            if !due.is_empty() {
                return Some(self.now());
            }
        }
        None
    }

    /// Takes the last entries out of the slot that begins at `now`, puts those back whose deadline
    /// is later, drops those that have none, and adds those to `due` who are.
    fn take_window(
        &mut self,
        entries: &mut Vec<Entry>,
        budget: &mut u64,
        owners: &mut impl Owners,
        due: &mut Vec<Owner>,
    ) {
        let now = self.now();
        let count = entries.len().min(WINDOW).min(usize::try_from(*budget).unwrap_or(WINDOW));
        *budget -= count as u64;
        let coming = entries.len() - count;
        // Each loop is of few instructions, so that the processor waits for many at once.
        let mut deadlines = core::mem::take(&mut self.deadlines);
        deadlines.clear();
        let foresee = owners.foresight(now);
        let foreseen = entries[coming..].iter().map(|entry| foresee(entry.owner()));
        deadlines.extend(foreseen.map(|deadline| deadline.map_or(0, Timestamp::as_millis)));
        drop(foresee);
        let rest = self.put_back(&mut entries[coming..], &mut deadlines);
        for (&entry, &foreseen) in entries[coming..].iter().zip(&deadlines[..rest]) {
            // Nobody is due at 0 but by asking.
            let deadline = match foreseen {
                0 => owners.deadline(entry.owner(), now).map(Timestamp::as_millis),
                _ => Some(foreseen),
            };
            debug_assert_eq!(
                owners.deadline(entry.owner(), now).map(Timestamp::as_millis),
                deadline,
                "a deadline that is foreseen is the one that holds"
            );
            match deadline {
                Some(deadline) if deadline > self.now => {
                    self.insert(entry, deadline);
                }
                deadline => {
                    self.set_place(entry, Place::NONE);
                    due.extend(deadline.map(|_| entry.owner()));
                }
            }
        }
        self.deadlines = deadlines;
        entries.truncate(coming);
    }

    /// Puts those back whose deadline is later than `now`; returns how many are not, which are then
    /// the first.
    fn put_back(&mut self, entries: &mut [Entry], deadlines: &mut [u64]) -> usize {
        let (mut rest, mut at) = (0, 0);
        while at < entries.len() {
            let (entry, deadline) = (entries[at], deadlines[at]);
            if deadline > self.now {
                self.insert(entry, deadline);
                // Most have deadlines on the same level.
                at += self.put_back_run(
                    self.level_of(deadline),
                    &entries[at + 1..],
                    &deadlines[at + 1..],
                );
            } else {
                (entries[rest], deadlines[rest]) = (entry, deadline);
                rest += 1;
            }
            at += 1;
        }
        rest
    }

    /// Puts entries back as long as their deadlines are on a level, after `now`, and there is room
    /// for them, and returns how many.
    ///
    /// This waits for its stores: so there are three of them, and few instructions between.
    #[inline(never)]
    fn put_back_run(&mut self, level: u32, entries: &[Entry], deadlines: &[u64]) -> usize {
        let before = level.checked_sub(1).map_or(self.now, |below| self.last_on(below));
        let last = self.last_on(level);
        let Some(Level { slots, .. }) = self.levels.get_mut(level as usize) else { return 0 };
        let mut count = 0;
        for (&entry, &deadline) in entries.iter().zip(deadlines) {
            let slot = digit(deadline, level);
            let entries = &mut slots[slot];
            let (family, owner) = entry.parts();
            // Whose entry has been taken out has a place in the table.
            let Some(place) = self.places[family].get_mut(owner) else { break };
            if deadline <= before || deadline > last || !has_room(entries) {
                break;
            }
            let at = entries.len();
            entries.push(entry);
            *place = Place::new(level, slot, at);
            count += 1;
        }
        count
    }

    /// Returns up to when all has been popped that was due before.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Reads something of the place of an owner's entry.
    #[inline]
    pub(crate) fn call_for_place(&self, owner: Owner) -> u32 {
        self.place(Entry::from(owner)).0
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
        place == Place::NONE || self.start(place.level(), place.slot()) > deadline.as_millis()
    }

    /// Moves the wheel to the slot that comes next, if it begins at or before `until`, and returns
    /// its level.
    fn reach_next(&mut self, until: Timestamp) -> Option<u32> {
        let (level, start) = self.first()?;
        if start > until.as_millis() {
            return None;
        }
        self.now = start;
        self.emptying = Some(level);
        Some(level)
    }

    /// Returns the level of the slot that begins first, and when that is: not before `now`.
    fn first(&self) -> Option<(u32, u64)> {
        let mut first: Option<(u32, u64)> = None;
        let mut busy = self.busy;
        while busy != 0 {
            let level = busy.trailing_zeros();
            busy &= busy - 1;
            let from = digit(self.now, level);
            let slot = self.levels[level as usize].first(from)?;
            let start = self.start(level, slot).max(self.now);
            if first.is_none_or(|(_, known)| start < known) {
                first = Some((level, start));
            }
        }
        first
    }

    /// Returns when a slot begins, or began if it is that of `now`.
    #[inline]
    fn start(&self, level: u32, slot: usize) -> u64 {
        let shift = level * DIGIT_BITS;
        let base = self.now >> shift;
        let ahead = (slot as u8).wrapping_sub(base as u8);
        (base + u64::from(ahead)) << shift
    }

    /// Notes that a slot has run empty.
    fn vacate(&mut self, level: u32, slot: usize) {
        let Level { occupied, slots } = &mut self.levels[level as usize];
        occupied[slot / 64] &= !(1 << (slot % 64));
        if occupied.iter().all(|&word| word == 0) {
            self.busy &= !(1 << level);
        }
        // A burst that has passed gives its memory back.
        let entries = &mut slots[slot];
        if entries.capacity() > ROOM_KEPT {
            let entries = core::mem::take(entries);
            if entries.capacity() <= SPARE_LEN_MAX && self.spare.len() < SPARE_MAX {
                self.spare.push(entries);
            }
        }
        if self.emptying == Some(level) && slot == digit(self.now, level) {
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
            let begins_now = self.start(level as u32, current) == self.now;
            for (slot, list) in slots.iter().enumerate() {
                entries += list.len();
                if !list.is_empty() && slot == current && level > 0 && !begins_now {
                    return Err("timer 1: an entry is in a slot that has passed");
                }
                if (occupied[slot / 64] >> (slot % 64) & 1 == 1) == list.is_empty() {
                    return Err("timer 3: a bit does not tell whether the slot is empty");
                }
                for (at, entry) in list.iter().enumerate() {
                    let place = Place::new(level as u32, slot, at);
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

/// Returns whether a slot that has entries has room for another.
#[inline]
fn has_room(entries: &Vec<Entry>) -> bool {
    !entries.is_empty() && entries.len() < entries.capacity()
}

fn digit(millis: u64, level: u32) -> usize {
    ((millis >> (level * DIGIT_BITS)) % SLOTS as u64) as usize
}

#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod oracle;

#[cfg(test)]
mod tests;
