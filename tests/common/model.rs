//! The naive truth: the rules of `RULES.md` and `TRACE.md`, written down clause by clause with
//! vectors and linear scans.
//!
//! The model is the oracle of the property tests, so it shares with the engine no more than the
//! configuration and the public value types: what a platform can do, who is in whose group, which
//! tier allows what and how a bucket counts are said here once more. Nothing is cached, and every
//! deadline is computed anew from the moment that armed it whenever anything is asked. One input
//! costs the product of everything there is, which is nothing for ten users.
//!
//! # Invariants
//!
//! 1. `logins` is in the order of login, a repeated login counting as new (ML-7). So it is also in
//!    the order in which the sessions were created (TI-5), and "earliest login first" is its order.
//! 2. A device is in `logins` at most once.
//! 3. A user is in `push_expiries` exactly while he is PushOnline, and in `clearings` only while he
//!    is not Online. Both are in the order of arming (TI-5).

mod canonical;
mod inputs;
mod requests;
mod rules;

use presence_engine::{Api, Config, Platform, State, Tier, Timeout};

use self::rules::{Bucket, can_push, counted_as};
use super::op::{Answer, Device, Line, Machine, Op, Out, Session};

/// Everything that the rules make an engine remember.
#[derive(Clone, Debug)]
pub struct Model {
    config: Config,
    /// The latest stamp (TI-2).
    now: u64,
    users: Vec<User>,
    /// The devices that are logged in, each with a session or a push registration.
    logins: Vec<Login>,
    /// The device of every session id ever given, so that the k-th one of a device can be told.
    given: Vec<Device>,
    /// Who is PushOnline, and since when (ST-6).
    push_expiries: Vec<(String, u64)>,
    /// Who left Online, and when (SU-9).
    clearings: Vec<(String, u64)>,
}

/// What is remembered of a user beside his devices and timers.
#[derive(Clone, Debug, Default)]
struct User {
    id: String,
    /// Registered, or has logged in (AC-2).
    is_known: bool,
    custom: String,
    /// From the earliest subscribed to the newest (SU-1).
    subscriptions: Vec<String>,
    friends: Vec<String>,
    /// One for each API, in the order of `Api::ALL` (LI-3).
    buckets: [Bucket; Api::ALL.len()],
    /// From the oldest to the newest (ML-10).
    notes: Vec<Note>,
}

/// A device that is logged in.
#[derive(Clone, Debug)]
struct Login {
    device: Device,
    /// Which of the device's session ids this login was given, from 1.
    nth: u64,
    /// The session's link; without one, the login is a push registration.
    link: Option<Link>,
}

/// The moments on which a session's life depends (LV).
#[derive(Clone, Debug)]
struct Link {
    heard: u64,
    background: Option<u64>,
    exit: Option<u64>,
}

/// A push registration lost to a displacement (ML-10).
#[derive(Clone, Debug)]
struct Note {
    device: Device,
    made: u64,
}

/// What a timer does when it fires.
enum Due {
    Break { device: Device, reason: &'static str },
    ExpirePush { user: String },
    ClearSubscriptions { user: String },
}

impl Machine for Model {
    fn new(config: Config) -> Self {
        Self {
            config,
            now: 0,
            users: Vec::new(),
            logins: Vec::new(),
            given: Vec::new(),
            push_expiries: Vec::new(),
            clearings: Vec::new(),
        }
    }

    fn apply(&mut self, now: u64, op: &Op, lines: &mut Vec<Line>) {
        self.now = self.now.max(now);
        self.fire(lines);
        let result = self.input(op, lines);
        lines.push(Line { t: self.now, out: Out::Result(result) });
    }
}

/// What tests may ask. Nothing here changes anything.
impl Model {
    /// Returns the latest stamp (TI-2).
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Returns the moment of the next effect of a timer: the end of a session, the expiry of push
    /// registrations, or the clearing of a subscription list that is not empty.
    ///
    /// The end of a note (ML-10) has no effect of its own and is left out.
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_due().map(|(at, _)| at)
    }

    /// Returns what the host's own question about a user is answered, whatever the id (QU-5).
    pub fn inspect(&self, user: &str) -> Answer {
        let platforms = Platform::ALL.into_iter().filter_map(|platform| {
            let state = self.state_of(|device| device.user == user && device.platform == platform);
            (state != State::Offline).then_some((platform, state))
        });
        let (state, custom) = self.status(user);
        Answer::Inspect { state, custom, platforms: platforms.collect() }
    }

