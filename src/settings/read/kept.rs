//! The last good settings as they were given. The controller keeps them beside
//! what else it keeps, so that it starts with them where those it is given by
//! then are wrong: a slip in a file must not shut the house.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Origin, Overrides, Unknown, understand};
use crate::settings::{Settings, SettingsError};

/// Their file, below the state folder.
pub const KEPT: &str = "last-settings.json";

/// See the module. Settings name files with secrets and hold none; still, it is
/// nobody else's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The file they stood in, as a whole path; none for variables alone.
    file: Option<PathBuf>,
    /// What stood in it.
    text: String,
    /// The variables that were set.
    variables: Vec<(String, String)>,
    /// What the paths of these were relative to.
    folder: PathBuf,
}

impl Kept {
    /// Of what was read at `file`, and `overrides`.
    pub fn new(file: Option<&Path>, text: &str, overrides: &Overrides) -> Self {
        let whole = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let variables = overrides.values.iter();
        Self {
            file: file.map(whole),
            text: text.to_owned(),
            variables: variables
                .filter_map(|(origin, _, value)| match origin {
                    Origin::Variable(name) => Some((name.clone(), value.clone())),
                    _ => None,
                })
                .collect(),
            folder: overrides.folder.clone(),
        }
    }

    /// Those that are kept in `state`, if they can be read.
    pub fn read(state: &Path) -> Option<Self> {
        let bytes = std::fs::read(state.join(KEPT)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The bytes of their file.
    pub fn bytes(&self) -> Vec<u8> {
        // A path that is no text has no place in it: then nothing is kept.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// As settings again, for the state folder they were found in. What they
    /// name need not be there: whoever needs it says so. Nor need this version
    /// know every key.
    ///
    /// # Errors
    /// When this version refuses a value of them.
    pub fn settings(&self, state: &Path) -> Result<Settings, Vec<SettingsError>> {
        let name = self.file.as_ref().map(|file| file.display().to_string());
        let folder = match &self.file {
            Some(file) => file.parent().unwrap_or(Path::new("/")),
            None => &self.folder,
        };
        let overrides = Overrides::from_env(self.variables.clone(), &self.folder).flag(
            "--state",
            "state",
            state.display().to_string(),
        );
        understand(
            &self.text,
            &name.unwrap_or_default(),
            folder,
            &overrides,
            &|_, _| Ok(()),
            Unknown::Passed,
        )
    }
}
