//! Login and multi-device policy (ML); kicks while away are in `notes`.

use presence_engine::{
    Config, ConfigError, DeviceId, Groups, GroupsError, Platform, Policy, Scope, State, Tier,
};

use crate::common::sim::Sim;

fn multi(platform: Platform, instances: u64) -> Sim {
    Sim::with(|config| config.policy(Policy::Multi).max_instances(platform, instances))
}

/// The lines about closed links and logins, without their times.
fn logins(sim: &mut Sim) -> Vec<String> {
    let lines = sim.news().into_iter().filter(|line| !line.contains(" status "));
    lines.map(|line| line.split_once(' ').expect("a time comes first").1.to_owned()).collect()
}

/// ML-1: no login fails because others are logged in.
#[test]
fn the_newcomer_always_wins() {
    let mut sim = Sim::new();
    let mut last = None;
    for nth in 0..40 {
        let platform = Platform::ALL[nth % 8];
        let session = sim.at(nth as u64).login(&format!("ann/{platform}/{nth}"));
        assert!(last.is_none_or(|last| !sim.is_live(last)));
        assert!(sim.is_live(session));
        last = Some(session);
    }
    assert_eq!(sim.engine.stats().sessions, 1);
}

/// ML-2: of each two platforms in one group only the newcomer's stays, others stay beside it.
#[test]
fn platforms_of_one_group_exclude_each_other() {
    use Platform::{Android, Ipad, Iphone, Linux, Mac, Web, Windows};
    assert_eq!(Config::default().policy(), Policy::Single);
    let own = [vec![Android, Web], vec![Iphone, Ipad, Windows], vec![], vec![Mac], vec![Linux]];
    let own = Policy::Groups(Groups::new(own).expect("each platform is named once"));
    // The group of each platform of `Platform::ALL`; the mini program goes with the browser.
    let policies = [
        (Policy::Single, [0, 0, 0, 0, 0, 0, 0, 0]),
        (Policy::Dual, [1, 1, 1, 1, 1, 1, 0, 0]),
        (Policy::Triple, [0, 0, 0, 1, 1, 1, 2, 2]),
        (Policy::Multi, [0, 1, 2, 3, 4, 5, 6, 6]),
        (own, [0, 1, 1, 1, 2, 3, 0, 0]),
    ];
    for (policy, group) in policies {
        for (old, old_group) in Platform::ALL.into_iter().zip(group) {
            for (new, new_group) in Platform::ALL.into_iter().zip(group) {
                let mut sim = Sim::with(|config| config.policy(policy));
                let first = sim.login(&format!("ann/{old}/1"));
                sim.login(&format!("ann/{new}/2"));
                let is_kicked = old_group == new_group;
                assert_eq!(sim.is_live(first), !is_kicked, "{new} after {old}, {policy:?}");
            }
        }
    }
}

/// ML-2, BI-4: a grouping names each platform but the mini program exactly once.
#[test]
fn a_grouping_that_is_none_is_refused_and_says_why() {
    use Platform::{Android, Ipad, Iphone, Linux, Mac, MiniProgram, Web, Windows};
    let refused = |groups: &[&[Platform]]| {
        let groups = groups.iter().map(|group| group.iter().copied());
        let error = Groups::new(groups).expect_err("it is no grouping");
        let error = ConfigError::from(error);
        (error.field(), error.to_string())
    };
    assert_eq!(
        refused(&[&[Android, Iphone, Ipad], &[Windows, Mac, Web]]),
        (
            "policy",
            "policy: linux stands in no group; each platform must stand in exactly one".into()
        )
    );
    assert_eq!(
        refused(&[&[Mac, Linux], &[Linux]]).1,
        "policy: linux is named twice; each platform must stand in exactly one group"
    );
    assert_eq!(refused(&[&[MiniProgram]]).1, "policy: mini_program is named; it goes with web");
    assert_eq!(Groups::new([[Web; 0]; 3]), Err(GroupsError::Missing { platform: Android }));
}

/// ML-3: browser and mini program share one limit, but one id on both is two devices.
#[test]
fn web_and_mini_program_are_one_platform_for_limits_only() {
    let mut sim = multi(Platform::MiniProgram, 2);
    assert_eq!(sim.engine.config().max_instances(Platform::Web), 2);
    let web = sim.login("ann/web/x");
    let mini = sim.login("ann/mini_program/x");
    assert_eq!(
        logins(&mut sim),
        ["event ann/web/x login register", "event ann/mini_program/x login register"]
    );
    sim.force_out("ann", &Scope::Device(Platform::Web, DeviceId::new("x")));
    assert!(!sim.is_live(web) && sim.is_live(mini));
    sim.login("ann/web/y");
    logins(&mut sim);
    sim.login("ann/web/z");
    assert_eq!(
        logins(&mut sim),
        [
            "close ann/mini_program/x kicked by web",
            "event ann/web/z login register over mini_program/x"
        ]
    );
}

