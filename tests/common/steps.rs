//! Random runs as values: a configuration and steps of small numbers, from which a story of trace
//! operations is told with the naive model at hand.
//!
//! The property tests draw scripts by the strategies of `strategies.rs`, the fuzz target `ops` by
//! `Arbitrary`; from there on they share everything. A step names users, devices and sessions by
//! numbers taken modulo what there is, so that nearly every script means something, and the next
//! deadline or the end of a wait for a token by its name, so that boundaries are hit to the
//! millisecond.

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use presence_engine::{Accounts, Config, Groups, Limit, Platform, Policy, Rate, Tier};

use super::model::Model;
use super::op::{Answer, Device, Line, Machine, Op, Out, Patch, Session};

/// The users of a script; beside them it names some ids that are not valid.
pub const USERS: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];
/// The valid users that numbers name, the hot ones several times.
const NAMED: &[u8] = b"0120310421051021031021";
const INVALID: [&str; 3] = ["", "a b", "an-id-of-more-than-thirty-two-bytes"];
const DEVICES: [&str; 4] = [
    "a",
    "b",
    "a device id too long to be kept in place",
    "a device id too long to be kept in a block of its own",
];
/// The platforms of a crowd: some leave a push registration, some do not.
const CROWDED: [Platform; 3] = [Platform::Web, Platform::Ipad, Platform::MiniProgram];
/// How many users act in one step of a crowd, and how many there are.
const CROWD_STEP: u16 = 8;
const CROWD: u16 = 400;
/// What crowds do; the last is that one user's many phones come and go.
const CROWD_ACTS: u8 = 9;
const PHONES: u8 = CROWD_ACTS - 1;
const TEXTS: [&str; 8] = ["", "x", "away", "x", "ü", "12345678", "123456789", "\"\n\u{7f}"];
/// The lengths of other texts: about as long as are kept in one place or another.
const LENGTHS: [usize; 8] = [14, 15, 16, 46, 47, 48, 64, 300];
/// How many users a request names at most: one more than the largest limit.
const LIST_MAX: usize = 5;
/// How long a note of ML-10 lives.
const WEEK: u64 = 604_800_000;

/// A whole run.
#[derive(Clone, Debug, Default, Arbitrary)]
pub struct Script {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

impl Script {
    /// Tells the whole story, as stamped inputs.
    pub fn story(&self) -> Vec<(u64, Op)> {
        Teller::new(self).map(|told| (told.now, told.op)).collect()
    }
}

/// The configuration of a run and where its time begins. Any numbers make a valid one.
#[derive(Clone, Debug, Default, Arbitrary)]
pub struct Setup {
    pub tier: u8,
    pub status_switch: u8,
    pub friend_switch: u8,
    pub accounts: u8,
    pub policy: u8,
    pub groups: [u8; 7],
    pub instances: [u8; 7],
    pub kicked_away: u8,
    pub limits: [u8; 6],
    pub rates: [(u8, u8); 3],
    pub timeouts: [u8; 7],
    pub work: u8,
    pub start: u8,
    /// A bit for each platform that occurs; none set means all.
    pub platforms: u8,
    /// How many device ids occur: mostly so few that logins are often repeated.
    pub devices: u8,
}

/// How far time moves, and then one input.
#[derive(Clone, Debug, Arbitrary)]
pub struct Step {
    pub wait: Wait,
    pub act: Act,
}

/// How the stamp of a step comes of the latest one.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Wait {
    None,
    One,
    Short(u8),
    /// To the next deadline; nowhere if there is none.
    Deadline,
    BeforeDeadline,
    AfterDeadline,
    /// To where the latest refusal of a rate limit says that the request would be admitted.
    Retry,
    BeforeRetry,
    /// To the end of the latest note that a device was displaced while it was away.
    Note,
    BeforeNote,
    /// Over many deadlines.
    Far(u8),
    Back(u8),
}

