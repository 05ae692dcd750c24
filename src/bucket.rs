//! The exact token bucket (LI-4), and what a changed rate does to it.
//!
//! # Layout
//!
//! A bucket is 16 bytes: the moment at which it is full, in whole milliseconds and a fraction with
//! the rate's `requests` as denominator. At a rate of n per w ms a token is w/n ms, so every count
//! is exact in integers. A user's three buckets and their epoch are one cache line, from his first
//! request until he leaves with full ones, or is forgotten.
//!
//! # Why a history of rates
//!
//! A changed rate converts every bucket at the moment of the change, but nobody may pay for all
//! users at once (BI-3). So a change is one entry in [`RateHistory`], and a bucket catches up when
//! it is next touched; one that was full by then is full still, and skips the rest. So that the
//! history ends somewhere, each change also converts a [`SWEEP`]th of all users: once it has been
//! around, nobody needs the changes from before.

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

/// A rate with the time of one token worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    rate: Rate,
    token: Span,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        // A valid configuration has no zero; the `max` keeps the division total all the same.
        let requests = rate.requests.max(1);
        let token = Span { whole: rate.per_ms / requests, fraction: rate.per_ms % requests };
        Self { rate: Rate { requests, per_ms: rate.per_ms }, token }
    }
}

/// A span of time in milliseconds and a fraction of one, in units of 1/`requests`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    whole: u64,
    fraction: u64,
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

/// A user's token buckets, one for each [`Api`]. A user without has full ones.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Buckets {
    epoch: u64,
    /// When each is full, without what is beyond 64 bits.
    full_at: [Span; Api::ALL.len()],
    beyond: [bool; Api::ALL.len()],
}

const _: () = assert!(size_of::<Buckets>() == 64);

impl Buckets {
    /// Makes full buckets.
    pub(crate) fn new(rates: &RateHistory) -> Self {
        Self { epoch: rates.epoch(), ..Self::default() }
    }

    /// Takes a token for `api`, or tells after how many milliseconds there will be one (LI-5).
    #[inline]
    pub(crate) fn take(
        &mut self,
        api: Api,
        now: Timestamp,
        rates: &RateHistory,
    ) -> Result<(), u64> {
        if self.epoch < rates.epoch() {
            self.catch_up(rates);
        }
        let pace = &rates.current[api as usize];
        let Pace { rate: Rate { requests, per_ms }, token } = *pace;
        let at = now.as_millis();
        // An empty bucket is full after `per_ms`, without a fraction. As long as that can be
        // represented, so can be all that follows, and what depends on the bucket itself is a few
        // instructions.
        let Some(last) = at.checked_add(per_ms) else { return self.take_late(api, now, pace) };
        let bucket = &mut self.full_at[api as usize];
        // With one token less a bucket is full a token's time later.
        let Span { whole, fraction } = *bucket;
        if whole < at {
            *bucket = Span { whole: at + token.whole, fraction: token.fraction };
            return Ok(());
        }
        let until_next_whole = requests - token.fraction;
        let (carry, fraction) = match token.fraction {
            // Then no bucket has a fraction.
            0 => (0, 0),
            _ if fraction >= until_next_whole => (1, fraction - until_next_whole),
            _ => (0, fraction + token.fraction),
        };
        let (start, start_max) = (whole + carry, last - token.whole);
        if start < start_max || start == start_max && fraction == 0 {
            *bucket = Span { whole: start + token.whole, fraction };
            return Ok(());
        }
        Err((start - start_max).saturating_add(u64::from(fraction > 0)))
    }

    /// The same, near the end of time or at a rate without end.
    #[cold]
    fn take_late(&mut self, api: Api, now: Timestamp, pace: &Pace) -> Result<(), u64> {
        let Pace { rate: Rate { requests, per_ms }, token } = *pace;
        let (now, per_ms) = (u128::from(now.as_millis()), u128::from(per_ms));
        let Full { mut whole, mut fraction } = self.full(api as usize);
        if whole < now {
            (whole, fraction) = (now, 0);
        }
        whole += u128::from(token.whole);
        let until_next_whole = requests - token.fraction;
        if fraction >= until_next_whole {
            whole += 1;
            fraction -= until_next_whole;
        } else {
            fraction += token.fraction;
        }
        let missing = whole - now;
        if missing < per_ms || missing == per_ms && fraction == 0 {
            self.set_full(api as usize, Full { whole, fraction });
            return Ok(());
        }
        let excess = Full { whole: missing - per_ms, fraction }.ceil();
        Err(u64::try_from(excess).unwrap_or(u64::MAX))
    }

