//! What the store says, read at one place before each look.

use std::collections::BTreeMap;

use crate::desired::{ImagePin, labels};
use crate::engine::{ContainerFacts, is_name_of};
use crate::model::{Role, Room};
use crate::plan::ReplacementFailure;
use crate::store::{Store, StoreError, marked};

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
}

impl Records {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            rooms: store.rooms()?,
            pins: store.pins()?,
            failures: store.failures()?,
            made: store.made()?,
        })
    }
}

/// PURE. Puts ids in the place of marks: a container whose making was begun and
/// whose id nobody lived to record is known by its mark. Of several with one
/// mark all but one are copies; ours has a name of its role. Answers marks, ids
/// and roles of those that were recognised.
pub fn recognise(
    made: &mut BTreeMap<String, Role>,
    instance: &str,
    containers: &[ContainerFacts],
) -> Vec<(String, String, Role)> {
    let mut found = Vec::new();
    for mark in containers
        .iter()
        .filter_map(|one| one.labels.get(labels::MARK))
    {
        let Some(role) = made.remove(&marked(mark)) else {
            continue;
        };
        let with_it = |one: &&ContainerFacts| one.labels.get(labels::MARK) == Some(mark);
        let named = |one: &&ContainerFacts| is_name_of(instance, role, &one.name);
        let ours = containers.iter().filter(with_it).find(named);
        if let Some(ours) = ours.or_else(|| containers.iter().find(with_it)) {
            found.push((mark.clone(), ours.id.clone(), role));
        }
    }
    made.extend(found.iter().map(|(_, id, role)| (id.clone(), *role)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::blank;

    #[test]
    fn a_copy_is_not_taken_for_what_was_made() {
        let one = |id: &str, name: &str| ContainerFacts {
            labels: BTreeMap::from([(labels::MARK.to_owned(), "m1".to_owned())]),
            ..blank(id, name)
        };
        let made = || BTreeMap::from([(marked("m1"), Role::Mirotalk)]);
        let known = |all: &[ContainerFacts]| -> Vec<String> {
            let mut made = made();
            recognise(&mut made, "cs", all);
            made.into_keys().collect()
        };
        // Whatever comes first, and whatever other name of ours a copy has.
        let (copy, next) = (one("a", "alike"), one("b", "cs-mirotalk.next"));
        assert_eq!(known(&[copy.clone(), next.clone()]), ["b"]);
        assert_eq!(known(&[one("c", "cs-traefik.prev"), next.clone()]), ["b"]);
        // Renamed meanwhile, and the only one: ours all the same.
        assert_eq!(known(&[copy]), ["a"]);
        assert_eq!(known(&[blank("d", "cs-mirotalk")]), [marked("m1")]);
    }
}
