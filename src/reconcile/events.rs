//! The engine's hints that something changed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::debug;

use super::trigger::Trigger;
use crate::engine::Engine;

/// Reconnecting to the engine: first and longest pause.
const RECONNECT: (f64, f64) = (0.8, 30.0);
/// A stream of events that says nothing for this long may be half a
/// connection: another is opened.
const SILENCE: Duration = Duration::from_secs(300);
/// Seconds by which streams of events overlap: the engine tells whole ones.
const OVERLAP: i64 = 2;

/// Keeps listening to the engine and triggers a look for every hint, and for
/// every time the stream had to be opened anew (something may be missed).
pub(super) async fn follow<E: Engine>(
    engine: Arc<E>,
    instance: String,
    since: Timestamp,
    sender: mpsc::Sender<Trigger>,
    knock: watch::Sender<Option<Instant>>,
) {
    // The first look and the first stream begin beside each other.
    let mut since = since.as_second().saturating_sub(OVERLAP);
    let mut pause = RECONNECT.0;
    loop {
        let mut events = engine.events(&instance, Some(since));
        let opened = Instant::now();
        let silent = loop {
            match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(hint))) => {
                    debug!(event = hint.what, "engine event");
                    since = hint.at.saturating_sub(OVERLAP);
                    let _full = sender.try_send(Trigger::Engine);
                }
                Ok(Some(Err(_)) | None) => break false,
                Err(_) => break true,
            }
        };
        if silent {
            // Asked again from the last event on: nothing is missed between.
            continue;
        }
        if opened.elapsed() > Duration::from_secs_f64(RECONNECT.1) {
            pause = RECONNECT.0;
        }
        // Jitter, so that several controllers do not knock in step.
        let jitter = f64::from(std::process::id() % 100) / 400.0;
        let wait = Duration::from_secs_f64(pause * (1.0 + jitter));
        knock.send_replace(Some(Instant::now() + wait));
        tokio::time::sleep(wait).await;
        pause = (pause * 1.7).min(RECONNECT.1);
        knock.send_replace(None);
        let _full = sender.try_send(Trigger::Engine);
    }
}
