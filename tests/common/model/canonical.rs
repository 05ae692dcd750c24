//! The canonical form of a model: all that its future depends on, and nothing else.
//!
//! Models of one fixed configuration (account mode and timeouts cannot change) that have the same
//! form give the same lines to the same inputs for ever, if each stamp and each `t` is counted from
//! the latest stamp that the model had, and a session is named as the newest of its device.
//!
//! # Why it is sound
//!
//! The form is a bytewise one-to-one image of what it holds, so equal forms mean equal contents.
//! It holds every field of the model but for what follows, and none of this can be told from
//! outside:
//!
//! - **The clock.** A rule only ever compares or subtracts stamps, so each stands as its distance
//!   to the latest. The exception is the end of time (TI-9): the milliseconds that are left stand
//!   too where they are fewer than [`FAR`], more than any input skips.
//! - **Session ids.** A live session is its device's newest, and ended ids are refused whatever
//!   they were, so how many were given does not count. The order of the sessions does (TI-5), and
//!   stands.
//! - **Push registrations** among those of other users: they are only ever walked for one user, in
//!   whose own list they stand.
//! - **Records.** They are found by id, so their order does not count; one that says nothing is as
//!   good as none. Who is known matters in the mode of known accounts only.
//! - **Friends** are asked for and counted, never walked, so they stand sorted.
//! - **Buckets** stand as they are after refilling now: a refill is what is missing less what has
//!   passed, down to zero, so two in a row are one of both spans.
//! - **Notes** that are gone are dropped before any look at them.
//! - **Clearings** of empty lists: a list cannot grow before its owner is Online, and that ends the
//!   clearing.

use presence_engine::{Accounts, Api, Limit, Platform};

use super::super::op::Device;
use super::inputs::NOTE_LIFE;
use super::rules::share_group;
use super::{Link, Model, User};

/// More milliseconds than any input skips.
const FAR: u64 = 1 << 62;

impl Model {
    /// Returns the canonical form.
    pub fn canonical(&self) -> Vec<u8> {
        let mut form = Form::default();
        self.write_config(&mut form);
        form.optional(Some(u64::MAX - self.now).filter(|&left| left < FAR));
        let sessions = self.logins.iter().filter_map(|login| Some((login, login.link.as_ref()?)));
        form.list(sessions, |form, (login, link)| {
            form.text(&login.device.user);
            form.device(&login.device);
            self.write_link(form, link);
        });
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable_by_key(|user| &user.id);
        let records = users.into_iter().map(|user| (&user.id, self.record(user)));
        let records: Vec<_> = records.filter(|(_, record)| !record.is_blank()).collect();
        form.list(records, |form, (id, record)| {
            form.text(id);
            form.bytes.extend(record.bytes);
        });
        form.list(&self.push_expiries, |form, (user, since)| {
            form.text(user);
            form.number(self.now - since);
        });
        let has_list = |user| self.user(user).is_some_and(|user| !user.subscriptions.is_empty());
        let clearings = self.clearings.iter().filter(|(user, _)| has_list(user));
        form.list(clearings, |form, (user, since)| {
            form.text(user);
            form.number(self.now - since);
        });
        form.bytes
    }

    /// Returns the moment at which the next note is gone.
    pub fn next_note_end(&self) -> Option<u64> {
        let notes = self.users.iter().flat_map(|user| &user.notes);
        let ends = notes.filter_map(|note| note.made.checked_add(NOTE_LIFE));
        ends.filter(|&end| end > self.now).min()
    }

    /// Writes what of the configuration can change while running.
    fn write_config(&self, form: &mut Form) {
        let config = &self.config;
        form.number(config.tier() as u64);
        let kicked_away = config.kicked_away();
        let switches = [config.status_switch(), config.friend_switch()];
        let switches = [switches, [kicked_away.on_reconnect, kicked_away.on_login]];
        switches.into_iter().flatten().for_each(|on| form.number(u64::from(on)));
        for (at, a) in Platform::LIMITED.into_iter().enumerate() {
            form.number(config.max_instances(a));
            let together = Platform::LIMITED[..at].iter().enumerate();
            let together = together.filter(|&(_, &b)| share_group(config.policy(), a, b));
            form.number(together.map(|(bit, _)| 1 << bit).sum());
        }
        Limit::ALL.into_iter().for_each(|limit| form.number(config.limit(limit)));
        for api in Api::ALL {
            form.number(config.rate(api).requests);
            form.number(config.rate(api).per_ms);
        }
    }

    fn write_link(&self, form: &mut Form, link: &Link) {
        form.number(self.now - link.heard);
        form.optional(link.background.map(|since| self.now - since));
        form.optional(link.exit.map(|since| self.now - since));
    }

    fn record(&self, user: &User) -> Form {
        let mut form = Form::default();
        let is_known = user.is_known && self.config.accounts() == Accounts::Known;
        form.number(u64::from(is_known));
        form.text(&user.custom);
        form.list(&user.subscriptions, |form, id| form.text(id));
        let mut friends: Vec<_> = user.friends.iter().collect();
        friends.sort_unstable();
        form.list(friends, |form, id| form.text(id));
        for (api, bucket) in Api::ALL.into_iter().zip(&user.buckets) {
            let missing = bucket.missing_at(self.config.rate(api), self.now);
            form.number((missing >> 64) as u64);
            form.number(missing as u64);
        }
        let notes = user.notes.iter().filter(|note| self.now - note.made < NOTE_LIFE);
        form.list(notes, |form, note| {
            form.device(&note.device);
            form.number(self.now - note.made);
        });
        form.list(self.devices(&user.id), |form, (device, has_session)| {
            form.device(device);
            form.number(u64::from(has_session));
        });
        form
    }
}

/// Bytes from which what was written can be read back, as each part tells where it ends.
#[derive(Default)]
struct Form {
    bytes: Vec<u8>,
}

impl Form {
    /// Writes seven bits a byte, the lowest first; the top bit tells that more follow.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn optional(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.bytes());
    }

    /// Writes a device of a user who is known from the context.
    fn device(&mut self, device: &Device) {
        self.number(device.platform as u64);
        self.text(&device.device);
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        let mut list = Self::default();
        let mut len = 0;
        for item in items {
            len += 1;
            write(&mut list, item);
        }
        self.number(len);
        self.bytes.extend(list.bytes);
    }

    /// Returns whether nothing but zeros was written: empty texts and lists, and numbers of 0.
    fn is_blank(&self) -> bool {
        self.bytes.iter().all(|&byte| byte == 0)
    }
}
