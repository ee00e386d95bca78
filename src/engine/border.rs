//! What one stretch of the network needs of what lies below it.

use std::ops::Range;

use crate::model::Operation;

/// What crosses from below an operation to it and what is above, for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// All of the backbone is below: pooled features.
    Pooled(usize),
    /// Outputs of these operations (`None`: the picture), with their lengths.
    Activations(Vec<(Option<usize>, usize)>),
}

impl Border {
    /// What crosses the border before operation `place`; `picture` is the length of a picture.
    pub(super) fn before(operations: &[Operation], place: usize, picture: usize) -> Self {
        let Some(above) = operations.get(place..).filter(|above| !above.is_empty()) else {
            return Self::Pooled(operations.last().map_or(0, |last| last.output_shape[2]));
        };
        let mut crossing: Vec<(Option<usize>, usize)> = Vec::new();
        for operation in above {
            let sources = [operation.input]
                .into_iter()
                .chain(operation.residual.map(Some));
            for source in sources {
                let is_below = source.is_none_or(|source| source < place);
                if is_below && !crossing.iter().any(|(known, _)| *known == source) {
                    let len = source.map_or(picture, |source| operations[source].output_len());
                    crossing.push((source, len));
                }
            }
        }
        Self::Activations(crossing)
    }

    /// Values of one image.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pooled(len) => *len,
            Self::Activations(crossing) => crossing.iter().map(|(_, len)| len).sum(),
        }
    }

    /// Where the output of `source` is in a row of the border.
    pub(super) fn place(&self, source: Option<usize>) -> Option<Range<usize>> {
        let Self::Activations(crossing) = self else {
            return None;
        };
        let mut offset = 0;
        for (known, len) in crossing {
            if *known == source {
                return Some(offset..offset + len);
            }
            offset += len;
        }
        None
    }

    /// The output of `source` in a row of the border.
    pub(super) fn part<'a>(&self, source: Option<usize>, row: &'a [f32]) -> Option<&'a [f32]> {
        self.place(source).map(|place| &row[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;

    #[test]
    fn the_border_of_the_tutorial() {
        let network = Network {
            layers: mobilenet_v2::layers(160, 160, 1.0),
            outputs: 1,
            dropout: 0.2,
        };
        let operations = network.operations();
        let boundary = operations
            .iter()
            .position(|o| o.name == "block_11_depthwise")
            .unwrap();
        let border = Border::before(&operations, boundary, 160 * 160 * 3);
        let Border::Activations(crossing) = &border else {
            panic!("activations cross");
        };
        let names: Vec<_> = crossing
            .iter()
            .map(|(source, _)| operations[source.unwrap()].name.as_str())
            .collect();
        assert_eq!(names, ["block_11_expand", "block_10_project"]);
        assert_eq!(border.len(), 10 * 10 * (576 + 96));
        let row: Vec<f32> = (0..border.len()).map(|place| place as f32).collect();
        let shortcut = border.part(Some(boundary - 2), &row).unwrap();
        assert_eq!((shortcut.len(), shortcut[0]), (10 * 10 * 96, 100.0 * 576.0));
        assert_eq!(border.part(None, &row), None);
        assert_eq!(
            Border::before(&operations, operations.len(), 1),
            Border::Pooled(1280)
        );
        assert_eq!(
            Border::before(&operations, 0, 7),
            Border::Activations(vec![(None, 7)])
        );
    }
}
