//! The wheel and the batch beside a plain list of deadlines: what the tests and the fuzz target
//! `timers` run, over bytes.
//!
//! The list knows when everybody is due, and nothing of entries, levels and slots. Beside it the
//! wheel must pop exactly those who are due, each at its moment, and never ask to be called later
//! than that; a call too early must find nothing to do; and the work of all calls together must
//! keep within what was asked of the wheel.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};

use super::{Batch, Owner, Owners, Wheel};
use crate::time::Timestamp;

/// More find nothing more, and one input would take too long.
const OPS_MAX: usize = 100;
/// How many owners there are: enough for several runs of a batch.
const CROWD: u32 = 4_000;
const CROWD_STEP: u32 = CROWD / 16;
/// How often an entry is taken out at most for each time that its owner's deadline is set: on each
/// level once, and once at the moment from before.
const TAKEN_MAX: u64 = 9;

/// What happens to the timers.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Op {
    /// Sets a deadline, whatever it was.
    Arm { who: u8, at: Moment },
    /// Sets one deadline for many.
    ArmMany { from: u16, count: u8, at: Moment },
    /// Moves a deadline away without a word to the wheel.
    PutOff { who: u8, at: Moment },
    /// Takes a deadline away without a word to the wheel.
    TurnOff { who: u8 },
    /// Lets time pass, with so much work a call. Some of those who are due get another deadline.
    Pass { until: Until, budget: u8, order: u8, again: u8, at: Moment },
}

/// A moment, as seen from another.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Moment {
    After {
        bits: u8,
        span: u8,
    },
    /// Near the beginning of a slot of a level.
    Border {
        level: u8,
        slots: u8,
        off: i8,
    },
    Past(u8),
    End(u8),
}

impl Moment {
    fn seen_from(self, now: u64) -> u64 {
        match self {
            Self::After { bits, span } => {
                now.saturating_add(u64::from(span).checked_shl(bits.into()).unwrap_or(u64::MAX))
            }
            Self::Border { level, slots, off } => {
                let shift = u32::from(level % 8) * 8;
                let slot = (now >> shift).saturating_add(u64::from(slots));
                let start = slot.saturating_mul(1 << shift);
                start.saturating_add_signed(off.into())
            }
            Self::Past(span) => now.saturating_sub(span.into()),
            Self::End(before) => u64::MAX - u64::from(before),
        }
    }
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Until {
    Moment(Moment),
    /// The earliest deadline.
    Due,
    BeforeDue,
    /// When the wheel asks to be called.
    Next,
    BeforeNext,
}

/// Runs the operations that some bytes stand for.
pub(crate) fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut timers = Timers::default();
    let Ok(start) = Moment::arbitrary(&mut bytes) else { return };
    timers.advance(start.seen_from(0));
    for number in 0..OPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut bytes) else { break };
        timers.run(op);
        assert_eq!(timers.wheel.check_invariants(), Ok(()), "after {op:?}, number {number}");
        let is_asked_for = |at| timers.wheel.next().is_some_and(|next| next <= stamp(at));
        assert!(timers.earliest().is_none_or(is_asked_for), "after {op:?}, number {number}");
    }
    timers.run(Op::Pass {
        until: Until::Moment(Moment::End(0)),
        budget: 0,
        order: 0,
        again: 0,
        at: Moment::Past(0),
    });
    assert_eq!(timers.wheel.next(), None, "at the end of time everybody has been popped");
}

#[derive(Default)]
struct Timers {
    wheel: Wheel,
    now: u64,
    /// When each is due who has a deadline, and who they are in the order of their deadlines.
    due: BTreeMap<Owner, u64>,
    sorted: BTreeSet<(u64, Owner)>,
    batch: Batch,
    /// What the batch holds, lowest rank first.
    ranked: Vec<(u64, Owner)>,
    /// How often a deadline was set, and how many entries were taken out.
    count: u64,
    taken: u64,
}

/// How time passes.
#[derive(Clone, Copy)]
struct Pass {
    budget: u64,
    order: u8,
    /// How many more of those who are due get another deadline, and which.
    again: u8,
    at: Moment,
}

impl Timers {
    fn run(&mut self, op: Op) {
        match op {
            Op::Arm { who, at } => self.arm(owner(who.into()), at.seen_from(self.now)),
            Op::ArmMany { from, count, at } => {
                let at = at.seen_from(self.now);
                let count = match u32::from(count) {
                    few @ ..240 => few % 16,
                    many => (many - 239) * CROWD_STEP,
                };
                for nth in 0..count {
                    self.arm(owner((u32::from(from) + nth) % CROWD), at);
                }
            }
            Op::PutOff { who, at } => {
                let at = at.seen_from(self.now);
                if let Some(&due) = self.due.get(&owner(who.into())) {
                    self.set(owner(who.into()), at.max(due));
                }
            }
            Op::TurnOff { who } => self.unset(owner(who.into())),
            Op::Pass { until, budget, order, again, at } => {
                let budget = if budget == 0 { u64::MAX } else { budget.into() };
                self.pass(self.moment(until), Pass { budget, order, again, at });
            }
        }
    }

    fn arm(&mut self, owner: Owner, at: u64) {
        let call_at = self.wheel.arm(owner, stamp(at));
        // What is past is due at once.
        let at = at.max(self.now);
        assert!(call_at <= stamp(at) && self.wheel.next() <= Some(call_at), "{owner:?} is popped");
        assert!(!self.wheel.pops_after(owner, stamp(at)), "{owner:?} has an entry in time");
        self.set(owner, at);
    }

