//! A pull: its progress, its stall, its words.

use std::collections::BTreeMap;

use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use futures_util::stream::{BoxStream, StreamExt};

use super::{DockerEngine, PULL_STALL};
use crate::engine::{EngineError, PullProgress, words};

pub(super) struct Pull {
    pub(super) engine: DockerEngine,
    pub(super) reference: String,
    pub(super) messages: BoxStream<'static, Result<CreateImageInfo, Error>>,
    /// Per layer: bytes had, bytes known.
    pub(super) layers: BTreeMap<String, (u64, u64)>,
    pub(super) finished: bool,
}

impl Pull {
    pub(super) async fn next(mut self) -> Option<(Result<PullProgress, EngineError>, Self)> {
        if self.finished {
            return None;
        }
        let item = match tokio::time::timeout(PULL_STALL, self.messages.next()).await {
            Err(_) => Err(EngineError::Slow {
                what: format!("pull {}", self.reference),
                seconds: PULL_STALL.as_secs(),
            }),
            Ok(Some(Ok(message))) => Ok(self.progress(message)),
            Ok(Some(Err(error))) => Err(self.explain(error)),
            Ok(None) => {
                self.finished = true;
                self.resolved().await
            }
        };
        self.finished |= item.is_err();
        Some((item, self))
    }

    fn progress(&mut self, message: CreateImageInfo) -> PullProgress {
        let status = message.status.unwrap_or_default();
        if let Some(layer) = message.id {
            let detail = message.progress_detail.unwrap_or_default();
            let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
            match status.as_str() {
                // Extracting counts the same bytes a second time.
                "Downloading" => {
                    let had = bytes(detail.current).unwrap_or_default();
                    let known = bytes(detail.total).unwrap_or_default().max(had);
                    self.layers.insert(layer, (had, known));
                }
                "Download complete" | "Pull complete" | "Verifying Checksum" => {
                    if let Some((had, known)) = self.layers.get_mut(&layer) {
                        *had = *known;
                    }
                }
                _ => {}
            }
        }
        PullProgress {
            current: self.layers.values().map(|(had, _)| had).sum(),
            total: self.layers.values().map(|(_, known)| known).sum(),
            message: status,
        }
    }

    /// The last word: what the reference is now.
    async fn resolved(&mut self) -> Result<PullProgress, EngineError> {
        match self.engine.image(&words::with_tag(&self.reference)).await? {
            Some(image) => {
                let mut last = self.progress(CreateImageInfo::default());
                last.current = last.total;
                last.message = format!("{} is {}", self.reference, image.id);
                Ok(last)
            }
            None => Err(EngineError::Registry(format!(
                "{}: the pull ended, but the image is not there",
                self.reference
            ))),
        }
    }

    fn explain(&self, error: Error) -> EngineError {
        match self.engine.translate(error) {
            EngineError::NotFound(message)
            | EngineError::Conflict(message)
            | EngineError::Other(message) => {
                EngineError::Registry(words::registry_words(&self.reference, &message))
            }
            other => other,
        }
    }
}
