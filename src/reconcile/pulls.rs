//! Pulls of images: each goes on by itself and tells the loop how far it is.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::memory::Memory;
use crate::engine::Engine;

/// Progress is published this often.
const PROGRESS: Duration = Duration::from_millis(500);

/// Where the news of all pulls come together.
pub(super) struct Pulls {
    sender: mpsc::UnboundedSender<News>,
    inbox: mpsc::UnboundedReceiver<News>,
}

/// What a pull tells.
pub(super) enum News {
    Progress {
        reference: String,
        current: u64,
        total: u64,
    },
    Done {
        reference: String,
    },
    Failed {
        reference: String,
        reason: String,
    },
}

impl Default for Pulls {
    fn default() -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        Self { sender, inbox }
    }
}

impl Pulls {
    /// Begins another one.
    pub fn begin<E: Engine>(&self, engine: &E, reference: String) {
        let news = self.sender.clone();
        let mut progress = engine.pull(&reference);
        tokio::spawn(async move {
            let mut told: Option<Instant> = None;
            let mut result = Ok(());
            while let Some(step) = progress.next().await {
                match step {
                    Ok(step) if told.is_none_or(|at| at.elapsed() >= PROGRESS) => {
                        told = Some(Instant::now());
                        let reference = reference.clone();
                        let (current, total) = (step.current, step.total);
                        let _gone = news.send(News::Progress {
                            reference,
                            current,
                            total,
                        });
                    }
                    Ok(_) => {}
                    Err(error) => result = Err(error),
                }
            }
            let _gone = news.send(match result {
                Ok(()) => News::Done { reference },
                Err(error) => News::Failed {
                    reference,
                    reason: error.to_string(),
                },
            });
        });
    }

    /// The news that are there already, one by one.
    pub fn waiting(&mut self) -> Option<News> {
        self.inbox.try_recv().ok()
    }

    /// Waits for news; for ever while nothing is pulled.
    pub async fn next(&mut self) -> News {
        match self.inbox.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

impl News {
    /// Into what the loop knows, and into the log what ended.
    pub fn note(self, memory: &mut Memory, now: Timestamp) {
        match self {
            Self::Progress {
                reference,
                current,
                total,
            } => {
                memory.note_pull(&reference, current, total);
            }
            Self::Done { reference } => {
                info!(reference, "pulled");
                memory.note_pulled(&reference);
            }
            Self::Failed { reference, reason } => {
                warn!(reference, reason, "the pull failed");
                memory.note_pull_failure(&reference, reason, now);
            }
        }
    }
}
