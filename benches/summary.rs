//! All measures with targets, in one table: `cargo bench --bench summary`.
//!
//! Arguments after `--`: `--quick` for fewer repetitions, rows (`A1 D1`) for only those,
//! `--svg PATH` for a chart of the main ratios. What was measured is told on the standard error
//! stream as it comes, in nanoseconds; the table is of ratios, as only they mean anything.

use core::time::Duration;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use support::figure::Figure;
use support::growth::{self, GROWTH_MAX};
use support::measure::{Measured, Rounds, Spread, measure};
use support::memory::{self, Load, resident};
use support::scene::{Case, Contender, Scale, Visit};
use support::{chart, fan_out, load, requests, sessions, side_by_side, timers};

// What a module of the library, which `support` compiles in, looks for in its crate.
extern crate alloc;
use presence_engine as time;

mod support;

/// The rows in the order of the table, and what each is about.
const ROWS: [(&str, &str); 19] = [
    ("A1", "fan-out, a recipient: all online"),
    ("A2", "fan-out, a visited watcher: half, nine tenths offline"),
    ("A3", "fan-out, a recipient: few watchers, users strewn"),
    ("A4", "fan-out, a session told: 1 to 3 of each watcher"),
    ("B1", "subscribe, unsubscribe an edge: numbers as ids"),
    ("B2", "subscribe, unsubscribe an edge: texts as ids"),
    ("B3", "subscribe anew in a full list of 200"),
    ("C1", "bytes an edge: 200 out, 200 in"),
    ("C2", "bytes an edge: all watch one"),
    ("C3", "bytes a user with one session"),
    ("D1", "heartbeat, one call each"),
    ("D2", "heartbeats, 256 in a call"),
    ("E1", "mass expiry, a session"),
    ("E2", "putting timers back, a session"),
    ("F", "log out and in, 200 watchers and a list of 200"),
    ("G", "token bucket: refused, admitted"),
    ("H", "a day of a social network, an event"),
    ("I", "growth by the floor's: A1, D1, F, B1"),
    ("J", "longest handle_timeout in a mass expiry"),
];

/// How often what is missed is measured again.
const AGAIN_MAX: usize = 2;

/// The options of a run.
struct Options {
    scale: Scale,
    rounds: Rounds,
    svg: Option<String>,
}

impl Options {
    fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = args.peekable();
        let (mut is_test, mut is_quick, mut svg, mut rows) = (false, false, None, Vec::new());
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // What cargo itself adds.
                "--bench" => {}
                "--test" => is_test = true,
                "--quick" => is_quick = true,
                "--svg" => svg = Some(args.next().ok_or("--svg needs a path")?),
                row if ROWS.iter().any(|(known, _)| *known == row) => rows.push(arg),
                _ => return Err(format!("{arg} is neither an option nor a row")),
            }
        }
        let (count, millis, rival_step) = match (is_test, is_quick) {
            (true, _) => (1, 0, 1),
            (_, true) => (3, 100, 4),
            _ => (25, 300, 3),
        };
        let rounds = Rounds { count, time: Duration::from_millis(millis), rival_step };
        let scale = Scale { rows, is_quick, ..Scale::new(is_test) };
        Ok(Self { scale, rounds, svg })
    }

    /// How often a case is measured: those whose rounds take long less often.
    fn rounds_of(&self, row: &str) -> Rounds {
        match row {
            "H" | "E1" | "J" => self.rounds.at_most(if self.scale.is_quick { 1 } else { 5 }),
            "E2" => self.rounds.at_most(if self.scale.is_quick { 2 } else { 9 }),
            // Rounds are short at the small sizes: there are more of them while time allows.
            "I" => Rounds { count: self.rounds.count.min(9), ..self.rounds },
            _ => self.rounds,
        }
    }
}

