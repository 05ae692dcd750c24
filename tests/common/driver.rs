//! The real engine behind the names of a trace.

use core::hash::BuildHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use presence_engine::{
    CloseReason, Config, DeviceId, Engine, Failure, FriendError, InputError, LoginKind, Output,
    QueryError, RequestError, Scope, SessionId, SetStatusError, Timestamp,
};

use super::op::{Answer, Device, Failed, Line, Machine, Op, Out, Patch, Refusal, Session};

/// How many session ids of a device are remembered, so that the engine itself can be asked about
/// ended ones. For those before them LV-7 gives the answer.
const REMEMBERED_MAX: usize = 4;

/// An engine of text ids, with the table of devices that the names of a trace need. The table grows
/// with the devices that a trace names, not with its length.
#[derive(Clone)]
pub struct Driver<S = RandomState> {
    pub engine: Engine<String, S>,
    latest: u64,
    devices: HashMap<Arc<Device>, Given>,
    names: Names,
    /// Sessions that have ended, but may be named by outputs that still wait.
    ended: Vec<SessionId>,
}

/// The devices of the sessions that outputs may name.
pub type Names = HashMap<SessionId, Arc<Device>>;

/// The session ids that were ever given to a device.
#[derive(Clone)]
struct Given {
    device: Arc<Device>,
    count: u64,
    /// The newest of them, the last given at the end.
    newest: VecDeque<SessionId>,
}

type Result<T> = core::result::Result<T, InputError<String>>;

impl<S: BuildHasher + Default> Machine for Driver<S> {
    fn new(config: Config) -> Self {
        Self {
            engine: Engine::with_hasher(config, S::default()),
            latest: 0,
            devices: HashMap::new(),
            names: Names::new(),
            ended: Vec::new(),
        }
    }

    fn apply(&mut self, now: u64, op: &Op, lines: &mut Vec<Line>) {
        let result = self.enter(now, op);
        self.drain(|names, output| lines.push(line_of(names, &output)));
        lines.push(Line { t: self.latest, out: Out::Result(result) });
    }
}

impl<S: BuildHasher> Driver<S> {
    /// Gives the engine one input. The outputs wait in the engine.
    pub fn enter(&mut self, now: u64, op: &Op) -> core::result::Result<Answer, Refusal> {
        self.latest = self.latest.max(now);
        let now = Timestamp::from_millis(now);
        match op {
            Op::Tick => {
                self.let_pass(now);
                Ok(Answer::Done)
            }
            Op::Reconfigure(patch) => self.reconfigure(now, patch),
            Op::Login { device, reconnect } => self.login(now, device, *reconnect),
            _ => match session_of(op) {
                None => self.order(now, op).map_err(|error| refusal(&error)),
                Some(session) => match self.find(session) {
                    Some(session) => self.request(now, session, op).map_err(|e| refusal(&e)),
                    None => {
                        self.let_pass(now);
                        Err(Refusal::of("unknown_session"))
                    }
                },
            },
        }
    }

