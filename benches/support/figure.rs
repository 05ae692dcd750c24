//! What the summary says of a measure.

use super::measure::{Measured, Spread};
use super::scene::Bounds;

/// A measure beside what is demanded of it.
#[derive(Clone, Debug)]
pub struct Figure {
    pub row: &'static str,
    /// What tells it from others of the row.
    pub name: String,
    pub times_floor: Option<Spread>,
    pub floor_max: Option<f64>,
    pub times_rival: Option<Spread>,
    pub rival_min: Option<f64>,
    /// The least program's time by the floor's, and the rival's by that of the least program.
    pub least_floors: Option<f64>,
    pub least_rivals: Option<f64>,
    /// What is bounded by itself: its value, the bound, and the unit.
    pub absolute: Option<(f64, f64, &'static str)>,
    /// What floor, or least program where there is no floor, took: it says how loud the machine's
    /// neighbours were meanwhile.
    pub yardstick: Option<f64>,
}

impl Figure {
    pub fn new(row: &'static str, name: &str, bounds: Bounds, measured: &Measured) -> Self {
        let absolute = bounds.nanos_max.map(|max| (measured.engine.middle / 1e6, max / 1e6, "ms"));
        Self {
            row,
            name: name.to_owned(),
            times_floor: measured.times_floor,
            floor_max: bounds.floor_max,
            times_rival: measured.times_rival,
            rival_min: bounds.rival_min,
            least_floors: measured.least_floors.map(|times| times.middle),
            least_rivals: measured.least_rivals.map(|times| times.middle),
            absolute,
            yardstick: measured.floor.or(measured.least).map(|spread| spread.middle),
        }
    }

    /// Whether the machine was quieter when it was measured, as far as can be told.
    pub fn is_quieter_than(&self, other: &Self) -> bool {
        self.yardstick.zip(other.yardstick).is_some_and(|(one, other)| one < other)
    }

    /// Whether something is demanded of it at all.
    pub fn is_bound(&self) -> bool {
        self.floor_max.is_some() || self.rival_min.is_some() || self.absolute.is_some()
    }

    /// Whether all that is demanded is there. What could not be measured is not.
    pub fn is_met(&self) -> bool {
        let by_floor = self
            .floor_max
            .is_none_or(|max| self.times_floor.is_some_and(|times| times.middle <= max));
        let by_rival = self
            .rival_min
            .is_none_or(|min| self.times_rival.is_some_and(|times| times.middle >= min));
        by_floor && by_rival && self.absolute.is_none_or(|(value, max, _)| value <= max)
    }

    /// Whether the floor itself, or the least program, misses the ratio to the rival, in the same
    /// run: then every program does.
    pub fn is_rival_beyond(&self) -> bool {
        let ratios = self.times_floor.zip(self.times_rival);
        let by_floor = ratios.map(|(floor, rival)| floor.middle * rival.middle);
        let by_least = self.least_rivals.filter(|_| self.is_least());
        let best = [by_floor, by_least].into_iter().flatten().reduce(f64::min);
        best.zip(self.rival_min).is_some_and(|(ratio, min)| ratio < min)
    }

    /// Whether the least program misses the ratio to the floor.
    pub fn is_floor_beyond(&self) -> bool {
        let least = self.least_floors.filter(|_| self.is_least());
        least.zip(self.floor_max).is_some_and(|(ratio, max)| ratio > max)
    }

    /// Whether the least program is not slower than the engine, give or take what two runs of the
    /// same differ: else it proves nothing.
    fn is_least(&self) -> bool {
        const NOISE: f64 = 1.2;
        match (self.least_floors.zip(self.times_floor), self.least_rivals.zip(self.times_rival)) {
            (Some((least, engine)), _) => least <= engine.middle * NOISE,
            // Rivals take part in fewer rounds.
            (None, Some((least, engine))) => least * NOISE >= engine.middle,
            (None, None) => true,
        }
    }

    /// Whether all that is demanded is there, but for what is beyond floor or least program.
    pub fn is_met_within_reach(&self) -> bool {
        let rival_min = self.rival_min.filter(|_| !self.is_rival_beyond());
        let floor_max = self.floor_max.filter(|_| !self.is_floor_beyond());
        Self { rival_min, floor_max, ..self.clone() }.is_met()
    }

    /// What the least program does: times the floor, and ahead of the rival.
    pub fn least_cell(&self) -> String {
        let [floors, rivals] = [self.least_floors, self.least_rivals]
            .map(|value| value.map_or_else(|| "–".to_owned(), short));
        match (self.least_floors, self.least_rivals) {
            (None, None) => "–".to_owned(),
            _ => format!("{floors}/{rivals}"),
        }
    }

    /// What stands in the floor's column: the ratio, or the value that is bounded by itself.
    pub fn floor_cell(&self) -> String {
        match (self.absolute, self.times_floor) {
            (Some((value, _, unit)), _) => format!("{} {unit}", short(value)),
            (None, Some(times)) => short(times.middle),
            (None, None) => "–".to_owned(),
        }
    }

    pub fn floor_target(&self) -> String {
        match (self.absolute, self.floor_max) {
            (Some((_, max, unit)), _) => format!("{} {unit}", short(max)),
            (None, Some(max)) => short(max),
            (None, None) => "–".to_owned(),
        }
    }

    pub fn rival_cell(&self) -> String {
        self.times_rival.map_or_else(|| "–".to_owned(), |times| short(times.middle))
    }

    pub fn rival_target(&self) -> String {
        self.rival_min.map_or_else(|| "–".to_owned(), short)
    }
}

/// A number with as many digits as are worth reading.
pub fn short(value: f64) -> String {
    let is_whole = value.fract() == 0.0;
    match value {
        _ if is_whole || value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
