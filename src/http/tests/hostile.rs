//! Hostile input: every field a person, a browser or an encoder can send,
//! times every text that means something to somebody who reads it later.
//! Each either comes back as it was or is refused in words that name it; what
//! was taken goes through all renderers and is read back.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;
use crate::desired::{Snapshot, desire};
use crate::model::one_line;
use crate::render::{Templates, render};
use crate::report::{Count, Report};

/// Texts that somebody could take for more than text.
const TEXTS: [(&str, &str); 38] = [
    ("tera expression", "{{ 7 * 7 }}"),
    ("tera block", "{% include \"/etc/passwd\" %}"),
    ("tera comment", "{# nothing #}"),
    ("tera raw", "{% raw %}{{ x }}{% endraw %}"),
    ("go template", "{{ env \"HOME\" }}"),
    ("go range", "{{range .}}{{end}}"),
    ("go trim", "{{- 3 -}}"),
    ("rule breakout", "x`) || Host(`evil.example"),
    ("yaml mapping", "a: b\n- c: *x"),
    ("yaml tag", "!!python/object/apply:os.system [id]"),
    ("yaml anchor", "&a [*a, *a]"),
    ("yaml document", "---\n...\n"),
    ("yaml comment", "x #y"),
    ("xml close", "</Name><Name>x</Name>"),
    ("xml comment", "<!-- --><![CDATA[x]]>"),
    (
        "xml entity",
        "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>&y;",
    ),
    ("engine variable", "${env:HOME}${x}"),
    ("env line", "x\nNODE_OPTIONS=--require /tmp/evil.js"),
    ("shell", "$(id);`id`|id&id"),
    ("script element", "</script><script>alert(1)</script>"),
    ("script literal", "`${process.env}`;//"),
    ("attribute", "\" onmouseover=\"alert(1)"),
    ("quotes", "'\"`\\'\\\"\\`"),
    ("escape at the end", "x\\"),
    ("nul", "a\0b"),
    ("control", "\u{1b}[31mred\u{7}\u{8}"),
    ("header split", "x\r\nSet-Cookie: cs_admin=anna"),
    ("right to left", "\u{202e}cod.exe"),
    ("isolate", "\u{2066}a\u{2069}b\u{2067}"),
    ("line separator", "a\u{2028}b\u{2029}c"),
    ("mark of order", "\u{feff}a"),
    ("beyond the plane", "\u{1f3ac}\u{fffe}\u{10ffff}"),
    ("path", "../../../etc/passwd"),
    ("encoded path", "..%2f..%2f%00etc/passwd"),
    ("other path", "..\\..\\windows\\win.ini"),
    ("script address", "javascript:alert(document.cookie)"),
    ("sql", "'); DROP TABLE rooms; --"),
    ("format", "%s%n%x{}{0}"),
];

/// What must hold of one answer to one text in one field.
fn judge(field: &str, text: &str, answer: &Answer) -> Result<(), String> {
    let told = || answer.body.chars().take(200).collect::<String>();
    if answer.status >= 500 {
        return Err(format!("{}: {}", answer.status, told()));
    }
    for (name, value) in &answer.headers {
        if name.as_str().contains("set-cookie")
            && value.as_bytes().windows(8).any(|w| w == b"cs_admin")
            && answer.status >= 400
        {
            return Err("a cookie came out of a text".into());
        }
    }
    if answer.status < 400 {
        return Ok(());
    }
    let Ok(problem) = serde_json::from_str::<Value>(&answer.body) else {
        return Err(format!("{} without words: {}", answer.status, told()));
    };
    let word = |key: &str| problem[key].as_str().unwrap_or_default();
    if word("type").is_empty() || word("title").is_empty() {
        return Err(format!("{} without words: {}", answer.status, told()));
    }
    if answer.body.len() > 2_000 {
        return Err(format!(
            "the refusal of {} bytes repeats what was sent",
            answer.body.len()
        ));
    }
    let names =
        word("field") == field || word("title").contains(field) || word("detail").contains(field);
    // What a field holds is wrong: it has to say which.
    if answer.status == 422 && !names {
        return Err(format!("{field:?} is not named: {}", told()));
    }
    let _ = text;
    Ok(())
}

