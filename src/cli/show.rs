//! `goldrun show`: the resolved recipe, its splits, its network and what each phase trains.
//!
//! It trains nothing, and downloads only the pictures that a contact sheet needs: where they are not here
//! yet, it says so.

use std::fmt::Write as _;

use serde::Serialize;

use super::arguments::Show;
use super::exit::{Exit, Failure};
use super::output;
use super::session::{Session, pictures, unpinned};
use crate::artifacts;
use crate::dataset::{self, Survey};
use crate::model::{Network, Trained};
use crate::recipe::{Phase, Recipe, SplitName};
use crate::record::exhibits::Layer;
use crate::report::terminal::network;
use crate::report::terminal::numbers::{count, counted};
use crate::report::terminal::table::{Side, Table};
use crate::run::layers;

/// Classes that are supposed where the pictures are not here: they decide the head only.
const SUPPOSED_CLASSES: usize = 2;

/// What there is to show, as data.
#[derive(Debug, Serialize)]
struct Shown {
    recipe: String,
    title: String,
    path: Option<String>,
    fingerprint: String,
    seed: u64,
    canonical: Vec<String>,
    unpinned: Vec<String>,
    classes: Option<Vec<String>>,
    splits: Option<Vec<Split>>,
    layers: Vec<Layer>,
    backbone_parameters: u64,
    parameters: u64,
    /// Shape of one batch of features.
    features: Vec<usize>,
    phases: Vec<ShownPhase>,
}

/// A split's size and class balance.
#[derive(Debug, Serialize)]
struct Split {
    #[serde(rename = "split")]
    name: &'static str,
    files: usize,
    class_counts: Vec<u64>,
}

/// What a phase trains.
#[derive(Debug, Serialize)]
struct ShownPhase {
    name: String,
    epochs: u32,
    trainable_parameters: u64,
    trainable_variables: u64,
}

/// Shows a recipe, and writes a contact sheet of its pictures where one is asked for.
pub fn show(session: &Session, arguments: &Show) -> Result<Exit, Failure> {
    let loaded = session.load(&arguments.recipe)?;
    let sheet = arguments.sheet.as_deref();
    let recipe = &loaded.recipe;
    let found = find(session, recipe, sheet.is_some())?;
    let survey = survey(recipe, &found)?;
    let classes = survey
        .as_ref()
        .map_or(SUPPOSED_CLASSES, |survey| survey.classes.len());
    let network = Network::of(recipe, classes);
    let trained = recipe
        .phases
        .iter()
        .map(|phase| Trained::of(&network, &phase.train))
        .collect::<Result<Vec<Trained>, _>>()
        .map_err(Failure::wrong)?;
    let path = loaded.path.as_ref();
    let path = path.map(|path| session.shown(path).to_string());
    let shown = Shown {
        recipe: recipe.name.clone(),
        title: recipe.title.clone(),
        path,
        fingerprint: recipe.fingerprint(),
        seed: recipe.seed,
        canonical: recipe.canonical(),
        unpinned: unpinned(recipe).into_iter().map(str::to_owned).collect(),
        splits: survey.as_ref().map(splits),
        classes: survey.map(|survey| survey.classes),
        layers: layers(&network, &trained),
        backbone_parameters: parameters(&network, |layer| layer.is_some()),
        parameters: parameters(&network, |_| true),
        features: std::iter::once(recipe.input.batch_size as usize)
            .chain(network.features())
            .collect(),
        phases: recipe
            .phases
            .iter()
            .zip(&trained)
            .map(shown_phase)
            .collect(),
    };
    if session.options.json {
        output::json(&shown)?;
    } else {
        output::data(&text(session, &shown, arguments.layers))?;
    }
    if let Some(path) = sheet {
        super::sheet::write(session, recipe, found.obtained(), path)?;
    }
    Ok(Exit::Good)
}

/// Where a recipe's pictures are.
enum Pictures {
    /// They are drawn.
    Drawn,
    /// On this machine.
    Here(artifacts::Obtained),
    /// They would have to be downloaded first.
    Elsewhere,
}

impl Pictures {
    fn obtained(&self) -> Option<&artifacts::Obtained> {
        match self {
            Self::Here(obtained) => Some(obtained),
            Self::Drawn | Self::Elsewhere => None,
        }
    }
}

