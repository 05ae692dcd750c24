//! Named stories: for each clause of the rules at least one, its number in the test's doc line.
//!
//! Where `conformance/` has a trace of the clause, the story looks from another side: at the
//! boundary itself, at what the answer says beside its code, or at what must not have changed.

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod bounds;
mod custom_status;
mod events;
mod friends;
mod limits;
mod liveness;
mod login;
mod notes;
mod notification;
mod query;
mod state;
mod subscriptions;
mod time;
