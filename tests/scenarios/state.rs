//! The state of a user (ST).

use presence_engine::{Platform, Policy, Scope, State, UnknownVendorStatus, VendorStatus};

use crate::common::sim::{Sim, WEEK};

fn multi() -> Sim {
    Sim::with(|config| config.policy(Policy::Multi))
}

/// ST-1: Online with any session, PushOnline with any push registration, else Offline.
#[test]
fn the_state_is_the_users_and_comes_of_all_his_devices() {
    let mut sim = multi();
    assert_eq!(sim.state("ann"), State::Offline);
    let phone = sim.login("ann/iphone/i1");
    let web = sim.login("ann/web/w1");
    sim.close(phone);
    assert_eq!(sim.state("ann"), State::Online, "by the browser");
    sim.logout(web);
    assert_eq!(sim.state("ann"), State::PushOnline, "by the phone's registration");
    let phone = sim.login("ann/iphone/i1");
    assert_eq!(sim.state("ann"), State::Online);
    sim.logout(phone);
    assert_eq!(sim.state("ann"), State::Offline);
}

/// ST-2: the client-facing names and numbers, both ways.
#[test]
fn states_have_the_vendors_names_and_numbers() {
    let mut sim = Sim::new();
    let phone = sim.login("ann/android/a1");
    let number = |sim: &mut Sim| u8::from(VendorStatus::from(sim.state("ann")));
    assert_eq!(number(&mut sim), 1);
    sim.close(phone);
    assert_eq!(number(&mut sim), 2);
    sim.tick(WEEK);
    assert_eq!(number(&mut sim), 3);

    let all = [
        (0, VendorStatus::Unknown, "Unknown"),
        (1, VendorStatus::Online, "Online"),
        (2, VendorStatus::Offline, "Offline"),
        (3, VendorStatus::Unlogined, "Unlogined"),
    ];
    for (number, status, name) in all {
        assert_eq!(VendorStatus::try_from(number), Ok(status));
        assert_eq!((u8::from(status), format!("{status:?}").as_str()), (number, name));
    }
    assert_eq!(VendorStatus::try_from(4), Err(UnknownVendorStatus(4)));
    assert_eq!(UnknownVendorStatus(4).to_string(), "4 is no vendor status: they go from 0 to 3");
}

/// ST-3: only Android, iPhone and iPad can be reached once the link is broken.
#[test]
fn a_broken_link_leaves_a_registration_on_three_platforms_only() {
    for platform in Platform::ALL {
        let can_push = matches!(platform, Platform::Android | Platform::Iphone | Platform::Ipad);
        assert_eq!(platform.can_push(), can_push);
        for timed_out in [false, true] {
            let mut sim = Sim::new();
            let session = sim.login(&format!("ann/{platform}/d"));
            if timed_out {
                sim.tick(400_000);
            } else {
                sim.close(session);
            }
            let stats = sim.engine.stats();
            assert_eq!((stats.sessions, stats.push_registrations), (0, usize::from(can_push)));
            let state = if can_push { State::PushOnline } else { State::Offline };
            assert_eq!(sim.state("ann"), state, "{platform}");
        }
    }
}

/// ST-4: log-out leaves no registration of its own device, and takes none of another's.
#[test]
fn a_log_out_leaves_no_registration() {
    let mut sim = multi();
    let phone = sim.login("ann/iphone/i1");
    let tablet = sim.login("ann/ipad/p1");
    sim.close(phone);
    sim.news();
    sim.at(7).logout(tablet);
    assert_eq!(
        sim.news(),
        ["7 event ann/ipad/p1 logout unregister", "7 status ann push_online ->"]
    );
    let phone = sim.login("ann/iphone/i1");
    sim.logout(phone);
    assert_eq!(sim.state("ann"), State::Offline);
    assert_eq!(sim.engine.stats().push_registrations, 0);
}

/// ST-5: closed or timed out, the device is a push registration at the same moment.
#[test]
fn a_broken_link_turns_into_a_registration_at_once() {
    let mut sim = Sim::new();
    let ann = sim.login("ann/android/a1");
    sim.login("bob/android/a1");
    sim.news();
    sim.at(399_999).close(ann);
    assert_eq!(
        sim.news(),
        ["399999 event ann/android/a1 disconnect link_close", "399999 status ann push_online ->"]
    );
    sim.tick(400_000);
    assert_eq!(sim.news()[2], "400000 status bob push_online ->");
    let found = sim.engine.inspect(sim.now, "bob").expect("the id is valid");
    assert!(found.platforms().eq([(Platform::Android, State::PushOnline)]));
}

/// ST-6: seven days after the state became PushOnline, not after the links broke, all goes.
#[test]
fn registrations_expire_together_seven_days_after_the_user_left() {
    let mut sim = multi();
    let phone = sim.login("ann/iphone/i1");
    let tablet = sim.login("ann/ipad/p1");
    let mac = sim.login("ann/mac/m1");
    sim.at(1).close(phone);
    sim.at(2).close(tablet);
    sim.at(5_000).close(mac);
    sim.news();
    sim.tick(5_000 + WEEK - 1).quiet();
    assert_eq!(sim.engine.stats().push_registrations, 2);
    assert_eq!(sim.tick(5_000 + WEEK).news(), [format!("{} status ann offline ->", 5_000 + WEEK)]);
    assert_eq!(sim.engine.stats().push_registrations, 0);
}

/// ST-6: to lose one of two registrations does not make the week begin anew.
#[test]
fn the_week_goes_on_while_a_registration_is_left() {
    let mut sim = multi();
    for device in ["ann/iphone/i1", "ann/ipad/p1"] {
        let session = sim.login(device);
        sim.close(session);
    }
    sim.news();
    sim.at(WEEK / 2);
    sim.force_out("ann", &Scope::Platform(Platform::Ipad));
    assert_eq!(sim.news(), [format!("{} event ann/ipad/p1 logout forced", WEEK / 2)]);
    assert_eq!(sim.tick(WEEK).news(), [format!("{WEEK} status ann offline ->")]);
}

/// ST-7: a login calls the expiry off, and leaves the registrations that it does not displace.
#[test]
fn any_login_cancels_the_expiry() {
    let mut sim = multi();
    let phone = sim.login("ann/iphone/i1");
    sim.close(phone);
    let web = sim.at(WEEK - 1).login("ann/web/w1");
    sim.news();
    sim.at(WEEK + 10).logout(web);
    assert_eq!(sim.state("ann"), State::PushOnline, "the phone's registration is still there");
    sim.news();
    sim.tick(2 * WEEK + 9).quiet();
    assert_eq!(sim.tick(2 * WEEK + 10).news().len(), 1);
}

/// ST-8: one output for the step, with state and custom status; none where neither changed.
#[test]
fn a_step_gives_one_status_output_with_both_or_none() {
    let mut sim = multi();
    let mac = sim.login("ann/mac/m1");
    sim.login("ann/linux/l1");
    sim.say(mac, "busy");
    sim.news();
    sim.login("ann/web/w1");
    assert_eq!(sim.news(), ["0 event ann/web/w1 login register"]);
    sim.at(9).force_out("ann", &Scope::All);
    let statuses: Vec<_> = sim.news().into_iter().filter(|line| line.contains("status")).collect();
    assert_eq!(
        statuses,
        ["9 status ann offline ->"],
        "one for three devices and the custom status"
    );
    sim.force_out("ann", &Scope::All);
    sim.quiet();
}
