//! Stand-ins for OvenMediaEngine and MiroTalk, strict to their contracts.
//!
//! One binary, many names: what it is called (or its first argument) says what
//! it plays, so that every image is this one file and nothing else.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

mod common;
mod encoder;
mod install;
mod mirotalk;
mod ome;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().collect();
    let called = if args.is_empty() {
        String::new()
    } else {
        args.remove(0)
    };
    let name = Path::new(&called)
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    let role = match name {
        "colourstream-sim" if !args.is_empty() => args.remove(0),
        other => other.to_owned(),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    else {
        return ExitCode::from(70);
    };
    let code = match role.as_str() {
        // The image's command; the launcher starts the engine and passes its exit code on.
        "ovenmediaengine" | "ome_launcher.sh" | "OvenMediaEngine" => {
            runtime.block_on(ome::run(&args))
        }
        "node" => runtime.block_on(mirotalk::run(&args, mirotalk::Starter::Node)),
        "npm" => runtime.block_on(mirotalk::run(&args, mirotalk::Starter::Npm)),
        "install" => install::run(&args),
        "encoder" => runtime.block_on(encoder::run(&args)),
        _ => {
            common::out::error(
                "usage: colourstream-sim ovenmediaengine|node|npm|encoder|install ...",
            );
            2
        }
    };
    // Held requests and idle sockets must not keep a stopped service alive.
    runtime.shutdown_background();
    ExitCode::from(code)
}
