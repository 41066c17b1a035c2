//! MiroTalk: the call. Secrets go into its file, everything else into the
//! container's environment (which beats the file).

use std::collections::BTreeMap;

use serde::Serialize;

use super::service::{Context, Rendered, RenderedMount, ServiceWant, Source, base, into_template};
use super::{FileKind, RoomRoute, Snapshot, Tmpfs, ports};
use crate::model::{Role, Secret};
use crate::settings::Flavour;

/// What MiroTalk's templates know. Serialised for Tera only: it holds secrets.
#[derive(Clone, Debug, Serialize)]
pub struct MirotalkContext {
    /// `sfu` or `p2p`.
    pub flavour: &'static str,
    /// Signs the tokens with which people join.
    #[serde(serialize_with = "into_template")]
    pub jwt_key: Secret<String>,
    /// Key of the REST API.
    #[serde(serialize_with = "into_template")]
    pub api_key: Secret<String>,
    /// Password of the technical account `viewer`.
    #[serde(serialize_with = "into_template")]
    pub viewer_password: Secret<String>,
    /// Password of the technical account `host`.
    #[serde(serialize_with = "into_template")]
    pub host_password: Secret<String>,
    /// Where joins and leaves are told; unsigned, so the path is the secret.
    #[serde(serialize_with = "into_template")]
    pub webhook_url: Secret<String>,
    /// TURN credential of P2P; `none` without TURN, because an empty one means
    /// the shared account that MiroTalk brings.
    #[serde(serialize_with = "into_template")]
    pub turn_credential: Secret<String>,
    /// Open rooms. The built-in templates do not use them: a change here is a
    /// restart that ends every call. Added by [`crate::render`] where a
    /// template asks for them.
    #[serde(skip)]
    pub rooms: Vec<RoomRoute>,
}

/// The flavour's name in templates and settings.
pub(super) const fn flavour_name(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Sfu => "sfu",
        Flavour::P2p => "p2p",
    }
}

/// MiroTalk as it should be.
pub(super) fn desire(snapshot: &Snapshot) -> ServiceWant {
    let flavour = snapshot.settings.conference.flavour;
    let mut container = base(snapshot, Role::Mirotalk);
    container.aliases = vec!["mirotalk".into()];
    container.tmpfs = vec![Tmpfs {
        target: "/tmp".into(),
        options: "size=64m,mode=1777".into(),
    }];
    container.pids = 256;
    // `--env-file` makes an unreadable file fatal. By itself MiroTalk would
    // start wide open on secrets that everybody knows.
    let script = match flavour {
        Flavour::Sfu => "app/src/Server.js",
        Flavour::P2p => "app/src/server.js",
    };
    container.command = Some(vec![
        "node".into(),
        "--env-file=/src/.env".into(),
        script.into(),
    ]);
    (container.memory, container.env) = match flavour {
        Flavour::Sfu => (1 << 30, sfu_env(snapshot)),
        Flavour::P2p => (512 << 20, p2p_env(snapshot)),
    };

    let file = |path: &str, template, secret| Rendered {
        path: path.into(),
        source: Source::Template(template),
        kind: FileKind::Identity(Role::Mirotalk),
        mode: if secret { 0o400 } else { 0o444 },
        owner: super::service::owner(snapshot, Role::Mirotalk),
        secret,
    };
    let mut mounts = vec![RenderedMount::set("/src/.env", "mirotalk.env")];
    let files = match flavour {
        Flavour::Sfu => vec![file("mirotalk.env", "mirotalk/sfu.env.tera", true)],
        Flavour::P2p => {
            mounts.push(RenderedMount::set("/src/app/src/config.js", "config.js"));
            vec![
                file("mirotalk.env", "mirotalk/p2p.env.tera", true),
                file("config.js", "mirotalk/p2p.config.js.tera", false),
            ]
        }
    };

    let secrets = &snapshot.secrets;
    let turn = if snapshot.settings.conference.turn.is_some() {
        secrets.turn_credential.clone()
    } else {
        Secret::new("none".to_owned())
    };
    let context = MirotalkContext {
        flavour: flavour_name(flavour),
        jwt_key: secrets.mirotalk_jwt_key.clone(),
        api_key: secrets.mirotalk_api_key.clone(),
        viewer_password: secrets.mirotalk_viewer_password.clone(),
        host_password: secrets.mirotalk_host_password.clone(),
        webhook_url: Secret::new(format!(
            "http://controller:{}/internal/mirotalk/{}",
            snapshot.settings.ports.internal,
            secrets.mirotalk_hook_path.expose()
        )),
        turn_credential: turn,
        rooms: snapshot.rooms.clone(),
    };
    ServiceWant {
        container,
        files,
        mounts,
        context: Context::Mirotalk(Box::new(context)),
    }
}

