//! Every input but the requests of clients: logins, ends of sessions, and what the host asks for
//! (LV, ML, AC, ML-12).

use presence_engine::{Api, KickedAway, Platform};

use super::super::op::{Answer, Device, Line, Op, Out, Patch, Refusal, Session};
use super::rules::{check_id, counted_as, share_group};
use super::{Link, Login, Model, Note, close, event};

/// How many notes of a user are kept (ML-10). Fixed.
const NOTES_MAX: usize = 16;
/// After how many milliseconds a note is gone (ML-10). Fixed, whatever the push timeout is.
pub(super) const NOTE_LIFE: u64 = 7 * 24 * 60 * 60 * 1_000;

impl Model {
    pub(super) fn input(&mut self, op: &Op, lines: &mut Vec<Line>) -> Result<Answer, Refusal> {
        match op {
            Op::Login { device, reconnect } => self.login(device, *reconnect, lines),
            Op::Heartbeat { session } => self.link(session).map(|_| Answer::Done),
            Op::LinkClosed { session } => {
                self.link(session)?;
                self.break_link(self.now, &session.device, None, lines);
                Ok(Answer::Done)
            }
            Op::Logout { session } => self.log_out(session, lines),
            Op::Background { session } => {
                let (now, link) = (self.now, self.link(session)?);
                if session.device.platform == Platform::MiniProgram {
                    // Repeating does not restart the delay (LV-3).
                    link.background = link.background.or(Some(now));
                }
                Ok(Answer::Done)
            }
            Op::Foreground { session } => {
                let link = self.link(session)?;
                link.background = None;
                link.exit = None;
                Ok(Answer::Done)
            }
            Op::Exit { session } => {
                let (now, link) = (self.now, self.link(session)?);
                if session.device.platform == Platform::MiniProgram {
                    link.exit = link.exit.or(Some(now));
                }
                Ok(Answer::Done)
            }
            Op::SetStatus { session, custom } => self.set_status(session, custom, lines),
            Op::Query { session, users } => self.query(session, users),
            Op::Subscribe { session, users } => self.subscribe(session, users),
            Op::Unsubscribe { session, users } => self.unsubscribe(session, users),
            Op::AddFriend { user, friend } => self.add_friend(user, friend),
            Op::RemoveFriend { user, friend } => self.remove_friend(user, friend),
            Op::ForceOut { user, platform, device } => {
                check_id(user)?;
                let is_meant = |login: &Device| {
                    login.user == *user
                        && platform.is_none_or(|platform| login.platform == platform)
                        && device.as_ref().is_none_or(|device| login.device == *device)
                };
                self.put_out(user, is_meant, "forced", lines);
                Ok(Answer::Done)
            }
            Op::Register { user } => {
                check_id(user)?;
                self.user_mut(user).is_known = true;
                Ok(Answer::Done)
            }
            Op::RemoveUser { user } => self.remove_user(user, lines),
            Op::Inspect { user } => check_id(user).map(|()| self.inspect(user)),
            Op::Tick => Ok(Answer::Done),
            Op::Reconfigure(patch) => self.reconfigure(patch),
        }
    }

    /// Finds a live session and takes it as heard, whatever becomes of its request (LV-1, LV-7).
    pub(super) fn link(&mut self, session: &Session) -> Result<&mut Link, Refusal> {
        let nth = session.nth.unwrap_or_else(|| self.given(&session.device));
        let link = self
            .logins
            .iter_mut()
            .find(|login| login.device == session.device && login.nth == nth)
            .and_then(|login| login.link.as_mut())
            .ok_or_else(|| Refusal::of("unknown_session"))?;
        link.heard = self.now;
        Ok(link)
    }

    fn login(
        &mut self,
        device: &Device,
        reconnect: bool,
        lines: &mut Vec<Line>,
    ) -> Result<Answer, Refusal> {
        check_id(&device.user)?;
        self.spend_note(device, reconnect)?;
        let now = self.now;
        let before = self.status(&device.user);

        // The old login of the device itself is taken away before anybody is displaced (ML-7).
        let old = self.logins.iter().find(|login| login.device == *device);
        if old.is_some_and(|login| login.link.is_some()) {
            lines.push(close(now, device, "replaced", None));
        }
        self.logins.retain(|login| login.device != *device);

        let displaced = self.displaced_by(device);
        self.logins.retain(|login| !displaced.iter().any(|gone| gone.device == login.device));
        for gone in &displaced {
            if gone.link.is_some() {
                lines.push(close(now, &gone.device, "kicked", Some(device.platform)));
            } else {
                // Only native platforms have push registrations to lose (ST-3).
                let note = Note { device: gone.device.clone(), made: now };
                let notes = &mut self.user_mut(&device.user).notes;
                notes.push(note);
                if notes.len() > NOTES_MAX {
                    notes.remove(0);
                }
            }
        }

        self.given.push(device.clone());
        let nth = self.given(device);
        let link = Some(Link { heard: now, background: None, exit: None });
        self.logins.push(Login { device: device.clone(), nth, link });
        self.user_mut(&device.user).is_known = true;

        let name = |gone: &Login| format!("{}/{}", gone.device.platform, gone.device.device);
        let kicked = Some(displaced.iter().map(name).collect());
        let (action, reason, device) = ("login", "register", device.clone());
        let user = device.user.clone();
        lines.push(Line { t: now, out: Out::Event { action, reason, device, kicked } });
        // A user who was Online is Online still, so nothing is cleared and no status given (ML-8).
        self.settle(now, &user, before, lines);
        Ok(Answer::Done)
    }

