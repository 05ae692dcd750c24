//! The directory: from the host's user ids to slots, and back.
//!
//! # Layout
//!
//! One owned id a user, without a mark for those that are free where ids own nothing, and 5 bytes
//! over the table's load factor (6 to 11) for the look-up, which holds slots only.
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
    ids: Ids<U>,
    free: Vec<u32>,
    retired: Retired<u32>,
    hasher: S,
}

impl<U: UserId, S: BuildHasher> Directory<U, S> {
    pub(crate) fn new(hasher: S) -> Self {
        Self {
            table: HashTable::new(),
            ids: Ids::default(),
            free: Vec::new(),
            retired: Retired::default(),
            hasher,
        }
    }

    /// Finds a known user. Expected O(1).
    #[inline]
    pub(crate) fn find(&self, id: &U::Borrowed) -> Option<UserSlot> {
        let hash = self.hasher.hash_one(id);
        let slot = match &self.ids {
            Ids::Plain(ids) => self.table.find(hash, |&slot| ids[slot as usize].borrow() == id),
            Ids::Owning(ids) => self.table.find(hash, |&slot| {
                ids[slot as usize].as_ref().is_some_and(|known| known.borrow() == id)
            }),
        };
        slot.copied().map(UserSlot)
    }

    /// Returns who is probably meant, without a look at his id, or `None` if nobody can be.
    #[inline]
    pub(crate) fn candidate(&self, id: &U::Borrowed) -> Option<UserSlot> {
        let hash = self.hasher.hash_one(id);
        self.table.iter_hash(hash).next().copied().map(UserSlot)
    }

    /// Finds a known user who is probably the candidate.
    #[inline]
    pub(crate) fn confirm(&self, candidate: UserSlot, id: &U::Borrowed) -> Option<UserSlot> {
        if self.ids.get(candidate.0).borrow() == id { Some(candidate) } else { self.find(id) }
    }

    /// Makes a user known who is not. Amortised O(1). `None` if there is no room.
    pub(crate) fn admit(&mut self, id: &U::Borrowed) -> Option<UserSlot> {
        let owned = U::from_borrowed(id);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.ids.set(slot, owned);
                slot
            }
            None if self.ids.len() >= UserSlot::COUNT_MAX => return None,
            None => self.ids.push(owned),
        };
        let hash = self.hasher.hash_one(id);
        let Self { table, ids, hasher, .. } = self;
        table.insert_unique(hash, slot, |&slot| hasher.hash_one(ids.get(slot).borrow()));
        Some(UserSlot(slot))
    }

    /// Looks for the users in the table, so that the processor waits for many of them at once,
    /// before they are forgotten one after another.
    pub(crate) fn call_for(&self, users: &[UserSlot]) {
        let candidates = users.iter().map(|user| self.candidate(self.ids.get(user.0).borrow()));
        let read = candidates.fold(0, |read, candidate| read ^ candidate.map_or(0, |user| user.0));
        core::hint::black_box(read);
    }

    /// Makes a known user unknown. His id stays readable until [`Directory::release`].
    pub(crate) fn forget(&mut self, user: UserSlot) {
        let hash = self.hasher.hash_one(self.ids.get(user.0).borrow());
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
            ids.drop(slot);
            free.push(slot);
        });
    }

    /// Returns the id of a user who is known, or was when the waiting outputs were made.
    pub(crate) fn id(&self, user: UserSlot) -> &U {
        self.ids.get(user.0)
    }

    /// Returns how many users are known.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let mut gone: Vec<u32> = self.retired.iter().chain(self.free.iter().copied()).collect();
        gone.sort_unstable();
        for slot in 0..self.ids.len() as u32 {
            let is_gone = gone.binary_search(&slot).is_ok();
            if is_gone && self.free.contains(&slot) {
                continue;
            }
            if (self.find(self.ids.get(slot).borrow()) == Some(UserSlot(slot))) == is_gone {
                return Err("directory 1: a user is not in the table, or wrongly so");
            }
        }
        gone.dedup();
        if gone.len() != self.retired.len() + self.free.len()
            || self.ids.len() != self.table.len() + self.retired.len() + self.free.len()
        {
            return Err("directory 2: a slot is neither known, retired nor free");
        }
        Ok(())
    }
}

/// The ids by slot.
///
/// Where an id owns nothing, as a number, the slot of one who is gone goes on showing it: to keep a
/// mark beside it would double what numbers take.
#[derive(Clone)]
enum Ids<U> {
    Plain(Vec<U>),
    Owning(Vec<Option<U>>),
}

impl<U> Default for Ids<U> {
    fn default() -> Self {
        if core::mem::needs_drop::<U>() {
            Self::Owning(Vec::new())
        } else {
            Self::Plain(Vec::new())
        }
    }
}

impl<U> Ids<U> {
    /// Returns the id of a slot that is not free.
    #[inline]
    fn get(&self, slot: u32) -> &U {
        match self {
            Self::Plain(ids) => &ids[slot as usize],
            Self::Owning(ids) => {
                ids[slot as usize].as_ref().expect("a slot in use or retired has its id")
            }
        }
    }

    /// Gives a slot that was free an id.
    fn set(&mut self, slot: u32, id: U) {
        match self {
            Self::Plain(ids) => ids[slot as usize] = id,
            Self::Owning(ids) => ids[slot as usize] = Some(id),
        }
    }

    /// Adds a slot.
    fn push(&mut self, id: U) -> u32 {
        let slot = self.len() as u32;
        match self {
            Self::Plain(ids) => ids.push(id),
            Self::Owning(ids) => ids.push(Some(id)),
        }
        slot
    }

    /// Drops the id of a slot that becomes free.
    fn drop(&mut self, slot: u32) {
        if let Self::Owning(ids) = self {
            ids[slot as usize] = None;
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(ids) => ids.len(),
            Self::Owning(ids) => ids.len(),
        }
    }
}
