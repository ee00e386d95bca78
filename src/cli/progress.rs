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
const EPOCH_TEMPLATE: &str = "{prefix}  {human_pos}/{human_len}  {wide_bar}  {msg}  {eta} left";

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

/// A stage and, once it takes long, its bar.
struct StageBar {
    stage: Stage,
    total: Option<u64>,
    since: Instant,
    bar: Option<ProgressBar>,
}

/// An epoch and, once it takes long, its bar.
struct EpochBar {
    title: String,
    steps: u32,
    since: Instant,
    bar: Option<ProgressBar>,
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
                total: *total,
                since: Instant::now(),
                bar: None,
            }),
            Event::StageProgress { stage, done } => {
                if let Some(entry) = state.stages.iter_mut().find(|entry| entry.stage == *stage) {
                    entry.advance(*done, &self.bars);
                }
            }
            Event::StageFinished { stage, .. } => {
                state.stages.retain(|entry| {
                    let is_over = entry.stage == *stage;
                    if let (true, Some(bar)) = (is_over, &entry.bar) {
                        bar.finish_and_clear();
                    }
                    !is_over
                });
            }
            Event::EpochStarted {
                shown,
                shown_last,
                steps,
                ..
            } => {
                state.epoch = Some(EpochBar {
                    title: format!("epoch {}", lines::epoch_number(*shown, *shown_last)),
                    steps: *steps,
                    since: Instant::now(),
                    bar: None,
                });
            }
            Event::Step {
                done,
                loss,
                accuracy,
            } => {
                if let Some(epoch) = &mut state.epoch {
                    epoch.advance(*done, *loss, *accuracy, &self.bars);
                }
            }
            Event::EpochFinished { .. } => {
                if let Some(bar) = state.epoch.take().and_then(|epoch| epoch.bar) {
                    bar.finish_and_clear();
                }
            }
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

impl StageBar {
    fn advance(&mut self, done: u64, bars: &MultiProgress) {
        if self.bar.is_none() && self.since.elapsed() >= STAGE_BAR_AFTER {
            self.bar = Some(bars.add(self.new_bar()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let bar = match self.total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.with_style(style(self.template()))
            .with_message(lines::doing(&self.stage))
            .with_elapsed(self.since.elapsed())
    }

    /// What the bar looks like: bytes and rate, files, or images.
    fn template(&self) -> &'static str {
        match (&self.stage, self.total) {
            (Stage::Download(_) | Stage::Verify(_), Some(_)) => {
                "{msg}  {wide_bar}  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
            }
            (Stage::Download(_) | Stage::Verify(_), None) => {
                "{spinner} {msg}  {decimal_bytes}  {decimal_bytes_per_sec}"
            }
            (Stage::Extract(_) | Stage::Decode(_), Some(_)) => {
                "{msg}  {wide_bar}  {human_pos}/{human_len} files  {eta} left"
            }
            (Stage::Extract(_) | Stage::Decode(_), None) => "{spinner} {msg}  {human_pos} files",
            (Stage::Features(_) | Stage::Evaluate(_), Some(_)) => {
                "{msg}  {wide_bar}  {human_pos}/{human_len} images  {eta} left"
            }
            (Stage::Features(_) | Stage::Evaluate(_), None) => {
                "{spinner} {msg}  {human_pos} images"
            }
        }
    }
}

impl EpochBar {
    fn advance(&mut self, done: u32, loss: f64, accuracy: f64, bars: &MultiProgress) {
        if self.bar.is_none() && self.since.elapsed() >= EPOCH_BAR_AFTER {
            let bar = ProgressBar::new(u64::from(self.steps))
                .with_style(style(EPOCH_TEMPLATE))
                .with_prefix(self.title.clone())
                .with_elapsed(self.since.elapsed());
            self.bar = Some(bars.add(bar));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("loss {loss:.4}  accuracy {accuracy:.4}"));
            bar.set_position(u64::from(done));
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
            for total in [Some(10), None] {
                let entry = StageBar {
                    stage: stage.clone(),
                    total,
                    since: Instant::now(),
                    bar: None,
                };
                templates.push(entry.template());
            }
        }
        for template in templates {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
