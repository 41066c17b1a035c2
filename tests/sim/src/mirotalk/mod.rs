//! The stand-in for MiroTalk SFU 2.3.77 and P2P 1.9.11.

mod api;
mod http;
mod page;
mod rooms;
mod settings;
mod socket;
mod token;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::http::Web;
use self::rooms::House;
use self::settings::{Flavour, Settings, parse_env, settle};
use crate::common::http::serve;
use crate::common::out;

/// Who started it: the two stop differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// `node`: a clean stop is exit 0.
    Node,
    /// `npm start`: any stop is exit 1.
    Npm,
}

/// Runs until a signal; gives the exit code.
pub async fn run(args: &[String], starter: Starter) -> u8 {
    let (mut file, mut script) = (None, None);
    match starter {
        Starter::Node => {
            for arg in args {
                match arg.strip_prefix("--env-file=") {
                    Some(path) => file = Some(path.to_owned()),
                    None if !arg.starts_with('-') && script.is_none() => script = Some(arg.clone()),
                    None => {}
                }
            }
        }
        Starter::Npm => {
            let package = std::fs::read_to_string("package.json").unwrap_or_default();
            script = Some(
                if package.contains("server.js") {
                    "app/src/server.js"
                } else {
                    "app/src/Server.js"
                }
                .to_owned(),
            );
        }
    }
    let Some(script) = script else {
        out::error("node: a script is needed");
        return 9;
    };
    let mut vars = BTreeMap::new();
    if let Some(path) = &file {
        match std::fs::read_to_string(path) {
            Ok(text) => vars = parse_env(&text),
            Err(_) => {
                out::error(&format!("node: {path}: not found"));
                return 9;
            }
        }
    }
    if !std::path::Path::new(&script).exists() {
        out::error(&format!("Error: Cannot find module '{script}'"));
        return 1;
    }
    let flavour = if script.ends_with("Server.js") {
        Flavour::Sfu
    } else {
        Flavour::P2p
    };
    // MiroTalk itself reads `.env` of its folder too, and shrugs if it cannot.
    let own = std::fs::read_to_string(".env")
        .map(|t| parse_env(&t))
        .unwrap_or_default();
    out::line(&format!(
        "[dotenv@17.2.3] injected env ({}) from .env",
        if file.is_some() { 0 } else { own.len() }
    ));
    for (name, value) in own {
        vars.entry(name).or_insert(value);
    }
    vars.extend(std::env::vars());
    let overlay = std::fs::read_to_string("app/src/config.js").ok();
    let settings = settle(flavour, &vars, overlay.as_deref());
    live(settings, &vars, starter).await
}

async fn live(settings: Settings, vars: &BTreeMap<String, String>, starter: Starter) -> u8 {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return 1;
    };
    let stopped = if starter == Starter::Node { 0 } else { 1 };
    // Faults on demand: `die`, `hang`, `die-after:MS`, `eat`.
    let fault = vars.get("SIM_FAULT").cloned().unwrap_or_default();
    if fault == "die" {
        out::error("Error: told to die at start");
        return 1;
    }
    if fault == "eat" {
        tokio::spawn(eat_when_told());
    }
    announce(&settings);
    let delay = vars
        .get("SIM_START_DELAY_MS")
        .and_then(|d| d.parse().ok())
        .unwrap_or(2000);
    let ready = async {
        if fault == "hang" {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(delay)).await;
    };
    tokio::select! {
        () = ready => {}
        _ = term.recv() => return stopped,
        _ = int.recv() => return stopped,
    }
    let address = (settings.ip.clone(), settings.port);
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            out::error(&format!("Error: listen {error}"));
            return 1;
        }
    };
    out::line("[Server] Server is listening");
    tokio::spawn(serve(
        listener,
        Arc::new(Web {
            house: Arc::new(House::new(settings)),
        }),
    ));
    let later = async {
        match fault
            .strip_prefix("die-after:")
            .and_then(|ms| ms.parse().ok())
        {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = later => 1,
        _ = term.recv() => stopped,
        _ = int.recv() => stopped,
    }
}

/// At SIGUSR1 takes memory and fills it, until the kernel ends us at our limit;
/// where there is none, no more than 8 GB.
async fn eat_when_told() {
    let Ok(mut told) = signal(SignalKind::user_defined1()) else {
        return;
    };
    told.recv().await;
    let mut eaten = Vec::new();
    for _ in 0..512 {
        eaten.push(vec![1_u8; 16 << 20]);
        tokio::task::yield_now().await;
    }
}

/// Prints its secrets, always, as the real ones do.
fn announce(settings: &Settings) {
    let accounts: Vec<String> = settings
        .accounts
        .iter()
        .map(|a| {
            format!(
                "{{ username: '{}', password: '{}' }}",
                a.username, a.password
            )
        })
        .collect();
    let name = if settings.flavour == Flavour::Sfu {
        "Server"
    } else {
        "server"
    };
    if settings.jwt_key_is_default {
        let variable = if settings.flavour == Flavour::Sfu {
            "JWT_SECRET"
        } else {
            "JWT_KEY"
        };
        out::line(&format!("WARNING: {variable} is set to the default value."));
    }
    out::line(&format!(
        "[{name}] settings {{ jwtCfg: {{ JWT_KEY: '{}', JWT_EXP: '1h' }}, hostUsers: [ {} ], webhook: '{}' }}",
        settings.jwt_key,
        accounts.join(", "),
        settings.webhook.as_deref().unwrap_or_default()
    ));
    if settings.flavour == Flavour::P2p {
        out::line(&format!(
            "[{name}] settings {{ apiKeySecret: '{}', iceServers: {} }}",
            settings.api_key.as_deref().unwrap_or_default(),
            settings.ice_servers
        ));
    }
}
