//! Subscriptions (SU).

use presence_engine::{
    Accounts, Api, FailureReason, Limit, Policy, Rate, RequestError, SessionId, State, Tier,
};

use crate::common::sim::{DAY, Sim};

fn capped(cap: u64) -> Sim {
    Sim::with(|config| config.limit(Limit::Subscriptions, cap).policy(Policy::Multi))
}

fn ids(range: core::ops::Range<u32>) -> Vec<String> {
    range.map(|nth| format!("u{nth}")).collect()
}

fn subscribe(sim: &mut Sim, session: SessionId, users: &[String]) -> Result<(), RequestError> {
    sim.ask(|engine, now| engine.subscribe(now, session, users)).map(drop)
}

fn unsubscribe(sim: &mut Sim, session: SessionId, users: &[&str]) {
    let done = sim.ask(|engine, now| engine.unsubscribe(now, session, users));
    assert_eq!(done.expect("it is admitted").failures, []);
}

/// SU-1: one list for all devices of a user, in insertion order, of 200 users.
#[test]
fn a_user_has_one_list_of_200() {
    let mut sim = capped(200);
    let web = sim.login("ann/web/w1");
    let mac = sim.login("ann/mac/m1");
    subscribe(&mut sim, web, &ids(0..100)).expect("it is admitted");
    subscribe(&mut sim, mac, &ids(100..199)).expect("it is admitted");
    assert_eq!(sim.watch(web, &["u199"]), [""; 0]);
    assert_eq!(sim.list(mac), ids(0..200));
    assert_eq!(sim.watch(mac, &["u200"]), ["u0"]);
    assert_eq!(sim.list(web), ids(1..201));
    assert_eq!(Sim::new().engine.config().limit(Limit::Subscriptions), 200);
}

/// SU-2: a new user is appended; over the cap the earliest subscribed is evicted.
#[test]
fn the_earliest_subscribed_is_evicted() {
    let mut sim = capped(3);
    let ann = sim.login("ann/web/w1");
    assert_eq!(sim.watch(ann, &["b", "c", "d"]), [""; 0]);
    assert_eq!(sim.watch(ann, &["e", "f"]), ["b", "c"]);
    assert_eq!(sim.list(ann), ["d", "e", "f"]);
    let bob = sim.login("b/web/w1");
    assert_eq!(sim.inbox(ann), ["0 ann online"], "not told of who was evicted");
    sim.watch(ann, &["b"]);
    sim.say(bob, "back");
    assert_eq!(sim.inbox(ann), ["0 b online \"back\""]);
}

/// SU-3: who is in the list moves to the newest place, and nobody has to go.
#[test]
fn to_subscribe_again_renews_the_place() {
    let mut sim = capped(3);
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["b", "c", "d"]);
    assert_eq!(sim.watch(ann, &["b"]), [""; 0]);
    assert_eq!(sim.list(ann), ["c", "d", "b"]);
    assert_eq!(sim.watch(ann, &["b", "e"]), ["c"]);
    assert_eq!(sim.list(ann), ["d", "b", "e"]);
}

/// SU-4: a request names 1 to 100 users, who are taken one after another.
#[test]
fn a_request_names_one_to_100_users() {
    let mut sim = capped(2);
    let ann = sim.login("ann/web/w1");
    assert_eq!(subscribe(&mut sim, ann, &[]), Err(RequestError::EmptyList));
    assert_eq!(subscribe(&mut sim, ann, &ids(0..1)), Ok(()));
    assert_eq!(subscribe(&mut sim, ann, &ids(0..100)), Ok(()));
    let error = RequestError::TooManyUsers { users: 101, limit: 100 };
    assert_eq!(subscribe(&mut sim, ann, &vec!["b".to_owned(); 101]), Err(error));
    assert_eq!(sim.list(ann), ["u98", "u99"]);
    assert_eq!(sim.watch(ann, &["b", "c", "d", "b"]), ["u98", "u99", "c"]);
    assert_eq!(sim.list(ann), ["d", "b"]);
}

