//! A small HTTP server that shows its connections: OME's sessions live and die with them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// A request as it came in.
pub type Req = Request<Incoming>;
/// An answer, always in one piece.
pub type Res = Response<Full<Bytes>>;

/// What a server does with connections and requests.
pub trait Service: Send + Sync + 'static {
    /// What is known of one TCP connection.
    type Conn: Send + Sync + 'static;
    /// A connection was accepted.
    fn opened(&self, peer: SocketAddr) -> Self::Conn;
    /// One request on it. Dropped when the client goes away.
    fn handle(self: Arc<Self>, conn: Arc<Self::Conn>, req: Req)
    -> impl Future<Output = Res> + Send;
    /// The connection is gone (or became a WebSocket).
    fn closed(self: Arc<Self>, _conn: Arc<Self::Conn>) {}
}

/// Serves until the process ends.
pub async fn serve<S: Service>(listener: TcpListener, service: Arc<S>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let conn = Arc::new(service.opened(peer));
            let answer = {
                let (service, conn) = (Arc::clone(&service), Arc::clone(&conn));
                service_fn(move |req| {
                    let (service, conn) = (Arc::clone(&service), Arc::clone(&conn));
                    async move { Ok::<_, Infallible>(service.handle(conn, req).await) }
                })
            };
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .title_case_headers(true)
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades()
                .await;
            service.closed(conn);
        });
    }
}

/// An answer with a type and a body.
pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Res {
    let mut res = Response::new(Full::new(body.into()));
    *res.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !content_type.is_empty() {
        set(&mut res, "content-type", content_type);
    }
    res
}

/// Sets a header; a value no header can hold is left out.
pub fn set(res: &mut Res, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        res.headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

/// The text of a request header.
pub fn header<'a, B>(req: &'a Request<B>, name: &str) -> Option<&'a str> {
    req.headers().get(name).and_then(|v| v.to_str().ok())
}

/// The body, up to 1 MiB; more or a broken one is empty.
pub async fn body(req: Req) -> Bytes {
    Limited::new(req.into_body(), 1 << 20)
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default()
}
