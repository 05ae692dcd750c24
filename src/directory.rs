//! The directory: from the host's user ids to slots, and back.
//!
//! # Layout
//!
//! One owned id a user, without a mark for those that are free where ids own nothing, and 5 bytes
//! over the table's load factor (6 to 11) for the look-up, which holds slots only. Two bits of each
//! slot that is free, or was while outputs waited. An id that is put aside is there once more, with
//! 16 bytes and a place in a tree.
//!
//! # Invariants
//!
//! 1. The table holds exactly the slots of known users, each under the hash of its id.
//! 2. A slot is known or free.
//! 3. Each retired slot stands for one id that outputs may name: the marked slots still hold
//!    theirs, the other ids are aside.
//!
//! # Why ids stay after their users
//!
//! Outputs wait for the host and name their users by slot. A user who is forgotten in the meantime
//! is out of the table at once, but his id stays readable until [`Directory::release`], so that no
//! output has to clone it. His slot is free nevertheless, so that who gets which slot, and with it
//! the ids of sessions, does not depend on when the host polls: if somebody else takes it while
//! outputs name the one before, that one's id is put aside.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::hint::black_box;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::free::Free;
use crate::id::UserSlot;
use crate::retired::Retired;
use crate::user_id::UserId;

/// How many users are looked for at once: what is read ahead of the first is to be in the first
/// caches still when the last is worked on.
pub(crate) const AT_ONCE: usize = 16;

/// Something of each of some users who are looked for at once.
pub(crate) type AtOnce<T> = SmallVec<[T; AT_ONCE]>;

/// All known users.
#[derive(Clone)]
pub(crate) struct Directory<U, S> {
    table: HashTable<u32>,
    ids: Ids<U>,
    free: Free,
    /// Whose users are forgotten, but perhaps named by outputs.
    retired: Retired<u32>,
    /// A bit for each slot that is free, and still holds the id of its last user.
    held: Vec<u64>,
    /// The ids whose slots others have, and how many outputs had been made when they got them.
    aside: BTreeMap<(u32, u64), U>,
    hasher: S,
}