/// ML-4: at most `max_instances` devices on a platform, one by default.
#[test]
fn a_platform_holds_as_many_devices_as_its_limit() {
    for platform in Platform::ALL {
        assert_eq!(Config::default().max_instances(platform), 1);
        for limit in 1..=4 {
            let mut sim = multi(platform, limit);
            for nth in 1..=limit {
                sim.login(&format!("ann/{platform}/{nth}"));
            }
            assert!(sim.news().iter().all(|line| !line.contains(" over ")));
            assert_eq!(sim.engine.stats().sessions, limit as usize);
            sim.login(&format!("ann/{platform}/one more"));
            assert_eq!(
                logins(&mut sim),
                [
                    format!("close ann/{platform}/1 kicked by {platform}"),
                    format!("event ann/{platform}/one more login register over {platform}/1"),
                ]
            );
        }
    }
}

/// ML-5: more than one instance needs Flagship, but for the browser; none at all is refused.
#[test]
fn instances_are_bought_with_the_tier() {
    for tier in [Tier::Trial, Tier::Professional, Tier::Flagship] {
        for platform in Platform::ALL {
            let built = |n| Config::builder().tier(tier).max_instances(platform, n).build();
            assert!(built(1).is_ok());
            let is_open = tier == Tier::Flagship || platform.counted_as() == Platform::Web;
            assert_eq!(built(2).is_ok(), is_open, "{platform} {tier}");
            let zero = built(0).expect_err("0 is refused");
            let field = format!("max_instances.{}", platform.counted_as());
            assert_eq!(zero.field(), field);
            assert_eq!(zero.to_string(), format!("{field} is 0, but must be at least 1"));
        }
    }
    let config = Config::builder().tier(Tier::Professional).max_instances(Platform::Mac, 3);
    assert_eq!(
        config.build().expect_err("it needs flagship").to_string(),
        "max_instances.mac is 3, but more than 1 needs the flagship tier, \
         and the tier is professional"
    );
}

/// ML-6: registrations count and go like the others; earliest login first, whatever broke since.
#[test]
fn a_login_displaces_the_earliest_until_it_fits() {
    let mut sim = multi(Platform::Iphone, 3);
    let sessions: Vec<_> = ["1", "2", "3"].map(|id| sim.login(&format!("ann/iphone/{id}"))).into();
    sim.login("ann/ipad/p");
    sim.close(sessions[0]);
    sim.close(sessions[2]);
    sim.login("ann/iphone/1");
    sim.reconfigure(|config| config.max_instances(Platform::Iphone, 2).policy(Policy::Dual));
    sim.news();
    sim.login("ann/iphone/4");
    // The order of login is 2, 3 (a registration), the iPad, 1 (anew); one iPhone may stay.
    assert_eq!(
        logins(&mut sim),
        [
            "close ann/iphone/2 kicked by iphone",
            "close ann/ipad/p kicked by iphone",
            "event ann/iphone/4 login register over iphone/2 iphone/3 ipad/p",
        ]
    );
}

/// ML-7: a device that logs in again replaces its old login, and counts as the newest.
#[test]
fn a_device_that_logs_in_again_replaces_its_old_login() {
    let mut sim = multi(Platform::Mac, 2);
    let old = sim.login("ann/mac/1");
    sim.login("ann/mac/2");
    sim.news();
    let new = sim.at(5).login("ann/mac/1");
    assert_eq!(sim.news(), ["5 close ann/mac/1 replaced", "5 event ann/mac/1 login register"]);
    assert!(!sim.is_live(old) && sim.is_live(new));
    sim.login("ann/mac/3");
    assert_eq!(
        logins(&mut sim),
        ["close ann/mac/2 kicked by mac", "event ann/mac/3 login register over mac/2"]
    );
    assert!(sim.is_live(new));
}

/// ML-7: the login of a device with a push registration takes it over, and nobody is displaced.
#[test]
fn a_registration_is_taken_over_by_its_own_device() {
    let mut sim = multi(Platform::Android, 2);
    let away = sim.login("ann/android/1");
    sim.login("ann/android/2");
    sim.close(away);
    sim.news();
    sim.login("ann/android/1");
    assert_eq!(sim.news(), ["0 event ann/android/1 login register"]);
    let stats = sim.engine.stats();
    assert_eq!((stats.sessions, stats.push_registrations), (2, 0));
}

/// ML-8: who is displaced by his own login stays Online, with his custom status; nobody is told.
#[test]
fn displacement_and_login_are_one_step() {
    let mut sim = Sim::new();
    let bob = sim.login("bob/web/w1");
    sim.watch(bob, &["ann"]);
    let ann = sim.login("ann/web/w1");
    sim.say(ann, "here");
    sim.inbox(bob);
    sim.news();
    for device in ["ann/mac/m1", "ann/android/a1", "ann/android/a1"] {
        sim.login(device);
        assert!(sim.news().iter().all(|line| !line.contains(" status ")));
        assert_eq!((sim.state("ann"), sim.custom("ann").as_str()), (State::Online, "here"));
    }
    assert_eq!(sim.inbox(bob), [""; 0]);
}

