//! Accounts (AC).

use presence_engine::{
    Accounts, Config, DeviceId, Engine, KickedAway, LoginKind, Platform, Policy, Scope, State,
};

use crate::common::sim::{DAY, Sim, WEEK};

fn known() -> Sim {
    Sim::with(|config| config.accounts(Accounts::Known))
}

/// The code with which each order of the host that names a user refuses him.
fn refusals<U: presence_engine::UserId>(
    engine: &mut Engine<U>,
    id: &U::Borrowed,
    other: &U::Borrowed,
) -> Vec<Option<&'static str>> {
    let now = presence_engine::Timestamp::ZERO;
    let device = DeviceId::new("d");
    vec![
        engine.login(now, id, Platform::Web, device, LoginKind::Login).err().map(|e| e.code()),
        engine.add_friend(now, id, other).err().map(|e| e.code()),
        engine.add_friend(now, other, id).err().map(|e| e.code()),
        engine.remove_friend(now, id, other).err().map(|e| e.code()),
        engine.remove_friend(now, other, id).err().map(|e| e.code()),
        engine.force_out(now, id, &Scope::All).err().map(|e| e.code()),
        engine.register(now, id).err().map(|e| e.code()),
        engine.inspect(now, id).err().map(|e| e.code()),
        engine.remove_user(now, id).err().map(|e| e.code()),
    ]
}

/// AC-1: an id has 1 to 32 bytes of printable ASCII; every order of the host checks it.
#[test]
fn every_order_refuses_an_invalid_id() {
    let longest = "x".repeat(32);
    for id in ["!", "~", "a/b:c@d", longest.as_str()] {
        let mut engine = Engine::<String>::new(Config::default());
        assert_eq!(refusals(&mut engine, id, "other"), [None; 9], "{id:?}");
    }
    let too_long = "x".repeat(33);
    for id in ["", " ", "a b", "\u{7f}", "\0", "tab\t", "é", too_long.as_str()] {
        let mut engine = Engine::<String>::new(Config::default());
        assert_eq!(refusals(&mut engine, id, "other"), [Some("invalid_user_id"); 9], "{id:?}");
        assert_eq!(engine.stats().users, 0);
    }
    assert_eq!(
        presence_engine::InvalidUserId.to_string(),
        "the user id is not valid (a text must be 1 to 32 bytes of printable ASCII)"
    );
}

/// AC-1: the host sets its own rule, for its id type or for one engine.
#[test]
fn the_host_has_a_rule_of_its_own() {
    let mut engine = Engine::<String>::new(Config::default()).with_id_rule(|id| id.len() != 3);
    assert_eq!(refusals(&mut engine, "é ü", "other"), [None; 9]);
    assert_eq!(refusals(&mut engine, "ann", "other"), [Some("invalid_user_id"); 9]);
    let mut engine = Engine::<u32>::new(Config::default()).with_id_rule(|&id| id != 0);
    assert_eq!(refusals(&mut engine, &1, &2), [None; 9]);
    assert_eq!(refusals(&mut engine, &0, &2), [Some("invalid_user_id"); 9]);
}

/// AC-2: in open mode, the default, every valid id exists.
#[test]
fn in_open_mode_everybody_exists() {
    assert_eq!(Config::default().accounts(), Accounts::Open);
    let mut sim = Sim::new();
    let ann = sim.login("ann/web/w1");
    let answer = sim.ask(|engine, now| engine.query(now, ann, &["never seen"])).is_ok();
    assert!(!answer, "an id with a space is not valid");
    let answer = sim.ask(|engine, now| engine.query(now, ann, &["never-seen"]));
    assert_eq!(answer.expect("he exists").statuses[0].1.state, State::Offline);
    sim.watch(ann, &["never-seen"]);
    sim.befriend("nobody", "never-seen");
}

/// AC-2: in known mode those exist who were registered or have logged in, also after they left.
#[test]
fn in_known_mode_one_must_be_known() {
    let mut sim = known();
    let ann = sim.login("ann/web/w1");
    let knows = |sim: &mut Sim, user: &str| {
        let query = sim.ask(|engine, now| engine.query(now, ann, &[user])).is_ok();
        let done = sim.ask(|engine, now| engine.subscribe(now, ann, &[user]));
        let subscribe = done.expect("the request itself succeeds").failures.is_empty();
        let friend = sim.ask(|engine, now| engine.add_friend(now, "ann", user)).is_ok();
        assert!(query == subscribe && subscribe == friend, "{user}");
        query
    };
    assert!(!knows(&mut sim, "bob"));
    sim.ask(|engine, now| engine.register(now, "bob")).expect("a valid id");
    sim.ask(|engine, now| engine.register(now, "bob")).expect("it may be repeated");
    assert!(knows(&mut sim, "bob"));
    assert!(!knows(&mut sim, "cat"));
    let cat = sim.login("cat/web/w1");
    sim.logout(cat);
    sim.ask(|engine, now| engine.unsubscribe(now, ann, &[] as &[&str]))
        .map(drop)
        .expect("admitted");
    assert!(knows(&mut sim, "cat"), "he has logged in");
    sim.ask(|engine, now| engine.inspect(now, "dan")).map(drop).expect("the host may ask freely");
    sim.force_out("dan", &Scope::All);
    assert!(!knows(&mut sim, "dan"));
}

