use super::*;
use crate::seeds;

fn relations(users: u32) -> Relations {
    let mut relations = Relations::default();
    relations.admit(UserSlot(users - 1));
    relations
}

fn list(relations: &Relations, watcher: u32) -> Vec<u32> {
    relations.subscriptions(UserSlot(watcher)).map(|target| target.0).collect()
}

fn unsubscribe(relations: &mut Relations, watcher: u32, target: u32) -> bool {
    let mut dropped = Vec::new();
    relations.unsubscribe(UserSlot(watcher), &[UserSlot(target)], &mut dropped);
    !dropped.is_empty()
}

fn subscribe(relations: &mut Relations, watcher: u32, target: u32, max: u64) -> Vec<u32> {
    let evicted = subscribe_quietly(relations, watcher, &[target], max);
    assert_eq!(relations.check_invariants(), Ok(()));
    evicted
}

fn subscribe_quietly(
    relations: &mut Relations,
    watcher: u32,
    targets: &[u32],
    max: u64,
) -> Vec<u32> {
    let targets: Vec<_> = targets.iter().copied().map(UserSlot).collect();
    let mut evicted = Vec::new();
    relations.subscribe(UserSlot(watcher), &targets, max, &mut evicted);
    evicted.into_iter().map(|slot| slot.0).collect()
}

/// SU-2, BI-3: a request is taken whole wherever all of it fits: friends take no place of the list,
/// nor does who is on it already.
#[test]
fn a_request_that_fits_is_taken_whole() {
    let mut relations = relations(6);
    let watcher = UserSlot(0);
    assert!(!relations.watches_anybody(watcher));
    for friend in [1, 2] {
        relations.add_friend(watcher, UserSlot(friend), 2);
    }
    assert!(relations.watches_anybody(watcher) && !relations.has_subscriptions(watcher));
    for target in [3, 4] {
        subscribe(&mut relations, 0, target, 2);
    }
    let targets = [UserSlot(4), UserSlot(5)];
    assert!(relations.find_places(watcher, &targets, 3));
    assert!(!relations.find_places(watcher, &targets, 2));
}

/// SU-4, SU-7: a request taken whole does what its users do one after another.
#[test]
fn requests_are_like_their_parts() {
    let mut random = seeds::Random(1);
    let mut below = |bound: u32| random.below(bound.into()) as u32;
    for max in [3, 12, 25, 400] {
        let (mut whole, mut parts) = (relations(400), relations(400));
        for _ in 0..300 {
            let spread = [10, 40, 399][below(3) as usize];
            let targets: Vec<u32> = (0..below(60)).map(|_| 1 + below(spread)).collect();
            match below(4) {
                0 => {
                    let (friend, is_added) = (UserSlot(1 + below(spread)), below(3) > 0);
                    for relations in [&mut whole, &mut parts] {
                        if is_added {
                            relations.add_friend(UserSlot(0), friend, 100);
                        } else {
                            relations.remove_friend(UserSlot(0), friend);
                        }
                    }
                }
                1 => {
                    let slots: Vec<_> = targets.iter().copied().map(UserSlot).collect();
                    let mut dropped = Vec::new();
                    whole.unsubscribe(UserSlot(0), &slots, &mut dropped);
                    for &target in &targets {
                        let is_dropped = unsubscribe(&mut parts, 0, target);
                        let known = dropped.iter().position(|slot| slot.0 == target);
                        assert_eq!(known.map(|at| dropped.remove(at)).is_some(), is_dropped);
                    }
                    assert_eq!(dropped, []);
                }
                _ => {
                    let evicted = subscribe_quietly(&mut whole, 0, &targets, max);
                    let each = |&target| subscribe_quietly(&mut parts, 0, &[target], max);
                    assert_eq!(evicted, targets.iter().flat_map(each).collect::<Vec<_>>());
                }
            }
            assert_eq!(list(&whole, 0), list(&parts, 0));
            let friends = |relations: &Relations| {
                let mut friends: Vec<_> = relations.friends(UserSlot(0)).collect();
                friends.sort_unstable();
                friends
            };
            assert_eq!(friends(&whole), friends(&parts));
            assert_eq!(whole.check_invariants(), Ok(()));
        }
    }
}

