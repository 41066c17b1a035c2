//! What can be done about a database that cannot be used, in words: the same
//! in the log, the status, `doctor` and on the portal.

use super::{BackupFile, Why};
use crate::disk::is_unseen;
use crate::model::{Issue, IssueCode, Severity};
use crate::settings::Settings;
use crate::store::StoreError;

/// The issue of a state folder that made none of the services that are
/// `running`: beginning with new keys would lock everybody out of them.
pub fn lost(running: &[String], settings: &Settings) -> Issue {
    let (what, state_is) = if is_unseen(&settings.state) {
        (
            "The state folder is new, but services of this instance ran before it",
            "was begun when the engine could not be asked",
        )
    } else {
        (
            "The state folder is empty, but services of this instance run",
            "has neither rooms nor keys",
        )
    };
    let state = settings.state.display();
    let restore = match super::sound(settings).next() {
        Some(last) => format!("`colourstream restore {}`", last.path.display()),
        None => "`colourstream restore FILE`".to_owned(),
    };
    Issue {
        code: IssueCode::StateEmpty,
        severity: Severity::Error,
        role: None,
        subject: "store".into(),
        what: what.into(),
        why: format!(
            "{state} {state_is}, and {} run: the wrong folder is mounted, or its disk is not. They are left alone; nobody new is let in until then",
            running.join(", ")
        ),
        fix: format!(
            "Mount the right folder or volume and start again. Or {restore} into this one. Or `colourstream down` takes the services away, and it begins anew by itself"
        ),
    }
}

/// The issue of a store that cannot be opened, with every choice there is.
pub fn issue(error: &StoreError, settings: &Settings) -> Issue {
    let last = || super::sound(settings).next();
    let empty =
        "`colourstream restore --empty` begins without any room and sets the old file aside";
    let restore = |last: Option<BackupFile>| {
        match last {
        Some(last) => format!(
            "`colourstream restore {}` brings back the last good backup, of {}",
            last.path.display(),
            last.at.strftime("%Y-%m-%d %H:%M UTC")
        ),
        None => "No good backup is in the folder for them: `colourstream restore FILE` brings back one you have".to_owned(),
    }
    };
    let (code, what, fix) = match error {
        StoreError::Damaged { .. } | StoreError::NoDatabase { .. } | StoreError::Foreign { .. } => {
            (
                IssueCode::DatabaseDamaged,
                "The database is damaged; rooms and links cannot be read",
                format!("{}. Or {empty}", restore(last())),
            )
        }
        StoreError::Gone { .. } => (
            IssueCode::DatabaseDamaged,
            "The database is gone or empty; rooms and links cannot be read",
            format!("Put it back where it was. {}. Or {empty}", restore(last())),
        ),
        StoreError::LostLog { .. } => (
            IssueCode::DatabaseDamaged,
            "The newest part of the database is gone",
            format!(
                "Put the file back where it was. {}. Or `colourstream restore --as-it-is` goes on with what is left in the file. Or {empty}",
                restore(last())
            ),
        ),
        StoreError::Newer { by, .. } => (
            IssueCode::DatabaseNewer,
            "A newer ColourStream wrote the database",
            format!(
                "Run ColourStream {by} again. Or {} and loses what was done since",
                restore(
                    super::sound(settings)
                        .find(|one| one.why == Why::Upgrade)
                        .or_else(last)
                )
            ),
        ),
        StoreError::Locked { .. } => (
            IssueCode::StoreFailed,
            "Another process keeps the database for itself",
            "End that process (`fuser -v` on the file names it); it is tried again by itself"
                .to_owned(),
        ),
        _ => (
            IssueCode::StoreFailed,
            "The database cannot be used",
            "Free space or mend the rights of the state folder; it is tried again by itself"
                .to_owned(),
        ),
    };
    Issue {
        code,
        severity: Severity::Error,
        role: None,
        subject: "store".into(),
        what: what.into(),
        why: format!("{error}. What runs goes on; nobody new is let in until then"),
        fix,
    }
}
