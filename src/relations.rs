//! Who watches whom: subscription lists (SU) and friends (FR), as edges between users.
//!
//! # Layout
//!
//! 16 bytes a user, and 4 bytes an edge at either end, up to two edges an end in these 16 bytes
//! (`edges`). An entry is the other user's slot with two bits, subscription and friend, so that one
//! who is both is one edge and is told once (FR-3). At the watcher, friends who are not subscribed
//! come first, in no order, then the subscription list, oldest first. At the watched user the
//! watchers are dense and in no order: a fan-out reads them from end to end.
//!
//! # Invariants
//!
//! 1. Each edge stands at both ends, once, with the same bits, at least one of them set.
//! 2. At the watcher those with the subscription bit are the last entries.
//! 3. Nobody watches himself.
//!
//! # Why no positions
//!
//! An entry does not know its place at the other end. Finding it costs a scan of a bounded list
//! (the watcher's own, or watchers who are too few for an index; several entries an instruction)
//! or one look-up in the index. In return an edge is 8 bytes instead of 16 to 23, lists stay in age
//! order by moving memory, and nothing has to be patched when entries move.
//!
//! # Why requests are taken whole
//!
//! A request names up to a hundred users. What it does to the watcher's own list is worked out in
//! one pass over that list, with a small table of those named, instead of a search and a move for
//! each; and what it does to the others' lists is done in passes of few instructions each, so that
//! the processor waits for many of them at once. Those who are new come to the own list together,
//! which took a third of the instructions off a request.

use alloc::vec::Vec;

use crate::edges::{Edges, FRIEND, List, SLOT, SUBSCRIPTION, find};
use crate::id::{SessionId, UserSlot};
use crate::named::Named;
use crate::reach::Reach;

const EITHER: u32 = SUBSCRIPTION | FRIEND;

/// How many entries of a list are called for: no more than are ever scanned.
const CALLED_FOR_MAX: usize = 256;
/// The lists of how many targets are called for before they are scanned: more would not stay in the
/// nearest cache until then.
const AT_ONCE: usize = 32;

/// The cells of how many watchers are called for: of more the fan-out waits for all at once.
const FIRST: usize = 16;

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
            // Every entry is of a kind.
            EITHER => reach.gather(watchers, 0, told),
            kind => reach.gather(watchers, kind, told),
        }
    }
}

/// All edges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    ends: Vec<Ends>,
    edges: Edges,
    count: usize,
    named: Named,
    /// Buffers for entries, and for their places in a request and those that come there.
    moved: Vec<u32>,
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    watched: List,
    watchers: List,
}

const _: () = assert!(size_of::<Ends>() == 16);

/// Where the subscriptions begin among the entries of a watcher.
fn subscriptions_start(watched: &[u32]) -> usize {
    watched.partition_point(|entry| entry & SUBSCRIPTION == 0)
}

impl Relations {
    /// Makes room for the user, who has no relations.
    pub(crate) fn admit(&mut self, user: UserSlot) {
        if self.ends.len() <= user.index() {
            self.ends.resize(user.index() + 1, Ends::default());
        }
    }

    /// Puts the targets, one after another, at the newest place of the watcher's list (SU-2 to
    /// SU-4) and appends those who have to go for them, oldest first, to `evicted`.
    pub(crate) fn subscribe(
        &mut self,
        watcher: UserSlot,
        targets: &[UserSlot],
        subscriptions_max: u64,
        evicted: &mut Vec<UserSlot>,
    ) {
        if targets.len() > 1 && self.find_places(watcher, targets, subscriptions_max) {
            return self.subscribe_all(watcher, targets);
        }
        for &target in targets {
            self.subscribe_one(watcher, target);
            let surplus = self.subscription_count(watcher) as u64;
            let surplus = surplus.saturating_sub(subscriptions_max);
            self.drop_oldest(watcher, surplus as usize, evicted);
        }
    }

