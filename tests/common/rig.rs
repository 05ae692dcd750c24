//! The engine driven bare: its answers, session ids and outputs kept as they are, so that two runs
//! can be compared to the bit.

use core::fmt::{Debug, Display};
use core::hash::BuildHasher;
use std::collections::HashMap;
use std::hash::RandomState;

use presence_engine::{
    Answer, CloseReason, Config, ConfigError, DeviceId, Engine, Input, InputError, LoginKind,
    Output, Platform, Scope, SessionId, State, Timestamp, UserId,
};

use super::op::{Device, Op, Session};

/// What an input was answered.
pub type Reply<U = String> = Result<Answer<U>, InputError<U>>;

/// What an engine knows users by: made of the names of a story, and displayed as they are.
pub trait Name: UserId + Display + From<String> {}

impl<U: UserId + Display + From<String>> Name for U {}

/// One output, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Close {
        at: Timestamp,
        session: SessionId,
        device: Device,
        reason: CloseReason,
    },
    Event {
        at: Timestamp,
        action: &'static str,
        reason: &'static str,
        device: Device,
        displaced: Vec<(Platform, DeviceId)>,
    },
    Status {
        at: Timestamp,
        user: String,
        state: State,
        custom: String,
        to: Vec<SessionId>,
    },
}

#[derive(Clone)]
pub struct Rig<S = RandomState, U: UserId = String> {
    pub engine: Engine<U, S>,
    pub replies: Vec<Reply<U>>,
    pub news: Vec<News>,
    /// The session ids that were ever given to a device.
    pub given: HashMap<Device, Vec<SessionId>>,
}

impl<S: BuildHasher + Default, U: Name> Rig<S, U> {
    pub fn new(config: Config) -> Self {
        Self {
            engine: Engine::with_hasher(config, S::default()),
            replies: Vec::new(),
            news: Vec::new(),
            given: HashMap::new(),
        }
    }

    /// Tells a whole story to a new engine, which is drained after every input.
    pub fn told(config: Config, story: &[(u64, Op)]) -> Self {
        let mut rig = Self::new(config);
        for (now, op) in story {
            rig.give(*now, op);
        }
        rig
    }
}

impl<S: BuildHasher, U: Name> Rig<S, U> {
    /// Gives the engine one input and drains it. The reply stands last in `replies`.
    pub fn give(&mut self, now: u64, op: &Op) {
        self.enter(now, op);
        self.drain();
    }

    /// Gives the engine one input by the method that it mirrors.
    pub fn enter(&mut self, now: u64, op: &Op) {
        self.enter_by(now, op, by_method);
    }

    /// Gives the engine one input in the way told.
    pub fn enter_by(
        &mut self,
        now: u64,
        op: &Op,
        call: impl FnOnce(&mut Engine<U, S>, Timestamp, Input<U>) -> Reply<U>,
    ) {
        let at = Timestamp::from_millis(now);
        let reply = match self.input(op) {
            Ok(input) => call(&mut self.engine, at, input),
            Err(error) => Err(error.into()),
        };
        if matches!(op, Op::Tick | Op::Reconfigure(_)) {
            self.pass(now);
        }
        if let (Op::Login { device, .. }, Ok(Answer::LoggedIn(session))) = (op, &reply) {
            self.given.entry(device.clone()).or_default().push(*session);
        }
        self.replies.push(reply);
    }

    /// Lets time pass as a host does: until nothing is due.
    pub fn pass(&mut self, now: u64) {
        let at = Timestamp::from_millis(now);
        self.engine.handle_timeout(at);
        while self.engine.poll_timeout().is_some_and(|next| next <= at) {
            self.engine.handle_timeout(at);
        }
    }

    /// Takes all waiting outputs.
    pub fn drain(&mut self) {
        self.take(usize::MAX);
    }

    /// Takes so many of the waiting outputs, if there are as many.
    pub fn take(&mut self, count: usize) {
        for _ in 0..count {
            let Some(output) = self.engine.poll_output() else { return };
            self.news.push(news(&output));
        }
    }

    /// Returns the id of a session as a trace names it; of one never given, an id that none has.
    pub fn id(&self, session: &Session) -> SessionId {
        let given = self.given.get(&session.device);
        let found = given.and_then(|given| match session.nth {
            None => given.last(),
            Some(nth) => given.get(usize::try_from(nth - 1).ok()?),
        });
        found.copied().or_else(|| SessionId::from_bits(u64::MAX)).expect("odd bits are an id's")
    }

