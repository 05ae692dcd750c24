use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// As if every owner that is popped were due: the tests put back the others themselves.
fn is_due(_: Owner) -> Option<Timestamp> {
    Some(Timestamp::ZERO)
}

fn budget() -> u64 {
    u64::MAX
}

/// A small generator, so that the test needs no clock and no seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Short and long spans alike.
    fn span(&mut self) -> u64 {
        let bits = self.below(31);
        self.below(1 << bits)
    }
}

/// TI-3, TI-6: every owner is popped at its deadline, none is passed over, and `next` is never
/// late.
#[test]
fn owners_are_due_at_their_deadlines_whatever_moves() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let mut wheel = Wheel::default();
        let mut deadlines = [None; 20];
        let mut now = random.below(1 << 20) << random.below(44);
        wheel.advance(at(now));
        for _ in 0..400 {
            let slot = random.below(20) as u32;
            match random.below(4) {
                0 => {
                    wheel.cancel(Owner::User(slot).into());
                    deadlines[slot as usize] = None;
                }
                1 | 2 => {
                    let span = random.span() + 1;
                    let deadline = now.saturating_add(span << random.below(20));
                    deadlines[slot as usize] = Some(deadline);
                    assert!(wheel.arm(Owner::User(slot), at(deadline)) <= at(deadline));
                }
                _ => {
                    let earliest = deadlines.iter().flatten().min();
                    assert!(
                        wheel.next() <= earliest.map(|&millis| at(millis)) || earliest.is_none()
                    );
                    let until = match (earliest, random.below(3)) {
                        (Some(&millis), 0) => millis,
                        (Some(&millis), 1) => millis - 1,
                        _ => now.saturating_add(random.span()),
                    };
                    now = now.max(until);
                    fire(&mut wheel, &mut deadlines, now);
                }
            }
            assert_eq!(wheel.check_invariants(), Ok(()));
        }
    }
}

fn fire(wheel: &mut Wheel, deadlines: &mut [Option<u64>], until: u64) {
    while let Some((owner, popped)) = wheel.pop(at(until), &mut budget(), is_due, |_| 0) {
        let Owner::User(slot) = owner else { unreachable!("only users are armed") };
        match deadlines[slot as usize] {
            Some(deadline) if deadline > popped.as_millis() => {
                wheel.arm(owner, at(deadline));
            }
            Some(deadline) => {
                assert_eq!(deadline, popped.as_millis());
                deadlines[slot as usize] = None;
            }
            None => {}
        }
    }
    wheel.advance(at(until));
    assert!(deadlines.iter().flatten().all(|&deadline| deadline > until));
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
    let mut random = Random(1);
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
