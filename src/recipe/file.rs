//! A whole recipe as written, its cross-checks, and how it becomes a [`Recipe`].

use std::collections::BTreeMap;

use schemars::transform::Transform;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value as Json;

use super::Recipe;
use super::artifact::{Artifact, ArtifactFile, ON_DISK, ROLE, Use, WORD};
use super::check::CheckFile;
use super::dataset::{DatasetFile, SEED};
use super::figure::Measured;
use super::input::InputFile;
use super::load::Layers;
use super::metric::{EvaluateFile, Metric};
use super::model::ModelFile;
use super::phase::{self, MOST_PHASES, PhaseFile, SHOWN};
use super::published::PublishedFile;
use super::split::SplitFile;
use super::syntax::{
    Decode, Inside, KindGroup, Located, MergeRules, Node, Problem, Problems, Range, Reader, Rule,
    Sources, nearest,
};

/// The format that this goldrun reads.
pub(super) const FORMAT: Rule<u32> =
    Rule::new("1, the only format that this goldrun reads", Range::only(1));
pub(super) const NAME: Rule<String> =
    Rule::new("a file's stem: up to 64 letters, digits, `-` and `_`", WORD);
/// Another recipe to start from.
pub(super) const EXTENDS: Rule<String> = Rule::new("the path of another recipe", ON_DISK);

/// Keys that a recipe says for itself and never takes from the one that it extends: its name, which
/// names its golden, how that golden is held, and what its own source claims.
pub(super) const NEVER_INHERITED: [&str; 3] = ["name", "check", "published"];

/// How `extends` and `--set` merge.
pub(super) const MERGE: MergeRules = MergeRules {
    groups: &[
        KindGroup {
            table: "dataset",
            kinds: &["folders", "drawn"],
        },
        KindGroup {
            table: "artifact.*",
            kinds: &["urls", "path"],
        },
        KindGroup {
            table: "input.augment.*",
            kinds: &["flip", "rotation"],
        },
        KindGroup {
            table: "split.*",
            kinds: &["batches", "count", "fraction"],
        },
        KindGroup {
            table: "phase.*.optimizer",
            kinds: &["adam", "rmsprop", "sgd"],
        },
        KindGroup {
            table: "evaluate.metrics.*.accuracy",
            kinds: &["probability", "logit"],
        },
    ],
    by_key: &[("phase", "name")],
};

/// A recipe as written, `extends` and `--set` applied.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_opening)]
pub(super) struct RecipeFile {
    /// The file's name without `.toml`. Names the golden too: `golden/<name>.toml`.
    #[schemars(required, transform = &NAME)]
    name: Option<Located<String>>,
    /// One line for people.
    #[schemars(transform = &SHOWN, extend("x-default" = "`name`"))]
    title: Option<Located<String>>,
    /// Seed of everything random ([seeds](#seeds)).
    #[schemars(required, transform = &SEED)]
    seed: Option<Located<u64>>,
    /// The files and folders that the recipe needs, each under a role.
    #[schemars(
        rename = "artifact",
        with = "Option<BTreeMap<String, ArtifactFile>>",
        transform = Inside("propertyNames", &ROLE)
    )]
    artifacts: Vec<(Located<String>, ArtifactFile)>,
    /// Where pictures come from.
    #[schemars(required)]
    dataset: Option<Located<DatasetFile>>,
    /// What the network sees.
    #[schemars(required)]
    input: Option<Located<InputFile>>,
    /// How a source of pictures is cut.
    #[schemars(with = "Option<SplitFile>")]
    split: SplitFile,
    /// The network.
    #[schemars(required)]
    model: Option<Located<ModelFile>>,
    /// Stretches of training, in order.
    #[schemars(required, rename = "phase", length(min = 1, max = MOST_PHASES))]
    phases: Option<Located<Vec<Located<PhaseFile>>>>,
    /// What is measured.
    #[schemars(with = "Option<EvaluateFile>", extend("x-default" = "loss and accuracy"))]
    evaluate: EvaluateFile,
    /// Figures that a source claims.
    #[schemars(with = "Option<Vec<PublishedFile>>")]
    published: Vec<Located<PublishedFile>>,
    /// How the golden is held.
    #[schemars(with = "Option<CheckFile>", extend("x-default" = "the same bits"))]
    check: CheckFile,
}

