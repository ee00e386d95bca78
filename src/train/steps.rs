//! An epoch step by step, with a digest of all that each step makes.

use super::running::Running;
use super::{Done, Error, Training, labels, put};
use crate::digest;
use crate::engine::{Engine, OptimizerState, Outputs};
use crate::model::Parameters;
use crate::record::steps::{Kind, StepDigest};
use crate::record::{EpochNumber, Fact, Record};

impl Training<'_> {
    /// Trains what is not done up to an epoch, and then that epoch with a digest of everything: of parameters
    /// and optimizer state before it, and of outputs, gradients and changed parameters after each step.
    ///
    /// A step is an epoch of its own to the engine, which keeps its state in between, so that an engine that
    /// puts off what it tells to the end of an epoch tells it after each step. Outputs are told picture by
    /// picture and gradients from the last layer down, as they are computed.
    pub fn steps_of(
        &self,
        engine: &mut dyn Engine,
        record: &mut Record,
        done: Option<&Done>,
        at: EpochNumber,
    ) -> Result<Vec<StepDigest>, Error> {
        self.train(engine, record, done, Some(at))?;
        let (epoch, dropout) = self.drawn(at);
        self.tell_started(at, &epoch, 0.0);
        let order = Fact::Text(epoch.order_digest());
        put(record, &at.address(), "order", order);
        let mut digests = Digests::default();
        digests.before(&engine.parameters()?, &engine.optimizer_state()?);
        let labels = labels(&epoch);
        let mut running = Running::new(&self.recipe.metrics, self.network.outputs);
        let mut so_far = Outputs::default();
        for number in 0..epoch.steps() {
            let step = epoch.only(number);
            let outputs = engine.train_epoch(&step, &dropout, self.observer, &mut |_, _| {})?;
            digests.step = Some(number);
            let images = outputs.losses.iter().enumerate();
            let logits = outputs.logits.chunks_exact(self.network.outputs);
            for ((position, &loss), logits) in images.zip(logits) {
                let path = &self.data.train.items[step.place(position)].path;
                digests.add(Kind::Output, path, &[logits, &[loss]].concat());
            }
            let gradients = engine.gradients()?;
            for (name, values) in gradients.iter().rev() {
                digests.add(Kind::Gradient, name, values);
            }
            let parameters = engine.parameters()?;
            for tensor in &parameters.tensors {
                let name = &tensor.spec.name;
                if gradients.iter().any(|(changed, _)| changed == name) {
                    digests.add(Kind::Parameter, name, &tensor.values);
                }
            }
            so_far.losses.extend(outputs.losses);
            so_far.logits.extend(outputs.logits);
            running.add(&so_far, &labels);
            self.observer.tell(running.event(number as u32 + 1));
        }
        Ok(digests.all)
    }
}

/// Digests so far.
#[derive(Default)]
struct Digests {
    step: Option<usize>,
    all: Vec<StepDigest>,
}

impl Digests {
    /// What an epoch begins with.
    fn before(&mut self, parameters: &Parameters, state: &OptimizerState) {
        for tensor in &parameters.tensors {
            self.add(Kind::Parameter, &tensor.spec.name, &tensor.values);
        }
        for moments in &state.moments {
            let name = &parameters.tensors[moments.tensor].spec.name;
            self.add(Kind::FirstMoment, name, &moments.first);
            self.add(Kind::SecondMoment, name, &moments.second);
        }
    }

    fn add(&mut self, kind: Kind, name: &str, values: &[f32]) {
        self.all.push(StepDigest {
            step: self.step,
            kind,
            name: name.to_owned(),
            digest: digest::of_values(values),
        });
    }
}
