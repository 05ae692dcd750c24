//! Slots whose owners are gone, but whom outputs that still wait may name.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Slots on their way to be free: each stays until every output that was made before it was
/// retired has been handed out.
#[derive(Clone, Debug)]
pub(crate) struct Retired<T> {
    /// Retired in this step, or since the last [`Retired::stamp`].
    fresh: Vec<T>,
    /// With how many outputs had been made by then, which never decreases.
    waiting: VecDeque<(u64, T)>,
}

/// How many slots one call frees at most.
const FREED_AT_ONCE: usize = 32;

/// The room, in slots, that is never given back.
const ROOM_KEPT: usize = 4_096;

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Self { fresh: Vec::new(), waiting: VecDeque::new() }
    }
}

impl<T: Copy> Retired<T> {
    /// Retires a slot. Outputs made in the same step may still name it.
    pub(crate) fn push(&mut self, slot: T) {
        self.fresh.push(slot);
    }

    /// Notes that `made` outputs were made so far. To be called between steps.
    #[inline]
    pub(crate) fn stamp(&mut self, made: u64) {
        if !self.fresh.is_empty() {
            self.waiting.extend(self.fresh.drain(..).map(|slot| (made, slot)));
        }
    }

    /// Gives slots to `free` that no waiting output names, the first `taken` outputs being done
    /// with. A call frees a few, so that none is long, and later calls free the rest.
    pub(crate) fn release(&mut self, taken: u64, mut free: impl FnMut(T)) {
        for _ in 0..FREED_AT_ONCE {
            match self.waiting.front() {
                Some(&(needed, slot)) if needed <= taken => free(slot),
                _ => break,
            }
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM_KEPT {
            self.waiting.shrink_to(self.waiting.capacity() / 2);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.waiting.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.fresh.iter().copied().chain(self.waiting.iter().map(|&(_, slot)| slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_when_the_outputs_before_it_are_out() {
        let mut retired = Retired::default();
        let mut freed = Vec::new();
        retired.push(1);
        retired.stamp(5);
        retired.release(4, |slot| freed.push(slot));
        retired.push(2);
        retired.stamp(7);
        retired.release(5, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1].as_slice(), 1));
        retired.push(3);
        assert!(retired.iter().eq([3, 2]));
        retired.stamp(7);
        retired.release(7, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1, 2, 3].as_slice(), 0));
    }
}