/// A field of the API: its name, the call, and how the text gets into its body.
struct Field {
    name: &'static str,
    method: &'static str,
    path: String,
    body: fn(&str) -> Value,
    /// Where the text comes back, and how many characters it may have.
    kept: Option<(&'static str, usize)>,
}

fn field(
    name: &'static str,
    method: &'static str,
    path: impl Into<String>,
    body: fn(&str) -> Value,
) -> Field {
    Field {
        name,
        method,
        path: path.into(),
        body,
        kept: None,
    }
}

impl Field {
    fn kept(self, pointer: &'static str, most: usize) -> Self {
        Self {
            kept: Some((pointer, most)),
            ..self
        }
    }
}

fn fields_of_the_portal(room: &str) -> Vec<Field> {
    let new = "/api/v1/rooms";
    let one = format!("/api/v1/rooms/{room}");
    let links = format!("{one}/links");
    vec![
        field("title", "POST", new, |text| json!({"title": text})).kept("/room/title", 120),
        field(
            "slug",
            "POST",
            new,
            |text| json!({"title": "x", "slug": text}),
        ),
        field(
            "profile",
            "POST",
            new,
            |text| json!({"title": "x", "profile": text}),
        ),
        field(
            "passcode",
            "POST",
            new,
            |text| json!({"title": "x", "passcode": text}),
        ),
        field(
            "opens_at",
            "POST",
            new,
            |text| json!({"title": "x", "opens_at": text}),
        ),
        field(
            "expires_at",
            "POST",
            new,
            |text| json!({"title": "x", "expires_at": text}),
        ),
        field(
            "viewer_cap",
            "POST",
            new,
            |text| json!({"title": "x", "viewer_cap": text}),
        ),
        field(
            "allowed_addresses",
            "POST",
            new,
            |text| json!({"title": "x", "allowed_addresses": [text]}),
        ),
        field(
            "watermark",
            "POST",
            new,
            |text| json!({"title": "x", "watermark": text}),
        ),
        field(
            "name",
            "POST",
            new,
            |text| json!({"title": "x", "link": {"role": "viewer", "name": text}}),
        )
        .kept("/link/name", 60),
        field(
            "role",
            "POST",
            new,
            |text| json!({"title": "x", "link": {"role": text}}),
        ),
        field("title", "PATCH", &one, |text| json!({"title": text})).kept("/title", 120),
        field("slug", "PATCH", &one, |text| json!({"slug": text})),
        field("profile", "PATCH", &one, |text| json!({"profile": text})),
        field("passcode", "PATCH", &one, |text| json!({"passcode": text})),
        field("opens_at", "PATCH", &one, |text| json!({"opens_at": text})),
        field(
            "expires_at",
            "PATCH",
            &one,
            |text| json!({"expires_at": text}),
        ),
        field(
            "allowed_addresses",
            "PATCH",
            &one,
            |text| json!({"allowed_addresses": [text]}),
        ),
        field(
            "name",
            "POST",
            &links,
            |text| json!({"role": "viewer", "name": text}),
        )
        .kept("/name", 60),
        field(
            "watermark",
            "PATCH",
            &one,
            |text| json!({"watermark": text}),
        ),
        field(
            "viewer_cap",
            "PATCH",
            &one,
            |text| json!({"viewer_cap": text}),
        ),
        field(
            "link",
            "POST",
            new,
            |text| json!({"title": "x", "link": text}),
        ),
        field(
            "expires_at",
            "POST",
            new,
            |text| json!({"title": "x", "link": {"role": "viewer", "expires_at": text}}),
        ),
        field(
            "max_uses",
            "POST",
            new,
            |text| json!({"title": "x", "link": {"role": "viewer", "max_uses": text}}),
        ),
        field("role", "POST", &links, |text| json!({"role": text})),
        field(
            "expires_at",
            "POST",
            &links,
            |text| json!({"role": "viewer", "expires_at": text}),
        ),
        field(
            "max_uses",
            "POST",
            &links,
            |text| json!({"role": "viewer", "max_uses": text}),
        ),
        field(
            "name",
            "POST",
            "/api/v1/admins",
            |text| json!({"name": text, "role": "ops", "password": "long enough for all"}),
        )
        .kept("/name", 60),
        field(
            "role",
            "POST",
            "/api/v1/admins",
            |text| json!({"name": "x", "role": text, "password": "long enough for all"}),
        ),
        field(
            "password",
            "POST",
            "/api/v1/admins",
            |text| json!({"name": format!("p {text}").chars().take(50).collect::<String>(), "role": "ops", "password": text}),
        ),
        field(
            "name",
            "PATCH",
            "/api/v1/admins/ben",
            |text| json!({"name": text}),
        )
        .kept("/name", 60),
        field(
            "role",
            "PATCH",
            "/api/v1/admins/ben",
            |text| json!({"role": text}),
        ),
        field(
            "password",
            "PATCH",
            "/api/v1/admins/ben",
            |text| json!({"password": text}),
        ),
        field(
            "name",
            "POST",
            "/api/v1/tokens",
            |text| json!({"name": text, "scopes": ["rooms:read"]}),
        )
        .kept("/token/name", 60),
        field(
            "scopes",
            "POST",
            "/api/v1/tokens",
            |text| json!({"name": "x", "scopes": [text]}),
        ),
        field(
            "expires_at",
            "POST",
            "/api/v1/tokens",
            |text| json!({"name": "x", "scopes": ["rooms:read"], "expires_at": text}),
        ),
        field(
            "current",
            "POST",
            "/api/v1/me/password",
            |text| json!({"current": text, "new": "another long one"}),
        ),
        field("mode", "POST", "/api/v1/mode", |text| json!({"mode": text})),
        field("now", "POST", "/api/v1/apply", |text| json!({"now": text})),
        field(
            "update_images",
            "POST",
            "/api/v1/apply",
            |text| json!({"update_images": text}),
        ),
        field(
            "name",
            "POST",
            "/api/v1/login",
            |text| json!({"name": text, "password": "x"}),
        ),
        field(
            "password",
            "POST",
            "/api/v1/login",
            |text| json!({"name": "anna", "password": text}),
        ),
        field(
            "token",
            "POST",
            "/api/v1/setup",
            |text| json!({"token": text, "name": "x", "password": "long enough for all"}),
        ),
    ]
}

/// What the first owner sends, each with the rest as it should be.
const FIELDS_OF_THE_FIRST_OWNER: [(&str, &str); 3] = [
    ("/api/v1/setup", "name"),
    ("/api/v1/setup", "password"),
    ("/api/v1/me/password", "new"),
];

fn fields_of_a_visitor(token: &str, text: &str) -> [(&'static str, &'static str, Value); 6] {
    [
        ("token", "/api/v1/session/link", json!({"token": text})),
        (
            "name",
            "/api/v1/session/link",
            json!({"token": token, "name": text}),
        ),
        (
            "slug",
            "/api/v1/session/passcode",
            json!({"slug": text, "passcode": "x", "name": "x"}),
        ),
        (
            "passcode",
            "/api/v1/session/passcode",
            json!({"slug": "reel", "passcode": text, "name": "x"}),
        ),
        (
            "name",
            "/api/v1/session/passcode",
            json!({"slug": "reel", "passcode": "x", "name": text}),
        ),
        ("name", "/api/v1/session/reel/name", json!({"name": text})),
    ]
}

/// The properties of a schema, and of those it refers to.
fn properties(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    let named = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'));
    let schema = named
        .and_then(|name| document.pointer(name))
        .unwrap_or(schema);
    for one in ["oneOf", "anyOf", "allOf"] {
        for schema in schema[one].as_array().into_iter().flatten() {
            properties(document, schema, found);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone());
        properties(document, property, found);
        properties(document, &property["items"], found);
    }
}

#[test]
fn every_field_of_the_document_is_among_those_that_are_tried() {
    let mut tried: BTreeSet<(String, String, String)> = fields_of_the_portal("ROOM")
        .into_iter()
        .map(|field| (field.method.to_owned(), field.path, field.name.to_owned()))
        .collect();
    let visitor = fields_of_a_visitor("", "").map(|(field, path, _)| (path, field));
    for (path, field) in FIELDS_OF_THE_FIRST_OWNER.into_iter().chain(visitor) {
        tried.insert(("POST".to_owned(), path.to_owned(), field.to_owned()));
    }
    let text = include_str!("../../../docs/openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let is_at = |template: &str, path: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let mut count = 0;
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let schema = &call["requestBody"]["content"]["application/json"]["schema"];
            let mut names = BTreeSet::new();
            properties(&document, schema, &mut names);
            for name in names {
                count += 1;
                assert!(
                    tried.iter().any(|(verb, path, field)| {
                        verb.eq_ignore_ascii_case(method) && is_at(template, path) && *field == name
                    }),
                    "nobody tries `{name}` of {method} {template}"
                );
            }
        }
    }
    assert!(count > 40, "only {count} fields were found in the document");
}

