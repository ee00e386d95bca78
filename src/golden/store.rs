//! Where goldens are kept: `golden/<recipe>.toml` under the project's root, pending records beside them,
//! and the goldens of the shipped recipes inside the binary.
//!
//! A file is written beside its place and renamed, after it was read back and found to say the same.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Error, Golden, Seeds, text};
use crate::record::Record;
use crate::whole;

/// Goldens inside the binary: recipe, text. A local file of the same name wins.
const SHIPPED: &[(&str, &str)] = &[
    ("head-only", include_str!("../../golden/head-only.toml")),
    ("quickstart", include_str!("../../golden/quickstart.toml")),
    ("stepwise", include_str!("../../golden/stepwise.toml")),
    (
        "tutorial-224",
        include_str!("../../golden/tutorial-224.toml"),
    ),
];

/// End of a pending record's file name.
const PENDING: &str = ".pending.toml";

/// The folder of goldens of a project.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    shipped: &'static [(&'static str, &'static str)],
}

impl Store {
    /// The goldens of the project at `root`; nothing is read or made yet.
    pub fn new(root: &Path) -> Self {
        Self {
            folder: root.join("golden"),
            shipped: SHIPPED,
        }
    }

    /// Recipes whose goldens are inside the binary.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// File of the golden of a recipe.
    pub fn path(&self, recipe: &str) -> PathBuf {
        self.folder.join(format!("{recipe}.toml"))
    }

    /// File of the record that differs from the golden of a recipe.
    pub fn pending_path(&self, recipe: &str) -> PathBuf {
        self.folder.join(format!("{recipe}{PENDING}"))
    }

    /// The golden of a recipe: the local file, else the shipped one, else none.
    ///
    /// A file that is there but cannot be read or understood is an error.
    pub fn load(&self, recipe: &str) -> Result<Option<Golden>, Error> {
        check_name(recipe)?;
        if let Some(golden) = load_file(self.path(recipe))? {
            return Ok(Some(golden));
        }
        let Some((_, shipped)) = self.shipped.iter().find(|(name, _)| *name == recipe) else {
            return Ok(None);
        };
        let (record, seeds) = text::read(shipped, &format!("{recipe}, inside goldrun,"))?;
        Ok(Some(Golden {
            record,
            seeds,
            path: None,
        }))
    }

    /// The pending record of a recipe, if there is one.
    pub fn load_pending(&self, recipe: &str) -> Result<Option<Golden>, Error> {
        check_name(recipe)?;
        load_file(self.pending_path(recipe))
    }