/// The keys that are read before anything else is: what they say decides what the others are laid over.
fn add_opening(schema: &mut Schema) {
    let mut format = json_schema!({
        "description": "The format of the file.",
        "type": "integer"
    });
    (&FORMAT).transform(&mut format);
    let mut extends = json_schema!({
        "description": "Another recipe to start from ([extending a recipe](#extending-a-recipe)).",
        "type": "string"
    });
    (&EXTENDS).transform(&mut extends);
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        properties.shift_insert(0, "format".to_owned(), format.into());
        properties.shift_insert(1, "extends".to_owned(), extends.into());
    }
    if let Some(Json::Array(required)) = schema.get_mut("required") {
        required.insert(0, "format".into());
    }
}

impl Decode for RecipeFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        table.was_read("extends");
        table.required("format", &FORMAT);
        let recipe = Self {
            name: table.required("name", &NAME),
            title: table.value("title", &SHOWN),
            seed: table.required("seed", &SEED),
            artifacts: table.map("artifact"),
            dataset: table.required_nested("dataset", "`[dataset.folders]` or `[dataset.drawn]`"),
            input: table.required_nested("input", "a table with `image_size`"),
            split: table
                .nested("split")
                .map_or_else(SplitFile::default, |split| split.value),
            model: table.required_nested("model", "`[model.mobilenet_v2]`"),
            phases: table.required_list("phase", "`[[phase]]`, at least one"),
            evaluate: table
                .nested("evaluate")
                .map_or_else(EvaluateFile::default, |evaluate| evaluate.value),
            published: table
                .list("published")
                .map_or_else(Vec::new, |list| list.value),
            check: table
                .nested("check")
                .map_or_else(CheckFile::default, |check| check.value),
        };
        table.finish();
        Some(recipe)
    }
}

impl RecipeFile {
    /// Notes everything that no single key can show.
    ///
    /// `stem` is that of the file; `as_written` is what the recipe measures before `--set` changes it;
    /// `layers` names those of a model.
    pub(super) fn check(
        &self,
        stem: &str,
        as_written: &Measured,
        layers: Layers,
        sources: &Sources,
        problems: &mut Problems,
    ) {
        self.check_name(stem, problems);
        self.check_artifacts(problems);
        if let Some(dataset) = &self.dataset {
            dataset.value.check(problems);
            self.split.check(dataset, sources, problems);
        }
        if let Some(input) = &self.input {
            input.value.check(problems);
        }
        if let Some(phases) = &self.phases {
            phase::check(phases, problems);
            if let Some(model) = &self.model {
                phase::check_layers(phases, &layers(&model.value.sketch()), problems);
            }
        }
        self.evaluate.check(problems);
        // An address is right if it is right for the file or for what `--set` made of it.
        let measured = [&self.measured(), as_written];
        for published in &self.published {
            published.value.check(measured, problems);
        }
        self.check.check(measured, problems);
    }

