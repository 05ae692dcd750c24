//! The engine's own notion of time.

use core::fmt;
use core::time::Duration;

/// A moment: whole milliseconds since an epoch that the host chose.
///
/// The engine reads no clock ([TI-1](crate::_docs::rules)); the host stamps every input. Any
/// `u64` is a legal stamp. Sums that leave the range give no moment at all: a deadline that cannot
/// be represented never comes (TI-9).
///
/// # Examples
///
/// ```
/// use presence_engine::Timestamp;
///
/// let login = Timestamp::from_millis(1_000);
/// assert_eq!(login.checked_add(400_000), Some(Timestamp::from_millis(401_000)));
/// assert_eq!(Timestamp::MAX.checked_add(1), None);
///
/// // A host's own clock, as time since it started:
/// let epoch = std::time::Instant::now();
/// let now = Timestamp::from(epoch.elapsed());
/// assert!(now < Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// The last moment that can be represented.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a moment from milliseconds since the host's epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the host's epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `millis` later, or `None` where that cannot be represented.
    #[must_use]
    pub const fn checked_add(self, millis: u64) -> Option<Self> {
        match self.0.checked_add(millis) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Returns the milliseconds from `earlier` to `self`, 0 if `earlier` is the later one.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Takes a span since the host's epoch as a moment: whole milliseconds, at most
/// [`Timestamp::MAX`].
impl From<Duration> for Timestamp {
    fn from(since_epoch: Duration) -> Self {
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Timestamp> for Duration {
    fn from(at: Timestamp) -> Self {
        Self::from_millis(at.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}
