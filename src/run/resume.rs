//! An unfinished run that can go on.

use std::path::Path;

use super::Error;
use super::folder::{self, Folder};
use crate::model::{Network, Trained};
use crate::recipe::Recipe;
use crate::record::{Event, Observer, Record};
use crate::train::Checkpoint;
use crate::train::checkpoint::{self, Computed};

/// What a run must be of to go on as this one.
pub(super) struct Wanted<'a> {
    /// The facts that are known before training: recipe, seed, artifacts, pictures, network.
    pub start: &'a Record,
    pub recipe: &'a Recipe,
    pub network: &'a Network,
    pub computed: &'a Computed,
}

/// The newest run in `runs` that is wanted and did not end, where another process is not at it. Says what it
/// found, and which checkpoints are damaged.
pub(super) fn find(
    runs: &Path,
    wanted: &Wanted<'_>,
    observer: &Observer<'_>,
) -> Result<Option<(Folder, Checkpoint)>, Error> {
    for path in folder::unfinished(runs) {
        if checkpoint::epochs(&path).is_empty() {
            continue;
        }
        let id = path.file_name().unwrap_or_default().to_string_lossy();
        let id = id.into_owned();
        let Some(folder) = Folder::take(path)? else {
            continue;
        };
        if let Some(checkpoint) = wanted.newest(&folder.path, observer) {
            observer.tell(Event::Note(format!(
                "goes on with run {id} after {}",
                checkpoint.after
            )));
            return Ok(Some((folder, checkpoint)));
        }
    }
    observer.tell(Event::Note(
        "no unfinished run of this recipe, seed and executable has a checkpoint: starts anew"
            .to_owned(),
    ));
    Ok(None)
}

impl Wanted<'_> {
    /// The newest checkpoint of a run that is whole, if the run is the wanted one.
    fn newest(&self, run: &Path, observer: &Observer<'_>) -> Option<Checkpoint> {
        // A phase that cannot be trained has no checkpoints, nor has one after it.
        let trained = self.recipe.phases.iter().map_while(|phase| {
            let trained = Trained::of(self.network, &phase.train);
            trained.ok()
        });
        let trained: Vec<Trained> = trained.collect();
        for after in checkpoint::epochs(run) {
            match Checkpoint::read(run, after, self.network, &trained) {
                Ok((checkpoint, computed)) => {
                    let is_wanted = computed == *self.computed && self.starts(&checkpoint.record);
                    return is_wanted.then_some(checkpoint);
                }
                Err(damage) => observer.tell(Event::Warning(format!(
                    "the checkpoint after {after} in {} is damaged: {damage}",
                    run.display()
                ))),
            }
        }
        None
    }

    /// True if a record begins with the facts of this run.
    fn starts(&self, record: &Record) -> bool {
        let facts = &self.start.facts;
        facts
            .iter()
            .all(|(address, fact)| record.facts.get(address) == Some(fact))
    }
}
