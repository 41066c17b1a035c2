//! Settings: the environment beats the file, and what is missing is insecure.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// 2.3.77
    Sfu,
    /// 1.9.11
    P2p,
}

/// A technical account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// What the stand-in goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which of the two.
    pub flavour: Flavour,
    /// Signs and encrypts tokens.
    pub jwt_key: String,
    /// The key is the one everybody knows.
    pub jwt_key_is_default: bool,
    /// Who may be inside a token.
    pub accounts: Vec<Account>,
    /// None refuses every call.
    pub api_key: Option<String>,
    /// `HOST_PROTECTED`
    pub host_protected: bool,
    /// `HOST_USER_AUTH`
    pub user_auth: bool,
    /// `HOST_USERS_FROM_DB`: lets sockets without a token in.
    pub users_from_db: bool,
    /// Names that are hosts.
    pub presenters: Vec<String>,
    /// SFU: the first comer is host.
    pub join_first: bool,
    /// Listening port.
    pub port: u16,
    /// Listening address.
    pub ip: String,
    /// Believe `X-Forwarded-For`.
    pub trust_proxy: bool,
    /// Origins that may embed; none means anyone.
    pub embed: Vec<String>,
    /// `Access-Control-Allow-Origin`: SFU sends its one value as written.
    pub cors: Vec<String>,
    /// SFU: `createRoom` per minute and address.
    pub rate_limit: usize,
    /// Told to pages, not enforced.
    pub max_participants: u64,
    /// Endpoints that answer.
    pub api: BTreeMap<&'static str, bool>,
    /// The tracking script.
    pub stats_enabled: bool,
    /// Where from.
    pub stats_src: String,
    /// Where leaving leads.
    pub redirect: Option<String>,
    /// Questionnaire.
    pub survey: bool,
    /// SFU: told of comings and goings. P2P: only with the overlay.
    pub webhook: Option<String>,
    /// Room names are public.
    pub show_active_rooms: bool,
    /// Title.
    pub app_name: String,
    /// Prints tokens at every join.
    pub debug: bool,
    /// P2P: STUN and TURN for those who joined.
    pub ice_servers: Value,
}

/// Reads an env file as Node does.
pub fn parse_env(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = &rest[..line_end];
        let mut next = (line_end + 1).min(rest.len());
        let trimmed = line.trim_start();
        let Some((key, value)) = (!trimmed.starts_with('#'))
            .then(|| trimmed.split_once('='))
            .flatten()
        else {
            rest = &rest[next..];
            continue;
        };
        let key = key.trim().trim_start_matches("export ").trim().to_owned();
        let start = value.trim_start();
        let quote = start
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'));
        let value = match quote {
            Some(quote) => {
                // A quoted value may go on over lines.
                let begin = rest.len() - rest[line.len() - start.len()..].len() + 1;
                match rest[begin..].find(quote) {
                    Some(length) => {
                        let inner = &rest[begin..begin + length];
                        let after = begin + length + 1;
                        next = rest[after..]
                            .find('\n')
                            .map_or(rest.len(), |n| after + n + 1);
                        if quote == '"' {
                            inner.replace("\\n", "\n")
                        } else {
                            inner.to_owned()
                        }
                    }
                    None => start
                        .split('#')
                        .next()
                        .unwrap_or_default()
                        .trim()
                        .to_owned(),
                }
            }
            None => start
                .split('#')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        };
        if !key.is_empty() {
            out.insert(key, value);
        }
        rest = &rest[next..];
    }
    out
}

