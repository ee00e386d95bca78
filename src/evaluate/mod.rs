//! Evaluation: from a model's outputs on a split to the figures of a record.
//!
//! Takes logits, per-example losses and labels in the order of the split (or, in training, of the
//! batches) and gives one figure for each metric of the recipe. It computes on the host, in f64 and in
//! integers, one example after another: no thread count and no batch size can move a bit.

pub mod metric;
pub mod probability;

use crate::recipe::Metric;

/// What a model said about the examples of a split, in order.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// Logits, `[examples][logits_per_example]`.
    pub logits: &'a [f32],
    /// 1 for two classes (binary), else the number of classes.
    pub logits_per_example: usize,
    /// Loss of each example.
    pub losses: &'a [f32],
    /// Class of each example.
    pub labels: &'a [u32],
}

/// The figures of `metrics`, named as in a record (`loss`, `accuracy`), in the recipe's order.
///
/// Of no examples every figure is NaN; a split of a decided recipe has some.
pub fn figures(metrics: &[Metric], outputs: &Outputs<'_>) -> Vec<(String, f64)> {
    metrics
        .iter()
        .map(|metric| (metric::name(metric).to_owned(), value(metric, outputs)))
        .collect()
}

/// The figure of one metric.
fn value(metric: &Metric, outputs: &Outputs<'_>) -> f64 {
    match metric {
        Metric::Loss => metric::loss::mean(outputs.losses),
        Metric::Accuracy { threshold } => metric::accuracy::share(
            outputs.logits,
            outputs.logits_per_example,
            outputs.labels,
            *threshold,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Threshold;

    #[test]
    fn one_figure_for_each_metric_in_order() {
        let metrics = [
            Metric::Loss,
            Metric::Accuracy {
                threshold: Threshold::Probability(0.5),
            },
        ];
        let outputs = Outputs {
            logits: &[1.0, -1.0, 2.0, -2.0],
            logits_per_example: 1,
            losses: &[0.25, 0.25, 0.5, 1.0],
            labels: &[1, 0, 0, 0],
        };
        assert_eq!(
            figures(&metrics, &outputs),
            [("loss".to_owned(), 0.5), ("accuracy".to_owned(), 0.75)]
        );
    }
}
