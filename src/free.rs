//! Which slots of a table are free: a set that finds its lowest.
//!
//! The lowest, so that who gets which slot depends on who has the others, and not on the order in
//! which they came to be free.
//!
//! # Layout
//!
//! A bit a slot, and above 64 of them a bit that tells whether any of them is set, six times over:
//! an eighth of a byte a slot, and 1/63 of that on top.
//!
//! # Invariants
//!
//! 1. A bit above the lowest level is set exactly if one of the 64 below it is.
//! 2. `len` counts the slots.

use alloc::vec::Vec;

const WORD: usize = u64::BITS as usize;
/// As many as numbers of 32 bits take.
const LEVELS: usize = 6;

/// A set of slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Free {
    levels: [Vec<u64>; LEVELS],
    len: usize,
}

impl Free {
    /// Adds a slot that is not free. O(1).
    pub(crate) fn insert(&mut self, slot: u32) {
        debug_assert!(!self.contains(slot), "a slot is freed once");
        self.len += 1;
        let mut at = slot as usize;
        for words in &mut self.levels {
            let bit = 1 << (at % WORD);
            at /= WORD;
            if words.len() <= at {
                words.resize(at + 1, 0);
            }
            let was_empty = words[at] == 0;
            words[at] |= bit;
            if !was_empty {
                return;
            }
        }
    }

    /// Takes the lowest slot out. O(1).
    pub(crate) fn take_lowest(&mut self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let words = self.levels.iter().rev();
        let lowest = words.fold(0, |at, words| at * WORD + words[at].trailing_zeros() as usize);
        self.len -= 1;
        let mut at = lowest;
        for words in &mut self.levels {
            let bit = 1 << (at % WORD);
            at /= WORD;
            words[at] &= !bit;
            if words[at] != 0 {
                break;
            }
        }
        Some(lowest as u32)
    }

    #[inline]
    pub(crate) fn contains(&self, slot: u32) -> bool {
        let word = self.levels[0].get(slot as usize / WORD);
        word.is_some_and(|word| word >> (slot as usize % WORD) & 1 == 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        for pair in self.levels.windows(2) {
            let [below, above] = pair else { continue };
            let is_told = |(at, &word): (usize, &u64)| {
                let told = above.get(at / WORD).is_some_and(|told| told >> (at % WORD) & 1 == 1);
                told == (word != 0)
            };
            if !below.iter().enumerate().all(is_told) || above.len() != below.len().div_ceil(WORD) {
                return Err("free 1: a bit does not tell whether one below it is set");
            }
        }
        let count: u32 = self.levels[0].iter().map(|word| word.count_ones()).sum();
        if count as usize != self.len {
            return Err("free 2: the slots are miscounted");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_lowest_is_found_among_few_and_many() {
        let mut free = Free::default();
        let mut naive = BTreeSet::new();
        for round in 0..4_000_u32 {
            let slot =
                (round.wrapping_mul(2_654_435_761) >> 7) % [70, 5_000, 300_000][round as usize % 3];
            if naive.insert(slot) {
                free.insert(slot);
            }
            assert!(free.contains(slot));
            if round % 5 == 0 {
                assert_eq!(free.take_lowest(), naive.pop_first());
            }
            assert_eq!(free.len(), naive.len());
        }
        assert_eq!(free.check_invariants(), Ok(()));
        while let Some(slot) = naive.pop_first() {
            assert_eq!(free.take_lowest(), Some(slot));
        }
        assert_eq!((free.take_lowest(), free.check_invariants()), (None, Ok(())));
    }
}
