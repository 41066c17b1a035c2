//! YAML as a tree, and where in the text each part of it stands.
//!
//! The tree is read by serde_yaml. It tells positions only in errors, so that
//! is how they are asked for: [`locate`] reads the text again and stops with
//! an error at the part that is sought. What it finds is exact for every way
//! of writing YAML, since the same parser looks twice.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::disrupts;

/// A part of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Nothing: an empty file, a key without a value, `null`, `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values as written, those given twice included.
    Map(Vec<(String, Node)>),
}

/// One step from the top of the file downwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an item of a list.
    Item(usize),
}

/// The way from the top of the file to a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(pub Vec<Step>);

/// A place in the text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

/// What is sought at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    /// Where the value begins.
    Value,
    /// Where the key stands that is the path's last step, counted from 0 among
    /// those of the same name.
    Key { occurrence: usize },
}

/// Reads `text` as one YAML document.
pub(super) fn read(text: &str) -> Result<Node, (Option<Place>, String)> {
    if is_blank(text) {
        return Ok(Node::Null);
    }
    serde_yaml::Deserializer::from_str(text)
        .deserialize_any(Tree)
        .map_err(|error| {
            let place = place_of(&error);
            (place, without_place(&error.to_string()))
        })
}

/// Where the part at `path` stands, or the nearest part above it that exists.
pub(super) fn locate(text: &str, path: &Path, seek: Seek) -> Option<Place> {
    if is_blank(text) {
        return None;
    }
    let left = match seek {
        Seek::Value => 0,
        Seek::Key { occurrence } => occurrence,
    };
    let seeker = Seeker {
        steps: &path.0,
        seek,
        left: &Cell::new(left),
    };
    let found = seeker
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()
        .and_then(|error| place_of(&error));
    // Something else was wrong before it, or the part is not there.
    if found.is_some() {
        return found;
    }
    let mut above = path.clone();
    above.0.pop()?;
    // A section in its short form has one value and nothing below it.
    let is_group =
        read(text).is_ok_and(|tree| matches!(tree.at(&above), Some(Node::Map(_) | Node::List(_))));
    let seek = match above.0.last() {
        Some(Step::Key(_)) if is_group => Seek::Key { occurrence: 0 },
        _ => Seek::Value,
    };
    locate(text, &above, seek)
}

/// serde_yaml calls a file of comments an error; for us it sets nothing.
fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}

fn place_of(error: &serde_yaml::Error) -> Option<Place> {
    error.location().map(|location| Place {
        line: location.line(),
        column: location.column(),
    })
}

/// The parser's words without the first place in them: it stands in front of
/// our own message.
fn without_place(message: &str) -> String {
    let mut words = message.to_owned();
    if let Some(at) = words.find(" at line ") {
        let rest = words.split_off(at);
        // "… at line 3 column 1, while parsing a block mapping at line 2 …"
        if let Some((_, more)) = rest.split_once(", ") {
            words = format!("{words}, {more}");
        }
    }
    words
}

impl Node {
    /// The value of the last `key` of that name; earlier ones are reported as
    /// given twice anyway.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(entries) => entries
                .iter()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The part at `path`, if it is there and is not nothing.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.0
            .iter()
            .try_fold(self, |node, step| match (step, node) {
                (Step::Key(key), node) => node.get(key),
                (Step::Item(index), Node::List(items)) => items.get(*index),
                (Step::Item(_), _) => None,
            })
            .filter(|node| **node != Node::Null)
    }

    /// Puts `value` at the keys of `path`, making what is missing on the way.
    pub fn put(&mut self, path: &[&str], value: Node) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Node::Map(_)) {
            *self = Node::Map(Vec::new());
        }
        if let Node::Map(entries) = self {
            match entries.iter().rposition(|(name, _)| name == key) {
                Some(index) => {
                    if let Some((_, below)) = entries.get_mut(index) {
                        below.put(rest, value);
                    }
                }
                None => {
                    let mut below = Node::Null;
                    below.put(rest, value);
                    entries.push(((*key).to_owned(), below));
                }
            }
        }
    }
}

/// How a message shows what was found; never long.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Null => f.write_str("nothing"),
            Node::Bool(value) => write!(f, "`{value}`"),
            Node::Int(value) => write!(f, "`{value}`"),
            Node::Float(value) => write!(f, "`{value}`"),
            Node::Text(text) if text.is_empty() => f.write_str("an empty text"),
            Node::Text(text) => f.write_str(&quoted(text)),
            Node::List(_) => f.write_str("a list"),
            Node::Map(_) => f.write_str("a group of keys"),
        }
    }
}

/// Text between backticks, cut where it gets long, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .map(|letter| if disrupts(letter) { '\u{fffd}' } else { letter })
        .collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

impl Path {
    /// The path of dotted keys.
    pub fn keys(dotted: &str) -> Self {
        Self(
            dotted
                .split('.')
                .map(|key| Step::Key(key.to_owned()))
                .collect(),
        )
    }

    /// The same path and one key further.
    pub fn key(&self, key: &str) -> Self {
        self.and(Step::Key(key.to_owned()))
    }

    /// The same path and one item further.
    pub fn item(&self, index: usize) -> Self {
        self.and(Step::Item(index))
    }

