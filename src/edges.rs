//! Dense lists of edges, for users with none, a few, or a million.
//!
//! # Layout
//!
//! A list is 8 bytes where its user is. One or two entries are those 8 bytes; up to 255 are a block
//! of 16 to 256 words with their number in the first word; more are a vector (32 bytes, and 4 to 8
//! an entry), with an index from an entry's slot to its place where places are asked for (5 to 11
//! bytes an entry). Blocks lie in chunks that never move.
//!
//! # Invariants
//!
//! 1. Entries are not 0, so that a first half of 0 tells that the entries are elsewhere.
//! 2. A block or vector belongs to one list, and is not much larger than its entries need.
//! 3. An index names the place of each entry, and nothing else.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::id::UserSlot;
use crate::pool::Pool;

use self::blocks::{Blocks, CLASSES, UNIT};

mod blocks;

// An entry is the slot at the other end of an edge, and which kinds of edge it is.
pub(crate) const SUBSCRIPTION: u32 = 1 << 31;
pub(crate) const FRIEND: u32 = 1 << 30;
pub(crate) const SLOT: u32 = FRIEND - 1;
const _: () = assert!(UserSlot::COUNT_MAX <= SLOT as usize + 1);

const INLINE_MAX: usize = 2;
/// As many words as the largest block has: one of them is its head, and a longer list is a vector.
const BLOCK_MAX: usize = UNIT << (CLASSES - 1);

/// As many entries as a block has and one more, on their way to another.
type Few = SmallVec<[u32; BLOCK_MAX]>;

/// Two entries; or 0 and, if there are more, where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List([u32; INLINE_MAX]);

#[derive(Clone, Debug, Default)]
struct Vector {
    entries: Vec<u32>,
    index: Option<Box<HashTable<u32>>>,
}

const _: () = assert!(size_of::<Vector>() == 4 * size_of::<usize>());

/// Where the entries of a list are.
enum Place {
    Inline(usize),
    Block(u32),
    Vector(u32),
}

impl List {
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    #[inline]
    fn place(self) -> Place {
        match self.0 {
            [0, 0] => Place::Inline(0),
            [0, number] if number & 1 == 1 => Place::Block(number >> 1),
            [0, number] => Place::Vector((number >> 1) - 1),
            [_, 0] => Place::Inline(1),
            _ => Place::Inline(2),
        }
    }

    fn of_block(number: u32) -> Self {
        Self([0, number << 1 | 1])
    }

    fn of_vector(number: u32) -> Self {
        Self([0, (number + 1) << 1])
    }
}

/// The entries of the lists that are too long for their place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges {
    blocks: Blocks,
    vectors: Pool<Vector>,
}

impl Edges {
    #[inline]
    pub(crate) fn entries<'a>(&'a self, list: &'a List) -> &'a [u32] {
        match list.place() {
            Place::Inline(len) => &list.0[..len],
            Place::Block(number) => self.blocks.entries(number),
            Place::Vector(number) => &self.vectors.get(number).entries,
        }
    }

    /// Returns the entries of a list, to be reordered or marked; not of one that is asked for
    /// places, unless their slots stay where they are.
    #[inline]
    pub(crate) fn entries_mut<'a>(&'a mut self, list: &'a mut List) -> &'a mut [u32] {
        match list.place() {
            Place::Inline(len) => &mut list.0[..len],
            Place::Block(number) => self.blocks.entries_mut(number),
            Place::Vector(number) => &mut self.vectors.get_mut(number).entries,
        }
    }

    /// Appends an entry to a list that is asked for places.
    #[inline]
    pub(crate) fn push_indexed(&mut self, list: &mut List, entry: u32) {
        match list.place() {
            Place::Block(number) if self.blocks.push(number, entry) => {}
            _ => self.push_indexed_elsewhere(list, entry),
        }
    }

    /// The same where there is no block, or no room in it.
    #[inline(never)]
    fn push_indexed_elsewhere(&mut self, list: &mut List, entry: u32) {
        self.push(list, entry);
        if let Place::Vector(number) = list.place() {
            self.vectors.get_mut(number).index_last();
        }
    }

    /// Appends an entry.
    #[inline]
    pub(crate) fn push(&mut self, list: &mut List, entry: u32) {
        match list.place() {
            Place::Inline(len) if len < INLINE_MAX => list.0[len] = entry,
            Place::Block(number) if self.blocks.push(number, entry) => {}
            Place::Vector(number) => self.vectors.get_mut(number).entries.push(entry),
            _ => self.push_elsewhere(list, entry),
        }
    }

    /// Appends an entry to a list that has no room for it where it is.
    #[cold]
    fn push_elsewhere(&mut self, list: &mut List, entry: u32) {
        let mut entries = Few::from_slice(self.entries(list));
        entries.push(entry);
        self.replace(list, &entries);
    }

