//! What people do to a running stack by hand, each by its name, and what has
//! to come of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::house::{BOUND, House, told};
use crate::common::{docker, try_docker};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What comes of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is mended.
    Mended,
    /// It is mended, and nothing was restarted for it.
    Untouched,
    /// It is told by this name and left alone; taken away again, all is well.
    Told(&'static str),
}

/// One thing somebody does by hand.
pub struct Drift {
    pub name: &'static str,
    pub outcome: Outcome,
    pub act: Act,
    /// Takes away what was only told.
    pub undo: fn(&House),
}

pub type Act = Box<dyn Fn(&House) + Send + Sync>;

fn drift(
    name: &'static str,
    outcome: Outcome,
    act: impl Fn(&House) + Send + Sync + 'static,
) -> Drift {
    Drift {
        name,
        outcome,
        act: Box::new(act),
        undo: |_| {},
    }
}

/// `docker …` about the call, whatever comes of it: another hand may have been
/// quicker in a random sequence.
fn at_call(house: &House, before: &[&str], after: &[&str]) {
    let name = house.stack.of("mirotalk");
    let mut arguments = before.to_vec();
    arguments.push(&name);
    arguments.extend(after);
    try_docker(&arguments);
}

/// Makes the call's container anew by hand, with its labels or not.
fn made_by_hand(house: &House, name: &str, labels: &dyn Fn(&str) -> bool, more: &[&str]) {
    let call = house.stack.of("mirotalk");
    let facts = super::world::ask(&format!("/containers/{call}/json"));
    let labels: Vec<String> = facts["Config"]["Labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| labels(key))
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    let act = || {
        if name == call {
            try_docker(&["rm", "-f", &call]);
        }
        let mut arguments = vec!["run", "-d", "--name", name, "--label", "by-hand=yes"];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.extend(more);
        let image = house.call("1.0.0");
        arguments.push(&image);
        try_docker(&arguments);
    };
    house.stack.while_it_sleeps(act);
}

fn only_dynamic(house: &House) -> PathBuf {
    house.stack.rendered("traefik/dynamic/colourstream.yml")
}

/// The file the service reads once: in the folder named by its content that
/// its container has mounted.
fn server_xml(house: &House) -> PathBuf {
    let folders = std::fs::read_dir(house.stack.rendered("ovenmediaengine")).unwrap();
    folders
        .map(|folder| folder.unwrap().path().join("Server.xml"))
        .find(|file| file.exists())
        .unwrap_or_else(|| house.stack.rendered("ovenmediaengine/Server.xml"))
}

fn is_ours_label(key: &str) -> bool {
    key.starts_with("org.colourstream.")
}

/// Every drift by name.
pub fn drifts() -> Vec<Drift> {
    use Outcome::{Mended, Told, Untouched};
    let mut all = vec![
        drift("stop", Mended, |house| {
            at_call(house, &["stop", "-t", "1"], &[])
        }),
        drift("kill", Mended, |house| at_call(house, &["kill"], &[])),
        drift("rm -f", Mended, |house| at_call(house, &["rm", "-f"], &[])),
        drift("rm -f all", Mended, |house| {
            let all = crate::common::ROLES.map(|role| house.stack.of(role));
            try_docker(&["rm", "-f", &all[0], &all[1], &all[2]]);
        }),
        drift("pause", Mended, |house| at_call(house, &["pause"], &[])),
        drift("rename", Untouched, |house| {
            at_call(
                house,
                &["rename"],
                &[&format!("{}-aside", house.stack.name)],
            );
        }),
        drift("disconnect", Mended, |house| {
            at_call(
                house,
                &["network", "disconnect", "-f", &house.stack.name],
                &[],
            );
        }),
        drift("join another network", Mended, |house| {
            at_call(house, &["network", "connect", "bridge"], &[]);
        }),
        drift("restart policy changed", Mended, |house| {
            at_call(house, &["update", "--restart=no"], &[]);
        }),
        drift("limits changed", Mended, |house| {
            at_call(
                house,
                &["update", "--memory", "900m", "--memory-swap", "900m"],
                &[],
            );
        }),
        drift("env changed by recreating", Mended, |house| {
            made_by_hand(
                house,
                &house.stack.of("mirotalk"),
                &|_| true,
                &["-e", "HAND=made"],
            );
        }),
        drift("mount changed by recreating", Mended, |house| {
            made_by_hand(
                house,
                &house.stack.of("mirotalk"),
                &|_| true,
                &["-v", "/tmp:/extra:ro"],
            );
        }),
        drift("spec label forged", Mended, |house| {
            let spec = |key: &str| is_ours_label(key) && key != "org.colourstream.spec";
            made_by_hand(
                house,
                &house.stack.of("mirotalk"),
                &spec,
                &["--label", "org.colourstream.spec=0000"],
            );
        }),
        drift("role label forged", Told("name-taken"), |house| {
            let role = |key: &str| is_ours_label(key) && key != "org.colourstream.role";
            made_by_hand(
                house,
                &house.stack.of("mirotalk"),
                &role,
                &["--label", "org.colourstream.role=traefik"],
            );
        }),
        drift("label removed", Told("name-taken"), |house| {
            made_by_hand(
                house,
                &house.stack.of("mirotalk"),
                &|key| !is_ours_label(key),
                &[],
            );
        }),
        drift("look-alike with our labels", Told("look-alike"), |house| {
            made_by_hand(house, &format!("{}-copy", house.stack.name), &|_| true, &[]);
        }),
        drift("network removed", Mended, |house| {
            house.stack.while_it_sleeps(|| {
                for role in crate::common::ROLES {
                    try_docker(&[
                        "network",
                        "disconnect",
                        "-f",
                        &house.stack.name,
                        &house.stack.of(role),
                    ]);
                }
                try_docker(&["network", "rm", &house.stack.name]);
            });
        }),
        drift("volume removed", Mended, |house| {
            house.stack.while_it_sleeps(|| {
                try_docker(&["rm", "-f", &house.stack.of("traefik")]);
                try_docker(&["volume", "rm", "-f", &format!("{}-acme", house.stack.name)]);
            });
        }),
        drift("image untagged", Untouched, |house| {
            try_docker(&["rmi", "-f", &house.call("1.0.0")]);
        }),
        drift(
            "image and container removed",
            Told("image-missing"),
            |house| {
                house.stack.while_it_sleeps(|| {
                    let call = format!("/containers/{}/json", house.stack.of("mirotalk"));
                    let image = super::world::ask(&call)["Image"].clone();
                    at_call(house, &["rm", "-f"], &[]);
                    try_docker(&["rmi", "-f", &house.call("1.0.0"), text(&image)]);
                });
            },
        ),
        drift("tag moved", Told("image-moved"), |house| {
            house.make_image("1.0.0", "LABEL moved=yes");
        }),
        drift("extra file in the watched folder", Untouched, |house| {
            std::fs::write(house.stack.rendered("traefik/dynamic/zz.yml"), "http: {}\n").unwrap();
        }),
        drift("extra symlink in the watched folder", Untouched, |house| {
            let _there = symlink(
                "/etc/hostname",
                house.stack.rendered("traefik/dynamic/zz.yml"),
            );
        }),
        drift("extra folder in the watched folder", Untouched, |house| {
            let folder = house.stack.rendered("traefik/dynamic/zz");
            let _there = std::fs::create_dir(&folder);
            std::fs::write(folder.join("inside.yml"), "http: {}\n").unwrap();
        }),
    ];
    for one in &mut all {
        let undo: fn(&House) = match one.name {
            "role label forged" | "label removed" => |house| at_call(house, &["rm", "-f"], &[]),
            "look-alike with our labels" => |house| {
                docker(&["rm", "-f", &format!("{}-copy", house.stack.name)]);
            },
            "image and container removed" | "image untagged" => |house| {
                house.make_image("1.0.0", "");
            },
            "tag moved" => |house| {
                let said = house.stack.run(&["apply", "--update-images"]);
                assert_eq!(said.code, 0, "{}{}", said.out, said.err);
            },
            _ => |_| {},
        };
        one.undo = undo;
    }
    // What is done to a file, to one that is watched and to one that is read once.
    type Spoil = fn(&Path);
    let spoils: [(&str, &str, Spoil); 7] = [
        ("watched file edited", "own file edited", |path| {
            std::fs::write(path, "<Server/>").unwrap()
        }),
        ("watched file truncated", "own file truncated", |path| {
            drop(std::fs::File::create(path).unwrap())
        }),
        ("watched file deleted", "own file deleted", |path| {
            let _gone = std::fs::remove_file(path);
        }),
        ("watched file chmod 000", "own file chmod 000", |path| {
            let _gone = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000));
        }),
        (
            "watched file replaced by a folder",
            "own file replaced by a folder",
            |path| {
                let _gone = std::fs::remove_file(path);
                let _there = std::fs::create_dir(path);
                let _there = std::fs::write(path.join("inside"), "x");
            },
        ),
        (
            "watched file replaced by a symlink",
            "own file replaced by a symlink",
            |path| {
                let _gone = std::fs::remove_file(path);
                let _there = symlink("/etc/passwd", path);
            },
        ),
        (
            "watched file replaced by another of its size",
            "own file replaced by another of its size",
            |path| {
                let length = std::fs::read(path).unwrap_or_default().len();
                let _gone = std::fs::remove_file(path);
                std::fs::write(path, "#".repeat(length)).unwrap();
            },
        ),
    ];
    for (watched, own, spoil) in spoils {
        all.push(drift(watched, Untouched, move |house| {
            spoil(&only_dynamic(house))
        }));
        all.push(drift(own, Untouched, move |house| {
            spoil(&server_xml(house))
        }));
    }
    all
}

/// Does one drift to a house that is well, and sees what comes of it.
pub fn drifts_and_is_mended(house: &mut House, one: &Drift) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let before = house.stack.runs();
    (one.act)(house);
    match one.outcome {
        Outcome::Mended => {
            // Not by what was known before: a look after the deed.
            house.a_look()?;
            house.settle(one.name)?;
        }
        Outcome::Untouched => {
            house.a_look()?;
            house.settle(one.name)?;
            if house.stack.runs() != before {
                return Err("something was restarted for it".to_owned());
            }
            (one.undo)(house);
        }
        Outcome::Told(code) => {
            house.until(one.name, BOUND, |status| told(status, code))?;
            house.check()?;
            (one.undo)(house);
            house.until("nothing is told any more", BOUND, |status| {
                !told(status, code)
            })?;
            house.settle(one.name)?;
        }
    }
    house.check()
}
