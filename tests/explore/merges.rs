//! The canonical form by itself: which paths lead to one state, and which do not.

use presence_engine::{Policy, Rate};

use crate::alphabet::{Alphabet, alphabets};
use crate::common::op::Patch;
use crate::common::seeds::Random;
use crate::search::follow;
use crate::step::*;
use crate::world::World;

const PHONE: &str = "ann/android/a";
const MINI: &str = "ann/mini_program/m";
const BOB: &str = "bob/android/b";

/// Enough to tell states apart.
fn alphabet(name: &'static str, start: u64) -> Alphabet {
    Alphabet {
        name,
        config: Patch {
            policy: Some(Ok(Policy::Multi)),
            limits: [Some(2), None, None, None, Some(2), None],
            rates: [Some(Rate::new(2, 3)); 3],
            timeouts: [5, 5, 5, 3, 2, 4, 4].map(Some),
            on_reconnect: Some(true),
            ..Patch::default()
        },
        work: 4_096,
        start,
        steps: [
            each(&[PHONE, MINI, BOB], &[login, closed, reconnect]),
            each(&["ann/android/b"], &[login]),
            vec![
                query(PHONE, &["bob"]),
                query(MINI, &["bob"]),
                subscribe(PHONE, &["cat"]),
                befriend("ann", "cat"),
                say("ann/android/b", "x"),
                force_out("ann", None, None),
                tick().at(When::NoteEnd),
            ],
            time(),
        ]
        .concat(),
    }
}

fn sit(count: usize) -> Vec<Step> {
    vec![tick().at(When::One); count]
}

/// Follows two paths as if they led to one state, once for each of many seeds.
fn follow_both(
    alphabet: &Alphabet,
    paths: &[Vec<Step>; 2],
) -> impl Iterator<Item = Result<(), String>> {
    let [first, second] = paths.each_ref().map(|path| World::after(alphabet, path));
    (0..1_000).map(move |seed| {
        let (first, second) = (first.model.clone(), second.clone());
        follow(alphabet, first, second, &mut Random(seed << 16), &mut Vec::new())
    })
}

/// Returns whether there are steps whose lines differ.
fn can_be_told_apart(alphabet: &Alphabet, paths: &[Vec<Step>; 2]) -> bool {
    follow_both(alphabet, paths)
        .any(|outcome| outcome.is_err_and(|difference| difference.contains("do not behave alike")))
}

fn have_one_form(alphabet: &Alphabet, paths: &[Vec<Step>; 2]) -> bool {
    let [first, second] =
        paths.each_ref().map(|path| World::after(alphabet, path).model.canonical());
    first == second
}

#[test]
fn paths_that_no_future_tells_apart_lead_to_one_state() {
    let alphabet = alphabet("merges", 1_000);
    let kicked =
        || vec![login(PHONE), closed(PHONE), login("ann/android/b"), logout("ann/android/b")];
    let pairs = [
        // The clock, session ids, and records that say nothing.
        [vec![], sit(7)],
        [vec![], vec![login(PHONE), logout(PHONE)]],
        [vec![], vec![befriend("ann", "bob"), unfriend("ann", "bob")]],
        [vec![login(PHONE)], vec![login(PHONE), login(PHONE)]],
        [vec![login(PHONE)], vec![login(PHONE), sit(1).remove(0), heartbeat(PHONE)]],
        // Friends have no order.
        [
            vec![befriend("ann", "bob"), befriend("ann", "cat")],
            vec![befriend("ann", "cat"), befriend("ann", "bob")],
        ],
        // Nor have push registrations of two users, but for when each began to wait.
        [
            vec![login(PHONE), login(BOB), closed(PHONE), closed(BOB)],
            vec![login(BOB), login(PHONE), closed(PHONE), closed(BOB)],
        ],
        // A token of 2 in 3 ms is back after 2 ms, with something over.
        [
            [vec![login(PHONE), query(PHONE, &["bob"])], sit(2), vec![heartbeat(PHONE)]].concat(),
            vec![login(PHONE)],
        ],
        // A note that is spent, and one that is gone.
        [vec![], [kicked(), vec![reconnect(PHONE)]].concat()],
        [vec![], [kicked(), vec![tick().at(When::NoteEnd)]].concat()],
    ];
    for (nth, paths) in pairs.iter().enumerate() {
        assert!(have_one_form(&alphabet, paths), "pair {nth}");
        let unlike = follow_both(&alphabet, paths).take(100).find(Result::is_err);
        assert_eq!(unlike, None, "pair {nth}");
    }
}

