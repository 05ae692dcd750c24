//! What the tests, the fuzz targets, the benches and the replay example share.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod drafts;
pub mod driver;
pub mod env;
pub mod hosts;
pub mod lockstep;
pub mod model;
pub mod op;
pub mod rig;
pub mod seeds;
pub mod sim;
pub mod steps;
pub mod story;
pub mod targets;
pub mod trace;