/// Fields of the address: where `@` stands, percent-encoded.
const IN_ADDRESSES: [&str; 17] = [
    "/api/v1/rooms/@",
    "/api/v1/rooms/@/links",
    "/api/v1/rooms/@/impact?action=close",
    "/api/v1/rooms?after=@",
    "/api/v1/rooms?limit=@",
    "/api/v1/audit?before=@",
    "/api/v1/slug?title=@",
    "/api/v1/slug/@",
    "/api/v1/journal?role=@",
    "/api/v1/journal?outcome=@",
    "/api/v1/files/@",
    "/api/v1/services/@/logs",
    "/api/v1/services/traefik/logs?tail=@",
    "/api/v1/me/sessions/@",
    "/api/v1/@",
    "/@",
    "/assets/@",
];

/// Headers that somebody between, or somebody else, would fill in.
const HEADERS: [&str; 16] = [
    "if-match",
    "if-none-match",
    "cookie",
    "authorization",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "origin",
    "referer",
    "sec-fetch-site",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-room-id",
];

struct Findings {
    cases: usize,
    count: Count,
    part: &'static str,
}

impl Findings {
    /// Of one part of the report.
    fn of(part: &'static str, kind: &str) -> Self {
        Self {
            cases: 0,
            count: Count::of(&format!("hostile input, {kind}"))
                .note("each comes back as it was, or is refused by name; no 500, all files render"),
            part,
        }
    }

    fn note(&mut self, what: &str, result: Result<(), String>) {
        self.cases += 1;
        self.count.case(what, result);
    }

    #[track_caller]
    fn none(self) {
        let mut report = Report::new(self.part);
        report.add(self.count);
        report.conclude();
    }
}

/// All the rooms there are, through every template and back.
fn rooms_render(house: &House) -> Result<(), String> {
    let mut snapshot = Snapshot::sample();
    snapshot.rooms = house
        .app
        .store
        .open_rooms(house.app.access.now())
        .map_err(|error| error.to_string())?;
    let templates = Templates::built_in().map_err(|errors| format!("{errors:?}"))?;
    // Reading back, and what Traefik, XML and dotenv make of it, is the lint in it.
    let target = render(&desire(&snapshot), &templates).map_err(|errors| format!("{errors:?}"))?;
    let routes = target
        .files
        .iter()
        .find(|file| file.path.ends_with("colourstream.yml"));
    let text = routes
        .map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
        .unwrap_or_default();
    let read: Value = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
    let routers = read["http"]["routers"].as_object().map_or(0, |all| {
        all.keys().filter(|name| name.starts_with("room-")).count()
    });
    if routers != snapshot.rooms.len() {
        return Err(format!(
            "{routers} routers for {} rooms",
            snapshot.rooms.len()
        ));
    }
    if text.replace(&["{", "}"].concat(), "").contains("{{") {
        return Err("Go would take it for a template".into());
    }
    Ok(())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Nobody is kept out by the limits on guessing: each case is somebody else.
fn somewhere(number: usize) -> String {
    format!(
        "198.{}.{}.{}",
        18 + number / 65_536,
        number / 256 % 256,
        number % 256
    )
}

#[tokio::test]
async fn every_field_of_the_portal_keeps_or_refuses_every_text() {
    let house = house();
    let (room, _) = house.room("anna", "Reel").await;
    let mut found = Findings::of("hostile-portal", "fields of the portal");
    for field in fields_of_the_portal(room["id"].as_str().unwrap()) {
        for (name, text) in TEXTS {
            let what = format!("{} {} {}: {name}", field.method, field.path, field.name);
            let answer = ask(field.method, ADMIN, &field.path)
                .by("anna")
                .with("if-match", "*")
                .with("x-forwarded-for", &somewhere(found.cases))
                .json(&(field.body)(text))
                .to(&house.pages)
                .await;
            let mut result = judge(field.name, text, &answer);
            if let (Some((pointer, most)), true) = (field.kept, answer.status < 300) {
                let there = answer
                    .json()
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .map(str::to_owned);
                let expected = one_line("x", text, most).ok();
                if there != expected {
                    result = Err(format!("{text:?} came back as {there:?}"));
                }
            }
            found.note(&what, result);
        }
        // And a mega of it: refused as a whole, whatever the field.
        let answer = ask(field.method, ADMIN, &field.path)
            .by("anna")
            .with("if-match", "*")
            .with("x-forwarded-for", &somewhere(found.cases))
            .json(&(field.body)(&"x".repeat(1 << 20)))
            .to(&house.pages)
            .await;
        let refused = answer.status == 413 && answer.kind() == "too-large";
        found.note(
            &format!("{} {}: a mega", field.path, field.name),
            if refused { Ok(()) } else { Err(answer.body) },
        );
        // As long as a body may be.
        let answer = ask(field.method, ADMIN, &field.path)
            .by("anna")
            .with("if-match", "*")
            .with("x-forwarded-for", &somewhere(found.cases))
            .json(&(field.body)(&"ü".repeat(30_000)))
            .to(&house.pages)
            .await;
        found.note(
            &format!("{} {}: long", field.path, field.name),
            judge(field.name, "", &answer),
        );
        found.note(
            &format!("after {} {}", field.path, field.name),
            rooms_render(&house),
        );
    }
    assert!(house.app.store.rooms().unwrap().len() > 30);
    found.none();
}

#[tokio::test]
async fn every_field_of_the_first_owner_keeps_or_refuses_every_text() {
    const GOOD: &str = "long enough for all";
    let mut found = Findings::of("hostile-owner", "fields of the first owner");
    let long = "ü".repeat(30_000);
    for (name, text) in TEXTS.into_iter().chain([("long", long.as_str())]) {
        for (path, field) in FIELDS_OF_THE_FIRST_OWNER {
            // There is a first one once in each house.
            let house = house_of(Arc::new(Store::in_memory().unwrap()));
            let token = house.app.access.setup_token().unwrap().unwrap();
            let mut first = json!({"token": token.expose(), "name": "Anna", "password": GOOD});
            if path.ends_with("setup") {
                first[field] = text.into();
            }
            let made = house.admin("", "POST", "/api/v1/setup", first).await;
            let what = format!("{path} {field}: {name}");
            if path.ends_with("setup") {
                let mut result = judge(field, text, &made);
                if made.status < 300 {
                    let kept = house.app.store.admins().unwrap()[0].name.clone();
                    let wanted = match field {
                        "name" => one_line("name", text, 60).ok(),
                        _ => Some("Anna".to_owned()),
                    };
                    if Some(&kept) != wanted.as_ref() {
                        result = Err(format!("{wanted:?} is {kept:?}"));
                    }
                }
                found.note(&what, result);
                continue;
            }
            let cookie = made.header("set-cookie").split(['=', ';']).nth(1).unwrap();
            let body = json!({"current": GOOD, "new": text});
            let answer = house.admin(cookie, "POST", path, body).await;
            let fits = (10..=200).contains(&text.chars().count());
            let result = judge(field, text, &answer);
            found.note(
                &what,
                if (answer.status < 300) == fits {
                    result
                } else {
                    Err(format!("{}: {}", answer.status, answer.body))
                },
            );
        }
    }
    found.none();
}

#[tokio::test]
async fn every_number_at_its_edge_is_taken_or_refused() {
    let house = house();
    let (room, _) = house.room("anna", "Reel").await;
    let one = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap());
    let links = format!("{one}/links");
    let mut found = Findings::of("hostile-numbers", "numbers at their edges");
    let numbers = [
        "0",
        "-1",
        "1",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "1.5",
        "null",
        "true",
        "[]",
        "{}",
    ];
    let times = [
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00Z",
        "1970-01-01T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ];
    let cases = numbers.iter().flat_map(|number| {
        [
            (
                "viewer_cap",
                "POST",
                "/api/v1/rooms".to_owned(),
                format!("{{\"title\": \"x\", \"viewer_cap\": {number}}}"),
            ),
            (
                "viewer_cap",
                "PATCH",
                one.clone(),
                format!("{{\"viewer_cap\": {number}}}"),
            ),
            (
                "max_uses",
                "POST",
                links.clone(),
                format!("{{\"role\": \"viewer\", \"max_uses\": {number}}}"),
            ),
            (
                "title",
                "POST",
                "/api/v1/rooms".to_owned(),
                format!("{{\"title\": {number}}}"),
            ),
        ]
    });
    let times = times.iter().flat_map(|time| {
        [
            (
                "opens_at",
                "POST",
                "/api/v1/rooms".to_owned(),
                format!("{{\"title\": \"x\", \"opens_at\": \"{time}\"}}"),
            ),
            (
                "expires_at",
                "POST",
                "/api/v1/rooms".to_owned(),
                format!("{{\"title\": \"x\", \"expires_at\": \"{time}\"}}"),
            ),
            (
                "opens_at",
                "PATCH",
                one.clone(),
                format!("{{\"opens_at\": \"{time}\"}}"),
            ),
            (
                "expires_at",
                "PATCH",
                one.clone(),
                format!("{{\"expires_at\": \"{time}\"}}"),
            ),
            (
                "expires_at",
                "POST",
                links.clone(),
                format!("{{\"role\": \"viewer\", \"expires_at\": \"{time}\"}}"),
            ),
        ]
    });
    for (field, method, path, body) in cases.chain(times) {
        let mut asked = ask(method, ADMIN, &path)
            .by("anna")
            .with("if-match", "*")
            .with("content-type", "application/json");
        asked.1 = axum::body::Body::from(body.clone());
        let answer = asked.to(&house.pages).await;
        found.note(
            &format!("{method} {path} {body}"),
            judge(field, "", &answer),
        );
        found.note(&format!("after {path} {body}"), rooms_render(&house));
    }
    // Bodies that are no JSON, or more of it than a reader likes.
    let deep = "[".repeat(20_000);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"\"",
        "{\"title\": \"x\", \"title\": \"y\"}",
        "{\"title\": \"x\", \"__proto__\": {}}",
        "{\"title\": \"\\ud800\"}",
        "\u{feff}{}",
        deep.as_str(),
    ] {
        for (method, path) in [
            ("POST", "/api/v1/rooms"),
            ("POST", "/api/v1/login"),
            ("PATCH", &*one),
        ] {
            let mut asked = ask(method, ADMIN, path)
                .by("anna")
                .with("if-match", "*")
                .with("content-type", "application/json");
            asked.1 = axum::body::Body::from(body.to_owned());
            let answer = asked.to(&house.pages).await;
            let refused = (400..500).contains(&answer.status) || path == one && body.contains("[]");
            found.note(
                &format!("{method} {path} {body:.40}"),
                judge("", "", &answer).and(if refused { Ok(()) } else { Err(answer.body) }),
            );
        }
    }
    found.none();
}

