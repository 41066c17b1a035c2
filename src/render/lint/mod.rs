//! Reads every rendered file back as its service would, and refuses what the
//! service would refuse, ignore in silence, or take in a dangerous way.

/// Adds a finding unless something holds. The words are made only then: there
/// may be thousands of rooms, and nearly always nothing to say.
macro_rules! require {
    ($findings:expr, $holds:expr, $what:expr, $fix:expr $(,)?) => {
        if !$holds {
            $findings.add($what, $fix);
        }
    };
}

mod env;
mod ovenmediaengine;
mod schema;
mod traefik;
mod xml;
mod yaml;

use super::RenderError;
use crate::desired::{Context, ServiceWant};

/// Everything wrong with what `template` rendered to.
pub(super) fn lint(template: &str, text: &str, service: &ServiceWant) -> Vec<RenderError> {
    let mut findings = Findings {
        template,
        errors: Vec::new(),
    };
    match (&service.context, template) {
        (Context::Traefik(context), "traefik/static.yml.tera") => {
            traefik::fixed(text, context, &mut findings);
        }
        (Context::Traefik(context), _) => traefik::dynamic(text, context, &mut findings),
        (Context::Ovenmediaengine(context), "ovenmediaengine/Server.xml.tera") => {
            ovenmediaengine::server(text, context, &mut findings);
        }
        (Context::Ovenmediaengine(_), _) => ovenmediaengine::logger(text, &mut findings),
        (Context::Mirotalk(_), "mirotalk/p2p.config.js.tera") => env::overlay(text, &mut findings),
        (Context::Mirotalk(context), _) => {
            env::settings(text, context, &service.container.env, &mut findings);
        }
    }
    findings.errors
}

/// What was found in one file.
struct Findings<'a> {
    template: &'a str,
    errors: Vec<RenderError>,
}

impl Findings<'_> {
    fn add(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.errors.push(RenderError::new(self.template, what, fix));
    }
}

/// The readers of the lints, for the tests of the escapes.
#[cfg(test)]
pub(super) mod parse_back {
    use std::collections::BTreeMap;

    /// First attribute, text of the first child, number of children.
    pub fn xml(text: &str) -> Result<(String, String, usize), String> {
        let root = super::xml::parse(text)?;
        let attribute = root.attributes.first().map(|(_, value)| value.clone());
        let inside = root.children.first().map(|child| child.text.clone());
        Ok((
            attribute.unwrap_or_default(),
            inside.unwrap_or_default(),
            root.children.len(),
        ))
    }

    /// Whether the quick reader of YAML sees it through, and sees the same.
    pub fn is_plain_yaml(text: &str) -> bool {
        super::yaml::plainly(text).map(Ok) == Some(super::yaml::thoroughly(text))
    }

    pub fn env(text: &str) -> Result<BTreeMap<String, String>, String> {
        super::env::parse(text)
    }
}
