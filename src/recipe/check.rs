//! How a golden is held: to the bit, within tolerances, or by a gate over several seeds.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::figure::Measured;
use super::published::{ABS, Better, DIRECTIONS, EITHER_WAY, Tolerance, check_address};
use super::syntax::{Decode, Located, Node, Place, Problem, Problems, Range, Reader, Rule};

const ALPHA: Rule<f64> = Rule::new(
    "a chance of a false alarm: a number",
    Range::from(1e-6).to(0.5),
);
/// More seeds than anybody runs.
pub const MOST_SEEDS: u32 = 1000;
const SEEDS: Rule<u32> = Rule::number_of("seeds", Range::from(1).to(MOST_SEEDS));
const MIN_EFFECT: Rule<f64> = Rule::new(
    "the least change that matters, in the figure's unit: a number",
    Range::from(0.0),
);
const DEFAULT_ALPHA: f64 = 0.01;
const DEFAULT_SEEDS: u32 = 3;
const DEFAULT_LEAST: Least = Least::Identical;

/// How a golden is held.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The least verdict that passes where there are no tolerances.
    pub least: Least,
    /// Address patterns (`*` matches one part) with their tolerance, in the file's order; the first that
    /// matches counts. Those of `--set` come before the file's.
    pub tolerances: Vec<(String, Tolerance)>,
    /// How figures of several seeds are judged.
    pub gate: Gate,
}

/// The least verdict that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Least {
    /// The same bits.
    Identical,
    /// *No worse*, over new seeds.
    Statistical,
}

impl Least {
    const fn word(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Statistical => "statistical",
        }
    }
}

/// How figures of several seeds are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The chance at most that a recipe that is no worse goes red, over all its figures; from 1e-6 to 0.5.
    pub alpha: f64,
    /// How many new seeds are run against the golden's.
    pub seeds: u32,
    /// The figures that are judged; those of the test split where there are none.
    pub figures: Vec<GatedFigure>,
}

/// A figure that the gate judges.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedFigure {
    /// Its address, without `*`.
    pub address: String,
    /// Its direction; by its metric where it is not said.
    pub better: Option<Better>,
    /// The least change that is a regression, in the figure's unit; by the number of examples where it is not said.
    pub min_effect: Option<f64>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            alpha: DEFAULT_ALPHA,
            seeds: DEFAULT_SEEDS,
            figures: Vec::new(),
        }
    }
}

impl Default for Check {
    fn default() -> Self {
        Self {
            least: DEFAULT_LEAST,
            tolerances: Vec::new(),
            gate: Gate::default(),
        }
    }
}

/// The `[check]` table as written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CheckFile {
    /// The least verdict that passes; not beside `tolerance`.
    #[schemars(extend("default" = DEFAULT_LEAST.word()))]
    least: Option<Located<Least>>,
    /// Which figures may move, and how far; not beside `least`.
    #[schemars(rename = "tolerance", with = "Option<BTreeMap<String, ToleranceFile>>")]
    tolerances: Vec<(Located<String>, ToleranceFile)>,
    /// How figures of several seeds are judged.
    #[schemars(with = "Option<GateFile>", extend("x-default" = "as below"))]
    gate: GateFile,
}

/// How far a figure may be off.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ToleranceFile {
    /// How far the figure may be off, in its own unit.
    #[schemars(required, transform = &ABS)]
    abs: Option<Located<f64>>,
    /// Being better than the golden by any amount is fine.
    #[schemars(extend("x-default" = EITHER_WAY))]
    better: Option<Located<Better>>,
}

/// A gate as written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GateFile {
    /// How often, at most, a recipe that is no worse may go red; shared by all figures of the gate.
    #[schemars(transform = &ALPHA, extend("default" = DEFAULT_ALPHA))]
    alpha: Option<Located<f64>>,
    /// How many new seeds are run.
    #[schemars(transform = &SEEDS, extend("default" = DEFAULT_SEEDS))]
    seeds: Option<Located<u32>>,
    /// Which figures are judged.
    #[schemars(
        rename = "figure",
        with = "Option<BTreeMap<String, GatedFile>>",
        extend("x-default" = "`test.<metric>` of each metric")
    )]
    figures: Vec<(Located<String>, GatedFile)>,
}

