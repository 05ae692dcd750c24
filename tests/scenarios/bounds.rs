//! Bad input and bounds (BI); what is large or hostile is in `tests/limits.rs`.

use presence_engine::{
    Accounts, Api, Config, ConfigBuilder, ConfigError, KickedAway, Limit, Platform, Policy, Rate,
    Tier, Timeout,
};

use crate::common::sim::Sim;

/// BI-1: an error says what was wrong, and with which limit.
#[test]
fn errors_name_the_limit_that_was_broken() {
    let mut sim = Sim::with(|config| {
        config
            .limit(Limit::CustomStatusBytes, 7)
            .limit(Limit::SubscribeUsers, 2)
            .limit(Limit::UnsubscribeUsers, 3)
            .limit(Limit::QueryUsers, 4)
            .limit(Limit::Friends, 1)
    });
    let ann = sim.login("ann/web/w1");
    sim.befriend("ann", "bob");
    let many = ["x"; 5];
    let texts = sim.ask(|engine, now| {
        [
            engine.set_status(now, ann, "12345678").unwrap_err().to_string(),
            engine.subscribe(now, ann, &many).unwrap_err().to_string(),
            engine.unsubscribe(now, ann, &many).unwrap_err().to_string(),
            engine.query(now, ann, &many).unwrap_err().to_string(),
            engine.subscribe(now, ann, &many[..0]).unwrap_err().to_string(),
            engine.add_friend(now, "ann", "cat").unwrap_err().to_string(),
        ]
    });
    assert_eq!(
        texts,
        [
            "the custom status has 8 bytes, the limit is 7",
            "the list names 5 users, duplicates counted; the limit is 2",
            "the list names 5 users, duplicates counted; the limit is 3",
            "the list names 5 users, duplicates counted; the limit is 4",
            "the list of users is empty",
            "the owner has as many friends as the limit of 1 allows",
        ]
    );
}

/// BI-2: an owner has up to 3,000 friends; one whom he has already is none too many.
#[test]
fn friends_are_bounded() {
    let mut sim = Sim::new();
    for nth in 0..3_000 {
        sim.befriend("ann", &format!("u{nth}"));
    }
    let error = sim.ask(|engine, now| engine.add_friend(now, "ann", "one-more"));
    assert_eq!(error.map_err(|error| error.code()), Err("too_many_friends"));
    assert_eq!(sim.engine.stats().users, 3_001, "the refused one is not kept");
    sim.befriend("ann", "u0");
    sim.befriend("one-more", "ann");
    sim.ask(|engine, now| engine.remove_friend(now, "ann", "u17")).expect("two valid ids");
    sim.befriend("ann", "one-more");
    assert_eq!(sim.engine.stats().edges, 3_001);
}

/// BI-3: what an input does to timers and tables has nothing to do with strangers.
#[test]
fn strangers_leave_no_trace_in_a_step() {
    let mut sim = Sim::new();
    for nth in 0..500 {
        sim.login(&format!("stranger{nth}/web/w1"));
    }
    sim.news();
    let before = sim.engine.stats();
    let ann = sim.login("ann/web/w1");
    assert_eq!(sim.news().len(), 2);
    sim.say(ann, "hi");
    assert_eq!(sim.news()[1], "0 status ann online \"hi\" -> ann/web/w1");
    sim.logout(ann);
    assert_eq!(sim.news().len(), 2);
    assert_eq!(sim.engine.stats(), before);
}

