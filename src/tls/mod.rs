//! Certificates that do not come from ACME: made by an authority of our own,
//! or brought by the operator and checked before Traefik sees them (it drops
//! to its default certificate at once when a pair is wrong). Of those that do,
//! how far the orders are.

mod files;
mod local;
mod orders;

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

pub use files::{check, last_good, load};
pub use local::{AUTHORITY, Local, local_ca, trust};
pub use orders::{ORDERS, kept_orders};

use crate::model::{Issue, IssueCode, Severity};

/// Writes a file with these permission bits, whole or not at all; the disk's
/// business, so it is passed in.
pub type Writer<'a> = &'a dyn Fn(&Path, &[u8], u32) -> std::io::Result<()>;

fn issue(
    severity: Severity,
    subject: impl Into<String>,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Issue {
    Issue {
        code: IssueCode::CertificateInvalid,
        severity,
        role: None,
        subject: subject.into(),
        what: what.into(),
        why: why.into(),
        fix: fix.into(),
    }
}

/// The blocks of a PEM text; nothing of one that is damaged.
fn blocks(pem: &str) -> Option<Vec<Pem>> {
    Pem::iter_from_buffer(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
}

/// The certificates of a PEM text in DER.
fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    Some(
        blocks(pem)?
            .into_iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| block.contents)
            .collect(),
    )
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

/// The names and addresses a certificate is for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_lowercase()),
            GeneralName::IPAddress(bytes) => {
                let address = <[u8; 4]>::try_from(*bytes)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                address.ok().map(|address| address.to_string())
            }
            _ => None,
        })
        .collect()
}

/// Whether `pattern` (a name, or `*.` and a name) covers `host`.
pub(crate) fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        // A star stands for exactly one label.
        Some(above) => host.split_once('.').is_some_and(|(_, rest)| rest == above),
        None => pattern == host,
    }
}

fn ends(certificate: &X509Certificate<'_>) -> Timestamp {
    moment(certificate.validity().not_after.timestamp())
}

fn begins(certificate: &X509Certificate<'_>) -> Timestamp {
    moment(certificate.validity().not_before.timestamp())
}

/// Certificates may name years that a timestamp cannot: the far end then.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// `2026-11-22`.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
