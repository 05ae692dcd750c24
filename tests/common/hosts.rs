//! One story, told by two hosts that go about it as differently as the documentation allows.

use core::borrow::Borrow;
use core::fmt;
use core::hash::BuildHasher;
use std::hash::RandomState;

use presence_engine::{
    Answer, Config, Engine, Input, SessionId, Timestamp, UnknownSession, UserId,
};

use super::op::Op;
use super::rig::{Name, Reply, Rig, alike, by_method};

/// After how many inputs the second host takes outputs, and how many at most.
const DRAINED: [(usize, usize); 5] =
    [(1, usize::MAX), (3, usize::MAX), (1, 2), (20, 90), (usize::MAX, 0)];
/// After how many inputs it goes on with a copy of the engine.
const COPIED_AFTER: [usize; 3] = [usize::MAX, 7, 40];

/// Tells a story to an engine of texts, whose host lets time pass before each input, calls the
/// method, and takes the outputs at once; and to one of plain values, whose host gives inputs as
/// values, heartbeats in batches and a rule for ids of its own, reads ahead, lets outputs wait, and
/// copies the engine now and then. In half of the ways the first reads ahead too. They must be
/// answered and told the same, session ids included.
pub fn compare(config: &Config, story: &[(u64, Op)], ways: u8) -> Result<(), String> {
    let ways = usize::from(ways);
    let (drained_after, at_most) = DRAINED[ways % DRAINED.len()];
    let copied_after = COPIED_AFTER[ways / DRAINED.len() % COPIED_AFTER.len()];
    let is_ahead = ways / DRAINED.len() / COPIED_AFTER.len() % 2 == 1;
    let mut texts = Rig::<RandomState>::new(config.clone());
    let mut values = Rig::<RandomState, Plain>::new(config.clone());
    values.engine = values.engine.with_id_rule(|id| String::is_valid(id.text()));
    for (count, (now, op)) in (1..).zip(story) {
        texts.pass(*now);
        if is_ahead {
            prefetch(&texts);
        }
        texts.enter_by(*now, op, by_method);
        texts.drain();
        prefetch(&values);
        values.enter_by(*now, op, by_value);
        if count % drained_after == 0 {
            values.take(at_most);
        }
        if count % copied_after == 0 {
            values = values.clone();
        }
    }
    values.engine.check_invariants()?;
    values.drain();
    values.engine.check_invariants()?;
    let told = |what: &str, problem: String| format!("of two hosts ({ways}), {what} {problem}");
    alike(&answers(&texts), &answers(&values)).map_err(|problem| told("answer", problem))?;
    alike(&texts.news, &values.news).map_err(|problem| told("output", problem))?;
    alike(&held(&texts), &held(&values)).map_err(|problem| told("what is held", problem))
}

/// Ids of no session: of a generation that no slot has, and of a slot that there is not.
fn strangers() -> [SessionId; 2] {
    [u32::MAX.into(), u64::MAX].map(|bits| SessionId::from_bits(bits).expect("the bits are odd"))
}

/// Reads ahead for some of those who ever had a session, and for some who never had one.
fn prefetch<U: UserId + From<String>>(rig: &Rig<RandomState, U>) {
    let given = || rig.given.iter().take(20);
    let sessions = given().flat_map(|(_, given)| given.iter().rev().take(2)).copied();
    rig.engine.prefetch(sessions.chain(strangers()));
    let names = given().map(|(device, _)| device.user.clone());
    let others = ["nobody", "", "nobody, as there is no such name", "deleted\u{7f}"];
    let users: Vec<_> = names.chain(others.map(String::from)).map(U::from).collect();
    rig.engine.prefetch_users(users.iter().map(Borrow::borrow));
}

/// Gives an input as a value. A heartbeat is one of three.
fn by_value<S: BuildHasher>(
    engine: &mut Engine<Plain, S>,
    now: Timestamp,
    input: Input<Plain>,
) -> Reply<Plain> {
    let Input::Heartbeat { session } = input else { return engine.apply(now, input) };
    let [first, last] = strangers();
    let sessions = vec![first, session, last];
    match engine.apply(now, Input::Heartbeats { sessions })? {
        Answer::Heard(0) => Err(UnknownSession.into()),
        Answer::Heard(1) => Ok(Answer::Done),
        answer => Ok(answer),
    }
}

/// Returns all answers as texts, errors with all that they say.
fn answers<U: Name + fmt::Debug>(rig: &Rig<RandomState, U>) -> Vec<String> {
    let answer = |reply: &Reply<U>| match reply {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => {
            format!("{error:?}: {error} ({}, {:?})", error.code(), error.vendor_code())
        }
    };
    rig.replies.iter().map(answer).collect()
}

/// Returns as texts what an engine holds of all who ever had a session.
fn held<U: Name + fmt::Debug>(rig: &Rig<RandomState, U>) -> Vec<String> {
    let engine = &rig.engine;
    let stats = engine.stats();
    let numbers = (engine.now(), stats.sessions, stats.push_registrations, stats.edges);
    let of_itself = format!("{engine:?}");
    let sessions = format!("sessions: {}", stats.sessions);
    assert!(of_itself.contains(&sessions), "{of_itself} does not have {sessions}");
    let mut users: Vec<_> = rig.given.keys().map(|device| &device.user).collect();
    users.sort_unstable();
    users.dedup();
    let of = |user: &String| {
        let id = U::from(user.clone());
        let id = id.borrow();
        let devices: Vec<_> = engine.devices(id).collect();
        let owners: Vec<_> =
            devices.iter().filter_map(|device| device.session).map(|id| engine.owner(id)).collect();
        let (list, friends) = (engine.subscriptions(id), engine.friends(id));
        let (list, friends): (Vec<_>, Vec<_>) = (list.collect(), friends.collect());
        format!("{user}: {devices:?}, {owners:?}, {list:?}, {friends:?}")
    };
    core::iter::once(format!("{numbers:?}")).chain(users.into_iter().map(of)).collect()
}

/// A name in a place of fixed size, as an engine keeps it that knows nothing of texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plain {
    bytes: [u8; 40],
    len: u8,
}

impl Plain {
    fn text(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl From<String> for Plain {
    /// Longer names are cut; none of a story is as long.
    fn from(name: String) -> Self {
        let mut bytes = [0; 40];
        let len = name.len().min(bytes.len());
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self { bytes, len: len as u8 }
    }
}

impl UserId for Plain {
    type Borrowed = Self;

    fn from_borrowed(id: &Self) -> Self {
        *id
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text(), f)
    }
}
