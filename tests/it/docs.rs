//! The documentation says what is true: its TOML examples load, every key of a recipe is described, and
//! its links lead somewhere.
//!
//! How an example is to be read stands behind `toml` on its fence:
//!
//! - nothing: a whole recipe, which is written to `recipes/<its name>.toml` and loaded;
//! - `over NAME`: a part of a recipe, laid over the recipe NAME: a whole one further up on the page, or a
//!   shipped one;
//! - `over NAME, same fingerprint`: the same, and nothing in it changes a bit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use goldrun::model::layer_names;
use goldrun::recipe::{self, Loaded, Request};

use crate::support::Project;

/// Words that a fence may begin with where it holds no TOML.
const OTHER_FENCES: [&str; 7] = ["console", "json", "python", "rust", "sh", "text", "yaml"];

/// A key that no table has and that no key resembles.
const UNKNOWN: &str = "zzzzzzzzzzzz";

/// A page of the documentation.
struct Page {
    /// Relative to the repository, with `/`.
    name: String,
    text: String,
}

/// A block between fences.
struct Block<'a> {
    /// Line of its fence, from 1.
    line: usize,
    /// What stands behind the fence.
    info: &'a str,
    text: String,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/*.md.
fn pages() -> Vec<Page> {
    let mut names: Vec<String> = fs_err::read_dir(repository().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| format!("docs/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    names.sort();
    names.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned));
    names
        .into_iter()
        .map(|name| Page {
            text: page_text(&name),
            name,
        })
        .collect()
}

fn page_text(name: &str) -> String {
    fs_err::read_to_string(repository().join(name)).unwrap()
}

impl Page {
    /// The blocks between fences; a fence that is never closed, or of a form unknown here, is a failure.
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<Block<'_>> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let place = format!("{}:{number}", self.name);
            let start = line.trim_start();
            assert!(!start.starts_with("~~~"), "{place}: write ``` fences");
            match (start.strip_prefix("```"), &mut open) {
                (Some(""), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    open = Some(Block {
                        line: number,
                        info: info.trim(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(block)) => {
                    panic!("{place}: a fence inside that of line {}", block.line)
                }
                (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is never closed", self.name);
        blocks
    }

    /// The lines that are no part of a block, with their numbers.
    fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        (1..)
            .zip(self.text.lines())
            .filter(|(_, line)| {
                let fence = line.trim_start().starts_with("```");
                inside ^= fence;
                !inside && !fence
            })
            .collect()
    }
}

/// A folder whose recipes are the examples of one page.
struct Examples(Project);

impl Examples {
    fn load(&self, recipe: &str) -> Result<Loaded, recipe::Error> {
        let request = Request {
            root: self.0.path(""),
            recipe: recipe.to_owned(),
            ..Request::default()
        };
        recipe::load(&request, layer_names)
    }

    /// Tries one example; an error says why it does not hold.
    fn try_out(&self, block: &Block<'_>) -> Result<(), String> {
        let table: toml::Table = block
            .text
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        let how = block.info.strip_prefix("toml").unwrap_or_default().trim();
        if how.is_empty() {
            let name = table.get("name").and_then(toml::Value::as_str);
            let name = name.ok_or("a whole recipe has a `name`; a part says `toml over NAME`")?;
            self.0.write(&format!("recipes/{name}.toml"), &block.text);
            self.load(name).map_err(|error| error.to_string())?;
            return Ok(());
        }
        let over = how
            .strip_prefix("over ")
            .ok_or_else(|| format!("`toml {how}` says nothing to this test"))?;
        let (base, same) = match over.split_once(", ") {
            None => (over, false),
            Some((base, "same fingerprint")) => (base, true),
            Some((_, other)) => return Err(format!("`{other}` says nothing to this test")),
        };
        let below = self.load(base).map_err(|error| error.to_string())?.recipe;
        let mut text = format!("extends = \"{base}.toml\"\n");
        for (key, value) in [("format", "1"), ("name", "\"part\"")] {
            if !table.contains_key(key) {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
        let name = table.get("name").and_then(toml::Value::as_str);
        let name = name.unwrap_or("part");
        self.0
            .write(&format!("recipes/{name}.toml"), &(text + &block.text));
        let part = self.load(name).map_err(|error| error.to_string())?.recipe;
        if same && part.canonical() != below.canonical() {
            let canonical = part.canonical().join("\n");
            return Err(format!("the fingerprint is another one:\n{canonical}"));
        }
        Ok(())
    }
}

#[test]
fn every_example_loads() {
    let mut failures = Vec::new();
    let mut tried = BTreeMap::new();
    for page in pages() {
        let examples = Examples(Project::empty());
        let mut count = 0;
        for block in page.blocks() {
            let place = format!("{}:{}", page.name, block.line);
            let word = block.info.split_whitespace().next().unwrap_or_default();
            if word != "toml" {
                if !OTHER_FENCES.contains(&word) {
                    failures.push(format!("{place}: nobody knows a fence of `{}`", block.info));
                }
                continue;
            }
            count += 1;
            if let Err(why) = examples.try_out(&block) {
                failures.push(format!("{place}: {why}"));
            }
        }
        let written = page.text.matches("```toml").count();
        assert_eq!(count, written, "{}: an example was skipped", page.name);
        tried.insert(page.name, count);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    for page in ["docs/recipe.md", "docs/adding-a-recipe.md"] {
        assert!(
            tried.get(page).is_some_and(|&count| count > 0),
            "{page} has no example: {tried:?}"
        );
    }
}

/// One step from a table to a table in it.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// `key = { … }`.
    Table,
    /// `key = [{ … }]`.
    List,
    /// `key = { any = { … } }`: the recipe chooses the names.
    Named,
}

/// A table: the keys and steps that lead to it.
type Way = Vec<(String, Step)>;

/// The address of a table as the page writes it, `*` for a name of the recipe's choice.
fn address(way: &Way) -> String {
    let parts: Vec<String> = way
        .iter()
        .map(|(key, step)| match step {
            Step::Table | Step::List => key.clone(),
            Step::Named => format!("{key}.*"),
        })
        .collect();
    parts.join(".")
}

/// The keys that the reader knows in a table: what it says of an unknown one there. None where the way
/// leads to no table.
fn known_keys(project: &Project, way: &Way) -> Option<Vec<String>> {
    let text = way
        .iter()
        .rev()
        .fold(format!("{UNKNOWN} = 1"), |inner, (key, step)| match step {
            Step::Table => format!("{key} = {{ {inner} }}"),
            Step::List => format!("{key} = [{{ {inner} }}]"),
            Step::Named => format!("{key} = {{ any = {{ {inner} }} }}"),
        });
    project.write("recipes/probe.toml", &text);
    let request = Request {
        root: project.path(""),
        recipe: "probe".to_owned(),
        ..Request::default()
    };
    let error = recipe::load(&request, layer_names).unwrap_err().to_string();
    let (_, after) = error.split_once(&format!("unknown key `{UNKNOWN}`"))?;
    let (_, list) = after
        .split_once("known keys: ")
        .unwrap_or_else(|| panic!("{error}"));
    let line = list.lines().next().unwrap();
    Some(line.split(", ").map(str::to_owned).collect())
}

/// Every table that a recipe can have, and its keys, as the reader itself knows them.
pub fn tables() -> BTreeMap<String, BTreeSet<String>> {
    let project = Project::empty();
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut ways: Vec<Way> = vec![Vec::new()];
    while let Some(way) = ways.pop() {
        let Some(keys) = known_keys(&project, &way) else {
            continue;
        };
        assert!(way.len() < 8, "no end of tables at {}", address(&way));
        for key in &keys {
            for step in [Step::Table, Step::List, Step::Named] {
                let mut deeper = way.clone();
                deeper.push((key.clone(), step));
                ways.push(deeper);
            }
        }
        tables.insert(address(&way), keys.into_iter().collect());
    }
    // Followed before anything is decoded, so that the reader of the root never meets it.
    tables
        .entry(String::new())
        .or_default()
        .insert("extends".to_owned());
    tables
}

/// The keys that `docs/recipe.md` describes, by table: rows below a heading that names tables, such as
/// "`[artifact.ROLE]`"; a part in capitals stands for any name. The root's heading is "The top".
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut here: Vec<String> = Vec::new();
    let page = Page {
        name: "docs/recipe.md".to_owned(),
        text: page_text("docs/recipe.md"),
    };
    for (_, line) in page.prose() {
        if let Some(heading) = line.strip_prefix('#') {
            here = match heading.trim_start_matches('#').trim() {
                "The top" => vec![String::new()],
                named => headed(named),
            };
        } else if let Some((cell, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`'))
        {
            for table in &here {
                let keys = documented.entry(table.clone()).or_default();
                assert!(
                    keys.insert(cell.to_owned()),
                    "`{cell}` of [{table}] is described twice"
                );
            }
        }
    }
    documented
}

fn headed(heading: &str) -> Vec<String> {
    heading
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|span| span.starts_with('['))
        .map(|span| {
            let parts: Vec<&str> = span
                .trim_matches(['[', ']'])
                .split('.')
                .map(|part| match part.trim_matches('"') {
                    name if !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase()) => "*",
                    key => key,
                })
                .collect();
            parts.join(".")
        })
        .collect()
}

#[test]
fn every_key_is_described() {
    let known = tables();
    assert!(known.len() > 20, "{known:#?}");
    let documented = documented();
    let mut wrong = Vec::new();
    let none = BTreeSet::new();
    let all: BTreeSet<&String> = known.keys().chain(documented.keys()).collect();
    for table in all {
        let there = known.get(table).unwrap_or(&none);
        let described = documented.get(table).unwrap_or(&none);
        for key in there.difference(described) {
            wrong.push(format!("[{table}] `{key}` is not described"));
        }
        for key in described.difference(there) {
            wrong.push(format!("[{table}] `{key}` is described, and no key of it"));
        }
    }
    assert!(wrong.is_empty(), "docs/recipe.md:\n{}", wrong.join("\n"));
}

/// Targets of the links of a line, outside code.
fn links(line: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for prose in line.split('`').step_by(2) {
        let mut rest = prose;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, behind)) = after.split_once(')') else {
                break;
            };
            links.push(target);
            rest = behind;
        }
    }
    links
}

/// The anchor that a heading gets on the web.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// What is wrong with a link from a page, if anything is.
fn broken(page: &Page, target: &str) -> Option<String> {
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let folder = repository().join(&page.name);
    let file: PathBuf = match path {
        "" => folder,
        _ => folder.parent().unwrap().join(path),
    };
    if !file.exists() {
        return Some(format!("there is no {path}"));
    }
    if fragment.is_empty() {
        return None;
    }
    let linked = Page {
        name: path.to_owned(),
        text: fs_err::read_to_string(file).unwrap(),
    };
    let found = linked
        .prose()
        .into_iter()
        .any(|(_, line)| line.starts_with('#') && anchor(line) == fragment);
    (!found).then(|| format!("no heading there gives #{fragment}"))
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for (number, line) in page.prose() {
            for target in links(line) {
                if target.contains("://") {
                    continue;
                }
                followed += 1;
                if let Some(why) = broken(&page, target) {
                    wrong.push(format!("{}:{number}: ({target}): {why}", page.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(followed > 0, "no link was found");
}
