//! The engine: where the parts meet, and the thin shell that knows the host's user ids.

mod core;
mod host;
mod login;
mod notify;
mod requests;
mod timers;

use ::core::fmt;
use ::core::hash::BuildHasher;

use crate::config::Config;
use crate::directory::Directory;
use crate::error::{InputError, InvalidUserId, LoginError, SetStatusError, UnknownSession};
use crate::id::{DeviceId, SessionId, UserSlot};
use crate::input::{Answer, Input, LoginKind};
use crate::outbox::Kind;
use crate::output::{Action, Close, Displaced, Event, Output, Reason, StatusChange};
use crate::platform::Platform;
use crate::stats::Stats;
use crate::time::Timestamp;
use crate::user_id::UserId;

use self::core::Core;

/// The presence of one app's users: a state machine without clock, socket or thread.
///
/// # The four families of methods
///
/// - **Links**, as they begin, live and end: [`login`](Self::login), [`logout`](Self::logout),
///   [`link_closed`](Self::link_closed), [`heartbeat`](Self::heartbeat),
///   [`heartbeats`](Self::heartbeats), [`background`](Self::background),
///   [`foreground`](Self::foreground), [`exit`](Self::exit).
/// - **Requests** of clients, on a session: [`set_status`](Self::set_status),
///   [`query`](Self::query), [`subscribe`](Self::subscribe), [`unsubscribe`](Self::unsubscribe).
/// - **Orders** of the host: [`add_friend`](Self::add_friend),
///   [`remove_friend`](Self::remove_friend), [`force_out`](Self::force_out),
///   [`register`](Self::register), [`remove_user`](Self::remove_user),
///   [`inspect`](Self::inspect), [`reconfigure`](Self::reconfigure).
/// - **Time and news**: [`handle_timeout`](Self::handle_timeout),
///   [`poll_timeout`](Self::poll_timeout), [`poll_output`](Self::poll_output).
///
/// [`apply`](Self::apply) takes any input as a value. The getters ([`config`](Self::config),
/// [`stats`](Self::stats)) change nothing and take no time.
///
/// # Time
///
/// Every input carries `now`. Before it is looked at, every timer due by then fires, at its own
/// deadline (TI-3); an earlier stamp than the latest counts as the latest (TI-2). A host that was
/// away for long calls [`handle_timeout`](Self::handle_timeout) first, until
/// [`poll_timeout`](Self::poll_timeout) is later than now: that call has a bound of work, while any
/// other input fires all that is due before it, however much that is.
///
/// # Outputs
///
/// What others must hear waits in the engine until [`poll_output`](Self::poll_output) hands it out.
/// Drain it after every call, or at least in every turn of the event loop: what waits takes memory,
/// 24 bytes an output and 8 a session told.
///
/// # Examples
///
/// ```
/// use presence_engine::{Config, DeviceId, Engine, LoginKind, Output, Platform, State, Timestamp};
///
/// let mut engine = Engine::<String>::new(Config::default());
/// let now = Timestamp::from_millis(0);
///
/// let ann = engine.login(now, "ann", Platform::Web, DeviceId::new("w1"), LoginKind::Login)?;
/// engine.subscribe(now, ann, &["bob"])?;
/// while engine.poll_output().is_some() {}
///
/// let bob = engine.login(now, "bob", Platform::Mac, DeviceId::new("m1"), LoginKind::Login)?;
/// let Some(Output::Event(event)) = engine.poll_output() else { panic!() };
/// assert_eq!(event.user, "bob");
/// let Some(Output::Status(change)) = engine.poll_output() else { panic!() };
/// assert_eq!((change.user.as_str(), change.state), ("bob", State::Online));
/// assert_eq!(change.to, [bob, ann]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine<
    U: UserId,
    #[cfg(feature = "std")] S = std::hash::RandomState,
    #[cfg(not(feature = "std"))] S,
> {
    directory: Directory<U, S>,
    core: Core,
    is_valid: fn(&U::Borrowed) -> bool,
}

#[cfg(feature = "std")]
impl<U: UserId> Engine<U> {
    /// Makes an engine without users, with a hasher keyed at random.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_hasher(config, std::hash::RandomState::new())
    }
}

impl<U: UserId, S: BuildHasher> Engine<U, S> {
    /// Makes an engine without users, with a hasher of the host's own.
    ///
    /// The hasher never changes what the engine does (TI-7). Where strangers choose user ids it
    /// must be keyed with a secret, or they can make look-ups slow.
    #[must_use]
    pub fn with_hasher(config: Config, hasher: S) -> Self {
        Self {
            directory: Directory::new(hasher),
            core: Core::new(config),
            is_valid: <U as UserId>::is_valid,
        }
    }