    /// Finds where each of those whom the watcher watches is named, and tells whether there is room
    /// for all targets at once.
    fn find_places(
        &mut self,
        watcher: UserSlot,
        targets: &[UserSlot],
        subscriptions_max: u64,
    ) -> bool {
        let Self { ends, edges, named, places, .. } = self;
        named.name(targets);
        let watched = edges.entries(&ends[watcher.index()].watched);
        let (mut subscribed, mut known) = (0, 0);
        places.clear();
        places.extend(watched.iter().map(|&entry| {
            let place = named.place(entry & SLOT);
            let is_subscribed = u64::from(entry & SUBSCRIPTION != 0);
            subscribed += is_subscribed;
            known += is_subscribed & u64::from(place != 0);
            place
        }));
        subscribed + named.len() as u64 - known <= subscriptions_max
    }

    /// Subscribes targets whose places are found, and for whom there is room.
    fn subscribe_all(&mut self, watcher: UserSlot, targets: &[UserSlot]) {
        let Self { ends, edges, named, places, moved, .. } = self;
        let list = &mut ends[watcher.index()].watched;
        // Those named leave the list, and wait by their places; all others in the first one.
        moved.clear();
        moved.resize(targets.len() + 1, 0);
        let entries = edges.entries_mut(list);
        let mut kept = 0;
        for (at, &place) in places.iter().enumerate() {
            let entry = entries[at];
            moved[place as usize] = entry;
            entries[kept] = entry;
            kept += usize::from(place == 0);
        }
        // Then they are the newest, in the order in which they were named last.
        let before = entries.len();
        let is_each_once = named.len() == targets.len();
        let newest = places;
        newest.clear();
        for (place, &target) in (1..).zip(targets) {
            if is_each_once || named.place(target.0) == place {
                newest.push(moved[place as usize] | target.0 | SUBSCRIPTION);
            }
        }
        // Not below 0, as nobody is watched twice.
        let new = kept + newest.len() - before;
        edges.replace_end(list, kept, newest);
        self.call_for_new(new, targets);
        for (place, &target) in (1..).zip(targets) {
            match self.moved[place as usize] {
                0 if is_each_once || self.named.place(target.0) == place => {
                    self.link(watcher, target, SUBSCRIPTION);
                }
                entry if entry & EITHER == FRIEND => {
                    self.mark(watcher, target, |entry| entry | SUBSCRIPTION);
                }
                _ => {}
            }
        }
    }

    fn subscribe_one(&mut self, watcher: UserSlot, target: UserSlot) {
        let Self { ends, edges, .. } = self;
        let list = &mut ends[watcher.index()].watched;
        let watched = edges.entries_mut(list);
        let start = subscriptions_start(watched);
        match find(watched, target.0) {
            Some(at) if at >= start => watched[at..].rotate_left(1),
            Some(at) => {
                watched.swap(at, start - 1);
                watched[start - 1] |= SUBSCRIPTION;
                watched[start - 1..].rotate_left(1);
                self.mark(watcher, target, |entry| entry | SUBSCRIPTION);
            }
            None => {
                edges.push(list, target.0 | SUBSCRIPTION);
                self.link(watcher, target, SUBSCRIPTION);
            }
        }
    }

