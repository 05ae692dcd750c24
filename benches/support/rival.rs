//! The rival: a hash-map engine with numbers for ids and a fast hasher, as a competent engineer
//! would write it. It does the same work as far as a measure needs it, and no more.
//!
//! What it does in its favour: it never checks an id, knows no tiers, switches or account modes,
//! and tells nothing but numbers. Names of devices and custom statuses are shared instead of
//! copied; a user's sessions are in his record; a request takes its user's lists out of the map
//! once, not for each id; and age in a subscription list is a stamp, so that nothing but an
//! eviction ever looks through the list.

use core::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use foldhash::fast::RandomState;

/// What the rival tells its host; a list of recipients is a vector of its own.
#[derive(Clone, Debug)]
pub enum News {
    Close { session: u64 },
    Event { user: u64, device: Rc<str>, action: Action },
    Status { user: u64, state: State, custom: Option<Rc<str>>, to: Vec<u64> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Login,
    Logout,
    Disconnect,
    Custom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Online,
    PushOnline,
    Offline,
}

/// What the host sets.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub timeout_ms: u64,
    pub subscriptions_max: usize,
    /// How many devices of a user may be logged in on one platform.
    pub instances_max: usize,
    /// Whether devices of different platforms displace each other.
    pub is_single: bool,
    /// Tokens of a full bucket, and how many come back in a millisecond.
    pub rate: (f64, f64),
}

#[derive(Clone)]
pub struct Rival {
    rules: Rules,
    latest: u64,
    users: HashMap<u64, User, RandomState>,
    sessions: HashMap<u64, Session, RandomState>,
    /// The deadlines as they were when they were put in: looked at anew when they are reached.
    timers: BinaryHeap<Reverse<(u64, Owner)>>,
    news: VecDeque<News>,
    sessions_opened: u64,
    age: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Session(u64),
    /// A user's push registrations.
    User(u64),
}

#[derive(Clone, Default)]
struct User {
    sessions: Vec<u64>,
    custom: Option<Rc<str>>,
    /// When each was subscribed, in a count of its own.
    watching: HashMap<u64, u64, RandomState>,
    friends: HashSet<u64, RandomState>,
    watchers: HashSet<u64, RandomState>,
    /// Devices that only push reaches, and until when.
    pushes: Vec<(u8, Rc<str>)>,
    push_until: u64,
    /// Tokens left, and as of when, for each kind of request.
    buckets: [Option<(f64, u64)>; 2],
}

#[derive(Clone)]
struct Session {
    user: u64,
    platform: u8,
    device: Rc<str>,
    deadline: u64,
}

const PUSH_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

impl User {
    fn state(&self) -> State {
        match (self.sessions.is_empty(), self.pushes.is_empty()) {
            (false, _) => State::Online,
            (true, false) => State::PushOnline,
            (true, true) => State::Offline,
        }
    }

    fn admits(&mut self, kind: usize, now: u64, (full, per_ms): (f64, f64)) -> bool {
        let (tokens, as_of) = self.buckets[kind].unwrap_or((full, now));
        let tokens = full.min(tokens + (now - as_of) as f64 * per_ms);
        let is_admitted = tokens >= 1.0;
        self.buckets[kind] = Some((tokens - f64::from(u8::from(is_admitted)), now));
        is_admitted
    }
}

