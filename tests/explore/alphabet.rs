//! The alphabets: for each area of the rules a configuration of small numbers, and the inputs that
//! are tried in every state.

use presence_engine::{Accounts, Config, Groups, Platform, Policy, Rate, Tier};

use crate::common::op::Patch;
use crate::common::sim::WEEK;
use crate::step::*;

/// The users who are compared in every state. An alphabet names some of them.
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "cat"];

pub(crate) struct Alphabet {
    pub(crate) name: &'static str,
    pub(crate) config: Patch,
    pub(crate) work: u64,
    /// The stamp before the first step.
    pub(crate) start: u64,
    pub(crate) steps: Vec<Step>,
}

impl Alphabet {
    pub(crate) fn config(&self) -> Config {
        let config = self.config.apply(&Config::default()).map(|config| config.to_builder());
        config
            .and_then(|builder| builder.timer_work_max(self.work).build())
            .expect("the alphabet's configuration is valid")
    }
}

/// All alphabets, those of few states first: what they leave of a bound is for the others.
pub(crate) fn alphabets() -> Vec<Alphabet> {
    vec![
        mini_program(),
        accounts(),
        subscriptions(),
        end_of_time(),
        buckets(),
        platforms(),
        kicked_away(),
        logins(),
        friends(),
        everything(),
    ]
}

/// LV-2, LV-3: a mini program beside a phone, whose three delays and a watcher's meet.
fn mini_program() -> Alphabet {
    let mini = "ann/mini_program/m";
    Alphabet {
        name: "mini-program",
        config: Patch {
            policy: Some(Ok(Policy::Dual)),
            timeouts: [5, 4, 3, 5, 4, 3, 2].map(Some),
            ..Patch::default()
        },
        work: 1,
        // A wheel's second level begins a little later.
        start: 65_530,
        steps: [
            each(&[mini, "ann/android/a", "bob/web/b"], &[login, closed, heartbeat]),
            each(&[mini], &[background, foreground, exit, logout, stale]),
            each(&["ann/android/a"], &[background, exit, foreground]),
            vec![
                befriend("bob", "ann"),
                say(mini, "x"),
                force_out("ann", Some(Platform::MiniProgram), None),
                background(mini).at(When::Back),
                background(mini).at(When::Deadline),
                exit(mini).at(When::Deadline),
                heartbeat(mini).at(When::Deadline),
                login(mini).at(When::Deadline),
                login("ann/android/a").at(When::Deadline),
            ],
            time(),
        ]
        .concat(),
    }
}

/// LI-3 to LI-6: two devices of a user share buckets of 2 in 3 ms, whose rates change. Two more
/// users are known, so that buckets hear of a change late.
fn buckets() -> Alphabet {
    let (web, mac) = ("ann/web/w", "ann/mac/m");
    let rates = |requests, per_ms| Patch {
        rates: [Some(Rate::new(requests, per_ms)), Some(Rate::new(requests + 1, per_ms)), None],
        ..Patch::default()
    };
    Alphabet {
        name: "buckets",
        config: Patch {
            policy: Some(Ok(Policy::Multi)),
            rates: [Some(Rate::new(2, 3)); 3],
            timeouts: [3; 7].map(Some),
            ..Patch::default()
        },
        work: 4_096,
        start: 250,
        steps: [
            each(&[web, mac], &[login, logout]),
            vec![
                befriend("bob", "cat"),
                query(web, &["bob"]),
                query(mac, &["ann", "bob"]),
                query(web, &["ann"]),
                query(web, &[]).refused(),
                subscribe(web, &["bob"]),
                subscribe(mac, &["ann"]),
                unsubscribe(mac, &[]),
                remove_user("ann"),
                reconfigure(rates(1, 2)),
                reconfigure(rates(2, 3)),
                reconfigure(rates(3, 2)),
            ],
            time(),
        ]
        .concat(),
    }
}

/// ML-1 to ML-9, ML-11, ML-12: policies and instance limits that change under phones that come and
/// go.
fn logins() -> Alphabet {
    let phones = ["ann/android/a", "ann/android/b", "ann/iphone/a"];
    Alphabet {
        name: "login",
        config: Patch {
            policy: Some(Ok(Policy::Dual)),
            timeouts: [3, 2, 2, 2, 2, 4, 2].map(Some),
            ..Patch::default()
        },
        work: 1,
        start: 254,
        steps: [
            each(&phones, &[login, closed, logout]),
            each(&["ann/web/a", "bob/web/b"], &[login, closed]),
            each(&["ann/android/a"], &[reconnect, heartbeat, stale]),
            vec![
                befriend("bob", "ann"),
                say("ann/android/a", "x"),
                force_out("ann", None, None),
                force_out("ann", Some(Platform::Android), None),
                force_out("ann", Some(Platform::Android), Some("b")),
                policy(Policy::Single),
                policy(Policy::Dual),
                policy(Policy::Multi),
                instances(Platform::Android, 1),
                instances(Platform::Android, 2),
                login("ann/android/b").at(When::Deadline),
            ],
            time(),
        ]
        .concat(),
    }
}

