//! Tier, switches and rate limits (LI).

use presence_engine::{Api, Config, Rate, RequestError, SessionId, Tier};

use crate::common::sim::Sim;

type Outcome = Result<(), RequestError>;

/// One request of the kind, for somebody else.
fn request(sim: &mut Sim, api: Api, session: SessionId) -> Outcome {
    sim.ask(|engine, now| match api {
        Api::Query => engine.query(now, session, &["x"]).map(drop).map_err(|error| match error {
            presence_engine::QueryError::Request(error) => error,
            other => panic!("{other}"),
        }),
        Api::Subscribe => engine.subscribe(now, session, &["x"]).map(drop),
        Api::Unsubscribe => engine.unsubscribe(now, session, &["x"]).map(drop),
    })
}

fn limited(retry_after_ms: u64) -> Outcome {
    Err(RequestError::RateLimited { retry_after_ms })
}

/// An engine that admits `requests` queries in `per_ms`, with a session.
fn rated(requests: u64, per_ms: u64) -> (Sim, SessionId) {
    let mut sim = Sim::with(|config| config.rate(Api::Query, Rate::new(requests, per_ms)));
    let ann = sim.login("ann/web/w1");
    (sim, ann)
}

/// Takes all tokens there are and tells how many.
fn drain(sim: &mut Sim, session: SessionId) -> usize {
    (0..).take_while(|_| request(sim, Api::Query, session).is_ok()).count()
}

/// LI-1: queries of others and subscriptions need Flagship, which is the default.
#[test]
fn three_requests_need_the_flagship_tier() {
    assert_eq!(Config::default().tier(), Tier::Flagship);
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    for api in Api::ALL {
        for tier in [Tier::Trial, Tier::Professional] {
            sim.reconfigure(|config| config.tier(tier));
            let error = request(&mut sim, api, ann).expect_err("it is not in the tier");
            assert_eq!(error, RequestError::TierRequired { tier });
            assert_eq!((error.code(), error.vendor_code()), ("tier_required", None));
            assert_eq!(
                error.to_string(),
                format!("the request needs the flagship tier; the tier is {tier}")
            );
        }
        sim.reconfigure(|config| config.tier(Tier::Flagship));
        assert_eq!(request(&mut sim, api, ann), Ok(()));
    }
}

/// LI-2: the same need the status switch, which is on; the vendor's number is 72001.
#[test]
fn three_requests_need_the_status_switch() {
    assert!(Config::default().status_switch());
    let mut sim = Sim::with(|config| config.status_switch(false));
    let ann = sim.login("ann/web/w1");
    for api in Api::ALL {
        let error = request(&mut sim, api, ann).expect_err("it is switched off");
        assert_eq!((error.code(), error.vendor_code()), ("switch_off", Some(72_001)));
        assert_eq!(error.to_string(), "the status switch is off");
    }
}

/// LI-3: 20 requests in 5 s for each API by itself, on all devices of a user together.
#[test]
fn each_request_has_a_bucket_of_twenty() {
    let mut sim = Sim::with(|config| config.policy(presence_engine::Policy::Multi));
    for api in Api::ALL {
        assert_eq!(sim.engine.config().rate(api), Rate::new(20, 5_000));
    }
    let web = sim.login("ann/web/w1");
    let mac = sim.login("ann/mac/m1");
    let bob = sim.login("bob/web/w1");
    for api in Api::ALL {
        for nth in 0..20 {
            let session = if nth % 2 == 0 { web } else { mac };
            assert_eq!(request(&mut sim, api, session), Ok(()), "{api:?}");
        }
        assert_eq!(request(&mut sim, api, web), limited(250));
        assert_eq!(request(&mut sim, api, mac), limited(250));
        assert_eq!(request(&mut sim, api, bob), Ok(()), "another user has his own");
    }
    sim.logout(web);
    sim.logout(mac);
    let web = sim.login("ann/web/w1");
    for api in Api::ALL {
        assert_eq!(request(&mut sim, api, web), limited(250), "logging out refills nothing");
    }
}

/// LI-4: the k-th token comes back exactly when k·w/n ms have passed, not one before.
#[test]
fn tokens_come_back_on_the_millisecond() {
    let (mut sim, ann) = rated(3, 1_000);
    assert_eq!(drain(&mut sim, ann), 3);
    for k in 1..=60 {
        let due = (k * 1_000_u64).div_ceil(3);
        assert_eq!(request(sim.at(due - 1), Api::Query, ann), limited(1), "before token {k}");
        assert_eq!(request(sim.at(due), Api::Query, ann), Ok(()), "token {k}");
    }
}

/// LI-4: the bucket holds no more than its cap, however long it is left alone.
#[test]
fn a_bucket_holds_no_more_than_its_cap() {
    let (mut sim, ann) = rated(4, 1_000);
    assert_eq!(drain(&mut sim, ann), 4);
    assert_eq!(drain(sim.at(999), ann), 3);
    sim.at(50_000).hear(ann);
    assert_eq!(drain(sim.at(100_000), ann), 4);
}

