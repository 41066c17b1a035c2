//! The command line: the same binary serves, plans, applies, tells.

mod admin;
mod apply;
mod backup;
mod control;
mod declared;
mod doctor;
mod down;
mod firewall;
mod link;
mod mode;
mod plan;
mod render;
mod restore;
mod room;
mod serve;
mod session;
mod status;
pub(crate) mod telemetry;
mod terminal;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// One controller for a review room: graded picture, video call, one address.
#[derive(Debug, Parser)]
#[command(name = "colourstream", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Settings file; without one a local set-up on colourstream.localhost.
    #[arg(
        long,
        short,
        global = true,
        env = "COLOURSTREAM_CONFIG",
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    /// State folder, instead of the settings' `state` (or COLOURSTREAM_STATE).
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print data as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller: bring the stack up and keep it up.
    Serve,
    /// Show what would be done, and why.
    Plan {
        /// Exit with 2 when there is something to do.
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Do it, and wait until it is done.
    Apply {
        /// Also what interrupts people who are live.
        #[arg(long)]
        now: bool,
        /// Take up what the image tags name by now.
        #[arg(long)]
        update_images: bool,
    },
    /// Change nothing from now on, whatever differs; what runs goes on.
    Pause,
    /// Mend differences again.
    Resume,
    /// Show what should run, what runs, and why.
    Status {
        /// Look again every second.
        #[arg(long, short)]
        watch: bool,
    },
    /// Write the rendered configuration into a folder; needs no engine.
    Render {
        /// The folder; made if absent.
        dir: PathBuf,
    },
    /// List the ports to open in a firewall, and what for.
    Firewall,
    /// Check the host: engine, ports, names, disk, images, certificates.
    Doctor,
    /// Remove everything ColourStream made on this host, and nothing else.
    Down {
        /// Also volumes and the state folder: rooms, links, certificates.
        #[arg(long)]
        volumes: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Make a backup of everything that is kept, with or without a controller.
    Backup {
        /// A file that is not there yet, a folder, or `-` for standard output.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// Seal it with the passphrase in this file; `prompt` asks for one.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Put a backup in the place of what is kept; nothing is deleted.
    Restore {
        #[command(flatten)]
        what: restore::What,
        /// The passphrase it is sealed with, in this file; `prompt` asks for it.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Rooms: make, show, open, close, delete, give new keys.
    #[command(subcommand)]
    Room(room::Command),
    /// Links into a room, one per person.
    #[command(subcommand)]
    Link(link::Command),
    /// Who administers.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Print the description of the API (OpenAPI); needs no controller.
    Openapi,
    /// Exit with 0 when a running controller is well (for the image's health check).
    Health,
}

/// Why a command failed; printed once, by [`main`].
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What, why and what to do, ready to be read.
    #[error("{0}")]
    Told(String),
    /// The controller refused: its sentence, and what to do.
    #[error("{title}\n  → {detail}")]
    Refused {
        /// The problem's word, such as `changed-meanwhile`.
        kind: String,
        /// What.
        title: String,
        /// What to do.
        detail: String,
    },
}

impl Failure {
    fn told(error: impl std::fmt::Display) -> Self {
        Self::Told(error.to_string())
    }
}

/// Parses, dispatches, and tells errors once.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(failure) => {
            terminal::error(&failure.to_string());
            ExitCode::from(1)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let common = cli.common;
    match cli.command {
        Command::Serve => serve::run(&common).await,
        Command::Plan { detailed_exitcode } => plan::run(&common, detailed_exitcode).await,
        Command::Apply { now, update_images } => apply::run(&common, now, update_images).await,
        Command::Pause => mode::run(&common, mode::Wanted::Pause).await,
        Command::Resume => mode::run(&common, mode::Wanted::Resume).await,
        Command::Status { watch } => status::run(&common, watch).await,
        Command::Render { dir } => render::run(&common, &dir),
        Command::Firewall => firewall::run(&common),
        Command::Doctor => doctor::run(&common).await,
        Command::Down { volumes, yes } => down::run(&common, volumes, yes).await,
        Command::Backup {
            to,
            passphrase_file,
        } => backup::run(&common, &to, passphrase_file.as_deref()),
        Command::Restore {
            what,
            passphrase_file,
            yes,
        } => restore::run(&common, &what, passphrase_file.as_deref(), yes).await,
        Command::Room(command) => room::run(&common, command).await,
        Command::Link(command) => link::run(&common, command).await,
        Command::Admin(command) => admin::run(&common, command).await,
        Command::Openapi => {
            terminal::raw(crate::http::openapi());
            terminal::raw("\n");
            Ok(ExitCode::SUCCESS)
        }
        Command::Health => status::health(&common).await,
    }
}
