#![expect(clippy::unwrap_used)]

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::settings::keys::Default as KeyDefault;
use crate::settings::{Acme, AcmeChallenge, PublicScheme, Tls};

/// Every mistake of the text, as a person reads it.
fn told(text: &str) -> String {
    let errors = parse(text, "colourstream.yaml").unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn good(text: &str) -> Settings {
    match parse(text, "/etc/colourstream/colourstream.yaml") {
        Ok(settings) => settings,
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert!(lines.is_empty(), "{}", lines.join("\n"));
            unreachable!()
        }
    }
}

#[test]
fn nothing_at_all_is_a_local_set_up() {
    let settings = good("");
    assert_eq!(settings.hosts.live, "colourstream.localhost");
    assert_eq!(settings.hosts.admin, "admin.colourstream.localhost");
    assert_eq!(settings.hosts.video, "video.colourstream.localhost");
    assert_eq!(settings.tls, Tls::LocalCa);
    assert_eq!((settings.ports.http, settings.ports.https), (8080, 8443));
    assert_eq!(settings.profiles.len(), 1);
    assert_eq!(settings.profiles.first().unwrap().name, "live");
    assert_eq!(settings.profiles.first().unwrap().title, "Live");
    assert_eq!(settings.state, FilePath::new("/etc/colourstream/state"));
    assert_eq!(settings.engine.timeout, Duration::from_secs(60));
    assert_eq!(
        settings.origin(&settings.hosts.live),
        "https://colourstream.localhost:8443"
    );
}

#[test]
fn a_public_domain_is_certified_over_port_80() {
    let settings = good("domain: Review.Example.com\n");
    assert_eq!(settings.hosts.video, "video.review.example.com");
    assert_eq!((settings.ports.http, settings.ports.https), (80, 443));
    assert!(matches!(
        settings.tls,
        Tls::Acme(Acme {
            challenge: AcmeChallenge::Http,
            ..
        })
    ));
    assert_eq!(
        settings.origin(&settings.hosts.live),
        "https://review.example.com"
    );
}

#[test]
fn everything_can_be_said() {
    let settings = good(EVERYTHING);
    assert_eq!(settings.ports.rtmps, Some(1936));
    assert_eq!(settings.conference.turn.unwrap().username, "call");
    assert_eq!(
        settings.profiles.get(1).unwrap().min_bitrate,
        Some(2_500_000)
    );
    assert_eq!(settings.profiles.get(1).unwrap().chunk_seconds, 0.2);
    assert_eq!(settings.trusted_proxies, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert_eq!(
        settings.templates.unwrap(),
        FilePath::new("/etc/colourstream/templates")
    );
    let Tls::Acme(acme) = settings.tls else {
        unreachable!()
    };
    let servers: Vec<String> = acme.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:5353"]);
    assert!(
        matches!(acme.challenge, AcmeChallenge::Dns { files, wait: Some(wait), .. }
        if wait.as_secs() == 30 && files.get("CF_DNS_API_TOKEN").unwrap() == FilePath::new("/run/secrets/cf"))
    );
}

const EVERYTHING: &str = "
domain: review.example.com
hosts: {live: review.example.com, admin: desk.example.com, video: call.example.com}
tls:
  mode: acme
  email: ops@example.com
  challenge: dns
  ca_server: https://ca.example.com/dir
  ca_certificate: ./ca.pem
  resolvers: [192.0.2.53, '[2001:db8::53]:5353']
  dns: {provider: cloudflare, wait: 30s, secrets: {CF_DNS_API_TOKEN: /run/secrets/cf}}
public_address: 203.0.113.7
images:
  traefik: registry.example.com:5000/traefik:v3.7.15
  ovenmediaengine: airensoft/ovenmediaengine:v0.21.0
  mirotalk: mirotalk/p2p:1.9.11
ports:
  bind: 203.0.113.7
  http: 80
  https: 443
  rtmp: 1935
  rtmps: 1936
  srt: 9999
  ice_udp: 10000-10003
  ice_tcp: 10000
  relay: 3478
  call: 40000-40001
  pages: 8000
  internal: 8001
conference:
  flavour: p2p
  max_participants: 4
  stun: stun:stun.example.com:3478
  turn: {url: 'turn:turn.example.com:3478?transport=tcp', username: call, credential_file: ./turn}
profiles:
  - live
  - name: grade
    title: Colour grade
    min_bitrate: 2.5M
    chunk: 200ms
    segment: 2s
    audio_bitrate: 256k
engine: {address: 'tcp://127.0.0.1:2375', timeout: 1m}
instance: second
state: /srv/state
templates: ./templates
reconcile: {mode: report, sweep: 1m}
trusted_proxies: [10.0.0.0/8, 192.0.2.7]
log: {level: 'colourstream=debug,info', format: json}
";

#[test]
fn short_forms_are_spread() {
    let settings = good(
        "tls: off\nconference: p2p\nengine: /run/docker.sock\nreconcile: paused\nlog: debug\nprofiles: [live, grade]\n",
    );
    assert_eq!(
        settings.tls,
        Tls::Off {
            public_scheme: PublicScheme::Http
        }
    );
    assert_eq!(settings.conference.flavour, Flavour::P2p);
    assert_eq!(settings.conference.max_participants, 4);
    assert_eq!(settings.images.mirotalk, "mirotalk/p2p:1.9.11");
    assert_eq!(settings.engine.address, "unix:///run/docker.sock");
    assert_eq!(settings.reconcile.mode, Mode::Paused);
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.profiles.len(), 2);
}

