//! What clients ask on their sessions: custom status (CS), query (QU), subscriptions (SU).

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::hash::BuildHasher;

use smallvec::SmallVec;

use crate::bucket::Api;
use crate::config::{Accounts, Limit};
use crate::engine::Engine;
use crate::engine::core::Core;
use crate::error::{
    Failure, FailureReason, QueryError, RequestError, SetStatusError, UnknownSession,
};
use crate::id::{SessionId, UserSlot};
use crate::input::{Queried, Subscribed, Unsubscribed};
use crate::output::{Action, Reason};
use crate::status::{State, Status};
use crate::time::Timestamp;
use crate::user_id::UserId;

impl<U: UserId, S: BuildHasher> Engine<U, S> {
    /// Sets the custom status of the session's user; an empty text clears it (CS-1, CS-2).
    ///
    /// # Outputs
    ///
    /// An [`Event`](crate::Event) and a [`StatusChange`](crate::StatusChange), unless the user has
    /// this status already (CS-4).
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
        self.core.call_for(session.slot());
        self.core.set_status(now, session, custom)
    }

    /// Returns the statuses of up to [`Limit::QueryUsers`] users, in the order asked (QU-1).
    ///
    /// Asking for oneself only is free; otherwise tier, switch and rate limit apply (QU-2).
    ///
    /// # Outputs
    ///
    /// None of its own.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] if the whole is refused, in the order of LI-6, the session counting
    /// as heard; [`QueryError::AllFailed`] if it was admitted but every id failed (QU-3).
    ///
    /// # Complexity
    ///
    /// O(users named) expected. The answer is allocated at once; ids and custom statuses that are
    /// texts are cloned.
    pub fn query(
        &mut self,
        now: Timestamp,
        session: SessionId,
        users: &[impl Borrow<U::Borrowed>],
    ) -> Result<Queried<U>, QueryError<U>> {
        let now = self.enter(now);
        let me = self.core.hear(now, session).ok_or(UnknownSession)?;
        if users.is_empty() {
            return Err(RequestError::EmptyList.into());
        }
        self.core.check_count(users.len(), Limit::QueryUsers)?;
        let own_id = self.directory.id(me).borrow();
        if users.iter().any(|user| user.borrow() != own_id) {
            self.core.admit_request(now, me, Api::Query)?;
        }
        let mut answer =
            Queried { statuses: Vec::with_capacity(users.len()), failures: Vec::new() };
        for (user, found) in users.iter().zip(self.look_up(users)) {
            let user = user.borrow();
            match self.resolve(user, found) {
                Ok(slot) => {
                    let status = slot.map_or_else(Status::default, |slot| self.core.status(slot));
                    answer.statuses.push((U::from_borrowed(user), status));
                }
                Err(reason) => answer.failures.push(failure::<U>(user, reason)),
            }
        }
        if answer.statuses.is_empty() {
            return Err(QueryError::AllFailed(answer.failures));
        }
        Ok(answer)
    }

    /// Puts up to [`Limit::SubscribeUsers`] users in the subscription list of the session's user,
    /// one after another (SU-4): a new one at the newest place, one who is in the list is moved
    /// there. Over the cap the oldest are evicted.
    ///
    /// # Outputs
    ///
    /// None of its own (NO-7).
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the whole is refused, in the order of LI-6, the session counting as
    /// heard. Ids that fail do not hinder the others; they are in the answer (SU-5).
    ///
    /// # Complexity
    ///
    /// O(users named + length of the list) expected; O(users named × length of the list) if anybody
    /// is evicted.
    pub fn subscribe(
        &mut self,
        now: Timestamp,
        session: SessionId,
        users: &[impl Borrow<U::Borrowed>],
    ) -> Result<Subscribed<U>, RequestError> {
        let now = self.enter(now);
        let me = self.core.hear(now, session).ok_or(UnknownSession)?;
        if users.is_empty() {
            return Err(RequestError::EmptyList);
        }
        self.core.check_count(users.len(), Limit::SubscribeUsers)?;
        self.core.admit_request(now, me, Api::Subscribe)?;
        let mut failures = Vec::new();
        let mut targets = Vec::with_capacity(users.len());
        for (user, found) in users.iter().zip(self.look_up(users)) {
            let user = user.borrow();
            match self.resolve_target(me, user, found) {
                Ok(target) => targets.push(target),
                Err(reason) => failures.push(failure::<U>(user, reason)),
            }
        }
        let cap = self.core.config.limit(Limit::Subscriptions);
        let mut evicted = core::mem::take(&mut self.core.others);
        self.core.relations.subscribe(me, &targets, cap, &mut evicted);
        let gone = self.core.last_evictions(me, &evicted);
        let gone = gone.into_iter().map(|other| self.directory.id(other).clone()).collect();
        self.core.others = evicted;
        self.core.note_others_idle();
        self.forget_idle();
        Ok(Subscribed { evicted: gone, failures })
    }

    /// Takes up to [`Limit::UnsubscribeUsers`] users out of the subscription list of the session's
    /// user; an empty list takes out everybody (SU-7).
    ///
    /// # Outputs
    ///
    /// None of its own (NO-7).
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the whole is refused, in the order of LI-6, the session counting as
    /// heard. Ids that fail do not hinder the others; they are in the answer.
    ///
    /// # Complexity
    ///
    /// O(users named + length of the list) expected, and for each user who was in the list a scan
    /// of his watchers, up to 255 of them, or a look-up in their index.
    pub fn unsubscribe(
        &mut self,
        now: Timestamp,
        session: SessionId,
        users: &[impl Borrow<U::Borrowed>],
    ) -> Result<Unsubscribed<U>, RequestError> {
        let now = self.enter(now);
        let me = self.core.hear(now, session).ok_or(UnknownSession)?;
        self.core.check_count(users.len(), Limit::UnsubscribeUsers)?;
        self.core.admit_request(now, me, Api::Unsubscribe)?;
        let mut failures = Vec::new();
        if users.is_empty() {
            self.core.relations.clear_subscriptions(me, &mut self.core.others);
        }
        let mut targets = Vec::with_capacity(users.len());
        for (user, found) in users.iter().zip(self.look_up(users)) {
            let user = user.borrow();
            match self.resolve(user, found) {
                Ok(target) => targets.extend(target),
                Err(reason) => failures.push(failure::<U>(user, reason)),
            }
        }
        self.core.relations.unsubscribe(me, &targets, &mut self.core.others);
        self.core.note_others_idle();
        self.forget_idle();
        Ok(Unsubscribed { failures })
    }

    /// Empties the subscription list of the session's user: an [`Engine::unsubscribe`] of nobody.
    ///
    /// # Outputs
    ///
    /// None of its own (NO-7).
    ///
    /// # Errors
    ///
    /// [`RequestError`], in the order of LI-6, the session counting as heard.
    ///
    /// # Complexity
    ///
    /// O(length of the list), and for each user in it a scan of his watchers, up to 255 of them, or
    /// a look-up in their index.
    pub fn unsubscribe_all(
        &mut self,
        now: Timestamp,
        session: SessionId,
    ) -> Result<(), RequestError> {
        let nobody: &[&U::Borrowed] = &[];
        self.unsubscribe(now, session, nobody).map(|_| ())
    }

    /// Finds those of the users whom a request names who are known, all of them in one go, and
    /// first without a look at their ids: so the processor waits for many of them at once.
    fn look_up(&self, users: &[impl Borrow<U::Borrowed>]) -> SmallVec<[Option<UserSlot>; 4]> {
        let users = users.iter().map(Borrow::borrow);
        let candidate = |user| self.directory.candidate(user);
        let candidates =
            users.clone().map(|user| if self.is_valid(user) { candidate(user) } else { None });
        let mut found: SmallVec<[Option<UserSlot>; 4]> = candidates.collect();
        for (found, user) in found.iter_mut().zip(users) {
            *found = found.and_then(|candidate| self.directory.confirm(candidate, user));
        }
        found
    }

    /// Says who a user is whom a request names, and who was found or not: `None` if he exists, but
    /// nothing is kept of him.
    fn resolve(
        &self,
        user: &U::Borrowed,
        found: Option<UserSlot>,
    ) -> Result<Option<UserSlot>, FailureReason> {
        match found {
            Some(known) => Ok(Some(known)),
            None if !self.is_valid(user) => Err(FailureReason::InvalidUserId),
            None if self.core.config.accounts() == Accounts::Known => {
                Err(FailureReason::UnknownUser)
            }
            None => Ok(None),
        }
    }

    /// Says who is to be put in the list of `me`, and makes him known if he is not.
    fn resolve_target(
        &mut self,
        me: UserSlot,
        user: &U::Borrowed,
        found: Option<UserSlot>,
    ) -> Result<UserSlot, FailureReason> {
        match self.resolve(user, found)? {
            Some(target) if target == me => Err(FailureReason::SelfSubscription),
            Some(target) => Ok(target),
            // The request may have named him before, and so made him known.
            None => match self.directory.find(user) {
                Some(target) => Ok(target),
                None => self.admit(user).map_err(|_| FailureReason::EngineFull),
            },
        }
    }
}

