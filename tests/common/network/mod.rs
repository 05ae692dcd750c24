//! A hostile network: a host and its clients over bad links, in virtual time, from one number.
//!
//! Clients with clocks of their own log in over links that lose, delay, double and reorder what
//! they carry, break unseen, or work one way only. Hosts stall, stand still, step their clocks, and
//! crash and start empty. After some of that the network heals, all settles, and then must hold
//! what [`Check`] lists.
//!
//! # What is whose job
//!
//! The engine knows sessions and relations, and says who is to be told what. Between it and the
//! clients stand the things that the engine leaves to its host:
//!
//! - **Order and repetition** on a link: numbers in each direction, acknowledged and repeated
//!   ([`wire::Stream`]). So the engine gets what a link says once and in order; heartbeats alone
//!   come as they come. A view is built from a query's answer and the changes after it, and one
//!   lost or doubled in between would spoil it.
//! - **Epochs**: a link is one attempt of a device, counted by the device, with one life of the
//!   host, counted by the host. What is left of an older attempt opens nothing, or a late login
//!   would bring back who has left; what is left of an older life is dropped, or the numbers of two
//!   hosts would mix on one link.
//! - **Which link is whose session**, for ever: what comes late on a link whose session has ended
//!   goes to the engine all the same, which must refuse it (LV-7).
//! - **Time**: it lets time pass before each turn, in portions, and drains before it answers.
//! - **Slow links**: one that acknowledges nothing is broken by the host.
//! - **What no output tells**: another device's changes of the list (SU-1), friends, accounts that
//!   are gone, and that a changed configuration makes relations count anew.
//! - **A crash**: accounts and friends come back from its database, all else from the clients.
//!
//! Clients subscribe and query after each login and after a resynchronisation, and live by what
//! they are told from then on.
//!
//! # Parts
//!
//! [`scene`] draws a story, [`world`] plays it with a [`host`] and [`client`]s, [`ledger`] adds up
//! what the engine says, [`settled`] checks what is left, [`shrink`] makes a failing story short.

#![expect(unreachable_pub, reason = "a program takes it in as a module of its own")]

use core::panic::AssertUnwindSafe;
use std::collections::BTreeMap;
use std::panic::catch_unwind;

use breach::{Breach, Check};
use scene::Scene;
use world::World;

mod breach;
mod client;
mod dice;
mod host;
mod ledger;
mod scene;
mod settled;
mod shrink;
mod wire;
mod world;

/// What happened in some stories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub stories: u64,
    pub simulated_ms: u64,
    pub logins: u64,
    pub notifications: u64,
    /// Acts and what became of frames, by name.
    pub events: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, name: &'static str) {
        *self.events.entry(name).or_default() += 1;
    }

    /// Adds another's. The order of additions makes no difference.
    pub fn add(&mut self, other: &Self) {
        self.stories += other.stories;
        self.simulated_ms += other.simulated_ms;
        self.logins += other.logins;
        self.notifications += other.notifications;
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
    }
}

/// Plays the story of a number, with a broken host if it is to be careless. A failure is told with
/// the shortest story found that fails alike.
pub fn play(seed: u64, is_careless: bool) -> Result<Tally, String> {
    let mut scene = Scene::draw(seed);
    scene.host.is_careless = is_careless;
    match run(&scene, None).end {
        Ok(tally) => Ok(tally),
        Err(breach) => Err(shrink::tell(&scene, &breach)),
    }
}

/// How a story ended.
struct Run {
    end: Result<Tally, Breach>,
    log: Vec<String>,
}

fn run(scene: &Scene, log: Option<Vec<String>>) -> Run {
    let mut world = World::new(scene, log);
    let played = catch_unwind(AssertUnwindSafe(|| settled::play(&mut world)));
    let end = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let what = text.unwrap_or("(no text)").to_owned();
        Err(Breach { check: Check::Panic, what })
    });
    let World { host, tally, now, .. } = world;
    let (logins, notifications) = (host.logins, host.notifications);
    let tally = Tally { stories: 1, simulated_ms: now, logins, notifications, ..tally };
    Run { end: end.map(|()| tally), log: host.log.unwrap_or_default() }
}

/// How a client's device is called.
fn device_id_text(client: usize) -> String {
    format!("d{client}")
}
