//! The passing of time: which timers are due, in which order, and what they do (TI-3 to TI-6).

use crate::config::{Config, Timeout};
use crate::devices::Devices;
use crate::engine::core::{Core, session_deadline};
use crate::id::{DeviceSlot, UserSlot};
use crate::output::{Action, CloseReason, Reason};
use crate::platform::Family;
use crate::sessions::{LOOK_AGAIN_MS, Sessions};
use crate::time::Timestamp;
use crate::timer::{Owner, Owners};
use crate::user::{Forgetting, Users};

/// The kinds of timers, in the order in which they fire at the same millisecond (TI-5).
const SESSION_RANK: u64 = 0;
const PUSH_RANK: u64 = 1 << 62;
const CLEARING_RANK: u64 = 2 << 62;
const FORGETTING_RANK: u64 = 3 << 62;

/// For how many of those who fire is called at a time, or are ranked.
const COMING_MAX: usize = 16;

/// What deadlines depend on.
struct Deadlines<'a> {
    config: &'a Config,
    usual_timeouts: [u32; Family::NUMBERS],
    sessions: &'a mut Sessions,
    devices: &'a Devices,
    users: &'a Users,
}

impl Owners for Deadlines<'_> {
    #[inline]
    fn deadline(&mut self, owner: Owner, now: Timestamp) -> Option<Timestamp> {
        match owner {
            Owner::Session(slot) => {
                let session = self.sessions.in_slot(slot)?;
                let Self { config, sessions, devices, .. } = self;
                let timeout = config.timeout(Timeout::of_session(sessions.family(slot)));
                let mut again = None;
                if timeout > LOOK_AGAIN_MS {
                    again = sessions.look_again(slot, now);
                }
                let (at, _) = session_deadline(config, sessions, devices, session, now)?;
                Some(again.map_or(at, |again| at.min(again)))
            }
            Owner::User(slot) => self.users.next_deadline(UserSlot(slot)),
        }
    }

    #[inline]
    fn foresight(&self, now: Timestamp) -> impl Fn(Owner) -> Option<Timestamp> {
        let foresee = self.sessions.foresight(now, self.usual_timeouts);
        move |owner| match owner {
            Owner::Session(slot) => foresee(slot),
            Owner::User(_) => None,
        }
    }
}

impl Core {
    /// Takes a stamp (TI-2) and fires what is due up to it (TI-3), until `work_max` units are done.
    /// Tells whether anything may have been due.
    #[inline]
    pub(super) fn pass_time(&mut self, now: Timestamp, work_max: u64) -> bool {
        if self.enter_early(now) {
            return false;
        }
        if now < self.latest {
            self.clock_regressions += 1;
        } else {
            self.latest = now;
        }
        let may_be_due = self.latest >= self.due_from;
        if may_be_due {
            self.run_timers(work_max);
        }
        may_be_due
    }

    /// Takes a stamp before which nothing is due; tells whether it is one, and else does nothing.
    #[inline]
    fn enter_early(&mut self, now: Timestamp) -> bool {
        let is_early = self.latest <= now && now < self.due_from;
        // Many inputs have the same stamp.
        if is_early && self.latest != now {
            self.latest = now;
            self.note_quiet();
            // The wheel goes along, so that what is armed next is not taken for far away.
            self.wheel.advance(now);
        }
        is_early
    }

