//! What only the loop's side can tell: a seam, so that this side never calls
//! the engine.

use std::future::Future;
use std::pin::Pin;

use futures_util::stream::BoxStream;

use super::views::{FileView, LogLine, Point, Series};
use crate::model::Role;

/// An answer that comes later.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Files, logs and figures of the stack.
pub trait Stack: Send + Sync {
    /// Rendered files against disk, without diffs.
    fn files(&self) -> Soon<'_, Vec<FileView>>;
    /// One of them, with its diff.
    fn file<'a>(&'a self, path: &'a str) -> Soon<'a, Option<FileView>>;
    /// The last lines of a container's log, redacted.
    fn logs(&self, role: Role, tail: u32) -> Soon<'_, Result<Vec<LogLine>, String>>;
    /// The same, and then its next lines as they come.
    fn follow(
        &self,
        role: Role,
        tail: u32,
    ) -> Soon<'_, Result<BoxStream<'static, LogLine>, String>>;
    /// The last hour in figures.
    fn series(&self) -> Series;
    /// The newest of them.
    fn newest(&self) -> Option<Point>;
}

/// Nothing to tell: for tests, and before the loop runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStack;

impl Stack for NoStack {
    fn files(&self) -> Soon<'_, Vec<FileView>> {
        Box::pin(async { Vec::new() })
    }

    fn file<'a>(&'a self, _: &'a str) -> Soon<'a, Option<FileView>> {
        Box::pin(async { None })
    }

    fn logs(&self, _: Role, _: u32) -> Soon<'_, Result<Vec<LogLine>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn follow(&self, _: Role, _: u32) -> Soon<'_, Result<BoxStream<'static, LogLine>, String>> {
        Box::pin(async { Err("there is no engine".to_owned()) })
    }

    fn series(&self) -> Series {
        Series::default()
    }

    fn newest(&self) -> Option<Point> {
        None
    }
}
