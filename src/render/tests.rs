//! Rendering as a whole.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::escape::tests::any_text;
use super::lint::parse_back;
use super::{RenderError, Templates, redact, redacted, render};
use crate::desired::{FileSpec, Snapshot, Target, desire};
use crate::model::Role;

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

fn file<'a>(target: &'a Target, name: &str) -> &'a FileSpec {
    target
        .files
        .iter()
        .find(|file| file.path.ends_with(name))
        .expect(name)
}

fn text(target: &Target, name: &str) -> String {
    String::from_utf8(file(target, name).bytes.clone()).unwrap()
}

/// Templates in which `from` stands as `to`, once.
fn edited(template: &str, from: &str, to: &str) -> BTreeMap<String, String> {
    let built_in = Templates::built_in().unwrap();
    let (_, text, _) = built_in
        .list()
        .find(|(name, ..)| *name == template)
        .expect(template);
    assert!(text.contains(from), "{template} no longer has {from:?}");
    BTreeMap::from([(template.to_owned(), text.replacen(from, to, 1))])
}

mod expected {
    //! The files for default settings, to be read and reviewed.
    use super::*;

    #[test]
    fn traefik_static() {
        insta::assert_snapshot!(text(&rendered(&Snapshot::sample()), "traefik.yml"));
    }

    #[test]
    fn traefik_static_public() {
        let snapshot = Snapshot::sample().public_over_dns();
        insta::assert_snapshot!(text(&rendered(&snapshot), "traefik.yml"));
    }

    #[test]
    fn traefik_dynamic_with_two_rooms() {
        let snapshot = Snapshot::sample().with_two_rooms();
        insta::assert_snapshot!(text(&rendered(&snapshot), "colourstream.yml"));
    }

    #[test]
    fn traefik_dynamic_public() {
        let snapshot = Snapshot::sample().public();
        insta::assert_snapshot!(text(&rendered(&snapshot), "colourstream.yml"));
    }

    #[test]
    fn ovenmediaengine_server() {
        insta::assert_snapshot!(text(&rendered(&Snapshot::sample()), "Server.xml"));
    }

    #[test]
    fn mirotalk_sfu() {
        insta::assert_snapshot!(text(&rendered(&Snapshot::sample()), "mirotalk.env"));
    }

    #[test]
    fn mirotalk_p2p() {
        insta::assert_snapshot!(text(&rendered(&Snapshot::sample().p2p()), "mirotalk.env"));
    }

    #[test]
    fn containers() {
        insta::assert_json_snapshot!(rendered(&Snapshot::sample()).containers);
    }
}

#[test]
fn every_variant_renders_the_same_bytes_each_time() {
    for (name, snapshot) in Snapshot::variants() {
        assert_eq!(rendered(&snapshot), rendered(&snapshot), "{name}");
    }
}

#[test]
fn the_quick_reader_sees_every_variant_through() {
    for (name, snapshot) in Snapshot::variants() {
        let target = rendered(&snapshot);
        for file in ["traefik.yml", "colourstream.yml"] {
            assert!(
                parse_back::is_plain_yaml(&text(&target, file)),
                "{name}: {file}"
            );
        }
    }
}

#[test]
fn rooms_reach_only_the_watched_file() {
    let without = rendered(&Snapshot::sample());
    let with = rendered(&Snapshot::sample().with_two_rooms());
    assert_eq!(with.containers, without.containers);
    let differing: Vec<String> = with
        .files
        .iter()
        .filter(|file| !without.files.contains(file))
        .map(|file| file.path.display().to_string())
        .collect();
    assert_eq!(differing, ["traefik/dynamic/colourstream.yml"]);
    assert_ne!(with.traefik_generation, without.traefik_generation);
}

#[test]
fn a_title_that_no_template_shows_changes_nothing() {
    let mut snapshot = Snapshot::sample().with_two_rooms();
    let before = rendered(&snapshot);
    snapshot.rooms[0].title = "Another".into();
    assert_eq!(rendered(&snapshot), before);
}

#[test]
fn the_generation_stands_in_the_file_once() {
    let target = rendered(&Snapshot::sample().with_two_rooms());
    let text = text(&target, "colourstream.yml");
    assert_eq!(text.matches(&target.traefik_generation).count(), 1);
    assert_eq!(target.traefik_generation.len(), 64);
}

