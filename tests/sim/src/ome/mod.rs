//! The stand-in for OvenMediaEngine 0.21.0.

mod alert;
mod config;
mod control;
mod engine;
mod hooks;
mod llhls;
mod log;
mod media;
mod port;
mod rest;
mod rtmp;
mod schema;
mod sdp;
mod signalling;
mod tracks;
mod url;
mod watching;
mod xml;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::config::Config;
use self::engine::Engine;
use self::log::{Level, Log};
use crate::common::http::serve;
use crate::common::out;

/// The address other containers reach this one at.
pub fn own_address() -> String {
    // Connecting a datagram socket sends nothing; it only picks the way out.
    let found = UdpSocket::bind("0.0.0.0:0")
        .and_then(|s| s.connect("192.0.2.1:9").and_then(|()| s.local_addr()));
    found
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |a| a.ip())
        .to_string()
}

/// Runs until a signal or a fault; gives the exit code OME would.
pub async fn run(args: &[String]) -> u8 {
    match args {
        [flag] if flag == "-v" => {
            out::line("OvenMediaEngine v0.21.0 (stand-in)");
            return 0;
        }
        _ => {}
    }
    let shown = match args {
        [flag, folder, ..] if flag == "-c" => folder.trim_end_matches('/').to_owned(),
        _ => "conf".to_owned(),
    };
    out::line("OvenMediaEngine launcher (stand-in of the ColourStream tests, not OvenMediaEngine)");
    // Before anything can wait: PID 1 has no default action for SIGTERM.
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    ) else {
        return 1;
    };
    let folder = Path::new(&shown);
    let (log, missing) = match Log::load(folder, &shown) {
        Ok(loaded) => loaded,
        Err(fault) => return refuse(&fault),
    };
    if let Some(missing) = missing {
        log.warn("OvenMediaEngine", &missing);
    }
    let config = match config::load(folder, &shown) {
        Ok(config) => config,
        Err(config::Refused(fault)) => return refuse(&fault),
    };
    if let Some(twice) = config.duplicate() {
        log.put(Level::Critical, "Orchestrator", &twice);
        return 0;
    }
    let engine = Engine::new(config, log);
    if start(&engine).await.is_none() {
        return 0;
    }
    engine.log.info(
        "OvenMediaEngine",
        "All modules are initialized successfully",
    );
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => engine.log.info("OvenMediaEngine", "Received SIGHUP signal."),
        }
    }
    engine
        .log
        .info("OvenMediaEngine", "Received SIGTERM signal. Stopping...");
    engine.shutdown().await;
    0
}

fn refuse(fault: &str) -> u8 {
    let log = Log::plain();
    log.error(
        "OvenMediaEngine",
        &format!("An error occurred while load config: {fault}"),
    );
    1
}

/// Opens every port the file names, REST last. None is a fault that is already told.
async fn start(engine: &Arc<Engine>) -> Option<()> {
    let config = &engine.config;
    let log = &engine.log;
    if config.api.is_some() && config.access_token.is_empty() {
        log.error("APIServer", "Empty <AccessToken> is not allowed");
        return None;
    }
    let control_port = std::env::var("SIM_CONTROL_PORT")
        .ok()
        .and_then(|p| p.parse().ok())
        .unwrap_or(9998);
    // Tests only: outside the configuration, so a failure is no fault of it.
    if let Ok(listener) = TcpListener::bind(("0.0.0.0", control_port)).await {
        tokio::spawn(serve(
            listener,
            Arc::new(control::Control::new(Arc::clone(engine))),
        ));
    }
    for port in &config.tls_ports {
        log.error(
            "HTTP.Server",
            &format!("Could not listen on TLS port {port}: there is no certificate"),
        );
    }
    let api_port = config.api.as_ref().map(|a| a.port);
    let mut taken: Vec<u16> = api_port.into_iter().collect();
    let shared = Arc::new(port::Port::new(Arc::clone(engine)));
    for port in &config.http_ports {
        if taken.contains(port) {
            continue;
        }
        taken.push(*port);
        let listener = bind(engine, *port, "WebRTC Publisher").await?;
        tokio::spawn(serve(listener, Arc::clone(&shared)));
    }
    if let Some(port) = config.ovt {
        taken.push(port);
        tokio::spawn(accept_only(bind(engine, port, "OVT Publisher").await?));
    }
    if let Some((_, port)) = &config.relay {
        taken.push(*port);
        tokio::spawn(accept_only(bind(engine, *port, "WebRTC Publisher").await?));
    }
    for ice in &config.ice {
        for port in ice.first..=ice.last {
            if ice.udp {
                tokio::spawn(media::serve(
                    Arc::clone(engine),
                    bind_udp(engine, port, "WebRTC Publisher")?,
                ));
            } else {
                tokio::spawn(accept_only(bind(engine, port, "WebRTC Publisher").await?));
            }
        }
    }
    if let Some(srt) = &config.srt {
        tokio::spawn(swallow(bind_udp(engine, srt.port, "SRT Provider")?));
    }
    if let Some(rtmp) = &config.rtmp {
        // Sharing a port with HTTP starts without a word, and HTTP answers.
        if taken.contains(&rtmp.port) {
            log.put(Level::Debug, "RTMPProvider", "shares its port");
        } else {
            tokio::spawn(rtmp::serve(
                Arc::clone(engine),
                bind(engine, rtmp.port, "RTMP Provider").await?,
            ));
        }
    }
    // The real one needs about this long from exec to REST.
    tokio::time::sleep(Duration::from_millis(400)).await;
    match api_port {
        Some(port) => {
            let listener = bind(engine, port, "API Server").await?;
            tokio::spawn(serve(
                listener,
                Arc::new(rest::Rest::new(Arc::clone(engine))),
            ));
        }
        None => log.warn("APIServer", "API Server is disabled by configuration"),
    }
    Some(())
}

fn address(config: &Config, port: u16) -> SocketAddr {
    SocketAddr::new(
        config
            .ip
            .parse()
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        port,
    )
}

async fn bind(engine: &Engine, port: u16, module: &str) -> Option<TcpListener> {
    match TcpListener::bind(address(&engine.config, port)).await {
        Ok(listener) => Some(listener),
        Err(error) => unbound(engine, port, module, &error),
    }
}

fn bind_udp(engine: &Engine, port: u16, module: &str) -> Option<UdpSocket> {
    match UdpSocket::bind(address(&engine.config, port))
        .and_then(|s| s.set_nonblocking(true).map(|()| s))
    {
        Ok(socket) => Some(socket),
        Err(error) => unbound(engine, port, module, &error),
    }
}

fn unbound<T>(engine: &Engine, port: u16, module: &str, error: &std::io::Error) -> Option<T> {
    let number = error.raw_os_error().unwrap_or(0);
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    engine.log.error(
        "Socket",
        &format!(
            "Could not bind to {}:{port} (-1, [errno] {words} ({number}))",
            engine.config.ip
        ),
    );
    engine
        .log
        .error("OvenMediaEngine", &format!("Failed to initialize {module}"));
    None
}

/// Accepts and says nothing: media is not played here.
async fn accept_only(listener: TcpListener) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            let mut sink = [0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        });
    }
}

async fn swallow(socket: UdpSocket) {
    let Ok(socket) = tokio::net::UdpSocket::from_std(socket) else {
        return;
    };
    let mut sink = [0; 2048];
    loop {
        let _ = socket.recv(&mut sink).await;
    }
}
