//! The exact token bucket (LI-4), and what a changed rate does to it.
//!
//! # Layout
//!
//! A bucket is 8 bytes: the moment at which it is full, in units of 1/`requests` ms. At a rate of n
//! per w ms a token is w/n ms, which is w units, so every count is exact in integers. A user has
//! three of them and the epoch of his rates, 32 bytes in all, from his first request until he
//! leaves with full ones, or is forgotten. They lie in columns: a check reads a column of its own,
//! and the epochs only where a rate has ever been changed.
//!
//! A moment that is too late for 63 bits, as a million requests a day in the year 10,000, is kept
//! apart with its whole milliseconds and the fraction.
//!
//! # Invariants
//!
//! 1. A number is a user's or free.
//! 2. A bucket is marked as late exactly if its moment is among the late ones.
//!
//! # Why a history of rates
//!
//! A changed rate converts every bucket at the moment of the change, but nobody may pay for all
//! users at once (BI-3). So a change is one entry in [`RateHistory`], and a bucket catches up when
//! it is next touched; one that was full by then is full still, and skips the rest. So that the
//! history ends somewhere, each change also converts a [`SWEEP`]th of all users: once it has been
//! around, nobody needs the changes from before.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::time::Timestamp;

/// The requests that have a rate limit of their own (LI-3).
#[expect(clippy::exhaustive_enums, reason = "the three requests are the rules' own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Api {
    /// [`Engine::query`](crate::Engine::query) of anybody but oneself alone.
    Query,
    /// [`Engine::subscribe`](crate::Engine::subscribe).
    Subscribe,
    /// [`Engine::unsubscribe`](crate::Engine::unsubscribe).
    Unsubscribe,
}

impl Api {
    /// All of them, in the order of the configuration.
    pub const ALL: [Self; 3] = [Self::Query, Self::Subscribe, Self::Unsubscribe];

    /// Returns the name of the limit in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query_rate",
            Self::Subscribe => "subscribe_rate",
            Self::Unsubscribe => "unsubscribe_rate",
        }
    }
}

/// How many requests a user may make in a span of time (LI-4).
///
/// The bucket starts full with `requests` tokens and refills continuously, `requests` in `per_ms`
/// milliseconds. [`Config`](crate::Config) refuses a rate with a zero.
///
/// # Examples
///
/// ```
/// use presence_engine::{Api, Config, Rate};
///
/// let config = Config::builder().rate(Api::Query, Rate::new(50, 1_000)).build()?;
/// assert_eq!(config.rate(Api::Subscribe), Rate::new(20, 5_000));
/// # Ok::<(), presence_engine::ConfigError>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "a rate is exactly these two numbers")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "(u64, u64)", into = "(u64, u64)")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Rate {
    /// Tokens in a full bucket.
    pub requests: u64,
    /// Milliseconds in which an empty bucket fills.
    pub per_ms: u64,
}

impl Rate {
    /// Makes a rate of `requests` in `per_ms` milliseconds.
    #[must_use]
    pub const fn new(requests: u64, per_ms: u64) -> Self {
        Self { requests, per_ms }
    }
}

impl From<(u64, u64)> for Rate {
    fn from((requests, per_ms): (u64, u64)) -> Self {
        Self { requests, per_ms }
    }
}

impl From<Rate> for (u64, u64) {
    fn from(rate: Rate) -> Self {
        (rate.requests, rate.per_ms)
    }
}

/// A rate with what follows from it worked out. Spans are in units of 1/`requests` ms.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: Rate,
    /// By how much later than now a bucket may be full, and still have a token.
    slack: u64,
    /// From when on moments may be too late for their places.
    late_from: u64,
    /// The same; 0 once a rate has been changed, as there may be buckets of another.
    short_until: u64,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        // A valid configuration has no zero; the `max` keeps the division total all the same.
        let requests = rate.requests.max(1);
        let rate = Rate { requests, per_ms: rate.per_ms };
        // An empty bucket is full after `per_ms`: nothing is later than that.
        let late_from = (SHORT_MAX / requests).saturating_sub(rate.per_ms);
        let slack = if late_from > 0 { rate.per_ms * (requests - 1) } else { 0 };
        Self { rate, slack, late_from, short_until: late_from }
    }
}

