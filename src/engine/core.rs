//! The core: users by slot, their devices, sessions, relations and timers. It is not generic.
//!
//! # Invariants
//!
//! Beside those of its parts:
//!
//! 1. A device is in the list of the user whom it names; its session, if any, is live and names it,
//!    and is among those that reach the user.
//! 2. A user has a push expiry exactly while his state is PushOnline, but for deadlines that never
//!    come, and a clearing only while he is not Online.
//! 3. Every deadline of a session or user has a timer that is popped no later, and is counted.
//! 4. A user of whom nothing is left is not kept, once [`Core::take_idle`] is drained.
//! 5. Notes are within their limit, and only who is Online has a custom status.
//! 6. No timer is popped before `due_from`; `quiet` is the latest stamp, if nothing is due by then.
//! 7. The wheel is at the latest stamp, unless a call stopped before all was done that is due.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use crate::bucket::RateHistory;
use crate::config::{Accounts, Config, Timeout};
use crate::devices::{Device, Devices};
use crate::id::{DeviceSlot, SessionId, UserSlot};
use crate::outbox::Outbox;
use crate::output::CloseReason;
use crate::platform::Family;
use crate::reach::Reach;
use crate::relations::{Kinds, Relations};
use crate::sessions::{LOOK_AGAIN_MS, Sessions};
use crate::status::State;
use crate::time::Timestamp;
use crate::timer::{Batch, Owner, Wheel};
use crate::user::{Armed, Forgetting, NOTE_MS, NOTES_MAX, Users};

/// The room, in users, that a buffer never gives back.
const ROOM_KEPT: usize = 4_096;

/// Everything but the users' ids.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    /// Which edges count under this configuration (NO-4).
    pub(super) kinds: Kinds,
    pub(super) rates: RateHistory,
    /// The timeouts of families of sessions that have no other deadlines. They never change.
    pub(super) usual_timeouts: [u32; Family::NUMBERS],
    /// The latest stamp (TI-2).
    pub(super) latest: Timestamp,
    pub(super) clock_regressions: u64,
    /// From when on timers may be due.
    pub(super) due_from: Timestamp,
    /// The latest stamp, if no timer is due by then, or the end of time: so a heartbeat has but one
    /// thing to read to know both, and the processor room for more heartbeats.
    quiet: Timestamp,
    pub(super) wheel: Wheel,
    /// What is due at the moment of the wheel.
    pub(super) due: Batch,
    pub(super) due_at: Timestamp,
    /// A buffer for who is due, before it is ranked.
    pub(super) collected: Vec<Owner>,
    pub(super) users: Users,
    /// How many users the sweep of changed rates has reached.
    pub(super) swept: usize,
    pub(super) devices: Devices,
    pub(super) sessions: Sessions,
    pub(super) reach: Reach,
    pub(super) relations: Relations,
    pub(super) outbox: Outbox,
    /// Users of whom nothing may be left.
    idle: Vec<UserSlot>,
    /// Counts armings, for the order of timers (TI-5).
    armings: NonZeroU64,
    /// A buffer for the other ends of edges.
    pub(super) others: Vec<UserSlot>,
}

impl Core {
    pub(super) fn new(config: Config) -> Self {
        Self {
            kinds: Kinds::new(config.has_subscriptions(), config.friend_switch()),
            rates: RateHistory::new(config.rates()),
            usual_timeouts: usual_timeouts(&config),
            config,
            latest: Timestamp::ZERO,
            clock_regressions: 0,
            due_from: Timestamp::MAX,
            quiet: Timestamp::ZERO,
            wheel: Wheel::default(),
            due: Batch::default(),
            due_at: Timestamp::ZERO,
            collected: Vec::new(),
            users: Users::default(),
            swept: 0,
            devices: Devices::default(),
            sessions: Sessions::default(),
            reach: Reach::default(),
            relations: Relations::default(),
            outbox: Outbox::default(),
            idle: Vec::new(),
            armings: NonZeroU64::MIN,
            others: Vec::new(),
        }
    }

    /// Makes room for a user who has just become known.
    pub(super) fn admit(&mut self, user: UserSlot) {
        self.users.admit(user);
        self.reach.admit(user);
        self.relations.admit(user);
    }

    /// Makes a user exist in the mode of known accounts (AC-2).
    pub(super) fn register(&mut self, user: UserSlot) {
        if self.config.accounts() == Accounts::Known {
            self.users.register(user);
        }
    }

