//! From target, observation and plan to the status everybody reads.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::VERSION;
use crate::desired::{Orders, Seen, Stage, Target, labels};
use crate::engine::{ContainerFacts, ContainerState};
use crate::model::{Role, Severity};
use crate::plan::{Health, Observed, Plan, PullState, Wait, views};
use crate::settings::{Mode, Settings, Tls};
use crate::status::{CertificateStatus, EngineStatus, LiveCounts, ServiceStatus, Status, Summary};

/// The parts of the status that follow from one look; times and numbers of the
/// loop itself are added by it.
pub(super) fn status(
    settings: &Settings,
    target: Option<&Target>,
    observed: &Observed,
    plan: &Plan,
    mode: Mode,
) -> Status {
    let engine = observed.engine.as_ref();
    let services = target.map_or_else(Vec::new, |target| {
        Role::ALL
            .into_iter()
            .filter_map(|role| service(target, observed, plan, role))
            .collect()
    });
    Status {
        version: VERSION.to_owned(),
        instance: settings.instance.clone(),
        summary: summary(&services, observed, plan, mode),
        mode: match mode {
            Mode::Heal => "heal",
            Mode::Report => "report",
            Mode::Paused => "paused",
        }
        .to_owned(),
        engine: EngineStatus {
            address: settings.engine.address.clone(),
            reachable: engine.is_some(),
            version: engine.map(|engine| engine.info.version.clone()),
            api_version: engine.map(|engine| engine.info.api_version.clone()),
        },
        services,
        plan: views(plan),
        issues: plan.issues.clone(),
        addresses: BTreeMap::from(
            [
                ("live", &settings.hosts.live),
                ("admin", &settings.hosts.admin),
                ("video", &settings.hosts.video),
            ]
            .map(|(name, host)| (name.to_owned(), settings.origin(host))),
        ),
        live: LiveCounts {
            streams: observed.live.streams,
            viewers: observed.live.viewers,
            callers: observed.live.callers,
        },
        ..Status::default()
    }
}

/// The certificate of each name, by what Traefik says it has.
pub(super) fn certificates(
    settings: &Settings,
    orders: &Orders,
    seen: &Seen,
    now: Timestamp,
) -> Vec<CertificateStatus> {
    if matches!(settings.tls, Tls::Off { .. }) {
        return Vec::new();
    }
    let row = |host: &str| {
        let served = seen.served.as_ref().and_then(|all| all.get(host));
        let state = match (served, &settings.tls) {
            (Some(served), _) if served.until <= now => "expired",
            (Some(_), _) => "good",
            (None, Tls::Acme(_)) => match orders.of(host).stage {
                Stage::New | Stage::Had { .. } => "unknown",
                Stage::Held(_) => "held-back",
                Stage::Due | Stage::Asked { .. } => "ordered",
                Stage::Failed { .. } => "failed",
            },
            (None, _) => "unknown",
        };
        CertificateStatus {
            host: host.to_owned(),
            state: state.to_owned(),
            issuer: served.map(|served| served.issuer.clone()),
            until: served.map(|served| served.until),
        }
    };
    settings.hosts.all().map(row).into()
}

fn summary(services: &[ServiceStatus], observed: &Observed, plan: &Plan, mode: Mode) -> Summary {
    let waits_long = plan.steps.iter().any(|step| {
        matches!(
            &step.waits,
            Some(Wait::Quiet | Wait::Pull { .. } | Wait::Person | Wait::Until { .. })
        )
    });
    if mode != Mode::Heal {
        Summary::Paused
    } else if plan
        .issues
        .iter()
        .any(|issue| issue.severity == Severity::Error)
        || observed.engine.is_none()
    {
        Summary::Degraded
    } else if waits_long {
        Summary::Waiting
    } else if plan.is_empty() && services.iter().all(|service| service.health == "healthy") {
        Summary::Ready
    } else {
        Summary::Starting
    }
}

fn service(target: &Target, observed: &Observed, plan: &Plan, role: Role) -> Option<ServiceStatus> {
    let spec = target.container(role)?;
    let name = target.container_name(role);
    let engine = observed.engine.as_ref();
    let facts = engine.and_then(|engine| engine.containers.iter().find(|facts| facts.name == name));
    let image = facts.and_then(|facts| {
        engine?
            .images
            .values()
            .find(|image| image.id == facts.image_id)
    });
    let health = observed.health.get(&role);
    let pulling = observed
        .pulls
        .iter()
        .find_map(|(reference, pull)| match pull {
            PullState::Running { current, total } if *reference == spec.image.reference => {
                Some((*current, *total))
            }
            _ => None,
        });
    Some(ServiceStatus {
        role,
        image: spec.image.reference.clone(),
        image_id: image
            .and_then(|image| image.repo_digests.first().cloned())
            .or_else(|| facts.map(|facts| facts.image_id.clone())),
        simulated: image.is_some_and(|image| {
            image
                .labels
                .get(labels::SIMULATED)
                .is_some_and(|value| value == "true")
        }),
        running: facts
            .map_or("absent", |facts| state(facts.state))
            .to_owned(),
        health: match (facts, health) {
            (Some(_), Some(Health::Healthy { .. })) => "healthy",
            (Some(_), Some(Health::Starting { .. })) => "starting",
            (Some(_), Some(Health::Unhealthy { .. })) => "unhealthy",
            _ => "unknown",
        }
        .to_owned(),
        current: facts.is_some_and(|facts| {
            facts.labels.get(labels::SPEC) == Some(&spec.digest().to_string())
        }),
        version: match health {
            Some(Health::Healthy { version, .. }) => version.clone(),
            _ => None,
        },
        since: facts
            .filter(|facts| facts.state == ContainerState::Running)
            .and_then(|facts| facts.started_at),
        why: why(plan, role, facts, health),
        last_change: None,
        container: name,
        pulling,
    })
}

const fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Exited => "exited",
        ContainerState::Dead => "dead",
    }
}

/// One clause: the issue if there is one, else what is done or waited for,
/// else what the service says.
fn why(plan: &Plan, role: Role, facts: Option<&ContainerFacts>, health: Option<&Health>) -> String {
    let issue = plan
        .issues
        .iter()
        .find(|issue| issue.role == Some(role) && issue.severity == Severity::Error);
    if let Some(issue) = issue {
        return issue.why.clone();
    }
    let lane = crate::plan::Lane::Service(role);
    if let Some(step) = plan.steps.iter().find(|step| step.lane == lane) {
        return step.why.clone();
    }
    match (facts, health) {
        (None, _) => "it does not exist".into(),
        (_, Some(Health::Starting { why } | Health::Unhealthy { why })) => why.clone(),
        _ => "as wanted".into(),
    }
}
