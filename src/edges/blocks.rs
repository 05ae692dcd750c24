//! Blocks of a few sizes, in chunks that never move: a buddy allocator.
//!
//! # Invariants
//!
//! 1. A block of class c is 2^c units, and begins at a multiple of its size, so that it lies in one
//!    chunk. Its first word is its class, and how many entries it has or that it is free.
//! 2. A unit is in one block.
//! 3. The free blocks of a class are linked in both directions by their next two words, and no two
//!    of them are buddies, but for those of the largest class.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many words the smallest block has: a cache line.
pub(super) const UNIT: usize = 16;
/// How many sizes there are, each twice the one before.
pub(super) const CLASSES: usize = 5;

/// How many units a chunk has: 16 KiB, so that a small engine stays small.
const CHUNK_UNITS: usize = 256;
const CHUNK: usize = CHUNK_UNITS * UNIT;
/// Lists keep the number of a unit in 31 bits.
const UNITS_MAX: usize = 1 << 31;

const CLASS_SHIFT: u32 = 16;
const LEN: u32 = (1 << CLASS_SHIFT) - 1;
/// The head of a free block of the smallest class.
const FREE: u32 = LEN;
/// No block: the end of a list.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(super) struct Blocks {
    chunks: Vec<Box<[u32; CHUNK]>>,
    /// The first free block of each class.
    free: [u32; CLASSES],
}

impl Default for Blocks {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: [NONE; CLASSES] }
    }
}

/// How many entries a block has room for.
fn room(class: usize) -> usize {
    (UNIT << class) - 1
}

impl Blocks {
    /// Makes a block of some entries; `None` if they are too many for one.
    pub(super) fn insert(&mut self, entries: &[u32]) -> Option<u32> {
        let class = (0..CLASSES).find(|&class| entries.len() <= room(class))?;
        let number = self.allocate(class)?;
        let words = self.words_mut(number);
        words[0] = (class as u32) << CLASS_SHIFT | entries.len() as u32;
        words[1..=entries.len()].copy_from_slice(entries);
        Some(number)
    }

    pub(super) fn free(&mut self, number: u32) {
        let mut number = number;
        let mut class = (self.words(number)[0] >> CLASS_SHIFT) as usize;
        // As long as the buddy is free too, both are one.
        while class + 1 < CLASSES {
            let buddy = number ^ 1 << class;
            if self.words(buddy)[0] != FREE | (class as u32) << CLASS_SHIFT {
                break;
            }
            self.unlink(buddy, class);
            number = number.min(buddy);
            class += 1;
        }
        self.link(number, class);
    }

    #[inline]
    pub(super) fn entries(&self, number: u32) -> &[u32] {
        let words = self.words(number);
        let len = (words[0] & LEN) as usize;
        &words[1..=len]
    }

    #[inline]
    pub(super) fn entries_mut(&mut self, number: u32) -> &mut [u32] {
        let words = self.words_mut(number);
        let len = (words[0] & LEN) as usize;
        &mut words[1..=len]
    }

    /// Appends an entry; `false` if there is no room for it.
    #[inline]
    pub(super) fn push(&mut self, number: u32, entry: u32) -> bool {
        let words = self.words_mut(number);
        let len = (words[0] & LEN) as usize;
        if len >= room((words[0] >> CLASS_SHIFT) as usize) {
            return false;
        }
        words[0] += 1;
        words[1 + len] = entry;
        true
    }

    /// Appends entries; `false` if there is no room for all of them.
    #[inline]
    pub(super) fn extend(&mut self, number: u32, entries: &[u32]) -> bool {
        let words = self.words_mut(number);
        let len = (words[0] & LEN) as usize;
        let end = len + entries.len();
        if end > room((words[0] >> CLASS_SHIFT) as usize) {
            return false;
        }
        words[0] += entries.len() as u32;
        words[1 + len..=end].copy_from_slice(entries);
        true
    }

    /// Drops all entries but the first `len`, no more than there are; tells whether the block has
    /// become too large.
    #[inline]
    pub(super) fn truncate(&mut self, number: u32, len: usize) -> bool {
        let head = &mut self.words_mut(number)[0];
        *head = *head & !LEN | len as u32;
        len < self.len_min(number)
    }

    /// Takes the entry at a place out, and the last one takes its place; tells whether the block
    /// has become too large.
    #[inline]
    pub(super) fn swap_remove(&mut self, number: u32, at: usize) -> bool {
        let words = self.words_mut(number);
        let len = (words[0] & LEN) as usize;
        words[1 + at] = words[len];
        words[0] -= 1;
        len <= Self::len_min_of(words[0])
    }

    /// Returns how many entries a block must have not to be too large.
    pub(super) fn len_min(&self, number: u32) -> usize {
        Self::len_min_of(self.words(number)[0])
    }

    #[inline]
    fn len_min_of(head: u32) -> usize {
        match head >> CLASS_SHIFT {
            0 => 2,
            class => room(class as usize) / 4,
        }
    }

    fn allocate(&mut self, class: usize) -> Option<u32> {
        let found = (class..CLASSES).find(|&larger| self.free[larger] != NONE);
        let larger = match found {
            Some(larger) => larger,
            None => {
                self.add_chunk()?;
                CLASSES - 1
            }
        };
        let number = self.free[larger];
        self.unlink(number, larger);
        // The second halves are free again.
        for class in (class..larger).rev() {
            self.link(number + (1 << class), class);
        }
        Some(number)
    }

