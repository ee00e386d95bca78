//! Epochs by their numbers.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Address;

/// An epoch of a run. Written `phase.0.epoch.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EpochNumber {
    /// From 0.
    pub phase: usize,
    /// From 0 within the phase.
    pub epoch: u32,
}

/// What is no epoch.
#[derive(Debug, thiserror::Error)]
#[error("an epoch is written `phase.0.epoch.3`, both numbers from 0")]
pub struct NoEpoch;

impl EpochNumber {
    /// The first of every run.
    pub const FIRST: Self = Self { phase: 0, epoch: 0 };

    /// Address of its facts.
    pub fn address(self) -> Address {
        let Self { phase, epoch } = self;
        Address::new(format!("phase.{phase}.epoch.{epoch}"))
    }
}

/// For people.
impl std::fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "phase {}, epoch {} (from 0)", self.phase, self.epoch)
    }
}

impl FromStr for EpochNumber {
    type Err = NoEpoch;

    fn from_str(written: &str) -> Result<Self, NoEpoch> {
        let numbers = written.strip_prefix("phase.");
        let numbers = numbers.and_then(|numbers| numbers.split_once(".epoch."));
        let (phase, epoch) = numbers.ok_or(NoEpoch)?;
        let number = Self {
            phase: phase.parse().map_err(|_| NoEpoch)?,
            epoch: epoch.parse().map_err(|_| NoEpoch)?,
        };
        // One spelling each: `+3` and `03` are none.
        let is_spelled = number.address().as_str() == written;
        is_spelled.then_some(number).ok_or(NoEpoch)
    }
}

impl From<EpochNumber> for String {
    fn from(number: EpochNumber) -> Self {
        number.address().0
    }
}

impl TryFrom<String> for EpochNumber {
    type Error = NoEpoch;

    fn try_from(written: String) -> Result<Self, NoEpoch> {
        written.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_one_spelling_is_an_epoch() {
        let epoch = EpochNumber {
            phase: 1,
            epoch: 10,
        };
        assert_eq!("phase.1.epoch.10".parse::<EpochNumber>().ok(), Some(epoch));
        assert_eq!(epoch.address().as_str(), "phase.1.epoch.10");
        for wrong in [
            "",
            "phase.1",
            "phase.1.epoch.",
            "phase..epoch.1",
            "phase.1.epoch.1.loss",
            "phase.01.epoch.1",
            "phase.1.epoch.+1",
            "phase.1.epoch.-1",
            "phase.1.epoch.4294967296",
        ] {
            assert!(wrong.parse::<EpochNumber>().is_err(), "{wrong}");
        }
    }
}
