//! The host's calls and the engine's outputs, added up in plain maps: what is true by the rules,
//! as far as it can be said without an engine.
//!
//! Every output is checked against it the moment it is drained. For that the host lets time pass
//! and drains before each call, so that what comes after a call comes from that call.

use std::collections::{BTreeMap, BTreeSet};

use presence_engine::{
    Accounts, Action, Close, CloseReason, Config, DeviceId, Event, KickedAway, Limit, LoginKind,
    Platform, Policy, Reason, SessionId, State, StatusChange, Timeout,
};

use super::breach::{Breach, Check, check};
use super::scene::silence_ms;
use super::wire::User;

/// For so long a note of a kick is kept (ML-10).
pub const NOTE_MS: u64 = 604_800_000;

/// Which user's device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    pub user: User,
    pub platform: Platform,
    pub device: String,
}

impl Seat {
    pub fn is(&self, user: User, platform: Platform, device: &DeviceId) -> bool {
        (self.user, self.platform, self.device.as_str()) == (user, platform, device.as_str())
    }
}

/// A session that has not ended.
#[derive(Clone, Debug)]
struct Live {
    seat: Seat,
    heard: u64,
    background: Option<u64>,
    exit: Option<u64>,
}

/// A device that is logged in, with a session or to be pushed to.
#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    /// The how manieth login of all that was.
    nth: u64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    sessions: BTreeMap<SessionId, Live>,
    /// By the back end's events alone: who is logged in.
    back_end: BTreeMap<Seat, Entry>,
    logins: u64,
    /// The devices that were kicked while they were away, and when (ML-10).
    notes: BTreeMap<Seat, u64>,
    lists: BTreeMap<User, Vec<User>>,
    friends: BTreeSet<(User, User)>,
    known: BTreeSet<User>,
    customs: BTreeMap<User, String>,
    /// When a user's state was last given as PushOnline, while it is.
    pushed: BTreeMap<User, u64>,
    /// When a user left Online, while he is away.
    left: BTreeMap<User, u64>,
    latest: u64,
}

/// Whom a session opens and closes, and when it is heard.
impl Ledger {
    pub fn open(&mut self, config: &Config, now: u64, session: SessionId, seat: Seat) {
        let user = seat.user;
        self.known.insert(user);
        if let Some(left) = self.left.remove(&user) {
            if now - left >= config.timeout(Timeout::ClearSubscriptions) {
                self.lists.remove(&user);
            }
        }
        self.sessions.insert(session, Live { seat, heard: now, background: None, exit: None });
    }

    /// Whom a newcomer displaces, earliest login first: those whom he excludes, and on his own
    /// platform as many as it takes (ML-2 to ML-6). His own old login is not among them (ML-7).
    fn displaced_by(&self, config: &Config, newcomer: &Seat) -> Vec<Seat> {
        let own = newcomer.platform.counted_as();
        let others = self.back_end.iter().filter(|(seat, _)| seat.user == newcomer.user);
        let mut others: Vec<_> = others.filter(|(seat, _)| *seat != newcomer).collect();
        others.sort_by_key(|(_, entry)| entry.nth);
        let platform = |seat: &Seat| seat.platform.counted_as();
        let beside = others.iter().filter(|(seat, _)| platform(seat) == own).count() as u64;
        let mut surplus = (beside + 1).saturating_sub(config.max_instances(own));
        others.retain(|(seat, _)| {
            if platform(seat) != own {
                return are_together(config.policy(), platform(seat), own);
            }
            let goes = surplus > 0;
            surplus = surplus.saturating_sub(1);
            goes
        });
        others.into_iter().map(|(seat, _)| seat.clone()).collect()
    }

    /// Whether a login is to be refused for a note of a kick, which is spent then (ML-10).
    pub fn spends_note(&mut self, config: &Config, now: u64, seat: &Seat, kind: LoginKind) -> bool {
        let noted = self.notes.remove(seat).is_some_and(|at| now - at < NOTE_MS);
        let KickedAway { on_reconnect, on_login } = config.kicked_away();
        noted && on_reconnect && (kind == LoginKind::Reconnect || on_login)
    }