fn main() -> ExitCode {
    if memory::be_child() {
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let start = Instant::now();
    let figures = run(&options);
    eprintln!("{} s", start.elapsed().as_secs());
    if options.scale.is_test() {
        println!("a test: these worlds are too small for the figures to mean anything");
    }
    print_table(&figures);
    if let Some(path) = &options.svg {
        if let Err(error) = fs::write(path, chart::draw(&figures)) {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Measures all rows that are wanted, and in the long form again what is missed within reach, as a
/// loud minute of the machine spoils whatever is measured in it.
fn run(options: &Options) -> Vec<Figure> {
    let Options { scale, .. } = options;
    let mut figures = measure_rows(scale, options);
    let again_max = if scale.is_quick || scale.is_test() { 0 } else { AGAIN_MAX };
    for _ in 0..again_max {
        let scale = Scale { rows: missed_rows(&figures), ..scale.clone() };
        if scale.rows.is_empty() {
            break;
        }
        eprintln!("missed, and measured again: {}", scale.rows.join(" "));
        keep_quieter(&mut figures, measure_rows(&scale, options));
    }
    fold_growth(&mut figures);
    figures.extend(measure_memory(options));
    let place = |figure: &Figure| ROWS.iter().position(|(row, _)| *row == figure.row);
    figures.sort_by_key(place);
    figures
}

/// The rows that are missed without being beyond reach, of those that can be told to have been
/// measured when the machine was quieter.
fn missed_rows(figures: &[Figure]) -> Vec<String> {
    let mut figures = figures.to_vec();
    fold_growth(&mut figures);
    let figures = figures.iter().filter(|figure| figure.is_bound() && figure.yardstick.is_some());
    let missed = figures.filter(|figure| !figure.is_met_within_reach());
    let is_missed = |row: &str| missed.clone().any(|figure| figure.row == row);
    ROWS.iter().filter(|(row, _)| is_missed(row)).map(|(row, _)| row.to_string()).collect()
}

/// Of what was measured twice, keeps what was when the machine was quieter, whatever came of it.
fn keep_quieter(figures: &mut [Figure], again: Vec<Figure>) {
    for new in again {
        let old = figures.iter_mut().find(|old| (old.row, &old.name) == (new.row, &new.name));
        if let Some(old) = old.filter(|old| new.is_quieter_than(old)) {
            *old = new;
        }
    }
}

/// Measures those rows that `scale` wants, growth at each size by itself.
fn measure_rows(scale: &Scale, options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut visit = |case: Case<'_>| {
        let Case { row, name, bounds, scene } = case;
        let measured = measure(scene, options.rounds_of(row));
        tell(row, &name, &measured);
        figures.push(Figure::new(row, &name, bounds, &measured));
    };
    type Topic = fn(&Scale, Visit<'_>);
    let topics: [Topic; 6] = [
        fan_out::visit,
        requests::visit,
        sessions::visit,
        timers::visit,
        load::visit,
        growth::visit,
    ];
    for topic in topics {
        topic(scale, &mut visit);
    }
    figures
}

/// Tells what was measured, in nanoseconds, and between which quartiles.
fn tell(row: &str, name: &str, measured: &Measured) {
    let spread = |what: &str, spread: Option<Spread>| {
        spread.map_or_else(String::new, |Spread { low, middle, high }| {
            format!("  {what} {middle:.2} ({low:.2} to {high:.2})")
        })
    };
    let (floor, rival) = (spread("floor", measured.floor), spread("rival", measured.rival));
    let (engine, least) =
        (spread("engine", Some(measured.engine)), spread("least", measured.least));
    eprintln!("{row} {name}:{floor}{engine}{rival}{least} ns");
}

/// Puts the figures of one measure at all sizes together: the worst of their ratios, by the ratio
/// at the smallest size.
fn fold_growth(figures: &mut Vec<Figure>) {
    let (sizes, mut kept): (Vec<_>, Vec<_>) =
        figures.drain(..).partition(|figure| figure.row == "I");
    for measure in growth::MEASURES {
        let ratios = sizes.iter().filter(|figure| figure.name.starts_with(measure));
        let worst = |ratio: fn(&Figure) -> Option<f64>| {
            let ratios: Vec<_> = ratios.clone().filter_map(ratio).collect();
            let first = ratios.first()?;
            Some(ratios.iter().map(|ratio| ratio / first).fold(0.0, f64::max))
        };
        let least = worst(|figure| figure.least_floors);
        let engine = worst(|figure| figure.times_floor.map(|times| times.middle));
        let Some(worst) = engine else { continue };
        kept.push(Figure {
            row: "I",
            name: measure.to_owned(),
            times_floor: Some(Spread::exact(worst)),
            floor_max: Some(GROWTH_MAX),
            times_rival: None,
            rival_min: None,
            least_floors: least,
            least_rivals: None,
            absolute: None,
            yardstick: ratios.clone().find_map(|figure| figure.yardstick),
        });
    }
    *figures = kept;
}

/// Measures C. The floor of an edge is a number of 4 bytes at each end.
fn measure_memory(options: &Options) -> Vec<Figure> {
    let scale = &options.scale;
    // A quarter of the users fills as much of what is reserved for it.
    let (members, watchers, users) = match scale.is_quick {
        true => (scale.users / 50, scale.users / 4, scale.users / 4),
        false => (scale.users / 10, scale.users, scale.users),
    };
    let rows = [
        ("C1", Load::Community, members, 2.0, 2.3),
        ("C2", Load::Crowd, watchers, 4.0, 2.5),
        ("C3", Load::Users, users, 128.0, 2.5),
    ];
    let mut figures = Vec::new();
    for (row, load, users, max, rival_min) in rows {
        if !scale.wants(row) {
            continue;
        }
        let users = users.max(4_000);
        let measured = |contender| resident(load, contender, users);
        let engine = || measured(Contender::Engine);
        let (engine, rival) = side_by_side(engine, || measured(Contender::Rival));
        eprintln!("{row}: engine {engine:?}  rival {rival:?} bytes");
        let is_edge = load != Load::Users;
        let times_floor = engine.map(|bytes| bytes / 8.0).filter(|_| is_edge);
        let times_rival = engine.zip(rival).map(|(engine, rival)| rival / engine);
        figures.push(Figure {
            row,
            name: "resident".to_owned(),
            times_floor: times_floor.map(Spread::exact),
            floor_max: is_edge.then_some(max),
            times_rival: times_rival.map(Spread::exact),
            rival_min: Some(rival_min),
            least_floors: None,
            least_rivals: None,
            absolute: engine.map(|bytes| (bytes, max, "B")).filter(|_| !is_edge),
            yardstick: None,
        });
    }
    figures
}

fn print_table(figures: &[Figure]) {
    println!(
        "{:3} {:54} {:>34} {:>8} {:>34} {:>8} {:>21}",
        "", "", "times the floor", "at most", "ahead of the rival", "at least", "the least program"
    );
    let (mut met, mut missed, mut beyond) = (0, 0, 0);
    for (row, what) in ROWS {
        let figures: Vec<_> = figures.iter().filter(|figure| figure.row == row).collect();
        let bound: Vec<_> = figures.iter().filter(|figure| figure.is_bound()).collect();
        if bound.is_empty() {
            continue;
        }
        let cells = |cell: fn(&Figure) -> String| {
            let mut cells: Vec<_> = bound.iter().map(|figure| cell(figure)).collect();
            // The same target, or none, is said once.
            if cells.iter().all(|cell| *cell == cells[0]) {
                cells.truncate(1);
            }
            cells.join(" ")
        };
        let verdict = if bound.iter().all(|figure| figure.is_met()) {
            met += 1;
            "met"
        } else if bound.iter().all(|figure| figure.is_met_within_reach()) {
            missed += 1;
            beyond += 1;
            "missed, beyond reach"
        } else {
            missed += 1;
            "missed"
        };
        println!(
            "{row:3} {what:54} {:>34} {:>8} {:>34} {:>8} {:>21}  {}",
            cells(Figure::floor_cell),
            cells(Figure::floor_target),
            cells(Figure::rival_cell),
            cells(Figure::rival_target),
            cells(Figure::least_cell),
            verdict
        );
    }
    if beyond > 0 {
        println!(
            "{beyond} of those that are missed are so for floor or least program, in this run"
        );
    }
    println!("{met} met, {missed} missed");
}
