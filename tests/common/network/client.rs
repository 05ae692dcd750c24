//! A client: a device with an app that its user opens and leaves.
//!
//! It keeps itself connected as long as the user has it open. A link of which nothing is heard is
//! given up, and after a while, longer each time, another attempt is made. After each login it asks
//! for all that it wants to see, and from then on it lives by what it is told.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use presence_engine::{CloseReason, Config, LoginKind, Status};

use super::breach::{Breach, Check, check};
use super::dice::mix;
use super::scene::{Device, silence_ms};
use super::wire::{Answer, Ask, Bye, Frame, LinkId, Packet, Stream, Tell, User};

/// How long an attempt to log in may take.
const LOGIN_MS: u64 = 15_000;
/// How long it waits before another attempt: at first, and at most.
const BACKOFF_MS: u64 = 500;
const BACKOFF_MAX_MS: u64 = 30_000;

pub struct Client {
    number: usize,
    device: Device,
    heartbeat_ms: u64,
    life: Life,
    asleep_until: u64,
    /// How many attempts there ever were. It is kept on the disk of the device.
    attempts: u64,
    failures: u32,
    /// Whom the user wants to watch on this device, and what he last said of himself.
    wishes: BTreeSet<User>,
    says: String,
    pub seen: Seen,
}

/// Whom a client watches, by what it was told, and what it sees of them.
#[derive(Default)]
pub struct Seen {
    pub listed: BTreeSet<User>,
    pub friends: BTreeSet<User>,
    pub statuses: BTreeMap<User, Status>,
    /// The host's time of the login: nothing from before is news.
    since: u64,
}

/// What a client does with itself.
enum Life {
    /// The user does not have it open. If the whole device is gone, nothing answers there.
    Off {
        is_silent: bool,
    },
    /// It waits before another attempt.
    Waiting {
        until: u64,
        kind: LoginKind,
    },
    Linked(Box<Link>),
}

struct Link {
    id: LinkId,
    /// The host's life with which it is connected, 0 before the first that is heard of it.
    host_life: u64,
    stream: Stream<Ask, Tell>,
    is_in: bool,
    opened_at: u64,
    heard_at: u64,
    pinged_at: u64,
    /// What is still to be asked, and what has been and is not answered.
    to_ask: VecDeque<Ask>,
    asked: Option<Ask>,
    ask_at: u64,
}

/// What the client sends.
pub type Outgoing = Vec<Packet<Ask>>;

/// What its user does with it.
impl Client {
    pub fn new(number: usize, device: Device, config: &Config) -> Self {
        let heartbeat_ms = silence_ms(config, device.platform) * 3 / 10;
        Self {
            number,
            device,
            heartbeat_ms,
            life: Life::Off { is_silent: false },
            asleep_until: 0,
            attempts: 0,
            failures: 0,
            wishes: BTreeSet::new(),
            says: String::new(),
            seen: Seen::default(),
        }
    }

    pub fn open(&mut self, now: u64) {
        if matches!(self.life, Life::Off { .. }) {
            self.failures = 0;
            self.life = Life::Waiting { until: now, kind: LoginKind::Login };
        }
    }

    /// The user logs out. Without a session there is nobody to tell.
    pub fn logout(&mut self, now: u64, out: &mut Outgoing) {
        self.says.clear();
        self.wishes.clear();
        match &mut self.life {
            Life::Linked(link) if link.is_in => link.to_ask.push_back(Ask::Logout),
            _ => self.kill(out),
        }
        self.wake(now, out);
    }

    /// The app is killed. What runs the device tells the host that the link is closed.
    pub fn kill(&mut self, out: &mut Outgoing) {
        if let Life::Linked(link) = &self.life {
            out.push(link.packet(Frame::Reset));
        }
        self.life = Life::Off { is_silent: false };
    }

    /// The device is gone, and says nothing to anybody.
    pub fn vanish(&mut self) {
        self.life = Life::Off { is_silent: true };
    }

    /// The device sleeps: it neither hears nor says anything.
    pub fn sleep(&mut self, until: u64) {
        self.asleep_until = self.asleep_until.max(until);
    }

