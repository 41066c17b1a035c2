//! Where a kill may strike. Every write, rename, link, removal and commit says
//! that it was done, so that a test can end everything right there and look at
//! what is left. In a release none of it exists.
//!
//! `COLOURSTREAM_KILL_AT=7` ends a debug build at its seventh point as
//! `kill -9` would; `COLOURSTREAM_STOP_AT=7` stops it there as SIGSTOP does, so
//! that a test can make the next write fail (a full disk) and let it go on;
//! `COLOURSTREAM_POINTS=<file>` lists the points it passed.

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
        stop_at: Option<u64>,
        list: Option<PathBuf>,
    }

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok()?.parse().ok()
    }

    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script {
        kill_at: number("COLOURSTREAM_KILL_AT"),
        stop_at: number("COLOURSTREAM_STOP_AT"),
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
        use rustix::process::{Signal, getpid, kill_process};
        if SCRIPT.stop_at == Some(number) {
            // Goes on here once somebody says so.
            let _stopped = kill_process(getpid(), Signal::STOP);
        }
        if SCRIPT.kill_at == Some(number) {
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
