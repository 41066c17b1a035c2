//! `serve`: run the controller.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use super::session::{self, Ground, Session, Unready};
use super::{Common, Failure, telemetry, terminal};
use crate::disk::StateLock;
use crate::reconcile::End;
use crate::serve::{self, Story};
use crate::settings::Settings;

/// What stands in the way is looked at again this often, and this seldom where
/// it only seems to be mended.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Runs until SIGTERM or Ctrl-C. What runs on the engine goes on afterwards.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let first = session::settings_to_serve(common).await?;
    telemetry::start(&first.log);
    for sentence in session::source(common).overrides.without_effect() {
        warn!("{sentence}");
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::told)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    tokio::pin!(stop);
    let mut last = None;
    let mut pause = PAUSE;
    loop {
        // What a person mended meanwhile counts.
        let settings = session::settings_to_serve(common).await;
        let settings = settings.unwrap_or_else(|_| first.clone());
        let (unready, lock) = match begin(common, &settings).await {
            Ok((controller, status, lock)) => {
                let file = common
                    .config
                    .as_ref()
                    .map(|file| file.display().to_string());
                let story = Story::new(controller.wanted.settings(), file, |line| {
                    terminal::line(line)
                });
                let file = common.config.clone();
                match serve::run(controller, status, story, file, stop.as_mut()).await {
                    Ok(End::Stopped) => return Ok(ExitCode::SUCCESS),
                    // It begins again, and finds out why it cannot.
                    Ok(End::Beside) => continue,
                    Err(error) => (Unready::Store(error), Some(lock)),
                }
            }
            Err(unready) => unready,
        };
        let Some(issue) = unready.issue(&settings) else {
            return Err(unready.told(&settings));
        };
        // Told to be mended, and it was not: it is tried ever more
        // seldom, for every try costs the disk something.
        if last.as_ref() == Some(&issue) {
            pause = (pause * 2).min(LONGEST_PAUSE);
        } else {
            pause = PAUSE;
            terminal::line(format!("  ✗ {}", issue.what));
            terminal::line(format!("    {}", issue.why));
            terminal::line(format!("    → {}", issue.fix));
            last = Some(issue.clone());
        }
        let is_lost = matches!(unready, Unready::Lost(_) | Unready::Rivals(_));
        let shared = Arc::new(settings.clone());
        let is_mended = async |lock: Option<&StateLock>| {
            let ready = tokio::task::block_in_place(|| session::is_mended(&settings, lock));
            ready
                && match session::ground(&settings).await {
                    Ok(Ground::Clear) => true,
                    // What was seen to run is not gone because nobody
                    // can be asked for a moment.
                    Ok(Ground::Unseen) => !is_lost,
                    Err(_) => false,
                }
        };
        // Cancel-safe: it only waits and answers.
        tokio::select! {
            () = serve::rescue(shared, issue, lock, pause, is_mended) => {}
            () = &mut stop => return Ok(ExitCode::SUCCESS),
        }
        terminal::line("  tried again");
    }
}

type Begun = (serve::Parts, serve::Published, StateLock);

/// Takes hold of the state folder and puts the parts together; what was taken
/// hold of is handed back where that does not work.
async fn begin(
    common: &Common,
    settings: &Settings,
) -> Result<Begun, (Unready, Option<StateLock>)> {
    let (disk, lock) = session::hold(&settings.state).map_err(|error| (error.into(), None))?;
    let ground = match session::ground(settings).await {
        Ok(ground) => ground,
        Err(unready) => return Err((unready, Some(lock))),
    };
    match Session::open_alone(common, settings, disk, &lock, ground) {
        Ok((controller, status)) => Ok((controller, status, lock)),
        Err(unready) => Err((unready, Some(lock))),
    }
}
