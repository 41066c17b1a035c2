//! Taking everything away again: what we made, and nothing else.

use super::{Action, Disruption, Lane, Observed, Plan, Step};
use crate::desired::labels;
use crate::engine::{EngineCall, EngineFacts};

/// The steps that remove every container, network and (where asked) volume of
/// `instance`. Containers first, because they hold the rest.
pub fn leave(instance: &str, observed: &Observed, with_volumes: bool) -> Plan {
    let mut plan = Plan {
        steps: Vec::new(),
        issues: observed.issues.clone(),
    };
    let Some(engine) = &observed.engine else {
        return plan;
    };
    containers(instance, observed, engine, &mut plan.steps);
    let ours = |labels: &std::collections::BTreeMap<String, String>| {
        labels
            .get(labels::INSTANCE)
            .is_some_and(|found| found == instance)
    };
    for network in engine
        .networks
        .iter()
        .filter(|network| ours(&network.labels))
    {
        if let Some(own) = observed.own.as_ref().filter(|own| own.joined) {
            let call = EngineCall::DisconnectNetwork {
                network: network.id.clone(),
                container: own.id.clone(),
            };
            plan.steps
                .push(step(format!("leave network {}", network.name), call));
        }
        let call = EngineCall::RemoveNetwork {
            id: network.id.clone(),
        };
        plan.steps
            .push(step(format!("remove network {}", network.name), call));
    }
    for volume in engine
        .volumes
        .iter()
        .filter(|volume| with_volumes && ours(&volume.labels))
    {
        let call = EngineCall::RemoveVolume {
            name: volume.name.clone(),
        };
        plan.steps
            .push(step(format!("remove volume {}", volume.name), call));
    }
    plan
}

fn containers(instance: &str, observed: &Observed, engine: &EngineFacts, steps: &mut Vec<Step>) {
    for facts in &engine.containers {
        let labelled = facts
            .labels
            .get(labels::INSTANCE)
            .is_some_and(|found| found == instance);
        let named = crate::engine::is_our_name(instance, &facts.name);
        if labelled && (named || observed.made.contains_key(&facts.id)) {
            let id = facts.id.clone();
            if facts.is_running() {
                let call = EngineCall::StopContainer {
                    id: id.clone(),
                    timeout: 10,
                };
                steps.push(Step {
                    disrupts: Disruption::Everything,
                    ..step(format!("stop {}", facts.name), call)
                });
            }
            let call = EngineCall::RemoveContainer { id };
            steps.push(step(format!("remove container {}", facts.name), call));
        }
    }
}

fn step(title: String, call: EngineCall) -> Step {
    Step {
        lane: Lane::Ground,
        action: Action::Engine {
            title,
            call: Box::new(call),
        },
        why: "ColourStream made it".into(),
        disrupts: Disruption::None,
        waits: None,
        quiet: false,
    }
}
