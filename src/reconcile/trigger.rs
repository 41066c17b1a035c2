//! What makes the loop look again. A trigger carries no facts: the look does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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
    watched: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Watches `rendered` for [`Trigger::Files`] and everything else for
    /// [`Trigger::Settings`].
    ///
    /// # Errors
    /// The system has no more watches to give (`fs.inotify.max_user_watches`).
    pub fn new(rendered: PathBuf, sender: mpsc::Sender<Trigger>) -> Result<Self, notify::Error> {
        let watcher = notify::recommended_watcher(move |event: Result<notify::Event, _>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, notify::EventKind::Access(_)) {
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
            watched: BTreeSet::new(),
        })
    }

    /// Watches exactly these: folders whole, files by their folder (editors
    /// replace files by renaming).
    pub fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let wanted: BTreeSet<PathBuf> = paths
            .into_iter()
            .filter_map(|path| {
                if path.is_dir() {
                    Some(path)
                } else {
                    folder_of(&path)
                }
            })
            .collect();
        for gone in self
            .watched
            .difference(&wanted)
            .cloned()
            .collect::<Vec<_>>()
        {
            let _unknown = self.watcher.unwatch(&gone);
            self.watched.remove(&gone);
        }
        for path in wanted {
            if !self.watched.contains(&path)
                && self.watcher.watch(&path, RecursiveMode::Recursive).is_ok()
            {
                self.watched.insert(path);
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
