//! Slots whose owners are gone, but whom outputs that still wait may name.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Slots on their way to be free: each stays until every output that was made before it was
/// retired has been handed out.
#[derive(Clone, Debug)]
pub(crate) struct Retired<T> {
    /// Retired since the last [`Retired::release`].
    fresh: Vec<T>,
    /// With how many outputs had been made by then, which never decreases.
    waiting: VecDeque<(u64, T)>,
}

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

    /// Gives the slots to `free` that no waiting output names: `made` outputs were made so far, and
    /// the first `taken` of them are done with. To be called between steps. Amortised O(1) a slot.
    pub(crate) fn release(&mut self, made: u64, taken: u64, mut free: impl FnMut(T)) {
        self.waiting.extend(self.fresh.drain(..).map(|slot| (made, slot)));
        while let Some(&(needed, slot)) = self.waiting.front() {
            if needed > taken {
                break;
            }
            self.waiting.pop_front();
            free(slot);
        }
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
        retired.release(5, 4, |slot| freed.push(slot));
        retired.push(2);
        retired.release(7, 5, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1].as_slice(), 1));
        retired.push(3);
        assert!(retired.iter().eq([3, 2]));
        retired.release(7, 7, |slot| freed.push(slot));
        assert_eq!((freed.as_slice(), retired.len()), ([1, 2, 3].as_slice(), 0));
    }
}
