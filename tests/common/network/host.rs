//! A host as a user of the engine would write it: it owns the engine and the links, stamps what
//! comes in, and does what the engine says.
//!
//! All that it knows is lost when it crashes, but for the accounts and friendships in its database.

use core::hash::BuildHasherDefault;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::DefaultHasher;

use presence_engine::{
    Config, DeviceId, Engine, LoginError, LoginKind, Output, SessionId, Status, Timestamp,
    UnknownSession,
};

use super::breach::{Breach, Check, check};
use super::ledger::{Ledger, Seat};
use super::scene::{Act, Habits, Scene};
use super::wire::{Ask, Bye, Frame, LinkId, Packet, Stream, Tell, User};

mod orders;
mod requests;

/// Hashes alike in every run, so that a story can be told again.
pub type Presence = Engine<User, BuildHasherDefault<DefaultHasher>>;

/// How long a link stays known after its session has ended, so that its client learns why.
const FAREWELL_MS: u64 = 30_000;
/// How much may wait for a client that does not acknowledge it.
const BACKLOG_MAX: usize = 64;
/// How many heartbeats are collected, at most, by a host that does.
const BATCH_MAX: usize = 16;

/// What is to be sent, before it is stamped with the host's life.
type Outgoing = Vec<(LinkId, Frame<Tell>)>;

pub struct Host {
    pub engine: Presence,
    pub ledger: Ledger,
    pub clock: Clock,
    links: BTreeMap<LinkId, Link>,
    /// The links of live sessions.
    by_session: BTreeMap<SessionId, LinkId>,
    /// Which of the host's lives this is, counted from 1. It is kept on a disk.
    life: u64,
    /// The newest attempt of each client: older ones are dead, whatever still comes of them.
    attempts: BTreeMap<usize, u64>,
    heartbeats: Vec<SessionId>,
    database: Database,
    habits: Habits,
    /// The moment before which, by the engine's word, nothing happens by itself.
    promised: Option<Timestamp>,
    out: Outgoing,
    pub logins: u64,
    pub notifications: u64,
    pub log: Option<Vec<String>>,
}

/// What survives a crash.
#[derive(Clone, Default)]
struct Database {
    accounts: BTreeSet<User>,
    friends: BTreeSet<(User, User)>,
}

/// What the host takes in a turn.
pub enum Incoming {
    Packet(Packet<Ask>),
    /// Of whoever runs it.
    Order(Act),
}

/// The host's clock, which need not go with true time.
#[derive(Clone, Copy)]
pub struct Clock {
    /// What it shows beyond true time.
    pub ahead: i128,
}

struct Link {
    stream: Stream<Tell, Ask>,
    /// Stays after its end: what still comes is the engine's to refuse.
    session: Option<SessionId>,
    ended_at: Option<u64>,
}

impl Clock {
    fn read(self, now: u64) -> Timestamp {
        Timestamp::from_millis(u64::try_from(i128::from(now) + self.ahead).unwrap_or(0))
    }

    /// When the clock will show `at`.
    fn true_time(self, at: Timestamp) -> u64 {
        u64::try_from(i128::from(at.as_millis()) - self.ahead).unwrap_or(0)
    }
}

/// Its life.
impl Host {
    pub fn new(config: Config, habits: Habits, log: Option<Vec<String>>) -> Self {
        Self {
            engine: Presence::with_hasher(config, BuildHasherDefault::default()),
            ledger: Ledger::default(),
            clock: Clock { ahead: habits.epoch.into() },
            links: BTreeMap::new(),
            by_session: BTreeMap::new(),
            life: 1,
            attempts: BTreeMap::new(),
            heartbeats: Vec::new(),
            database: Database::default(),
            habits,
            promised: None,
            out: Vec::new(),
            logins: 0,
            notifications: 0,
            log,
        }
    }

    /// Loses everything and starts anew. Session ids begin from the beginning too, so nothing that
    /// is keyed by them may stay.
    pub fn crash(&mut self, now: u64) -> Result<(), Breach> {
        let config = self.engine.config().clone();
        let old = core::mem::replace(self, Self::new(config, self.habits, None));
        self.clock = old.clock;
        self.life = old.life + 1;
        self.database = old.database;
        (self.logins, self.notifications) = (old.logins, old.notifications);
        self.log = old.log;
        self.restore(now)
    }