    /// Takes all waiting outputs and forgets the names of the sessions that are closed.
    pub fn drain(&mut self, mut take: impl FnMut(&Names, Output<'_, String>)) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::Close(close) = &output {
                self.ended.push(close.session);
            }
            take(&self.names, output);
        }
        for session in self.ended.drain(..) {
            self.names.remove(&session);
        }
    }

    /// Lets time pass as a host does: until nothing is due.
    fn let_pass(&mut self, now: Timestamp) {
        self.engine.handle_timeout(now);
        while self.engine.poll_timeout().is_some_and(|next| next.as_millis() <= self.latest) {
            self.engine.handle_timeout(now);
        }
    }

    fn reconfigure(
        &mut self,
        now: Timestamp,
        patch: &Patch,
    ) -> core::result::Result<Answer, Refusal> {
        self.let_pass(now);
        let config = patch.apply(self.engine.config());
        match config.and_then(|config| self.engine.reconfigure(now, config)) {
            Ok(()) => Ok(Answer::Done),
            Err(error) => Err(Refusal { field: Some(error.field()), ..Refusal::of(error.code()) }),
        }
    }

    fn login(
        &mut self,
        now: Timestamp,
        device: &Device,
        reconnect: bool,
    ) -> core::result::Result<Answer, Refusal> {
        let kind = if reconnect { LoginKind::Reconnect } else { LoginKind::Login };
        let id = DeviceId::new(&device.device);
        let session = self
            .engine
            .login(now, &device.user, device.platform, id, kind)
            .map_err(|error| refusal(&error.into()))?;
        // A device's names are kept once, as most logins are of devices that were there before.
        let given = match self.devices.get_mut(device) {
            Some(given) => given,
            None => {
                let device = Arc::new(device.clone());
                let none = Given { device: Arc::clone(&device), count: 0, newest: VecDeque::new() };
                self.devices.entry(device).or_insert(none)
            }
        };
        given.count += 1;
        if given.newest.len() == REMEMBERED_MAX {
            given.newest.pop_front();
        }
        given.newest.push_back(session);
        self.names.insert(session, Arc::clone(&given.device));
        Ok(Answer::Done)
    }

    fn find(&self, session: &Session) -> Option<SessionId> {
        let given = self.devices.get(&session.device)?;
        let from_newest = match session.nth {
            None => 0,
            Some(nth) => usize::try_from(given.count.checked_sub(nth)?).ok()?,
        };
        given.newest.iter().rev().nth(from_newest).copied()
    }

    fn request(&mut self, now: Timestamp, session: SessionId, op: &Op) -> Result<Answer> {
        let engine = &mut self.engine;
        match op {
            Op::Heartbeat { .. } => engine.heartbeat(now, session)?,
            Op::LinkClosed { .. } => engine.link_closed(now, session)?,
            Op::Logout { .. } => engine.logout(now, session)?,
            Op::Background { .. } => engine.background(now, session)?,
            Op::Foreground { .. } => engine.foreground(now, session)?,
            Op::Exit { .. } => engine.exit(now, session)?,
            Op::SetStatus { custom, .. } => engine.set_status(now, session, custom)?,
            Op::Query { users, .. } => {
                let found = engine.query(now, session, users)?;
                let statuses = found.statuses.into_iter();
                let statuses = statuses.map(|(user, status)| (user, status.state, status.custom));
                let (statuses, failures) = (statuses.collect(), failed(&found.failures));
                return Ok(Answer::Query { statuses, failures });
            }
            Op::Subscribe { users, .. } => {
                let done = engine.subscribe(now, session, users)?;
                let (evicted, failures) = (done.evicted, failed(&done.failures));
                return Ok(Answer::Subscribe { evicted, failures });
            }
            Op::Unsubscribe { users, .. } => {
                let done = engine.unsubscribe(now, session, users)?;
                return Ok(Answer::Unsubscribe { failures: failed(&done.failures) });
            }
            _ => unreachable!("{op:?} names no session"),
        }
        if matches!(op, Op::LinkClosed { .. } | Op::Logout { .. }) {
            self.ended.push(session);
        }
        Ok(Answer::Done)
    }

    fn order(&mut self, now: Timestamp, op: &Op) -> Result<Answer> {
        let engine = &mut self.engine;
        match op {
            Op::AddFriend { user, friend } => engine.add_friend(now, user, friend)?,
            Op::RemoveFriend { user, friend } => engine.remove_friend(now, user, friend)?,
            Op::ForceOut { user, platform, device } => {
                let scope = match (platform, device) {
                    (None, _) => Scope::All,
                    (Some(platform), None) => Scope::Platform(*platform),
                    (Some(platform), Some(id)) => Scope::Device(*platform, DeviceId::new(id)),
                };
                engine.force_out(now, user, &scope)?;
            }
            Op::Register { user } => engine.register(now, user)?,
            Op::RemoveUser { user } => engine.remove_user(now, user)?,
            Op::Inspect { user } => {
                let found = engine.inspect(now, user)?;
                return Ok(Answer::Inspect {
                    state: found.state(),
                    custom: found.custom().to_owned(),
                    platforms: found.platforms().collect(),
                });
            }
            _ => unreachable!("{op:?} is no order of the host"),
        }
        Ok(Answer::Done)
    }
}

/// The session that an operation is bound to.
pub fn session_of(op: &Op) -> Option<&Session> {
    match op {
        Op::Heartbeat { session }
        | Op::LinkClosed { session }
        | Op::Logout { session }
        | Op::Background { session }
        | Op::Foreground { session }
        | Op::Exit { session }
        | Op::SetStatus { session, .. }
        | Op::Query { session, .. }
        | Op::Subscribe { session, .. }
        | Op::Unsubscribe { session, .. } => Some(session),
        _ => None,
    }
}

fn line_of(names: &Names, output: &Output<'_, String>) -> Line {
    let device = |user: &String, platform, device: &DeviceId| Device {
        user: user.clone(),
        platform,
        device: device.as_str().to_owned(),
    };
    match output {
        Output::Close(close) => {
            let by = match close.reason {
                CloseReason::Kicked { by } => Some(by),
                _ => None,
            };
            let device = device(close.user, close.platform, close.device);
            let out = Out::Close { device, reason: close.reason.name(), by };
            Line { t: close.at.as_millis(), out }
        }
        Output::Event(event) => {
            let (action, reason) = (event.action.name(), event.reason.name());
            let kicked = event.displaced.iter().map(|(platform, id)| format!("{platform}/{id}"));
            let kicked = (action == "login").then(|| kicked.collect());
            let device = device(event.user, event.platform, event.device);
            Line { t: event.at.as_millis(), out: Out::Event { action, reason, device, kicked } }
        }
        Output::Status(change) => {
            let mut to: Vec<_> = change.to.iter().map(|id| names[id].to_string()).collect();
            to.sort_unstable();
            let (user, custom) = (change.user.clone(), change.custom.to_owned());
            let out = Out::Status { user, state: change.state, custom, to };
            Line { t: change.at.as_millis(), out }
        }
    }
}

fn failed(failures: &[Failure<String>]) -> Vec<Failed> {
    let failed = |failure: &Failure<String>| Failed {
        user: failure.user.clone(),
        reason: failure.reason.code(),
    };
    failures.iter().map(failed).collect()
}

fn refusal(error: &InputError<String>) -> Refusal {
    let mut refusal = Refusal::of(error.code());
    match error {
        InputError::SetStatus(SetStatusError::TooLong { limit, .. })
        | InputError::Friend(FriendError::TooManyFriends { limit }) => refusal.limit = Some(*limit),
        InputError::Query(QueryError::AllFailed(failures)) => {
            refusal.failures = Some(failed(failures));
        }
        InputError::Query(QueryError::Request(error)) | InputError::Request(error) => match error {
            RequestError::TooManyUsers { limit, .. } => refusal.limit = Some(*limit),
            RequestError::RateLimited { retry_after_ms } => {
                refusal.retry_after = Some(*retry_after_ms);
            }
            _ => {}
        },
        _ => {}
    }
    refusal
}
