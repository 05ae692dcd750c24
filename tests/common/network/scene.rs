//! A story before it is played: who is there, by which configuration, and what happens to them.
//!
//! All of it is drawn from one number, in the manner of a swarm: each kind of act has a weight of
//! its own in each story, and often none, so that some stories dwell on what others hardly touch.

use presence_engine::{
    Accounts, Api, Config, DeviceId, Groups, KickedAway, Limit, Platform, Policy, Rate, Scope,
    Tier, Timeout,
};

use super::dice::{Dice, mix};
use super::wire::{User, Weather};

#[derive(Clone, Debug)]
pub struct Scene {
    pub seed: u64,
    /// The first is in force at the start, each of the others is by [`Act::Reconfigure`].
    pub configs: Vec<Config>,
    pub devices: Vec<Device>,
    pub users: u8,
    pub host: Habits,
    pub weather: Weather,
    pub rounds: Vec<Round>,
    /// Whether some clients stay when all is over, while the engine's longest timers run out.
    pub has_survivors: bool,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub user: User,
    pub platform: Platform,
    /// How fast its clock goes: this many milliseconds of its own take 1,000 true ones.
    pub clock: u64,
}

/// What kind of host it is.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// What its clock shows when the story begins.
    pub epoch: u64,
    /// How long it lets frames wait, so as to take several in a turn.
    pub turn_ms: u64,
    /// Whether it collects heartbeats and passes them on together, at the end of a turn.
    pub has_batches: bool,
    /// Whether it stamps inputs by a clock that may run back.
    pub has_raw_clock: bool,
    /// Whether its links are seen to break when it crashes.
    pub resets_on_crash: bool,
    /// Whether it repeats nothing that was lost: a broken host, to see that this is found.
    pub is_careless: bool,
}

/// Some time in which things happen, after which there is quiet, and all is checked.
#[derive(Clone, Debug)]
pub struct Round {
    /// What happens, and how many milliseconds after the round began.
    pub acts: Vec<(u64, Act)>,
    pub lasts: u64,
}

#[derive(Clone, Debug)]
pub enum Act {
    // What people do with their clients, by number.
    Open(usize),
    Logout(usize),
    Kill(usize),
    Vanish(usize),
    Sleep(usize, u64),
    Say(usize, u64),
    Background(usize),
    Foreground(usize),
    Exit(usize),
    Watch(usize, Vec<User>),
    Unwatch(usize, Vec<User>),
    Ask(usize, Vec<User>),
    // What the network does.
    Partition { client: usize, up_ms: u64, down_ms: u64 },
    Roam(usize),
    Storm,
    // What the host suffers.
    Stall(u64),
    Freeze(u64),
    ClockBack(u64),
    ClockForward(u64),
    Crash(u64),
    // What the host orders.
    Befriend(User, User),
    Unfriend(User, User),
    Force(User, Scope),
    Erase(User),
    Register(User),
    Reconfigure(usize),
}

/// The kinds of acts by name, with the greatest weight of each.
pub const KINDS: [(&str, u64); 24] = [
    ("open", 30),
    ("log-out", 6),
    ("kill", 6),
    ("vanish", 6),
    ("sleep", 6),
    ("say", 12),
    ("background", 6),
    ("foreground", 5),
    ("exit", 4),
    ("watch", 14),
    ("unwatch", 8),
    ("ask", 4),
    ("partition", 8),
    ("roam", 8),
    ("storm", 2),
    ("stall", 3),
    ("freeze", 2),
    ("clock step", 3),
    ("crash", 2),
    ("friend", 8),
    ("force", 3),
    ("erase", 2),
    ("register", 3),
    ("reconfigure", 3),
];