    /// Takes the targets out of the watcher's list, and appends those who were in it to `dropped`.
    pub(crate) fn unsubscribe(
        &mut self,
        watcher: UserSlot,
        targets: &[UserSlot],
        dropped: &mut Vec<UserSlot>,
    ) {
        if targets.is_empty() {
            return;
        }
        let Self { ends, edges, named, moved, .. } = self;
        named.name(targets);
        let list = &mut ends[watcher.index()].watched;
        let entries = edges.entries_mut(list);
        let start = subscriptions_start(entries);
        moved.clear();
        moved.resize(entries.len() - start, 0);
        let (mut kept, mut gone) = (start, 0);
        for at in start..entries.len() {
            let entry = entries[at];
            let is_named = named.place(entry & SLOT) != 0;
            entries[kept] = entry;
            kept += usize::from(!is_named);
            moved[gone] = entry;
            gone += usize::from(is_named);
        }
        moved.truncate(gone);
        let first_dropped = dropped.len();
        dropped.extend(moved.iter().map(|entry| UserSlot(entry & SLOT)));
        // Those who are friends too stay, in front of the list.
        moved.retain(|entry| entry & FRIEND != 0);
        moved.iter_mut().for_each(|entry| *entry &= !SUBSCRIPTION);
        let with_friends = !moved.is_empty();
        if with_friends {
            entries.copy_within(start..kept, start + moved.len());
            entries[start..start + moved.len()].copy_from_slice(moved);
            kept += moved.len();
        }
        edges.truncate(list, kept);
        self.let_go(watcher, &dropped[first_dropped..], with_friends);
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
        let Self { ends, edges, .. } = self;
        let list = &mut ends[owner.index()].watched;
        let watched = edges.entries_mut(list);
        let found = find(watched, friend.0);
        if found.is_some_and(|at| watched[at] & FRIEND != 0) {
            return true;
        }
        let friends = watched.iter().filter(|&entry| entry & FRIEND != 0).count();
        if friends as u64 >= friends_max {
            return false;
        }
        match found {
            Some(at) => {
                watched[at] |= FRIEND;
                self.mark(owner, friend, |entry| entry | FRIEND);
            }
            None => {
                let start = subscriptions_start(watched);
                edges.push(list, friend.0 | FRIEND);
                edges.entries_mut(list)[start..].rotate_right(1);
                self.link(owner, friend, FRIEND);
            }
        }
        true
    }

    /// Undoes a friendship, if there is one.
    pub(crate) fn remove_friend(&mut self, owner: UserSlot, friend: UserSlot) {
        let Self { ends, edges, .. } = self;
        let list = &mut ends[owner.index()].watched;
        let watched = edges.entries_mut(list);
        let Some(at) = find(watched, friend.0) else { return };
        match watched[at] & EITHER {
            FRIEND => {
                edges.remove(list, at);
                self.unlink(owner, friend);
            }
            EITHER => {
                watched[at] &= !FRIEND;
                self.mark(owner, friend, |entry| entry & !FRIEND);
            }
            _ => {}
        }
    }

    /// Erases every edge from and to the user and appends who was at their other ends to `others`.
    pub(crate) fn remove_user(&mut self, user: UserSlot, others: &mut Vec<UserSlot>) {
        for &entry in &self.watched(user).to_vec() {
            let target = UserSlot(entry & SLOT);
            self.unlink(user, target);
            others.push(target);
        }
        self.edges.free(&mut self.ends[user.index()].watched);
        for &entry in &self.watchers(user).to_vec() {
            let watcher = UserSlot(entry & SLOT);
            let list = &mut self.ends[watcher.index()].watched;
            if let Some(at) = find(self.edges.entries(list), user.0) {
                self.edges.remove(list, at);
            }
            self.count -= 1;
            others.push(watcher);
        }
        self.edges.free(&mut self.ends[user.index()].watchers);
    }

    /// Walks the user's subscription list, oldest first.
    pub(crate) fn subscriptions(&self, watcher: UserSlot) -> impl Iterator<Item = UserSlot> {
        let watched = self.watched(watcher);
        watched[subscriptions_start(watched)..].iter().map(|entry| UserSlot(entry & SLOT))
    }

    /// Walks the user's friends, in no order that means anything.
    pub(crate) fn friends(&self, owner: UserSlot) -> impl Iterator<Item = UserSlot> {
        let friends = self.watched(owner).iter().filter(|&entry| entry & FRIEND != 0);
        friends.map(|entry| UserSlot(entry & SLOT))
    }

    /// Returns whether the user is in the watcher's subscription list.
    pub(crate) fn is_subscribed(&self, watcher: UserSlot, target: UserSlot) -> bool {
        let watched = self.watched(watcher);
        find(watched, target.0).is_some_and(|at| watched[at] & SUBSCRIPTION != 0)
    }

    /// Returns the entries of the user's watchers; [`Kinds`] reads them.
    #[inline]
    pub(crate) fn watchers(&self, user: UserSlot) -> &[u32] {
        self.edges.entries(&self.ends[user.index()].watchers)
    }

    fn watched(&self, user: UserSlot) -> &[u32] {
        self.edges.entries(&self.ends[user.index()].watched)
    }

