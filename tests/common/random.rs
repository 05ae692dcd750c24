//! Numbers that look random, the same everywhere: what all tests, fuzz targets and benches draw
//! from.
#![allow(dead_code, unreachable_pub, reason = "each takes what it needs")]

/// The generator SplitMix64: eight bytes of state, and every seed is as good as another.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0)
    }

    /// Returns a number below a bound that is small, and not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// One number that depends on every bit of all of them.
pub fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |mixed, number| scramble(mixed ^ number.wrapping_add(STEP)))
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