/// LI-4: a changed rate keeps whole tokens up to the new cap, and drops a fraction.
#[test]
fn a_changed_rate_keeps_whole_tokens() {
    let change = |sim: &mut Sim, requests, per_ms| {
        sim.reconfigure(|config| config.rate(Api::Query, Rate::new(requests, per_ms)));
    };
    // Drained at 0; at 250 two tokens and a half are back, two of which are kept.
    let (mut sim, ann) = rated(10, 1_000);
    assert_eq!(drain(&mut sim, ann), 10);
    change(sim.at(250), 5, 5_000);
    assert_eq!(drain(&mut sim, ann), 2);
    assert_eq!(request(sim.at(1_249), Api::Query, ann), limited(1));
    assert_eq!(request(sim.at(1_250), Api::Query, ann), Ok(()));
    // At most the new cap.
    let (mut sim, ann) = rated(10, 1_000);
    assert_eq!(request(&mut sim, Api::Query, ann), Ok(()));
    change(&mut sim, 3, 1_000);
    assert_eq!(drain(&mut sim, ann), 3);
    // A full one is full under the new rate; one a millisecond short of it is not.
    for (at, tokens) in [(99, 9), (100, 50)] {
        let (mut sim, ann) = rated(10, 1_000);
        assert_eq!(request(&mut sim, Api::Query, ann), Ok(()));
        change(sim.at(at), 50, 1_000_000);
        assert_eq!(drain(&mut sim, ann), tokens, "changed at {at}");
    }
}

/// LI-4: to name the rate in force, or to change another, is no change: the fraction stays.
#[test]
fn naming_the_rate_in_force_is_no_change() {
    let (mut sim, ann) = rated(1, 1_000);
    assert_eq!(drain(&mut sim, ann), 1);
    sim.at(999);
    sim.reconfigure(|config| config.rate(Api::Query, Rate::new(1, 1_000)));
    sim.reconfigure(|config| config.rate(Api::Subscribe, Rate::new(1, 1)));
    assert_eq!(request(sim.at(1_000), Api::Query, ann), Ok(()));
}

/// LI-5: a refused request takes nothing, and tells the wait in whole milliseconds, rounded up.
#[test]
fn a_refusal_tells_how_long_to_wait() {
    let (mut sim, ann) = rated(3, 1_000);
    assert_eq!(drain(&mut sim, ann), 3);
    for (at, wait) in [(0, 334), (1, 333), (333, 1)] {
        for _ in 0..5 {
            assert_eq!(request(sim.at(at), Api::Query, ann), limited(wait), "at {at}");
        }
    }
    assert_eq!(request(sim.at(334), Api::Query, ann), Ok(()));
    assert_eq!(request(&mut sim, Api::Query, ann), limited(333), "666.6 ms is 667");
    let error = limited(333).expect_err("it is refused");
    assert_eq!((error.code(), error.vendor_code()), ("rate_limited", None));
    assert_eq!(error.to_string(), "too many requests; the next is admitted in 333 ms");
}

/// LI-6: session, arguments, exemption of oneself, tier, switch, rate; each hides what follows.
#[test]
fn checks_have_an_order() {
    let mut sim = Sim::with(|config| {
        let one = Rate::new(1, 1_000);
        config.rate(Api::Query, one).rate(Api::Subscribe, one).rate(Api::Unsubscribe, one)
    });
    let ended = sim.login("ann/web/w1");
    let ann = sim.login("ann/web/w1");
    for api in Api::ALL {
        assert_eq!(request(&mut sim, api, ann), Ok(()));
        assert_eq!(request(&mut sim, api, ann), limited(1_000));
    }
    let codes = |sim: &mut Sim, session, users: &[&str]| {
        sim.ask(|engine, now| {
            let query = engine.query(now, session, users).map(drop).map_err(|e| e.code());
            let subscribe = engine.subscribe(now, session, users).map(drop).map_err(|e| e.code());
            let unsubscribe = engine.unsubscribe(now, session, users).map(drop);
            [query, subscribe, unsubscribe.map_err(|e| e.code())].map(Result::unwrap_err)
        })
    };
    assert_eq!(codes(&mut sim, ann, &["x"]), ["rate_limited"; 3]);
    sim.reconfigure(|config| config.status_switch(false));
    assert_eq!(codes(&mut sim, ann, &["x"]), ["switch_off"; 3]);
    sim.reconfigure(|config| config.tier(Tier::Trial));
    assert_eq!(codes(&mut sim, ann, &["x"]), ["tier_required"; 3]);
    assert_eq!(sim.ask(|engine, now| engine.query(now, ann, &["ann"])).map(drop), Ok(()));
    assert_eq!(codes(&mut sim, ann, &["ann"; 501]), ["too_many_users"; 3]);
    assert_eq!(codes(&mut sim, ended, &["ann"; 501]), ["unknown_session"; 3]);
    let text = sim.ask(|engine, now| engine.set_status(now, ended, &"x".repeat(101)));
    assert_eq!(text.map_err(|error| error.code()), Err("unknown_session"));
}

/// LI-7: whatever a request was refused for, state, list and tokens are as they were.
#[test]
fn a_refused_request_leaves_everything_as_it_was() {
    let (mut sim, ann) = rated(2, 1_000);
    sim.watch(ann, &["b", "c"]);
    sim.say(ann, "here");
    sim.news();
    let before = (sim.list(ann), sim.engine.stats());
    let many = ["x"; 501];
    sim.ask(|engine, now| {
        assert!(engine.query(now, ann, &[] as &[&str]).is_err());
        assert!(engine.query(now, ann, &many).is_err());
        assert!(engine.subscribe(now, ann, &many[..101]).is_err());
        assert!(engine.unsubscribe(now, ann, &many[..101]).is_err());
        assert!(engine.set_status(now, ann, &"x".repeat(101)).is_err());
        assert!(engine.add_friend(now, "ann", "ann").is_err());
        assert!(engine.add_friend(now, "ann", "not valid").is_err());
        assert!(engine.register(now, "").is_err());
    });
    sim.quiet();
    assert_eq!((sim.list(ann), sim.engine.stats()), before);
    assert_eq!(sim.custom("ann"), "here");
    assert_eq!(drain(&mut sim, ann), 2, "no token was taken");
}
