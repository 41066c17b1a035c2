//! An authority of our own, for machines without a public name: people trust
//! it once, and every certificate it makes afterwards is good.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};

use super::{Writer, begins, certificates, ends, issue, names, parse};
use crate::desired::Certificate;
use crate::model::{Issue, Secret, Severity};

/// The authority's certificate, relative to the folder: what people trust.
pub const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority.key";
const LEAF: &str = "certificate.pem";
const LEAF_KEY: &str = "certificate.key";

const DAY: u64 = 24 * 60 * 60;
/// Ten years.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3652 * DAY);
/// Below the 398 days that browsers allow.
const LEAF_LIFE: Duration = Duration::from_secs(396 * DAY);
/// Clocks of phones and laptops are seldom exact.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// The one line that makes a Debian or Ubuntu trust the authority. `container`
/// is ours, where we are in one: its files are not the host's.
pub fn trust(state: &Path, instance: &str, container: Option<&str>) -> String {
    let authority = state.join("tls").join(AUTHORITY);
    let authority = authority.display();
    let copy = match container {
        Some(id) => {
            let id = id.get(..12).unwrap_or(id);
            format!("docker cp {id}:{authority}")
        }
        None => format!("cp {authority}"),
    };
    format!("{copy} /usr/local/share/ca-certificates/{instance}.crt && update-ca-certificates")
}

/// What the authority has made.
#[derive(Clone, Debug)]
pub struct Local {
    /// Leaf and key for Traefik.
    pub certificate: Certificate,
    /// The authority's certificate (PEM): what people trust.
    pub authority_pem: String,
    /// Where it lies.
    pub authority: PathBuf,
    /// The authority is new: nobody trusts it yet.
    pub new_authority: bool,
    /// When the leaf is made anew: ask again then.
    pub renew_at: Timestamp,
}

/// The leaf in force for `hosts` (names, or addresses) from the authority kept
/// in `folder`; made, or made anew, where it is missing, wrong, for other
/// names or past two thirds of its life. Files are read here and written by
/// `write` only.
pub fn local_ca(
    folder: &Path,
    instance: &str,
    hosts: &[String],
    now: Timestamp,
    write: Writer<'_>,
) -> Result<Local, Issue> {
    let authority_path = folder.join(AUTHORITY);
    let key_path = folder.join(AUTHORITY_KEY);
    let wrote = |path: &Path, bytes: &str, mode| {
        write(path, bytes.as_bytes(), mode).map_err(|error| {
            issue(
                Severity::Error,
                path.display().to_string(),
                "The local authority cannot be kept.",
                error.to_string(),
                "Make the state folder writable for the controller.",
            )
        })
    };

    let key = match read(&key_path)? {
        Some(pem) => Some(KeyPair::from_pem(&pem).map_err(|error| {
            // Not replaced by itself: people have put trust into it.
            issue(
                Severity::Error,
                key_path.display().to_string(),
                "The key of the local authority cannot be read.",
                error.to_string(),
                format!(
                    "Restore it from a backup; or remove {} and {AUTHORITY} for a new authority, which everybody has to trust anew.",
                    key_path.display()
                ),
            )
        })?),
        None => None,
    };
    let known = read(&authority_path)?;
    let (authority_pem, key, new_authority) = match (key, known) {
        (Some(key), Some(pem)) if is_authority(&pem, &key, now) => (pem, key, false),
        (key, _) => {
            let key = match key {
                Some(key) => key,
                None => {
                    let key = new_key()?;
                    // First, so that a certificate without its key never stays.
                    wrote(&key_path, &key.serialize_pem(), 0o600)?;
                    key
                }
            };
            let pem = make_authority(instance, &key, now).map_err(|error| failed(&error))?;
            wrote(&authority_path, &pem, 0o644)?;
            (pem, key, true)
        }
    };
    let done = |chain_pem: String, key_pem: String, renew_at| Local {
        certificate: Certificate {
            chain_pem,
            key_pem: Secret::new(key_pem),
        },
        authority_pem: authority_pem.clone(),
        authority: authority_path.clone(),
        new_authority,
        renew_at,
    };

    let (leaf_path, leaf_key_path) = (folder.join(LEAF), folder.join(LEAF_KEY));
    if let (Some(leaf), Some(leaf_key)) = (read(&leaf_path)?, read(&leaf_key_path)?)
        && let Some(renew_at) = is_good_leaf(&leaf, &leaf_key, &authority_pem, hosts)
        && now < renew_at
    {
        return Ok(done(leaf, leaf_key, renew_at));
    }
    let (leaf, leaf_key) =
        make_leaf(&authority_pem, &key, hosts, now).map_err(|error| failed(&error))?;
    wrote(&leaf_key_path, &leaf_key, 0o600)?;
    wrote(&leaf_path, &leaf, 0o644)?;
    let renew_at = is_good_leaf(&leaf, &leaf_key, &authority_pem, hosts).unwrap_or(now);
    Ok(done(leaf, leaf_key, renew_at))
}

