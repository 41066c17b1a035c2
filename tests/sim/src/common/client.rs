//! A plain HTTP/1.1 client that writes its headers exactly as told, in order.
//!
//! The services' requests are compared byte by byte, so no library may add to them.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `http://host:port/path?query`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host with port as written, for the `Host` header.
    pub authority: String,
    /// `host:port` to connect to.
    pub address: String,
    /// Path and query.
    pub path: String,
}

/// Takes an `http://` address apart. Anything else is none.
pub fn target(url: &str) -> Option<Target> {
    let rest = url.trim().strip_prefix("http://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, "/"),
    };
    if authority.is_empty() || authority.starts_with(':') {
        return None;
    }
    let address = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    Some(Target {
        authority: authority.to_owned(),
        address,
        path: path.to_owned(),
    })
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// No connection; the number is the system's error.
    Connect(i32),
    /// Connected, but nothing in time.
    Timeout,
    /// The connection broke or the answer was not HTTP.
    Broken,
}

/// Sends one request and reads one answer: its status and body.
pub async fn send(
    to: &Target,
    method: &str,
    headers: &[(&str, String)],
    body: &[u8],
    timeout: Duration,
) -> Result<(u16, Vec<u8>), Failure> {
    let exchange = async {
        let mut stream = TcpStream::connect(&to.address)
            .await
            .map_err(|e| Failure::Connect(e.raw_os_error().unwrap_or(-2)))?;
        let _ = stream.set_nodelay(true);
        let mut head = format!("{method} {} HTTP/1.1\r\n", to.path);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        stream
            .write_all(&bytes)
            .await
            .map_err(|_| Failure::Broken)?;
        answer(&mut stream).await.map_err(|_| Failure::Broken)
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or(Err(Failure::Timeout))
}

async fn answer(stream: &mut TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut seen = Vec::new();
    let split = loop {
        if let Some(at) = find(&seen, b"\r\n\r\n") {
            break at;
        }
        more(stream, &mut seen).await?;
    };
    let head = String::from_utf8_lossy(&seen[..split]).into_owned();
    let mut body = seen.split_off(split + 4);
    let mut lines = head.lines();
    let status: u16 = lines
        .next()
        .and_then(|l| l.split(' ').nth(1))
        .and_then(|s| s.parse().ok())
        .ok_or_else(bad)?;
    let field = |name: &str| {
        head.lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    };
    if let Some(length) = field("content-length").and_then(|v| v.parse::<usize>().ok()) {
        while body.len() < length {
            more(stream, &mut body).await?;
        }
        body.truncate(length);
    } else if field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        let mut whole = Vec::new();
        loop {
            let at = loop {
                if let Some(at) = find(&body, b"\r\n") {
                    break at;
                }
                more(stream, &mut body).await?;
            };
            let text = String::from_utf8_lossy(&body[..at]).into_owned();
            let size = text
                .split(';')
                .next()
                .and_then(|s| usize::from_str_radix(s.trim(), 16).ok())
                .ok_or_else(bad)?;
            while body.len() < at + 2 + size + 2 {
                more(stream, &mut body).await?;
            }
            whole.extend_from_slice(&body[at + 2..at + 2 + size]);
            body.drain(..at + 2 + size + 2);
            if size == 0 {
                break;
            }
        }
        body = whole;
    } else if status != 204 && status != 304 {
        let _ = stream.read_to_end(&mut body).await;
    }
    Ok((status, body))
}

async fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    if into.len() > 4 << 20 || stream.read_buf(into).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}
