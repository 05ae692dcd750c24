//! How much the engine holds.

/// How much the engine holds, from [`Engine::stats`](crate::Engine::stats).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Users of whom something is kept: a device, a relation, a registration, a bucket that is not
    /// full, a note.
    pub users: usize,
    /// Live sessions.
    pub sessions: usize,
    /// Devices that only offline push reaches.
    pub push_registrations: usize,
    /// Pairs of watcher and watched user, by subscription, friendship or both.
    pub edges: usize,
    /// Pending timers.
    pub timers: usize,
    /// Outputs that wait for the host.
    pub pending_outputs: usize,
    /// Inputs stamped earlier than one before them (TI-2).
    pub clock_regressions: u64,
}