    /// Recipes of which there is a pending record, by name.
    pub fn pending_names(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let recipe = name.to_str().and_then(|name| name.strip_suffix(PENDING));
            names.extend(recipe.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Makes a record, with what other seeds gave, the golden of a recipe and removes the pending one; gives the
    /// golden's file.
    pub fn save(&self, recipe: &str, record: &Record, seeds: &Seeds) -> Result<PathBuf, Error> {
        check_name(recipe)?;
        let path = self.path(recipe);
        self.write(&path, record, seeds)?;
        self.remove_pending(recipe)?;
        Ok(path)
    }

    /// Keeps a record beside the golden; gives its file.
    pub fn save_pending(&self, recipe: &str, record: &Record) -> Result<PathBuf, Error> {
        check_name(recipe)?;
        let path = self.pending_path(recipe);
        self.write(&path, record, &Seeds::default())?;
        Ok(path)
    }

    /// Removes the pending record of a recipe, if there is one.
    pub fn remove_pending(&self, recipe: &str) -> Result<(), Error> {
        check_name(recipe)?;
        match fs::remove_file(self.pending_path(recipe)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn write(&self, path: &Path, record: &Record, seeds: &Seeds) -> Result<(), Error> {
        let text = text::write(record, seeds);
        check_faithful(&text, record, seeds)?;
        fs::create_dir_all(&self.folder)?;
        Ok(whole::write(path, text.as_bytes())?)
    }
}

/// Refuses a name that would lead out of the folder.
fn check_name(recipe: &str) -> Result<(), Error> {
    let leads_out =
        recipe.is_empty() || recipe.starts_with('.') || recipe.contains(['/', '\\', '\0']);
    if leads_out {
        return Err(Error::Name {
            name: recipe.to_owned(),
        });
    }
    Ok(())
}

fn load_file(path: PathBuf) -> Result<Option<Golden>, Error> {
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let place = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|error| Error::Damaged {
        place: place.clone(),
        message: error.utf8_error().to_string(),
    })?;
    let (record, seeds) = text::read(&text, &place)?;
    Ok(Some(Golden {
        record,
        seeds,
        path: Some(path),
    }))
}

/// Reads the text back: what is written must say what the record says.
fn check_faithful(text: &str, record: &Record, seeds: &Seeds) -> Result<(), Error> {
    let (back, seeds_back) =
        text::read(text, "what was to be written").map_err(|error| Error::Unfaithful {
            what: error.to_string(),
        })?;
    if back == *record && seeds_back == *seeds {
        return Ok(());
    }
    let lost = record
        .facts
        .iter()
        .find(|(address, fact)| back.facts.get(*address) != Some(*fact));
    let what = lost.map_or(
        "its provenance or other seeds".to_owned(),
        |(address, _)| format!("`{address}`"),
    );
    Err(Error::Unfaithful {
        what: format!("{what} does not survive writing and reading"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::compare::tests::with;
    use crate::record::{Address, Fact};

    fn record(figure: f64) -> Record {
        with(&[("test.loss", Fact::Figure(figure))])
    }

    fn save(store: &Store, figure: f64) {
        let saved = store.save("mine", &record(figure), &Seeds::default());
        saved.unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder.join("golden"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn accepting_replaces_the_golden_and_removes_the_pending_record() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        assert_eq!(store.load("mine").unwrap(), None);
        save(&store, 0.5);
        store.save_pending("mine", &record(0.25)).unwrap();
        assert_eq!(store.load("mine").unwrap().unwrap().record, record(0.5));
        assert_eq!(
            store.load_pending("mine").unwrap().unwrap().record,
            record(0.25)
        );
        assert_eq!(names(root.path()), ["mine.pending.toml", "mine.toml"]);
        save(&store, 0.25);
        assert_eq!(store.load("mine").unwrap().unwrap().record, record(0.25));
        assert_eq!(names(root.path()), ["mine.toml"]);
    }

    #[test]
    fn a_local_golden_wins_over_the_shipped_one() {
        let root = tempfile::tempdir().unwrap();
        let text: &'static str = text::write(&record(2.0), &Seeds::default()).leak();
        let store = Store {
            shipped: vec![("mine", text), ("odd", "format = 9")].leak(),
            ..Store::new(root.path())
        };
        let shipped = store.load("mine").unwrap().unwrap();
        assert_eq!((shipped.record, shipped.path), (record(2.0), None));
        save(&store, 0.5);
        assert_eq!(store.load("mine").unwrap().unwrap().record, record(0.5));
        assert!(matches!(
            store.load("odd"),
            Err(Error::OtherFormat { found: 9, .. })
        ));
    }

    #[test]
    fn every_shipped_golden_can_be_read() {
        let nowhere = Store::new(Path::new("/nonexistent"));
        for (name, _) in SHIPPED {
            assert!(nowhere.load(name).unwrap().is_some(), "{name}");
        }
    }

    #[test]
    fn a_damaged_golden_is_not_no_golden() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        save(&store, 0.5);
        for damage in [&b""[..], b"format = 1\ntest.loss =", b"\xff\xfe"] {
            fs::write(store.path("mine"), damage).unwrap();
            assert!(
                matches!(store.load("mine"), Err(Error::Damaged { .. })),
                "{damage:?}"
            );
        }
    }

    #[test]
    fn what_would_not_come_back_is_not_written() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        for odd in ["format", "made.cpu", "test.loss.x"] {
            let mut record = record(0.5);
            record.facts.insert(Address::new(odd), Fact::Integer(1));
            let refused = store.save("mine", &record, &Seeds::default());
            assert!(matches!(refused, Err(Error::Unfaithful { .. })), "{odd}");
        }
        assert!(!store.path("mine").exists());
    }

    #[test]
    fn names_do_not_lead_out_of_the_folder() {
        let store = Store::new(Path::new("/nonexistent"));
        for name in ["", "..", "../x", "a/b", "a\\b", ".hidden"] {
            assert!(
                matches!(store.load(name), Err(Error::Name { .. })),
                "{name}"
            );
        }
    }
}
