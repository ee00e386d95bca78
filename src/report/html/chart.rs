//! A chart of curves over epochs, as SVG inside the page.
//!
//! Written here and not with plotters: its SVG has fixed colours, which neither follow a dark page nor print, and
//! nothing in it answers to the pointer without a script.

use maud::{Markup, html};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 42.0;
/// Labelled lines across, about.
const LINES: f64 = 5.0;
/// Epochs with a number under them at most.
const NUMBERS: usize = 12;
/// Up to so many epochs each has a dot.
const DOTTED: usize = 40;
/// Width of a letter of small text, about.
const LETTER: f64 = 6.5;
const TIP_WIDTH: f64 = 158.0;
const TIP_LINE: f64 = 17.0;
/// Lines under the pointer that fit the chart, that of the epoch not counted.
const TIP_LINES: usize = 11;

/// Values of an epoch each, in the order of epochs.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// What it is.
    pub name: String,
    /// Class of its line and dots in the style sheet.
    pub class: String,
    /// True if it lies behind, without dots and without a say in the table.
    pub is_behind: bool,
    /// Its values.
    pub values: Vec<Option<f64>>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Its name, unique in the page.
    pub id: String,
    /// What it says above.
    pub title: String,
    /// What the values are.
    pub axis: String,
    /// Lowest and highest value that is shown; curves are cut there.
    pub range: [f64; 2],
    /// The curves, those behind first.
    pub curves: Vec<Curve>,
    /// Epochs, from 1, at which a line says that something begins.
    pub begins: Vec<(usize, String)>,
}

impl Chart {
    fn epochs(&self) -> usize {
        let lengths = self.curves.iter().map(|curve| curve.values.len());
        lengths.max().unwrap_or(0)
    }

    /// Place of an epoch, counted from 0.
    fn x(&self, epoch: usize) -> f64 {
        let last = self.epochs().saturating_sub(1).max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * epoch as f64 / last
    }

