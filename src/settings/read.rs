//! From text to [`Settings`], with everything that is wrong told at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use super::check::{self, Checked, Wrong};
use super::error::{Origin, SettingsError};
use super::keys::{self, Default as KeyDefault, Key, Nearest};
use super::yaml::{self, Node, Path, Place, Seek};
use super::{
    Acme, AcmeChallenge, Backup, Conference, EngineSettings, Flavour, Hosts, Images, LogSettings,
    Mode, PortRange, Ports, Profile, PublicScheme, Reconcile, Settings, Tls, Turn,
};

/// More than this many at once help nobody.
const MOST_ERRORS: usize = 30;

/// A settings file is a page of text; beyond this it is another file.
const LARGEST_FILE: usize = 1 << 20;

/// Names that are no profile: the two hosts have pages there.
pub const RESERVED_PROFILES: &[&str] = &[
    "admin",
    "api",
    "assets",
    "auth",
    "config-generation",
    "cs",
    "events",
    "help",
    "hook",
    "hooks",
    "internal",
    "join",
    "left",
    "livez",
    "login",
    "logout",
    "metrics",
    "new",
    "openapi",
    "ping",
    "readyz",
    "room",
    "rooms",
    "settings",
    "setup",
    "stack",
    "static",
    "status",
    "video",
    "watch",
    "well-known",
];

/// Values from outside of the file, the strongest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    values: Vec<(Origin, &'static str, String)>,
    /// Variables that look like a known one.
    misspelt: Vec<(String, &'static str)>,
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
                    if let Some((variable, _)) = near {
                        overrides.misspelt.push((name, *variable));
                    }
                }
                None => {}
            }
        }
        overrides
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
    let Some(path) = path else {
        return check_text("", "", &overrides.folder, overrides, &is_there);
    };
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
    let bytes = std::fs::read(path).map_err(|error| {
        whole(
            "the settings file cannot be read".to_owned(),
            error.to_string(),
            "correct the path or the file's rights; without any file a local set-up is run",
        )
    })?;
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

