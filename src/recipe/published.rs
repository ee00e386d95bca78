//! Figures that a source claims, and tolerances.

use schemars::JsonSchema;

use super::figure::{Measured, Wrong};
use super::phase::LINE;
use super::syntax::{Decode, Located, Node, Problem, Problems, Range, Reader, Rule, Text};

pub(super) const ABS: Rule<f64> =
    Rule::new("how far the figure may be off: a number", Range::from(0.0));
const VALUE: Rule<f64> = Rule::new("a number", Range::ALL);
const SOURCE: Rule<String> = Rule::new("who claims the figure: one line of text", LINE);
const FIGURE: Rule<String> = Rule::new(
    "the address of a figure, such as \"test.accuracy\"",
    Text {
        name: "address",
        ..LINE
    },
);

/// A figure that a source claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Who claims it.
    pub source: String,
    /// Address of the figure, without `*`; after `--set` the recipe may no longer reach it.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Judged where there is one, else only shown.
    pub tolerance: Option<Tolerance>,
}

/// How far a figure may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute.
    pub abs: f64,
    /// One-sided where given: being better than expected is never a difference.
    pub better: Option<Better>,
}

/// Direction of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What is said where no direction is.
pub(super) const EITHER_WAY: &str = "off either way";
pub(super) const DIRECTIONS: [(&str, Better); 2] =
    [("higher", Better::Higher), ("lower", Better::Lower)];

/// A `[[published]]` as written.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PublishedFile {
    /// Who claims it.
    #[schemars(required, transform = &SOURCE)]
    source: Option<Located<String>>,
    /// Which figure; without `*`.
    #[schemars(required, transform = &FIGURE)]
    figure: Option<Located<String>>,
    /// Its value.
    #[schemars(required, transform = &VALUE)]
    value: Option<Located<f64>>,
    /// How far the run may be off, in the figure's unit.
    #[schemars(transform = &ABS, extend("x-default" = "none: only shown"))]
    abs: Option<Located<f64>>,
    /// With `abs`: being better than claimed by any amount is fine.
    #[schemars(extend("x-default" = EITHER_WAY))]
    better: Option<Located<Better>>,
}

impl Decode for PublishedFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let published = Self {
            source: table.required("source", &SOURCE),
            figure: table.required("figure", &FIGURE),
            value: table.required("value", &VALUE),
            abs: table.value("abs", &ABS),
            better: table.word("better", &DIRECTIONS),
        };
        table.finish();
        Some(published)
    }
}

impl PublishedFile {
    /// Checks what one key alone cannot show; the figure must be `measured` in one of two ways.
    pub(super) fn check(&self, measured: [&Measured; 2], problems: &mut Problems) {
        if let Some(better) = &self.better
            && self.abs.is_none()
        {
            let title = "`better` says nothing without a tolerance";
            let problem = Problem::new(better.place, title, "needs an `abs` beside it");
            problems.add(problem);
        }
        if let Some(figure) = &self.figure {
            check_address(
                figure,
                measured.map(|one| one.address(&figure.value)),
                problems,
            );
        }
    }

    /// The figure.
    pub(super) fn decide(&self) -> Option<Published> {
        Some(Published {
            source: self.source.as_ref()?.value.clone(),
            figure: self.figure.as_ref()?.value.clone(),
            value: self.value.as_ref()?.value,
            tolerance: self.abs.as_ref().map(|abs| Tolerance {
                abs: abs.value,
                better: self.better.as_ref().map(|better| better.value),
            }),
        })
    }
}

/// Reports an address that is wrong both ways, as the first sees it.
pub(super) fn check_address(
    address: &Located<String>,
    checked: [Result<(), Wrong>; 2],
    problems: &mut Problems,
) {
    let [Err(wrong), Err(_)] = checked else {
        return;
    };
    let (title, label, help) = match wrong {
        Wrong::Address(help) => (
            "this names no figure",
            "no run measures this".to_owned(),
            help,
        ),
        Wrong::NotMeasured { why, help } => ("this recipe measures no such figure", why, help),
    };
    problems.add(Problem::new(address.place, title, label).help(help));
}
