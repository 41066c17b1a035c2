//! The OpenAPI document, from the table of routes and the types themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::admin::{Needs, routes};
use super::live::{ByLink, ByPasscode, CallUrl, Name};
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

/// One call, wherever it is.
struct Call {
    host: &'static str,
    method: &'static str,
    path: &'static str,
    needs: &'static str,
    summary: &'static str,
    body: Schema,
    status: u16,
    answer: Schema,
}

/// The document, as it is served and kept in `docs/openapi.json`.
pub fn document() -> String {
    let mut named = Named::new();
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    // What the event streams say.
    let _ = (of::<Presence>(&mut named), of::<StreamFacts>(&mut named));
    let problem = of::<Problem>(&mut named);
    let visitor = |method, path, summary, body, status, answer| Call {
        host: "live",
        method,
        path,
        needs: "a visitor",
        summary,
        body,
        status,
        answer,
    };
    let live: [Call; 8] = [
        visitor(
            "post",
            "/api/v1/session/link",
            "Enter by a link",
            of::<ByLink>,
            200,
            of::<Visit>,
        ),
        visitor(
            "post",
            "/api/v1/session/passcode",
            "Enter by name and passcode",
            of::<ByPasscode>,
            200,
            of::<Visit>,
        ),
        visitor(
            "get",
            "/api/v1/session/{slug}",
            "This browser in a room",
            none,
            200,
            of::<Visit>,
        ),
        visitor("delete", "/api/v1/session/{slug}", "Leave", none, 204, none),
        visitor(
            "post",
            "/api/v1/session/{slug}/name",
            "Change the name shown",
            of::<Name>,
            200,
            of::<Visit>,
        ),
        visitor(
            "post",
            "/api/v1/session/{slug}/call",
            "Mint a join",
            none,
            200,
            of::<CallUrl>,
        ),
        visitor(
            "get",
            "/api/v1/session/{slug}/events",
            "What changes, as it does",
            none,
            200,
            none,
        ),
        visitor("get", "/{slug}", "The page", none, 200, none),
    ];
    let admin = routes().into_iter().map(|route| Call {
        host: "admin",
        method: match route.method.as_str() {
            "POST" => "post",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        },
        path: route.path,
        needs: needs(route.needs),
        summary: route.summary,
        body: route.body,
        status: route.status,
        answer: route.answer,
    });
    for call in live.into_iter().chain(admin) {
        let path = call.path.replace("{*", "{");
        let parameters: Vec<Value> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let mut operation = json!({
            "summary": call.summary,
            "tags": [call.host],
            "x-needs": call.needs,
            "responses": {
                call.status.to_string(): answer(call.summary, "application/json", (call.answer)(&mut named)),
                "default": answer("A refusal", "application/problem+json", problem.clone()),
            },
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = (call.body)(&mut named) {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        paths
            .entry(path)
            .or_default()
            .insert(call.method.to_owned(), operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "ColourStream", "version": "1", "description": "The API of the live and the admin host; a call's tag says which. `docs/api.md` has the words."},
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
