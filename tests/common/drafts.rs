//! Configurations as anybody might ask for them, right or wrong, and what must become of them by
//! the rules, said here once more (BI-4, ML-2, ML-5, ML-12).

use core::fmt::{Debug, Write};

use arbitrary::Arbitrary;
use presence_engine::{
    Accounts, Api, Config, ConfigError, Engine, Groups, Limit, Platform, Policy, Rate, Tier,
    Timeout, Timestamp,
};

use super::op::Patch;
use super::story::{limit_name, timeout_name};

/// Some fields of a configuration, with any values.
#[derive(Clone, Debug, Arbitrary)]
pub struct Draft {
    tier: Option<u8>,
    status_switch: Option<bool>,
    friend_switch: Option<bool>,
    accounts: Option<bool>,
    policy: Option<Grouping>,
    max_instances: [Option<Number>; 7],
    on_reconnect: Option<bool>,
    on_login: Option<bool>,
    limits: [Option<Number>; 6],
    rates: [Option<(Number, Number)>; 3],
    timeouts: [Option<Number>; 7],
    work: Option<Number>,
}

/// A number, near either end of what there is more often than not.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Number {
    Small(u8),
    Any(u64),
    Large(u8),
}

impl Number {
    fn value(self) -> u64 {
        match self {
            Self::Small(value) if value < 192 => u64::from(value % 4),
            Self::Small(value) => value.into(),
            Self::Any(value) => value,
            Self::Large(below) => u64::MAX - u64::from(below),
        }
    }
}

#[derive(Clone, Debug, Arbitrary)]
enum Grouping {
    Named(u8),
    /// The group of each platform: always a grouping.
    Each([u8; 7]),
    /// Platforms by number, some perhaps twice or not at all.
    Lists(Vec<Vec<u8>>),
}

impl Grouping {
    fn named(number: u8) -> Policy {
        [Policy::Single, Policy::Dual, Policy::Triple, Policy::Multi][usize::from(number % 4)]
    }

    fn lists(&self) -> Option<Vec<Vec<Platform>>> {
        let platform = |number: &u8| Platform::ALL[usize::from(number % 8)];
        match self {
            Self::Named(_) => None,
            Self::Each(groups) => {
                let mut lists = vec![Vec::new(); 7];
                for (platform, group) in Platform::LIMITED.into_iter().zip(groups) {
                    lists[usize::from(group % 7)].push(platform);
                }
                Some(lists)
            }
            Self::Lists(lists) => {
                Some(lists.iter().map(|list| list.iter().map(platform).collect()).collect())
            }
        }
    }

    /// Says what is wrong with the lists, if anything is: the first wrong name, else the first
    /// that is missing.
    fn fault(&self) -> Option<String> {
        let lists = self.lists()?;
        let mut named = Vec::new();
        for &platform in lists.iter().flatten() {
            if platform == Platform::MiniProgram {
                return Some("mini_program is named; it goes with web".into());
            }
            if named.contains(&platform) {
                let fault = "named twice; each platform must stand in exactly one group";
                return Some(format!("{platform} is {fault}"));
            }
            named.push(platform);
        }
        let missing = Platform::LIMITED.into_iter().find(|platform| !named.contains(platform))?;
        let fault = "stands in no group; each platform must stand in exactly one";
        Some(format!("{missing} {fault}"))
    }
}

impl Draft {
    /// The draft as a patch, without the work bound, which no patch names.
    pub fn patch(&self) -> Patch {
        let number = |number: Option<Number>| number.map(Number::value);
        let rate = |rate: Option<(Number, Number)>| {
            rate.map(|(requests, per_ms)| Rate::new(requests.value(), per_ms.value()))
        };
        let tiers = [Tier::Flagship, Tier::Professional, Tier::Trial];
        let known = |known| if known { Accounts::Known } else { Accounts::Open };
        let policy = |grouping: &Grouping| match (grouping, grouping.lists()) {
            (Grouping::Named(number), _) => Ok(Grouping::named(*number)),
            (_, lists) => Groups::new(lists.unwrap_or_default()).map(Policy::Groups),
        };
        Patch {
            tier: self.tier.map(|tier| tiers[usize::from(tier % 3)]),
            status_switch: self.status_switch,
            friend_switch: self.friend_switch,
            accounts: self.accounts.map(known),
            policy: self.policy.as_ref().map(policy),
            max_instances: self.max_instances.map(number),
            on_reconnect: self.on_reconnect,
            on_login: self.on_login,
            limits: self.limits.map(number),
            rates: self.rates.map(rate),
            timeouts: self.timeouts.map(number),
        }
    }

