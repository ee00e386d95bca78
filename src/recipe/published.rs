//! Figures that a source claims, and tolerances.

use super::figure::{Measured, Wrong};
use super::phase::is_line;
use super::syntax::{Decode, Located, Node, Problem, Problems, Reader, Rule};

pub(super) const ABS: Rule<f64> = Rule {
    must_be: "how far the figure may be off: a number from 0",
    holds: |&abs| abs >= 0.0 && abs.is_finite(),
};
const VALUE: Rule<f64> = Rule {
    must_be: "a number",
    holds: |value| value.is_finite(),
};
const SOURCE: Rule<String> = Rule {
    must_be: "who claims the figure: one line of text",
    holds: |source| is_line(source),
};
const FIGURE: Rule<String> = Rule {
    must_be: "the address of a figure, such as \"test.accuracy\"",
    holds: |address| !address.is_empty(),
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

pub(super) const DIRECTIONS: [(&str, Better); 2] =
    [("higher", Better::Higher), ("lower", Better::Lower)];

/// A `[[published]]` as written.
#[derive(Debug)]
pub(super) struct PublishedFile {
    source: Option<Located<String>>,
    figure: Option<Located<String>>,
    value: Option<Located<f64>>,
    abs: Option<Located<f64>>,
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
