//! `goldrun new`: a recipe to start from: for a folder of photos, over another recipe, or a commented template.

mod found;

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use self::found::Found;
use super::arguments::New;
use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::artifacts::{self, Kind};
use crate::dataset::{self, look};
use crate::recipe::template::{self, Photos};
use crate::recipe::{self, Artifact, Source};
use crate::{run, whole};

/// Role of the photos.
const ROLE: &str = "photos";

/// The schema for editors, as docs/recipe.md has it made beside the folder of recipes.
const SCHEMA: &str = "recipe.schema.json";

/// Writes a new recipe; never over one that is there.
pub fn new(session: &Session, arguments: &New) -> Result<Exit, Failure> {
    session.refuse_changes("new", "it writes a recipe's file")?;
    let name = arguments.name.as_str();
    if !template::is_name(name) {
        return Err(Failure::wrong(anyhow!(
            "`{name}` is no name of a recipe: expected up to 64 letters, digits, `-` and `_`\n\
             hint: goldrun new my-photos --images DIR"
        )));
    }
    let path = session.root.join("recipes").join(format!("{name}.toml"));
    if path.symlink_metadata().is_ok() {
        return Err(Failure::wrong(anyhow!(
            "{} is there already, and nothing is written over it\n\
             hint: take another name, or remove that file",
            session.shown(&path)
        )));
    }
    match (&arguments.images, &arguments.from) {
        (Some(images), _) => of_photos(session, name, &path, images),
        (None, Some(base)) => {
            let text = template::extending(name, &base_of(session, base)?);
            write(session, name, &path, &text)?;
            told(session, name, &path, "show NAME --layers")
        }
        (None, None) => {
            write(session, name, &path, &Photos::supposed(name).recipe())?;
            told(session, name, &path, "show NAME")
        }
    }
}

/// Writes the recipe, which names the schema where there is one; a recipe that does not load is removed again.
fn write(
    session: &Session,
    name: &str,
    path: &Path,
    text: &str,
) -> Result<recipe::Loaded, Failure> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(Failure::failed)?;
    }
    let mut text = text.to_owned();
    if session.root.join(SCHEMA).is_file() {
        text.insert_str(0, &format!("#:schema ../{SCHEMA}\n"));
    }
    whole::write(path, text.as_bytes()).map_err(Failure::failed)?;
    session.load_as_written(name).inspect_err(|_| remove(path))
}

fn remove(path: &Path) {
    // What could not be removed is named by the error that led here.
    let _ = fs_err::remove_file(path);
}

/// What is written behind `extends`: a path from the folder of recipes, or the name of a shipped file.
fn base_of(session: &Session, written: &str) -> Result<String, Failure> {
    let loaded = session.load_as_written(written)?;
    let Some(path) = loaded.path else {
        return Ok(format!("{}.toml", loaded.recipe.name));
    };
    let recipes = session.root.join("recipes");
    let path = path.strip_prefix(&recipes).unwrap_or(&path);
    Ok(path.display().to_string())
}

fn told(session: &Session, name: &str, path: &Path, then: &str) -> Result<Exit, Failure> {
    let file = session.shown(path).to_string();
    if session.options.json {
        output::json(&serde_json::json!({ "recipe": name, "path": file }))?;
    } else {
        let then = then.replace("NAME", name);
        output::data(&format!(
            "{file} is written; edit it, then: goldrun {then}\n"
        ))?;
    }
    Ok(Exit::Good)
}

fn of_photos(session: &Session, name: &str, path: &Path, images: &Path) -> Result<Exit, Failure> {
    let folder = folder(images)?;
    let artifact = Artifact {
        source: Source::Path(folder.clone()),
        size: None,
        // Nothing is downloaded or unpacked that could be too much.
        max_size: u64::MAX,
        sha256: None,
        content: None,
    };
    let observer = session.observer();
    let obtained = artifacts::obtain(
        ROLE,
        &artifact,
        Kind::Pictures,
        &session.artifacts,
        &observer,
    )?;
    let wrong = |error| about(images, error);
    let mut folders = look::layout(ROLE, &obtained).map_err(wrong)?;
    let looked = look::look(&folders, &obtained, &observer).map_err(wrong)?;
    session.clear();
    folders.rejects = looked.unreadable.len() as u32;
    let photos = Photos {
        name: name.to_owned(),
        classes: looked.classes.clone(),
        path: written_path(session, &folder),
        content: Some(obtained.content.clone()),
        folders,
        rotated: looked.rotated.len(),
    };
    let loaded = write(session, name, path, &photos.recipe())?;
    let recipe = &loaded.recipe;
    let cut = dataset::survey(recipe, Some(&obtained))
        .and_then(|survey| Ok((survey, look::shared(recipe, &obtained)?)));
    let (survey, shared) = cut.map_err(wrong).inspect_err(|_| remove(path))?;
    if session.options.json {
        let file = session.shown(path).to_string();
        output::json(&Found::of(name, file, &survey, &looked, &shared))?;
        return Ok(Exit::Good);
    }
    let mut text = found::splits(images, &survey, &looked, session.style);
    text.push_str(&found::surprises(
        &photos.folders,
        &survey,
        &looked,
        &shared,
    ));
    let _ = write!(
        text,
        "\n{} is written. Next:\n  \
         goldrun show {name} --sheet sheet.png   look at it: classes, splits, pictures as training sees them\n  \
         goldrun check {name} --accept-first     train, keep the first golden, write a report\n",
        session.shown(path)
    );
    output::data(&text)?;
    Ok(Exit::Good)
}

/// An error that names the folder.
fn about(images: &Path, error: dataset::Error) -> Failure {
    let failure = Failure::from(run::Error::from(error));
    let error = failure.error;
    Failure::new(
        failure.exit,
        anyhow!("--images {}: {error}", images.display()),
    )
}

/// The folder, if it is one.
fn folder(images: &Path) -> Result<PathBuf, Failure> {
    let shown = images.display();
    let metadata = std::fs::metadata(images).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such folder".to_owned(),
            _ => error.to_string(),
        };
        Failure::wrong(anyhow!(
            "--images {shown}: {why}\nhint: name a folder that has a folder of pictures for each class"
        ))
    })?;
    if !metadata.is_dir() {
        return Err(Failure::wrong(anyhow!(
            "--images {shown} is a file: expected a folder that has a folder of pictures for each class\n\
             hint: unpack an archive first"
        )));
    }
    fs_err::canonicalize(images).map_err(Failure::failed)
}

/// The path as the recipe has it: from its own folder where the photos lie in the project, else absolute.
fn written_path(session: &Session, folder: &Path) -> String {
    let root = fs_err::canonicalize(&session.root).unwrap_or_else(|_| session.root.clone());
    match folder.strip_prefix(root) {
        Ok(inside) => Path::new("..").join(inside).display().to_string(),
        Err(_) => folder.display().to_string(),
    }
}
