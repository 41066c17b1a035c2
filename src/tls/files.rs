//! The operator's own certificate: everything that can be wrong with it is
//! told before Traefik gets it.

use std::path::Path;

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;

use super::{begins, blocks, certificates, covers, day, ends, issue, names, parse};
use crate::desired::{Certificate, NEAR_END};
use crate::model::{Issue, Secret, Severity, span};
use crate::settings::Hosts;

/// Reads and checks a pair of files. Errors mean that Traefik must not get it
/// (the last good one stays); warnings come with the certificate.
pub fn load(
    certificate: &Path,
    key: &Path,
    hosts: &Hosts,
    now: Timestamp,
) -> Result<(Certificate, Vec<Issue>), Vec<Issue>> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            issue(
                Severity::Error,
                path.display().to_string(),
                "A file of the certificate cannot be read.",
                error.to_string(),
                "Put the file there in PEM and let the controller's user read it; it is looked at again when it changes.",
            )
        })
    };
    let (chain_pem, key_pem) = match (read(certificate), read(key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
    };
    let mut issues = check(&chain_pem, &key_pem, hosts, now);
    for issue in &mut issues {
        issue.subject = if issue.subject == KEY {
            key
        } else {
            certificate
        }
        .display()
        .to_string();
    }
    if issues.iter().any(|issue| issue.severity == Severity::Error) {
        return Err(issues);
    }
    let certificate = Certificate {
        chain_pem,
        key_pem: Secret::new(key_pem),
    };
    Ok((certificate, issues))
}

/// The newest good pair of those that Traefik has, from the folder they were
/// rendered to: what is wrong with the operator's files must not take it away
/// from a controller that has just begun.
pub fn last_good(folder: &Path, hosts: &Hosts, now: Timestamp) -> Option<Certificate> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().find_map(|(_, path)| {
        let pair = load(&path, &path.with_extension("key"), hosts, now);
        pair.ok().map(|(certificate, _)| certificate)
    })
}

const CHAIN: &str = "certificate";
const KEY: &str = "key";

/// Everything that is wrong with a chain (leaf first) and its key for these
/// names at this moment. The subject of each issue is `certificate` or `key`.
pub fn check(chain_pem: &str, key_pem: &str, hosts: &Hosts, now: Timestamp) -> Vec<Issue> {
    let error = |subject: &str, what: &str, why: String, fix: &str| {
        issue(Severity::Error, subject, what, why, fix)
    };
    let ders = certificates(chain_pem).unwrap_or_default();
    let chain: Vec<X509Certificate<'_>> = ders.iter().filter_map(|der| parse(der)).collect();
    let Some(leaf) = chain.first().filter(|_| chain.len() == ders.len()) else {
        let why = if chain_pem.contains("PRIVATE KEY") && ders.is_empty() {
            "it holds a private key instead of a certificate".to_owned()
        } else if ders.is_empty() {
            "it holds no block `-----BEGIN CERTIFICATE-----`".to_owned()
        } else {
            format!(
                "certificate {} of {} in it is damaged",
                chain.len() + 1,
                ders.len()
            )
        };
        return vec![error(
            CHAIN,
            "The certificate file is not a certificate.",
            why,
            "Name the file with the whole chain in PEM, often called `fullchain.pem`.",
        )];
    };

    if leaf.is_ca() && chain.len() > 1 {
        // Everything else would only follow from this.
        return vec![error(
            CHAIN,
            "The chain begins with an authority.",
            format!("`{}` stands first", leaf.subject()),
            "Put the certificate of the names first and those of the authorities after it.",
        )];
    }
    let mut issues: Vec<Issue> = check_key(leaf, key_pem).into_iter().collect();
    issues.extend(check_names(leaf, hosts));
    issues.extend(check_chain(&chain));
    issues.extend(check_time(&chain, now));
    issues
}

