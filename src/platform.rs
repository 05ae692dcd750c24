//! The platforms, and what each of them can do.

use core::fmt;

/// Where a device lives.
///
/// The list is closed: policies, limits and timeouts are stated for exactly these.
///
/// # Examples
///
/// ```
/// use presence_engine::Platform;
///
/// assert!(Platform::Ipad.can_push());
/// assert_eq!(Platform::MiniProgram.name(), "mini_program");
/// assert_eq!("web".parse(), Ok(Platform::Web));
/// ```
#[expect(clippy::exhaustive_enums, reason = "a new platform changes policies, limits and timeouts")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Platform {
    /// An Android phone or tablet.
    Android,
    /// An iPhone.
    Iphone,
    /// An iPad.
    Ipad,
    /// A Windows desktop.
    Windows,
    /// A Mac.
    Mac,
    /// A Linux desktop.
    Linux,
    /// A browser.
    Web,
    /// A mini program inside another app. Policies and instance limits count it as `Web` (ML-3).
    MiniProgram,
}

impl Platform {
    /// Every platform, in the order in which the rules list them.
    pub const ALL: [Self; 8] = [
        Self::Android,
        Self::Iphone,
        Self::Ipad,
        Self::Windows,
        Self::Mac,
        Self::Linux,
        Self::Web,
        Self::MiniProgram,
    ];

    /// The platforms that have an instance limit and a place in a policy group: all but
    /// `MiniProgram`, which shares those of `Web` (ML-3).
    pub const LIMITED: [Self; 7] =
        [Self::Android, Self::Iphone, Self::Ipad, Self::Windows, Self::Mac, Self::Linux, Self::Web];

    /// Returns the name used in traces and in error fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Iphone => "iphone",
            Self::Ipad => "ipad",
            Self::Windows => "windows",
            Self::Mac => "mac",
            Self::Linux => "linux",
            Self::Web => "web",
            Self::MiniProgram => "mini_program",
        }
    }

    /// Returns whether a broken link leaves a push registration here (ST-3).
    #[must_use]
    pub const fn can_push(self) -> bool {
        matches!(self, Self::Android | Self::Iphone | Self::Ipad)
    }

    /// Returns the platform as which policies and instance limits count this one (ML-3).
    #[must_use]
    pub const fn counted_as(self) -> Self {
        match self {
            Self::MiniProgram => Self::Web,
            other => other,
        }
    }

    /// Returns what the end of an unheard session here depends on.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Web => Family::Web,
            Self::MiniProgram => Family::MiniProgram,
            _ => Family::Native,
        }
    }

    /// Returns the place of the platform in [`Platform::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl core::str::FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(name: &str) -> Result<Self, UnknownPlatform> {
        Self::ALL.into_iter().find(|platform| platform.name() == name).ok_or(UnknownPlatform)
    }
}

/// Platforms on which sessions that are not heard from end alike (LV-2, LV-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Web,
    Native,
    MiniProgram,
}

impl Family {
    pub(crate) const ALL: [Self; 3] = [Self::Web, Self::Native, Self::MiniProgram];
    /// How many numbers there are for families: they are two bits, and the last is none's.
    pub(crate) const NUMBERS: usize = 4;

    /// Returns the family with this number.
    #[inline]
    pub(crate) const fn from_number(number: usize) -> Self {
        match number {
            0 => Self::Web,
            1 => Self::Native,
            _ => Self::MiniProgram,
        }
    }
}

/// The name is none of [`Platform::name`].
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a platform")]
pub struct UnknownPlatform;