    /// Returns the live sessions, that of the earliest login first.
    pub fn live(&self) -> Vec<Session> {
        let live = self.logins.iter().filter(|login| login.link.is_some());
        live.map(|login| Session { device: login.device.clone(), nth: Some(login.nth) }).collect()
    }

    /// Returns the subscription list of a user, and the users who are his friends.
    pub fn relations(&self, user: &str) -> (&[String], &[String]) {
        self.user(user).map_or((&[], &[]), |user| (&user.subscriptions, &user.friends))
    }

    /// Returns the devices on which a user is logged in, earliest login first, and whether each has
    /// a session.
    pub fn devices(&self, user: &str) -> impl Iterator<Item = (&Device, bool)> {
        let logins = self.logins.iter().filter(move |login| login.device.user == user);
        logins.map(|login| (&login.device, login.link.is_some()))
    }

    /// Returns how many session ids a device was ever given.
    pub fn given(&self, device: &Device) -> u64 {
        self.given.iter().filter(|given| *given == device).count() as u64
    }

    /// Returns how many session ids were ever given.
    pub fn given_in_all(&self) -> usize {
        self.given.len()
    }

    /// Returns how many sessions there are.
    pub fn sessions(&self) -> usize {
        self.logins.iter().filter(|login| login.link.is_some()).count()
    }

    /// Returns how many push registrations there are.
    pub fn registrations(&self) -> usize {
        self.logins.iter().filter(|login| login.link.is_none()).count()
    }

    /// Returns how many pairs of a watcher and a watched there are, whatever tier and switches say.
    pub fn edges(&self) -> usize {
        let friends_only =
            |user: &User| user.friends.iter().filter(|id| !user.subscriptions.contains(id)).count();
        self.users.iter().map(|user| user.subscriptions.len() + friends_only(user)).sum()
    }
}

/// Time (TI, LV, ST-6, SU-9).
impl Model {
    /// Fires what is due at or before the latest stamp, each timer at its own deadline (TI-3).
    fn fire(&mut self, lines: &mut Vec<Line>) {
        while let Some((at, due)) = self.next_due().filter(|&(at, _)| at <= self.now) {
            match due {
                Due::Break { device, reason } => self.break_link(at, &device, Some(reason), lines),
                Due::ExpirePush { user } => {
                    let before = self.status(&user);
                    self.logins.retain(|login| login.device.user != user);
                    // No event (EV-3). Settling takes the timer away, for the user is Offline.
                    self.settle(at, &user, before, lines);
                }
                Due::ClearSubscriptions { user } => {
                    self.clearings.retain(|(id, _)| *id != user);
                    self.user_mut(&user).subscriptions.clear();
                }
            }
        }
    }

    /// Tells the next timer. The candidates are in the order of TI-5, and of several at the same
    /// millisecond `min_by_key` gives the first.
    fn next_due(&self) -> Option<(u64, Due)> {
        let links = self.logins.iter().filter_map(|login| {
            let device = login.device.clone();
            let (at, reason) = login.link.as_ref()?.due(device.platform, &self.config)?;
            Some((at, Due::Break { device, reason }))
        });
        let pushes = self.push_expiries.iter().filter_map(|(user, since)| {
            let at = since.checked_add(self.config.timeout(Timeout::Push))?;
            Some((at, Due::ExpirePush { user: user.clone() }))
        });
        // An empty list cannot fill while its owner is away, so clearing it has no effect.
        let clearings = self.clearings.iter().filter_map(|(user, since)| {
            let at = since.checked_add(self.config.timeout(Timeout::ClearSubscriptions))?;
            let is_empty = self.user(user).is_none_or(|user| user.subscriptions.is_empty());
            (!is_empty).then(|| (at, Due::ClearSubscriptions { user: user.clone() }))
        });
        links.chain(pushes).chain(clearings).min_by_key(|&(at, _)| at)
    }

    /// Ends a session whose link broke (ST-3, ST-5). `closing` is the reason for which the engine
    /// ends the link; there is none when the host reported it closed (LV-6).
    fn break_link(
        &mut self,
        at: u64,
        device: &Device,
        closing: Option<&'static str>,
        lines: &mut Vec<Line>,
    ) {
        let before = self.status(&device.user);
        if can_push(device.platform) {
            for login in self.logins.iter_mut().filter(|login| login.device == *device) {
                login.link = None;
            }
        } else {
            self.logins.retain(|login| login.device != *device);
        }
        if let Some(reason) = closing {
            lines.push(close(at, device, reason, None));
        }
        let timed_out =
            closing == Some("timed_out") && counted_as(device.platform) != Platform::Web;
        let reason = if timed_out { "time_out" } else { "link_close" };
        lines.push(event(at, device, "disconnect", reason));
        self.settle(at, &device.user, before, lines);
    }