    /// Returns when all buckets are full, or `None` if never in the time that can be represented.
    pub(crate) fn full_at(&mut self, rates: &RateHistory) -> Option<Timestamp> {
        self.catch_up(rates);
        let each = (0..Api::ALL.len()).map(|at| self.full(at).ceil());
        let last = each.max().unwrap_or(0);
        u64::try_from(last).ok().map(Timestamp::from_millis)
    }

    /// Applies the changes of rate since the buckets were last touched. Out of line, as a check
    /// that saves registers for it waits longer for its bucket.
    #[cold]
    pub(crate) fn catch_up(&mut self, rates: &RateHistory) {
        while self.epoch < rates.epoch() {
            let (change, next) = rates.after(self.epoch);
            let mut all_full = true;
            for (at, (old, new)) in change.replaced.iter().zip(next).enumerate() {
                self.convert(at, change.at, old, new);
                all_full &= self.full(at).is_by(change.at);
            }
            self.epoch = if all_full { rates.epoch() } else { self.epoch + 1 };
        }
    }

    /// Converts a bucket at the moment of a change of rate: a full one stays full, another keeps
    /// its whole tokens, at most the new cap (LI-4).
    fn convert(&mut self, at: usize, now: Timestamp, old: &Pace, new: &Pace) {
        let full = self.full(at);
        if full.is_by(now) || old == new {
            return;
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
        self.set_full(at, Full { whole, fraction });
    }

    #[inline]
    fn full(&self, at: usize) -> Full {
        let Span { whole, fraction } = self.full_at[at];
        Full { whole: u128::from(self.beyond[at]) << u64::BITS | u128::from(whole), fraction }
    }

    #[inline]
    fn set_full(&mut self, at: usize, Full { whole, fraction }: Full) {
        self.full_at[at] = Span { whole: whole as u64, fraction };
        self.beyond[at] = whole > u128::from(u64::MAX);
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
        let is_change = new != self.current;
        if is_change {
            self.changes.push(Change { at, replaced: self.current });
            self.current = new;
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

    /// LI-4: the k-th token comes back exactly when k·w/n ms have passed, fractions kept.
    #[test]
    fn tokens_come_back_to_the_millisecond_without_drift() {
        for (n, w) in [(20, 5_000), (3, 1_000), (7, 3), (1, 1), (1_000, 7), (3, u64::MAX)] {
            let rates = RateHistory::new([Rate::new(n, w); 3]);
            let mut buckets = Buckets::new(&rates);
            for _ in 0..n {
                assert_eq!(buckets.take(Api::Query, at(0), &rates), Ok(()));
            }
            let mut last_due = 0;
            for k in 1..=2 * n {
                let due = (u128::from(k) * u128::from(w)).div_ceil(u128::from(n));
                let Ok(due) = u64::try_from(due) else { break };
                if due > last_due {
                    let early = buckets.clone().take(Api::Query, at(due - 1), &rates);
                    assert_eq!(early, Err(1), "token {k} of {n} per {w}");
                }
                assert_eq!(buckets.take(Api::Query, at(due), &rates), Ok(()));
                last_due = due;
            }
        }
    }

    /// LI-4: a full bucket is full under the new rate, another keeps whole tokens.
    #[test]
    fn a_change_of_rate_reaches_buckets_that_were_not_touched() {
        let mut rates = RateHistory::new([Rate::new(2, 1_000); 3]);
        let mut late = Buckets::new(&rates);
        assert_eq!(late.take(Api::Query, at(600), &rates), Ok(()));
        assert_eq!(late.take(Api::Query, at(600), &rates), Ok(()));
        let mut prompt = late.clone();
        for millis in (700..2_000).step_by(50) {
            assert!(rates.note(at(millis), [Rate::new(millis % 7 + 1, millis); 3]));
            prompt.catch_up(&rates);
        }
        assert_eq!(late.full_at(&rates), prompt.full_at(&rates));
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
            let mut buckets = Buckets::new(&rates);
            let mut now = match random.below(3) {
                0 => u64::MAX - start,
                1 => u64::MAX - per_ms,
                _ => start,
            };
            for _ in 0..20 {
                let mut other = buckets.clone();
                let expected = other.take_late(Api::Query, at(now), &rates.current[0]);
                assert_eq!(buckets.take(Api::Query, at(now), &rates), expected);
                assert_eq!(buckets.full(0).ceil(), other.full(0).ceil());
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
        let mut buckets = Buckets::new(&rates);
        assert_eq!(buckets.take(Api::Query, at(5), &rates), Ok(()));
        assert_eq!(buckets.take(Api::Query, at(6), &rates), Err(u64::MAX - 1));
        assert_eq!(buckets.full_at(&rates), None);
    }
}
