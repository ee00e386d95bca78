//! Faults that `goldrun selftest` plants into a run behind its recipe's back: the facts that are stated before
//! training stay those of the recipe, while something else is computed.

use super::Request;
use crate::dataset::Data;
use crate::dataset::batch::TrainingEpoch;
use crate::model::{Parameters, TensorSpec};
use crate::recipe::{Optimizer, Recipe, Trainable};
use crate::train::Tamper;

/// What the learning rates are multiplied with.
const RATE: f64 = 10.0;

/// One label in so many is wrong: 5 %.
const LABELS_APART: usize = 20;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every learning rate is ten times as large.
    LearningRate,
    /// The first phase trains the backbone, too.
    BackboneNotFrozen,
    /// 5 % of the training labels are wrong.
    Labels,
    /// Training images are not augmented.
    Augmentation,
    /// One training picture is replaced by another.
    Picture,
    /// Two weight tensors of one shape are swapped.
    Weights,
    /// The training order is drawn from the next seed.
    Order,
    /// The last batch of every epoch is dropped.
    LastBatch,
    /// The last phase leaves the backbone frozen.
    LeftFrozen,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::LearningRate,
        Self::BackboneNotFrozen,
        Self::Labels,
        Self::Augmentation,
        Self::Picture,
        Self::Weights,
        Self::Order,
        Self::LastBatch,
        Self::LeftFrozen,
    ];

    /// A few words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::LearningRate => "learning rate × 10",
            Self::BackboneNotFrozen => "backbone not frozen in the first phase",
            Self::Labels => "5 % of labels flipped",
            Self::Augmentation => "augmentation dropped",
            Self::Picture => "one training picture replaced",
            Self::Weights => "two weight tensors of one shape swapped",
            Self::Order => "order drawn from the next seed",
            Self::LastBatch => "last batch dropped",
            Self::LeftFrozen => "last phase left frozen",
        }
    }

    /// True if a recipe has what the fault is about.
    pub fn is_possible(self, recipe: &Recipe) -> bool {
        let first = recipe.phases.first().map(|phase| &phase.train);
        let last = recipe.phases.last().map(|phase| &phase.train);
        match self {
            Self::Augmentation => !recipe.input.augment.is_empty(),
            Self::BackboneNotFrozen => first == Some(&Trainable::Head),
            Self::LeftFrozen => last.is_some_and(|train| *train != Trainable::Head),
            _ => true,
        }
    }

    /// The recipe that is computed.
    fn recipe(self, recipe: &Recipe) -> Recipe {
        let mut computed = recipe.clone();
        match self {
            Self::LearningRate => {
                for phase in &mut computed.phases {
                    let (Optimizer::Adam { learning_rate, .. }
                    | Optimizer::RmsProp { learning_rate, .. }
                    | Optimizer::Sgd { learning_rate, .. }) = &mut phase.optimizer;
                    *learning_rate *= RATE;
                }
            }
            Self::BackboneNotFrozen => {
                if let Some(first) = computed.phases.first_mut() {
                    first.train = Trainable::All;
                }
            }
            Self::LeftFrozen => {
                if let Some(last) = computed.phases.last_mut() {
                    last.train = Trainable::Head;
                }
            }
            Self::Augmentation => computed.input.augment.clear(),
            Self::Labels | Self::Picture | Self::Weights | Self::Order | Self::LastBatch => {}
        }
        computed
    }

    /// Changes the pictures before anything is said of them.
    pub(super) fn plant_in_pictures(self, data: &mut Data) -> Result<(), crate::dataset::Error> {
        if self == Self::Picture {
            data.train.replace_first_picture()?;
        }
        Ok(())
    }

    /// Changes the labels that training sees, after the split was described.
    pub(super) fn plant_in_labels(self, data: &mut Data) {
        if self == Self::Labels {
            data.train.flip_labels(LABELS_APART);
        }
    }

    /// Changes the weights as they were read.
    pub(super) fn plant_in_weights(self, parameters: &mut Parameters) {
        if self != Self::Weights {
            return;
        }
        let specs: Vec<&TensorSpec> = parameters
            .tensors
            .iter()
            .map(|tensor| &tensor.spec)
            .collect();
        if let Some((one, other)) = last_of_one_shape(&specs) {
            let (before, after) = parameters.tensors.split_at_mut(other);
            std::mem::swap(&mut before[one].values, &mut after[0].values);
        }
    }

    /// What is done to the order of an epoch.
    pub(super) fn tamper(self) -> Option<Tamper> {
        match self {
            Self::Order => Some(|epoch, seed| epoch.draw_order(seed.wrapping_add(1))),
            Self::LastBatch => Some(|epoch, _| TrainingEpoch::drop_last_batch(epoch)),
            _ => None,
        }
    }
}

/// What is computed where a run is asked for: with a fault, another recipe.
pub(super) fn computed(request: &Request) -> Request {
    let recipe = &request.recipe;
    Request {
        recipe: request
            .fault
            .map_or_else(|| recipe.clone(), |fault| fault.recipe(recipe)),
        ..request.clone()
    }
}

/// The last two kernels that have one shape.
fn last_of_one_shape(specs: &[&TensorSpec]) -> Option<(usize, usize)> {
    let kernels: Vec<usize> = (0..specs.len())
        .filter(|&place| specs[place].shape.len() > 2)
        .collect();
    kernels.iter().rev().find_map(|&other| {
        let earlier = kernels.iter().rev().filter(|&&one| one < other);
        let mut alike = earlier.filter(|&&one| specs[one].shape == specs[other].shape);
        alike.next().map(|&one| (one, other))
    })
}