    /// What tells both ends that their link is broken, for all links.
    pub fn resets<B>(&self) -> Vec<Packet<B>> {
        let reset = |link: &LinkId| Packet { link: *link, life: self.life, frame: Frame::Reset };
        self.links.keys().map(reset).collect()
    }

    /// Takes a turn: lets time pass, takes what has come in, and repeats what was lost. Returns
    /// what is to be sent.
    pub fn turn(
        &mut self,
        now: u64,
        scene: &Scene,
        inbox: Vec<Incoming>,
    ) -> Result<Vec<Packet<Tell>>, Breach> {
        self.catch_up(now)?;
        for incoming in inbox {
            match incoming {
                Incoming::Packet(packet) => self.receive(now, packet)?,
                Incoming::Order(act) => self.order(now, scene, &act)?,
            }
        }
        self.pass_heartbeats(now)?;
        self.tend_links(now)?;
        self.promised = self.engine.poll_timeout();
        let (life, out) = (self.life, core::mem::take(&mut self.out));
        Ok(out.into_iter().map(|(link, frame)| Packet { link, life, frame }).collect())
    }

    /// When it wants its next turn.
    pub fn next_turn(&self) -> Option<u64> {
        let engine = self.engine.poll_timeout().map(|at| self.clock.true_time(at));
        let links = self
            .links
            .values()
            .flat_map(|link| [link.stream.due(), link.ended_at.map(|at| at + FAREWELL_MS)]);
        links.flatten().chain(engine).min()
    }

    /// The session of a client's newest link, if it is live.
    pub fn session(&self, link: LinkId) -> Option<SessionId> {
        let link = self.links.get(&link)?;
        link.session.filter(|_| link.ended_at.is_none())
    }

    /// How many links there are whose sessions are live.
    pub fn live_links(&self) -> usize {
        self.by_session.len()
    }

    /// Whether the engine was told of all friendships that the database has, and of no others.
    pub fn has_all_friends(&self) -> bool {
        self.ledger.friends().eq(self.database.friends.iter().copied())
    }

    /// Writes down what happens, if it is to be told.
    pub fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>9} {}", line()));
        }
    }

    /// Its stamp for an input.
    pub fn stamp(&self, now: u64) -> Timestamp {
        let read = self.clock.read(now);
        if self.habits.has_raw_clock { read } else { read.max(self.engine.now()) }
    }
}

/// Time, and what the engine says.
impl Host {
    /// Fires all that is due, in portions, as an input would fire it all at once.
    pub fn catch_up(&mut self, now: u64) -> Result<(), Breach> {
        let promised = self.promised.take();
        let stamp = self.stamp(now);
        let mut is_first = true;
        loop {
            self.engine.handle_timeout(stamp);
            let first = self.drain(now)?;
            if let Some(at) = first.filter(|_| is_first) {
                check(Check::Wakeup, promised.is_some_and(|next| next <= at), || {
                    format!("something was due at {at}, but the engine wanted {promised:?}")
                })?;
            }
            is_first &= first.is_none();
            let latest = self.engine.now();
            if self.engine.poll_timeout().is_none_or(|next| next > latest) {
                self.promised = self.engine.poll_timeout();
                return Ok(());
            }
        }
    }

    /// Does all that the engine has found to be done. Returns the time of the first of it.
    fn drain(&mut self, now: u64) -> Result<Option<Timestamp>, Breach> {
        if self.engine.stats().pending_outputs == 0 {
            return Ok(None);
        }
        let Self { engine, ledger, links, by_session, out, log, notifications, .. } = self;
        let config = engine.config().clone();
        let mut first = None;
        while let Some(output) = engine.poll_output() {
            if let Some(log) = log {
                log.push(format!("{now:>9}     {output:?}"));
            }
            let at = match output {
                Output::Close(close) => {
                    ledger.closed(&config, &close)?;
                    if let Some(id) = by_session.remove(&close.session) {
                        if let Some(link) = links.get_mut(&id) {
                            link.ended_at = Some(now);
                            link.tell(now, id, Tell::Bye(Bye::Closed(close.reason)), out);
                        }
                    }
                    close.at
                }
                Output::Event(event) => {
                    ledger.event(&config, &event)?;
                    event.at
                }
                Output::Status(change) => {
                    ledger.status(&config, &change)?;
                    let status = Status { state: change.state, custom: change.custom.to_owned() };
                    for session in change.to {
                        let Some(id) = by_session.get(session) else { continue };
                        let Some(link) = links.get_mut(id) else { continue };
                        let (at, user) = (change.at.as_millis(), *change.user);
                        let news = Tell::News { at, user, status: status.clone() };
                        link.tell(now, *id, news, out);
                        *notifications += 1;
                    }
                    change.at
                }
            };
            first.get_or_insert(at);
        }
        Ok(first)
    }
}