    /// Walks the user's logged-in devices, earliest login first.
    pub(super) fn devices_of(
        &self,
        user: UserSlot,
    ) -> impl Iterator<Item = (DeviceSlot, &Device)> + Clone {
        self.devices.list(self.users.devices(user))
    }

    /// The same, with the session of each that has one.
    pub(super) fn links_of(
        &self,
        user: UserSlot,
    ) -> impl Iterator<Item = (DeviceSlot, &Device, Option<SessionId>)> {
        // Both are in the order of the logins.
        let mut sessions = self.reach.of(user).iter();
        self.devices_of(user).map(move |(slot, device)| {
            let session = if device.has_session() { sessions.next() } else { None };
            (slot, device, session.copied())
        })
    }

    /// Returns how the user can be reached (ST-1).
    pub(super) fn state(&self, user: UserSlot) -> State {
        if !self.reach.of(user).is_empty() {
            State::Online
        } else if self.users.devices(user) != DeviceSlot::NONE {
            State::PushOnline
        } else {
            State::Offline
        }
    }

    /// Returns whether the user has a subscription list that is not empty.
    pub(super) fn has_subscriptions(&self, user: UserSlot) -> bool {
        // Nearly always told without a look at the list, which is in no cache.
        let watches_anybody = self.relations.watches_anybody(user);
        let has_friends = self.users.may_have_friends(user);
        watches_anybody && (!has_friends || self.relations.has_subscriptions(user))
    }

    /// Returns the user of a live session, which has been heard from (LV-1).
    #[inline]
    pub(super) fn hear(&mut self, now: Timestamp, session: SessionId) -> Option<UserSlot> {
        let is_live = self.sessions.hear(session, now) || self.hear_silent(now, session);
        is_live.then(|| self.sessions.user(session.slot()))
    }

    /// Hears one who was not heard for weeks, as hardly anybody is; tells whether it is one.
    #[cold]
    pub(super) fn hear_silent(&mut self, now: Timestamp, session: SessionId) -> bool {
        let is_silent = self.sessions.hear_silent(session, now);
        if is_silent {
            self.arm_session(session);
        }
        is_silent
    }

    /// Reads one thing of each line that a change of state will need of the user with the number of
    /// a session's slot, as the only one of a user mostly has it. They are on their way to the
    /// caches together then, and each of them is waited for while the others come.
    #[inline]
    pub(super) fn call_for(&self, slot: u32) {
        let user = UserSlot(slot);
        let read = self.users.call_for(user)
            ^ self.relations.call_for_watchers(user)
            ^ self.reach.call_for(user)
            ^ self.devices.call_for(self.sessions.device_hint(slot));
        core::hint::black_box(read);
    }

    /// Returns whose a live session is, and his device.
    #[inline]
    pub(super) fn call_for_owner(&self, session: SessionId) -> Option<(DeviceSlot, UserSlot)> {
        let device = self.sessions.device(session)?;
        Some((device, self.sessions.user(session.slot())))
    }

    /// Reads of many users at once what [`Core::call_for`] reads of one, and the cells of those who
    /// watch them, where they are few. What is read of one does not wait for what is read of
    /// another.
    pub(super) fn call_for_all(&self, owners: &[(DeviceSlot, UserSlot)]) {
        // In loops of few instructions, or the processor has not room for many at a time.
        let read = owners.iter().fold(0, |read, &(device, user)| {
            read ^ u32::from(self.relations.call_for_lists(user))
                ^ self.users.call_for_record(user)
                ^ self.reach.call_for(user)
                ^ self.devices.call_for(device)
        });
        let read = owners.iter().fold(read, |read, &(_, user)| {
            read ^ self.users.call_for(user) ^ self.relations.call_for_watchers(user)
        });
        core::hint::black_box(read);
        let read = owners
            .iter()
            .fold(0, |read, &(_, user)| read ^ self.relations.call_for_cells(user, &self.reach));
        core::hint::black_box(read);
    }

    /// Reads of many users at once what logging in and out needs beside that: what is touched when
    /// a session ends, or is opened, in the slot with the user's number, which his only one mostly
    /// has, and what [`Core::call_for_more`] reads of one.
    pub(super) fn call_for_all_links(&self, owners: &[(DeviceSlot, UserSlot)]) {
        let read = owners.iter().fold(0, |read, &(_, user)| {
            read ^ self.sessions.call_for_slot(user.0)
                ^ self.wheel.call_for_place(Owner::Session(user.0))
                ^ self.wheel.call_for_place(Owner::User(user.0))
        });
        core::hint::black_box(read);
        let read =
            owners.iter().fold(0, |read, &(_, user)| read ^ self.users.call_for_buckets(user));
        core::hint::black_box(read);
    }