/// ML-9: the closed link names the newcomer's real platform; nothing is left for offline push.
#[test]
fn the_displaced_leave_no_registration() {
    for newcomer in Platform::ALL {
        let mut sim = Sim::new();
        let phone = sim.login("ann/iphone/1");
        sim.news();
        let session = sim.login(&format!("ann/{newcomer}/2"));
        let line = format!("close ann/iphone/1 kicked by {newcomer}");
        assert_eq!(logins(&mut sim)[0], line);
        sim.logout(session);
        assert_eq!(sim.state("ann"), State::Offline, "a kicked session");

        assert!(!sim.is_live(phone));
        let phone = sim.login("ann/iphone/1");
        sim.close(phone);
        sim.news();
        let session = sim.login(&format!("ann/{newcomer}/2"));
        let line = format!("event ann/{newcomer}/2 login register over iphone/1");
        assert_eq!(logins(&mut sim), [line], "no link is left to close");
        sim.logout(session);
        assert_eq!(sim.state("ann"), State::Offline, "a dropped registration");
    }
}

/// ML-11: one device, one platform taken literally, or all; earliest login first.
#[test]
fn the_host_forces_out_what_it_names() {
    let forced = |scope: Scope| {
        let mut sim = multi(Platform::Web, 4);
        for device in ["web/x", "mini_program/x", "mac/x", "web/y", "ipad/x"] {
            sim.login(&format!("ann/{device}"));
        }
        let ipad = sim.login("ann/ipad/x");
        sim.close(ipad);
        sim.news();
        sim.at(4).force_out("ann", &scope);
        logins(&mut sim)
    };
    assert_eq!(
        forced(Scope::Platform(Platform::Web)),
        [
            "close ann/web/x forced",
            "close ann/web/y forced",
            "event ann/web/x logout forced",
            "event ann/web/y logout forced",
        ]
    );
    let only = |platform, id| Scope::Device(platform, DeviceId::new(id));
    assert_eq!(
        forced(only(Platform::MiniProgram, "x")),
        ["close ann/mini_program/x forced", "event ann/mini_program/x logout forced"]
    );
    assert_eq!(forced(only(Platform::Ipad, "x")), ["event ann/ipad/x logout forced"]);
    assert_eq!(forced(only(Platform::Linux, "x")), [""; 0]);
    assert_eq!(forced(only(Platform::Web, "z")), [""; 0]);
    let all = forced(Scope::All);
    assert_eq!(all.len(), 4 + 5);
    assert_eq!(all[3], "close ann/web/y forced");
    assert_eq!(all[8], "event ann/ipad/x logout forced");
}

/// ML-12: a change of policy or limits kicks nobody, and acts from the next login on.
#[test]
fn a_change_acts_from_the_next_login() {
    let mut sim = multi(Platform::Mac, 3);
    for device in ["mac/1", "web/1", "mac/2", "mac/3"] {
        sim.login(&format!("ann/{device}"));
    }
    sim.news();
    sim.reconfigure(|config| config.policy(Policy::Single).max_instances(Platform::Mac, 1));
    sim.tick(10).quiet();
    assert_eq!(sim.engine.stats().sessions, 4);
    sim.login("ann/mac/2");
    assert_eq!(
        logins(&mut sim),
        [
            "close ann/mac/2 replaced",
            "close ann/mac/1 kicked by mac",
            "close ann/web/1 kicked by mac",
            "close ann/mac/3 kicked by mac",
            "event ann/mac/2 login register over mac/1 web/1 mac/3",
        ]
    );
}

/// ML-12: account mode, timeouts and work bound are fixed; a refused change changes nothing.
#[test]
fn some_fields_cannot_be_changed_while_running() {
    use presence_engine::{Accounts, Timeout};
    let mut sim = Sim::new();
    let old = sim.engine.config().clone();
    let changes = [
        ("accounts", old.to_builder().accounts(Accounts::Known)),
        ("timer_work_max", old.to_builder().timer_work_max(1)),
        ("timeouts.exit", old.to_builder().timeout(Timeout::Exit, 1)),
        ("timeouts.push", old.to_builder().timeout(Timeout::Push, 1)),
    ];
    for (field, change) in changes {
        let new = change.policy(Policy::Multi).build().expect("it is valid in itself");
        let error = sim.ask(|engine, now| engine.reconfigure(now, new));
        let error = error.expect_err("the field is fixed");
        assert_eq!((error.code(), error.field()), ("invalid_config", field));
        assert_eq!(error.to_string(), format!("{field} cannot be changed while the engine runs"));
        assert_eq!(*sim.engine.config(), old);
    }
}