    /// Changes a configuration, and checks that what comes of it is what the rules say.
    pub fn build(&self, base: &Config) -> Option<Config> {
        let built = self.patch().apply(base).and_then(|config| match self.work {
            Some(work) => config.to_builder().timer_work_max(work.value()).build(),
            None => Ok(config),
        });
        match (self.fault(base), built) {
            (None, Ok(config)) => {
                self.check_values(base, &config);
                assert_eq!(config.to_builder().build().as_ref(), Ok(&config), "it is valid");
                Some(config)
            }
            (Some((field, fault)), Err(error)) => {
                assert_eq!((error.field(), error.to_string()), (field.as_str(), fault));
                assert_eq!(error.code(), "invalid_config");
                None
            }
            (expected, given) => panic!("{self:?}\nexpected {expected:?}, but {given:?}"),
        }
    }

    /// Tells the first field at fault, and what is wrong with it.
    fn fault(&self, base: &Config) -> Option<(String, String)> {
        if let Some(fault) = self.policy.as_ref().and_then(Grouping::fault) {
            return Some(("policy".into(), format!("policy: {fault}")));
        }
        let patch = self.patch();
        let tier = patch.tier.unwrap_or_else(|| base.tier());
        for (platform, devices) in Platform::LIMITED.into_iter().zip(patch.max_instances) {
            let devices = devices.unwrap_or_else(|| base.max_instances(platform));
            let field = format!("max_instances.{platform}");
            if devices == 0 {
                return Some(zero(field));
            }
            if devices > 1 && platform != Platform::Web && tier != Tier::Flagship {
                let mut fault = format!("{field} is {devices}, but more than 1 needs ");
                let _ = write!(fault, "the flagship tier, and the tier is {tier}");
                return Some((field, fault));
            }
        }
        // What stands is valid, so only what is changed can be at fault.
        let limits = Limit::ALL.map(limit_name).into_iter().zip(patch.limits);
        let rates = Api::ALL.map(Api::name).into_iter().zip(patch.rates);
        let rates =
            rates.map(|(name, rate)| (name, rate.map(|rate| rate.requests.min(rate.per_ms))));
        let limits = limits.chain(rates).map(|(name, value)| (format!("limits.{name}"), value));
        let timeouts = Timeout::ALL.map(timeout_name).into_iter().zip(patch.timeouts);
        let timeouts = timeouts.map(|(name, value)| (format!("timeouts.{name}"), value));
        let work = [("timer_work_max".to_owned(), self.work.map(Number::value))];
        let mut all = limits.chain(timeouts).chain(work);
        all.find(|(_, value)| *value == Some(0)).map(|(field, _)| zero(field))
    }

    /// Checks that what is named was set, and nothing else.
    fn check_values(&self, base: &Config, config: &Config) {
        let patch = self.patch();
        is_set(config.tier(), patch.tier, base.tier());
        is_set(config.status_switch(), patch.status_switch, base.status_switch());
        is_set(config.friend_switch(), patch.friend_switch, base.friend_switch());
        is_set(config.accounts(), patch.accounts, base.accounts());
        let [given, before] = [config.kicked_away(), base.kicked_away()];
        is_set(given.on_reconnect, patch.on_reconnect, before.on_reconnect);
        is_set(given.on_login, patch.on_login, before.on_login);
        for (on, devices) in Platform::LIMITED.into_iter().zip(patch.max_instances) {
            is_set(config.max_instances(on), devices, base.max_instances(on));
        }
        let [web, mini] = [Platform::Web, Platform::MiniProgram].map(|on| config.max_instances(on));
        assert_eq!(web, mini, "ML-3");
        for (limit, value) in Limit::ALL.into_iter().zip(patch.limits) {
            is_set(config.limit(limit), value, base.limit(limit));
        }
        for (api, rate) in Api::ALL.into_iter().zip(patch.rates) {
            is_set(config.rate(api), rate, base.rate(api));
        }
        for (timeout, ms) in Timeout::ALL.into_iter().zip(patch.timeouts) {
            is_set(config.timeout(timeout), ms, base.timeout(timeout));
        }
        let work = self.work.map(Number::value);
        is_set(config.timer_work_max(), work, base.timer_work_max());
        self.check_policy(base, config);
    }