    /// Returns the input that an operation is, unless its configuration is invalid.
    fn input(&self, op: &Op) -> Result<Input<U>, ConfigError> {
        let of = |session: &Session| self.id(session);
        let named = |users: Vec<String>| users.into_iter().map(U::from).collect();
        Ok(match op.clone() {
            Op::Tick => Input::HandleTimeout,
            Op::Login { device: Device { user, platform, device }, reconnect } => {
                let kind = if reconnect { LoginKind::Reconnect } else { LoginKind::Login };
                let (user, device) = (user.into(), DeviceId::new(&device));
                Input::Login { user, platform, device, kind }
            }
            Op::Heartbeat { session } => Input::Heartbeat { session: of(&session) },
            Op::LinkClosed { session } => Input::LinkClosed { session: of(&session) },
            Op::Logout { session } => Input::Logout { session: of(&session) },
            Op::Background { session } => Input::Background { session: of(&session) },
            Op::Foreground { session } => Input::Foreground { session: of(&session) },
            Op::Exit { session } => Input::Exit { session: of(&session) },
            Op::SetStatus { session, custom } => Input::SetStatus { session: of(&session), custom },
            Op::Query { session, users } => {
                Input::Query { session: of(&session), users: named(users) }
            }
            Op::Subscribe { session, users } => {
                Input::Subscribe { session: of(&session), users: named(users) }
            }
            Op::Unsubscribe { session, users } => {
                Input::Unsubscribe { session: of(&session), users: named(users) }
            }
            Op::AddFriend { user, friend } => {
                Input::AddFriend { owner: user.into(), friend: friend.into() }
            }
            Op::RemoveFriend { user, friend } => {
                Input::RemoveFriend { owner: user.into(), friend: friend.into() }
            }
            Op::ForceOut { user, platform, device } => {
                let scope = match (platform, device) {
                    (None, _) => Scope::All,
                    (Some(platform), None) => Scope::Platform(platform),
                    (Some(platform), Some(id)) => Scope::Device(platform, DeviceId::new(&id)),
                };
                Input::ForceOut { user: user.into(), scope }
            }
            Op::Register { user } => Input::Register { user: user.into() },
            Op::RemoveUser { user } => Input::RemoveUser { user: user.into() },
            Op::Inspect { user } => Input::Inspect { user: user.into() },
            Op::Reconfigure(patch) => {
                Input::Reconfigure { config: patch.apply(self.engine.config())? }
            }
        })
    }
}

/// Gives an input by the method that it mirrors.
pub fn by_method<S: BuildHasher, U: Name>(
    engine: &mut Engine<U, S>,
    now: Timestamp,
    input: Input<U>,
) -> Reply<U> {
    match input {
        Input::HandleTimeout => engine.handle_timeout(now),
        Input::Login { user, platform, device, kind } => {
            return Ok(Answer::LoggedIn(engine.login(
                now,
                user.borrow(),
                platform,
                device,
                kind,
            )?));
        }
        Input::Logout { session } => engine.logout(now, session)?,
        Input::LinkClosed { session } => engine.link_closed(now, session)?,
        Input::Heartbeat { session } => engine.heartbeat(now, session)?,
        Input::Heartbeats { sessions } => {
            return Ok(Answer::Heard(engine.heartbeats(now, &sessions)));
        }
        Input::Background { session } => engine.background(now, session)?,
        Input::Foreground { session } => engine.foreground(now, session)?,
        Input::Exit { session } => engine.exit(now, session)?,
        Input::SetStatus { session, custom } => engine.set_status(now, session, &custom)?,
        Input::Query { session, users } => {
            return Ok(Answer::Queried(engine.query(now, session, &users)?));
        }
        Input::Subscribe { session, users } => {
            return Ok(Answer::Subscribed(engine.subscribe(now, session, &users)?));
        }
        Input::Unsubscribe { session, users } => {
            return Ok(Answer::Unsubscribed(engine.unsubscribe(now, session, &users)?));
        }
        Input::AddFriend { owner, friend } => {
            engine.add_friend(now, owner.borrow(), friend.borrow())?;
        }
        Input::RemoveFriend { owner, friend } => {
            engine.remove_friend(now, owner.borrow(), friend.borrow())?;
        }
        Input::ForceOut { user, scope } => engine.force_out(now, user.borrow(), &scope)?,
        Input::Register { user } => engine.register(now, user.borrow())?,
        Input::RemoveUser { user } => engine.remove_user(now, user.borrow())?,
        Input::Inspect { user } => {
            return Ok(Answer::Inspected(engine.inspect(now, user.borrow())?));
        }
        Input::Reconfigure { config } => engine.reconfigure(now, config)?,
        _ => unreachable!("no input of a story"),
    }
    Ok(Answer::Done)
}

fn news<U: Name>(output: &Output<'_, U>) -> News {
    let device = |user: &U, platform, device: &DeviceId| Device {
        user: user.to_string(),
        platform,
        device: device.as_str().to_owned(),
    };
    match output {
        Output::Close(close) => News::Close {
            at: close.at,
            session: close.session,
            device: device(close.user, close.platform, close.device),
            reason: close.reason,
        },
        Output::Event(event) => News::Event {
            at: event.at,
            action: event.action.name(),
            reason: event.reason.name(),
            device: device(event.user, event.platform, event.device),
            displaced: event.displaced.iter().map(|(on, id)| (on, id.clone())).collect(),
        },
        Output::Status(change) => News::Status {
            at: change.at,
            user: change.user.to_string(),
            state: change.state,
            custom: change.custom.to_owned(),
            to: change.to.to_vec(),
        },
    }
}

/// Compares what two runs gave, and tells the first that differs.
pub fn alike<T: PartialEq + Debug>(a: &[T], b: &[T]) -> Result<(), String> {
    if a == b {
        return Ok(());
    }
    let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(at), b.get(at));
    Err(format!("number {at} differs:\n- {a:?}\n+ {b:?}"))
}