impl Act {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Logout(_) => "log-out",
            Self::Kill(_) => "kill",
            Self::Vanish(_) => "vanish",
            Self::Sleep(..) => "sleep",
            Self::Say(..) => "say",
            Self::Background(_) => "background",
            Self::Foreground(_) => "foreground",
            Self::Exit(_) => "exit",
            Self::Watch(..) => "watch",
            Self::Unwatch(..) => "unwatch",
            Self::Ask(..) => "ask",
            Self::Partition { .. } => "partition",
            Self::Roam(_) => "roam",
            Self::Storm => "storm",
            Self::Stall(_) => "stall",
            Self::Freeze(_) => "freeze",
            Self::ClockBack(_) | Self::ClockForward(_) => "clock step",
            Self::Crash(_) => "crash",
            Self::Befriend(..) | Self::Unfriend(..) => "friend",
            Self::Force(..) => "force",
            Self::Erase(_) => "erase",
            Self::Register(_) => "register",
            Self::Reconfigure(_) => "reconfigure",
        }
    }

    /// The client whom it concerns, if it is one.
    pub fn client(&self) -> Option<usize> {
        match *self {
            Self::Open(client)
            | Self::Logout(client)
            | Self::Kill(client)
            | Self::Vanish(client)
            | Self::Sleep(client, _)
            | Self::Say(client, _)
            | Self::Background(client)
            | Self::Foreground(client)
            | Self::Exit(client)
            | Self::Watch(client, _)
            | Self::Unwatch(client, _)
            | Self::Ask(client, _)
            | Self::Partition { client, .. }
            | Self::Roam(client) => Some(client),
            _ => None,
        }
    }
}

