//! Who watches whom: subscription lists (SU) and friends (FR), as edges between users.
//!
//! # Layout
//!
//! 64 bytes a user and 4 bytes an edge at either end, up to four edges an end in place. An entry is
//! the other user's slot with two bits, subscription and friend, so that one who is both is one
//! edge and is told once (FR-3). At the watcher, friends who are not subscribed come first, in no
//! order, then the subscription list, oldest first. At the watched user the watchers are dense and
//! in no order: a fan-out reads them from end to end. A user with more than [`INDEX_MIN`] watchers
//! has an index from watcher to place (5 to 11 bytes a watcher more).
//!
//! # Invariants
//!
//! 1. Each edge stands at both ends, once, with the same bits, at least one of them set.
//! 2. At the watcher exactly the last `subscriptions` entries have the subscription bit, and
//!    `friends` counts the friend bits.
//! 3. An index names the place of each watcher, and nothing else.
//! 4. Nobody watches himself.
//!
//! # Why no positions
//!
//! An entry does not know its place at the other end. Finding it costs a scan of a bounded list
//! (the watcher's own, or up to [`INDEX_MIN`] watchers; 16 entries or more an instruction) or one
//! look-up in the index. In return an edge is 8 bytes instead of 16 to 23, lists stay in age order
//! by moving memory, and nothing has to be patched when entries move.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::id::{SessionId, UserSlot};
use crate::reach::Reach;

const SUBSCRIPTION: u32 = 1 << 31;
const FRIEND: u32 = 1 << 30;
const EITHER: u32 = SUBSCRIPTION | FRIEND;
const SLOT: u32 = FRIEND - 1;
const _: () = assert!(UserSlot::COUNT_MAX == SLOT as usize + 1);

/// From how many watchers on a user has an index; it goes when fewer than a quarter are left.
const INDEX_MIN: usize = 256;

/// Which kinds of edges count at the moment (NO-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    pub(crate) fn new(subscriptions: bool, friends: bool) -> Self {
        let subscriptions = if subscriptions { SUBSCRIPTION } else { 0 };
        Self(subscriptions | if friends { FRIEND } else { 0 })
    }

    /// Appends the sessions of those watchers whose edges count to `told`.
    pub(crate) fn gather(self, reach: &Reach, watchers: &[u32], told: &mut Vec<SessionId>) {
        match self.0 {
            0 => {}
            EITHER => reach.gather(watchers, SLOT, |_| true, told),
            kinds => reach.gather(watchers, SLOT, |entry| entry & kinds != 0, told),
        }
    }
}

/// All edges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    lists: Vec<Lists>,
    edges: usize,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    watched: SmallVec<[u32; 4]>,
    watchers: SmallVec<[u32; 4]>,
    index: Option<Box<HashTable<u32>>>,
    subscriptions: u32,
    friends: u32,
}

const _: () = assert!(size_of::<Lists>() == 64);

