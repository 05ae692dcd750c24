//! The floors: the least work that any program must do for the same effect, by any layout.

use core::hint::black_box;

use super::measure::{Sample, timed};

/// The floor of a fan-out: 8-byte session ids gathered from a table through a dense list of 4-byte
/// slots, and written down.
#[inline(never)]
pub fn gather(table: &[u64], slots: &[u32], told: &mut Vec<u64>) {
    told.clear();
    told.extend(slots.iter().map(|&slot| table[slot as usize]));
}

/// How many slots [`gather_present`] takes at a time.
const WINDOW: usize = 16;

/// The floor of a fan-out when some are offline, 0 in the table: what is gathered is compacted
/// without a branch, as to predict who is online is hopeless.
#[inline(never)]
pub fn gather_present(table: &[u64], slots: &[u32], told: &mut Vec<u64>) {
    told.clear();
    for window in slots.chunks(WINDOW) {
        let mut present = [0; WINDOW];
        let mut len = 0;
        for &slot in window {
            let session = table[slot as usize];
            present[len % WINDOW] = session;
            len += usize::from(session != 0);
        }
        told.extend_from_slice(&present[..len]);
    }
}

/// The floor of a fan-out to users with up to three sessions: where a user's sessions begin, and
/// how many they are, gathered through the list, and the sessions copied from one flat table, three
/// whoever it is, so that nothing is to be predicted. The table ends with two more ids than it has.
#[inline(never)]
pub fn gather_spans(spans: &[(u32, u32)], flat: &[u64], slots: &[u32], told: &mut Vec<u64>) {
    told.clear();
    for window in slots.chunks(WINDOW) {
        let mut ids = [0; 3 * WINDOW];
        let mut len = 0;
        for &slot in window {
            let (start, count) = spans[slot as usize];
            let three = &flat[start as usize..start as usize + 3];
            ids[len..len + 3].copy_from_slice(three);
            len += count as usize;
        }
        told.extend_from_slice(&ids[..len]);
    }
}

/// The floor of a heartbeat, and of a token bucket: one store to one user's 8 bytes.
#[inline(never)]
fn store(table: &mut [u64], slots: &[u32], value: u64) {
    for &slot in slots {
        table[slot as usize] = value;
    }
}

/// Times a [`store`] to everybody.
pub fn timed_stores(table: &mut [u64], slots: &[u32], value: u64) -> Sample {
    timed(slots.len(), || {
        store(table, slots, value);
        black_box(&table);
    })
}

/// Edges that can only be appended, by slots: the floor of a subscription. Lists are as long as
/// they will be, so that nothing is allocated.
pub struct Edges {
    watched: Vec<Vec<u32>>,
    watchers: Vec<Vec<u32>>,
}

impl Edges {
    pub fn new(users: usize) -> Self {
        Self { watched: vec![Vec::new(); users], watchers: vec![Vec::new(); users] }
    }

    /// Makes room for as many edges as there are.
    pub fn reserve(&mut self) {
        for list in self.watched.iter_mut().chain(&mut self.watchers) {
            list.reserve(list.len());
        }
    }

    pub fn append(&mut self, watcher: u32, targets: &[u32]) {
        self.watched[watcher as usize].extend_from_slice(targets);
        for &target in targets {
            self.watchers[target as usize].push(watcher);
        }
    }

    pub fn watched_mut(&mut self, watcher: u32) -> &mut Vec<u32> {
        &mut self.watched[watcher as usize]
    }

    pub fn watchers_mut(&mut self, target: u32) -> &mut Vec<u32> {
        &mut self.watchers[target as usize]
    }

    /// How many edges there are at either end.
    pub fn lens(&self) -> [usize; 2] {
        [&self.watched, &self.watchers].map(|lists| lists.iter().map(Vec::len).sum())
    }

    /// Drops as many edges as `append` has made, but not the room for them.
    pub fn take_back(&mut self, watcher: u32, targets: &[u32]) {
        let watched = &mut self.watched[watcher as usize];
        watched.truncate(watched.len() - targets.len());
        for &target in targets {
            self.watchers[target as usize].pop();
        }
    }
}

/// The floor of a timer: an entry read from its bucket of the wheel, and the deadline that it
/// stands for looked up, as heartbeats move it without touching the wheel. Returns how many are
/// due.
#[inline(never)]
pub fn expire(buckets: &[Vec<u32>], deadlines: &[u64], now: u64) -> usize {
    let mut due = 0;
    for bucket in buckets {
        for &entry in bucket {
            due += usize::from(deadlines[entry as usize] <= now);
        }
    }
    due
}
