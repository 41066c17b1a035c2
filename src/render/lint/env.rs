//! MiroTalk's files. What is missing in its environment file is replaced by a
//! default that everybody knows, without a word.

use std::collections::BTreeMap;

use super::Findings;
use crate::desired::MirotalkContext;

/// Checks an environment file against what MiroTalk has to be told, and against
/// the container's environment, which beats the file.
pub(super) fn settings(
    text: &str,
    context: &MirotalkContext,
    container: &BTreeMap<String, String>,
    findings: &mut Findings<'_>,
) {
    let file = match parse(text) {
        Ok(file) => file,
        Err(what) => {
            findings.add(
                what,
                "write one NAME=value a line and escape values with `| env`",
            );
            return;
        }
    };
    let (viewer, host) = (
        context.viewer_password.expose(),
        context.host_password.expose(),
    );
    let wanted: Vec<(&str, String)> = if context.flavour == "sfu" {
        vec![
            ("JWT_SECRET", context.jwt_key.expose().clone()),
            ("API_KEY_SECRET", context.api_key.expose().clone()),
            (
                "HOST_USERS",
                format!("viewer:{viewer}:viewer:none|host:{host}:host:*"),
            ),
            ("WEBHOOK_URL", context.webhook_url.expose().clone()),
        ]
    } else {
        vec![
            ("JWT_KEY", context.jwt_key.expose().clone()),
            ("API_KEY_SECRET", context.api_key.expose().clone()),
            (
                "TURN_SERVER_CREDENTIAL",
                context.turn_credential.expose().clone(),
            ),
            ("WEBHOOK_URL", context.webhook_url.expose().clone()),
        ]
    };
    for (name, value) in wanted {
        require!(
            findings,
            !value.is_empty() && file.get(name) == Some(&value),
            format!(
                "{name} is missing or not the controller's; MiroTalk would take a value everybody knows"
            ),
            format!("give {name} the value of the built-in template"),
        );
    }
    if context.flavour == "p2p" {
        let accounts = file
            .get("HOST_USERS")
            .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let ours = serde_json::json!([
            {"username": "viewer", "password": viewer},
            {"username": "host", "password": host},
        ]);
        require!(
            findings,
            accounts == Some(ours),
            "HOST_USERS is not the JSON of the two technical accounts; MiroTalk would take accounts everybody knows",
            "give HOST_USERS the value of the built-in template",
        );
    }
    for name in file.keys() {
        require!(
            findings,
            !container.contains_key(name),
            format!("{name} is set in the container's environment, which beats this file"),
            "remove the line: it would do nothing",
        );
    }
}

/// Reads an environment file as Node does, and refuses what Node and dotenv
/// read differently.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let wrong = |what: &str| format!("line {number} of the result {what}");
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("has no `=`"))?;
        let name = name.trim();
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            || name.is_empty()
            || name.starts_with(|first: char| first.is_ascii_digit())
        {
            return Err(wrong("does not begin with the name of a variable"));
        }
        let value = value.trim();
        let value = match value.chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => {
                let inside = value.get(1..).unwrap_or_default();
                let (inside, rest) = inside
                    .split_once(quote)
                    .ok_or_else(|| wrong("opens a quote that it does not close"))?;
                let rest = rest.trim();
                if !rest.is_empty() && !rest.starts_with('#') {
                    return Err(wrong("has text behind its closing quote"));
                }
                if inside.ends_with('\\') || (quote == '"' && inside.contains('\\')) {
                    return Err(wrong("has a backslash that its readers take differently"));
                }
                inside.to_owned()
            }
            _ => value
                .split('#')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        };
        if all.insert(name.to_owned(), value).is_some() {
            return Err(wrong(&format!("gives {name} a second time")));
        }
    }
    Ok(all)
}

/// Checks the P2P overlay as far as text allows: MiroTalk requires the file by
/// name, and without the template it changes it does not start.
pub(super) fn overlay(text: &str, findings: &mut Findings<'_>) {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    for (part, why) in [
        (
            "require('./config.template.js')",
            "MiroTalk would run on no settings at all",
        ),
        ("module.exports", "MiroTalk would read nothing from it"),
        (
            "base.webhook",
            "the controller would not hear of joins and leaves",
        ),
        (
            "translationMode = 'native'",
            "every page would ask a translation service",
        ),
    ] {
        require!(
            findings,
            code.contains(part),
            format!("`{part}` is missing: {why}"),
            "compare with the built-in template",
        );
    }
}