/// Puts the settings together. `overlay` is P2P's mounted `config.js`.
pub fn settle(
    flavour: Flavour,
    vars: &BTreeMap<String, String>,
    overlay: Option<&str>,
) -> Settings {
    let sfu = flavour == Flavour::Sfu;
    let text = |name: &str| vars.get(name).filter(|v| !v.is_empty()).cloned();
    let pick = |in_sfu: &str, in_p2p: &str| text(if sfu { in_sfu } else { in_p2p });
    let truth = |name: &str, default: bool| match vars.get(name).map(String::as_str) {
        Some("true") => true,
        Some(other) if !other.is_empty() => false,
        _ => default,
    };
    let built_in = if sfu {
        "mirotalksfu_jwt_secret"
    } else {
        "mirotalk_jwt_secret"
    };
    let jwt_key = pick("JWT_SECRET", "JWT_KEY").unwrap_or_else(|| built_in.to_owned());
    let account = |username: &str, password: &str| Account {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    let fallback = if sfu {
        account("username", "password")
    } else {
        account("MiroTalk", "P2P")
    };
    let accounts = text("HOST_USERS").map(|raw| {
        if sfu {
            sfu_accounts(&raw)
        } else {
            p2p_accounts(&raw)
        }
    });
    let accounts = accounts
        .filter(|a| !a.is_empty())
        .unwrap_or_else(|| vec![fallback]);
    let json_list = |name: &str| -> Option<Vec<String>> { serde_json::from_str(&text(name)?).ok() };
    let comma = |name: &str| -> Vec<String> {
        text(name)
            .map(|t| {
                t.split(',')
                    .map(|w| w.trim().to_owned())
                    .filter(|w| !w.is_empty())
                    .collect()
            })
            .unwrap_or_default()
    };
    let names = [
        "stats",
        "meetings",
        "meeting",
        "meeting_end",
        "join",
        "token",
        "slack",
        "mattermost",
    ];
    let api = if sfu {
        let on = |name: &str| {
            truth(
                &format!("API_ALLOW_{}", name.to_uppercase()),
                !matches!(name, "meetings" | "meeting_end" | "token"),
            )
        };
        names.iter().map(|name| (*name, on(name))).collect()
    } else {
        let off = json_list("API_DISABLED")
            .unwrap_or_else(|| vec!["token".to_owned(), "meetings".to_owned()]);
        names
            .iter()
            .map(|name| (*name, !off.iter().any(|o| o == name)))
            .collect()
    };
    let webhook = if sfu {
        truth("WEBHOOK_ENABLED", false)
            .then(|| text("WEBHOOK_URL"))
            .flatten()
    } else {
        // Scripts are not run here; an overlay that names the variable turns it on.
        overlay
            .filter(|o| o.contains("webhook") && o.contains("WEBHOOK_URL"))
            .and_then(|_| text("WEBHOOK_URL"))
    };
    let mut ice = Vec::new();
    if truth("STUN_SERVER_ENABLED", true) {
        ice.push(serde_json::json!({"urls": text("STUN_SERVER_URL").unwrap_or_else(|| "stun:stun.l.google.com:19302".to_owned())}));
    }
    if truth("TURN_SERVER_ENABLED", true) {
        ice.push(serde_json::json!({"urls": text("TURN_SERVER_URL").unwrap_or_default(), "username": text("TURN_SERVER_USERNAME").unwrap_or_default(), "credential": text("TURN_SERVER_CREDENTIAL").unwrap_or_default()}));
    }
    Settings {
        flavour,
        jwt_key_is_default: jwt_key == built_in,
        jwt_key,
        accounts,
        api_key: text("API_KEY_SECRET")
            .or_else(|| (!sfu).then(|| "mirotalkp2p_default_secret".to_owned())),
        host_protected: truth("HOST_PROTECTED", false),
        user_auth: truth("HOST_USER_AUTH", false),
        users_from_db: truth("HOST_USERS_FROM_DB", false),
        presenters: if sfu {
            comma("PRESENTERS")
        } else {
            json_list("PRESENTERS").unwrap_or_default()
        },
        join_first: truth("PRESENTER_JOIN_FIRST", true),
        port: pick("SERVER_LISTEN_PORT", "PORT")
            .and_then(|p| p.parse().ok())
            .unwrap_or(if sfu { 3010 } else { 3000 }),
        ip: text("SERVER_LISTEN_IP").unwrap_or_else(|| "0.0.0.0".to_owned()),
        trust_proxy: truth("TRUST_PROXY", false),
        embed: comma("ALLOWED_EMBED_ORIGINS"),
        cors: if sfu {
            vec![text("CORS_ORIGIN").unwrap_or_else(|| "*".to_owned())]
        } else {
            json_list("CORS_ORIGIN").unwrap_or_else(|| vec!["*".to_owned()])
        },
        rate_limit: text("CREATE_ROOM_RATE_LIMIT_MAX")
            .and_then(|t| t.parse().ok())
            .unwrap_or(10),
        max_participants: text("ROOM_MAX_PARTICIPANTS")
            .and_then(|t| t.parse().ok())
            .unwrap_or(1000),
        api,
        stats_enabled: truth("STATS_ENABLED", true),
        stats_src: pick("STATS_SRC", "STATS_SCR")
            .unwrap_or_else(|| "https://stats.mirotalk.com/script.js".to_owned()),
        redirect: truth("REDIRECT_ENABLED", false)
            .then(|| text("REDIRECT_URL").unwrap_or_else(|| "/newroom".to_owned())),
        survey: truth("SURVEY_ENABLED", !sfu),
        webhook,
        show_active_rooms: truth("SHOW_ACTIVE_ROOMS", false),
        app_name: text("APP_NAME")
            .unwrap_or_else(|| if sfu { "MiroTalk SFU" } else { "MiroTalk P2P" }.to_owned()),
        debug: if sfu {
            text("NODE_ENV").as_deref() != Some("production")
        } else {
            truth("LOGS_DEBUG", true)
        },
        ice_servers: Value::Array(ice),
    }
}

/// `user:password:display:rooms|...`
fn sfu_accounts(raw: &str) -> Vec<Account> {
    raw.split('|')
        .filter_map(|one| {
            let mut parts = one.split(':');
            Some(Account {
                username: parts.next().filter(|u| !u.is_empty())?.trim().to_owned(),
                password: parts.next()?.trim().to_owned(),
            })
        })
        .collect()
}

/// `[{"username":..,"password":..}]`; broken JSON is nobody.
fn p2p_accounts(raw: &str) -> Vec<Account> {
    let Ok(Value::Array(items)) = serde_json::from_str(raw) else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|one| {
            Some(Account {
                username: one.get("username")?.as_str()?.to_owned(),
                password: one.get("password")?.as_str()?.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_file_is_read_as_node_reads_it() {
        let read = parse_env(
            "# note\nA= plain # comment\nB='it # stays'\nC=\"two\\nlines\"\nexport D=`a'b\"c`\nE=\nF='over\nlines' # x\nG=${A}\r\n",
        );
        let expected = [
            ("A", "plain"),
            ("B", "it # stays"),
            ("C", "two\nlines"),
            ("D", "a'b\"c"),
            ("E", ""),
            ("F", "over\nlines"),
            ("G", "${A}"),
        ];
        assert_eq!(read, vars(&expected));
    }

    #[test]
    fn what_is_missing_is_open_and_well_known() {
        let bare = settle(Flavour::Sfu, &vars(&[]), None);
        assert_eq!(
            (
                bare.jwt_key.as_str(),
                bare.accounts[0].username.as_str(),
                bare.api_key
            ),
            ("mirotalksfu_jwt_secret", "username", None)
        );
        assert!(
            !bare.host_protected
                && !bare.user_auth
                && bare.join_first
                && bare.stats_enabled
                && bare.rate_limit == 10
        );
        assert!(
            bare.api["join"]
                && !bare.api["meetings"]
                && !bare.api["meeting_end"]
                && !bare.api["token"]
        );
        let bare = settle(
            Flavour::P2p,
            &vars(&[("HOST_USERS", "[{broken"), ("API_DISABLED", "nonsense")]),
            None,
        );
        assert_eq!(
            (
                bare.jwt_key.as_str(),
                bare.accounts[0].username.as_str(),
                bare.survey
            ),
            ("mirotalk_jwt_secret", "MiroTalk", true)
        );
        assert!(!bare.api["token"] && !bare.api["meetings"] && bare.api["join"]);
    }

    #[test]
    fn our_accounts_are_understood() {
        let sfu = settle(
            Flavour::Sfu,
            &vars(&[("HOST_USERS", "viewer:aa:viewer:none|host:bb:host:*")]),
            None,
        );
        assert_eq!(sfu.accounts.len(), 2);
        assert_eq!(sfu.accounts[1].password, "bb");
        let overlay = "base.webhook = { url: process.env.WEBHOOK_URL };";
        let p2p = vars(&[
            ("WEBHOOK_URL", "http://c/x"),
            ("HOST_USERS", r#"[{"username":"viewer","password":"cc"}]"#),
        ]);
        assert_eq!(
            settle(Flavour::P2p, &p2p, Some(overlay)).webhook.as_deref(),
            Some("http://c/x")
        );
        assert_eq!(settle(Flavour::P2p, &p2p, None).webhook, None);
        assert_eq!(settle(Flavour::P2p, &p2p, None).accounts[0].password, "cc");
    }
}
