//! Takes the web bundle into the binary, compressed once: `web/dist` where it
//! was built, nothing where it was not (the controller then serves plain
//! pages).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from("web/dist");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    // A folder that is not there would count as changed each time, and one
    // that comes later would not be noticed: so it is there from now on.
    let _ = fs::create_dir_all(&root);
    println!("cargo::rerun-if-changed=web/dist");
    let mut files = Vec::new();
    if root.is_dir() {
        walk(&root, &mut files)?;
    }
    let name_of = |path: &PathBuf| {
        path.strip_prefix(&root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    };
    // By name as text: that is how they are found.
    files.sort_by_key(name_of);
    let mut list = String::from("&[\n");
    for (number, path) in files.iter().enumerate() {
        let name = name_of(path);
        if name == "manifest.json" || name.ends_with(".map") {
            continue;
        }
        let bytes = fs::read(path)?;
        let plain = write(&out, number, "raw", &bytes)?;
        let squeezed = |kind, smaller: Vec<u8>| -> io::Result<String> {
            // Not worth a header otherwise.
            if smaller.len() + 64 < bytes.len() {
                Ok(format!(
                    "Some(include_bytes!({:?}))",
                    write(&out, number, kind, &smaller)?
                ))
            } else {
                Ok("None".to_owned())
            }
        };
        let gzip = squeezed("gz", gzip(&bytes)?)?;
        let brotli = squeezed("br", brotli(&bytes)?)?;
        let _ = writeln!(
            list,
            "    Asset {{ path: {name:?}, plain: include_bytes!({plain:?}), gzip: {gzip}, brotli: {brotli} }},"
        );
    }
    list.push(']');
    fs::write(out.join("assets.rs"), list)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}

fn write(out: &Path, number: usize, kind: &str, bytes: &[u8]) -> io::Result<String> {
    let path = out.join(format!("asset-{number}.{kind}"));
    fs::write(&path, bytes)?;
    Ok(path.to_string_lossy().into_owned())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 64 * 1024, 11, 22).write_all(bytes)?;
    Ok(out)
}