    /// The network of the device changes. It gives the link up, and the host hears nothing of it.
    pub fn roam(&mut self, now: u64) {
        if let Life::Linked(_) = self.life {
            self.life = Life::Waiting { until: now, kind: LoginKind::Reconnect };
        }
    }

    pub fn say(&mut self, text: &str) {
        self.says = text.to_owned();
        self.ask(Ask::Say(text.to_owned()));
    }

    pub fn watch(&mut self, users: &[User]) {
        self.wishes.extend(users);
        self.ask(Ask::Subscribe(users.to_vec()));
        self.ask(Ask::Query(users.to_vec()));
    }

    pub fn unwatch(&mut self, users: &[User]) {
        self.wishes.retain(|user| !users.is_empty() && !users.contains(user));
        self.ask(Ask::Unsubscribe(users.to_vec()));
    }

    /// Asks when it is next possible; never, if the client is not logged in.
    pub fn ask(&mut self, ask: Ask) {
        if let Life::Linked(link) = &mut self.life {
            if link.is_in {
                link.to_ask.push_back(ask);
            }
        }
    }
}

/// What others see of it.
impl Client {
    pub fn is_open(&self) -> bool {
        !matches!(self.life, Life::Off { .. })
    }

    /// The link on which it is logged in and has nothing more to ask.
    pub fn settled_link(&self) -> Option<LinkId> {
        match &self.life {
            Life::Linked(link) if link.is_in && link.is_idle() => Some(link.id),
            _ => None,
        }
    }
}

/// What it does by itself.
impl Client {
    /// When it next has something to do.
    pub fn next_wake(&self) -> Option<u64> {
        let at = match &self.life {
            Life::Off { .. } => return None,
            Life::Waiting { until, .. } => *until,
            Life::Linked(link) => {
                let asks = (!link.to_ask.is_empty() && link.asked.is_none()).then_some(link.ask_at);
                let ping = link.is_in.then(|| link.pinged_at + self.span(self.heartbeat_ms));
                let times = [Some(self.gives_up_at(link)), asks, ping, link.stream.due()];
                times.into_iter().flatten().min()?
            }
        };
        Some(at.max(self.asleep_until))
    }

    pub fn wake(&mut self, now: u64, out: &mut Outgoing) {
        if now < self.asleep_until {
            return;
        }
        match &self.life {
            Life::Waiting { until, kind } if now >= *until => self.connect(now, *kind, out),
            Life::Linked(link) if now >= self.gives_up_at(link) => self.lose(now),
            _ => {}
        }
        let heartbeat = self.span(self.heartbeat_ms);
        let Life::Linked(link) = &mut self.life else { return };
        if link.is_in && now >= link.pinged_at + heartbeat {
            link.pinged_at = now;
            out.push(link.packet(Frame::Ping));
        }
        if link.asked.is_none() && now >= link.ask_at {
            if let Some(ask) = link.to_ask.pop_front() {
                link.asked = Some(ask.clone());
                link.send(now, ask, out);
            }
        }
        let again = link.stream.resend(now);
        out.extend(again.into_iter().map(|frame| link.packet(frame)));
    }

    fn connect(&mut self, now: u64, kind: LoginKind, out: &mut Outgoing) {
        self.attempts += 1;
        let mut link = Link {
            id: LinkId { client: self.number, attempt: self.attempts },
            host_life: 0,
            stream: Stream::new(),
            is_in: false,
            opened_at: now,
            heard_at: now,
            pinged_at: now,
            to_ask: VecDeque::new(),
            asked: None,
            ask_at: now,
        };
        let (user, platform) = (self.device.user, self.device.platform);
        link.send(now, Ask::Login { user, platform, kind }, out);
        self.life = Life::Linked(Box::new(link));
    }

    /// When a link counts as dead on which nothing more is heard.
    fn gives_up_at(&self, link: &Link) -> u64 {
        match link.is_in {
            true => link.heard_at + self.span(2 * self.heartbeat_ms + LOGIN_MS),
            false => link.opened_at + self.span(LOGIN_MS),
        }
    }

