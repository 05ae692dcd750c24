//! The fuzz targets of the whole engine, over their seeds and over random bytes. Those of private
//! modules are run by the unit tests beside them.

use common::seeds::{random, replay};
use common::targets;

mod common;

/// TI-7, BI-1: the engine does what the model does.
#[test]
fn seeds_of_ops_hold() {
    replay("ops", targets::ops);
}

/// BI-1: any bytes are read as a trace or refused, and what is read is followed.
#[test]
fn seeds_of_trace_hold() {
    replay("trace", targets::trace);
}

/// BI-4, ML-12: any configuration is refused with its fault or followed.
#[test]
fn seeds_of_config_hold() {
    replay("config", targets::config);
}

#[test]
fn random_configurations_hold() {
    random(200, targets::config);
}
