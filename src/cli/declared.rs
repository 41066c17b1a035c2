//! `room apply`: rooms as a file says, after the difference was shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::control::{Control, Method, decode};
use super::room::{Room, all, interrupts, print_json, rooms};
use super::terminal::{self, Paint};
use super::{Common, Failure, when};
use crate::model::{network, one_line};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rooms: Vec<Wanted>,
}

/// A room as the file has it. What it does not name stays as it is; `null`
/// empties.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    slug: String,
    title: Option<String>,
    profile: Option<String>,
    #[serde(deserialize_with = "given")]
    opens_at: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    expires_at: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    viewer_cap: Option<Option<u32>>,
    allowed_addresses: Option<Vec<String>>,
    watermark: Option<bool>,
    closed: Option<bool>,
    /// Read when the room has no passcode yet: the kept one cannot be compared.
    passcode_file: Option<PathBuf>,
}

/// Tells `null` from absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A field that differs.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    field: &'static str,
    before: Option<String>,
    after: String,
}

/// What has to be done about one room.
#[derive(Debug)]
struct Change {
    slug: String,
    title: String,
    /// The room there is; `None` makes one.
    room: Option<Room>,
    differences: Vec<Difference>,
    /// What `POST` or `PATCH` gets.
    body: Map<String, Value>,
    closed: Option<bool>,
    interrupts: Option<String>,
}

/// Shows the difference, asks, does it.
pub async fn run(
    common: &Common,
    file: &Path,
    yes: bool,
    dry_run: bool,
) -> Result<ExitCode, Failure> {
    let wanted = read(file)?;
    let control = Control::running(common).await?;
    let there = rooms(&all(&control, false).await?)?;
    let archived = rooms(&all(&control, true).await?)?;
    let mut changes = Vec::new();
    let folder = file.parent().unwrap_or(Path::new("."));
    for wanted in &wanted {
        if archived.iter().any(|room| room.slug == wanted.slug) {
            return Err(Failure::Told(format!(
                "{}: the room `{1}` is in the archive\n  → colourstream room restore {1}",
                file.display(),
                wanted.slug
            )));
        }
        let room = there.iter().find(|room| room.slug == wanted.slug);
        changes.push(compare(wanted, room, folder).map_err(|what| {
            Failure::Told(format!(
                "{}: room `{}`: {what}",
                file.display(),
                wanted.slug
            ))
        })?);
    }
    for change in &mut changes {
        let Some(room) = &change.room else { continue };
        let action = if change.closed == Some(true) {
            "close"
        } else {
            "profile"
        };
        if change.closed == Some(true) || change.body.contains_key("profile") {
            change.interrupts = interrupts(&control, room, action).await?;
        }
    }
    let all_same = changes.iter().filter(|change| change.is_nothing()).count();
    changes.retain(|change| !change.is_nothing());
    if !common.json {
        terminal::raw(tree(&changes, all_same, Paint::stdout()));
    }
    if changes.is_empty() || dry_run {
        if common.json {
            print_json(&summary(&changes, all_same, false))?;
        }
        return Ok(ExitCode::from(if changes.is_empty() { 0 } else { 2 }));
    }
    if !yes && (common.json || !terminal::confirm("Do it?")) {
        if common.json {
            print_json(&summary(&changes, all_same, false))?;
        } else {
            terminal::line("Nothing was changed. Without a terminal say `--yes`.");
        }
        return Ok(ExitCode::FAILURE);
    }
    for change in &changes {
        apply(&control, change).await?;
        if !common.json {
            let verb = if change.room.is_some() {
                "changed"
            } else {
                "made"
            };
            terminal::line(format!("{verb} {}", change.slug));
        }
    }
    if common.json {
        print_json(&summary(&changes, all_same, true))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Vec<Wanted>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Told(format!("{} cannot be read: {error}", file.display())))?;
    let told = |what: String| Failure::Told(format!("{}: {what}", file.display()));
    let parsed: File = serde_yaml::from_str(&text).map_err(|error| {
        told(format!(
            "{error}\n  → a file of rooms looks like this:\n\n    rooms:\n      - slug: northlight\n        title: Northlight — reel 3"
        ))
    })?;
    let mut seen = BTreeSet::new();
    for (index, room) in parsed.rooms.iter().enumerate() {
        if room.slug.is_empty() {
            let which = room.title.as_deref().map_or_else(
                || format!("room {}", index + 1),
                |title| format!("the room `{title}`"),
            );
            return Err(told(format!(
                "{which} has no `slug`\n  → it is what a room is known by, and its name in the address"
            )));
        }
        if !seen.insert(&room.slug) {
            return Err(told(format!("the room `{}` is there twice", room.slug)));
        }
    }
    Ok(parsed.rooms)
}

