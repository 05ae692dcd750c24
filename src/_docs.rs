//! Pages.
#[doc = include_str!("_docs/rules.md")]
pub mod rules {}
