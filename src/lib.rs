//! Presence.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bucket;
mod config;
mod devices;
mod directory;
mod engine;
mod error;
mod id;
mod input;
mod outbox;
mod output;
mod platform;
mod policy;
mod reach;
mod relations;
mod sessions;
mod stats;
mod status;
mod tier;
mod time;
mod timer;
mod user;
mod user_id;

pub use bucket::{Api, Rate};
pub use config::{Accounts, Config, ConfigBuilder, ConfigError, KickedAway, Limit, Timeout};
pub use engine::Engine;
pub use error::{
    EngineFull, Failure, FailureReason, FriendError, InputError, InvalidUserId, LoginError,
    QueryError, RegisterError, RequestError, SetStatusError, UnknownSession,
};
pub use id::{DeviceId, NotASessionId, SessionId};
pub use input::{Answer, Input, Inspection, LoginKind, Queried, Scope, Subscribed, Unsubscribed};
pub use output::{Action, Close, CloseReason, Displaced, Event, Output, Reason, StatusChange};
pub use platform::{Platform, UnknownPlatform};
pub use policy::{Groups, GroupsError, Policy};
pub use stats::Stats;
pub use status::{State, Status, UnknownVendorStatus, VendorStatus};
pub use tier::Tier;
pub use time::Timestamp;
pub use user_id::{Id, UserId};

#[cfg(doc)]
pub mod _docs;
