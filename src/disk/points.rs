//! Where a kill may strike. Every write, rename, link, removal and commit says
//! that it was done, so that a test can end everything right there and look at
//! what is left. In a release none of it exists.
//!
//! `COLOURSTREAM_KILL_AT=7` ends a debug build at its seventh point as
//! `kill -9` would; `COLOURSTREAM_POINTS=<file>` lists the points it passed.

use std::path::Path;

/// `what` was done to `path`.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_what: &'static str, _path: &Path) {}

/// `what` was done to `path`.
#[cfg(debug_assertions)]
pub fn point(what: &'static str, path: &Path) {
    watched::point(what, path);
}

#[cfg(debug_assertions)]
mod watched {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Script {
        kill_at: Option<u64>,
        list: Option<PathBuf>,
    }

    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script {
        kill_at: std::env::var("COLOURSTREAM_KILL_AT")
            .ok()
            .and_then(|number| number.parse().ok()),
        list: std::env::var_os("COLOURSTREAM_POINTS").map(PathBuf::from),
    });

    static PASSED: AtomicU64 = AtomicU64::new(0);

    pub fn point(what: &'static str, path: &Path) {
        let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(list) = &SCRIPT.list {
            let opened = OpenOptions::new().create(true).append(true).open(list);
            // Only the test would miss it.
            let _listed =
                opened.and_then(|mut file| writeln!(file, "{number} {what} {}", path.display()));
        }
        if SCRIPT.kill_at == Some(number) {
            use rustix::process::{Signal, getpid, kill_process};
            let _gone = kill_process(getpid(), Signal::KILL);
            // The signal is on its way.
            loop {
                std::thread::park();
            }
        }
        #[cfg(test)]
        super::watch::point(what, path);
    }
}

/// Tests in one process watch a folder each.
#[cfg(test)]
pub mod watch {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex};

    type Watcher = Arc<dyn Fn(&'static str, &Path) + Send + Sync>;

    static WATCHERS: Mutex<Vec<(PathBuf, Watcher)>> = Mutex::new(Vec::new());

    /// Ends the watch when dropped.
    pub struct Watch(PathBuf);

    impl Drop for Watch {
        fn drop(&mut self) {
            WATCHERS
                .lock()
                .unwrap()
                .retain(|(folder, _)| *folder != self.0);
        }
    }

    /// Every point below `folder` is told to `watcher`.
    pub fn below(
        folder: &Path,
        watcher: impl Fn(&'static str, &Path) + Send + Sync + 'static,
    ) -> Watch {
        let mut watchers = WATCHERS.lock().unwrap();
        watchers.push((folder.to_owned(), Arc::new(watcher)));
        Watch(folder.to_owned())
    }

    pub(super) fn point(what: &'static str, path: &Path) {
        let told = |(folder, watcher): &(PathBuf, Watcher)| {
            path.starts_with(folder).then(|| Arc::clone(watcher))
        };
        let watchers: Vec<Watcher> = WATCHERS.lock().unwrap().iter().filter_map(told).collect();
        for watcher in watchers {
            watcher(what, path);
        }
    }
}