/// When a bucket is full, in milliseconds and a fraction of one, in units of 1/`requests`. It may
/// be later than any [`Timestamp`].
#[derive(Clone, Copy, Debug)]
struct Full {
    whole: u128,
    fraction: u64,
}

impl Full {
    /// Returns whether the bucket is full at `now`.
    fn is_by(self, now: Timestamp) -> bool {
        (self.whole, self.fraction) <= (u128::from(now.as_millis()), 0)
    }

    /// Returns the first whole millisecond at which the bucket is full.
    fn ceil(self) -> u128 {
        self.whole + u128::from(self.fraction > 0)
    }
}

/// The latest moment, in units, that is kept in a bucket's own place.
const SHORT_MAX: u64 = i64::MAX as u64;
/// No number of anybody's.
const NOBODY: u64 = u64::MAX;
/// Stands in a bucket's place whose moment is kept apart.
const LATE: u64 = u64::MAX;

/// The token buckets of some users by number, one for each [`Api`]. A user without has full ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    full_at: [Vec<u64>; Api::ALL.len()],
    /// Of which rates each user's buckets are; of a free number, the next one that is.
    epochs: Vec<u64>,
    free: Option<u32>,
    late: BTreeMap<(u32, usize), Full>,
}

impl Buckets {
    /// Makes full buckets for a user, and returns their number.
    pub(crate) fn add(&mut self, rates: &RateHistory) -> u32 {
        let number = self.free.unwrap_or_else(|| {
            self.full_at.iter_mut().for_each(|column| column.push(0));
            self.epochs.push(NOBODY);
            (self.epochs.len() - 1) as u32
        });
        let next = core::mem::replace(&mut self.epochs[number as usize], rates.epoch());
        self.free = u32::try_from(next).ok();
        number
    }

    /// Reads something of each of a user's buckets, if the number is anybody's.
    #[inline]
    pub(crate) fn call_for(&self, number: u32) -> u64 {
        let columns = self.full_at.iter().chain([&self.epochs]);
        let read = columns.map(|column| column.get(number as usize).copied().unwrap_or(0));
        read.fold(0, |all, one| all ^ one)
    }

    /// Forgets a user's buckets.
    pub(crate) fn remove(&mut self, number: u32) {
        self.fill(number);
        self.epochs[number as usize] = self.free.replace(number).map_or(NOBODY, u64::from);
    }

