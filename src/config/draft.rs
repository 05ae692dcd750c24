//! The form in which a configuration is written down by `serde`: its keys are those of the trace
//! format and of [`ConfigError::field`].

use crate::bucket::{Api, Rate};
use crate::config::{Accounts, Config, ConfigBuilder, ConfigError, KickedAway, Limit, Timeout};
use crate::platform::Platform;
use crate::policy::Policy;
use crate::tier::Tier;

macro_rules! section {
    ($name:ident { $($field:ident: $type:ty = $get:ident($key:expr)),* $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $name { $($field: $type),* }

        impl $name {
            fn read(config: &Config) -> Self {
                Self { $($field: config.$get($key)),* }
            }

            fn write(self, builder: ConfigBuilder) -> ConfigBuilder {
                builder $(.$get($key, self.$field))*
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::read(&Config::default())
            }
        }
    };
}

section!(Instances {
    android: u64 = max_instances(Platform::Android),
    iphone: u64 = max_instances(Platform::Iphone),
    ipad: u64 = max_instances(Platform::Ipad),
    windows: u64 = max_instances(Platform::Windows),
    mac: u64 = max_instances(Platform::Mac),
    linux: u64 = max_instances(Platform::Linux),
    web: u64 = max_instances(Platform::Web),
});

section!(Limits {
    subscriptions: u64 = limit(Limit::Subscriptions),
    query_users: u64 = limit(Limit::QueryUsers),
    subscribe_users: u64 = limit(Limit::SubscribeUsers),
    unsubscribe_users: u64 = limit(Limit::UnsubscribeUsers),
    friends: u64 = limit(Limit::Friends),
    custom_status_bytes: u64 = limit(Limit::CustomStatusBytes),
    query_rate: Rate = rate(Api::Query),
    subscribe_rate: Rate = rate(Api::Subscribe),
    unsubscribe_rate: Rate = rate(Api::Unsubscribe),
});

section!(Timeouts {
    native: u64 = timeout(Timeout::Native),
    web: u64 = timeout(Timeout::Web),
    mini_program: u64 = timeout(Timeout::MiniProgram),
    background: u64 = timeout(Timeout::Background),
    exit: u64 = timeout(Timeout::Exit),
    push: u64 = timeout(Timeout::Push),
    clear_subscriptions: u64 = timeout(Timeout::ClearSubscriptions),
});

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Draft {
    tier: Tier,
    status_switch: bool,
    friend_switch: bool,
    accounts: Accounts,
    policy: Policy,
    max_instances: Instances,
    kicked_away: KickedAway,
    limits: Limits,
    timeouts: Timeouts,
    timer_work_max: u64,
}

impl Default for Draft {
    fn default() -> Self {
        Config::default().into()
    }
}

impl From<Config> for Draft {
    fn from(config: Config) -> Self {
        Self {
            tier: config.tier(),
            status_switch: config.status_switch(),
            friend_switch: config.friend_switch(),
            accounts: config.accounts(),
            policy: config.policy(),
            max_instances: Instances::read(&config),
            kicked_away: config.kicked_away(),
            limits: Limits::read(&config),
            timeouts: Timeouts::read(&config),
            timer_work_max: config.timer_work_max(),
        }
    }
}

impl TryFrom<Draft> for Config {
    type Error = ConfigError;

    fn try_from(draft: Draft) -> Result<Self, ConfigError> {
        let builder = Self::builder()
            .tier(draft.tier)
            .status_switch(draft.status_switch)
            .friend_switch(draft.friend_switch)
            .accounts(draft.accounts)
            .policy(draft.policy)
            .kicked_away(draft.kicked_away)
            .timer_work_max(draft.timer_work_max);
        let builder = draft.max_instances.write(builder);
        let builder = draft.limits.write(builder);
        draft.timeouts.write(builder).build()
    }
}