/// One input.
#[derive(Clone, Debug, Arbitrary)]
pub enum Act {
    Tick,
    Login {
        user: u8,
        platform: u8,
        device: u8,
        reconnect: bool,
    },
    Heartbeat(Pick),
    LinkClosed(Pick),
    Logout(Pick),
    Background(Pick),
    Foreground(Pick),
    Exit(Pick),
    SetStatus(Pick, u8),
    Query(Pick, Vec<u8>),
    Subscribe(Pick, Vec<u8>),
    Unsubscribe(Pick, Vec<u8>),
    AddFriend(u8, u8),
    RemoveFriend(u8, u8),
    ForceOut {
        user: u8,
        scope: u8,
        platform: u8,
        device: u8,
    },
    Register(u8),
    RemoveUser(u8),
    Inspect(u8),
    Reconfigure([(u8, u8, u8); 2]),
    /// A login of a device that was displaced while it was away.
    Return {
        of: u8,
        reconnect: bool,
    },
    /// Several inputs at one moment, of many users who have to do with one.
    Crowd {
        what: u8,
        user: u8,
        from: u8,
        count: u8,
    },
}

/// Which session: `how` tells live ones from ended ones, and the newest of a device from its n-th.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Pick {
    pub of: u8,
    pub how: u8,
}

impl Setup {
    /// The fields that a `config` line can name.
    pub fn patch(&self) -> Patch {
        let tier = pick(&[Tier::Flagship; 14], &[Tier::Professional, Tier::Trial], self.tier);
        let mut max_instances = self.instances.map(|n| Some(u64::from(n % 4) + 1));
        if tier != Tier::Flagship {
            // All but the last, which is Web, stay at 1 (ML-5).
            max_instances[..6].fill(None);
        }
        let limit = |at: usize, max: u8| Some(u64::from(max - self.limits[at] % max));
        let text = if self.limits[5] < 192 { limit(5, 8) } else { Some(300) };
        let list = |at: usize| Some([4, 4, 3, 2, 4, 4, 3, 1][usize::from(self.limits[at] % 8)]);
        Patch {
            tier: Some(tier),
            status_switch: Some(self.status_switch < 240),
            friend_switch: Some(self.friend_switch < 192),
            accounts: Some(if self.accounts < 192 { Accounts::Open } else { Accounts::Known }),
            policy: Some(Ok(policy(self.policy, self.groups))),
            max_instances,
            on_reconnect: Some(self.kicked_away & 1 == 1),
            on_login: Some(self.kicked_away & 2 == 2),
            limits: [limit(0, 6), list(1), list(2), list(3), limit(4, 3), text],
            rates: self.rates.map(|(requests, per_ms)| Some(rate(requests, per_ms))),
            timeouts: self.timeouts.map(|ms| Some(timeout(ms))),
        }
    }

    /// The configuration, with the work bound that no trace can name.
    pub fn config(&self) -> Config {
        let work = [4_096, 1, 2, 3, 7, 100][usize::from(self.work % 6)];
        let config = self.patch().apply(&Config::default()).map(|config| config.to_builder());
        config
            .and_then(|builder| builder.timer_work_max(work).build())
            .expect("valid by its making")
    }

    /// How the two hosts differ (`hosts.rs`).
    pub fn hosts(&self) -> u8 {
        self.work / 6
    }

    /// The stamp before the first step.
    pub fn start(&self) -> u64 {
        [0, 1_000, 0, 1 << 50, u64::MAX - 20_000, u64::MAX - 200][usize::from(self.start % 6)]
    }

    fn platform(&self, number: u8) -> Platform {
        let occurs = |platform: &Platform| self.platforms >> (*platform as u8) & 1 == 1;
        let some: Vec<_> = Platform::ALL.into_iter().filter(occurs).collect();
        let all = if some.is_empty() { &Platform::ALL[..] } else { &some };
        all[usize::from(number) % all.len()]
    }

    fn any_device(&self, of: u8) -> Device {
        self.device(of, of / 8, of / 64)
    }