    /// The recipe; `None` where something that it needs is missing or wrong, which has been noted.
    pub(super) fn decide(&self, sources: &Sources, problems: &mut Problems) -> Option<Recipe> {
        let name = self.name.as_ref()?.value.clone();
        let seed = self.seed.as_ref()?.value;
        let split = self.split.decide(seed)?;
        let published = self.published.iter();
        let mut phases = Vec::new();
        let mut shown = 1;
        for phase in &self.phases.as_ref()?.value {
            let phase = phase.value.decide(shown)?;
            shown = phase.first_epoch.saturating_add(phase.epochs);
            phases.push(phase);
        }
        Some(Recipe {
            title: self
                .title
                .as_ref()
                .map_or_else(|| name.clone(), |title| title.value.clone()),
            name,
            seed,
            artifacts: self.artifacts(sources, problems)?,
            dataset: self.dataset.as_ref()?.value.decide(split.seed)?,
            input: self.input.as_ref()?.value.decide()?,
            split,
            model: self.model.as_ref()?.value.decide()?,
            phases,
            metrics: self.evaluate.decide(),
            published: published
                .map(|published| published.value.decide())
                .collect::<Option<_>>()?,
            check: self.check.decide()?,
            overridden: false,
        })
    }

    /// What the recipe measures.
    pub(super) fn measured(&self) -> Measured {
        let phases = self.phases.as_ref().map_or(&[][..], |phases| &phases.value);
        let epochs =
            |phase: &Located<PhaseFile>| phase.value.epochs.as_ref().map(|epochs| epochs.value);
        let metrics = self.evaluate.decide();
        Measured {
            epochs: phases.iter().map(epochs).collect(),
            metrics: metrics
                .iter()
                .map(|metric: &Metric| metric.word())
                .collect(),
        }
    }

    fn check_name(&self, stem: &str, problems: &mut Problems) {
        if let Some(name) = self.name.as_ref().filter(|name| name.value != stem) {
            let title = format!("the recipe in {stem}.toml must be called {stem:?}");
            let problem = Problem::new(name.place, title, "names another recipe's golden")
                .help(format!("write `name = {stem:?}`, or rename the file"));
            problems.add(problem);
        }
    }

    fn check_artifacts(&self, problems: &mut Problems) {
        for (role, artifact) in &self.artifacts {
            if !ROLE.holds(&role.value) {
                let title = "a role must be a word: letters, digits, `-` and `_`";
                problems.add(Problem::new(role.place, title, "this one cannot be used"));
            }
            artifact.check(problems);
        }
        for (role, used_for) in self.uses() {
            match self.artifact(&role.value) {
                Some(artifact) => artifact.check_use(used_for, problems),
                None => problems.add(self.undefined(role)),
            }
        }
    }

    fn undefined(&self, role: &Located<String>) -> Problem {
        let title = format!("there is no artifact `{}`", role.value);
        let roles: Vec<&str> = self
            .artifacts
            .iter()
            .map(|(role, _)| role.value.as_str())
            .collect();
        let help = match nearest(&role.value, roles.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if roles.is_empty() => format!("describe it in `[artifact.{}]`", role.value),
            None => format!("artifacts of this recipe: {}", roles.join(", ")),
        };
        Problem::new(role.place, title, "names no `[artifact.…]`").help(help)
    }

    /// The roles that the recipe names, and what for.
    fn uses(&self) -> Vec<(&Located<String>, Use)> {
        let mut uses = Vec::new();
        if let Some(Located {
            value: DatasetFile::Folders(folders),
            ..
        }) = &self.dataset
            && let Some(role) = &folders.artifact
        {
            uses.push((role, Use::Pictures));
        }
        let model = self.model.as_ref();
        if let Some(role) = model.and_then(|model| model.value.weights()) {
            uses.push((role, Use::Weights));
        }
        uses
    }

    fn artifact(&self, role: &str) -> Option<&ArtifactFile> {
        let mut artifacts = self.artifacts.iter();
        let (_, artifact) = artifacts.find(|(named, _)| named.value == role)?;
        Some(artifact)
    }

    /// The artifacts that are used: one that was inherited and has lost its use is not fetched.
    fn artifacts(
        &self,
        sources: &Sources,
        problems: &mut Problems,
    ) -> Option<BTreeMap<String, Artifact>> {
        self.uses()
            .into_iter()
            .map(|(role, _)| {
                let artifact = self.artifact(&role.value)?.decide(sources, problems)?;
                Some((role.value.clone(), artifact))
            })
            .collect()
    }
}