impl Relations {
    /// Makes room for the user, who has no relations.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.lists.len() <= user.index() {
            self.lists.resize_with(user.index() + 1, Lists::default);
        }
    }

    /// Puts `target` at the newest place of the watcher's list (SU-2, SU-3) and appends those who
    /// have to go for it, oldest first, to `evicted`.
    pub(crate) fn subscribe(
        &mut self,
        watcher: UserSlot,
        target: UserSlot,
        subscriptions_max: u64,
        evicted: &mut Vec<UserSlot>,
    ) {
        let lists = &mut self.lists[watcher.index()];
        match find(&lists.watched, target.0) {
            Some(at) if at >= lists.subscriptions_start() => lists.watched[at..].rotate_left(1),
            Some(at) => {
                let last_other = lists.subscriptions_start() - 1;
                lists.watched.swap(at, last_other);
                lists.watched[last_other] |= SUBSCRIPTION;
                lists.watched[last_other..].rotate_left(1);
                lists.subscriptions += 1;
                self.mark(watcher, target, |entry| entry | SUBSCRIPTION);
            }
            None => {
                lists.watched.push(target.0 | SUBSCRIPTION);
                lists.subscriptions += 1;
                self.link(watcher, target, SUBSCRIPTION);
            }
        }
        let subscriptions = u64::from(self.lists[watcher.index()].subscriptions);
        let surplus = subscriptions.saturating_sub(subscriptions_max);
        self.drop_oldest(watcher, surplus as usize, evicted);
    }

    /// Takes `target` out of the watcher's list; tells whether he was in it.
    pub(crate) fn unsubscribe(&mut self, watcher: UserSlot, target: UserSlot) -> bool {
        let lists = &mut self.lists[watcher.index()];
        match find(&lists.watched, target.0) {
            Some(at) if at >= lists.subscriptions_start() => {
                let start = lists.subscriptions_start();
                lists.subscriptions -= 1;
                if lists.watched[at] & FRIEND == 0 {
                    lists.watched.remove(at);
                    shrink(&mut lists.watched);
                    self.unlink(watcher, target);
                } else {
                    lists.watched[at] &= !SUBSCRIPTION;
                    lists.watched[start..=at].rotate_right(1);
                    self.mark(watcher, target, |entry| entry & !SUBSCRIPTION);
                }
                true
            }
            _ => false,
        }
    }

    /// Empties the watcher's list and appends those who were in it, oldest first, to `dropped`.
    pub(crate) fn clear_subscriptions(&mut self, watcher: UserSlot, dropped: &mut Vec<UserSlot>) {
        self.drop_oldest(watcher, self.subscription_count(watcher), dropped);
    }

    /// Makes `friend` a friend of `owner` unless that is one too many; tells whether he is one.
    pub(crate) fn add_friend(
        &mut self,
        owner: UserSlot,
        friend: UserSlot,
        friends_max: u64,
    ) -> bool {
        let lists = &mut self.lists[owner.index()];
        let found = find(&lists.watched, friend.0);
        if found.is_some_and(|at| lists.watched[at] & FRIEND != 0) {
            return true;
        }
        if u64::from(lists.friends) >= friends_max {
            return false;
        }
        lists.friends += 1;
        match found {
            Some(at) => {
                lists.watched[at] |= FRIEND;
                self.mark(owner, friend, |entry| entry | FRIEND);
            }
            None => {
                let start = lists.subscriptions_start();
                lists.watched.insert(start, friend.0 | FRIEND);
                self.link(owner, friend, FRIEND);
            }
        }
        true
    }

    /// Undoes a friendship, if there is one.
    pub(crate) fn remove_friend(&mut self, owner: UserSlot, friend: UserSlot) {
        let lists = &mut self.lists[owner.index()];
        let Some(at) = find(&lists.watched, friend.0) else { return };
        if lists.watched[at] & FRIEND == 0 {
            return;
        }
        lists.friends -= 1;
        if at >= lists.subscriptions_start() {
            lists.watched[at] &= !FRIEND;
            self.mark(owner, friend, |entry| entry & !FRIEND);
        } else {
            let last_other = lists.subscriptions_start() - 1;
            lists.watched.swap(at, last_other);
            lists.watched.remove(last_other);
            shrink(&mut lists.watched);
            self.unlink(owner, friend);
        }
    }

    /// Erases every edge from and to the user and appends who was at their other ends to `others`.
    pub(crate) fn remove_user(&mut self, user: UserSlot, others: &mut Vec<UserSlot>) {
        for entry in core::mem::take(&mut self.lists[user.index()].watched) {
            let target = UserSlot(entry & SLOT);
            self.unlink(user, target);
            others.push(target);
        }
        for entry in core::mem::take(&mut self.lists[user.index()].watchers) {
            let watcher = UserSlot(entry & SLOT);
            let lists = &mut self.lists[watcher.index()];
            if let Some(at) = find(&lists.watched, user.0) {
                lists.subscriptions -= u32::from(entry & SUBSCRIPTION != 0);
                lists.friends -= u32::from(entry & FRIEND != 0);
                lists.watched.remove(at);
                shrink(&mut lists.watched);
            }
            self.edges -= 1;
            others.push(watcher);
        }
        self.lists[user.index()] = Lists::default();
    }

    /// Walks the user's subscription list, oldest first.
    pub(crate) fn subscriptions(&self, watcher: UserSlot) -> impl Iterator<Item = UserSlot> {
        let lists = &self.lists[watcher.index()];
        lists.watched[lists.subscriptions_start()..].iter().map(|entry| UserSlot(entry & SLOT))
    }

    /// Walks the user's friends, in no order that means anything.
    pub(crate) fn friends(&self, owner: UserSlot) -> impl Iterator<Item = UserSlot> {
        let friends = self.lists[owner.index()].watched.iter().filter(|&entry| entry & FRIEND != 0);
        friends.map(|entry| UserSlot(entry & SLOT))
    }

    /// Returns whether the user is in the watcher's subscription list.
    pub(crate) fn is_subscribed(&self, watcher: UserSlot, target: UserSlot) -> bool {
        let lists = &self.lists[watcher.index()];
        find(&lists.watched[lists.subscriptions_start()..], target.0).is_some()
    }

    /// Gives back what memory the lists of a user without relations still hold.
    pub(crate) fn forget(&mut self, user: UserSlot) {
        self.lists[user.index()] = Lists::default();
    }

    /// Returns the entries of the user's watchers; [`Kinds`] reads them.
    pub(crate) fn watchers(&self, user: UserSlot) -> &[u32] {
        &self.lists[user.index()].watchers
    }

    /// Returns how long the user's subscription list is.
    pub(crate) fn subscription_count(&self, watcher: UserSlot) -> usize {
        self.lists[watcher.index()].subscriptions as usize
    }

    /// Returns whether the user watches nobody and nobody watches him.
    pub(crate) fn is_alone(&self, user: UserSlot) -> bool {
        let lists = &self.lists[user.index()];
        lists.watched.is_empty() && lists.watchers.is_empty()
    }

    /// Returns how many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.edges
    }

    /// Takes the `count` oldest out of the watcher's list and appends them to `dropped`.
    fn drop_oldest(&mut self, watcher: UserSlot, count: usize, dropped: &mut Vec<UserSlot>) {
        if count == 0 {
            return;
        }
        let first_dropped = dropped.len();
        let lists = &mut self.lists[watcher.index()];
        let start = lists.subscriptions_start();
        lists.subscriptions -= count as u32;
        // Those who are friends too stay, and end up behind the others who are not subscribed.
        let mut kept = start;
        for at in start..start + count {
            let entry = lists.watched[at];
            dropped.push(UserSlot(entry & SLOT));
            if entry & FRIEND != 0 {
                lists.watched[kept] = entry & !SUBSCRIPTION;
                kept += 1;
            }
        }
        lists.watched.drain(kept..start + count);
        shrink(&mut lists.watched);
        for &target in &dropped[first_dropped..] {
            if self.is_friend_entry(watcher, target) {
                self.mark(watcher, target, |entry| entry & !SUBSCRIPTION);
            } else {
                self.unlink(watcher, target);
            }
        }
    }

    fn is_friend_entry(&self, watcher: UserSlot, target: UserSlot) -> bool {
        let lists = &self.lists[target.index()];
        lists.place_of(watcher).is_some_and(|at| lists.watchers[at] & FRIEND != 0)
    }

    /// Changes the bits of an edge at its watched end.
    fn mark(&mut self, watcher: UserSlot, target: UserSlot, change: impl Fn(u32) -> u32) {
        let lists = &mut self.lists[target.index()];
        if let Some(at) = lists.place_of(watcher) {
            lists.watchers[at] = change(lists.watchers[at]);
        }
    }

    /// Adds an edge at its watched end.
    fn link(&mut self, watcher: UserSlot, target: UserSlot, kind: u32) {
        self.edges += 1;
        let lists = &mut self.lists[target.index()];
        lists.watchers.push(watcher.0 | kind);
        let Lists { watchers, index, .. } = lists;
        let place = (watchers.len() - 1) as u32;
        let hash_at = |&place: &u32| hash(watchers[place as usize] & SLOT);
        match index {
            Some(index) => {
                index.insert_unique(hash(watcher.0), place, hash_at);
            }
            None if watchers.len() > INDEX_MIN => {
                let mut table = HashTable::with_capacity(watchers.len() * 2);
                for place in 0..=place {
                    table.insert_unique(hash_at(&place), place, hash_at);
                }
                *index = Some(Box::new(table));
            }
            None => {}
        }
    }

    /// Removes an edge at its watched end.
    fn unlink(&mut self, watcher: UserSlot, target: UserSlot) {
        let lists = &mut self.lists[target.index()];
        let Some(at) = lists.place_of(watcher) else { return };
        let Lists { watchers, index, .. } = lists;
        let last = watchers.len() - 1;
        if let Some(table) = index {
            if let Ok(entry) = table.find_entry(hash(watcher.0), |&place| place as usize == at) {
                entry.remove();
            }
            let moved = hash(watchers[last] & SLOT);
            if let Some(place) = table.find_mut(moved, |&place| place as usize == last) {
                *place = at as u32;
            }
            if last < INDEX_MIN / 4 {
                *index = None;
            } else if table.capacity() > 8 * last {
                table.shrink_to(2 * last, |&place| {
                    // The last place is about to go, and its watcher stands at `at` already.
                    let place = if place as usize == at { last } else { place as usize };
                    hash(watchers[place] & SLOT)
                });
            }
        }
        watchers.swap_remove(at);
        shrink(watchers);
        self.edges -= 1;
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        let mut edges = 0;
        for (slot, lists) in self.lists.iter().enumerate() {
            let slot = slot as u32;
            edges += lists.watched.len();
            for (at, &entry) in lists.watched.iter().enumerate() {
                let other = &self.lists[(entry & SLOT) as usize];
                let mut ends = other.watchers.iter().filter(|&&end| end & SLOT == slot);
                if ends.next().map(|end| end & !SLOT) != Some(entry & !SLOT)
                    || ends.next().is_some()
                    || entry & !SLOT == 0
                {
                    return Err("relations 1: an edge does not stand at both ends alike");
                }
                if (entry & SUBSCRIPTION != 0) != (at >= lists.subscriptions_start()) {
                    return Err("relations 2: the list is not the last entries");
                }
                if entry & SLOT == slot {
                    return Err("relations 4: somebody watches himself");
                }
            }
            let friends = lists.watched.iter().filter(|&entry| entry & FRIEND != 0).count();
            if friends != lists.friends as usize {
                return Err("relations 2: friends are miscounted");
            }
            if let Some(index) = &lists.index {
                let places = lists.watchers.iter().enumerate();
                let mut found = places.filter(|&(at, entry)| {
                    index.find(hash(entry & SLOT), |&place| place as usize == at).is_some()
                });
                if index.len() != lists.watchers.len() || found.by_ref().count() != index.len() {
                    return Err("relations 3: an index does not name the places");
                }
            }
        }
        let ends: usize = self.lists.iter().map(|lists| lists.watchers.len()).sum();
        if edges != self.edges || ends != edges {
            return Err("relations 1: the edges are miscounted");
        }
        Ok(())
    }
}

