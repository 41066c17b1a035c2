//! From text to [`Settings`], with everything that is wrong told at once.

mod conference;
mod hosts;
mod kept;
mod ports;
mod profiles;
mod reader;
mod tls;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use self::conference::conference;
use self::hosts::hosts;
pub(super) use self::hosts::is_local;
pub use self::kept::{KEPT, Kept};
use self::ports::ports;
use self::profiles::profiles;
use self::reader::{Read, Reader, Told};
use self::tls::tls;
use super::check::{self, Wrong};
use super::error::{Origin, SettingsError};
use super::keys;
use super::yaml::{self, Node, Path, Place};
use super::{Backup, EngineSettings, Flavour, Images, LogSettings, Mode, Reconcile, Settings};

/// More than this many at once help nobody.
const MOST_ERRORS: usize = 30;

/// A settings file is a page of text; beyond this it is another file.
const LARGEST_FILE: usize = 1 << 20;

/// Values from outside of the file, the strongest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    values: Vec<(Origin, &'static str, String)>,
    /// Variables that look like a known one.
    misspelt: Vec<(String, &'static str)>,
    /// Variables of our prefix that nobody knows.
    unknown: Vec<String>,
    /// What their relative paths are relative to.
    folder: PathBuf,
}

impl Overrides {
    /// Those of `variables` that set a key; an empty one counts as not set.
    /// Relative paths in them are relative to `folder`, the working folder.
    pub fn from_env(
        variables: impl IntoIterator<Item = (String, String)>,
        folder: impl Into<PathBuf>,
    ) -> Self {
        let mut overrides = Self {
            folder: folder.into(),
            ..Self::default()
        };
        for (name, value) in variables {
            let known = keys::VARIABLES
                .iter()
                .find(|(variable, _)| *variable == name);
            match known {
                Some((_, key)) if !value.trim().is_empty() => {
                    overrides.values.push((Origin::Variable(name), *key, value));
                }
                Some(_) => {}
                None if name.starts_with("COLOURSTREAM_") || name.starts_with("COLORSTREAM_") => {
                    let near = keys::VARIABLES
                        .iter()
                        .find(|(variable, _)| keys::distance(&name, variable) <= 2);
                    match near {
                        Some((variable, _)) => overrides.misspelt.push((name, *variable)),
                        None => overrides.unknown.push(name),
                    }
                }
                None => {}
            }
        }
        overrides
    }

    /// One sentence for each variable that looks like ours and sets nothing.
    pub fn without_effect(&self) -> impl Iterator<Item = String> {
        let known: Vec<&str> = keys::VARIABLES.iter().map(|(name, _)| *name).collect();
        let known = reader::list(&known);
        let sentence = move |name| format!("the variable `{name}` sets nothing; known are {known}");
        self.unknown.iter().map(sentence)
    }

    /// And an option of the command line, stronger than everything before.
    #[must_use]
    pub fn flag(mut self, flag: &str, key: &'static str, value: impl Into<String>) -> Self {
        self.values
            .push((Origin::Flag(flag.to_owned()), key, value.into()));
        self
    }
}

/// Reads and checks `text`, without looking at anything else: files that it
/// names need not exist. `source_name` stands in front of messages, and its
/// folder is what paths are relative to.
pub fn parse(text: &str, source_name: &str) -> Result<Settings, Vec<SettingsError>> {
    let folder = FilePath::new(source_name).parent();
    check_text(
        text,
        source_name,
        folder.unwrap_or(FilePath::new("")),
        &Overrides::default(),
        &|_, _| Ok(()),
    )
}

/// As [`load`] for a file at `path` that is still to be written and will hold
/// `text`: what it names need not be there yet.
pub fn preview(
    text: &str,
    path: &FilePath,
    overrides: &Overrides,
) -> Result<Settings, Vec<SettingsError>> {
    let whole_path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole_path.parent().unwrap_or(FilePath::new("/"));
    let name = path.display().to_string();
    check_text(text, &name, folder, overrides, &|_, _| Ok(()))
}

/// Reads the settings file at `path`, or none, under `overrides`, and checks
/// that the files it names are there. A file that is named has to exist.
/// Without one, paths are relative to the folder of `overrides`.
pub fn load(
    path: Option<&FilePath>,
    overrides: &Overrides,
) -> Result<Settings, Vec<SettingsError>> {
    match path {
        Some(path) => load_read(path, std::fs::read(path), overrides),
        None => check_text("", "", &overrides.folder, overrides, &is_there),
    }
}