    /// Takes a token for `api`, or tells after how many milliseconds there will be one (LI-5).
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        number: u32,
        api: Api,
        now: Timestamp,
        rates: &RateHistory,
    ) -> Result<(), u64> {
        let pace = &rates.current[api as usize];
        if now.as_millis() >= pace.short_until {
            return self.take_slowly(number, api, now, rates);
        }
        self.take_short(number, api, now, pace)
    }

    /// The same, where every moment fits its place. Nothing waits for the bucket but the last few
    /// instructions, and none of them is a call, for which registers would be saved.
    #[inline(always)]
    fn take_short(
        &mut self,
        number: u32,
        api: Api,
        now: Timestamp,
        pace: &Pace,
    ) -> Result<(), u64> {
        let Pace { rate: Rate { requests, per_ms }, slack, .. } = *pace;
        let at = now.as_millis() * requests;
        let bucket = &mut self.full_at[api as usize][number as usize];
        // With one token less a bucket is full a token's time later.
        let start = at.max(*bucket);
        debug_assert!(start <= SHORT_MAX, "what is late was made so by a later `now`");
        if start - at <= slack {
            *bucket = start + per_ms;
            Ok(())
        } else {
            Err((start - at - slack).div_ceil(requests))
        }
    }

    /// The same after a change of rate, near the end of time, or at a rate without end.
    #[inline(never)]
    fn take_slowly(
        &mut self,
        number: u32,
        api: Api,
        now: Timestamp,
        rates: &RateHistory,
    ) -> Result<(), u64> {
        self.catch_up(number, rates);
        let pace = &rates.current[api as usize];
        if now.as_millis() < pace.late_from {
            self.take_short(number, api, now, pace)
        } else {
            self.take_late(number, api, now, pace)
        }
    }

    #[cold]
    fn take_late(&mut self, number: u32, api: Api, now: Timestamp, pace: &Pace) -> Result<(), u64> {
        let Rate { requests, per_ms } = pace.rate;
        let (now, whole_ms) = (u128::from(now.as_millis()), per_ms / requests);
        let Full { mut whole, mut fraction } = self.full(number, api as usize, pace);
        if whole < now {
            (whole, fraction) = (now, 0);
        }
        whole += u128::from(whole_ms);
        let until_next_whole = requests - per_ms % requests;
        if fraction >= until_next_whole {
            whole += 1;
            fraction -= until_next_whole;
        } else {
            fraction += per_ms % requests;
        }
        let (missing, per_ms) = (whole - now, u128::from(per_ms));
        if missing < per_ms || missing == per_ms && fraction == 0 {
            self.set_full(number, api as usize, pace, Full { whole, fraction });
            return Ok(());
        }
        let excess = Full { whole: missing - per_ms, fraction }.ceil();
        Err(u64::try_from(excess).unwrap_or(u64::MAX))
    }

    /// Returns when all of a user's buckets are full, or `None` if never in the time that can be
    /// represented.
    pub(crate) fn full_at(&mut self, number: u32, rates: &RateHistory) -> Option<Timestamp> {
        self.catch_up(number, rates);
        let each = rates.current.iter().enumerate();
        let last = each.map(|(at, pace)| self.full(number, at, pace).ceil()).max().unwrap_or(0);
        u64::try_from(last).ok().map(Timestamp::from_millis)
    }

    /// Applies the changes of rate since a user's buckets were last touched.
    #[inline]
    pub(crate) fn catch_up(&mut self, number: u32, rates: &RateHistory) {
        if self.epochs[number as usize] < rates.epoch() {
            self.convert_all(number, rates);
        }
    }

    #[inline(never)]
    fn convert_all(&mut self, number: u32, rates: &RateHistory) {
        while self.epochs[number as usize] < rates.epoch() {
            let epoch = self.epochs[number as usize];
            let (change, next) = rates.after(epoch);
            let mut all_full = true;
            for (at, (old, new)) in change.replaced.iter().zip(next).enumerate() {
                self.convert(number, at, change.at, old, new);
                all_full &= self.full(number, at, new).is_by(change.at);
            }
            self.epochs[number as usize] = if all_full { rates.epoch() } else { epoch + 1 };
            if all_full {
                self.fill(number);
            }
        }
    }

    /// Converts a bucket at the moment of a change of rate: a full one stays full, another keeps
    /// its whole tokens, at most the new cap (LI-4).
    fn convert(&mut self, number: u32, at: usize, now: Timestamp, old: &Pace, new: &Pace) {
        let full = self.full(number, at, old);
        if old.rate == new.rate {
            return;
        }
        if full.is_by(now) {
            return self.set_full(number, at, new, Full { whole: 0, fraction: 0 });
        }
        let now = u128::from(now.as_millis());
        // In units of 1/requests ms a token is `per_ms` units. What is missing is no more than the
        // old `per_ms`, so all products fit, being of two u64.
        let units = (full.whole - now) * u128::from(old.rate.requests) + u128::from(full.fraction);
        let tokens_missing = units.div_ceil(u128::from(old.rate.per_ms.max(1)));
        let tokens = u128::from(old.rate.requests).saturating_sub(tokens_missing);
        let requests = u128::from(new.rate.requests);
        let units = requests.saturating_sub(tokens) * u128::from(new.rate.per_ms);
        let (whole, fraction) = (now + units / requests, (units % requests) as u64);
        self.set_full(number, at, new, Full { whole, fraction });
    }

    /// Makes all of a user's buckets full.
    fn fill(&mut self, number: u32) {
        for (at, column) in self.full_at.iter_mut().enumerate() {
            if core::mem::take(&mut column[number as usize]) == LATE {
                self.late.remove(&(number, at));
            }
        }
    }

    fn full(&self, number: u32, at: usize, pace: &Pace) -> Full {
        let requests = pace.rate.requests;
        match self.full_at[at][number as usize] {
            LATE => self.late.get(&(number, at)).copied(),
            units => Some(Full { whole: (units / requests).into(), fraction: units % requests }),
        }
        .unwrap_or(Full { whole: 0, fraction: 0 })
    }

    fn set_full(&mut self, number: u32, at: usize, pace: &Pace, full: Full) {
        let units = full.whole.checked_mul(pace.rate.requests.into());
        let units = units.and_then(|units| units.checked_add(full.fraction.into()));
        let short = units.filter(|&units| units <= SHORT_MAX.into()).map(|units| units as u64);
        let before =
            core::mem::replace(&mut self.full_at[at][number as usize], short.unwrap_or(LATE));
        if short.is_none() {
            self.late.insert((number, at), full);
        } else if before == LATE {
            self.late.remove(&(number, at));
        }
    }

    /// Checks the numbered invariants; these are the numbers that users have.
    pub(crate) fn check_invariants(
        &self,
        numbers: impl Iterator<Item = u32>,
    ) -> Result<(), &'static str> {
        let next = |&number: &u32| u32::try_from(*self.epochs.get(number as usize)?).ok();
        let free = core::iter::successors(self.free, next).take(self.epochs.len() + 1);
        let mut all: Vec<u32> = numbers.chain(free).collect();
        all.sort_unstable();
        if !all.into_iter().eq(0..self.epochs.len() as u32) {
            return Err("bucket 1: a number is not one user's or free");
        }
        let marked = (0..self.epochs.len() as u32).flat_map(|number| {
            let late = (0..Api::ALL.len()).map(move |at| (number, at));
            late.filter(|&(number, at)| self.full_at[at][number as usize] == LATE)
        });
        if !marked.eq(self.late.keys().copied()) {
            return Err("bucket 2: a bucket is late and not marked so, or the other way round");
        }
        Ok(())
    }
}