/// Reads like the tables of the contract.
fn env<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn switches(env: &mut BTreeMap<String, String>, names: &[&str], value: bool) {
    for name in names {
        env.insert((*name).to_owned(), value.to_string());
    }
}

fn sfu_env(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let settings = &snapshot.settings;
    let live = settings.origin(&settings.hosts.live);
    let video = settings.origin(&settings.hosts.video);
    let call = settings.ports.call;
    let mut env = env([
        ("APP_NAME", APP_NAME.to_owned()),
        ("NODE_ENV", "production".to_owned()),
        ("SERVER_HOST_URL", video.clone()),
        ("SERVER_LISTEN_IP", "0.0.0.0".to_owned()),
        (
            "SERVER_LISTEN_PORT",
            ports::mirotalk_http(Flavour::Sfu).to_string(),
        ),
        // Otherwise all guests share Traefik's address in its limits.
        ("TRUST_PROXY", "true".to_owned()),
        // The gate: every join needs a token, and the role comes from it alone.
        ("HOST_PROTECTED", "true".to_owned()),
        ("HOST_USER_AUTH", "true".to_owned()),
        // With this one on, a socket without any token joined.
        ("HOST_USERS_FROM_DB", "false".to_owned()),
        ("PRESENTERS", String::new()),
        ("PRESENTER_JOIN_FIRST", "false".to_owned()),
        ("ALLOWED_EMBED_ORIGINS", live.clone()),
        // One origin only: a list goes out as one invalid header.
        ("CORS_ORIGIN", video),
        ("SFU_ANNOUNCED_IP", announced(snapshot)),
        ("SFU_LISTEN_IP", "0.0.0.0".to_owned()),
        ("SFU_SERVER", "true".to_owned()),
        ("SFU_NUM_WORKERS", "1".to_owned()),
        ("SFU_MIN_PORT", call.first.to_string()),
        ("SFU_MAX_PORT", call.last.to_string()),
        // Every join counts, and an office shares one address.
        ("CREATE_ROOM_RATE_LIMIT_MAX", "300".to_owned()),
        (
            "ROOM_MAX_PARTICIPANTS",
            settings.conference.max_participants.to_string(),
        ),
        ("WEBHOOK_ENABLED", "true".to_owned()),
        ("REDIRECT_ENABLED", "true".to_owned()),
        ("REDIRECT_URL", format!("{live}/left")),
        ("JWT_EXPIRATION", "15m".to_owned()),
        ("UI_TRANSLATION_MODE", "native".to_owned()),
        ("HOST_ONLY_RECORDING", "true".to_owned()),
    ]);
    switches(
        &mut env,
        &[
            "API_ALLOW_STATS",
            "API_ALLOW_MEETINGS",
            "API_ALLOW_MEETING_END",
        ],
        true,
    );
    switches(
        &mut env,
        &[
            "API_ALLOW_MEETING",
            "API_ALLOW_JOIN",
            "API_ALLOW_TOKEN",
            "API_ALLOW_SLACK",
            "API_ALLOW_MATTERMOST",
            // Makes room names public, and a name is what binds a token.
            "SHOW_ACTIVE_ROOMS",
            // Third parties.
            "SURVEY_ENABLED",
            "STATS_ENABLED",
            "SENTRY_ENABLED",
            "NGROK_ENABLED",
            "IP_LOOKUP_ENABLED",
            "ENABLE_CHAT_GPT",
            "ENABLE_DEEP_SEEK",
            // These write, and the container's root is read-only.
            "RECORDING_ENABLED",
            "RTMP_ENABLED",
            "RTMP_FROM_FILE",
            "RTMP_FROM_URL",
            "RTMP_FROM_STREAM",
        ],
        false,
    );
    // A slim bar. "About" stays: its authors ask for that.
    switches(
        &mut env,
        &[
            "SHOW_SHARE_ROOM_POPUP",
            "SHOW_SHARE_ROOM_QR_ON_HOVER",
            "SHOW_SHARE_BUTTON",
            "SHOW_TRANSCRIPTION",
            "SHOW_POLL_BUTTON",
            "SHOW_SPEECH_REC_BUTTON",
            "SHOW_BREAKOUT_ROOM_BUTTON",
            "SHOW_EDITOR_BUTTON",
            "SHOW_EMOJI",
            "SHOW_SNAPSHOT",
            "SHOW_SNAPSHOT_BUTTON",
            "SHOW_DOCUMENT_PIP",
            "SHOW_ROOMS",
            "SHOW_EMAIL_INVITE",
            "SHOW_RTMP_TAB",
            "SHOW_RECORDING_TAB",
            "SHOW_WHITEBOARD",
            "SHOW_HIDE_ME",
            "SHOW_NOTIFICATIONS_TAB",
            "SHOW_LOCK_ROOM",
            "SHOW_UNLOCK_ROOM",
            "SHOW_BROADCASTING",
            "SHOW_LOBBY",
            "SHOW_GEO_LOCATION",
            "SHOW_SEND_VIDEO",
            "ENABLE_FILE_SHARING",
        ],
        false,
    );
    env
}

