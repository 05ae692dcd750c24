//! What travels between a client and the host, and what the network does to it.
//!
//! The network carries frames, each by itself: late, twice, in another order, or not at all. What
//! must arrive goes in a [`Stream`], which numbers it, repeats it until it is acknowledged, and
//! hands it over once and in order. The numbers begin anew with every link, and a link is named by
//! device and attempt, so that what is left of an old one is known for old.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use presence_engine::{CloseReason, LoginKind, Platform, Status, UserId};

use super::dice::{Dice, mix};

/// A user by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(pub u8);

impl UserId for User {
    type Borrowed = Self;

    fn from_borrowed(id: &Self) -> Self {
        *id
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.0)
    }
}

/// One attempt of a client to be connected. Attempts of a client only count up, over crashes of the
/// host too, as a real one keeps them on its disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId {
    pub client: usize,
    pub attempt: u64,
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}#{}", self.client, self.attempt)
    }
}

#[derive(Clone, Debug)]
pub struct Packet<B> {
    pub link: LinkId,
    /// Which life of the host this is from or for: a host that crashed and its successor count anew
    /// on the same link. 0 if the client has heard of none yet.
    pub life: u64,
    pub frame: Frame<B>,
}

#[derive(Clone, Debug)]
pub enum Frame<B> {
    /// A part of the stream, numbered from 0.
    Data { nth: u64, body: B },
    /// All of the stream before this number has arrived.
    Ack { next: u64 },
    /// A heartbeat. It is in no stream: only the newest counts.
    Ping,
    /// The answer to a heartbeat, by which a client knows that its link is there.
    Pong,
    /// There is no such link any more, if there ever was.
    Reset,
}

/// What a client asks. The answers come in the same order.
#[derive(Clone, Debug)]
pub enum Ask {
    Login { user: User, platform: Platform, kind: LoginKind },
    Friends,
    Say(String),
    Query(Vec<User>),
    Subscribe(Vec<User>),
    Unsubscribe(Vec<User>),
    Background,
    Foreground,
    Exit,
    Logout,
}

/// What the host says.
#[derive(Clone, Debug)]
pub enum Tell {
    /// Names whom the user watches, as news of them may come at once.
    LoggedIn {
        at: u64,
        list: Vec<User>,
        friends: Vec<User>,
    },
    Answer(Answer),
    News {
        at: u64,
        user: User,
        status: Status,
    },
    /// Another device of the user has subscribed these.
    Listed(Vec<(User, Status)>),
    /// These left the user's list by another device's doing.
    Unlisted(Vec<User>),
    Befriended(User, Status),
    Unfriended(User),
    /// The account exists no more, nor does any relation to it.
    Erased(User),
    /// What counts has changed: ask for everything anew.
    Resync,
    Bye(Bye),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Done,
    Statuses(Vec<(User, Status)>),
    Friends(Vec<(User, Status)>),
    Subscribed {
        failed: Vec<User>,
        evicted: Vec<User>,
    },
    /// Try again then.
    RetryAfter(u64),
    /// Ask for no more than this many at a time.
    AtMost(u64),
    /// Not in this configuration, or not on this link.
    Refused,
}

/// Why a link ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bye {
    Closed(CloseReason),
    /// The login is refused, as the device was kicked while it was away.
    KickedOffline,
    LoggedOut,
}

/// Repeats what is not acknowledged after this long, then after twice as long, and so on.
const RESEND_MS: u64 = 1_000;
const RESEND_MAX_MS: u64 = 16_000;

/// The two directions of a link, seen from one of its ends.
#[derive(Clone, Debug)]
pub struct Stream<Out, In> {
    /// What was sent and not acknowledged, oldest first.
    unacked: VecDeque<Out>,
    /// How many have been acknowledged: the number of the first in `unacked`.
    acked: u64,
    resend_at: u64,
    resend_after: u64,
    /// How many have arrived without a gap.
    arrived: u64,
    /// What came before its turn.
    early: BTreeMap<u64, In>,
}

impl<Out: Clone, In> Stream<Out, In> {
    pub fn new() -> Self {
        Self {
            unacked: VecDeque::new(),
            acked: 0,
            resend_at: 0,
            resend_after: RESEND_MS,
            arrived: 0,
            early: BTreeMap::new(),
        }
    }

    pub fn send(&mut self, now: u64, body: Out) -> Frame<Out> {
        if self.unacked.is_empty() {
            self.resend_after = RESEND_MS;
            self.resend_at = now + RESEND_MS;
        }
        self.unacked.push_back(body.clone());
        Frame::Data { nth: self.acked + self.unacked.len() as u64 - 1, body }
    }

    /// Takes in what arrived. Returns what has its turn, and the acknowledgement.
    pub fn take(&mut self, nth: u64, body: In) -> (Vec<In>, Frame<Out>) {
        if nth >= self.arrived {
            self.early.insert(nth, body);
        }
        let mut ready = Vec::new();
        while let Some(body) = self.early.remove(&self.arrived) {
            self.arrived += 1;
            ready.push(body);
        }
        (ready, Frame::Ack { next: self.arrived })
    }

    pub fn acknowledge(&mut self, now: u64, next: u64) {
        while self.acked < next && self.unacked.pop_front().is_some() {
            self.acked += 1;
            self.resend_after = RESEND_MS;
            self.resend_at = now + RESEND_MS;
        }
    }

    /// How much waits to be acknowledged.
    pub fn backlog(&self) -> usize {
        self.unacked.len()
    }

    /// When something is to be repeated.
    pub fn due(&self) -> Option<u64> {
        (!self.unacked.is_empty()).then_some(self.resend_at)
    }

    pub fn resend(&mut self, now: u64) -> Vec<Frame<Out>> {
        if self.due().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.resend_after = RESEND_MAX_MS.min(2 * self.resend_after);
        self.resend_at = now + self.resend_after;
        let numbered = (self.acked..).zip(&self.unacked);
        numbered.map(|(nth, body)| Frame::Data { nth, body: body.clone() }).collect()
    }
}

/// What the network does to frames.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay_ms: u64,
    /// By how much more a frame is late, at most.
    pub jitter_ms: u64,
    /// How many of a thousand frames are lost, come twice, or come much later than others.
    pub loss: u64,
    pub duplication: u64,
    pub reordering: u64,
}

/// By how much a frame is late that others are to overtake, at most.
const LATE_MS: u64 = 20_000;

impl Weather {
    pub fn fair(self) -> Self {
        Self { jitter_ms: 0, loss: 0, duplication: 0, reordering: 0, ..self }
    }

    /// After how long a frame arrives, each time that it does. It hangs on nothing but the frame's
    /// own number, so that a story that is cut shorter keeps its weather.
    pub fn delays(&self, seed: u64, frame: u64) -> Delays {
        let mut dice = Dice::new(mix(&[seed, frame]));
        let mut delays = Delays { first: None, again: None, is_late: false };
        if dice.chance(self.loss) {
            return delays;
        }
        delays.is_late = dice.chance(self.reordering);
        let late = if delays.is_late { dice.within(0..=LATE_MS) } else { 0 };
        delays.first = Some(self.delay_ms + dice.within(0..=self.jitter_ms) + late);
        if dice.chance(self.duplication) {
            delays.again = Some(self.delay_ms + dice.within(0..=self.jitter_ms.max(LATE_MS)));
        }
        delays
    }
}

pub struct Delays {
    pub first: Option<u64>,
    pub again: Option<u64>,
    pub is_late: bool,
}
