//! How links begin, live and end: login with displacement (ML), heartbeats, log-out, broken links,
//! force (LV).

use core::hash::BuildHasher;

use smallvec::SmallVec;

use crate::engine::Engine;
use crate::engine::core::Core;
use crate::error::{EngineFull, LoginError, UnknownSession};
use crate::id::{DeviceId, DeviceSlot, SessionId, UserSlot};
use crate::input::{LoginKind, Scope};
use crate::output::{Action, CloseReason, Reason};
use crate::platform::Platform;
use crate::policy::Displacement;
use crate::status::State;
use crate::time::Timestamp;
use crate::user_id::UserId;

impl<U: UserId, S: BuildHasher> Engine<U, S> {
    /// Logs a device in and returns the id of its session.
    ///
    /// The newcomer always wins: a login of the same device is replaced (ML-7), and others are
    /// displaced as policy and instance limits demand (ML-6). An unknown user becomes known.
    ///
    /// # Outputs
    ///
    /// A [`Close`](crate::Close) for each session that has to go, the login's
    /// [`Event`](crate::Event) with all displaced devices, and a
    /// [`StatusChange`](crate::StatusChange) if the user was not Online.
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
        self.release();
        if !self.core.sessions.has_room() || !self.core.devices.has_room() {
            return Err(LoginError::Full(EngineFull));
        }
        // Called for before it is sure that it is he, as that is one line more to wait for. It is
        // another if their hashes begin alike, once in twenty times at most.
        let candidate = self.directory.candidate(user);
        let known = candidate.and_then(|candidate| {
            self.core.call_for(candidate.0);
            self.directory.confirm(candidate, user)
        });
        let user = match known {
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
    /// The log-out's [`Event`](crate::Event), and a [`StatusChange`](crate::StatusChange) if the
    /// user's state changes.
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
    /// The disconnection's [`Event`](crate::Event), and a [`StatusChange`](crate::StatusChange) if
    /// the user's state changes.
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
    /// O(1): one comparison and one store. The timer is put back later, a few times a timeout at
    /// most. O(log of those who are) for one who was silent for weeks.
    #[inline]
    pub fn heartbeat(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        // Many have the same stamp, and nothing was due by then.
        if self.core.is_quiet(now) && self.core.sessions.hear(session, now) {
            return Ok(());
        }
        self.heartbeat_anew(now, session)
    }

    /// The same where the stamp is another than the last, timers may be due, or the session has
    /// ended or is silent. Out of line and out of the way, as a heartbeat that saves registers for
    /// it takes a third longer, and one that jumps over it a twentieth.
    #[cold]
    #[inline(never)]
    fn heartbeat_anew(&mut self, now: Timestamp, session: SessionId) -> Result<(), UnknownSession> {
        let now = self.enter(now);
        self.core.hear(now, session).map(|_| ()).ok_or(UnknownSession)
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
        let (mut heard, mut rest) = (0, sessions);
        loop {
            let first = self.core.sessions.hear_first(rest, now);
            heard += first;
            let Some((&other, after)) = rest[first..].split_first() else { return heard };
            heard += usize::from(self.core.hear_silent(now, other));
            rest = after;
        }
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

    fn end_link(
        &mut self,
        now: Timestamp,
        session: SessionId,
        action: Action,
        reason: Reason,
    ) -> Result<(), UnknownSession> {
        let now = self.enter(now);
        self.core.call_for_end(session.slot());
        let user = self.core.hear(now, session).ok_or(UnknownSession)?;
        self.core.end_link(now, user, session, None, action, reason);
        self.forget_idle();
        Ok(())
    }
}

/// Devices that one step takes away, with their sessions: rarely more than a few.
type Taken = SmallVec<[(DeviceSlot, Option<SessionId>); 8]>;

impl Core {
    /// Spends the note that the device was kicked while away, if there is one; tells whether the
    /// login is to be refused for it (ML-10).
    pub(super) fn is_refused(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        platform: Platform,
        device: &DeviceId,
        kind: LoginKind,
    ) -> bool {
        let Some(extras) = self.users.extras_mut(user) else { return false };
        let was_kicked = extras.notes.spend(now, platform, device);
        let switches = self.config.kicked_away();
        let is_on = switches.on_reconnect && (kind == LoginKind::Reconnect || switches.on_login);
        if was_kicked && is_on {
            self.note_idle(user);
        }
        was_kicked && is_on
    }

    /// Logs a device in: takes an old login of its own away, displaces whom policy and limits
    /// demand, and opens a session. The caller has checked that there is room for it.
    pub(super) fn login(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        platform: Platform,
        device: DeviceId,
    ) -> SessionId {
        let before = self.state(user);
        let head = self.users.devices(user);
        if let Some(old) = self.devices.find(head, platform, &device) {
            self.replace(now, user, old);
        }
        let displaced = match self.users.devices(user) {
            DeviceSlot::NONE => SmallVec::new(),
            _ => self.displace(now, user, platform),
        };
        let head = self.users.devices_mut(user);
        let device = self.devices.append(head, user, platform, device);
        let session = self.sessions.open(now, user, device, platform.family());
        self.reach.add(user, session);
        self.arm_session(session);
        self.register(user);
        self.outbox.event(now, user, device, Action::Login, Reason::Register, &displaced);
        self.finish_step(now, user, before);
        session
    }

    /// Takes the old login of a device away (ML-7).
    #[inline(never)]
    fn replace(&mut self, now: Timestamp, user: UserSlot, old: DeviceSlot) {
        let link = self.links_of(user).find(|&(slot, ..)| slot == old);
        let session = link.and_then(|(.., session)| session);
        self.close(now, user, old, session, CloseReason::Replaced);
        self.unlink_device(user, old);
    }

    /// Takes away all whom a newcomer on `platform` displaces, earliest login first (ML-6, ML-9).
    #[inline(never)]
    fn displace(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        platform: Platform,
    ) -> SmallVec<[DeviceSlot; 8]> {
        let mut plan = Displacement::new(
            self.config.policy(),
            platform,
            self.config.max_instances(platform),
            self.devices_of(user).map(|(_, other)| other.platform()),
        );
        let others = self.links_of(user);
        let displaced = others.filter(|(_, other, _)| plan.takes(other.platform()));
        let displaced: Taken = displaced.map(|(slot, _, session)| (slot, session)).collect();
        for &(slot, session) in &displaced {
            if session.is_none() {
                let other = self.devices.get(slot);
                let (platform, id) = (other.platform(), other.id.clone());
                self.users.make_extras(user).notes.make(now, platform, id);
            }
            self.close(now, user, slot, session, CloseReason::Kicked { by: platform });
            self.unlink_device(user, slot);
        }
        displaced.into_iter().map(|(slot, _)| slot).collect()
    }

    /// Ends the session of a device, if it has one, and tells the host to close its link (LV-6).
    fn close(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        device: DeviceSlot,
        session: Option<SessionId>,
        reason: CloseReason,
    ) {
        if let Some(session) = session {
            self.end_session(user, session);
            self.outbox.close(now, session, device, reason);
        }
    }

    /// Ends a live session: by the engine, with the reason for the host, or by host or client. A
    /// broken link leaves a push registration where there can be one (ST-5); a log-out leaves none
    /// (ST-4). Returns how many sessions and edges that took.
    pub(super) fn end_link(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        session: SessionId,
        close: Option<CloseReason>,
        action: Action,
        reason: Reason,
    ) -> usize {
        let Some(slot) = self.sessions.device(session) else { return 0 };
        let platform = self.devices.get(slot).platform();
        let before = self.state(user);
        self.end_session(user, session);
        if let Some(close) = close {
            self.outbox.close(now, session, slot, close);
        }
        if action == Action::Logout || !platform.can_push() {
            self.unlink_device(user, slot);
        }
        self.outbox.event(now, user, slot, action, reason, &[]);
        self.finish_step(now, user, before)
    }

    /// Puts a mini program in the background, or notes that it was left (LV-3). Elsewhere nothing
    /// happens (LV-4). The session is live.
    pub(super) fn leave(&mut self, now: Timestamp, session: SessionId, by_exit: bool) {
        let Some(slot) = self.sessions.device(session) else { return };
        if self.devices.get(slot).platform() != Platform::MiniProgram {
            return;
        }
        let away = self.devices.leave(slot);
        let since = if by_exit { &mut away.exit_since } else { &mut away.background_since };
        since.get_or_insert(now);
        self.arm_session(session);
    }

    /// Notes that a mini program is back (LV-3). The session is live.
    pub(super) fn come_back(&mut self, session: SessionId) {
        if let Some(slot) = self.sessions.device(session) {
            self.devices.come_back(slot);
        }
    }

    /// Takes away the user's devices that `scope` covers (ML-11).
    pub(super) fn force_out(&mut self, now: Timestamp, user: UserSlot, scope: &Scope) {
        let before = self.state(user);
        self.take_away(now, user, scope, CloseReason::Forced, Reason::Forced);
        self.finish_step(now, user, before);
    }

    /// Takes everything away from the user and erases what is known of him (AC-3).
    pub(super) fn remove_user(&mut self, now: Timestamp, user: UserSlot) {
        let before = self.state(user);
        self.take_away(now, user, &Scope::All, CloseReason::Removed, Reason::Removed);
        self.users.erase(user);
        if before != State::Offline {
            self.tell(now, user, State::Offline, None);
        }
        self.arm_user(user);
        self.relations.remove_user(user, &mut self.others);
        for nth in 0..self.others.len() {
            self.drop_needless_clearing(self.others[nth]);
        }
        self.note_others_idle();
        self.note_idle(user);
    }

    /// Calls off the clearing of a list that has run empty before (SU-9).
    fn drop_needless_clearing(&mut self, user: UserSlot) {
        let is_armed = self.users.extras(user).is_some_and(|extras| extras.clearing.is_some());
        if is_armed && !self.has_subscriptions(user) {
            self.users.make_extras(user).clearing = None;
            self.arm_user(user);
        }
    }

    /// Closes the links of the devices that `scope` covers, gives their events, and takes them out
    /// of the user's list, each time earliest login first (EV-4).
    fn take_away(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        scope: &Scope,
        close: CloseReason,
        reason: Reason,
    ) {
        let covered = self
            .links_of(user)
            .filter(|(_, device, _)| scope.covers(device.platform(), &device.id));
        let taken: Taken = covered.map(|(slot, _, session)| (slot, session)).collect();
        for &(slot, session) in &taken {
            self.close(now, user, slot, session, close);
        }
        for &(slot, _) in &taken {
            self.outbox.event(now, user, slot, Action::Logout, reason, &[]);
            self.unlink_device(user, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::config::{Config, Timeout};
    use crate::sessions::Sessions;

    /// TI-2, TI-3: what is noted while some who are due still wait is no stamp that may come.
    #[test]
    fn a_heartbeat_at_the_end_of_time_is_not_taken_for_a_quiet_one() {
        let config = Config::builder().timeout(Timeout::Web, 10).timer_work_max(1);
        let mut engine = Engine::<u16>::new(config.build().expect("it is valid"));
        let sessions = [7, 8, 9].map(|user| {
            let (device, kind) = (DeviceId::new("d"), LoginKind::Login);
            let session = engine.login(Timestamp::ZERO, &user, Platform::Web, device, kind);
            session.expect("there is room")
        });
        let late = Timestamp::from_millis(100);
        engine.handle_timeout(late);
        assert!(engine.core.due_from <= late && engine.stats().sessions > 1);
        assert!(!engine.core.is_quiet(late) && !engine.core.is_quiet(Timestamp::MAX));
        assert_eq!(engine.check_invariants(), Ok(()));
        while engine.poll_timeout().is_some_and(|next| next <= late) {
            engine.handle_timeout(late);
        }
        assert!(engine.core.is_quiet(late));
        assert_eq!(engine.heartbeat(Timestamp::MAX, sessions[2]), Err(UnknownSession));
        assert_eq!(engine.now(), Timestamp::MAX);
        assert!(!engine.core.is_quiet(Timestamp::MAX) && !engine.core.is_quiet(late));
        assert_eq!(engine.check_invariants(), Ok(()));
    }

    /// BI-1, LI-7: where there is no room for a session, a login is refused and changes nothing.
    #[test]
    fn a_login_is_refused_when_there_is_no_room() {
        let mut engine = Engine::<u16>::new(Config::default());
        let login = |engine: &mut Engine<u16>, user| {
            let device = DeviceId::new("d");
            let session =
                engine.login(Timestamp::ZERO, &user, Platform::Web, device, LoginKind::Login);
            while engine.poll_output().is_some() {}
            session
        };
        let count = Sessions::COUNT_MAX as u16;
        let sessions: Vec<_> = (0..count).map(|user| login(&mut engine, user)).collect();
        assert!(sessions.iter().all(Result::is_ok));
        let stats = engine.stats();
        assert_eq!(login(&mut engine, count), Err(LoginError::Full(EngineFull)));
        assert_eq!(engine.stats(), stats);

        engine.logout(Timestamp::ZERO, sessions[7].expect("he is in")).expect("it is live");
        while engine.poll_output().is_some() {}
        assert!(login(&mut engine, count).is_ok());
        assert_eq!(login(&mut engine, 7), Err(LoginError::Full(EngineFull)));
        assert_eq!(engine.check_invariants(), Ok(()));
    }
}
