//! Pages as Chromium shows and prints them.

use std::process::Command;

use fs_err as fs;
use serde_json::Value;

use super::{page, three_runs};
use crate::support::{Project, skip_unless_required};

/// Loads a page in frames of two widths and writes what it finds into its own text.
const MEASURE: &str = r#"<!doctype html><meta charset="utf-8"><body><script>
const found = [];
let waiting = 2;
for (const width of [400, 1280]) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.style.height = "900px";
  frame.onload = () => {
    const page = frame.contentDocument;
    const images = [...page.images];
    const chart = page.querySelector("figure svg polyline.curve");
    found.push({
      width,
      overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      images: images.length,
      broken: images.filter(image => !image.complete || image.naturalWidth === 0).length,
      dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches,
      background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      charts: page.querySelectorAll("figure > svg[role=img]").length,
      chart: chart ? chart.getBoundingClientRect().width : 0,
      verdict: page.querySelector(".verdict strong").textContent,
      tone: frame.contentWindow.getComputedStyle(page.querySelector(".verdict")).borderLeftColor,
    });
    if (--waiting === 0) {
      const text = document.createElement("pre");
      text.id = "found";
      text.textContent = JSON.stringify(found);
      document.body.append(text);
    }
  };
  frame.srcdoc = PAGE;
  document.body.append(frame);
}
</script></body>"#;

/// Chromium, without a window and with a profile in the project; none where there is none.
fn chromium(test: &str, project: &Project) -> Option<Command> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let Some(browser) = names.iter().find(is_there) else {
        skip_unless_required(test, "chromium", "no `chromium`");
        return None;
    };
    let profile = project.path("browser").display().to_string();
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .arg("--virtual-time-budget=10000")
        .arg(format!("--user-data-dir={profile}"));
    Some(command)
}

/// What a browser finds; none where there is no Chromium.
fn browsed(test: &str, project: &Project, page: &str, dark: bool) -> Option<Vec<Value>> {
    let mut chromium = chromium(test, project)?;
    // In a script, the end of a script must not be spelled.
    let quoted = serde_json::to_string(page).unwrap().replace("</", "<\\/");
    project.write("measure.html", &MEASURE.replace("PAGE", &quoted));
    // 0 is dark, 1 is light.
    let scheme = u8::from(!dark);
    let output = chromium
        .arg("--dump-dom")
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(project.path("measure.html"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = shown.split("<pre id=\"found\">").nth(1);
    let found = found.and_then(|rest| rest.split("</pre>").next());
    let found = found.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Some(serde_json::from_str(&found.replace("&amp;", "&")).unwrap())
}

#[test]
fn a_browser_shows_all_of_it_on_a_phone_and_on_a_desk() {
    let test = "a_browser_shows_all_of_it_on_a_phone_and_on_a_desk";
    let project = Project::accepted();
    let checked = project.goldrun(&["check", "small"]).exits(0);
    let page = project.read(page(&checked));
    for dark in [false, true] {
        let Some(frames) = browsed(test, &project, &page, dark) else {
            return;
        };
        assert_eq!(frames.len(), 2);
        for frame in frames {
            assert_eq!(frame["overflow"], 0, "{frame}");
            assert_eq!(frame["broken"], 0, "{frame}");
            assert!(frame["images"].as_u64() >= Some(28), "{frame}");
            assert_eq!(frame["charts"], 4, "{frame}");
            assert_eq!(frame["dark"], dark, "{frame}");
            let background = if dark {
                "rgb(22, 24, 26)"
            } else {
                "rgb(255, 255, 255)"
            };
            assert_eq!(frame["background"], background, "{frame}");
            assert_eq!(frame["verdict"], "= identical", "{frame}");
            let good = if dark {
                "rgb(63, 199, 154)"
            } else {
                "rgb(0, 105, 78)"
            };
            assert_eq!(frame["tone"], good, "{frame}");
        }
    }
}

#[test]
fn a_browser_shows_several_runs_on_a_phone_and_on_a_desk() {
    let test = "a_browser_shows_several_runs_on_a_phone_and_on_a_desk";
    let (project, ids) = three_runs();
    let runs = ids.each_ref().map(String::as_str);
    project.goldrun(&[&["report"], &runs[..]].concat()).exits(0);
    let page = project.read("runs/report.html");
    let Some(frames) = browsed(test, &project, &page, false) else {
        return;
    };
    for frame in frames {
        assert_eq!(frame["overflow"], 0, "{frame}");
        assert_eq!(frame["charts"], 4, "{frame}");
        assert!(frame["chart"].as_f64() >= Some(300.0), "{frame}");
    }
}

/// A print shows what is unfolded, so that it stays short; what nobody unfolded is not in it.
#[test]
fn a_print_is_short() {
    const MOST_PAGES: usize = 6;
    let project = Project::accepted();
    let checked = project.goldrun(&["check", "small"]).exits(0);
    let page = project.read(page(&checked));
    let pages = |page: &str| -> Option<usize> {
        let mut chromium = chromium("a_print_is_short", &project)?;
        project.write("print.html", page);
        let pdf = project.path("print.pdf");
        let printed = chromium
            .arg(format!("--print-to-pdf={}", pdf.display()))
            .arg(project.path("print.html"))
            .output()
            .unwrap();
        assert!(printed.status.success());
        let bytes = fs::read(pdf).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        Some(text.matches("<</Type /Page\n").count())
    };
    let Some(folded) = pages(&page) else {
        return;
    };
    let unfolded = pages(&page.replace("<details>", "<details open>")).unwrap();
    assert!((1..=MOST_PAGES).contains(&folded), "{folded} pages");
    assert!(unfolded > folded, "{unfolded} pages, and {folded} folded");
}
