//! What can be refused, and why: one type for each family of calls.
//!
//! Every error leaves the engine as it was, but for two things that LI-7 names: a refused request
//! on a live session counts as heard (LV-1), and `KickedOffline` spends its note (ML-10). Time has
//! passed all the same: due timers fire before the input is looked at (TI-3).

use alloc::vec::Vec;

use crate::config::ConfigError;
use crate::tier::Tier;

/// The session has ended, or was never there (LV-7).
///
/// This is no fault: what a link sends may race with the session's own end. Nothing has changed.
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended or was never there")]
pub struct UnknownSession;

impl UnknownSession {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "unknown_session"
    }
}

/// The user id breaks the rule of AC-1 or the host's own. Nothing has changed.
#[expect(clippy::exhaustive_structs, reason = "the caller has the id in hand")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user id is not valid (a text must be 1 to 32 bytes of printable ASCII)")]
pub struct InvalidUserId;

impl InvalidUserId {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid_user_id"
    }
}

/// Why a login is refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The user id breaks the rule of AC-1 or the host's own. Nothing has changed.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// The device was displaced while it was away, and is told so once (ML-10). The note is spent:
    /// the next login succeeds. Nothing else has changed.
    #[error("the device was kicked while it was away; the next login will succeed")]
    KickedOffline,
    /// The engine holds as many users or sessions as its tables can name. Nothing has changed.
    #[error(transparent)]
    Full(#[from] EngineFull),
}

impl LoginError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUserId(error) => error.code(),
            Self::KickedOffline => "kicked_offline",
            Self::Full(error) => error.code(),
        }
    }

    /// Returns the vendor's number of the error, where the rules name one.
    #[must_use]
    pub const fn vendor_code(&self) -> Option<u32> {
        match self {
            Self::KickedOffline => Some(6_208),
            Self::InvalidUserId(_) | Self::Full(_) => None,
        }
    }
}

/// The engine holds as many users (2^30 - 1), sessions (2^31) or logged-in devices (2^32) as its
/// tables can name.
///
/// A host that comes near runs one engine per partition of users. Nothing has changed.
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine is full: it holds fewer than 2^30 users and at most 2^31 sessions")]
pub struct EngineFull;

impl EngineFull {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "engine_full"
    }
}

/// Why a custom status is refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetStatusError {
    /// The session has ended. Nothing has changed.
    #[error(transparent)]
    UnknownSession(#[from] UnknownSession),
    /// The text is longer than the limit (CS-1). Nothing has changed, but that the session counts
    /// as heard.
    #[error("the custom status has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// The bytes of the text.
        bytes: u64,
        /// The bytes allowed.
        limit: u64,
    },
}

impl SetStatusError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSession(error) => error.code(),
            Self::TooLong { .. } => "custom_status_too_long",
        }
    }
}

/// Why a query, a subscribe or an unsubscribe request is refused as a whole.
///
/// A refused request has taken no token (LI-6) and changed nothing, but that a live session counts
/// as heard (LV-1).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The session has ended. Nothing has changed.
    #[error(transparent)]
    UnknownSession(#[from] UnknownSession),
    /// The list names nobody.
    #[error("the list of users is empty")]
    EmptyList,
    /// The list names too many; nothing was truncated.
    #[error("the list names {users} users, duplicates counted; the limit is {limit}")]
    TooManyUsers {
        /// The users named, duplicates counted.
        users: u64,
        /// The users allowed.
        limit: u64,
    },
    /// The app's tier does not include the request (LI-1).
    #[error("the request needs the flagship tier; the tier is {tier}")]
    TierRequired {
        /// The app's tier.
        tier: Tier,
    },
    /// The status switch is off (LI-2).
    #[error("the status switch is off")]
    SwitchOff,
    /// The user has made too many such requests (LI-5).
    #[error("too many requests; the next is admitted in {retry_after_ms} ms")]
    RateLimited {
        /// After how many whole milliseconds it would be admitted.
        retry_after_ms: u64,
    },
}

impl RequestError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSession(error) => error.code(),
            Self::EmptyList => "empty_list",
            Self::TooManyUsers { .. } => "too_many_users",
            Self::TierRequired { .. } => "tier_required",
            Self::SwitchOff => "switch_off",
            Self::RateLimited { .. } => "rate_limited",
        }
    }

    /// Returns the vendor's number of the error, where the rules name one.
    #[must_use]
    pub const fn vendor_code(&self) -> Option<u32> {
        match self {
            Self::SwitchOff => Some(72_001),
            _ => None,
        }
    }
}

/// Why a query is refused.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError<U> {
    /// The request as a whole is refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Every id failed (QU-3). The request was admitted and has taken its token.
    #[error("none of the {} ids could be queried", .0.len())]
    AllFailed(Vec<Failure<U>>),
}

