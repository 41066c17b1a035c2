//! What Traefik says of itself: the configuration it really runs.

use hyper::header::HeaderName;
use jiff::Timestamp;
use serde::Deserialize;

use super::http::{Answer, Http, ServiceError};
use crate::desired::Failure;
use crate::render::hidden;

/// Traefik as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The marker of the dynamic configuration in force; `None` while it has
    /// none (not read yet, or refused at its start).
    pub generation: Option<String>,
    /// What is configured and switched off, each with its reason.
    pub errors: Vec<String>,
}

/// Most errors told at once: a person reads the first few.
const MOST_ERRORS: usize = 20;

/// Asks for health and configuration.
///
/// # Errors
/// When it does not serve at all.
pub(super) async fn look(http: &Http, base: &str) -> Result<Loaded, ServiceError> {
    let (generation, overview) = tokio::join!(
        http.get(base, "/config-generation"),
        http.get(base, "/api/overview")
    );
    let generation = generation?;
    if !generation.status.is_success() {
        // No marker: healthy all the same if it says so.
        http.get(base, "/ping").await?.ok()?;
    }
    let errors = match overview.and_then(Answer::ok) {
        Ok(overview) if overview.json::<Overview>()?.errors() > 0 => disabled(http, base).await?,
        Ok(_) => Vec::new(),
        // Served by a router of the dynamic file: without one there is no API.
        Err(ServiceError::Status { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let marker = HeaderName::from_static("x-config-generation");
    Ok(Loaded {
        generation: generation.header(&marker).map(str::to_owned),
        errors,
    })
}

/// Asks for the version; `None` while the API has no route.
pub(super) async fn version(http: &Http, base: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(rename = "Version")]
        version: String,
    }
    let answer = http.get(base, "/api/version").await.ok()?.ok().ok()?;
    answer.json::<Version>().ok().map(|answer| answer.version)
}

/// A certificate that Traefik would show to a browser, besides its default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Names it is for.
    #[serde(default)]
    pub sans: Vec<String>,
    /// Who signed it.
    #[serde(default, rename = "issuerCN")]
    pub issuer: String,
    /// Since when it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
}

/// Asks which certificates it has.
pub(super) async fn certificates(http: &Http, base: &str) -> Result<Vec<Listed>, ServiceError> {
    http.get(base, "/api/certificates?per_page=100")
        .await?
        .ok()?
        .json()
}

/// The orders and renewals that failed, by lines of Traefik's log, oldest
/// first. It tells of them nowhere else: to its API they look healthy.
pub fn failures(lines: &[String], hosts: &[&str]) -> Vec<Failure> {
    lines
        .iter()
        .filter_map(|line| failure(line, hosts))
        .collect()
}

/// Longer reasons are cut: a person reads the first words.
const LONGEST_REASON: usize = 400;

fn failure(line: &str, hosts: &[&str]) -> Option<Failure> {
    // As a value: some keys stand in it twice.
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line.get(key).and_then(serde_json::Value::as_str);
    let message = text("message")?;
    let stands = message.starts_with("The ACME resolve is skipped");
    let of = if message.starts_with("Unable to obtain ACME certificate") {
        let domains = line.get("domains")?.as_array()?;
        let domains = domains.iter().filter_map(serde_json::Value::as_str);
        domains.map(str::to_owned).collect()
    } else if message.starts_with("Error renewing certificate") {
        let named = |host: &&&str| message.contains(**host);
        hosts
            .iter()
            .filter(named)
            .map(ToString::to_string)
            .collect()
    } else if stands {
        hosts.iter().map(ToString::to_string).collect()
    } else {
        return None;
    };
    // What went wrong stands innermost, behind what was tried.
    let why = text("error").unwrap_or(message);
    let why = why
        .split_once("had a problem: ")
        .map_or(why, |(_, inner)| inner)
        .trim_matches(['[', ']']);
    let mut why = hidden(&why.chars().take(LONGEST_REASON).collect::<String>());
    if stands {
        why = format!(
            "Traefik gave up on what it keeps (`traefik/acme` in the state folder) when it began, and asks nobody: {why}"
        );
    }
    Some(Failure {
        at: text("time")?.parse().ok()?,
        hosts: of,
        why,
        stands,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Overview {
    http: Sections,
    tcp: Sections,
    udp: Sections,
    certificates: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sections {
    routers: Section,
    services: Section,
    middlewares: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Section {
    errors: u64,
}

impl Overview {
    fn errors(&self) -> u64 {
        let of = |sections: &Sections| {
            sections.routers.errors + sections.services.errors + sections.middlewares.errors
        };
        of(&self.http) + of(&self.tcp) + of(&self.udp) + self.certificates.errors
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    name: String,
    status: String,
    // Read as it comes: a list in 3.7, one text in others.
    error: serde_json::Value,
}

async fn disabled(http: &Http, base: &str) -> Result<Vec<String>, ServiceError> {
    const LISTS: [(&str, &str); 6] = [
        ("router", "/api/http/routers"),
        ("service", "/api/http/services"),
        ("middleware", "/api/http/middlewares"),
        ("TCP router", "/api/tcp/routers"),
        ("TCP service", "/api/tcp/services"),
        ("UDP router", "/api/udp/routers"),
    ];
    let lists = LISTS.map(|(kind, path)| async move {
        let mut found = Vec::new();
        let mut page = 1;
        loop {
            let path = format!("{path}?status=disabled&per_page=100&page={page}");
            let answer = http.get(base, &path).await?.ok()?;
            for item in answer.json::<Vec<Item>>()? {
                if item.status == "disabled" {
                    found.push(format!("{kind} {}: {}", item.name, reasons(&item.error)));
                }
            }
            let next = answer
                .header(&HeaderName::from_static("x-next-page"))
                .and_then(|next| next.parse().ok())
                .unwrap_or(1);
            // The last page points back to the first.
            if next <= page || found.len() >= MOST_ERRORS {
                return Ok::<_, ServiceError>(found);
            }
            page = next;
        }
    });
    let mut all = Vec::new();
    for list in futures_util::future::join_all(lists).await {
        all.extend(list?);
    }
    all.truncate(MOST_ERRORS);
    if all.is_empty() {
        // Counted, but none is listed: a certificate.
        all.push(
            "the overview counts an error that no list names, such as a certificate's".to_owned(),
        );
    }
    Ok(all)
}

pub(super) fn reasons(error: &serde_json::Value) -> String {
    match error {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) => list
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect::<Vec<_>>()
            .join("; "),
        _ => "no reason given".to_owned(),
    }
}