    /// Sets another rule for valid user ids than that of their type (AC-1).
    ///
    /// # Examples
    ///
    /// ```
    /// use presence_engine::{Config, Engine, Timestamp};
    ///
    /// let mut engine = Engine::<String>::new(Config::default()).with_id_rule(|id| id.len() == 4);
    /// assert!(engine.inspect(Timestamp::ZERO, "ännä").is_err());
    /// assert!(engine.inspect(Timestamp::ZERO, "änn").is_ok());
    /// ```
    #[must_use]
    pub fn with_id_rule(mut self, is_valid: fn(&U::Borrowed) -> bool) -> Self {
        self.is_valid = is_valid;
        self
    }

    /// Logs a device in and returns the id of its session.
    ///
    /// The newcomer always wins: a login of the same device is replaced (ML-7), and others are
    /// displaced as policy and instance limits demand (ML-6). An unknown user becomes known.
    ///
    /// # Outputs
    ///
    /// A [`Close`] for each session that has to go, the login's [`Event`] with all displaced
    /// devices, and a [`StatusChange`] if the user was not Online.
    ///
    /// # Errors
    ///
    /// [`LoginError::InvalidUserId`]; [`LoginError::KickedOffline`] once, if the device was
    /// displaced while it was away and the switch for `kind` is on (ML-10); [`LoginError::Full`].
    ///
    /// # Complexity
    ///
    /// O(the user's devices) expected, and O(sessions to tell) if the user was not Online.
    pub fn login(
        &mut self,
        now: Timestamp,
        user: &U::Borrowed,
        platform: Platform,
        device: DeviceId,
        kind: LoginKind,
    ) -> Result<SessionId, LoginError> {
        let now = self.enter(now);
        self.check_id(user)?;
        if !self.core.sessions.has_room() {
            return Err(LoginError::Full(crate::error::EngineFull));
        }
        let user = match self.directory.find(user) {
            Some(known) if self.core.is_refused(now, known, platform, &device, kind) => {
                self.forget_idle();
                return Err(LoginError::KickedOffline);
            }
            Some(known) => known,
            None => self.admit(user)?,
        };
        Ok(self.core.login(now, user, platform, device))
    }

    /// Ends a session by the user's wish; no push registration stays (ST-4). A browser's `destroy`
    /// is a log-out too (LV-5).
    ///
    /// # Outputs
    ///
    /// The log-out's [`Event`], and a [`StatusChange`] if the user's state changes.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended.
    ///
    /// # Complexity
    ///
    /// O(the user's devices), and O(sessions to tell) if the user's state changes.
    pub fn logout(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        self.end_link(now, session, Action::Logout, Reason::Unregister)
    }

    /// Ends a session whose link the host has seen break: a closed page, a killed process, a FIN or
    /// RST (LV-5). On a push-capable platform the device stays as a push registration (ST-5).
    ///
    /// # Outputs
    ///
    /// The disconnection's [`Event`], and a [`StatusChange`] if the user's state changes.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended. This is no fault: the report may be late, and
    /// never hurts the device's next session (LV-7).
    ///
    /// # Complexity
    ///
    /// O(the user's devices), and O(sessions to tell) if the user's state changes.
    pub fn link_closed(
        &mut self,
        now: Timestamp,
        session: SessionId,
    ) -> Result<(), UnknownSession> {
        self.end_link(now, session, Action::Disconnect, Reason::LinkClose)
    }

    /// Records that the session is alive, so that it does not end before `now` plus its platform's
    /// timeout (LV-1, LV-2).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended. This is no fault: a heartbeat may race with the
    /// session's own end.
    ///
    /// # Complexity
    ///
    /// O(1): one comparison and one store. The timer is put back later, at most once a timeout.
    #[inline]
    pub fn heartbeat(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        let now = self.enter(now);
        if self.core.sessions.hear(session, now) { Ok(()) } else { Err(UnknownSession) }
    }

    /// Records that all these sessions are alive, and returns how many of them are: the others have
    /// ended and are passed over.
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Complexity
    ///
    /// O(sessions), less for each than [`Engine::heartbeat`].
    pub fn heartbeats(&mut self, now: Timestamp, sessions: &[SessionId]) -> usize {
        let now = self.enter(now);
        sessions.iter().filter(|&&session| self.core.sessions.hear(session, now)).count()
    }

