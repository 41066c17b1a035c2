//! `render DIR`: the configuration as files, without an engine.

use std::path::Path;
use std::process::ExitCode;

use super::session::Session;
use super::terminal;
use super::{Common, Failure};

/// Writes every rendered file below `dir`, in folders by service.
pub fn run(common: &Common, dir: &Path) -> Result<ExitCode, Failure> {
    let target = Session::render_only(common)?;
    let disk = crate::disk::Disk::plain(dir).map_err(Failure::told)?;
    for file in &target.files {
        // The digest's folder tells nothing to a reader.
        let path: std::path::PathBuf = file
            .path
            .iter()
            .filter(|part| {
                !part.to_str().is_some_and(|part| {
                    part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            })
            .collect();
        disk.write(&path, &file.bytes, 0o600, None)
            .map_err(Failure::told)?;
        if !common.json {
            terminal::line(dir.join(&path).display().to_string());
        }
    }
    if common.json {
        let files: Vec<_> = target.files.iter().map(|file| &file.path).collect();
        terminal::line(serde_json::to_string_pretty(&files).map_err(Failure::told)?);
    }
    Ok(ExitCode::SUCCESS)
}
