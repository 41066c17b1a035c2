//! `plan`: what would be done, and why, as a tree with a diff of the files.

use std::process::ExitCode;

use similar::TextDiff;

use super::session::{Intent, Session};
use super::terminal::{self, Paint};
use super::{Common, Failure};
use crate::plan::{Action, Counts, Plan, views};
use crate::reconcile::Pass;
use crate::render::readable;
use crate::status::StepView;

/// Prints the plan. Exit 0 = nothing to do, 2 = something (only with
/// `detailed`), 1 = an error.
pub async fn run(common: &Common, detailed: bool) -> Result<ExitCode, Failure> {
    let mut session = Session::open(common, Intent::Look).await?;
    let pass = session.controller.look(true).await;
    let something = !pass.plan.is_empty();
    let diffs = diffs(&session, &pass);
    if common.json {
        let json = serde_json::json!({
            "steps": views(&pass.plan),
            "issues": pass.plan.issues,
            "disruption": pass.plan.disruption(),
            "diffs": diffs.iter().map(|(path, diff)| serde_json::json!({"path": path, "diff": diff})).collect::<Vec<_>>(),
        });
        terminal::line(serde_json::to_string_pretty(&json).map_err(Failure::told)?);
    } else {
        terminal::raw(text(&pass.plan, &diffs, Paint::stdout()));
    }
    let unable = pass.target.is_none() || pass.observed.engine.is_none();
    Ok(match (unable, something && detailed) {
        (true, _) => ExitCode::from(1),
        (false, true) => ExitCode::from(2),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// The plan as a page of text.
pub fn text(plan: &Plan, diffs: &[(String, String)], paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let steps = views(plan);
    let mut lane = "";
    for step in &steps {
        if step.lane != lane {
            line(paint.bold(&step.lane));
            lane = &step.lane;
        }
        line(step_line(step, paint));
    }
    for (path, diff) in diffs {
        line(String::new());
        line(paint.bold(path));
        for text in diff.lines() {
            line(match text.as_bytes().first() {
                Some(b'+') => paint.green(text),
                Some(b'-') => paint.red(text),
                _ => paint.dim(text),
            });
        }
    }
    super::status::issues(&plan.issues, paint, &mut line);
    if !steps.is_empty() || !plan.issues.is_empty() {
        line(String::new());
    }
    line(if plan.is_empty() {
        "Nothing to do: what runs is what should run.".into()
    } else {
        format!("{}.", Counts::of(plan))
    });
    out
}

/// One step: sign, what, why.
pub fn step_line(step: &StepView, paint: Paint) -> String {
    let sign = match step.sign.as_str() {
        "+" => paint.green("+"),
        "-" => paint.red("-"),
        "⏸" => paint.yellow("⏸"),
        other => paint.yellow(other),
    };
    let cuts = match step.disrupts.as_str() {
        "streams" => paint.red("  cuts its sessions"),
        "everything" => paint.red("  cuts every session"),
        _ => String::new(),
    };
    let waits = step
        .waits
        .as_ref()
        .map(|waits| format!("  waits {waits}"))
        .unwrap_or_default();
    format!(
        "  {sign} {:<52} {}{cuts}{waits}",
        step.what,
        paint.dim(&step.why)
    )
}

/// For each file that would be written: what is on disk against what should
/// be, secrets hidden.
fn diffs(session: &Session, pass: &Pass) -> Vec<(String, String)> {
    let Some(target) = &pass.target else {
        return Vec::new();
    };
    pass.plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::WriteFile { path, .. } => target.files.iter().find(|file| &file.path == path),
            _ => None,
        })
        .filter_map(|file| {
            let on_disk = session.controller.disk.read(&file.path).ok()?;
            let path = file.path.display().to_string();
            // A new file is no difference: `render` shows it whole.
            if on_disk.is_empty() {
                return None;
            }
            let old = readable(file, &on_disk);
            let new = readable(file, &file.bytes);
            let diff = TextDiff::from_lines(&old, &new)
                .unified_diff()
                .context_radius(2)
                .to_string();
            let diff = if diff.is_empty() && on_disk != file.bytes {
                "  (only secret values differ)\n".to_owned()
            } else {
                diff
            };
            Some((path, diff))
        })
        .filter(|(_, diff)| !diff.is_empty())
        .collect()
}
