//! Checkpoints of earlier runs that a run can go on from.

use std::path::{Path, PathBuf};

use super::folder::{self, Folder};
use super::{Error, Request};
use crate::model::{Network, Trained};
use crate::recipe::Recipe;
use crate::record::{EpochNumber, Event, Observer, Record};
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

/// What a run goes on from, as its request says: a checkpoint, and the folder of its run where the run goes on in
/// it.
pub(super) fn choose(
    request: &Request,
    runs: &Path,
    wanted: &Wanted<'_>,
    observer: &Observer<'_>,
) -> Result<(Option<Folder>, Option<Checkpoint>), Error> {
    Ok(match request.traced {
        _ if request.artifacts.fresh => (None, None),
        Some(epoch) => (None, before(runs, wanted, epoch, observer)),
        None if request.resume => find(runs, wanted, observer)?.unzip(),
        None => (None, None),
    })
}

/// The newest run in `runs` that is wanted and did not end, where another process is not at it. Says what it
/// found, and which checkpoints are damaged.
fn find(
    runs: &Path,
    wanted: &Wanted<'_>,
    observer: &Observer<'_>,
) -> Result<Option<(Folder, Checkpoint)>, Error> {
    for path in folder::unfinished(runs) {
        if checkpoint::epochs(&path).is_empty() {
            continue;
        }
        let id = folder::id(&path);
        let Some(folder) = Folder::take(path)? else {
            continue;
        };
        if let Some(checkpoint) = wanted.newest(&folder.path, |_| true, observer) {
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

/// The newest checkpoint before an epoch, of any run in `runs` that is wanted, over or not. Says what it found.
fn before(
    runs: &Path,
    wanted: &Wanted<'_>,
    epoch: EpochNumber,
    observer: &Observer<'_>,
) -> Option<Checkpoint> {
    if epoch == EpochNumber::FIRST {
        return None;
    }
    let mut found: Option<(PathBuf, Checkpoint)> = None;
    for run in folder::all(runs) {
        let best = found.as_ref().map(|(_, checkpoint)| checkpoint.after);
        let is_better = |after: EpochNumber| after < epoch && Some(after) > best;
        if let Some(checkpoint) = wanted.newest(&run, is_better, observer) {
            found = Some((run, checkpoint));
        }
    }
    let note = match &found {
        Some((run, checkpoint)) => format!(
            "begins after {}, with a checkpoint of run {}",
            checkpoint.after,
            folder::id(run)
        ),
        None => format!(
            "no run of this recipe, seed and executable has a checkpoint before {epoch}: \
             begins at the start"
        ),
    };
    observer.tell(Event::Note(note));
    found.map(|(_, checkpoint)| checkpoint)
}

impl Wanted<'_> {
    /// The newest checkpoint of a run that is whole and after an epoch that will do, if the run is the wanted
    /// one.
    fn newest(
        &self,
        run: &Path,
        will_do: impl Fn(EpochNumber) -> bool,
        observer: &Observer<'_>,
    ) -> Option<Checkpoint> {
        // A phase that cannot be trained has no checkpoints, nor has one after it.
        let trained = self.recipe.phases.iter().map_while(|phase| {
            let trained = Trained::of(self.network, &phase.train);
            trained.ok()
        });
        let trained: Vec<Trained> = trained.collect();
        let epochs = checkpoint::epochs(run).into_iter();
        for after in epochs.filter(|&after| will_do(after)) {
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
