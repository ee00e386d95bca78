//! Several sources for one artifact: the first that will do, and why the others would not.

use super::{Error, Obtained};
use crate::record::{Event, Observer};

/// Sources that are tried one after the other.
pub(super) struct Attempts<'a> {
    observer: &'a Observer<'a>,
    /// Why those before would not do.
    pub refused: Vec<Error>,
    /// How many of these were told.
    told: usize,
}

impl<'a> Attempts<'a> {
    /// None yet.
    pub fn new(observer: &'a Observer<'a>) -> Self {
        Self {
            observer,
            refused: Vec::new(),
            told: 0,
        }
    }

    /// Tries one more. A fault of that source is none yet: it is told when the next one is tried, or
    /// part of the error when there is no next one.
    pub fn next(
        &mut self,
        source: impl FnOnce() -> Result<Obtained, Error>,
    ) -> Result<Option<Obtained>, Error> {
        for error in &self.refused[self.told..] {
            self.observer
                .tell(Event::Warning(format!("passed over: {error}")));
        }
        self.told = self.refused.len();
        match source() {
            Ok(obtained) => Ok(Some(obtained)),
            Err(error) if error.is_of_source() => {
                self.refused.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
