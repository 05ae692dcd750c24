//! What the host orders: friends (FR), force (ML-11), accounts (AC), inspection (QU-5) and
//! configuration (ML-12).

use core::hash::BuildHasher;

use crate::bucket::SWEEP;
use crate::config::{Accounts, Config, ConfigError, Limit};
use crate::engine::Engine;
use crate::engine::core::Core;
use crate::error::{FriendError, InvalidUserId, RegisterError};
use crate::id::UserSlot;
use crate::input::{Inspection, Scope};
use crate::relations::Kinds;
use crate::status::State;
use crate::time::Timestamp;
use crate::user_id::UserId;

impl<U: UserId, S: BuildHasher> Engine<U, S> {
    /// Records that `owner` has `friend`: from then on he is told of the friend's changes (FR-1,
    /// FR-2). One direction only; repeating it does nothing.
    ///
    /// # Outputs
    ///
    /// None of its own (NO-7).
    ///
    /// # Errors
    ///
    /// [`FriendError`], checked in this order: both ids valid, not the same, both known, and, if he
    /// is not a friend already, not one too many.
    ///
    /// # Complexity
    ///
    /// O(users whom the owner watches).
    pub fn add_friend(
        &mut self,
        now: Timestamp,
        owner: &U::Borrowed,
        friend: &U::Borrowed,
    ) -> Result<(), FriendError> {
        self.enter(now);
        self.check_pair(owner, friend)?;
        let (known_owner, known_friend) = (self.directory.find(owner), self.directory.find(friend));
        let is_known = known_owner.is_some() && known_friend.is_some();
        if self.core.config.accounts() == Accounts::Known && !is_known {
            return Err(FriendError::UnknownUser);
        }
        let owner = match known_owner {
            Some(known) => known,
            None => self.admit(owner)?,
        };
        let added = match known_friend.map_or_else(|| self.admit(friend), Ok) {
            Ok(friend) => {
                let limit = self.core.config.limit(Limit::Friends);
                let is_friend = self.core.relations.add_friend(owner, friend, limit);
                self.core.users.befriend(owner);
                // Who was there before has lost nothing.
                if known_friend.is_none() {
                    self.core.note_idle(friend);
                }
                if is_friend { Ok(()) } else { Err(FriendError::TooManyFriends { limit }) }
            }
            Err(full) => Err(full.into()),
        };
        if known_owner.is_none() {
            self.core.note_idle(owner);
        }
        self.forget_idle();
        added
    }

    /// Records that `owner` no longer has `friend`; if he had none such, nothing changes. Nobody
    /// has to be known.
    ///
    /// # Outputs
    ///
    /// None of its own (NO-7).
    ///
    /// # Errors
    ///
    /// [`FriendError::InvalidUserId`], [`FriendError::SelfFriend`].
    ///
    /// # Complexity
    ///
    /// O(users whom the owner watches).
    pub fn remove_friend(
        &mut self,
        now: Timestamp,
        owner: &U::Borrowed,
        friend: &U::Borrowed,
    ) -> Result<(), FriendError> {
        self.enter(now);
        self.check_pair(owner, friend)?;
        if let (Some(owner), Some(friend)) =
            (self.directory.find(owner), self.directory.find(friend))
        {
            self.core.relations.remove_friend(owner, friend);
            self.core.note_idle(owner);
            self.core.note_idle(friend);
            self.forget_idle();
        }
        Ok(())
    }

    /// Forces a user out: the devices that `scope` covers are logged out, their links closed, their
    /// push registrations dropped (ML-11). Of a user whom nobody knows it does nothing.
    ///
    /// # Outputs
    ///
    /// A [`Close`](crate::Close) for each session and an [`Event`](crate::Event) for each device,
    /// and a [`StatusChange`](crate::StatusChange) if the user's state changes.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`].
    ///
    /// # Complexity
    ///
    /// O(the user's devices), and O(sessions to tell) if his state changes.
    pub fn force_out(
        &mut self,
        now: Timestamp,
        user: &U::Borrowed,
        scope: &Scope,
    ) -> Result<(), InvalidUserId> {
        let now = self.enter(now);
        self.check_id(user)?;
        if let Some(user) = self.directory.find(user) {
            self.core.force_out(now, user, scope);
            self.forget_idle();
        }
        Ok(())
    }