/// As [`load`], of what was `read` at `path` just now.
pub fn load_read(
    path: &FilePath,
    read: std::io::Result<Vec<u8>>,
    overrides: &Overrides,
) -> Result<Settings, Vec<SettingsError>> {
    let name = path.display().to_string();
    let whole = |what: String, why: String, fix: &str| {
        vec![SettingsError {
            origin: Origin::Whole(name.clone()),
            key: String::new(),
            what,
            why,
            fix: fix.to_owned(),
        }]
    };
    let bytes = read.map_err(|error| {
        whole(
            "the settings file cannot be read".to_owned(),
            error.to_string(),
            "correct the path or the file's rights; without any file a local set-up is run",
        )
    })?;
    // So does one look that is being written: all defaults would be another
    // installation, on the same state folder.
    if bytes.trim_ascii().is_empty() {
        return Err(whole(
            "the settings file is empty".to_owned(),
            "it looks as if it were just being written".to_owned(),
            "write the settings into it, or `{}` for the defaults; without any file a local set-up is run",
        ));
    }
    if bytes.len() > LARGEST_FILE {
        return Err(whole(
            format!("the settings file has {} bytes", bytes.len()),
            "settings are a page of text; this is probably another file".to_owned(),
            "correct the path",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let good = good.unwrap_or_default();
        let last = good
            .rsplit(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        vec![SettingsError {
            origin: Origin::File {
                name: name.clone(),
                line: good.iter().filter(|byte| **byte == b'\n').count() + 1,
                column: last.len() + 1,
            },
            key: String::new(),
            what: "the file is not text in UTF-8".to_owned(),
            why: "a byte here belongs to no letter".to_owned(),
            fix: "save the file as UTF-8".to_owned(),
        }]
    })?;
    // The engine wants whole paths for what it mounts.
    let whole_path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole_path.parent().unwrap_or(FilePath::new("/"));
    check_text(&text, &name, folder, overrides, &is_there)
}

/// The state folder alone, whatever else is wrong: a running controller is
/// found by it, and so is what it kept. Nothing where `state` itself cannot be
/// understood.
pub fn state_folder(path: Option<&FilePath>, overrides: &Overrides) -> Option<PathBuf> {
    let key = Path::keys("state");
    let mut outside = overrides.values.iter().rev();
    if let Some((_, _, value)) = outside.find(|(_, key, _)| *key == "state") {
        return check::path(&overrides.folder)(&Node::Text(value.clone())).ok();
    }
    let (text, folder) = match path {
        None => (String::new(), overrides.folder.clone()),
        Some(path) => {
            let bytes = std::fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let whole_path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let folder = whole_path.parent().unwrap_or(FilePath::new("/"));
            (text, folder.to_owned())
        }
    };
    let tree = yaml::read(&text).or_else(|_| {
        // Where the rest is no YAML, its line still is.
        let line = text.lines().find(|line| line.starts_with("state:"));
        yaml::read(line.unwrap_or_default())
    });
    let tree = tree.ok()?;
    let node = match (tree.at(&key), keys::find(&key)?.default) {
        (Some(node), _) => node.clone(),
        (None, keys::Default::Value(default)) => yaml::read(default).ok()?,
        (None, _) => return None,
    };
    check::path(&folder)(&node).ok()
}

/// Whether a settings file with `text`, or `overrides`, name the hosts: if not,
/// they are those of a local set-up.
pub fn names_hosts(text: &str, overrides: &Overrides) -> bool {
    let is_outside = overrides.values.iter().any(|(_, key, _)| *key == "domain");
    is_outside
        || yaml::read(text).is_ok_and(|tree| {
            let mut names = ["domain", "hosts"].into_iter();
            names.any(|name| tree.at(&Path::keys(name)).is_some())
        })
}

/// What a path has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    File,
    Folder,
}

/// Whether what the settings name is there and can be read.
fn is_there(path: &FilePath, thing: Thing) -> Result<(), String> {
    let facts = std::fs::metadata(path).map_err(|error| error.to_string())?;
    match thing {
        Thing::Folder if facts.is_dir() => std::fs::read_dir(path).map(|_| ()),
        Thing::File if facts.is_file() => std::fs::File::open(path).map(|_| ()),
        Thing::Folder => return Err("it is not a folder".to_owned()),
        Thing::File => return Err("it is not a file".to_owned()),
    }
    .map_err(|error| error.to_string())
}

type Probe<'a> = &'a dyn Fn(&FilePath, Thing) -> Result<(), String>;

/// What is to be done about keys that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// Nobody would notice that they are without effect.
    Told,
    /// An older version knew them.
    Passed,
}

fn check_text(
    text: &str,
    source_name: &str,
    folder: &FilePath,
    overrides: &Overrides,
    probe: Probe<'_>,
) -> Result<Settings, Vec<SettingsError>> {
    understand(text, source_name, folder, overrides, probe, Unknown::Told)
}

