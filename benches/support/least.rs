//! The least program: what any program does that is called one input at a time, or with a batch
//! of heartbeats, and hands out what others must hear, in tables as compact as can be.
//!
//! A floor is a loop of few instructions, of which the processor has many turns under way at once.
//! A call is not: whatever it does, the next one begins when it has been handed out. So this is
//! beside the floors, for measures that are of many short calls: it checks a session's generation,
//! notes that it was heard, keeps a status, finds a user by his id, gathers the sessions to tell,
//! and writes outputs down and takes them out. It knows no policies, limits, tiers, switches,
//! registrations or forgetting, and of timers only from when on some may be due, that a list is to
//! be cleared, and that those of sessions are put back; nobody has two sessions, and nothing is
//! checked but that.

use core::hint::black_box;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::floors::gather;

/// A session as one word: the generation above the slot.
type Session = u64;

/// After how long a list is cleared.
const CLEARING_MS: u64 = 3_600_000;

/// How many slots the wheel has.
pub const SLOTS: usize = 512;

#[derive(Clone, Copy)]
struct Record {
    heard: u32,
    generation: u32,
}

/// Where a user's watchers are.
#[derive(Clone, Copy, Default)]
struct List {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Close,
    Event,
    Status,
}

#[derive(Clone, Copy)]
struct Output {
    at: u64,
    user: u32,
    told: u32,
    kind: Kind,
}

/// All users have one session each; a user's number, slot and session's slot are the same.
pub struct Least {
    records: Vec<Record>,
    /// From when on timers may be due, before what else comes then.
    due_from: u64,
    /// The session of each user; 0 if he has none.
    cells: Vec<Session>,
    lists: Vec<List>,
    watchers: Vec<u32>,
    /// How many each user watches, whose list is to be cleared if he stays away.
    watched: Vec<u32>,
    free: Vec<u32>,
    /// Where each user's status is, for those who have one.
    statuses: Vec<[u8; 16]>,
    devices: Vec<[u8; 16]>,
    /// In which order the sessions were made.
    orders: Vec<u32>,
    /// When each user's list is cleared, if he does not come back.
    clearings: Vec<u64>,
    ids: Vec<u64>,
    by_id: HashMap<u64, u32, RandomState>,
    told: Vec<Session>,
    outputs: Vec<Output>,
}