    /// Records that a mini program was put in the background: its link counts as broken after a
    /// while, unless it comes back (LV-3). On other platforms it only counts as heard (LV-4).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended.
    ///
    /// # Complexity
    ///
    /// O(1).
    pub fn background(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        self.heartbeat(now, session)?;
        self.core.leave(self.core.latest, session, false);
        Ok(())
    }

    /// Records that a mini program is in the foreground: what [`Engine::background`] and
    /// [`Engine::exit`] began is off (LV-3).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended.
    ///
    /// # Complexity
    ///
    /// O(1).
    pub fn foreground(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        self.heartbeat(now, session)?;
        self.core.come_back(session);
        Ok(())
    }

    /// Records that a mini program was left by its exit control: its link counts as broken shortly
    /// after, unless it comes back (LV-3). On other platforms it only counts as heard (LV-4).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`UnknownSession`] if the session has ended.
    ///
    /// # Complexity
    ///
    /// O(1).
    pub fn exit(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        self.heartbeat(now, session)?;
        self.core.leave(self.core.latest, session, true);
        Ok(())
    }

    /// Sets the custom status of the session's user; an empty text clears it (CS-1, CS-2).
    ///
    /// # Outputs
    ///
    /// An [`Event`] and a [`StatusChange`], unless the user has this status already (CS-4).
    ///
    /// # Errors
    ///
    /// [`SetStatusError::UnknownSession`]; [`SetStatusError::TooLong`], the session counting as
    /// heard.
    ///
    /// # Complexity
    ///
    /// O(length), and O(sessions to tell) if the status changes.
    pub fn set_status(
        &mut self,
        now: Timestamp,
        session: SessionId,
        custom: &str,
    ) -> Result<(), SetStatusError> {
        let now = self.enter(now);
        self.core.set_status(now, session, custom)
    }