fn check_text(
    text: &str,
    source_name: &str,
    folder: &FilePath,
    overrides: &Overrides,
    probe: Probe<'_>,
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
    reader.known_keys(&tree, &Path::default());
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

/// One problem before its place is known.
struct Problem {
    path: Path,
    seek: Seek,
    what: String,
    why: String,
    fix: String,
}

impl Problem {
    fn into_error(self, text: &str, name: &str, origins: &BTreeMap<Path, Origin>) -> SettingsError {
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
struct Told;

type Read<T> = Result<T, Told>;

struct Reader<'a> {
    tree: &'a Node,
    origins: &'a BTreeMap<Path, Origin>,
    folder: &'a FilePath,
    outside_folder: &'a FilePath,
    probe: Probe<'a>,
    problems: RefCell<Vec<Problem>>,
    /// Keys that were asked for: a test compares them with the table.
    asked: RefCell<BTreeSet<&'static str>>,
}

impl Reader<'_> {
    fn tell(
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
    fn tell_value(
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

    fn is_given(&self, dotted: &str) -> bool {
        self.tree.at(&Path::keys(dotted)).is_some()
    }

    fn known(&self, path: &Path) -> Option<&'static Key> {
        let key = keys::find(path)?;
        self.asked.borrow_mut().insert(key.path);
        Some(key)
    }

    /// The value at `path` if it is given.
    fn given_at<T>(&self, path: &Path, check: impl Fn(&Node) -> Checked<T>) -> Read<Option<T>> {
        let key = self.known(path);
        match self.tree.at(path) {
            None => Ok(None),
            Some(node) => check(node)
                .map(Some)
                .map_err(|wrong| self.tell_wrong(path, key, node, wrong)),
        }
    }

    fn given<T>(&self, dotted: &str, check: impl Fn(&Node) -> Checked<T>) -> Read<Option<T>> {
        self.given_at(&Path::keys(dotted), check)
    }

    /// The value at `path`, or the default of the table.
    fn value_at<T>(&self, path: &Path, check: impl Fn(&Node) -> Checked<T>) -> Read<T> {
        if let Some(value) = self.given_at(path, &check)? {
            return Ok(value);
        }
        let KeyDefault::Value(default) = self.known(path).ok_or(Told)?.default else {
            return Err(Told);
        };
        let node = yaml::read(default).map_err(|_| Told)?;
        check(&node).map_err(|_| Told)
    }

    fn value<T>(&self, dotted: &str, check: impl Fn(&Node) -> Checked<T>) -> Read<T> {
        self.value_at(&Path::keys(dotted), check)
    }

    /// The value at `path`, which something else makes necessary.
    fn needed_at<T>(
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

    fn needed<T>(
        &self,
        dotted: &str,
        because: &str,
        check: impl Fn(&Node) -> Checked<T>,
    ) -> Read<T> {
        self.needed_at(&Path::keys(dotted), because, check)
    }

    fn tell_wrong(&self, path: &Path, key: Option<&Key>, node: &Node, wrong: Wrong) -> Told {
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
    fn known_keys(&self, node: &Node, path: &Path) {
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

    fn not_a_group(&self, node: &Node, path: &Path, below: &[&str]) {
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

    fn tell_unknown(&self, path: &Path, name: &str, at: &Path, seek: Seek, below: &[&str]) {
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
    fn base(&self, path: &Path) -> &FilePath {
        if self.origins.contains_key(path) {
            self.outside_folder
        } else {
            self.folder
        }
    }

    /// Tells if what a key names is not there.
    fn there(&self, path: &Path, file: &FilePath, thing: Thing) {
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

    fn file_at(&self, path: &Path) -> Read<Option<PathBuf>> {
        let file = self.given_at(path, check::path(self.base(path)))?;
        if let Some(file) = &file {
            self.there(path, file, Thing::File);
        }
        Ok(file)
    }

    fn needed_file(&self, dotted: &str, because: &str) -> Read<PathBuf> {
        let path = Path::keys(dotted);
        let file = self.needed_at(&path, because, check::path(self.base(&path)))?;
        self.there(&path, &file, Thing::File);
        Ok(file)
    }
}

const KEY: Seek = Seek::Key { occurrence: 0 };

/// The last key of a path; nothing for an item.
fn leaf(path: &Path) -> &str {
    match path.0.last() {
        Some(yaml::Step::Key(key)) => key,
        _ => "",
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
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

fn hosts(r: &Reader<'_>) -> Read<Hosts> {
    let live = r.given("hosts.live", check::host);
    let admin = r.given("hosts.admin", check::host);
    let video = r.given("hosts.video", check::host);
    let domain = match (&live, r.is_given("domain")) {
        // The names below follow the only name that is given.
        (Ok(Some(live)), false) => Ok(live.clone()),
        _ => r.value("domain", check::host),
    };
    let (domain, live, admin, video) = (domain?, live?, admin?, video?);
    let hosts = Hosts {
        live: live.unwrap_or_else(|| domain.clone()),
        admin: admin.unwrap_or_else(|| format!("admin.{domain}")),
        video: video.unwrap_or_else(|| format!("video.{domain}")),
    };
    let given = |keys: [&str; 3]| {
        let found = keys.into_iter().find(|key| r.is_given(key));
        Path::keys(found.unwrap_or("domain"))
    };
    for (one, other, keys) in [
        ("live", "admin", ["hosts.admin", "hosts.live", "domain"]),
        ("live", "video", ["hosts.video", "hosts.live", "domain"]),
        ("admin", "video", ["hosts.video", "hosts.admin", "domain"]),
    ] {
        let name = |which| match which {
            "live" => &hosts.live,
            "admin" => &hosts.admin,
            _ => &hosts.video,
        };
        if name(one) == name(other) {
            return Err(r.tell_value(
                &given(keys),
                format!("`hosts.{one}` and `hosts.{other}` are both `{}`", name(one)),
                "requests are told apart by the name alone",
                format!("give each its own name, such as `{other}.{domain}`"),
            ));
        }
    }
    if !is_same_site(&hosts.live, &hosts.video) {
        return Err(r.tell_value(
            &given(["hosts.video", "hosts.live", "domain"]),
            format!(
                "`hosts.video` ({}) and `hosts.live` ({}) belong to different sites",
                hosts.video, hosts.live
            ),
            "the call is a frame of the live page, and browsers keep cookies from the frames of other sites",
            format!("write a name below the same site, such as `video.{}`", hosts.live),
        ));
    }
    Ok(hosts)
}

/// Whether only a machine or a private network knows the name: no public
/// authority certifies it.
pub(super) fn is_local(host: &str) -> bool {
    let top = host.rsplit('.').next().unwrap_or(host);
    host.ends_with(".home.arpa")
        || [
            "localhost",
            "local",
            "lan",
            "internal",
            "test",
            "example",
            "invalid",
            "home",
            "corp",
            "intranet",
            "private",
            "localdomain",
        ]
        .contains(&top)
}

/// Whether browsers take the two for one site, as far as can be told without
/// the list of public suffixes.
fn is_same_site(one: &str, other: &str) -> bool {
    let shared: Vec<&str> = one
        .rsplit('.')
        .zip(other.rsplit('.'))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect();
    let suffix = match shared.as_slice() {
        [top, second, ..]
            if top.len() == 2
                && ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"].contains(second) =>
        {
            2
        }
        ["arpa", "home", ..]
        | ["org", "duckdns" | "dyndns", ..]
        | ["io", "github" | "gitlab", ..]
        | ["net", "ddns", ..] => 2,
        _ => 1,
    };
    shared.len() > suffix
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    Acme,
    Files,
    LocalCa,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Challenge {
    Http,
    TlsAlpn,
    Dns,
}

fn tls(r: &Reader<'_>, local: bool, hosts: Option<&Hosts>) -> Read<Tls> {
    let mode = r.given(
        "tls.mode",
        check::choice(&[
            ("acme", TlsMode::Acme),
            ("files", TlsMode::Files),
            ("local-ca", TlsMode::LocalCa),
            ("off", TlsMode::Off),
        ]),
    );
    let email = r.given("tls.email", check::email);
    let challenge = r.given(
        "tls.challenge",
        check::choice(&[
            ("http", Challenge::Http),
            ("tls-alpn", Challenge::TlsAlpn),
            ("dns", Challenge::Dns),
        ]),
    );
    let ca_server = r.given("tls.ca_server", check::https_url);
    let ca_certificate = r.file_at(&Path::keys("tls.ca_certificate"));
    let provider = r.given("tls.dns.provider", check::provider);
    let secrets = dns_secrets(r);
    let wait = r.given(
        "tls.dns.wait",
        check::duration(Duration::from_secs(1), Duration::from_secs(600)),
    );
    let resolvers = items(r, "tls.resolvers", |path| {
        r.given_at(path, check::dns_server)
            .and_then(|server| server.ok_or(Told))
    });
    let public_scheme = r.given(
        "tls.public_scheme",
        check::choice(&[("https", PublicScheme::Https), ("http", PublicScheme::Http)]),
    );
    let any = |keys: &[&str]| keys.iter().any(|key| r.is_given(key));
    let acme_keys = [
        "tls.challenge",
        "tls.ca_server",
        "tls.ca_certificate",
        "tls.resolvers",
        "tls.dns",
    ];
    let files_keys = ["tls.certificate", "tls.key"];
    let mode = match mode? {
        Some(mode) => mode,
        None if any(&files_keys) => TlsMode::Files,
        None if any(&acme_keys) || !local => TlsMode::Acme,
        None => TlsMode::LocalCa,
    };

    let mut misplaced = Ok(());
    for (keys, belongs, word) in [
        (acme_keys.as_slice(), TlsMode::Acme, "acme"),
        (files_keys.as_slice(), TlsMode::Files, "files"),
        (["tls.public_scheme"].as_slice(), TlsMode::Off, "off"),
    ] {
        for key in keys.iter().filter(|key| mode != belongs && r.is_given(key)) {
            misplaced = Err(r.tell(
                &Path::keys(key),
                KEY,
                format!("`{key}` has no effect here"),
                format!("it belongs to `tls.mode: {word}`"),
                format!("write `mode: {word}`, or remove the line"),
            ));
        }
    }
    misplaced?;

    match mode {
        TlsMode::LocalCa => Ok(Tls::LocalCa),
        TlsMode::Off => Ok(Tls::Off {
            public_scheme: public_scheme?.unwrap_or(if local {
                PublicScheme::Http
            } else {
                PublicScheme::Https
            }),
        }),
        TlsMode::Files => {
            let because = "`tls.mode: files` takes a certificate and its key from files";
            let certificate = r.needed_file("tls.certificate", because);
            let key = r.needed_file("tls.key", because);
            Ok(Tls::Files {
                certificate: certificate?,
                key: key?,
            })
        }
        TlsMode::Acme => {
            let ca_server = ca_server?;
            if let (true, None, Some(hosts)) = (local, &ca_server, hosts) {
                return Err(r.tell_value(
                    &Path::keys("tls.mode"),
                    format!("`tls.mode: acme` cannot certify `{}`", hosts.live),
                    "public authorities certify only names that the whole internet knows",
                    "write `mode: local-ca`, or name your own authority with `ca_server`",
                ));
            }
            let has_dns = r.is_given("tls.dns");
            let challenge = match challenge? {
                Some(Challenge::Dns) => Challenge::Dns,
                Some(_) if has_dns => {
                    return Err(r.tell(
                        &Path::keys("tls.dns"),
                        KEY,
                        "`tls.dns` has no effect here",
                        "it belongs to `tls.challenge: dns`",
                        "write `challenge: dns`, or remove the line",
                    ));
                }
                Some(challenge) => challenge,
                None if has_dns => Challenge::Dns,
                None => Challenge::Http,
            };
            let challenge = match challenge {
                Challenge::Http => AcmeChallenge::Http,
                Challenge::TlsAlpn => AcmeChallenge::TlsAlpn,
                Challenge::Dns => {
                    let provider = match provider? {
                        Some(provider) => provider,
                        None => r.needed(
                            "tls.dns.provider",
                            "`tls.challenge: dns` writes records through the interface of whoever serves your DNS",
                            check::provider,
                        )?,
                    };
                    AcmeChallenge::Dns {
                        provider,
                        files: secrets?,
                        wait: wait?,
                    }
                }
            };
            Ok(Tls::Acme(Acme {
                email: email?,
                challenge,
                ca_server,
                ca_certificate: ca_certificate?,
                resolvers: resolvers?,
            }))
        }
    }
}

fn dns_secrets(r: &Reader<'_>) -> Read<BTreeMap<String, PathBuf>> {
    let group = Path::keys("tls.dns.secrets");
    let Some(Node::Map(entries)) = r.tree.at(&group) else {
        return Ok(BTreeMap::new());
    };
    let mut files = BTreeMap::new();
    let mut read = Ok(());
    for (name, _) in entries {
        let path = group.key(name);
        let is_variable = name.starts_with(|letter: char| letter.is_ascii_uppercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let bare = name.strip_suffix("_FILE");
        if !is_variable || bare.is_some() {
            read = Err(r.tell(
                &path,
                KEY,
                format!("{} is not the name of a variable here", yaml::quoted(name)),
                "names consist of A-Z, 0-9 and `_`; `_FILE` is added when the value is handed on as a file",
                bare.map_or_else(
                    || "write the name from Traefik's page about your provider, such as `CF_DNS_API_TOKEN`".to_owned(),
                    |bare| format!("write `{bare}`"),
                ),
            ));
            continue;
        }
        match r.file_at(&path) {
            Ok(Some(file)) => {
                files.insert(name.clone(), file);
            }
            Ok(None) => {
                read = Err(r.tell(
                    &path,
                    KEY,
                    format!("`{path}` names no file"),
                    "secrets are read from files, so that they show nowhere",
                    format!("write for example `{name}: ./secrets/dns-token`"),
                ));
            }
            Err(told) => read = Err(told),
        }
    }
    read.map(|()| files)
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

fn ports(r: &Reader<'_>, local: bool, tls: Option<&Tls>, flavour: Option<Flavour>) -> Read<Ports> {
    let bind = r.given("ports.bind", check::ip);
    let http = r.given("ports.http", check::port);
    let https = r.given("ports.https", check::port);
    let rtmp = r.value("ports.rtmp", check::port);
    let rtmps = r.value("ports.rtmps", check::port_or_off);
    let srt = r.value("ports.srt", check::port);
    let ice_udp = r.value("ports.ice_udp", check::port_range);
    let ice_tcp = r.value("ports.ice_tcp", check::port);
    let relay = r.value("ports.relay", check::port);
    let call = r.value("ports.call", check::port_range);
    let pages = r.value("ports.pages", check::port);
    let internal = r.value("ports.internal", check::port);
    // A default can only be in the way of what the operator chose if it is
    // known which default.
    let usual = |ours, public| if local { ours } else { public };
    let http = http.map(|port| port.unwrap_or(usual(8080, 80)));
    let https = https.map(|port| port.unwrap_or(usual(8443, 443)));
    let has_tls = !matches!(tls, Some(Tls::Off { .. }));
    let has_call = flavour != Some(Flavour::P2p);
    let one = |port: &Read<u16>| port.ok().map(PortRange::one);
    let rtmps_port = rtmps.ok().flatten();
    overlaps(
        r,
        &[
            ("http", TCP, one(&http)),
            ("https", BOTH, one(&https).filter(|_| has_tls)),
            ("rtmp", TCP, one(&rtmp)),
            ("rtmps", TCP, rtmps_port.map(PortRange::one)),
            ("srt", UDP, one(&srt)),
            ("ice_udp", UDP, ice_udp.ok()),
            ("ice_tcp", TCP, one(&ice_tcp)),
            ("relay", TCP, one(&relay)),
            ("call", BOTH, call.ok().filter(|_| has_call)),
            ("pages", TCP, one(&pages)),
            ("internal", TCP, one(&internal)),
        ],
    )?;
    if let (Some(port), false) = (rtmps_port, has_tls) {
        return Err(r.tell_value(
            &Path::keys("ports.rtmps"),
            format!("`ports.rtmps` is `{port}` while `tls.mode` is `off`"),
            "RTMP over TLS needs a certificate",
            "write `rtmps: off`, or another `tls.mode`",
        ));
    }
    Ok(Ports {
        bind: bind?,
        http: http?,
        https: https?,
        rtmp: rtmp?,
        rtmps: rtmps?,
        srt: srt?,
        ice_udp: ice_udp?,
        ice_tcp: ice_tcp?,
        relay: relay?,
        call: call?,
        pages: pages?,
        internal: internal?,
    })
}

const TCP: &[&str] = &["TCP"];
const UDP: &[&str] = &["UDP"];
const BOTH: &[&str] = &["TCP", "UDP"];

/// Tells of every two keys that take the same port of the same protocol.
fn overlaps(r: &Reader<'_>, taken: &[(&str, &[&str], Option<PortRange>)]) -> Read<()> {
    let mut result = Ok(());
    for (index, (name, protocols, range)) in taken.iter().enumerate() {
        for (other, other_protocols, other_range) in taken.iter().skip(index + 1) {
            let shared = protocols
                .iter()
                .find(|protocol| other_protocols.contains(protocol));
            let (Some(protocol), Some(a), Some(b)) = (shared, range, other_range) else {
                continue;
            };
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first > last {
                continue;
            }
            let both = if first == last {
                format!("port {first}")
            } else {
                format!("ports {first}-{last}")
            };
            // The one that was written is the one to look at.
            let other_is_given = r.is_given(&format!("ports.{other}"));
            let (mine, its) = if other_is_given || !r.is_given(&format!("ports.{name}")) {
                (other, name)
            } else {
                (name, other)
            };
            result = Err(r.tell_value(
                &Path::keys(&format!("ports.{mine}")),
                format!("`ports.{mine}` and `ports.{its}` both take {protocol} {both}"),
                format!("a {protocol} port of the host can be had once"),
                format!("give `ports.{mine}` another one"),
            ));
        }
    }
    result
}

fn conference(r: &Reader<'_>) -> Read<Conference> {
    let flavour = r.value(
        "conference.flavour",
        check::choice(&[("sfu", Flavour::Sfu), ("p2p", Flavour::P2p)]),
    );
    let most = r.given("conference.max_participants", |node| {
        check::number(node, 2, 100)
    });
    let stun = r.given("conference.stun", check::ice_server(&["stun", "stuns"]));
    let turn = if r.is_given("conference.turn") {
        let because = "a TURN server lets nobody in without it";
        let url = r.needed(
            "conference.turn.url",
            "`conference.turn` is a server, and a server has an address",
            check::ice_server(&["turn", "turns"]),
        );
        let username = r.needed("conference.turn.username", because, check::line(200));
        let credential_file = r.needed_file("conference.turn.credential_file", because);
        url.and_then(|url| {
            Ok(Some(Turn {
                url,
                username: username?,
                credential_file: credential_file?,
            }))
        })
    } else {
        Ok(None)
    };
    let flavour = flavour?;
    if flavour == Flavour::Sfu {
        for key in ["conference.stun", "conference.turn"] {
            if r.is_given(key) {
                return Err(r.tell(
                    &Path::keys(key),
                    KEY,
                    format!("`{key}` has no effect here"),
                    "with `flavour: sfu` media goes straight to the server; it uses neither STUN nor TURN",
                    "write `flavour: p2p`, or remove the line",
                ));
            }
        }
    }
    let usual = match flavour {
        Flavour::Sfu => 12,
        Flavour::P2p => 4,
    };
    let max_participants = u16::try_from(most?.unwrap_or(usual)).map_err(|_| Told)?;
    Ok(Conference {
        flavour,
        max_participants,
        stun: stun?,
        turn: turn?,
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

fn profiles(r: &Reader<'_>) -> Read<Vec<Profile>> {
    let list = Path::keys("profiles");
    if r.tree.at(&list).is_none() {
        r.known(&list);
        r.known(&list.item(0));
        return Ok(vec![profile(r, &list.item(0), Ok("live".to_owned()))?]);
    }
    let mut names = BTreeSet::new();
    let profiles = items(r, "profiles", |path| {
        let is_group = r.given_at(path, |node| match node {
            Node::Map(_) => Ok(()),
            _ => Err(Wrong::default()),
        })?;
        is_group.ok_or_else(|| {
            r.tell(
                path,
                Seek::Value,
                format!("`{path}` is empty"),
                "a profile needs a name",
                "write for example `- live`, or remove the line",
            )
        })?;
        let name = profile_name(r, path, &names);
        if let Ok(name) = &name {
            names.insert(name.clone());
        }
        profile(r, path, name)
    })?;
    if profiles.is_empty() {
        return Err(r.tell(
            &list,
            KEY,
            "`profiles` is empty",
            "every room is carried by a profile",
            "write `profiles: [live]`, or remove the line",
        ));
    }
    Ok(profiles)
}

fn profile_name(r: &Reader<'_>, item: &Path, names: &BTreeSet<String>) -> Read<String> {
    let path = item.key("name");
    let because = "rooms choose a profile by its name";
    let name = r.needed_at(&path, because, check::name(32))?;
    if RESERVED_PROFILES.contains(&name.as_str()) {
        return Err(r.tell_value(
            &path,
            format!("`{path}` is `{name}`, which is taken"),
            format!("the live page has something of its own at `/{name}`"),
            format!("write another name, such as `{name}-picture`"),
        ));
    }
    if names.contains(&name) {
        return Err(r.tell_value(
            &path,
            format!("`{path}` is `{name}` for a second time"),
            "the name is the first part of media addresses and leads to one application",
            "give it another name, or remove it",
        ));
    }
    Ok(name)
}

fn profile(r: &Reader<'_>, path: &Path, name: Read<String>) -> Read<Profile> {
    let seconds = Duration::from_secs;
    let title = r.given_at(&path.key("title"), check::line(80));
    let min_bitrate = r.given_at(
        &path.key("min_bitrate"),
        check::bitrate(10_000, 1_000_000_000),
    );
    let chunk = r.value_at(
        &path.key("chunk"),
        check::duration(Duration::from_millis(100), seconds(5)),
    );
    let segment_path = path.key("segment");
    let segment = r.value_at(&segment_path, |node| {
        let length = check::duration(seconds(1), seconds(10))(node)?;
        if length.subsec_millis() == 0 {
            Ok(length)
        } else {
            Err(Wrong {
                why: Some("OvenMediaEngine counts segments in whole seconds".to_owned()),
                fix: Some(format!("write `{}s`", length.as_secs() + 1)),
            })
        }
    });
    let audio_bitrate = r.value_at(&path.key("audio_bitrate"), check::bitrate(16_000, 510_000));
    let (chunk, segment) = (chunk?, segment?);
    if chunk > segment {
        return Err(r.tell_value(
            &segment_path,
            format!("`{path}`: `segment` is shorter than `chunk`"),
            "a segment consists of one part or more",
            "make `segment` as long as `chunk` at least",
        ));
    }
    let name = name?;
    Ok(Profile {
        title: title?.unwrap_or_else(|| capital(&name)),
        name,
        min_bitrate: min_bitrate?,
        chunk_seconds: chunk.as_secs_f64(),
        segment_seconds: u32::try_from(segment.as_secs()).map_err(|_| Told)?,
        audio_bitrate: u32::try_from(audio_bitrate?).map_err(|_| Told)?,
    })
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
