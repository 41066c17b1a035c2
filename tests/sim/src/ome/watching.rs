//! What every viewer goes through, on a socket or made by a test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Denied, Engine, Live, Viewer, lock};
use super::hooks::{Client, Direction, Notice, Protocol};
use crate::common::text::random_name;

/// Takes `real_ip` and the user agent from headers, believing anybody.
pub fn identify<'a>(client: &mut Client, header: &dyn Fn(&str) -> Option<&'a str>) {
    let forwarded = || header("x-forwarded-for").and_then(|v| v.split(',').next());
    if let Some(ip) = header("x-real-ip").or_else(forwarded) {
        client.real_ip = ip.trim().to_owned();
    }
    client.user_agent = header("user-agent").map(str::to_owned);
}

fn notice(protocol: Protocol, client: Client, url: String) -> Notice {
    Notice {
        direction: Direction::Outgoing,
        protocol,
        client,
        url,
        new_url: None,
    }
}

/// Asks for a WebRTC viewer; without a stream the answer is the same as a no.
pub async fn webrtc(engine: &Engine, client: Client, url: String) -> Result<Arc<Viewer>, Denied> {
    let admitted = engine.admit(notice(Protocol::WebRtc, client, url)).await?;
    let live = engine.stream(&admitted.vhost, &admitted.app, &admitted.stream);
    let live = live.ok_or_else(|| {
        Denied::new(format!(
            "Cannot create offer: {} not found",
            admitted.stream
        ))
    })?;
    Ok(engine.add_viewer(admitted, live, String::new()))
}

/// Keeps a WebRTC viewer until its stream or its time ends.
pub async fn hold_webrtc(engine: Arc<Engine>, viewer: Arc<Viewer>) {
    let expiry = async {
        match viewer.admitted.lifetime {
            // OME looks about every 0.2 s.
            Some(after) => tokio::time::sleep(after + Duration::from_millis(200)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = expiry => {}
        _ = viewer.live.ended() => {}
        () = viewer.ended() => {}
    }
    engine.remove_viewer(&viewer).await;
}

/// What a master request may find.
pub enum Master {
    /// Not in the list.
    Absent,
    /// There, but without a first segment.
    Early,
    /// There; it may have to wait.
    Found(Arc<Live>),
}

/// The stream behind an admitted master request.
pub fn master(engine: &Engine, vhost: &str, app: &str, stream: &str) -> Master {
    match engine.stream(vhost, app, stream) {
        None => Master::Absent,
        Some(live) if live.started.elapsed() < Duration::from_millis(400) => Master::Absent,
        Some(live) if live.started.elapsed() < Duration::from_millis(700) => Master::Early,
        Some(live) => Master::Found(live),
    }
}

/// Asks for an LLHLS viewer, as every request of a master playlist does.
pub async fn ask_llhls(
    engine: &Engine,
    client: Client,
    url: String,
) -> Result<super::engine::Admitted, Denied> {
    engine.admit(notice(Protocol::Llhls, client, url)).await
}

/// The session of a connection for a stream: kept if it has one, else new.
pub fn llhls_session(
    engine: &Engine,
    admitted: super::engine::Admitted,
    live: Arc<Live>,
    connection: u64,
) -> Arc<Viewer> {
    let known = engine.all_viewers().into_iter().find(|v| {
        !v.session.is_empty() && v.live.id == live.id && lock(&v.connections).contains(&connection)
    });
    if let Some(viewer) = known {
        *lock(&viewer.expires) = admitted.lifetime.map(|l| Instant::now() + l);
        return viewer;
    }
    let viewer = engine.add_viewer(admitted, live, random_name(8));
    lock(&viewer.connections).insert(connection);
    viewer
}

/// A whole LLHLS viewer, for tests: waits for a stream that is only just starting.
pub async fn llhls(
    engine: &Engine,
    client: Client,
    url: String,
    connection: u64,
) -> Result<Arc<Viewer>, Denied> {
    let admitted = ask_llhls(engine, client, url).await?;
    match master(engine, &admitted.vhost, &admitted.app, &admitted.stream) {
        Master::Found(live) => Ok(llhls_session(engine, admitted, live, connection)),
        Master::Early => Err(Denied::new("the stream is not ready (201)".to_owned())),
        Master::Absent => Err(Denied::new(format!("{} not found (404)", admitted.stream))),
    }
}