    /// Returns how long the user's subscription list is.
    #[inline]
    pub(crate) fn subscription_count(&self, watcher: UserSlot) -> usize {
        let watched = self.watched(watcher);
        watched.len() - subscriptions_start(watched)
    }

    /// Returns whether the user watches somebody, as a friend or by a subscription.
    #[inline]
    pub(crate) fn watches_anybody(&self, watcher: UserSlot) -> bool {
        !self.ends[watcher.index()].watched.is_empty()
    }

    /// Returns whether the user has a subscription list that is not empty.
    #[inline]
    pub(crate) fn has_subscriptions(&self, watcher: UserSlot) -> bool {
        self.watched(watcher).last().is_some_and(|entry| entry & SUBSCRIPTION != 0)
    }

    /// Returns whether the user watches nobody and nobody watches him.
    #[inline]
    pub(crate) fn is_alone(&self, user: UserSlot) -> bool {
        let Ends { watched, watchers } = self.ends[user.index()];
        watched.is_empty() && watchers.is_empty()
    }

    /// Returns how many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Takes the `count` oldest out of the watcher's list and appends them to `dropped`.
    fn drop_oldest(&mut self, watcher: UserSlot, count: usize, dropped: &mut Vec<UserSlot>) {
        if count == 0 {
            return;
        }
        let first_dropped = dropped.len();
        let Self { ends, edges, .. } = self;
        let list = &mut ends[watcher.index()].watched;
        let watched = edges.entries_mut(list);
        let start = subscriptions_start(watched);
        // Those who are friends too stay, and end up behind the others who are not subscribed.
        let mut kept = start;
        for at in start..start + count {
            let entry = watched[at];
            dropped.push(UserSlot(entry & SLOT));
            if entry & FRIEND != 0 {
                watched[kept] = entry & !SUBSCRIPTION;
                kept += 1;
            }
        }
        watched.copy_within(start + count.., kept);
        let len = watched.len() - (start + count - kept);
        edges.truncate(list, len);
        self.let_go(watcher, &dropped[first_dropped..], kept > start);
    }

    /// Ends subscriptions at their watched ends.
    fn let_go(&mut self, watcher: UserSlot, targets: &[UserSlot], with_friends: bool) {
        if with_friends {
            for &target in targets {
                let Some(at) = self.place(watcher, target) else { continue };
                let list = &mut self.ends[target.index()].watchers;
                let entry = &mut self.edges.entries_mut(list)[at];
                if *entry & FRIEND != 0 {
                    *entry &= !SUBSCRIPTION;
                } else {
                    self.edges.swap_remove(list, at);
                    self.count -= 1;
                }
            }
        } else {
            for targets in targets.chunks(AT_ONCE) {
                self.call_for(targets);
                targets.iter().for_each(|&target| self.unlink(watcher, target));
            }
        }
    }

    /// Reads something of where the user's lists are.
    #[inline]
    pub(crate) fn call_for_lists(&self, user: UserSlot) -> bool {
        self.ends.get(user.index()).is_some_and(|ends| ends.watchers.is_empty())
    }

    /// Reads something of where the user's lists are, and of his first watchers.
    #[inline]
    pub(crate) fn call_for_watchers(&self, user: UserSlot) -> u32 {
        let ends = self.ends.get(user.index());
        let first = ends.and_then(|ends| self.edges.entries(&ends.watchers).first());
        first.copied().unwrap_or(0)
    }

    /// Reads the cells of the user's watchers, if they are not many: who gathers many has so many
    /// under way at once that nothing is gained for the first of them.
    #[inline]
    pub(crate) fn call_for_cells(&self, user: UserSlot, reach: &Reach) -> u32 {
        let Some(ends) = self.ends.get(user.index()) else { return 0 };
        let entries = self.edges.entries(&ends.watchers);
        let few = if entries.len() > 4 * FIRST { &[] } else { entries };
        few.iter().take(FIRST).fold(0, |read, entry| read ^ reach.call_for(UserSlot(entry & SLOT)))
    }

