//! Closing is real: what has to end elsewhere when a room's right to be live
//! ends, as values; and the hand that does it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::index::Open;
use crate::model::{Id, StreamName};

/// Something that has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which room, where it still exists.
    pub room: Option<Id>,
    /// OvenMediaEngine's application.
    pub profile: String,
    /// OvenMediaEngine's stream and MiroTalk's room.
    pub stream: StreamName,
    /// Whether the picture ends.
    pub picture: bool,
    /// Whether the call ends.
    pub call: bool,
    /// Its cause, as a clause.
    pub why: &'static str,
}

/// An answer that comes later.
pub type Later<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Ends things in the services. What is not there any more is done.
pub trait Cutter: Send + Sync {
    /// Ends a stream: publisher and viewers.
    fn delete_stream<'a>(&'a self, profile: &'a str, stream: &'a StreamName) -> Later<'a>;
    /// Ends a call.
    fn end_meeting<'a>(&'a self, stream: &'a StreamName) -> Later<'a>;
}

impl fmt::Debug for dyn Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cutter")
    }
}

/// What has to end between what was open and what is.
pub(super) fn between(
    was: &BTreeMap<StreamName, Open>,
    is: &BTreeMap<StreamName, Open>,
) -> Vec<Cut> {
    was.iter()
        .filter_map(|(stream, old)| {
            let (call, why) = match is.get(stream) {
                None if is.values().any(|open| open.room == old.room) => {
                    (true, "the room has another stream now")
                }
                None => (true, "the room is not open any more"),
                Some(new) if new.profile != old.profile => {
                    (false, "the room has another profile now")
                }
                // The encoder that is live came in by the old key.
                Some(new) if new.key != old.key => (false, "the room has another stream key now"),
                Some(_) => return None,
            };
            Some(Cut {
                room: Some(old.room.clone()),
                profile: old.profile.clone(),
                stream: stream.clone(),
                picture: true,
                call,
                why,
            })
        })
        .collect()
}

/// How often a cut is tried, and how long apart: OvenMediaEngine or MiroTalk
/// may be busy; while one is away nothing of it is live, and the next look
/// finds what it missed.
const TRIES: [u64; 4] = [0, 100, 300, 900];

/// Ends the picture and the call at the same time.
pub(super) async fn perform(cutter: Arc<dyn Cutter>, cut: &Cut) {
    let picture = async {
        for wait in TRIES.into_iter().filter(|_| cut.picture) {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            match cutter.delete_stream(&cut.profile, &cut.stream).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(stream = %cut.stream, profile = cut.profile, error, "the stream could not be ended")
                }
            }
        }
    };
    let call = async {
        for wait in TRIES.into_iter().filter(|_| cut.call) {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            match cutter.end_meeting(&cut.stream).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(stream = %cut.stream, error, "the call could not be ended")
                }
            }
        }
    };
    tokio::join!(picture, call);
    tracing::info!(room = cut.room.as_ref().map(tracing::field::display), stream = %cut.stream, why = cut.why, "cut");
}
