//! The stack: what is, what will be done, what was done.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::problem::{Body, Problem};
use super::super::views::{FileList, FileView, JournalPage, LogList, PlanView, Series};
use super::super::{App, events as streams};
use super::rooms::limit;
use super::{Where, Who, audit};
use crate::access::blocking;
use crate::model::Role;
use crate::reconcile::{Command, Status};
use crate::settings::Mode;
use crate::store::{JournalFilter, NewAudit};

pub async fn events(State(app): State<App>, Extension(actor): Who) -> Result<Response, Problem> {
    streams::portal(app, actor)
}

pub async fn status(State(app): State<App>) -> Json<Status> {
    Json(Status::clone(&app.status()))
}

pub async fn plan(State(app): State<App>) -> Json<PlanView> {
    let status = app.status();
    Json(PlanView {
        steps: status.plan.clone(),
        issues: status.issues.clone(),
    })
}

#[derive(Deserialize)]
pub struct JournalQuery {
    before: Option<i64>,
    limit: Option<u32>,
    role: Option<String>,
    outcome: Option<String>,
}

pub async fn journal(
    State(app): State<App>,
    Query(asked): Query<JournalQuery>,
) -> Result<Json<JournalPage>, Problem> {
    let limit = limit(asked.limit, 50);
    let filter = JournalFilter {
        lane: asked.role,
        outcome: asked.outcome,
    };
    let store = app.store.clone();
    let entries = blocking(move || store.journal(&filter, asked.before, limit)).await?;
    let full = entries.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Json(JournalPage {
        next: entries.last().filter(|_| full).map(|entry| entry.id),
        items: entries.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Also what would interrupt somebody.
    #[serde(default)]
    now: bool,
    /// Also what the image tags name by now.
    #[serde(default)]
    update_images: bool,
}

pub async fn apply(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<Apply>,
) -> Result<StatusCode, Problem> {
    if asked.update_images {
        tell(&app, Command::UpdateImages).await?;
    }
    tell(
        &app,
        if asked.now {
            Command::ApplyNow
        } else {
            Command::Look
        },
    )
    .await?;
    if asked.now {
        audit(
            &app,
            &actor,
            &from,
            NewAudit {
                what: "applied-now",
                ..NewAudit::default()
            },
        )
        .await;
    }
    Ok(StatusCode::ACCEPTED)
}

/// What is done about differences.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModeName {
    Heal,
    Report,
    Paused,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMode {
    mode: ModeName,
}

pub async fn mode(
    State(app): State<App>,
    Extension(actor): Who,
    Extension(from): Where,
    Body(asked): Body<NewMode>,
) -> Result<StatusCode, Problem> {
    let (mode, word) = match asked.mode {
        ModeName::Heal => (Mode::Heal, "heal"),
        ModeName::Report => (Mode::Report, "report"),
        ModeName::Paused => (Mode::Paused, "paused"),
    };
    tell(&app, Command::Mode(mode)).await?;
    audit(
        &app,
        &actor,
        &from,
        NewAudit {
            what: "mode-changed",
            detail: word.to_owned(),
            ..NewAudit::default()
        },
    )
    .await;
    Ok(StatusCode::ACCEPTED)
}

async fn tell(app: &App, command: Command) -> Result<(), Problem> {
    app.commands.send(command).await.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The controller is stopping",
            "Try again when it is back.",
        )
    })
}

pub async fn files(State(app): State<App>) -> Json<FileList> {
    Json(FileList {
        items: app.stack.files().await,
    })
}

pub async fn file(
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<Json<FileView>, Problem> {
    app.stack
        .file(&path)
        .await
        .map(Json)
        .ok_or_else(|| Problem::not_found("file"))
}

#[derive(Deserialize)]
pub struct LogQuery {
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
}

pub async fn logs(
    State(app): State<App>,
    Extension(actor): Who,
    Path(role): Path<String>,
    Query(asked): Query<LogQuery>,
) -> Result<Response, Problem> {
    let role: Role = role.parse().map_err(|_| Problem::not_found("service"))?;
    let away = |why: String| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "logs-unavailable",
            "The log cannot be read now",
            why,
        )
    };
    if asked.follow {
        let tail = asked.tail.unwrap_or(0).min(2_000);
        let lines = app.stack.follow(role, tail).await.map_err(away)?;
        return streams::lines(&app, &actor, lines);
    }
    let items = app
        .stack
        .logs(role, asked.tail.unwrap_or(200).min(2_000))
        .await
        .map_err(away)?;
    Ok(Json(LogList { items }).into_response())
}

pub async fn series(State(app): State<App>) -> Json<Series> {
    Json(app.stack.series())
}