/// PURE but for the passcode's file: what the room there is lacks.
fn compare(wanted: &Wanted, room: Option<&Room>, folder: &Path) -> Result<Change, String> {
    let mut found = Comparison::default();
    let title = wanted
        .title
        .as_deref()
        .map(|title| one_line("title", title, 120).map_err(|wrong| wrong.to_string()))
        .transpose()?;
    if room.is_none() && title.is_none() {
        return Err("a new room needs a `title`".to_owned());
    }
    let shown_title = title
        .clone()
        .or_else(|| room.map(|room| room.title.clone()))
        .unwrap_or_default();
    found.text("title", room.map(|room| &room.title), title.as_ref());
    found.text(
        "profile",
        room.map(|room| &room.profile),
        wanted.profile.as_ref(),
    );
    let moment = |text: &Option<Option<String>>| -> Result<Option<Option<Timestamp>>, String> {
        match text {
            None => Ok(None),
            Some(None) => Ok(Some(None)),
            Some(Some(text)) => when::fixed(text).map(|at| Some(Some(at))),
        }
    };
    let times = when::exact;
    found.option(
        "opens_at",
        room.map(|room| room.opens_at),
        moment(&wanted.opens_at)?,
        times,
    );
    found.option(
        "expires_at",
        room.map(|room| room.expires_at),
        moment(&wanted.expires_at)?,
        times,
    );
    found.option(
        "viewer_cap",
        room.map(|room| room.viewer_cap),
        wanted.viewer_cap,
        |cap| cap.to_string(),
    );
    if let Some(addresses) = &wanted.allowed_addresses {
        let addresses = addresses
            .iter()
            .map(|text| network(text).map_err(|wrong| wrong.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        let before = room.map(|room| &room.allowed_addresses);
        if before.map_or(!addresses.is_empty(), |before| *before != addresses) {
            let words = |list: &[String]| {
                if list.is_empty() {
                    "everywhere".to_owned()
                } else {
                    list.join(", ")
                }
            };
            found.note(
                "allowed_addresses",
                before.map(|list| words(list)),
                words(&addresses),
                json!(addresses),
            );
        }
    }
    if let Some(watermark) = wanted.watermark {
        let before = room.map(|room| room.watermark);
        if before.unwrap_or(false) != watermark {
            let words = |on: bool| if on { "on" } else { "off" }.to_owned();
            found.note(
                "watermark",
                before.map(words),
                words(watermark),
                json!(watermark),
            );
        }
    }
    if let Some(file) = &wanted.passcode_file
        && !room.is_some_and(|room| room.has_passcode)
    {
        let file = folder.join(file);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            format!("`passcode_file` {} cannot be read: {error}", file.display())
        })?;
        let before = room.map(|_| "none".to_owned());
        // Never the passcode itself.
        found.note(
            "passcode",
            before,
            "set".to_owned(),
            json!(text.trim_end_matches(['\r', '\n'])),
        );
    }
    let closed = wanted
        .closed
        .filter(|closed| room.map_or(*closed, |room| room.closed != *closed));
    if let Some(closed) = closed {
        let words = |closed: bool| if closed { "closed" } else { "open" }.to_owned();
        found.differences.push(Difference {
            field: "state",
            before: room.map(|room| words(room.closed)),
            after: words(closed),
        });
    }
    Ok(Change {
        slug: wanted.slug.clone(),
        title: shown_title,
        room: room.cloned(),
        differences: found.differences,
        body: found.body,
        closed,
        interrupts: None,
    })
}

#[derive(Default)]
struct Comparison {
    differences: Vec<Difference>,
    body: Map<String, Value>,
}

impl Comparison {
    fn note(&mut self, field: &'static str, before: Option<String>, after: String, value: Value) {
        self.differences.push(Difference {
            field,
            before,
            after,
        });
        self.body.insert(field.to_owned(), value);
    }

    fn text(&mut self, field: &'static str, before: Option<&String>, wanted: Option<&String>) {
        if let Some(wanted) = wanted
            && before != Some(wanted)
        {
            self.note(field, before.cloned(), wanted.clone(), json!(wanted));
        }
    }

