//! The presence part of a chat or game back end as a pure state machine: who is online, who is
//! kicked, who is told.
//!
//! People log in on phones, desktops and browsers; links break silently; others want to know who is
//! there. An [`Engine`] keeps each user's state, decides whom a login displaces, keeps capped
//! subscription lists and friends, limits rates exactly, and on each change says which sessions to
//! tell. It opens no socket, reads no clock and spawns no thread: the host gives every event with
//! its time and drains what is to be done. The same inputs give the same outputs, always.
//!
//! # The host's loop
//!
//! ```
//! use std::collections::HashMap;
//! use presence_engine::{
//!     Config, DeviceId, Engine, LoginKind, Output, Platform, SessionId, State, Timestamp,
//! };
//!
//! let mut engine = Engine::<String>::new(Config::default());
//! let mut inboxes: HashMap<SessionId, Vec<String>> = HashMap::new();
//!
//! // What comes in is given to the engine with its time. What is asked is answered at once.
//! let mut now = Timestamp::from_millis(0);
//! let phone = DeviceId::new("phone");
//! let ann = engine.login(now, "ann", Platform::Android, phone, LoginKind::Login)?;
//! let bob = engine.login(now, "bob", Platform::Web, DeviceId::new("tab"), LoginKind::Login)?;
//! engine.subscribe(now, bob, &["ann"])?;
//!
//! loop {
//!     // What others must hear is polled until nothing waits.
//!     while let Some(output) = engine.poll_output() {
//!         match output {
//!             Output::Close(close) => {
//!                 inboxes.entry(close.session).or_default().push("closed".into());
//!             }
//!             Output::Event(_) => {} // for the app's back end
//!             Output::Status(change) => {
//!                 for &session in change.to {
//!                     let news = format!("{} is {}", change.user, change.state);
//!                     inboxes.entry(session).or_default().push(news);
//!                 }
//!             }
//!         }
//!     }
//!     // A real host sleeps until then, or until something comes in: a socket, a channel.
//!     match engine.poll_timeout() {
//!         Some(next) => now = now.max(next),
//!         None => break,
//!     }
//!     engine.handle_timeout(now);
//! }
//!
//! // Nobody sent a heartbeat: Bob's tab ended after a minute. Ann's phone did after 400 seconds,
//! // and could be reached by push for seven days; Bob was not there to hear of it.
//! assert_eq!(inboxes[&bob], ["bob is online", "closed"]);
//! assert_eq!(inboxes[&ann], ["ann is online", "closed"]);
//! assert_eq!(now, Timestamp::from_millis(400_000 + 7 * 24 * 3_600_000));
//! assert_eq!(engine.inspect(now, "ann")?.state(), State::Offline);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Four families of methods
//!
//! | family | methods | answer |
//! |---|---|---|
//! | links | `login`, `logout`, `link_closed`, `heartbeat(s)`, `background`, `foreground`, `exit` | the session, or that it has ended |
//! | requests of clients | `set_status`, `query`, `subscribe`, `unsubscribe(_all)` | what was found, what failed, who was evicted |
//! | orders of the host | `add_friend`, `remove_friend`, `force_out`, `register`, `remove_user`, `inspect`, `reconfigure` | what was found |
//! | time and news | `handle_timeout`, `poll_timeout`, `poll_output` | when to call next, what to do |
//!
//! Getters change nothing, and neither do `prefetch` and `prefetch_users`, hints of what comes
//! next. [`Input`] mirrors the first three and [`Engine::handle_timeout`] as values, for journals,
//! replay and fuzzing; [`Engine::apply`] dispatches them.
//!
//! # Semantics in short
//!
//! - A user is **Online** with a session, else **PushOnline** with a device that offline push
//!   reaches, else **Offline** ([`State`]). A change of state or custom status gives exactly one
//!   [`StatusChange`], in the order in which things happened.
//! - **Told** are all sessions of everybody who watches the user, by subscription or friendship,
//!   and his own: those that exist right after the change ([`StatusChange::to`]).
//! - **Time** is what the inputs say, in milliseconds. Timers take effect at their deadlines, to
//!   the millisecond, however late the host calls; extra calls change nothing.
//! - **Limits** are fields of the [`Config`]; errors say which limit was met. A refused call
//!   changes nothing, but that a session counts as heard and a kick while away as told (LI-7), and
//!   that a request in which every id fails has taken its token (QU-3).
//!
//! The [rules](_docs::rules) say it all, clause by clause, and the documentation cites them as
//! (LV-7). The [guide](_docs::guide) leads through embedding, the [design](_docs::design) page
//! tells how it is built and why.
//!
//! # Guarantees
//!
//! - **Deterministic**: no clock, no randomness, no dependence on hash order. Session ids are
//!   part of that.
//! - **Bounded**: every list of a user has a limit; one call costs no more than its own size, the
//!   lists that it touches and the sessions to tell, but for tables that grow by doubling. Mass
//!   expiry is cut into calls of bounded work.
//! - **No unsafe code**, and no panic on any input: a panic is a bug in this crate.
//!
//! # Features and versions
//!
//! The library is `no_std` with `alloc`. Features only add:
//!
//! - `std` (default): a default hasher, keyed at random. Without it, name one:
//!   [`Engine::with_hasher`].
//! - `serde`: `Serialize` and `Deserialize` for [`Input`], [`Config`] and the public value types.
//! - `arbitrary`: `Arbitrary` for the same; needs `std`.
//!
//! The minimum supported Rust version is 1.85.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod bucket;
mod config;
mod devices;
mod directory;
mod edges;
mod engine;
mod error;
mod free;
mod id;
mod input;
mod named;
mod outbox;
mod output;
mod platform;
mod policy;
mod pool;
mod reach;
mod relations;
mod retired;
mod sessions;
mod stats;
mod status;
mod text;
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
pub use output::{
    Action, Close, CloseReason, DeviceRef, Displaced, Event, Output, Reason, StatusChange,
};
pub use platform::{Platform, UnknownPlatform};
pub use policy::{Groups, GroupsError, Policy};
pub use stats::Stats;
pub use status::{State, Status, UnknownVendorStatus, VendorStatus};
pub use tier::Tier;
pub use time::Timestamp;
pub use user_id::{Id, UserId};

#[cfg(doc)]
pub mod _docs;

/// What the fuzz targets of private modules run. No part of the public interface.
#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub mod _fuzz {
    /// Runs bytes as operations on timers, beside a list of deadlines. Panics where they differ.
    pub fn timers(bytes: &[u8]) {
        crate::timer::oracle::check(bytes);
    }

    /// Runs bytes as operations on relations, beside vectors. Panics where they differ.
    pub fn relations(bytes: &[u8]) {
        crate::relations::oracle::check(bytes);
    }
}

#[cfg(test)]
#[path = "../tests/common/seeds.rs"]
mod seeds;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
