//! The end of a step: what a change of state entails, and whom to tell (ST-8, NO).

use crate::config::Timeout;
use crate::engine::core::Core;
use crate::id::UserSlot;
use crate::status::State;
use crate::time::Timestamp;

impl Core {
    /// Ends a step that touched the user, whose state was `before`: arms and cancels what his state
    /// entails, and gives the step's one status output if it is another. Returns how many sessions
    /// and edges that took.
    pub(super) fn finish_step(&mut self, now: Timestamp, user: UserSlot, before: State) -> usize {
        let after = self.state(user);
        let mut work = 0;
        if before != after {
            self.change_state(now, user, before, after);
            work = self.tell(now, user, after, None);
        }
        if after == State::Offline {
            self.note_idle(user);
        }
        work
    }

    /// Arms and cancels what a change of state entails (ST-6, ST-7, SU-9), and clears the custom
    /// status of one who leaves Online (CS-3).
    fn change_state(&mut self, now: Timestamp, user: UserSlot, before: State, after: State) {
        let leaves_online = before == State::Online;
        let mut clearing = None;
        if leaves_online && self.has_subscriptions(user) {
            clearing = self.armed(now, Timeout::ClearSubscriptions);
        }
        let mut push_expiry = None;
        if after == State::PushOnline {
            push_expiry = self.armed(now, Timeout::Push);
        }
        let Self { users, rates, .. } = self;
        if leaves_online {
            let full_at = users.full_at(user, rates).flatten();
            if full_at.is_some_and(|at| at <= now) {
                users.drop_buckets(user);
            }
        }
        if users.extras(user).is_none() && clearing.is_none() && push_expiry.is_none() {
            return;
        }
        let extras = users.make_extras(user);
        extras.push_expiry = push_expiry;
        if leaves_online || after == State::Online {
            extras.clearing = clearing;
        }
        if leaves_online {
            extras.custom.assign("");
        }
        self.arm_user(user);
    }

    /// Gives a status output, with his custom status as it is or as the caller has it at hand, to
    /// the user's own sessions and those of his watchers (NO-2, NO-4). Returns how many sessions
    /// and edges that took.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        user: UserSlot,
        state: State,
        custom: Option<&str>,
    ) -> usize {
        let Self { outbox, reach, relations, users, kinds, .. } = self;
        let custom = custom.unwrap_or_else(|| users.custom(user));
        let (own, watchers) = (reach.of(user), relations.watchers(user));
        outbox.status(now, user, state, custom, |told| {
            // Nearly always a single one.
            match own {
                &[only] => told.push(only),
                _ => told.extend_from_slice(own),
            }
            kinds.gather(reach, watchers, told);
        });
        own.len() + watchers.len()
    }
}