#[tokio::test]
async fn every_address_and_every_header_is_answered() {
    let house = house();
    let (_, token) = house.room("anna", "Reel").await;
    let (cookie, _) = house.enter(&token).await;
    let mut found = Findings::of("hostile-addresses", "addresses and headers");
    for (name, text) in TEXTS {
        for path in IN_ADDRESSES {
            for host in [ADMIN, LIVE, VIDEO] {
                let path = path.replace('@', &percent(text));
                let answer = ask("GET", host, &path).by("anna").to(&house.pages).await;
                let fine = answer.status < 500 && !answer.body.contains("root:");
                found.note(
                    &format!("{host}{path} {name}"),
                    if fine {
                        Ok(())
                    } else {
                        Err(format!("{}: {}", answer.status, answer.body))
                    },
                );
            }
        }
        for path in [
            "/api/v1/session/@",
            "/api/v1/session/@/events",
            "/cs/enter?code=@",
            "/j?@",
        ] {
            for host in [LIVE, VIDEO] {
                let path = path.replace('@', &percent(text));
                let answer = ask("GET", host, &path)
                    .with("cookie", &cookie)
                    .to(&house.pages)
                    .await;
                found.note(
                    &format!("{host}{path} {name}"),
                    if answer.status < 500 {
                        Ok(())
                    } else {
                        Err(answer.body)
                    },
                );
            }
        }
        // What HTTP cannot carry in a header never arrives.
        let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else {
            continue;
        };
        for header in HEADERS {
            for (method, host, path) in [
                ("GET", ADMIN, "/api/v1/rooms"),
                ("POST", ADMIN, "/api/v1/rooms"),
                ("GET", LIVE, "/api/v1/session/reel"),
                ("GET", LIVE, "/reel"),
                ("GET", ADMIN, "/"),
            ] {
                let mut asked = ask(method, host, path)
                    .by("anna")
                    .json(&json!({"title": ""}));
                asked.0.headers_mut().unwrap().insert(header, value.clone());
                let answer = asked.to(&house.pages).await;
                found.note(
                    &format!("{method} {host}{path} {header}: {name}"),
                    if answer.status < 500 {
                        Ok(())
                    } else {
                        Err(answer.body)
                    },
                );
            }
        }
        let mut asked = axum::http::Request::builder()
            .uri("/")
            .header("cookie", "x");
        asked.headers_mut().unwrap().insert("host", value.clone());
        let answer = send(&house.pages, asked.body(axum::body::Body::empty()).unwrap()).await;
        found.note(
            &format!("host: {name}"),
            if (400..500).contains(&answer.status) {
                Ok(())
            } else {
                Err(answer.status.to_string())
            },
        );
    }
    found.none();
}

