//! What the host does of its own accord: accounts, friends, force and configuration. Whatever of it
//! changes what clients are told, they are told.

use presence_engine::{Config, Limit, Scope};

use super::super::breach::{Breach, Check, check};
use super::super::scene::{Act, Scene};
use super::super::wire::{Tell, User};
use super::{Database, Host};

impl Host {
    pub(super) fn order(&mut self, now: u64, scene: &Scene, act: &Act) -> Result<(), Breach> {
        self.note(now, || format!("the host orders {act:?}"));
        match act {
            Act::Befriend(owner, friend) => self.befriend(now, *owner, *friend),
            Act::Unfriend(owner, friend) => self.unfriend(now, *owner, *friend),
            Act::Force(user, scope) => self.force(now, *user, scope),
            Act::Erase(user) => self.erase(now, *user),
            Act::Register(user) => self.register(now, *user),
            Act::Reconfigure(nth) => self.reconfigure(now, &scene.configs[*nth]),
            _ => Ok(()),
        }
    }

    /// Tells a new engine what the database has kept.
    pub(super) fn restore(&mut self, now: u64) -> Result<(), Breach> {
        let Database { accounts, friends } = self.database.clone();
        accounts.into_iter().try_for_each(|user| self.register(now, user))?;
        friends.into_iter().try_for_each(|(owner, friend)| self.befriend(now, owner, friend))
    }

    fn befriend(&mut self, now: u64, owner: User, friend: User) -> Result<(), Breach> {
        let done = self.engine.add_friend(self.stamp(now), &owner, &friend);
        self.drain(now)?;
        let config = self.engine.config();
        let friends: Vec<_> = self.ledger.friends().filter(|(of, _)| *of == owner).collect();
        let is_known = |user| self.ledger.is_known(config, user);
        let expected = if owner == friend {
            Err("self_friend")
        } else if !is_known(owner) || !is_known(friend) {
            Err("unknown_user")
        } else if !friends.contains(&(owner, friend))
            && friends.len() as u64 >= config.limit(Limit::Friends)
        {
            Err("too_many_friends")
        } else {
            Ok(())
        };
        let given = done.map_err(|error| error.code());
        check(Check::Answer, given == expected, || {
            format!("{owner:?} befriends {friend:?}: {given:?}, but should be {expected:?}")
        })?;
        // After a crash there may be no room any more for all that were.
        self.database.friends.remove(&(owner, friend));
        if given.is_ok() {
            self.ledger.befriend(owner, friend);
            self.database.friends.insert((owner, friend));
            let tell = Tell::Befriended(friend, self.status(friend));
            self.tell_devices(now, owner, None, &tell);
        }
        Ok(())
    }

    fn unfriend(&mut self, now: u64, owner: User, friend: User) -> Result<(), Breach> {
        let done = self.engine.remove_friend(self.stamp(now), &owner, &friend);
        self.drain(now)?;
        check(Check::Answer, done.is_err() == (owner == friend), || {
            format!("{owner:?} unfriends {friend:?}: {done:?}")
        })?;
        self.ledger.unfriend(owner, friend);
        self.database.friends.remove(&(owner, friend));
        self.tell_devices(now, owner, None, &Tell::Unfriended(friend));
        Ok(())
    }

    fn force(&mut self, now: u64, user: User, scope: &Scope) -> Result<(), Breach> {
        let done = self.engine.force_out(self.stamp(now), &user, scope);
        check(Check::Answer, done.is_ok(), || format!("{user:?} is forced out: {done:?}"))?;
        self.drain(now).map(|_| ())
    }

    fn erase(&mut self, now: u64, user: User) -> Result<(), Breach> {
        let done = self.engine.remove_user(self.stamp(now), &user);
        check(Check::Answer, done.is_ok(), || format!("{user:?} is removed: {done:?}"))?;
        self.drain(now)?;
        self.ledger.erase(user);
        self.database.erase(user);
        self.tell_all(now, &Tell::Erased(user));
        Ok(())
    }

    fn register(&mut self, now: u64, user: User) -> Result<(), Breach> {
        let done = self.engine.register(self.stamp(now), &user);
        check(Check::Answer, done.is_ok(), || format!("{user:?} is registered: {done:?}"))?;
        self.ledger.register(user);
        self.database.accounts.insert(user);
        self.drain(now).map(|_| ())
    }

    /// What counts may be other relations from then on, so clients have missed news, or miss it.
    fn reconfigure(&mut self, now: u64, config: &Config) -> Result<(), Breach> {
        let done = self.engine.reconfigure(self.stamp(now), config.clone());
        check(Check::Answer, done.is_ok(), || format!("the configuration is refused: {done:?}"))?;
        self.drain(now)?;
        self.tell_all(now, &Tell::Resync);
        Ok(())
    }

    fn tell_all(&mut self, now: u64, tell: &Tell) {
        for id in self.by_session.values() {
            if let Some(link) = self.links.get_mut(id) {
                link.tell(now, *id, tell.clone(), &mut self.out);
            }
        }
    }
}

impl Database {
    fn erase(&mut self, user: User) {
        self.accounts.remove(&user);
        self.friends.retain(|&(owner, friend)| owner != user && friend != user);
    }
}