    /// Puts `end`, which is no shorter than what it replaces, in the place of all entries but the
    /// first `kept`. Not for a list that is asked for places.
    pub(crate) fn replace_end(&mut self, list: &mut List, kept: usize, end: &[u32]) {
        let entries = self.entries_mut(list);
        let (over, more) = end.split_at(entries.len() - kept);
        entries[kept..].copy_from_slice(over);
        match list.place() {
            Place::Block(number) if self.blocks.extend(number, more) => {}
            Place::Vector(number) => self.vectors.get_mut(number).entries.extend_from_slice(more),
            _ if more.is_empty() => {}
            _ => {
                let mut entries = Few::from_slice(self.entries(list));
                entries.extend_from_slice(more);
                self.replace(list, &entries);
            }
        }
    }

    /// Drops all entries but the first `len`. Of a list that is asked for places they must be few,
    /// or forgotten by the index.
    pub(crate) fn truncate(&mut self, list: &mut List, len: usize) {
        match list.place() {
            Place::Inline(_) => list.0.iter_mut().skip(len).for_each(|entry| *entry = 0),
            Place::Block(number) => {
                if self.blocks.truncate(number, len) {
                    self.replace_block(list);
                }
            }
            Place::Vector(number) => self.truncate_vector(list, number, len),
        }
    }

    #[inline(never)]
    fn truncate_vector(&mut self, list: &mut List, number: u32, len: usize) {
        let entries = &mut self.vectors.get_mut(number).entries;
        entries.truncate(len);
        if len <= BLOCK_MAX / 2 {
            let entries = core::mem::take(entries);
            self.replace(list, &entries);
        } else if entries.len() * 4 <= entries.capacity() {
            // Memory is given back once three quarters are empty.
            entries.shrink_to_fit();
        }
    }

    /// Moves the entries of a block that has become too large.
    #[cold]
    fn replace_block(&mut self, list: &mut List) {
        let entries = Few::from_slice(self.entries(list));
        self.replace(list, &entries);
    }

    /// Gives a list other entries, in a place of their size.
    fn replace(&mut self, list: &mut List, entries: &[u32]) {
        self.free(list);
        if entries.len() <= INLINE_MAX {
            list.0[..entries.len()].copy_from_slice(entries);
        } else if let Some(number) = self.blocks.insert(entries) {
            *list = List::of_block(number);
        } else {
            let mut room = Vec::with_capacity((entries.len() + 1).next_power_of_two());
            room.extend_from_slice(entries);
            *list = List::of_vector(self.vectors.insert(Vector { entries: room, index: None }));
        }
    }

    /// Takes all entries out.
    pub(crate) fn free(&mut self, list: &mut List) {
        match core::mem::take(list).place() {
            Place::Inline(_) => {}
            Place::Block(number) => self.blocks.free(number),
            Place::Vector(number) => drop(self.vectors.take(number)),
        }
    }

    /// Takes an entry out; those behind it move up. Not for a list that is asked for places.
    pub(crate) fn remove(&mut self, list: &mut List, at: usize) -> u32 {
        let entries = self.entries_mut(list);
        let entry = entries[at];
        entries.copy_within(at + 1.., at);
        let len = entries.len() - 1;
        self.truncate(list, len);
        entry
    }

    /// Takes the entry of a slot out, if there is one, and tells so; the last one takes its place.
    #[inline]
    pub(crate) fn take_out(&mut self, list: &mut List, slot: u32) -> bool {
        if let Place::Block(number) = list.place() {
            let Some(at) = find(self.blocks.entries(number), slot) else { return false };
            self.swap_remove_in_block(list, number, at);
            return true;
        }
        let found = self.place_of(list, slot);
        if let Some(at) = found {
            self.swap_remove(list, at);
        }
        found.is_some()
    }

    /// Takes the entry at a place out; the last one takes its place.
    #[inline(never)]
    pub(crate) fn swap_remove(&mut self, list: &mut List, at: usize) {
        match list.place() {
            Place::Inline(_) => {}
            Place::Block(number) => {
                return self.swap_remove_in_block(list, number, at);
            }
            Place::Vector(number) => self.vectors.get_mut(number).forget_place(at),
        }
        let entries = self.entries_mut(list);
        let last = entries.len() - 1;
        entries[at] = entries[last];
        self.truncate(list, last);
    }

    #[inline]
    fn swap_remove_in_block(&mut self, list: &mut List, number: u32, at: usize) {
        if self.blocks.swap_remove(number, at) {
            self.replace_block(list);
        }
    }