/// ML-2, ML-3, ML-6: every policy over one device of many platforms, without time.
fn platforms() -> Alphabet {
    let devices = [
        "ann/android/d",
        "ann/ipad/d",
        "ann/windows/d",
        "ann/linux/d",
        "ann/web/d",
        "ann/mini_program/d",
    ];
    let groups = Groups::new([
        vec![Platform::Android, Platform::Windows],
        vec![Platform::Ipad, Platform::Linux, Platform::Web],
        vec![Platform::Iphone, Platform::Mac],
    ]);
    Alphabet {
        name: "platforms",
        config: Patch { timeouts: [1 << 40; 7].map(Some), ..Patch::default() },
        work: 4_096,
        start: 0,
        steps: [
            each(&devices, &[login, closed]),
            each(&["ann/windows/d", "ann/ipad/d"], &[logout]),
            vec![
                policy(Policy::Single),
                policy(Policy::Dual),
                policy(Policy::Triple),
                policy(Policy::Multi),
                policy(Policy::Groups(groups.expect("each platform is in one group"))),
                instances(Platform::Web, 1),
                instances(Platform::Web, 2),
                force_out("ann", Some(Platform::Web), None),
            ],
        ]
        .concat(),
    }
}

/// ML-10: phones displaced while they were away, over the life of a note.
fn kicked_away() -> Alphabet {
    let phones = ["ann/android/a", "ann/iphone/a", "ann/ipad/a"];
    let switches = |on_reconnect, on_login| {
        reconfigure(Patch {
            on_reconnect: Some(on_reconnect),
            on_login: Some(on_login),
            ..Patch::default()
        })
    };
    Alphabet {
        name: "kicked away",
        config: Patch {
            timeouts: [WEEK / 2, WEEK, WEEK, 1, 1, WEEK, WEEK].map(Some),
            on_reconnect: Some(true),
            ..Patch::default()
        },
        work: 1,
        start: 3,
        steps: [
            each(&phones, &[login, closed, reconnect]),
            each(&["ann/web/a"], &[login]),
            vec![
                switches(false, true),
                switches(true, false),
                switches(true, true),
                policy(Policy::Single),
                policy(Policy::Multi),
                force_out("ann", None, None),
                remove_user("ann"),
                logout("ann/android/a"),
                reconnect("ann/android/a").at(When::NoteEnd),
                tick().at(When::NoteEnd),
                reconnect("ann/iphone/a").at(When::BeforeNoteEnd),
                tick().at(When::BeforeNoteEnd),
            ],
            time(),
        ]
        .concat(),
    }
}

/// AC: users who are registered, known and removed, and what is kept of those who are not.
fn accounts() -> Alphabet {
    let (ann, bob) = ("ann/iphone/i", "bob/android/a");
    Alphabet {
        name: "accounts",
        config: Patch {
            accounts: Some(Accounts::Known),
            rates: [Some(Rate::new(1, 1)); 3],
            timeouts: [2, 4, 4, 4, 4, 2, 2].map(Some),
            ..Patch::default()
        },
        work: 1,
        start: 250,
        steps: [
            each(&[ann, bob], &[login, closed, logout]),
            each(&[ann], &[stale]),
            ["ann", "bob", "cat"].map(register).to_vec(),
            ["ann", "bob", "cat"].map(remove_user).to_vec(),
            vec![
                subscribe(ann, &["bob", "cat"]),
                subscribe(bob, &["ann"]),
                query(ann, &["cat", "bob"]),
                unsubscribe(ann, &["cat"]),
                befriend("ann", "cat"),
                befriend("bob", "ann"),
                unfriend("bob", "ann"),
                say(bob, "x"),
                remove_user("bob").at(When::Deadline),
            ],
            time(),
        ]
        .concat(),
    }
}

/// FR, NO-4: friends both ways, and the tier and the switches on which it depends who is told.
fn friends() -> Alphabet {
    let (ann, bob, cat) = ("ann/web/w", "bob/android/a", "cat/web/w");
    let tier = |tier| reconfigure(Patch { tier: Some(tier), ..Patch::default() });
    let friend_switch = |on| reconfigure(Patch { friend_switch: Some(on), ..Patch::default() });
    let status_switch = |on| reconfigure(Patch { status_switch: Some(on), ..Patch::default() });
    Alphabet {
        name: "friends",
        config: Patch {
            limits: [None, None, None, None, Some(1), Some(1)],
            rates: [Some(Rate::new(1, 1)); 3],
            timeouts: [3, 9, 9, 9, 9, 2, 2].map(Some),
            ..Patch::default()
        },
        work: 4_096,
        start: 250,
        steps: [
            each(&[ann, bob, cat], &[login, closed]),
            vec![
                befriend("ann", "bob"),
                befriend("ann", "cat"),
                befriend("bob", "ann"),
                befriend("cat", "bob"),
                befriend("bob", "bob").refused(),
                unfriend("ann", "bob"),
                unfriend("bob", "ann"),
                subscribe(ann, &["bob"]),
                subscribe(cat, &["bob"]),
                unsubscribe(ann, &["bob"]),
                say(bob, "x"),
                say(bob, "long").refused(),
                say(bob, ""),
                tier(Tier::Trial),
                tier(Tier::Flagship),
                friend_switch(false),
                friend_switch(true),
                status_switch(false),
                status_switch(true),
                remove_user("bob"),
            ],
            time(),
        ]
        .concat(),
    }
}

