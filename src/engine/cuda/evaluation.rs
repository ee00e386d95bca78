//! Pictures through the network without training: features, and figures of a split.

use std::ops::Range;

use tracing::trace_span;

use super::host::{Coming, OutputsOf};
use super::pictures::Source;
use super::room::PhaseRoom;
use super::stretch::Crossing;
use super::{CudaEngine, Phase, chunks};
use crate::dataset::Split;
use crate::engine::Error;
use crate::kernels::cuda::Pinned;
use crate::kernels::cuda::memory::Floats;
use crate::kernels::cuda::pixels::Pass;
use crate::record::Observer;

impl CudaEngine {
    /// The pictures at some positions of a split as the network sees them, unchanged, into `input`.
    pub(super) fn prepare(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        input: &Crossing,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let stream = &self.streams.main;
        let images = positions.len();
        let first = positions.start;
        let position = |image| first + image;
        let source = self
            .pictures
            .obtain(split, stream, images, position, observer)?;
        let picture = self.work.picture();
        let from = match source {
            Source::Split(all) => all.part(first * picture..(first + images) * picture),
            Source::Some { values, .. } => values,
        };
        self.kernels.pixels.change(
            stream,
            &Pass {
                from,
                places: None,
                changes: None,
                to: input.values(None, images),
                size: self.work.size,
                rotates: false,
                scaled: true,
            },
        )?;
        self.pictures.consumed(source, stream)
    }

    /// What crosses the border for some images of a split, unchanged, into `border`.
    pub(super) fn border(
        &mut self,
        phase: &Phase,
        split: &Split,
        positions: Range<usize>,
        border: &Crossing,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let images = positions.len();
        let input = phase.room.input_of(border);
        self.prepare(split, positions, input, observer)?;
        let work = (&self.kernels, &self.streams.main, &self.whole.layers[..]);
        let prefix = &phase.room.prefix;
        Ok(prefix.forward(work, images, phase.room.workspace, input, border)?)
    }

    /// The features of a split, computed where they are not there; none if they are not kept.
    pub(super) fn kept_features(
        &mut self,
        phase: &mut Phase,
        split: &Split,
        observer: &Observer<'_>,
    ) -> Result<Option<Crossing>, Error> {
        let found = phase
            .room
            .features
            .iter()
            .find(|(name, _)| *name == split.name);
        let Some((name, features)) = found.cloned() else {
            return Ok(None);
        };
        if !phase.kept.contains(&name) {
            let _span = trace_span!("features", split = name.word()).entered();
            for positions in chunks(split.len(), self.extent.chunk) {
                let border = features.images(positions.clone());
                self.border(phase, split, positions, &border, observer)?;
            }
            phase.kept.push(name);
        }
        Ok(Some(features))
    }

    pub(super) fn evaluate_split(
        &mut self,
        phase: &mut Phase,
        split: &Split,
        observer: &Observer<'_>,
    ) -> Result<Coming, Error> {
        let kept = self.kept_features(phase, split, observer)?;
        let labels = self
            .whole
            .labels
            .iter()
            .find(|(name, _)| *name == split.name);
        let labels = labels
            .map(|(_, labels)| *labels)
            .expect("each split has labels");
        for positions in chunks(split.len(), self.extent.chunk) {
            let images = positions.len();
            let border = match &kept {
                Some(features) => features.images(positions.clone()),
                None => phase.room.borders[0].clone(),
            };
            if kept.is_none() {
                self.border(phase, split, positions.clone(), &border, observer)?;
            }
            let (kernels, main) = (&self.kernels, &self.streams.main);
            let PhaseRoom {
                rest,
                workspace,
                pooled,
                dlogits,
                ..
            } = &phase.room;
            let pooled = if rest.is_empty() {
                border.pooled(images)
            } else {
                let work = (kernels, main, &self.whole.layers[..]);
                rest.forward(work, images, *workspace, &border, pooled)?;
                pooled.pooled(images)
            };
            let outputs = self.work.outputs;
            let range = positions.start * outputs..positions.end * outputs;
            let logits = self.whole.logits.part(range);
            self.whole.dense.logits(kernels, main, pooled, logits)?;
            let losses = self.whole.losses.part(positions.clone());
            let labels = labels.part(positions);
            let unused = dlogits.first(logits.len());
            kernels
                .head
                .loss(main, logits, labels, images, losses, unused)?;
        }
        Ok(self.ask_for_outputs(OutputsOf::Evaluation, split.len())?)
    }

    /// The backbone's output before pooling for some images of a split.
    pub(super) fn features_of(
        &mut self,
        phase: &Phase,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        let mut features = Vec::new();
        for part in chunks(positions.len(), self.extent.chunk) {
            let images = part.len();
            let input = phase.room.input.clone();
            let positions = positions.start + part.start..positions.start + part.end;
            self.prepare(split, positions, &input, observer)?;
            let PhaseRoom {
                whole, workspace, ..
            } = &phase.room;
            let layers = &self.whole.layers[..];
            let main = &self.streams.main;
            let work = (&self.kernels, main, layers);
            let pooled = &phase.room.pooled;
            whole.forward(work, images, *workspace, &input, pooled)?;
            let last = layers.len() - 1;
            let values: Floats = whole.output(last, images, layers, *workspace, pooled);
            let mut on_host = Pinned::new(&self.device, values.len())?;
            on_host.download(main, values)?;
            features.extend_from_slice(on_host.values()?);
        }
        Ok(features)
    }
}