    fn and(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }

    /// With every item as `[]`, as in the table of keys.
    pub fn pattern(&self) -> String {
        self.write(|_| "[]".to_owned())
    }

    fn write(&self, item: impl Fn(usize) -> String) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Step::Item(index) => text.push_str(&item(*index)),
            }
        }
        text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(|index| format!("[{index}]")))
    }
}

/// Builds a [`Node`].
struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain YAML without tags")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        i128::try_from(value)
            .map(Node::Int)
            .map_err(|_| E::custom("a number too large for anything here"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Tree)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(KeyName)? {
            map.push((key, entries.next_value_seed(Tree)?));
        }
        Ok(Node::Map(map))
    }
}

/// Reads a key as text, whatever it looks like.
struct KeyName;

impl<'de> DeserializeSeed<'de> for KeyName {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyName {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// Walks down `steps` and stops with an error at their end.
#[derive(Clone, Copy)]
struct Seeker<'a> {
    steps: &'a [Step],
    seek: Seek,
    /// How many keys of the sought name are still to be passed.
    left: &'a Cell<usize>,
}

/// The error by which a [`Seeker`] stops; its words are never shown.
fn here<E: de::Error>() -> E {
    E::custom("here")
}

impl<'de> DeserializeSeed<'de> for Seeker<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seeker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            return Err(here());
        };
        let mut index = 0;
        loop {
            let more = if *step == Step::Item(index) {
                items.next_element_seed(Seeker {
                    steps: rest,
                    ..self
                })?
            } else {
                items.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            return Err(here());
        };
        let wanted = |key: &str| matches!(step, Step::Key(name) if name == key);
        let key_is_sought = rest.is_empty() && self.seek != Seek::Value;
        loop {
            let key = if key_is_sought {
                entries.next_key_seed(KeyStop {
                    wanted: &wanted,
                    left: self.left,
                })?
            } else {
                entries.next_key_seed(KeyName)?
            };
            match key {
                None => return Ok(()),
                Some(key) if wanted(&key) && !key_is_sought => {
                    entries.next_value_seed(Seeker {
                        steps: rest,
                        ..self
                    })?;
                }
                Some(_) => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
    }
}

impl Seeker<'_> {
    fn scalar<E: de::Error>(self) -> Result<(), E> {
        if self.steps.is_empty() {
            Err(here())
        } else {
            Ok(())
        }
    }
}

/// Reads a key and stops at the one that is sought.
struct KeyStop<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for KeyStop<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyStop<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if (self.wanted)(key) {
            match self.left.get() {
                0 => return Err(here()),
                left => self.left.set(left - 1),
            }
        }
        Ok(key.to_owned())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
domain: example.com
ports: {http: 80, https: 443}   # flow
\"tls\":
  email: >-
    ops@example.com
  dns:
    secrets:
      TOKEN: ./token
profiles:
  - live
  - name: grade
    segment: 1s
domain: twice.example
";

    fn value(path: Path) -> (usize, usize) {
        let place = locate(TEXT, &path, Seek::Value).unwrap();
        (place.line, place.column)
    }

    fn key(path: Path, occurrence: usize) -> (usize, usize) {
        let place = locate(TEXT, &path, Seek::Key { occurrence }).unwrap();
        (place.line, place.column)
    }

    #[test]
    fn finds_values_in_every_way_of_writing() {
        assert_eq!(value(Path::keys("domain")), (2, 9));
        assert_eq!(value(Path::keys("ports.https")), (3, 26));
        assert_eq!(value(Path::keys("tls.email")), (5, 10));
        assert_eq!(value(Path::keys("tls.dns.secrets.TOKEN")), (9, 14));
        assert_eq!(value(Path::keys("profiles").item(0)), (11, 5));
        assert_eq!(
            value(Path::keys("profiles").item(1).key("segment")),
            (13, 14)
        );
    }

    #[test]
    fn finds_keys_and_their_repetition() {
        assert_eq!(key(Path::keys("domain"), 0), (2, 1));
        assert_eq!(key(Path::keys("domain"), 1), (14, 1));
        assert_eq!(key(Path::keys("tls"), 0), (4, 1));
        assert_eq!(key(Path::keys("ports.https"), 0), (3, 19));
    }

    #[test]
    fn what_is_not_there_is_found_at_the_part_above() {
        assert_eq!(value(Path::keys("tls.dns.provider")), (7, 3));
        assert_eq!(value(Path::keys("tls.email.more")), (5, 10));
        assert_eq!(value(Path::keys("profiles").item(7)), (10, 1));
    }

    #[test]
    fn comments_alone_are_an_empty_file() {
        for text in ["", "\n\n", "# only\n", "---\n# only\n...\n", "\u{feff}"] {
            assert_eq!(read(text).unwrap(), Node::Null);
            assert_eq!(locate(text, &Path::keys("a"), Seek::Value), None);
        }
    }

    #[test]
    fn keys_that_look_like_numbers_are_text() {
        let tree = read("8080: yes\ntrue: 1\n").unwrap();
        assert_eq!(tree.get("8080"), Some(&Node::Text("yes".into())));
        assert_eq!(tree.get("true"), Some(&Node::Int(1)));
    }
}