/// A room's links begin with `/j`, and media with the profile's name.
#[test]
fn no_profile_takes_a_path_of_the_pages() {
    for word in ["j", "ended", "left", "api", "assets", "cs", "well-known"] {
        let text = format!("profiles: [{word}]\n");
        let told = format!("{:?}", crate::settings::parse(&text, "c.yaml"));
        assert!(told.contains("which is taken"), "{word}: {told}");
    }
    assert_eq!(good("profiles: [app]\n").profiles[0].name, "app");
}

#[test]
fn keys_without_values_are_left_out() {
    assert_eq!(good("tls:\nports:\n  http:\nprofiles:\n"), good(""));
}

#[test]
fn certificate_files_choose_their_mode() {
    let settings = good("domain: a.example.com\ntls: {certificate: ./c.pem, key: ./k.pem}\n");
    assert_eq!(
        settings.tls,
        Tls::Files {
            certificate: "/etc/colourstream/c.pem".into(),
            key: "/etc/colourstream/k.pem".into()
        }
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_snapshot!(told(
        "\
domain: example.com
tsl: {mode: acme}
email: ops@example.com
reconcile.mode: heal
ports:
  htpp: 80
  https: 99999
  rtmp: 80
  ice_udp: 10003-10000
images:
  traefik: traefik
  mirotalk: mirotalk/sfu:latest
profiles:
  - admin
  - name: Grade One
  - name: live
  - name: live
reconcile:
  sweep: 30
engine:
  timeout: 2h
log: loud
"
    ));
}

#[test]
fn localhost_alone_is_refused_with_the_way_out() {
    assert_snapshot!(told("domain: localhost\n"));
}

#[test]
fn host_names_are_explained() {
    assert_snapshot!(
        [
            "https://review.example.com:8443/",
            "review.example.com:443",
            "192.0.2.7",
            "büro.example.com",
            "*.example.com",
            "review",
            "a..b",
            "-a.example.com",
            "review_1.example.com"
        ]
        .map(|name| told(&format!("domain: '{name}'\n")))
        .join("\n")
    );
}

#[test]
fn names_that_do_not_go_together_are_refused() {
    assert_snapshot!(
        [
            "domain: review.example.com\nhosts: {admin: review.example.com}\n",
            "domain: review.example.com\nhosts:\n  video: call.example.net\n",
            "domain: one.co.uk\nhosts:\n  video: two.co.uk\n",
            "domain: review.studio.lan\ntls: acme\n",
        ]
        .map(told)
        .join("\n")
    );
    good("domain: one.studio.co.uk\nhosts:\n  video: two.studio.co.uk\n");
}

#[test]
fn ports_overlap_by_protocol_and_range() {
    assert_snapshot!(
        [
            "ports: {rtmp: 3478}\n",
            "ports: {srt: 10002}\n",
            "ports: {call: 9990-10010}\n",
            "ports:\n  http: 8443\n",
            "ports:\n  internal: 8000\n",
        ]
        .map(told)
        .join("\n")
    );
    // Other protocols, ports nobody takes.
    good("ports: {srt: 1935}\n");
    good("ports: {call: 1935}\nconference: p2p\n");
    good("tls: off\nports: {https: 1935}\n");
}

#[test]
fn what_belongs_elsewhere_is_told() {
    assert_snapshot!([
        "tls: {mode: local-ca, challenge: http}\n",
        "domain: a.example.com\ntls:\n  mode: files\n  certificate: ./c.pem\n",
        "domain: a.example.com\ntls: {challenge: dns}\n",
        "domain: a.example.com\ntls:\n  challenge: http\n  dns: {provider: cloudflare}\n",
        "domain: a.example.com\ntls:\n  dns:\n    provider: cloudflare\n    secrets:\n      CF_DNS_API_TOKEN_FILE: ./x\n      token: ./x\n",
        "conference:\n  stun: stun:stun.example.com\n",
        "conference:\n  flavour: p2p\n  turn:\n    url: turn.example.com\n",
        "tls: off\nports: {rtmps: 1936}\n",
    ].map(told).join("\n"));
}

#[test]
fn values_are_explained() {
    assert_snapshot!(
        [
            "domain: 12\n",
            "tls: {mode: Acme}\n",
            "tls: [acme]\n",
            "ports: 80\n",
            "ports:\n  http: {port: 80}\n",
            "ports:\n  call: 10000-50000\n",
            "public_address: 0.0.0.0\n",
            "images:\n  traefik: 'Traefik:v3'\n",
            "trusted_proxies: [10.0.0.1/8, 0.0.0.0/0, proxy]\n",
            "trusted_proxies: 10.0.0.0/8\n",
            "reconcile: {sweep: 1 day}\n",
            "engine: ssh://host\n",
            "engine: unix://docker.sock\n",
            "engine: tcp://docker\n",
            "profiles: []\n",
            "profiles:\n  - title: Grade\n  -\n  - [a]\n",
            "profiles:\n  - {name: a, segment: 1500ms, audio_bitrate: 1M}\n",
            "profiles:\n  - {name: a, chunk: 2s, segment: 1s}\n",
            "conference: {max_participants: 1}\n",
            "tls: {email: ops}\n",
            "domain: a.example.com\ntls:\n  ca_server: http://ca\n",
            "state: ~/state\n",
            "instance: Mine!\n",
        ]
        .map(told)
        .join("\n")
    );
}

#[test]
fn text_that_is_not_settings_is_told_with_its_line() {
    assert_snapshot!(
        [
            "domain: a: b\n",
            "ports:\n\thttp: 80\n",
            "ports: {http: 80\n",
            "domain: @home\n",
            "just text\n",
            "- a\n- b\n",
            "domain: a.example.com\n---\ndomain: b.example.com\n",
            "domain: *there\n",
            "domain: !secret x\n",
            "domain: a.example.com\ndomain: b.example.com\n",
            "? [a, b]\n: c\n",
        ]
        .map(told)
        .join("\n")
    );
}

#[test]
fn variables_and_flags_are_stronger_and_are_named() {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let overrides = Overrides::from_env(
        [
            variable("COLOURSTREAM_DOMAIN", "review.example.com"),
            variable("COLOURSTREAM_EMAIL", "ops@example.com"),
            variable("COLOURSTREAM_STATE", "state"),
            variable("COLOURSTREAM_ENGINE", ""),
            variable("COLOURSTREAM_LOGO", "x"),
            variable("HOME", "/root"),
        ],
        "/srv",
    );
    let settings = check_text(
        "domain: localhost\ntemplates: ./t\n",
        "c.yaml",
        FilePath::new("/etc"),
        &overrides,
        &|_, _| Ok(()),
    )
    .unwrap();
    assert_eq!(settings.templates.unwrap(), FilePath::new("/etc/t"));
    assert_eq!(settings.hosts.live, "review.example.com");
    assert_eq!(settings.state, FilePath::new("/srv/state"));
    let told: Vec<String> = overrides.without_effect().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("`COLOURSTREAM_LOGO`") && told[0].contains("`COLOURSTREAM_INSTANCE`"),
        "{told:?}"
    );

    let overrides = Overrides::from_env(
        [
            variable("COLOURSTREAM_DOMAIN", "localhost"),
            variable("COLOURSTREAM_DOMIAN", "a.example.com"),
        ],
        "/srv",
    )
    .flag("--engine", "engine.address", "docker");
    let errors = load(None, &overrides).unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn files_that_are_named_have_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colourstream.yaml");
    let shown = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let errors = load(Some(&path), &Overrides::default()).unwrap_err();
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines
            .join("\n")
            .replace(&folder.path().display().to_string(), "…")
    };
    assert_snapshot!(shown(
        "\
domain: a.example.com
tls:
  certificate: ./here.pem
  key: .
templates: ./nowhere
"
    ));
    std::fs::write(&path, b"domain: a.example.com\n# caf\xe9\n").unwrap();
    let errors = load(Some(&path), &Overrides::default()).unwrap_err();
    assert!(matches!(
        &errors.first().unwrap().origin,
        Origin::File {
            line: 2,
            column: 6,
            ..
        }
    ));
    std::fs::remove_file(&path).unwrap();
    let errors = load(Some(&path), &Overrides::default()).unwrap_err();
    assert!(matches!(&errors.first().unwrap().origin, Origin::Whole(_)));
}

