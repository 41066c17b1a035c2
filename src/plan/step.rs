//! A plan as a value: steps with their cause, what they disrupt, what they
//! wait for.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::engine::EngineCall;
use crate::model::{Digest, Issue, Role};

/// What has to be done now, and what is wrong that doing cannot mend.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Steps in order. Those of [`Lane::Ground`] come first; the lanes of the
    /// services are independent of each other.
    pub steps: Vec<Step>,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

/// What a step belongs to. Lanes run side by side; within one, in order, and
/// the first failure ends the lane until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Files, network, volumes: before everything else.
    Ground,
    /// One service.
    Service(Role),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Where it belongs.
    pub lane: Lane,
    /// What is done.
    pub action: Action,
    /// Its cause, as a clause a person reads: "the container is gone".
    pub why: String,
    /// Whom it interrupts.
    pub disrupts: Disruption,
    /// What it waits for; `None` = it is ready. A waiting step holds up the
    /// rest of its lane.
    pub waits: Option<Wait>,
    /// Only while nobody is live: asked once more right before it is done,
    /// since what comes before it takes its time.
    pub quiet: bool,
}

/// Whom a step interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    /// Nobody.
    None,
    /// A service takes up new configuration while it runs.
    Reload,
    /// The sessions of one service: pictures, or calls.
    Streams,
    /// Every session.
    Everything,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum Wait {
    /// Nobody has been live for a while, or somebody says `apply --now`.
    Quiet,
    /// A service answers as it should (looked at again within 100 ms).
    Healthy {
        /// Which.
        role: Role,
    },
    /// An image is being pulled.
    Pull {
        /// Which.
        reference: String,
    },
    /// A time: the next try after a failure.
    Until {
        /// When.
        at: Timestamp,
    },
    /// A person has to resolve an issue first.
    Person,
    /// Reconciliation is paused or only reports.
    Mode,
}

/// What is done. Each is one call or one file, safe to repeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Write a rendered file (temporary file outside the watched folders,
    /// fsync, rename).
    WriteFile {
        /// Relative to `state/rendered`.
        path: PathBuf,
        /// Its bytes' digest; the bytes are in the target.
        digest: Digest,
        /// Whether nothing is at its path yet.
        new: bool,
    },
    /// Move what is in the way or does not belong into `state/quarantine`.
    Quarantine {
        /// Relative to `state/rendered`.
        path: PathBuf,
    },
    /// Remove a rendered file of ours that nothing refers to any more.
    RemoveFile {
        /// Relative to `state/rendered`.
        path: PathBuf,
    },
    /// Begin to pull an image in the background.
    Pull {
        /// Reference with tag or digest.
        reference: String,
    },
    /// Record what a reference resolved to.
    PinImage {
        /// Reference with tag, as in the settings.
        reference: String,
        /// Image id.
        id: String,
        /// Registry digest reference.
        digest: Option<String>,
    },
    /// One call to the engine.
    Engine {
        /// How a person names it: `create container colourstream-traefik`.
        title: String,
        /// The call; its values may be long, so plans print the title.
        #[serde(skip)]
        call: Box<EngineCall>,
    },
    /// Record that a specification failed as a replacement.
    RecordFailure {
        /// Which service.
        role: Role,
        /// Which specification.
        spec: Digest,
        /// What happened.
        reason: String,
    },
    /// Nothing but the wait: the lane is not finished before it is over.
    Await,
}

impl Plan {
    /// Whether nothing is to be done or waited for.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps that can be done now, in order: per lane those before the
    /// first that waits; services only once the ground is finished.
    pub fn ready(&self) -> impl Iterator<Item = &Step> {
        let mut held: Vec<Lane> = Vec::new();
        self.steps.iter().filter(move |step| {
            if step.waits.is_some() && !held.contains(&step.lane) {
                held.push(step.lane);
            }
            !held.contains(&step.lane) && !held.contains(&Lane::Ground)
        })
    }

    /// The most anybody is interrupted by its steps, those that wait included.
    pub fn disruption(&self) -> Disruption {
        self.steps
            .iter()
            .map(|step| step.disrupts)
            .max()
            .unwrap_or(Disruption::None)
    }
}