impl Scene {
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(mix(&[seed]));
        let dice = &mut dice;
        let config = config(dice);
        let mut configs = vec![config];
        for _ in 0..dice.below(3) {
            configs.push(changed(dice, &configs[0]));
        }
        let users = dice.within(1..=4) as u8 + 2 * u8::from(dice.chance(200));
        let devices = devices(dice, users);
        let mut scene = Self {
            seed,
            configs,
            devices,
            users,
            host: habits(dice),
            weather: weather(dice),
            rounds: Vec::new(),
            has_survivors: dice.chance(60),
        };
        let weights =
            KINDS.map(|(_, most)| if dice.chance(350) { 0 } else { dice.within(1..=most) });
        for nth in 0..dice.within(1..=3) {
            let round = scene.round(dice, &weights, nth == 0);
            scene.rounds.push(round);
        }
        scene
    }

    fn round(&self, dice: &mut Dice, weights: &[u64; KINDS.len()], is_first: bool) -> Round {
        let mut acts = Vec::new();
        let mut at = 0;
        if is_first {
            // Without somebody to begin with there would be little to see.
            let watch = dice.pick(&[0, 500, 1_000]);
            for client in 0..self.devices.len() {
                let open = dice.within(0..=5_000);
                acts.push((open, Act::Open(client)));
                if dice.chance(watch) {
                    let users = self.some_users(dice, 1);
                    acts.push((open + dice.within(0..=5_000), Act::Watch(client, users)));
                }
            }
        }
        for _ in 0..dice.within(5..=30) {
            at += self.pause(dice);
            let act = self.act(dice, weights);
            if let Some(client) =
                act.client().filter(|_| matches!(act.kind(), "background" | "exit"))
            {
                // Mostly people come back.
                acts.push((at + self.pause(dice), Act::Foreground(client)));
            }
            acts.push((at, act));
        }
        acts.sort_by_key(|&(at, _)| at);
        Round { acts, lasts: at + self.pause(dice) }
    }

    /// How long nothing happens: mostly little, now and then about as long as a timeout.
    fn pause(&self, dice: &mut Dice) -> u64 {
        let config = &self.configs[0];
        match dice.below(20) {
            0..10 => dice.within(0..=2_000),
            10..17 => dice.within(2_000..=30_000),
            17 | 18 => config.timeout(dice.pick(&Timeout::ALL[..5])) + dice.within(0..=2) - 1,
            _ => {
                let timeout = config.timeout(dice.pick(&Timeout::ALL[5..]));
                timeout.min(PAUSE_MAX_MS) + dice.within(0..=60_000)
            }
        }
    }

    fn act(&self, dice: &mut Dice, weights: &[u64; KINDS.len()]) -> Act {
        let total: u64 = weights.iter().sum();
        let mut at = dice.within(0..=total.max(1) - 1);
        let mut kind = "open";
        for ((name, _), weight) in KINDS.iter().zip(weights) {
            if at < *weight {
                kind = name;
                break;
            }
            at -= weight;
        }
        let client = dice.below(self.devices.len());
        match kind {
            "log-out" => Act::Logout(client),
            "kill" => Act::Kill(client),
            "vanish" => Act::Vanish(client),
            "sleep" => Act::Sleep(client, span(dice)),
            "say" => Act::Say(client, dice.within(0..=3)),
            "background" => Act::Background(client),
            "foreground" => Act::Foreground(client),
            "exit" => Act::Exit(client),
            "watch" => Act::Watch(client, self.some_users(dice, 1)),
            "unwatch" => Act::Unwatch(client, self.some_users(dice, 0)),
            "ask" => Act::Ask(client, self.some_users(dice, 1)),
            "partition" => {
                let (up_ms, down_ms) = (span(dice), span(dice));
                // Often one way only: the link is half open.
                match dice.below(4) {
                    0 => Act::Partition { client, up_ms: 0, down_ms },
                    1 => Act::Partition { client, up_ms, down_ms: 0 },
                    _ => Act::Partition { client, up_ms, down_ms: up_ms },
                }
            }
            "roam" => Act::Roam(client),
            "storm" => Act::Storm,
            "stall" => Act::Stall(span(dice)),
            "freeze" => Act::Freeze(span(dice)),
            "clock step" if dice.chance(500) => Act::ClockBack(span(dice)),
            "clock step" => Act::ClockForward(span(dice)),
            "crash" => Act::Crash(span(dice)),
            "friend" => {
                let (owner, friend) = (self.user(dice), self.user(dice));
                let ends = dice.chance(300);
                if ends { Act::Unfriend(owner, friend) } else { Act::Befriend(owner, friend) }
            }
            "force" => Act::Force(self.user(dice), self.scope(dice)),
            "erase" => Act::Erase(self.user(dice)),
            "register" => Act::Register(self.user(dice)),
            "reconfigure" => Act::Reconfigure(dice.below(self.configs.len())),
            _ => Act::Open(client),
        }
    }

    /// Somebody, now and then one who has no client.
    fn user(&self, dice: &mut Dice) -> User {
        User(dice.within(0..=u64::from(self.users)) as u8)
    }

    fn some_users(&self, dice: &mut Dice, fewest: u64) -> Vec<User> {
        (0..dice.within(fewest..=4)).map(|_| self.user(dice)).collect()
    }

    fn scope(&self, dice: &mut Dice) -> Scope {
        let client = dice.below(self.devices.len());
        let platform = self.devices[client].platform;
        match dice.below(3) {
            0 => Scope::All,
            1 => Scope::Platform(platform),
            _ => Scope::Device(platform, DeviceId::new(&super::device_id_text(client))),
        }
    }
}

/// After how long a session on `platform` ends that is not heard from (LV-2).
pub fn silence_ms(config: &Config, platform: Platform) -> u64 {
    config.timeout(match platform {
        Platform::Web => Timeout::Web,
        Platform::MiniProgram => Timeout::MiniProgram,
        _ => Timeout::Native,
    })
}

/// The longest pause, so that a story has more acts than heartbeats.
const PAUSE_MAX_MS: u64 = 900_000;

/// How long a trouble lasts: moments, or minutes.
fn span(dice: &mut Dice) -> u64 {
    if dice.chance(500) { dice.within(1..=5_000) } else { dice.within(5_000..=600_000) }
}

fn devices(dice: &mut Dice, users: u8) -> Vec<Device> {
    let platforms: Vec<_> = Platform::ALL.into_iter().filter(|_| dice.chance(600)).collect();
    let platforms = if platforms.is_empty() { vec![Platform::Android] } else { platforms };
    let drift = dice.pick(&[0, 0, 20, 100]);
    let mut devices = Vec::new();
    for user in 0..users {
        for _ in 0..dice.within(1..=3) {
            let clock = dice.within(1_000 - drift..=1_000 + drift);
            devices.push(Device { user: User(user), platform: dice.pick(&platforms), clock });
        }
    }
    devices
}

