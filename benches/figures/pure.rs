//! What is computed without any engine: rendering and planning.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;

use colourstream::desired::{AcmeInputs, HostFacts, RoomRoute, Snapshot, Target, desire, labels};
use colourstream::disk::passing_secrets;
use colourstream::engine::{
    ContainerFacts, ContainerState, EngineFacts, ImageFacts, NetworkFacts, VolumeFacts,
};
use colourstream::model::{Digest, Role};
use colourstream::plan::{Action, FileFacts, FileState, Health, Observed, Policy, plan};
use colourstream::render::{Templates, render};
use colourstream::settings::{Mode, Overrides, load};
use jiff::Timestamp;

use crate::Failed;
use crate::house::House;
use crate::table::{Samples, Table};

fn snapshot(config: Option<&Path>, rooms: usize) -> Result<Snapshot, Failed> {
    let settings = load(config, &Overrides::default()).map_err(|errors| format!("{errors:?}"))?;
    let rooms = (0..rooms)
        .map(|number| RoomRoute {
            slug: format!("room-{number}"),
            title: format!("Room {number} – “Nacht”"),
            stream: Digest::of(format!("{number}"))
                .to_string()
                .chars()
                .take(26)
                .collect(),
            profile: settings.profiles[0].name.clone(),
            allowed_addresses: Vec::new(),
            viewer_cap: (number % 2 == 0).then_some(8),
        })
        .collect();
    Ok(Snapshot {
        rooms,
        secrets: passing_secrets(None)?,
        host: HostFacts {
            state_on_host: "/srv/colourstream".into(),
            in_container: false,
            can_chown: true,
            owner: (0, 0),
            subnet: "10.83.12.0/24".into(),
            gateway: Ipv4Addr::new(10, 83, 12, 1),
            public_address: Some("192.0.2.7".into()),
        },
        certificate: None,
        acme: AcmeInputs::default(),
        pins: BTreeMap::new(),
        version: "0.1.0".into(),
        now: Timestamp::UNIX_EPOCH,
        settings,
    })
}

/// The world in which all is as `target` wants it.
fn as_wanted(target: &Target) -> Observed {
    let image = |role: Role| ImageFacts {
        id: format!("sha256:{role}"),
        repo_digests: Vec::new(),
        labels: BTreeMap::new(),
        env: BTreeMap::new(),
        command: vec!["/service".into()],
        user: String::new(),
        size: 1,
    };
    let ours = |role: &str, spec: Option<Digest>| {
        let mut all = BTreeMap::from([
            (labels::INSTANCE.to_owned(), target.instance.clone()),
            (labels::ROLE.to_owned(), role.to_owned()),
            (labels::VERSION.to_owned(), target.version.clone()),
        ]);
        all.extend(spec.map(|spec| (labels::SPEC.to_owned(), spec.to_string())));
        all
    };
    let mut engine = EngineFacts::default();
    engine.networks.push(NetworkFacts {
        id: String::new(),
        name: target.network.name.clone(),
        driver: "bridge".into(),
        labels: ours("network", None),
        subnets: vec![target.network.subnet.clone()],
        gateway: Some(target.network.gateway),
    });
    for volume in &target.volumes {
        engine.volumes.push(VolumeFacts {
            name: volume.name.clone(),
            labels: ours("volume", None),
            options: BTreeMap::from([
                ("o".to_owned(), "bind".to_owned()),
                ("device".to_owned(), volume.device.display().to_string()),
            ]),
        });
    }
    let mut observed = Observed::default();
    for spec in &target.containers {
        let image = image(spec.role);
        let labels = ours(spec.role.as_str(), Some(spec.digest()));
        let name = target.container_name(spec.role);
        let mut facts = ContainerFacts::from_spec(
            spec.role.as_str(),
            &name,
            spec,
            &image,
            &target.network.name,
            &labels,
        );
        facts.state = ContainerState::Running;
        facts.started_at = Some(Timestamp::UNIX_EPOCH);
        engine.containers.push(facts);
        engine.images.insert(image.id.clone(), image.clone());
        engine.images.insert(spec.image.reference.clone(), image);
        let generation = (spec.role == Role::Traefik).then(|| target.traefik_generation.clone());
        observed.health.insert(
            spec.role,
            Health::Healthy {
                version: None,
                generation,
            },
        );
    }
    for file in &target.files {
        let facts = FileFacts {
            state: FileState::File(file.digest),
            mode: file.mode,
            owner: file.owner.unwrap_or_default(),
        };
        observed.files.insert(file.path.clone(), facts);
    }
    observed.engine = Some(engine);
    observed
}

/// Images are recorded at first; nothing else may be left to do.
fn settled(target: &Target, observed: &Observed, policy: &Policy) -> Result<(), Failed> {
    let left = plan(target, observed, policy);
    let surprising = left
        .steps
        .iter()
        .find(|step| !matches!(step.action, Action::PinImage { .. }));
    match surprising {
        Some(step) => Err(format!("the world is not as wanted: {}", step.why).into()),
        None => Ok(()),
    }
}

/// Every difference counts, nothing waits.
const POLICY: Policy = Policy {
    now: Timestamp::UNIX_EPOCH,
    mode: Mode::Heal,
    apply_now: false,
};

/// Plan and render for one, a hundred, a thousand rooms.
pub fn measure(house: &House, table: &mut Table) -> Result<(), Failed> {
    let templates =
        Templates::with_overrides(&BTreeMap::new()).map_err(|errors| format!("{errors:?}"))?;
    for rooms in [1, 100, 1_000] {
        let snapshot = snapshot(Some(&house.config()), rooms)?;
        let target =
            render(&desire(&snapshot), &templates).map_err(|errors| format!("{errors:?}"))?;
        let samples = Samples::of(60, || {
            let _rendered = black_box(render(&desire(black_box(&snapshot)), &templates));
        });
        table.time(
            &format!("render, {rooms} rooms"),
            (rooms == 1_000).then_some(10.0),
            &samples,
        );
        let observed = as_wanted(&target);
        settled(&target, &observed, &POLICY)?;
        let samples = Samples::of(200, || {
            let _planned = black_box(plan(black_box(&target), &observed, &POLICY));
        });
        table.time(
            &format!("plan, {rooms} rooms"),
            (rooms == 1_000).then_some(2.0),
            &samples,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_do_in_the_world_that_is_measured() -> Result<(), Failed> {
        let templates =
            Templates::with_overrides(&BTreeMap::new()).map_err(|errors| format!("{errors:?}"))?;
        let snapshot = snapshot(None, 3)?;
        let target =
            render(&desire(&snapshot), &templates).map_err(|errors| format!("{errors:?}"))?;
        let mut observed = as_wanted(&target);
        settled(&target, &observed, &POLICY)?;
        // What is missing is seen.
        observed.files.clear();
        assert!(settled(&target, &observed, &POLICY).is_err());
        Ok(())
    }
}
