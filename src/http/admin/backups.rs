//! Backups: which were made, and one more now. They are opened on the host
//! alone: a backup holds every key, and no browser needs one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::App;
use super::super::problem::{Body, Problem};
use super::{Where, Who, audit};
use crate::access::blocking;
use crate::backup::{BackupError, BackupFile, Why};
use crate::model::Issue;
use crate::store::{BackupEntry, NewAudit};

/// So many tries are shown.
const SHOWN: u32 = 100;

/// What was made and what will be.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackupList {
    /// The last tries, newest first.
    items: Vec<BackupView>,
    /// The last good one.
    last: Option<BackupFile>,
    /// When the next is due.
    next: Option<Timestamp>,
    /// Why the last one that was due was not made.
    failed: Option<Issue>,
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackupView {
    /// When.
    at: Timestamp,
    /// `daily`, `asked` or `upgrade`.
    why: String,
    /// Who asked.
    who: String,
    /// Where it is, or should be.
    path: String,
    /// Its size in bytes, if it was made.
    bytes: Option<u64>,
    /// Whether a passphrase is needed to open it.
    sealed: bool,
    /// Why it was not made.
    error: Option<String>,
    /// Whether it is still there.
    here: bool,
}

impl From<BackupEntry> for BackupView {
    fn from(entry: BackupEntry) -> Self {
        let here = entry.error.is_none() && std::path::Path::new(&entry.path).is_file();
        Self {
            at: entry.at,
            why: entry.why,
            who: entry.who,
            path: entry.path,
            bytes: entry.bytes,
            sealed: entry.sealed,
            error: entry.error,
            here,
        }
    }
}

pub async fn list(State(app): State<App>) -> Result<Json<BackupList>, Problem> {
    let store = app.store.clone();
    let items = blocking(move || {
        let entries = store.backups(SHOWN)?;
        Ok(entries.into_iter().map(BackupView::from).collect())
    })
    .await?;
    let kept = app.keeper.kept().borrow().clone();
    Ok(Json(BackupList {
        items,
        last: kept.last,
        next: kept.next,
        failed: kept.failed,
    }))
}

/// Nothing is chosen: where it goes and what seals it are the settings'.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {}

pub async fn make(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(NewBackup {}): Body<NewBackup>,
) -> Result<(StatusCode, Json<BackupFile>), Problem> {
    let made = app
        .keeper
        .make(Why::Asked, &actor.name())
        .await
        .map_err(refused)?;
    let entry = NewAudit {
        what: "backup-made",
        detail: made.path.display().to_string(),
        ..NewAudit::default()
    };
    audit(&app, &actor, &from, entry).await;
    let file = BackupFile {
        at: made.manifest.at,
        why: made.manifest.why,
        path: made.path,
        bytes: made.bytes,
    };
    Ok((StatusCode::CREATED, Json(file)))
}

fn refused(error: BackupError) -> Problem {
    let words = error.to_string();
    let (what, fix) = words.split_once("\n  → ").unwrap_or((&words, ""));
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "backup-failed",
        "The backup could not be made",
        format!("{what}. {fix}").trim().to_owned(),
    )
}