    /// Returns the place of the entry of a slot. A list that is asked for places is changed by
    /// [`Edges::push_indexed`], [`Edges::take_out`] and [`Edges::swap_remove`] only.
    #[inline]
    pub(crate) fn place_of(&self, list: &List, slot: u32) -> Option<usize> {
        if let Place::Vector(number) = list.place() {
            let Vector { entries, index } = self.vectors.get(number);
            if let Some(index) = index {
                let is_slot = |&place: &u32| entries[place as usize] & SLOT == slot;
                return index.find(hash(slot), is_slot).map(|&place| place as usize);
            }
        }
        find(self.entries(list), slot)
    }

    pub(crate) fn check_invariants<'a>(
        &self,
        lists: impl Iterator<Item = &'a List> + Clone,
    ) -> Result<(), &'static str> {
        let blocks = lists.clone().filter_map(|list| match list.place() {
            Place::Block(number) => Some(number),
            _ => None,
        });
        let vectors = lists.clone().filter_map(|list| match list.place() {
            Place::Vector(number) => Some(number),
            _ => None,
        });
        if !self.blocks.holds(blocks) || !self.vectors.holds(vectors.clone()) {
            return Err("edges 2: a block or vector does not belong to one list");
        }
        for list in lists {
            let entries = self.entries(list);
            if entries.contains(&0) {
                return Err("edges 1: an entry is 0");
            }
            let len_min = match list.place() {
                Place::Inline(_) => 0,
                Place::Block(number) => self.blocks.len_min(number),
                Place::Vector(_) => BLOCK_MAX / 2 + 1,
            };
            if entries.len() < len_min {
                return Err("edges 2: a block or vector holds too few entries");
            }
        }
        for number in vectors {
            let Vector { entries, index: Some(index) } = self.vectors.get(number) else { continue };
            let places = entries.iter().enumerate();
            let mut found = places.filter(|&(at, entry)| {
                index.find(hash(entry & SLOT), |&place| place as usize == at).is_some()
            });
            if index.len() != entries.len() || found.by_ref().count() != index.len() {
                return Err("edges 3: an index does not name the places");
            }
        }
        Ok(())
    }
}

impl Vector {
    /// Takes the last entry into the index, and all the others if there was none.
    fn index_last(&mut self) {
        let Self { entries, index } = self;
        let len = entries.len() as u32;
        let hash_at = |&place: &u32| hash(entries[place as usize] & SLOT);
        let first = if index.is_some() { len - 1 } else { 0 };
        let index = index.get_or_insert_with(|| Box::new(HashTable::with_capacity(BLOCK_MAX * 2)));
        for place in first..len {
            index.insert_unique(hash_at(&place), place, hash_at);
        }
    }

    /// Has the index, if there is one, forget a place, which the last entry is about to take.
    fn forget_place(&mut self, at: usize) {
        let Self { entries, index } = self;
        let Some(table) = index else { return };
        let last = entries.len() - 1;
        if let Ok(entry) = table.find_entry(hash(entries[at] & SLOT), |&place| place as usize == at)
        {
            entry.remove();
        }
        let moved = hash(entries[last] & SLOT);
        if let Some(place) = table.find_mut(moved, |&place| place as usize == last) {
            *place = at as u32;
        }
        if table.capacity() > 8 * last {
            table.shrink_to(2 * last, |&place| {
                // The last entry is still at its old place.
                let place = if place as usize == at { last } else { place as usize };
                hash(entries[place] & SLOT)
            });
        }
    }
}

/// How many entries are compared without an exit in between.
const WINDOW: usize = 32;
/// From how many entries on twice as many are looked over first: with fewer it takes longer.
const LONG: usize = 4 * WINDOW;

/// Finds the entry of a slot: windows are searched whole, without an exit in between, so that they
/// are compared many at an instruction; in a long list first for whether it is there, which takes
/// half of what it takes to tell where.
#[inline]
pub(crate) fn find(entries: &[u32], slot: u32) -> Option<usize> {
    let (mut start, mut rest) = (0, entries);
    while let Some((windows, others)) = rest.split_first_chunk::<{ 2 * WINDOW }>() {
        if rest.len() < LONG {
            break;
        }
        if has(windows, slot) {
            return find_in(windows, slot).map(|at| start + at);
        }
        (start, rest) = (start + 2 * WINDOW, others);
    }
    while let Some((window, others)) = rest.split_first_chunk::<WINDOW>() {
        if let Some(at) = find_in(window, slot) {
            return Some(start + at);
        }
        (start, rest) = (start + WINDOW, others);
    }
    match entries.last_chunk::<WINDOW>() {
        // Some of it for the second time.
        Some(window) if !rest.is_empty() => {
            find_in(window, slot).map(|at| entries.len() - WINDOW + at)
        }
        Some(_) => None,
        None => entries.iter().position(|entry| entry & SLOT == slot),
    }
}

#[inline]
fn has<const LEN: usize>(entries: &[u32; LEN], slot: u32) -> bool {
    entries.iter().fold(false, |has_it, entry| has_it | (entry & SLOT == slot))
}