#[tokio::test]
async fn every_field_of_a_visitor_keeps_or_refuses_every_text() {
    let house = house();
    house.call_is_safe();
    let (room, token) = house.room("anna", "Reel").await;
    let stream = room["stream"].as_str().unwrap();
    let (cookie, _) = house.enter(&token).await;
    let mut found = Findings::of("hostile-visitors", "fields of a visitor");
    for (name, text) in TEXTS {
        for (field, path, body) in fields_of_a_visitor(&token, text) {
            let answer = ask("POST", LIVE, path)
                .with("cookie", &cookie)
                .with("x-forwarded-for", &somewhere(found.cases))
                .json(&body)
                .to(&house.pages)
                .await;
            found.note(
                &format!("{path} {field}: {name}"),
                judge(field, text, &answer),
            );
        }
        // The name is seen by everybody, and goes into MiroTalk's address.
        let Ok(kept) = one_line("name", text, 60) else {
            continue;
        };
        let me = house
            .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
            .await
            .json();
        found.note(
            &format!("name: {name}"),
            if me["me"]["name"] == kept {
                Ok(())
            } else {
                Err(format!("{kept:?} is {}", me["me"]["name"]))
            },
        );
        let call = house
            .live(&cookie, "POST", "/api/v1/session/reel/call", Value::Null)
            .await
            .json();
        let url = call["url"]
            .as_str()
            .unwrap()
            .strip_prefix("https://video.live.tld")
            .unwrap()
            .to_owned();
        let entered = ask("GET", VIDEO, &url).to(&house.pages).await;
        let to = entered.header("location").to_owned();
        let start = format!("/join?room={stream}&name={}&avatar=0", percent_plain(&kept));
        found.note(
            &format!("call: {name}"),
            if entered.status == 303 && to.starts_with(&start) && to.matches("room=").count() == 1 {
                Ok(())
            } else {
                Err(to)
            },
        );
    }
    found.none();
}

