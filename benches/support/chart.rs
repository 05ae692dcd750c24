//! The chart of the main ratios: two panels of bars on a logarithmic scale, as SVG.

use super::figure::{Figure, short};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 250.0;
const PLOT: f64 = 510.0;
const BAR: f64 = 12.0;
const STEP: f64 = 18.0;
const HEAD: f64 = 52.0;
const FOOT: f64 = 22.0;

/// One panel: its title, and its bars, each with its target.
struct Panel<'a> {
    title: &'a str,
    bars: Vec<Bar>,
}

struct Bar {
    label: String,
    value: f64,
    target: Option<f64>,
    colour: &'static str,
}

const MET: &str = "#3a8fd0";
const MISSED: &str = "#d0743a";
/// Missed by the floor itself.
const BEYOND: &str = "#9aa4ae";

/// Draws all figures that are ratios. The colours are readable on light and dark ground.
pub fn draw(figures: &[Figure]) -> String {
    let by_floor = |figure: &Figure| {
        let value = figure.times_floor?.middle;
        let colour = match figure.floor_max {
            Some(max) if value > max && figure.is_floor_beyond() => BEYOND,
            Some(max) if value > max => MISSED,
            _ => MET,
        };
        Some((value, figure.floor_max, colour))
    };
    let by_rival = |figure: &Figure| {
        let value = figure.times_rival?.middle;
        let colour = match figure.rival_min {
            Some(min) if value < min && figure.is_rival_beyond() => BEYOND,
            Some(min) if value < min => MISSED,
            _ => MET,
        };
        Some((value, figure.rival_min, colour))
    };
    type Read<'a> = &'a dyn Fn(&Figure) -> Option<(f64, Option<f64>, &'static str)>;
    let bars = |read: Read<'_>| {
        let bars = figures.iter().filter(|figure| figure.is_bound()).filter_map(|figure| {
            let label = format!("{} {}", figure.row, figure.name);
            let (value, target, colour) = read(figure)?;
            Some(Bar { label, value, target, colour })
        });
        bars.collect()
    };
    let panels = [
        Panel {
            title: "Times the floor: the least work that any program must do (less is better)",
            bars: bars(&by_floor),
        },
        Panel {
            title: "Times faster, or smaller, than a hash-map engine (more is better)",
            bars: bars(&by_rival),
        },
    ];
    let height: f64 = panels.iter().map(Panel::height).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#808890\">\n"
    );
    let mut top = 0.0;
    for panel in &panels {
        svg += &panel.draw(top);
        top += panel.height();
    }
    svg + "</svg>\n"
}

impl Panel<'_> {
    fn height(&self) -> f64 {
        HEAD + STEP * self.bars.len() as f64 + FOOT
    }

    /// The powers of ten between which all values and targets are.
    fn decades(&self) -> (i32, i32) {
        let values = self.bars.iter().flat_map(|bar| [Some(bar.value), bar.target]).flatten();
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) =
            logs.fold((0.0_f64, 1.0_f64), |(low, high), log| (low.min(log), high.max(log)));
        (low.floor() as i32, high.ceil() as i32)
    }

    fn draw(&self, top: f64) -> String {
        let (low, high) = self.decades();
        let x = |value: f64| {
            let part = (value.log10() - f64::from(low)) / f64::from(high - low);
            LABELS + PLOT * part.clamp(0.0, 1.0)
        };
        let (first, last) = (top + HEAD, top + self.height() - FOOT);
        let mut svg = format!(
            "<text x=\"8\" y=\"{:.0}\" font-size=\"13\" font-weight=\"bold\">{}</text>\n",
            top + 22.0,
            self.title
        );
        for power in low..=high {
            let at = x(10_f64.powi(power));
            svg += &format!(
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{last:.1}\" \
                 stroke=\"#808890\" stroke-opacity=\".35\"/>\n\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                first - 4.0,
                first - 8.0,
                short(10_f64.powi(power))
            );
        }
        for (nth, bar) in self.bars.iter().enumerate() {
            let y = first + STEP * nth as f64;
            let colour = bar.colour;
            let middle = y + BAR - 2.0;
            svg += &format!(
                "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\n\
                 <rect x=\"{LABELS}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" \
                 fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{middle:.1}\">{}</text>\n",
                LABELS - 8.0,
                bar.label,
                x(bar.value) - LABELS,
                LABELS + PLOT + 14.0,
                short(bar.value)
            );
            if let Some(target) = bar.target {
                svg += &format!(
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"2\" height=\"{:.1}\"/>\n",
                    x(target) - 1.0,
                    y - 2.0,
                    BAR + 4.0
                );
            }
        }
        svg += &format!(
            "<text x=\"{LABELS}\" y=\"{:.1}\">The upright mark is the target; orange misses \
             it, grey as the floor itself does.</text>\n",
            last + 16.0
        );
        svg
    }
}
