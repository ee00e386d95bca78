//! `goldrun selftest`: plants faults behind a recipe's back, one at a time, and shows what sees them.

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::golden::compare::exactly;
use crate::golden::gate::statistics::Standing;
use crate::golden::gate::{Gated, Judged, Outcome, Power, gated, power};
use crate::golden::parting::Place;
use crate::golden::{Golden, Seeds};
use crate::recipe::{Gate, GatedFigure};
use crate::record::{EpochNumber, Record};
use crate::report::terminal::selftest::{self as report, Row};
use crate::run::{self, Fault, Request};

/// Runs a recipe without a fault, then with each of them.
pub fn selftest(session: &Session, written: &str) -> Result<Exit, Failure> {
    session.refuse_changes("selftest", "it is of the recipe and its golden as they are")?;
    let recipe = session.load_as_written(written)?.recipe;
    let golden = session.goldens.load(&recipe.name)?.ok_or_else(|| {
        Failure::new(
            Exit::NoGolden,
            anyhow!(
                "recipe `{0}` has no golden to hold a fault to\n\
                 hint: `goldrun accept {0} --seeds 1..10` makes one",
                recipe.name
            ),
        )
    })?;
    // Of its own, and removed: a run with a fault is never taken for one of the recipe.
    let runs = tempfile::tempdir().map_err(Failure::failed)?;
    let mut request = session.request(recipe)?;
    runs.path().clone_into(&mut request.runs);
    request.artifacts.fresh = true;
    let bench = Bench::new(session, &request, &golden);
    let mut rows = vec![bench.run(None)?];
    for fault in Fault::ALL {
        if fault.is_possible(&request.recipe) {
            rows.push(bench.run(Some(fault))?);
        } else {
            output::line(&format!("note: {} has no `{}`", written, fault.words()));
        }
    }
    let is_passed = rows.iter().all(|row| row.is_right);
    if session.options.json {
        output::json(&rows)?;
    } else {
        let name = &request.recipe.name;
        let text = report::report(name, &rows, &bench.power, session.style);
        output::data(&text)?;
    }
    Ok(if is_passed { Exit::Good } else { Exit::Differs })
}

/// What faulty runs are held to.
struct Bench<'a> {
    session: &'a Session,
    request: &'a Request,
    golden: &'a Golden,
    /// The figures of the recipe's gate.
    gated: Vec<Gated>,
    /// What it can see of them in one run.
    power: Vec<Power>,
    /// Every figure, as if the recipe's gate had all.
    all: Vec<Gated>,
}

impl<'a> Bench<'a> {
    fn new(session: &'a Session, request: &'a Request, golden: &'a Golden) -> Self {
        let recipe = &request.recipe;
        let figures = recipe.figures().into_iter().map(|address| GatedFigure {
            address,
            better: None,
            min_effect: None,
        });
        let mut every = recipe.clone();
        every.check.gate = Gate {
            figures: figures.collect(),
            ..recipe.check.gate.clone()
        };
        let gated_figures = gated(recipe, &golden.record);
        Self {
            session,
            request,
            golden,
            power: power(&gated_figures, &golden.seeds, RUNS),
            gated: gated_figures,
            all: gated(&every, &golden.record),
        }
    }

    /// Runs the recipe with a fault, and judges what came out by digests and by figures.
    fn run(&self, fault: Option<Fault>) -> Result<Row, Failure> {
        if !self.session.options.quiet {
            let planted = fault.map_or("no fault", Fault::words);
            output::line(&format!("planted: {planted}"));
        }
        let request = Request {
            fault,
            ..self.request.clone()
        };
        match run::run(&request, &self.session.observer()) {
            Ok(outcome) => Ok(self.judge(fault, &outcome.record)),
            Err(error) if error.is_not_finite() => {
                self.session.clear();
                Ok(Row {
                    fault: fault.map(Fault::words),
                    first_parting: None,
                    place: "the run failed: not finite".to_owned(),
                    is_right: fault.is_some(),
                    figures: Standing::Worse,
                    share_of_seen: None,
                    seen_by: None,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The most that a figure of the gate is off, for the worse, of the change that the gate is sure to see.
    fn share_of_seen(&self, figures: &Outcome) -> Option<f64> {
        let power = power(&self.gated, &self.golden.seeds, RUNS);
        let shares = figures
            .figures
            .iter()
            .zip(power)
            .filter_map(|(judged, power)| {
                let seen = power.seen.filter(|seen| *seen > 0.0)?;
                Some((judged.judgement.drop / seen).max(0.0))
            });
        shares.max_by(f64::total_cmp)
    }

    fn judge(&self, fault: Option<Fault>, record: &Record) -> Row {
        let recipe = &self.request.recipe;
        let parting = exactly(&self.golden.record, record).parting;
        let place = parting.as_ref().map(|parting| &parting.place);
        let mut seeds = Seeds::of(&recipe.figures());
        seeds.add(recipe.seed, record);
        let judged = |gated: &[Gated]| Outcome::of(gated, &self.golden.seeds, &seeds, &[]);
        let figures = judged(&self.gated);
        let is_right = match (fault, place) {
            (None, None) => figures.standing() != Standing::Worse,
            (Some(fault), Some(place)) => *place == expected(fault),
            _ => false,
        };
        Row {
            fault: fault.map(Fault::words),
            place: place.map_or("identical".to_owned(), Place::words),
            is_right,
            figures: figures.standing(),
            share_of_seen: self.share_of_seen(&figures),
            seen_by: farthest(&judged(&self.all)),
            first_parting: parting.map(|parting| parting.address.to_string()),
        }
    }
}

/// Seeds of a faulty run: each fault is run once.
const RUNS: usize = 1;

/// Where a fault is, in the order of a run.
fn expected(fault: Fault) -> Place {
    match fault {
        Fault::Picture => Place::Pixels("train".to_owned()),
        Fault::Weights => Place::InitialParameters,
        Fault::BackboneNotFrozen | Fault::LeftFrozen => Place::Model,
        Fault::Order | Fault::LastBatch => Place::BatchOrder(EpochNumber::FIRST),
        Fault::LearningRate | Fault::Labels | Fault::Augmentation => {
            Place::Parameters(EpochNumber::FIRST)
        }
    }
}

/// The figure that is off by most of what chance explains, to either side; none where chance explains all.
fn farthest(outcome: &Outcome) -> Option<String> {
    let seen = outcome.figures.iter().filter(|judged| {
        matches!(
            judged.judgement.standing,
            Standing::Worse | Standing::SuspiciouslyGood
        )
    });
    let times = |judged: &&Judged| judged.judgement.drop.abs() / judged.judgement.margin;
    let most = seen.max_by(|a, b| times(a).total_cmp(&times(b)))?;
    Some(most.gated.address.to_string())
}
