//! Things that only some users have, by number.

use alloc::vec::Vec;

/// Values by number. The numbers of those that were taken out are given again.
#[derive(Clone, Debug)]
pub(crate) struct Pool<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> Pool<T> {
    /// Puts a value in, and returns its number.
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.items[number as usize] = item;
                number
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        }
    }

    /// Takes a value out.
    pub(crate) fn take(&mut self, number: u32) -> T {
        self.free.push(number);
        core::mem::take(&mut self.items[number as usize])
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> &T {
        &self.items[number as usize]
    }

    #[inline]
    pub(crate) fn find(&self, number: u32) -> Option<&T> {
        self.items.get(number as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut T {
        &mut self.items[number as usize]
    }

    /// Returns whether exactly these numbers are in use.
    pub(crate) fn holds(&self, numbers: impl Iterator<Item = u32>) -> bool {
        let mut all: Vec<u32> = numbers.chain(self.free.iter().copied()).collect();
        all.sort_unstable();
        all.into_iter().eq(0..self.items.len() as u32)
    }
}
