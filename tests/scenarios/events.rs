//! Events for the app's back end (EV).

use presence_engine::{Output, Platform, Policy, Scope};

use crate::common::sim::{Sim, WEEK};

/// The events alone, without their times.
fn events(sim: &mut Sim) -> Vec<String> {
    let lines = sim.news().into_iter();
    lines.filter_map(|line| Some(line.split_once(" event ")?.1.to_owned())).collect()
}

/// EV-1: what ends a session by itself is a timeout on native platforms, elsewhere a closed link.
#[test]
fn broken_links_are_disconnections() {
    for platform in Platform::ALL {
        let mut sim = Sim::new();
        let device = format!("ann/{platform}/d");
        let session = sim.login(&device);
        events(&mut sim);
        sim.close(session);
        assert_eq!(events(&mut sim), [format!("{device} disconnect link_close")]);
        sim.login(&device);
        events(&mut sim);
        let is_native = !matches!(platform, Platform::Web | Platform::MiniProgram);
        let reason = if is_native { "time_out" } else { "link_close" };
        assert_eq!(events(sim.tick(400_000)), [format!("{device} disconnect {reason}")]);
    }
}

/// EV-1: background and exit of a mini program are closed links to the back end.
#[test]
fn a_mini_program_that_was_left_is_a_closed_link() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/mini_program/p1");
    sim.background(ann);
    let bob = sim.login("bob/mini_program/p1");
    sim.exit(bob);
    events(&mut sim);
    assert_eq!(
        events(sim.tick(30_000)),
        ["bob/mini_program/p1 disconnect link_close", "ann/mini_program/p1 disconnect link_close",]
    );
}

/// EV-1: one event each for login, log-out, status, force and removal, at its own time.
#[test]
fn each_row_of_the_table_gives_one_event() {
    let mut sim = Sim::with(|config| config.policy(Policy::Multi));
    let web = sim.at(1).login("ann/web/w1");
    let pad = sim.login("ann/ipad/p1");
    sim.close(pad);
    assert_eq!(
        events(&mut sim),
        [
            "ann/web/w1 login register",
            "ann/ipad/p1 login register",
            "ann/ipad/p1 disconnect link_close",
        ]
    );
    sim.say(web, "x");
    sim.say(web, "");
    assert_eq!(events(&mut sim), ["ann/web/w1 custom_status_change set_custom_status"; 2]);
    let before = sim.engine.clone();
    sim.force_out("ann", &Scope::All);
    assert_eq!(
        sim.news().iter().filter(|line| line.contains("event")).collect::<Vec<_>>(),
        ["1 event ann/web/w1 logout forced", "1 event ann/ipad/p1 logout forced"]
    );
    sim.engine = before;
    sim.at(2).ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
    assert_eq!(events(&mut sim), ["ann/web/w1 logout removed", "ann/ipad/p1 logout removed"]);
}

/// EV-1: the event of a login lends the displaced devices, and knows how many there are.
#[test]
fn a_login_names_whom_it_displaced() {
    let mut sim = Sim::with(|config| config.policy(Policy::Multi));
    let pad = sim.login("ann/ipad/p1");
    sim.login("ann/mac/m1");
    sim.close(pad);
    sim.reconfigure(|config| config.policy(Policy::Single));
    sim.news();
    sim.login("ann/mac/m1");
    assert!(matches!(sim.engine.poll_output(), Some(Output::Close(_))), "the replaced link");
    let Some(Output::Event(event)) = sim.engine.poll_output() else { panic!("no event") };
    let displaced: Vec<_> = event.displaced.iter().map(|(p, id)| (p, id.as_str())).collect();
    assert_eq!(displaced, [(Platform::Ipad, "p1")], "the replaced one is not among them");
    assert_eq!((event.displaced.len(), event.displaced.is_empty()), (1, false));
}

/// EV-2: a displaced device is named in the newcomer's event and has none of its own.
#[test]
fn the_displaced_have_no_event_of_their_own() {
    let mut sim = Sim::new();
    sim.login("ann/web/w1");
    events(&mut sim);
    sim.login("ann/mac/m1");
    assert_eq!(events(&mut sim), ["ann/mac/m1 login register over web/w1"]);
}

/// EV-3: the seven-day expiry gives the status alone.
#[test]
fn expiry_gives_no_event() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/android/a1");
    sim.close(ann);
    sim.news();
    assert_eq!(sim.tick(WEEK).news(), [format!("{WEEK} status ann offline ->")]);
}

/// EV-4: links first, the replaced one before the displaced; then events; then the status.
#[test]
fn the_outputs_of_a_step_have_an_order() {
    let mut sim = Sim::with(|config| config.policy(Policy::Multi));
    for device in ["web/w1", "linux/l1", "mac/m1"] {
        sim.login(&format!("ann/{device}"));
    }
    sim.reconfigure(|config| config.policy(Policy::Single));
    sim.news();
    sim.at(6).login("ann/linux/l1");
    assert_eq!(
        sim.news(),
        [
            "6 close ann/linux/l1 replaced",
            "6 close ann/web/w1 kicked by linux",
            "6 close ann/mac/m1 kicked by linux",
            "6 event ann/linux/l1 login register over web/w1 mac/m1",
        ]
    );
    sim.reconfigure(|config| config.policy(Policy::Multi));
    sim.login("ann/web/w1");
    sim.news();
    sim.at(7).ask(|engine, now| engine.remove_user(now, "ann")).expect("a valid id");
    assert_eq!(
        sim.news(),
        [
            "7 close ann/linux/l1 removed",
            "7 close ann/web/w1 removed",
            "7 event ann/linux/l1 logout removed",
            "7 event ann/web/w1 logout removed",
            "7 status ann offline ->",
        ]
    );
}