    /// Uses up the note of a device that logs in, and refuses the login if the switch for its kind
    /// is on (ML-10).
    fn spend_note(&mut self, device: &Device, reconnect: bool) -> Result<(), Refusal> {
        let now = self.now;
        let KickedAway { on_reconnect, on_login } = self.config.kicked_away();
        let notes = &mut self.user_mut(&device.user).notes;
        notes.retain(|note| now - note.made < NOTE_LIFE);
        let Some(place) = notes.iter().position(|note| note.device == *device) else {
            return Ok(());
        };
        notes.remove(place);
        let refuses = if reconnect { on_reconnect } else { on_reconnect && on_login };
        if refuses { Err(Refusal::of("kicked_offline")) } else { Ok(()) }
    }

    /// Returns whom a login displaces, earliest login first (ML-6). The newcomer is not logged in.
    fn displaced_by(&self, newcomer: &Device) -> Vec<Login> {
        let is_own =
            |login: &&Login| counted_as(login.device.platform) == counted_as(newcomer.platform);
        let others = || self.logins.iter().filter(|login| login.device.user == newcomer.user);
        let instances = others().filter(is_own).count() as u64 + 1;
        let max = self.config.max_instances(counted_as(newcomer.platform));
        let mut surplus = instances.saturating_sub(max);
        let mut displaced = Vec::new();
        for login in others() {
            let goes = if is_own(&login) {
                let goes = surplus > 0;
                surplus = surplus.saturating_sub(1);
                goes
            } else {
                share_group(self.config.policy(), login.device.platform, newcomer.platform)
            };
            if goes {
                displaced.push(login.clone());
            }
        }
        displaced
    }

    fn log_out(&mut self, session: &Session, lines: &mut Vec<Line>) -> Result<Answer, Refusal> {
        self.link(session)?;
        let device = &session.device;
        let before = self.status(&device.user);
        self.logins.retain(|login| login.device != *device);
        lines.push(event(self.now, device, "logout", "unregister"));
        self.settle(self.now, &device.user, before, lines);
        Ok(Answer::Done)
    }

    /// Ends the logins of a user that are meant, sessions and push registrations (ML-11, AC-3).
    fn put_out(
        &mut self,
        user: &str,
        is_meant: impl Fn(&Device) -> bool,
        reason: &'static str,
        lines: &mut Vec<Line>,
    ) {
        let before = self.status(user);
        let (out, kept) = self.logins.drain(..).partition(|login| is_meant(&login.device));
        self.logins = kept;
        let out: Vec<Login> = out;
        for login in out.iter().filter(|login| login.link.is_some()) {
            lines.push(close(self.now, &login.device, reason, None));
        }
        for login in &out {
            lines.push(event(self.now, &login.device, "logout", reason));
        }
        self.settle(self.now, user, before, lines);
    }

    fn remove_user(&mut self, id: &str, lines: &mut Vec<Line>) -> Result<Answer, Refusal> {
        check_id(id)?;
        // The status output goes to those who watch him, so relations are erased after it (AC-3).
        self.put_out(id, |device| device.user == id, "removed", lines);
        self.users.retain(|user| user.id != id);
        self.push_expiries.retain(|(user, _)| user != id);
        self.clearings.retain(|(user, _)| user != id);
        for user in &mut self.users {
            user.subscriptions.retain(|watched| watched != id);
            user.friends.retain(|watched| watched != id);
        }
        Ok(Answer::Done)
    }

    fn reconfigure(&mut self, patch: &Patch) -> Result<Answer, Refusal> {
        let new = patch.apply(&self.config).map_err(|error| Refusal {
            field: Some(error.field()),
            ..Refusal::of("invalid_config")
        })?;
        for api in Api::ALL {
            let (old_rate, new_rate) = (self.config.rate(api), new.rate(api));
            // Naming the rate in force is no change (LI-4).
            if old_rate != new_rate {
                for user in &mut self.users {
                    user.buckets[api as usize].change_rate(old_rate, new_rate, self.now);
                }
            }
        }
        self.config = new;
        Ok(Answer::Done)
    }
}
