//! Training: the phases of a recipe, epoch by epoch, into a record.
//!
//! Takes an engine with its first parameters and the pictures; puts every fact that training makes into the
//! record and tells the observer as it goes. It knows no device and no layer.

pub mod checkpoint;
mod error;
mod running;
mod steps;
mod work;

pub use checkpoint::Checkpoint;
pub use error::Error;

use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use tracing::trace_span;

use self::checkpoint::Computed;
use self::running::Running;
use crate::dataset::batch::TrainingEpoch;
use crate::dataset::{Data, Split};
use crate::digest;
use crate::engine::{Engine, OptimizerState, Outputs};
use crate::evaluate;
use crate::model::{Description, Network, Parameters, SavedModel, Trained, saved};
use crate::random::{Purpose, Stream};
use crate::recipe::{Phase, Recipe};
use crate::record::history::VALIDATION;
use crate::record::{Address, EpochNumber, Event, Fact, Observer, Record};
use crate::whole;

/// Slot of the head's dropout layer.
const DROPOUT_SLOT: u32 = 0;

/// What was done before.
pub struct Done {
    /// The last epoch that was.
    pub after: EpochNumber,
    /// The optimizer's state after it.
    pub state: OptimizerState,
}

/// Changes an epoch's order behind the back of whoever trains; takes the training seed, too.
pub type Tamper = fn(&mut TrainingEpoch<'_>, u64);

/// What training works on.
pub struct Training<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its network.
    pub network: &'a Network,
    /// Its pictures.
    pub data: &'a Data,
    /// Where models, checkpoints and digests go.
    pub folder: &'a Path,
    /// Who computes.
    pub computed: &'a Computed,
    /// A fault in the order of every epoch, for a test of what would see it.
    pub tamper: Option<Tamper>,
    /// Who is told.
    pub observer: &'a Observer<'a>,
}