/// SU-5: oneself, invalid and unknown ids fail one by one, each time that they are named.
#[test]
fn ids_that_fail_do_not_hinder_the_others() {
    let mut sim = Sim::with(|config| {
        config.accounts(Accounts::Known).rate(Api::Subscribe, Rate::new(2, 1_000))
    });
    let ann = sim.login("ann/web/w1");
    sim.ask(|engine, now| engine.register(now, "bob")).expect("a valid id");
    let failures = |sim: &mut Sim, users: &[&str]| {
        let done = sim.ask(|engine, now| engine.subscribe(now, ann, users));
        let done = done.expect("the request itself succeeds");
        assert_eq!(done.evicted, [""; 0]);
        let failed = done.failures.into_iter().map(|failure| (failure.user, failure.reason));
        failed.collect::<Vec<_>>()
    };
    let own = ("ann".to_owned(), FailureReason::SelfSubscription);
    let invalid = (String::new(), FailureReason::InvalidUserId);
    let unknown = ("cat".to_owned(), FailureReason::UnknownUser);
    assert_eq!(
        failures(&mut sim, &["ann", "cat", "bob", "", "cat", "ann"]),
        [own.clone(), unknown.clone(), invalid.clone(), unknown.clone(), own.clone()]
    );
    assert_eq!(sim.list(ann), ["bob"]);
    assert_eq!(failures(&mut sim, &["ann", ""]), [own, invalid], "all fail, and it succeeds");
    let limited = RequestError::RateLimited { retry_after_ms: 500 };
    assert_eq!(subscribe(&mut sim, ann, &ids(0..1)), Err(limited), "both took their token");
    let texts = [
        (FailureReason::SelfSubscription, "oneself cannot be subscribed", None),
        (FailureReason::InvalidUserId, "the user id is not valid", None),
        (FailureReason::UnknownUser, "no such user is known", Some(70_107)),
    ];
    for (reason, text, number) in texts {
        assert_eq!((reason.to_string().as_str(), reason.vendor_code()), (text, number));
    }
}

/// SU-6: evicted and not back, each once, in the order of the last eviction.
#[test]
fn the_result_names_who_is_out_at_the_end() {
    let mut sim = capped(1);
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["z"]);
    // The evictions are z, b, c, b: of b the last one counts.
    assert_eq!(sim.watch(ann, &["b", "c", "b", "d"]), ["z", "c", "b"]);
    // The evictions are d, e; d is back at the end.
    assert_eq!(sim.watch(ann, &["e", "d"]), ["e"]);
    assert_eq!(sim.list(ann), ["d"]);
}

/// SU-7: up to 100 users, duplicates counted; whoever is not in the list is ignored.
#[test]
fn unsubscribe_takes_out_whom_it_names() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["b", "c", "d", "e"]);
    unsubscribe(&mut sim, ann, &["c", "ann", "stranger", "c", "e"]);
    assert_eq!(sim.list(ann), ["b", "d"]);
    unsubscribe(&mut sim, ann, &["d"; 100]);
    let error = sim.ask(|engine, now| engine.unsubscribe(now, ann, &["b"; 101]));
    assert_eq!(error.map(drop), Err(RequestError::TooManyUsers { users: 101, limit: 100 }));
    assert_eq!(sim.list(ann), ["b"]);
    let done = sim.ask(|engine, now| engine.unsubscribe(now, ann, &["", "b", "", "ann"]));
    let failures = done.expect("it is admitted").failures;
    assert_eq!(
        failures.iter().map(|f| f.reason).collect::<Vec<_>>(),
        [FailureReason::InvalidUserId; 2]
    );
    assert_eq!(sim.list(ann), [""; 0]);
}

/// SU-7: the empty list clears everything, and passes tier, switch and rate like any other.
#[test]
fn an_empty_unsubscribe_clears_the_list() {
    let mut sim = Sim::with(|config| config.rate(Api::Unsubscribe, Rate::new(1, 1_000)));
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["b", "c"]);
    let clear = |sim: &mut Sim| {
        let done = sim.ask(|engine, now| engine.unsubscribe(now, ann, &[] as &[&str]));
        done.map(drop).map_err(|error| error.code())
    };
    sim.reconfigure(|config| config.tier(Tier::Trial));
    assert_eq!(clear(&mut sim), Err("tier_required"));
    sim.reconfigure(|config| config.tier(Tier::Flagship).status_switch(false));
    assert_eq!(clear(&mut sim), Err("switch_off"));
    sim.reconfigure(|config| config.status_switch(true));
    assert_eq!(sim.list(ann), ["b", "c"]);
    assert_eq!(clear(&mut sim), Ok(()));
    assert_eq!(sim.list(ann), [""; 0]);
    assert_eq!(clear(&mut sim), Err("rate_limited"));
}

