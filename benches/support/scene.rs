//! Scenes: a piece of work that is done by the engine, by its floor and by its rival.

use super::measure::Sample;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The least work that any program must do for the same effect.
    Floor,
    Engine,
    /// What a competent engineer would write with hash maps.
    Rival,
    /// What any program does that is called one input at a time, in the smallest tables.
    Least,
}

impl Contender {
    pub const ALL: [Self; 4] = [Self::Floor, Self::Engine, Self::Rival, Self::Least];

    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Engine => "engine",
            Self::Rival => "rival",
            Self::Least => "least",
        }
    }
}

/// A piece of work that can be repeated. Scenes assert their results when they are made, and
/// whenever that costs no time.
pub trait Scene {
    /// Does it once, and tells how long that took; `None` if there is no such contender.
    fn round(&mut self, contender: Contender) -> Option<Sample>;
}

/// What is demanded of a measure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// The engine takes at most so many times what the floor takes.
    pub floor_max: Option<f64>,
    /// The rival takes at least so many times what the engine takes.
    pub rival_min: Option<f64>,
    /// The engine takes at most so many nanoseconds.
    pub nanos_max: Option<f64>,
}

impl Bounds {
    /// Nothing is demanded: the figure is there to be read.
    pub const NONE: Self = Self { floor_max: None, rival_min: None, nanos_max: None };

    pub const fn new(floor_max: f64, rival_min: f64) -> Self {
        Self { floor_max: Some(floor_max), rival_min: Some(rival_min), nanos_max: None }
    }

    pub const fn floor(floor_max: f64) -> Self {
        Self { floor_max: Some(floor_max), ..Self::NONE }
    }

    pub const fn rival(rival_min: f64) -> Self {
        Self { rival_min: Some(rival_min), ..Self::NONE }
    }

    pub const fn nanos(nanos_max: f64) -> Self {
        Self { nanos_max: Some(nanos_max), ..Self::NONE }
    }
}

/// A measure of a row of the summary.
pub struct Case<'a> {
    pub row: &'static str,
    pub name: String,
    pub bounds: Bounds,
    pub scene: &'a mut dyn Scene,
}

/// Takes the cases of a topic, one after another. Each has its scene only while it is visited, as
/// worlds are large.
pub type Visit<'a> = &'a mut dyn FnMut(Case<'_>);

/// How much is done, and of what.
#[derive(Clone, Debug)]
pub struct Scale {
    /// How many users there are in a world, all online, where the measure says nothing else.
    pub users: usize,
    /// The rows that are wanted; all if empty.
    pub rows: Vec<String>,
    /// Whether measures without bounds are left out.
    pub is_quick: bool,
}

impl Scale {
    /// That of the targets, or, so that all of it can be run as a test, a tiny one.
    pub fn new(is_test: bool) -> Self {
        Self { users: if is_test { 4_000 } else { 1_000_000 }, rows: Vec::new(), is_quick: false }
    }

    pub fn is_test(&self) -> bool {
        self.users < 1_000_000
    }

    /// `full` of something at full scale, and a fitting number of it in a test.
    pub fn of(&self, full: usize) -> usize {
        if self.is_test() { (full / 250).max(1) } else { full }
    }

    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}