#[test]
fn no_secret_leaves_its_file() {
    for (name, snapshot) in Snapshot::variants() {
        let target = rendered(&snapshot);
        let secrets = &snapshot.secrets;
        let mut known = vec![
            secrets.ome_api_token.expose().clone(),
            secrets.ome_hook_key.expose().clone(),
            secrets.mirotalk_jwt_key.expose().clone(),
            secrets.mirotalk_api_key.expose().clone(),
            secrets.mirotalk_viewer_password.expose().clone(),
            secrets.mirotalk_host_password.expose().clone(),
            secrets.mirotalk_hook_path.expose().clone(),
            secrets.ticket_key.expose().clone(),
            "dns-provider-token".to_owned(),
            "it's".to_owned(),
        ];
        known.extend(
            snapshot
                .certificate
                .as_ref()
                .map(|pem| pem.key_pem.expose().clone()),
        );
        let outside = serde_json::to_string(&target).unwrap() + &format!("{:?}", desire(&snapshot));
        for secret in &known {
            assert!(!outside.contains(secret.as_str()), "{name}: {secret}");
            for file in &target.files {
                let bytes = String::from_utf8_lossy(&file.bytes);
                assert!(
                    file.secret || !bytes.contains(secret.as_str()),
                    "{name}: {secret} in {}",
                    file.path.display()
                );
                assert!(
                    !redacted(file).contains(secret.as_str()),
                    "{name}: {secret}"
                );
            }
        }
        for file in target.files.iter().filter(|file| file.secret) {
            assert_eq!(file.mode, 0o400, "{name}: {}", file.path.display());
        }
    }
}

#[test]
fn a_redacted_file_still_says_what_it_is() {
    let target = rendered(&Snapshot::sample());
    let xml = redacted(file(&target, "Server.xml"));
    assert!(xml.contains("<AccessToken>•••</AccessToken>"));
    assert!(xml.contains("<Port>1935</Port>"));
    let env = redacted(file(&target, "mirotalk.env"));
    assert!(env.contains("JWT_SECRET=•••\n") && env.contains("# Whoever has the key"));
    let dns = rendered(&Snapshot::sample().public_over_dns());
    assert_eq!(redacted(file(&dns, "CF_DNS_API_TOKEN")), "•••\n");
    // The old side of a diff: other secrets, same shape.
    let old = redact(
        "x/Server.xml".as_ref(),
        b"<SecretKey>old</SecretKey><A>b</A>",
    );
    assert_eq!(old, "<SecretKey>•••</SecretKey><A>b</A>");
}

#[test]
fn identity_files_move_with_their_content_and_take_the_mount_along() {
    let before = rendered(&Snapshot::sample());
    let mut changed = Snapshot::sample();
    changed.settings.profiles[0].segment_seconds = 2;
    let after = rendered(&changed);
    let spec = |target: &Target, role| target.container(role).unwrap().clone();
    assert_eq!(spec(&before, Role::Traefik), spec(&after, Role::Traefik));
    assert_eq!(spec(&before, Role::Mirotalk), spec(&after, Role::Mirotalk));
    let (old, new) = (
        spec(&before, Role::Ovenmediaengine),
        spec(&after, Role::Ovenmediaengine),
    );
    assert_ne!(old.digest(), new.digest());
    assert_ne!(old.mounts, new.mounts);
}

#[test]
fn every_mounted_folder_holds_a_file() {
    for (name, snapshot) in Snapshot::variants() {
        let target = rendered(&snapshot);
        for mount in target.containers.iter().flat_map(|spec| &spec.mounts) {
            let crate::desired::MountSource::Bind(source) = &mount.source else {
                continue;
            };
            let inside = source.strip_prefix("/srv/colourstream/rendered").unwrap();
            assert!(
                target
                    .files
                    .iter()
                    .any(|file| file.path.starts_with(inside)),
                "{name}: {}",
                source.display()
            );
        }
    }
}

#[test]
fn a_renewed_certificate_changes_the_watched_files_only() {
    let before = rendered(&Snapshot::sample());
    let mut snapshot = Snapshot::sample();
    if let Some(certificate) = &mut snapshot.certificate {
        certificate.chain_pem.push_str("renewed\n");
    }
    let after = rendered(&snapshot);
    assert_eq!(before.containers, after.containers);
    assert_ne!(before.traefik_generation, after.traefik_generation);
}

#[test]
fn an_order_held_back_names_no_resolver() {
    let mut snapshot = Snapshot::sample().public();
    let count = |snapshot: &Snapshot| {
        text(&rendered(snapshot), "colourstream.yml")
            .matches("certResolver")
            .count()
    };
    // Live, admin, video, RTMPS.
    assert_eq!(count(&snapshot), 4);
    snapshot.acme.held_back = BTreeSet::from(["live.example".to_owned()]);
    assert_eq!(count(&snapshot), 2);
}

