//! Pages and their files, from the binary; plain ones while the bundle is not
//! built in.

use std::fmt::Write as _;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::App;
use crate::model::Digest;
use crate::settings::Settings;

/// A file of the bundle.
struct Asset {
    path: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS
        .binary_search_by(|asset| asset.path.cmp(path))
        .ok()
        .and_then(|place| ASSETS.get(place))
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The live room.
    Live,
    /// Where the call's frame ends up: inside our own page.
    Left,
    /// The admin portal.
    Admin,
}

/// A file of the bundle, or the page itself for every other address.
pub(super) fn serve(app: &App, page: Page, request: &Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
        )
            .into_response();
    }
    let settings = app.settings();
    let path = request.uri().path().trim_start_matches('/');
    let is_page = path.is_empty() || !path.contains('.') && !path.starts_with("assets/");
    let mut response = if is_page {
        let name = if page == Page::Admin {
            "admin.html"
        } else {
            "live.html"
        };
        find(name).map_or_else(
            || plain_page(app, page),
            |asset| {
                file(
                    asset,
                    request.headers(),
                    "text/html; charset=utf-8",
                    "no-cache",
                )
            },
        )
    } else {
        // The portal's page is not the visitors' business, nor the other way round.
        match find(path).filter(|_| !path.ends_with(".html")) {
            Some(asset) => {
                let cache = if path.starts_with("assets/") {
                    "public, max-age=31536000, immutable"
                } else {
                    "public, max-age=3600"
                };
                file(asset, request.headers(), kind(path), cache)
            }
            None => return nothing_here(),
        }
    };
    secure(response.headers_mut(), &settings, page);
    response
}

fn file(asset: &Asset, asked: &HeaderMap, kind: &'static str, cache: &'static str) -> Response {
    let accepts = |coding: &str| {
        let listed = asked
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        listed.split(',').any(|part| {
            part.split(';')
                .next()
                .is_some_and(|name| name.trim() == coding)
                && !part.ends_with("q=0")
        })
    };
    let (bytes, coding) = match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if accepts("br") => (bytes, Some("br")),
        (_, Some(bytes)) if accepts("gzip") => (bytes, Some("gzip")),
        _ => (asset.plain, None),
    };
    let etag = format!(
        "\"{}{}\"",
        Digest::of(asset.plain).short(),
        coding.unwrap_or_default()
    );
    let is_known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| known.trim() == etag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// What the page may do, and who may show it.
fn secure(headers: &mut HeaderMap, settings: &Settings, page: Page) {
    let video = settings.origin(&settings.hosts.video);
    // Both players find their media on the page's own host.
    let own = match page {
        Page::Admin => &settings.hosts.admin,
        Page::Live | Page::Left => &settings.hosts.live,
    };
    let socket = settings.origin(own).replacen("http", "ws", 1);
    // A call that ends sends its frame to our own `/left` or `/ended`.
    let frames = format!("'self' {video}");
    // The picture of LLHLS is a blob:. The portal's preview plays, too.
    let (frame, media, ancestors) = match page {
        Page::Live => (frames.as_str(), "'self' blob:", "'none'"),
        Page::Left => ("'none'", "'none'", "'self'"),
        Page::Admin => ("'none'", "'self' blob:", "'none'"),
    };
    // No inline style either: the player's own sheet and style attributes are
    // taken out when the pages are built (web/vite.config.ts).
    let policy = format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; media-src {media}; worker-src 'none'; connect-src 'self' {socket}; frame-src {frame}; frame-ancestors {ancestors}; base-uri 'none'; form-action 'self'; object-src 'none'"
    );
    let call = "camera microphone display-capture autoplay fullscreen clipboard-write picture-in-picture speaker-selection screen-wake-lock";
    let mut permissions = String::new();
    for feature in call.split(' ') {
        let _ = write!(permissions, "{feature}=(self \"{video}\"), ");
    }
    permissions.push_str("geolocation=(), payment=(), usb=()");
    let mut set = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy);
    set(
        header::HeaderName::from_static("permissions-policy"),
        &permissions,
    );
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A link's token is in the fragment and never sent; the rest stays here too.
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        header::HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    if settings.is_https() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

/// What the stack is doing, without the bundle.
fn plain_page(app: &App, page: Page) -> Response {
    if page == Page::Left {
        return plain("You have left the call", "The picture goes on above.", true);
    }
    let status = app.status();
    let mut lines = String::new();
    for service in &status.services {
        let _ = write!(
            lines,
            "{}: {} ({}). ",
            service.role.title(),
            service.health,
            service.running
        );
    }
    let issues = status.issues.len();
    let (title, text) = match page {
        Page::Admin => (
            "ColourStream",
            format!("Stack: {:?}. {lines}Open issues: {issues}.", status.summary),
        ),
        _ => (
            "ColourStream",
            format!(
                "The review room is {}.",
                if issues == 0 {
                    "being prepared"
                } else {
                    "not ready yet"
                }
            ),
        ),
    };
    plain(title, &text, false)
}

/// A page of few words, without script.
pub(super) fn plain(title: &str, text: &str, framed: bool) -> Response {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let (title, text) = (escape(title), escape(text));
    let ancestors = if framed {
        ""
    } else {
        "; frame-ancestors 'none'"
    };
    let body = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title><style>body{{margin:0;min-height:100vh;display:grid;place-content:center;background:#161616;color:#c8c8c8;font:16px/1.5 system-ui,sans-serif;text-align:center}}h1{{font-size:1.2rem;font-weight:500}}p{{max-width:36rem;margin:.5rem 1rem;color:#8c8c8c}}</style><h1>{title}</h1><p>{text}</p></html>"
    );
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'{ancestors}");
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(body)).into_response()
}

/// No such page.
pub(super) fn nothing_here() -> Response {
    (
        StatusCode::NOT_FOUND,
        plain("There is nothing here", "Check the address.", false),
    )
        .into_response()
}

/// No such host.
pub(super) fn unknown_host() -> Response {
    (
        StatusCode::NOT_FOUND,
        plain(
            "This address is not known here",
            "Check the name; the operator sets it in colourstream.yaml.",
            false,
        ),
    )
        .into_response()
}