/// AC-2: a registration lasts, though nothing else is left of the user.
#[test]
fn a_registered_user_is_never_forgotten() {
    let mut sim = known();
    sim.ask(|engine, now| engine.register(now, "bob")).expect("a valid id");
    let bob = sim.login("bob/android/a1");
    sim.close(bob);
    sim.tick(10 * WEEK);
    let ann = sim.login("ann/web/w1");
    assert_eq!(sim.watch(ann, &["bob"]), [""; 0]);
    assert_eq!(sim.engine.stats().users, 2);
}

/// AC-3: links, events and one status, told to those who watched; then he was never there.
#[test]
fn removing_a_user_erases_him() {
    let mut sim = Sim::with(|config| {
        config
            .accounts(Accounts::Known)
            .policy(Policy::Multi)
            .kicked_away(KickedAway { on_reconnect: true, on_login: true })
    });
    let bob = sim.login("bob/web/w1");
    let ann = sim.login("ann/web/w1");
    sim.login("ann/mac/m1");
    let pad = sim.login("ann/ipad/p1");
    sim.close(pad);
    sim.watch(bob, &["ann"]);
    sim.watch(ann, &["bob"]);
    sim.befriend("ann", "bob");
    sim.befriend("bob", "ann");
    sim.say(ann, "still here");
    sim.news();
    sim.inbox(bob);
    sim.at(5).ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
    assert_eq!(
        sim.news(),
        [
            "5 close ann/web/w1 removed",
            "5 close ann/mac/m1 removed",
            "5 event ann/web/w1 logout removed",
            "5 event ann/mac/m1 logout removed",
            "5 event ann/ipad/p1 logout removed",
            "5 status ann offline -> bob/web/w1",
        ]
    );
    assert_eq!((sim.list(bob), sim.engine.stats().edges), (vec![], 0));
    let answer = sim.ask(|engine, now| engine.query(now, bob, &["ann"]));
    assert_eq!(answer.map(drop).map_err(|error| error.code()), Err("all_failed"));
    sim.ask(|engine, now| engine.remove_user(now, "ann")).expect("nobody is there to remove");
    sim.quiet();
    let ann = sim.login("ann/web/w1");
    assert_eq!(
        sim.news(),
        ["5 event ann/web/w1 login register", "5 status ann online -> ann/web/w1"]
    );
    assert_eq!(sim.list(ann), [""; 0]);
}

/// AC-3: the status output comes if he was not Offline, and then there is none.
#[test]
fn removing_who_was_away_or_out_gives_what_there_is_to_tell() {
    let mut sim = Sim::new();
    let phone = sim.login("ann/android/a1");
    sim.close(phone);
    let remove = |sim: &mut Sim| {
        sim.news();
        sim.ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
        sim.news()
    };
    assert_eq!(
        remove(sim.at(9)),
        ["9 event ann/android/a1 logout removed", "9 status ann offline ->"]
    );
    sim.befriend("ann", "bob");
    assert_eq!(remove(&mut sim), [""; 0]);
    assert_eq!(sim.engine.stats().edges, 0);
}

/// AC-3: buckets, notes and timers are erased too; relations to whoever never logged in as well.
#[test]
fn nothing_of_a_removed_user_comes_back() {
    let mut sim =
        Sim::with(|config| config.kicked_away(KickedAway { on_reconnect: true, on_login: true }));
    let phone = sim.login("ann/iphone/i1");
    sim.close(phone);
    let ann = sim.login("ann/web/w1");
    for _ in 0..20 {
        sim.ask(|engine, now| engine.query(now, ann, &["x"])).map(drop).expect("a token is there");
    }
    sim.watch(ann, &["ghost", "bob"]);
    sim.close(ann);
    sim.at(10).ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
    sim.news();
    let ann = sim.login("ann/iphone/i1");
    sim.ask(|engine, now| engine.query(now, ann, &["x"])).map(drop).expect("the bucket is full");
    sim.watch(ann, &["ghost"]);
    sim.ask(|engine, now| engine.remove_user(now, "ghost")).expect("a valid id");
    assert_eq!(sim.list(ann), [""; 0]);
    sim.watch(ann, &["bob"]);
    for minute in 0..DAY / 60_000 {
        sim.at(minute * 60_000 + 11).hear(ann);
    }
    sim.at(DAY).hear(ann);
    assert_eq!(sim.list(ann), ["bob"], "the old list's day is over, not the new one's");
}
