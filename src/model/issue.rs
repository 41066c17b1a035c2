//! What is wrong, why, and what to do: told once, the same on every surface.

use serde::{Deserialize, Serialize};

use super::Role;

/// How much it matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; nothing is broken.
    Notice,
    /// Works, but not as wanted.
    Warning,
    /// Something people need does not work.
    Error,
}

/// The name of an issue: stable, searchable, a heading in
/// `docs/troubleshooting.md`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum IssueCode {
    /// The engine does not answer.
    EngineAway,
    /// The engine's API is older than 1.41 (Docker 20.10).
    EngineTooOld,
    /// The socket exists but may not be opened.
    EngineDenied,
    /// An image is neither on the host nor could it be pulled.
    ImageMissing,
    /// A tag names another image than the one recorded.
    ImageMoved,
    /// A stand-in image runs in place of the real service.
    Simulated,
    /// A container, network or volume that is not ours has our name.
    NameTaken,
    /// A container carries our labels, but we did not make it.
    LookAlike,
    /// Another container or process listens on a port of the plan.
    PortTaken,
    /// A service does not come up, or does not stay up.
    ServiceUnhealthy,
    /// A service restarted too often; the breaker is open.
    ServiceFlapping,
    /// A new configuration failed and the old container was put back.
    ReplacementFailed,
    /// MiroTalk answers strangers: its route stays shut.
    CallUnsafe,
    /// Traefik does not run the configuration on disk.
    RouteRejected,
    /// `colourstream.yaml` is wrong; the last good one stays in force.
    SettingsInvalid,
    /// A template is wrong; the last good rendering stays in force.
    TemplateInvalid,
    /// The state folder cannot be read or written as needed.
    StateUnwritable,
    /// Nothing was ever kept in the state folder, but services of this
    /// instance run.
    StateEmpty,
    /// Another controller of this instance runs on the same engine.
    TwoControllers,
    /// Rooms or journal cannot be read or written.
    StoreFailed,
    /// The database is damaged, gone, or not all there.
    DatabaseDamaged,
    /// A newer controller wrote the database.
    DatabaseNewer,
    /// A backup that was due could not be made.
    BackupFailed,
    /// The address announced to media clients is not known.
    PublicAddressUnknown,
    /// A certificate is missing, wrong, or about to expire.
    CertificateInvalid,
    /// A certificate is being ordered.
    CertificatePending,
    /// The authority refused a certificate, or did not answer.
    CertificateFailed,
    /// A certificate was not renewed and is about to expire, or has expired.
    CertificateExpires,
    /// No certificate is ordered for a name that does not lead here.
    NameElsewhere,
    /// Reconciliation is paused by settings or by a person.
    Paused,
    /// A room's encoder sends what browsers cannot play well.
    EncoderSettings,
    /// A room's quality profile is not in the settings any more.
    ProfileMissing,
}

impl IssueCode {
    /// The name in kebab-case, as in JSON and in the documents.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// One thing that is wrong: a sentence, a cause, a way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Issue {
    /// Its stable name.
    pub code: IssueCode,
    /// How much it matters.
    pub severity: Severity,
    /// The service it belongs to, where it belongs to one.
    pub role: Option<Role>,
    /// What it is about: a container, port, path, image, or a room's slug.
    pub subject: String,
    /// One sentence: what.
    pub what: String,
    /// One sentence: why.
    pub why: String,
    /// One sentence: what to do about it, or that it mends itself and when.
    pub fix: String,
}

impl Issue {
    /// The containers `rivals` are controllers of this `instance` as well.
    pub fn two_controllers(instance: &str, rivals: &[String]) -> Self {
        let names = rivals.join(", ");
        Self {
            code: IssueCode::TwoControllers,
            severity: Severity::Error,
            role: None,
            subject: names.clone(),
            what: format!("Another controller runs the instance {instance}"),
            why: format!(
                "{names} answers to the name `controller` in the network {instance}, and two would undo each other's work. This one touches nothing and lets nobody in"
            ),
            fix: format!(
                "For a second installation on this host give this one an `instance` and ports of its own. If this one is to go on instead: `docker stop {}`, and it begins by itself",
                rivals.join(" ")
            ),
        }
    }

    /// The quality profile of `room` is none of those `offered`.
    pub fn profile_missing(room: &str, profile: &str, offered: &[&str]) -> Self {
        Self {
            code: IssueCode::ProfileMissing,
            severity: Severity::Error,
            role: None,
            subject: room.to_owned(),
            what: format!("The room {room} has the quality profile {profile}, which the settings do not have"),
            why: "OvenMediaEngine has no such application: nobody can publish to the room or watch it".into(),
            fix: format!(
                "Give the room another profile ({}) on its page, or put {profile} back under `profiles` in the settings",
                offered.join(", ")
            ),
        }
    }
}
