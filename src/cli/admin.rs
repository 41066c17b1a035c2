//! `admin`: who administers. Adding works without a running controller too,
//! so that nobody is ever locked out of their own host.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::Control;
use super::room::print_json;
use super::session;
use super::terminal::{self, Paint, Table, plain};
use super::{Common, Failure, when};
use crate::access::{Passwords, random, unfit};
use crate::model::{Id, Secret, one_line};
use crate::status::Status;
use crate::store::{Admin, AdminRole, NewAudit, StoreError};

/// What can be done with admins.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add somebody. The password is asked, or read from standard input.
    Add {
        /// What they log in with.
        name: String,
        /// What they may do; the first is the owner, others are producers.
        #[arg(long, value_enum)]
        role: Option<Role>,
    },
    /// Show everybody.
    List,
    /// Print a new set-up link, while nobody administers yet.
    SetupLink,
}

/// What an admin may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Role {
    /// Everything.
    Owner,
    /// Their own rooms; sees the stack.
    Producer,
    /// Sees everything but secrets, changes nothing.
    Ops,
}

impl From<Role> for AdminRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => AdminRole::Owner,
            Role::Producer => AdminRole::Producer,
            Role::Ops => AdminRole::Ops,
        }
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    role: AdminRole,
    created_at: Timestamp,
}

/// Dispatches.
pub async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add { name, role } => add(common, &name, role.map(AdminRole::from)).await,
        Command::List => list(common).await,
        Command::SetupLink => setup_link(common).await,
    }
}

async fn add(common: &Common, name: &str, role: Option<AdminRole>) -> Result<ExitCode, Failure> {
    let state = session::state_folder(common)?;
    let (name, role, made, portal) = match Control::find(&state).await {
        Some(control) => {
            let known: List = control.get("/api/v1/admins").await?;
            let role = role_for(role, known.items.is_empty())?;
            let password = password(name)?;
            let body = json!({"name": name, "role": role, "password": password.expose()});
            let made: Value = control.ask("/api/v1/admins", &body).await?;
            let name = made
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or(name)
                .to_owned();
            let mut status: Status = control.get("/api/v1/status").await?;
            let portal = status.addresses.remove("admin").unwrap_or_default();
            (name, role, made, portal)
        }
        None => {
            let settings = session::settings(common)?;
            // Nobody else writes meanwhile; or it says who does.
            let (disk, _lock) = session::hold(&settings.state).map_err(told)?;
            let told = |unready: session::Unready| unready.told(&settings);
            let ground = session::ground(&settings).await.map_err(told)?;
            ground.note(&disk).map_err(|error| told(error.into()))?;
            let store = session::open_store(common, &settings).map_err(told)?;
            let role = role_for(role, store.needs_setup().map_err(Failure::told)?)?;
            let name = one_line("name", name, 60).map_err(Failure::told)?;
            let password = Passwords::default()
                .hash(password(&name)?)
                .await
                .ok_or_else(|| {
                    Failure::Told("the password could not be hashed; try again".into())
                })?;
            let now = Timestamp::now();
            let admin = Admin {
                id: Id::new(&random()),
                name: name.clone(),
                role,
                password,
                version: 1,
                created_at: now,
            };
            store
                .insert_admin(&admin, false)
                .map_err(|error| match error {
                    StoreError::Taken(_) => Failure::Told(format!(
                        "there is a `{name}` already\n  → choose another name"
                    )),
                    other => Failure::told(other),
                })?;
            let entry = NewAudit {
                what: "admin-added",
                who: "command line".into(),
                detail: format!("{name} as {}", role.as_str()),
                ..NewAudit::default()
            };
            store.audit(&entry, now).map_err(Failure::told)?;
            let made = json!({"id": admin.id, "name": name, "role": role, "created_at": now});
            let portal = settings.origin(&settings.hosts.admin);
            (name, role, made, portal)
        }
    };
    if common.json {
        return print_json(&made);
    }
    terminal::line(format!(
        "{name} is {} {}.",
        if role == AdminRole::Producer {
            "a"
        } else {
            "an"
        },
        role.as_str()
    ));
    terminal::line(format!(
        "  {}",
        Paint::stdout().dim(&format!("Log in at {portal}"))
    ));
    Ok(ExitCode::SUCCESS)
}

/// Somebody must be able to add the others.
fn role_for(asked: Option<AdminRole>, first: bool) -> Result<AdminRole, Failure> {
    match (asked, first) {
        (None | Some(AdminRole::Owner), true) => Ok(AdminRole::Owner),
        (Some(_), true) => Err(Failure::Told(
            "the first one has to be an owner, or nobody could add the others\n  → leave `--role` out"
                .into(),
        )),
        (role, false) => Ok(role.unwrap_or(AdminRole::Producer)),
    }
}

fn password(name: &str) -> Result<Secret<String>, Failure> {
    let text = terminal::secret(&format!("Password for {name}"), Some("Again"))
        .map_err(|error| Failure::Told(format!("no password: {error}")))?;
    match unfit(&text) {
        None => Ok(Secret::new(text)),
        Some(wrong) => Err(Failure::Told(format!(
            "a password has {wrong}\n  → type such a one, or hand it over on standard input"
        ))),
    }
}

async fn list(common: &Common) -> Result<ExitCode, Failure> {
    let control = Control::running(common).await?;
    let mut page: Value = control.get("/api/v1/admins").await?;
    if common.json {
        return print_json(&page.get_mut("items").map(Value::take).unwrap_or_default());
    }
    let known: List = serde_json::from_value(page).map_err(Failure::told)?;
    if known.items.is_empty() {
        terminal::line(
            "Nobody administers yet. Be the first:\n\n  colourstream admin setup-link\n  colourstream admin add NAME",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["name", "role", "since"]);
    for admin in known.items {
        table.row(vec![
            (admin.name, Paint::bold),
            (admin.role.as_str().to_owned(), plain),
            (when::exact(admin.created_at), Paint::dim),
        ]);
    }
    terminal::raw(table.text(Paint::stdout()));
    Ok(ExitCode::SUCCESS)
}

async fn setup_link(common: &Common) -> Result<ExitCode, Failure> {
    let control = Control::running(common).await?;
    let made: Value = control.ask("/api/v1/setup-link", &json!({})).await?;
    if common.json {
        return print_json(&made);
    }
    let url = made.get("url").and_then(Value::as_str).unwrap_or_default();
    terminal::line(format!(
        "Open this once, to make the first account:\n\n  {url}\n"
    ));
    terminal::line(Paint::stdout().dim("Links printed before do not work any more."));
    Ok(ExitCode::SUCCESS)
}

fn told(error: crate::disk::DiskError) -> Failure {
    let issue = error.issue();
    Failure::Told(format!(
        "{}\n  why: {}\n  fix: {}",
        issue.what, issue.why, issue.fix
    ))
}
