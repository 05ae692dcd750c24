//! What is told of a user: his state and his custom status (ST, CS).

use alloc::string::String;
use core::fmt;

/// How a user can be reached (ST-1).
///
/// # Examples
///
/// ```
/// use presence_engine::{State, VendorStatus};
///
/// assert_eq!(VendorStatus::from(State::PushOnline), VendorStatus::Offline);
/// assert_eq!(u8::from(VendorStatus::from(State::Offline)), 3);
/// ```
#[expect(clippy::exhaustive_enums, reason = "the three states are the rules' own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum State {
    /// No session and no push registration: never logged in, logged out, forced out or expired.
    #[default]
    Offline,
    /// No session, but at least one device that offline push reaches.
    PushOnline,
    /// At least one session.
    Online,
}

impl State {
    /// Returns the name used in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::PushOnline => "push_online",
            Self::Online => "online",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A user's state with his custom status.
#[expect(clippy::exhaustive_structs, reason = "a user's status is exactly these two")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Status {
    /// How the user can be reached.
    pub state: State,
    /// The text that the user set for himself; empty if none.
    pub custom: String,
}

/// The client-facing names and numbers of the vendor's SDKs (ST-2).
#[expect(clippy::exhaustive_enums, reason = "the vendor's numbers are fixed")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum VendorStatus {
    /// 0: not known. The engine always knows; hosts use it for what they have not asked.
    Unknown = 0,
    /// 1: [`State::Online`].
    Online = 1,
    /// 2: [`State::PushOnline`].
    Offline = 2,
    /// 3: [`State::Offline`].
    Unlogined = 3,
}

impl From<State> for VendorStatus {
    fn from(state: State) -> Self {
        match state {
            State::Online => Self::Online,
            State::PushOnline => Self::Offline,
            State::Offline => Self::Unlogined,
        }
    }
}

impl From<VendorStatus> for u8 {
    fn from(status: VendorStatus) -> Self {
        status as Self
    }
}

impl TryFrom<u8> for VendorStatus {
    type Error = UnknownVendorStatus;

    fn try_from(number: u8) -> Result<Self, UnknownVendorStatus> {
        match number {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::Online),
            2 => Ok(Self::Offline),
            3 => Ok(Self::Unlogined),
            _ => Err(UnknownVendorStatus(number)),
        }
    }
}

/// The number is none of the vendor's status numbers, which go from 0 to 3.
#[expect(clippy::exhaustive_structs, reason = "the number is all there is")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no vendor status: they go from 0 to 3")]
pub struct UnknownVendorStatus(pub u8);