impl Lists {
    fn subscriptions_start(&self) -> usize {
        self.watched.len() - self.subscriptions as usize
    }

    fn place_of(&self, watcher: UserSlot) -> Option<usize> {
        match &self.index {
            Some(index) => {
                let is_watcher = |&place: &u32| self.watchers[place as usize] & SLOT == watcher.0;
                index.find(hash(watcher.0), is_watcher).map(|&place| place as usize)
            }
            None => find(&self.watchers, watcher.0),
        }
    }
}

/// Finds the entry of a slot: windows are searched whole, without an exit in between, so that they
/// are compared many at an instruction.
fn find(entries: &[u32], slot: u32) -> Option<usize> {
    const WINDOW: usize = 32;
    let is_slot = |&entry: &u32| entry & SLOT == slot;
    let mut windows = entries.chunks_exact(WINDOW);
    let start = windows
        .by_ref()
        .position(|window| window.iter().fold(false, |found, entry| found | is_slot(entry)));
    let in_no_window = entries.len() - windows.remainder().len();
    let start = start.map_or(in_no_window, |nth| nth * WINDOW);
    entries[start..].iter().position(is_slot).map(|at| start + at)
}

/// Gives memory back once three quarters are empty.
fn shrink(entries: &mut SmallVec<[u32; 4]>) {
    if entries.spilled() && entries.len() * 4 <= entries.capacity() {
        entries.shrink_to_fit();
    }
}

/// Spreads a slot over all bits (the finisher of MurmurHash3): slots are dense and the engine's
/// own, so a fixed function serves.
fn hash(slot: u32) -> u64 {
    let mut bits = u64::from(slot);
    bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests;
