//! The least program for a day of a social network: beside the floor, it also has sessions with
//! devices, tells all of them, and writes down what happened for its host to take out. It knows no
//! policies, limits, timers or states, and appends friends without looking whether they are there.

use core::hint::black_box;
use std::collections::HashMap;

use foldhash::fast::FixedState;

/// How many sessions a user has at most.
const SESSIONS_MAX: usize = 4;

/// A session as one word: the generation above the slot.
type Session = u64;

#[derive(Clone, Copy, Default)]
struct Record {
    user: u32,
    generation: u32,
    device: (u8, u16),
}

#[derive(Clone, Copy, Default)]
struct Here {
    sessions: [Session; SESSIONS_MAX],
    count: u32,
}

impl Here {
    fn sessions(&self) -> &[Session] {
        &self.sessions[..self.count as usize]
    }
}

#[derive(Clone, Copy)]
enum Output {
    Event { at: u64, id: u64, device: (u8, u16) },
    Status { at: u64, id: u64 },
}

#[derive(Default)]
pub struct LeastDay {
    by_id: HashMap<u64, u32, FixedState>,
    ids: Vec<u64>,
    watchers: Vec<Vec<u32>>,
    here: Vec<Here>,
    records: Vec<Record>,
    free: Vec<u32>,
    told: Vec<Session>,
    outputs: Vec<Output>,
}

impl LeastDay {
    pub fn add_friend(&mut self, owner: u64, friend: u64) {
        let (owner, friend) = (self.slot(owner), self.slot(friend));
        self.watchers[friend as usize].push(owner);
    }

    pub fn log_in(&mut self, at: u64, id: u64, device: (u8, u16)) -> Session {
        let user = self.slot(id);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.records.push(Record::default());
            (self.records.len() - 1) as u32
        });
        let record = &mut self.records[slot as usize];
        *record = Record { user, device, generation: record.generation + 1 };
        let session = u64::from(record.generation) << 32 | u64::from(slot);
        let here = &mut self.here[user as usize];
        here.sessions[here.count as usize] = session;
        here.count += 1;
        let is_first = here.count == 1;
        self.outputs.push(Output::Event { at, id, device });
        if is_first {
            self.told.push(session);
            self.tell(at, user);
        }
        session
    }

    pub fn end(&mut self, at: u64, session: Session) {
        let slot = session as u32;
        let record = &mut self.records[slot as usize];
        if record.generation != (session >> 32) as u32 {
            return;
        }
        record.generation += 1;
        let Record { user, device, .. } = *record;
        self.free.push(slot);
        let here = &mut self.here[user as usize];
        let Some(nth) = here.sessions().iter().position(|&other| other == session) else { return };
        here.sessions.copy_within(nth + 1.., nth);
        here.count -= 1;
        let is_last = here.count == 0;
        self.outputs.push(Output::Event { at, id: self.ids[user as usize], device });
        if is_last {
            self.tell(at, user);
        }
    }

    /// Takes all outputs, and returns how many sessions they tell.
    pub fn drain(&mut self) -> usize {
        for output in &self.outputs {
            match output {
                Output::Event { at, id, device } => drop(black_box((at, id, device))),
                Output::Status { at, id } => drop(black_box((at, id, &self.told))),
            }
        }
        self.outputs.clear();
        let told = self.told.len();
        self.told.clear();
        told
    }

    fn slot(&mut self, id: u64) -> u32 {
        *self.by_id.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.watchers.push(Vec::new());
            self.here.push(Here::default());
            (self.ids.len() - 1) as u32
        })
    }

    fn tell(&mut self, at: u64, user: u32) {
        for &watcher in &self.watchers[user as usize] {
            self.told.extend_from_slice(self.here[watcher as usize].sessions());
        }
        self.outputs.push(Output::Status { at, id: self.ids[user as usize] });
    }
}
