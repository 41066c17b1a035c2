//! Reads one value after another, and tells what is wrong where.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use super::{Probe, Thing};
use crate::settings::check::{self, Checked, Wrong};
use crate::settings::error::{Origin, SettingsError};
use crate::settings::keys::{self, Default as KeyDefault, Key, Nearest};
use crate::settings::yaml::{self, Node, Path, Place, Seek};

/// One problem before its place is known.
pub(super) struct Problem {
    path: Path,
    seek: Seek,
    what: String,
    why: String,
    fix: String,
}

impl Problem {
    pub(super) fn into_error(
        self,
        text: &str,
        name: &str,
        origins: &BTreeMap<Path, Origin>,
    ) -> SettingsError {
        let origin = origins.get(&self.path).cloned().unwrap_or_else(|| {
            let place = yaml::locate(text, &self.path, self.seek);
            let Place { line, column } = place.unwrap_or(Place { line: 1, column: 1 });
            Origin::File {
                name: name.to_owned(),
                line,
                column,
            }
        });
        SettingsError {
            origin,
            key: self.path.to_string(),
            what: self.what,
            why: self.why,
            fix: self.fix,
        }
    }
}

/// The problem has been told; there is no value to go on with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told;

pub(super) type Read<T> = Result<T, Told>;

pub(super) struct Reader<'a> {
    pub(super) tree: &'a Node,
    pub(super) origins: &'a BTreeMap<Path, Origin>,
    pub(super) folder: &'a FilePath,
    pub(super) outside_folder: &'a FilePath,
    pub(super) probe: Probe<'a>,
    pub(super) problems: RefCell<Vec<Problem>>,
    /// Keys that were asked for: a test compares them with the table.
    pub(super) asked: RefCell<BTreeSet<&'static str>>,
}

