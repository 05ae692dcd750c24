//! The least program for lists: what any program does with a request that names a hundred ids.
//!
//! It finds the ids in the smallest table, all of them in one go, and then puts numbers of 4 bytes
//! into lists whose room is there, and takes them out. A list has nobody twice, and the newest is
//! last. It knows no limits, no rates, no tiers, no friends and no answers; that nobody is named
//! twice, and that edges which are taken out are there, it takes for granted.

use core::hash::{BuildHasher, Hash};
use core::hint::black_box;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::floors::Edges;

/// Ids are kept as `K`: a number, or a text of 8 to 16 bytes in one.
pub struct LeastLists<K> {
    table: HashTable<u32>,
    ids: Vec<K>,
    hasher: RandomState,
    edges: Edges,
    /// Who was found for a request.
    found: Vec<u32>,
    /// Those of them, in an open table, to be looked for; [`NOBODY`] where there is none.
    named: [u32; NAMED_ROOM],
}

const NAMED_ROOM: usize = 512;
const NOBODY: u32 = u32::MAX;
/// Stands where one who is named was, and was found in the list.
const KNOWN: u32 = u32::MAX - 1;

/// A text of 8 to 16 bytes as a number, read as two words: what is written byte by byte and read as
/// a whole would wait until it has left the processor's queue of stores.
#[inline]
pub fn packed(text: &str) -> u128 {
    let bytes = text.as_bytes();
    let word = |bytes: Option<&[u8; 8]>| {
        u64::from_le_bytes(*bytes.expect("the text has at least 8 bytes"))
    };
    let (start, end) = (word(bytes.first_chunk()), word(bytes.last_chunk()));
    let beyond = 16_usize.checked_sub(bytes.len()).expect("the text has at most 16 bytes");
    u128::from(start) | u128::from(end.checked_shr(8 * beyond as u32).unwrap_or(0)) << 64
}

impl<K: Hash + Eq> LeastLists<K> {
    /// Users with these ids, and the edges that `edges` holds, with room for as many.
    pub fn new(ids: Vec<K>, mut edges: Edges) -> Self {
        edges.reserve();
        let hasher = RandomState::default();
        let mut table = HashTable::with_capacity(ids.len());
        for (user, id) in ids.iter().enumerate() {
            let hash = |&user: &u32| hasher.hash_one(&ids[user as usize]);
            table.insert_unique(hasher.hash_one(id), user as u32, hash);
        }
        let (found, named) = (Vec::new(), [NOBODY; NAMED_ROOM]);
        Self { table, ids, hasher, edges, found, named }
    }

    /// Finds whom a request names. All are called for before any id is looked at.
    #[inline]
    fn look_up(&mut self, names: impl Iterator<Item = K> + Clone) {
        let Self { table, ids, hasher, found, .. } = self;
        found.clear();
        found.extend(names.clone().map(|id| {
            let candidate = table.iter_hash(hasher.hash_one(&id)).next();
            candidate.copied().unwrap_or(0)
        }));
        for (found, id) in found.iter_mut().zip(names) {
            if ids[*found as usize] != id {
                let user = table.find(hasher.hash_one(&id), |&user| ids[user as usize] == id);
                *found = *user.expect("only users are named");
            }
        }
    }

    /// Puts users at the end of a list, whether they are in it or not.
    #[inline(never)]
    pub fn subscribe(&mut self, watcher: u32, names: impl Iterator<Item = K> + Clone) {
        self.look_up(names);
        let known = self.take_out_named::<true>(watcher);
        let Self { edges, found, named, .. } = self;
        if known == 0 {
            return edges.append(watcher, found);
        }
        edges.watched_mut(watcher).extend_from_slice(found);
        if known < found.len() {
            let is_new = |&&target: &&u32| named[place_of(named, target)] == target;
            for &target in found.iter().filter(is_new) {
                edges.watchers_mut(target).push(watcher);
            }
        }
    }

    /// Takes edges out at both ends.
    #[inline(never)]
    pub fn unsubscribe(&mut self, watcher: u32, names: impl Iterator<Item = K> + Clone) {
        self.look_up(names);
        self.take_out_named::<false>(watcher);
        let Self { edges, found, .. } = self;
        // The processor waits for many lists at once.
        let read = found.iter().map(|&target| edges.watchers_mut(target).last().copied());
        black_box(read.flatten().fold(0, |read, last| read ^ last));
        for &target in found.iter() {
            let watchers = edges.watchers_mut(target);
            watchers.swap_remove(find(watchers, watcher).expect("only edges are taken out"));
        }
    }

    /// Takes those who were found out of a user's own list, in one pass over it without a branch
    /// that cannot be predicted, and returns how many of them were there; if `MARKS`, they are
    /// marked.
    fn take_out_named<const MARKS: bool>(&mut self, watcher: u32) -> usize {
        let Self { edges, found, named, .. } = self;
        named.fill(NOBODY);
        for &user in found.iter() {
            named[place_of(named, user)] = user;
        }
        let watched = edges.watched_mut(watcher);
        let mut kept = 0;
        for at in 0..watched.len() {
            let user = watched[at];
            let named = &mut named[place_of(named, user)];
            let is_named = *named == user;
            if MARKS {
                *named = if is_named { KNOWN } else { *named };
            }
            watched[kept] = user;
            kept += usize::from(!is_named);
        }
        let known = watched.len() - kept;
        watched.truncate(kept);
        known
    }

    /// How many edges there are at either end.
    pub fn edge_counts(&self) -> [usize; 2] {
        self.edges.lens()
    }
}

/// Finds a user in a list, whose windows are searched whole: many are compared at an instruction.
fn find(users: &[u32], user: u32) -> Option<usize> {
    const WINDOW: usize = 32;
    let has = |window: &[u32]| window.iter().fold(false, |has, &other| has | (other == user));
    let (nth, window) = users.chunks(WINDOW).enumerate().find(|(_, window)| has(window))?;
    Some(nth * WINDOW + window.iter().position(|&other| other == user)?)
}

/// Returns where a user is among those who are named, or where there is room for him.
#[inline]
fn place_of(named: &[u32; NAMED_ROOM], user: u32) -> usize {
    let mut at = (user.wrapping_mul(0x9e37_79b1) >> 23) as usize;
    // Both are asked at once: which of them it is cannot be predicted, that it is one can.
    while !((named[at] == NOBODY) | (named[at] == user)) {
        at = (at + 1) % NAMED_ROOM;
    }
    at
}
