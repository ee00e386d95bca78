//! `goldrun report`: one page a run, whole in itself; as a browser shows it in `report/browser.rs`.

mod browser;

use std::path::Path;

use fs_err as fs;
use goldrun::golden::compare::{PublishedOutcome, without_golden};
use goldrun::record::exhibits::{Exhibits, Image, Picture, Predicted, ShownPhase, Tested};
use goldrun::record::{Address, Fact, Record};
use goldrun::report::html;
use serde_json::Value;

use crate::support::{Project, Ran};

/// Most bytes of a report.
const MOST_BYTES: usize = 3_000_000;

/// The path of the page that `run` or `report` names.
fn page(ran: &Ran) -> &str {
    let mut lines = ran.stdout.lines().chain(ran.stderr.lines());
    lines
        .find_map(|line| line.strip_prefix("report: "))
        .unwrap()
}

/// A project in which its recipe was run, and the path of the page.
fn a_run() -> (Project, String) {
    let project = Project::pinned();
    let ran = project.goldrun(&["run", "small"]).exits(0);
    let path = page(&ran).to_owned();
    (project, path)
}

/// Everything that a page could load.
fn loaded(page: &str) -> Vec<&str> {
    let attributes = ["src=\"", "href=\"", "url("];
    let parts = attributes.iter().flat_map(|name| page.split(name).skip(1));
    parts
        .map(|rest| &rest[..rest.len().min(24)])
        .filter(|rest| !rest.starts_with("data:image/jpeg;base64,") && !rest.starts_with('#'))
        .collect()
}

#[test]
fn a_run_and_a_check_leave_a_page_that_needs_nothing_else() {
    let (project, path) = a_run();
    let text = project.read(&path);
    assert!(text.len() < MOST_BYTES);
    assert_eq!(loaded(&text), Vec::<&str>::new());
    assert!(!text.contains("<script"));
    assert!(text.contains("no golden") && text.contains("A few drawn pictures"));
    assert!(text.contains("start of fine-tuning"));
    // Nine as they are, one in ten views, and a test batch of 16 of which nine are shown; wrong ones are shown again.
    assert!(text.matches("data:image/jpeg").count() >= 9 + 10 + 9);

    let folder = Path::new(&path).parent().unwrap();
    let history = project.read(folder.join("history.csv").to_str().unwrap());
    assert_eq!(history.lines().count(), 3);
    assert!(history.starts_with("phase,epoch,loss,accuracy,val_loss,val_accuracy\n0,0,"));
    let record: Value =
        serde_json::from_str(&project.read(folder.join("record.json").to_str().unwrap())).unwrap();
    let validation = &record["facts"]["phase.1.epoch.0.val_accuracy"];
    assert!(history.ends_with(&format!(",{validation}\n")), "{history}");

    project.goldrun(&["accept", "small", "--yes"]).exits(0);
    let checked = project.goldrun(&["check", "small"]).exits(0);
    assert!(project.read(page(&checked)).contains("= identical"));
    let changed = project
        .goldrun(&["run", "small", "--set", "phase.0.epochs=2"])
        .exits(0);
    let text = project.read(page(&changed));
    assert!(
        text.contains("≠ differs") && text.contains("phase.0.epochs"),
        "{text}"
    );
}

#[test]
fn confusion_and_score_are_those_of_the_record() {
    let (project, path) = a_run();
    let folder = Path::new(&path).parent().unwrap();
    let read = |file: &str| project.read(folder.join(file).to_str().unwrap());
    let exhibits: Exhibits = serde_json::from_str(&read("exhibits.json")).unwrap();
    let record: Value = serde_json::from_str(&read("record.json")).unwrap();
    let right: u64 = (0..5)
        .map(|class| exhibits.test.confusion[class][class])
        .sum();
    let accuracy = record["facts"]["test.accuracy"].as_f64().unwrap();
    assert_eq!(right as f64 / 20.0, accuracy);
    assert_eq!(exhibits.test.first_batch.len(), 16);
    let wrong = exhibits.test.worst.iter().map(|worst| worst.probability);
    assert!(wrong.is_sorted_by(|a, b| a >= b));
    assert!(!exhibits.test.worst.iter().any(Predicted::is_right));
    assert_eq!(exhibits.training.len(), 9);
    assert_eq!(exhibits.views.len(), 10);
    assert_ne!(exhibits.views[0], exhibits.views[1]);
}

#[test]
fn a_report_is_made_again_of_what_lies_there() {
    let (project, path) = a_run();
    let written = path;
    let first = project.read(&written);
    project
        .goldrun(&["report", "small", "--out", "again.html"])
        .exits(0)
        .says("again.html\n");
    assert_eq!(project.read("again.html"), first);
    // Without recipe and pictures, too.
    fs::remove_file(project.path("recipes/small.toml")).unwrap();
    let folder = Path::new(&written).parent().unwrap();
    let id = folder.file_name().unwrap().to_str().unwrap();
    project.goldrun(&["report", id]).exits(0);
    assert_eq!(project.read(&written), first);
    let exhibits = folder.join("exhibits.json");
    fs::write(project.path(exhibits.to_str().unwrap()), "{").unwrap();
    project
        .goldrun(&["report", id])
        .exits(2)
        .warns("is not what a run writes")
        .warns("hint: ");
    fs::remove_file(project.path(exhibits.to_str().unwrap())).unwrap();
    project.goldrun(&["report", id]).exits(0);
    assert!(project.read(&written).contains("The run kept no pictures"));
    project
        .goldrun(&["report", "nothing"])
        .exits(2)
        .warns("there is no run `nothing` in [project]/runs\nhint: ");
}