impl Rival {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            latest: 0,
            users: HashMap::default(),
            sessions: HashMap::default(),
            timers: BinaryHeap::new(),
            news: VecDeque::new(),
            sessions_opened: 0,
            age: 0,
        }
    }

    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub fn login(&mut self, now: u64, user: u64, platform: u8, device: &str) -> u64 {
        let now = self.enter(now);
        self.sessions_opened += 1;
        let session = self.sessions_opened;
        let deadline = now + self.rules.timeout_ms;
        let device: Rc<str> = device.into();
        let record = self.users.entry(user).or_default();
        let before = record.state();
        record.pushes.retain(|(other, id)| (*other, &**id) != (platform, &*device));
        let mut same = 1;
        let mut at = record.sessions.len();
        while at > 0 {
            at -= 1;
            let other = record.sessions[at];
            let Some(known) = self.sessions.get(&other) else { continue };
            let is_same = known.platform == platform;
            same += usize::from(is_same);
            if is_same && (known.device == device || same > self.rules.instances_max)
                || !is_same && self.rules.is_single
            {
                record.sessions.remove(at);
                self.sessions.remove(&other);
                self.news.push_back(News::Close { session: other });
            }
        }
        record.sessions.push(session);
        self.sessions.insert(session, Session { user, platform, device: device.clone(), deadline });
        self.timers.push(Reverse((deadline, Owner::Session(session))));
        self.news.push_back(News::Event { user, device, action: Action::Login });
        if before != State::Online {
            self.tell(user);
        }
        session
    }

    pub fn logout(&mut self, now: u64, session: u64) {
        self.enter(now);
        self.end(session, Action::Logout, false);
    }

    /// The link is broken; if `can_push`, push goes on reaching the device.
    pub fn link_closed(&mut self, now: u64, session: u64, can_push: bool) {
        self.enter(now);
        self.end(session, Action::Disconnect, can_push);
    }

    pub fn heartbeat(&mut self, now: u64, session: u64) -> bool {
        let now = self.enter(now);
        self.hear(now, session).is_some()
    }

    pub fn set_status(&mut self, now: u64, session: u64, custom: &str) {
        let now = self.enter(now);
        let Some(user) = self.hear(now, session) else { return };
        let Some(record) = self.users.get_mut(&user) else { return };
        if record.custom.as_deref() == Some(custom) {
            return;
        }
        record.custom = Some(custom.into());
        let Some(session) = self.sessions.get(&session) else { return };
        let device = session.device.clone();
        self.news.push_back(News::Event { user, device, action: Action::Custom });
        self.tell(user);
    }

    /// Subscribes, and returns whom that evicted; `None` if the request is refused.
    pub fn subscribe(&mut self, now: u64, session: u64, targets: &[u64]) -> Option<Vec<u64>> {
        let now = self.enter(now);
        let user = self.hear(now, session)?;
        let record = self.users.get_mut(&user)?;
        if !record.admits(0, now, self.rules.rate) {
            return None;
        }
        let mut watching = core::mem::take(&mut record.watching);
        let mut evicted = Vec::new();
        for &target in targets {
            self.age += 1;
            if watching.insert(target, self.age).is_some() {
                continue;
            }
            self.users.entry(target).or_default().watchers.insert(user);
            if watching.len() > self.rules.subscriptions_max {
                let oldest = watching.iter().min_by_key(|(_, age)| **age);
                let oldest = oldest.map(|(oldest, _)| *oldest)?;
                watching.remove(&oldest);
                self.unlink(user, oldest);
                evicted.push(oldest);
            }
        }
        self.users.get_mut(&user)?.watching = watching;
        Some(evicted)
    }

    /// Unsubscribes; `None` if the request is refused.
    pub fn unsubscribe(&mut self, now: u64, session: u64, targets: &[u64]) -> Option<()> {
        let now = self.enter(now);
        let user = self.hear(now, session)?;
        let record = self.users.get_mut(&user)?;
        if !record.admits(1, now, self.rules.rate) {
            return None;
        }
        let mut watching = core::mem::take(&mut record.watching);
        for target in targets {
            if watching.remove(target).is_some() {
                self.unlink(user, *target);
            }
        }
        self.users.get_mut(&user)?.watching = watching;
        Some(())
    }

    pub fn add_friend(&mut self, now: u64, owner: u64, friend: u64) {
        self.enter(now);
        if self.users.entry(owner).or_default().friends.insert(friend) {
            self.users.entry(friend).or_default().watchers.insert(owner);
        }
    }

    /// Fires all timers due by `now`, putting back those whose session was heard from.
    pub fn pass_time(&mut self, now: u64) {
        self.latest = self.latest.max(now);
        while let Some(&Reverse((at, owner))) = self.timers.peek() {
            if at > self.latest {
                break;
            }
            self.timers.pop();
            match owner {
                Owner::Session(id) => match self.sessions.get(&id) {
                    Some(session) if session.deadline > at => {
                        self.timers.push(Reverse((session.deadline, owner)));
                    }
                    Some(_) => {
                        self.news.push_back(News::Close { session: id });
                        self.end(id, Action::Disconnect, false);
                    }
                    None => {}
                },
                Owner::User(user) => {
                    let Some(record) = self.users.get_mut(&user) else { continue };
                    if record.state() == State::PushOnline && record.push_until <= at {
                        record.pushes.clear();
                        self.tell(user);
                    }
                }
            }
        }
    }

    /// Takes all news and returns how many sessions they tell, and how many news they are.
    pub fn drain(&mut self) -> (usize, usize) {
        let (mut told, mut count) = (0, 0);
        while let Some(news) = self.news.pop_front() {
            if let News::Status { to, .. } = &news {
                told += to.len();
            }
            count += 1;
            core::hint::black_box(&news);
        }
        (told, count)
    }

    fn enter(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        if self.timers.peek().is_some_and(|Reverse((at, _))| *at <= self.latest) {
            self.pass_time(now);
        }
        self.latest
    }

    fn hear(&mut self, now: u64, session: u64) -> Option<u64> {
        let session = self.sessions.get_mut(&session)?;
        session.deadline = now + self.rules.timeout_ms;
        Some(session.user)
    }

    fn end(&mut self, session: u64, action: Action, can_push: bool) {
        let Some(Session { user, platform, device, .. }) = self.sessions.remove(&session) else {
            return;
        };
        let news = News::Event { user, device: device.clone(), action };
        self.news.push_back(news);
        let Some(record) = self.users.get_mut(&user) else { return };
        record.sessions.retain(|&other| other != session);
        if can_push {
            record.pushes.push((platform, device));
        }
        if record.sessions.is_empty() {
            record.custom = None;
            if record.state() == State::PushOnline {
                record.push_until = self.latest + PUSH_MS;
                self.timers.push(Reverse((record.push_until, Owner::User(user))));
            }
            self.tell(user);
        }
    }

    fn unlink(&mut self, user: u64, target: u64) {
        if let Some(target) = self.users.get_mut(&target) {
            target.watchers.remove(&user);
        }
    }

    fn tell(&mut self, user: u64) {
        let Some(record) = self.users.get(&user) else { return };
        let mut to = Vec::with_capacity(record.sessions.len() + record.watchers.len());
        to.extend_from_slice(&record.sessions);
        for watcher in &record.watchers {
            if let Some(watcher) = self.users.get(watcher) {
                to.extend_from_slice(&watcher.sessions);
            }
        }
        let (state, custom) = (record.state(), record.custom.clone());
        self.news.push_back(News::Status { user, state, custom, to });
    }
}