    /// Does what [`Core::call_for`] does, and reads what is touched when a session ends.
    #[inline]
    pub(super) fn call_for_end(&self, slot: u32) {
        self.call_for(slot);
        let place = self.wheel.call_for_place(Owner::Session(slot));
        core::hint::black_box(place);
        self.call_for_more(UserSlot(slot));
    }

    /// Reads what is touched of a user who goes offline beside what [`Core::call_for`] reads.
    #[inline]
    pub(super) fn call_for_more(&self, user: UserSlot) {
        core::hint::black_box(self.wheel.call_for_place(Owner::User(user.0)));
        core::hint::black_box(self.users.call_for_buckets(user));
    }

    /// Returns when a live session ends if it is not heard from, and why: `None` if that moment
    /// cannot be represented (LV-2, LV-3).
    pub(super) fn session_deadline(&self, session: SessionId) -> Option<(Timestamp, CloseReason)> {
        let now = self.wheel.now();
        session_deadline(&self.config, &self.sessions, &self.devices, session, now)
    }

    /// Sees to it that the session's timer is popped in time.
    pub(super) fn arm_session(&mut self, session: SessionId) {
        if let Some((deadline, _)) = self.session_deadline(session) {
            let again = self.wheel.now().checked_add(LOOK_AGAIN_MS).unwrap_or(deadline);
            let deadline = deadline.min(again);
            self.arm(Owner::Session(session.slot()), deadline);
        }
    }

    /// Sees to it that the user's timer is popped in time.
    pub(super) fn arm_user(&mut self, user: UserSlot) {
        if let Some(deadline) = self.users.count_deadline(user) {
            self.arm(Owner::User(user.0), deadline);
        }
    }

    fn arm(&mut self, owner: Owner, deadline: Timestamp) {
        self.due_from = self.due_from.min(self.wheel.arm(owner, deadline));
        self.note_quiet();
    }

    /// Notes that the latest stamp is another, or from when on timers may be due.
    #[inline]
    pub(super) fn note_quiet(&mut self) {
        self.quiet = if self.latest < self.due_from { self.latest } else { Timestamp::MAX };
    }

