//! What the host sets: tier, switches, policy, limits, rates and timeouts.

use crate::bucket::{Api, Rate};
use crate::platform::{Family, Platform};
use crate::policy::{GroupsError, Policy};
use crate::tier::Tier;

/// Everything that a host can set. Valid by construction: only [`ConfigBuilder::build`] and
/// `Default` make one (BI-4).
///
/// With the `serde` feature it is written as an object of objects (`limits`, `timeouts`,
/// `max_instances`, `kicked_away`), and read from one in which anything may be left out: that has
/// its default. What is read is checked like what is built.
///
/// All but the timeouts, the account mode and the work bound can be changed while the engine runs,
/// by [`Engine::reconfigure`](crate::Engine::reconfigure).
///
/// # Examples
///
/// ```
/// use presence_engine::{Config, Limit, Platform, Policy, Timeout};
///
/// let config = Config::builder()
///     .policy(Policy::Triple)
///     .max_instances(Platform::Web, 5)
///     .limit(Limit::Subscriptions, 500)
///     .timeout(Timeout::Native, 300_000)
///     .build()?;
/// assert_eq!(config.limit(Limit::Friends), 3_000);
///
/// let wrong = config.to_builder().limit(Limit::Friends, 0).build();
/// assert_eq!(wrong.unwrap_err().to_string(), "limits.friends is 0, but must be at least 1");
/// # Ok::<(), presence_engine::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "draft::Draft", try_from = "draft::Draft")
)]
pub struct Config {
    values: Values,
}

/// The values of a configuration, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
struct Values {
    tier: Tier,
    status_switch: bool,
    friend_switch: bool,
    accounts: Accounts,
    policy: Policy,
    max_instances: [u64; Platform::LIMITED.len()],
    kicked_away: KickedAway,
    limits: [u64; Limit::ALL.len()],
    rates: [Rate; Api::ALL.len()],
    timeouts: [u64; Timeout::ALL.len()],
    timer_work_max: u64,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            tier: Tier::default(),
            status_switch: true,
            friend_switch: true,
            accounts: Accounts::default(),
            policy: Policy::default(),
            max_instances: [1; Platform::LIMITED.len()],
            kicked_away: KickedAway::default(),
            limits: Limit::ALL.map(Limit::default_value),
            rates: [Rate::new(20, 5_000); Api::ALL.len()],
            timeouts: Timeout::ALL.map(Timeout::default_ms),
            timer_work_max: 2_048,
        }
    }
}

impl Config {
    /// Starts a configuration from the defaults of the rules.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Starts a configuration from this one.
    pub fn to_builder(&self) -> ConfigBuilder {
        ConfigBuilder { values: self.values.clone() }
    }

