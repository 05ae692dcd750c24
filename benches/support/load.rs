//! H: a day of 82,168 users on a graph of 870,161 friend links, as fast as it goes.
//!
//! The day is a trace beside the project: a real social graph on which real on and off times of
//! phones are laid. Where it is not there, or in a test, a synthetic one of the same shape stands
//! in for it.

use core::hint::black_box;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use foldhash::fast::FixedState;
use presence_engine::{
    Config, DeviceId, Engine, LoginKind, Output, Platform, Policy, SessionId, Timeout, Timestamp,
};

use super::Random;
use super::floors::gather_present;
use super::least_day::LeastDay;
use super::measure::{Sample, timed};
use super::rival::{Rival, Rules};
use super::scene::{Bounds, Case, Contender, Scale, Scene, Visit};
use super::world::{CALM, NEVER, any_session};

const H: Bounds = Bounds::rival(8.0);
const TRACE: &str = "../shared/data/slashdot-stunner-1day.in.jsonl.gz";
const INSTANCES: u64 = 3;

pub fn visit(scale: &Scale, visit: Visit<'_>) {
    if scale.wants("H") {
        let day = if scale.is_test() { None } else { Day::read() };
        let name = if day.is_some() { "the trace" } else { "a synthetic load" };
        let day = day.unwrap_or_else(|| Day::synthetic(scale.of(82_168)));
        let mut scene = Load { day, told: None };
        visit(Case { row: "H", name: name.into(), bounds: H, scene: &mut scene });
    }
}

/// What happens, with all that is needed for it: what a host reads from a frame that has just come
/// in. Only the session of a link is looked up, by the link's number.
#[derive(Clone, Copy, Debug)]
enum Step {
    AddFriend { owner: u64, friend: u64 },
    Login { at: u64, link: u32, device: Device },
    LinkClosed { at: u64, link: u32, platform: Platform },
}

/// A user's device, with the number of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Device {
    user: u64,
    platform: Platform,
    name: u16,
}

/// What happens, in order, how many links there are, and the names of the devices.
struct Day {
    steps: Vec<Step>,
    links: usize,
    names: Vec<String>,
}