fn failed(error: &rcgen::Error) -> Issue {
    issue(
        Severity::Error,
        "local authority",
        "No certificate could be made.",
        error.to_string(),
        "Check `domain` and `hosts` in the settings; if they are right, report this.",
    )
}

fn read(path: &Path) -> Result<Option<String>, Issue> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Damaged bytes are a damaged file: handled like any wrong content.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        Err(error) => Err(issue(
            Severity::Error,
            path.display().to_string(),
            "The local authority cannot be read.",
            error.to_string(),
            "Give the state folder to the user the controller runs as.",
        )),
    }
}

fn new_key() -> Result<KeyPair, Issue> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))
}

/// Whether `pem` is the certificate of `key` and lasts long enough to sign.
fn is_authority(pem: &str, key: &KeyPair, now: Timestamp) -> bool {
    let Some(der) = certificates(pem).and_then(|list| list.into_iter().next()) else {
        return false;
    };
    let month = jiff::SignedDuration::from_hours(30 * 24);
    parse(&der).is_some_and(|certificate| {
        certificate.is_ca()
            && certificate.public_key().subject_public_key.data == key.public_key_raw()
            && ends(&certificate).duration_since(now) > month
    })
}

/// When `leaf` is to be renewed, if it is of this authority, key and names.
fn is_good_leaf(leaf: &str, key: &str, authority: &str, hosts: &[String]) -> Option<Timestamp> {
    let authority_der = certificates(authority)?.into_iter().next()?;
    let leaf_der = certificates(leaf)?.into_iter().next()?;
    let (authority, leaf) = (parse(&authority_der)?, parse(&leaf_der)?);
    let key = KeyPair::from_pem(key).ok()?;
    let mut wanted: Vec<String> = hosts.iter().map(|host| host.to_lowercase()).collect();
    wanted.sort();
    wanted.dedup();
    let mut found = names(&leaf);
    found.sort();
    let fits = found == wanted
        && leaf.public_key().subject_public_key.data == key.public_key_raw()
        && leaf.verify_signature(Some(authority.public_key())).is_ok();
    let (from, to) = (begins(&leaf), ends(&leaf));
    let life = to.duration_since(from);
    fits.then(|| from.checked_add(life * 2 / 3).unwrap_or(to))
}

fn make_authority(instance: &str, key: &KeyPair, now: Timestamp) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    // The key's own digits tell two authorities of one name apart.
    let mark = crate::model::Digest::of(key.public_key_raw()).short();
    params.distinguished_name = subject(&format!("{instance} authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut params, now, AUTHORITY_LIFE);
    Ok(params.self_signed(key)?.pem())
}

/// A fresh key and its certificate for `hosts`, in PEM.
fn make_leaf(
    authority_pem: &str,
    authority_key: &KeyPair,
    hosts: &[String],
    now: Timestamp,
) -> Result<(String, String), rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(authority_pem, authority_key)?;
    let mut params = CertificateParams::default();
    let first = hosts.first().map_or("colourstream", String::as_str);
    // A common name has at most 64 letters; names are read elsewhere anyway.
    params.distinguished_name = subject(&first.chars().take(64).collect::<String>());
    let mut wanted = hosts.to_vec();
    wanted.sort();
    wanted.dedup();
    params.subject_alt_names = wanted
        .iter()
        .map(|host| match host.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => Ok(SanType::DnsName(host.to_lowercase().try_into()?)),
        })
        .collect::<Result<_, rcgen::Error>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    last(&mut params, now, leaf_life(authority_pem, now));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let leaf = params.signed_by(&key, &issuer)?;
    Ok((leaf.pem(), key.serialize_pem()))
}

/// No leaf outlasts its authority.
fn leaf_life(authority_pem: &str, now: Timestamp) -> Duration {
    let der = certificates(authority_pem).and_then(|list| list.into_iter().next());
    der.as_deref()
        .and_then(parse)
        .and_then(|authority| Duration::try_from(ends(&authority).duration_since(now)).ok())
        .map_or(LEAF_LIFE, |left| left.min(LEAF_LIFE))
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "ColourStream");
    subject.push(DnType::CommonName, name);
    subject
}