    fn add_chunk(&mut self) -> Option<()> {
        let start = self.chunks.len() * CHUNK_UNITS;
        if start + CHUNK_UNITS > UNITS_MAX {
            return None;
        }
        self.chunks.push(Box::new([0; CHUNK]));
        let largest = (start..start + CHUNK_UNITS).step_by(1 << (CLASSES - 1));
        largest.rev().for_each(|unit| self.link(unit as u32, CLASSES - 1));
        Some(())
    }

    /// Makes a block the first of the free ones of its class.
    fn link(&mut self, number: u32, class: usize) {
        let next = core::mem::replace(&mut self.free[class], number);
        let words = self.words_mut(number);
        words[..3].copy_from_slice(&[FREE | (class as u32) << CLASS_SHIFT, NONE, next]);
        if next != NONE {
            self.words_mut(next)[1] = number;
        }
    }

    /// Takes a block out of the free ones of its class.
    fn unlink(&mut self, number: u32, class: usize) {
        let words = self.words_mut(number);
        let (before, next) = (words[1], words[2]);
        words[0] = 0;
        match before {
            NONE => self.free[class] = next,
            _ => self.words_mut(before)[2] = next,
        }
        if next != NONE {
            self.words_mut(next)[1] = before;
        }
    }

    #[inline]
    fn words(&self, number: u32) -> &[u32] {
        let (chunk, unit) = (number as usize / CHUNK_UNITS, number as usize % CHUNK_UNITS);
        &self.chunks[chunk][unit * UNIT..]
    }

    #[inline]
    fn words_mut(&mut self, number: u32) -> &mut [u32] {
        let (chunk, unit) = (number as usize / CHUNK_UNITS, number as usize % CHUNK_UNITS);
        &mut self.chunks[chunk][unit * UNIT..]
    }

    /// Returns whether exactly these blocks are in use.
    pub(super) fn holds(&self, numbers: impl Iterator<Item = u32>) -> bool {
        let class_of = |number: u32| (self.words(number)[0] >> CLASS_SHIFT) as usize;
        let mut all: Vec<_> = numbers.map(|number| (number, class_of(number))).collect();
        for class in 0..CLASSES {
            let mut next = self.free[class];
            while next != NONE {
                if self.words(next)[0] != FREE | (class as u32) << CLASS_SHIFT {
                    return false;
                }
                all.push((next, class));
                next = self.words(next)[2];
            }
        }
        all.sort_unstable();
        let mut next = 0;
        let in_turn = all.into_iter().all(|(number, class)| {
            let is_next = number as usize == next && next % (1 << class) == 0;
            next += 1 << class;
            is_next
        });
        in_turn && next == self.chunks.len() * CHUNK_UNITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<u32> {
        (1..=len as u32).collect()
    }

    #[test]
    fn a_block_is_as_large_as_its_entries_need() {
        let mut blocks = Blocks::default();
        for (len, class) in [(3, 0), (15, 0), (16, 1), (63, 2), (64, 3), (255, 4)] {
            let number = blocks.insert(&numbers(len)).expect("there is room");
            assert_eq!(blocks.words(number)[0] >> CLASS_SHIFT, class);
            assert_eq!(blocks.entries(number), numbers(len));
            let is_full = len == room(class as usize);
            assert_eq!(blocks.push(number, len as u32 + 1), !is_full);
            assert_eq!(blocks.entries(number), numbers(len + usize::from(!is_full)));
        }
        assert_eq!(blocks.insert(&numbers(256)), None);
    }

    #[test]
    fn a_block_with_less_than_a_quarter_is_too_large() {
        let mut blocks = Blocks::default();
        for (len, least) in [(3, 2), (16, 7), (255, 63)] {
            for by_one in [true, false] {
                let number = blocks.insert(&numbers(len)).expect("there is room");
                assert_eq!(blocks.len_min(number), least);
                for left in (least - 1..len).rev() {
                    let is_large = match by_one {
                        true => blocks.swap_remove(number, left),
                        false => blocks.truncate(number, left),
                    };
                    assert_eq!((is_large, blocks.entries(number).len()), (left < least, left));
                }
            }
        }
    }

    /// BI-2: blocks that are free are made into larger ones, so that all sizes can be had of them.
    #[test]
    fn free_blocks_are_merged() {
        let mut random = crate::seeds::Random(1);
        let mut blocks = Blocks::default();
        for turn in 0..20 {
            let mut used = Vec::new();
            for nth in 0..2_000 {
                let len = 3 + random.below(if turn % 2 == 0 { 20 } else { 250 }) as usize;
                used.push(blocks.insert(&numbers(len)).expect("there is room"));
                if nth % 3 == 0 {
                    let at = random.below(used.len() as u64) as usize;
                    blocks.free(used.swap_remove(at));
                }
            }
            assert!(blocks.holds(used.iter().copied()));
            used.into_iter().for_each(|number| blocks.free(number));
            assert!(blocks.holds(core::iter::empty()));
            assert!(blocks.free[..CLASSES - 1].iter().all(|&first| first == NONE));
        }
        // As many as the largest turn needs, of 256 lines each.
        assert!(blocks.chunks.len() <= 64, "{}", blocks.chunks.len());
    }
}