    /// Gives the link up, and waits for a while that no other client waits too.
    fn lose(&mut self, now: u64) {
        if matches!(&self.life, Life::Linked(link) if link.is_leaving()) {
            self.life = Life::Off { is_silent: false };
            return;
        }
        let backoff = BACKOFF_MAX_MS.min(BACKOFF_MS << self.failures.min(10));
        self.failures += 1;
        let spread = mix(&[self.number as u64, self.attempts]) % backoff;
        let until = now + self.span(backoff + spread);
        self.life = Life::Waiting { until, kind: LoginKind::Reconnect };
    }

    /// Turns a span of the device's own clock into true time.
    fn span(&self, ms: u64) -> u64 {
        ms * self.device.clock / 1_000
    }
}

/// What it hears.
impl Client {
    pub fn receive(
        &mut self,
        now: u64,
        packet: Packet<Tell>,
        out: &mut Outgoing,
    ) -> Result<(), Breach> {
        if now < self.asleep_until || matches!(self.life, Life::Off { is_silent: true }) {
            return Ok(());
        }
        let link = match &mut self.life {
            Life::Linked(link) if link.id == packet.link => link,
            _ => {
                // Of a link that it has given up, so the host may forget it too.
                if !matches!(packet.frame, Frame::Reset) {
                    let Packet { link, life, .. } = packet;
                    out.push(Packet { link, life, frame: Frame::Reset });
                }
                return Ok(());
            }
        };
        if packet.life < link.host_life {
            return Ok(());
        }
        if packet.life > link.host_life && link.host_life != 0 {
            // The host has crashed since, and taken a login for new that it repeated.
            out.push(Packet { link: link.id, life: packet.life, frame: Frame::Reset });
            self.lose(now);
            return Ok(());
        }
        link.host_life = packet.life;
        link.heard_at = now;
        match packet.frame {
            Frame::Ping | Frame::Pong => {}
            Frame::Ack { next } => link.stream.acknowledge(now, next),
            Frame::Reset => self.lose(now),
            Frame::Data { nth, body } => {
                let (ready, frame) = link.stream.take(nth, body);
                out.push(link.packet(frame));
                for tell in ready {
                    self.hear(now, tell)?;
                }
            }
        }
        self.wake(now, out);
        Ok(())
    }

    fn hear(&mut self, now: u64, tell: Tell) -> Result<(), Breach> {
        let me = self.device.user;
        match tell {
            Tell::LoggedIn { at, list, friends } => self.enter(at, &list, &friends),
            Tell::Answer(answer) => self.take_answer(now, answer),
            Tell::News { at, user, status } => {
                let may = self.seen.watches(me, user) && at >= self.seen.since;
                check(Check::Privacy, may, || {
                    format!("client {} is told that {user:?} is {status:?} at {at}", self.number)
                })?;
                self.seen.statuses.insert(user, status);
            }
            Tell::Listed(statuses) => {
                self.seen.listed.extend(statuses.iter().map(|(user, _)| *user));
                self.seen.statuses.extend(statuses);
            }
            Tell::Unlisted(users) => self.seen.unlist(&users),
            Tell::Befriended(user, status) => {
                self.seen.friends.insert(user);
                self.seen.statuses.insert(user, status);
            }
            Tell::Unfriended(user) => {
                self.seen.friends.remove(&user);
            }
            Tell::Erased(user) => {
                self.seen.friends.remove(&user);
                self.seen.unlist(&[user]);
            }
            Tell::Resync => self.ask_all(),
            Tell::Bye(bye) => self.leave(now, bye),
        }
        Ok(())
    }

    /// Begins with an empty view, and asks for everything.
    fn enter(&mut self, at: u64, list: &[User], friends: &[User]) {
        let Life::Linked(link) = &mut self.life else { return };
        link.is_in = true;
        self.failures = 0;
        self.seen = Seen {
            listed: list.iter().copied().collect(),
            friends: friends.iter().copied().collect(),
            statuses: BTreeMap::new(),
            since: at,
        };
        if !self.says.is_empty() {
            self.ask(Ask::Say(self.says.clone()));
        }
        self.ask_all();
    }

