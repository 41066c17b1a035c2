//! Files, network and volumes: what stands before any service.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::{Action, Disruption, FileState, Lane, Observed, Plan, Step, Wait};
use crate::desired::{CONTROLLER, FileKind, FileSpec, MountSource, Target, VolumeSpec, labels};
use crate::engine::{EngineCall, EngineFacts, NetworkFacts, VolumeFacts};
use crate::model::{Digest, Issue, IssueCode, Severity};

fn step(action: Action, why: impl Into<String>) -> Step {
    Step {
        lane: Lane::Ground,
        action,
        why: why.into(),
        disrupts: Disruption::None,
        waits: None,
        quiet: false,
    }
}

/// Brings the rendered folder to what the target says: first what is in the
/// way, then what is missing or differs, last what nothing refers to.
pub(super) fn files(target: &Target, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    for file in &target.files {
        steps.extend(one_file(file, observed));
    }
    for (path, facts) in &observed.files {
        let wanted = target.files.iter().any(|file| &file.path == path);
        let holds_wanted = facts.state == FileState::Directory
            && target.files.iter().any(|file| file.path.starts_with(path));
        // Something that stands where a file must be goes with all that is in it.
        let goes_along = target
            .files
            .iter()
            .any(|file| path != &file.path && path.starts_with(&file.path));
        if wanted || holds_wanted || goes_along || is_fixed_folder(path) {
            continue;
        }
        if belongs_to_older(path) {
            if facts.state != FileState::Directory && !referred_to(path, observed) {
                let path = path.clone();
                steps.push(step(
                    Action::RemoveFile { path },
                    "it belongs to a configuration that no container has any more",
                ));
            }
        } else if !(facts.state == FileState::Directory && has_children(path, observed)) {
            steps.push(step(
                Action::Quarantine { path: path.clone() },
                "it is not ours and a service could read it",
            ));
        }
    }
    steps
}

fn one_file(file: &FileSpec, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    // A parent that is no folder keeps the file from being written.
    for parent in file.path.ancestors().skip(1) {
        if let Some(facts) = observed.files.get(parent)
            && facts.state != FileState::Directory
        {
            let path = parent.to_path_buf();
            steps.push(step(
                Action::Quarantine { path },
                "it stands where a folder must be",
            ));
        }
    }
    let write = Action::WriteFile {
        path: file.path.clone(),
        digest: file.digest,
        new: !observed.files.contains_key(&file.path),
    };
    let why = match observed.files.get(&file.path) {
        None => "it does not exist".to_owned(),
        Some(facts) => match facts.state {
            FileState::Directory | FileState::Other => {
                let path = file.path.clone();
                steps.push(step(
                    Action::Quarantine { path },
                    "something that is no regular file has its name",
                ));
                "something else had its name".to_owned()
            }
            FileState::Unreadable => "it cannot be read".to_owned(),
            FileState::File(digest) if digest != file.digest => match file.kind {
                FileKind::Identity(_) => "it was changed by hand".to_owned(),
                FileKind::Watched(_) => "its content is not what is wanted".to_owned(),
            },
            FileState::File(_) if facts.mode != file.mode => {
                format!("its mode is {:o} instead of {:o}", facts.mode, file.mode)
            }
            FileState::File(_) if file.owner.is_some_and(|owner| owner != facts.owner) => {
                "it belongs to the wrong user".to_owned()
            }
            FileState::File(_) => return steps,
        },
    };
    steps.push(step(write, why));
    steps
}

/// The folders that are always there, made with the layout.
fn is_fixed_folder(path: &Path) -> bool {
    const FIXED: [&str; 6] = [
        "",
        "traefik",
        "traefik/dynamic",
        "traefik/certs",
        "ovenmediaengine",
        "mirotalk",
    ];
    FIXED.iter().any(|fixed| path == Path::new(fixed))
}

