//! What every portal page is told, made once for all of them: with many pages
//! and rooms, a copy for each page would cost more than all else together.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::App;
use super::views::{JournalView, Point, room_view};
use crate::access::blocking;
use crate::model::{Id, Room};
use crate::status::Status;
use crate::store::JournalFilter;

/// Times pass without anybody's doing (a room opens, a viewer is gone): a board
/// is not older than this, whatever happened.
const AGE: Duration = Duration::from_secs(1);

/// Entries of the journal that a page may have missed at most.
const JOURNAL: u32 = 50;

/// The state of everything at one moment. Texts that did not change are the
/// same ones as on the board before.
#[derive(Debug)]
pub(super) struct Board {
    tick: u64,
    made: Instant,
    seen: Arc<Status>,
    /// The status, as it is sent.
    pub(super) status: Arc<str>,
    /// Every room that is not put away.
    pub(super) rooms: BTreeMap<Id, Told>,
    /// The newest entries, newest first.
    pub(super) journal: Vec<JournalView>,
    /// The newest point of the series.
    pub(super) point: Option<Point>,
    /// Rooms that were deleted, oldest first, each with its number.
    pub(super) gone: Vec<(u64, Arc<Room>)>,
}

/// One room.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) room: Arc<Room>,
    /// As it is sent.
    pub(super) text: Arc<str>,
}

/// Deleted rooms that a page may have missed at most.
const GONE: usize = 50;

/// The last board that was made, and what is nowhere else to be read any more.
#[derive(Debug, Default)]
pub(super) struct Boards {
    last: Mutex<Option<Arc<Board>>>,
    gone: std::sync::Mutex<Vec<(u64, Arc<Room>)>>,
}

impl Boards {
    /// A room is deleted for ever: the next board says so.
    pub(super) fn drop_room(&self, room: Arc<Room>) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let number = gone.last().map_or(1, |(number, _)| number + 1);
        if gone.len() == GONE {
            gone.remove(0);
        }
        gone.push((number, room));
    }

    fn gone(&self) -> Vec<(u64, Arc<Room>)> {
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The board of this moment: the last one, unless something changed.
    pub(super) async fn now(&self, app: &App) -> Arc<Board> {
        // Before anything else is read: what changes meanwhile makes another.
        let (tick, seen) = (*app.access.tick().borrow(), app.status());
        let mut last = self.last.lock().await;
        if let Some(board) = &*last
            && board.tick == tick
            && Arc::ptr_eq(&board.seen, &seen)
            && board.made.elapsed() < AGE
        {
            return Arc::clone(board);
        }
        let gone = self.gone();
        let store = Arc::clone(&app.store);
        let journal =
            blocking(move || store.journal(&JournalFilter::default(), None, JOURNAL)).await;
        let before = last.as_deref();
        let journal = match journal {
            Ok(entries) => entries.into_iter().map(JournalView::from).collect(),
            Err(_) => before.map_or_else(Vec::new, |board| board.journal.clone()),
        };
        let same = |text: String, before: Option<&Arc<str>>| match before {
            Some(before) if **before == *text => Arc::clone(before),
            _ => Arc::from(text),
        };
        let index = app.access.index();
        let rooms = index.rooms().filter_map(|room| {
            let text = serde_json::to_string(&room_view(app, room)).ok()?;
            let text = same(
                text,
                before.and_then(|board| Some(&board.rooms.get(&room.id)?.text)),
            );
            let room = Arc::clone(room);
            Some((room.id.clone(), Told { room, text }))
        });
        let rooms = rooms.collect();
        let status = serde_json::to_string(&*seen).unwrap_or_default();
        let board = Arc::new(Board {
            tick,
            made: Instant::now(),
            status: same(status, before.map(|board| &board.status)),
            seen,
            rooms,
            journal,
            point: app.stack.newest(),
            gone,
        });
        *last = Some(Arc::clone(&board));
        board
    }
}
