//! Query and inspection (QU).

use presence_engine::{
    Accounts, Api, FailureReason, Platform, Policy, QueryError, Rate, RequestError, State, Tier,
};

use crate::common::sim::{Sim, WEEK};

/// QU-1: state and custom status of each, in the order asked, duplicates included.
#[test]
fn a_query_answers_in_the_order_asked() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let bob = sim.login("bob/ipad/p1");
    sim.say(ann, "me");
    sim.say(bob, "lost with the link");
    sim.close(bob);
    let answer = sim.ask(|engine, now| engine.query(now, ann, &["cat", "bob", "ann", "bob"]));
    let answer = answer.expect("it is admitted");
    let found: Vec<_> = answer
        .statuses
        .iter()
        .map(|(user, status)| (user.as_str(), status.state, status.custom.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("cat", State::Offline, ""),
            ("bob", State::PushOnline, ""),
            ("ann", State::Online, "me"),
            ("bob", State::PushOnline, ""),
        ]
    );
    assert_eq!(answer.failures, []);
}

/// QU-2: whoever asks only for himself, however often he names himself, asks freely.
#[test]
fn oneself_is_free() {
    let mut sim = Sim::with(|config| config.rate(Api::Query, Rate::new(1, 1_000)));
    let ann = sim.login("ann/web/w1");
    let code = |sim: &mut Sim, users: &[&str]| {
        sim.ask(|engine, now| engine.query(now, ann, users)).map(drop).map_err(|e| e.code())
    };
    for _ in 0..50 {
        assert_eq!(code(&mut sim, &["ann", "ann"]), Ok(()));
    }
    assert_eq!(code(&mut sim, &["ann", "bob"]), Ok(()));
    assert_eq!(code(&mut sim, &["ann", "bob"]), Err("rate_limited"));
    sim.reconfigure(|config| config.status_switch(false));
    assert_eq!(code(&mut sim, &["ann", "bob"]), Err("switch_off"));
    sim.reconfigure(|config| config.tier(Tier::Professional));
    assert_eq!(code(&mut sim, &["ann", "bob"]), Err("tier_required"));
    assert_eq!(code(&mut sim, &["ann", ""]), Err("tier_required"), "an invalid id is not oneself");
    assert_eq!(code(&mut sim, &["ann"]), Ok(()));
}

/// QU-3: a failing id never fails the others, and is listed each time that it was named.
#[test]
fn failing_ids_are_listed_apart() {
    let mut sim = Sim::with(|config| config.accounts(Accounts::Known));
    let ann = sim.login("ann/web/w1");
    let users = ["x y", "ann", "who", "x y"];
    let answer = sim.ask(|engine, now| engine.query(now, ann, &users)).expect("one id is good");
    assert_eq!(answer.statuses.len(), 1);
    let failures: Vec<_> = answer.failures.iter().map(|f| (f.user.as_str(), f.reason)).collect();
    let invalid = ("x y", FailureReason::InvalidUserId);
    assert_eq!(failures, [invalid, ("who", FailureReason::UnknownUser), invalid]);
}

/// QU-3: if every id fails the request fails with the list, and has taken its token.
#[test]
fn a_query_of_which_every_id_fails_fails() {
    let mut sim = Sim::with(|config| config.rate(Api::Query, Rate::new(1, 1_000)));
    let ann = sim.login("ann/web/w1");
    let error = sim.ask(|engine, now| engine.query(now, ann, &["", "é"])).expect_err("all fail");
    assert_eq!((error.code(), error.vendor_code()), ("all_failed", None));
    assert_eq!(error.to_string(), "none of the 2 ids could be queried");
    let QueryError::AllFailed(failures) = error else { panic!("{error}") };
    assert_eq!(failures.iter().map(|f| f.user.as_str()).collect::<Vec<_>>(), ["", "é"]);
    let error = sim.at(400).ask(|engine, now| engine.query(now, ann, &["bob"]));
    let limited = RequestError::RateLimited { retry_after_ms: 600 };
    assert_eq!(error, Err(QueryError::Request(limited)));
}

/// QU-4, QU-1: one to 500 users, duplicates counted; nothing is truncated.
#[test]
fn a_query_names_one_to_500_users() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let mut ask = |users: Vec<&str>| sim.ask(|engine, now| engine.query(now, ann, &users));
    assert_eq!(ask(vec![]), Err(RequestError::EmptyList.into()));
    assert_eq!(ask(vec!["bob"; 1]).map(|answer| answer.statuses.len()), Ok(1));
    assert_eq!(ask(vec!["bob"; 500]).map(|answer| answer.statuses.len()), Ok(500));
    let error = ask(vec!["ann"; 501]).expect_err("one too many, though all are oneself");
    assert_eq!(error, RequestError::TooManyUsers { users: 501, limit: 500 }.into());
    assert_eq!(error.to_string(), "the list names 501 users, duplicates counted; the limit is 500");
}

/// QU-5: the host sees each platform, Online before PushOnline, in the order of section 0.
#[test]
fn the_host_inspects_anybody_freely() {
    let mut sim = Sim::with(|config| {
        config
            .tier(Tier::Flagship)
            .policy(Policy::Multi)
            .max_instances(Platform::Iphone, 2)
            .status_switch(false)
    });
    let seen = |sim: &mut Sim, user: &str| {
        let found = sim.ask(|engine, now| engine.inspect(now, user)).expect("a valid id");
        let platforms: Vec<_> =
            found.platforms().map(|(platform, state)| format!("{platform} {state}")).collect();
        (found.state(), found.custom().to_owned(), platforms)
    };
    assert_eq!(seen(&mut sim, "ann"), (State::Offline, String::new(), vec![]));
    sim.login("ann/mini_program/1");
    let phone = sim.login("ann/iphone/1");
    sim.login("ann/iphone/2");
    let pad = sim.login("ann/ipad/1");
    sim.say(pad, "hm");
    sim.close(pad);
    sim.close(phone);
    for _ in 0..100 {
        let platforms = ["iphone online", "ipad push_online", "mini_program online"];
        let platforms = platforms.map(str::to_owned).to_vec();
        assert_eq!(seen(&mut sim, "ann"), (State::Online, "hm".into(), platforms));
    }
    sim.tick(400_000);
    let platforms = ["iphone push_online", "ipad push_online"].map(str::to_owned).to_vec();
    assert_eq!(seen(&mut sim, "ann"), (State::PushOnline, String::new(), platforms));
    sim.tick(400_000 + WEEK);
    assert_eq!(seen(&mut sim, "ann"), (State::Offline, String::new(), vec![]));
}
