//! `status` and `health`: what a running controller says.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use super::control::Control;
use super::terminal::{self, Paint};
use super::{Common, Failure, session};
use crate::model::{Issue, Severity};
use crate::status::{Status, Summary};

/// Prints the state of everything; with `watch` again every second.
pub async fn run(common: &Common, watch: bool) -> Result<ExitCode, Failure> {
    loop {
        let fix = "start one with `colourstream serve`, or look without one: `colourstream plan`";
        let control = Control::running_or(common, fix).await?;
        let status: Status = control.get("/api/v1/status").await?;
        if common.json {
            terminal::line(serde_json::to_string_pretty(&status).map_err(Failure::told)?);
        } else {
            if watch {
                // Home and clear, so that the page stands still.
                terminal::raw("\x1b[H\x1b[2J");
            }
            terminal::raw(text(&status, Timestamp::now(), Paint::stdout()));
        }
        if !watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Exit 0 while the controller answers, 1 otherwise. By which settings is not
/// asked: one that has the last good ones is well.
pub async fn health(common: &Common) -> Result<ExitCode, Failure> {
    let state = session::state_folder(common)?;
    let control = Control::find(&state)
        .await
        .ok_or_else(|| Failure::Told("no controller answers".into()))?;
    let status: Status = control.get("/api/v1/status").await?;
    let damaged = status
        .issues
        .iter()
        .find(|issue| issue.subject == "store" && issue.severity == Severity::Error);
    match damaged {
        Some(issue) => Err(Failure::Told(issue.what.clone())),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The status as a page of text.
pub fn text(status: &Status, now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let word = match status.summary {
        Summary::Ready => paint.green("ready"),
        Summary::Starting => paint.yellow("starting"),
        Summary::Waiting => paint.yellow("waiting"),
        Summary::Degraded => paint.red("degraded"),
        Summary::Paused => paint.yellow("paused"),
    };
    line(format!("{} {}", paint.bold(&status.instance), word));
    line(String::new());
    line(paint.dim(&format!(
        "{:<18}{:<12}{:<12}{:<14}{:<10}{}",
        "", "running", "health", "version", "since", "why"
    )));
    for service in &status.services {
        let health = match service.health.as_str() {
            "healthy" => paint.green(&format!("{:<12}", service.health)),
            "unhealthy" => paint.red(&format!("{:<12}", service.health)),
            _ => paint.yellow(&format!("{:<12}", service.health)),
        };
        let version = service.version.clone().unwrap_or_else(|| "–".into());
        let mark = if service.simulated {
            " (simulated)"
        } else {
            ""
        };
        line(format!(
            "{:<18}{:<12}{health}{:<14}{:<10}{}{mark}",
            service.role.to_string(),
            service.running,
            version,
            service
                .since
                .map_or_else(|| "–".into(), |since| ago(since, now)),
            service.why,
        ));
    }
    if !status.certificates.is_empty() {
        line(String::new());
        for certificate in &status.certificates {
            let state = match certificate.state.as_str() {
                "good" => paint.green("good"),
                "ordered" | "unknown" => paint.yellow(&certificate.state),
                other => paint.red(other),
            };
            let until = certificate.until.map_or_else(String::new, |until| {
                format!(
                    " until {}, by {}",
                    until.strftime("%Y-%m-%d"),
                    certificate
                        .issuer
                        .as_deref()
                        .unwrap_or("an unknown authority")
                )
            });
            line(format!(
                "certificate  {:<34}{state}{until}",
                certificate.host
            ));
        }
    }
    if !status.plan.is_empty() {
        line(String::new());
        line(paint.bold("plan"));
        for step in &status.plan {
            line(super::plan::step_line(step, paint));
        }
    }
    issues(&status.issues, paint, &mut line);
    line(String::new());
    for (name, address) in &status.addresses {
        // As everywhere but in the settings.
        let name = if name == "admin" { "portal" } else { name };
        line(format!("{name:<7}{address}"));
    }
    line(format!(
        "{:<7}{}",
        "backup",
        match &status.backup.last {
            Some(last) => format!("{} ago, {}", ago(last.at, now), last.path.display()),
            None => "none yet".to_owned(),
        }
    ));
    if let Some(trust) = &status.trust {
        line(format!("trust  {trust}"));
    }
    let live = status.live;
    line(format!(
        "now    {} {}, {} watching, {} in the call",
        live.streams,
        if live.streams == 1 {
            "stream"
        } else {
            "streams"
        },
        live.viewers,
        live.callers
    ));
    out
}

/// Issues: one line of what, one of why, one of what to do.
pub fn issues(issues: &[Issue], paint: Paint, line: &mut impl FnMut(String)) {
    for issue in issues {
        let name = issue.code.name();
        let mark = match issue.severity {
            Severity::Error => paint.red("✗"),
            Severity::Warning => paint.yellow("!"),
            Severity::Notice => paint.dim("·"),
        };
        line(String::new());
        line(format!("{mark} {}  {}", issue.what, paint.dim(&name)));
        line(format!("  {}", issue.why));
        line(format!("  → {}", issue.fix));
    }
}

/// `42 s`, `3 min`, `2 h`, `5 d`.
pub fn ago(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::backup::{BackupFile, Why};
    use crate::model::Role;
    use crate::status::{BackupStatus, CertificateStatus, LiveCounts, ServiceStatus};

    #[test]
    fn the_read_me_shows_what_is_printed() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let service = |role, version: Option<&str>| ServiceStatus {
            role,
            container: String::new(),
            image: String::new(),
            image_id: None,
            simulated: false,
            running: "running".into(),
            health: "healthy".into(),
            current: true,
            version: version.map(str::to_owned),
            since: now.checked_sub(SignedDuration::from_hours(2)).ok(),
            why: "as wanted".into(),
            last_change: None,
            pulling: None,
        };
        let hosts =
            ["review", "admin.review", "video.review"].map(|name| format!("{name}.example.com"));
        let status = Status {
            instance: "colourstream".into(),
            summary: Summary::Ready,
            services: vec![
                service(Role::Traefik, Some("3.7.15")),
                service(Role::Ovenmediaengine, Some("0.21.0")),
                service(Role::Mirotalk, None),
            ],
            certificates: hosts
                .iter()
                .map(|host| CertificateStatus {
                    host: host.clone(),
                    state: "good".into(),
                    issuer: Some("R11".into()),
                    until: Some("2027-02-21T08:00:00Z".parse().unwrap()),
                })
                .collect(),
            addresses: ["live", "admin", "video"]
                .iter()
                .zip(&hosts)
                .map(|(name, host)| ((*name).to_owned(), format!("https://{host}")))
                .collect(),
            backup: BackupStatus {
                last: Some(BackupFile {
                    at: "2026-11-23T01:00:00Z".parse().unwrap(),
                    why: Why::Daily,
                    path: "/state/backups/colourstream-20261123T010000Z-daily.backup".into(),
                    bytes: 1,
                }),
                next: None,
            },
            live: LiveCounts {
                streams: 1,
                viewers: 4,
                callers: 3,
            },
            ..Status::default()
        };
        let readme = include_str!("../../README.md");
        let (_, shown) = readme.split_once("$ colourstream status\n").unwrap();
        let (shown, _) = shown.split_once("```").unwrap();
        assert_eq!(text(&status, now, Paint { on: false }), shown);
    }
}
