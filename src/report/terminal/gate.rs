//! What new seeds say, and what they could say.

use std::fmt::Write as _;

use crate::golden::Seeds;
use crate::golden::compare::Comparison;
use crate::golden::gate::statistics::{LEAST_SEEDS, SHARE, Standing};
use crate::golden::gate::{Judged, Outcome, Power};
use crate::recipe::Better;

use super::numbers::figure;
use super::table::{Cell, Side, Table};
use super::{Colour, Style};

/// Decimals of figures over seeds.
const DECIMALS: usize = 6;

/// A share is worth so many points.
const POINTS: f64 = 100.0;

/// The judgement of new seeds, where there are any, and what the gate can see; empty without a golden.
pub fn seeds(comparison: &Comparison, style: Style) -> String {
    let mut text = String::new();
    if let Some(outcome) = &comparison.gate {
        text.push_str(&judgement(outcome, style));
        text.push('\n');
    }
    text.push_str(&sights(&comparison.power));
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What the gate can see, a line a figure.
pub fn sights(power: &[Power]) -> String {
    let is_blind = |power: &Power| power.golden_seeds < LEAST_SEEDS;
    if !power.is_empty() && power.iter().all(is_blind) {
        return "the golden holds a single seed: without the spread of seeds no drop can be told from \
                chance (`goldrun accept RECIPE --seeds 1..10`)\n"
            .to_owned();
    }
    let mut text = String::new();
    for power in power {
        let _ = writeln!(text, "{}", sight(power));
    }
    text
}

/// How far the seeds of a golden spread, and what the gate will see with them.
pub fn spread(power: &[Power], seeds: &Seeds, style: Style) -> String {
    let mut table = Table::new(&[
        ("over seeds", Side::Left),
        ("least", Side::Right),
        ("mean", Side::Right),
        ("most", Side::Right),
    ]);
    for power in power {
        let values = seeds.values(&power.address).unwrap_or_default();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let mut row = vec![Cell::from(power.address.as_str())];
        row.extend([least, mean, most].map(|value| Cell::from(figure(value, DECIMALS))));
        table.row(row);
    }
    format!("{}\n{}", table.render(style), sights(power))
}

/// The figures over seeds as a table.
fn judgement(outcome: &Outcome, style: Style) -> String {
    let mut table = Table::new(&[
        ("over seeds", Side::Left),
        ("golden", Side::Right),
        ("deviation", Side::Right),
        ("now", Side::Right),
        ("worse by", Side::Right),
        ("chance explains", Side::Right),
        ("min_effect", Side::Right),
        ("verdict", Side::Left),
    ]);
    for judged in &outcome.figures {
        table.row(cells(judged));
    }
    let seeds: Vec<String> = outcome.new_seeds.iter().map(u64::to_string).collect();
    format!("{}new seeds: {}\n", table.render(style), seeds.join(", "))
}

fn cells(judged: &Judged) -> Vec<Cell> {
    let judgement = &judged.judgement;
    let number = |value: f64| {
        if value.is_finite() {
            figure(value, DECIMALS)
        } else {
            "-".to_owned()
        }
    };
    let colour = match judgement.standing {
        Standing::NoWorse => Colour::Good,
        Standing::SuspiciouslyGood => Colour::Notable,
        Standing::Worse | Standing::CannotTell => Colour::Bad,
    };
    vec![
        judged.gated.address.as_str().into(),
        number(judgement.golden_mean).into(),
        number(judgement.golden_sd).into(),
        number(judgement.new_mean).into(),
        number(judgement.drop).into(),
        number(judgement.margin).into(),
        number(judged.gated.rule.min_effect).into(),
        Cell::painted(judgement.standing.words(), colour),
    ]
}

/// What the gate can see of a figure, in a sentence.
fn sight(power: &Power) -> String {
    let Power {
        address,
        golden_seeds,
        new_seeds,
        ..
    } = power;
    let change = match power.better {
        Better::Higher => "drop",
        Better::Lower => "rise",
    };
    let Some(seen) = power.seen else {
        return format!("`{address}`: no {change} can be told from chance");
    };
    let spread = if power.is_constant {
        ", which all gave the same,"
    } else {
        ""
    };
    let often = (SHARE * POINTS).round();
    let metric = address.parts().last().unwrap_or_default();
    let (seen, example) = if metric.ends_with("accuracy") {
        let points = |share: f64| format!("{:.2} points", share * POINTS);
        (
            points(seen),
            format!("; one example is {}", points(power.example)),
        )
    } else {
        (figure(seen, DECIMALS), String::new())
    };
    format!(
        "`{address}`: {golden_seeds} golden seeds{spread} against {new_seeds}: a {change} of {seen} or more \
         would be seen {often} times of 100{example}"
    )
}