    /// Returns the app's tier.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.values.tier
    }

    /// Returns whether querying others, subscribing and unsubscribing are switched on (LI-2).
    #[must_use]
    pub fn status_switch(&self) -> bool {
        self.values.status_switch
    }

    /// Returns whether users are told of their friends' changes (FR-2).
    #[must_use]
    pub fn friend_switch(&self) -> bool {
        self.values.friend_switch
    }

    /// Returns which users exist (AC-2).
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.values.accounts
    }

    /// Returns which platforms may be logged in beside each other (ML-2).
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.values.policy
    }

    /// Returns how many devices of a user may be logged in on `platform` (ML-4); `MiniProgram` has
    /// the limit of `Web` (ML-3).
    #[must_use]
    pub fn max_instances(&self, platform: Platform) -> u64 {
        self.values.max_instances[platform.counted_as().index()]
    }

    /// Returns which logins are refused once after a kick while away (ML-10).
    #[must_use]
    pub fn kicked_away(&self) -> KickedAway {
        self.values.kicked_away
    }

    /// Returns a limit of size.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> u64 {
        self.values.limits[limit as usize]
    }

    /// Returns the rate limit of a request (LI-3).
    #[must_use]
    pub fn rate(&self, api: Api) -> Rate {
        self.values.rates[api as usize]
    }

    /// Returns a timeout in milliseconds.
    #[must_use]
    pub fn timeout(&self, timeout: Timeout) -> u64 {
        self.values.timeouts[timeout as usize]
    }

    /// Returns after how much work one [`Engine::handle_timeout`](crate::Engine::handle_timeout)
    /// stops: each timer looked at, each session and edge walked, each edge and device dropped is a
    /// unit.
    #[must_use]
    pub fn timer_work_max(&self) -> u64 {
        self.values.timer_work_max
    }

    /// Returns whether subscriptions count and can be made (LI-1, LI-2).
    pub(crate) fn has_subscriptions(&self) -> bool {
        self.tier().has_subscriptions() && self.status_switch()
    }

    pub(crate) fn rates(&self) -> [Rate; Api::ALL.len()] {
        self.values.rates
    }

    /// Tells the first field that cannot be changed while running and that `new` would change.
    pub(crate) fn check_change(&self, new: &Self) -> Result<(), ConfigError> {
        let fixed = |field| Err(ConfigError::Fixed { field });
        let (old, new) = (&self.values, &new.values);
        for (timeout, (old, new)) in
            Timeout::ALL.into_iter().zip(old.timeouts.iter().zip(&new.timeouts))
        {
            if old != new {
                return fixed(timeout.field());
            }
        }
        if old.accounts != new.accounts {
            return fixed("accounts");
        }
        if old.timer_work_max != new.timer_work_max {
            return fixed("timer_work_max");
        }
        Ok(())
    }
}

/// Makes a [`Config`], field by field.
#[must_use = "a builder does nothing until it is built"]
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ConfigBuilder {
    values: Values,
}

impl ConfigBuilder {
    /// Sets the app's tier. Default: [`Tier::Flagship`].
    pub fn tier(mut self, tier: Tier) -> Self {
        self.values.tier = tier;
        self
    }

    /// Sets whether querying others, subscribing and unsubscribing are switched on (LI-2).
    /// Default: on.
    pub fn status_switch(mut self, on: bool) -> Self {
        self.values.status_switch = on;
        self
    }

    /// Sets whether users are told of their friends' changes (FR-2). Default: on.
    pub fn friend_switch(mut self, on: bool) -> Self {
        self.values.friend_switch = on;
        self
    }

    /// Sets which users exist (AC-2). Fixed for the life of an engine. Default:
    /// [`Accounts::Open`].
    pub fn accounts(mut self, accounts: Accounts) -> Self {
        self.values.accounts = accounts;
        self
    }

    /// Sets which platforms may be logged in beside each other (ML-2). Default:
    /// [`Policy::Single`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.values.policy = policy;
        self
    }

    /// Sets how many devices of a user may be logged in on `platform` (ML-4). More than 1 needs
    /// [`Tier::Flagship`] on every platform but Web (ML-5); `MiniProgram` means `Web` (ML-3).
    /// Default: 1.
    pub fn max_instances(mut self, platform: Platform, devices: u64) -> Self {
        self.values.max_instances[platform.counted_as().index()] = devices;
        self
    }

    /// Sets which logins are refused once after a kick while away (ML-10). Default: none.
    pub fn kicked_away(mut self, kicked_away: KickedAway) -> Self {
        self.values.kicked_away = kicked_away;
        self
    }

    /// Sets a limit of size, at least 1.
    pub fn limit(mut self, limit: Limit, value: u64) -> Self {
        self.values.limits[limit as usize] = value;
        self
    }

    /// Sets the rate limit of a request (LI-3), both numbers at least 1. Default: 20 in 5,000 ms.
    pub fn rate(mut self, api: Api, rate: Rate) -> Self {
        self.values.rates[api as usize] = rate;
        self
    }

    /// Sets a timeout in milliseconds, at least 1. Fixed for the life of an engine.
    pub fn timeout(mut self, timeout: Timeout, ms: u64) -> Self {
        self.values.timeouts[timeout as usize] = ms;
        self
    }

    /// Sets after how much work one [`Engine::handle_timeout`](crate::Engine::handle_timeout)
    /// stops, at least 1: each timer looked at, each session and edge walked, each edge and device
    /// dropped is a unit. Fixed for the life of an engine. Default: 2,048, which is about
    /// half a millisecond where sessions of users end whom nobody watches, and who are in no cache.
    pub fn timer_work_max(mut self, units: u64) -> Self {
        self.values.timer_work_max = units;
        self
    }

    /// Checks the whole and makes the configuration (BI-4).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the first fault, in the order instance limits, limits of size, rates,
    /// timeouts, work bound.
    pub fn build(self) -> Result<Config, ConfigError> {
        let values = self.values;
        for (platform, instances) in Platform::LIMITED.into_iter().zip(values.max_instances) {
            if instances == 0 {
                return Err(ConfigError::Zero { field: instances_field(platform) });
            }
            if instances > 1 && platform != Platform::Web && !values.tier.has_instances() {
                return Err(ConfigError::InstancesNeedFlagship {
                    platform,
                    instances,
                    tier: values.tier,
                });
            }
        }
        let limits = Limit::ALL.into_iter().map(Limit::field).zip(values.limits);
        let rates = Api::ALL
            .into_iter()
            .map(rate_field)
            .zip(values.rates.map(|rate| rate.requests.min(rate.per_ms)));
        let timeouts = Timeout::ALL.into_iter().map(Timeout::field).zip(values.timeouts);
        let work = [("timer_work_max", values.timer_work_max)];
        match limits.chain(rates).chain(timeouts).chain(work).find(|&(_, value)| value == 0) {
            Some((field, _)) => Err(ConfigError::Zero { field }),
            None => Ok(Config { values }),
        }
    }
}

