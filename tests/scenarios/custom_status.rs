//! Custom status (CS).

use presence_engine::{Platform, Policy, SetStatusError, State, Tier};

use crate::common::sim::Sim;

/// CS-1: up to 100 bytes, counted as bytes; the last writer wins, on whatever device.
#[test]
fn a_custom_status_has_up_to_100_bytes() {
    let mut sim = Sim::with(|config| config.policy(Policy::Multi));
    let web = sim.login("ann/web/w1");
    let mac = sim.login("ann/mac/m1");
    for text in ["x".repeat(100), "ü".repeat(50)] {
        sim.say(web, &text);
        assert_eq!(sim.custom("ann"), text);
    }
    for (text, bytes) in [("y".repeat(101), 101), ("ü".repeat(51), 102)] {
        let error = sim.ask(|engine, now| engine.set_status(now, mac, &text));
        assert_eq!(error, Err(SetStatusError::TooLong { bytes, limit: 100 }));
    }
    assert_eq!(sim.custom("ann"), "ü".repeat(50));
    sim.say(mac, "from the desk");
    assert_eq!(sim.custom("ann"), "from the desk");
}

/// CS-1: no tier, no switch, no rate limit; but a session.
#[test]
fn a_custom_status_needs_nothing_but_a_session() {
    let mut sim = Sim::with(|config| config.tier(Tier::Trial).status_switch(false));
    let ann = sim.login("ann/iphone/i1");
    for nth in 0..100 {
        sim.say(ann, &nth.to_string());
    }
    sim.close(ann);
    let error = sim.ask(|engine, now| engine.set_status(now, ann, "gone"));
    assert_eq!(error.map_err(|error| error.code()), Err("unknown_session"));
    assert_eq!((sim.state("ann"), sim.custom("ann").as_str()), (State::PushOnline, ""));
}

/// CS-2: the empty text clears it, with event and status like any other.
#[test]
fn the_empty_text_clears() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.say(ann, "busy");
    sim.news();
    sim.at(3).say(ann, "");
    assert_eq!(
        sim.news(),
        [
            "3 event ann/web/w1 custom_status_change set_custom_status",
            "3 status ann online -> ann/web/w1",
        ]
    );
    assert_eq!(sim.custom("ann"), "");
}

/// CS-3: it goes when the user leaves Online, whichever way, and does not come back.
#[test]
fn leaving_online_clears_it_in_the_same_output() {
    for platform in [Platform::Web, Platform::Ipad] {
        let mut sim = Sim::with(|config| config.policy(Policy::Multi));
        let other = sim.login("ann/mac/m1");
        let session = sim.login(&format!("ann/{platform}/d"));
        sim.say(other, "busy");
        sim.logout(other);
        assert_eq!(sim.custom("ann"), "busy", "the user is still Online");
        sim.news();
        sim.at(8).close(session);
        let state = if platform == Platform::Ipad { "push_online" } else { "offline" };
        assert_eq!(
            sim.news(),
            [
                format!("8 event ann/{platform}/d disconnect link_close"),
                format!("8 status ann {state} ->"),
            ]
        );
        let session = sim.login(&format!("ann/{platform}/d"));
        assert_eq!(sim.news()[1], format!("8 status ann online -> ann/{platform}/d"));
        sim.logout(session);
    }
}

/// CS-4: setting what it is succeeds, and nobody hears of it.
#[test]
fn the_same_value_again_gives_nothing() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    sim.news();
    sim.say(ann, "");
    sim.quiet();
    sim.say(ann, "busy");
    assert_eq!(sim.news().len(), 2);
    sim.at(50_000).say(ann, "busy");
    sim.quiet();
    sim.tick(109_999);
    assert!(sim.is_live(ann), "it counts as heard all the same");
    sim.say(ann, "Busy");
    assert_eq!(sim.news().len(), 2);
}