/// How a figure of the gate is judged.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GatedFile {
    /// Its direction: a loss is better lower, an accuracy higher.
    #[schemars(extend("x-default" = "by the metric"))]
    better: Option<Located<Better>>,
    /// The least change that is a regression, in the figure's unit; N is the number of examples of the split.
    #[schemars(transform = &MIN_EFFECT, extend("x-default" = "two examples: 2/N"))]
    min_effect: Option<Located<f64>>,
}

impl Decode for CheckFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let leasts = [Least::Identical, Least::Statistical].map(|least| (least.word(), least));
        let mut table = Reader::new(node, problems)?;
        let least = table.word("least", &leasts);
        let mut tolerances = table.map("tolerance");
        let gate = table.nested("gate");
        table.finish();
        // An argument is read after the file, and is meant to count before it.
        tolerances.sort_by_key(|(pattern, _)| {
            let Place { source, start, .. } = pattern.place;
            (std::cmp::Reverse(source), start)
        });
        Some(Self {
            least,
            tolerances,
            gate: gate.map_or_else(GateFile::default, |gate| gate.value),
        })
    }
}

impl Decode for GateFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let gate = Self {
            alpha: table.value("alpha", &ALPHA),
            seeds: table.value("seeds", &SEEDS),
            figures: table.map("figure"),
        };
        table.finish();
        Some(gate)
    }
}

impl Decode for GatedFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        if table.holds_only_tables() {
            let example = "gate.figure.\"test.accuracy\" = { min_effect = 0.01 }";
            unquoted(node, example, problems);
            return None;
        }
        let figure = Self {
            better: table.word("better", &DIRECTIONS),
            min_effect: table.value("min_effect", &MIN_EFFECT),
        };
        table.finish();
        Some(figure)
    }
}

impl Decode for ToleranceFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        if table.holds_only_tables() {
            let example = "tolerance.\"phase.*.epoch.*.val_loss\" = { abs = 0.01 }";
            unquoted(node, example, problems);
            return None;
        }
        let tolerance = Self {
            abs: table.required("abs", &ABS),
            better: table.word("better", &DIRECTIONS),
        };
        table.finish();
        Some(tolerance)
    }
}

/// Notes an address without quotes, which TOML takes for tables.
fn unquoted(node: &Node, example: &str, problems: &mut Problems) {
    let title = "an address must be in quotes here";
    let problem = Problem::new(node.place, title, "taken for a table of its own")
        .help(format!("write `{example}`"));
    problems.add(problem);
}

impl CheckFile {
    /// Checks that every pattern and address names a figure that is `measured` in one of two ways, and that
    /// the golden is held in one way.
    pub(super) fn check(&self, measured: [&Measured; 2], problems: &mut Problems) {
        for (pattern, _) in &self.tolerances {
            let checked = measured.map(|one| one.pattern(&pattern.value));
            check_address(pattern, checked, problems);
        }
        for (address, _) in &self.gate.figures {
            let checked = measured.map(|one| one.address(&address.value));
            check_address(address, checked, problems);
        }
        if let (Some(least), Some((tolerance, _))) = (&self.least, self.tolerances.first()) {
            let title = "a golden is held within tolerances or by `least`";
            let problem = Problem::new(least.place, title, "this is one way")
                .other(tolerance.place, "this is the other")
                .help("leave one of them out");
            problems.add(problem);
        }
    }

    /// How a golden is held.
    pub(super) fn decide(&self) -> Option<Check> {
        let tolerances = self.tolerances.iter().map(|(pattern, tolerance)| {
            let tolerance = Tolerance {
                abs: tolerance.abs.as_ref()?.value,
                better: tolerance.better.as_ref().map(|better| better.value),
            };
            Some((pattern.value.clone(), tolerance))
        });
        let default = Check::default();
        Some(Check {
            least: self
                .least
                .as_ref()
                .map_or(default.least, |least| least.value),
            tolerances: tolerances.collect::<Option<_>>()?,
            gate: self.gate.decide(&default.gate),
        })
    }
}

impl GateFile {
    fn decide(&self, default: &Gate) -> Gate {
        let figures = self.figures.iter().map(|(address, figure)| GatedFigure {
            address: address.value.clone(),
            better: figure.better.as_ref().map(|better| better.value),
            min_effect: figure.min_effect.as_ref().map(|effect| effect.value),
        });
        Gate {
            alpha: self
                .alpha
                .as_ref()
                .map_or(default.alpha, |alpha| alpha.value),
            seeds: self
                .seeds
                .as_ref()
                .map_or(default.seeds, |seeds| seeds.value),
            figures: figures.collect(),
        }
    }
}