    fn set(&mut self, owner: Owner, at: u64) {
        self.unset(owner);
        self.due.insert(owner, at);
        self.sorted.insert((at, owner));
        self.count += 1;
    }

    fn unset(&mut self, owner: Owner) {
        if let Some(at) = self.due.remove(&owner) {
            self.sorted.remove(&(at, owner));
        }
    }

    fn moment(&self, until: Until) -> u64 {
        let next = self.wheel.next().map(Timestamp::as_millis);
        let moment = match until {
            Until::Moment(moment) => Some(moment.seen_from(self.now)),
            Until::Due => self.earliest(),
            Until::BeforeDue => self.earliest().map(|at| at.saturating_sub(1)),
            Until::Next => next,
            Until::BeforeNext => next.map(|at| at.saturating_sub(1)),
        };
        moment.unwrap_or(self.now).max(self.now)
    }

    fn earliest(&self) -> Option<u64> {
        self.sorted.first().map(|&(at, _)| at)
    }

    /// Lets time pass as the engine does: all that is due at one moment is collected, and fired in
    /// the order of its ranks.
    fn pass(&mut self, until: u64, mut pass: Pass) {
        while let Some(at) = self.earliest().filter(|&at| at <= until) {
            self.collect(until, at, &pass);
            while let Some(owner) = self.batch.pop() {
                assert_eq!((self.ranked.len() - 1, owner), (self.batch.len(), self.ranked[0].1));
                self.ranked.remove(0);
                if pass.again > 0 {
                    pass.again -= 1;
                    self.arm(owner, pass.at.seen_from(at));
                }
                if self.wheel.next() <= Some(stamp(at)) && self.wheel.next().is_some() {
                    self.collect(until, at, &pass);
                }
            }
            assert_eq!(self.ranked, [], "the batch is empty");
        }
        while let Some(next) = self.wheel.next().filter(|&next| next <= stamp(until)) {
            // Who has put off his deadline, or has none.
            assert_eq!(self.pop(until, &pass), None, "nobody is due");
            assert!(self.wheel.next() >= Some(next) || self.wheel.next().is_none());
        }
        assert_eq!(self.pop(until, &pass), None, "nobody is due");
        self.advance(until);
    }

    fn advance(&mut self, until: u64) {
        self.wheel.advance(stamp(until));
        self.now = until;
    }

    /// Puts all into the batch who are due at a moment, the earliest there is.
    fn collect(&mut self, until: u64, at: u64, pass: &Pass) {
        while self.earliest() == Some(at) {
            // Once the moment is reached, those after it are left where they are.
            let until = if self.now == at { at } else { until };
            let taken = self.taken;
            let Some((owners, popped)) = self.pop(until, pass) else {
                assert_eq!(self.taken - taken, pass.budget, "nothing but the budget stops a call");
                continue;
            };
            self.now = at;
            for owner in owners {
                assert_eq!((popped, self.due.get(&owner)), (at, Some(&at)), "{owner:?} is due");
                self.unset(owner);
                assert!(self.wheel.pops_after(owner, Timestamp::MAX), "{owner:?} has no entry");
                let rank = rank(owner, pass.order);
                self.batch.push(rank, owner);
                let place = self.ranked.partition_point(|&(other, _)| other < rank);
                self.ranked.insert(place, (rank, owner));
            }
        }
        assert_eq!(self.batch.check_invariants(), Ok(()));
    }

    /// Calls once, with a budget.
    fn pop(&mut self, until: u64, pass: &Pass) -> Option<(Vec<Owner>, u64)> {
        let (mut left, mut due) = (pass.budget, Vec::new());
        let is_early = self.wheel.next().is_none_or(|next| next > stamp(until));
        let mut deadlines = Deadlines(&self.due);
        let popped = self.wheel.pop(stamp(until), &mut left, &mut deadlines, &mut due);
        assert_eq!(popped.is_none(), due.is_empty(), "a moment is told if somebody is due at it");
        assert!(!is_early || left == pass.budget, "a call too early finds nothing to do");
        if popped.is_none() && left > 0 {
            assert!(self.wheel.next().is_none_or(|next| next > stamp(until)), "all is popped");
        }
        self.taken += pass.budget - left;
        assert!(self.taken <= TAKEN_MAX * self.count, "{} taken, {} set", self.taken, self.count);
        popped.map(|at| (due, at.as_millis()))
    }
}

struct Deadlines<'a>(&'a BTreeMap<Owner, u64>);

impl Owners for Deadlines<'_> {
    fn deadline(&mut self, owner: Owner, _: Timestamp) -> Option<Timestamp> {
        self.0.get(&owner).map(|&at| stamp(at))
    }

    /// Some are foreseen, and some are not.
    fn foresight(&self, _: Timestamp) -> impl Fn(Owner) -> Option<Timestamp> {
        |owner| match owner {
            Owner::Session(slot) if slot % 8 > 0 => self.0.get(&owner).map(|&at| stamp(at)),
            _ => None,
        }
    }
}

fn stamp(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Both families alike.
fn owner(number: u32) -> Owner {
    if number % 2 == 0 { Owner::Session(number / 2) } else { Owner::User(number / 2) }
}

/// A rank of its own for each: as they are numbered, the other way round, or mixed up.
fn rank(owner: Owner, order: u8) -> u64 {
    let (slot, family) = match owner {
        Owner::Session(slot) => (slot, 0),
        Owner::User(slot) => (slot, 1),
    };
    let slot = match order % 3 {
        0 => slot,
        1 => u32::MAX - slot,
        _ => slot.reverse_bits(),
    };
    u64::from(slot) * 2 + family
}