impl Reader<'_> {
    pub(super) fn tell(
        &self,
        path: &Path,
        seek: Seek,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Told {
        self.problems.borrow_mut().push(Problem {
            path: path.clone(),
            seek,
            what: what.into(),
            why: why.into(),
            fix: fix.into(),
        });
        Told
    }

    /// A problem of a value that fits by itself.
    pub(super) fn tell_value(
        &self,
        path: &Path,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Told {
        let seek = match self.tree.at(path) {
            Some(Node::Map(_) | Node::List(_)) => KEY,
            _ => Seek::Value,
        };
        self.tell(path, seek, what, why, fix)
    }

    pub(super) fn is_given(&self, dotted: &str) -> bool {
        self.tree.at(&Path::keys(dotted)).is_some()
    }

    pub(super) fn known(&self, path: &Path) -> Option<&'static Key> {
        let key = keys::find(path)?;
        self.asked.borrow_mut().insert(key.path);
        Some(key)
    }

    /// The value at `path` if it is given.
    pub(super) fn given_at<T>(
        &self,
        path: &Path,
        check: impl Fn(&Node) -> Checked<T>,
    ) -> Read<Option<T>> {
        let key = self.known(path);
        match self.tree.at(path) {
            None => Ok(None),
            Some(node) => check(node)
                .map(Some)
                .map_err(|wrong| self.tell_wrong(path, key, node, wrong)),
        }
    }

    pub(super) fn given<T>(
        &self,
        dotted: &str,
        check: impl Fn(&Node) -> Checked<T>,
    ) -> Read<Option<T>> {
        self.given_at(&Path::keys(dotted), check)
    }

    /// The value at `path`, or the default of the table.
    pub(super) fn value_at<T>(&self, path: &Path, check: impl Fn(&Node) -> Checked<T>) -> Read<T> {
        if let Some(value) = self.given_at(path, &check)? {
            return Ok(value);
        }
        let KeyDefault::Value(default) = self.known(path).ok_or(Told)?.default else {
            return Err(Told);
        };
        let node = yaml::read(default).map_err(|_| Told)?;
        check(&node).map_err(|_| Told)
    }

    pub(super) fn value<T>(&self, dotted: &str, check: impl Fn(&Node) -> Checked<T>) -> Read<T> {
        self.value_at(&Path::keys(dotted), check)
    }

    /// The value at `path`, which something else makes necessary.
    pub(super) fn needed_at<T>(
        &self,
        path: &Path,
        because: &str,
        check: impl Fn(&Node) -> Checked<T>,
    ) -> Read<T> {
        match self.given_at(path, check)? {
            Some(value) => Ok(value),
            None => {
                let key = keys::find(path);
                Err(self.tell_value(
                    path,
                    format!("`{path}` is missing"),
                    because,
                    key.map_or_else(String::new, |key| {
                        format!("add `{}: {}`", leaf(path), key.example)
                    }),
                ))
            }
        }
    }

    pub(super) fn needed<T>(
        &self,
        dotted: &str,
        because: &str,
        check: impl Fn(&Node) -> Checked<T>,
    ) -> Read<T> {
        self.needed_at(&Path::keys(dotted), because, check)
    }

    pub(super) fn tell_wrong(
        &self,
        path: &Path,
        key: Option<&Key>,
        node: &Node,
        wrong: Wrong,
    ) -> Told {
        let expects = key.map_or("another value", |key| key.expects);
        let example = key.map_or("", |key| key.example);
        let seek = match node {
            Node::Map(_) | Node::List(_) => KEY,
            _ => Seek::Value,
        };
        let written = match self.origins.get(path) {
            Some(origin) => format!("`{origin}={example}`"),
            None if leaf(path).is_empty() => format!("`- {example}`"),
            None => format!("`{}: {example}`", leaf(path)),
        };
        let (what, why) = match wrong.why {
            Some(why) => (format!("`{path}` is {node}; expected {expects}"), why),
            None => (format!("`{path}` is {node}"), format!("expected {expects}")),
        };
        self.tell(
            path,
            seek,
            what,
            why,
            wrong
                .fix
                .unwrap_or_else(|| format!("write for example {written}")),
        )
    }

    /// Tells of every key that is unknown, given twice, or holds a value where
    /// a group belongs.
    pub(super) fn known_keys(&self, node: &Node, path: &Path) {
        let below = keys::below(path);
        match node {
            Node::Map(entries) if !below.is_empty() => {
                let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
                for (name, value) in entries {
                    let occurrence = seen.entry(name).or_default();
                    let at = path.key(name);
                    let seek = Seek::Key {
                        occurrence: *occurrence,
                    };
                    *occurrence += 1;
                    if *occurrence > 1 {
                        self.tell(
                            &at,
                            seek,
                            format!("`{at}` is given twice"),
                            "only one of the two values could count",
                            "remove one of them",
                        );
                    } else if below.contains(&name.as_str()) || below.contains(&"*") {
                        self.known_keys(value, &at);
                    } else {
                        self.tell_unknown(path, name, &at, seek, &below);
                    }
                }
            }
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.known_keys(item, &path.item(index));
                }
                self.not_a_group(node, path, &below);
            }
            Node::Null => {}
            _ => self.not_a_group(node, path, &below),
        }
    }

    pub(super) fn not_a_group(&self, node: &Node, path: &Path, below: &[&str]) {
        // Items of `profiles` are told by their own reader.
        if below.is_empty() || keys::find(path).is_some_and(|key| key.path.ends_with("[]")) {
            return;
        }
        let subject = if path.0.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{path}`")
        };
        self.tell(
            path,
            if path.0.is_empty() { Seek::Value } else { KEY },
            format!("{subject} is {node}; expected a group of keys"),
            "it has values below it, by name",
            match below {
                ["*"] => "write one indented line `NAME: value` for each below it".to_owned(),
                below if path.0.is_empty() => {
                    format!(
                        "write lines such as `domain: review.example.com`; known are {}",
                        list(below)
                    )
                }
                below => format!(
                    "write indented lines `key: value`; known are {}",
                    list(below)
                ),
            },
        );
    }

    pub(super) fn tell_unknown(
        &self,
        path: &Path,
        name: &str,
        at: &Path,
        seek: Seek,
        below: &[&str],
    ) {
        let shown = yaml::quoted(&at.to_string());
        let fix = match keys::nearest(path, name) {
            Some(Nearest::Here(near)) => {
                format!("write `{near}`, if that was meant; or remove the line")
            }
            Some(Nearest::Below(section, key)) => {
                format!("write it as `{key}:`, indented below `{section}:`")
            }
            None => format!("remove it; known here are {}", list(below)),
        };
        self.tell(
            at,
            seek,
            format!("{shown} is not a key of the settings"),
            "a key that is not known would be without effect, and nobody would notice",
            fix,
        );
    }

    /// What the paths of this key are relative to.
    pub(super) fn base(&self, path: &Path) -> &FilePath {
        if self.origins.contains_key(path) {
            self.outside_folder
        } else {
            self.folder
        }
    }

    /// Tells if what a key names is not there.
    pub(super) fn there(&self, path: &Path, file: &FilePath, thing: Thing) {
        if let Err(reason) = (self.probe)(file, thing) {
            let kind = match thing {
                Thing::File => "file",
                Thing::Folder => "folder",
            };
            self.tell_value(
                path,
                format!("`{path}` names a {kind} that cannot be read: {}", file.display()),
                reason,
                format!("put the {kind} there, or correct the path; inside a container only what is mounted is seen"),
            );
        }
    }

    pub(super) fn file_at(&self, path: &Path) -> Read<Option<PathBuf>> {
        let file = self.given_at(path, check::path(self.base(path)))?;
        if let Some(file) = &file {
            self.there(path, file, Thing::File);
        }
        Ok(file)
    }

    pub(super) fn needed_file(&self, dotted: &str, because: &str) -> Read<PathBuf> {
        let path = Path::keys(dotted);
        let file = self.needed_at(&path, because, check::path(self.base(&path)))?;
        self.there(&path, &file, Thing::File);
        Ok(file)
    }
}

pub(super) const KEY: Seek = Seek::Key { occurrence: 0 };

/// The last key of a path; nothing for an item.
pub(super) fn leaf(path: &Path) -> &str {
    match path.0.last() {
        Some(yaml::Step::Key(key)) => key,
        _ => "",
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

pub(super) fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
