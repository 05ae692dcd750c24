//! Inputs as values, and what is answered to them.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Config;
use crate::error::Failure;
use crate::id::{DeviceId, SessionId};
use crate::platform::Platform;
use crate::status::{State, Status};

/// One input of the engine as an owned value, for journals, replay, property tests and fuzzing.
///
/// Each variant mirrors the method of the same name; [`Engine::apply`](crate::Engine::apply) only
/// dispatches. Session ids are deterministic, so a journal of inputs replays on a new engine of the
/// same configuration.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Input<U> {
    /// [`Engine::handle_timeout`](crate::Engine::handle_timeout).
    HandleTimeout,
    /// [`Engine::login`](crate::Engine::login).
    Login {
        /// Whose device.
        user: U,
        /// Where the device lives.
        platform: Platform,
        /// The device.
        device: DeviceId,
        /// Whether the user did it, or the device by itself.
        kind: LoginKind,
    },
    /// [`Engine::logout`](crate::Engine::logout).
    Logout {
        /// The session that ends.
        session: SessionId,
    },
    /// [`Engine::link_closed`](crate::Engine::link_closed).
    LinkClosed {
        /// The session whose link is closed.
        session: SessionId,
    },
    /// [`Engine::heartbeat`](crate::Engine::heartbeat).
    Heartbeat {
        /// The session heard from.
        session: SessionId,
    },
    /// [`Engine::heartbeats`](crate::Engine::heartbeats).
    Heartbeats {
        /// The sessions heard from.
        sessions: Vec<SessionId>,
    },
    /// [`Engine::background`](crate::Engine::background).
    Background {
        /// The session put in the background.
        session: SessionId,
    },
    /// [`Engine::foreground`](crate::Engine::foreground).
    Foreground {
        /// The session that is back.
        session: SessionId,
    },
    /// [`Engine::exit`](crate::Engine::exit).
    Exit {
        /// The session left by its exit control.
        session: SessionId,
    },
    /// [`Engine::set_status`](crate::Engine::set_status).
    SetStatus {
        /// The session of the user who sets it.
        session: SessionId,
        /// The text; empty clears.
        custom: String,
    },
    /// [`Engine::query`](crate::Engine::query).
    Query {
        /// The session that asks.
        session: SessionId,
        /// Who is asked for.
        users: Vec<U>,
    },
    /// [`Engine::subscribe`](crate::Engine::subscribe).
    Subscribe {
        /// The session that asks.
        session: SessionId,
        /// Who is to be in the list.
        users: Vec<U>,
    },
    /// [`Engine::unsubscribe`](crate::Engine::unsubscribe).
    Unsubscribe {
        /// The session that asks.
        session: SessionId,
        /// Who is to be out of the list; nobody means everybody, as
        /// [`Engine::unsubscribe_all`](crate::Engine::unsubscribe_all) does.
        users: Vec<U>,
    },
    /// [`Engine::add_friend`](crate::Engine::add_friend).
    AddFriend {
        /// Who has the friend.
        owner: U,
        /// The friend.
        friend: U,
    },
    /// [`Engine::remove_friend`](crate::Engine::remove_friend).
    RemoveFriend {
        /// Who had the friend.
        owner: U,
        /// The friend.
        friend: U,
    },
    /// [`Engine::force_out`](crate::Engine::force_out).
    ForceOut {
        /// Who is forced out.
        user: U,
        /// Where.
        scope: Scope,
    },
    /// [`Engine::register`](crate::Engine::register).
    Register {
        /// Who exists from then on.
        user: U,
    },
    /// [`Engine::remove_user`](crate::Engine::remove_user).
    RemoveUser {
        /// Who is erased.
        user: U,
    },
    /// [`Engine::inspect`](crate::Engine::inspect).
    Inspect {
        /// Who is asked for.
        user: U,
    },
    /// [`Engine::reconfigure`](crate::Engine::reconfigure).
    Reconfigure {
        /// The whole new configuration.
        config: Config,
    },
}

