//! `room`: the rooms of a running controller.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Control, Method, decode};
use super::status::ago;
use super::terminal::{self, Colour, Paint, Table, plain, shortened};
use super::{Common, Failure, declared, when};

/// What can be done with rooms.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every room.
    List {
        /// The archive instead.
        #[arg(long)]
        archived: bool,
    },
    /// Show one room: its state, its people, its links.
    Show {
        /// Its name in the address.
        room: String,
    },
    /// Make a room; a title is enough. Prints its first viewer link.
    Create(Create),
    /// Open a room now, whatever its times say.
    Open {
        /// Its name in the address.
        room: String,
    },
    /// Close a room: picture and call end at once.
    Close {
        /// Its name in the address.
        room: String,
        /// Do not ask, whoever is live.
        #[arg(long, short)]
        yes: bool,
    },
    /// Put a room into the archive; or delete it for good.
    Delete {
        /// Its name in the address.
        room: String,
        /// For good, with its links and its history.
        #[arg(long)]
        forever: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Take a room out of the archive. It comes back closed.
    Restore {
        /// Its name in the address.
        room: String,
    },
    /// Give the encoder a new stream key; the old one ends at once.
    RotateKey {
        /// Its name in the address.
        room: String,
        /// Do not ask, whoever is live.
        #[arg(long, short)]
        yes: bool,
    },
    /// Put everybody out for good: links have to be made anew.
    RotateStream {
        /// Its name in the address.
        room: String,
        /// Do not ask, whoever is live.
        #[arg(long, short)]
        yes: bool,
    },
    /// Show stream key and addresses for the encoder.
    Ingest {
        /// Its name in the address.
        room: String,
    },
    /// Make rooms as a file says; shows the difference first. Rooms that the
    /// file does not name stay as they are.
    Apply {
        /// Such as rooms.yaml; see docs/rooms-file.md.
        file: PathBuf,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        /// Only show the difference; exit with 2 when there is one.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A new room.
#[derive(Debug, Args)]
pub struct Create {
    /// What people read.
    title: String,
    /// Its name in the address; made of the title when absent.
    #[arg(long, value_name = "NAME")]
    slug: Option<String>,
    /// Quality profile; the settings' first when absent.
    #[arg(long)]
    profile: Option<String>,
    /// When it opens: 2h, 2026-11-24 10:00 (UTC), 2026-11-24T10:00+01:00.
    #[arg(long, value_name = "WHEN")]
    opens: Option<String>,
    /// When it ends.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Most viewers.
    #[arg(long, value_name = "NUMBER")]
    viewers: Option<u32>,
    /// Watchable from this address or network alone; may be repeated.
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<String>,
    /// Lay each viewer's name over the picture.
    #[arg(long)]
    watermark: bool,
    /// Ask for a passcode, or read it from standard input: whoever has it
    /// enters by the room's name.
    #[arg(long)]
    passcode: bool,
    /// Make no first link.
    #[arg(long)]
    no_link: bool,
}

/// What the command line needs to know of a room.
#[derive(Clone, Debug, Deserialize)]
pub struct Room {
    /// Identity.
    pub id: String,
    /// What a change names in `If-Match`.
    pub etag: String,
    /// Title.
    pub title: String,
    /// The name in the address.
    pub slug: String,
    /// Quality profile.
    pub profile: String,
    /// `not-open`, `waiting`, `live`, `closed`, `expired`.
    pub state: String,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Closed by a person.
    pub closed: bool,
    /// Put away.
    pub archived: bool,
    /// Most viewers.
    pub viewer_cap: Option<u32>,
    /// From where it may be watched.
    pub allowed_addresses: Vec<String>,
    /// Whether it can be entered by name.
    pub has_passcode: bool,
    /// Whether names lie over the picture.
    pub watermark: bool,
    live: Live,
    urls: Urls,
    #[serde(default)]
    issues: Vec<crate::model::Issue>,
}

#[derive(Clone, Debug, Deserialize)]
struct Live {
    since: Option<Timestamp>,
    viewers: u32,
    callers: u32,
    facts: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Urls {
    room: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Impact {
    publishers: u32,
    people: u32,
    names: Vec<String>,
    words: String,
}

/// Dispatches.
pub async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    // What is wrong with a file is said whether or not a controller runs.
    if let Command::Apply { file, yes, dry_run } = command {
        return declared::run(common, &file, yes, dry_run).await;
    }
    let control = Control::running(common).await?;
    let paint = Paint::stdout();
    match command {
        Command::List { archived } => list(common, &control, archived).await,
        Command::Show { room } => show(common, &control, &room).await,
        Command::Create(asked) => create(common, &control, asked).await,
        Command::Open { room } => {
            let room = find(&control, &room).await?;
            let after = act(&control, &room, Method::POST, "/open").await?;
            told(common, &after, |room| {
                format!(
                    "{} is open.\n  {}",
                    room.title,
                    paint.dim(&format!(
                        "Invite somebody: colourstream link create {}",
                        room.slug
                    ))
                )
            })
        }
        Command::Close { room, yes } => {
            let room = find(&control, &room).await?;
            if !agreed(&control, &room, "close", yes, "Close it now?").await? {
                return Ok(ExitCode::FAILURE);
            }
            let after = act(&control, &room, Method::POST, "/close").await?;
            told(common, &after, |room| format!("{} is closed.", room.title))
        }
        Command::Delete { room, forever, yes } => delete(&control, &room, forever, yes).await,
        Command::Restore { room } => {
            let room = find(&control, &room).await?;
            let after = act(&control, &room, Method::POST, "/restore").await?;
            told(common, &after, |room| {
                format!(
                    "{} is back, closed.\n  {}",
                    room.title,
                    paint.dim(&format!("Open it: colourstream room open {}", room.slug))
                )
            })
        }
        Command::RotateKey { room, yes } => {
            let room = find(&control, &room).await?;
            if !agreed(&control, &room, "rotate-key", yes, "Give it a new key?").await? {
                return Ok(ExitCode::FAILURE);
            }
            let after = act(&control, &room, Method::POST, "/rotate-key").await?;
            told(common, &after, |room| {
                format!(
                    "{} has a new key.\n  {}",
                    room.title,
                    paint.dim(&format!(
                        "For the encoder: colourstream room ingest {}",
                        room.slug
                    ))
                )
            })
        }
        Command::RotateStream { room, yes } => {
            let room = find(&control, &room).await?;
            if !agreed(&control, &room, "rotate-stream", yes, "Put everybody out?").await? {
                return Ok(ExitCode::FAILURE);
            }
            let after = act(&control, &room, Method::POST, "/rotate-stream").await?;
            told(common, &after, |room| {
                format!(
                    "Everybody is out of {}, and every link is revoked.\n  {}",
                    room.title,
                    paint.dim(&format!(
                        "Invite anew: colourstream link create {}",
                        room.slug
                    ))
                )
            })
        }
        Command::Ingest { room } => ingest(common, &control, &room).await,
        Command::Apply { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Every room as the controller tells it, newest first.
pub async fn all(control: &Control, archived: bool) -> Result<Vec<Value>, Failure> {
    let mut rooms = Vec::new();
    let mut path = format!("/api/v1/rooms?archived={archived}&limit=200");
    loop {
        let page: Page = control.get(&path).await?;
        rooms.extend(page.items);
        match page.next {
            Some(next) => {
                path = format!("/api/v1/rooms?archived={archived}&limit=200&after={next}");
            }
            None => return Ok(rooms),
        }
    }
}

/// Values as rooms.
pub fn rooms(values: &[Value]) -> Result<Vec<Room>, Failure> {
    values
        .iter()
        .map(|value| decode("/api/v1/rooms", value.to_string().as_bytes()))
        .collect()
}

/// The room of this name, identity or title, open or archived.
pub async fn find(control: &Control, wanted: &str) -> Result<Room, Failure> {
    let mut known = rooms(&all(control, false).await?)?;
    known.extend(rooms(&all(control, true).await?)?);
    let wanted = wanted.trim();
    let exactly = known
        .iter()
        .find(|room| room.slug == wanted || room.id == wanted);
    let by_title = || {
        let mut same = known
            .iter()
            .filter(|room| room.title.to_lowercase() == wanted.to_lowercase());
        // Only if it cannot be another one.
        same.next().filter(|_| same.next().is_none())
    };
    if let Some(room) = exactly.or_else(by_title) {
        return Ok(room.clone());
    }
    let names: Vec<&str> = known.iter().map(|room| room.slug.as_str()).collect();
    let like = similar::get_close_matches(wanted, &names, 3, 0.5);
    let hint = match (known.is_empty(), like.as_slice()) {
        (true, _) => "make it: colourstream room create \"TITLE\"".to_owned(),
        (false, []) => "see them all: colourstream room list".to_owned(),
        (false, like) => format!("did you mean {}?", like.join(" or ")),
    };
    Err(Failure::Told(format!(
        "there is no room `{wanted}`\n  → {hint}"
    )))
}

/// Does something with a room. What is asked means the same whatever changed
/// meanwhile, so it is asked again with the new etag.
async fn act(control: &Control, room: &Room, method: Method, call: &str) -> Result<Value, Failure> {
    let base = format!("/api/v1/rooms/{}", room.id);
    let path = format!("{base}{call}");
    let mut etag = room.etag.clone();
    let mut tries = 3;
    loop {
        tries -= 1;
        match control.send(method.clone(), &path, None, Some(&etag)).await {
            Ok(body) if body.is_empty() => return Ok(Value::Null),
            Ok(body) => return decode(&path, &body),
            Err(Failure::Refused { kind, .. }) if kind == "changed-meanwhile" && tries > 0 => {
                etag = control.get::<Room>(&base).await?.etag;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Says whom it interrupts and asks, if it interrupts anybody.
async fn agreed(
    control: &Control,
    room: &Room,
    action: &str,
    yes: bool,
    question: &str,
) -> Result<bool, Failure> {
    let Some(words) = interrupts(control, room, action).await? else {
        return Ok(true);
    };
    if yes {
        return Ok(true);
    }
    terminal::line(format!("{}: {words}", room.title));
    if terminal::confirm(question) {
        return Ok(true);
    }
    terminal::line("Nothing was changed. Without a terminal say `--yes`.");
    Ok(false)
}

/// Whom `action` interrupts, in words; `None` for nobody.
pub async fn interrupts(
    control: &Control,
    room: &Room,
    action: &str,
) -> Result<Option<String>, Failure> {
    let path = format!("/api/v1/rooms/{}/impact?action={action}", room.id);
    let impact: Impact = control.get(&path).await?;
    if impact.publishers + impact.people == 0 {
        return Ok(None);
    }
    let names = if impact.names.is_empty() {
        String::new()
    } else {
        format!(" ({})", impact.names.join(", "))
    };
    Ok(Some(format!(
        "{}{names}",
        impact.words.trim_end_matches('.')
    )))
}

fn told(
    common: &Common,
    after: &Value,
    words: impl FnOnce(Room) -> String,
) -> Result<ExitCode, Failure> {
    if common.json {
        return print_json(after);
    }
    let room: Room = decode("/api/v1/rooms", after.to_string().as_bytes())?;
    terminal::line(words(room));
    Ok(ExitCode::SUCCESS)
}

/// Data as JSON.
pub fn print_json(value: &Value) -> Result<ExitCode, Failure> {
    terminal::line(serde_json::to_string_pretty(value).map_err(Failure::told)?);
    Ok(ExitCode::SUCCESS)
}

async fn list(common: &Common, control: &Control, archived: bool) -> Result<ExitCode, Failure> {
    let values = all(control, archived).await?;
    if common.json {
        return print_json(&Value::Array(values));
    }
    let paint = Paint::stdout();
    if values.is_empty() {
        terminal::line(if archived {
            "The archive is empty."
        } else {
            "No rooms yet. A title is enough for the first:\n\n  colourstream room create \"Northlight — reel 3\""
        });
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["", "room", "title", "state", "ends"]);
    for room in rooms(&values)? {
        let (dot, colour) = dot(&room);
        let ends = match room.expires_at {
            Some(at) if at > now => format!("in {}", when::ahead(now, at)),
            _ => "–".to_owned(),
        };
        table.row(vec![
            (dot.to_owned(), colour),
            (room.slug.clone(), Paint::bold),
            (shortened(&room.title, 40), plain),
            (state(&room, now), plain),
            (ends, Paint::dim),
        ]);
    }
    terminal::raw(table.text(paint));
    Ok(ExitCode::SUCCESS)
}

fn dot(room: &Room) -> (&'static str, Colour) {
    match room.state.as_str() {
        _ if room.archived => ("·", Paint::dim),
        "live" => ("●", Paint::red),
        "waiting" => ("○", Paint::green),
        "not-open" => ("○", Paint::yellow),
        _ => ("◌", Paint::dim),
    }
}

/// `live 42 min · 4 watching`
fn state(room: &Room, now: Timestamp) -> String {
    let people = |live: &Live| {
        let mut parts = Vec::new();
        if live.viewers > 0 {
            parts.push(format!("{} watching", live.viewers));
        }
        if live.callers > 0 {
            parts.push(format!("{} in the call", live.callers));
        }
        parts
    };
    let first = match (room.state.as_str(), room.opens_at, room.expires_at) {
        _ if room.archived => "in the archive".to_owned(),
        ("live", ..) => room.live.since.map_or_else(
            || "live".to_owned(),
            |since| format!("live {}", ago(since, now)),
        ),
        ("waiting", ..) => "open, no picture yet".to_owned(),
        ("not-open", Some(at), _) => format!("opens in {}", when::ahead(now, at)),
        ("expired", _, Some(at)) => format!("ended {} ago", ago(at, now)),
        (other, ..) => other.to_owned(),
    };
    let mut parts = vec![first];
    parts.extend(people(&room.live));
    parts.join(" · ")
}

async fn show(common: &Common, control: &Control, name: &str) -> Result<ExitCode, Failure> {
    let room = find(control, name).await?;
    let path = format!("/api/v1/rooms/{}", room.id);
    if common.json {
        return print_json(&control.get(&path).await?);
    }
    let links: super::link::Links = control.get(&format!("{path}/links")).await?;
    let (now, paint) = (Timestamp::now(), Paint::stdout());
    let (dot, colour) = dot(&room);
    terminal::line(format!(
        "{} {}  {}",
        colour(paint, dot),
        paint.bold(&room.title),
        state(&room, now)
    ));
    let mut facts = vec![
        ("address", room.urls.room.clone()),
        ("profile", room.profile.clone()),
    ];
    let moment = |at: Timestamp| {
        if at > now {
            format!("{} (in {})", when::exact(at), when::ahead(now, at))
        } else {
            format!("{} ({} ago)", when::exact(at), ago(at, now))
        }
    };
    facts.extend(room.opens_at.map(|at| ("opens", moment(at))));
    facts.extend(room.expires_at.map(|at| ("ends", moment(at))));
    facts.push((
        "enter by",
        if room.has_passcode {
            "link, or name and passcode"
        } else {
            "link"
        }
        .to_owned(),
    ));
    facts.extend(
        room.viewer_cap
            .map(|cap| ("viewers", format!("at most {cap}"))),
    );
    if !room.allowed_addresses.is_empty() {
        facts.push(("from", room.allowed_addresses.join(", ")));
    }
    if room.watermark {
        facts.push(("overlay", "the viewer's name".to_owned()));
    }
    facts.extend(
        room.live
            .facts
            .as_ref()
            .and_then(picture)
            .map(|words| ("picture", words)),
    );
    facts.push((
        "links",
        match links.items.iter().filter(|link| !link.revoked).count() {
            0 => format!("none; make one: colourstream link create {}", room.slug),
            count => format!("{count}; see them: colourstream link list {}", room.slug),
        },
    ));
    for (name, value) in facts {
        terminal::line(format!("  {}{value}", paint.dim(&format!("{name:<10}"))));
    }
    super::status::issues(&room.issues, paint, &mut |line| terminal::line(line));
    Ok(ExitCode::SUCCESS)
}

/// `H264 1920×1080, 25 fps, 6.0 Mbit/s`
fn picture(facts: &Value) -> Option<String> {
    let video = facts.get("video").filter(|video| !video.is_null())?;
    let number = |key: &str| video.get(key).and_then(Value::as_f64);
    let codec = video.get("codec").and_then(Value::as_str).unwrap_or("?");
    let mut words = codec.to_owned();
    if let (Some(width), Some(height)) = (number("width"), number("height")) {
        words.push_str(&format!(" {width}×{height}"));
    }
    if let Some(fps) = number("fps") {
        words.push_str(&format!(", {fps} fps"));
    }
    if let Some(bitrate) = number("bitrate") {
        words.push_str(&format!(", {:.1} Mbit/s", bitrate / 1e6));
    }
    Some(words)
}

async fn create(common: &Common, control: &Control, asked: Create) -> Result<ExitCode, Failure> {
    let now = Timestamp::now();
    let moment = |text: &Option<String>| {
        text.as_deref()
            .map(|text| when::parse(text, now))
            .transpose()
            .map_err(Failure::Told)
    };
    let passcode = if asked.passcode {
        Some(terminal::secret("Passcode", Some("Again")).map_err(Failure::Told)?)
    } else {
        None
    };
    let body = json!({
        "title": asked.title,
        "slug": asked.slug,
        "profile": asked.profile,
        "passcode": passcode,
        "opens_at": moment(&asked.opens)?,
        "expires_at": moment(&asked.expires)?,
        "viewer_cap": asked.viewers,
        "allowed_addresses": asked.allow,
        "watermark": asked.watermark,
        "link": (!asked.no_link).then(|| json!({"name": "", "role": "viewer"})),
    });
    let made: Value = control.ask("/api/v1/rooms", &body).await?;
    if common.json {
        return print_json(&made);
    }
    let room: Room = decode(
        "/api/v1/rooms",
        made.get("room")
            .unwrap_or(&Value::Null)
            .to_string()
            .as_bytes(),
    )?;
    let paint = Paint::stdout();
    let (dot, colour) = dot(&room);
    terminal::line(format!(
        "{} {}  {}",
        colour(paint, dot),
        paint.bold(&room.title),
        state(&room, now)
    ));
    let line = |name: &str, value: &str| {
        terminal::line(format!("  {}{value}", paint.dim(&format!("{name:<10}"))));
    };
    line("address", &room.urls.room);
    if let Some(url) = made.pointer("/link/url").and_then(Value::as_str) {
        line("viewers", url);
        line(
            "",
            &paint.dim("This link is shown once; send it to whoever may watch."),
        );
    }
    line(
        "encoder",
        &format!("colourstream room ingest {}", room.slug),
    );
    Ok(ExitCode::SUCCESS)
}

async fn delete(
    control: &Control,
    name: &str,
    forever: bool,
    yes: bool,
) -> Result<ExitCode, Failure> {
    let room = find(control, name).await?;
    let paint = Paint::stdout();
    if !room.archived && !agreed(control, &room, "archive", yes, "Put it away now?").await? {
        return Ok(ExitCode::FAILURE);
    }
    if forever && !yes {
        terminal::line(format!(
            "{} goes for good, with its links, its key and its history.",
            room.title
        ));
        if !terminal::confirm("Delete it?") {
            terminal::line("Nothing was deleted. Without a terminal say `--yes`.");
            return Ok(ExitCode::FAILURE);
        }
    }
    if !room.archived {
        act(control, &room, Method::DELETE, "").await?;
    } else if !forever {
        terminal::line(format!("{} is in the archive already.", room.title));
        return Ok(ExitCode::SUCCESS);
    }
    if !forever {
        terminal::line(format!(
            "{} is in the archive.\n  {}",
            room.title,
            paint.dim(&format!(
                "Back: colourstream room restore {0} · for good: colourstream room delete {0} --forever",
                room.slug
            ))
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let room: Room = control.get(&format!("/api/v1/rooms/{}", room.id)).await?;
    act(control, &room, Method::DELETE, "?forever=true").await?;
    terminal::line(format!("{} is deleted.", room.title));
    Ok(ExitCode::SUCCESS)
}

async fn ingest(common: &Common, control: &Control, name: &str) -> Result<ExitCode, Failure> {
    let room = find(control, name).await?;
    let ingest: Value = control
        .get(&format!("/api/v1/rooms/{}/ingest", room.id))
        .await?;
    if common.json {
        return print_json(&ingest);
    }
    let paint = Paint::stdout();
    let text = |pointer: &str| {
        ingest
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let latency = ingest
        .get("latency_ms")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    terminal::line(paint.bold(&room.title));
    for (key, title) in [
        ("rtmp", "RTMP (OBS and most encoders)".to_owned()),
        ("rtmps", "RTMP over TLS".to_owned()),
        ("srt", format!("SRT (lossy lines; waits {latency} ms)")),
        ("whip", "WHIP (OBS 30 and newer, lowest delay)".to_owned()),
    ] {
        let Some(server) = text(&format!("/{key}/server")) else {
            continue;
        };
        terminal::line(format!("\n{title}"));
        terminal::line(format!("  {}{server}", paint.dim("server  ")));
        if let Some(key) = text(&format!("/{key}/key")) {
            terminal::line(format!("  {}{key}", paint.dim("key     ")));
        }
    }
    terminal::line(format!(
        "\n{}",
        paint.dim(&format!(
            "Whoever has the key can stream into this room. A new one: colourstream room rotate-key {}",
            room.slug
        ))
    ));
    Ok(ExitCode::SUCCESS)
}