/// Looks for the pictures; downloads them only where they are needed.
fn find(session: &Session, recipe: &Recipe, are_needed: bool) -> Result<Pictures, Failure> {
    let Some(role) = pictures(recipe) else {
        return Ok(Pictures::Drawn);
    };
    let options = artifacts::Options {
        offline: !are_needed || session.artifacts.offline,
        ..session.artifacts.clone()
    };
    match session.obtain(recipe, role, &options) {
        Ok(obtained) => Ok(Pictures::Here(obtained)),
        Err(error) if !are_needed && error.needs_network() => Ok(Pictures::Elsewhere),
        Err(error) => Err(error.into()),
    }
}

/// The splits, if the pictures are here or drawn.
fn survey(recipe: &Recipe, pictures: &Pictures) -> Result<Option<Survey>, Failure> {
    if matches!(pictures, Pictures::Elsewhere) {
        return Ok(None);
    }
    let survey = dataset::survey(recipe, pictures.obtained());
    survey
        .map(Some)
        .map_err(|error| Failure::new(Exit::Artifact, error))
}

fn splits(survey: &Survey) -> Vec<Split> {
    SplitName::ALL
        .into_iter()
        .zip(&survey.splits)
        .map(|(name, list)| Split {
            name: name.word(),
            files: list.len(),
            class_counts: list.class_counts(),
        })
        .collect()
}

/// Number of parameters in the tensors whose layer counts.
fn parameters(network: &Network, counts: impl Fn(Option<usize>) -> bool) -> u64 {
    let tensors = network.tensors();
    let counted = tensors.iter().filter(|tensor| counts(tensor.layer));
    counted.map(|tensor| tensor.len() as u64).sum()
}

fn shown_phase((phase, trained): (&Phase, &Trained)) -> ShownPhase {
    ShownPhase {
        name: phase.name.clone(),
        epochs: phase.epochs,
        trainable_parameters: trained.parameters,
        trainable_variables: trained.variables,
    }
}

fn text(session: &Session, shown: &Shown, has_layers: bool) -> String {
    let mut text = format!("{}: {}\n", shown.recipe, shown.title);
    let _ = writeln!(
        text,
        "from {}",
        shown.path.as_deref().unwrap_or("inside goldrun")
    );
    let _ = writeln!(
        text,
        "fingerprint {}\ntraining seed {}\n",
        shown.fingerprint, shown.seed
    );
    for line in &shown.canonical {
        let _ = writeln!(text, "{line}");
    }
    if !shown.unpinned.is_empty() {
        let _ = writeln!(text, "\nunpinned: {}", shown.unpinned.join(", "));
    }
    text.push('\n');
    text.push_str(&splits_text(session, shown));
    text.push('\n');
    if has_layers {
        text.push_str(&network::table(&shown.layers, session.style));
    } else {
        text.push_str(&network::summary(&shown.layers, session.style));
        let _ = writeln!(text, "(each layer: goldrun show {} --layers)", shown.recipe);
    }
    let features: Vec<String> = shown.features.iter().map(usize::to_string).collect();
    let _ = writeln!(
        text,
        "\nbackbone: {} layers, {} parameters, features {}\nmodel: {} parameters{}",
        shown.layers.len() - HEAD_LAYERS,
        count(shown.backbone_parameters),
        features.join("x"),
        count(shown.parameters),
        if shown.splits.is_none() {
            ", supposing two classes"
        } else {
            ""
        },
    );
    for (index, phase) in shown.phases.iter().enumerate() {
        let _ = writeln!(
            text,
            "phase {index}: {}, {}, trains {} parameters in {}",
            phase.name,
            counted(u64::from(phase.epochs), "epoch"),
            count(phase.trainable_parameters),
            counted(phase.trainable_variables, "variable"),
        );
    }
    text
}

/// Layers that the head adds.
const HEAD_LAYERS: usize = 3;

fn splits_text(session: &Session, shown: &Shown) -> String {
    let (Some(splits), Some(classes)) = (&shown.splits, &shown.classes) else {
        return format!(
            "splits: unknown until the pictures are here (goldrun fetch {})\n",
            shown.recipe
        );
    };
    let mut columns = vec![("split", Side::Left), ("files", Side::Right)];
    columns.extend(classes.iter().map(|class| (class.as_str(), Side::Right)));
    let mut table = Table::new(&columns);
    for split in splits {
        let mut cells = vec![split.name.into(), count(split.files as u64).into()];
        cells.extend(split.class_counts.iter().map(|files| count(*files).into()));
        table.row(cells);
    }
    table.render(session.style)
}
