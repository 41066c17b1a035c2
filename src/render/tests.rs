//! Rendering as a whole.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{RenderError, Templates, render};
use crate::desired::{Snapshot, Target, desire};

fn told(errors: &[RenderError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn rendered(snapshot: &Snapshot) -> Target {
    match render(&desire(snapshot), &Templates::built_in().unwrap()) {
        Ok(target) => target,
        Err(errors) => unreachable!("{}", told(&errors)),
    }
}

#[test]
fn every_variant_renders_the_same_bytes_each_time() {
    for (name, snapshot) in Snapshot::variants() {
        assert_eq!(rendered(&snapshot), rendered(&snapshot), "{name}");
    }
}

/// Not a test of anything: writes every variant to a folder, to be tried with
/// the real services. `COLOURSTREAM_RENDER_TO=… cargo test -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_every_variant() {
    let Some(folder) = std::env::var_os("COLOURSTREAM_RENDER_TO") else {
        return;
    };
    for (name, snapshot) in Snapshot::variants() {
        for file in rendered(&snapshot).files {
            let path = std::path::Path::new(&folder).join(name).join(file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file.bytes).unwrap();
        }
    }
}