/// Whether a path lies where we keep files by digest: `<service>/<digest>/…`
/// or `traefik/certs/<digest>.…`. Such files are ours even when the target
/// does not name them any more.
fn belongs_to_older(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let is_digest = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match parts.as_slice() {
        ["traefik", "certs", name] => name
            .split_once('.')
            .is_some_and(|(stem, ending)| is_digest(stem) && matches!(ending, "crt" | "key")),
        ["traefik" | "ovenmediaengine" | "mirotalk", digest, ..] => is_digest(digest),
        _ => false,
    }
}

/// Whether a container, running or kept, has the path's folder mounted.
fn referred_to(path: &Path, observed: &Observed) -> bool {
    let Some(engine) = &observed.engine else {
        // The engine is away: nobody can say, so nothing goes.
        return true;
    };
    let folder: std::path::PathBuf = path.iter().take(2).collect();
    if folder == Path::new("traefik/certs") {
        return false;
    }
    let in_folder = Path::new("rendered").join(folder);
    engine
        .containers
        .iter()
        .flat_map(|container| &container.mounts)
        .any(|mount| {
            matches!(&mount.source, MountSource::Bind(source)
            if source.ancestors().any(|ancestor| ancestor.ends_with(&in_folder)))
        })
}

fn has_children(path: &Path, observed: &Observed) -> bool {
    observed
        .files
        .keys()
        .any(|other| other != path && other.starts_with(path))
}

/// Labels of something of ours that is no service.
fn labels_for(target: &Target, role: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::INSTANCE.to_owned(), target.instance.clone()),
        (labels::ROLE.to_owned(), role.to_owned()),
        (labels::VERSION.to_owned(), target.version.clone()),
    ])
}

fn is_ours(found: &BTreeMap<String, String>, target: &Target) -> bool {
    found.get(labels::INSTANCE) == Some(&target.instance)
}

/// The network of the target, if it exists and is ours; the oldest, should
/// there be several.
pub(super) fn our_network<'a>(
    target: &Target,
    engine: &'a EngineFacts,
) -> Option<&'a NetworkFacts> {
    engine
        .networks
        .iter()
        .find(|network| network.name == target.network.name && is_ours(&network.labels, target))
}

/// The target with volumes that lead where they should. Where one leads is said
/// when it is made and never again, and as long as a container has it, it
/// cannot be removed: beside one that leads elsewhere, because the state folder
/// was moved, another is made, and with it the container is another.
pub(super) fn with_volumes<'a>(target: &'a Target, observed: &Observed) -> Cow<'a, Target> {
    let Some(engine) = &observed.engine else {
        return Cow::Borrowed(target);
    };
    let renamed: Vec<(String, String)> = target
        .volumes
        .iter()
        .filter_map(|volume| Some((volume.name.clone(), other_name(volume, target, engine)?)))
        .collect();
    if renamed.is_empty() {
        return Cow::Borrowed(target);
    }
    let mut target = target.clone();
    for (from, to) in renamed {
        let volumes = target.volumes.iter_mut().map(|volume| &mut volume.name);
        let mounts = target
            .containers
            .iter_mut()
            .flat_map(|spec| &mut spec.mounts);
        let mounted = mounts.filter_map(|mount| match &mut mount.source {
            MountSource::Volume(name) => Some(name),
            MountSource::Bind(_) => None,
        });
        for name in volumes.chain(mounted).filter(|name| **name == from) {
            name.clone_from(&to);
        }
    }
    Cow::Owned(target)
}

/// The name a volume has where its own is that of one that leads elsewhere.
fn other_name(volume: &VolumeSpec, target: &Target, engine: &EngineFacts) -> Option<String> {
    let ours = |name: &str| {
        let mut volumes = engine.volumes.iter();
        volumes.find(|found| found.name == name && is_ours(&found.labels, target))
    };
    let leads_there = |found: &VolumeFacts| found.leads_to() == Some(&volume.device);
    let device = volume.device.as_os_str().as_encoded_bytes();
    let other = format!("{}-{}", volume.name, Digest::of(device).short());
    match (ours(&volume.name), ours(&other)) {
        (Some(usual), _) if leads_there(usual) => None,
        (Some(_), _) | (None, Some(_)) => Some(other),
        (None, None) => None,
    }
}