/// A project with three runs, the second of another seed and the third of the same bits as the first, and their ids.
fn three_runs() -> (Project, [String; 3]) {
    let project = Project::pinned();
    let options: [&[&str]; 3] = [&[], &["--seed", "7"], &["--fresh", "--threads", "1"]];
    let ids = options.map(|options| {
        let arguments = [&["run", "small"], options].concat();
        let ran = project.goldrun(&arguments).exits(0);
        id(page(&ran))
    });
    (project, ids)
}

/// The id of the run whose page it is.
fn id(page: &str) -> String {
    let folder = Path::new(page).parent().unwrap();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn several_runs_lie_over_each_other_and_their_spread_is_shown() {
    let (project, ids) = three_runs();
    let [first, other, again] = ids.each_ref().map(String::as_str);
    project
        .goldrun(&["report", first, other, again])
        .exits(0)
        .says("runs/report.html\n");
    let page = project.read("runs/report.html");
    assert_eq!(loaded(&page), Vec::<&str>::new());
    for words in [
        "3 runs of small",
        "≈ one recipe on the same data",
        "2 of 3 have the bits of run 1",
        "run 2: seed 7 instead of 5",
        "= as run 1",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // Training and validation, of accuracy and loss, three curves each.
    assert_eq!(page.matches("<polyline").count(), 12);
    assert_eq!(spread(&page, "test.loss"), expected_spread(&project, &ids));

    project.goldrun(&["report", first, again]).exits(0);
    let page = project.read("runs/report.html");
    assert!(page.contains("= the same bits in all 2 runs"), "{page}");

    let longer = project
        .goldrun(&["run", "small", "--set", "phase.0.epochs=2"])
        .exits(0);
    project
        .goldrun(&["report", "small", first, "--out", "two.html"])
        .exits(0)
        .says("two.html\n");
    let page = project.read("two.html");
    assert!(page.contains(&id(super::report::page(&longer))), "{page}");
    assert!(page.contains("≠ not the same recipe or data"), "{page}");
    assert!(
        page.contains("the recipe changed: `phase.0.epochs` 2 → 1"),
        "{page}"
    );
}

/// The first row of a figure on the page, as numbers.
fn spread(page: &str, figure: &str) -> Vec<String> {
    let row = page
        .split(&format!("<code>{figure}</code>"))
        .nth(1)
        .unwrap();
    let row = row.split("</tr>").next().unwrap();
    let cells = row.split("<td class=\"number\">").skip(1);
    cells
        .map(|cell| cell.split('<').next().unwrap().to_owned())
        .collect()
}

/// Mean, standard deviation, lowest and highest of the test loss, and it of each run.
fn expected_spread(project: &Project, ids: &[String]) -> Vec<String> {
    let values: Vec<f64> = ids
        .iter()
        .map(|id| {
            let text = project.read(&format!("runs/small/{id}/record.json"));
            let record: Value = serde_json::from_str(&text).unwrap();
            record["facts"]["test.loss"].as_f64().unwrap()
        })
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let off = values.iter().map(|value| value - mean);
    let squares: f64 = off.map(|off| off * off).sum();
    let deviation = (squares / (values.len() - 1) as f64).sqrt();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    assert!(deviation > 1e-4);
    let all = [mean, deviation, lowest, highest].into_iter().chain(values);
    all.map(|value| format!("{value:.6}")).collect()
}

/// A name that does harm where it is not escaped.
const NAME: &str = "<script>alert('x')</script>&\"'";

/// A page of which all names are [`NAME`].
fn harmful() -> String {
    let image = Image {
        width: 1,
        height: 1,
        jpeg: String::new(),
    };
    let picture = Picture {
        path: NAME.to_owned(),
        label: 1,
        image: image.clone(),
    };
    let predicted = Predicted {
        picture: picture.clone(),
        class: 0,
        probability: 0.75,
    };
    let exhibits = Exhibits {
        recipe: NAME.to_owned(),
        title: NAME.to_owned(),
        phases: vec![ShownPhase {
            name: NAME.to_owned(),
            epochs: 1,
        }],
        classes: vec![NAME.to_owned(); 2],
        layers: vec![],
        training: vec![picture],
        views: vec![image.clone(), image],
        test: Tested {
            confusion: vec![vec![0, 0], vec![1, 0]],
            first_batch: vec![predicted.clone()],
            worst: vec![predicted],
        },
    };
    let mut record = Record::default();
    for phase in 0..2 {
        let address = Address::new(format!("phase.{phase}.epoch.0.loss"));
        record.facts.insert(address, Fact::Figure(0.5));
        let address = Address::new(format!("phase.{phase}.trainable_parameters"));
        record.facts.insert(address, Fact::Integer(5));
    }
    let lines = Fact::Lines(vec![NAME.to_owned()]);
    record.facts.insert(Address::new("recipe.canonical"), lines);
    html::page(&html::Report {
        recipe: NAME,
        id: NAME,
        record: &record,
        exhibits: Some(&exhibits),
        comparison: &without_golden(&record, PublishedOutcome::None),
        marks: &[NAME.to_owned()],
        golden: None,
    })
}

#[test]
fn names_are_escaped() {
    let page = harmful();
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("alert('x')</"));
    assert!(page.matches("&lt;script&gt;").count() >= 12);
}