#[inline(never)]
fn find_in<const LEN: usize>(entries: &[u32; LEN], slot: u32) -> Option<usize> {
    let mut place = 0;
    for (at, entry) in entries.iter().enumerate() {
        place |= if entry & SLOT == slot { at as u32 + 1 } else { 0 };
    }
    (place as usize).checked_sub(1)
}

/// Spreads a slot over all bits (the end of MurmurHash3's finisher, as a slot has no upper bits to
/// begin with): slots are dense and the engine's own, so a fixed function serves.
fn hash(slot: u32) -> u64 {
    let mut bits = u64::from(slot).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BI-3: an index of places has few entries of one hash, whichever bits it goes by.
    #[test]
    fn slots_are_spread() {
        for stride in [1, 3 << 6, 1 << 12, 1 << 17] {
            for shift in [0, 20, 52] {
                let mut counts = [0; 1 << 12];
                for nth in 0..counts.len() as u32 {
                    counts[(hash(nth * stride) >> shift) as usize % counts.len()] += 1;
                }
                assert!(counts.iter().all(|&count| count < 10), "{:?}", counts.iter().max());
            }
        }
    }

    /// The finisher of MurmurHash3, whose first step changes nothing of 32 bits.
    #[test]
    fn slots_are_hashed_by_a_known_function() {
        assert_eq!((hash(0), hash(1)), (0, 0xb456_bcfc_34c2_cb2c));
        for slot in [2, 1_000, u32::MAX] {
            let mut bits = u128::from(slot);
            for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
                bits = bits * factor % (1 << 64);
                bits ^= bits / (1 << 33);
            }
            assert_eq!(u128::from(hash(slot)), bits);
        }
    }

    fn vector<'a>(edges: &'a Edges, list: &List) -> &'a Vector {
        let Place::Vector(number) = list.place() else { panic!("the list is long") };
        edges.vectors.get(number)
    }

    /// BI-2: a list that has become shorter gives its room back.
    #[test]
    fn a_list_is_where_its_length_fits() {
        let (mut edges, mut list) = (Edges::default(), List::default());
        (1..=10_000).for_each(|slot| edges.push(&mut list, slot));
        let rooms = [10_000, 4_097, 4_096, 1_025, 129].map(|len| {
            edges.truncate(&mut list, len);
            vector(&edges, &list).entries.capacity()
        });
        assert_eq!(rooms, [16_384, 16_384, 4_096, 4_096, 129]);
        for len in [128, 64, 62, 3] {
            edges.truncate(&mut list, len);
            assert!((1..=len as u32).eq(edges.entries(&list).iter().copied()));
            assert!(matches!(list.place(), Place::Block(_)));
        }
        edges.truncate(&mut list, 1);
        assert_eq!(list, List([1, 0]));
        assert_eq!(edges.check_invariants(core::iter::once(&list)), Ok(()));
    }

    /// SU-2: wherever a list is, and wherever it has to go.
    #[test]
    fn an_end_is_replaced() {
        for before in [0, 1, 2, 3, 15, 16, 100, 255, 256, 300] {
            for kept in [0, before / 2, before] {
                for more in [0, 1, 2, 13, 100, 300] {
                    let (mut edges, mut list) = (Edges::default(), List::default());
                    (1..=before).for_each(|slot| edges.push(&mut list, slot));
                    let end: Vec<u32> = (1_000..1_000 + before - kept + more).collect();
                    edges.replace_end(&mut list, kept as usize, &end);
                    let expected = (1..=kept).chain(end);
                    assert!(expected.eq(edges.entries(&list).iter().copied()));
                    assert_eq!(edges.check_invariants(core::iter::once(&list)), Ok(()));
                }
            }
        }
    }

    /// BI-2, BI-3: a long list has an index of its places, which shrinks with it, but not often.
    #[test]
    fn an_index_is_of_the_size_of_its_list() {
        let (mut edges, mut list) = (Edges::default(), List::default());
        (1..=20_000).for_each(|slot| edges.push_indexed(&mut list, slot));
        let room = |edges: &Edges, list: &List| {
            let index = vector(edges, list).index.as_ref();
            index.expect("a long list has an index").capacity()
        };
        let (mut before, mut shrunk) = (room(&edges, &list), 0);
        for left in (200..20_000).rev() {
            assert!(edges.take_out(&mut list, left as u32 + 1));
            let now = room(&edges, &list);
            assert!(now <= 8 * left);
            // It falls a little by itself, as what has been taken out leaves marks.
            if now < before / 2 {
                assert!(now >= 2 * left);
                shrunk += 1;
            }
            before = now;
        }
        assert!((2..10).contains(&shrunk), "{shrunk}");
        assert_eq!(edges.check_invariants(core::iter::once(&list)), Ok(()));
    }
}
