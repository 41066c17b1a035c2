//! The server's side of a WebSocket handshake over hyper.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::hash::ws_accept;
use super::http::{Req, Res, header, reply, set};

/// An open socket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Whether the request asks to become a WebSocket.
pub fn wanted(req: &Req) -> bool {
    header(req, "upgrade").is_some_and(|v| v.eq_ignore_ascii_case("websocket"))
}

/// The 101 answer, and a task that runs once the socket is open.
pub fn accept<F, T>(req: &mut Req, then: F) -> Res
where
    F: FnOnce(Socket) -> T + Send + 'static,
    T: Future<Output = ()> + Send,
{
    let Some(key) = header(req, "sec-websocket-key").map(ws_accept) else {
        return reply(400, "text/plain", "Bad Request");
    };
    let upgrade = hyper::upgrade::on(req);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            then(
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await,
            )
            .await;
        }
    });
    let mut res = reply(101, "", "");
    set(&mut res, "connection", "Upgrade");
    set(&mut res, "upgrade", "websocket");
    set(&mut res, "sec-websocket-accept", &key);
    res
}