/// Which users exist (AC-2).
#[expect(clippy::exhaustive_enums, reason = "the two modes are the rules' own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Accounts {
    /// Every valid id exists. The default.
    #[default]
    Open,
    /// Only users whom the host registered or who have logged in exist.
    Known,
}

/// Which logins are refused once after a kick while away (ML-10).
#[expect(clippy::exhaustive_structs, reason = "the two switches are the rules' own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct KickedAway {
    /// Refuse the reconnect of a device that was displaced while it was away.
    pub on_reconnect: bool,
    /// Refuse its login by the user too. Takes effect only together with `on_reconnect`.
    pub on_login: bool,
}

/// The limits of size.
#[expect(clippy::exhaustive_enums, reason = "the limits are the rules' own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Limit {
    /// Users in one subscription list (SU-1). A request scans the list once, and once for each user
    /// that it names if anybody is evicted, so a limit in the ten thousands is felt. Default: 200.
    Subscriptions,
    /// Users in one query, duplicates counted (QU-1). Default: 500.
    QueryUsers,
    /// Users in one subscribe request (SU-4). Default: 100.
    SubscribeUsers,
    /// Users in one unsubscribe request (SU-7). Default: 100.
    UnsubscribeUsers,
    /// Friends of one user (BI-2). Default: 3,000.
    Friends,
    /// Bytes in a custom status (CS-1), never more than `u32::MAX`. Default: 100.
    CustomStatusBytes,
}

impl Limit {
    /// All of them, in the order in which they are checked.
    pub const ALL: [Self; 6] = [
        Self::Subscriptions,
        Self::QueryUsers,
        Self::SubscribeUsers,
        Self::UnsubscribeUsers,
        Self::Friends,
        Self::CustomStatusBytes,
    ];

    const fn default_value(self) -> u64 {
        match self {
            Self::Subscriptions => 200,
            Self::QueryUsers => 500,
            Self::SubscribeUsers | Self::UnsubscribeUsers | Self::CustomStatusBytes => 100,
            Self::Friends => 3_000,
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::Subscriptions => "limits.subscriptions",
            Self::QueryUsers => "limits.query_users",
            Self::SubscribeUsers => "limits.subscribe_users",
            Self::UnsubscribeUsers => "limits.unsubscribe_users",
            Self::Friends => "limits.friends",
            Self::CustomStatusBytes => "limits.custom_status_bytes",
        }
    }
}

