//! Timing contenders against each other in one run: rounds are interleaved, so that a machine that
//! slows down slows all of them, and the median of the rounds counts. A ratio is taken within each
//! round, for the same reason.

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use super::scene::{Contender, Scene};

/// What one round took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub elapsed: Duration,
    pub units: usize,
}

impl Sample {
    /// Nanoseconds a unit.
    pub fn nanos(self) -> f64 {
        self.elapsed.as_nanos() as f64 / self.units.max(1) as f64
    }
}

/// Times `work`, which does `units` units of it.
pub fn timed<T>(units: usize, work: impl FnOnce() -> T) -> Sample {
    let start = Instant::now();
    black_box(work());
    Sample { elapsed: start.elapsed(), units }
}

/// How often a scene is measured.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// How often at least.
    pub count: usize,
    /// How long all contenders together are measured at least, if that takes no more than
    /// [`Self::MAX`] rounds.
    pub time: Duration,
    /// Rivals are slow, and far from their bounds: they take part in every so many-th round.
    pub rival_step: usize,
}

impl Rounds {
    /// How often a scene is measured at most for the sake of [`Self::time`].
    const MAX: usize = 100;

    /// For a scene whose rounds take seconds: as often as this, but at most `count` times, and all
    /// contenders each time.
    pub fn at_most(self, count: usize) -> Self {
        Self { count: self.count.min(count), time: Duration::ZERO, rival_step: 1 }
    }
}

/// The middle of some values, and the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get(values.len() * quarter / 4).copied();
        Some(Self { low: at(1)?, middle: at(2)?, high: at(3)? })
    }

    /// A value that was measured once.
    pub fn exact(value: f64) -> Self {
        Self { low: value, middle: value, high: value }
    }
}

/// What came of measuring a scene: nanoseconds a unit, and ratios.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub floor: Option<Spread>,
    pub engine: Spread,
    pub rival: Option<Spread>,
    /// The engine's time by the floor's.
    pub times_floor: Option<Spread>,
    /// The rival's time by the engine's.
    pub times_rival: Option<Spread>,
    pub least: Option<Spread>,
    /// The least program's time by the floor's.
    pub least_floors: Option<Spread>,
    /// The rival's time by the least program's.
    pub least_rivals: Option<Spread>,
}

/// Measures a scene. A first round of each, which warms caches and branch predictors, does not
/// count; where there are but one or two, it is left out.
pub fn measure(scene: &mut dyn Scene, rounds: Rounds) -> Measured {
    let [mut floors, mut engines, mut rivals, mut times_floor, mut times_rival] =
        [const { Vec::new() }; 5];
    let [mut leasts, mut least_floors, mut least_rivals] = [const { Vec::new() }; 3];
    if rounds.count > 2 {
        for contender in Contender::ALL {
            scene.round(contender);
        }
    }
    let mut elapsed = Duration::ZERO;
    let is_needed =
        |round, elapsed| round < rounds.count || (round < Rounds::MAX && elapsed < rounds.time);
    for round in 0.. {
        if !is_needed(round, elapsed) {
            break;
        }
        let mut nanos = |contender| {
            let sample = scene.round(contender)?;
            elapsed += sample.elapsed;
            Some(sample.nanos())
        };
        let floor = nanos(Contender::Floor);
        let Some(engine) = nanos(Contender::Engine) else { break };
        let has_rival = round % rounds.rival_step == 0;
        let rival = has_rival.then(|| nanos(Contender::Rival)).flatten();
        let least = nanos(Contender::Least);
        leasts.extend(least);
        least_floors.extend(least.zip(floor).map(|(least, floor)| least / floor));
        least_rivals.extend(least.zip(rival).map(|(least, rival)| rival / least));
        engines.push(engine);
        floors.extend(floor);
        rivals.extend(rival);
        times_floor.extend(floor.map(|floor| engine / floor));
        times_rival.extend(rival.map(|rival| rival / engine));
    }
    Measured {
        floor: Spread::of(floors),
        engine: Spread::of(engines).unwrap_or_else(|| Spread::exact(f64::NAN)),
        rival: Spread::of(rivals),
        times_floor: Spread::of(times_floor),
        times_rival: Spread::of(times_rival),
        least: Spread::of(leasts),
        least_floors: Spread::of(least_floors),
        least_rivals: Spread::of(least_rivals),
    }
}
