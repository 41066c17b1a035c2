//! What people do to a running stack by hand, each by its name, and what has
//! to come of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::house::{BOUND, House, told};
use super::world::causes;
use crate::common::try_docker;

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
    pub name: String,
    pub outcome: Outcome,
    pub act: Act,
    /// Takes away what was only told.
    pub undo: Act,
    /// Nothing has to be done about it.
    pub quiet: bool,
    /// What the journal has to give as the cause, and nothing beside it.
    pub cause: Option<&'static str>,
}

/// Fails where it could not be done: another hand may have been quicker.
pub type Act = Box<dyn Fn(&House) -> Result<(), String> + Send + Sync>;

fn drift(
    name: impl Into<String>,
    outcome: Outcome,
    act: impl Fn(&House) -> Result<(), String> + Send + Sync + 'static,
) -> Drift {
    Drift {
        name: name.into(),
        outcome,
        act: Box::new(act),
        undo: Box::new(|_| Ok(())),
        quiet: false,
        cause: None,
    }
}

impl Drift {
    fn undone_by(
        mut self,
        undo: impl Fn(&House) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.undo = Box::new(undo);
        self
    }

    fn because(mut self, cause: &'static str) -> Self {
        self.cause = Some(cause);
        self
    }
}

/// `docker …`, which has to work for the deed to be done.
fn by_hand(arguments: &[&str]) -> Result<(), String> {
    let said = try_docker(arguments);
    if said.code == 0 {
        Ok(())
    } else {
        Err(format!("docker {arguments:?}: {}", said.err.trim()))
    }
}

/// `docker …` about the container of a role.
fn at(house: &House, role: &str, before: &[&str], after: &[&str]) -> Result<(), String> {
    let name = house.stack.of(role);
    let mut arguments = before.to_vec();
    arguments.push(&name);
    arguments.extend(after);
    by_hand(&arguments)
}

/// Makes the container of a role anew by hand, with its labels or not, under
/// its name or another.
fn made_by_hand(
    house: &House,
    role: &str,
    name: &str,
    labels: &dyn Fn(&str) -> bool,
    more: &[&str],
) -> Result<(), String> {
    let own = house.stack.of(role);
    let facts = super::world::ask(&format!("/containers/{own}/json"));
    let labels: Vec<String> = facts["Config"]["Labels"]
        .as_object()
        .ok_or("it is not there")?
        .iter()
        .filter(|(key, _)| labels(key))
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    let mut result = Ok(());
    house.stack.while_it_sleeps(|| {
        let removed = if name == own {
            by_hand(&["rm", "-f", &own])
        } else {
            Ok(())
        };
        let mut arguments = vec!["run", "-d", "--name", name, "--label", "by-hand=yes"];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.extend(more);
        arguments.push(text(&facts["Image"]));
        result = removed.and_then(|()| by_hand(&arguments));
    });
    result
}

/// Makes the container of a role anew as it is, but for one thing.
fn made_again(house: &House, role: &str, change: &dyn Fn(&mut Value)) -> Result<(), String> {
    let own = house.stack.of(role);
    let facts = super::world::ask(&format!("/containers/{own}/json"));
    let mut body = facts["Config"].clone();
    if !body.is_object() {
        return Err("it is not there".to_owned());
    }
    body["Image"] = facts["Image"].clone();
    body["HostConfig"] = facts["HostConfig"].clone();
    let joined = facts["NetworkSettings"]["Networks"].as_object();
    let networks = joined.into_iter().flatten().map(|(name, network)| {
        let kept = json!({"Aliases": network["Aliases"], "IPAMConfig": network["IPAMConfig"]});
        (name.clone(), kept)
    });
    body["NetworkingConfig"] = json!({"EndpointsConfig": Value::Object(networks.collect())});
    change(&mut body);
    let mut result = Ok(());
    house.stack.while_it_sleeps(|| {
        let engine = |what: &str, body: &Value| {
            let (status, said) = super::world::call("POST", what, body);
            if (200..300).contains(&status) {
                Ok(())
            } else {
                Err(format!("{what}: {status} {said}"))
            }
        };
        result = by_hand(&["rm", "-f", &own])
            .and_then(|()| engine(&format!("/containers/create?name={own}"), &body))
            .and_then(|()| engine(&format!("/containers/{own}/start"), &Value::Null));
    });
    result
}

/// One more in a list that may be absent.
fn add(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}

