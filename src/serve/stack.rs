//! What only the loop's side can tell the portal: files against disk, logs,
//! figures. Redacted before it leaves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use similar::TextDiff;
use tokio::sync::watch;

use crate::access::Access;
use crate::desired::{FileKind, FileSpec};
use crate::disk::Disk;
use crate::engine::DockerEngine;
use crate::http::{FileView, LogLine, Point, Series, Soon, Stack};
use crate::model::Role;
use crate::plan::FileState;
use crate::reconcile::Scene;
use crate::render::{hidden, readable};
use crate::status::Status;

/// One point every ten seconds, an hour of them.
const EVERY: Duration = Duration::from_secs(10);
const POINTS: usize = 360;

/// See the module.
pub(super) struct LiveStack {
    engine: Arc<DockerEngine>,
    disk: Arc<Disk>,
    scene: watch::Receiver<Arc<Scene>>,
    status: watch::Receiver<Arc<Status>>,
    series: Arc<Mutex<VecDeque<Point>>>,
}

impl LiveStack {
    pub fn new(
        engine: Arc<DockerEngine>,
        disk: Arc<Disk>,
        scene: watch::Receiver<Arc<Scene>>,
        status: watch::Receiver<Arc<Status>>,
    ) -> Self {
        Self {
            engine,
            disk,
            scene,
            status,
            series: Arc::default(),
        }
    }

    /// Takes down a point every ten seconds, for ever.
    pub fn series_task(&self, access: Arc<Access>) -> impl Future<Output = ()> + Send + 'static {
        let (series, status) = (Arc::clone(&self.series), self.status.clone());
        async move {
            let mut due = tokio::time::interval(EVERY);
            loop {
                due.tick().await;
                let (viewers, bitrate) = access.live(|live| live.totals(access.now()));
                let took = status.borrow().took_ms;
                let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
                if series.len() == POINTS {
                    series.pop_front();
                }
                series.push_back(Point {
                    at: access.now(),
                    viewers: f64::from(viewers),
                    bitrate,
                    reconcile_ms: took,
                });
            }
        }
    }

    fn view(&self, file: &FileSpec, with_diff: bool) -> FileView {
        let on_disk = self.disk.read(&file.path).unwrap_or_default();
        let state = if on_disk == file.bytes {
            "same"
        } else if on_disk.is_empty() {
            "missing"
        } else {
            "differs"
        };
        let diff = with_diff.then(|| {
            let (old, new) = (readable(file, &on_disk), readable(file, &file.bytes));
            TextDiff::from_lines(&old, &new)
                .unified_diff()
                .context_radius(3)
                .to_string()
        });
        let (FileKind::Identity(role) | FileKind::Watched(role)) = file.kind;
        FileView {
            path: file.path.display().to_string(),
            state: state.to_owned(),
            role: Some(role),
            diff,
        }
    }

    fn container(&self, role: Role) -> Option<String> {
        self.scene
            .borrow()
            .target
            .as_ref()
            .map(|target| target.container_name(role))
    }

    fn lines(
        &self,
        role: Role,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, String> {
        let name = self
            .container(role)
            .ok_or("nothing has been looked at yet")?;
        let lines = self
            .engine
            .said(&name, tail, follow)
            .map(move |line| match line {
                Ok(line) => LogLine {
                    at: line.at,
                    stream: if line.is_error { "stderr" } else { "stdout" }.to_owned(),
                    text: hidden(&line.text),
                },
                Err(error) => LogLine {
                    at: None,
                    stream: "stderr".to_owned(),
                    text: error.to_string(),
                },
            });
        Ok(lines.boxed())
    }
}

impl Stack for LiveStack {
    fn files(&self) -> Soon<'_, Vec<FileView>> {
        Box::pin(async move {
            let Some(target) = self.scene.borrow().target.clone() else {
                return Vec::new();
            };
            let mut files: Vec<FileView> = target
                .files
                .iter()
                .map(|file| self.view(file, false))
                .collect();
            for (path, facts) in self.disk.scan().unwrap_or_default() {
                let known = target.files.iter().any(|file| file.path == path);
                if !known && matches!(facts.state, FileState::File(_)) {
                    files.push(FileView {
                        path: path.display().to_string(),
                        state: "foreign".to_owned(),
                        role: None,
                        diff: None,
                    });
                }
            }
            files
        })
    }

    fn file<'a>(&'a self, path: &'a str) -> Soon<'a, Option<FileView>> {
        Box::pin(async move {
            let target = self.scene.borrow().target.clone()?;
            let file = target
                .files
                .iter()
                .find(|file| file.path.as_os_str() == path)?;
            Some(self.view(file, true))
        })
    }

    fn logs(&self, role: Role, tail: u32) -> Soon<'_, Result<Vec<LogLine>, String>> {
        Box::pin(async move { Ok(self.lines(role, tail, false)?.collect().await) })
    }

    fn follow(
        &self,
        role: Role,
        tail: u32,
    ) -> Soon<'_, Result<BoxStream<'static, LogLine>, String>> {
        Box::pin(async move { self.lines(role, tail, true) })
    }

    fn series(&self) -> Series {
        let points = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let column = |of: fn(&Point) -> f64| points.iter().map(|point| Some(of(point))).collect();
        Series {
            at: points.back().map(|point| point.at),
            viewers: column(|point| point.viewers),
            bitrate: column(|point| point.bitrate),
            reconcile_ms: column(|point| point.reconcile_ms),
        }
    }

    fn newest(&self) -> Option<Point> {
        let points = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        points.back().copied()
    }
}