    /// Ends a step that may have changed a user's state or custom status: clears and arms what
    /// hangs on the state, and gives the one status output if anything changed (ST-8).
    fn settle(&mut self, at: u64, id: &str, before: (State, String), lines: &mut Vec<Line>) {
        let state = self.state(id);
        if state == State::Online {
            self.clearings.retain(|(user, _)| user != id);
        }
        if state != State::PushOnline {
            self.push_expiries.retain(|(user, _)| user != id);
        }
        if before.0 == State::Online && state != State::Online {
            self.user_mut(id).custom.clear();
            self.clearings.push((id.to_owned(), at));
        }
        if before.0 != State::PushOnline && state == State::PushOnline {
            self.push_expiries.push((id.to_owned(), at));
        }
        let after = self.status(id);
        if after != before {
            let (state, custom) = after;
            let out = Out::Status { user: id.to_owned(), state, custom, to: self.told(id) };
            lines.push(Line { t: at, out });
        }
    }

    /// Returns the sessions that are told of a user's change, as they stand (NO-2, NO-5).
    fn told(&self, id: &str) -> Vec<String> {
        let sessions = self.logins.iter().filter(|login| login.link.is_some());
        let mut to: Vec<String> = sessions
            .filter(|login| login.device.user == id || self.watches(&login.device.user, id))
            .map(|login| login.device.to_string())
            .collect();
        to.sort();
        to
    }

    /// Returns whether `watcher` is told of `watched` under the configuration in force (NO-4).
    pub fn watches(&self, watcher: &str, watched: &str) -> bool {
        let Some(watcher) = self.user(watcher) else { return false };
        let by_subscription = self.config.tier() == Tier::Flagship
            && self.config.status_switch()
            && watcher.subscriptions.iter().any(|id| id == watched);
        let by_friendship =
            self.config.friend_switch() && watcher.friends.iter().any(|id| id == watched);
        by_subscription || by_friendship
    }
}

/// What stands (ST-1).
impl Model {
    /// Returns the state of a user (ST-1).
    fn state(&self, id: &str) -> State {
        self.state_of(|device| device.user == id)
    }

    /// Returns the state that the devices meant add up to (ST-1, QU-5).
    fn state_of(&self, is_meant: impl Fn(&Device) -> bool) -> State {
        let mut state = State::Offline;
        for login in self.logins.iter().filter(|login| is_meant(&login.device)) {
            if login.link.is_some() {
                return State::Online;
            }
            state = State::PushOnline;
        }
        state
    }

    fn status(&self, id: &str) -> (State, String) {
        let custom = self.user(id).map(|user| user.custom.clone());
        (self.state(id), custom.unwrap_or_default())
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Finds or makes the record of a user. A record alone changes nothing that can be seen.
    fn user_mut(&mut self, id: &str) -> &mut User {
        let place = self.users.iter().position(|user| user.id == id).unwrap_or_else(|| {
            self.users.push(User { id: id.to_owned(), ..User::default() });
            self.users.len() - 1
        });
        &mut self.users[place]
    }
}

impl Link {
    /// Returns when the link counts as broken and why, if it ever does (LV-2, LV-3, TI-9). At the
    /// same millisecond the first reason of the table counts.
    fn due(&self, platform: Platform, config: &Config) -> Option<(u64, &'static str)> {
        let unheard = match platform {
            Platform::Web => Timeout::Web,
            Platform::MiniProgram => Timeout::MiniProgram,
            _ => Timeout::Native,
        };
        [
            (Some(self.heard), unheard, "timed_out"),
            (self.background, Timeout::Background, "background"),
            (self.exit, Timeout::Exit, "exit"),
        ]
        .into_iter()
        .filter_map(|(since, timeout, reason)| {
            Some((since?.checked_add(config.timeout(timeout))?, reason))
        })
        .min_by_key(|&(at, _)| at)
    }
}

fn close(t: u64, device: &Device, reason: &'static str, by: Option<Platform>) -> Line {
    Line { t, out: Out::Close { device: device.clone(), reason, by } }
}

/// An event that is not a login, and so names nobody displaced.
fn event(t: u64, device: &Device, action: &'static str, reason: &'static str) -> Line {
    Line { t, out: Out::Event { action, reason, device: device.clone(), kicked: None } }
}