fn check_key(leaf: &X509Certificate<'_>, key_pem: &str) -> Option<Issue> {
    let wrong =
        |what: &str, why: &str, fix: &str| Some(issue(Severity::Error, KEY, what, why, fix));
    let blocks = blocks(key_pem).unwrap_or_default();
    let Some(block) = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
    else {
        return wrong(
            "The key file is not a private key.",
            "it holds no block `-----BEGIN PRIVATE KEY-----`",
            "Name the file with the key in PEM, often called `privkey.pem`.",
        );
    };
    if block.label.starts_with("ENCRYPTED") || key_pem.contains("Proc-Type: 4,ENCRYPTED") {
        return wrong(
            "The private key is locked with a passphrase.",
            "nobody is there to type it when Traefik starts",
            "Take the passphrase off, for example with `openssl pkey -in key.pem -out open.pem`.",
        );
    }
    let curve = curve(leaf);
    let pkcs8 = match block.label.as_str() {
        "RSA PRIVATE KEY" => wrap(RSA, &block.contents),
        "EC PRIVATE KEY" => {
            let mut algorithm = EC.to_vec();
            let curve = curve.clone().unwrap_or_default();
            algorithm.extend(der(0x06, &curve));
            wrap(&der(0x30, &algorithm), &block.contents)
        }
        _ => block.contents.clone(),
    };
    match KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8)) {
        Ok(key) if leaf.public_key().subject_public_key.data == key.public_key_raw() => None,
        // The library cannot read every kind that Traefik can.
        Err(_) if is_uncheckable(leaf, curve.as_deref()) => None,
        Ok(_) => wrong(
            "Certificate and key do not belong together.",
            "the certificate was made for another key",
            "Name the key that the certificate was ordered with; after a renewal both files change.",
        ),
        Err(_) => wrong(
            "The private key cannot be used.",
            "it is damaged, or of another kind than the certificate",
            "Name the key that the certificate was ordered with.",
        ),
    }
}

/// The curve of a key on an elliptic curve.
fn curve(leaf: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let algorithm = &leaf.public_key().algorithm;
    if algorithm.algorithm.to_id_string() != "1.2.840.10045.2.1" {
        return None;
    }
    let oid = algorithm.parameters.as_ref()?.as_oid().ok()?;
    Some(oid.as_bytes().to_vec())
}

/// P-521 and what else ring does not know.
fn is_uncheckable(leaf: &X509Certificate<'_>, curve: Option<&[u8]>) -> bool {
    const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
    const ED25519: &str = "1.3.101.112";
    let kind = leaf.public_key().algorithm.algorithm.to_id_string();
    match curve {
        Some(curve) => curve != P256 && curve != P384,
        None => kind != RSA_ENCRYPTION && kind != ED25519,
    }
}

/// `AlgorithmIdentifier` of RSA.
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// Object identifier of elliptic curves, without a curve.
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// An older form of key in the envelope of PKCS #8, which the library reads.
fn wrap(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let mut inner = vec![0x02, 0x01, 0x00];
    inner.extend(algorithm);
    inner.extend(der(0x04, key));
    der(0x30, &inner)
}

/// One DER value.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match significant.as_slice() {
        [] => value.push(0),
        [short] if *short < 0x80 => value.push(*short),
        long => {
            // At most eight bytes of length.
            value.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            value.extend(long);
        }
    }
    value.extend(content);
    value
}

fn check_names(leaf: &X509Certificate<'_>, hosts: &Hosts) -> Option<Issue> {
    let names = names(leaf);
    let missing: Vec<&str> = [&hosts.live, &hosts.admin, &hosts.video]
        .into_iter()
        .filter(|host| !names.iter().any(|name| covers(name, host)))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let why = match names.as_slice() {
        [] => "it names no host at all".to_owned(),
        names => format!("it is for {}", names.join(", ")),
    };
    Some(issue(
        Severity::Error,
        CHAIN,
        format!("The certificate does not cover {}.", missing.join(", ")),
        why,
        format!(
            "Order one for {}, {} and {} (a wildcard covers one level only).",
            hosts.live, hosts.admin, hosts.video
        ),
    ))
}

