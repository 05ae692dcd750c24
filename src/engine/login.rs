//! How links begin and end: login with displacement (ML), log-out, broken links, force (LV).

use smallvec::SmallVec;

use crate::engine::core::Core;
use crate::id::{DeviceId, DeviceSlot, SessionId, UserSlot};
use crate::input::{LoginKind, Scope};
use crate::output::{Action, CloseReason, Reason};
use crate::platform::Platform;
use crate::policy::Displacement;
use crate::status::State;
use crate::time::Timestamp;

/// Devices that one step takes away: rarely more than a few.
type Taken = SmallVec<[DeviceSlot; 8]>;

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
        let Some(extras) = &mut self.users[user.index()].extras else { return false };
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
        let head = self.users[user.index()].devices;
        if let Some(old) = self.devices.find(head, platform, &device) {
            self.close(now, user, old, CloseReason::Replaced);
            self.unlink_device(user, old);
        }
        let displaced = self.displace(now, user, platform);
        let session = self.sessions.open(now, platform);
        let head = &mut self.users[user.index()].devices;
        let device = self.devices.append(head, user, platform, device, session);
        self.sessions.set_device(session, device);
        self.reach.add(user, session);
        self.arm_session(session);
        self.register(user);
        self.outbox.event(now, device, Action::Login, Reason::Register, &displaced);
        self.finish_step(now, user, before, false);
        session
    }

    /// Takes away all whom a newcomer on `platform` displaces, earliest login first (ML-6, ML-9).
    fn displace(&mut self, now: Timestamp, user: UserSlot, platform: Platform) -> Taken {
        let others = || self.devices.list(self.users[user.index()].devices);
        let mut plan = Displacement::new(
            self.config.policy(),
            platform,
            self.config.max_instances(platform),
            others().map(|(_, other)| other.platform),
        );
        let displaced: Taken = others()
            .filter(|(_, other)| plan.takes(other.platform))
            .map(|(slot, _)| slot)
            .collect();
        for &slot in &displaced {
            if !self.close(now, user, slot, CloseReason::Kicked { by: platform }) {
                let other = self.devices.get(slot);
                let (platform, id) = (other.platform, other.id.clone());
                self.users[user.index()].extras_mut().notes.make(now, platform, id);
            }
            self.unlink_device(user, slot);
        }
        displaced
    }

    /// Ends the device's session and tells the host to close its link (LV-6); `false` if it has
    /// none.
    fn close(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        device: DeviceSlot,
        reason: CloseReason,
    ) -> bool {
        let Some(session) = self.devices.get(device).session else { return false };
        self.end_session(user, session);
        self.outbox.close(now, session, device, reason);
        true
    }

    /// Ends a live session: by the engine, with the reason for the host, or by host or client. A
    /// broken link leaves a push registration where there can be one (ST-5); a log-out leaves none
    /// (ST-4). Returns how many sessions are told.
    pub(super) fn end_link(
        &mut self,
        now: Timestamp,
        session: SessionId,
        close: Option<CloseReason>,
        action: Action,
        reason: Reason,
    ) -> usize {
        let Some(slot) = self.sessions.device(session) else { return 0 };
        let device = self.devices.get(slot);
        let (user, platform) = (device.user, device.platform);
        let before = self.state(user);
        self.end_session(user, session);
        if let Some(close) = close {
            self.outbox.close(now, session, slot, close);
        }
        if action == Action::Logout || !platform.can_push() {
            self.unlink_device(user, slot);
        }
        self.outbox.event(now, slot, action, reason, &[]);
        self.finish_step(now, user, before, false)
    }

    /// Puts a mini program in the background, or notes that it was left (LV-3). Elsewhere nothing
    /// happens (LV-4). The session is live.
    pub(super) fn leave(&mut self, now: Timestamp, session: SessionId, by_exit: bool) {
        let Some(slot) = self.sessions.device(session) else { return };
        let device = self.devices.get_mut(slot);
        if device.platform != Platform::MiniProgram {
            return;
        }
        let away = device.away.get_or_insert_default();
        let since = if by_exit { &mut away.exit_since } else { &mut away.background_since };
        since.get_or_insert(now);
        self.arm_session(session);
    }

    /// Notes that a mini program is back (LV-3). The session is live.
    pub(super) fn come_back(&mut self, session: SessionId) {
        if let Some(slot) = self.sessions.device(session) {
            self.devices.get_mut(slot).away = None;
        }
    }

    /// Takes away the user's devices that `scope` covers (ML-11).
    pub(super) fn force_out(&mut self, now: Timestamp, user: UserSlot, scope: &Scope) {
        let before = self.state(user);
        self.take_away(now, user, scope, CloseReason::Forced, Reason::Forced);
        self.finish_step(now, user, before, false);
    }

    /// Takes everything away from the user and erases what is known of him (AC-3).
    pub(super) fn remove_user(&mut self, now: Timestamp, user: UserSlot) {
        let before = self.state(user);
        self.take_away(now, user, &Scope::All, CloseReason::Removed, Reason::Removed);
        let record = &mut self.users[user.index()];
        record.extras = None;
        record.is_registered = false;
        if before != State::Offline {
            self.tell(now, user, State::Offline);
        }
        self.arm_user(user);
        self.relations.remove_user(user, &mut self.others);
        self.note_others_idle();
        self.note_idle(user);
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
        let devices = self.devices.list(self.users[user.index()].devices);
        let covered = devices.filter(|(_, device)| scope.covers(device.platform, &device.id));
        let taken: Taken = covered.map(|(slot, _)| slot).collect();
        for &slot in &taken {
            self.close(now, user, slot, close);
        }
        for &slot in &taken {
            self.outbox.event(now, slot, Action::Logout, reason, &[]);
            self.unlink_device(user, slot);
        }
    }
}
