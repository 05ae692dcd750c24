//! What the benches share: scenes (one piece of work done by the engine, its floor and its rival),
//! the floors (the least work that any program must do for the same effect), the rivals, and the
//! makers of workloads.
#![allow(dead_code, unreachable_pub, reason = "each bench takes what it needs")]
#![allow(unnameable_types, unfulfilled_lint_expectations, reason = "a module of the library")]

use core::hint::black_box;
use std::thread;

/// The engine's own module, which measures ask by itself. It needs `crate::time`.
#[path = "../../src/bucket.rs"]
pub mod bucket;
pub mod chart;
pub mod fan_out;
pub mod figure;
pub mod floors;
pub mod growth;
pub mod harness;
pub mod least;
pub mod least_day;
pub mod least_lists;
pub mod load;
pub mod measure;
pub mod memory;
pub mod naive;
#[path = "../../tests/common/random.rs"]
mod random;
pub mod requests;
pub mod rival;
pub mod scene;
pub mod sessions;
pub mod timers;
pub mod world;

/// Does two things at the same time, neither of which is measured, the other in a thread.
pub fn side_by_side<A, B: Send>(
    one: impl FnOnce() -> A,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), other.join().expect("what it does does not panic"))
    })
}

/// Passes on what is called one input at a time. A host does something between two calls: so the
/// compiler must not know what is done with it meanwhile, nor hold what it has at hand in registers
/// from one call to the next.
pub fn called<T>(program: &mut T) -> &mut T {
    black_box(program)
}

/// A generator of the same numbers on every run.
#[derive(Clone, Debug)]
pub struct Random(random::Random);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(random::Random(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// The numbers below `count`, in random order.
    pub fn shuffled(&mut self, count: usize) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..count as u32).collect();
        self.shuffle(&mut numbers);
        numbers
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// `count` numbers below `bound`, each once, in random order. `count` is small.
    pub fn distinct(&mut self, count: usize, bound: usize) -> Vec<u32> {
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let number = self.below(bound) as u32;
            if !chosen.contains(&number) {
                chosen.push(number);
            }
        }
        chosen
    }
}