    fn check_policy(&self, base: &Config, config: &Config) {
        let lists = self.policy.as_ref().and_then(Grouping::lists);
        match (&self.policy, config.policy(), lists) {
            (None, policy, _) => assert_eq!(policy, base.policy()),
            (Some(_), Policy::Groups(groups), Some(lists)) => {
                for a in Platform::LIMITED {
                    for b in Platform::LIMITED {
                        let expected = lists.iter().any(|l| l.contains(&a) && l.contains(&b));
                        assert_eq!(groups.are_together(a, b), expected, "{a} and {b}");
                    }
                }
            }
            (Some(Grouping::Named(number)), policy, _) => {
                assert_eq!(policy, Grouping::named(*number));
            }
            (expected, policy, _) => panic!("{expected:?}, but {policy:?}"),
        }
    }

    /// The draft as `serde` reads one.
    #[cfg(feature = "serde")]
    fn text(&self) -> serde_json::Map<String, serde_json::Value> {
        use serde_json::{Value, json};

        let line = super::story::config_line(&self.patch());
        let Ok(Value::Object(mut text)) = serde_json::from_str(&line) else {
            unreachable!("a line is an object")
        };
        text.remove("op");
        if let Some(lists) = self.policy.as_ref().and_then(Grouping::lists) {
            let list = |list: &Vec<Platform>| list.iter().map(|on| on.name()).collect::<Value>();
            let lists = lists.iter().map(list).collect::<Value>();
            text.insert("policy".into(), json!({ "groups": lists }));
        }
        if let Some(work) = self.work {
            text.insert("timer_work_max".into(), work.value().into());
        }
        text
    }

    /// Checks that the draft read by `serde` is the draft built.
    #[cfg(feature = "serde")]
    pub fn check_text(&self) {
        let mut text = self.text();
        let expected = self.fault(&Config::default()).map(|(_, fault)| fault);
        match (expected, serde_json::from_value::<Config>(text.clone().into())) {
            (None, Ok(read)) => {
                assert_eq!(Some(&read), self.build(&Config::default()).as_ref());
                check_written(&read);
            }
            (Some(expected), Err(error)) => {
                // An error of a policy is told where the policy stands.
                let expected = expected.trim_start_matches("policy: ");
                assert!(error.to_string().contains(expected), "{error}, and not {expected}");
            }
            (expected, read) => panic!("{text:?}\nexpected {expected:?}, but {read:?}"),
        }
        text.insert("unknown".into(), 1.into());
        assert!(
            serde_json::from_value::<Config>(text.into()).is_err(),
            "an unknown key is refused"
        );
    }
}

#[track_caller]
fn is_set<T: PartialEq + Debug>(given: T, named: Option<T>, before: T) {
    assert_eq!(given, named.unwrap_or(before));
}

fn zero(field: String) -> (String, String) {
    let fault = format!("{field} is 0, but must be at least 1");
    (field, fault)
}

/// Checks that what `serde` makes of some bytes, if anything, is valid and written as it is read.
#[cfg(feature = "serde")]
pub fn check_bytes(bytes: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<Config>(bytes) {
        assert_eq!(config.to_builder().build().as_ref(), Ok(&config), "what is read is valid");
        check_written(&config);
    }
}

#[cfg(feature = "serde")]
fn check_written(config: &Config) {
    let text = serde_json::to_string(config).expect("a configuration can be written");
    let read: Config = serde_json::from_str(&text).expect("what is written can be read");
    assert_eq!(read, *config, "what is written is read as the same");
}

/// Checks which changes an engine takes (ML-12): all but those of the timeouts, in their order, of
/// the account mode and of the work bound. A refused one changes nothing.
pub fn check_change(old: &Config, new: &Config) {
    let timeouts = Timeout::ALL.into_iter().filter(|&of| old.timeout(of) != new.timeout(of));
    let mut fixed: Vec<_> = timeouts.map(|of| format!("timeouts.{}", timeout_name(of))).collect();
    fixed.extend((old.accounts() != new.accounts()).then(|| "accounts".to_owned()));
    let is_other_work = old.timer_work_max() != new.timer_work_max();
    fixed.extend(is_other_work.then(|| "timer_work_max".to_owned()));
    let mut engine = Engine::<String>::new(old.clone());
    let changed = engine.reconfigure(Timestamp::ZERO, new.clone());
    let field = changed.as_ref().err().map(ConfigError::field);
    assert_eq!(field, fixed.first().map(String::as_str), "{changed:?}");
    let expected = if changed.is_ok() { new } else { old };
    assert_eq!(engine.config(), expected);
}
