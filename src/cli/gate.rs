//! What `check` makes of several seeds: it runs new ones where the recipe or the command line wants them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::exit::Failure;
use super::output;
use super::seeds::{Ran, Series, new_seeds};
use super::session::Session;
use crate::golden::Golden;
use crate::golden::compare::{Comparison, Verdict};
use crate::golden::gate::statistics::{LEAST_SEEDS, Standing};
use crate::golden::gate::{Gated, Outcome, Power, gated, power};
use crate::recipe::Least;
use crate::record::Record;
use crate::run::Request;

/// Says what the gate can see, and lets new seeds decide where they are wanted: `asked` for on the command line,
/// or by a recipe whose figures moved.
pub fn decide(
    session: &Session,
    request: &Request,
    asked: Option<u32>,
    golden: &Golden,
    now: &Record,
    comparison: &mut Comparison,
) -> Result<(), Failure> {
    let check = &request.recipe.check;
    let gated = gated(&request.recipe, now);
    let count = asked.unwrap_or(check.gate.seeds);
    comparison.power = power(&gated, &golden.seeds, count as usize);
    let differs = comparison.verdict == Verdict::Differs && check.tolerances.is_empty();
    let is_wanted = asked.is_some() || (differs && check.least == Least::Statistical);
    if !comparison.is_same_task {
        return Ok(());
    }
    if golden.seeds.runs.len() < LEAST_SEEDS {
        if is_wanted || (differs && comparison.is_of_other_arithmetic()) {
            comparison.cannot_tell();
        }
        return Ok(());
    }
    if is_wanted {
        let series = Series::new(session, request, now)?;
        comparison.decide_by(two_stages(
            &series,
            &gated,
            golden,
            request.recipe.seed,
            count,
        )?);
    }
    Ok(())
}

/// Judges `count` new seeds; before they are called worse, as many again are run and judged with them.
fn two_stages(
    series: &Series<'_>,
    gated: &[Gated],
    golden: &Golden,
    own: u64,
    count: u32,
) -> Result<Outcome, Failure> {
    let mut ran = Ran::none_of(series.recipe());
    let mut seeds = BTreeSet::new();
    loop {
        let next = new_seeds(&golden.seeds, own, &seeds, count);
        series.run(&next, &mut ran)?;
        let is_first = seeds.is_empty();
        seeds.extend(next);
        let outcome = Outcome::of(gated, &golden.seeds, &ran.seeds, &ran.failed);
        // More seeds do not make a failed run good.
        let is_open = outcome.standing() == Standing::Worse && ran.failed.is_empty();
        if !(is_first && is_open) {
            return Ok(outcome);
        }
        output::line(&format!(
            "note: worse over {count} new seeds: runs {count} more before it says so"
        ));
    }
}

/// A judgement as data.
#[derive(Debug, Serialize)]
pub struct Judged {
    new_seeds: Vec<u64>,
    failed_seeds: Vec<Failed>,
    standing: Standing,
    figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
struct Failed {
    seed: u64,
    error: String,
}

#[derive(Debug, Serialize)]
struct Figure {
    #[serde(rename = "figure")]
    address: String,
    golden_seeds: usize,
    golden_mean: f64,
    golden_deviation: f64,
    now_mean: f64,
    worse_by: f64,
    chance_explains: f64,
    min_effect: f64,
    alpha: f64,
    standing: Standing,
}

impl From<&Outcome> for Judged {
    fn from(outcome: &Outcome) -> Self {
        let figures = outcome.figures.iter().map(|judged| {
            let judgement = &judged.judgement;
            Figure {
                address: judged.gated.address.to_string(),
                golden_seeds: judgement.golden_seeds,
                golden_mean: judgement.golden_mean,
                golden_deviation: judgement.golden_sd,
                now_mean: judgement.new_mean,
                worse_by: judgement.drop,
                chance_explains: judgement.margin,
                min_effect: judged.gated.rule.min_effect,
                alpha: judged.gated.rule.alpha,
                standing: judgement.standing,
            }
        });
        let failed = outcome.failed.iter().map(|failed| Failed {
            seed: failed.seed,
            error: failed.why.clone(),
        });
        Self {
            new_seeds: outcome.new_seeds.clone(),
            failed_seeds: failed.collect(),
            standing: outcome.standing(),
            figures: figures.collect(),
        }
    }
}

/// What the gate can see of a figure, as data.
#[derive(Debug, Serialize)]
pub struct Sight {
    figure: String,
    golden_seeds: usize,
    new_seeds: usize,
    /// The change for the worse that would be seen nine times of ten; none where it cannot be known.
    seen: Option<f64>,
    one_example: f64,
}

impl From<&Power> for Sight {
    fn from(power: &Power) -> Self {
        Self {
            figure: power.address.to_string(),
            golden_seeds: power.golden_seeds,
            new_seeds: power.new_seeds,
            seen: power.seen,
            one_example: power.example,
        }
    }
}