impl Day {
    /// Reads the trace; `None` if it is not there.
    fn read() -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACE);
        if !path.exists() {
            return None;
        }
        let mut gzip =
            Command::new("gzip").arg("-dc").arg(path).stdout(Stdio::piped()).spawn().ok()?;
        let mut day = Self { steps: Vec::new(), links: 0, names: Vec::new() };
        let mut known = HashMap::new();
        let mut lines = BufReader::with_capacity(1 << 20, gzip.stdout.take()?);
        let mut line = String::new();
        while lines.read_line(&mut line).ok()? > 0 {
            day.take(&line, &mut known);
            line.clear();
        }
        gzip.wait().ok()?.success().then_some(day)
    }

    /// Takes a line of the trace. All are of the same few forms, and the trace is known to be well
    /// formed: what stands between quotation marks says everything.
    fn take(&mut self, line: &str, known: &mut HashMap<Device, u32>) {
        let parts: Vec<_> = line.split('"').collect();
        let user = |at: usize| parts[at].trim_start_matches('u').parse().expect("a user");
        let at = parts[2].trim_matches([':', ',']).parse();
        match parts[5] {
            "add_friend" => self.steps.push(Step::AddFriend { owner: user(9), friend: user(13) }),
            op @ ("login" | "link_closed") => {
                let platform = parts[13].parse().expect("a platform");
                let name = self.names.iter().position(|name| name == parts[17]);
                let name = name.unwrap_or_else(|| {
                    self.names.push(parts[17].to_owned());
                    self.names.len() - 1
                });
                let device = Device { user: user(9), platform, name: name as u16 };
                let link = *known.entry(device).or_insert_with(|| {
                    self.links += 1;
                    (self.links - 1) as u32
                });
                let at = at.expect("a stamp");
                self.steps.push(match op {
                    "login" => Step::Login { at, link, device },
                    _ => Step::LinkClosed { at, link, platform },
                });
            }
            _ => assert!(line.starts_with(r#"{"op":"config""#), "the trace says {line}"),
        }
    }

    /// Makes a day of the same shape: users are watched and watch in number by a power law, and are
    /// on and off for as long as the trace's devices are.
    fn synthetic(users: usize) -> Self {
        let mut random = Random::new(13);
        let mut steps = Vec::new();
        // Ranks whose weight falls with their root, give or take: the trace's most popular user is
        // watched by 2,552, half of all by two or fewer.
        let names = random.shuffled(users);
        let rank = |random: &mut Random| {
            let part = random.below(1 << 30) as f64 / f64::from(1 << 30);
            ((part.powf(2.4) * users as f64) as usize).min(users - 1)
        };
        for owner in 0..users {
            let count = quantile(&WATCHED, &mut random);
            let mut friends = Vec::new();
            for _ in 0..count {
                let friend = names[rank(&mut random)];
                if friend as usize != owner && !friends.contains(&friend) {
                    friends.push(friend);
                    steps.push(Step::AddFriend { owner: owner as u64, friend: friend.into() });
                }
            }
        }
        let mut links = 0;
        let mut events = Vec::new();
        for user in 0..users as u64 {
            let platforms = [Platform::Android, Platform::Windows, Platform::Iphone, Platform::Web];
            let platform = platforms[random.below(platforms.len())];
            let device = Device { user, platform, name: 0 };
            let link = links as u32;
            links += 1;
            let mut at = quantile(&OFF_MS, &mut random);
            while at < DAY_MS {
                events.push((at, Step::Login { at, link, device }));
                at += quantile(&ON_MS, &mut random);
                if at < DAY_MS {
                    events.push((at, Step::LinkClosed { at, link, platform }));
                }
                at += quantile(&OFF_MS, &mut random);
            }
        }
        events.sort_by_key(|&(at, _)| at);
        steps.extend(events.into_iter().map(|(_, step)| step));
        Self { steps, links, names: vec!["d1".to_owned()] }
    }

    fn engine(&self) -> (Sample, usize) {
        let config = Config::builder()
            .policy(Policy::Multi)
            .timeout(Timeout::Native, NEVER)
            .timeout(Timeout::Web, NEVER);
        let instances = Platform::LIMITED.into_iter();
        let config = instances.fold(config, |config, on| config.max_instances(on, INSTANCES));
        let config = config.build().expect("the configuration is valid");
        let mut engine: Engine<u64, _> = Engine::with_hasher(config, FixedState::default());
        let mut sessions: Vec<SessionId> = vec![any_session(); self.links];
        let names: Vec<_> = self.names.iter().map(|name| DeviceId::new(name)).collect();
        let mut told = 0;
        let sample = timed(self.steps.len(), || {
            for &step in &self.steps {
                match step {
                    Step::AddFriend { owner, friend } => {
                        engine.add_friend(Timestamp::ZERO, &owner, &friend).ok();
                    }
                    Step::Login { at, link, device: Device { user, platform, name } } => {
                        let (now, kind) = (Timestamp::from_millis(at), LoginKind::Login);
                        let name = names[usize::from(name)].clone();
                        let session = engine.login(now, &user, platform, name, kind);
                        sessions[link as usize] = session.expect("the user is valid");
                    }
                    Step::LinkClosed { at, link, .. } => {
                        let session = sessions[link as usize];
                        engine.link_closed(Timestamp::from_millis(at), session).ok();
                    }
                }
                while let Some(output) = engine.poll_output() {
                    if let Output::Status(change) = &output {
                        told += change.to.len();
                    }
                    black_box(&output);
                }
            }
        });
        (sample, told)
    }

    /// The least: users found by their ids, edges appended, and those who are online gathered when
    /// somebody comes or goes, one session of each. It knows no devices, states, limits or timers.
    fn floor(&self) -> Sample {
        let mut people = People::default();
        let mut links = vec![None; self.links];
        let mut told = Vec::new();
        timed(self.steps.len(), || {
            for &step in &self.steps {
                match step {
                    Step::AddFriend { owner, friend } => {
                        let (owner, friend) = (people.slot(owner), people.slot(friend));
                        people.watchers[friend as usize].push(owner);
                    }
                    Step::Login { link, device, .. } => {
                        let slot = people.slot(device.user);
                        if links[link as usize].replace(slot).is_none() {
                            people.count(slot, 1, u64::from(link) + 1, &mut told);
                        }
                    }
                    Step::LinkClosed { link, .. } => {
                        if let Some(slot) = links[link as usize].take() {
                            people.count(slot, -1, 0, &mut told);
                        }
                    }
                }
                black_box(&told);
            }
        })
    }

    fn least(&self) -> (Sample, usize) {
        let mut least = LeastDay::default();
        let mut sessions = vec![0; self.links];
        let mut told = 0;
        let sample = timed(self.steps.len(), || {
            for &step in &self.steps {
                match step {
                    Step::AddFriend { owner, friend } => least.add_friend(owner, friend),
                    Step::Login { at, link, device: Device { user, platform, name } } => {
                        sessions[link as usize] = least.log_in(at, user, (platform as u8, name));
                    }
                    Step::LinkClosed { at, link, .. } => least.end(at, sessions[link as usize]),
                }
                told += least.drain();
            }
        });
        (sample, told)
    }

    fn rival(&self) -> (Sample, usize) {
        let rules = Rules {
            instances_max: INSTANCES as usize,
            is_single: false,
            subscriptions_max: usize::MAX,
            ..CALM
        };
        let mut rival = Rival::new(rules);
        let mut sessions = vec![0; self.links];
        let mut told = 0;
        let sample = timed(self.steps.len(), || {
            for &step in &self.steps {
                match step {
                    Step::AddFriend { owner, friend } => rival.add_friend(0, owner, friend),
                    Step::Login { at, link, device: Device { user, platform, name } } => {
                        let name = &self.names[usize::from(name)];
                        sessions[link as usize] = rival.login(at, user, platform as u8, name);
                    }
                    Step::LinkClosed { at, link, platform } => {
                        rival.link_closed(at, sessions[link as usize], platform.can_push());
                    }
                }
                told += rival.drain().0;
            }
        });
        (sample, told)
    }
}

/// Whom the floor knows.
#[derive(Default)]
struct People {
    slots: HashMap<u64, u32, FixedState>,
    watchers: Vec<Vec<u32>>,
    /// A session of each who is online.
    table: Vec<u64>,
    /// How many he has.
    counts: Vec<i8>,
}

impl People {
    fn slot(&mut self, id: u64) -> u32 {
        *self.slots.entry(id).or_insert_with(|| {
            self.watchers.push(Vec::new());
            self.table.push(0);
            self.counts.push(0);
            (self.table.len() - 1) as u32
        })
    }

    /// Counts a user's sessions, and tells his watchers if he comes or goes.
    fn count(&mut self, slot: u32, by: i8, session: u64, told: &mut Vec<u64>) {
        let count = &mut self.counts[slot as usize];
        *count += by;
        if *count == i8::from(by > 0) {
            self.table[slot as usize] = session;
            gather_present(&self.table, &self.watchers[slot as usize], told);
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// How many a user of the trace watches, by sixteenths of all users.
const WATCHED: [u64; 17] = [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 7, 11, 35, 400];
/// For how long a device of the trace is on, by sixteenths.
const ON_MS: [u64; 17] = [
    3, 4_274, 17_108, 37_054, 68_204, 118_467, 196_087, 308_160, 481_860, 680_644, 1_005_713,
    1_475_267, 2_187_463, 3_432_411, 6_001_835, 13_799_812, 84_849_205,
];
/// For how long it is off.
const OFF_MS: [u64; 17] = [
    1, 2_673, 7_543, 14_863, 19_886, 26_778, 32_971, 46_742, 76_987, 150_346, 347_621, 704_830,
    1_537_509, 3_622_605, 8_716_265, 21_625_365, 85_864_697,
];

/// Draws from a distribution given by its quantiles.
fn quantile(quantiles: &[u64; 17], random: &mut Random) -> u64 {
    let at = random.below(16);
    let (low, high) = (quantiles[at], quantiles[at + 1]);
    low + random.below((high - low) as usize + 1) as u64
}

struct Load {
    day: Day,
    /// How many sessions are told, whoever tells them.
    told: Option<usize>,
}

impl Scene for Load {
    fn round(&mut self, contender: Contender) -> Option<Sample> {
        let (sample, told) = match contender {
            Contender::Floor => return Some(self.day.floor()),
            Contender::Engine => self.day.engine(),
            Contender::Least => self.day.least(),
            Contender::Rival => self.day.rival(),
        };
        assert_eq!(*self.told.get_or_insert(told), told);
        Some(sample)
    }
}