    /// Returns whether a stamp is the latest, and nothing is due by then. At the end of time it may
    /// be so nevertheless.
    #[inline]
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        now == self.quiet && now != Timestamp::MAX
    }

    /// Returns a deadline with its place among all armings, if it can be represented.
    pub(super) fn armed(&mut self, now: Timestamp, timeout: Timeout) -> Option<Armed> {
        let at = now.checked_add(self.config.timeout(timeout))?;
        self.armings = self.armings.saturating_add(1);
        Some(Armed { at, order: self.armings })
    }

    /// Ends a live session. Its device stays, as a push registration, until it is unlinked.
    pub(super) fn end_session(&mut self, user: UserSlot, session: SessionId) {
        if let Some(device) = self.sessions.device(session) {
            self.devices.end_session(device);
        }
        self.reach.remove(user, session);
        self.sessions.close(session);
    }

    /// Takes a device without session out of the user's list.
    pub(super) fn unlink_device(&mut self, user: UserSlot, device: DeviceSlot) {
        self.devices.unlink(self.users.devices_mut(user), device);
    }

    /// Notes that the user has lost something, and may have nothing left.
    pub(super) fn note_idle(&mut self, user: UserSlot) {
        self.idle.push(user);
    }

    /// Notes the same of all in the buffer of other ends, and empties it.
    pub(super) fn note_others_idle(&mut self) {
        self.idle.append(&mut self.others);
        self.others.shrink_to(ROOM_KEPT);
    }

    /// Takes the next user of whom nothing is left: he is to be forgotten (TI-8).
    #[inline]
    pub(super) fn take_idle(&mut self) -> Option<UserSlot> {
        while let Some(user) = self.idle.pop() {
            if self.has_nothing(user) {
                self.users.forget(user);
                return Some(user);
            }
        }
        if self.idle.capacity() > ROOM_KEPT {
            self.idle.shrink_to(ROOM_KEPT);
        }
        None
    }

    /// Returns whether nothing is left of a user but what time has undone; where time has yet to
    /// undo something, a timer is set for it.
    fn has_nothing(&mut self, user: UserSlot) -> bool {
        // Who has just lost a relation mostly has others.
        if !self.relations.is_alone(user)
            || !self.users.is_used(user)
            || self.users.is_registered(user)
            || self.users.devices(user) != DeviceSlot::NONE
        {
            return false;
        }
        let full_at = self.users.full_at(user, &self.rates);
        let mut gone_at = None;
        if let Some(extras) = self.users.extras_mut(user) {
            extras.clearing = None;
            extras.notes.expire(self.latest);
            gone_at = extras.notes.gone_at();
        }
        let mut undone_at = [gone_at, full_at].into_iter().flatten();
        if undone_at.clone().all(|at| at.is_some_and(|at| at <= self.latest)) {
            return true;
        }
        // A change of rate may bring that moment nearer, so it is looked at again before long: at
        // moments that do not depend on when the host calls.
        let again = (self.latest.as_millis() / NOTE_MS + 1).checked_mul(NOTE_MS);
        let again = again.map(Timestamp::from_millis);
        let last = undone_at.try_fold(Timestamp::ZERO, |last, at| at.map(|at| at.max(last)));
        self.users.make_extras(user).forgetting = Forgetting::new(match (last, again) {
            (Some(last), Some(again)) => Some(last.min(again)),
            (last, again) => last.or(again),
        });
        self.arm_user(user);
        false
    }

    pub(super) fn check_invariants(&self) -> Result<(), &'static str> {
        self.sessions.check_invariants()?;
        self.users.check_invariants()?;
        self.devices.check_invariants()?;
        self.reach.check_invariants()?;
        self.relations.check_invariants()?;
        self.wheel.check_invariants()?;
        self.due.check_invariants()?;
        self.outbox.check_invariants()?;
        let (mut devices, mut sessions) = (0, 0);
        for slot in (0..self.users.len() as u32).map(UserSlot) {
            let mut live = Vec::new();
            for (at, device, session) in self.links_of(slot) {
                devices += 1;
                live.extend(session);
                if session.is_some() != device.has_session()
                    || session.is_some_and(|session| self.sessions.device(session) != Some(at))
                {
                    return Err("core 1: a session does not name its device");
                }
                if device.user != slot || session.is_none() && !device.platform().can_push() {
                    return Err("core 1: a device is in a list where it does not belong");
                }
            }
            sessions += live.len();
            if self.reach.of(slot) != live {
                return Err("core 1: the sessions that reach a user are not his devices'");
            }
            self.check_user(slot, &live)?;
        }
        if devices != self.devices.len() || sessions != self.sessions.len() {
            return Err("core 1: a device or session is nobody's");
        }
        if self.wheel.next().is_some_and(|next| next < self.due_from) {
            return Err("core 6: a timer is popped before `due_from`");
        }
        let may_be_due = self.latest >= self.due_from;
        if self.quiet != if may_be_due { Timestamp::MAX } else { self.latest } {
            return Err("core 6: a heartbeat does not see whether it is quiet");
        }
        let is_done = self.next_pop().is_none_or(|next| next > self.latest);
        if is_done && self.wheel.now() != self.latest {
            return Err("core 7: the wheel is not at the latest stamp");
        }
        Ok(())
    }

    fn check_user(&self, slot: UserSlot, live: &[SessionId]) -> Result<(), &'static str> {
        let state = self.state(slot);
        let never = |timeout| self.latest.checked_add(self.config.timeout(timeout)).is_none();
        let extras = self.users.extras(slot);
        let expiry = extras.and_then(|extras| extras.push_expiry);
        if expiry.is_some() != (state == State::PushOnline) && !never(Timeout::Push) {
            return Err("core 2: a push expiry is armed wrongly");
        }
        let clearing = extras.and_then(|extras| extras.clearing);
        if clearing.is_some() && state == State::Online {
            return Err("core 2: a clearing is armed wrongly");
        }
        let is_late = |deadline: Timestamp, owner| {
            deadline > self.latest && self.wheel.pops_after(owner, deadline)
        };
        let user_is_late =
            self.users.next_deadline(slot).is_some_and(|at| is_late(at, Owner::User(slot.0)));
        let session_is_late = live.iter().any(|&session| {
            let deadline = self.session_deadline(session);
            deadline.is_some_and(|(at, _)| is_late(at, Owner::Session(session.slot())))
        });
        if user_is_late || session_is_late {
            return Err("core 3: a deadline has no timer");
        }
        if !self.users.is_counted(slot) {
            return Err("core 3: a user's deadlines are not counted");
        }
        let is_kept = self.users.is_registered(slot)
            || self.users.devices(slot) != DeviceSlot::NONE
            || !self.relations.is_alone(slot)
            || self.users.has_buckets(slot)
            || extras.is_some_and(|extras| extras.notes.len() > 0);
        if self.users.is_used(slot) && !is_kept && self.idle.is_empty() {
            return Err("core 4: a user of whom nothing is left is kept");
        }
        if extras.is_some_and(|extras| extras.notes.len() > NOTES_MAX)
            || !self.users.custom(slot).is_empty() && state != State::Online
        {
            return Err("core 5: notes or custom status are not within their limits");
        }
        Ok(())
    }
}

