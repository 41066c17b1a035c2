//! The server while rooms cannot be read: calm words for visitors, what is
//! wrong for whoever looks after it, and nobody new is let in.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::mpsc;

use super::assets::plain;
use super::{Problem, bare_host};
use crate::model::Issue;
use crate::settings::Settings;
use crate::status::Status;

/// The public hosts. Paths and commands are not the public's business: the
/// portal names what is wrong and where to read more.
pub fn pages(settings: Arc<Settings>, issue: Issue) -> Router {
    Router::new().fallback(move |request: Request| {
        let (settings, issue) = (Arc::clone(&settings), issue.clone());
        async move { page(&settings, &issue, &request) }
    })
}

fn page(settings: &Settings, issue: &Issue, request: &Request) -> Response {
    let path = request.uri().path();
    if path == "/livez" {
        return StatusCode::OK.into_response();
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = bare_host(request.uri().host().unwrap_or(host)).to_ascii_lowercase();
    let is_portal = host == settings.hosts.admin;
    if path.starts_with("/api/") {
        return problem(issue, is_portal).into_response();
    }
    let name = issue.code.name();
    let text = if is_portal {
        format!(
            "{}. What runs goes on. On the host, `colourstream status` says what to do ({name}).",
            issue.what
        )
    } else {
        "The review room is being looked after. This page tries again by itself.".to_owned()
    };
    let title = if is_portal {
        "ColourStream needs you"
    } else {
        "One moment"
    };
    let mut response = plain(title, &text, host == settings.hosts.video);
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("15"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Without a script: the browser does it.
    headers.insert("refresh", HeaderValue::from_static("15"));
    response
}

fn problem(issue: &Issue, is_portal: bool) -> Problem {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let mut problem = if is_portal {
        Problem::new(
            unavailable,
            "rescue",
            issue.what.clone(),
            "On the host, `colourstream status` says what to do.",
        )
    } else {
        Problem::new(
            unavailable,
            "rescue",
            "The review room is being looked after",
            "Try again in a moment.",
        )
    };
    problem.retry_after = Some(15);
    problem
}

/// Hooks and forward-auth: whoever asks is refused, as while we are away.
pub fn internal() -> Router {
    let refuse = || async { StatusCode::SERVICE_UNAVAILABLE };
    Router::new()
        .route("/livez", get(|| async { StatusCode::OK }))
        .fallback(refuse)
}

/// The command line: the status, and a way to make room for a restore.
pub fn control(status: Arc<Status>, aside: mpsc::Sender<()>) -> Router {
    let issue = status.issues.first().cloned();
    Router::new()
        .route(
            "/api/v1/status",
            get(move || {
                let status = Arc::clone(&status);
                async move { Json(Status::clone(&status)) }
            }),
        )
        .route(
            "/api/v1/stand-aside",
            post(move || {
                let aside = aside.clone();
                async move {
                    // Full: somebody asked already.
                    let _asked = aside.try_send(());
                    StatusCode::ACCEPTED
                }
            }),
        )
        .fallback(move || {
            let (title, detail) = issue.as_ref().map_or_else(Default::default, |issue| {
                (issue.what.clone(), issue.fix.clone())
            });
            async move { Problem::new(StatusCode::SERVICE_UNAVAILABLE, "rescue", title, detail) }
        })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::model::{IssueCode, Severity};

    fn issue() -> Issue {
        Issue {
            code: IssueCode::DatabaseDamaged,
            severity: Severity::Error,
            role: None,
            subject: "store".into(),
            what: "The database is damaged".into(),
            why: "/srv/secret/place is damaged".into(),
            fix: "`colourstream restore /srv/secret/place.backup`".into(),
        }
    }

    async fn ask(router: Router, host: &str, path: &str) -> (Response, String) {
        let request = Request::builder()
            .uri(path)
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    #[tokio::test]
    async fn visitors_read_calm_words_and_the_operator_what_is_wrong() {
        let settings = Arc::new(crate::settings::parse("domain: live.tld", "x").unwrap());
        let pages = || pages(Arc::clone(&settings), issue());
        let (live, words) = ask(pages(), "live.tld:8443", "/northlight").await;
        assert_eq!(live.status(), 503);
        assert_eq!(live.headers()["retry-after"], "15");
        assert!(
            words.contains("being looked after") && !words.contains("atabase"),
            "{words}"
        );
        let (portal, words) = ask(pages(), "admin.live.tld", "/").await;
        assert_eq!(portal.status(), 503);
        assert!(words.contains("The database is damaged"), "{words}");
        assert!(words.contains("colourstream status"), "{words}");
        for (host, path) in [
            ("live.tld", "/"),
            ("admin.live.tld", "/"),
            ("admin.live.tld", "/api/v1/status"),
        ] {
            let (_, words) = ask(pages(), host, path).await;
            assert!(!words.contains("/srv/secret"), "{host}{path}: {words}");
        }
        assert_eq!(ask(pages(), "x", "/livez").await.0.status(), 200);
        for path in [
            "/internal/forward-auth",
            "/internal/ome/admission",
            "/metrics",
        ] {
            assert_eq!(ask(internal(), "controller", path).await.0.status(), 503);
        }
    }

    #[tokio::test]
    async fn the_command_line_reads_the_whole_of_it() {
        let status = Status {
            issues: vec![issue()],
            ..Status::default()
        };
        let (aside, mut asked) = mpsc::channel(1);
        let router = control(Arc::new(status), aside);
        let (_, words) = ask(router.clone(), "control", "/api/v1/status").await;
        assert!(words.contains("/srv/secret/place.backup"), "{words}");
        let (rooms, words) = ask(router.clone(), "control", "/api/v1/rooms").await;
        assert_eq!(rooms.status(), 503);
        assert!(words.contains("colourstream restore"), "{words}");
        let request = Request::post("/api/v1/stand-aside")
            .body(Body::empty())
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 202);
        assert!(asked.try_recv().is_ok());
    }
}