impl Training<'_> {
    /// Trains all phases and evaluates before, in between and after; where some of it was done already, the
    /// engine has the parameters and the record the facts of it. Gives what came out for the test split.
    pub fn run(
        &self,
        engine: &mut dyn Engine,
        record: &mut Record,
        done: Option<&Done>,
    ) -> Result<Outputs, Error> {
        let first = done.map_or(EpochNumber::FIRST, |done| self.next(done.after));
        if first.phase == self.recipe.phases.len() {
            // Nothing is left to train; the test asks for no more than a phase that has begun.
            let last = &self.recipe.phases[first.phase - 1];
            engine.begin_phase(&self.trained(last)?, &last.optimizer)?;
        }
        self.train(engine, record, done, None)?;
        self.last_validation(record);
        self.test(engine, record)
    }

    /// The epoch after one: the first of the phase after the last where there is no other.
    fn next(&self, after: EpochNumber) -> EpochNumber {
        let EpochNumber { phase, epoch } = after;
        if epoch + 1 < self.recipe.phases[phase].epochs {
            return EpochNumber {
                phase,
                epoch: epoch + 1,
            };
        }
        EpochNumber {
            phase: phase + 1,
            epoch: 0,
        }
    }

    /// Trains what is not done, up to the end or to just before an epoch.
    fn train(
        &self,
        engine: &mut dyn Engine,
        record: &mut Record,
        done: Option<&Done>,
        before: Option<EpochNumber>,
    ) -> Result<(), Error> {
        let first = done.map_or(EpochNumber::FIRST, |done| self.next(done.after));
        for (number, phase) in self.recipe.phases.iter().enumerate().skip(first.phase) {
            let _span = trace_span!("phase", phase = number).entered();
            let trained = self.trained(phase)?;
            let address = Address::new(format!("phase.{number}"));
            put(
                record,
                &address,
                "trainable_parameters",
                Fact::Integer(trained.parameters),
            );
            put(
                record,
                &address,
                "trainable_variables",
                Fact::Integer(trained.variables),
            );
            trace_span!("begin phase")
                .in_scope(|| engine.begin_phase(&trained, &phase.optimizer))?;
            let first_epoch = if number == first.phase {
                first.epoch
            } else {
                0
            };
            if let Some(done) = done.filter(|_| first_epoch > 0) {
                engine.resume_phase(&done.state)?;
            }
            if number == 0 && first_epoch == 0 {
                self.initial(engine, record)?;
            }
            self.observer.tell(Event::PhaseStarted {
                phase: number,
                name: phase.name.clone(),
                epochs: phase.epochs,
                trainable: trained.parameters,
            });
            for epoch in first_epoch..phase.epochs {
                let number = EpochNumber {
                    phase: number,
                    epoch,
                };
                if before == Some(number) {
                    return Ok(());
                }
                self.epoch(engine, record, number)?;
            }
        }
        Ok(())
    }

    fn trained(&self, phase: &Phase) -> Result<Trained, Error> {
        Trained::of(self.network, &phase.train).map_err(|source| Error::Boundary {
            phase: phase.name.clone(),
            source,
        })
    }

    /// The figures after training are those of the last epoch's validation.
    fn last_validation(&self, record: &mut Record) {
        let Some((number, phase)) = self.recipe.phases.iter().enumerate().next_back() else {
            return;
        };
        let last = EpochNumber {
            phase: number,
            epoch: phase.epochs - 1,
        };
        let address = last.address();
        for metric in &self.recipe.metrics {
            let name = format!("{VALIDATION}{}", evaluate::metric::name(metric));
            if let Some(fact) = record.facts.get(&address.join(&name)).cloned() {
                put(record, &Address::new("final"), &name, fact);
            }
        }
    }

    /// The backbone's features and the figures before training.
    fn initial(&self, engine: &mut dyn Engine, record: &mut Record) -> Result<(), Error> {
        let split = &self.data.validation;
        let first_batch = 0..split.len().min(self.recipe.input.batch_size as usize);
        let features = trace_span!("features", split = split.name.word())
            .in_scope(|| engine.features(split, first_batch, self.observer))?;
        let digest = digest::of_values(&features);
        let address = Address::new("features");
        put(
            record,
            &address,
            "first_validation_batch",
            Fact::Text(digest),
        );
        let outputs = self.evaluate(engine, split)?;
        self.keep_losses("validation.initial", split, &outputs)?;
        let figures = prefixed(self.figures(&outputs, &split.labels()));
        for (name, value) in &figures {
            put(record, &Address::new("initial"), name, Fact::Figure(*value));
        }
        self.observer.tell(Event::Initial { figures });
        Ok(())
    }

    /// One epoch with its validation, and the checkpoint after it.
    fn epoch(
        &self,
        engine: &mut dyn Engine,
        record: &mut Record,
        at: EpochNumber,
    ) -> Result<(), Error> {
        let EpochNumber { phase, epoch } = at;
        let _span = trace_span!("epoch", phase, epoch).entered();
        let started = Instant::now();
        let (order, dropout) = self.drawn(at);
        let left = self.left_after(at)?;
        let shown = self.tell_started(at, &order, left);
        let labels = labels(&order);
        let mut running = Running::new(&self.recipe.metrics, self.network.outputs);
        let mut step = |done, outputs: &Outputs| {
            running.add(outputs, &labels);
            self.observer.tell(running.event(done as u32));
        };
        let validation = &self.data.validation;
        let [outputs, validated] =
            engine.train_and_evaluate(&order, &dropout, validation, self.observer, &mut step)?;
        let batch = self.recipe.input.batch_size as usize;
        check_losses(&outputs, |position| (true, position / batch), at)?;
        check_losses(&validated, |position| (false, position), at)?;
        if let Some((tensor, element)) = engine.first_non_finite()? {
            return Err(Error::Parameter {
                tensor,
                element,
                at,
            });
        }

        if epoch + 1 == self.recipe.phases[phase].epochs {
            self.keep_losses(&format!("validation.phase.{phase}"), validation, &validated)?;
        }
        let address = at.address();
        let digests = trace_span!("digests").entered();
        put(record, &address, "order", Fact::Text(order.order_digest()));
        let parameters = engine.parameters()?;
        put(
            record,
            &address,
            "parameters",
            Fact::Text(parameters.digest()),
        );
        self.keep_digests(&address, &parameters)?;
        drop(digests);
        let mut figures = self.figures(&outputs, &labels);
        figures.extend(prefixed(self.figures(&validated, &validation.labels())));
        for (name, value) in &figures {
            put(record, &address, name, Fact::Figure(*value));
        }
        self.save(engine, record, at, parameters)?;
        self.observer.tell(Event::EpochFinished {
            phase,
            epoch,
            shown: shown.start,
            shown_last: shown.end,
            steps: order.steps() as u32,
            figures,
            seconds: started.elapsed().as_secs_f64(),
            left,
        });
        Ok(())
    }

    /// What is drawn for an epoch: its order with the changes of its pictures, and the masks of dropout.
    fn drawn(&self, at: EpochNumber) -> (TrainingEpoch<'_>, Stream) {
        let EpochNumber { phase, epoch } = at;
        let (seed, phase) = (self.recipe.seed, phase as u32);
        let (train, input) = (&self.data.train, &self.recipe.input);
        let mut order = TrainingEpoch::new(train, input, seed, phase, epoch);
        if let Some(tamper) = self.tamper {
            tamper(&mut order, seed);
        }
        let dropout = Stream::new(seed, Purpose::Dropout, DROPOUT_SLOT).at(phase, epoch);
        (order, dropout)
    }

    /// Says that an epoch begins; gives the numbers that are shown of it and of its phase's last.
    fn tell_started(&self, at: EpochNumber, order: &TrainingEpoch<'_>, left: f64) -> Range<u32> {
        let EpochNumber { phase, epoch } = at;
        let of = &self.recipe.phases[phase];
        let shown = of.first_epoch + epoch..of.first_epoch + of.epochs - 1;
        self.observer.tell(Event::EpochStarted {
            phase,
            epoch,
            shown: shown.start,
            shown_last: shown.end,
            steps: order.steps() as u32,
            left,
        });
        shown
    }

    /// The checkpoint after an epoch; before it the model, where the epoch is its phase's last.
    fn save(
        &self,
        engine: &dyn Engine,
        record: &Record,
        after: EpochNumber,
        mut parameters: Parameters,
    ) -> Result<(), Error> {
        let EpochNumber { phase, epoch } = after;
        if epoch + 1 == self.recipe.phases[phase].epochs {
            let model = SavedModel {
                description: Description::of(self.recipe, &self.data.classes, phase),
                parameters,
            };
            trace_span!("save model").in_scope(|| model.write(&saved::path(self.folder, phase)))?;
            parameters = model.parameters;
        }
        let _span = trace_span!("save checkpoint").entered();
        let checkpoint = Checkpoint {
            after,
            parameters,
            state: engine.optimizer_state()?,
            record: record.clone(),
        };
        checkpoint.write(self.folder, self.computed)
    }

    fn test(&self, engine: &mut dyn Engine, record: &mut Record) -> Result<Outputs, Error> {
        let split = &self.data.test;
        let outputs = self.evaluate(engine, split)?;
        let figures = self.figures(&outputs, &split.labels());
        let address = Address::new("test");
        for (name, value) in &figures {
            put(record, &address, name, Fact::Figure(*value));
        }
        let batch = self.recipe.input.batch_size as usize;
        let first = &outputs.logits[..split.len().min(batch) * self.network.outputs];
        let logits = first.iter().map(|&logit| f64::from(logit)).collect();
        put(record, &address, "logits", Fact::Figures(logits));
        self.keep_losses("test", split, &outputs)?;
        self.observer.tell(Event::Test { figures });
        Ok(outputs)
    }

    fn evaluate(&self, engine: &mut dyn Engine, split: &Split) -> Result<Outputs, Error> {
        let _span = trace_span!("evaluate", split = split.name.word()).entered();
        Ok(engine.evaluate(split, self.observer)?)
    }

    fn figures(&self, outputs: &Outputs, labels: &[u32]) -> Vec<(String, f64)> {
        evaluate::figures(
            &self.recipe.metrics,
            &evaluate::Outputs {
                logits: &outputs.logits,
                logits_per_example: self.network.outputs,
                losses: &outputs.losses,
                labels,
            },
        )
    }

    /// What is left to train after an epoch, in epochs that are as much work as that one.
    fn left_after(&self, at: EpochNumber) -> Result<f64, Error> {
        let pictures = [self.data.train.len(), self.data.validation.len()];
        let work = |phase: &Phase| -> Result<[f64; 2], Error> {
            let trained = self.trained(phase)?;
            let epochs = work::of_epochs(self.recipe, self.network, &trained, pictures);
            Ok(epochs)
        };
        let phases = &self.recipe.phases;
        let [first, later] = work(&phases[at.phase])?;
        let this = if at.epoch == 0 { first } else { later };
        let mut left = f64::from(phases[at.phase].epochs - at.epoch - 1) * later;
        for phase in &phases[at.phase + 1..] {
            let [first, later] = work(phase)?;
            left += first + f64::from(phase.epochs - 1) * later;
        }
        Ok(left / this)
    }

    /// A line per tensor beside the record's digest, so that a difference can name the first that parts.
    fn keep_digests(&self, address: &Address, parameters: &Parameters) -> Result<(), Error> {
        let lines: Vec<String> = parameters
            .digests()
            .into_iter()
            .map(|(name, digest)| format!("{digest}  {name}\n"))
            .collect();
        self.keep("parameters", &address.to_string(), &lines)
    }

    /// The loss of each picture of a split: what a standard error is made of.
    fn keep_losses(&self, name: &str, split: &Split, outputs: &Outputs) -> Result<(), Error> {
        let lines: Vec<String> = split
            .items
            .iter()
            .zip(&outputs.losses)
            .map(|(item, loss)| format!("{loss}  {}\n", item.path))
            .collect();
        self.keep("losses", name, &lines)
    }

    /// Writes `part/name.txt` into the run's folder.
    fn keep(&self, part: &str, name: &str, lines: &[String]) -> Result<(), Error> {
        let folder = self.folder.join(part);
        fs_err::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.txt"));
        Ok(whole::write(&path, lines.concat().as_bytes())?)
    }
}

fn labels(order: &TrainingEpoch<'_>) -> Vec<u32> {
    (0..order.len())
        .map(|position| order.label(position))
        .collect()
}

fn put(record: &mut Record, address: &Address, part: &str, fact: Fact) {
    record.facts.insert(address.join(part), fact);
}

/// Figures of the validation split are named `val_…`, as Keras names them.
fn prefixed(figures: Vec<(String, f64)>) -> Vec<(String, f64)> {
    figures
        .into_iter()
        .map(|(name, value)| (format!("{VALIDATION}{name}"), value))
        .collect()
}

/// The first loss that is not finite is an error; `place` says whether it is of training, and where.
fn check_losses(
    outputs: &Outputs,
    place: impl Fn(usize) -> (bool, usize),
    at: EpochNumber,
) -> Result<(), Error> {
    let Some(bad) = outputs.losses.iter().position(|loss| !loss.is_finite()) else {
        return Ok(());
    };
    let (is_training, position) = place(bad);
    Err(Error::Loss {
        is_training,
        at,
        position,
        value: outputs.losses[bad].to_string(),
    })
}
