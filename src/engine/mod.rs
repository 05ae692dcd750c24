//! The engine: where the parts meet, and the thin shell that knows the host's user ids.

mod core;
mod host;
mod links;
mod notify;
mod requests;
mod timers;

use ::core::fmt;
use ::core::hash::BuildHasher;

use smallvec::SmallVec;

use crate::config::Config;
use crate::devices::Device;
use crate::directory::{AT_ONCE, AtOnce, Directory};
use crate::error::{EngineFull, InputError, InvalidUserId};
use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::input::{Answer, Input};
use crate::outbox::Kind;
use crate::output::{Close, DeviceRef, Displaced, Event, Output, StatusChange};
use crate::stats::Stats;
use crate::time::Timestamp;
use crate::user_id::UserId;

use self::core::Core;

/// Users, each with one of his devices.
type Owners = AtOnce<(DeviceSlot, UserSlot)>;

/// At which numbers of waiting outputs a poll takes slots back: at the multiples of this, so that
/// two go for each output, and at 0.
const POLLS_A_RELEASE: usize = 16;

/// The presence of one app's users: a state machine without clock, socket or thread.
///
/// # The four families of methods
///
/// - **Links**, as they begin, live and end: [`login`](Self::login), [`logout`](Self::logout),
///   [`link_closed`](Self::link_closed), [`heartbeat`](Self::heartbeat),
///   [`heartbeats`](Self::heartbeats), [`background`](Self::background),
///   [`foreground`](Self::foreground), [`exit`](Self::exit).
/// - **Requests** of clients, on a session: [`set_status`](Self::set_status),
///   [`query`](Self::query), [`subscribe`](Self::subscribe), [`unsubscribe`](Self::unsubscribe),
///   [`unsubscribe_all`](Self::unsubscribe_all).
/// - **Orders** of the host: [`add_friend`](Self::add_friend),
///   [`remove_friend`](Self::remove_friend), [`force_out`](Self::force_out),
///   [`register`](Self::register), [`remove_user`](Self::remove_user),
///   [`inspect`](Self::inspect), [`reconfigure`](Self::reconfigure).
/// - **Time and news**: [`handle_timeout`](Self::handle_timeout),
///   [`poll_timeout`](Self::poll_timeout), [`poll_output`](Self::poll_output).
///
/// [`apply`](Self::apply) takes any input as a value. The getters ([`now`](Self::now),
/// [`config`](Self::config), [`stats`](Self::stats), [`devices`](Self::devices),
/// [`owner`](Self::owner), [`subscriptions`](Self::subscriptions), [`friends`](Self::friends))
/// change nothing and let no time pass. [`prefetch`](Self::prefetch) and
/// [`prefetch_users`](Self::prefetch_users) are hints of what comes next.
///
/// # Time
///
/// Every input carries `now`. Before it is looked at, every timer due by then fires, at its own
/// deadline (TI-3), and adds to the cost of that input; an earlier stamp than the latest counts as
/// the latest (TI-2). A host that was away for long calls [`handle_timeout`](Self::handle_timeout)
/// first, until [`poll_timeout`](Self::poll_timeout) is later than now: that call has a bound of
/// work, while any other input fires all that is due before it, however much that is.
///
/// # Outputs
///
/// What others must hear waits in the engine until [`poll_output`](Self::poll_output) hands it out.
/// Drain it after every call, or at least in every turn of the event loop: what waits takes memory,
/// 24 bytes an output and 8 a session told, and the engine sets no limit to it. As outputs may name
/// users who are gone, it also holds up the taking back of what was known of them.
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
/// assert!(matches!(engine.poll_output(), Some(Output::Event(event)) if event.user == "bob"));
/// assert!(matches!(
///     engine.poll_output(),
///     Some(Output::Status(change)) if change.state == State::Online && change.to == [bob, ann]
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine<
    U: UserId,
    #[cfg(feature = "std")] S = std::hash::RandomState,
    #[cfg(not(feature = "std"))] S,