    fn device(&self, user: u8, platform: u8, device: u8) -> Device {
        let device = usize::from(device % [3, 3, 2, 1, 8, 40][usize::from(self.devices % 6)]);
        Device {
            user: user_of(user),
            platform: self.platform(platform),
            device: DEVICES.get(device).map_or_else(|| device.to_string(), |&id| id.to_owned()),
        }
    }
}

impl Act {
    fn pick(&self) -> Option<Pick> {
        match self {
            Self::Heartbeat(of)
            | Self::LinkClosed(of)
            | Self::Logout(of)
            | Self::Background(of)
            | Self::Foreground(of)
            | Self::Exit(of)
            | Self::SetStatus(of, _)
            | Self::Query(of, _)
            | Self::Subscribe(of, _)
            | Self::Unsubscribe(of, _) => Some(*of),
            _ => None,
        }
    }
}

/// Tells the story of a script, one input at a time, and what the rules say to it.
pub struct Teller<'a> {
    script: &'a Script,
    pub model: Model,
    at: usize,
    /// What is still to be told of a crowd's step.
    crowd: VecDeque<Op>,
    /// The sessions ever given.
    given: Vec<Session>,
    /// The devices that were displaced while they were away, and when.
    noted: Vec<(Device, u64)>,
    retry_at: u64,
}

/// One input of a story, and the model's lines.
pub struct Told {
    pub now: u64,
    pub op: Op,
    pub lines: Vec<Line>,
}

impl<'a> Teller<'a> {
    pub fn new(script: &'a Script) -> Self {
        Self::under(script.setup.config(), script)
    }

    /// Tells a story under another configuration than the script's own.
    pub fn under(config: Config, script: &'a Script) -> Self {
        Self {
            script,
            model: Model::new(config),
            at: 0,
            crowd: VecDeque::new(),
            given: Vec::new(),
            noted: Vec::new(),
            retry_at: 0,
        }
    }

    /// Has something told before the next step.
    pub fn interject(&mut self, op: Op) {
        self.crowd.push_back(op);
    }

    fn stamp(&self, wait: Wait) -> u64 {
        let now = self.model.now();
        let deadline = self.model.next_deadline().unwrap_or(now);
        match wait {
            Wait::None => now,
            Wait::One => now.saturating_add(1),
            Wait::Short(ms) => now.saturating_add(u64::from(ms % 64)),
            Wait::Deadline => deadline,
            Wait::BeforeDeadline => deadline.saturating_sub(1).max(now),
            Wait::AfterDeadline => deadline.saturating_add(1),
            Wait::Retry => self.retry_at.max(now),
            Wait::BeforeRetry => self.retry_at.saturating_sub(1).max(now),
            Wait::Note => self.noted_at().saturating_add(WEEK).max(now),
            Wait::BeforeNote => self.noted_at().saturating_add(WEEK - 1).max(now),
            Wait::Far(by) => {
                let far = [300, 2_000, 10_000, WEEK, 1 << 62, 1 << 31, (1 << 32) - 1, 1 << 32];
                now.saturating_add(far[usize::from(by % 8)])
            }
            Wait::Back(ms) => now.saturating_sub(u64::from(ms) + 1),
        }
    }

    fn noted_at(&self) -> u64 {
        self.noted.last().map_or(0, |&(_, at)| at)
    }

    fn session(&self, Pick { of, how }: Pick) -> Session {
        let of = usize::from(of);
        let live = self.model.live();
        match how % 16 {
            0..=12 if !live.is_empty() => {
                let session = live[of % live.len()].clone();
                // A live session is always its device's newest.
                let nth = session.nth.filter(|_| how % 16 == 12);
                Session { nth, ..session }
            }
            13.. if !self.given.is_empty() => {
                self.given[self.given.len() - 1 - of % self.given.len()].clone()
            }
            _ => {
                let nth = [None, Some(1), Some(2), Some((1 << 53) - 1)][of % 4];
                Session { device: self.script.setup.any_device(of as u8), nth }
            }
        }
    }

