//! What a check has found.

use core::fmt;

/// The promises that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nobody is told what he may not know (NO-2 to NO-5).
    Privacy,
    /// Everybody who may know of a change and is there is told (NO-2).
    Told,
    /// A status that is given out is the user's true one (ST-1, ST-6, CS-3).
    Status,
    /// Sessions end when they have to, and once; what has ended is refused ever after (LV).
    Session,
    /// A newcomer displaces just those whom he excludes, in their order (ML).
    Policy,
    /// `poll_timeout` is never later than the next effect (TI-6).
    Wakeup,
    /// A request is answered as the rules demand (SU-2, SU-5, SU-6, FR-1).
    Answer,
    /// The list of subscriptions is the one that was made (SU-1 to SU-11).
    List,
    /// After quiet, engine, host, back end and clients agree on who is connected.
    Agreement,
    /// After quiet, every client sees of those whom it watches what is true.
    View,
    /// Quiet comes: whoever wants to be connected is, and has been answered.
    Settling,
    /// What is kept is what the living need (TI-8, BI-2).
    Memory,
    /// The engine's own invariants.
    Invariant,
    /// Nothing panics (BI-1).
    Panic,
}

/// A promise that did not hold.
#[derive(Clone, Debug)]
pub struct Breach {
    pub check: Check,
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.what)
    }
}

/// Tells of a breach, unless the promise holds.
pub fn check(check: Check, holds: bool, what: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach { check, what: what() }) }
}