fn failure<U: UserId>(user: &U::Borrowed, reason: FailureReason) -> Failure<U> {
    Failure { user: U::from_borrowed(user), reason }
}

impl Core {
    pub(super) fn set_status(
        &mut self,
        now: Timestamp,
        session: SessionId,
        custom: &str,
    ) -> Result<(), SetStatusError> {
        let user = self.hear(now, session).ok_or(UnknownSession)?;
        // The outbox counts bytes in 32 bits.
        let limit = self.config.limit(Limit::CustomStatusBytes).min(u64::from(u32::MAX));
        let bytes = custom.len() as u64;
        if bytes > limit {
            return Err(SetStatusError::TooLong { bytes, limit });
        }
        let Some(device) = self.sessions.device(session) else { return Ok(()) };
        match self.users.extras_mut(user) {
            Some(extras) if extras.custom.as_bytes() == custom.as_bytes() => return Ok(()),
            Some(extras) => extras.custom.assign(custom),
            None if custom.is_empty() => return Ok(()),
            None => self.users.make_extras(user).custom.assign(custom),
        }
        self.outbox.event(
            now,
            user,
            device,
            Action::CustomStatusChange,
            Reason::SetCustomStatus,
            &[],
        );
        self.tell(now, user, State::Online, Some(custom));
        Ok(())
    }