/// SU-8: a friend who is subscribed takes a place, and remains a friend when he loses it.
#[test]
fn friends_take_places_when_subscribed() {
    let mut sim = capped(2);
    let ann = sim.login("ann/web/w1");
    sim.befriend("ann", "b");
    sim.watch(ann, &["b", "c"]);
    assert_eq!(sim.list(ann), ["b", "c"]);
    assert_eq!(sim.watch(ann, &["d"]), ["b"]);
    sim.inbox(ann);
    sim.login("b/web/w1");
    assert_eq!(sim.inbox(ann), ["0 b online"]);
    assert_eq!(sim.engine.stats().edges, 3);
}

/// SU-9: a day after the user left Online the list is gone; back a millisecond before, it stays.
#[test]
fn the_list_is_cleared_a_day_after_leaving_online() {
    for (away, is_kept) in [(DAY - 1, true), (DAY, false)] {
        for device in ["ann/web/w1", "ann/ipad/p1"] {
            let mut sim = Sim::new();
            let ann = sim.at(500).login(device);
            sim.watch(ann, &["b", "c"]);
            sim.close(ann);
            let ann = sim.at(500 + away).login(device);
            let expected: &[&str] = if is_kept { &["b", "c"] } else { &[] };
            assert_eq!(sim.list(ann), expected, "{device} away for {away} ms");
        }
    }
}

/// SU-9: whoever came back in time keeps the list for as long as he stays.
#[test]
fn coming_back_calls_the_clearing_off() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/linux/l1");
    sim.watch(ann, &["b"]);
    sim.close(ann);
    let ann = sim.at(DAY - 1).login("ann/linux/l1");
    for now in (DAY..4 * DAY).step_by(300_000) {
        sim.at(now).hear(ann);
        assert_eq!(sim.engine.stats().edges, 1, "at {now}");
    }
    assert_eq!(sim.list(ann), ["b"]);
}

/// SU-9: who came back and leaves again has a whole day from then.
#[test]
fn each_leaving_begins_a_day_of_its_own() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/linux/l1");
    sim.watch(ann, &["b"]);
    sim.close(ann);
    let ann = sim.at(DAY - 1).login("ann/linux/l1");
    sim.close(ann);
    sim.tick(2 * DAY - 2);
    assert_eq!(sim.engine.stats().edges, 1);
    sim.tick(2 * DAY - 1);
    assert_eq!(sim.engine.stats().edges, 0);
}

/// SU-10: otherwise the list outlives whatever happens to the user's links.
#[test]
fn the_list_survives_the_users_links() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["b"]);
    sim.logout(ann);
    let ann = sim.at(DAY / 2).login("ann/mac/m1");
    assert_eq!(sim.list(ann), ["b"], "after a log-out");
    sim.force_out("ann", &presence_engine::Scope::All);
    let ann = sim.login("ann/iphone/i1");
    sim.tick(DAY / 2 + 400_000);
    assert!(!sim.is_live(ann));
    assert_eq!(sim.state("ann"), State::PushOnline);
    let ann = sim.login("ann/iphone/i1");
    assert_eq!(sim.list(ann), ["b"], "after a timeout");
}

/// SU-11, ML-12: a smaller cap takes effect with the next user put or moved in the list.
#[test]
fn a_smaller_cap_waits_for_the_next_subscription() {
    let mut sim = capped(5);
    let ann = sim.login("ann/web/w1");
    sim.watch(ann, &["b", "c", "d", "e"]);
    sim.reconfigure(|config| config.limit(Limit::Subscriptions, 2));
    assert_eq!(sim.list(ann), ["b", "c", "d", "e"]);
    subscribe(&mut sim, ann, &["ann".to_owned()]).expect("it succeeds with its failure");
    unsubscribe(&mut sim, ann, &["b"]);
    assert_eq!(sim.list(ann), ["c", "d", "e"], "nobody was put in the list");
    assert_eq!(sim.watch(ann, &["c"]), ["d"], "he is moved, and then there is one too many");
    assert_eq!(sim.list(ann), ["e", "c"]);
    sim.reconfigure(|config| config.limit(Limit::Subscriptions, 3));
    assert_eq!(sim.watch(ann, &["f"]), [""; 0]);
    assert_eq!(sim.list(ann), ["e", "c", "f"]);
}
