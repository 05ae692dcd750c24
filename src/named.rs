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
