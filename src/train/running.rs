//! The figures of an epoch while it goes on.

use crate::engine::Outputs;
use crate::evaluate::metric;
use crate::recipe::Metric;
use crate::record::Event;

/// Mean loss and accuracy of an epoch so far, for the bar; the record's are computed from all at its end.
pub(super) struct Running<'a> {
    metrics: &'a [Metric],
    outputs: usize,
    images: usize,
    losses: f64,
    correct: u64,
}

impl<'a> Running<'a> {
    pub fn new(metrics: &'a [Metric], outputs: usize) -> Self {
        Self {
            metrics,
            outputs,
            images: 0,
            losses: 0.0,
            correct: 0,
        }
    }

    /// Takes what came out since the last call.
    pub fn add(&mut self, outputs: &Outputs, labels: &[u32]) {
        let new = self.images..outputs.losses.len();
        self.losses += outputs.losses[new.clone()]
            .iter()
            .map(|&loss| f64::from(loss))
            .sum::<f64>();
        for metric in self.metrics {
            if let Metric::Accuracy { threshold } = metric {
                let logits = &outputs.logits[new.start * self.outputs..new.end * self.outputs];
                self.correct += metric::accuracy::correct(
                    logits,
                    self.outputs,
                    &labels[new.clone()],
                    *threshold,
                );
                break;
            }
        }
        self.images = new.end;
    }

    pub fn event(&self, done: u32) -> Event {
        let images = self.images as f64;
        Event::Step {
            done,
            loss: self.losses / images,
            accuracy: self.correct as f64 / images,
        }
    }
}
