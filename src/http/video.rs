//! The call's host: one exchange of a code for its own cookie; all else there
//! is MiroTalk, behind forward-auth.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::{App, assets};
use crate::model::Token;

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/cs/enter", get(enter))
        .fallback(|| async { assets::nothing_here() })
        .with_state(app)
}

#[derive(Deserialize)]
struct Enter {
    #[serde(default)]
    code: String,
}

async fn enter(State(app): State<App>, Query(enter): Query<Enter>) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let entry = app
        .access
        .redeem(&Token::given(enter.code))
        .filter(|_| app.call_is_safe());
    let Some(entry) = entry else {
        return (
            StatusCode::FORBIDDEN,
            headers,
            assets::plain(
                "Join again",
                "This way into the call was used or has run out. Press Join once more.",
                true,
            ),
        )
            .into_response();
    };
    let cookie = app.set_cookie(
        &app.names().call_cookie,
        entry.cookie.expose(),
        "Lax",
        12 * 3600,
    );
    (
        StatusCode::SEE_OTHER,
        headers,
        [
            (header::SET_COOKIE, cookie),
            (header::LOCATION, entry.url.expose().clone()),
        ],
    )
        .into_response()
}