/// The rates in force, and those that buckets not touched since still have to hear of.
#[derive(Clone, Debug)]
pub(crate) struct RateHistory {
    current: [Pace; Api::ALL.len()],
    /// The number of the first change in `changes`.
    first: u64,
    changes: Vec<Change>,
    /// The epoch in which the sweep through all buckets began.
    sweep_began: u64,
}

#[derive(Clone, Debug)]
struct Change {
    at: Timestamp,
    replaced: [Pace; Api::ALL.len()],
}

/// In how many changes of rate all buckets are converted once.
pub(crate) const SWEEP: usize = 512;

impl RateHistory {
    pub(crate) fn new(rates: [Rate; Api::ALL.len()]) -> Self {
        Self { current: rates.map(Pace::new), first: 0, changes: Vec::new(), sweep_began: 0 }
    }

    /// Notes new rates; tells whether they are. Naming the rates in force is no change.
    pub(crate) fn note(&mut self, at: Timestamp, rates: [Rate; Api::ALL.len()]) -> bool {
        let new = rates.map(Pace::new);
        let is_change = new.map(|pace| pace.rate) != self.current.map(|pace| pace.rate);
        if is_change {
            self.changes.push(Change { at, replaced: self.current });
            self.current = new.map(|pace| Pace { short_until: 0, ..pace });
        }
        is_change
    }

    /// Notes that since the last call all buckets have caught up once, and drops the changes from
    /// before it.
    pub(crate) fn finish_sweep(&mut self) {
        let needless = self.sweep_began.saturating_sub(self.first) as usize;
        self.changes.drain(..needless);
        self.first = self.sweep_began;
        self.sweep_began = self.epoch();
    }

