use super::*;
use crate::seeds;

/// As if every owner that is popped were due: the tests put back the others themselves.
fn is_due(_: Owner) -> Option<Timestamp> {
    Some(Timestamp::ZERO)
}

fn budget() -> u64 {
    u64::MAX
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
    while let Some((owner, now)) = wheel.pop(Timestamp::MAX, &mut budget(), is_due, |_| 0) {
        popped = Some(now);
        if now < Timestamp::MAX {
            wheel.arm(owner, Timestamp::MAX);
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
    let mut left = (1 << 32) + 5;
    for _ in 0..6 {
        assert!(wheel.pop(Timestamp::from_millis(1_000), &mut left, is_due, |_| 0).is_some());
    }
    assert_eq!(wheel.pop(Timestamp::from_millis(1_000), &mut left, is_due, |_| 0), None);
    assert_eq!(left, (1 << 32) - 1);
}
