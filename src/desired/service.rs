//! One service before its files are rendered: the container, the files it
//! reads, and what their templates may know.

use std::path::PathBuf;

use super::mirotalk::MirotalkContext;
use super::ovenmediaengine::OmeContext;
use super::traefik::TraefikContext;
use super::{ContainerSpec, FileKind, ImageWant, RestartPolicy, Snapshot, ports};
use crate::model::{Role, Secret};

/// One service, complete but for the bytes of its files.
#[derive(Clone, Debug)]
pub struct ServiceWant {
    /// The container. Its mounts of rendered files and the digests of those
    /// files are added when the bytes are known.
    pub container: ContainerSpec,
    /// The files.
    pub files: Vec<Rendered>,
    /// Where they appear in the container.
    pub mounts: Vec<RenderedMount>,
    /// What the templates know.
    pub context: Context,
}

/// What the templates of one service know.
#[derive(Clone, Debug)]
pub enum Context {
    /// Traefik's.
    Traefik(Box<TraefikContext>),
    /// OvenMediaEngine's.
    Ovenmediaengine(Box<OmeContext>),
    /// MiroTalk's.
    Mirotalk(Box<MirotalkContext>),
}

/// A file to be rendered.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Identity files: relative to the folder of their set, which is named by
    /// its content. Watched files: relative to `state/rendered`.
    pub path: PathBuf,
    /// Where its bytes come from.
    pub source: Source,
    /// What the bytes mean to the service.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner, where it has to be another than ours.
    pub owner: Option<(u32, u32)>,
    /// Whether a diff must hide the values.
    pub secret: bool,
}

/// Where a file's bytes come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A template, by its name below `templates/`.
    Template(&'static str),
    /// Given as they are: certificates, keys, tokens of providers.
    Literal(Secret<Vec<u8>>),
}

/// A mount of something rendered.
#[derive(Clone, Debug)]
pub struct RenderedMount {
    /// Path inside the container; always read-only there.
    pub target: String,
    /// What is mounted.
    pub from: RenderedSource,
}

/// What a mount shows.
#[derive(Clone, Debug)]
pub enum RenderedSource {
    /// The folder of the service's identity set, or something in it. It is
    /// named by its content and never changes, so that mounting a single file
    /// of it is safe.
    Set(PathBuf),
    /// A folder below `state/rendered` that is watched: never moved or
    /// replaced, so that its inode stays.
    Folder(PathBuf),
}

impl RenderedMount {
    /// Mounts `path` of the identity set (empty: all of it).
    pub(super) fn set(target: &str, path: impl Into<PathBuf>) -> Self {
        Self {
            target: target.to_owned(),
            from: RenderedSource::Set(path.into()),
        }
    }

    /// Mounts a watched folder.
    pub(super) fn folder(target: &str, path: impl Into<PathBuf>) -> Self {
        Self {
            target: target.to_owned(),
            from: RenderedSource::Folder(path.into()),
        }
    }
}

/// The user a service runs as: its own where we may give files away, otherwise
/// ours, so that it can read what we write.
pub(super) fn user(snapshot: &Snapshot, role: Role) -> (u32, u32) {
    if !snapshot.host.can_chown {
        return snapshot.host.owner;
    }
    match role {
        Role::Traefik | Role::Ovenmediaengine => (65532, 65532),
        // MiroTalk's image owns its folder as `node`.
        Role::Mirotalk => (1000, 1000),
    }
}

/// Owner of a service's files: its user, if that is not ours anyway.
pub(super) fn owner(snapshot: &Snapshot, role: Role) -> Option<(u32, u32)> {
    snapshot.host.can_chown.then(|| user(snapshot, role))
}

/// What all three containers have in common; the rest is each service's own.
pub(super) fn base(snapshot: &Snapshot, role: Role) -> ContainerSpec {
    let settings = &snapshot.settings;
    let reference = match role {
        Role::Traefik => &settings.images.traefik,
        Role::Ovenmediaengine => &settings.images.ovenmediaengine,
        Role::Mirotalk => &settings.images.mirotalk,
    };
    let (uid, gid) = user(snapshot, role);
    ContainerSpec {
        role,
        image: ImageWant {
            reference: reference.clone(),
            pin: snapshot.pins.get(reference).cloned(),
        },
        command: None,
        user: Some(format!("{uid}:{gid}")),
        env: Default::default(),
        mounts: Vec::new(),
        tmpfs: Vec::new(),
        ports: ports::bindings(settings, role),
        aliases: Vec::new(),
        // In the network the controller has this name as an alias.
        extra_hosts: if snapshot.host.in_container {
            Vec::new()
        } else {
            vec![format!("controller:{}", snapshot.host.gateway)]
        },
        // None is needed: Docker lets any user listen on low ports inside a
        // container of its own network.
        cap_add: Vec::new(),
        memory: 0,
        pids: 0,
        log_max_size: 10_000_000,
        log_max_files: 3,
        stop_timeout: 10,
        restart: RestartPolicy::UnlessStopped,
        files: Default::default(),
    }
}

/// Lets a secret into a template. The contexts have no other use for serde;
/// nothing else may serialise them.
pub(super) fn into_template<S: serde::Serializer>(
    secret: &Secret<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}
