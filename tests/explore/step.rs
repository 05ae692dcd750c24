//! The steps that worlds take: an input, and how its stamp comes of the latest.

use presence_engine::{Platform, Policy};

use crate::common::model::Model;
use crate::common::op::{Device, Op, Patch, Session};

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) act: Act,
    /// It is refused wherever it is taken.
    pub(crate) is_refused: bool,
}

/// How the stamp of a step comes of the latest one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Now,
    /// One millisecond back.
    Back,
    One,
    Deadline,
    BeforeDeadline,
    /// When the next note of a kick while away is gone.
    NoteEnd,
    BeforeNoteEnd,
}

/// What is done in a step.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Do(Box<Op>),
    /// A heartbeat of the session before the newest of a device.
    Stale(Device),
}

impl Step {
    /// Returns the input that the step is after what a model has been told; `None` if there is
    /// nothing to wait for.
    pub(crate) fn input(&self, model: &Model) -> Option<(u64, Op)> {
        let now = model.now();
        let before = |end: u64| Some(end - 1).filter(|&before| before > now);
        let at = match self.when {
            When::Now => Some(now),
            When::Back => now.checked_sub(1),
            When::One => now.checked_add(1),
            When::Deadline => model.next_deadline(),
            When::BeforeDeadline => model.next_deadline().and_then(before),
            When::NoteEnd => model.next_note_end(),
            When::BeforeNoteEnd => model.next_note_end().and_then(before),
        };
        let op = match &self.act {
            Act::Do(op) => Op::clone(op),
            Act::Stale(device) => {
                let nth = Some(model.given(device).saturating_sub(1));
                Op::Heartbeat { session: Session { device: device.clone(), nth } }
            }
        };
        Some((at?, op))
    }

    /// The same step at another moment.
    pub(crate) fn at(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// The same step, which is refused wherever it is taken.
    pub(crate) fn refused(self) -> Self {
        Self { is_refused: true, ..self }
    }
}

/// The passing of time alone.
pub(crate) fn time() -> Vec<Step> {
    [When::Deadline, When::BeforeDeadline, When::One].map(|when| tick().at(when)).to_vec()
}

/// Each of some devices doing each of some things.
pub(crate) fn each(devices: &[&str], acts: &[fn(&str) -> Step]) -> Vec<Step> {
    devices.iter().flat_map(|device| acts.iter().map(|act| act(device))).collect()
}

fn now(op: Op) -> Step {
    Step { when: When::Now, act: Act::Do(Box::new(op)), is_refused: false }
}

pub(crate) fn tick() -> Step {
    now(Op::Tick)
}

pub(crate) fn login(device: &str) -> Step {
    now(Op::Login { device: Device::named(device), reconnect: false })
}

pub(crate) fn reconnect(device: &str) -> Step {
    now(Op::Login { device: Device::named(device), reconnect: true })
}

pub(crate) fn stale(device: &str) -> Step {
    Step { when: When::Now, act: Act::Stale(Device::named(device)), is_refused: true }
}

/// The newest session of a device.
fn of(device: &str) -> Session {
    Session { device: Device::named(device), nth: None }
}

pub(crate) fn heartbeat(device: &str) -> Step {
    now(Op::Heartbeat { session: of(device) })
}

pub(crate) fn closed(device: &str) -> Step {
    now(Op::LinkClosed { session: of(device) })
}

pub(crate) fn logout(device: &str) -> Step {
    now(Op::Logout { session: of(device) })
}

pub(crate) fn background(device: &str) -> Step {
    now(Op::Background { session: of(device) })
}

pub(crate) fn foreground(device: &str) -> Step {
    now(Op::Foreground { session: of(device) })
}

pub(crate) fn exit(device: &str) -> Step {
    now(Op::Exit { session: of(device) })
}

pub(crate) fn say(device: &str, custom: &str) -> Step {
    now(Op::SetStatus { session: of(device), custom: custom.to_owned() })
}

pub(crate) fn query(device: &str, ids: &[&str]) -> Step {
    now(Op::Query { session: of(device), users: users(ids) })
}

pub(crate) fn subscribe(device: &str, ids: &[&str]) -> Step {
    now(Op::Subscribe { session: of(device), users: users(ids) })
}

pub(crate) fn unsubscribe(device: &str, ids: &[&str]) -> Step {
    now(Op::Unsubscribe { session: of(device), users: users(ids) })
}

fn users(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

pub(crate) fn befriend(owner: &str, friend: &str) -> Step {
    now(Op::AddFriend { user: owner.to_owned(), friend: friend.to_owned() })
}

pub(crate) fn unfriend(owner: &str, friend: &str) -> Step {
    now(Op::RemoveFriend { user: owner.to_owned(), friend: friend.to_owned() })
}

pub(crate) fn force_out(user: &str, platform: Option<Platform>, device: Option<&str>) -> Step {
    let (user, device) = (user.to_owned(), device.map(str::to_owned));
    now(Op::ForceOut { user, platform, device })
}

pub(crate) fn register(user: &str) -> Step {
    now(Op::Register { user: user.to_owned() })
}

pub(crate) fn remove_user(user: &str) -> Step {
    now(Op::RemoveUser { user: user.to_owned() })
}

pub(crate) fn reconfigure(patch: Patch) -> Step {
    now(Op::Reconfigure(patch))
}

pub(crate) fn policy(policy: Policy) -> Step {
    reconfigure(Patch { policy: Some(Ok(policy)), ..Patch::default() })
}

pub(crate) fn instances(platform: Platform, max: u64) -> Step {
    let is_meant = |limited: Platform| limited == platform;
    let max_instances = Platform::LIMITED.map(|limited| is_meant(limited).then_some(max));
    reconfigure(Patch { max_instances, ..Patch::default() })
}
