//! The epochs of a run in a row, out of its record.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{EpochNumber, Fact, Record};

/// What names of figures of the validation split begin with, as Keras names them.
pub const VALIDATION: &str = "val_";

/// The loss comes before all other metrics.
const LOSS: &str = "loss";

/// The figures of every epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Names of the figures: of training, then of validation, the loss first in each.
    pub names: Vec<String>,
    /// The epochs, in the order of the run.
    pub epochs: Vec<Epoch>,
}

/// An epoch of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Which.
    pub at: EpochNumber,
    /// A figure for each name; none where the record has none.
    pub figures: Vec<Option<f64>>,
}

impl History {
    /// Out of a record.
    pub fn of(record: &Record) -> Self {
        let mut found: BTreeMap<EpochNumber, BTreeMap<&str, f64>> = BTreeMap::new();
        for (address, fact) in &record.facts {
            let Fact::Figure(figure) = fact else {
                continue;
            };
            let Some((epoch, name)) = address.as_str().rsplit_once('.') else {
                continue;
            };
            if let Ok(at) = epoch.parse() {
                found.entry(at).or_default().insert(name, *figure);
            }
        }
        let mut names: Vec<&str> = found.values().flat_map(BTreeMap::keys).copied().collect();
        names.sort_unstable_by_key(|name| rank(name));
        names.dedup();
        let epochs = found.iter().map(|(&at, figures)| Epoch {
            at,
            figures: names
                .iter()
                .map(|name| figures.get(name).copied())
                .collect(),
        });
        Self {
            epochs: epochs.collect(),
            names: names.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The metrics of which it has a figure of training or validation, the loss first.
    pub fn metrics(&self) -> Vec<&str> {
        let mut metrics: Vec<&str> = Vec::new();
        for name in &self.names {
            let metric = name.strip_prefix(VALIDATION).unwrap_or(name);
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        metrics
    }

    /// Values of a figure, epoch by epoch; all none where it has no such figure.
    pub fn values(&self, name: &str) -> Vec<Option<f64>> {
        let column = self.names.iter().position(|known| known == name);
        let of = |epoch: &Epoch| epoch.figures.get(column?).copied().flatten();
        self.epochs.iter().map(of).collect()
    }

    /// Where phases after the first begin: the place of their first epoch, and the phase's number.
    pub fn later_phases(&self) -> Vec<(usize, usize)> {
        let pairs = self.epochs.windows(2).enumerate();
        let begins = pairs.filter(|(_, pair)| pair[0].at.phase != pair[1].at.phase);
        begins
            .map(|(place, pair)| (place + 1, pair[1].at.phase))
            .collect()
    }

    /// Only the epochs of a phase.
    #[must_use]
    pub fn of_phase(&self, phase: usize) -> Self {
        let epochs = self.epochs.iter().filter(|epoch| epoch.at.phase == phase);
        Self {
            names: self.names.clone(),
            epochs: epochs.cloned().collect(),
        }
    }

    /// A line of names, then a line an epoch, numbers as short as they can be read back to the same bits. Phases
    /// and epochs count from 0 as in addresses.
    pub fn csv(&self) -> String {
        let mut text = String::from("phase,epoch");
        for name in &self.names {
            let _ = write!(text, ",{name}");
        }
        text.push('\n');
        for epoch in &self.epochs {
            let _ = write!(text, "{},{}", epoch.at.phase, epoch.at.epoch);
            for figure in &epoch.figures {
                let figure = figure.map_or(String::new(), |figure| figure.to_string());
                let _ = write!(text, ",{figure}");
            }
            text.push('\n');
        }
        text
    }
}

/// Training before validation, and the loss before the rest.
fn rank(name: &str) -> (bool, bool, &str) {
    let metric = name.strip_prefix(VALIDATION);
    (
        metric.is_some(),
        metric.unwrap_or(name) != LOSS,
        metric.unwrap_or(name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Address;

    fn history() -> History {
        let mut record = Record::default();
        for (address, figure) in [
            ("initial.val_loss", 0.75),
            ("phase.0.epoch.0.accuracy", 0.5),
            ("phase.0.epoch.0.loss", 0.1 + 0.2),
            ("phase.0.epoch.0.val_accuracy", 0.625),
            ("phase.0.epoch.0.val_loss", 0.25),
            ("phase.0.epoch.10.loss", 1e-9),
            ("phase.0.epoch.9.loss", 1.0),
            ("phase.1.epoch.0.loss", 0.125),
        ] {
            let fact = Fact::Figure(figure);
            record.facts.insert(Address::new(address), fact);
        }
        let order = Fact::Text("abc".to_owned());
        let address = Address::new("phase.0.epoch.0.order");
        record.facts.insert(address, order);
        History::of(&record)
    }

    #[test]
    fn epochs_lie_in_the_order_of_the_run() {
        let history = history();
        assert_eq!(
            history.csv(),
            "phase,epoch,loss,accuracy,val_loss,val_accuracy\n\
             0,0,0.30000000000000004,0.5,0.25,0.625\n\
             0,9,1,,,\n\
             0,10,0.000000001,,,\n\
             1,0,0.125,,,\n"
        );
        assert_eq!(history.metrics(), ["loss", "accuracy"]);
        assert_eq!(history.later_phases(), [(3, 1)]);
        assert_eq!(history.of_phase(1).values("loss"), [Some(0.125)]);
        assert_eq!(history.of_phase(0).values("val_loss").len(), 3);
        assert_eq!(history.values("precision"), [None; 4]);
    }
}