/// SU: a list of at most 2 of 3 users, which its owner's devices share, and its clearing.
fn subscriptions() -> Alphabet {
    let (web, phone) = ("ann/web/w", "ann/android/a");
    let cap = |cap| {
        let limits = [Some(cap), None, None, None, None, None];
        reconfigure(Patch { limits, ..Patch::default() })
    };
    Alphabet {
        name: "subscriptions",
        config: Patch {
            policy: Some(Ok(Policy::Dual)),
            limits: [Some(2), None, Some(3), Some(2), None, None],
            rates: [Some(Rate::new(1, 1)); 3],
            timeouts: [3, 2, 2, 2, 2, 3, 2].map(Some),
            ..Patch::default()
        },
        work: 1,
        start: 65_530,
        steps: [
            each(&[web, phone], &[login, closed, logout]),
            each(&["bob/web/w"], &[login, closed]),
            vec![
                subscribe(web, &["bob"]),
                subscribe(web, &["cat"]),
                subscribe(phone, &["dan"]),
                subscribe(web, &["bob", "cat", "dan"]),
                subscribe(web, &["cat", "ann", "cat"]),
                subscribe(web, &["bob", "cat", "dan", "bob"]).refused(),
                unsubscribe(web, &["bob"]),
                unsubscribe(web, &["dan", "ann"]),
                unsubscribe(phone, &[]),
                befriend("ann", "bob"),
                unfriend("ann", "bob"),
                say("bob/web/w", "x"),
                remove_user("cat"),
                cap(1),
                cap(2),
            ],
            time(),
        ]
        .concat(),
    }
}

/// TI-9: what a day before the end of time would do, in milliseconds.
fn end_of_time() -> Alphabet {
    let (web, phone, mini) = ("ann/web/w", "ann/android/a", "ann/mini_program/m");
    Alphabet {
        name: "end of time",
        config: Patch {
            policy: Some(Ok(Policy::Multi)),
            rates: [Some(Rate::new(1, 2)); 3],
            timeouts: [4, 2, 6, 3, 2, 3, 4].map(Some),
            ..Patch::default()
        },
        work: 1,
        start: u64::MAX - 8,
        steps: [
            each(&[web, phone, mini], &[login, closed]),
            each(&[mini], &[background, exit]),
            vec![
                subscribe(phone, &["bob"]),
                query(web, &["bob"]),
                say(phone, "x"),
                logout(phone),
                remove_user("ann"),
                login(phone).at(When::Deadline),
                heartbeat(phone).at(When::One),
            ],
            time(),
        ]
        .concat(),
    }
}

/// Every operation, of two users with two devices each.
fn everything() -> Alphabet {
    let (phone, web) = ("ann/android/a", "ann/web/w");
    let (mini, mac) = ("bob/mini_program/m", "bob/mac/m");
    Alphabet {
        name: "everything",
        config: Patch {
            policy: Some(Ok(Policy::Dual)),
            limits: [Some(1), Some(2), Some(2), Some(2), Some(1), Some(1)],
            rates: [Some(Rate::new(2, 3)); 3],
            timeouts: [4, 3, 4, 2, 1, 3, 2].map(Some),
            on_reconnect: Some(true),
            ..Patch::default()
        },
        work: 1,
        start: 250,
        steps: [
            each(&[phone, web, mini, mac], &[login, closed, logout, heartbeat, stale]),
            each(&[phone, mini], &[reconnect, background, foreground, exit]),
            vec![
                say(phone, "x"),
                say(phone, ""),
                say(mac, "y"),
                query(web, &["bob", "ann"]),
                subscribe(web, &["bob"]),
                subscribe(mac, &["ann"]),
                subscribe(mac, &["cat"]),
                unsubscribe(mac, &["ann"]),
                unsubscribe(web, &[]),
                befriend("bob", "ann"),
                unfriend("bob", "ann"),
                force_out("ann", None, None),
                force_out("bob", Some(Platform::Mac), Some("m")),
                register("cat"),
                remove_user("ann"),
                remove_user("bob"),
                policy(Policy::Single),
                policy(Policy::Dual),
            ],
            time(),
        ]
        .concat(),
    }
}
