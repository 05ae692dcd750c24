//! The requests of clients, and friends (CS, QU, SU, FR, LI).

use presence_engine::{Accounts, Api, Limit, Tier};

use super::super::op::{Answer, Failed, Line, Refusal, Session};
use super::rules::{check_not_empty, check_pair, is_valid};
use super::{Model, event};

impl Model {
    pub(super) fn set_status(
        &mut self,
        session: &Session,
        custom: &str,
        lines: &mut Vec<Line>,
    ) -> Result<Answer, Refusal> {
        self.link(session)?;
        self.check_size("custom_status_too_long", custom.len(), Limit::CustomStatusBytes)?;
        let id = &session.device.user;
        let before = self.status(id);
        if before.1 != custom {
            custom.clone_into(&mut self.user_mut(id).custom);
            let (action, reason) = ("custom_status_change", "set_custom_status");
            lines.push(event(self.now, &session.device, action, reason));
            self.settle(self.now, id, before, lines);
        }
        Ok(Answer::Done)
    }

    pub(super) fn query(&mut self, session: &Session, ids: &[String]) -> Result<Answer, Refusal> {
        self.link(session)?;
        check_not_empty(ids)?;
        self.check_size("too_many_users", ids.len(), Limit::QueryUsers)?;
        let oneself = &session.device.user;
        if ids.iter().any(|id| id != oneself) {
            self.admit(oneself, Api::Query)?;
        }
        let (mut statuses, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            if let Some(reason) = self.fault_of(id) {
                failures.push(Failed { user: id.clone(), reason });
            } else {
                let (state, custom) = self.status(id);
                statuses.push((id.clone(), state, custom));
            }
        }
        if statuses.is_empty() {
            return Err(Refusal { failures: Some(failures), ..Refusal::of("all_failed") });
        }
        Ok(Answer::Query { statuses, failures })
    }

    pub(super) fn subscribe(
        &mut self,
        session: &Session,
        ids: &[String],
    ) -> Result<Answer, Refusal> {
        self.link(session)?;
        check_not_empty(ids)?;
        self.check_size("too_many_users", ids.len(), Limit::SubscribeUsers)?;
        let oneself = &session.device.user;
        self.admit(oneself, Api::Subscribe)?;
        let cap = self.config.limit(Limit::Subscriptions);
        let (mut evicted, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let of_oneself = (id == oneself).then_some("self_subscription");
            if let Some(reason) = of_oneself.or_else(|| self.fault_of(id)) {
                failures.push(Failed { user: id.clone(), reason });
                continue;
            }
            let list = &mut self.user_mut(oneself).subscriptions;
            list.retain(|subscribed| subscribed != id);
            list.push(id.clone());
            while list.len() as u64 > cap {
                let earliest = list.remove(0);
                // Only the last eviction of a user counts (SU-6).
                evicted.retain(|evicted| *evicted != earliest);
                evicted.push(earliest);
            }
        }
        let list = &self.user_mut(oneself).subscriptions;
        evicted.retain(|id| !list.contains(id));
        Ok(Answer::Subscribe { evicted, failures })
    }

    pub(super) fn unsubscribe(
        &mut self,
        session: &Session,
        ids: &[String],
    ) -> Result<Answer, Refusal> {
        self.link(session)?;
        self.check_size("too_many_users", ids.len(), Limit::UnsubscribeUsers)?;
        let oneself = &session.device.user;
        self.admit(oneself, Api::Unsubscribe)?;
        if ids.is_empty() {
            self.user_mut(oneself).subscriptions.clear();
        }
        let mut failures = Vec::new();
        for id in ids {
            if let Some(reason) = self.fault_of(id) {
                failures.push(Failed { user: id.clone(), reason });
            } else {
                self.user_mut(oneself).subscriptions.retain(|subscribed| subscribed != id);
            }
        }
        Ok(Answer::Unsubscribe { failures })
    }

    pub(super) fn add_friend(&mut self, owner: &str, friend: &str) -> Result<Answer, Refusal> {
        check_pair(owner, friend)?;
        if let Some(code) = self.fault_of(owner).or_else(|| self.fault_of(friend)) {
            return Err(Refusal::of(code));
        }
        let limit = self.config.limit(Limit::Friends);
        let friends = &mut self.user_mut(owner).friends;
        if friends.iter().any(|id| id == friend) {
            return Ok(Answer::Done);
        }
        if friends.len() as u64 >= limit {
            return Err(Refusal { limit: Some(limit), ..Refusal::of("too_many_friends") });
        }
        friends.push(friend.to_owned());
        Ok(Answer::Done)
    }

    pub(super) fn remove_friend(&mut self, owner: &str, friend: &str) -> Result<Answer, Refusal> {
        check_pair(owner, friend)?;
        self.user_mut(owner).friends.retain(|id| id != friend);
        Ok(Answer::Done)
    }

    fn check_size(&self, code: &'static str, size: usize, limit: Limit) -> Result<(), Refusal> {
        let limit = self.config.limit(limit);
        if size as u64 > limit {
            return Err(Refusal { limit: Some(limit), ..Refusal::of(code) });
        }
        Ok(())
    }

    /// Checks tier, switch and rate, in this order, and takes a token (LI-6).
    fn admit(&mut self, id: &str, api: Api) -> Result<(), Refusal> {
        if self.config.tier() != Tier::Flagship {
            return Err(Refusal::of("tier_required"));
        }
        if !self.config.status_switch() {
            return Err(Refusal::of("switch_off"));
        }
        let (now, rate) = (self.now, self.config.rate(api));
        self.user_mut(id).buckets[api as usize].take(rate, now).map_err(|retry_after| Refusal {
            retry_after: Some(retry_after),
            ..Refusal::of("rate_limited")
        })
    }

    /// Returns why a request cannot name this id (AC-1, AC-2).
    fn fault_of(&self, id: &str) -> Option<&'static str> {
        let exists = self.config.accounts() == Accounts::Open
            || self.user(id).is_some_and(|user| user.is_known);
        if !is_valid(id) {
            Some("invalid_user_id")
        } else if !exists {
            Some("unknown_user")
        } else {
            None
        }
    }
}
