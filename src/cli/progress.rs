//! Progress on standard error: bars on a terminal, plain lines elsewhere.
//!
//! A consumer of [`Event`]s that computes nothing. Every line comes from [`report::terminal::lines`].
//!
//! [`report::terminal::lines`]: crate::report::terminal::lines

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::record::{Event, Stage};
use crate::report::terminal::lines;

/// Epochs shorter than this show no bar.
const EPOCH_BAR_AFTER: Duration = Duration::from_secs(2);

/// Stages shorter than this show no bar.
const STAGE_BAR_AFTER: Duration = Duration::from_millis(500);

/// What the bar inside an epoch looks like.
const EPOCH_TEMPLATE: &str = "{prefix}  {human_pos}/{human_len}  {wide_bar}  {msg}";

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Bars and lines.
    Bars,
    /// Lines.
    Lines,
    /// Warnings.
    Warnings,
}

/// Tells a person how a run goes on.
pub struct Progress {
    telling: Telling,
    bars: MultiProgress,
    state: Mutex<State>,
}

/// What goes on at the moment.
#[derive(Default)]
struct State {
    stages: Vec<StageBar>,
    epoch: Option<EpochBar>,
}

/// An epoch with its bar, and what is left after it.
struct EpochBar {
    bar: LateBar,
    steps: u32,
    /// In epochs like this one.
    left: f64,
}

/// A stage with its bar, which is shown once the stage takes long.
struct StageBar {
    stage: Stage,
    bar: LateBar,
}

/// A bar that counts from the start, so that it can tell what is left, and shows itself later.
struct LateBar {
    bar: ProgressBar,
    since: Instant,
    after: Duration,
    is_shown: bool,
}

impl Progress {
    /// Tells so much.
    pub fn new(telling: Telling) -> Self {
        Self {
            telling,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            state: Mutex::default(),
        }
    }

    /// Tells of an event; may be called from any thread.
    pub fn tell(&self, event: &Event) {
        let is_told = match self.telling {
            Telling::Bars | Telling::Lines => true,
            Telling::Warnings => matches!(event, Event::Warning(_)),
        };
        if !is_told {
            return;
        }
        if self.telling == Telling::Bars {
            self.draw(event);
        }
        if let Some(line) = lines::line(event) {
            self.line(&line);
        }
    }

    fn line(&self, line: &str) {
        match self.telling {
            Telling::Bars => self.bars.suspend(|| output::line(line)),
            Telling::Lines | Telling::Warnings => output::line(line),
        }
    }

    fn draw(&self, event: &Event) {
        // A thread that panicked while it drew leaves nothing that matters behind.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StageStarted { stage, total } => state.stages.push(StageBar {
                stage: stage.clone(),
                bar: LateBar::new(stage_bar(stage, *total), STAGE_BAR_AFTER),
            }),
            Event::StageProgress { stage, done } => {
                let going_on = state.stages.iter_mut().find(|entry| entry.stage == *stage);
                if let Some(entry) = going_on {
                    entry.bar.advance(*done, &self.bars);
                }
            }
            Event::StageFinished { stage, .. } => {
                state.stages.retain(|entry| entry.stage != *stage);
            }
            Event::EpochStarted {
                shown,
                shown_last,
                steps,
                left,
                ..
            } => {
                let title = format!("epoch {}", lines::epoch_number(*shown, *shown_last));
                let bar = ProgressBar::hidden()
                    .with_style(style(EPOCH_TEMPLATE))
                    .with_prefix(title);
                bar.set_length(u64::from(*steps));
                state.epoch = Some(EpochBar {
                    bar: LateBar::new(bar, EPOCH_BAR_AFTER),
                    steps: *steps,
                    left: *left,
                });
            }
            Event::Step {
                done,
                loss,
                accuracy,
            } => {
                if let Some(epoch) = &mut state.epoch {
                    let left = lines::left(epoch.seconds_left(*done));
                    let message = format!("loss {loss:.4}  accuracy {accuracy:.4}  {left}");
                    epoch.bar.bar.set_message(message);
                    epoch.bar.advance(u64::from(*done), &self.bars);
                }
            }
            Event::EpochFinished { .. } => state.epoch = None,
            Event::Note(_)
            | Event::Warning(_)
            | Event::Initial { .. }
            | Event::PhaseStarted { .. }
            | Event::Test { .. } => {}
        }
    }

    /// Removes the bars of a run that ended early.
    pub fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State::default();
        let _ = self.bars.clear();
    }
}

impl EpochBar {
    /// What is left of the whole run, from the steps that are done.
    fn seconds_left(&self, done: u32) -> f64 {
        let step = self.bar.since.elapsed().as_secs_f64() / f64::from(done.max(1));
        let steps = f64::from(self.steps);
        step * (steps - f64::from(done) + steps * self.left)
    }
}

impl LateBar {
    fn new(bar: ProgressBar, after: Duration) -> Self {
        Self {
            bar,
            since: Instant::now(),
            after,
            is_shown: false,
        }
    }

    fn advance(&mut self, done: u64, bars: &MultiProgress) {
        self.bar.set_position(done);
        if !self.is_shown && self.since.elapsed() >= self.after {
            bars.add(self.bar.clone());
            self.is_shown = true;
        }
    }
}

impl Drop for LateBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The bar of a stage, not shown yet.
fn stage_bar(stage: &Stage, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::hidden()
        .with_style(style(stage_template(stage, total.is_some())))
        .with_message(lines::doing(stage));
    match total {
        Some(total) => bar.set_length(total),
        None => bar.unset_length(),
    }
    bar
}

/// What a stage's bar looks like: bytes and rate, files, or images.
const fn stage_template(stage: &Stage, has_total: bool) -> &'static str {
    match (stage, has_total) {
        (Stage::Download(_) | Stage::Verify(_) | Stage::Copy(_), true) => {
            "{msg}  {wide_bar}  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
        }
        (Stage::Download(_) | Stage::Verify(_) | Stage::Copy(_), false) => {
            "{spinner} {msg}  {decimal_bytes}  {decimal_bytes_per_sec}"
        }
        (Stage::Extract(_) | Stage::Decode(_), true) => {
            "{msg}  {wide_bar}  {human_pos}/{human_len} files  {eta} left"
        }
        (Stage::Extract(_) | Stage::Decode(_), false) => "{spinner} {msg}  {human_pos} files",
        (Stage::Features(_) | Stage::Evaluate(_) | Stage::Predict, true) => {
            "{msg}  {wide_bar}  {human_pos}/{human_len} images  {eta} left"
        }
        (Stage::Features(_) | Stage::Evaluate(_) | Stage::Predict, false) => {
            "{spinner} {msg}  {human_pos} images"
        }
    }
}

/// The style of a template; should a template be wrong, indicatif's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::SplitName;

    #[test]
    fn every_template_is_right() {
        let stages = [
            Stage::Download("photos".to_owned()),
            Stage::Extract("photos".to_owned()),
            Stage::Features(SplitName::Test),
        ];
        let mut templates = vec![EPOCH_TEMPLATE];
        for stage in stages {
            templates.push(stage_template(&stage, true));
            templates.push(stage_template(&stage, false));
        }
        for template in templates {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