/// BI-4: the defaults are those of the rules, each field.
#[test]
fn defaults_are_those_of_the_rules() {
    let config = Config::default();
    assert_eq!(config, Config::builder().build().expect("the defaults are valid"));
    assert_eq!(config.tier(), Tier::Flagship);
    assert_eq!((config.status_switch(), config.friend_switch()), (true, true));
    assert_eq!((config.accounts(), config.policy()), (Accounts::Open, Policy::Single));
    assert_eq!(config.kicked_away(), KickedAway { on_reconnect: false, on_login: false });
    assert_eq!(Platform::ALL.map(|platform| config.max_instances(platform)), [1; 8]);
    assert_eq!(Api::ALL.map(|api| config.rate(api)), [Rate::new(20, 5_000); 3]);
    let limits = [
        (Limit::Subscriptions, 200),
        (Limit::QueryUsers, 500),
        (Limit::SubscribeUsers, 100),
        (Limit::UnsubscribeUsers, 100),
        (Limit::Friends, 3_000),
        (Limit::CustomStatusBytes, 100),
    ];
    assert_eq!(limits.map(|(limit, _)| limit), Limit::ALL);
    assert_eq!(limits.map(|(limit, _)| config.limit(limit)), limits.map(|(_, value)| value));
    let timeouts = [
        (Timeout::Native, 400 * 1_000),
        (Timeout::Web, 60 * 1_000),
        (Timeout::MiniProgram, 60 * 1_000),
        (Timeout::Background, 30 * 1_000),
        (Timeout::Exit, 5 * 1_000),
        (Timeout::Push, 7 * 24 * 3_600 * 1_000),
        (Timeout::ClearSubscriptions, 24 * 3_600 * 1_000),
    ];
    assert_eq!(timeouts.map(|(timeout, _)| timeout), Timeout::ALL);
    assert_eq!(timeouts.map(|(t, _)| config.timeout(t)), timeouts.map(|(_, ms)| ms));
    assert_eq!(config.timer_work_max(), 2_048);
}

/// BI-4: every number must be at least 1, and the refusal names the field.
#[test]
fn zeroes_are_refused_and_ones_are_not() {
    fn fields(value: u64) -> Vec<(&'static str, ConfigBuilder)> {
        let config = Config::builder;
        vec![
            ("limits.subscriptions", config().limit(Limit::Subscriptions, value)),
            ("limits.query_users", config().limit(Limit::QueryUsers, value)),
            ("limits.subscribe_users", config().limit(Limit::SubscribeUsers, value)),
            ("limits.unsubscribe_users", config().limit(Limit::UnsubscribeUsers, value)),
            ("limits.friends", config().limit(Limit::Friends, value)),
            ("limits.custom_status_bytes", config().limit(Limit::CustomStatusBytes, value)),
            ("limits.query_rate", config().rate(Api::Query, Rate::new(value, 9))),
            ("limits.subscribe_rate", config().rate(Api::Subscribe, Rate::new(9, value))),
            ("limits.unsubscribe_rate", config().rate(Api::Unsubscribe, Rate::new(value, value))),
            ("timeouts.native", config().timeout(Timeout::Native, value)),
            ("timeouts.web", config().timeout(Timeout::Web, value)),
            ("timeouts.mini_program", config().timeout(Timeout::MiniProgram, value)),
            ("timeouts.background", config().timeout(Timeout::Background, value)),
            ("timeouts.exit", config().timeout(Timeout::Exit, value)),
            ("timeouts.push", config().timeout(Timeout::Push, value)),
            ("timeouts.clear_subscriptions", config().timeout(Timeout::ClearSubscriptions, value)),
            ("timer_work_max", config().timer_work_max(value)),
        ]
    }
    for (field, builder) in fields(0) {
        let error = builder.build().expect_err(field);
        assert_eq!((error, error.field()), (ConfigError::Zero { field }, field));
        assert_eq!(error.code(), "invalid_config");
        assert_eq!(error.to_string(), format!("{field} is 0, but must be at least 1"));
    }
    for (field, builder) in fields(1) {
        assert!(builder.build().is_ok(), "{field}");
    }
}

/// BI-4: of several faults the first is told, and the configuration in force stays.
#[test]
fn a_configuration_is_taken_or_refused_as_a_whole() {
    let builder = Config::builder()
        .timeout(Timeout::Native, 0)
        .limit(Limit::Friends, 0)
        .limit(Limit::Subscriptions, 9)
        .max_instances(Platform::Mac, 0);
    assert_eq!(builder.clone().build().map_err(|e| e.field()), Err("max_instances.mac"));
    let builder = builder.max_instances(Platform::Mac, 1);
    assert_eq!(builder.clone().build().map_err(|e| e.field()), Err("limits.friends"));
    let builder = builder.limit(Limit::Friends, 1);
    assert_eq!(builder.clone().build().map_err(|e| e.field()), Err("timeouts.native"));
    let config = builder.timeout(Timeout::Native, 1).build().expect("nothing is left at fault");
    assert_eq!(config.limit(Limit::Subscriptions), 9);
    assert_eq!(config.to_builder().build(), Ok(config));
}