    /// `before` is `None` for a new room, where nothing is set.
    fn option<T: PartialEq + serde::Serialize>(
        &mut self,
        field: &'static str,
        before: Option<Option<T>>,
        wanted: Option<Option<T>>,
        words: impl Fn(T) -> String,
    ) {
        let Some(wanted) = wanted else { return };
        let is_new = before.is_none();
        let before = before.flatten();
        if before == wanted {
            return;
        }
        let value = json!(wanted);
        let shown = |value: Option<T>| value.map_or_else(|| "none".to_owned(), &words);
        let before = (!is_new).then(|| shown(before));
        let after = shown(wanted);
        self.note(field, before, after, value);
    }
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.room.is_some() && self.differences.is_empty()
    }
}

/// `+` and `~` with each field below.
fn tree(changes: &[Change], same: usize, paint: Paint) -> String {
    let mut out = String::new();
    for change in changes {
        let sign = match change.room {
            None => paint.green("+"),
            Some(_) => paint.yellow("~"),
        };
        out.push_str(&format!(
            "{sign} {}  {}\n",
            paint.bold(&change.slug),
            paint.dim(&change.title)
        ));
        for Difference {
            field,
            before,
            after,
        } in &change.differences
        {
            let name = paint.dim(&format!("{field:<18}"));
            match before {
                Some(before) => out.push_str(&format!("    {name}{before} → {after}\n")),
                None => out.push_str(&format!("    {name}{after}\n")),
            }
        }
        if let Some(words) = &change.interrupts {
            out.push_str(&format!("    {}\n", paint.red(&format!("! {words}"))));
        }
    }
    let count = |number: usize, words: &str| (number > 0).then(|| format!("{number} to {words}"));
    let made = changes
        .iter()
        .filter(|change| change.room.is_none())
        .count();
    let mut parts: Vec<String> = [count(made, "make"), count(changes.len() - made, "change")]
        .into_iter()
        .flatten()
        .collect();
    if same > 0 || parts.is_empty() {
        parts.push(match same {
            1 => "1 is as the file says".to_owned(),
            same => format!("{same} are as the file says"),
        });
    }
    if !changes.is_empty() {
        out.push('\n');
    }
    out.push_str(&format!("{}.\n", parts.join(", ")));
    out
}

fn summary(changes: &[Change], same: usize, applied: bool) -> Value {
    let items: Vec<Value> = changes
        .iter()
        .map(|change| {
            let fields: Vec<Value> = change
                .differences
                .iter()
                .map(|one| json!({"field": one.field, "before": one.before, "after": one.after}))
                .collect();
            json!({
                "slug": change.slug,
                "sign": if change.room.is_some() { "~" } else { "+" },
                "fields": fields,
                "interrupts": change.interrupts,
            })
        })
        .collect();
    json!({"changes": items, "same": same, "applied": applied})
}

/// The difference was shown for the state it was read from: if that changed
/// meanwhile, the controller refuses and the person looks again.
async fn apply(control: &Control, change: &Change) -> Result<(), Failure> {
    let told = |error: Failure| match error {
        Failure::Refused {
            kind,
            title,
            detail,
        } => Failure::Refused {
            detail: if kind == "changed-meanwhile" {
                "run it again to see the new difference; what is done already stays".to_owned()
            } else {
                detail
            },
            title: format!("{}: {title}", change.slug),
            kind,
        },
        other => other,
    };
    let mut body = change.body.clone();
    let (path, mut etag) = match &change.room {
        None => {
            body.insert("slug".to_owned(), json!(change.slug));
            let made: Value = control
                .ask("/api/v1/rooms", &Value::Object(body))
                .await
                .map_err(told)?;
            let room = made.get("room").unwrap_or(&Value::Null).to_string();
            let room: Room = decode("/api/v1/rooms", room.as_bytes())?;
            (format!("/api/v1/rooms/{}", room.id), room.etag)
        }
        Some(room) => {
            let path = format!("/api/v1/rooms/{}", room.id);
            let mut etag = room.etag.clone();
            if !body.is_empty() {
                let body = Value::Object(body);
                let answer = control
                    .send(Method::PATCH, &path, Some(&body), Some(&etag))
                    .await
                    .map_err(told)?;
                etag = decode::<Room>(&path, &answer)?.etag;
            }
            (path, etag)
        }
    };
    if let Some(closed) = change.closed {
        let call = if closed { "close" } else { "open" };
        let path = format!("{path}/{call}");
        let answer = control
            .send(Method::POST, &path, None, Some(&etag))
            .await
            .map_err(told)?;
        etag = decode::<Room>(&path, &answer)?.etag;
    }
    tracing::debug!(slug = change.slug, etag, "applied");
    Ok(())
}
