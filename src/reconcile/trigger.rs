//! What makes the loop look again. A trigger carries no facts: the look does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::status::Command;

/// Why the loop looks again. Ordered so that several at once keep the most
/// telling one for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// The sweep is due.
    Sweep,
    /// Something waited for may be there.
    Recheck,
    /// The engine hinted at a change, or its event stream came back.
    Engine,
    /// A rendered file changed.
    Files,
    /// Settings or templates changed on disk.
    Settings,
    /// Rooms changed, or one opens or expires now.
    Rooms,
    /// A pull moved on or ended.
    Pull,
    /// A person asked.
    Person(Command),
}

impl Trigger {
    /// Whether people wait for it: then it is not gathered with others first.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Trigger::Rooms | Trigger::Person(_) | Trigger::Recheck)
    }
}

impl PartialOrd for Command {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Command {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |command: &Command| match command {
            Command::Look => 0,
            Command::Mode(_) => 1,
            Command::UpdateImages => 2,
            Command::ApplyNow => 3,
        };
        rank(self).cmp(&rank(other))
    }
}

/// Changes within this time are looked at together.
const GATHER: Duration = Duration::from_millis(100);

/// The inbox of the loop.
#[derive(Debug)]
pub struct Triggers {
    inbox: mpsc::Receiver<Trigger>,
    /// Handed to whoever may trigger.
    pub sender: mpsc::Sender<Trigger>,
}

impl Default for Triggers {
    fn default() -> Self {
        let (sender, inbox) = mpsc::channel(64);
        Self { inbox, sender }
    }
}

impl Triggers {
    /// The next trigger, or [`Trigger::Recheck`]/[`Trigger::Sweep`] after
    /// `at_latest`. Cancel-safe: nothing is taken from the inbox before it is
    /// returned, but for what [`GATHER`] folds into one.
    pub async fn next(&mut self, at_latest: Duration, otherwise: Trigger) -> Vec<Trigger> {
        let first = match tokio::time::timeout(at_latest, self.inbox.recv()).await {
            Ok(Some(trigger)) => trigger,
            Ok(None) | Err(_) => return vec![otherwise],
        };
        let mut all = vec![first];
        if !first.is_urgent() {
            let deadline = tokio::time::Instant::now() + GATHER;
            while let Ok(Some(trigger)) = tokio::time::timeout_at(deadline, self.inbox.recv()).await
            {
                all.push(trigger);
                if trigger.is_urgent() {
                    break;
                }
            }
        }
        while let Ok(trigger) = self.inbox.try_recv() {
            all.push(trigger);
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Watches folders and files and sends a trigger for what changes there.
/// Dropping it ends the watch.
#[derive(Debug)]
pub struct FileWatch {
    watcher: notify::RecommendedWatcher,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    /// What is wanted, as events name it; shared with the watcher.
    wanted: Arc<Mutex<Vec<PathBuf>>>,
}

impl FileWatch {
    /// Watches `rendered` for [`Trigger::Files`] and everything else for
    /// [`Trigger::Settings`].
    ///
    /// # Errors
    /// The system has no more watches to give (`fs.inotify.max_user_watches`).
    pub fn new(rendered: PathBuf, sender: mpsc::Sender<Trigger>) -> Result<Self, notify::Error> {
        let wanted: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let shared = Arc::clone(&wanted);
        let watcher = notify::recommended_watcher(move |event: Result<notify::Event, _>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, notify::EventKind::Access(_)) {
                return;
            }
            // A folder is watched for one file in it: what else is written
            // there, a log perhaps, is no reason to look.
            let wanted = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let concerns = |path: &PathBuf| {
                wanted
                    .iter()
                    .any(|wanted| path.starts_with(wanted) || wanted.starts_with(path))
            };
            if !event.need_rescan() && !event.paths.iter().any(concerns) {
                return;
            }
            let trigger = if event.paths.iter().all(|path| path.starts_with(&rendered)) {
                Trigger::Files
            } else {
                Trigger::Settings
            };
            // A full inbox already holds a reason to look.
            let _full = sender.try_send(trigger);
        })?;
        Ok(Self {
            watcher,
            watched: BTreeMap::new(),
            wanted,
        })
    }

    /// Watches exactly these: folders whole, files by their folder (editors
    /// replace files by renaming).
    pub fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut wanted = BTreeMap::new();
        let mut names = Vec::new();
        for path in paths {
            if path.is_dir() {
                names.push(path.clone());
                wanted.insert(path, RecursiveMode::Recursive);
            } else if let Some(folder) = folder_of(&path) {
                // Not what lies below: the state folder often does, and we
                // write there ourselves.
                names.extend(path.file_name().map(|name| folder.join(name)));
                wanted.entry(folder).or_insert(RecursiveMode::NonRecursive);
            }
        }
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = names;
        let gone: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, mode)| wanted.get(*path) != Some(mode))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            let _unknown = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        for (path, mode) in wanted {
            if !self.watched.contains_key(&path) && self.watcher.watch(&path, mode).is_ok() {
                self.watched.insert(path, mode);
            }
        }
    }
}

fn folder_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    folder.is_dir().then(|| folder.to_path_buf())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[tokio::test]
    async fn what_is_written_below_the_settings_is_no_reason_to_look() {
        let dir = tempfile::tempdir().unwrap();
        let settings = dir.path().join("colourstream.yaml");
        let state = dir.path().join("state");
        let rendered = state.join("rendered");
        std::fs::create_dir_all(&rendered).unwrap();
        std::fs::write(&settings, "").unwrap();
        let mut triggers = Triggers::default();
        let mut watch = FileWatch::new(rendered.clone(), triggers.sender.clone()).unwrap();
        watch.watch([settings.clone(), rendered.clone()]);
        let wait = Duration::from_millis(500);

        std::fs::write(state.join("colourstream.db"), "x").unwrap();
        std::fs::write(dir.path().join("log"), "x").unwrap();
        let seen = triggers.next(wait, Trigger::Sweep).await;
        assert_eq!(seen, [Trigger::Sweep], "our own writing");
        std::fs::write(rendered.join("file"), "x").unwrap();
        assert_eq!(triggers.next(wait, Trigger::Sweep).await, [Trigger::Files]);
        std::fs::write(dir.path().join("new"), "x").unwrap();
        std::fs::rename(dir.path().join("new"), &settings).unwrap();
        let seen = triggers.next(wait, Trigger::Sweep).await;
        assert_eq!(seen, [Trigger::Settings], "replaced as editors do");
    }
}
