//! `serve`: run the controller.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::session::{self, Session};
use super::{Common, Failure, telemetry, terminal};
use crate::serve::{self, Story};

/// Runs until SIGTERM or Ctrl-C. What runs on the engine goes on afterwards.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let settings = session::settings(common)?;
    telemetry::start(&settings.log);
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::told)?;
    let session = Session::open_alone(common, settings).await?;
    let file = common
        .config
        .as_ref()
        .map(|file| file.display().to_string());
    let story = Story::new(session.controller.wanted.settings(), file, |line| {
        terminal::line(line)
    });
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let Session {
        controller,
        status,
        lock,
    } = session;
    serve::run(controller, status, story, stop)
        .await
        .map_err(Failure::told)?;
    drop(lock);
    Ok(ExitCode::SUCCESS)
}