impl Least {
    /// Users who are online, with the watchers of each.
    pub fn new<'a>(users: usize, lists: impl Iterator<Item = (u32, &'a [u32])>) -> Self {
        let mut least = Self {
            records: vec![Record { heard: 0, generation: 1 }; users],
            due_from: u64::MAX,
            cells: (0..users as u32).map(Self::first_session).collect(),
            lists: vec![List::default(); users],
            watchers: Vec::new(),
            watched: vec![0; users],
            free: Vec::with_capacity(users),
            statuses: vec![[b' '; 16]; users],
            devices: vec![[b'w'; 16]; users],
            orders: (0..users as u32).rev().collect(),
            clearings: vec![u64::MAX; users],
            ids: (0..users as u64).collect(),
            by_id: HashMap::default(),
            told: Vec::new(),
            outputs: Vec::new(),
        };
        for (user, watchers) in lists {
            let (start, len) = (least.watchers.len() as u32, watchers.len() as u32);
            least.lists[user as usize] = List { start, len };
            least.watchers.extend_from_slice(watchers);
            watchers.iter().for_each(|&watcher| least.watched[watcher as usize] += 1);
        }
        least
    }

    /// Has users found by their ids.
    pub fn with_ids(mut self) -> Self {
        self.by_id = self.ids.iter().copied().zip(0..).collect();
        self
    }

    /// The session that a user has at the beginning.
    pub fn first_session(user: u32) -> Session {
        1 << 32 | u64::from(user)
    }

    pub fn session(&self, user: u32) -> Session {
        self.cells[user as usize]
    }

    /// Records that a session is alive.
    #[inline]
    pub fn heartbeat(&mut self, now: u64, session: Session) -> bool {
        let Some(record) = self.records.get_mut(session as u32 as usize) else { return false };
        let is_live = now < self.due_from && record.generation == (session >> 32) as u32;
        if is_live {
            record.heard = now as u32;
        }
        is_live
    }

    /// Records that all these sessions are alive, and returns how many of them are.
    #[inline(never)]
    pub fn heartbeats(&mut self, now: u64, sessions: &[Session]) -> usize {
        if now >= self.due_from {
            return 0;
        }
        let records = &mut self.records[..];
        let is_heard = |&&session: &&Session| match records.get_mut(session as u32 as usize) {
            Some(record) if record.generation == (session >> 32) as u32 => {
                record.heard = now as u32;
                true
            }
            _ => false,
        };
        sessions.iter().filter(is_heard).count()
    }

    /// Sets a status, tells everybody who watches, and returns how many sessions are told.
    #[inline(never)]
    pub fn set_status(&mut self, now: u64, session: Session, status: &str) -> usize {
        if !self.heartbeat(now, session) {
            return 0;
        }
        let user = session as u32;
        let mut text = [0; 16];
        text[..status.len()].copy_from_slice(status.as_bytes());
        self.statuses[user as usize] = text;
        self.note(now, user, Kind::Event);
        self.tell(now, user);
        self.drain()
    }

    /// Logs a session out and its user in again, and returns how many sessions are told.
    #[inline]
    pub fn log_in_again(&mut self, now: u64, session: &mut Session, id: u64) -> usize {
        let told = self.log_out(now, *session);
        told + self.log_in(now, id, session)
    }

    #[inline(never)]
    fn log_out(&mut self, now: u64, session: Session) -> usize {
        if !self.heartbeat(now, session) {
            return 0;
        }
        self.end(now, session as u32);
        self.drain()
    }

    #[inline(never)]
    fn log_in(&mut self, now: u64, id: u64, session: &mut Session) -> usize {
        let Some(&user) = self.by_id.get(&id) else { return 0 };
        self.clearings[user as usize] = u64::MAX;
        self.free.pop();
        self.devices[user as usize] = [b'x'; 16];
        let record = &mut self.records[user as usize];
        *record = Record { heard: now as u32, generation: record.generation + 1 };
        *session = u64::from(record.generation) << 32 | u64::from(user);
        self.cells[user as usize] = *session;
        self.note(now, user, Kind::Event);
        self.tell(now, user);
        self.drain()
    }

    /// Puts the entries of a wheel, whose sessions were heard from since, into slots of a
    /// millisecond each, and ends the sessions of each slot in the order in which they were made.
    /// Returns how many outputs that gave.
    pub fn expire(&mut self, entries: &[u32], slots: &mut [Vec<u32>]) -> usize {
        for &user in entries {
            slots[self.records[user as usize].heard as usize].push(user);
        }
        let mut count = 0;
        let mut due = Vec::new();
        for (now, slot) in slots.iter_mut().enumerate() {
            due.extend(slot.drain(..).map(|user| (self.orders[user as usize], user)));
            due.sort_unstable();
            for (_, user) in due.drain(..) {
                if self.records[user as usize].heard == now as u32 {
                    self.note(now as u64, user, Kind::Close);
                    self.end(now as u64, user);
                }
            }
            count += self.outputs.len();
            self.drain();
        }
        count
    }

    /// Puts back whose timer is in the slot of a wheel that begins at `now`, as everybody was heard
    /// since, and returns how many they are.
    #[inline(never)]
    pub fn put_back(&mut self, slots: &mut [Vec<u32>; SLOTS], now: u64, timeout: u64) -> usize {
        let mut entries = core::mem::take(&mut slots[(now >> 8) as usize % SLOTS]);
        let mut count = 0;
        for &user in &entries {
            let heard = u64::from(self.records[user as usize].heard);
            let deadline = heard + timeout;
            if deadline > now {
                slots[(deadline >> 8) as usize % SLOTS].push(user);
                count += 1;
            }
        }
        entries.clear();
        slots[(now >> 8) as usize % SLOTS] = entries;
        count
    }

    /// Has everybody online again.
    pub fn begin_anew(&mut self) {
        self.free.clear();
        for (user, record) in (0..).zip(&mut self.records) {
            record.generation += 1;
            self.cells[user] = u64::from(record.generation) << 32 | user as u64;
        }
    }

    #[inline]
    fn end(&mut self, now: u64, user: u32) {
        self.records[user as usize].generation += 1;
        self.cells[user as usize] = 0;
        self.statuses[user as usize] = [0; 16];
        self.free.push(user);
        if self.watched[user as usize] > 0 {
            self.clearings[user as usize] = now + CLEARING_MS;
        }
        self.note(now, user, Kind::Event);
        self.tell(now, user);
    }

    #[inline]
    fn note(&mut self, at: u64, user: u32, kind: Kind) {
        self.outputs.push(Output { at, user, told: 0, kind });
    }

    #[inline]
    fn tell(&mut self, at: u64, user: u32) {
        let List { start, len } = self.lists[user as usize];
        if len > 0 {
            let watchers = &self.watchers[start as usize..][..len as usize];
            gather(&self.cells, watchers, &mut self.told);
        }
        self.outputs.push(Output { at, user, told: len, kind: Kind::Status });
    }

    /// Takes all outputs, each with the id of its user and the name of his device or his status,
    /// and returns how many sessions they tell.
    #[inline]
    fn drain(&mut self) -> usize {
        let mut told = 0;
        for output in &self.outputs {
            let user = output.user as usize;
            black_box((&self.ids[user], output.at));
            match output.kind {
                Kind::Close | Kind::Event => drop(black_box(self.devices[user][0])),
                Kind::Status => told += black_box(&self.told[..output.told as usize]).len(),
            }
        }
        self.outputs.clear();
        self.told.clear();
        told
    }
}

/// Token buckets of one rate, as exact as the engine's, and nothing but them.
pub struct LeastBuckets {
    /// When each is full, in units of 1/`requests` ms.
    full_at: Vec<u64>,
    requests: u64,
    per_ms: u64,
    /// By how much later than now a bucket may be full, and still have a token.
    slack: u64,
}

impl LeastBuckets {
    /// Full ones.
    pub fn new(count: usize, (requests, per_ms): (u64, u64)) -> Self {
        Self { full_at: vec![0; count], requests, per_ms, slack: (requests - 1) * per_ms }
    }

    /// Takes a token, if there is one.
    #[inline]
    pub fn take(&mut self, now: u64, user: u32) -> bool {
        let Some(full_at) = self.full_at.get_mut(user as usize) else { return false };
        let now = now * self.requests;
        let start = now.max(*full_at);
        let is_admitted = start - now <= self.slack;
        if is_admitted {
            *full_at = start + self.per_ms;
        }
        is_admitted
    }
}
