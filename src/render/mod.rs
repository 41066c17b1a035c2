//! PURE: Tera templates to bytes. Every file is read back the way its service
//! reads it before it is accepted; a template that drops a part on which the
//! house depends is refused, however well-formed its output.

mod escape;
mod lint;
mod redact;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tera::{ErrorKind, Tera};

use crate::desired::{
    Context, Desired, FileKind, FileSpec, GENERATION_PLACEHOLDER, Mount, MountSource,
    RenderedSource, ServiceWant, Source, Target,
};
use crate::model::{Digest, Role};

pub use redact::{hidden, readable, redact, redacted};

/// The templates we bring, by name. An override has the same name.
const BUILT_IN: [(&str, &str); 7] = [
    (
        "mirotalk/p2p.config.js.tera",
        include_str!("../../templates/mirotalk/p2p.config.js.tera"),
    ),
    (
        "mirotalk/p2p.env.tera",
        include_str!("../../templates/mirotalk/p2p.env.tera"),
    ),
    (
        "mirotalk/sfu.env.tera",
        include_str!("../../templates/mirotalk/sfu.env.tera"),
    ),
    (
        "ovenmediaengine/Logger.xml.tera",
        include_str!("../../templates/ovenmediaengine/Logger.xml.tera"),
    ),
    (
        "ovenmediaengine/Server.xml.tera",
        include_str!("../../templates/ovenmediaengine/Server.xml.tera"),
    ),
    (
        "traefik/dynamic.yml.tera",
        include_str!("../../templates/traefik/dynamic.yml.tera"),
    ),
    (
        "traefik/static.yml.tera",
        include_str!("../../templates/traefik/static.yml.tera"),
    ),
];

/// What is wrong with a template or with what it renders to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{template}{}: {what}; {fix}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct RenderError {
    /// Name of the template.
    pub template: String,
    /// Line in the template, where the fault has one.
    pub line: Option<usize>,
    /// One clause: what is wrong.
    pub what: String,
    /// One clause: what to do.
    pub fix: String,
}

impl RenderError {
    fn new(template: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            template: template.to_owned(),
            line: None,
            what: what.into(),
            fix: fix.into(),
        }
    }

    /// Tera's words, without its drawing of the place and without values that
    /// look like secrets.
    fn from_tera(template: &str, error: &tera::Error) -> Self {
        let (line, what) = match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                (Some(report.span().start_line), report.message().to_owned())
            }
            _ => (None, error.to_string()),
        };
        Self {
            template: template.to_owned(),
            line,
            what: redact::hexadecimal(&what),
            fix: "correct the template, or remove it to use the built-in one".to_owned(),
        }
    }
}

/// The templates in force, compiled once and used for every rendering.
#[derive(Clone)]
pub struct Templates {
    tera: Tera,
    texts: BTreeMap<String, String>,
    overridden: BTreeSet<String>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates")
            .field("overridden", &self.overridden)
            .finish_non_exhaustive()
    }
}

impl Templates {
    /// The templates we bring.
    pub fn built_in() -> Result<Self, Vec<RenderError>> {
        Self::with_overrides(&BTreeMap::new())
    }