fn last(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let seconds = |at: Timestamp| u64::try_from(at.as_second()).unwrap_or_default();
    // A clock before 1970 is no clock; certificates then begin there.
    let now = Duration::from_secs(seconds(now));
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + now + life;
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const NAMES: &[&str] = &["a.localhost", "admin.a.localhost", "192.0.2.7"];

    struct Folder {
        folder: tempfile::TempDir,
        written: RefCell<Vec<String>>,
    }

    impl Folder {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                written: RefCell::default(),
            }
        }

        fn get(&self, names: &[&str], now: &str) -> Local {
            let write = |path: &Path, bytes: &[u8], mode: u32| {
                let name = path.file_name().unwrap().to_str().unwrap();
                self.written.borrow_mut().push(name.to_owned());
                std::fs::write(path, bytes)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            };
            local_ca(
                self.folder.path(),
                "colourstream",
                &hosts(names),
                at(now),
                &write,
            )
            .unwrap()
        }

        fn written(&self) -> Vec<String> {
            std::mem::take(&mut self.written.borrow_mut())
        }
    }

    #[test]
    fn the_first_call_makes_everything_and_the_second_nothing() {
        let folder = Folder::new();
        let first = folder.get(NAMES, "2026-01-01T00:00:00Z");
        assert!(first.new_authority);
        assert_eq!(folder.written(), [AUTHORITY_KEY, AUTHORITY, LEAF_KEY, LEAF]);
        for key in [AUTHORITY_KEY, LEAF_KEY] {
            let mode = std::fs::metadata(folder.folder.path().join(key)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        }
        let second = folder.get(NAMES, "2026-06-01T00:00:00Z");
        assert!(!second.new_authority);
        assert_eq!(folder.written(), Vec::<String>::new());
        assert_eq!(first.certificate.chain_pem, second.certificate.chain_pem);
    }

    #[test]
    fn the_leaf_lasts_no_longer_than_browsers_allow() {
        let folder = Folder::new();
        let local = folder.get(NAMES, "2026-01-01T00:00:00Z");
        let der = certificates(&local.certificate.chain_pem)
            .unwrap()
            .remove(0);
        let leaf = parse(&der).unwrap();
        assert!(ends(&leaf).duration_since(begins(&leaf)).as_hours() <= 397 * 24);
        assert_eq!(names(&leaf).len(), 3);
        // Two thirds of about thirteen months.
        assert!(local.renew_at > at("2026-09-01T00:00:00Z"));
        assert!(local.renew_at < at("2026-10-01T00:00:00Z"));
    }

    #[test]
    fn a_leaf_is_made_anew_for_other_names_and_late_in_its_life() {
        let folder = Folder::new();
        folder.get(NAMES, "2026-01-01T00:00:00Z");
        folder.written();
        folder.get(&["b.localhost"], "2026-01-02T00:00:00Z");
        assert_eq!(folder.written(), [LEAF_KEY, LEAF]);
        folder.get(&["b.localhost"], "2026-10-15T00:00:00Z");
        assert_eq!(folder.written(), [LEAF_KEY, LEAF]);
        std::fs::write(folder.folder.path().join(LEAF), "nonsense").unwrap();
        folder.get(&["b.localhost"], "2026-10-16T00:00:00Z");
        assert_eq!(folder.written(), [LEAF_KEY, LEAF]);
    }

    #[test]
    fn an_authority_keeps_its_key_when_its_certificate_is_lost() {
        let folder = Folder::new();
        folder.get(NAMES, "2026-01-01T00:00:00Z");
        folder.written();
        std::fs::remove_file(folder.folder.path().join(AUTHORITY)).unwrap();
        assert!(folder.get(NAMES, "2026-01-02T00:00:00Z").new_authority);
        assert_eq!(folder.written(), [AUTHORITY]);
    }

    #[test]
    fn an_authority_at_its_end_is_made_anew() {
        let folder = Folder::new();
        folder.get(NAMES, "2026-01-01T00:00:00Z");
        folder.written();
        let late = folder.get(NAMES, "2035-12-20T00:00:00Z");
        assert!(late.new_authority);
        assert!(late.renew_at > at("2036-01-01T00:00:00Z"));
    }

    #[test]
    fn a_damaged_key_is_never_replaced_in_silence() {
        let folder = Folder::new();
        folder.get(NAMES, "2026-01-01T00:00:00Z");
        std::fs::write(folder.folder.path().join(AUTHORITY_KEY), "nonsense").unwrap();
        let issue = local_ca(
            folder.folder.path(),
            "colourstream",
            &hosts(NAMES),
            at("2026-01-02T00:00:00Z"),
            &|_, _, _| unreachable!(),
        )
        .unwrap_err();
        assert_eq!(issue.code, crate::model::IssueCode::CertificateInvalid);
        assert!(issue.fix.contains("backup"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_issue() {
        let folder = tempfile::tempdir().unwrap();
        let full = |_: &Path, _: &[u8], _| Err(io::Error::from(io::ErrorKind::StorageFull));
        let now = at("2026-01-02T00:00:00Z");
        let issue = local_ca(folder.path(), "x", &hosts(NAMES), now, &full).unwrap_err();
        assert!(issue.subject.ends_with(AUTHORITY_KEY));
    }

    #[test]
    fn what_the_authority_makes_passes_the_check_of_files() {
        let folder = Folder::new();
        let local = folder.get(
            &["a.localhost", "admin.a.localhost", "video.a.localhost"],
            "2026-01-01T00:00:00Z",
        );
        let hosts = crate::settings::parse("domain: a.localhost", "x")
            .unwrap()
            .hosts;
        let chain = format!("{}{}", local.certificate.chain_pem, local.authority_pem);
        let key = local.certificate.key_pem.expose();
        let issues = super::super::check(&chain, key, &hosts, at("2026-01-02T00:00:00Z"));
        assert_eq!(issues, []);
    }
}