fn understand(
    text: &str,
    source_name: &str,
    folder: &FilePath,
    overrides: &Overrides,
    probe: Probe<'_>,
    unknown: Unknown,
) -> Result<Settings, Vec<SettingsError>> {
    let shown_name = if source_name.is_empty() {
        "settings"
    } else {
        source_name
    };
    let mut tree = yaml::read(text).map_err(|(place, words)| {
        let place = place.unwrap_or_else(|| last_document(text));
        vec![not_yaml(text, shown_name, place, &words)]
    })?;
    spread_short_forms(&mut tree);

    let mut origins = BTreeMap::new();
    if matches!(tree, Node::Null | Node::Map(_)) {
        for (origin, key, value) in &overrides.values {
            let path: Vec<&str> = key.split('.').collect();
            tree.put(&path, Node::Text(value.clone()));
            origins.insert(Path::keys(key), origin.clone());
        }
    }
    let reader = Reader {
        tree: &tree,
        origins: &origins,
        folder,
        outside_folder: &overrides.folder,
        probe,
        problems: RefCell::default(),
        asked: RefCell::default(),
    };
    if unknown == Unknown::Told {
        reader.known_keys(&tree, &Path::default());
    }
    let settings = build(&reader);

    let mut problems = reader.problems.into_inner();
    let more = problems.len().saturating_sub(MOST_ERRORS);
    problems.truncate(MOST_ERRORS);
    let mut errors: Vec<SettingsError> = problems
        .into_iter()
        .map(|problem| problem.into_error(text, shown_name, &origins))
        .collect();
    errors.extend(overrides.misspelt.iter().map(|(name, near)| SettingsError {
        origin: Origin::Variable(name.clone()),
        key: String::new(),
        what: format!("the variable `{name}` sets nothing"),
        why: "no variable of this name is known".to_owned(),
        fix: format!("write `{near}`"),
    }));
    errors.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
    if more > 0
        && let Some(last) = errors.last_mut()
    {
        last.fix.push_str(&format!(" ({more} more are wrong)"));
    }
    match settings {
        Ok(settings) if errors.is_empty() => Ok(settings),
        _ if errors.is_empty() => Err(vec![SettingsError {
            origin: Origin::Whole(shown_name.to_owned()),
            key: String::new(),
            what: "the settings were not understood".to_owned(),
            why: "a check failed without words; this is a defect of ColourStream".to_owned(),
            fix: "report it with this file".to_owned(),
        }]),
        _ => Err(errors),
    }
}

/// A second document is the one error that serde_yaml gives no place.
fn last_document(text: &str) -> Place {
    let line = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("---"))
        .last()
        .map_or(0, |(index, _)| index);
    Place {
        line: line + 1,
        column: 1,
    }
}

fn not_yaml(text: &str, name: &str, place: Place, words: &str) -> SettingsError {
    let line = text.lines().nth(place.line.saturating_sub(1));
    let line = line.unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let fix = if line.get(..indent).unwrap_or_default().contains('\t') {
        "indent with spaces; YAML takes no tabs"
    } else if words.contains("more than one document") {
        "keep one document: remove this `---` and what belongs to the other"
    } else if words.contains("mapping values are not allowed") {
        "check the indentation, and put text that holds `: ` in quotes"
    } else if words.contains("anchor") {
        "put text that begins with `*` in quotes"
    } else if words.contains("cannot start any token") {
        "put text that begins with a sign such as `@` or a backtick in quotes"
    } else if words.contains("invalid type") {
        "write plain values, lists and keys only"
    } else {
        "check quotes, brackets and indentation here and in the line above"
    };
    SettingsError {
        origin: Origin::File {
            name: name.to_owned(),
            line: place.line,
            column: place.column,
        },
        key: String::new(),
        what: "this is not YAML".to_owned(),
        why: words.replace(
            "deserializing from YAML containing more than one document is not supported",
            "the file holds more than one document",
        ),
        fix: fix.to_owned(),
    }
}

/// `tls: off` becomes `tls: {mode: off}`, and `- live` `- name: live`.
fn spread_short_forms(tree: &mut Node) {
    let Node::Map(entries) = tree else { return };
    let wrap = |key: &str, node: &mut Node| {
        if matches!(
            node,
            Node::Text(_) | Node::Bool(_) | Node::Int(_) | Node::Float(_)
        ) {
            let value = std::mem::replace(node, Node::Null);
            *node = Node::Map(vec![(key.to_owned(), value)]);
        }
    };
    for (name, node) in entries {
        if let Some((_, key)) = keys::SHORT.iter().find(|(section, _)| section == name) {
            wrap(key, node);
        }
        if name == "profiles"
            && let Node::List(items) = node
        {
            items.iter_mut().for_each(|item| wrap("name", item));
        }
    }
}

