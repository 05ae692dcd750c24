//! Chance from one number: a generator for what is drawn in a row, and a mixer for what must not
//! depend on what else was drawn.

use core::ops::RangeInclusive;

use random::Random;
pub use random::mix;

#[path = "../random.rs"]
mod random;

/// Chance from a seed.
#[derive(Clone, Debug)]
pub struct Dice(Random);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Random(seed))
    }

    pub fn roll(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        first + self.roll() % (last - first + 1)
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.roll() % 1_000 < per_mille
    }

    pub fn pick<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }
}