    /// Returns those of the evicted who are not in the list, each once, in the order of their last
    /// evictions (SU-6).
    fn last_evictions(&self, watcher: UserSlot, evicted: &[UserSlot]) -> Vec<UserSlot> {
        let mut latest: Vec<_> = evicted.iter().copied().zip(0..).collect::<Vec<(_, usize)>>();
        latest.sort_unstable();
        latest.dedup_by(|later, earlier| {
            let is_repeat = later.0 == earlier.0;
            if is_repeat {
                earlier.1 = later.1;
            }
            is_repeat
        });
        latest.retain(|&(target, _)| !self.relations.is_subscribed(watcher, target));
        latest.sort_unstable_by_key(|&(_, at)| at);
        latest.into_iter().map(|(target, _)| target).collect()
    }

    /// Returns what is told of a user.
    pub(super) fn status(&self, user: UserSlot) -> Status {
        Status { state: self.state(user), custom: self.users.custom(user).into() }
    }

    /// Checks how many users a request names (LI-6: before tier, switch and rate).
    fn check_count(&self, count: usize, limit: Limit) -> Result<(), RequestError> {
        let (users, limit) = (count as u64, self.config.limit(limit));
        if users > limit { Err(RequestError::TooManyUsers { users, limit }) } else { Ok(()) }
    }

    /// Checks tier, switch and rate, in this order, and takes a token (LI-6).
    fn admit_request(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        api: Api,
    ) -> Result<(), RequestError> {
        let tier = self.config.tier();
        if !tier.has_subscriptions() {
            return Err(RequestError::TierRequired { tier });
        }
        if !self.config.status_switch() {
            return Err(RequestError::SwitchOff);
        }
        let Self { users, rates, .. } = self;
        let taken = users.take_token(user, api, now, rates);
        taken.map_err(|retry_after_ms| RequestError::RateLimited { retry_after_ms })
    }
}