    /// Returns when the engine next wants to be called (TI-6).
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        // Timers of what has ended stay in the wheel. Nobody need be woken for them alone, but who
        // is awake goes on until those that are due are gone, so that no input pays for all.
        let is_wanted = self.timer_count() > 0 || self.due_from <= self.latest;
        if is_wanted { self.next_pop() } else { None }
    }

    /// Returns how many timers are pending.
    pub(super) fn timer_count(&self) -> usize {
        self.sessions.len() + self.users.pending()
    }

    #[cold]
    fn run_timers(&mut self, work_max: u64) {
        let mut budget = work_max;
        // How many who fire have been called for.
        let mut called_for = 0;
        let mut collected = core::mem::take(&mut self.collected);
        while budget > 0 {
            // All that is due at one moment is collected before any of it fires.
            let until = if self.due.len() > 0 { self.due_at } else { self.latest };
            let Self { wheel, config, usual_timeouts, sessions, devices, users, .. } = self;
            let mut deadlines =
                Deadlines { config, usual_timeouts: *usual_timeouts, sessions, devices, users };
            if let Some(at) = wheel.pop(until, &mut budget, &mut deadlines, &mut collected) {
                self.due_at = at;
                self.add_due(&collected);
                called_for = 0;
                continue;
            }
            if budget == 0 {
                break;
            }
            // What fires may arm something for the same moment, and then tells so here.
            self.due_from = Timestamp::MAX;
            let Some(mut owner) = self.due.pop() else { break };
            loop {
                if called_for == 0 {
                    called_for = COMING_MAX;
                    self.call_for_due();
                }
                called_for -= 1;
                budget = budget.saturating_sub(1 + self.fire(owner) as u64);
                if budget == 0 || self.due_from <= self.due_at {
                    break;
                }
                match self.due.pop() {
                    Some(next) => owner = next,
                    None => break,
                }
            }
        }
        self.collected = collected;
        let next = self.next_pop();
        self.due_from = next.unwrap_or(Timestamp::MAX);
        self.note_quiet();
        // Where the budget was just enough, too: whoever is heard from is so at the wheel's moment.
        if next.is_none_or(|next| next > self.latest) {
            self.wheel.advance(self.latest);
        }
    }

    /// Adds owners to those who are due at this moment.
    fn add_due(&mut self, collected: &[Owner]) {
        for owners in collected.chunks(COMING_MAX) {
            if owners.len() > 1 {
                self.call_for_devices(owners.iter().copied());
            }
            for &owner in owners {
                self.due.push(self.rank(owner, self.due_at), owner);
            }
        }
    }

    /// Reads something of the links of sessions, and of the devices that they name: all of one kind
    /// before any of the next, so that the processor waits for many of them at once.
    #[inline]
    fn call_for_devices(&self, owners: impl Iterator<Item = Owner> + Clone) {
        let devices = owners.map(|owner| match owner {
            Owner::Session(slot) => self.sessions.device_hint(slot),
            Owner::User(_) => DeviceSlot::NONE,
        });
        core::hint::black_box(devices.clone().fold(0, |read, device| read ^ device.0));
        core::hint::black_box(devices.fold(0, |read, device| read ^ self.devices.call_for(device)));
    }

    /// Reads something of what the next who are due will need, for the same reason: nothing for
    /// one alone.
    fn call_for_due(&self) {
        if self.due.len() < 2 {
            return;
        }
        let owners = self.due.coming(COMING_MAX);
        let read = owners.clone().fold(0, |read, owner| {
            read ^ match owner {
                Owner::Session(slot) => self.sessions.call_for(slot),
                Owner::User(_) => 0,
            }
        });
        core::hint::black_box(read);
        self.call_for_devices(owners.clone());
        let users = owners.map(|owner| match owner {
            Owner::Session(slot) => self.sessions.user_hint(slot),
            Owner::User(slot) => UserSlot(slot),
        });
        let read = users.clone().fold(0, |read, user| {
            let is_unwatched = u32::from(self.relations.call_for_lists(user));
            read ^ is_unwatched ^ self.users.call_for_record(user) ^ self.reach.call_for(user)
        });
        core::hint::black_box(read);
        users.for_each(|user| self.call_for_more(user));
    }

    pub(super) fn next_pop(&self) -> Option<Timestamp> {
        if self.due.len() > 0 { Some(self.due_at) } else { self.wheel.next() }
    }

    /// Returns the rank of an owner that is due among those at the same moment.
    fn rank(&self, owner: Owner, at: Timestamp) -> u64 {
        match owner {
            Owner::Session(slot) => {
                let session = self.sessions.in_slot(slot);
                let device = session.and_then(|session| self.sessions.device(session));
                SESSION_RANK | device.map_or(0, |device| self.devices.get(device).order())
            }
            Owner::User(slot) => {
                let extras = self.users.extras(UserSlot(slot));
                match extras.map(|extras| (extras.push_expiry, extras.clearing)) {
                    Some((Some(armed), _)) if armed.at <= at => PUSH_RANK | armed.order.get(),
                    Some((_, Some(armed))) if armed.at <= at => CLEARING_RANK | armed.order.get(),
                    _ => FORGETTING_RANK | u64::from(slot),
                }
            }
        }
    }

    /// Fires a timer at its deadline. Returns how many edges and devices that took.
    fn fire(&mut self, owner: Owner) -> usize {
        let at = self.due_at;
        match owner {
            Owner::Session(slot) => {
                let Some(session) = self.sessions.in_slot(slot) else { return 0 };
                let Some((_, why)) = self.session_deadline(session) else { return 0 };
                let family = self.sessions.family(slot);
                let reason = match why {
                    CloseReason::TimedOut if family == Family::Native => Reason::TimeOut,
                    _ => Reason::LinkClose,
                };
                let user = self.sessions.user(slot);
                self.end_link(at, user, session, Some(why), Action::Disconnect, reason)
            }
            Owner::User(slot) => self.fire_user(at, UserSlot(slot)),
        }
    }

    fn fire_user(&mut self, at: Timestamp, user: UserSlot) -> usize {
        let Some(extras) = self.users.extras_mut(user) else { return 0 };
        if extras.push_expiry.take_if(|armed| armed.at <= at).is_some() {
            let before = self.state(user);
            let mut work = 0;
            while self.users.devices(user) != DeviceSlot::NONE {
                self.unlink_device(user, self.users.devices(user));
                work += 1;
            }
            work += self.finish_step(at, user, before);
            self.arm_user(user);
            return work;
        }
        if extras.clearing.take_if(|armed| armed.at <= at).is_some() {
            self.relations.clear_subscriptions(user, &mut self.others);
            let dropped = self.others.len();
            self.note_others_idle();
            self.note_idle(user);
            self.arm_user(user);
            return dropped;
        }
        extras.forgetting = Forgetting::default();
        self.note_idle(user);
        self.arm_user(user);
        0
    }
}
