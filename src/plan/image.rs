//! Which image exactly: the one recorded when the reference was first had.

use crate::desired::{ImagePin, ImageWant, labels};
use crate::engine::{EngineFacts, ImageFacts};

/// What is to be done about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is here.
    Here {
        /// Its id.
        id: String,
        /// Whether this has to be recorded first.
        record: Option<ImagePin>,
        /// The tag names another image by now (its id).
        moved_to: Option<String>,
    },
    /// It has to be pulled under this reference.
    Absent {
        /// Reference with tag or digest.
        reference: String,
        /// What the tag names here, where that is another one.
        by_tag: Option<ImagePin>,
    },
}

/// Resolves a want against what the engine has. A recorded image wins over
/// what its tag names by now; if it is gone for good (built locally, no
/// digest to pull it by), the tag is taken anew and recorded.
pub(super) fn resolve(want: &ImageWant, engine: &EngineFacts) -> Resolution {
    let by_tag = engine.images.get(&want.reference);
    let Some(pin) = &want.pin else {
        return match by_tag {
            Some(image) => Resolution::Here {
                id: image.id.clone(),
                record: Some(pin_of(&want.reference, image)),
                moved_to: None,
            },
            None => Resolution::Absent {
                reference: want.reference.clone(),
                by_tag: None,
            },
        };
    };
    let known = engine.images.values().find(|image| {
        image.id == pin.id
            || pin
                .digest
                .as_ref()
                .is_some_and(|d| image.repo_digests.contains(d))
    });
    match (known, by_tag, &pin.digest) {
        (Some(known), by_tag, _) => Resolution::Here {
            id: known.id.clone(),
            record: (known.id != pin.id).then(|| pin_of(&want.reference, known)),
            moved_to: by_tag
                .filter(|tag| tag.id != known.id)
                .map(|tag| tag.id.clone()),
        },
        (None, by_tag, Some(digest)) => Resolution::Absent {
            reference: digest.clone(),
            by_tag: by_tag.map(|image| pin_of(&want.reference, image)),
        },
        (None, Some(image), None) => Resolution::Here {
            id: image.id.clone(),
            record: Some(pin_of(&want.reference, image)),
            moved_to: None,
        },
        (None, None, None) => Resolution::Absent {
            reference: want.reference.clone(),
            by_tag: None,
        },
    }
}

/// What to record: the id, and the registry digest that belongs to the
/// reference's own name.
fn pin_of(reference: &str, image: &ImageFacts) -> ImagePin {
    let name = repository(reference);
    let digest = image
        .repo_digests
        .iter()
        .find(|digest| {
            digest
                .split('@')
                .next()
                .is_some_and(|repo| repository(repo) == name)
        })
        .cloned();
    ImagePin {
        id: image.id.clone(),
        digest,
    }
}

/// The name without tag and without the registry that Docker implies.
fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = match name.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    name.strip_prefix("docker.io/")
        .unwrap_or(name)
        .trim_start_matches("library/")
}

/// Whether an image is a stand-in.
pub(super) fn is_simulated(image: &ImageFacts) -> bool {
    image
        .labels
        .get(labels::SIMULATED)
        .is_some_and(|value| value == "true")
}