    /// Asks for all that it is to see: first to be told of it, then for what is.
    fn ask_all(&mut self) {
        let wishes: Vec<_> = self.wishes.iter().copied().collect();
        let watched: Vec<_> = self.wishes.union(&self.seen.listed).copied().collect();
        self.ask(Ask::Friends);
        self.ask(Ask::Query(vec![self.device.user]));
        if !wishes.is_empty() {
            self.ask(Ask::Subscribe(wishes));
        }
        if !watched.is_empty() {
            self.ask(Ask::Query(watched));
        }
    }

    fn take_answer(&mut self, now: u64, answer: Answer) {
        let (me, clock) = (self.device.user, self.device.clock);
        let Life::Linked(link) = &mut self.life else { return };
        let Some(asked) = link.asked.take() else { return };
        match (answer, asked) {
            (Answer::RetryAfter(ms), asked) => {
                link.ask_at = now + (ms * clock).div_ceil(1_000);
                link.to_ask.push_front(asked);
            }
            (Answer::AtMost(limit), asked) => {
                let portions = asked.portions(limit as usize);
                portions.into_iter().rev().for_each(|ask| link.to_ask.push_front(ask));
            }
            (Answer::Friends(friends), _) => {
                self.seen.friends = friends.iter().map(|(user, _)| *user).collect();
                self.seen.statuses.extend(friends);
            }
            (Answer::Statuses(statuses), _) => {
                // Of those whom it does not watch, the answer is old the next moment.
                let watched = statuses.into_iter().filter(|(user, _)| self.seen.watches(me, *user));
                let watched: Vec<_> = watched.collect();
                self.seen.statuses.extend(watched);
            }
            (Answer::Subscribed { failed, evicted }, Ask::Subscribe(users)) => {
                self.seen.listed.extend(users.iter().filter(|user| !failed.contains(user)));
                self.seen.unlist(&evicted);
            }
            (Answer::Done, Ask::Unsubscribe(users)) if users.is_empty() => {
                self.seen.listed.clear();
            }
            (Answer::Done, Ask::Unsubscribe(users)) => self.seen.unlist(&users),
            _ => {}
        }
    }

    /// The host has ended the link. One who was kicked or forced out does not come back by itself:
    /// two devices would kick each other for ever.
    fn leave(&mut self, now: u64, bye: Bye) {
        let comes_back = [
            Bye::Closed(CloseReason::Replaced),
            Bye::Closed(CloseReason::TimedOut),
            Bye::Closed(CloseReason::Background),
            Bye::Closed(CloseReason::Exit),
        ];
        match comes_back.contains(&bye) {
            true => self.lose(now),
            false => self.life = Life::Off { is_silent: false },
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} of {:?}", self.number, self.device.user)
    }
}

impl Seen {
    fn watches(&self, me: User, user: User) -> bool {
        user == me || self.listed.contains(&user) || self.friends.contains(&user)
    }

    fn unlist(&mut self, users: &[User]) {
        self.listed.retain(|user| !users.contains(user));
    }
}

impl Link {
    fn packet(&self, frame: Frame<Ask>) -> Packet<Ask> {
        Packet { link: self.id, life: self.host_life, frame }
    }

    fn is_idle(&self) -> bool {
        self.asked.is_none() && self.to_ask.is_empty() && self.stream.backlog() == 0
    }

    /// Whether its user has logged out, and it has not been answered.
    fn is_leaving(&self) -> bool {
        self.to_ask.iter().chain(&self.asked).any(|ask| matches!(ask, Ask::Logout))
    }

    fn send(&mut self, now: u64, ask: Ask, out: &mut Outgoing) {
        let frame = self.stream.send(now, ask);
        out.push(self.packet(frame));
    }
}

impl Ask {
    /// The same in requests of no more users than that.
    fn portions(self, limit: usize) -> Vec<Self> {
        let (users, make): (_, fn(Vec<User>) -> Self) = match self {
            Self::Query(users) => (users, Self::Query),
            Self::Subscribe(users) => (users, Self::Subscribe),
            Self::Unsubscribe(users) => (users, Self::Unsubscribe),
            other => return vec![other],
        };
        users.chunks(limit).map(|part| make(part.to_vec())).collect()
    }
}
