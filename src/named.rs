//! Whom a request names: a small table, made anew for each request.

use alloc::vec::Vec;

use crate::id::UserSlot;

/// The users whom a request names, with their last places in it, counted from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Slots, and places in the lower half; 0 where there is none. Probed in line, and never more
    /// than a quarter full, so that hardly ever more than one entry is looked at.
    table: Vec<u64>,
    shift: u32,
    len: usize,
}

/// The room, in entries of the table, that is never given back.
const ROOM_KEPT: usize = 1 << 12;

impl Named {
    /// Forgets what was named before, and takes in a new request.
    pub(crate) fn name(&mut self, users: &[UserSlot]) {
        let len = (4 * users.len()).next_power_of_two().max(2);
        self.table.clear();
        if self.table.capacity() > len.max(ROOM_KEPT) {
            self.table.shrink_to(len);
        }
        self.table.resize(len, 0);
        self.shift = u64::BITS - len.trailing_zeros();
        self.len = 0;
        for (place, &user) in (1..).zip(users) {
            let at = self.find(user.0);
            self.len += usize::from(self.table[at] == 0);
            self.table[at] = u64::from(user.0) << 32 | place;
        }
    }

    /// Returns how many different users were named.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the user's last place in the request; 0 if he is not named.
    #[inline]
    pub(crate) fn place(&self, slot: u32) -> u32 {
        self.table[self.find(slot)] as u32
    }

    /// Returns where in the table a user is, or where there is room for him.
    #[inline]
    fn find(&self, slot: u32) -> usize {
        let mask = self.table.len() - 1;
        // Fibonacci hashing: the upper bits of the product are spread.
        let hash = u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (hash >> self.shift) as usize & mask;
        loop {
            let found = self.table[at];
            // Both are asked at once: which of them it is cannot be predicted, that it is one can.
            if (found == 0) | ((found >> 32) as u32 == slot) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is named, the table is sparse, so that hardly ever more than one entry is read.
    #[test]
    fn a_request_is_spread() {
        let mut named = Named::default();
        for (count, step) in [(1, 1), (100, 1), (100, 4_096), (500, 77)] {
            let users: Vec<_> = (0..count).map(|nth| UserSlot(nth * step)).collect();
            named.name(&users);
            assert_eq!((named.len(), named.place(u32::MAX)), (users.len(), 0));
            assert!(users.iter().zip(1..).all(|(user, place)| named.place(user.0) == place));
            assert!(named.table.len() >= 4 * users.len());
            let runs = named.table.split(|&entry| entry == 0).map(<[u64]>::len);
            assert!(runs.max() < Some(4), "{count} users, {step} apart");
        }
    }

    /// BI-2: a long request leaves no more room behind than is kept in any case.
    #[test]
    fn a_long_request_is_forgotten() {
        let mut named = Named::default();
        let users: Vec<_> = (0..10_000).map(UserSlot).collect();
        named.name(&users);
        named.name(&users[..1_000]);
        assert_eq!(named.table.capacity(), ROOM_KEPT);
        named.name(&users[..1]);
        assert_eq!((named.table.capacity(), named.table.len()), (ROOM_KEPT, 4));
    }
}