#[test]
fn an_unknown_template_is_named_with_the_known_ones() {
    let overrides = BTreeMap::from([("traefik/dynamic.yaml.tera".to_owned(), String::new())]);
    let errors = Templates::with_overrides(&overrides).unwrap_err();
    assert!(told(&errors).contains("traefik/dynamic.yaml.tera: no template has this name"));
    assert!(told(&errors).contains("traefik/dynamic.yml.tera"));
}

#[test]
fn a_broken_template_is_told_with_its_line() {
    for (to, expected) in [
        ("{{ nobody }}", "nobody"),
        ("{{ api_key | no_such }}", "no_such"),
        ("{% if %}", "mirotalk/sfu.env.tera:6"),
        ("{{ \"a\nb\" | env }}", "line breaks"),
    ] {
        let overrides = edited("mirotalk/sfu.env.tera", "{{ jwt_key | env }}", to);
        let errors = Templates::with_overrides(&overrides)
            .and_then(|templates| render(&desire(&Snapshot::sample()), &templates))
            .unwrap_err();
        let told = told(&errors);
        assert!(told.contains(expected), "{told}");
        assert!(told.starts_with("mirotalk/sfu.env.tera:"), "{told}");
    }
}

/// Contract lints: what is done to a built-in template, and what is said.
#[test]
fn a_template_that_drops_a_required_part_is_refused() {
    const DYNAMIC: &str = "traefik/dynamic.yml.tera";
    const STATIC: &str = "traefik/static.yml.tera";
    const SERVER: &str = "ovenmediaengine/Server.xml.tera";
    const LOGGER: &str = "ovenmediaengine/Logger.xml.tera";
    const SFU: &str = "mirotalk/sfu.env.tera";
    const P2P: &str = "mirotalk/p2p.env.tera";
    const OVERLAY: &str = "mirotalk/p2p.config.js.tera";
    let cases = [
        (DYNAMIC, "\nhttp:", "\nhttps:", "no section Traefik knows"),
        (
            DYNAMIC,
            "X-Config-Generation:",
            "X-Other:",
            "/config-generation",
        ),
        (
            DYNAMIC,
            "service: api@internal",
            "service: api@nothing",
            "which is not there",
        ),
        (
            DYNAMIC,
            "entryPoints: [traefik], rule: \"PathPrefix",
            "entryPoints: [websecure], tls: {}, rule: \"PathPrefix",
            "to everybody",
        ),
        (
            DYNAMIC,
            "room-auth, strip-cookie, media-headers",
            "strip-cookie, media-headers",
            "lets everybody in",
        ),
        (
            DYNAMIC,
            "room-auth, strip-cookie, frame",
            "strip-cookie, frame",
            "lets everybody in",
        ),
        (
            DYNAMIC,
            "(Method(`GET`) || Method(`HEAD`) || Method(`OPTIONS`))",
            "PathPrefix(`/`)",
            "viewer's cookie publish",
        ),
        (
            DYNAMIC,
            "internal/forward-auth\"",
            "internal/other\"",
            "somebody else than the controller",
        ),
        (
            DYNAMIC,
            "    room-{{ room.slug | name }}:",
            "    # ",
            "has no router",
        ),
        (
            DYNAMIC,
            "allow-{{ room.slug | name }}, {% endif %}",
            "{% endif %}",
            "not limited to its addresses",
        ),
        (
            DYNAMIC,
            "middlewares: [t-gen]",
            "middlewares: [t-gone]",
            "which is not there",
        ),
        (
            DYNAMIC,
            "    media-headers: {headers:",
            "    media-headers: {header:",
            "blocks every later change",
        ),
        (
            DYNAMIC,
            "service: controller\n",
            "service: nobody\n",
            "`nobody`, which is not there",
        ),
        (
            DYNAMIC,
            "\ntls:\n  options:",
            "\nudp: {routers: {}}\ntls:\n  options:",
            "is an empty map",
        ),
        (
            DYNAMIC,
            "  middlewares:\n",
            "  middlewares:\n    empty:\n",
            "has no value",
        ),
        (
            DYNAMIC,
            "{%- set plain_tls %}",
            "# {{ \"{{ env }}\" }}\n{%- set plain_tls %}",
            "Go template",
        ),
        (
            DYNAMIC,
            "{%- set plain_tls %}{% if tls.enabled %}, tls: {}{% endif %}",
            "{%- set plain_tls %}",
            "on an entry point without",
        ),
        (
            DYNAMIC,
            "{{ hosts.admin | host }}",
            "x`) || Host(`y",
            "no router leads from",
        ),
        (
            DYNAMIC,
            "services:\n    controller",
            "services:\n  controller",
            "not YAML",
        ),
        (
            DYNAMIC,
            "    live:\n",
            "    live: {}\n    live:\n",
            "not YAML",
        ),
        (
            STATIC,
            "\nentryPoints:",
            "\nentrypoints:",
            "no section Traefik knows",
        ),
        (
            STATIC,
            "providersThrottleDuration: 100ms",
            "providersThrottleDuration: 2s",
            "not 100ms",
        ),
        (
            STATIC,
            "directory: /etc/traefik/dynamic",
            "directory: /etc/traefik/rooms",
            "where the routes are mounted",
        ),
        (
            STATIC,
            "ping:\n  entryPoint: traefik",
            "ping:\n  entryPoint: web",
            "ping.entryPoint",
        ),
        (STATIC, "insecure: false", "insecure: true", "api.insecure"),
        (
            STATIC,
            "      RequestPath: drop\n",
            "",
            "the access log keeps paths",
        ),
        (
            STATIC,
            "to: \":{{ ports.public_https }}\"",
            "to: websecure",
            "not redirected",
        ),
        (STATIC, "level: INFO", "level: DEBUG", "log.level"),
        (
            STATIC,
            "  file:\n",
            "  docker: {endpoint: x}\n  file:\n",
            "not ours to watch",
        ),
        (
            STATIC,
            "\":{{ ports.own }}\"",
            "\":9090\"",
            "entryPoints.traefik.address",
        ),
        (
            SERVER,
            "<Server version=\"8\">",
            "<Server version=\"7\">",
            "no version from 8 to 10",
        ),
        (
            SERVER,
            "<PrivacyProtection>",
            "<Privacy>x</Privacy><PrivacyProtection>",
            "<Privacy> in Server",
        ),
        (
            SERVER,
            "rtmp,srt,webrtc",
            "rtmps,srt,webrtc",
            "`rtmps` in Enables.Providers is no protocol",
        ),
        (SERVER, "rtmp,srt,webrtc", "rtmp,srt", "open to everybody"),
        (SERVER, "{{ api_token | xml }}", "", "AccessToken"),
        (
            SERVER,
            "<ControlServerUrl>{{ hooks.admission | xml }}</ControlServerUrl>",
            "",
            "does not ask the controller",
        ),
        (SERVER, "<Timeout>3000</Timeout>", "", "has no Timeout"),
        (
            SERVER,
            "<Port>{{ ports.rtmp }}</Port>",
            "<Port>{{ ports.api }}</Port>",
            "both listen on port 8081",
        ),
        (
            SERVER,
            "<Port>{{ ports.rtmp }}</Port>",
            "<Port>99999</Port>",
            "port from 1 to 65535",
        ),
        (
            SERVER,
            "<PacketSilenceTimeoutMs>10000</PacketSilenceTimeoutMs>",
            "",
            "frozen encoder",
        ),
        (
            SERVER,
            "<OriginMode>true</OriginMode>",
            "<OriginMode>maybe</OriginMode>",
            "`true` or `false`",
        ),
        (
            SERVER,
            "<Name>default</Name>",
            "<Name>default</Name></VirtualHost><VirtualHost><Name>default</Name>",
            "two of the virtual host",
        ),
        (
            SERVER,
            "<Name>{{ profile.name | name }}</Name>",
            "<Name>other</Name>",
            "has no application",
        ),
        (
            SERVER,
            "{{ ports.ice_udp }}/udp",
            "20000/udp",
            "announces no <IceCandidate>",
        ),
        (SERVER, "</Server>", "", "never closed"),
        (
            LOGGER,
            "<Tag name=\"AccessController\" level=\"critical\"/>",
            "<Tag name=\"AccessController\" level=\"info\"/>",
            "stream keys would be in the log",
        ),
        (LOGGER, "enabled=\"false\"", "enabled=\"true\"", "to a file"),
        (
            SFU,
            "JWT_SECRET={{ jwt_key | env }}",
            "JWT_SECRET=",
            "JWT_SECRET is missing",
        ),
        (
            SFU,
            "viewer:none|host:",
            "viewer:none,host:",
            "HOST_USERS is missing",
        ),
        (
            SFU,
            "WEBHOOK_URL=",
            "NODE_ENV=production\nWEBHOOK_URL=",
            "which beats this file",
        ),
        (
            SFU,
            "WEBHOOK_URL=",
            "WEBHOOK_URL='",
            "quote that it does not close",
        ),
    ];
    let snapshot = Snapshot::sample().with_two_rooms();
    for (template, from, to, expected) in cases {
        refused(&snapshot, template, from, to, expected);
    }
    let p2p = Snapshot::sample().p2p();
    for (template, from, to, expected) in [
        (
            P2P,
            "\"password\": host_password",
            "\"password\": viewer_password",
            "not the JSON",
        ),
        (
            P2P,
            "{{ turn_credential | env }}",
            "",
            "TURN_SERVER_CREDENTIAL is missing",
        ),
        (
            OVERLAY,
            "base.webhook",
            "base.hook",
            "would not hear of joins",
        ),
    ] {
        refused(&p2p, template, from, to, expected);
    }
    let public = Snapshot::sample().public();
    for (template, from, to, expected) in [
        (
            DYNAMIC,
            "certResolver: acme",
            "certResolver: le",
            "which is not there",
        ),
        (
            DYNAMIC,
            "main: {{ hosts.live | yaml }}",
            "main: other.example",
            "not to be ordered now",
        ),
        (
            DYNAMIC,
            "entryPoints: [rtmps]",
            "entryPoints: [websecure]",
            "entry point `rtmps` alone",
        ),
        (
            STATIC,
            "{{ tls.acme.storage | yaml }}",
            "/tmp/acme.json",
            "which is kept",
        ),
        (
            STATIC,
            "httpChallenge:",
            "tlsChallenge:",
            "does not fit the settings",
        ),
    ] {
        refused(&public, template, from, to, expected);
    }
}

