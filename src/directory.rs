//! The directory: from the host's user ids to slots, and back.
//!
//! # Layout
//!
//! One owned id a user, and 5 bytes over the table's load factor (6 to 11) for the look-up, which
//! holds slots only.
//!
//! # Invariants
//!
//! 1. The table holds exactly the slots of known users, each under the hash of its id.
//! 2. A slot is known, retired (perhaps named by outputs) or free.
//!
//! # Why ids stay after their users
//!
//! Outputs wait for the host and name their users by slot. A user who is forgotten in the meantime
//! is out of the table at once, but his id stays readable until [`Directory::release`], so that no
//! output has to clone it.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::HashTable;

use crate::id::UserSlot;
use crate::retired::Retired;
use crate::user_id::UserId;

/// All known users.
#[derive(Clone)]
pub(crate) struct Directory<U, S> {
    table: HashTable<u32>,
    ids: Vec<Option<U>>,
    free: Vec<u32>,
    retired: Retired<u32>,
    hasher: S,
}

impl<U: UserId, S: BuildHasher> Directory<U, S> {
    pub(crate) fn new(hasher: S) -> Self {
        Self {
            table: HashTable::new(),
            ids: Vec::new(),
            free: Vec::new(),
            retired: Retired::default(),
            hasher,
        }
    }

    /// Finds a known user. Expected O(1).
    pub(crate) fn find(&self, id: &U::Borrowed) -> Option<UserSlot> {
        let hash = self.hasher.hash_one(id);
        let slot = self.table.find(hash, |&slot| is_id(&self.ids, slot, id))?;
        Some(UserSlot(*slot))
    }

    /// Makes a user known who is not. Amortised O(1). `None` if there is no room.
    pub(crate) fn admit(&mut self, id: &U::Borrowed) -> Option<UserSlot> {
        let owned = U::from_borrowed(id);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.ids[slot as usize] = Some(owned);
                slot
            }
            None if self.ids.len() >= UserSlot::COUNT_MAX => return None,
            None => {
                self.ids.push(Some(owned));
                (self.ids.len() - 1) as u32
            }
        };
        let hash = self.hasher.hash_one(id);
        let Self { table, ids, hasher, .. } = self;
        table.insert_unique(hash, slot, |&slot| hash_of(ids, hasher, slot));
        Some(UserSlot(slot))
    }

    /// Makes a known user unknown. His id stays readable until [`Directory::release`].
    pub(crate) fn forget(&mut self, user: UserSlot) {
        let hash = hash_of(&self.ids, &self.hasher, user.0);
        match self.table.find_entry(hash, |&slot| slot == user.0) {
            Ok(entry) => {
                entry.remove();
            }
            // Only an id that lies about its hash is not where it was put.
            Err(_) => self.table.retain(|&mut slot| slot != user.0),
        }
        self.retired.push(user.0);
    }

    /// Returns whether something is on its way to be free.
    #[inline]
    pub(crate) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Gives the slots of forgotten users, whom no waiting output names, back for use.
    /// To be called between steps.
    pub(crate) fn release(&mut self, made: u64, taken: u64) {
        let Self { ids, free, retired, .. } = self;
        retired.release(made, taken, |slot| {
            ids[slot as usize] = None;
            free.push(slot);
        });
    }

    /// Returns the id of a user who is known, or was when the waiting outputs were made.
    pub(crate) fn id(&self, user: UserSlot) -> &U {
        self.ids[user.index()].as_ref().expect("a slot in use or retired has its id")
    }

    /// Returns how many users are known.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let ids = self.ids.iter().flatten();
        for (slot, id) in self.ids.iter().enumerate() {
            let retired = self.retired.iter().any(|retired| retired as usize == slot);
            let Some(id) = id else { continue };
            let found = self.find(id.borrow()).is_some_and(|found| found.index() == slot);
            if found == retired {
                return Err("directory 1: a user is not in the table, or wrongly so");
            }
        }
        if ids.count() != self.table.len() + self.retired.len()
            || self.ids.len() != self.table.len() + self.retired.len() + self.free.len()
        {
            return Err("directory 2: a slot is neither known, retired nor free");
        }
        Ok(())
    }
}

fn is_id<U: UserId>(ids: &[Option<U>], slot: u32, id: &U::Borrowed) -> bool {
    ids.get(slot as usize).and_then(Option::as_ref).is_some_and(|known| known.borrow() == id)
}

fn hash_of<U: UserId, S: BuildHasher>(ids: &[Option<U>], hasher: &S, slot: u32) -> u64 {
    let id = ids.get(slot as usize).and_then(Option::as_ref);
    id.map_or(0, |id| hasher.hash_one(id.borrow()))
}