    /// Lets time pass: fires the timers due by `now`, but stops after
    /// [`Config::timer_work_max`] units of work. Then [`Engine::poll_timeout`] names a moment that
    /// is already due, and the host drains the outputs and calls again.
    ///
    /// # Outputs
    ///
    /// Those of the timers that fire.
    ///
    /// # Complexity
    ///
    /// O(work bound), and one last fan-out. Called early it does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.release();
        self.core.pass_time(now, self.core.config.timer_work_max());
        self.forget_idle();
    }

    /// Returns when the engine next wants [`Engine::handle_timeout`] to be called: never later than
    /// its next effect, perhaps earlier, and `None` if nothing is pending (TI-6).
    ///
    /// # Complexity
    ///
    /// O(1).
    #[must_use = "without the call at that moment, timers fire late"]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.core.next_timeout()
    }

    /// Takes out the oldest waiting output; `None` if there is none.
    ///
    /// Within one step links are closed first, then come events, then the status (EV-4).
    ///
    /// # Complexity
    ///
    /// O(1). Nothing is allocated or cloned.
    #[must_use = "an output that is dropped is an action not taken"]
    pub fn poll_output(&mut self) -> Option<Output<'_, U>> {
        self.release();
        let popped = self.core.outbox.pop()?;
        let (directory, devices) = (&self.directory, &self.core.devices);
        let at = popped.record.at;
        Some(match popped.record.kind {
            Kind::Close { session, device, reason } => {
                let device = devices.get(device);
                let user = directory.id(device.user);
                let (platform, device) = (device.platform, &device.id);
                Output::Close(Close { at, session, user, platform, device, reason })
            }
            Kind::Event { device, action, reason, .. } => {
                let device = devices.get(device);
                let user = directory.id(device.user);
                let (platform, device) = (device.platform, &device.id);
                let displaced = Displaced::new(popped.displaced, devices);
                Output::Event(Event { at, action, reason, user, platform, device, displaced })
            }
            Kind::Status { user, state, .. } => {
                let user = directory.id(user);
                let (custom, to) = (popped.custom, popped.told);
                Output::Status(StatusChange { at, user, state, custom, to })
            }
        })
    }

    /// Takes any input as a value: dispatches to the method that it mirrors.
    ///
    /// # Outputs
    ///
    /// Those of the method.
    ///
    /// # Errors
    ///
    /// Those of the method, wrapped.
    ///
    /// # Complexity
    ///
    /// That of the method.
    pub fn apply(&mut self, now: Timestamp, input: Input<U>) -> Result<Answer<U>, InputError<U>> {
        match input {
            Input::HandleTimeout => self.handle_timeout(now),
            Input::Login { user, platform, device, kind } => {
                return Ok(Answer::LoggedIn(self.login(
                    now,
                    user.borrow(),
                    platform,
                    device,
                    kind,
                )?));
            }
            Input::Logout { session } => self.logout(now, session)?,
            Input::LinkClosed { session } => self.link_closed(now, session)?,
            Input::Heartbeat { session } => self.heartbeat(now, session)?,
            Input::Heartbeats { sessions } => {
                return Ok(Answer::Heard(self.heartbeats(now, &sessions)));
            }
            Input::Background { session } => self.background(now, session)?,
            Input::Foreground { session } => self.foreground(now, session)?,
            Input::Exit { session } => self.exit(now, session)?,
            Input::SetStatus { session, custom } => self.set_status(now, session, &custom)?,
            Input::Query { session, users } => {
                return Ok(Answer::Queried(self.query(now, session, &users)?));
            }
            Input::Subscribe { session, users } => {
                return Ok(Answer::Subscribed(self.subscribe(now, session, &users)?));
            }
            Input::Unsubscribe { session, users } => {
                return Ok(Answer::Unsubscribed(self.unsubscribe(now, session, &users)?));
            }
            Input::AddFriend { owner, friend } => {
                self.add_friend(now, owner.borrow(), friend.borrow())?;
            }
            Input::RemoveFriend { owner, friend } => {
                self.remove_friend(now, owner.borrow(), friend.borrow())?;
            }
            Input::ForceOut { user, scope } => self.force_out(now, user.borrow(), &scope)?,
            Input::Register { user } => self.register(now, user.borrow())?,
            Input::RemoveUser { user } => self.remove_user(now, user.borrow())?,
            Input::Inspect { user } => {
                return Ok(Answer::Inspected(self.inspect(now, user.borrow())?));
            }
            Input::Reconfigure { config } => self.reconfigure(now, config)?,
        }
        Ok(Answer::Done)
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Returns how much the engine holds.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            users: self.directory.len(),
            sessions: self.core.sessions.len(),
            push_registrations: self.core.devices.len() - self.core.sessions.len(),
            edges: self.core.relations.len(),
            timers: self.core.timer_count(),
            pending_outputs: self.core.outbox.len(),
            clock_regressions: self.core.clock_regressions,
        }
    }

    /// Checks the engine's own data structures, for tests and fuzzing.
    ///
    /// # Errors
    ///
    /// The invariant that does not hold, by module and number: a bug in this crate.
    ///
    /// # Complexity
    ///
    /// O(everything), squared in places.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        self.directory.check_invariants()?;
        self.core.check_invariants()
    }

    /// Takes the stamp of an input and fires all that is due by then.
    #[inline]
    fn enter(&mut self, now: Timestamp) -> Timestamp {
        let now = self.core.enter(now);
        self.forget_idle();
        now
    }

    fn end_link(
        &mut self,
        now: Timestamp,
        session: SessionId,
        action: Action,
        reason: Reason,
    ) -> Result<(), UnknownSession> {
        let now = self.enter(now);
        if self.core.hear(now, session).is_none() {
            return Err(UnknownSession);
        }
        self.core.end_link(now, session, None, action, reason);
        self.forget_idle();
        Ok(())
    }

    fn check_id(&self, user: &U::Borrowed) -> Result<(), InvalidUserId> {
        if (self.is_valid)(user) { Ok(()) } else { Err(InvalidUserId) }
    }

    /// Makes a user known who is not.
    fn admit(&mut self, user: &U::Borrowed) -> Result<UserSlot, crate::error::EngineFull> {
        self.release();
        let slot = self.directory.admit(user).ok_or(crate::error::EngineFull)?;
        self.core.admit(slot);
        Ok(slot)
    }

    /// Forgets the users of whom nothing is left (TI-8).
    #[inline]
    fn forget_idle(&mut self) {
        while let Some(user) = self.core.take_idle() {
            self.directory.forget(user);
        }
    }

    /// Takes slots back that only outputs still named, once there are none.
    fn release(&mut self) {
        if self.core.outbox.is_empty() {
            self.core.devices.release();
            self.directory.release();
        }
    }
}

impl<U: UserId, S: Clone> Clone for Engine<U, S> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), core: self.core.clone(), is_valid: self.is_valid }
    }
}

impl<U: UserId, S: BuildHasher> fmt::Debug for Engine<U, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("latest", &self.core.latest)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