#[test]
fn an_empty_file_is_not_taken_for_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colourstream.yaml");
    for text in ["", "\n \n"] {
        std::fs::write(&path, text).unwrap();
        let errors = load(Some(&path), &Overrides::default()).unwrap_err();
        assert!(
            errors.first().unwrap().what.contains("is empty"),
            "{errors:?}"
        );
    }
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(
        load(Some(&path), &Overrides::default()).unwrap().instance,
        "colourstream"
    );
}

#[test]
fn what_is_kept_says_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (
        folder.path().join("colourstream.yaml"),
        folder.path().join("kept"),
    );
    let logins = folder.path().join("logins.json");
    std::fs::write(&logins, "{}").unwrap();
    let text = "engine: {logins: ./logins.json}\nbackup: {folder: backups}\n";
    std::fs::write(&path, text).unwrap();
    let overrides = Overrides::from_env(
        [
            ("COLOURSTREAM_DOMAIN", "review.example.com"),
            ("COLOURSTREAM_STATE", "kept"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
        folder.path(),
    );
    for file in [Some(path.as_path()), None] {
        let given = load(file, &overrides).unwrap();
        let text = if file.is_some() { text } else { "" };
        std::fs::create_dir_all(&state).unwrap();
        let kept = Kept::new(file, text, &overrides);
        std::fs::write(state.join(KEPT), kept.bytes()).unwrap();
        assert_eq!(Kept::read(&state), Some(kept.clone()));
        assert_eq!(kept.settings(&state).unwrap(), given);
    }
    // What it names is away; a later version has one key less, and a disk wrote
    // half of it.
    std::fs::remove_file(&logins).unwrap();
    let kept = Kept::new(Some(&path), &format!("{text}gone: 1\n"), &overrides);
    assert_eq!(
        kept.settings(&state).unwrap().engine.logins,
        Some(folder.path().join("logins.json"))
    );
    let half = kept.bytes().split_off(20);
    std::fs::write(state.join(KEPT), half).unwrap();
    assert_eq!(Kept::read(&state), None);
}

#[test]
fn the_state_folder_is_found_whatever_else_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colourstream.yaml");
    let found = |text: &str, overrides: &Overrides| {
        std::fs::write(&path, text).unwrap();
        state_folder(Some(&path), overrides)
    };
    let none = Overrides::default();
    for text in [
        "{}\n",
        "state: ./kept\n",
        "state: /srv/kept\ndomain: a.example.com\n",
    ] {
        let whole = found(text, &none);
        assert_eq!(
            whole,
            Some(load(Some(&path), &none).unwrap().state),
            "{text}"
        );
        for wrong in [
            "conference: {max_participants: many}\n",
            "unknown: 1\n",
            "ports: {{\n",
        ] {
            assert_eq!(
                found(&format!("{text}{wrong}"), &none),
                whole,
                "{text}{wrong}"
            );
        }
    }
    assert_eq!(found("state: [a]\n", &none), None);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        state_folder(Some(&path), &none),
        Some(folder.path().join("state"))
    );
    let variable = [("COLOURSTREAM_STATE".to_owned(), "of".to_owned())];
    let variable = Overrides::from_env(variable, "/srv");
    assert_eq!(found("state: [a]\n", &variable), Some("/srv/of".into()));
    assert_eq!(state_folder(None, &variable), Some("/srv/of".into()));
    let flag = variable.flag("--state", "state", "/flag");
    assert_eq!(found("{}", &flag), Some("/flag".into()));
}