/// Pairs of paths of which something is left that the future depends on.
fn different_paths() -> Vec<[Vec<Step>; 2]> {
    let both = |first, second| vec![login(first), login(second)];
    // The same, and then a millisecond in which nothing but the session is heard from.
    let later = |path: Vec<Step>, of: &[&str]| {
        [path.clone(), [path, sit(1), each(of, &[heartbeat])].concat()]
    };
    let kicked = vec![login(PHONE), closed(PHONE), login("ann/android/b"), logout("ann/android/b")];
    vec![
        // When a session was heard, when a mini program was left, and how.
        later(vec![login(PHONE)], &[]),
        later(vec![login(MINI), background(MINI)], &[MINI]),
        later(vec![login(MINI), exit(MINI)], &[MINI]),
        [vec![login(MINI), background(MINI)], vec![login(MINI), exit(MINI)]],
        // When a push registration began to wait for its end, and a list.
        later(vec![login(PHONE), closed(PHONE)], &[]),
        later(
            [vec![login(MINI), subscribe(MINI, &["bob"])], sit(2), vec![closed(MINI)]].concat(),
            &[],
        ),
        // The order of sessions due together, of devices, and of push registrations.
        [both(PHONE, BOB), both(BOB, PHONE)],
        [both(PHONE, MINI), both(MINI, PHONE)],
        [
            [both(PHONE, BOB), vec![closed(PHONE), closed(BOB)]].concat(),
            [both(PHONE, BOB), vec![closed(BOB), closed(PHONE)]].concat(),
        ],
        // The order of a list, and the number of friends.
        [
            vec![login(PHONE), subscribe(PHONE, &["bob", "dan"])],
            vec![login(PHONE), subscribe(PHONE, &["dan", "bob"])],
        ],
        [vec![befriend("ann", "bob"), befriend("ann", "dan")], vec![befriend("ann", "bob")]],
        // A token of 2 in 3 ms is not back after 1 ms.
        [
            [vec![login(PHONE), query(PHONE, &["bob"])], sit(1), vec![heartbeat(PHONE)]].concat(),
            vec![login(PHONE)],
        ],
        // A note, and how old it is.
        [kicked.clone(), vec![]],
        later(kicked, &[]),
        [vec![login(PHONE), policy(Policy::Single)], vec![login(PHONE)]],
    ]
}

/// Also shows that following a false merge fails.
#[test]
fn paths_that_a_future_tells_apart_lead_to_two_states() {
    let alphabet = alphabet("no merges", 1_000);
    for (nth, paths) in different_paths().iter().enumerate() {
        assert!(!have_one_form(&alphabet, paths), "pair {nth}");
        assert!(can_be_told_apart(&alphabet, paths), "pair {nth}");
    }
}

/// AC-2: who is known matters only where not all are.
#[test]
fn who_is_known_matters_in_the_mode_of_known_accounts() {
    let mut all = alphabets();
    all.retain(|alphabet| alphabet.name == "accounts");
    let paths = [vec![register("cat")], vec![]];
    assert!(!have_one_form(&all[0], &paths));
    assert!(can_be_told_apart(&all[0], &paths));
    assert!(have_one_form(&alphabet("open", 1_000), &paths));
}

/// TI-9: near the end of time it matters how much is left.
#[test]
fn the_end_of_time_is_in_sight_from_near() {
    for (start, is_one) in [(1_000, true), (u64::MAX - 50, false)] {
        let paths = [vec![], sit(1)];
        assert_eq!(have_one_form(&alphabet("the end", start), &paths), is_one, "{start}");
    }
}