fn percent_plain(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[tokio::test]
async fn every_field_of_a_hook_and_of_forward_auth_opens_nothing() {
    let house = house();
    house.call_is_safe();
    let (room, token) = house.room("anna", "Reel").await;
    let stream = room["stream"].as_str().unwrap().to_owned();
    let (cookie, _) = house.enter(&token).await;
    let mut found = Findings::of("hostile-hooks", "hooks and forward-auth");
    for (name, text) in TEXTS {
        for (direction, protocol, url) in [
            ("incoming", "RTMP", format!("rtmp://h/live/{text}")),
            ("incoming", "RTMP", text.to_owned()),
            ("incoming", "SRT", format!("srt://{text}/live/{stream}")),
            (
                "incoming",
                "WebRTC",
                format!("http://h/{text}/{stream}?direction=whip"),
            ),
            (
                "outgoing",
                "WebRTC",
                format!("ws://h/live/{stream}?ticket={text}"),
            ),
            (
                "outgoing",
                "LLHLS",
                format!("http://h/{text}/{stream}/llhls.m3u8?ticket=x"),
            ),
            ("outgoing", text, format!("ws://h/live/{stream}")),
            (text, "RTMP", format!("rtmp://h/live/{stream}")),
        ] {
            let answer = house.hook(direction, protocol, &url).await;
            found.note(
                &format!("hook {direction} {protocol} {url:?}: {name}"),
                if answer["allowed"] == false {
                    Ok(())
                } else {
                    Err(answer.to_string())
                },
            );
        }
        let good = format!("/live/{stream}/x");
        for (host, uri, cookies, origin) in [
            (
                text,
                good.as_str(),
                cookie.as_str(),
                "https://video.live.tld",
            ),
            ("live.tld", text, cookie.as_str(), "https://video.live.tld"),
            (
                "live.tld",
                &format!("/live/{text}/x"),
                cookie.as_str(),
                "https://video.live.tld",
            ),
            ("live.tld", good.as_str(), text, "https://video.live.tld"),
            (
                "live.tld",
                good.as_str(),
                &format!("__Host-cs_session={text}"),
                "https://video.live.tld",
            ),
            (
                "video.live.tld",
                &format!("/join?room={stream}"),
                &format!("__Host-cs_call={text}"),
                "https://video.live.tld",
            ),
            (
                "video.live.tld",
                "/socket.io/",
                &format!("__Host-cs_call={text}"),
                text,
            ),
        ] {
            let headers = [
                ("x-forwarded-host", host),
                ("x-forwarded-uri", uri),
                ("cookie", cookies),
                ("origin", origin),
            ];
            let mut request = axum::http::Request::builder().uri("/internal/forward-auth");
            let values: Option<Vec<_>> = headers
                .iter()
                .map(|(name, value)| Some((*name, HeaderValue::from_bytes(value.as_bytes()).ok()?)))
                .collect();
            // What HTTP cannot carry never arrives.
            let Some(values) = values else { continue };
            for (name, value) in values {
                request = request.header(name, value);
            }
            let answer = send(
                &house.internal,
                request.body(axum::body::Body::empty()).unwrap(),
            )
            .await;
            found.note(
                &format!("forward-auth {host} {uri} {cookies}: {name}"),
                if (400..500).contains(&answer.status) {
                    Ok(())
                } else {
                    Err(answer.status.to_string())
                },
            );
        }
        let hook = axum::http::Request::builder()
            .method("POST")
            .uri(format!("/internal/mirotalk/{}", percent(text)));
        let answer = send(
            &house.internal,
            hook.body(axum::body::Body::from(text)).unwrap(),
        )
        .await;
        found.note(
            &format!("mirotalk: {name}"),
            if answer.status == 404 {
                Ok(())
            } else {
                Err(answer.status.to_string())
            },
        );
    }
    found.none();
}

// --- Somebody else's rights ------------------------------------------------------

fn signed(body: &str, key: &[u8]) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(key).unwrap();
    mac.update(body.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

async fn admission(house: &House, body: &str, signature: Option<&str>) -> Answer {
    let mut request = axum::http::Request::builder()
        .method("POST")
        .uri("/internal/ome/admission");
    if let Some(signature) = signature {
        request = request.header("x-ome-signature", signature);
    }
    send(
        &house.internal,
        request
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap(),
    )
    .await
}

#[tokio::test]
async fn a_hook_that_is_forged_altered_or_played_again_opens_nothing() {
    let house = house();
    let (room, _) = house.room("ben", "Reel").await;
    let path = format!("/api/v1/rooms/{}/ingest", room["id"].as_str().unwrap());
    let key = house.admin("ben", "GET", &path, Value::Null).await.json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = |seconds: i64, port: u16| {
        let time = Timestamp::now()
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
        json!({"client": {"address": "172.17.0.1", "port": port}, "request": {"direction": "incoming", "protocol": "RTMP",
            "status": "opening", "time": time.to_string(), "url": format!("rtmp://h/live/{key}")}})
        .to_string()
    };
    let good = body(0, 1);
    let right = signed(&good, b"hook-secret");
    for (signature, why) in [
        (None, "absent"),
        (Some(""), "empty"),
        (Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA"), "guessed"),
        (Some(&*signed(&good, b"")), "with an empty key"),
        (Some(&*signed(&good, b"hook-secreT")), "with another key"),
        (Some(&right[..right.len() - 1]), "cut"),
        (Some(&*right.to_uppercase()), "in capitals"),
        (Some(&*format!("{right}=")), "padded"),
    ] {
        let answer = admission(&house, &good, signature).await;
        assert_eq!(
            (answer.status, answer.json()["allowed"].as_bool()),
            (401, Some(false)),
            "{why}"
        );
        assert!(
            answer.json()["reason"].is_null(),
            "who cannot sign learns nothing"
        );
    }
    for altered in [
        good.replace("incoming", "outgoing"),
        good.replace("\"port\":1", "\"port\":2"),
        format!("{good} "),
    ] {
        assert_eq!(
            admission(&house, &altered, Some(&right)).await.status,
            401,
            "{altered}"
        );
    }
    // Too old, or from a time to come, is refused however well it is signed.
    for seconds in [-61, -3_600, 61, 3_600] {
        let stale = body(seconds, 1);
        let answer = admission(&house, &stale, Some(&signed(&stale, b"hook-secret")))
            .await
            .json();
        assert_eq!(answer["allowed"], false, "{seconds}");
    }
    assert_eq!(
        admission(&house, &good, Some(&right)).await.json()["allowed"],
        true
    );
    // Played again at once it says what it said: the same encoder, no second.
    assert_eq!(
        admission(&house, &good, Some(&right)).await.json()["allowed"],
        true
    );
    let second = body(0, 2);
    let answer = admission(&house, &second, Some(&signed(&second, b"hook-secret")))
        .await
        .json();
    assert_eq!(answer["allowed"], false);
    assert!(!answer.to_string().contains(&key), "a key in an answer");
}

#[tokio::test]
async fn a_link_that_ended_and_a_place_elsewhere_open_nothing() {
    let house = house();
    house.call_is_safe();
    let (room, token) = house.room("ben", "Reel").await;
    let (other, other_token) = house.room("ben", "Other").await;
    let (cookie, visit) = house.enter(&token).await;
    let (stranger, theirs) = house.enter(&other_token).await;
    let stream = room["stream"].as_str().unwrap();
    let query = |visit: &Value| {
        visit["playback"]["webrtc"]
            .as_str()
            .unwrap()
            .split_once('?')
            .unwrap()
            .1
            .to_owned()
    };
    let watch = |ticket: String| format!("ws://h/live/{stream}?{ticket}");
    assert_eq!(
        house
            .hook("outgoing", "WebRTC", &watch(query(&visit)))
            .await["allowed"],
        true
    );
    assert_eq!(
        house
            .hook("outgoing", "WebRTC", &watch(query(&theirs)))
            .await["allowed"],
        false
    );
    let media = format!("/live/{stream}/llhls.m3u8");
    assert_eq!(house.forward_auth("live.tld", &media, &cookie).await, 200);
    assert_eq!(house.forward_auth("live.tld", &media, &stranger).await, 401);
    // The path of one room does not lead into another.
    let other_stream = other["stream"].as_str().unwrap();
    for path in [
        format!("/live/{other_stream}/../{stream}/x"),
        format!("/live/{other_stream}/%2e%2e/{stream}/x"),
        format!("//live//{stream}/x"),
        format!("/live/{stream}%2fx"),
    ] {
        let status = house.forward_auth("live.tld", &path, &stranger).await;
        let ours = path.starts_with(&format!("/live/{other_stream}/"));
        assert!(status != 200 || ours, "{path}");
    }
    for (path, body) in [("/name", json!({"name": "Eve"})), ("/call", Value::Null)] {
        let answer = house
            .live(
                &stranger,
                "POST",
                &format!("/api/v1/session/reel{path}"),
                body,
            )
            .await;
        assert_eq!(
            (answer.status, answer.kind()),
            (401, "session-ended".into())
        );
    }
    // Taken back: the link, its place, its ticket and its cookie are worthless.
    let links = format!("/api/v1/rooms/{}/links", room["id"].as_str().unwrap());
    let link = house.admin("ben", "GET", &links, Value::Null).await.json()["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        house
            .admin("ben", "DELETE", &format!("{links}/{link}"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(house.forward_auth("live.tld", &media, &cookie).await, 401);
    assert_eq!(
        house
            .hook("outgoing", "WebRTC", &watch(query(&visit)))
            .await["allowed"],
        false
    );
    let again = house
        .live("", "POST", "/api/v1/session/link", json!({"token": token}))
        .await;
    assert_eq!((again.status, again.kind()), (410, "link-revoked".into()));
    let again = house
        .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
        .await;
    assert_eq!(again.kind(), "session-ended");
}

#[tokio::test]
async fn nobody_chooses_anothers_session() {
    let house = house();
    let (_, token) = house.room("ben", "Reel").await;
    // A cookie we never gave is not taken over.
    let planted = "__Host-cs_session=planted-by-somebody-else";
    let answer = house
        .live(
            planted,
            "POST",
            "/api/v1/session/link",
            json!({"token": token}),
        )
        .await;
    let given = answer.header("set-cookie").to_owned();
    assert!(
        answer.status == 200
            && given.starts_with("__Host-cs_session=")
            && !given.contains("planted"),
        "{given}"
    );
    assert!(
        given.contains("HttpOnly") && given.contains("Secure") && given.contains("SameSite=Lax"),
        "{given}"
    );
    let answer = house
        .live(planted, "GET", "/api/v1/session/reel", Value::Null)
        .await;
    assert_eq!(answer.kind(), "session-ended");
    // A login is a new one, whatever was there before.
    let made = json!({"name": "Dora", "role": "ops", "password": "correct horse battery"});
    house.admin("anna", "POST", "/api/v1/admins", made).await;
    let login = json!({"name": "Dora", "password": "correct horse battery"});
    let answer = house
        .admin("planted", "POST", "/api/v1/login", login.clone())
        .await;
    let first = answer
        .header("set-cookie")
        .split(['=', ';'])
        .nth(1)
        .unwrap()
        .to_owned();
    let answer = house.admin(&first, "POST", "/api/v1/login", login).await;
    let second = answer
        .header("set-cookie")
        .split(['=', ';'])
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(first != "planted" && first != second && first.len() >= 40);
    assert_eq!(
        house
            .admin("planted", "GET", "/api/v1/me", Value::Null)
            .await
            .status,
        401
    );
    // Twice in a row the same cookie name: the first counts, and it is not ours.
    let both = format!("__Host-cs_admin=planted; __Host-cs_admin={second}");
    let answer = ask("GET", ADMIN, "/api/v1/me")
        .with("cookie", &both)
        .to(&house.pages)
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn other_sites_change_nothing_for_a_visitor() {
    let house = house();
    let (_, token) = house.room("ben", "Reel").await;
    let (cookie, _) = house.enter(&token).await;
    for (method, path, body) in [
        ("POST", "/api/v1/session/link", json!({"token": token})),
        (
            "POST",
            "/api/v1/session/passcode",
            json!({"slug": "reel", "passcode": "x", "name": "x"}),
        ),
        ("POST", "/api/v1/session/reel/name", json!({"name": "Eve"})),
        ("POST", "/api/v1/session/reel/call", json!({})),
        ("DELETE", "/api/v1/session/reel", json!({})),
    ] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "https://live.tld.evil.example"),
            ("origin", "http://live.tld"),
            ("origin", "https://video.live.tld"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
        ] {
            let answer = ask(method, LIVE, path)
                .with("cookie", &cookie)
                .with(name, value)
                .json(&body)
                .to(&house.pages)
                .await;
            assert_eq!(
                (answer.status, answer.kind()),
                (403, "cross-site".into()),
                "{method} {path} {name}: {value}"
            );
        }
        let answer = ask(method, LIVE, path)
            .with("cookie", &cookie)
            .without("origin")
            .json(&body)
            .to(&house.pages)
            .await;
        assert_eq!(answer.kind(), "cross-site", "{method} {path}");
        // A form cannot send what we read.
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/json-patch+json",
            "",
        ] {
            if method == "DELETE" || path.ends_with("call") {
                continue;
            }
            let answer = ask(method, LIVE, path)
                .with("cookie", &cookie)
                .json(&body)
                .with("content-type", kind)
                .to(&house.pages)
                .await;
            assert_eq!(answer.kind(), "not-json", "{method} {path} {kind}");
        }
    }
    let me = house
        .live(&cookie, "GET", "/api/v1/session/reel", Value::Null)
        .await
        .json();
    assert_eq!(me["me"]["name"], "Ann");
}

#[test]
fn what_a_client_says_of_its_address_is_not_believed() {
    let headers = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        headers.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
        for value in values {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        headers
    };
    let peer = ConnectInfo("127.0.0.1:9".parse::<SocketAddr>().unwrap());
    let proxies = ["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
    for (values, trusted, expected) in [
        // Traefik appends whom it was asked by.
        (&["203.0.113.7"][..], &[][..], "203.0.113.7"),
        (&["6.6.6.6, 203.0.113.7"], &[], "203.0.113.7"),
        (&["6.6.6.6", "203.0.113.7"], &[], "203.0.113.7"),
        // Behind a proxy the one before it; what that one says of itself is not.
        (&["6.6.6.6, 203.0.113.7, 10.1.2.3"], &proxies, "203.0.113.7"),
        (
            &["203.0.113.7, ::ffff:10.1.2.3, 2001:db8::1"],
            &proxies,
            "203.0.113.7",
        ),
        (
            &["10.9.9.9, 203.0.113.7, 10.1.2.3"],
            &proxies,
            "203.0.113.7",
        ),
        (&["10.4.4.4, 10.1.2.3"], &proxies, "10.4.4.4"),
        (&["nonsense, 203.0.113.7"], &[], "203.0.113.7"),
        (&["203.0.113.7, nonsense"], &[], "203.0.113.7"),
        (&["nonsense"], &[], "127.0.0.1"),
        (&[], &[], "127.0.0.1"),
    ] {
        assert_eq!(
            address_of(&headers(values), Some(&peer), trusted),
            expected,
            "{values:?} {trusted:?}"
        );
    }
}

// --- Guessing --------------------------------------------------------------------

#[tokio::test]
async fn guessing_is_limited_for_the_one_who_guesses_alone() {
    let house = house();
    house
        .admin(
            "ben",
            "POST",
            "/api/v1/rooms",
            json!({"title": "With", "passcode": "grade"}),
        )
        .await;
    house
        .admin(
            "anna",
            "POST",
            "/api/v1/admins",
            json!({"name": "Dora", "role": "ops", "password": "correct horse battery"}),
        )
        .await;
    let enter = |from: &'static str, passcode: String| {
        let asked = ask("POST", LIVE, "/api/v1/session/passcode").with("x-forwarded-for", from);
        asked
            .json(&json!({"slug": "with", "passcode": passcode, "name": "Bob"}))
            .to(&house.pages)
    };
    let mut answers = Vec::new();
    for number in 0..50 {
        answers.push(
            enter("203.0.113.66", format!("guess-{number}"))
                .await
                .status,
        );
    }
    assert_eq!(
        answers.iter().filter(|status| **status == 403).count(),
        5,
        "{answers:?}"
    );
    assert!(answers[5..].iter().all(|status| *status == 429));
    assert_eq!(
        enter("203.0.113.66", "grade".into()).await.status,
        429,
        "even the right one"
    );
    // A network of his own gets an attacker no further; others come in.
    assert_eq!(enter("2001:db8:1:2::1", "x".into()).await.status, 403);
    for last in [
        "2001:db8:1:2::2",
        "2001:db8:1:2:ffff::3",
        "2001:db8:1:2::4",
        "2001:db8:1:2::5",
    ] {
        assert_eq!(enter(last, "x".into()).await.status, 403);
    }
    assert_eq!(enter("2001:db8:1:2::6", "grade".into()).await.status, 429);
    assert_eq!(enter("203.0.113.67", "grade".into()).await.status, 200);

    let login = |from: String, name: &'static str, password: &'static str| {
        let asked = ask("POST", ADMIN, "/api/v1/login").with("x-forwarded-for", &from);
        asked
            .json(&json!({"name": name, "password": password}))
            .to(&house.pages)
    };
    let mut refused = 0;
    for _ in 0..12 {
        refused += usize::from(login("203.0.113.66".into(), "Dora", "wrong").await.status == 429);
    }
    assert_eq!(refused, 2);
    // From many places at one account.
    let mut statuses = Vec::new();
    for number in 0..30 {
        statuses.push(
            login(format!("203.0.114.{number}"), "dora ", "wrong")
                .await
                .status,
        );
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 429).count(),
        10,
        "{statuses:?}"
    );
    assert_eq!(
        login("203.0.115.1".into(), "anna", "wrong").await.status,
        403,
        "others are not kept out"
    );
}

/// Median time of a refusal, in microseconds.
fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_wrong_guess_takes_as_long_whoever_it_is_for() {
    let house = house();
    house
        .admin(
            "ben",
            "POST",
            "/api/v1/rooms",
            json!({"title": "With", "passcode": "grade"}),
        )
        .await;
    house
        .admin("ben", "POST", "/api/v1/rooms", json!({"title": "Without"}))
        .await;
    house
        .admin(
            "anna",
            "POST",
            "/api/v1/admins",
            json!({"name": "Dora", "role": "ops", "password": "correct horse battery"}),
        )
        .await;
    let cases = [
        (
            ADMIN,
            "/api/v1/login",
            json!({"name": "Dora", "password": "wrong"}),
        ),
        (
            ADMIN,
            "/api/v1/login",
            json!({"name": "Nobody", "password": "wrong"}),
        ),
        (
            LIVE,
            "/api/v1/session/passcode",
            json!({"slug": "with", "passcode": "wrong", "name": "x"}),
        ),
        (
            LIVE,
            "/api/v1/session/passcode",
            json!({"slug": "without", "passcode": "wrong", "name": "x"}),
        ),
        (
            LIVE,
            "/api/v1/session/passcode",
            json!({"slug": "nowhere", "passcode": "wrong", "name": "x"}),
        ),
    ];
    let mut times = vec![Vec::new(); cases.len()];
    let mut answers = vec![BTreeSet::new(); cases.len()];
    for round in 0..200 {
        // In turn, so that whatever else the machine does strikes all alike.
        for (index, (host, path, body)) in cases.iter().enumerate() {
            let asked = ask("POST", host, path)
                .with("x-forwarded-for", &somewhere(round * 10 + index))
                .json(body);
            let begun = Instant::now();
            let answer = asked.to(&house.pages).await;
            times[index].push(begun.elapsed().as_micros());
            assert_eq!(answer.status, 403, "{path} {body}");
            answers[index].insert(answer.body);
            house.app.access.limit_clear("account dora");
            house.app.access.limit_clear("account nobody");
        }
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[2] == answers[3] && answers[3] == answers[4]);
    let medians: Vec<u128> = times.into_iter().map(median).collect();
    for (one, two) in [(0, 1), (2, 3), (2, 4)] {
        let (one, two) = (medians[one].max(1), medians[two].max(1));
        // Measured apart: 1.15 at most. Without the hash it would be a
        // twentieth, with a second one twice as long.
        assert!(10 * one.max(two) <= 14 * one.min(two), "{medians:?}");
    }
}

// --- Open streams ----------------------------------------------------------------

#[tokio::test]
async fn ten_thousand_open_streams_keep_nobody_else_out() {
    let house = house();
    let (room, token) = house.room("anna", "Reel").await;
    let links = format!("/api/v1/rooms/{}/links", room["id"].as_str().unwrap());
    let open = house
        .admin("anna", "POST", &links, json!({"role": "viewer"}))
        .await
        .json();
    let open = open["url"]
        .as_str()
        .unwrap()
        .split_once("/j#")
        .unwrap()
        .1
        .to_owned();
    let follow = |cookie: &str, from: &str| {
        let asked = ask("GET", LIVE, "/api/v1/session/reel/events")
            .with("cookie", cookie)
            .with("x-forwarded-for", from);
        house.pages.clone().oneshot(asked.0.body(asked.1).unwrap())
    };
    let (honest, _) = house.enter(&token).await;
    // One browser that opens the page again and again.
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        let answer = follow(&honest, "203.0.113.1").await.unwrap();
        match answer.status().as_u16() {
            200 => held.push(answer),
            429 => {
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
            }
            status => unreachable!("{status}"),
        }
    }
    assert_eq!((held.len(), refused), (12, 88));
    held.clear();
    assert_eq!(house.app.streams.open(), 0);
    // One attacker with a link for everybody and a place for each dozen.
    let mut cookies = Vec::new();
    for number in 0..200 {
        let asked =
            ask("POST", LIVE, "/api/v1/session/link").with("x-forwarded-for", "203.0.113.66");
        let answer = asked
            .json(&json!({"token": open, "name": format!("n{number}")}))
            .to(&house.pages)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        cookies.push(
            answer
                .header("set-cookie")
                .split(';')
                .next()
                .unwrap()
                .to_owned(),
        );
    }
    for number in 0..10_000 {
        let answer = follow(&cookies[number % cookies.len()], "203.0.113.66")
            .await
            .unwrap();
        if answer.status() == 200 {
            held.push(answer);
        } else {
            assert_eq!(answer.status(), 429);
        }
    }
    assert_eq!(held.len(), 500, "as many as one network may have");
    assert_eq!(house.app.streams.open(), 500);
    // Others watch, and the portal is there.
    let watching = follow(&honest, "198.51.100.9").await.unwrap();
    assert_eq!(watching.status(), 200);
    drop(watching);
    // From ever more networks: visitors have to wait, who administers has not.
    for number in 0..2_500 {
        let from = format!("203.0.{}.1", 114 + number / 400);
        let answer = follow(&cookies[number % cookies.len()], &from)
            .await
            .unwrap();
        if answer.status() == 200 {
            held.push(answer);
        }
    }
    assert_eq!(held.len(), 2_000);
    let late = follow(&honest, "198.51.100.9").await.unwrap();
    assert_eq!(late.status(), 429);
    let portal = ask("GET", ADMIN, "/api/v1/events").by("anna");
    let portal = house
        .pages
        .clone()
        .oneshot(portal.0.body(portal.1).unwrap())
        .await
        .unwrap();
    assert_eq!(portal.status(), 200);
    // Gone is gone.
    drop((held, portal));
    assert_eq!(house.app.streams.open(), 0);
    assert_eq!(follow(&honest, "198.51.100.9").await.unwrap().status(), 200);
}
