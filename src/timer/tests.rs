use super::*;
use crate::seeds;
use alloc::vec;

/// As if every owner that is popped were due: the tests put back the others themselves.
struct Due;

impl Owners for Due {
    fn deadline(&mut self, _: Owner, _: Timestamp) -> Option<Timestamp> {
        Some(Timestamp::ZERO)
    }

    fn foresight(&self, _: Timestamp) -> impl Fn(Owner) -> Option<Timestamp> {
        |_| None
    }
}

/// Returns who is popped, and when.
fn pop(wheel: &mut Wheel, until: Timestamp, budget: u64) -> (Vec<Owner>, Option<Timestamp>) {
    let (mut left, mut due) = (budget, Vec::new());
    let at = wheel.pop(until, &mut left, &mut Due, &mut due);
    (due, at)
}

/// TI-3, TI-5, TI-6: whatever moves, everybody is popped at his deadline, and fired by rank.
#[test]
fn owners_are_due_at_their_deadlines_whatever_moves() {
    seeds::random(20, oracle::check);
}

/// The same for what the fuzz target has found to reach most.
#[test]
fn seeds_of_timers_hold() {
    seeds::replay("timers", oracle::check);
}

/// TI-9: the last representable moment comes.
#[test]
fn the_end_of_time_is_a_deadline() {
    let mut wheel = Wheel::default();
    wheel.arm(Owner::Session(0), Timestamp::MAX);
    let mut popped = None;
    while let (owners, Some(now)) = pop(&mut wheel, Timestamp::MAX, u64::MAX) {
        assert_eq!(owners, [Owner::Session(0)]);
        popped = Some(now);
        if now < Timestamp::MAX {
            wheel.arm(owners[0], Timestamp::MAX);
        }
    }
    assert_eq!(popped, Some(Timestamp::MAX));
    assert_eq!(wheel.next(), None);
}

/// TI-5: a batch goes out by rank, however it came in, and may grow while it goes.
#[test]
fn a_batch_goes_out_by_rank() {
    let mut random = seeds::Random(1);
    let mut batch = Batch::default();
    let mut ranks: Vec<u64> = (0..5_000).collect();
    for at in (1..ranks.len()).rev() {
        ranks.swap(at, random.below(at as u64 + 1) as usize);
    }
    for &rank in &ranks[..4_500] {
        batch.push(rank, Owner::Session(rank as u32));
    }
    let mut waiting: Vec<u64> = ranks[..4_500].to_vec();
    for &late in &ranks[4_500..] {
        waiting.sort_unstable();
        assert_eq!(batch.pop(), Some(Owner::Session(waiting.remove(0) as u32)));
        batch.push(late, Owner::Session(late as u32));
        waiting.push(late);
    }
    waiting.sort_unstable();
    for rank in waiting {
        assert_eq!(batch.pop(), Some(Owner::Session(rank as u32)));
    }
    assert_eq!((batch.pop(), batch.len()), (None, 0));
}

/// A bound whose lower half is empty is as good as any, on 32 bits too.
#[test]
fn a_budget_beyond_32_bits_is_a_budget() {
    let mut wheel = Wheel::default();
    for slot in 0..6 {
        wheel.arm(Owner::Session(slot), Timestamp::from_millis(1_000));
    }
    let (mut left, mut due) = (1 << 32, Vec::new());
    let until = Timestamp::from_millis(1_000);
    while wheel.pop(until, &mut left, &mut Due, &mut due).is_some() {}
    assert_eq!((left, wheel.next()), ((1 << 32) - 6, None));
}

/// BI-2: of the room of a burst that has passed little is kept, for the next one.
#[test]
fn a_burst_leaves_little_room_behind() {
    let mut wheel = Wheel::default();
    let at = Timestamp::from_millis;
    let all = |wheel: &mut Wheel, until| while pop(wheel, until, u64::MAX).1.is_some() {};
    // A slot's own room, if it is little.
    (0..ROOM_KEPT as u32).for_each(|slot| {
        wheel.arm(Owner::Session(slot), at(90));
    });
    all(&mut wheel, at(90));
    assert_eq!((wheel.levels[0].slots[90].capacity(), wheel.spare.len()), (ROOM_KEPT, 0));
    let bursts = (0..12).map(|at| (at, ROOM_KEPT + 1)).chain([(20, SPARE_LEN_MAX + 1)]);
    for (at, count) in bursts {
        for nth in 0..count {
            let owner = Owner::Session((at * SPARE_LEN_MAX + nth) as u32);
            wheel.arm(owner, Timestamp::from_millis(100 + at as u64));
        }
    }
    all(&mut wheel, at(200));
    assert_eq!((wheel.check_invariants(), wheel.next()), (Ok(()), None));
    let slots = wheel.levels.iter().flat_map(|level| &level.slots);
    assert!(slots.clone().all(|entries| entries.capacity() <= ROOM_KEPT));
    assert_eq!(wheel.spare.len(), SPARE_MAX);
    assert!(wheel.spare.iter().all(|entries| entries.capacity() <= SPARE_LEN_MAX));
    // What is spare is for slots of the near future that have no room of their own.
    wheel.advance(at(300));
    for (slot, deadline, spare) in [(1, 256 + 90, 0), (2, 100_000, 0), (3, 256 + 101, 1)] {
        wheel.arm(Owner::Session(slot), at(deadline));
        assert_eq!(wheel.spare.len(), SPARE_MAX - spare, "{deadline}");
    }
}