fn refused(snapshot: &Snapshot, template: &str, from: &str, to: &str, expected: &str) {
    let templates = Templates::with_overrides(&edited(template, from, to)).unwrap();
    match render(&desire(snapshot), &templates) {
        Ok(_) => unreachable!("{template}: {from:?} -> {to:?} was accepted"),
        Err(errors) => {
            let told = told(&errors);
            assert!(told.contains(expected), "{from:?} -> {to:?}:\n{told}");
            assert!(errors.iter().all(|error| !error.fix.is_empty()));
            for secret in [
                snapshot.secrets.ome_api_token.expose(),
                snapshot.secrets.ome_hook_key.expose(),
                snapshot.secrets.mirotalk_jwt_key.expose(),
            ] {
                assert!(!told.contains(secret.as_str()), "{told}");
            }
        }
    }
}

/// An operator's own templates, which show titles that people typed.
static WITH_TITLES: LazyLock<Templates> = LazyLock::new(|| {
    let mut overrides = edited(
        "traefik/dynamic.yml.tera",
        "    # The proof that",
        "    title: {headers: {customResponseHeaders: {X-Title: {{ rooms[0].title | yaml }}}}}\n    # The proof that",
    );
    overrides.extend(edited(
        "ovenmediaengine/Server.xml.tera",
        "<Name>bypass_video</Name>",
        "<Name>|{{ rooms[0].title | xml }}|</Name>",
    ));
    overrides.extend(edited(
        "mirotalk/p2p.config.js.tera",
        "module.exports",
        "const title = {{ rooms[0].title | js }};\nmodule.exports",
    ));
    Templates::with_overrides(&overrides).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Invariant 8, through the whole way.
    #[test]
    fn any_title_survives_every_file(title in any_text()) {
        let mut snapshot = Snapshot::sample().p2p().with_two_rooms();
        let plain = render(&desire(&snapshot), &WITH_TITLES).unwrap();
        snapshot.rooms[0].title.clone_from(&title);
        let target = match render(&desire(&snapshot), &WITH_TITLES) {
            Ok(target) => target,
            Err(errors) => unreachable!("{}", told(&errors)),
        };
        prop_assert_eq!(target.files.len(), plain.files.len());

        let dynamic = text(&target, "colourstream.yml");
        let yaml: serde_json::Value = serde_yaml::from_str(&dynamic).unwrap();
        let headers = &yaml["http"]["middlewares"]["title"]["headers"];
        prop_assert_eq!(&headers["customResponseHeaders"]["X-Title"], &serde_json::json!(title));
        let plain: serde_json::Value =
            serde_yaml::from_str(&text(&plain, "colourstream.yml")).unwrap();
        prop_assert_eq!(&yaml["http"]["routers"], &plain["http"]["routers"]);

        let script = text(&target, "config.js");
        let line = script.lines().find_map(|line| line.strip_prefix("const title = ")).unwrap();
        let read: String = serde_json::from_str(line.trim_end_matches(';')).unwrap();
        prop_assert_eq!(read, title);
    }
}
