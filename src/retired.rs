//! Slots whose owners are gone, but whom outputs that still wait may name: what is kept of them.

use alloc::vec::Vec;

/// Slots of which something is kept until every output that was made before they were retired has
/// been handed out.
///
/// Slots leave in groups, so that nothing has to be noted of each: those that were retired while
/// one group was leaving are the next.
#[derive(Clone, Debug)]
pub(crate) struct Retired<T> {
    fresh: Vec<T>,
    leaving: Vec<T>,
    /// With how many outputs done `leaving` may go.
    needed: u64,
}

/// How many slots one call releases at most.
const FREED_AT_ONCE: usize = 32;

/// The room, in slots, that is never given back.
const ROOM_KEPT: usize = 4_096;

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Self { fresh: Vec::new(), leaving: Vec::new(), needed: 0 }
    }
}

impl<T: Copy> Retired<T> {
    /// Retires a slot. Outputs made in the same step may still name it.
    #[inline]
    pub(crate) fn push(&mut self, slot: T) {
        self.fresh.push(slot);
    }

    /// Gives slots to `free` that no waiting output names: `made` outputs were made, and the first
    /// `taken` of them are done with. A call releases a few, so that none is long, and later
    /// calls the rest. To be called between steps.
    #[inline]
    pub(crate) fn release(&mut self, made: u64, taken: u64, mut free: impl FnMut(T)) {
        if self.leaving.is_empty() {
            if self.fresh.is_empty() {
                return;
            }
            core::mem::swap(&mut self.fresh, &mut self.leaving);
            self.needed = made;
        }
        if taken < self.needed {
            return;
        }
        let rest = self.leaving.len().saturating_sub(FREED_AT_ONCE);
        self.leaving.drain(rest..).for_each(&mut free);
        if rest == 0 && self.leaving.capacity() > ROOM_KEPT {
            self.leaving.shrink_to(self.leaving.capacity() / 2);
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.leaving.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.leaving.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.fresh.iter().chain(&self.leaving).copied()
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
        retired.release(5, 4, |slot| freed.push(slot));
        retired.push(2);
        retired.release(7, 5, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1].as_slice(), 1));
        retired.release(7, 6, |slot| freed.push(slot));
        retired.push(3);
        assert!(retired.iter().eq([3, 2]));
        retired.release(7, 7, |slot| freed.push(slot));
        retired.release(7, 7, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1, 2, 3].as_slice(), 0));
    }

    #[test]
    fn a_burst_gives_its_room_back() {
        let mut retired = Retired::default();
        (0..100_000).for_each(|slot| retired.push(slot));
        for _ in 0..100 {
            retired.push(0);
            while !retired.is_empty() {
                retired.release(0, 0, |_| {});
            }
        }
        assert!(retired.fresh.capacity() + retired.leaving.capacity() <= 4 * ROOM_KEPT);
    }

    /// BI-2: room is given back by halves, down to what is kept.
    #[test]
    fn room_is_given_back_by_halves() {
        let mut retired = Retired::default();
        retired.fresh.reserve_exact(4 * ROOM_KEPT);
        // The two buffers take turns.
        let rooms = [(); 6].map(|()| {
            retired.push(1);
            retired.release(0, 0, drop);
            retired.fresh.capacity().max(retired.leaving.capacity())
        });
        assert_eq!(rooms, [2, 2, 1, 1, 1, 1].map(|times| times * ROOM_KEPT));
    }
}
