//! `link`: who may come into a room.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Control, Method};
use super::room::{find, print_json};
use super::status::ago;
use super::terminal::{self, Colour, Paint, Table, plain, shortened};
use super::{Common, Failure, when};

/// What can be done with links.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the links of a room.
    List {
        /// The room's name in the address.
        room: String,
    },
    /// Make a link; it is shown once.
    Create {
        /// The room's name in the address.
        room: String,
        /// Whom it is for; without, whoever has it.
        #[arg(long, default_value = "")]
        name: String,
        /// What it allows.
        #[arg(long, value_enum, default_value = "viewer")]
        role: Seat,
        /// Until when: 2h, 2026-11-24 10:00 (UTC), 2026-11-24T10:00+01:00.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// How many browsers it may let in.
        #[arg(long, value_name = "NUMBER")]
        uses: Option<u32>,
    },
    /// Revoke a link: whoever came by it is out at once.
    Revoke {
        /// The room's name in the address.
        room: String,
        /// The link's identity, or the name of whom it is for.
        link: String,
    },
}

/// What a link allows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Seat {
    /// Watches, and hosts the call.
    Presenter,
    /// Watches, and joins the call.
    Viewer,
}

/// The links of a room.
#[derive(Deserialize)]
pub struct Links {
    /// Oldest first.
    pub items: Vec<Link>,
}

/// What the command line needs to know of a link.
#[derive(Deserialize)]
pub struct Link {
    id: String,
    name: String,
    role: String,
    expires_at: Option<Timestamp>,
    max_uses: Option<u32>,
    uses: u32,
    /// It opens nothing any more.
    pub revoked: bool,
    last_seen: Option<Timestamp>,
}

/// Dispatches.
pub async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    let control = Control::running(common).await?;
    match command {
        Command::List { room } => list(common, &control, &room).await,
        Command::Create {
            room,
            name,
            role,
            expires,
            uses,
        } => {
            let room = find(&control, &room).await?;
            let expires = expires
                .map(|text| when::parse(&text, Timestamp::now()))
                .transpose()
                .map_err(Failure::Told)?;
            let role = match role {
                Seat::Presenter => "presenter",
                Seat::Viewer => "viewer",
            };
            let body = json!({"name": name, "role": role, "expires_at": expires, "max_uses": uses});
            let path = format!("/api/v1/rooms/{}/links", room.id);
            let made: Value = control.ask(&path, &body).await?;
            if common.json {
                return print_json(&made);
            }
            let text = |key: &str| made.get(key).and_then(Value::as_str).unwrap_or_default();
            let paint = Paint::stdout();
            let whom = match text("name") {
                "" => "whoever has it".to_owned(),
                name => name.to_owned(),
            };
            terminal::line(format!("A {role}'s link into {}, for {whom}:", room.title));
            terminal::line(format!("\n  {}\n", text("url")));
            terminal::line(paint.dim(&format!(
                "It is shown once. To revoke it: colourstream link revoke {} {}",
                room.slug,
                text("id")
            )));
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { room, link } => revoke(&control, &room, &link).await,
    }
}

async fn list(common: &Common, control: &Control, room: &str) -> Result<ExitCode, Failure> {
    let room = find(control, room).await?;
    let path = format!("/api/v1/rooms/{}/links", room.id);
    if common.json {
        let mut page: Value = control.get(&path).await?;
        return print_json(&page.get_mut("items").map(Value::take).unwrap_or_default());
    }
    let links: Links = control.get(&path).await?;
    if links.items.is_empty() {
        terminal::line(format!(
            "Nobody has a link into {} yet. Invite somebody:\n\n  colourstream link create {} --name Maya",
            room.title, room.slug
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["for", "role", "state", "used", "last seen", "link"]);
    for link in &links.items {
        let (state, colour): (String, Colour) = match link.expires_at {
            _ if link.revoked => ("revoked".to_owned(), Paint::dim),
            Some(at) if at <= now => (format!("ended {} ago", ago(at, now)), Paint::dim),
            _ if link.max_uses.is_some_and(|most| link.uses >= most) => {
                ("used up".to_owned(), Paint::yellow)
            }
            Some(at) => (format!("ends in {}", when::ahead(now, at)), plain),
            None => ("good".to_owned(), Paint::green),
        };
        let used = match link.max_uses {
            Some(most) => format!("{} of {most}", link.uses),
            None => link.uses.to_string(),
        };
        let seen = link
            .last_seen
            .map_or_else(|| "never".to_owned(), |at| format!("{} ago", ago(at, now)));
        let name = if link.name.is_empty() {
            "whoever"
        } else {
            &link.name
        };
        table.row(vec![
            (shortened(name, 30), Paint::bold),
            (link.role.clone(), plain),
            (state, colour),
            (used, plain),
            (seen, plain),
            (link.id.clone(), Paint::dim),
        ]);
    }
    terminal::raw(table.text(Paint::stdout()));
    Ok(ExitCode::SUCCESS)
}

async fn revoke(control: &Control, room: &str, wanted: &str) -> Result<ExitCode, Failure> {
    let room = find(control, room).await?;
    let path = format!("/api/v1/rooms/{}/links", room.id);
    let links: Links = control.get(&path).await?;
    let found: Vec<&Link> = links
        .items
        .iter()
        .filter(|link| link.id == wanted || (link.name == wanted && !link.revoked))
        .collect();
    let link = match found.as_slice() {
        [link] => link,
        [] => {
            return Err(Failure::Told(format!(
                "{} has no link `{wanted}`\n  → see them: colourstream link list {}",
                room.title, room.slug
            )));
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|link| link.id.as_str()).collect();
            return Err(Failure::Told(format!(
                "{} links are for `{wanted}`\n  → say which: {}",
                several.len(),
                ids.join(", ")
            )));
        }
    };
    control
        .send(Method::DELETE, &format!("{path}/{}", link.id), None, None)
        .await?;
    let whose = if link.name.is_empty() {
        "The link"
    } else {
        &link.name
    };
    terminal::line(if link.name.is_empty() {
        format!(
            "{whose} is revoked; whoever came by it is out of {}.",
            room.title
        )
    } else {
        format!(
            "{whose}'s link is revoked; whoever came by it is out of {}.",
            room.title
        )
    });
    Ok(ExitCode::SUCCESS)
}
