//! A long journal of all operations, drawn from a fixed seed, that asks neither the engine nor the
//! model what to say next: it is the same whatever they do, on every platform and in every build.

use presence_engine::{
    Accounts, Api, Config, Groups, KickedAway, Limit, Platform, Policy, Rate, Tier, Timeout,
};

use crate::common::op::{Device, Op, Patch, Session};
use crate::common::seeds::Random;

/// How many engines the journal tells of, each with a configuration of its own.
pub(crate) const PARTS: u64 = 10;

const USERS: u64 = 24;
const INVALID: [&str; 3] = ["", "a b", "an-id-of-more-than-thirty-two-bytes"];
const TEXTS: [&str; 6] = ["", "away", "in a match", "ü", "12345678", "\"\n\u{7f}"];
/// How many devices are remembered, to be named again.
const RECENT: usize = 16;
/// Where the time of the last part jumps to for its last quarter: near the end of all time.
const LATE: u64 = u64::MAX - 2_000_000;

/// The configuration with which a part begins: the defaults, and others.
pub(crate) fn config(part: u64) -> Config {
    let mut random = Random(part);
    let mut builder = Config::builder().policy(policy(part));
    if part > 0 {
        builder = builder
            .max_instances(Platform::Web, 1 + random.below(3))
            .max_instances(Platform::Android, 1 + random.below(2))
            .kicked_away(KickedAway { on_reconnect: part % 2 == 0, on_login: part % 4 == 0 })
            .accounts(if part % 5 == 3 { Accounts::Known } else { Accounts::Open })
            .limit(Limit::Subscriptions, 1 + random.below(8))
            .limit(Limit::Friends, 1 + random.below(6))
            .limit(Limit::CustomStatusBytes, 4 + random.below(8))
            .timer_work_max(1 << random.below(12));
        for timeout in Timeout::ALL {
            builder = builder.timeout(timeout, 1 + random.below(400_000));
        }
        for api in Api::ALL {
            builder = builder.rate(api, rate(&mut random));
        }
    }
    builder.build().expect("nothing is zero, and the tier is the highest")
}

/// The inputs of a part, with their stamps.
pub(crate) fn part(part: u64, len: usize) -> impl Iterator<Item = (u64, Op)> {
    let mut teller = Teller { random: Random(!part), now: 0, recent: Vec::new() };
    (0..len).map(move |at| {
        if part == PARTS - 1 && at == len / 4 * 3 {
            teller.now = LATE;
        }
        let now = teller.stamp();
        (now, teller.op())
    })
}

struct Teller {
    random: Random,
    now: u64,
    /// The devices that were named last in a login.
    recent: Vec<Device>,
}

impl Teller {
    /// Mostly the same moment, now and then a week later, and seldom an earlier one.
    fn stamp(&mut self) -> u64 {
        if self.random.below(200) == 0 {
            return self.now.saturating_sub(self.random.below(10_000));
        }
        if self.random.below(4) == 0 {
            self.now = self.now.saturating_add(span(&mut self.random));
        }
        self.now
    }

    fn op(&mut self) -> Op {
        match self.random.below(100) {
            0..20 => {
                let device = self.device();
                // Mostly the others of a user are displaced.
                let random = &mut self.random;
                self.recent.retain(|other| other.user != device.user || random.below(3) == 0);
                self.recent.push(device.clone());
                if self.recent.len() > RECENT {
                    self.recent.remove(0);
                }
                Op::Login { device, reconnect: self.random.below(2) == 0 }
            }
            20..32 => Op::Heartbeat { session: self.session() },
            32..38 => Op::LinkClosed { session: self.session() },
            38..41 => Op::Logout { session: self.session() },
            41..44 => Op::Background { session: self.session() },
            44..46 => Op::Foreground { session: self.session() },
            46..48 => Op::Exit { session: self.session() },
            48..56 => {
                let custom = TEXTS[self.random.below(6) as usize].to_owned();
                Op::SetStatus { session: self.session(), custom }
            }
            56..62 => Op::Query { session: self.session(), users: self.users() },
            62..73 => Op::Subscribe { session: self.session(), users: self.users() },
            73..78 => Op::Unsubscribe { session: self.session(), users: self.users() },
            78..84 => Op::AddFriend { user: self.user(), friend: self.user() },
            84..87 => Op::RemoveFriend { user: self.user(), friend: self.user() },
            87..89 => self.force_out(),
            89..91 => Op::Register { user: self.user() },
            91 => Op::RemoveUser { user: self.user() },
            92..95 => Op::Inspect { user: self.user() },
            95..97 => Op::Tick,
            _ => Op::Reconfigure(self.change()),
        }
    }