#[test]
fn the_hosts_are_named_by_the_file_or_a_variable() {
    let none = Overrides::default();
    for text in [
        "domain: colourstream.localhost",
        "hosts: {live: a.example.com}",
    ] {
        assert!(names_hosts(text, &none), "{text}");
    }
    for text in ["", "domain:\n", "instance: one", "ports: {{"] {
        assert!(!names_hosts(text, &none), "{text}");
    }
    let given = |value: &str| {
        let variable = ("COLOURSTREAM_DOMAIN".to_owned(), value.to_owned());
        Overrides::from_env([variable], "/srv")
    };
    assert!(names_hosts("", &given("colourstream.localhost")));
    assert!(!names_hosts("", &given("")));
}

/// The keys that reading `text` asked the table for.
fn asked(text: &str) -> BTreeSet<&'static str> {
    let mut tree = yaml::read(text).unwrap();
    spread_short_forms(&mut tree);
    let reader = Reader {
        tree: &tree,
        origins: &BTreeMap::new(),
        folder: FilePath::new(""),
        outside_folder: FilePath::new(""),
        probe: &|_, _| Ok(()),
        problems: RefCell::default(),
        asked: RefCell::default(),
    };
    assert!(build(&reader).is_ok());
    reader.asked.into_inner()
}

