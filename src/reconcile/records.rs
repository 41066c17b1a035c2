//! What the store says, read at one place before each look.

use std::collections::BTreeMap;

use crate::desired::ImagePin;
use crate::model::{Role, Room};
use crate::plan::ReplacementFailure;
use crate::store::{Store, StoreError};

/// All that a look needs to know of what was kept. Read whole or not at all:
/// a part that cannot be read is not an empty one. No rooms would take every
/// room off the air, no pins would replace containers, and a container that
/// nobody recorded as ours would be a stranger.
#[derive(Clone, Debug)]
pub(super) struct Records {
    pub rooms: Vec<Room>,
    pub pins: BTreeMap<String, ImagePin>,
    pub failures: BTreeMap<Role, ReplacementFailure>,
    /// Ids and marks of what we made.
    pub made: BTreeMap<String, Role>,
    /// Whether what is here may be of another store.
    pub doubted: bool,
}

impl Records {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            rooms: store.rooms()?,
            pins: store.pins()?,
            failures: store.failures()?,
            made: store.made()?,
            doubted: store.is_doubted()?,
        })
    }
}
