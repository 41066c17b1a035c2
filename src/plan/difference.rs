//! How a container differs from its specification, field by field: what the
//! engine says, not what our label claims.

use std::collections::BTreeSet;

use crate::desired::{ContainerSpec, Mount, MountSource, Target, labels};
use crate::engine::{ContainerFacts, ImageFacts};

/// What differs, by what mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Needs a new container; each a clause for people.
    pub replace: Vec<String>,
    /// Has to join the network (again).
    pub join: Option<String>,
    /// Networks it has no business in.
    pub leave: Vec<String>,
}

/// Compares a container with its specification. `image` is what the engine
/// knows of the image it was made from: command, user and environment that
/// come from there are no difference.
pub fn differences(
    target: &Target,
    spec: &ContainerSpec,
    facts: &ContainerFacts,
    image_id: Option<&str>,
    image: Option<&ImageFacts>,
) -> Differences {
    let mut replace = fields(spec, facts, image_id, image);
    let labelled = facts.labels.get(labels::SPEC).map(String::as_str);
    let by_label = labelled == Some(spec.digest().to_string().as_str());
    if !by_label {
        // A configuration file's bytes show here and in the mount's folder.
        if replace.is_empty() {
            replace.push("its specification changed".to_owned());
        }
    } else {
        for clause in &mut replace {
            clause.push_str(" (changed by hand)");
        }
    }
    let network = &target.network.name;
    let join = match facts.networks.get(network) {
        None => Some(format!("it is not in the network {network}")),
        Some(attachment)
            if !spec
                .aliases
                .iter()
                .all(|alias| attachment.aliases.contains(alias)) =>
        {
            Some(format!("its names in the network {network} are wrong"))
        }
        Some(_) => None,
    };
    let leave = facts
        .networks
        .keys()
        .filter(|name| *name != network)
        .cloned()
        .collect();
    Differences {
        replace,
        join,
        leave,
    }
}

fn fields(
    spec: &ContainerSpec,
    facts: &ContainerFacts,
    image_id: Option<&str>,
    image: Option<&ImageFacts>,
) -> Vec<String> {
    let mut out = Vec::new();
    let mut differs = |is: bool, what: &str| {
        if is {
            out.push(what.to_owned());
        }
    };
    differs(
        image_id.is_some_and(|id| id != facts.image_id),
        "the image is another",
    );
    let command = spec.command.as_ref().or(image.map(|image| &image.command));
    differs(
        command.is_some_and(|command| *command != facts.command),
        "the command differs",
    );
    let user = spec.user.as_ref().or(image.map(|image| &image.user));
    differs(
        user.is_some_and(|user| *user != facts.user),
        "the user differs",
    );
    let env_missing = spec
        .env
        .iter()
        .any(|(key, value)| facts.env.get(key) != Some(value));
    let env_extra = image.is_some_and(|image| {
        facts
            .env
            .iter()
            .any(|(key, value)| !spec.env.contains_key(key) && image.env.get(key) != Some(value))
    });
    differs(env_missing || env_extra, "the environment differs");
    // A changed file lies in another folder, named by its digest.
    let moved = plain(&spec.mounts) == plain(&facts.mounts);
    differs(
        sorted(&spec.mounts) != sorted(&facts.mounts),
        if moved {
            "its configuration changed"
        } else {
            "the mounts differ"
        },
    );
    differs(
        sorted(&spec.tmpfs) != sorted(&facts.tmpfs),
        "the scratch folders differ",
    );
    differs(
        sorted(&spec.ports) != sorted(&facts.ports),
        "the published ports differ",
    );
    differs(
        sorted(&spec.extra_hosts) != sorted(&facts.extra_hosts),
        "the hosts file differs",
    );
    differs(
        sorted(&spec.cap_add) != sorted(&facts.cap_add)
            || !facts.cap_drop.iter().any(|cap| cap == "ALL")
            || facts.privileged,
        "the capabilities differ",
    );
    differs(
        !facts
            .security_opt
            .iter()
            .any(|option| option.starts_with("no-new-privileges")),
        "it may gain privileges",
    );
    differs(!facts.read_only, "its root can be written");
    differs(spec.memory != facts.memory, "the memory limit differs");
    differs(spec.pids != facts.pids, "the process limit differs");
    let log = |key: &str| facts.log_options.get(key).map(String::as_str);
    differs(
        log("max-size") != Some(spec.log_max_size.to_string().as_str())
            || log("max-file") != Some(spec.log_max_files.to_string().as_str()),
        "the log limits differ",
    );
    differs(
        facts.stop_timeout != Some(spec.stop_timeout),
        "the stop timeout differs",
    );
    differs(
        facts.restart != Some(spec.restart),
        "the restart policy differs",
    );
    out
}

/// Mounts without the folders' digests.
fn plain(mounts: &[Mount]) -> BTreeSet<Mount> {
    let is_digest = |part: &str| part.len() == 12 && part.bytes().all(|b| b.is_ascii_hexdigit());
    mounts
        .iter()
        .cloned()
        .map(|mut mount| {
            if let MountSource::Bind(path) = &mut mount.source {
                *path = path
                    .iter()
                    .filter(|part| !part.to_str().is_some_and(is_digest))
                    .collect();
            }
            mount
        })
        .collect()
}

fn sorted<T: Ord>(items: &[T]) -> BTreeSet<&T> {
    items.iter().collect()
}