fn check_chain(chain: &[X509Certificate<'_>]) -> Option<Issue> {
    for (index, pair) in chain.windows(2).enumerate() {
        let [certificate, issuer] = pair else {
            continue;
        };
        let wrong = if certificate.issuer() != issuer.subject() {
            true
        } else {
            match certificate.verify_signature(Some(issuer.public_key())) {
                Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => false,
                Err(_) => true,
            }
        };
        if wrong {
            return Some(issue(
                Severity::Error,
                CHAIN,
                "The chain of the certificate is not in order.",
                format!(
                    "certificate {} (`{}`) was not signed by the next one (`{}`), but by `{}`",
                    index + 1,
                    certificate.subject(),
                    issuer.subject(),
                    certificate.issuer()
                ),
                "Put the leaf first, then the certificate that signed it, and so on.",
            ));
        }
    }
    // A single leaf of a public authority works in browsers that fetch what is
    // missing, and in no others.
    let [leaf] = chain else { return None };
    (leaf.issuer() != leaf.subject()).then(|| {
        issue(
            Severity::Warning,
            CHAIN,
            "The certificate comes without its chain.",
            format!(
                "whoever does not know `{}` already will refuse it",
                leaf.issuer()
            ),
            "Use the file with the whole chain, often called `fullchain.pem`.",
        )
    })
}

fn check_time(chain: &[X509Certificate<'_>], now: Timestamp) -> Option<Issue> {
    for (index, certificate) in chain.iter().enumerate() {
        let which = if index == 0 {
            "The certificate".to_owned()
        } else {
            format!("Certificate {} of the chain", index + 1)
        };
        let (from, to) = (begins(certificate), ends(certificate));
        if to <= now {
            return Some(issue(
                Severity::Error,
                CHAIN,
                format!("{which} has expired."),
                format!("it was good until {}", day(to)),
                "Renew it; the new files are taken up by themselves.",
            ));
        }
        if from > now {
            return Some(issue(
                Severity::Error,
                CHAIN,
                format!("{which} is not valid yet."),
                format!("it begins on {}, and here it is {}", day(from), day(now)),
                "Wait, or set this host's clock.",
            ));
        }
        let left = to.duration_since(now);
        if left < NEAR_END {
            return Some(issue(
                Severity::Warning,
                CHAIN,
                format!("{which} ends in {}.", span(left)),
                format!("it is good until {}", day(to)),
                "Renew it; the new files are taken up by themselves.",
            ));
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use insta::assert_snapshot;
    use rcgen::{CertificateParams, DnType, IsCa, Issuer, SanType, date_time_ymd};

    use super::*;

    struct Made {
        pem: String,
        key: KeyPair,
        params: CertificateParams,
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 12, 31);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority(name: &str, above: Option<&Made>) -> Made {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        made(params, above)
    }

    fn leaf(names: &[&str], above: Option<&Made>) -> Made {
        let mut params = params("leaf");
        params.subject_alt_names = names
            .iter()
            .map(|name| SanType::DnsName((*name).try_into().unwrap()))
            .collect();
        made(params, above)
    }

    fn made(params: CertificateParams, above: Option<&Made>) -> Made {
        let key = KeyPair::generate().unwrap();
        let pem = match above {
            Some(above) => {
                let issuer = Issuer::from_params(&above.params, &above.key);
                params.signed_by(&key, &issuer).unwrap().pem()
            }
            None => params.self_signed(&key).unwrap().pem(),
        };
        Made { pem, key, params }
    }

    fn hosts() -> Hosts {
        crate::settings::parse("domain: a.example.com", "x")
            .unwrap()
            .hosts
    }

    fn told(chain: &str, key: &str, now: &str) -> String {
        let issues = check(chain, key, &hosts(), now.parse().unwrap());
        if issues.is_empty() {
            return "good\n".to_owned();
        }
        issues
            .iter()
            .map(|issue| {
                format!(
                    "{:?} {}: {}\n  why: {}\n  fix: {}\n",
                    issue.severity, issue.subject, issue.what, issue.why, issue.fix
                )
            })
            .collect()
    }

    const NAMES: &[&str] = &["a.example.com", "*.a.example.com"];
    const SPRING: &str = "2026-04-01T00:00:00Z";

    #[test]
    fn a_good_chain_passes() {
        let root = authority("Root", None);
        let middle = authority("Middle", Some(&root));
        let leaf = leaf(NAMES, Some(&middle));
        let key = leaf.key.serialize_pem();
        assert_eq!(
            told(&format!("{}{}", leaf.pem, middle.pem), &key, SPRING),
            "good\n"
        );
        let whole = format!("{}\n{}\n{}", leaf.pem, middle.pem, root.pem);
        assert_eq!(told(&whole, &key, SPRING), "good\n");
    }

    #[test]
    fn each_mistake_is_told() {
        let root = authority("Root", None);
        let middle = authority("Middle", Some(&root));
        let good = leaf(NAMES, Some(&middle));
        let key = good.key.serialize_pem();
        let chain = format!("{}{}", good.pem, middle.pem);
        let other = leaf(&["a.example.com", "video.a.example.com"], Some(&middle));
        assert_snapshot!(
            [
                (
                    "another key",
                    told(&chain, &other.key.serialize_pem(), SPRING)
                ),
                ("key for certificate", told(&key, &chain, SPRING)),
                ("nothing", told("", "", SPRING)),
                ("damaged", told(&chain.replace("MII", "MIJ"), &key, SPRING)),
                (
                    "locked",
                    told(&chain, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), SPRING)
                ),
                (
                    "damaged key",
                    told(
                        &chain,
                        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                        SPRING
                    )
                ),
                (
                    "a name missing",
                    told(
                        &format!("{}{}", other.pem, middle.pem),
                        &other.key.serialize_pem(),
                        SPRING
                    )
                ),
                (
                    "wrong order",
                    told(&format!("{}{}", middle.pem, good.pem), &key, SPRING)
                ),
                (
                    "another authority",
                    told(&format!("{}{}", good.pem, root.pem), &key, SPRING)
                ),
                ("no chain", told(&good.pem, &key, SPRING)),
                ("near its end", told(&chain, &key, "2026-12-20T00:00:00Z")),
                ("at its end", told(&chain, &key, "2026-12-30T12:00:00Z")),
                ("expired", told(&chain, &key, "2027-01-01T00:00:00Z")),
                ("too early", told(&chain, &key, "2025-12-01T00:00:00Z")),
            ]
            .map(|(title, told)| format!("{title}\n{told}"))
            .join("\n")
        );
    }

    #[test]
    fn an_authority_of_the_right_name_but_another_key_is_found() {
        let root = authority("Root", None);
        let leaf = leaf(NAMES, Some(&root));
        let impostor = authority("Root", None);
        let shown = told(
            &format!("{}{}", leaf.pem, impostor.pem),
            &leaf.key.serialize_pem(),
            SPRING,
        );
        assert!(shown.contains("not in order"), "{shown}");
    }

    #[test]
    fn older_forms_of_keys_are_read() {
        let made = leaf(NAMES, None);
        // The key proper is the last value within PKCS #8.
        let pkcs8 = made.key.serialize_der();
        let (_, outer) = x509_parser::der_parser::parse_der(&pkcs8).unwrap();
        let sec1 = outer.as_sequence().unwrap()[2].as_slice().unwrap();
        let pem = format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sec1)
        );
        assert_eq!(told(&made.pem, &pem, SPRING), "good\n");

        let rsa = include_str!("testdata/rsa.pem");
        let key = include_str!("testdata/rsa.key");
        assert_eq!(told(rsa, key, "2030-01-01T00:00:00Z"), "good\n");
        let shown = told(rsa, &pem, "2030-01-01T00:00:00Z");
        assert!(shown.contains("cannot be used"), "{shown}");
    }

    #[test]
    fn the_last_good_pair_is_found_among_what_was_rendered() {
        let folder = tempfile::tempdir().unwrap();
        let now = SPRING.parse().unwrap();
        let found = || last_good(folder.path(), &hosts(), now).map(|found| found.chain_pem);
        assert_eq!(found(), None);
        let keep = |name: &str, made: &Made, seconds: u64| {
            let path = |end: &str| folder.path().join(format!("{name}.{end}"));
            std::fs::write(path("key"), made.key.serialize_pem()).unwrap();
            std::fs::write(path("crt"), &made.pem).unwrap();
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let file = std::fs::File::options().write(true).open(path("crt"));
            file.unwrap().set_modified(at).unwrap();
        };
        std::fs::write(folder.path().join("README"), "words").unwrap();
        let [old, new, other] = [NAMES, NAMES, &["b.example.com"]].map(|names| leaf(names, None));
        keep("a", &new, 200);
        keep("b", &old, 100);
        keep("c", &other, 300);
        assert_eq!(found(), Some(new.pem.clone()));
        std::fs::remove_file(folder.path().join("a.key")).unwrap();
        assert_eq!(found(), Some(old.pem));
    }

    #[test]
    fn files_that_cannot_be_read_are_both_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let now = SPRING.parse().unwrap();
        let issues = load(&path("c.pem"), &path("k.pem"), &hosts(), now).unwrap_err();
        assert_eq!(issues.len(), 2);

        let made = leaf(NAMES, None);
        std::fs::write(path("c.pem"), &made.pem).unwrap();
        std::fs::write(path("k.pem"), made.key.serialize_pem()).unwrap();
        let (_, warnings) = load(&path("c.pem"), &path("k.pem"), &hosts(), now).unwrap();
        assert_eq!(warnings, []);
        std::fs::write(path("k.pem"), "").unwrap();
        let issues = load(&path("c.pem"), &path("k.pem"), &hosts(), now).unwrap_err();
        assert_eq!(
            issues.first().unwrap().subject,
            path("k.pem").display().to_string()
        );
    }
}