/// SU-2, SU-3: the list is in age order, a repeat is the newest, the oldest goes.
#[test]
fn the_list_is_in_age_order() {
    let mut relations = relations(10);
    for target in 1..=4 {
        assert_eq!(subscribe(&mut relations, 0, target, 4), []);
    }
    assert_eq!(subscribe(&mut relations, 0, 2, 4), []);
    assert_eq!(list(&relations, 0), [1, 3, 4, 2]);
    assert_eq!(subscribe(&mut relations, 0, 5, 4), [1]);
    assert_eq!(subscribe(&mut relations, 0, 4, 2), [3, 2]);
    assert_eq!(list(&relations, 0), [5, 4]);
}

/// FR-3, SU-8: one edge for both kinds, which come and go by themselves.
#[test]
fn an_edge_can_be_both_kinds() {
    let mut relations = relations(10);
    let (me, other) = (UserSlot(0), UserSlot(5));
    for friend in [4, 5, 6] {
        assert!(relations.add_friend(me, UserSlot(friend), 3));
        assert!(relations.add_friend(me, UserSlot(friend), 3));
    }
    assert!(!relations.add_friend(me, UserSlot(7), 3));
    assert_eq!(subscribe(&mut relations, 0, 1, 9), []);
    assert_eq!(subscribe(&mut relations, 0, 5, 9), []);
    assert_eq!((relations.len(), list(&relations, 0)), (4, [1, 5].to_vec()));
    assert_eq!(relations.watchers(other).len(), 1);
    assert!(unsubscribe(&mut relations, 0, 5) && !unsubscribe(&mut relations, 0, 5));
    assert_eq!(relations.watchers(other).len(), 1);
    assert_eq!(subscribe(&mut relations, 0, 5, 9), []);
    relations.remove_friend(me, other);
    relations.remove_friend(me, other);
    relations.remove_friend(me, UserSlot(4));
    assert_eq!(relations.check_invariants(), Ok(()));
    assert_eq!(subscribe(&mut relations, 0, 6, 1), [1, 5]);
    assert_eq!(relations.len(), 1);
    let mut dropped = Vec::new();
    relations.clear_subscriptions(me, &mut dropped);
    assert_eq!((dropped, relations.len()), ([UserSlot(6)].to_vec(), 1));
    assert_eq!(relations.check_invariants(), Ok(()));
}

/// SU-7, FR-3: a friend who is unsubscribed leaves the others in their order.
#[test]
fn those_who_stay_keep_their_order() {
    for gone in 1..=5 {
        let mut relations = relations(10);
        for target in 1..=5 {
            assert_eq!(subscribe(&mut relations, 0, target, 9), []);
        }
        assert!(relations.add_friend(UserSlot(0), UserSlot(gone), 9));
        assert!(unsubscribe(&mut relations, 0, gone));
        let left: Vec<u32> = (1..=5).filter(|&target| target != gone).collect();
        assert_eq!(list(&relations, 0), left);
        assert_eq!(relations.check_invariants(), Ok(()));
    }
}

/// A popular user's watchers are indexed, and leave in any order.
#[test]
fn a_popular_user_keeps_an_index() {
    let mut relations = relations(2_000);
    for watcher in 1..2_000 {
        assert_eq!(subscribe_quietly(&mut relations, watcher, &[0], 9), []);
        assert!(relations.add_friend(UserSlot(watcher), UserSlot(watcher - 1), 9));
    }
    assert_eq!(relations.check_invariants(), Ok(()));
    for step in 1..2_000 {
        let watcher = UserSlot(step * 7 % 2_000);
        if watcher.0 % 3 == 0 {
            unsubscribe(&mut relations, watcher.0, 0);
        } else {
            relations.remove_user(watcher, &mut Vec::new());
        }
        if step % 97 == 0 {
            assert_eq!(relations.check_invariants(), Ok(()));
        }
    }
    assert_eq!(relations.check_invariants(), Ok(()));
    let left = relations.watchers(UserSlot(0)).len();
    assert!(left <= 1, "{left} left");
}

#[test]
fn an_entry_is_found_wherever_it_stands() {
    for len in 0..300u32 {
        let entries: Vec<u32> = (0..len).map(|slot| slot | SUBSCRIPTION).collect();
        for slot in 0..len {
            assert_eq!(find(&entries, slot), Some(slot as usize));
        }
        assert_eq!(find(&entries, len), None);
    }
}

/// SU, FR, NO-2: whatever is asked, in lists of any length, the relations are what vectors say.
#[test]
fn relations_are_like_vectors() {
    seeds::random(20, oracle::check);
}

/// The same for what the fuzz target has found to reach most.
#[test]
fn seeds_of_relations_hold() {
    seeds::replay("relations", oracle::check);
}
