//! `pause` and `resume`: whether differences are mended.

use std::process::ExitCode;

use serde_json::json;

use super::control::Control;
use super::terminal;
use super::{Common, Failure};

/// What the running controller is to do about differences, until the settings
/// change or it is told again.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// Only look.
    Pause,
    /// Mend.
    Resume,
}

/// Tells the running controller.
pub async fn run(common: &Common, wanted: Wanted) -> Result<ExitCode, Failure> {
    let control = Control::running(common).await?;
    let (mode, said) = match wanted {
        Wanted::Pause => (
            "paused",
            "Paused: nothing is changed until `colourstream resume`. What runs goes on.",
        ),
        Wanted::Resume => (
            "heal",
            "Resumed: differences are mended again. `colourstream status` shows it.",
        ),
    };
    let asked = json!({ "mode": mode });
    control.post("/api/v1/mode", &asked).await?;
    terminal::line(if common.json {
        asked.to_string()
    } else {
        said.to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
