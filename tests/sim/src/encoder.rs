//! A control client: `encoder [--at HOST:PORT] ORDER [JSON]`.

use std::time::Duration;

use crate::common::{client, out};

/// Sends one order to a stand-in's control port and prints its answer.
pub async fn run(args: &[String]) -> u8 {
    let (at, rest) = match args {
        [flag, at, rest @ ..] if flag == "--at" => (at.as_str(), rest),
        rest => ("127.0.0.1:9998", rest),
    };
    let (order, body) = match rest {
        [order] => (order, "{}"),
        [order, body] => (order, body.as_str()),
        _ => {
            out::error(
                "usage: encoder [--at HOST:PORT] publish|watch|stop|freeze|tracks|crash|sessions|hooks [JSON]",
            );
            return 2;
        }
    };
    let Some(target) = client::target(&format!("http://{at}/{order}")) else {
        return 2;
    };
    let headers = [
        ("Host", target.authority.clone()),
        ("Content-Length", body.len().to_string()),
        ("Connection", "close".to_owned()),
    ];
    match client::send(
        &target,
        "POST",
        &headers,
        body.as_bytes(),
        Duration::from_secs(60),
    )
    .await
    {
        Ok((status, answer)) => {
            out::line(&String::from_utf8_lossy(&answer));
            u8::from(status != 200)
        }
        Err(failure) => {
            out::error(&format!("no answer: {failure:?}"));
            1
        }
    }
}