/// As [`Core::session_deadline`], of the parts that it takes, when timers have been popped up to
/// `now`.
#[inline(always)]
pub(super) fn session_deadline(
    config: &Config,
    sessions: &Sessions,
    devices: &Devices,
    session: SessionId,
    now: Timestamp,
) -> Option<(Timestamp, CloseReason)> {
    let slot = session.slot();
    let family = sessions.family(slot);
    let timeout = config.timeout(Timeout::of_session(family));
    let timed_out = sessions.heard(slot, now).checked_add(timeout);
    let timed_out = timed_out.map(|at| (at, CloseReason::TimedOut));
    if family != Family::MiniProgram {
        return timed_out;
    }
    earlier_deadline(config, sessions, devices, session, timed_out)
}

/// Returns the timeout of the sessions of each family, of those whose deadline depends on nothing
/// else; 0 of others.
fn usual_timeouts(config: &Config) -> [u32; Family::NUMBERS] {
    let mut timeouts = [0; Family::NUMBERS];
    for family in Family::ALL {
        let timeout = config.timeout(Timeout::of_session(family));
        if family != Family::MiniProgram && timeout <= LOOK_AGAIN_MS {
            timeouts[family as usize] = timeout as u32;
        }
    }
    timeouts
}

/// Returns when a mini program's session ends, by its absence or by its silence.
fn earlier_deadline(
    config: &Config,
    sessions: &Sessions,
    devices: &Devices,
    session: SessionId,
    timed_out: Option<(Timestamp, CloseReason)>,
) -> Option<(Timestamp, CloseReason)> {
    let Some(away) = devices.away(sessions.device(session)?) else { return timed_out };
    let after = |since: Option<Timestamp>, timeout| {
        since.and_then(|since| since.checked_add(config.timeout(timeout)))
    };
    let background = after(away.background_since, Timeout::Background);
    let exit = after(away.exit_since, Timeout::Exit);
    let background = background.map(|at| (at, CloseReason::Background));
    let exit = exit.map(|at| (at, CloseReason::Exit));
    // At the same moment the first wins: `min_by_key` keeps it.
    [timed_out, background, exit].into_iter().flatten().min_by_key(|&(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceId, Engine, LoginKind, Platform, Policy};

    /// A session in the slot of another's number is still its own user's.
    #[test]
    fn what_is_read_ahead_is_the_owners() {
        let config = Config::builder().policy(Policy::Multi).build().expect("it is valid");
        let mut engine = Engine::<u8>::new(config);
        let mut login = |user: u8, platform| {
            let (now, device) = (Timestamp::ZERO, DeviceId::new("d"));
            let session = engine.login(now, &user, platform, device, LoginKind::Login);
            session.expect("the user is valid")
        };
        let sessions = [
            login(0, Platform::Web),
            login(0, Platform::Windows),
            login(1, Platform::Web),
            login(2, Platform::Web),
        ];
        let owners = |engine: &Engine<u8>| {
            sessions
                .map(|id| engine.core.call_for_owner(id).map(|(device, user)| (device.0, user.0)))
        };
        assert_eq!(owners(&engine), [Some((0, 0)), Some((1, 0)), Some((2, 1)), Some((3, 2))]);
        engine.logout(Timestamp::ZERO, sessions[2]).expect("it is live");
        assert_eq!(owners(&engine), [Some((0, 0)), Some((1, 0)), None, Some((3, 2))]);
    }
}
