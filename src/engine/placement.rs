//! Where the controller itself runs. A bind mount's source is a path of the
//! engine's host, so a controller in a container has to find out which path
//! there its state folder is.

use std::path::{Component, Path, PathBuf};

use super::docker::SelfFacts;
use super::{DockerEngine, EngineError, Placement};

/// Finds the controller's own container, if it runs in one of this engine.
///
/// # Errors
/// As any call; and [`EngineError::StateNotMounted`] when we are in a container whose
/// state folder is no mount: what is written there, no service could read.
pub async fn find(engine: &DockerEngine, state: &Path) -> Result<Placement, EngineError> {
    // Not there outside Linux containers; then there is nothing to find.
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    let candidates = candidates(&mountinfo, &hostname);
    // That it does not know us counts only from one that answers at all.
    if !candidates.is_empty() {
        engine.answers().await?;
    }
    for candidate in candidates {
        if let Some(found) = engine.inspect_self(&candidate).await?
            && found.running
            && found.id.starts_with(&candidate)
        {
            engine.is_own(&found.id);
            return place(found, &state);
        }
    }
    Ok(Placement::Host)
}

/// Whether some engine, ours or another, made the container we run in: by the
/// files it mounts into each. For when ours does not answer.
pub fn in_docker() -> bool {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    from_mountinfo(&mountinfo).is_some()
}

/// Whether what is written at `path` goes with the container we run in: no
/// mount holds it, or one in memory.
pub fn is_passing(path: &Path) -> bool {
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    from_mountinfo(&mountinfo).is_some() && is_the_containers(&mountinfo, path)
}

/// Whether what is written at `path` goes with the container we run in, and
/// `state` does not. Where that goes too, nothing is kept anyway.
pub fn is_lost_before(path: &Path, state: &Path) -> bool {
    is_passing(path) && !is_passing(state)
}

/// Whether the innermost mount that holds `path` is the container's own: its
/// root, or a `--tmpfs`. A folder of the host's memory is mounted by a name.
fn is_the_containers(mountinfo: &str, path: &Path) -> bool {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let whole = plain(&whole);
    let holds = |line: &str| {
        let target = line.split(' ').nth(4)?;
        // As the kernel writes a space.
        let target = PathBuf::from(target.replace("\\040", " "));
        let in_memory = line.split(' ').nth(3) == Some("/") && line.contains(" - tmpfs ");
        whole.starts_with(&target).then_some((target, in_memory))
    };
    let innermost = mountinfo
        .lines()
        .filter_map(holds)
        .max_by_key(|(target, _)| target.components().count());
    innermost.is_none_or(|(target, in_memory)| in_memory || target == Path::new("/"))
}

/// The container we run in, if we do: asked of the engine, else of the kernel,
/// which knows no more than that there is one (an empty id).
pub async fn container(engine: &DockerEngine, state: &Path) -> Option<String> {
    match find(engine, state).await {
        Ok(Placement::Container { id, .. }) => Some(id),
        Ok(Placement::Host) => None,
        Err(EngineError::StateNotMounted { container, .. }) => Some(container),
        Err(_) => in_docker().then(String::new),
    }
}

fn place(found: SelfFacts, state: &Path) -> Result<Placement, EngineError> {
    let Some(state_on_host) = on_host(state, &found.mounts) else {
        return Err(EngineError::StateNotMounted {
            container: found.id.get(..12).unwrap_or(&found.id).to_owned(),
            state: state.display().to_string(),
        });
    };
    Ok(Placement::Container {
        id: found.id,
        state_on_host,
        networks: found.networks,
    })
}

/// Container ids we may have, the surer one first: from the files an engine
/// mounts into each container, then from the host name it gives by default.
fn candidates(mountinfo: &str, hostname: &str) -> Vec<String> {
    let mut ids: Vec<String> = from_mountinfo(mountinfo).into_iter().collect();
    let hostname = hostname.trim();
    let is_short_id = hostname.len() == 12 && is_hex(hostname);
    if is_short_id && !ids.iter().any(|id| id.starts_with(hostname)) {
        ids.push(hostname.to_owned());
    }
    ids
}