/// While a slot is emptied in several calls, the only entry of another may leave it.
#[test]
fn a_slot_may_run_empty_while_another_is_emptied() {
    let mut wheel = Wheel::default();
    let at = Timestamp::from_millis;
    for (slot, deadline) in [(0, 10), (1, 10), (2, 20)] {
        wheel.arm(Owner::Session(slot), at(deadline));
    }
    let pop = |wheel: &mut Wheel| pop(wheel, at(20), 1);
    let popped = |slot, moment| (vec![Owner::Session(slot)], Some(at(moment)));
    assert_eq!(pop(&mut wheel), popped(1, 10));
    wheel.arm(Owner::Session(2), at(15));
    assert_eq!((wheel.check_invariants(), wheel.next()), (Ok(()), Some(at(10))));
    assert_eq!(pop(&mut wheel), popped(0, 10));
    assert_eq!(pop(&mut wheel), popped(2, 15));
    assert_eq!((pop(&mut wheel), wheel.next()), ((vec![], None), None));
}

/// However large a slot is, the entry that its place names is found; the last takes its place.
#[test]
fn an_entry_is_found_in_a_large_slot() {
    let at = Timestamp::from_millis;
    let mut wheel = Wheel::default();
    let count = 10_000;
    (0..count).for_each(|slot| {
        wheel.arm(Owner::Session(slot), at(200));
    });
    for (nth, slot) in (0..count).step_by(97).enumerate() {
        wheel.arm(Owner::Session(slot), at(1 + nth as u64));
        assert_eq!(wheel.check_invariants(), Ok(()));
    }
    for (nth, slot) in (0..count).step_by(97).enumerate() {
        let popped = (vec![Owner::Session(slot)], Some(at(1 + nth as u64)));
        assert_eq!(pop(&mut wheel, at(150), u64::MAX), popped);
    }
    let mut left = Vec::new();
    while let (owners, Some(_)) = pop(&mut wheel, at(200), u64::MAX) {
        left.extend(owners);
    }
    left.sort_unstable();
    assert!(left.into_iter().eq((0..count).filter(|slot| slot % 97 > 0).map(Owner::Session)));
}

/// Wherever an entry is, its place names the group in which it is, and is never none.
#[test]
fn places_are_of_32_bits() {
    for (level, slot) in [(0, 0), (3, 17), (7, 255)] {
        for at in [0, 15, 16, SMALL_GROUPS * GROUP, 5_000, 1 << 24, u32::MAX as usize] {
            let place = Place::new(level, slot, at);
            assert_ne!(place, Place::NONE);
            assert_eq!((place.level(), place.slot()), (level, slot));
            let (start, len) = place.group();
            assert!(start <= at && at - start < len, "{at}: {start} and {len} more");
        }
    }
}

/// Whenever it is, the levels follow each other without a gap up to the end of time.
#[test]
fn each_deadline_is_on_one_level() {
    let ends = (u64::MAX - 300..=u64::MAX).step_by(43).chain([u64::MAX]);
    for now in [0, 1, 255, 256, 0x1234_5678_9abc].into_iter().chain(ends) {
        let wheel = Wheel { now, ..Wheel::default() };
        let mut last = now.checked_sub(1);
        for level in 0..8 {
            let first = last.map_or(0, |last| last + 1);
            last = Some(wheel.last_on(level));
            assert_eq!(
                (wheel.level_of(first), wheel.level_of(wheel.last_on(level))),
                (level, level)
            );
            if last == Some(u64::MAX) {
                break;
            }
        }
        assert_eq!(last, Some(u64::MAX), "{now}");
    }
}