/// Who made a device log in; only ML-10 tells them apart.
#[expect(clippy::exhaustive_enums, reason = "the two kinds are the rules' own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum LoginKind {
    /// The user logged in.
    #[default]
    Login,
    /// The device came back by itself.
    Reconnect,
}

/// Which of a user's devices the host forces out (ML-11).
#[expect(clippy::exhaustive_enums, reason = "the three scopes are the rules' own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Those on one platform, taken literally: `Web` does not mean `MiniProgram`.
    Platform(Platform),
    /// One.
    Device(Platform, DeviceId),
}

impl Scope {
    pub(crate) fn covers(&self, platform: Platform, device: &DeviceId) -> bool {
        match self {
            Self::All => true,
            Self::Platform(only) => *only == platform,
            Self::Device(only, id) => *only == platform && id == device,
        }
    }
}

/// What [`Engine::apply`](crate::Engine::apply) answers: that of the method mirrored.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Answer<U> {
    /// The method answers nothing.
    Done,
    /// Of a login.
    LoggedIn(SessionId),
    /// Of heartbeats: how many of the sessions are alive.
    Heard(usize),
    /// Of a query.
    Queried(Queried<U>),
    /// Of a subscribe request.
    Subscribed(Subscribed<U>),
    /// Of an unsubscribe request.
    Unsubscribed(Unsubscribed<U>),
    /// Of an inspection.
    Inspected(Inspection),
}

/// What a query found (QU-1, QU-3).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "a query is asked for its answer"]
pub struct Queried<U> {
    /// The users found with their statuses, in the order asked, duplicates included.
    pub statuses: Vec<(U, Status)>,
    /// The ids that failed, in the order asked, each time that they were named.
    pub failures: Vec<Failure<U>>,
}

/// What a subscribe request did (SU-6).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Subscribed<U> {
    /// Users evicted by the request and not in the list at its end, each once, in the order of
    /// their last eviction.
    pub evicted: Vec<U>,
    /// The ids that failed, in the order asked, each time that they were named.
    pub failures: Vec<Failure<U>>,
}

/// What an unsubscribe request did (SU-7).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Unsubscribed<U> {
    /// The ids that failed, in the order asked, each time that they were named.
    pub failures: Vec<Failure<U>>,
}

/// What the host sees of a user (QU-5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an inspection is made for its answer"]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "InspectionForm", from = "InspectionForm")
)]
pub struct Inspection {
    status: Status,
    /// The state on each platform of `Platform::ALL`; `Offline` where there is no device.
    platforms: [State; Platform::ALL.len()],
}

/// The form in which an inspection is written down: platforms by name.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct InspectionForm {
    state: State,
    custom: String,
    platforms: Vec<(Platform, State)>,
}

#[cfg(feature = "serde")]
impl From<Inspection> for InspectionForm {
    fn from(inspection: Inspection) -> Self {
        let platforms = inspection.platforms().collect();
        let Status { state, custom } = inspection.status;
        Self { state, custom, platforms }
    }
}

#[cfg(feature = "serde")]
impl From<InspectionForm> for Inspection {
    fn from(form: InspectionForm) -> Self {
        let status = Status { state: form.state, custom: form.custom };
        Self::new(status, form.platforms.into_iter())
    }
}

impl Inspection {
    pub(crate) fn new(status: Status, devices: impl Iterator<Item = (Platform, State)>) -> Self {
        let mut platforms = [State::Offline; Platform::ALL.len()];
        for (platform, state) in devices {
            let known = &mut platforms[platform.index()];
            if *known != State::Online {
                *known = state;
            }
        }
        Self { status, platforms }
    }

    /// Returns how the user can be reached.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.state
    }

    /// Returns the user's custom status; empty if none.
    #[must_use]
    pub fn custom(&self) -> &str {
        &self.status.custom
    }

    /// Returns the platforms on which the user has a session (Online) or, that failing, a push
    /// registration (PushOnline), in the order of [`Platform::ALL`].
    pub fn platforms(&self) -> impl Iterator<Item = (Platform, State)> + '_ {
        let all = Platform::ALL.into_iter().zip(self.platforms);
        all.filter(|&(_, state)| state != State::Offline)
    }
}
