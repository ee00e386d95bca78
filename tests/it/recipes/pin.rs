//! Pins are written into a recipe's file.

use goldrun::recipe::Error;
use goldrun::recipe::pin::{Pin, write};

use super::Project;

const SHA256: &str = "91af24e0be191e9380dafc8710d0933fa826ec8e51f26f85c1fddba4e8018e3f";
const CONTENT: &str = "t1:ooaR8tCL4AtyLxwmweEi3DW+I3UV+lg4DS0YenzFJ8I=";

fn pin(role: &str) -> Pin {
    Pin {
        role: role.to_owned(),
        sha256: Some(SHA256.to_owned()),
        content: Some(CONTENT.to_owned()),
    }
}

/// What differs between two texts, line by line.
fn difference(before: &str, after: &str) -> Vec<String> {
    let lines: Vec<&str> = before.lines().collect();
    let added = after.lines().filter(|line| !lines.contains(line));
    added.map(str::to_owned).collect()
}

#[test]
fn pins_are_added_and_everything_else_stays() {
    let project = Project::new();
    let path = super::repository().join("recipes/tutorial.toml");
    let before = fs_err::read_to_string(path).unwrap();
    project.write("tutorial", &before);
    let fingerprint = project.good("tutorial", &[]).fingerprint();
    write(&project.path("tutorial"), &[pin("weights")]).unwrap();
    let after = fs_err::read_to_string(project.path("tutorial")).unwrap();
    let added = [
        format!("sha256 = \"{SHA256}\""),
        format!("content = \"{CONTENT}\""),
    ];
    assert_eq!(difference(&before, &after), added);
    assert_eq!(
        difference(&after, &before),
        Vec::<String>::new(),
        "nothing is lost"
    );
    let pinned = project.good("tutorial", &[]);
    assert_eq!(pinned.artifacts["weights"].sha256.as_deref(), Some(SHA256));
    assert_eq!(
        pinned.artifacts["weights"].content.as_deref(),
        Some(CONTENT)
    );
    assert_eq!(pinned.fingerprint(), fingerprint);
}

#[test]
fn a_pin_that_is_there_is_replaced_where_it_stands() {
    let project = Project::new();
    let text = "[artifact.weights] # the backbone\nsha256  = \"0000\"  # of the file\nurls = []\n";
    project.write("old", text);
    write(&project.path("old"), &[pin("weights")]).unwrap();
    let after = fs_err::read_to_string(project.path("old")).unwrap();
    let wanted = format!(
        "[artifact.weights] # the backbone\nsha256  = \"{SHA256}\"  # of the file\nurls = []\ncontent = \"{CONTENT}\"\n"
    );
    assert_eq!(after, wanted);
}

#[test]
fn an_inherited_artifact_gets_a_table_of_its_own() {
    let project = Project::new();
    project.write("over", "extends = \"good.toml\"\nname = \"over\" # mine\n");
    write(&project.path("over"), &[pin("weights")]).unwrap();
    let over = project.good("over", &[]);
    assert_eq!(over.artifacts["weights"].sha256.as_deref(), Some(SHA256));
    let text = fs_err::read_to_string(project.path("over")).unwrap();
    assert!(
        text.starts_with("extends = \"good.toml\"\nname = \"over\" # mine\n"),
        "{text}"
    );
}

#[test]
fn inline_artifacts_and_missing_digests_are_no_obstacle() {
    let project = Project::new();
    project.write("inline", "artifact.weights = { path = \"w\" } # local\n");
    let folder = Pin {
        sha256: None,
        ..pin("weights")
    };
    write(&project.path("inline"), &[folder]).unwrap();
    let text = fs_err::read_to_string(project.path("inline")).unwrap();
    let wanted =
        format!("artifact.weights = {{ path = \"w\", content = \"{CONTENT}\" }} # local\n");
    assert_eq!(text, wanted);
}

#[test]
fn what_cannot_be_edited_stays_as_it_is() {
    let project = Project::new();
    for text in [
        "artifact = 3\n",
        "[artifact\n",
        "artifact.weights = \"w\"\n",
    ] {
        project.write("broken", text);
        let result = write(&project.path("broken"), &[pin("weights")]);
        assert!(matches!(result, Err(Error::Edit { .. })), "{text}");
        assert_eq!(
            fs_err::read_to_string(project.path("broken")).unwrap(),
            text
        );
    }
}