    fn y(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)
    }

    /// The chart with its legend, and its values as a table.
    pub(super) fn draw(&self) -> Markup {
        let clip = format!("clip-{}", self.id);
        html! {
            figure {
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                    clipPath id=(clip) {
                        rect x=(LEFT - 5.0) y=(TOP - 4.0) width=(WIDTH - LEFT - RIGHT + 10.0) height=(HEIGHT - TOP - BOTTOM + 8.0) {}
                    }
                    text x=(WIDTH / 2.0) y="18" text-anchor="middle" { (self.title) }
                    (self.axes())
                    g clip-path=(format!("url(#{clip})")) {
                        @for curve in &self.curves { (self.curve(curve)) }
                    }
                    @for (epoch, what) in &self.begins { (self.begin(*epoch, what)) }
                    @for epoch in 0..self.epochs() { (self.at(epoch)) }
                }
                figcaption { (self.legend()) }
                (self.table())
            }
        }
    }

    fn axes(&self) -> Markup {
        let [low, high] = self.range;
        let step = step((high - low) / LINES);
        let decimals = if step < 0.1 { 2 } else { 1 };
        let first = (low / step - 1e-9).ceil();
        let lines = (0..).map(|line| (first + f64::from(line)) * step);
        let lines: Vec<f64> = lines
            .take_while(|line| *line <= high + step * 1e-9)
            .collect();
        let apart = self.epochs().div_ceil(NUMBERS).max(1);
        html! {
            @for line in lines {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(self.y(line)) y2=(self.y(line)) {}
                text.small x=(LEFT - 6.0) y=(self.y(line) + 4.0) text-anchor="end" { (format!("{line:.decimals$}")) }
            }
            @for epoch in (0..self.epochs()).step_by(apart) {
                text.small x=(self.x(epoch)) y=(HEIGHT - BOTTOM + 18.0) text-anchor="middle" { (epoch + 1) }
            }
            text.small x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "epoch" }
            text.small x=(-(TOP + HEIGHT - BOTTOM) / 2.0) y="12" transform="rotate(-90)" text-anchor="middle" { (self.axis) }
        }
    }

    fn curve(&self, curve: &Curve) -> Markup {
        let points = self.points(curve);
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let classes = if curve.is_behind {
            "of-golden"
        } else {
            "curve"
        };
        let has_dots = !curve.is_behind && self.epochs() <= DOTTED;
        html! {
            polyline class=(format!("{classes} {}", curve.class)) points=(line.join(" ")) {}
            @if has_dots {
                @for (x, y) in points {
                    circle class=(format!("dot {}", curve.class)) cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {}
                }
            }
        }
    }

    fn points(&self, curve: &Curve) -> Vec<(f64, f64)> {
        let values = curve.values.iter().enumerate();
        let finite = values
            .filter_map(|(epoch, value)| Some((epoch, value.filter(|value| value.is_finite())?)));
        finite
            .map(|(epoch, value)| (self.x(epoch), self.y(value)))
            .collect()
    }

    fn begin(&self, epoch: usize, what: &str) -> Markup {
        let x = self.x(epoch.saturating_sub(1));
        let length = what.chars().count() as f64 * LETTER;
        let (anchor, place, from) = if x > WIDTH / 2.0 {
            ("end", x - 5.0, x - length)
        } else {
            ("start", x + 5.0, x)
        };
        let y = self.free_line(from, from + length);
        html! {
            line.begin x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
            text.small x=(place) y=(y) text-anchor=(anchor) { (what) }
        }
    }

    /// Base line for a text between two places: at the top or at the bottom, whichever is farther from the curves.
    fn free_line(&self, from: f64, to: f64) -> f64 {
        let [top, bottom] = [TOP + 14.0, HEIGHT - BOTTOM - 6.0];
        let points = self.curves.iter().flat_map(|curve| self.points(curve));
        let heights = points.filter(|(x, _)| (from..=to).contains(x));
        let (highest, lowest) = heights.fold((bottom, top), |(highest, lowest), (_, y)| {
            (y.min(highest), y.max(lowest))
        });
        if highest - top > bottom - lowest {
            top
        } else {
            bottom
        }
    }

    /// What the pointer is told at an epoch.
    fn at(&self, epoch: usize) -> Markup {
        let mut told: Vec<String> = self
            .curves
            .iter()
            .filter_map(|curve| {
                let value = curve.values.get(epoch).copied().flatten()?;
                Some(format!("{} {value:.4}", curve.name))
            })
            .collect();
        if told.len() > TIP_LINES {
            told.truncate(TIP_LINES - 1);
            told.push("… (see the table)".to_owned());
        }
        let x = self.x(epoch);
        let half = (self.x(1) - self.x(0)) / 2.0;
        let left = if x > WIDTH / 2.0 {
            x - TIP_WIDTH - 10.0
        } else {
            x + 10.0
        };
        html! {
            g.at {
                rect.hit x=(x - half) y=(TOP) width=(2.0 * half) height=(HEIGHT - TOP - BOTTOM) {}
                g.tip {
                    line.begin x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                    rect x=(left) y=(TOP + 8.0) rx="3" width=(TIP_WIDTH) height=((told.len() + 1) as f64 * TIP_LINE + 8.0) {}
                    text x=(left + 8.0) y=(TOP + 8.0 + TIP_LINE) { "epoch " (epoch + 1) }
                    @for (line, text) in told.iter().enumerate() {
                        text x=(left + 8.0) y=(TOP + 8.0 + TIP_LINE * (line + 2) as f64) { (text) }
                    }
                }
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            @for curve in &self.curves {
                span style="white-space:nowrap;margin-right:16px" {
                    svg viewBox="0 0 34 10" style="display:inline;width:34px;height:10px" aria-hidden="true" {
                        line class=(format!("{} {}", if curve.is_behind { "of-golden" } else { "curve" }, curve.class)) x1="0" x2="34" y1="5" y2="5" {}
                        @if !curve.is_behind {
                            circle class=(format!("dot {}", curve.class)) cx="17" cy="5" r="3" {}
                        }
                    }
                    " " (curve.name)
                }
            }
        }
    }

    fn table(&self) -> Markup {
        let mut headings = vec!["epoch"];
        headings.extend(self.curves.iter().map(|curve| curve.name.as_str()));
        let numbers = vec![true; headings.len()];
        let cell = |curve: &Curve, epoch: usize| {
            let value = curve.values.get(epoch).copied().flatten();
            value.map_or("-".to_owned(), |value| format!("{value:.6}"))
        };
        let row = |epoch: usize| {
            let cells = self.curves.iter().map(|curve| cell(curve, epoch));
            std::iter::once((epoch + 1).to_string())
                .chain(cells)
                .collect()
        };
        let rows: Vec<Vec<String>> = (0..self.epochs()).map(row).collect();
        html! {
            details {
                summary { "The values as a table" }
                (super::table(&headings, &rows, &numbers))
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn step(least: f64) -> f64 {
    let mut power = 1e-6;
    while power * 10.0 <= least {
        power *= 10.0;
    }
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_large_enough() {
        assert!((step(0.04) - 0.05).abs() < 1e-12);
        assert!((step(0.2) - 0.2).abs() < 1e-12);
        assert!((step(0.21) - 0.5).abs() < 1e-12);
        assert!((step(6.0) - 10.0).abs() < 1e-12);
    }

    #[test]
    fn curves_are_cut_at_the_range_and_names_are_escaped() {
        let chart = Chart {
            id: "a".to_owned(),
            title: "<loss>".to_owned(),
            axis: "loss".to_owned(),
            range: [0.0, 1.0],
            curves: vec![Curve {
                name: "a & b".to_owned(),
                class: "training".to_owned(),
                is_behind: false,
                values: vec![Some(0.5), None, Some(f64::NAN), Some(2.0)],
            }],
            begins: vec![(2, "start of \"more\"".to_owned())],
        };
        let drawn = chart.draw().into_string();
        assert!(drawn.contains("&lt;loss&gt;") && !drawn.contains("<loss>"));
        assert!(drawn.contains("a &amp; b"));
        assert!(drawn.contains("clip-path=\"url(#clip-a)\""));
        // Two of four points are numbers: the bottom is at 258 and the top at 30.
        assert!(
            drawn.contains("points=\"54.0,144.0 468.0,-198.0\""),
            "{drawn}"
        );
    }

    #[test]
    fn what_begins_is_said_where_the_curves_are_not() {
        let chart = |value: f64| Chart {
            id: "a".to_owned(),
            title: "loss".to_owned(),
            axis: "loss".to_owned(),
            range: [0.0, 1.0],
            curves: vec![Curve {
                name: "a".to_owned(),
                class: "training".to_owned(),
                is_behind: false,
                values: vec![Some(value); 20],
            }],
            begins: vec![(10, "start of more".to_owned())],
        };
        let top = |value: f64| chart(value).free_line(100.0, 200.0) < HEIGHT / 2.0;
        assert!(top(0.1));
        assert!(!top(0.9));
        let drawn = chart(0.1).draw().into_string();
        assert!(
            drawn.contains("y=\"44\" text-anchor=\"end\">start of more"),
            "{drawn}"
        );
    }
}