#[test]
fn every_key_of_the_table_is_read_and_no_other() {
    let mut read = asked(EVERYTHING);
    read.extend(asked("tls: {certificate: ./c, key: ./k}\n"));
    let table: BTreeSet<&str> = keys::KEYS
        .iter()
        .filter(|key| !matches!(key.default, KeyDefault::Group))
        .map(|key| key.path)
        .collect();
    assert_eq!(read, table);
}

#[test]
fn every_variable_and_short_form_names_a_key() {
    for (_, key) in keys::VARIABLES {
        assert!(keys::find(&Path::keys(key)).is_some(), "{key}");
    }
    for (section, key) in keys::SHORT {
        assert!(keys::find(&Path::keys(section).key(key)).is_some());
    }
}

#[test]
fn every_default_and_example_is_accepted_by_its_own_key() {
    for key in keys::KEYS {
        let offers = match key.default {
            KeyDefault::Value(default) => vec![default, key.example],
            KeyDefault::Words(_) => vec![key.example],
            KeyDefault::Group => vec![],
        };
        for offer in offers {
            // Put at its place, alone: no problem may be told of this key.
            let mut text = String::new();
            for (depth, step) in key.path.replace("[]", ".[]").split('.').enumerate() {
                let name = if step == "*" { "NAME" } else { step };
                if name == "[]" {
                    text.push_str(&format!("\n{}- ", "  ".repeat(depth)));
                } else if text.ends_with("- ") {
                    text.push_str(&format!("{name}: "));
                } else {
                    text.push_str(&format!("\n{}{name}: ", "  ".repeat(depth)));
                }
            }
            text.push_str(offer);
            let errors = parse(&text, "x").err().unwrap_or_default();
            let path = key.path.replace("[]", "[0]").replace('*', "NAME");
            let own = errors
                .iter()
                .find(|error| error.key == path && error.what.contains("expected"));
            assert!(own.is_none(), "{text}\n{}", own.unwrap());
        }
    }
}

#[test]
fn the_reference_is_what_the_table_says() {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let wanted = keys::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/settings.md is behind: run `UPDATE=1 cargo test --workspace --lib settings::`"
    );
}

/// Text that looks like settings, with things gone wrong in it.
fn almost_settings() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = keys::KEYS
        .iter()
        .flat_map(|key| key.path.split(['.', '[']))
        .chain([
            "live", "off", "80", "1-2", "~", "a.b", "&a", "*a", "<<", "!x", "\"", "'", "|", ">",
        ])
        .collect();
    let word = prop::sample::select(words);
    let glue = prop::sample::select(vec![
        ": ", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "{", "}", "[", "]", ", ", " # ", "\t",
        "---\n",
    ]);
    prop::collection::vec((word, glue), 0..40).prop_map(|pairs| {
        pairs
            .into_iter()
            .flat_map(|(word, glue)| [word, glue])
            .collect()
    })
}

fn names_its_place(text: &str) {
    if let Err(errors) = parse(text, "f.yaml") {
        assert!(!errors.is_empty());
        // YAML knows more line ends than editors do.
        let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        let lines = text.split(ends).count() + 1;
        for error in errors {
            assert!(
                matches!(error.origin, Origin::File { line, column, .. }
                    if line >= 1 && line <= lines && column >= 1),
                "{error}"
            );
            assert!(!error.what.is_empty() && !error.why.is_empty() && !error.fix.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_with_a_place_or_accepted(text in any::<String>()) {
        names_its_place(&text);
    }

    #[test]
    fn almost_settings_are_refused_with_a_place_or_accepted(text in almost_settings()) {
        names_its_place(&text);
    }
}

#[test]
fn every_example_is_good() {
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Compose's own files stand beside them.
        if !name.ends_with(".yaml") || name.starts_with("compose") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let settings = parse(&text, &name).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        });
        assert!(settings.is_ok(), "{}", settings.unwrap_err());
        seen.push(name);
    }
    for name in [
        "local",
        "one-host",
        "own-certificates",
        "behind-proxy",
        "air-gapped",
    ] {
        assert!(seen.contains(&format!("{name}.yaml")), "{name}");
    }
}

#[test]
fn the_local_example_says_what_is_so_anyway() {
    assert_eq!(
        parse(include_str!("../../../examples/local.yaml"), "x").unwrap(),
        parse("", "x").unwrap()
    );
}
