//! One figure beside the one that it is held to.

use crate::recipe::{Better, Published, Tolerance};
use crate::record::Address;

/// How a figure is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hold {
    /// To the bit.
    Exactly,
    /// Within a tolerance.
    Within(Tolerance),
    /// Not at all: it is only shown.
    Shown,
}

impl Hold {
    /// The words for it; none where nothing is held.
    pub fn words(self) -> Option<String> {
        match self {
            Self::Exactly => Some("exact".to_owned()),
            Self::Within(tolerance) => Some(tolerance_words(tolerance)),
            Self::Shown => None,
        }
    }
}

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same bits.
    Same,
    /// Other bits, within the tolerance.
    Within,
    /// Off.
    Differs,
    /// One of the two does not have it.
    Missing,
    /// Other bits, but nobody judges.
    Shown,
    /// A published figure of which `--set` has cut the run short: nothing to judge.
    NotReached,
}

impl Standing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Within => "within",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Shown => "shown",
            Self::NotReached => "not reached",
        }
    }
}

/// A figure beside the one it is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The figure's address.
    pub address: Address,
    /// What is expected: the golden's figure or the published one.
    pub expected: Option<f64>,
    /// The run's figure.
    pub now: Option<f64>,
    /// How it is held.
    pub hold: Hold,
    /// How it stands.
    pub standing: Standing,
    /// Who claims a published figure; none in a golden's row.
    pub source: Option<String>,
}

impl Row {
    pub(super) fn new(
        address: &Address,
        expected: Option<f64>,
        now: Option<f64>,
        hold: Hold,
    ) -> Self {
        Self {
            address: address.clone(),
            expected,
            now,
            hold,
            standing: standing(expected, now, hold),
            source: None,
        }
    }

    /// A published figure beside the run's, which is `now`.
    pub(super) fn published(claim: &Published, now: Option<f64>) -> Self {
        let address = Address::new(claim.figure.clone());
        let hold = claim.tolerance.map_or(Hold::Shown, Hold::Within);
        Self {
            source: Some(claim.source.clone()),
            ..Self::new(&address, Some(claim.value), now, hold)
        }
    }

    /// A figure of the file's recipe that the recipe has no more, which only `--set` can bring about.
    pub(super) fn not_reached(claim: &Published) -> Self {
        Self {
            address: Address::new(claim.figure.clone()),
            expected: Some(claim.value),
            now: None,
            hold: Hold::Shown,
            standing: Standing::NotReached,
            source: Some(claim.source.clone()),
        }
    }

    /// The run's figure less the expected one.
    pub fn difference(&self) -> Option<f64> {
        Some(self.now? - self.expected?)
    }

    /// True if the figure must hold and does not.
    pub fn fails(&self) -> bool {
        self.hold != Hold::Shown && matches!(self.standing, Standing::Differs | Standing::Missing)
    }
}

fn standing(expected: Option<f64>, now: Option<f64>, hold: Hold) -> Standing {
    let (Some(expected), Some(now)) = (expected, now) else {
        return match hold {
            Hold::Shown => Standing::Shown,
            Hold::Exactly | Hold::Within(_) => Standing::Missing,
        };
    };
    if expected.to_bits() == now.to_bits() {
        return Standing::Same;
    }
    match hold {
        Hold::Shown => Standing::Shown,
        Hold::Within(tolerance) if is_within(expected, now, tolerance) => Standing::Within,
        Hold::Exactly | Hold::Within(_) => Standing::Differs,
    }
}

/// True if `now` is at most `abs` away, the edge included, on the side that counts. False for NaN.
fn is_within(expected: f64, now: f64, tolerance: Tolerance) -> bool {
    let worse_by = match tolerance.better {
        None => (now - expected).abs(),
        Some(Better::Higher) => expected - now,
        Some(Better::Lower) => now - expected,
    };
    worse_by <= tolerance.abs
}

/// A tolerance in words: `±0.01`, `-0.01` (no more below) or `+0.01` (no more above).
pub fn tolerance_words(tolerance: Tolerance) -> String {
    let abs = tolerance.abs;
    match tolerance.better {
        None => format!("±{abs}"),
        Some(Better::Higher) => format!("-{abs}"),
        Some(Better::Lower) => format!("+{abs}"),
    }
}
