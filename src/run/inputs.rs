//! The artifacts that a run works on.

use super::{Error, Request, UnpinnedArtifact};
use crate::artifacts::{self, Kind, Obtained, weights};
use crate::model::{self, Network};
use crate::recipe::{Dataset, Model};
use crate::record::{Event, Observer};

/// An artifact, under its role in the recipe.
pub(super) struct Input<'a> {
    pub role: &'a str,
    pub obtained: Obtained,
}

/// All that a run works on.
pub(super) struct Inputs<'a> {
    /// None where pictures are drawn.
    pub pictures: Option<Input<'a>>,
    pub weights: Input<'a>,
}

impl<'a> Inputs<'a> {
    /// Obtains them, and warns of what nothing pins.
    pub fn obtain(request: &'a Request, observer: &Observer<'_>) -> Result<Self, Error> {
        let obtain = |role: &'a str, kind: Kind| -> Result<Input<'a>, Error> {
            let artifact = &request.recipe.artifacts[role];
            let obtained = artifacts::obtain(role, artifact, kind, &request.artifacts, observer)?;
            if !obtained.pinned {
                observer.tell(Event::Warning(format!(
                    "artifact `{role}` is unpinned: nothing says which bytes or which content are meant"
                )));
            }
            Ok(Input { role, obtained })
        };
        let pictures = match &request.recipe.dataset {
            Dataset::Folders(folders) => Some(obtain(&folders.artifact, Kind::Pictures)?),
            Dataset::Drawn(_) => None,
        };
        let Model::MobileNetV2 { weights, .. } = &request.recipe.model;
        let weights = obtain(weights, Kind::Weights)?;
        Ok(Self { pictures, weights })
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Input<'a>> {
        self.pictures.iter().chain([&self.weights])
    }

    /// Those that nothing pins.
    pub fn unpinned(&self) -> Vec<UnpinnedArtifact> {
        self.each()
            .filter(|input| !input.obtained.pinned)
            .map(|input| UnpinnedArtifact {
                role: input.role.to_owned(),
                sha256: input.obtained.sha256.clone(),
                content: input.obtained.content.clone(),
            })
            .collect()
    }
}

impl Input<'_> {
    /// Values of the backbone's tensors, from a weight file.
    pub fn backbone(&self, network: &Network) -> Result<Vec<Vec<f32>>, Error> {
        let file = weights::read(&self.obtained.location)?;
        model::weights::fit(network, file).map_err(|source| Error::Weights {
            role: self.role.to_owned(),
            from: self.obtained.location.to_string(),
            source: Box::new(source),
        })
    }
}
