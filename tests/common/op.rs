//! What a trace says and what comes out of it, as values: the vocabulary that the trace reader, the
//! naive model, the driver of the real engine, the property tests and the fuzz targets share.

use core::fmt;

use presence_engine::{
    Accounts, Api, Config, ConfigError, GroupsError, KickedAway, Limit, Platform, Policy, Rate,
    State, Tier, Timeout,
};

/// One installation, by the names that a trace gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    pub user: String,
    pub platform: Platform,
    pub device: String,
}

impl Device {
    /// Returns the device of a name as it is displayed.
    #[track_caller]
    pub fn named(name: &str) -> Self {
        let mut parts = name.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        let (user, platform) = (part().to_owned(), part().parse());
        let platform = platform.expect("a device has a platform");
        Self { user, platform, device: part().to_owned() }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.user, self.platform, self.device)
    }
}

/// One of the session ids that were ever given to a device: the newest, or the `nth`, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub device: Device,
    pub nth: Option<u64>,
}

/// One input line but `config`, without its stamp.
#[expect(
    clippy::large_enum_variant,
    reason = "changes of configuration are rare, and few are kept"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Login {
        device: Device,
        reconnect: bool,
    },
    Heartbeat {
        session: Session,
    },
    LinkClosed {
        session: Session,
    },
    Logout {
        session: Session,
    },
    Background {
        session: Session,
    },
    Foreground {
        session: Session,
    },
    Exit {
        session: Session,
    },
    SetStatus {
        session: Session,
        custom: String,
    },
    Query {
        session: Session,
        users: Vec<String>,
    },
    Subscribe {
        session: Session,
        users: Vec<String>,
    },
    Unsubscribe {
        session: Session,
        users: Vec<String>,
    },
    AddFriend {
        user: String,
        friend: String,
    },
    RemoveFriend {
        user: String,
        friend: String,
    },
    /// With a device there is always a platform.
    ForceOut {
        user: String,
        platform: Option<Platform>,
        device: Option<String>,
    },
    Register {
        user: String,
    },
    RemoveUser {
        user: String,
    },
    Inspect {
        user: String,
    },
    Tick,
    Reconfigure(Patch),
}

/// The fields of a `config` or `reconfigure` line that were named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    pub tier: Option<Tier>,
    pub status_switch: Option<bool>,
    pub friend_switch: Option<bool>,
    /// Only in `config`.
    pub accounts: Option<Accounts>,
    pub policy: Option<Result<Policy, GroupsError>>,
    /// In the order of `Platform::LIMITED`.
    pub max_instances: [Option<u64>; 7],
    pub on_reconnect: Option<bool>,
    pub on_login: Option<bool>,
    /// In the order of `Limit::ALL`.
    pub limits: [Option<u64>; 6],
    /// In the order of `Api::ALL`.
    pub rates: [Option<Rate>; 3],
    /// In the order of `Timeout::ALL`; only in `config`.
    pub timeouts: [Option<u64>; 7],
}

impl Patch {
    /// The configuration that comes of this one with the named fields changed.
    pub fn apply(&self, config: &Config) -> Result<Config, ConfigError> {
        let mut builder = config.to_builder();
        if let Some(tier) = self.tier {
            builder = builder.tier(tier);
        }
        if let Some(on) = self.status_switch {
            builder = builder.status_switch(on);
        }
        if let Some(on) = self.friend_switch {
            builder = builder.friend_switch(on);
        }
        if let Some(accounts) = self.accounts {
            builder = builder.accounts(accounts);
        }
        if let Some(policy) = self.policy {
            builder = builder.policy(policy?);
        }
        for (platform, instances) in Platform::LIMITED.into_iter().zip(self.max_instances) {
            if let Some(instances) = instances {
                builder = builder.max_instances(platform, instances);
            }
        }
        let KickedAway { on_reconnect, on_login } = config.kicked_away();
        builder = builder.kicked_away(KickedAway {
            on_reconnect: self.on_reconnect.unwrap_or(on_reconnect),
            on_login: self.on_login.unwrap_or(on_login),
        });
        for (limit, value) in Limit::ALL.into_iter().zip(self.limits) {
            if let Some(value) = value {
                builder = builder.limit(limit, value);
            }
        }
        for (api, rate) in Api::ALL.into_iter().zip(self.rates) {
            if let Some(rate) = rate {
                builder = builder.rate(api, rate);
            }
        }
        for (timeout, ms) in Timeout::ALL.into_iter().zip(self.timeouts) {
            if let Some(ms) = ms {
                builder = builder.timeout(timeout, ms);
            }
        }
        builder.build()
    }
}

/// One output line, without the number of the input line that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub t: u64,
    pub out: Out,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    Close {
        device: Device,
        reason: &'static str,
        by: Option<Platform>,
    },
    Event {
        action: &'static str,
        reason: &'static str,
        device: Device,
        /// The displaced devices as `platform/device`; only on `login`.
        kicked: Option<Vec<String>>,
    },
    Status {
        user: String,
        state: State,
        custom: String,
        /// `user/platform/device`, sorted by bytes.
        to: Vec<String>,
    },
    Result(Result<Answer, Refusal>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Query { statuses: Vec<(String, State, String)>, failures: Vec<Failed> },
    Subscribe { evicted: Vec<String>, failures: Vec<Failed> },
    Unsubscribe { failures: Vec<Failed> },
    Inspect { state: State, custom: String, platforms: Vec<(Platform, State)> },
}

/// One id of a request that failed, with the reason's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub user: String,
    pub reason: &'static str,
}

/// An error: its code and what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub limit: Option<u64>,
    pub retry_after: Option<u64>,
    pub failures: Option<Vec<Failed>>,
    pub field: Option<&'static str>,
}

impl Refusal {
    pub fn of(code: &'static str) -> Self {
        Self { code, ..Self::default() }
    }
}

/// Something that follows the rules: the engine, or the model.
pub trait Machine {
    fn new(config: Config) -> Self;

    /// Takes one input at its stamp and appends to `lines` what its time passing fired, the outputs
    /// of the input itself, and then exactly one [`Out::Result`], whose `t` is the stamp as taken.
    fn apply(&mut self, now: u64, op: &Op, lines: &mut Vec<Line>);
}