impl<U: UserId, S: BuildHasher> Directory<U, S> {
    pub(crate) fn new(hasher: S) -> Self {
        Self {
            table: HashTable::new(),
            ids: Ids::default(),
            free: Free::default(),
            retired: Retired::default(),
            held: Vec::new(),
            aside: BTreeMap::new(),
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
        self.alike(self.hasher.hash_one(id)).next()
    }

    /// Walks those whose hashes begin like this one.
    #[inline]
    fn alike(&self, hash: u64) -> impl Iterator<Item = UserSlot> {
        self.table.iter_hash(hash).copied().map(UserSlot)
    }

    /// Finds a known user who is probably the candidate.
    #[inline]
    pub(crate) fn confirm(&self, candidate: UserSlot, id: &U::Borrowed) -> Option<UserSlot> {
        if self.ids.get(candidate.0).borrow() == id { Some(candidate) } else { self.find(id) }
    }

    /// Finds those of a few users who are known.
    ///
    /// Each step is done for all before the next is, in a loop of few instructions, so that the
    /// processor has room for many of them: it waits for what it reads of all at once then.
    pub(crate) fn find_all<'a>(
        &'a self,
        ids: &'a [&U::Borrowed],
    ) -> impl Iterator<Item = UserSlot> + 'a {
        let hashes: AtOnce<u64> = ids.iter().map(|id| self.hasher.hash_one(id)).collect();
        for &hash in &hashes {
            let _begun = black_box(self.alike(hash));
        }
        let candidates: AtOnce<_> = hashes.iter().map(|&hash| self.alike(hash).next()).collect();
        self.call_for_ids(&candidates);
        let found = candidates.into_iter().zip(ids);
        found.filter_map(|(candidate, id)| self.confirm(candidate?, id))
    }

    /// Reads where the ids of some users are, before they are compared with others: numbers are
    /// there themselves, and nothing is gained.
    fn call_for_ids(&self, users: &[Option<UserSlot>]) {
        if let Ids::Owning(ids) = &self.ids {
            let are_there = users.iter().flatten().map(|user| ids[user.index()].is_some());
            black_box(are_there.fold(true, |all, is_there| all & is_there));
        }
    }

    /// Makes a user known who is not, when `made` outputs have been made. Amortised O(1). `None` if
    /// there is no room.
    pub(crate) fn admit(&mut self, id: &U::Borrowed, made: u64) -> Option<UserSlot> {
        let owned = U::from_borrowed(id);
        let slot = match self.free.take_lowest() {
            Some(slot) => {
                let last = self.ids.set(slot, owned);
                if self.let_go(slot) {
                    self.aside.extend(last.map(|last| ((slot, made), last)));
                }
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
        black_box(read);
    }

    /// Makes a known user unknown, when `made` outputs have been made and the first `taken` of them
    /// are done with. His id stays readable until [`Directory::release`], if others may name him.
    pub(crate) fn forget(&mut self, user: UserSlot, (made, taken): (u64, u64)) {
        let UserSlot(slot) = user;
        let hash = self.hasher.hash_one(self.ids.get(slot).borrow());
        match self.table.find_entry(hash, |&known| known == slot) {
            Ok(entry) => {
                entry.remove();
            }
            // Only an id that lies about its hash is not where it was put.
            Err(_) => self.table.retain(|&mut known| known != slot),
        }
        self.free.insert(slot);
        // None was made since he got the slot, if somebody's id was put aside for him just now.
        if made == taken || self.aside.contains_key(&(slot, made)) {
            self.ids.drop(slot);
        } else {
            self.retired.push(slot);
            self.hold(slot);
        }
    }

    /// Returns whether ids are kept for outputs.
    #[inline]
    pub(crate) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Drops the ids of forgotten users whom no waiting output names. To be called between steps.
    pub(crate) fn release(&mut self, made: u64, taken: u64) {
        let mut retired = core::mem::take(&mut self.retired);
        retired.release(made, taken, |slot| {
            // Whoever had the slot first goes first.
            let first = self.aside.range((slot, 0)..=(slot, u64::MAX)).next();
            match first.map(|(&key, _)| key) {
                Some(key) => drop(self.aside.remove(&key)),
                None if self.let_go(slot) => self.ids.drop(slot),
                None => debug_assert!(false, "invariant 3"),
            }
        });
        self.retired = retired;
    }

    /// Returns the id of a user who is known.
    #[inline]
    pub(crate) fn id(&self, user: UserSlot) -> &U {
        self.ids.get(user.0)
    }

    /// Returns the id of a user whom an output names, before which `earlier` were made.
    #[inline]
    pub(crate) fn id_then(&self, user: UserSlot, earlier: u64) -> &U {
        if self.aside.is_empty() { self.id(user) } else { self.id_aside(user, earlier) }
    }

    #[cold]
    fn id_aside(&self, user: UserSlot, earlier: u64) -> &U {
        let mut later = self.aside.range((user.0, earlier + 1)..=(user.0, u64::MAX));
        later.next().map_or_else(|| self.id(user), |(_, id)| id)
    }

    /// Marks a free slot as one that holds an id.
    fn hold(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.held.len() <= word {
            self.held.resize(word + 1, 0);
        }
        self.held[word] |= 1 << (slot % 64);
    }

    /// Takes the mark back, if there was one.
    fn let_go(&mut self, slot: u32) -> bool {
        let Some(word) = self.held.get_mut(slot as usize / 64) else { return false };
        let bit = 1 << (slot % 64);
        let was_held = *word & bit != 0;
        *word &= !bit;
        was_held
    }

    /// Returns how many users are known.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        self.free.check_invariants()?;
        let is_free = |slot: u32| self.free.contains(slot);
        for slot in (0..self.ids.len() as u32).filter(|&slot| !is_free(slot)) {
            if self.find(self.ids.get(slot).borrow()) != Some(UserSlot(slot)) {
                return Err("directory 1: a user is not in the table");
            }
        }
        if self.ids.len() != self.table.len() + self.free.len() {
            return Err("directory 2: a slot is neither known nor free");
        }
        let is_held = |slot: u32| {
            self.held.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
        };
        let held = (0..self.ids.len() as u32).filter(|&slot| is_held(slot));
        let mut kept: Vec<u32> = held.chain(self.aside.keys().map(|&(slot, _)| slot)).collect();
        let mut retired: Vec<u32> = self.retired.iter().collect();
        kept.sort_unstable();
        retired.sort_unstable();
        if kept != retired
            || !(0..self.ids.len() as u32).all(|slot| !is_held(slot) || is_free(slot))
        {
            return Err("directory 3: what is kept for outputs is not what was retired");
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
    /// Returns the id of a slot that is known or held.
    #[inline]
    fn get(&self, slot: u32) -> &U {
        match self {
            Self::Plain(ids) => &ids[slot as usize],
            Self::Owning(ids) => {
                ids[slot as usize].as_ref().expect("a slot that is known or held has its id")
            }
        }
    }

    /// Gives a slot that was free an id, and returns the one that it held.
    fn set(&mut self, slot: u32, id: U) -> Option<U> {
        match self {
            Self::Plain(ids) => Some(core::mem::replace(&mut ids[slot as usize], id)),
            Self::Owning(ids) => ids[slot as usize].replace(id),
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

    /// Drops the id of a slot that is free.
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

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use core::hash::Hasher;

    use super::*;

    /// The ids that outputs name, before which `0..` were made, of the user in a slot.
    fn named<U: UserId + Clone>(directory: &Directory<U, Alike>, slot: u32) -> Vec<U> {
        (0..8).map(|earlier| directory.id_then(UserSlot(slot), earlier).clone()).collect()
    }

    fn outputs_name_who_was_there<U: UserId + Clone + PartialEq + core::fmt::Debug>(ids: [U; 4]) {
        let [ann, bob, cid, dan] = ids;
        let mut directory = Directory::new(Alike);
        let checked = |directory: &Directory<U, Alike>| {
            assert_eq!(directory.check_invariants(), Ok(()));
        };
        assert_eq!(directory.admit(ann.borrow(), 0), Some(UserSlot(0)));
        assert_eq!(directory.admit(bob.borrow(), 0), Some(UserSlot(1)));
        // Nothing waits: nothing is kept.
        directory.forget(UserSlot(1), (3, 3));
        assert!(!directory.has_retired() && directory.aside.is_empty());
        // Three outputs were made, and one of them is taken.
        directory.forget(UserSlot(0), (3, 1));
        directory.release(3, 1);
        checked(&directory);
        assert!(directory.has_retired() && directory.find(ann.borrow()).is_none());
        assert_eq!(directory.id_then(UserSlot(0), 2), &ann);
        // The lowest free slot is the next one's, whether outputs name it or not.
        assert_eq!(directory.admit(cid.borrow(), 3), Some(UserSlot(0)));
        checked(&directory);
        assert_eq!(directory.id(UserSlot(0)), &cid);
        assert_eq!(named(&directory, 0)[1..5], [&ann, &ann, &cid, &cid].map(U::clone));
        // No output can name one who came and went between two of them.
        directory.forget(UserSlot(0), (3, 1));
        assert_eq!((directory.retired.len(), directory.aside.len()), (1, 1));
        assert_eq!(directory.admit(dan.borrow(), 4), Some(UserSlot(0)));
        directory.forget(UserSlot(0), (5, 1));
        assert_eq!(directory.admit(bob.borrow(), 6), Some(UserSlot(0)));
        checked(&directory);
        let then = named(&directory, 0);
        assert_eq!((&then[2], &then[5], &then[6]), (&ann, &dan, &bob));
        // What has been taken needs no ids any more, first come, first gone.
        directory.release(6, 3);
        checked(&directory);
        assert_eq!((directory.retired.len(), directory.aside.len()), (1, 1));
        assert_eq!(directory.id_then(UserSlot(0), 5), &dan);
        for _ in 0..2 {
            directory.release(6, 6);
        }
        checked(&directory);
        assert!(!directory.has_retired() && directory.aside.is_empty());
        assert_eq!(directory.id_then(UserSlot(0), 0), &bob);
    }

    #[test]
    fn outputs_name_who_was_there_when_they_were_made() {
        outputs_name_who_was_there([1_u64, 2, 3, 4]);
        outputs_name_who_was_there(["ann", "bob", "cid", "dan"].map(|id| id.to_string()));
    }

    /// Those who are known are found in their order, be it that their hashes are alike.
    fn known_are_found_at_once<S: BuildHasher>(hasher: S) {
        let mut directory = Directory::<String, _>::new(hasher);
        let ids = ["ann", "bob", "cid"];
        let slots = ids.map(|id| directory.admit(id, 0).expect("there is room"));
        let found: Vec<_> = directory.find_all(&["cid", "eve", "ann", "cid", "bob"]).collect();
        assert_eq!(found, [slots[2], slots[0], slots[2], slots[1]]);
        assert_eq!(directory.find_all(&[]).count(), 0);
    }

    #[test]
    fn many_are_looked_for_at_once() {
        known_are_found_at_once(Alike);
        known_are_found_at_once(foldhash::fast::FixedState::default());
    }

    #[test]
    fn an_id_whose_outputs_are_taken_is_dropped() {
        let mut directory = Directory::<String, _>::new(Alike);
        for (made, taken) in [(0, 0), (1, 0)] {
            let ann = directory.admit("ann", made).expect("there is room");
            directory.forget(ann, (made, taken));
            directory.release(made, made);
            assert_eq!((directory.len(), directory.retired.len()), (0, 0));
            assert!(matches!(&directory.ids, Ids::Owning(ids) if ids.iter().all(Option::is_none)));
            assert_eq!(directory.held, [0; 1][..directory.held.len()]);
        }
    }

    /// All hashes are the same, which changes nothing.
    #[derive(Clone, Copy)]
    struct Alike;

    impl BuildHasher for Alike {
        type Hasher = Zero;

        fn build_hasher(&self) -> Zero {
            Zero
        }
    }

    struct Zero;

    impl Hasher for Zero {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _: &[u8]) {}
    }
}