fn build(r: &Reader<'_>) -> Read<Settings> {
    // Everything is read before anything is given up, so that all problems are
    // told at once.
    let hosts = hosts(r);
    let local = hosts.as_ref().is_ok_and(|hosts| is_local(&hosts.live));
    let tls = tls(r, local, hosts.as_ref().ok());
    let public_address = r.value("public_address", check::public_address);
    let conference = conference(r);
    let flavour = conference.as_ref().map(|conference| conference.flavour);
    let images = images(r, flavour.ok());
    let ports = ports(r, local, tls.as_ref().ok(), flavour.ok());
    let profiles = profiles(r);
    let engine = engine(r);
    let instance = r.value("instance", check::name(30));
    let state_path = Path::keys("state");
    let state = r.value_at(&state_path, check::path(r.base(&state_path)));
    let backup = backup(r);
    let templates_path = Path::keys("templates");
    let templates = r.given_at(&templates_path, check::path(r.base(&templates_path)));
    if let Ok(Some(folder)) = &templates {
        r.there(&templates_path, folder, Thing::Folder);
    }
    let reconcile = reconcile(r);
    let trusted_proxies = items(r, "trusted_proxies", |path| {
        r.given_at(path, check::cidr)
            .and_then(|cidr| cidr.ok_or(Told))
    });
    let log = log(r);
    Ok(Settings {
        hosts: hosts?,
        tls: tls?,
        public_address: public_address?,
        images: images?,
        ports: ports?,
        conference: conference?,
        profiles: profiles?,
        engine: engine?,
        instance: instance?,
        state: state?,
        backup: backup?,
        templates: templates?,
        reconcile: reconcile?,
        trusted_proxies: trusted_proxies?,
        log: log?,
    })
}

fn images(r: &Reader<'_>, flavour: Option<Flavour>) -> Read<Images> {
    let traefik = r.value("images.traefik", check::image);
    let ovenmediaengine = r.value("images.ovenmediaengine", check::image);
    let mirotalk = r.given("images.mirotalk", check::image);
    Ok(Images {
        traefik: traefik?,
        ovenmediaengine: ovenmediaengine?,
        mirotalk: mirotalk?.unwrap_or_else(|| {
            match flavour {
                Some(Flavour::P2p) => "mirotalk/p2p:1.9.11",
                _ => "mirotalk/sfu:2.3.77",
            }
            .to_owned()
        }),
    })
}

/// Reads each item of a list; the list's default where it is not given.
fn items<T>(r: &Reader<'_>, dotted: &str, mut read: impl FnMut(&Path) -> Read<T>) -> Read<Vec<T>> {
    let path = Path::keys(dotted);
    let length = r.value_at(&path, |node| match node {
        Node::List(items) => Ok(items.len()),
        _ => Err(Wrong::default()),
    })?;
    // All of them, then the first that failed.
    let items: Vec<Read<T>> = (0..length)
        .map(|index| path.item(index))
        .map(|path| read(&path))
        .collect();
    items.into_iter().collect()
}

fn engine(r: &Reader<'_>) -> Read<EngineSettings> {
    let address = r.value("engine.address", check::engine_address);
    let timeout = r.value(
        "engine.timeout",
        check::duration(Duration::from_secs(1), Duration::from_secs(600)),
    );
    let logins = r.file_at(&Path::keys("engine.logins"));
    Ok(EngineSettings {
        address: address?,
        timeout: timeout?,
        logins: logins?,
    })
}

fn reconcile(r: &Reader<'_>) -> Read<Reconcile> {
    let mode = r.value(
        "reconcile.mode",
        check::choice(&[
            ("heal", Mode::Heal),
            ("report", Mode::Report),
            ("paused", Mode::Paused),
        ]),
    );
    let sweep = r.value(
        "reconcile.sweep",
        check::duration(Duration::from_secs(1), Duration::from_secs(3600)),
    );
    Ok(Reconcile {
        mode: mode?,
        sweep: sweep?,
    })
}

fn backup(r: &Reader<'_>) -> Read<Backup> {
    let every = r.value("backup.every", |node| {
        check::or_off(
            node,
            check::duration(Duration::from_secs(60), Duration::from_secs(720 * 3600)),
        )
    });
    let keep = r.value("backup.keep", |node| check::number(node, 1, 1000));
    let folder_path = Path::keys("backup.folder");
    let folder = r.given_at(&folder_path, check::path(r.base(&folder_path)));
    let passphrase_file = r.file_at(&Path::keys("backup.passphrase_file"));
    Ok(Backup {
        every: every?,
        keep: usize::try_from(keep?).map_err(|_| Told)?,
        folder: folder?,
        passphrase_file: passphrase_file?,
    })
}

fn log(r: &Reader<'_>) -> Read<LogSettings> {
    let level = r.value("log.level", check::log_level);
    let json = r.value(
        "log.format",
        check::choice(&[("text", false), ("json", true)]),
    );
    Ok(LogSettings {
        level: level?,
        json: json?,
    })
}

#[cfg(test)]
mod tests;
