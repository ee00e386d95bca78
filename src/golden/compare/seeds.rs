//! What new seeds make of a verdict.

use super::{Comparison, Hold, Parting, Place, Row, Verdict, float};
use crate::golden::gate::statistics::Standing;
use crate::golden::gate::{Judged, Outcome};
use crate::recipe::Better;

impl Comparison {
    /// Lets new seeds decide: figures that moved pass where the gate says that they are no worse. What no
    /// seed excuses stays: another task, a tolerance or a published figure that does not hold.
    pub fn decide_by(&mut self, outcome: Outcome) {
        let has_tolerances = self.rows.iter().any(|row| row.hold != Hold::Exactly);
        let is_excused =
            self.is_same_task && !has_tolerances && !self.published.iter().any(Row::fails);
        match outcome.standing() {
            Standing::Worse => {
                self.verdict = Verdict::Differs;
                let failed = outcome.failed.iter();
                let mut reasons: Vec<String> = failed
                    .map(|failed| format!("the run of seed {} failed: {}", failed.seed, failed.why))
                    .collect();
                if reasons.is_empty() {
                    reasons.extend(outcome.standing_so(Standing::Worse).map(worse));
                }
                self.lead_with(reasons);
            }
            Standing::CannotTell => self.cannot_tell(),
            Standing::NoWorse | Standing::SuspiciouslyGood => {
                for good in outcome.standing_so(Standing::SuspiciouslyGood) {
                    self.notes.push(suspicious(good));
                }
                if self.verdict == Verdict::Differs && is_excused {
                    self.verdict = Verdict::NoWorse;
                    self.reasons.clear();
                }
            }
        }
        self.gate = Some(outcome);
    }

    /// Says that too few seeds are known to tell whether figures that moved are worse.
    pub fn cannot_tell(&mut self) {
        if self.verdict == Verdict::Identical {
            return;
        }
        self.verdict = Verdict::Differs;
        let advice = "cannot tell whether worse: accept with --seeds".to_owned();
        if self.is_of_other_arithmetic() && !self.reasons.is_empty() {
            // One sentence, so that the verdict's line has both.
            self.reasons[0] = format!("{}; {advice}", self.reasons[0]);
        } else {
            self.lead_with(vec![advice]);
        }
    }

    /// True if the golden was made with another version of the arithmetic.
    pub fn is_of_other_arithmetic(&self) -> bool {
        let is_arithmetic = |parting: &Parting| parting.place == Place::Arithmetic;
        self.parting.as_ref().is_some_and(is_arithmetic)
    }

    /// Puts reasons before those that are there, but behind a change of the arithmetic.
    fn lead_with(&mut self, reasons: Vec<String>) {
        let behind = self.is_of_other_arithmetic() && !self.reasons.is_empty();
        let at = usize::from(behind);
        self.reasons.splice(at..at, reasons);
    }
}

/// A figure that is worse, in a sentence.
fn worse(judged: &Judged) -> String {
    let judgement = &judged.judgement;
    format!(
        "`{}` is worse: {} over {} new seeds, {} over the golden's {}; off by {}, chance explains {}",
        judged.gated.address,
        mean(judgement.new_mean),
        judgement.new_seeds,
        mean(judgement.golden_mean),
        judgement.golden_seeds,
        mean(judgement.drop),
        mean(judgement.margin),
    )
}

/// A figure that is better than chance explains, in a sentence.
fn suspicious(judged: &Judged) -> String {
    let judgement = &judged.judgement;
    let above = match judged.gated.rule.better {
        Better::Higher => "above",
        Better::Lower => "below",
    };
    format!(
        "suspiciously good: `{}` is {} over {} new seeds, {above} the golden's {} by more than chance \
         explains; is a test example trained on?",
        judged.gated.address,
        mean(judgement.new_mean),
        judgement.new_seeds,
        mean(judgement.golden_mean),
    )
}

/// A mean for a sentence: five significant digits are more than seeds ever tell.
fn mean(value: f64) -> String {
    float((value * 1e5).round() / 1e5)
}