    /// Checks that a newcomer is beside none of those that he excludes (ML-2 to ML-4).
    pub fn check_company(&self, config: &Config, newcomer: &Seat) -> Result<(), Breach> {
        let platform = newcomer.platform.counted_as();
        let mut instances = 0;
        for seat in self.back_end.keys().filter(|seat| seat.user == newcomer.user) {
            let other = seat.platform.counted_as();
            instances += u64::from(other == platform);
            let is_excluded = other != platform && are_together(config.policy(), other, platform);
            check(Check::Policy, !is_excluded, || format!("{seat:?} stays beside {newcomer:?}"))?;
        }
        check(Check::Policy, instances <= config.max_instances(platform), || {
            format!("{newcomer:?} is one of {instances} on his platform")
        })
    }

    pub fn is_live(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    pub fn live(&self) -> impl Iterator<Item = (SessionId, &Seat)> {
        self.sessions.iter().map(|(session, live)| (*session, &live.seat))
    }

    pub fn user(&self, session: SessionId) -> Option<User> {
        self.sessions.get(&session).map(|live| live.seat.user)
    }

    pub fn hear(&mut self, now: u64, session: SessionId) {
        if let Some(live) = self.sessions.get_mut(&session) {
            live.heard = now;
        }
    }

    /// A mini program is put in the background, or left by its exit control.
    pub fn leave(&mut self, now: u64, session: SessionId, by_exit: bool) {
        let Some(live) = self.sessions.get_mut(&session) else { return };
        if live.seat.platform == Platform::MiniProgram {
            let since = if by_exit { &mut live.exit } else { &mut live.background };
            since.get_or_insert(now);
        }
    }

    pub fn come_back(&mut self, session: SessionId) {
        if let Some(live) = self.sessions.get_mut(&session) {
            (live.background, live.exit) = (None, None);
        }
    }

    pub fn end(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// When a session ends unless it is heard from, and why.
    fn deadline(config: &Config, live: &Live) -> (u64, CloseReason) {
        let silence = silence_ms(config, live.seat.platform);
        let mut end = (live.heard + silence, CloseReason::TimedOut);
        let ways = [
            (live.background, Timeout::Background, CloseReason::Background),
            (live.exit, Timeout::Exit, CloseReason::Exit),
        ];
        for (since, timeout, reason) in ways {
            if let Some(at) = since.map(|since| since + config.timeout(timeout)) {
                if at < end.0 {
                    end = (at, reason);
                }
            }
        }
        end
    }
}

/// Who watches whom.
impl Ledger {
    pub fn befriend(&mut self, owner: User, friend: User) {
        self.friends.insert((owner, friend));
    }

    pub fn unfriend(&mut self, owner: User, friend: User) {
        self.friends.remove(&(owner, friend));
    }

    pub fn register(&mut self, user: User) {
        self.known.insert(user);
    }

    pub fn is_known(&self, config: &Config, user: User) -> bool {
        config.accounts() == Accounts::Open || self.known.contains(&user)
    }

    /// Subscribes by SU-2 to SU-6. Returns who must have failed, and who must have been evicted.
    pub fn subscribe(
        &mut self,
        config: &Config,
        watcher: User,
        users: &[User],
    ) -> (Vec<User>, Vec<User>) {
        let exists = |user: &&User| self.is_known(config, **user) && **user != watcher;
        let (good, failed): (Vec<_>, Vec<_>) = users.iter().partition(exists);
        let list = self.lists.entry(watcher).or_default();
        let mut evicted: Vec<User> = Vec::new();
        for user in good {
            list.retain(|other| *other != user);
            list.push(user);
            while list.len() as u64 > config.limit(Limit::Subscriptions) {
                let oldest = list.remove(0);
                evicted.retain(|other| *other != oldest);
                evicted.push(oldest);
            }
        }
        evicted.retain(|user| !list.contains(user));
        (failed, evicted)
    }

    /// Takes users out of a list, all of them if none is named. Returns who went.
    pub fn unsubscribe(&mut self, watcher: User, users: &[User]) -> Vec<User> {
        let list = self.lists.entry(watcher).or_default();
        let goes = |user: &User| users.is_empty() || users.contains(user);
        let (gone, kept) = list.iter().partition(|user| goes(user));
        *list = kept;
        gone
    }

    pub fn list(&self, watcher: User) -> &[User] {
        self.lists.get(&watcher).map_or(&[], Vec::as_slice)
    }

    pub fn friends(&self) -> impl Iterator<Item = (User, User)> {
        self.friends.iter().copied()
    }

    pub fn known(&self) -> impl Iterator<Item = User> {
        self.known.iter().copied()
    }

    pub fn say(&mut self, user: User, custom: &str) {
        self.customs.insert(user, custom.to_owned());
    }

    /// Erases a user (AC-3). His sessions have been seen to end before.
    pub fn erase(&mut self, user: User) {
        self.known.remove(&user);
        self.lists.remove(&user);
        self.lists.values_mut().for_each(|list| list.retain(|other| *other != user));
        self.friends.retain(|&(owner, friend)| owner != user && friend != user);
        self.left.remove(&user);
        self.notes.retain(|seat, _| seat.user != user);
    }

    fn may_hear(&self, config: &Config, live: &Live, user: User) -> bool {
        let watcher = live.seat.user;
        let subscriptions_count = config.tier().has_subscriptions() && config.status_switch();
        watcher == user
            || config.friend_switch() && self.friends.contains(&(watcher, user))
            || subscriptions_count && self.list(watcher).contains(&user)
    }

    pub fn custom(&self, user: User) -> &str {
        self.customs.get(&user).map_or("", String::as_str)
    }

    /// A user's state by his sessions and by the back end's events.
    pub fn state(&self, user: User) -> State {
        if self.sessions.values().any(|live| live.seat.user == user) {
            return State::Online;
        }
        let of_user = |seat: &Seat| seat.user == user;
        if self.back_end.keys().any(of_user) { State::PushOnline } else { State::Offline }
    }
}

/// What the engine says.
impl Ledger {
    pub fn closed(&mut self, config: &Config, close: &Close<'_, User>) -> Result<(), Breach> {
        let (at, session) = (close.at.as_millis(), close.session);
        self.pass(at)?;
        let Some(live) = self.sessions.remove(&session) else {
            let what = format!("{session} is closed, but is not live");
            return Err(Breach { check: Check::Session, what });
        };
        let (deadline, why) = Self::deadline(config, &live);
        let by_time = [CloseReason::TimedOut, CloseReason::Background, CloseReason::Exit];
        let is_right = match by_time.contains(&close.reason) {
            true => (at, close.reason) == (deadline, why),
            false => at < deadline,
        };
        check(Check::Session, is_right, || {
            format!("{live:?} ends at {at} as {:?}, but has until {deadline}", close.reason)
        })
    }

    pub fn event(&mut self, config: &Config, event: &Event<'_, User>) -> Result<(), Breach> {
        let at = event.at.as_millis();
        self.pass(at)?;
        let of = |platform, device: &DeviceId| Seat {
            user: *event.user,
            platform,
            device: device.as_str().to_owned(),
        };
        let seat = of(event.platform, event.device);
        match event.action {
            Action::Login => {
                let given = event.displaced.iter();
                let given: Vec<_> = given.map(|(platform, id)| of(platform, id)).collect();
                let displaced = self.displaced_by(config, &seat);
                check(Check::Policy, given == displaced, || {
                    format!("{seat:?} displaces {given:?} for {displaced:?}")
                })?;
                for other in displaced {
                    let entry = self.back_end.remove(&other);
                    if entry.is_some_and(|entry| entry.state == State::PushOnline) {
                        self.notes.insert(other, at);
                    }
                }
                self.logins += 1;
                self.back_end.insert(seat, Entry { state: State::Online, nth: self.logins });
            }
            Action::Disconnect if seat.platform.can_push() => {
                let entry = self.back_end.get_mut(&seat);
                check(Check::Session, entry.is_some(), || format!("{seat:?} was not in"))?;
                entry.into_iter().for_each(|entry| entry.state = State::PushOnline);
            }
            Action::Disconnect | Action::Logout => {
                let was_in = self.back_end.remove(&seat).is_some();
                let is_right = event.reason != Reason::SetCustomStatus;
                check(Check::Session, was_in && is_right, || format!("{seat:?} was not in"))?;
            }
            _ => {}
        }
        Ok(())
    }

    pub fn status(
        &mut self,
        config: &Config,
        change: &StatusChange<'_, User>,
    ) -> Result<(), Breach> {
        let (at, user) = (change.at.as_millis(), *change.user);
        self.pass(at)?;
        self.check_told(config, change)?;
        if change.state != State::Online {
            self.customs.remove(&user);
            self.left.entry(user).or_insert(at);
        }
        if change.state == State::Offline {
            let expiry = self.pushed.get(&user).map(|since| since + config.timeout(Timeout::Push));
            if expiry == Some(at) {
                self.back_end.retain(|seat, _| seat.user != user);
            }
        }
        let (state, custom) = (self.state(user), self.custom(user));
        check(Check::Status, (change.state, change.custom) == (state, custom), || {
            format!("{user:?} is {state} {custom:?} at {at}, but is given as {change:?}")
        })?;
        match state {
            State::PushOnline => self.pushed.insert(user, at),
            _ => self.pushed.remove(&user),
        };
        Ok(())
    }

    fn check_told(&self, config: &Config, change: &StatusChange<'_, User>) -> Result<(), Breach> {
        let mut told = BTreeSet::new();
        for session in change.to {
            let live = self.sessions.get(session);
            let may = live.is_some_and(|live| self.may_hear(config, live, *change.user));
            check(Check::Privacy, may, || format!("{live:?} ({session}) is told of {change:?}"))?;
            let is_first = told.insert(session);
            check(Check::Privacy, is_first, || format!("{session} is told twice of {change:?}"))?;
        }
        let mut live = self.sessions.iter();
        let left_out = live.find(|(session, live)| {
            self.may_hear(config, live, *change.user) && !told.contains(session)
        });
        check(Check::Told, left_out.is_none(), || format!("{left_out:?} is not told of {change:?}"))
    }

    /// Time in the outputs never runs back.
    fn pass(&mut self, at: u64) -> Result<(), Breach> {
        let latest = self.latest;
        self.latest = at.max(latest);
        check(Check::Session, at >= latest, || format!("an output of {at} comes after {latest}"))
    }
}

/// Whether two platforms stand in one group (ML-2). Neither is a mini program.
fn are_together(policy: Policy, a: Platform, b: Platform) -> bool {
    let group = |platform| match platform {
        Platform::Android | Platform::Iphone | Platform::Ipad => 0,
        Platform::Windows | Platform::Mac | Platform::Linux => 1,
        Platform::Web | Platform::MiniProgram => 2,
    };
    match policy {
        Policy::Single => true,
        Policy::Dual => (group(a) == 2) == (group(b) == 2),
        Policy::Triple => group(a) == group(b),
        Policy::Multi => a == b,
        Policy::Groups(groups) => groups.are_together(a, b),
    }
}

/// What must hold whenever the engine has caught up with time.
impl Ledger {
    pub fn check_deadlines(&self, config: &Config, now: u64) -> Result<(), Breach> {
        for (session, live) in &self.sessions {
            let (deadline, _) = Self::deadline(config, live);
            check(Check::Session, now < deadline, || {
                format!("{session} of {live:?} is alive at {now}, but had until {deadline}")
            })?;
        }
        for (user, since) in &self.pushed {
            let deadline = since + config.timeout(Timeout::Push);
            check(Check::Status, now < deadline, || {
                format!("{user:?} is PushOnline at {now}, but had until {deadline}")
            })?;
        }
        Ok(())
    }

    pub fn back_end(&self) -> impl Iterator<Item = (&Seat, State)> {
        self.back_end.iter().map(|(seat, entry)| (seat, entry.state))
    }
}
