//! Certificates: whose, and what they need.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::items;
use super::reader::{KEY, Read, Reader, Told};
use crate::settings::check;
use crate::settings::yaml::{self, Node, Path};
use crate::settings::{Acme, AcmeChallenge, Hosts, PublicScheme, Tls};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    Acme,
    Files,
    LocalCa,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    Http,
    TlsAlpn,
    Dns,
}

pub(super) fn tls(r: &Reader<'_>, local: bool, hosts: Option<&Hosts>) -> Read<Tls> {
    let mode = r.given(
        "tls.mode",
        check::choice(&[
            ("acme", TlsMode::Acme),
            ("files", TlsMode::Files),
            ("local-ca", TlsMode::LocalCa),
            ("off", TlsMode::Off),
        ]),
    );
    let email = r.given("tls.email", check::email);
    let challenge = r.given(
        "tls.challenge",
        check::choice(&[
            ("http", Challenge::Http),
            ("tls-alpn", Challenge::TlsAlpn),
            ("dns", Challenge::Dns),
        ]),
    );
    let ca_server = r.given("tls.ca_server", check::https_url);
    let ca_certificate = r.file_at(&Path::keys("tls.ca_certificate"));
    let provider = r.given("tls.dns.provider", check::provider);
    let secrets = dns_secrets(r);
    let wait = r.given(
        "tls.dns.wait",
        check::duration(Duration::from_secs(1), Duration::from_secs(600)),
    );
    let resolvers = items(r, "tls.resolvers", |path| {
        r.given_at(path, check::dns_server)
            .and_then(|server| server.ok_or(Told))
    });
    let public_scheme = r.given(
        "tls.public_scheme",
        check::choice(&[("https", PublicScheme::Https), ("http", PublicScheme::Http)]),
    );
    let any = |keys: &[&str]| keys.iter().any(|key| r.is_given(key));
    let acme_keys = [
        "tls.challenge",
        "tls.ca_server",
        "tls.ca_certificate",
        "tls.resolvers",
        "tls.dns",
    ];
    let files_keys = ["tls.certificate", "tls.key"];
    let mode = match mode? {
        Some(mode) => mode,
        None if any(&files_keys) => TlsMode::Files,
        None if any(&acme_keys) || !local => TlsMode::Acme,
        None => TlsMode::LocalCa,
    };

    let mut misplaced = Ok(());
    for (keys, belongs, word) in [
        (acme_keys.as_slice(), TlsMode::Acme, "acme"),
        (files_keys.as_slice(), TlsMode::Files, "files"),
        (["tls.public_scheme"].as_slice(), TlsMode::Off, "off"),
    ] {
        for key in keys.iter().filter(|key| mode != belongs && r.is_given(key)) {
            misplaced = Err(r.tell(
                &Path::keys(key),
                KEY,
                format!("`{key}` has no effect here"),
                format!("it belongs to `tls.mode: {word}`"),
                format!("write `mode: {word}`, or remove the line"),
            ));
        }
    }
    misplaced?;

    match mode {
        TlsMode::LocalCa => Ok(Tls::LocalCa),
        TlsMode::Off => Ok(Tls::Off {
            public_scheme: public_scheme?.unwrap_or(if local {
                PublicScheme::Http
            } else {
                PublicScheme::Https
            }),
        }),
        TlsMode::Files => {
            let because = "`tls.mode: files` takes a certificate and its key from files";
            let certificate = r.needed_file("tls.certificate", because);
            let key = r.needed_file("tls.key", because);
            Ok(Tls::Files {
                certificate: certificate?,
                key: key?,
            })
        }
        TlsMode::Acme => {
            let ca_server = ca_server?;
            if let (true, None, Some(hosts)) = (local, &ca_server, hosts) {
                return Err(r.tell_value(
                    &Path::keys("tls.mode"),
                    format!("`tls.mode: acme` cannot certify `{}`", hosts.live),
                    "public authorities certify only names that the whole internet knows",
                    "write `mode: local-ca`, or name your own authority with `ca_server`",
                ));
            }
            let has_dns = r.is_given("tls.dns");
            let challenge = match challenge? {
                Some(Challenge::Dns) => Challenge::Dns,
                Some(_) if has_dns => {
                    return Err(r.tell(
                        &Path::keys("tls.dns"),
                        KEY,
                        "`tls.dns` has no effect here",
                        "it belongs to `tls.challenge: dns`",
                        "write `challenge: dns`, or remove the line",
                    ));
                }
                Some(challenge) => challenge,
                None if has_dns => Challenge::Dns,
                None => Challenge::Http,
            };
            let challenge = match challenge {
                Challenge::Http => AcmeChallenge::Http,
                Challenge::TlsAlpn => AcmeChallenge::TlsAlpn,
                Challenge::Dns => {
                    let provider = match provider? {
                        Some(provider) => provider,
                        None => r.needed(
                            "tls.dns.provider",
                            "`tls.challenge: dns` writes records through the interface of whoever serves your DNS",
                            check::provider,
                        )?,
                    };
                    AcmeChallenge::Dns {
                        provider,
                        files: secrets?,
                        wait: wait?,
                    }
                }
            };
            Ok(Tls::Acme(Acme {
                email: email?,
                challenge,
                ca_server,
                ca_certificate: ca_certificate?,
                resolvers: resolvers?,
            }))
        }
    }
}

pub(super) fn dns_secrets(r: &Reader<'_>) -> Read<BTreeMap<String, PathBuf>> {
    let group = Path::keys("tls.dns.secrets");
    let Some(Node::Map(entries)) = r.tree.at(&group) else {
        return Ok(BTreeMap::new());
    };
    let mut files = BTreeMap::new();
    let mut read = Ok(());
    for (name, _) in entries {
        let path = group.key(name);
        let is_variable = name.starts_with(|letter: char| letter.is_ascii_uppercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let bare = name.strip_suffix("_FILE");
        if !is_variable || bare.is_some() {
            read = Err(r.tell(
                &path,
                KEY,
                format!("{} is not the name of a variable here", yaml::quoted(name)),
                "names consist of A-Z, 0-9 and `_`; `_FILE` is added when the value is handed on as a file",
                bare.map_or_else(
                    || "write the name from Traefik's page about your provider, such as `CF_DNS_API_TOKEN`".to_owned(),
                    |bare| format!("write `{bare}`"),
                ),
            ));
            continue;
        }
        match r.file_at(&path) {
            Ok(Some(file)) => {
                files.insert(name.clone(), file);
            }
            Ok(None) => {
                read = Err(r.tell(
                    &path,
                    KEY,
                    format!("`{path}` names no file"),
                    "secrets are read from files, so that they show nowhere",
                    format!("write for example `{name}: ./secrets/dns-token`"),
                ));
            }
            Err(told) => read = Err(told),
        }
    }
    read.map(|()| files)
}