    /// Mostly a mini program, if there is one: nowhere else does it matter.
    fn mini_program(&self, pick: Pick) -> Session {
        let mut live = self.model.live();
        live.retain(|session| session.device.platform == Platform::MiniProgram);
        match live.len() {
            0 => self.session(pick),
            _ if pick.how < 32 => self.session(pick),
            len => live.swap_remove(usize::from(pick.of) % len),
        }
    }

    fn op(&mut self, act: &Act) -> Op {
        let setup = &self.script.setup;
        match *act {
            Act::Tick => Op::Tick,
            Act::Login { user, platform, device, reconnect } => {
                Op::Login { device: setup.device(user, platform, device), reconnect }
            }
            Act::Return { of, reconnect } => {
                let noted = self.noted.iter().rev().nth(usize::from(of) % self.noted.len().max(1));
                let device = noted.map(|(device, _)| device.clone());
                let device = device.unwrap_or_else(|| setup.any_device(of));
                Op::Login { device, reconnect }
            }
            Act::AddFriend(user, friend) => {
                Op::AddFriend { user: user_of(user), friend: user_of(friend) }
            }
            Act::RemoveFriend(user, friend) => {
                let user = user_of(user);
                let friend = mostly(self.model.relations(&user).1, friend);
                Op::RemoveFriend { user, friend }
            }
            Act::ForceOut { user, scope, platform, device } => {
                let Device { user, platform, device } = setup.device(user, platform, device);
                Op::ForceOut {
                    user,
                    platform: (scope % 3 > 0).then_some(platform),
                    device: (scope % 3 > 1).then_some(device),
                }
            }
            Act::Register(user) => Op::Register { user: user_of(user) },
            Act::RemoveUser(user) => Op::RemoveUser { user: user_of(user) },
            Act::Inspect(user) => Op::Inspect { user: user_of(user) },
            Act::Crowd { what, user, from, count } => {
                let user = user_of(user);
                // Mostly the same, for many users take long.
                let from = if from < 192 { from % 3 } else { from };
                let step = if what % CROWD_ACTS == PHONES { 3 * CROWD_STEP } else { CROWD_STEP };
                let members = (0..=u16::from(count) % step)
                    .map(|at| (u16::from(from) * CROWD_STEP + at) % CROWD);
                self.crowd.extend(members.flat_map(|member| crowd_ops(what, &user, member)));
                self.crowd.pop_front().unwrap_or(Op::Tick)
            }
            Act::Reconfigure(changes) => {
                let mut patch = Patch::default();
                changes.iter().for_each(|&(what, a, b)| change(&mut patch, what, a, b));
                Op::Reconfigure(patch)
            }
            _ => self.session_op(act),
        }
    }

    /// What is asked or told on a session.
    fn session_op(&self, act: &Act) -> Op {
        if let Some(Pick { of, how: 0..=230 }) = act.pick().filter(|_| self.model.sessions() == 0) {
            // Nearly everything would be refused, which shows little.
            return Op::Login { device: self.script.setup.any_device(of), reconnect: false };
        }
        let users = |users: &[u8]| users.iter().take(LIST_MAX).map(|&user| user_of(user)).collect();
        let session = |&pick: &Pick| self.session(pick);
        match act {
            Act::Heartbeat(of) => Op::Heartbeat { session: session(of) },
            Act::LinkClosed(of) => Op::LinkClosed { session: session(of) },
            Act::Logout(of) => Op::Logout { session: session(of) },
            Act::Background(of) => Op::Background { session: self.mini_program(*of) },
            Act::Foreground(of) => Op::Foreground { session: self.mini_program(*of) },
            Act::Exit(of) => Op::Exit { session: self.mini_program(*of) },
            Act::SetStatus(of, text) => {
                Op::SetStatus { session: session(of), custom: text_of(*text) }
            }
            Act::Query(of, ids) => Op::Query { session: session(of), users: users(ids) },
            Act::Subscribe(of, ids) => Op::Subscribe { session: session(of), users: users(ids) },
            Act::Unsubscribe(of, ids) => {
                let session = session(of);
                let list = self.model.relations(&session.device.user).0;
                let ids = ids.iter().take(LIST_MAX);
                let users = ids.map(|&id| mostly(list, id)).collect();
                Op::Unsubscribe { session, users }
            }
            _ => Op::Tick,
        }
    }