/// The id in the source of `/etc/hostname`, `/etc/hosts` or `/etc/resolv.conf`.
/// Only these: on the engine's host itself every container's own mounts are
/// listed too, under other targets.
fn from_mountinfo(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        // id, parent, device, root (path inside the file system), target, …
        let mut fields = line.split(' ').skip(3);
        let (root, target) = (fields.next()?, fields.next()?);
        if !matches!(target, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") {
            return None;
        }
        let mut parts = root.rsplit('/');
        parts
            .find(|part| part.len() == 64 && is_hex(part))
            .map(str::to_owned)
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The host's path of `path`, by the innermost mount that holds it.
fn on_host(path: &Path, mounts: &[(PathBuf, PathBuf)]) -> Option<PathBuf> {
    let path = plain(path);
    mounts
        .iter()
        .filter_map(|(inside, source)| Some((path.strip_prefix(inside).ok()?, inside, source)))
        .max_by_key(|(_, inside, _)| inside.components().count())
        .filter(|(_, _, source)| !source.as_os_str().is_empty())
        .map(|(rest, _, source)| {
            // `join("")` would add a slash, and paths are compared as text.
            if rest.as_os_str().is_empty() {
                source.clone()
            } else {
                source.join(rest)
            }
        })
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ID: &str = "dbca7e55533128baa100b01e04c858f0e7c0a1d7bedec570163ea21a667eb5ed";

    fn in_docker() -> String {
        format!(
            "1041 1040 0:52 / /proc rw,nosuid - proc proc rw\n\
             1050 1039 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
             1051 1039 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
        )
    }

    #[test]
    fn the_id_is_in_the_sources_of_what_docker_mounts() {
        assert_eq!(candidates(&in_docker(), "colourstream\n"), [ID]);
        // The data root may be anywhere.
        let moved = in_docker().replace("/var/lib/docker", "/@data/engine");
        assert_eq!(candidates(&moved, "dbca7e555331"), [ID]);
    }

    #[test]
    fn podman_keeps_them_elsewhere() {
        let line = format!(
            "900 890 0:24 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw"
        );
        assert_eq!(candidates(&line, ""), [ID]);
    }

    #[test]
    fn the_engines_host_is_not_taken_for_one_of_its_containers() {
        let host = format!(
            "36 25 0:40 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             25 1 254:1 / / rw - ext4 /dev/vda1 rw\n\
             26 25 254:1 /etc/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
        );
        assert!(candidates(&host, "workstation").is_empty());
    }

    #[test]
    fn a_host_name_of_twelve_digits_is_the_second_guess() {
        assert_eq!(candidates("", "dbca7e555331\n"), ["dbca7e555331"]);
    }

    #[test]
    fn what_no_mount_holds_goes_with_the_container() {
        let mounts = format!(
            "{}1100 1039 0:60 / /etc/colour\\040stream rw - ext4 /dev/vda1 rw\n1101 1039 0:61 / / rw - overlay overlay rw\n\
             1102 1039 0:62 / /tmp rw,noexec - tmpfs tmpfs rw\n1103 1039 0:24 /backups /mnt/backups rw - tmpfs tmpfs rw\n",
            in_docker()
        );
        for (path, passes) in [
            ("/etc/colour stream/colourstream.yaml", false),
            ("/etc/colourstream/colourstream.yaml", true),
            ("/etc/hostname", false),
            ("/state/../etc/colour stream/x", false),
            ("/x", true),
            ("/tmp/x", true),
            ("/mnt/backups/x", false),
            ("/mnt/other/x", true),
        ] {
            assert_eq!(
                is_the_containers(&mounts, Path::new(path)),
                passes,
                "{path}"
            );
        }
    }

    fn container(mounts: &[(&str, &str)]) -> SelfFacts {
        SelfFacts {
            id: ID.to_owned(),
            running: true,
            mounts: mounts
                .iter()
                .map(|(inside, source)| (inside.into(), source.into()))
                .collect(),
            networks: BTreeMap::new(),
        }
    }

    fn state_on_host(state: &str, mounts: &[(&str, &str)]) -> Result<PathBuf, String> {
        match place(container(mounts), Path::new(state)) {
            Ok(Placement::Container { state_on_host, .. }) => Ok(state_on_host),
            Ok(Placement::Host) => Err("host".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_innermost_mount_that_holds_the_state_counts() {
        let bind = [("/srv", "/host/srv"), ("/srv/cs/state", "/data/cs")];
        assert_eq!(
            state_on_host("/srv/cs/state", &bind).unwrap(),
            Path::new("/data/cs")
        );
        assert_eq!(
            state_on_host("/srv/x/state", &bind).unwrap(),
            Path::new("/host/srv/x/state")
        );
        let volume = [("/state", "/var/lib/docker/volumes/cs/_data")];
        assert_eq!(
            state_on_host("/state/./a/../b", &volume).unwrap(),
            Path::new("/var/lib/docker/volumes/cs/_data/b")
        );
    }

    #[test]
    fn a_state_folder_inside_the_container_is_an_error_that_says_so() {
        let error = state_on_host("/state", &[("/stately", "/x")]).unwrap_err();
        assert!(
            error.contains("is not a mount") && error.contains("dbca7e555331"),
            "{error}"
        );
    }
}