/// Links.
impl Host {
    fn receive(&mut self, now: u64, packet: Packet<Ask>) -> Result<(), Breach> {
        let id = packet.link;
        let is_of_this_life = packet.life == 0 || packet.life == self.life;
        if !is_of_this_life || !self.links.contains_key(&id) && !self.accept(&packet) {
            if !matches!(packet.frame, Frame::Reset) {
                self.out.push((id, Frame::Reset));
            }
            return Ok(());
        }
        match packet.frame {
            Frame::Reset => self.break_link(now, id)?,
            Frame::Ping => {
                self.out.push((id, Frame::Pong));
                if let Some(session) = self.links.get(&id).and_then(|link| link.session) {
                    self.heartbeat(now, session)?;
                }
            }
            Frame::Pong => {}
            Frame::Ack { next } => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.stream.acknowledge(now, next);
                }
            }
            Frame::Data { nth, body } => {
                let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
                let (ready, frame) = link.stream.take(nth, body);
                self.out.push((id, frame));
                for ask in ready {
                    self.answer(now, id, ask)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a new link, if it is one: a frame of an old attempt may still be on its way.
    fn accept(&mut self, packet: &Packet<Ask>) -> bool {
        let LinkId { client, attempt } = packet.link;
        let newest = self.attempts.entry(client).or_default();
        let is_login = matches!(packet.frame, Frame::Data { body: Ask::Login { .. }, .. });
        if !is_login || attempt <= *newest {
            return false;
        }
        *newest = attempt;
        let link = Link { stream: Stream::new(), session: None, ended_at: None };
        self.links.insert(packet.link, link);
        true
    }

    /// The link is seen to be broken. The engine orders no `Close` of a link that it did not end.
    fn break_link(&mut self, now: u64, id: LinkId) -> Result<(), Breach> {
        let Some(link) = self.links.remove(&id) else { return Ok(()) };
        let Some(session) = link.session else { return Ok(()) };
        self.note(now, || format!("{id:?} breaks: link_closed({session})"));
        self.by_session.remove(&session);
        let stamp = self.stamp(now);
        let done = self.engine.link_closed(stamp, session);
        self.check_live(session, done.is_ok())?;
        self.ledger.end(session);
        self.drain(now).map(|_| ())
    }

    fn tend_links(&mut self, now: u64) -> Result<(), Breach> {
        let mut slow = Vec::new();
        for (id, link) in &mut self.links {
            let frames = link.stream.resend(now);
            if !self.habits.is_careless {
                self.out.extend(frames.into_iter().map(|frame| (*id, frame)));
            }
            if link.ended_at.is_none() && link.stream.backlog() > BACKLOG_MAX {
                slow.push(*id);
            }
        }
        self.links.retain(|_, link| {
            link.ended_at.is_none_or(|at| now < at + FAREWELL_MS && link.stream.backlog() > 0)
        });
        slow.into_iter().try_for_each(|id| self.break_link(now, id))
    }

    /// What the engine says of a session must be what it has said before: an ended one is refused
    /// ever after (LV-7), a live one is not.
    fn check_live(&self, session: SessionId, is_known: bool) -> Result<(), Breach> {
        check(Check::Session, is_known == self.ledger.is_live(session), || {
            format!("{session} is known to the engine: {is_known}, but should not be so")
        })
    }
}

/// Heartbeats.
impl Host {
    fn heartbeat(&mut self, now: u64, session: SessionId) -> Result<(), Breach> {
        if self.habits.has_batches {
            self.heartbeats.push(session);
            return if self.heartbeats.len() < BATCH_MAX {
                Ok(())
            } else {
                self.pass_heartbeats(now)
            };
        }
        let heard = self.engine.heartbeat(self.stamp(now), session);
        self.heard(session, heard)
    }

    fn pass_heartbeats(&mut self, now: u64) -> Result<(), Breach> {
        if self.heartbeats.is_empty() {
            return Ok(());
        }
        let sessions = core::mem::take(&mut self.heartbeats);
        let heard = self.engine.heartbeats(self.stamp(now), &sessions);
        let live = sessions.iter().filter(|session| self.ledger.is_live(**session)).count();
        let stamp = self.engine.now().as_millis();
        sessions.iter().for_each(|session| self.ledger.hear(stamp, *session));
        check(Check::Session, heard == live, || {
            format!("{heard} of {sessions:?} are heard, but {live} of them are live")
        })
    }

    fn heard(
        &mut self,
        session: SessionId,
        heard: Result<(), UnknownSession>,
    ) -> Result<(), Breach> {
        self.check_live(session, heard.is_ok())?;
        self.ledger.hear(self.engine.now().as_millis(), session);
        Ok(())
    }

    /// Keeps all who are connected alive for so long, without a network (TI-3 in the long run).
    pub fn idle_for(&mut self, now: u64, span: u64, beat: u64) -> Result<(), Breach> {
        let sessions: Vec<_> = self.by_session.keys().copied().collect();
        let end = now + span;
        let mut at = now;
        while at < end {
            at = if sessions.is_empty() { end } else { end.min(at + beat) };
            self.catch_up(at)?;
            self.heartbeats.clone_from(&sessions);
            self.pass_heartbeats(at)?;
            self.promised = self.engine.poll_timeout();
        }
        Ok(())
    }
}

/// Logins.
impl Host {
    fn login(&mut self, now: u64, id: LinkId, seat: Seat, kind: LoginKind) -> Result<(), Breach> {
        let (user, platform) = (seat.user, seat.platform);
        let device = DeviceId::new(&seat.device);
        let stamp = self.stamp(now);
        let session = self.engine.login(stamp, &user, platform, device, kind);
        self.note(now, || format!("{id:?} logs in as {user:?} on {platform}: {session:?}"));
        let at = self.engine.now().as_millis();
        let is_refused = self.ledger.spends_note(self.engine.config(), at, &seat, kind);
        check(Check::Policy, is_refused == (session == Err(LoginError::KickedOffline)), || {
            format!("{seat:?} is to be refused as kicked: {is_refused}, but {session:?}")
        })?;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        match session {
            Ok(session) => {
                self.logins += 1;
                self.database.accounts.insert(user);
                // Before the outputs are drained, as a newcomer is told of himself.
                link.session = Some(session);
                self.by_session.insert(session, id);
                self.ledger.open(self.engine.config(), at, session, seat.clone());
                let list = self.engine.subscriptions(&user).copied().collect();
                let friends = self.engine.friends(&user).copied().collect();
                link.tell(now, id, Tell::LoggedIn { at, list, friends }, &mut self.out);
                self.drain(now)?;
                self.ledger.check_company(self.engine.config(), &seat)?;
                self.check_list(user)
            }
            Err(LoginError::KickedOffline) => {
                link.ended_at = Some(now);
                link.tell(now, id, Tell::Bye(Bye::KickedOffline), &mut self.out);
                self.drain(now).map(|_| ())
            }
            Err(error) => Err(Breach { check: Check::Answer, what: format!("{seat:?}: {error}") }),
        }
    }

    fn check_list(&self, user: User) -> Result<(), Breach> {
        let list: Vec<_> = self.engine.subscriptions(&user).copied().collect();
        check(Check::List, list == self.ledger.list(user), || {
            format!("{user:?} has {list:?}, but should have {:?}", self.ledger.list(user))
        })
    }
}

impl Link {
    fn tell(&mut self, now: u64, id: LinkId, tell: Tell, out: &mut Outgoing) {
        out.push((id, self.stream.send(now, tell)));
    }
}