> {
    directory: Directory<U, S>,
    core: Core,
    /// The host's rule for valid ids, if it is not that of their type.
    id_rule: Option<fn(&U::Borrowed) -> bool>,
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
        Self { directory: Directory::new(hasher), core: Core::new(config), id_rule: None }
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
        self.id_rule = Some(is_valid);
        self
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
    /// O(work bound), and whatever the last timer does. Called early it does nothing.
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
    /// Amortised O(1). Nothing is cloned for it, and nothing allocated but for the lists of what is
    /// free, when they grow.
    #[must_use = "an output that is dropped is an action not taken"]
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output<'_, U>> {
        if self.core.outbox.len() % POLLS_A_RELEASE == 0 {
            self.release();
        }
        let (_, earlier) = self.core.outbox.progress();
        let popped = self.core.outbox.pop()?;
        let (directory, devices) = (&self.directory, &self.core.devices);
        let at = popped.record.at;
        Some(match popped.record.kind {
            Kind::Close { session, device, reason } => {
                let device = devices.get(device);
                let user = directory.id_then(device.user, earlier);
                let (platform, device) = (device.platform(), &device.id);
                Output::Close(Close { at, session, user, platform, device, reason })
            }
            Kind::Event { user, device, action, reason, .. } => {
                let device = devices.get(device);
                let user = directory.id_then(user, earlier);
                let (platform, device) = (device.platform(), &device.id);
                let displaced = Displaced::new(popped.displaced, devices);
                Output::Event(Event { at, action, reason, user, platform, device, displaced })
            }
            Kind::Status { user, state, .. } => {
                let user = directory.id_then(user, earlier);
                let (custom, to) = (popped.custom, popped.told);
                Output::Status(StatusChange { at, user, state, custom, to })
            }
        })
    }

    /// Reads ahead what the next inputs of some sessions will need. It is a hint, by which nothing
    /// changes and no time passes, and no input, so that a journal has no need of it.
    ///
    /// An input of somebody who is in no cache waits for the memory, several times one after
    /// another. A host that has many inputs at hand, as after a poll of its links, names the
    /// sessions of the next 16 or so, of more the first would be out of the caches again, and then
    /// gives the inputs: what they need comes for all of them at once. Among a million users a
    /// change of status told to ten takes half as long then; among a few thousand, who are in the
    /// caches anyway, it is in vain, as it is for heartbeats. It reads what a change of status
    /// needs; log-ins and log-outs need more, which [`Engine::prefetch_users`] reads.
    ///
    /// # Complexity
    ///
    /// O(sessions named), for each less than any input that tells others. Those that have ended are
    /// passed over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use presence_engine::{Config, DeviceId, Engine, LoginKind, Platform, Timestamp};
    /// # let mut engine = Engine::<u64>::new(Config::default());
    /// # let now = Timestamp::ZERO;
    /// # let mut sessions = Vec::new();
    /// # for user in [7, 8, 9] {
    /// #     let device = DeviceId::new("tab");
    /// #     sessions.push(engine.login(now, &user, Platform::Web, device, LoginKind::Login)?);
    /// # }
    /// let texts = ["away", "in a match", ""];
    /// engine.prefetch(sessions.iter().copied());
    /// for (session, text) in sessions.into_iter().zip(texts) {
    ///     engine.set_status(now, session, text)?;
    ///     while let Some(output) = engine.poll_output() {
    ///         // Send it.
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prefetch(&self, sessions: impl IntoIterator<Item = SessionId>) {
        let mut sessions = sessions.into_iter().peekable();
        while sessions.peek().is_some() {
            // Whatever the host does to name them is done before the first is looked for.
            let some: AtOnce<_> = sessions.by_ref().take(AT_ONCE).collect();
            let some = some.into_iter().filter_map(|id| self.core.call_for_owner(id));
            self.core.call_for_all(&some.collect::<Owners>());
        }
    }

    /// Does what [`Engine::prefetch`] does for inputs that name users, as the log-ins of those who
    /// come back after an outage, and reads what logging in and out needs beside that. Where the
    /// host knows whose links end, it serves for log-outs too, better than [`Engine::prefetch`].
    ///
    /// # Complexity
    ///
    /// O(users named) expected, for each a look-up of the id beside that. Ids that are unknown or
    /// not valid are passed over.
    pub fn prefetch_users<'a>(&self, users: impl IntoIterator<Item = &'a U::Borrowed>)
    where
        U::Borrowed: 'a,
    {
        let mut users = users.into_iter().filter(|user| self.is_valid(user)).peekable();
        while users.peek().is_some() {
            let some: AtOnce<_> = users.by_ref().take(AT_ONCE).collect();
            let some: AtOnce<_> = self.directory.find_all(&some).collect();
            let some = some.into_iter().map(|user| (self.core.users.devices(user), user));
            let owners: Owners = some.collect();
            self.core.call_for_all(&owners);
            self.core.call_for_all_links(&owners);
        }
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

    /// Returns the latest stamp that the engine has taken: an earlier one counts as this (TI-2).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.latest
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Walks a user's logged-in devices, sessions and push registrations, earliest login first, as
    /// the last input left them.
    ///
    /// # Complexity
    ///
    /// O(1) expected, and O(devices) for the walk.
    pub fn devices(&self, user: &U::Borrowed) -> impl Iterator<Item = DeviceRef<'_, U>> {
        let user = self.directory.find(user).into_iter();
        user.flat_map(|user| self.core.links_of(user))
            .map(|(_, device, session)| self.device_ref(device, session))
    }

    /// Returns whose session this is, and of which device; `None` if it has ended.
    ///
    /// # Complexity
    ///
    /// O(1).
    #[must_use]
    pub fn owner(&self, session: SessionId) -> Option<DeviceRef<'_, U>> {
        let device = self.core.sessions.device(session)?;
        Some(self.device_ref(self.core.devices.get(device), Some(session)))
    }

    /// Walks a user's subscription list, oldest first, as the last input left it.
    ///
    /// # Complexity
    ///
    /// O(1) expected, and O(length) for the walk.
    ///
    /// # Examples
    ///
    /// ```
    /// use presence_engine::{Config, DeviceId, Engine, LoginKind, Platform, Timestamp};
    ///
    /// let mut engine = Engine::<String>::new(Config::default());
    /// let now = Timestamp::ZERO;
    /// let ann = engine.login(now, "ann", Platform::Web, DeviceId::new("w1"), LoginKind::Login)?;
    /// engine.subscribe(now, ann, &["bob", "cat", "bob"])?;
    /// assert!(engine.subscriptions("ann").eq(["cat", "bob"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscriptions(&self, user: &U::Borrowed) -> impl Iterator<Item = &U> {
        let user = self.directory.find(user).into_iter();
        user.flat_map(|user| self.core.relations.subscriptions(user))
            .map(|id| self.directory.id(id))
    }

    /// Walks a user's friends, in no order that means anything, as the last input left them.
    ///
    /// # Complexity
    ///
    /// O(1) expected, and O(users whom he watches) for the walk.
    pub fn friends(&self, user: &U::Borrowed) -> impl Iterator<Item = &U> {
        let user = self.directory.find(user).into_iter();
        user.flat_map(|user| self.core.relations.friends(user)).map(|id| self.directory.id(id))
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

    /// Checks the engine's own data structures, for tests and fuzzing. What the texts say may
    /// change with any version.
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
        if self.core.pass_time(now, u64::MAX) {
            self.forget_idle();
        }
        self.core.latest
    }

    fn device_ref<'a>(
        &'a self,
        device: &'a Device,
        session: Option<SessionId>,
    ) -> DeviceRef<'a, U> {
        let (user, platform) = (self.directory.id(device.user), device.platform());
        DeviceRef { user, platform, device: &device.id, session }
    }

    fn check_id(&self, user: &U::Borrowed) -> Result<(), InvalidUserId> {
        if self.is_valid(user) { Ok(()) } else { Err(InvalidUserId) }
    }

    #[inline]
    fn is_valid(&self, user: &U::Borrowed) -> bool {
        match self.id_rule {
            None => U::is_valid(user),
            Some(is_valid) => is_valid(user),
        }
    }

    /// Makes a user known who is not.
    fn admit(&mut self, user: &U::Borrowed) -> Result<UserSlot, EngineFull> {
        self.release();
        let (made, _) = self.core.outbox.progress();
        let slot = self.directory.admit(user, made).ok_or(EngineFull)?;
        self.core.admit(slot);
        Ok(slot)
    }

    /// Forgets the users of whom nothing is left (TI-8).
    ///
    /// Never inline: it would keep [`Engine::enter`] from being so, and heartbeats need nothing of
    /// it.
    #[inline(never)]
    fn forget_idle(&mut self) {
        if let Some(user) = self.core.take_idle() {
            self.forget_all(user);
        }
    }

    /// Forgets the user, and then all others of whom nothing is left, some at a time.
    fn forget_all(&mut self, user: UserSlot) {
        const AT_ONCE: usize = 32;
        let mut gone = SmallVec::<[UserSlot; AT_ONCE]>::from_slice(&[user]);
        loop {
            let others = ::core::iter::from_fn(|| self.core.take_idle());
            gone.extend(others.take(AT_ONCE - gone.len()));
            if gone.is_empty() {
                return;
            }
            self.directory.call_for(&gone);
            let progress = self.core.outbox.progress();
            gone.drain(..).for_each(|user| self.directory.forget(user, progress));
        }
    }

    /// Lets go of what was kept for outputs that have been handed out.
    #[inline]
    fn release(&mut self) {
        if self.core.devices.has_retired() || self.directory.has_retired() {
            let (made, taken) = self.core.outbox.progress();
            self.core.devices.release(made, taken);
            self.directory.release(made, taken);
        }
    }
}

impl<U: UserId, S: Clone> Clone for Engine<U, S> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone(), core: self.core.clone(), id_rule: self.id_rule }
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
