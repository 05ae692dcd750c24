//! Notification (NO).

use presence_engine::{Output, Policy, State, Tier};

use crate::common::sim::Sim;

fn multi() -> Sim {
    Sim::with(|config| config.policy(Policy::Multi))
}

/// NO-1: user, state, custom status, time, and the sessions to tell.
#[test]
fn a_status_output_says_all_of_the_change() {
    let mut sim = multi();
    let ann = sim.login("ann/mac/m1");
    let bob = sim.login("bob/web/w1");
    sim.watch(bob, &["ann"]);
    sim.news();
    sim.at(70).say(ann, "out");
    let event = sim.engine.poll_output();
    assert!(matches!(event, Some(Output::Event(_))), "{event:?}");
    let Some(Output::Status(change)) = sim.engine.poll_output() else { panic!("no status") };
    assert_eq!(change.at.as_millis(), 70);
    assert_eq!((change.user.as_str(), change.state, change.custom), ("ann", State::Online, "out"));
    assert_eq!(change.to, [ann, bob]);
    assert!(sim.engine.poll_output().is_none());
}

/// NO-2: every session of every watcher and of the user, the setting one too, each once.
#[test]
fn all_sessions_of_watchers_and_of_the_user_are_told_once() {
    let mut sim = multi();
    let ann = sim.login("ann/mac/m1");
    sim.login("ann/web/w1");
    let phone = sim.login("ann/iphone/i1");
    sim.close(phone);
    for user in ["bob", "cat"] {
        for platform in ["web", "mac", "linux", "windows"] {
            let session = sim.login(&format!("{user}/{platform}/d"));
            sim.watch(session, &["ann"]);
        }
        sim.befriend(user, "ann");
    }
    sim.login("dan/web/w1");
    sim.news();
    sim.say(ann, "hi");
    assert_eq!(
        sim.news()[1],
        "0 status ann online \"hi\" -> ann/mac/m1 ann/web/w1 \
         bob/linux/d bob/mac/d bob/web/d bob/windows/d \
         cat/linux/d cat/mac/d cat/web/d cat/windows/d"
    );
}

/// NO-3: a watcher who was away is not told, neither then nor when he is back.
#[test]
fn an_absent_watcher_hears_nothing() {
    let mut sim = Sim::new();
    let bob = sim.login("bob/ipad/p1");
    sim.watch(bob, &["ann"]);
    sim.close(bob);
    sim.login("ann/web/w1");
    assert_eq!(sim.news().last().map(String::as_str), Some("0 status ann online -> ann/web/w1"));
    let bob = sim.login("bob/ipad/p1");
    assert_eq!(sim.inbox(bob), ["0 bob online"]);
    sim.force_out("ann", &presence_engine::Scope::All);
    assert_eq!(sim.inbox(bob), ["0 ann offline"], "his subscription is as before");
}

/// NO-4: tier and switch count at the moment of the change; oneself always.
#[test]
fn tier_and_switches_count_at_the_moment_of_the_change() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let bob = sim.login("bob/web/w1");
    sim.watch(bob, &["ann"]);
    sim.inbox(ann);
    sim.inbox(bob);
    let settings = [
        (Tier::Flagship, true, true),
        (Tier::Flagship, false, false),
        (Tier::Professional, true, false),
        (Tier::Trial, true, false),
        (Tier::Trial, false, false),
        (Tier::Flagship, true, true),
    ];
    for (nth, (tier, switch, is_told)) in settings.into_iter().enumerate() {
        sim.reconfigure(|config| config.tier(tier).status_switch(switch));
        sim.say(ann, &nth.to_string());
        assert_eq!(sim.inbox(bob).len(), usize::from(is_told), "{tier} {switch}");
        assert_eq!(sim.inbox(ann).len(), 1, "{tier} {switch}");
    }
}

/// NO-5: a new login hears of its own coming; an ended session does not hear of its end.
#[test]
fn told_are_the_sessions_that_exist_after_the_change() {
    let mut sim = multi();
    let mac = sim.at(1).login("ann/mac/m1");
    assert_eq!(sim.inbox(mac), ["1 ann online"]);
    sim.at(2).say(mac, "hi");
    sim.inbox(mac);
    sim.at(3).logout(mac);
    assert_eq!(sim.inbox(mac), [""; 0]);
    let bob = sim.at(4).login("bob/web/w1");
    sim.watch(bob, &["ann"]);
    let ann = sim.login("ann/web/w1");
    sim.inbox(bob);
    // Both end in the same millisecond: bob, who logged in first, is gone when ann goes.
    sim.tick(60_004);
    assert_eq!((sim.inbox(bob), sim.inbox(ann)), (vec![], vec!["4 ann online".to_owned()]));
}

/// NO-6: the host gets the output even if there is nobody to tell.
#[test]
fn a_status_output_needs_no_recipients() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.news();
    sim.logout(ann);
    assert_eq!(sim.news(), ["0 event ann/web/w1 logout unregister", "0 status ann offline ->"]);
}

/// NO-7: relations come and go without a status output.
#[test]
fn relations_give_no_output() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.login("bob/web/w1");
    sim.news();
    sim.befriend("ann", "bob");
    sim.watch(ann, &["bob", "cat"]);
    sim.ask(|engine, now| engine.unsubscribe(now, ann, &["bob"])).map(drop).expect("admitted");
    sim.ask(|engine, now| engine.remove_friend(now, "ann", "bob")).expect("two valid ids");
    sim.ask(|engine, now| engine.unsubscribe(now, ann, &[] as &[&str]))
        .map(drop)
        .expect("admitted");
    sim.quiet();
}