    /// The templates we bring, those in `overrides` replaced (name relative to
    /// the templates folder, such as `traefik/dynamic.yml.tera`, to text).
    pub fn with_overrides(overrides: &BTreeMap<String, String>) -> Result<Self, Vec<RenderError>> {
        let mut errors: Vec<RenderError> = overrides
            .keys()
            .filter(|name| BUILT_IN.iter().all(|(known, _)| known != name))
            .map(|name| {
                RenderError::new(
                    name,
                    "no template has this name",
                    format!(
                        "rename it to one of {}, or move it out of the folder",
                        BUILT_IN.map(|(name, _)| name).join(", ")
                    ),
                )
            })
            .collect();

        let mut tera = Tera::default();
        tera.autoescape_on(Vec::<&'static str>::new());
        escape::register(&mut tera);
        let mut texts = BTreeMap::new();
        for (name, built_in) in BUILT_IN {
            let text = overrides.get(name).map_or(built_in, String::as_str);
            if let Err(error) = tera.add_raw_template(name, text) {
                errors.push(RenderError::from_tera(name, &error));
            }
            texts.insert(name.to_owned(), text.to_owned());
        }
        if errors.is_empty() {
            let overridden = overrides.keys().cloned().collect();
            Ok(Self {
                tera,
                texts,
                overridden,
            })
        } else {
            Err(errors)
        }
    }

    /// Whether a template of the service mentions the rooms.
    fn ask_for_rooms(&self, service: &ServiceWant) -> bool {
        service.files.iter().any(|file| match file.source {
            Source::Template(name) => self
                .tera
                .get_template_variables(name)
                .is_ok_and(|variables| variables.contains("rooms")),
            Source::Literal(_) => false,
        })
    }

    /// Every template: its name, its text, whether it is the operator's own.
    pub fn list(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.texts
            .iter()
            .map(|(name, text)| (&**name, &**text, self.overridden.contains(name)))
    }
}

/// Renders every file and completes what depends on the bytes: the folders of
/// identity files, the mounts, the digests, Traefik's generation.
pub fn render(desired: &Desired, templates: &Templates) -> Result<Target, Vec<RenderError>> {
    let mut errors = Vec::new();
    let mut target = Target {
        instance: desired.instance.clone(),
        version: desired.version.clone(),
        network: desired.network.clone(),
        volumes: desired.volumes.clone(),
        files: Vec::new(),
        containers: Vec::new(),
        traefik_generation: String::new(),
    };
    for service in &desired.services {
        match service_files(service, templates, &mut target.traefik_generation) {
            Ok(files) => place(desired, service, files, &mut target),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        target.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(target)
    } else {
        Err(errors)
    }
}

/// The bytes of a service's files, in the order of its list.
fn service_files(
    service: &ServiceWant,
    templates: &Templates,
    generation: &mut String,
) -> Result<Vec<Vec<u8>>, Vec<RenderError>> {
    let failed =
        |template: &str, error: &tera::Error| vec![RenderError::from_tera(template, error)];
    // One context for all files of the service.
    let mut rooms = None;
    let context = match &service.context {
        Context::Traefik(context) => tera::Context::from_serialize(context),
        Context::Ovenmediaengine(context) => {
            rooms = Some(&context.rooms);
            tera::Context::from_serialize(context)
        }
        Context::Mirotalk(context) => {
            rooms = Some(&context.rooms);
            tera::Context::from_serialize(context)
        }
    };
    let mut context = context.map_err(|error| failed(service.container.role.as_str(), &error))?;
    // A thousand rooms cost a millisecond; only an operator's own template of
    // these two asks for them.
    if let Some(rooms) = rooms.filter(|_| templates.ask_for_rooms(service)) {
        context.insert("rooms", rooms);
    }

    let mut errors = Vec::new();
    let mut all = Vec::with_capacity(service.files.len());
    for file in &service.files {
        let template = match &file.source {
            Source::Literal(bytes) => {
                all.push(bytes.expose().clone());
                continue;
            }
            Source::Template(template) => *template,
        };
        match templates.tera.render(template, &context) {
            Err(error) => errors.push(RenderError::from_tera(template, &error)),
            Ok(text) => {
                errors.extend(lint::lint(template, &text, service));
                let text = if template == "traefik/dynamic.yml.tera" {
                    // The marker is the digest of the file that carries it,
                    // with the marker itself still blank: the same bytes have
                    // the same generation, and nothing else does.
                    *generation = Digest::of(&text).to_string();
                    text.replace(GENERATION_PLACEHOLDER, generation)
                } else {
                    text
                };
                all.push(text.into_bytes());
            }
        }
    }
    if errors.is_empty() {
        Ok(all)
    } else {
        Err(errors)
    }
}

/// Gives the files their places and tells the container where they are.
fn place(desired: &Desired, service: &ServiceWant, files: Vec<Vec<u8>>, target: &mut Target) {
    let role = service.container.role;
    let digests: Vec<Digest> = files.iter().map(Digest::of).collect();
    let set = set_folder(service, role, &digests);

    let mut container = service.container.clone();
    for ((file, bytes), digest) in service.files.iter().zip(files).zip(digests) {
        let path = match file.kind {
            FileKind::Identity(_) => set.join(&file.path),
            FileKind::Watched(_) => file.path.clone(),
        };
        if matches!(file.kind, FileKind::Identity(_)) {
            container.files.insert(path.clone(), digest);
        }
        target.files.push(FileSpec {
            path,
            bytes,
            digest,
            mode: file.mode,
            owner: file.owner,
            kind: file.kind,
            secret: file.secret,
        });
    }
    for mount in &service.mounts {
        let inside = match &mount.from {
            RenderedSource::Set(path) => set.join(path),
            RenderedSource::Folder(path) => path.clone(),
        };
        container.mounts.push(Mount {
            target: mount.target.clone(),
            source: MountSource::Bind(plain(&desired.rendered_on_host.join(inside))),
            read_only: true,
        });
    }
    container.mounts.sort();
    target.containers.push(container);
}

/// The folder of a service's identity files, named by names and content: an
/// older container finds its own again until it is gone.
fn set_folder(service: &ServiceWant, role: Role, digests: &[Digest]) -> PathBuf {
    let listing: String = service
        .files
        .iter()
        .zip(digests)
        .filter(|(file, _)| matches!(file.kind, FileKind::Identity(_)))
        .map(|(file, digest)| format!("{} {digest}\n", file.path.display()))
        .collect();
    Path::new(role.as_str()).join(Digest::of(listing).short())
}

/// Without the trailing slash that joining an empty path leaves; the engine
/// gives the path back without it.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}