    fn force_out(&mut self) -> Op {
        let Device { user, platform, device } = self.device();
        let scope = self.random.below(3);
        let (platform, device) = ((scope > 0).then_some(platform), (scope > 1).then_some(device));
        Op::ForceOut { user, platform, device }
    }

    /// A few users more often than the others, and now and then an invalid id.
    fn user(&mut self) -> String {
        if self.random.below(50) == 0 {
            return INVALID[self.random.below(3) as usize].to_owned();
        }
        let user = self.random.below(USERS).min(self.random.below(USERS));
        format!("u{user}")
    }

    fn users(&mut self) -> Vec<String> {
        (0..self.random.below(5)).map(|_| self.user()).collect()
    }

    fn device(&mut self) -> Device {
        if self.random.below(4) == 0 && !self.recent.is_empty() {
            return self.recent[self.random.below(self.recent.len() as u64) as usize].clone();
        }
        let platform = Platform::ALL[self.random.below(8) as usize];
        let device = ["a", "a device id too long to be kept in place"];
        let device = device[self.random.below(2) as usize].to_owned();
        Device { user: self.user(), platform, device }
    }

    /// Mostly the newest of a device that logged in not long ago.
    fn session(&mut self) -> Session {
        let device = match self.recent.len() {
            0 => self.device(),
            len => {
                // The last of them twice as often as by chance alone.
                let at = self.random.below(len as u64).max(self.random.below(len as u64));
                self.recent[at as usize].clone()
            }
        };
        let nth = (self.random.below(20) == 0).then(|| 1 + self.random.below(4));
        Session { device, nth }
    }

    /// A change of the configuration, seldom an invalid one.
    fn change(&mut self) -> Patch {
        let mut patch = Patch::default();
        let random = &mut self.random;
        match random.below(8) {
            // The highest tier more often than not, or most would be refused.
            0 => {
                let tiers = [Tier::Flagship, Tier::Flagship, Tier::Professional, Tier::Trial];
                patch.tier = Some(tiers[random.below(4) as usize]);
                patch.max_instances[..6].fill(Some(1));
            }
            1 => patch.status_switch = Some(random.below(4) > 0),
            2 => patch.friend_switch = Some(random.below(4) > 0),
            3 => patch.policy = Some(Ok(policy(random.below(5)))),
            4 => patch.max_instances[random.below(7) as usize] = Some(random.below(4)),
            5 => {
                patch.on_reconnect = Some(random.below(2) == 0);
                patch.on_login = Some(random.below(2) == 0);
            }
            6 => patch.limits[random.below(6) as usize] = Some(random.below(9)),
            _ => patch.rates[random.below(3) as usize] = Some(rate(random)),
        }
        if random.below(3) == 0 {
            patch.tier = Some(Tier::Flagship);
            patch.status_switch = Some(true);
        }
        patch
    }
}

fn policy(number: u64) -> Policy {
    use Platform::{Android, Ipad, Iphone, Linux, Mac, Web, Windows};

    match number % 5 {
        0 => Policy::Single,
        1 => Policy::Multi,
        2 => Policy::Triple,
        3 => Policy::Dual,
        _ => {
            let groups = Groups::new([vec![Android, Web], vec![Mac, Ipad, Windows, Linux, Iphone]]);
            Policy::Groups(groups.expect("each platform is named once"))
        }
    }
}

fn rate(random: &mut Random) -> Rate {
    Rate::new(1 + random.below(8), 1 + random.below(9_000))
}

/// Milliseconds from a few to eight days, the longest once in thousands of times.
fn span(random: &mut Random) -> u64 {
    let longest = [2, 10, 100, 1_000, 1_000, 1_000, 10_000, 60_000, 400_000, 691_200_000];
    let place = random.below(10).min(random.below(10)).min(random.below(10));
    random.below(longest[place as usize])
}
