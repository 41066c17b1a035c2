//! The internal listener: OvenMediaEngine, MiroTalk, Traefik and Prometheus.

use std::fmt::Write as _;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::App;
use super::admin::actor::{Actor, Needs};
use super::problem::Whole;
use crate::access::{Ask, Decision, Pass, Refusal};
use crate::model::{Id, Secret};

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/internal/ome/admission", post(admission))
        .route("/internal/ome/alert", post(alert))
        .route("/internal/mirotalk/{secret}", post(mirotalk))
        .route("/internal/forward-auth", get(forward_auth))
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .with_state(app)
}

async fn admission(State(app): State<App>, headers: HeaderMap, Whole(body): Whole) -> Response {
    let began = Instant::now();
    let decision = app.access.admit(
        &body,
        headers
            .get("x-ome-signature")
            .map(header::HeaderValue::as_bytes),
    );
    app.access.metrics.admitted(began.elapsed());
    match &decision {
        // Never the URL: it holds keys and tickets.
        Decision::Refused(refusal) => {
            tracing::info!(reason = refusal.label(), detail = %refusal, "admission refused")
        }
        Decision::Publish { room, peer, .. } => {
            tracing::info!(%room, protocol = peer.protocol, from = peer.address, "publisher admitted")
        }
        Decision::Play { .. } | Decision::Closed { .. } => {}
    }
    let (status, body) = decision.answer();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// OvenMediaEngine ignores the answer.
async fn alert(State(app): State<App>, headers: HeaderMap, Whole(body): Whole) -> StatusCode {
    let signature = headers
        .get("x-ome-signature")
        .map(header::HeaderValue::as_bytes);
    match app.access.alert(&body, signature) {
        Ok(()) => StatusCode::OK,
        Err(refusal) => {
            tracing::info!(reason = refusal.label(), "alert refused");
            match refusal {
                Refusal::Signature => StatusCode::UNAUTHORIZED,
                _ => StatusCode::BAD_REQUEST,
            }
        }
    }
}

/// Unsigned, so the path is the secret; the body holds a live token and is
/// neither read nor logged.
async fn mirotalk(State(app): State<App>, Path(secret): Path<String>, _: Whole) -> StatusCode {
    if Secret::new(secret) == app.mirotalk_hook && !app.mirotalk_hook.expose().is_empty() {
        app.access.nudge();
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn forward_auth(State(app): State<App>, headers: HeaderMap) -> Response {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    // HTTP/2 clients may send cookies in several headers.
    let cookies: Vec<&str> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let ask = Ask {
        host: text("x-forwarded-host"),
        uri: text("x-forwarded-uri"),
        cookies: &cookies.join("; "),
        origin: headers
            .get(header::ORIGIN)
            .and_then(|value| value.to_str().ok()),
    };
    match app.access.pass(&app.names(), app.call_is_safe(), ask) {
        Pass::Media { .. } | Pass::Call { .. } => StatusCode::OK.into_response(),
        Pass::Preview { room } => preview(&app, &room, &headers).await,
        Pass::No(status, why) => refused(status, why),
    }
}

/// The portal's own player: the login is looked up in the store at each
/// request, so that one that ended shows nothing more. Few ask, and no viewer
/// waits for it.
async fn preview(app: &App, room: &Id, headers: &HeaderMap) -> Response {
    let settings = app.settings();
    let ours = settings.origin(&settings.hosts.admin);
    let is_ours = headers
        .get(header::ORIGIN)
        .is_none_or(|origin| origin.as_bytes() == ours.as_bytes());
    if !is_ours {
        return refused(403, "origin");
    }
    let actor = match Actor::of_cookie(app, headers).await {
        Ok(Some(actor)) => actor,
        Ok(None) => return refused(401, "session"),
        Err(problem) => return problem.into_response(),
    };
    let index = app.access.index();
    let sees = index.room(room).is_some_and(|room| actor.sees(room));
    if sees && actor.may(Needs::RoomsWrite) {
        StatusCode::OK.into_response()
    } else {
        refused(403, "room")
    }
}

fn refused(status: u16, why: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        format!("{why}\n"),
    )
        .into_response()
}

/// Ready once the loop has looked: until then the pages answer, the stack may
/// not.
async fn readyz(State(app): State<App>) -> Response {
    if app.status().at.is_some() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response()
    }
}

async fn metrics(State(app): State<App>) -> Response {
    let status = app.status();
    let mut out = app.access.metrics.text();
    let mut gauge = |name: &str, labels: &str, value: f64| {
        let _ = writeln!(
            out,
            "# TYPE colourstream_{name} gauge\ncolourstream_{name}{labels} {value}"
        );
    };
    gauge("streams", "", f64::from(status.live.streams));
    gauge("viewers", "", f64::from(status.live.viewers));
    gauge("callers", "", f64::from(status.live.callers));
    gauge("reconcile_milliseconds", "", status.took_ms);
    gauge(
        "issues",
        "",
        f64::from(u32::try_from(status.issues.len()).unwrap_or(u32::MAX)),
    );
    gauge(
        "engine_reachable",
        "",
        f64::from(u8::from(status.engine.reachable)),
    );
    gauge(
        "event_streams",
        "",
        f64::from(u32::try_from(app.streams.open()).unwrap_or(u32::MAX)),
    );
    out.push_str("# TYPE colourstream_service_healthy gauge\n");
    for service in &status.services {
        let _ = writeln!(
            out,
            "colourstream_service_healthy{{role=\"{}\"}} {}",
            service.role,
            u8::from(service.health == "healthy")
        );
    }
    out.push_str("# TYPE colourstream_certificate_good gauge\n");
    for certificate in &status.certificates {
        let _ = writeln!(
            out,
            "colourstream_certificate_good{{host=\"{}\"}} {}",
            certificate.host,
            u8::from(certificate.state == "good")
        );
    }
    out.push_str("# TYPE colourstream_certificate_expires_timestamp_seconds gauge\n");
    for certificate in &status.certificates {
        if let Some(until) = certificate.until {
            let _ = writeln!(
                out,
                "colourstream_certificate_expires_timestamp_seconds{{host=\"{}\"}} {}",
                certificate.host,
                until.as_second()
            );
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out).into_response()
}
