//! What is wrong with the settings: a place, and one line each of what, why
//! and what to do.

use std::fmt;

use crate::model::{Issue, IssueCode, Severity};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A place in the settings file, line and column counted from 1.
    File {
        /// The file as it was named.
        name: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// An option of the command line.
    Flag(String),
    /// The file as a whole: it could not be read.
    Whole(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Variable(name) | Origin::Flag(name) | Origin::Whole(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {what}\n  why: {why}\n  fix: {fix}")]
pub struct SettingsError {
    /// Where the wrong value stands.
    pub origin: Origin,
    /// The full path of its key, such as `ports.http`; empty where the file as
    /// a whole is meant.
    pub key: String,
    /// One sentence: what.
    pub what: String,
    /// One sentence: why.
    pub why: String,
    /// One sentence: what to do about it.
    pub fix: String,
}

impl SettingsError {
    /// The same as an issue, for status and pages. The controller goes on with
    /// the last good settings meanwhile.
    pub fn to_issue(&self) -> Issue {
        Issue {
            code: IssueCode::SettingsInvalid,
            severity: Severity::Error,
            role: None,
            subject: self.origin.to_string(),
            what: self.what.clone(),
            why: self.why.clone(),
            fix: self.fix.clone(),
        }
    }
}
