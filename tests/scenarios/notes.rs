//! Kicked while away (ML-10).

use presence_engine::{DeviceId, KickedAway, LoginError, LoginKind, Platform, Policy, Scope};

use crate::common::sim::{Sim, WEEK};

use LoginKind::{Login, Reconnect};

fn sim(on_reconnect: bool, on_login: bool) -> Sim {
    Sim::with(|config| config.kicked_away(KickedAway { on_reconnect, on_login }))
}

/// Has the phone `ann/android/1` kicked while it is away, by a browser.
fn kick_away(sim: &mut Sim) {
    let phone = sim.login("ann/android/1");
    sim.close(phone);
    sim.login("ann/web/1");
}

/// Whether a login would be refused for its note; nothing comes of the question.
fn would_be_refused(sim: &Sim, id: &str) -> bool {
    let mut engine = sim.engine.clone();
    let device = DeviceId::new(id);
    let login = engine.login(sim.now, "ann", Platform::Android, device, Reconnect);
    login == Err(LoginError::KickedOffline)
}

/// ML-10: both switches are off by default, and the one on login needs the one on reconnect.
#[test]
fn the_switches_decide_which_logins_are_refused() {
    assert_eq!(Sim::new().engine.config().kicked_away(), KickedAway::default());
    let off = KickedAway { on_reconnect: false, on_login: false };
    assert_eq!(KickedAway::default(), off);
    let table = [
        (false, false, Login, false),
        (false, false, Reconnect, false),
        (false, true, Login, false),
        (false, true, Reconnect, false),
        (true, false, Login, false),
        (true, false, Reconnect, true),
        (true, true, Login, true),
        (true, true, Reconnect, true),
    ];
    for (on_reconnect, on_login, kind, is_refused) in table {
        let mut sim = sim(on_reconnect, on_login);
        kick_away(&mut sim);
        let refused = sim.try_login("ann/android/1", kind).is_err();
        assert_eq!(refused, is_refused, "{on_reconnect} {on_login} {kind:?}");
    }
}

/// ML-10: refused once, with the vendor's number; nothing else comes of it.
#[test]
fn the_refusal_comes_once_and_says_so() {
    let mut sim = sim(true, false);
    kick_away(&mut sim);
    sim.news();
    let error = sim.try_login("ann/android/1", Reconnect).expect_err("the device is noted");
    assert_eq!(error, LoginError::KickedOffline);
    assert_eq!((error.code(), error.vendor_code()), ("kicked_offline", Some(6_208)));
    assert_eq!(
        error.to_string(),
        "the device was kicked while it was away; the next login will succeed"
    );
    sim.quiet();
    assert_eq!(sim.engine.stats().sessions, 1, "the browser's");
    sim.try_login("ann/android/1", Reconnect).expect("the note is spent");
}

/// ML-10: a login that passes spends the note too.
#[test]
fn a_login_that_succeeds_spends_the_note() {
    let mut sim = sim(true, false);
    kick_away(&mut sim);
    let phone = sim.login("ann/android/1");
    sim.logout(phone);
    sim.try_login("ann/android/1", Reconnect).expect("the note went with the login");
}

/// ML-10: only the device that was noted is refused, by its user, platform and id.
#[test]
fn the_note_is_one_devices_own() {
    let mut sim = sim(true, true);
    kick_away(&mut sim);
    for device in ["ann/android/2", "ann/iphone/1", "ann/web/1", "bob/android/1"] {
        sim.try_login(device, Reconnect).expect("another device");
    }
    sim.try_login("ann/android/1", Reconnect).expect_err("the device that was kicked");
}

/// ML-10: a displaced session, and a registration lost in another way, make no note.
#[test]
fn only_a_registration_lost_to_a_displacement_is_noted() {
    let mut kicked = sim(true, true);
    kicked.login("ann/android/1");
    kicked.login("ann/web/1");
    assert!(!would_be_refused(&kicked, "1"), "its link was closed with the reason");

    let mut forced = sim(true, true);
    let phone = forced.login("ann/android/1");
    forced.close(phone);
    forced.force_out("ann", &Scope::All);
    assert!(!would_be_refused(&forced, "1"), "forced out");

    let mut expired = sim(true, true);
    let phone = expired.login("ann/android/1");
    expired.close(phone);
    expired.tick(WEEK).login("ann/web/1");
    assert!(!would_be_refused(&expired, "1"), "expired");

    let mut replaced = sim(true, true);
    let phone = replaced.login("ann/android/1");
    replaced.close(phone);
    replaced.login("ann/android/1");
    assert!(!would_be_refused(&replaced, "1"), "taken over by its own device");
}

/// ML-10, ML-11: forcing out erases no note.
#[test]
fn forcing_out_leaves_the_notes() {
    let mut sim = sim(true, false);
    kick_away(&mut sim);
    sim.force_out("ann", &Scope::All);
    assert!(would_be_refused(&sim, "1"));
}

/// ML-10: a note is gone at exactly seven days, though nothing is left of its user but the note.
#[test]
fn a_note_lasts_seven_days() {
    for (age, is_refused) in [(WEEK - 1, true), (WEEK, false), (WEEK + 1, false)] {
        let mut sim = sim(true, false);
        sim.at(1_000);
        kick_away(&mut sim);
        sim.tick(1_000 + age);
        assert_eq!(sim.engine.stats().users, usize::from(is_refused));
        assert_eq!(would_be_refused(&sim, "1"), is_refused, "{age} ms");
    }
}

/// ML-10: of many kicks one after another the sixteen newest are kept.
#[test]
fn sixteen_notes_are_kept_and_the_oldest_goes() {
    let mut sim = sim(true, false);
    for nth in 1..=21 {
        let phone = sim.at(nth).login(&format!("ann/android/{nth}"));
        sim.close(phone);
        let noted: Vec<u64> =
            (1..=nth).filter(|id| would_be_refused(&sim, &id.to_string())).collect();
        let kicked: Vec<u64> = (nth.saturating_sub(16).max(1)..nth).collect();
        assert_eq!(noted, kicked, "after {nth} logins");
    }
}

/// ML-10: of the devices that one login displaces the earliest login's note is the oldest.
#[test]
fn notes_made_in_one_step_have_the_order_of_the_logins() {
    let mut sim = Sim::with(|config| {
        config
            .policy(Policy::Multi)
            .max_instances(Platform::Android, 18)
            .kicked_away(KickedAway { on_reconnect: true, on_login: false })
    });
    for nth in (1..=18).rev() {
        let phone = sim.login(&format!("ann/android/{nth}"));
        sim.close(phone);
    }
    sim.reconfigure(|config| config.max_instances(Platform::Android, 1));
    sim.login("ann/android/new");
    let noted: Vec<u32> = (1..=18).filter(|nth| would_be_refused(&sim, &nth.to_string())).collect();
    assert_eq!(noted, (1..=16).collect::<Vec<_>>(), "17 and 18 logged in first");
}