fn p2p_env(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let settings = &snapshot.settings;
    let conference = &settings.conference;
    let live = settings.origin(&settings.hosts.live);
    let video = settings.origin(&settings.hosts.video);
    let mut env = env([
        ("APP_NAME", APP_NAME.to_owned()),
        ("NODE_ENV", "production".to_owned()),
        ("HOST", video.clone()),
        ("PORT", ports::mirotalk_http(Flavour::P2p).to_string()),
        ("TRUST_PROXY", "true".to_owned()),
        ("HOST_PROTECTED", "true".to_owned()),
        ("HOST_USER_AUTH", "true".to_owned()),
        // Names in this list are shown to everybody, and who takes one is host.
        ("PRESENTERS", "[]".to_owned()),
        ("ALLOWED_EMBED_ORIGINS", live.clone()),
        ("CORS_ORIGIN", serde_json::json!([video]).to_string()),
        // Debug lines show tokens and passwords at every join.
        ("LOGS_DEBUG", "false".to_owned()),
        ("LOGS_COLORS", "false".to_owned()),
        ("LOGS_JSON", "true".to_owned()),
        (
            "API_DISABLED",
            r#"["token","meeting","join","slack","mattermost"]"#.to_owned(),
        ),
        // Without our own the defaults are Google's STUN and a shared account.
        ("STUN_SERVER_ENABLED", conference.stun.is_some().to_string()),
        ("TURN_SERVER_ENABLED", conference.turn.is_some().to_string()),
        ("REDIRECT_ENABLED", "true".to_owned()),
        ("REDIRECT_URL", format!("{live}/left")),
        ("JWT_EXP", "15m".to_owned()),
        (
            "ROOM_MAX_PARTICIPANTS",
            conference.max_participants.to_string(),
        ),
    ]);
    if let Some(stun) = &conference.stun {
        env.insert("STUN_SERVER_URL".into(), stun.clone());
    }
    if let Some(turn) = &conference.turn {
        env.insert("TURN_SERVER_URL".into(), turn.url.clone());
        env.insert("TURN_SERVER_USERNAME".into(), turn.username.clone());
    }
    switches(
        &mut env,
        &[
            "SURVEY_ENABLED",
            "STATS_ENABLED",
            "SENTRY_ENABLED",
            "NGROK_ENABLED",
            "IP_LOOKUP_ENABLED",
            "SHOW_ACTIVE_ROOMS",
        ],
        false,
    );
    env
}

/// The call's media address. Never empty: MiroTalk would ask three strangers
/// on the internet for it at every start.
fn announced(snapshot: &Snapshot) -> String {
    let bound = snapshot
        .settings
        .ports
        .bind
        .filter(|address| !address.is_unspecified());
    match (&snapshot.host.public_address, bound) {
        (Some(address), _) => address.clone(),
        (None, Some(address)) => address.to_string(),
        // Reaches a browser on this host, which is all there can be.
        (None, None) => snapshot.host.gateway.to_string(),
    }
}

const APP_NAME: &str = "Review room";