    /// Makes a user exist, in the mode of known accounts (AC-2). Repeating it does nothing; in open
    /// mode everybody exists.
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`RegisterError`].
    ///
    /// # Complexity
    ///
    /// O(1) expected.
    pub fn register(&mut self, now: Timestamp, user: &U::Borrowed) -> Result<(), RegisterError> {
        self.enter(now);
        self.check_id(user)?;
        if self.core.config.accounts() == Accounts::Known && self.directory.find(user).is_none() {
            let user = self.admit(user)?;
            self.core.register(user);
        }
        Ok(())
    }

    /// Removes a user: his links are closed, and everything about him is erased, relations from and
    /// to him included (AC-3). Of a user whom nobody knows it does nothing.
    ///
    /// # Outputs
    ///
    /// A [`Close`](crate::Close) for each session and an [`Event`](crate::Event) for each device,
    /// and a [`StatusChange`](crate::StatusChange) if he was not Offline.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`].
    ///
    /// # Complexity
    ///
    /// O(his devices, and everybody related to him times the length of their lists).
    pub fn remove_user(&mut self, now: Timestamp, user: &U::Borrowed) -> Result<(), InvalidUserId> {
        let now = self.enter(now);
        self.check_id(user)?;
        if let Some(user) = self.directory.find(user) {
            self.core.remove_user(now, user);
            self.forget_idle();
        }
        Ok(())
    }

    /// Returns what is known of a user: state, custom status, and the state on each platform
    /// (QU-5). No limits apply. One whom nobody knows is Offline.
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`].
    ///
    /// # Complexity
    ///
    /// O(the user's devices) expected.
    pub fn inspect(
        &mut self,
        now: Timestamp,
        user: &U::Borrowed,
    ) -> Result<Inspection, InvalidUserId> {
        self.enter(now);
        self.check_id(user)?;
        Ok(match self.directory.find(user) {
            Some(user) => self.core.inspect(user),
            None => Inspection::default(),
        })
    }

    /// Changes the configuration, from the next input on; nobody is kicked and nothing is removed
    /// by the change itself (ML-12).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Fixed`] if the timeouts, the account mode or the work bound would change.
    ///
    /// # Complexity
    ///
    /// O(1); a change of a rate also converts the buckets of one in 512 users, each by as many
    /// changes as there were since it was full, up to about a thousand.
    ///
    /// # Examples
    ///
    /// ```
    /// use presence_engine::{Config, Engine, Policy, Timestamp};
    ///
    /// let mut engine = Engine::<u64>::new(Config::default());
    /// let config = engine.config().to_builder().policy(Policy::Multi).build()?;
    /// engine.reconfigure(Timestamp::ZERO, config)?;
    /// assert_eq!(engine.config().policy(), Policy::Multi);
    /// # Ok::<(), presence_engine::ConfigError>(())
    /// ```
    pub fn reconfigure(&mut self, now: Timestamp, config: Config) -> Result<(), ConfigError> {
        let now = self.enter(now);
        self.core.config.check_change(&config)?;
        self.core.reconfigure(now, config);
        Ok(())
    }

    fn check_pair(&self, owner: &U::Borrowed, friend: &U::Borrowed) -> Result<(), FriendError> {
        self.check_id(owner)?;
        self.check_id(friend)?;
        if owner == friend { Err(FriendError::SelfFriend) } else { Ok(()) }
    }
}

impl Core {
    fn inspect(&self, user: UserSlot) -> Inspection {
        let states = self.devices_of(user).map(|(_, device)| {
            let is_online = device.has_session();
            (device.platform(), if is_online { State::Online } else { State::PushOnline })
        });
        Inspection::new(self.status(user), states)
    }

    fn reconfigure(&mut self, now: Timestamp, config: Config) {
        if self.rates.note(now, config.rates()) {
            self.sweep_buckets();
        }
        self.kinds = Kinds::new(config.has_subscriptions(), config.friend_switch());
        self.config = config;
    }

    /// Has the buckets of the next few users catch up with the rates.
    fn sweep_buckets(&mut self) {
        let Self { users, rates, swept, .. } = self;
        let count = users.len() / SWEEP + 1;
        users.catch_up(*swept, count, rates);
        *swept += count;
        if *swept >= users.len() {
            *swept = 0;
            rates.finish_sweep();
        }
    }
}
