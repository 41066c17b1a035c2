//! `firewall`: the ports to open, and what for. Needs nothing but the settings.

use std::process::ExitCode;

use super::terminal::{self, Paint};
use super::{Common, Failure, session};
use crate::desired::{PlannedPort, Protocol, port_plan};

/// Prints the public ports as a list for whoever keeps the firewall.
pub fn run(common: &Common) -> Result<ExitCode, Failure> {
    let settings = session::settings(common)?;
    let public: Vec<PlannedPort> = port_plan(&settings)
        .into_iter()
        .filter(|port| port.public)
        .collect();
    if common.json {
        terminal::line(serde_json::to_string_pretty(&public).map_err(Failure::told)?);
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    terminal::line(paint.bold("Open to everybody:"));
    for port in &public {
        terminal::line(format!(
            "  {:<17}{:<18}{}",
            range(port),
            port.service.map_or("controller", |role| role.title()),
            port.purpose
        ));
    }
    terminal::line("");
    terminal::line(paint.dim("Everything else stays closed: no other port is published."));
    Ok(ExitCode::SUCCESS)
}

fn range(port: &PlannedPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    if port.first == port.last {
        format!("{}/{protocol}", port.first)
    } else {
        format!("{}–{}/{protocol}", port.first, port.last)
    }
}
