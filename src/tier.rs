//! The app's tier (LI-1).

use core::fmt;

/// What the app has paid for.
///
/// Querying others, subscribing and unsubscribing need [`Tier::Flagship`]; so does more than one
/// instance on a platform other than Web (ML-5).
#[expect(clippy::exhaustive_enums, reason = "the three tiers are the rules' own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Tier {
    /// The free tier.
    Trial,
    /// The middle tier.
    Professional,
    /// Everything. The default, so that a new embedder has the whole engine.
    #[default]
    Flagship,
}

impl Tier {
    /// Returns the name used in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Professional => "professional",
            Self::Flagship => "flagship",
        }
    }

    /// Returns whether users may query others, subscribe and unsubscribe, and whether their
    /// subscriptions count (LI-1, NO-4).
    #[must_use]
    pub const fn has_subscriptions(self) -> bool {
        matches!(self, Self::Flagship)
    }

    /// Returns whether a platform other than Web may have more than one instance (ML-5).
    #[must_use]
    pub const fn has_instances(self) -> bool {
        matches!(self, Self::Flagship)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