    /// Keeps what later steps refer to.
    fn note(&mut self, told: &Told) {
        let now = self.model.now();
        match (&told.op, told.lines.last().map(|line| &line.out)) {
            (Op::Login { device, .. }, Some(Out::Result(Ok(Answer::Done)))) => {
                let count = self.given.iter().filter(|given| given.device == *device).count();
                let nth = Some(count as u64 + 1);
                self.given.push(Session { device: device.clone(), nth });
                self.noted.extend(displaced_while_away(device, &told.lines).map(|of| (of, now)));
            }
            (_, Some(Out::Result(Err(refusal)))) => {
                if let Some(retry_after) = refusal.retry_after {
                    self.retry_at = now.saturating_add(retry_after);
                }
            }
            _ => {}
        }
    }
}

impl Iterator for Teller<'_> {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        let (now, op) = match self.crowd.pop_front() {
            Some(op) => (self.model.now(), op),
            None => {
                let step = self.script.steps.get(self.at)?;
                let start = if self.at == 0 { self.script.setup.start() } else { 0 };
                self.at += 1;
                (self.stamp(step.wait).max(start), self.op(&step.act))
            }
        };
        let mut lines = Vec::new();
        self.model.apply(now, &op, &mut lines);
        let told = Told { now, op, lines };
        self.note(&told);
        Some(told)
    }
}

fn user_of(number: u8) -> String {
    let number = usize::from(number) % (NAMED.len() + INVALID.len());
    match NAMED.get(number) {
        Some(&digit) => USERS[usize::from(digit - b'0')].into(),
        None => INVALID[number - NAMED.len()].into(),
    }
}

fn text_of(number: u8) -> String {
    let of = usize::from(number % 8);
    if number < 192 { TEXTS[of].into() } else { "long".repeat(75)[..LENGTHS[of]].into() }
}

/// Whom a number names, mostly of a list.
fn mostly(list: &[String], number: u8) -> String {
    match list.len() {
        0 => user_of(number),
        _ if number >= 192 => user_of(number),
        len => list[usize::from(number) % len].clone(),
    }
}

/// Returns the devices that a login displaced, as its event tells, and that had no link to close.
fn displaced_while_away<'a>(
    newcomer: &'a Device,
    lines: &'a [Line],
) -> impl Iterator<Item = Device> + 'a {
    let kicked = lines.iter().rev().find_map(|line| match &line.out {
        Out::Event { kicked, .. } => kicked.as_ref(),
        _ => None,
    });
    let user = &newcomer.user;
    let kicked = kicked.into_iter().flatten().filter_map(move |name| {
        let (platform, device) = name.split_once('/')?;
        let platform = platform.parse().ok()?;
        Some(Device { user: user.clone(), platform, device: device.to_owned() })
    });
    let is_closed = |device: &Device| {
        lines.iter().any(|line| match &line.out {
            Out::Close { device: closed, by: Some(_), .. } => closed == device,
            _ => false,
        })
    };
    kicked.filter(move |device| !is_closed(device))
}

