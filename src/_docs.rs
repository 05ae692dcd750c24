//! Pages that are longer than a comment: the rules, the design, and a guide for embedders.
//!
//! - [`rules`]: what the engine does, clause by clause. Everything else cites it.
//! - [`design`]: how it is built, what it costs, and what was rejected.
//! - [`benchmarks`]: how fast and how small it is, and where it does not win.
//! - [`trace`]: the format in which behaviour is recorded and replayed.
//! - [`verification`]: what is promised, how that is checked, and what was found.
//! - [`guide`]: embedding it in a server, choosing policies and limits, what to persist.

#[doc = include_str!("_docs/benchmarks.md")]
pub mod benchmarks {}

#[doc = include_str!("_docs/design.md")]
pub mod design {}

#[doc = include_str!("_docs/guide.md")]
pub mod guide {}

#[expect(rustdoc::broken_intra_doc_links, reason = "`[D]` and the like name a clause's sources")]
#[doc = include_str!("_docs/rules.md")]
pub mod rules {}

#[doc = include_str!("_docs/trace.md")]
pub mod trace {}

#[doc = include_str!("_docs/verification.md")]
pub mod verification {}