impl<U> QueryError<U> {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => error.code(),
            Self::AllFailed(_) => "all_failed",
        }
    }

    /// Returns the vendor's number of the error, where the rules name one.
    #[must_use]
    pub const fn vendor_code(&self) -> Option<u32> {
        match self {
            Self::Request(error) => error.vendor_code(),
            Self::AllFailed(_) => None,
        }
    }
}

impl<U> From<UnknownSession> for QueryError<U> {
    fn from(error: UnknownSession) -> Self {
        Self::Request(error.into())
    }
}

/// One id of a request that failed, while the others went on (QU-3, SU-5).
#[expect(clippy::exhaustive_structs, reason = "a failure is exactly these two")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Failure<U> {
    /// The id as it was named.
    pub user: U,
    /// Why it failed.
    pub reason: FailureReason,
}

/// Why one id of a request failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum FailureReason {
    /// The id breaks the rule of AC-1 or the host's own.
    #[error("the user id is not valid")]
    InvalidUserId,
    /// Nobody of this id is known (AC-2).
    #[error("no such user is known")]
    UnknownUser,
    /// Oneself cannot be subscribed (SU-5).
    #[error("oneself cannot be subscribed")]
    SelfSubscription,
    /// The engine holds as many users as its tables can name.
    #[error("the engine is full")]
    EngineFull,
}

impl FailureReason {
    /// Returns the reason's name in traces.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidUserId => "invalid_user_id",
            Self::UnknownUser => "unknown_user",
            Self::SelfSubscription => "self_subscription",
            Self::EngineFull => "engine_full",
        }
    }

    /// Returns the vendor's number of the reason, where the rules name one.
    #[must_use]
    pub const fn vendor_code(self) -> Option<u32> {
        match self {
            Self::UnknownUser => Some(70_107),
            _ => None,
        }
    }
}

/// Why a friendship is refused. Nothing has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FriendError {
    /// One of the two ids breaks the rule of AC-1 or the host's own.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// Nobody is his own friend (FR-1).
    #[error("owner and friend are the same user")]
    SelfFriend,
    /// One of the two is not known (AC-2).
    #[error("owner or friend is not known")]
    UnknownUser,
    /// The owner has as many friends as he may (BI-2).
    #[error("the owner has as many friends as the limit of {limit} allows")]
    TooManyFriends {
        /// The friends allowed.
        limit: u64,
    },
    /// The engine holds as many users as its tables can name.
    #[error(transparent)]
    Full(#[from] EngineFull),
}

impl FriendError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUserId(error) => error.code(),
            Self::SelfFriend => "self_friend",
            Self::UnknownUser => "unknown_user",
            Self::TooManyFriends { .. } => "too_many_friends",
            Self::Full(error) => error.code(),
        }
    }

    /// Returns the vendor's number of the error, where the rules name one.
    #[must_use]
    pub const fn vendor_code(&self) -> Option<u32> {
        match self {
            Self::UnknownUser => Some(70_107),
            _ => None,
        }
    }
}

/// Why a registration is refused. Nothing has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The user id breaks the rule of AC-1 or the host's own.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// The engine holds as many users as its tables can name.
    #[error(transparent)]
    Full(#[from] EngineFull),
}

impl RegisterError {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUserId(error) => error.code(),
            Self::Full(error) => error.code(),
        }
    }
}

/// Any error of the engine: that of the method which the [`Input`](crate::Input) given to
/// [`Engine::apply`](crate::Engine::apply) mirrors.
///
/// The error of every method converts into it, so it also serves a host that answers clients in one
/// place: `?` collects, [`InputError::code`] names.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError<U> {
    /// Of an input that names a session and nothing else.
    #[error(transparent)]
    UnknownSession(#[from] UnknownSession),
    /// Of an input that names a user and nothing else.
    #[error(transparent)]
    InvalidUserId(#[from] InvalidUserId),
    /// Of a login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Of a custom status.
    #[error(transparent)]
    SetStatus(#[from] SetStatusError),
    /// Of subscribe and unsubscribe.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Of a query.
    #[error(transparent)]
    Query(#[from] QueryError<U>),
    /// Of a friendship.
    #[error(transparent)]
    Friend(#[from] FriendError),
    /// Of a registration.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Of a new configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl<U> InputError<U> {
    /// Returns the error's name in traces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSession(error) => error.code(),
            Self::InvalidUserId(error) => error.code(),
            Self::Login(error) => error.code(),
            Self::SetStatus(error) => error.code(),
            Self::Request(error) => error.code(),
            Self::Query(error) => error.code(),
            Self::Friend(error) => error.code(),
            Self::Register(error) => error.code(),
            Self::Config(error) => error.code(),
        }
    }

    /// Returns the vendor's number of the error, where the rules name one.
    #[must_use]
    pub const fn vendor_code(&self) -> Option<u32> {
        match self {
            Self::Login(error) => error.vendor_code(),
            Self::Request(error) => error.vendor_code(),
            Self::Query(error) => error.vendor_code(),
            Self::Friend(error) => error.vendor_code(),
            _ => None,
        }
    }
}
