//! Tells of comings and goings: once, unsigned, without waiting for the answer.

use std::time::Duration;

use serde_json::Value;

use super::rooms::House;
use crate::common::client;

/// Posts an event, if anybody wants them.
pub fn post(house: &House, event: &Value) {
    let Some(target) = house.settings.webhook.as_deref().and_then(client::target) else {
        return;
    };
    let body = event.to_string();
    tokio::spawn(async move {
        let headers = [
            ("Accept", "application/json, text/plain, */*".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "axios/1.7.9".to_owned()),
            ("Content-Length", body.len().to_string()),
            ("Host", target.authority.clone()),
            ("Connection", "close".to_owned()),
        ];
        let _ = client::send(
            &target,
            "POST",
            &headers,
            body.as_bytes(),
            Duration::from_secs(5),
        )
        .await;
    });
}