/// Volumes of ours that no container should have any more. What they lead to
/// stays: one that holds something itself is not among them.
pub(super) fn volumes_left<'a>(
    target: &'a Target,
    engine: &'a EngineFacts,
) -> impl Iterator<Item = &'a VolumeFacts> {
    engine.volumes.iter().filter(|found| {
        let is_named_so = found
            .name
            .strip_prefix(&target.instance)
            .is_some_and(|rest| rest.starts_with('-'));
        let is_wanted = target
            .volumes
            .iter()
            .any(|volume| volume.name == found.name);
        is_ours(&found.labels, target)
            && found.labels.get(labels::ROLE).map(String::as_str) == Some("volume")
            && is_named_so
            && found.leads_to().is_some()
            && !is_wanted
    })
}

/// Creates what is missing; names what stands in the way.
pub(super) fn network_and_volumes(
    target: &Target,
    observed: &Observed,
    engine: &EngineFacts,
    plan: &mut Plan,
) {
    let name = &target.network.name;
    let foreign = engine
        .networks
        .iter()
        .find(|network| &network.name == name && !is_ours(&network.labels, target));
    if let Some(foreign) = foreign {
        plan.issues
            .push(name_taken("network", &foreign.name, "docker network rm"));
        plan.steps.push(Step {
            waits: Some(Wait::Person),
            ..step(Action::Await, format!("the network name {name} is taken"))
        });
    } else if our_network(target, engine).is_none() {
        plan.steps.push(step(
            Action::Engine {
                title: format!("create network {name} ({})", target.network.subnet),
                call: Box::new(EngineCall::CreateNetwork {
                    spec: target.network.clone(),
                    labels: labels_for(target, "network"),
                }),
            },
            "it does not exist",
        ));
    }
    // Docker allows two networks of one name, and then knows neither by it. The
    // oldest is the one that containers are in.
    let twins = engine
        .networks
        .iter()
        .filter(|network| &network.name == name && is_ours(&network.labels, target))
        .skip(1);
    for twin in twins {
        plan.steps.push(step(
            Action::Engine {
                title: format!("remove network {name} ({})", twin.subnets.join(", ")),
                call: Box::new(EngineCall::RemoveNetwork {
                    id: twin.id.clone(),
                }),
            },
            "there is an older one of the same name",
        ));
    }
    if let Some(own) = observed.own.as_ref().filter(|own| !own.joined) {
        plan.steps.push(step(
            Action::Engine {
                title: format!("join network {name} as controller"),
                call: Box::new(EngineCall::ConnectNetwork {
                    network: name.clone(),
                    container: own.id.clone(),
                    aliases: vec![CONTROLLER.to_owned()],
                }),
            },
            "the services reach the controller there",
        ));
    }
    for volume in &target.volumes {
        match engine
            .volumes
            .iter()
            .find(|found| found.name == volume.name)
        {
            None => plan.steps.push(step(
                Action::Engine {
                    title: format!("create volume {}", volume.name),
                    call: Box::new(EngineCall::CreateVolume {
                        spec: volume.clone(),
                        labels: labels_for(target, "volume"),
                    }),
                },
                "it does not exist",
            )),
            Some(found) if !is_ours(&found.labels, target) => {
                plan.issues
                    .push(name_taken("volume", &volume.name, "docker volume rm"));
                plan.steps.push(Step {
                    waits: Some(Wait::Person),
                    ..step(
                        Action::Await,
                        format!("the volume name {} is taken", volume.name),
                    )
                });
            }
            Some(_) => {}
        }
    }
}

/// Something that is not ours has our name.
pub(super) fn name_taken(kind: &str, name: &str, remove: &str) -> Issue {
    Issue {
        code: IssueCode::NameTaken,
        severity: Severity::Error,
        role: None,
        subject: name.to_owned(),
        what: format!("A {kind} named {name} exists that ColourStream did not make"),
        why: "It does not carry our label, so it is left alone".into(),
        fix: format!(
            "If nobody needs it: `{remove} {name}`; otherwise set another `instance` in the settings"
        ),
    }
}
