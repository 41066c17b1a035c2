//! `firewall`: the ports to open, and what for. Needs nothing but the settings.

use std::net::IpAddr;
use std::process::ExitCode;

use super::terminal::{self, Paint};
use super::{Common, Failure, session};
use crate::desired::{PlannedPort, TRAEFIK_WEB, port_plan};
use crate::settings::Tls;

/// Prints the public ports as a list for whoever keeps the firewall.
pub fn run(common: &Common) -> Result<ExitCode, Failure> {
    let settings = session::settings(common)?;
    let is_local = |address: IpAddr| address.is_loopback();
    let public: Vec<PlannedPort> = port_plan(&settings)
        .into_iter()
        .filter(|port| port.public && !port.address.is_some_and(is_local))
        .collect();
    if common.json {
        terminal::line(serde_json::to_string_pretty(&public).map_err(Failure::told)?);
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    // Without TLS of our own another proxy is in front, and HTTP is its way in.
    let is_the_proxys = |port: &&PlannedPort| {
        matches!(settings.tls, Tls::Off { .. })
            && !settings.trusted_proxies.is_empty()
            && port.container == TRAEFIK_WEB
    };
    let (proxys, everybodys): (Vec<_>, Vec<_>) = public.iter().partition(is_the_proxys);
    for (title, ports) in [
        ("Open to everybody:", everybodys),
        ("Open to the proxy in front alone:", proxys),
    ] {
        if ports.is_empty() {
            continue;
        }
        terminal::line(paint.bold(title));
        for port in ports {
            terminal::line(format!(
                "  {:<17}{:<18}{}",
                port.range(),
                port.service.map_or("controller", |role| role.title()),
                port.purpose
            ));
        }
        terminal::line("");
    }
    terminal::line(paint.dim("Everything else stays closed: no other port is published."));
    Ok(ExitCode::SUCCESS)
}