/// Containers that a hand made in this house: which they are, and since when
/// they run.
fn by_hands(house: &House) -> Vec<String> {
    let name = format!("name=^/{}-", house.stack.name);
    let said = try_docker(&[
        "ps",
        "-aq",
        "--filter",
        "label=by-hand=yes",
        "--filter",
        &name,
    ]);
    let all = said.out.lines().map(|id| {
        let facts = super::world::ask(&format!("/containers/{id}/json"));
        let at = &facts["State"]["StartedAt"];
        format!("{} {} {at}", facts["Name"], facts["Id"])
    });
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
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

/// What is done to the container of one role.
fn of_role(role: &'static str) -> Vec<Drift> {
    use Outcome::{Mended, Told, Untouched};
    let named = |what: &str| format!("{what}: {role}");
    let other = if role == "traefik" {
        "mirotalk"
    } else {
        "traefik"
    };
    vec![
        drift(named("stop"), Mended, move |house| {
            at(house, role, &["stop", "-t", "1"], &[])
        }),
        drift(named("kill"), Mended, move |house| {
            at(house, role, &["kill"], &[])
        }),
        drift(named("rm -f"), Mended, move |house| {
            at(house, role, &["rm", "-f"], &[])
        }),
        drift(named("pause"), Mended, move |house| {
            at(house, role, &["pause"], &[])
        }),
        drift(named("rename"), Untouched, move |house| {
            let aside = format!("{}-aside-{role}", house.stack.name);
            at(house, role, &["rename"], &[&aside])
        }),
        drift(named("disconnect"), Mended, move |house| {
            let network = &house.stack.name;
            at(house, role, &["network", "disconnect", "-f", network], &[])
        }),
        drift(named("join another network"), Mended, move |house| {
            at(house, role, &["network", "connect", "bridge"], &[])
        }),
        drift(named("restart policy changed"), Mended, move |house| {
            at(house, role, &["update", "--restart=no"], &[])
        }),
        drift(named("limits changed"), Mended, move |house| {
            let more = ["update", "--memory", "900m", "--memory-swap", "900m"];
            at(house, role, &more, &[])
        }),
        drift(named("env changed by recreating"), Mended, move |house| {
            made_again(house, role, &|body| {
                add(&mut body["Env"], json!("HAND=made"));
            })
        })
        .because("the environment differs (changed by hand)"),
        drift(named("mount changed by recreating"), Mended, move |house| {
            made_again(house, role, &|body| {
                let extra =
                    json!({"Type": "bind", "Source": "/tmp", "Target": "/extra", "ReadOnly": true});
                add(&mut body["HostConfig"]["Mounts"], extra);
            })
        })
        .because("the mounts differ (changed by hand)"),
        drift(named("spec label forged"), Mended, move |house| {
            let spec = |key: &str| is_ours_label(key) && key != "org.colourstream.spec";
            let forged = ["--label", "org.colourstream.spec=0000"];
            made_by_hand(house, role, &house.stack.of(role), &spec, &forged)
        }),
        drift(
            named("role label forged"),
            Told("name-taken"),
            move |house| {
                let own = |key: &str| is_ours_label(key) && key != "org.colourstream.role";
                let forged = format!("org.colourstream.role={other}");
                let more = ["--label", &forged];
                made_by_hand(house, role, &house.stack.of(role), &own, &more)
            },
        )
        .undone_by(move |house| at(house, role, &["rm", "-f"], &[])),
        drift(named("label removed"), Told("name-taken"), move |house| {
            let own = house.stack.of(role);
            made_by_hand(house, role, &own, &|key| !is_ours_label(key), &[])
        })
        .undone_by(move |house| at(house, role, &["rm", "-f"], &[])),
        drift(
            named("look-alike with our labels"),
            Told("look-alike"),
            move |house| {
                let copy = format!("{}-copy", house.stack.name);
                made_by_hand(house, role, &copy, &|_| true, &[])
            },
        )
        .undone_by(|house| by_hand(&["rm", "-f", &format!("{}-copy", house.stack.name)])),
    ]
}

/// Every drift by name.
pub fn drifts() -> Vec<Drift> {
    use Outcome::{Mended, Told, Untouched};
    let mut all: Vec<Drift> = crate::common::ROLES.into_iter().flat_map(of_role).collect();
    let image_back = |house: &House| {
        house.make_image("1.0.0", "");
        Ok(())
    };
    let mut untagged = drift("image untagged", Untouched, |house| {
        by_hand(&["rmi", "-f", &house.call("1.0.0")])
    })
    .undone_by(image_back);
    // What runs is known by its id.
    untagged.quiet = true;
    all.extend([
        untagged,
        drift("rm -f all", Mended, |house| {
            let all = crate::common::ROLES.map(|role| house.stack.of(role));
            by_hand(&["rm", "-f", &all[0], &all[1], &all[2]])
        }),
        drift("network removed", Mended, |house| {
            let mut result = Ok(());
            house.stack.while_it_sleeps(|| {
                let network = &house.stack.name;
                for role in crate::common::ROLES {
                    let _not_joined =
                        at(house, role, &["network", "disconnect", "-f", network], &[]);
                }
                result = by_hand(&["network", "rm", network]);
            });
            result
        }),
        drift("volume removed", Mended, |house| {
            let mut result = Ok(());
            house.stack.while_it_sleeps(|| {
                let _gone = at(house, "traefik", &["rm", "-f"], &[]);
                result = by_hand(&["volume", "rm", "-f", &format!("{}-acme", house.stack.name)]);
            });
            result
        }),
        drift(
            "image and container removed",
            Told("image-missing"),
            |house| {
                let mut result = Ok(());
                house.stack.while_it_sleeps(|| {
                    let call = format!("/containers/{}/json", house.stack.of("mirotalk"));
                    let image = super::world::ask(&call)["Image"].clone();
                    let removed = at(house, "mirotalk", &["rm", "-f"], &[]);
                    try_docker(&["rmi", "-f", &house.call("1.0.0")]);
                    try_docker(&["rmi", "-f", text(&image)]);
                    let gone = super::world::ask(&format!("/images/{}/json", text(&image)));
                    result = match removed {
                        Ok(()) if !gone.is_null() => Err("the image is still there".to_owned()),
                        removed => removed,
                    };
                });
                result
            },
        )
        .undone_by(image_back),
        drift("tag moved", Told("image-moved"), |house| {
            house.make_image("1.0.0", "LABEL moved=yes");
            Ok(())
        })
        .undone_by(|house| {
            let said = house.stack.run(&["apply", "--update-images"]);
            if said.code == 0 {
                Ok(())
            } else {
                Err(format!("apply: {}{}", said.out, said.err))
            }
        }),
        drift("extra file in the watched folder", Untouched, |house| {
            let file = house.stack.rendered("traefik/dynamic/zz.yml");
            std::fs::write(file, "http: {}\n").map_err(|error| error.to_string())
        }),
        drift("extra symlink in the watched folder", Untouched, |house| {
            let link = house.stack.rendered("traefik/dynamic/zz.yml");
            symlink("/etc/hostname", link).map_err(|error| error.to_string())
        }),
        drift("extra folder in the watched folder", Untouched, |house| {
            let folder = house.stack.rendered("traefik/dynamic/zz");
            std::fs::create_dir(&folder)
                .and_then(|()| std::fs::write(folder.join("inside.yml"), "http: {}\n"))
                .map_err(|error| error.to_string())
        }),
    ]);
    // What is done to a file, to one that is watched and to one that is read once.
    type Spoil = fn(&Path) -> std::io::Result<()>;
    let spoils: [(&str, Spoil); 7] = [
        ("edited", |path| std::fs::write(path, "<Server/>")),
        ("truncated", |path| std::fs::File::create(path).map(drop)),
        ("deleted", |path| std::fs::remove_file(path)),
        ("chmod 000", |path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000))
        }),
        ("replaced by a folder", |path| {
            std::fs::remove_file(path)?;
            std::fs::create_dir(path)?;
            std::fs::write(path.join("inside"), "x")
        }),
        ("replaced by a symlink", |path| {
            std::fs::remove_file(path)?;
            symlink("/etc/passwd", path)
        }),
        ("replaced by another of its size", |path| {
            let length = std::fs::read(path)?.len();
            std::fs::remove_file(path)?;
            std::fs::write(path, "#".repeat(length))
        }),
    ];
    for (what, spoil) in spoils {
        let spoilt = move |path: PathBuf| spoil(&path).map_err(|error| error.to_string());
        all.push(drift(
            format!("watched file {what}"),
            Untouched,
            move |house| spoilt(only_dynamic(house)),
        ));
        all.push(drift(format!("own file {what}"), Untouched, move |house| {
            spoilt(server_xml(house))
        }));
    }
    all
}

