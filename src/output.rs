//! What the engine tells the host.

use core::fmt;

use crate::devices::Devices;
use crate::id::{DeviceId, DeviceSlot, SessionId};
use crate::platform::Platform;
use crate::status::State;
use crate::time::Timestamp;

/// Something for the host to do, from [`Engine::poll_output`](crate::Engine::poll_output).
///
/// Exhaustive on purpose: each kind demands an action, and a new kind must not be overlooked.
#[expect(clippy::exhaustive_enums, reason = "each kind demands an action of the host")]
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an output that is dropped is an action not taken"]
pub enum Output<'a, U> {
    /// Close the link of a session that has ended.
    Close(Close<'a, U>),
    /// Tell the app's back end.
    Event(Event<'a, U>),
    /// Tell sessions of a user's new status.
    Status(StatusChange<'a, U>),
}

/// A link that the engine ended (LV-6). The session is over already.
///
/// There is none for a session that the host itself ended, by
/// [`logout`](crate::Engine::logout) or [`link_closed`](crate::Engine::link_closed).
#[non_exhaustive]
#[derive(Debug, PartialEq, Eq)]
pub struct Close<'a, U> {
    /// When the session ended.
    pub at: Timestamp,
    /// The session that was.
    pub session: SessionId,
    /// Whose it was.
    pub user: &'a U,
    /// Where.
    pub platform: Platform,
    /// On which device.
    pub device: &'a DeviceId,
    /// Why it ended.
    pub reason: CloseReason,
}

/// Why the engine ended a link.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum CloseReason {
    /// The same device logged in anew (ML-7).
    Replaced,
    /// Another device's login displaced it (ML-9).
    Kicked {
        /// The newcomer's platform.
        by: Platform,
    },
    /// It was not heard from for too long (LV-2).
    TimedOut,
    /// A mini program was in the background for too long (LV-3).
    Background,
    /// A mini program was left by its exit control (LV-3).
    Exit,
    /// The host forced it out (ML-11).
    Forced,
    /// The host removed the user (AC-3).
    Removed,
}

impl CloseReason {
    /// Returns the name used in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Kicked { .. } => "kicked",
            Self::TimedOut => "timed_out",
            Self::Background => "background",
            Self::Exit => "exit",
            Self::Forced => "forced",
            Self::Removed => "removed",
        }
    }
}

/// Something for the app's back end to hear (EV-1).
#[non_exhaustive]
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a, U> {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// To whom.
    pub user: &'a U,
    /// Where.
    pub platform: Platform,
    /// On which device.
    pub device: &'a DeviceId,
    /// The devices that a login displaced; of none but a login's event (EV-2).
    pub displaced: Displaced<'a>,
}

/// What happened to a device.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Action {
    /// It logged in.
    Login,
    /// It is logged out.
    Logout,
    /// Its link broke.
    Disconnect,
    /// Its user's custom status was set or cleared on it.
    CustomStatusChange,
}

impl Action {
    /// Returns the name used in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Disconnect => "disconnect",
            Self::CustomStatusChange => "custom_status_change",
        }
    }
}

/// Why it happened, in the vendor's words: to register is to log in.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Reason {
    /// Login or reconnect.
    Register,
    /// Log-out.
    Unregister,
    /// The link was closed; on Web and MiniProgram also timeout, background and exit.
    LinkClose,
    /// The link was not heard from for too long, on all other platforms.
    TimeOut,
    /// The user set or cleared his custom status.
    SetCustomStatus,
    /// The host forced the device out.
    Forced,
    /// The host removed the user.
    Removed,
}

impl Reason {
    /// Returns the name used in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::LinkClose => "link_close",
            Self::TimeOut => "time_out",
            Self::SetCustomStatus => "set_custom_status",
            Self::Forced => "forced",
            Self::Removed => "removed",
        }
    }
}

macro_rules! display_by_name {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

display_by_name!(CloseReason, Action, Reason);

/// The devices that a login displaced, sessions and push registrations, earliest login first.
#[derive(Clone, Copy)]
pub struct Displaced<'a> {
    slots: &'a [DeviceSlot],
    devices: &'a Devices,
}

impl<'a> Displaced<'a> {
    pub(crate) fn new(slots: &'a [DeviceSlot], devices: &'a Devices) -> Self {
        Self { slots, devices }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.slots.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.slots.is_empty()
    }

    /// Walks them.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (Platform, &'a DeviceId)> + 'a {
        self.slots.iter().map(move |&slot| {
            let device = self.devices.get(slot);
            (device.platform(), &device.id)
        })
    }
}

impl PartialEq for Displaced<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Displaced<'_> {}

impl fmt::Debug for Displaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A user's new state and custom status, and whom to tell (NO-1).
#[non_exhaustive]
#[derive(Debug, PartialEq, Eq)]
pub struct StatusChange<'a, U> {
    /// When it changed.
    pub at: Timestamp,
    /// Who changed.
    pub user: &'a U,
    /// How he can be reached from then on.
    pub state: State,
    /// His custom status from then on; empty if none.
    pub custom: &'a str,
    /// The sessions to tell, each once: his own, then those of his watchers, in no order that
    /// means anything. All existed right after the change (NO-5); one may have ended since.
    pub to: &'a [SessionId],
}

/// One logged-in device, from [`Engine::devices`](crate::Engine::devices) and
/// [`Engine::owner`](crate::Engine::owner).
#[non_exhaustive]
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceRef<'a, U> {
    /// Whose device.
    pub user: &'a U,
    /// Where the device lives.
    pub platform: Platform,
    /// The device.
    pub device: &'a DeviceId,
    /// Its session; `None` for a push registration.
    pub session: Option<SessionId>,
}

/// Copies are of references, so whatever the ids are.
macro_rules! copied {
    ($($name:ident),*) => {$(
        impl<U> Clone for $name<'_, U> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<U> Copy for $name<'_, U> {}
    )*};
}

copied!(Output, Close, Event, StatusChange, DeviceRef);
