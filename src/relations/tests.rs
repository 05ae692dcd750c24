use super::*;

fn relations(users: u32) -> Relations {
    let mut relations = Relations::default();
    relations.admit(UserSlot(users - 1));
    relations
}

fn list(relations: &Relations, watcher: u32) -> Vec<u32> {
    let lists = &relations.lists[watcher as usize];
    lists.watched[lists.subscriptions_start()..].iter().map(|entry| entry & SLOT).collect()
}

fn subscribe(relations: &mut Relations, watcher: u32, target: u32, max: u64) -> Vec<u32> {
    let mut evicted = Vec::new();
    relations.subscribe(UserSlot(watcher), UserSlot(target), max, &mut evicted);
    assert_eq!(relations.check_invariants(), Ok(()));
    evicted.into_iter().map(|slot| slot.0).collect()
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
    assert!(relations.unsubscribe(me, other) && !relations.unsubscribe(me, other));
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
        assert!(relations.unsubscribe(UserSlot(0), UserSlot(gone)));
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
        relations.subscribe(UserSlot(watcher), UserSlot(0), 9, &mut Vec::new());
        assert!(relations.add_friend(UserSlot(watcher), UserSlot(watcher - 1), 9));
    }
    assert_eq!(relations.check_invariants(), Ok(()));
    for step in 1..2_000 {
        let watcher = UserSlot(step * 7 % 2_000);
        if watcher.0 % 3 == 0 {
            relations.unsubscribe(watcher, UserSlot(0));
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
    for len in 0..100u32 {
        let entries: Vec<u32> = (0..len).map(|slot| slot | SUBSCRIPTION).collect();
        for slot in 0..len {
            assert_eq!(find(&entries, slot), Some(slot as usize));
        }
        assert_eq!(find(&entries, len), None);
    }
}
