//! C: bytes, by the memory that is resident. Each measure has a process of its own, as what one has
//! freed would serve the next.

use std::fs;
use std::process::Command;

use super::Random;
use super::scene::Contender;
use super::sessions::{Community, EDGES};
use super::world::{CALM, RivalWorld, World, any_session, calm, login_order};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// An edge, everybody watching 200 and watched by 200.
    Community,
    /// An edge, all watching one and nobody else.
    Crowd,
    /// A user, online on one device, without relations.
    Users,
}

impl Load {
    const ALL: [Self; 3] = [Self::Community, Self::Crowd, Self::Users];

    fn name(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Crowd => "crowd",
            Self::Users => "users",
        }
    }
}

/// The argument that makes a process a measure.
const CHILD: &str = "--resident";

/// Measures in a child process and returns bytes a unit; `None` where that cannot be done.
pub fn resident(load: Load, contender: Contender, users: usize) -> Option<f64> {
    let child = Command::new(std::env::current_exe().ok()?)
        .args([CHILD, load.name(), contender.name(), &users.to_string()])
        .output()
        .ok()?;
    String::from_utf8(child.stdout).ok()?.trim().parse().ok()
}

/// Is the measure that the arguments ask for, if this process is to be one; tells whether it is.
pub fn be_child() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [flag, load, contender, users] = &args[..] else { return false };
    let load = Load::ALL.into_iter().find(|known| known.name() == load);
    let (Some(load), Ok(users), CHILD) = (load, users.parse(), flag.as_str()) else { return false };
    let bytes = match contender == Contender::Engine.name() {
        true => engine_bytes(load, users),
        false => rival_bytes(load, users),
    };
    match bytes {
        Some(bytes) => println!("{bytes}"),
        None => println!("unknown"),
    }
    true
}

/// Bytes of memory that are resident.
fn now_resident() -> Option<f64> {
    // The pages of a system that says this in this place are of 4 KiB.
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<f64>().ok().map(|pages| pages * 4_096.0)
}

fn engine_bytes(load: Load, users: usize) -> Option<f64> {
    let plan = plan(load, users);
    let mut world = World::empty(calm());
    world.sessions = vec![any_session(); users];
    let before = now_resident()?;
    for user in login_order(users) {
        world.sessions[user as usize] = world.login(u64::from(user));
    }
    if load == Load::Users {
        return Some((now_resident()? - before) / users as f64);
    }
    world.open_buckets();
    let online = now_resident()?;
    for (watcher, targets) in &plan {
        world.subscribe(*watcher, targets);
    }
    let edges = world.engine.stats().edges;
    assert_eq!(edges, plan.iter().map(|(_, targets)| targets.len()).sum::<usize>());
    Some((now_resident()? - online) / edges as f64)
}

fn rival_bytes(load: Load, users: usize) -> Option<f64> {
    let plan = plan(load, users);
    let mut world = RivalWorld::empty(CALM);
    world.sessions = vec![0; users];
    let before = now_resident()?;
    for user in login_order(users) {
        world.sessions[user as usize] = world.login(u64::from(user));
    }
    let online = now_resident()?;
    if load == Load::Users {
        return Some((online - before) / users as f64);
    }
    for (watcher, targets) in &plan {
        world.subscribe(*watcher, targets);
    }
    let edges: usize = plan.iter().map(|(_, targets)| targets.len()).sum();
    Some((now_resident()? - online) / edges as f64)
}

/// Who subscribes whom, in random order: a user's list grows in two requests at different times,
/// and lists grow side by side.
pub fn plan(load: Load, users: usize) -> Vec<(u32, Vec<u64>)> {
    let mut plan: Vec<(u32, Vec<u64>)> = match load {
        Load::Users => Vec::new(),
        Load::Crowd => (1..users as u32).map(|watcher| (watcher, vec![0])).collect(),
        Load::Community => {
            let Community { members, watched, .. } = Community::new(users, users, EDGES);
            let requests = members.into_iter().zip(watched).flat_map(|(member, watched)| {
                watched.chunks(100).map(|targets| (member, targets.to_vec())).collect::<Vec<_>>()
            });
            requests.collect()
        }
    };
    Random::new(17).shuffle(&mut plan);
    plan
}
