//! What makes the loop look again. A trigger carries no facts: the look does.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::status::Command;

/// Why the loop looks again. Ordered so that several at once keep the most
/// telling one for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// The sweep is due.
    Sweep,
    /// Something waited for may be there.
    Recheck,
    /// There are more or fewer pictures, viewers or callers.
    Live,
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
    /// Taken from the inbox and not handed on yet.
    gathered: Vec<Trigger>,
    /// Handed to whoever may trigger.
    pub sender: mpsc::Sender<Trigger>,
}

impl Default for Triggers {
    fn default() -> Self {
        let (sender, inbox) = mpsc::channel(64);
        Self {
            inbox,
            gathered: Vec::new(),
            sender,
        }
    }
}

impl Triggers {
    /// The next trigger, or `otherwise` at `due`. Cancel-safe: what was taken
    /// from the inbox is kept until it is returned.
    pub async fn next(&mut self, due: Instant, otherwise: Trigger) -> Vec<Trigger> {
        if self.gathered.is_empty() {
            match tokio::time::timeout_at(due, self.inbox.recv()).await {
                Ok(Some(trigger)) => self.gathered.push(trigger),
                Ok(None) | Err(_) => return vec![otherwise],
            }
        }
        let deadline = Instant::now() + GATHER;
        while !self.gathered.iter().any(|trigger| trigger.is_urgent())
            && let Ok(Some(trigger)) = tokio::time::timeout_at(deadline, self.inbox.recv()).await
        {
            self.gathered.push(trigger);
        }
        while let Ok(trigger) = self.inbox.try_recv() {
            self.gathered.push(trigger);
        }
        let mut all = std::mem::take(&mut self.gathered);
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
    /// With which folder it is: one made anew under the same name is not
    /// watched any more.
    watched: BTreeMap<PathBuf, (RecursiveMode, Identity)>,
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
    /// replace files by renaming), links with what they lead to.
    pub fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut wanted = BTreeMap::new();
        let mut names = Vec::new();
        for path in paths.into_iter().flat_map(|path| trail(&path)) {
            if path.is_dir() && !path.is_symlink() {
                names.push(path.clone());
                let identity = identity(&path);
                wanted.insert(path, (RecursiveMode::Recursive, identity));
            } else if let Some(folder) = folder_of(&path) {
                // Not what lies below: the state folder often does, and we
                // write there ourselves.
                names.extend(path.file_name().map(|name| folder.join(name)));
                let identity = identity(&folder);
                wanted
                    .entry(folder)
                    .or_insert((RecursiveMode::NonRecursive, identity));
            }
        }
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = names;
        let gone: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, how)| wanted.get(*path) != Some(how))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            let _unknown = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        for (path, how) in wanted {
            if !self.watched.contains_key(&path) && self.watcher.watch(&path, how.0).is_ok() {
                self.watched.insert(path, how);
            }
        }
    }
}

/// Which folder it is: inode numbers alone are used again at once.
type Identity = Option<(u64, Option<SystemTime>)>;

fn identity(folder: &Path) -> Identity {
    let meta = std::fs::metadata(folder).ok()?;
    Some((meta.ino(), meta.created().ok()))
}

/// A path, and every link that is met on the way to what it names, with where
/// each leads: mounted settings are often a link to a folder that is swapped.
fn trail(path: &Path) -> Vec<PathBuf> {
    let mut met = vec![path.to_path_buf()];
    let mut at = path.to_path_buf();
    // As many as the system follows.
    for _ in 0..40 {
        let link = at
            .ancestors()
            .filter(|part| part.is_symlink())
            .last()
            .map(Path::to_path_buf);
        let Some(link) = link else { break };
        let (Ok(to), Ok(rest)) = (std::fs::read_link(&link), at.strip_prefix(&link)) else {
            break;
        };
        let to = link.parent().map_or(to.clone(), |folder| folder.join(&to));
        at = if rest.as_os_str().is_empty() {
            to
        } else {
            to.join(rest)
        };
        met.extend([link, at.clone()]);
    }
    met
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
        let seen = triggers.next(Instant::now() + wait, Trigger::Sweep).await;
        assert_eq!(seen, [Trigger::Sweep], "our own writing");
        std::fs::write(rendered.join("file"), "x").unwrap();
        assert_eq!(
            triggers.next(Instant::now() + wait, Trigger::Sweep).await,
            [Trigger::Files]
        );
        std::fs::write(dir.path().join("new"), "x").unwrap();
        std::fs::rename(dir.path().join("new"), &settings).unwrap();
        let seen = triggers.next(Instant::now() + wait, Trigger::Sweep).await;
        assert_eq!(seen, [Trigger::Settings], "replaced as editors do");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_gathered_is_kept_when_somebody_else_was_quicker() {
        let mut triggers = Triggers::default();
        triggers.sender.send(Trigger::Settings).await.unwrap();
        let due = Instant::now() + Duration::from_secs(30);
        // As the loop's `select!` does when rooms change in that moment.
        let cut = tokio::time::timeout(GATHER / 2, triggers.next(due, Trigger::Sweep)).await;
        assert!(cut.is_err());
        assert_eq!(
            triggers.next(due, Trigger::Sweep).await,
            [Trigger::Settings]
        );
    }

    /// Watches `paths`; `act` has to be noticed as a change of the settings.
    async fn noticed(paths: &[&Path], acts: &[(&str, &dyn Fn())]) {
        let mut triggers = Triggers::default();
        let rendered = PathBuf::from("/nowhere");
        let mut watch = FileWatch::new(rendered, triggers.sender.clone()).unwrap();
        for (what, act) in acts {
            // As the loop does before every wait.
            watch.watch(paths.iter().map(|path| path.to_path_buf()));
            act();
            let due = Instant::now() + Duration::from_secs(2);
            let seen = triggers.next(due, Trigger::Sweep).await;
            assert_eq!(seen, [Trigger::Settings], "{what}");
            tokio::time::sleep(GATHER).await;
            while triggers.inbox.try_recv().is_ok() {}
        }
    }

    #[tokio::test]
    async fn a_folder_made_anew_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("templates");
        std::fs::create_dir(&folder).unwrap();
        let anew = || {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::create_dir(&folder).unwrap();
        };
        let written = || std::fs::write(folder.join("a.tera"), "x").unwrap();
        let gone = || std::fs::remove_dir_all(&folder).unwrap();
        let back = || std::fs::create_dir(&folder).unwrap();
        noticed(
            &[&folder],
            &[
                ("written", &written),
                ("made anew at once", &anew),
                ("written again", &written),
                ("gone", &gone),
                ("back", &back),
                ("written once more", &written),
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn settings_behind_links_are_watched_where_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, at("new")).unwrap();
            std::fs::rename(at("new"), at(name)).unwrap();
        };
        // As a mounted volume of settings does it.
        for version in ["..1", "..2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("colourstream.yaml"), version).unwrap();
        }
        link("..1", "..data");
        link("..data/colourstream.yaml", "colourstream.yaml");
        noticed(
            &[&at("colourstream.yaml")],
            &[
                ("edited where it lies", &|| {
                    std::fs::write(at("..1/colourstream.yaml"), "x").unwrap();
                }),
                ("the folder is swapped", &|| link("..2", "..data")),
                ("edited in the other", &|| {
                    std::fs::write(at("..2/colourstream.yaml"), "y").unwrap();
                }),
                ("the link leads elsewhere", &|| {
                    link("..1/colourstream.yaml", "colourstream.yaml");
                }),
            ],
        )
        .await;
    }
}