    fn epoch(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// Returns the change that ended `epoch`, which is not the current one, and the rates after it.
    fn after(&self, epoch: u64) -> (&Change, &[Pace; Api::ALL.len()]) {
        let at = epoch.saturating_sub(self.first) as usize;
        let next = self.changes.get(at + 1).map_or(&self.current, |change| &change.replaced);
        (&self.changes[at], next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// One user's buckets, with the number 0.
    fn one(rates: &RateHistory) -> Buckets {
        let mut buckets = Buckets::default();
        assert_eq!(buckets.add(rates), 0);
        buckets
    }

    /// LI-4: the k-th token comes back exactly when k·w/n ms have passed, fractions kept.
    #[test]
    fn tokens_come_back_to_the_millisecond_without_drift() {
        for (n, w) in [(20, 5_000), (3, 1_000), (7, 3), (1, 1), (1_000, 7), (3, u64::MAX)] {
            let rates = RateHistory::new([Rate::new(n, w); 3]);
            let mut buckets = one(&rates);
            for _ in 0..n {
                assert_eq!(buckets.take(0, Api::Query, at(0), &rates), Ok(()));
            }
            let mut last_due = 0;
            for k in 1..=2 * n {
                let due = (u128::from(k) * u128::from(w)).div_ceil(u128::from(n));
                let Ok(due) = u64::try_from(due) else { break };
                if due > last_due {
                    let early = buckets.clone().take(0, Api::Query, at(due - 1), &rates);
                    assert_eq!(early, Err(1), "token {k} of {n} per {w}");
                }
                assert_eq!(buckets.take(0, Api::Query, at(due), &rates), Ok(()));
                last_due = due;
            }
        }
    }

    /// LI-4: a full bucket is full under the new rate, another keeps whole tokens.
    #[test]
    fn a_change_of_rate_reaches_buckets_that_were_not_touched() {
        let mut rates = RateHistory::new([Rate::new(2, 1_000); 3]);
        let mut late = one(&rates);
        assert_eq!(late.take(0, Api::Query, at(600), &rates), Ok(()));
        assert_eq!(late.take(0, Api::Query, at(600), &rates), Ok(()));
        let mut prompt = late.clone();
        for millis in (700..2_000).step_by(50) {
            assert!(rates.note(at(millis), [Rate::new(millis % 7 + 1, millis); 3]));
            prompt.catch_up(0, &rates);
        }
        assert_eq!(late.full_at(0, &rates), prompt.full_at(0, &rates));
        assert!(!rates.note(at(2_000), rates.current.map(|pace| pace.rate)));
        assert_eq!(rates.changes.len(), 26);
    }

    /// BI-2: of the changes only those stay that a bucket may not have heard of.
    #[test]
    fn the_history_ends_with_the_sweep_before_the_last() {
        let mut rates = RateHistory::new([Rate::new(1, 1); 3]);
        for change in 1..=10 {
            assert!(rates.note(at(change), [Rate::new(change + 1, 1); 3]));
            if change % 4 == 0 {
                rates.finish_sweep();
            }
        }
        assert_eq!((rates.epoch(), rates.first, rates.changes.len()), (10, 4, 6));
    }

    /// LI-4, LI-5, TI-9: the short way of a check does what the long one does, which knows no end
    /// of time.
    #[test]
    fn a_check_is_the_same_at_the_end_of_time() {
        let mut random = crate::seeds::Random(1);
        for _ in 0..2_000 {
            let bits = [random.below(64), random.below(64), random.below(64)];
            let [requests, per_ms, start] = bits.map(|bits| random.next() >> bits | 1);
            let rates = RateHistory::new([Rate::new(requests, per_ms); 3]);
            let mut buckets = one(&rates);
            let mut now = match random.below(3) {
                0 => u64::MAX - start,
                1 => u64::MAX - per_ms,
                _ => start,
            };
            for _ in 0..20 {
                let (mut other, pace) = (buckets.clone(), &rates.current[0]);
                let expected = other.take_late(0, Api::Query, at(now), pace);
                assert_eq!(buckets.take(0, Api::Query, at(now), &rates), expected);
                assert_eq!(buckets.full(0, 0, pace).ceil(), other.full(0, 0, pace).ceil());
                let step = expected.err().unwrap_or(per_ms / 3);
                if random.below(4) > 0 {
                    now = now.saturating_add(random.below(step.saturating_add(2)));
                }
            }
        }
    }

    #[test]
    fn a_wait_beyond_all_time_is_told_and_never_over() {
        let rates = RateHistory::new([Rate::new(1, u64::MAX); 3]);
        let mut buckets = one(&rates);
        assert_eq!(buckets.take(0, Api::Query, at(5), &rates), Ok(()));
        assert_eq!(buckets.take(0, Api::Query, at(6), &rates), Err(u64::MAX - 1));
        assert_eq!(buckets.full_at(0, &rates), None);
    }
}