    /// Reads where the targets' lists of watchers are.
    #[inline]
    fn call_for_heads(&self, targets: &[UserSlot]) {
        let mut read = 0;
        for &target in targets {
            read |= u32::from(self.ends[target.index()].watchers.is_empty());
        }
        core::hint::black_box(read);
    }

    /// Reads where the targets' lists of watchers are, and then how long they are and who is the
    /// last, so that all of that is on its way to the caches while the first is worked on.
    fn call_for_ends(&self, targets: &[UserSlot]) {
        // In loops of few instructions, or the processor has not room for many targets at a time.
        self.call_for_heads(targets);
        let mut read = 0;
        for &target in targets {
            read |= self.watchers(target).last().copied().unwrap_or(0);
        }
        core::hint::black_box(read);
    }

    /// Does [`Relations::call_for_ends`], if any of the targets is new.
    #[inline]
    fn call_for_new(&self, new: usize, targets: &[UserSlot]) {
        if new > 0 {
            self.call_for_ends(targets);
        }
    }

    /// Reads one thing of each line of the targets' lists of watchers, before they are scanned.
    fn call_for(&self, targets: &[UserSlot]) {
        const LINE: usize = 16;
        self.call_for_heads(targets);
        let mut read = 0;
        for &target in targets {
            read |= self.watchers(target).len() as u32;
        }
        core::hint::black_box(read);
        for &target in targets {
            let watchers = self.watchers(target);
            for entry in watchers.iter().take(CALLED_FOR_MAX).step_by(LINE) {
                read |= entry;
            }
        }
        core::hint::black_box(read);
    }

    /// Returns the place of the watcher among the target's watchers.
    #[inline]
    fn place(&self, watcher: UserSlot, target: UserSlot) -> Option<usize> {
        self.edges.place_of(&self.ends[target.index()].watchers, watcher.0)
    }

    /// Changes the bits of an edge at its watched end.
    fn mark(&mut self, watcher: UserSlot, target: UserSlot, change: impl Fn(u32) -> u32) {
        let Some(at) = self.place(watcher, target) else { return };
        let watchers = self.edges.entries_mut(&mut self.ends[target.index()].watchers);
        watchers[at] = change(watchers[at]);
    }

    /// Adds an edge at its watched end.
    #[inline]
    fn link(&mut self, watcher: UserSlot, target: UserSlot, kind: u32) {
        self.count += 1;
        self.edges.push_indexed(&mut self.ends[target.index()].watchers, watcher.0 | kind);
    }

    /// Removes an edge at its watched end.
    #[inline]
    fn unlink(&mut self, watcher: UserSlot, target: UserSlot) {
        let watchers = &mut self.ends[target.index()].watchers;
        self.count -= usize::from(self.edges.take_out(watchers, watcher.0));
    }

    pub(crate) fn check_invariants(&self) -> Result<(), &'static str> {
        self.edges
            .check_invariants(self.ends.iter().flat_map(|ends| [&ends.watched, &ends.watchers]))?;
        let (mut edges, mut ends) = (0, 0);
        for slot in (0..self.ends.len() as u32).map(UserSlot) {
            let watched = self.watched(slot);
            edges += watched.len();
            ends += self.watchers(slot).len();
            let start = subscriptions_start(watched);
            for (at, &entry) in watched.iter().enumerate() {
                let watchers = self.watchers(UserSlot(entry & SLOT));
                let mut ends = watchers.iter().filter(|&&end| end & SLOT == slot.0);
                if ends.next().map(|end| end & !SLOT) != Some(entry & !SLOT)
                    || ends.next().is_some()
                    || entry & !SLOT == 0
                {
                    return Err("relations 1: an edge does not stand at both ends alike");
                }
                if (entry & SUBSCRIPTION != 0) != (at >= start) {
                    return Err("relations 2: the list is not the last entries");
                }
                if entry & SLOT == slot.0 {
                    return Err("relations 3: somebody watches himself");
                }
            }
        }
        if edges != self.count || ends != edges {
            return Err("relations 1: the edges are miscounted");
        }
        Ok(())
    }
}

#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod oracle;

#[cfg(test)]
mod tests;
