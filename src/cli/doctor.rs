//! `doctor`: is this host ready, and what to do where it is not.

use std::process::ExitCode;

use jiff::Timestamp;

use super::terminal;
use super::{Common, Failure, session};
use crate::doctor::{HostView, Verdict, examine, render, worst};
use crate::engine::{DockerEngine, placement};
use crate::host::Resolvers;
use crate::settings::{self, Tls};

/// Prints the checks; exit 1 if one of them is an error.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let source = session::source(common);
    let loaded = settings::load(source.file.as_deref(), &source.overrides);
    let (address, state) = match &loaded {
        Ok(settings) => (settings.engine.clone(), settings.state.clone()),
        Err(_) => {
            let usual = settings::parse("", "").map_err(|_| {
                Failure::Told("the defaults of the settings are wrong; please report this".into())
            })?;
            (usual.engine, usual.state)
        }
    };
    let engine = DockerEngine::new(&address).map_err(Failure::told)?;
    let container = placement::container(&engine, &state).await;
    let host = HostView::gather(&state, loaded.as_ref().ok(), container);
    let name = source.file.as_ref().map_or_else(
        || match &loaded {
            Ok(settings) if settings.is_local() => "no file, a local set-up".to_owned(),
            _ => "variables, no file".to_owned(),
        },
        |file| file.display().to_string(),
    );
    let names = Resolvers(match loaded.as_ref().map(|settings| &settings.tls) {
        Ok(Tls::Acme(acme)) => acme.resolvers.clone(),
        _ => Vec::new(),
    });
    let checks = examine(
        &name,
        loaded.as_ref().map_err(Vec::as_slice),
        &host,
        &engine,
        &names,
        Timestamp::now(),
    )
    .await;
    if common.json {
        terminal::line(serde_json::to_string_pretty(&checks).map_err(Failure::told)?);
    } else {
        terminal::raw(render(&checks, terminal::Paint::stdout().is_on()));
    }
    Ok(match worst(&checks) {
        Verdict::Error => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}
