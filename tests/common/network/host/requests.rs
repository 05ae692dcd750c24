//! What clients ask on their links. A link stays bound to its session after that has ended: what
//! comes late is the engine's to refuse.

use presence_engine::{InputError, QueryError, RequestError, SessionId, Status};

use super::super::breach::{Breach, Check, check};
use super::super::device_id_text;
use super::super::ledger::Seat;
use super::super::wire::{Answer, Ask, Bye, LinkId, Tell, User};
use super::Host;

impl Host {
    pub(super) fn answer(&mut self, now: u64, id: LinkId, ask: Ask) -> Result<(), Breach> {
        if let Ask::Login { user, platform, kind } = ask {
            let seat = Seat { user, platform, device: device_id_text(id.client) };
            return self.login(now, id, seat, kind);
        }
        let Some(session) = self.links.get(&id).and_then(|link| link.session) else {
            return Ok(());
        };
        self.note(now, || format!("{id:?} asks on {session}: {ask:?}"));
        let stamp = self.stamp(now);
        let answer = match ask {
            Ask::Login { .. } => return Ok(()),
            Ask::Logout => return self.logout(now, id, session),
            Ask::Friends => self.friends(now, session)?,
            Ask::Say(text) => self.say(now, session, &text)?,
            Ask::Query(users) => self.query(now, session, &users)?,
            Ask::Subscribe(users) => self.subscribe(now, session, &users)?,
            Ask::Unsubscribe(users) => self.unsubscribe(now, session, &users)?,
            Ask::Background => {
                let heard = self.engine.background(stamp, session);
                self.heard(session, heard)?;
                self.ledger.leave(self.engine.now().as_millis(), session, false);
                Answer::Done
            }
            Ask::Exit => {
                let heard = self.engine.exit(stamp, session);
                self.heard(session, heard)?;
                self.ledger.leave(self.engine.now().as_millis(), session, true);
                Answer::Done
            }
            Ask::Foreground => {
                let heard = self.engine.foreground(stamp, session);
                self.heard(session, heard)?;
                self.ledger.come_back(session);
                Answer::Done
            }
        };
        // An answer is newer than whatever waits to be drained, so that goes first.
        self.drain(now)?;
        if let Some(link) = self.links.get_mut(&id) {
            link.tell(now, id, Tell::Answer(answer), &mut self.out);
        }
        Ok(())
    }