/// The spans of time after which something happens by itself, in milliseconds.
#[expect(clippy::exhaustive_enums, reason = "the timeouts are the rules' own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Timeout {
    /// A session on Android, iPhone, iPad, Windows, Mac or Linux unheard (LV-2). Default: 400,000.
    Native,
    /// A session on Web unheard (LV-2). Default: 60,000.
    Web,
    /// A session on MiniProgram unheard (LV-2). Default: 60,000.
    MiniProgram,
    /// A mini program in the background (LV-3). Default: 30,000.
    Background,
    /// A mini program left by its exit control (LV-3). Default: 5,000.
    Exit,
    /// From PushOnline to Offline (ST-6). Default: 7 days.
    Push,
    /// From leaving Online to an empty subscription list (SU-9). Default: 24 hours.
    ClearSubscriptions,
}

impl Timeout {
    /// All of them, in the order in which they are checked.
    pub const ALL: [Self; 7] = [
        Self::Native,
        Self::Web,
        Self::MiniProgram,
        Self::Background,
        Self::Exit,
        Self::Push,
        Self::ClearSubscriptions,
    ];

    const fn default_ms(self) -> u64 {
        match self {
            Self::Native => 400_000,
            Self::Web | Self::MiniProgram => 60_000,
            Self::Background => 30_000,
            Self::Exit => 5_000,
            Self::Push => 604_800_000,
            Self::ClearSubscriptions => 86_400_000,
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::Native => "timeouts.native",
            Self::Web => "timeouts.web",
            Self::MiniProgram => "timeouts.mini_program",
            Self::Background => "timeouts.background",
            Self::Exit => "timeouts.exit",
            Self::Push => "timeouts.push",
            Self::ClearSubscriptions => "timeouts.clear_subscriptions",
        }
    }

    /// Returns the timeout after which an unheard session counts as broken (LV-2).
    pub(crate) const fn of_session(family: Family) -> Self {
        match family {
            Family::Web => Self::Web,
            Family::Native => Self::Native,
            Family::MiniProgram => Self::MiniProgram,
        }
    }
}

const fn rate_field(api: Api) -> &'static str {
    match api {
        Api::Query => "limits.query_rate",
        Api::Subscribe => "limits.subscribe_rate",
        Api::Unsubscribe => "limits.unsubscribe_rate",
    }
}

const fn instances_field(platform: Platform) -> &'static str {
    match platform {
        Platform::Android => "max_instances.android",
        Platform::Iphone => "max_instances.iphone",
        Platform::Ipad => "max_instances.ipad",
        Platform::Windows => "max_instances.windows",
        Platform::Mac => "max_instances.mac",
        Platform::Linux => "max_instances.linux",
        Platform::Web | Platform::MiniProgram => "max_instances.web",
    }
}

/// Why a configuration is refused. Nothing has changed (BI-4).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A limit, a part of a rate or a duration is zero.
    #[error("{field} is 0, but must be at least 1")]
    Zero {
        /// The dotted path of the field.
        field: &'static str,
    },
    /// More than one instance on a platform other than Web, without the Flagship tier (ML-5).
    #[error(
        "max_instances.{platform} is {instances}, but more than 1 needs the flagship tier, \
         and the tier is {tier}"
    )]
    InstancesNeedFlagship {
        /// The first such platform.
        platform: Platform,
        /// How many instances were asked for.
        instances: u64,
        /// The tier that was asked for.
        tier: Tier,
    },
    /// The grouping is not one.
    #[error("policy: {0}")]
    Groups(#[from] GroupsError),
    /// The field cannot be changed while the engine runs (ML-12).
    #[error("{field} cannot be changed while the engine runs")]
    Fixed {
        /// The dotted path of the field.
        field: &'static str,
    },
}

impl ConfigError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_config"
    }

    /// Returns the dotted path of the field at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match *self {
            Self::Zero { field } | Self::Fixed { field } => field,
            Self::InstancesNeedFlagship { platform, .. } => instances_field(platform),
            Self::Groups(_) => "policy",
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Config {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let builder = ConfigBuilder::arbitrary(u)?;
        Ok(builder.build().unwrap_or_default())
    }
}

#[cfg(feature = "serde")]
mod draft;
