//! The rival with texts for ids: maps of the standard library with its own hasher.
//!
//! In its favour, a link's user is found by a number, and age in a list is a stamp, so that nothing
//! but an eviction ever looks through the list.

use std::collections::{HashMap, HashSet};

#[derive(Default)]
pub struct Naive {
    /// The user of each session.
    users: HashMap<u64, String>,
    sessions: HashMap<String, Vec<u64>>,
    watchers: HashMap<String, HashSet<String>>,
    /// When each was subscribed, in a count of its own.
    watched: HashMap<String, HashMap<String, u64>>,
    statuses: HashMap<String, String>,
    age: u64,
}

impl Naive {
    pub fn login(&mut self, user: &str, session: u64) {
        self.users.insert(session, user.to_owned());
        self.sessions.entry(user.to_owned()).or_default().push(session);
    }

    pub fn subscribe(&mut self, session: u64, targets: &[String], max: usize) {
        let Some(user) = self.users.get(&session) else { return };
        let watched = self.watched.entry(user.clone()).or_default();
        for target in targets {
            self.age += 1;
            if let Some(age) = watched.get_mut(target) {
                *age = self.age;
                continue;
            }
            watched.insert(target.clone(), self.age);
            match self.watchers.get_mut(target) {
                Some(watchers) => drop(watchers.insert(user.clone())),
                None => {
                    self.watchers.insert(target.clone(), HashSet::from([user.clone()]));
                }
            }
            if watched.len() > max {
                let oldest = watched.iter().min_by_key(|(_, age)| **age);
                let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) else { continue };
                watched.remove(&oldest);
                if let Some(watchers) = self.watchers.get_mut(&oldest) {
                    watchers.remove(user);
                }
            }
        }
    }

    pub fn unsubscribe(&mut self, session: u64, targets: &[String]) {
        let Some(user) = self.users.get(&session) else { return };
        let Some(watched) = self.watched.get_mut(user) else { return };
        for target in targets {
            if watched.remove(target).is_some() {
                if let Some(watchers) = self.watchers.get_mut(target) {
                    watchers.remove(user);
                }
            }
        }
    }

    /// Sets a custom status and collects the sessions to tell.
    pub fn set_status(&mut self, session: u64, custom: &str, told: &mut Vec<u64>) {
        told.clear();
        let Some(user) = self.users.get(&session) else { return };
        self.statuses.insert(user.clone(), custom.to_owned());
        told.extend(self.sessions.get(user).into_iter().flatten());
        for watcher in self.watchers.get(user).into_iter().flatten() {
            told.extend(self.sessions.get(watcher).into_iter().flatten());
        }
    }
}