    fn logout(&mut self, now: u64, id: LinkId, session: SessionId) -> Result<(), Breach> {
        let done = self.engine.logout(self.stamp(now), session);
        self.check_live(session, done.is_ok())?;
        self.ledger.end(session);
        self.by_session.remove(&session);
        self.drain(now)?;
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.ended_at.is_none()) {
            link.ended_at = Some(now);
            link.tell(now, id, Tell::Bye(Bye::LoggedOut), &mut self.out);
        }
        Ok(())
    }

    /// The engine has no such request: friends are the host's to tell.
    fn friends(&mut self, now: u64, session: SessionId) -> Result<Answer, Breach> {
        let heard = self.engine.heartbeat(self.stamp(now), session);
        self.heard(session, heard)?;
        let Some(user) = self.ledger.user(session) else { return Ok(Answer::Refused) };
        let friends: Vec<_> = self.engine.friends(&user).copied().collect();
        Ok(Answer::Friends(self.statuses(&friends)))
    }

    fn say(&mut self, now: u64, session: SessionId, text: &str) -> Result<Answer, Breach> {
        let done = self.engine.set_status(self.stamp(now), session, text);
        self.heard_request(session, done.map_err(InputError::from))?;
        let Some(user) = self.ledger.user(session) else { return Ok(Answer::Refused) };
        if done.is_err() {
            return Ok(Answer::Refused);
        }
        self.ledger.say(user, text);
        Ok(Answer::Done)
    }

    fn query(&mut self, now: u64, session: SessionId, users: &[User]) -> Result<Answer, Breach> {
        let found = self.engine.query(self.stamp(now), session, users);
        self.heard_request(session, found.as_ref().map(drop).map_err(|e| e.clone().into()))?;
        Ok(match found {
            Ok(found) => Answer::Statuses(found.statuses),
            Err(QueryError::Request(error)) => refusal(error),
            Err(_) => Answer::Refused,
        })
    }

    fn subscribe(
        &mut self,
        now: u64,
        session: SessionId,
        users: &[User],
    ) -> Result<Answer, Breach> {
        let done = self.engine.subscribe(self.stamp(now), session, users);
        self.heard_request(session, done.as_ref().map(drop).map_err(|e| (*e).into()))?;
        let done = match done {
            Ok(done) => done,
            Err(error) => return Ok(refusal(error)),
        };
        let Some(watcher) = self.ledger.user(session) else { return Ok(Answer::Refused) };
        let failed: Vec<_> = done.failures.into_iter().map(|failure| failure.user).collect();
        let expected = self.ledger.subscribe(self.engine.config(), watcher, users);
        let given = (failed, done.evicted);
        check(Check::Answer, given == expected, || {
            format!("{watcher:?} subscribes {users:?}: {given:?}, but should be {expected:?}")
        })?;
        self.check_list(watcher)?;
        let (failed, evicted) = given;
        let list = self.ledger.list(watcher);
        let added: Vec<_> = users.iter().filter(|user| list.contains(user)).copied().collect();
        // The list is the user's, but only the device that asked is answered.
        let added = self.statuses(&added);
        self.tell_devices(now, watcher, Some(session), &Tell::Listed(added));
        self.tell_devices(now, watcher, Some(session), &Tell::Unlisted(evicted.clone()));
        Ok(Answer::Subscribed { failed, evicted })
    }

    fn unsubscribe(
        &mut self,
        now: u64,
        session: SessionId,
        users: &[User],
    ) -> Result<Answer, Breach> {
        let done = self.engine.unsubscribe(self.stamp(now), session, users);
        self.heard_request(session, done.as_ref().map(drop).map_err(|e| (*e).into()))?;
        if let Err(error) = done {
            return Ok(refusal(error));
        }
        let Some(watcher) = self.ledger.user(session) else { return Ok(Answer::Refused) };
        let gone = self.ledger.unsubscribe(watcher, users);
        self.check_list(watcher)?;
        self.tell_devices(now, watcher, Some(session), &Tell::Unlisted(gone));
        Ok(Answer::Done)
    }

    /// Takes note that a request was heard, whatever its result, if its session is live (LV-1).
    fn heard_request(
        &mut self,
        session: SessionId,
        done: Result<(), InputError<User>>,
    ) -> Result<(), Breach> {
        let is_unknown = done.is_err_and(|error| error.code() == "unknown_session");
        self.check_live(session, !is_unknown)?;
        self.ledger.hear(self.engine.now().as_millis(), session);
        Ok(())
    }

    /// What is true of some users, without letting time pass.
    pub(super) fn statuses(&mut self, users: &[User]) -> Vec<(User, Status)> {
        let statuses = users.iter().map(|user| (*user, self.status(*user)));
        statuses.collect()
    }

    pub fn status(&mut self, user: User) -> Status {
        let found = self.engine.inspect(self.engine.now(), &user).unwrap_or_default();
        Status { state: found.state(), custom: found.custom().to_owned() }
    }

    /// Tells all devices of a user that are connected, but for one.
    pub(super) fn tell_devices(
        &mut self,
        now: u64,
        user: User,
        but: Option<SessionId>,
        tell: &Tell,
    ) {
        let sessions = self.engine.devices(&user).filter_map(|device| device.session);
        for session in sessions.filter(|session| Some(*session) != but) {
            let Some(id) = self.by_session.get(&session) else { continue };
            if let Some(link) = self.links.get_mut(id) {
                link.tell(now, *id, tell.clone(), &mut self.out);
            }
        }
    }
}

fn refusal(error: RequestError) -> Answer {
    match error {
        RequestError::RateLimited { retry_after_ms } => Answer::RetryAfter(retry_after_ms),
        RequestError::TooManyUsers { limit, .. } => Answer::AtMost(limit),
        _ => Answer::Refused,
    }
}