fn habits(dice: &mut Dice) -> Habits {
    Habits {
        epoch: dice.pick(&[0, 1_000_000, 1_800_000_000_000, 1 << 60]) + dice.within(0..=1_000_000),
        turn_ms: dice.pick(&[0, 0, 1, 50, 500]),
        has_batches: dice.chance(500),
        has_raw_clock: dice.chance(300),
        resets_on_crash: dice.chance(500),
        is_careless: false,
    }
}

fn weather(dice: &mut Dice) -> Weather {
    Weather {
        delay_ms: dice.pick(&[0, 1, 20, 100, 500]),
        jitter_ms: dice.pick(&[0, 0, 10, 200, 3_000]),
        loss: dice.pick(&[0, 0, 10, 100, 300]),
        duplication: dice.pick(&[0, 0, 10, 200]),
        reordering: dice.pick(&[0, 0, 10, 200]),
    }
}

fn config(dice: &mut Dice) -> Config {
    let mut builder = Config::builder()
        .accounts(if dice.chance(300) { Accounts::Known } else { Accounts::Open })
        .timeout(Timeout::Native, dice.pick(&[30_000, 100_000, 400_000]))
        .timeout(Timeout::Web, dice.pick(&[20_000, 60_000]))
        .timeout(Timeout::MiniProgram, dice.pick(&[20_000, 60_000]))
        .timeout(Timeout::Background, dice.pick(&[4_000, 30_000]))
        .timeout(Timeout::Exit, dice.pick(&[1_000, 5_000]))
        .timeout(Timeout::Push, dice.pick(&[60_000, 900_000, 604_800_000]))
        .timeout(Timeout::ClearSubscriptions, dice.pick(&[60_000, 900_000, 86_400_000]))
        .timer_work_max(dice.pick(&[1, 3, 16, 4_096]));
    for api in Api::ALL {
        let rate = dice.pick(&[(20, 5_000), (20, 5_000), (1, 1_000), (3, 10_000)]);
        builder = builder.rate(api, Rate::new(rate.0, rate.1));
    }
    let config = builder.build().expect("nothing is zero");
    changed(dice, &config)
}

/// Draws anew what can be changed while an engine runs.
fn changed(dice: &mut Dice, config: &Config) -> Config {
    let groups = |dice: &mut Dice| {
        let mut groups = [const { Vec::new() }; 3];
        for platform in Platform::LIMITED {
            groups[dice.pick(&[0, 1, 2])].push(platform);
        }
        Policy::Groups(Groups::new(groups).expect("each platform stands in one group"))
    };
    let has_tier = !dice.chance(100);
    let switches = KickedAway { on_reconnect: dice.chance(500), on_login: dice.chance(500) };
    let policies = [Policy::Single, Policy::Dual, Policy::Triple, Policy::Multi, groups(dice)];
    let mut builder = config
        .to_builder()
        .tier(if has_tier { Tier::Flagship } else { Tier::Professional })
        .status_switch(!dice.chance(100))
        .friend_switch(!dice.chance(200))
        .policy(dice.pick(&policies))
        .kicked_away(switches)
        .limit(Limit::Subscriptions, dice.pick(&[1, 2, 3, 200, 200]))
        .limit(Limit::QueryUsers, dice.pick(&[1, 3, 500]))
        .limit(Limit::SubscribeUsers, dice.pick(&[1, 2, 100]))
        .limit(Limit::UnsubscribeUsers, dice.pick(&[1, 2, 100]))
        .limit(Limit::Friends, dice.pick(&[1, 2, 3_000]))
        .limit(Limit::CustomStatusBytes, dice.pick(&[6, 100]));
    for platform in Platform::LIMITED {
        let is_free = has_tier || platform == Platform::Web;
        let instances = if is_free { dice.pick(&[1, 1, 2, 3]) } else { 1 };
        builder = builder.max_instances(platform, instances);
    }
    builder.build().expect("the tier has what it needs")
}