/// Does one drift to a house that is well, and sees what comes of it.
pub fn drifts_and_is_mended(house: &mut House, one: &Drift) -> Result<(), String> {
    house.settle("a good start")?;
    house.begin();
    let before = house.stack.runs();
    (one.act)(house).map_err(|why| format!("it could not be done: {why}"))?;
    match one.outcome {
        Outcome::Mended | Outcome::Untouched => {
            // Not by what was known before: a look after the deed.
            house.a_look()?;
            house.settle(&one.name)?;
            if one.outcome == Outcome::Untouched && house.stack.runs() != before {
                return Err("something was restarted for it".to_owned());
            }
            if !one.quiet && !house.did_something() {
                return Err("nothing was done about it".to_owned());
            }
            if let Some(cause) = one.cause {
                let told = causes(&house.stack, house.journal);
                let differs = |why: &&String| why.contains("differ");
                if !told.iter().any(|why| why == cause)
                    || told.iter().filter(differs).any(|why| why != cause)
                {
                    return Err(format!("the journal says why: {told:?}, not {cause:?}"));
                }
            }
            (one.undo)(house)?;
        }
        Outcome::Told(code) => {
            house.until(&one.name, BOUND, |status| told(status, code))?;
            // Another look leaves it alone, too.
            let strangers = by_hands(house);
            house.a_look()?;
            if by_hands(house) != strangers {
                return Err("what was only to be told was touched".to_owned());
            }
            house.check()?;
            (one.undo)(house)?;
            house.until("nothing is told any more", BOUND, |status| {
                !told(status, code)
            })?;
            house.settle(&one.name)?;
        }
    }
    house.check()
}
