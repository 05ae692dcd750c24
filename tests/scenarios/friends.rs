//! Friends (FR).

use presence_engine::{Accounts, FriendError, Tier};

use crate::common::sim::Sim;

/// FR-1: one direction at a time, however often it is said.
#[test]
fn the_owner_is_told_of_the_friend_and_not_the_reverse() {
    let mut sim = Sim::new();
    sim.befriend("ann", "bob");
    sim.befriend("ann", "bob");
    assert_eq!(sim.engine.stats().edges, 1);
    let ann = sim.login("ann/web/w1");
    let bob = sim.login("bob/web/w1");
    assert_eq!(sim.inbox(ann), ["0 ann online", "0 bob online"]);
    sim.say(ann, "hello?");
    assert_eq!(sim.inbox(bob), ["0 bob online"]);
    sim.ask(|engine, now| engine.remove_friend(now, "bob", "ann")).expect("no such friendship");
    sim.say(bob, "1");
    sim.ask(|engine, now| engine.remove_friend(now, "ann", "bob")).expect("two valid ids");
    sim.ask(|engine, now| engine.remove_friend(now, "ann", "bob")).expect("it is gone already");
    sim.say(bob, "2");
    assert_eq!(sim.inbox(ann), ["0 ann online \"hello?\"", "0 bob online \"1\""]);
}

/// FR-1, AC-2: oneself is refused, then whoever is not known; each says so.
#[test]
fn a_friendship_takes_two_users() {
    let mut sim = Sim::with(|config| config.accounts(Accounts::Known));
    sim.ask(|engine, now| engine.register(now, "ann")).expect("a valid id");
    let mut add = |owner, friend| sim.ask(|engine, now| engine.add_friend(now, owner, friend));
    let error = add("who", "who").expect_err("oneself");
    assert_eq!((error, error.code()), (FriendError::SelfFriend, "self_friend"));
    assert_eq!(error.to_string(), "owner and friend are the same user");
    for (owner, friend) in [("ann", "who"), ("who", "ann")] {
        let error = add(owner, friend).expect_err("one of them is unknown");
        assert_eq!((error.code(), error.vendor_code()), ("unknown_user", Some(70_107)));
    }
    assert_eq!(add("", "").map_err(|error| error.code()), Err("invalid_user_id"));
    assert_eq!(sim.engine.stats().edges, 0);
}

/// FR-2: told without subscription, place, tier, switch or rate limit; on by default.
#[test]
fn friends_need_no_subscription() {
    let mut sim = Sim::with(|config| config.tier(Tier::Trial).status_switch(false));
    assert!(sim.engine.config().friend_switch());
    let ann = sim.login("ann/web/w1");
    for nth in 0..300 {
        sim.befriend("ann", &format!("u{nth}"));
    }
    sim.inbox(ann);
    for nth in 0..300 {
        sim.login(&format!("u{nth}/web/w1"));
    }
    assert_eq!(sim.inbox(ann).len(), 300);
    assert_eq!(sim.list(ann), [""; 0]);
}

/// FR-3: friend and subscribed, he is told of once.
#[test]
fn a_subscribed_friend_gives_one_notification() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.befriend("ann", "bob");
    sim.watch(ann, &["bob"]);
    assert_eq!(sim.engine.stats().edges, 1);
    sim.news();
    sim.login("bob/web/w1");
    assert_eq!(sim.news()[1], "0 status bob online -> ann/web/w1 bob/web/w1");
}

/// FR-4: with the switch off only subscription counts, at the moment of the change.
#[test]
fn the_friend_switch_acts_at_each_change() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let bob = sim.login("bob/web/w1");
    let cat = sim.login("cat/web/w1");
    sim.befriend("ann", "bob");
    sim.befriend("ann", "cat");
    sim.watch(ann, &["cat"]);
    sim.inbox(ann);
    sim.reconfigure(|config| config.friend_switch(false));
    sim.say(bob, "1");
    sim.say(cat, "1");
    assert_eq!(sim.inbox(ann), ["0 cat online \"1\""]);
    sim.reconfigure(|config| config.friend_switch(true).status_switch(false));
    sim.say(bob, "2");
    sim.say(cat, "2");
    assert_eq!(sim.inbox(ann), ["0 bob online \"2\"", "0 cat online \"2\""]);
}
