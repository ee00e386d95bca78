//! `goldrun export`: a run's model for other programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::arguments::{Export, ExportFormat};
use super::exit::{Exit, Failure};
use super::models::{self, Found};
use super::output;
use super::session::Session;
use crate::export::onnx;
use crate::model::SavedModel;
use crate::report::terminal::numbers;
use crate::whole;

/// Writes a run's model in the formats that are asked for.
pub fn export(session: &Session, arguments: &Export) -> Result<Exit, Failure> {
    session.refuse_changes("export", "it writes what was trained")?;
    let Found { model, file } = models::find(session, &arguments.model)?;
    let recipe = &model.description.recipe;
    let places = places(arguments, recipe, file.parent().unwrap_or(Path::new("")));
    let mut written = BTreeMap::new();
    let mut text = String::new();
    for (format, path) in places {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Failure::failed)?;
        }
        write(&model, format, &path)?;
        let bytes = fs::metadata(&path).map_err(Failure::failed)?.len();
        let _ = writeln!(text, "{} ({})", session.shown(&path), numbers::bytes(bytes));
        written.insert(format.ending(), path.display().to_string());
    }
    if session.options.json {
        output::json(&written)?;
    } else {
        output::data(&text)?;
    }
    Ok(Exit::Good)
}

/// Which formats go where: into a folder under the recipe's name, or where the one that is asked for has its
/// own ending.
fn places(arguments: &Export, recipe: &str, beside: &Path) -> Vec<(ExportFormat, PathBuf)> {
    let in_folder = |folder: &Path, format: ExportFormat| {
        let path = folder.join(format!("{recipe}.{}", format.ending()));
        (format, path)
    };
    let folder = arguments.out.as_deref().unwrap_or(beside);
    match arguments.format {
        None => ExportFormat::ALL
            .map(|format| in_folder(folder, format))
            .into(),
        Some(format) => {
            let is_file = folder
                .extension()
                .is_some_and(|ending| ending == format.ending());
            if is_file && !folder.is_dir() {
                vec![(format, folder.to_owned())]
            } else {
                vec![in_folder(folder, format)]
            }
        }
    }
}

fn write(model: &SavedModel, format: ExportFormat, path: &Path) -> Result<(), Failure> {
    match format {
        ExportFormat::Safetensors => model.write(path).map_err(Failure::failed),
        ExportFormat::Onnx => {
            let bytes = onnx::file(model).map_err(Failure::failed)?;
            whole::write(path, &bytes).map_err(Failure::failed)
        }
    }
}
