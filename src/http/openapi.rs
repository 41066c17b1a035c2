//! The OpenAPI document, from the table of routes and the types themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::admin::{Needs, routes};
use super::problem::Problem;
use super::views::{Presence, Visit};
use crate::access::StreamFacts;

/// Named schemas of the document.
type Named = BTreeMap<String, Value>;

/// Adds a type with all it is made of; answers a reference to it.
pub(super) type Schema = fn(&mut Named) -> Option<Value>;

/// The schema of a type.
pub(super) fn of<T: ToSchema>(named: &mut Named) -> Option<Value> {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let own = T::name().into_owned();
    parts.push((own.clone(), T::schema()));
    for (name, schema) in parts {
        if let Ok(value) = serde_json::to_value(schema) {
            named.insert(name, value);
        }
    }
    Some(json!({"$ref": format!("#/components/schemas/{own}")}))
}

/// No body.
pub(super) fn none(_: &mut Named) -> Option<Value> {
    None
}

/// The document, as it is served and kept in `docs/openapi.json`.
pub fn document() -> String {
    let mut named = Named::new();
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    // What the live host and the event streams say.
    let _ = (
        of::<Visit>(&mut named),
        of::<Presence>(&mut named),
        of::<StreamFacts>(&mut named),
    );
    let problem = of::<Problem>(&mut named);
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let parameters: Vec<Value> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let mut operation = json!({
            "summary": route.summary,
            "x-needs": needs(route.needs),
            "responses": {
                route.status.to_string(): answer(route.summary, "application/json", (route.answer)(&mut named)),
                "default": answer("A refusal", "application/problem+json", problem.clone()),
            },
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = (route.body)(&mut named) {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        paths
            .entry(path)
            .or_default()
            .insert(route.method.as_str().to_lowercase(), operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "ColourStream", "version": "1", "description": "The admin host's API. `docs/api.md` has the words."},
        "paths": paths,
        "components": {"schemas": named},
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn answer(words: &str, kind: &str, schema: Option<Value>) -> Value {
    match schema {
        Some(schema) => json!({"description": words, "content": {kind: {"schema": schema}}}),
        None => json!({"description": words}),
    }
}

fn needs(needs: Needs) -> &'static str {
    match needs {
        Needs::Nobody => "nobody",
        Needs::Any => "anybody logged in",
        Needs::Person => "a person logged in",
        Needs::RoomsRead => "rooms:read",
        Needs::RoomsWrite | Needs::RoomsSecret => "rooms:write",
        Needs::StackRead => "stack:read",
        Needs::StackWrite => "stack:write",
        Needs::Owner => "an owner",
    }
}