/// What one of a crowd does, or one of many phones of a user.
fn crowd_ops(what: u8, user: &str, member: u16) -> Vec<Op> {
    let name = member_name(member);
    let platform = CROWDED[usize::from(member % 3)];
    let device = Device { user: name.clone(), platform, device: "c".into() };
    let session = Session { device: device.clone(), nth: None };
    let users = vec![user.to_owned()];
    let op = match what % CROWD_ACTS {
        0 => Op::AddFriend { user: name, friend: user.to_owned() },
        1 => Op::RemoveFriend { user: name, friend: user.to_owned() },
        2 | 3 => Op::Login { device, reconnect: member % 2 == 0 },
        4 => Op::Subscribe { session, users },
        5 => Op::Unsubscribe { session, users },
        6 => Op::LinkClosed { session },
        7 if member % 2 == 0 => Op::RemoveUser { user: name },
        7 => Op::Logout { session },
        PHONES.. => {
            let user = user.to_owned();
            let device = Device { user, platform: Platform::Iphone, device: name };
            let session = Session { device: device.clone(), nth: None };
            return vec![Op::Login { device, reconnect: false }, Op::LinkClosed { session }];
        }
    };
    vec![op]
}

fn member_name(member: u16) -> String {
    format!("c{member}")
}

/// Returns the names of all users that a script can name.
pub fn everybody() -> impl Iterator<Item = String> {
    USERS.into_iter().map(str::to_owned).chain((0..CROWD).map(member_name))
}

fn pick<T: Copy>(mostly: &[T], rarely: &[T], number: u8) -> T {
    let all = [mostly, rarely].concat();
    all[usize::from(number) % all.len()]
}

fn policy(number: u8, groups: [u8; 7]) -> Policy {
    match number % 6 {
        0 => Policy::Multi,
        1 => Policy::Single,
        2 => Policy::Dual,
        3 => Policy::Triple,
        _ => {
            let mut lists: [Vec<Platform>; 4] = Default::default();
            for (platform, group) in Platform::LIMITED.into_iter().zip(groups) {
                lists[usize::from(group % 4)].push(platform);
            }
            // As a story writes them.
            lists.sort();
            Policy::Groups(Groups::new(lists).expect("each platform is in one group"))
        }
    }
}

fn rate(requests: u8, per_ms: u8) -> Rate {
    // Half of the rates hinder nobody for long.
    let per_ms = match per_ms {
        0..=127 => 1,
        // So long, and so many, that moments do not fit 64 bits.
        255 => 1 << 52,
        _ => u64::from(per_ms % 40) + 1,
    };
    let requests = if requests == 255 { 3 << 50 } else { u64::from(requests % 4) + 1 };
    Rate::new(requests, per_ms)
}

fn timeout(number: u8) -> u64 {
    match number {
        // Few enough that several are due together.
        0..=79 => u64::from(number % 4) * 10 + 10,
        80..=99 => u64::from(number) * 2 + 1,
        100..=159 => u64::from(number - 99) * 50,
        160..=219 => u64::from(number - 159) * 1_000,
        220..=231 => WEEK,
        // So long that half of a moment does not tell when somebody was heard.
        232..=239 => 5 << 30,
        240..=247 => 1 << 62,
        248.. => u64::MAX,
    }
}

/// Puts one change into a patch, now and then an invalid one.
fn change(patch: &mut Patch, what: u8, a: u8, b: u8) {
    match what % 8 {
        0 => patch.tier = Some(pick(&[Tier::Flagship; 6], &[Tier::Professional, Tier::Trial], a)),
        1 => patch.status_switch = Some(a % 4 > 0),
        2 => patch.friend_switch = Some(a % 2 == 0),
        3 if a % 16 == 15 => {
            patch.policy = Some(Groups::new([[Platform::Android]]).map(Policy::Groups));
        }
        3 => patch.policy = Some(Ok(policy(a, [0, 1, 2, 3, 4, 5, 6].map(|bit| b >> bit)))),
        4 => patch.max_instances[usize::from(a % 7)] = Some(u64::from(b % 5)),
        5 => {
            patch.on_reconnect = Some(a % 4 > 0);
            patch.on_login = Some(b % 2 == 0);
        }
        6 => patch.limits[usize::from(a) % Limit::ALL.len()] = Some(u64::from(b % 9)),
        _ => {
            let new = if b % 16 == 15 { Rate::new(0, 1) } else { rate(b, b / 4) };
            patch.rates[usize::from(a % 3)] = Some(new);
        }
    }
}
