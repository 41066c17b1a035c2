//! The addresses encoders and players type, and what OME makes of them.

use crate::common::text::{percent_decode, query_raw};

/// `scheme://host[:port]/app/stream[/file][?query]`, still encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `rtmp`, `srt`, `http`, `ws`.
    pub scheme: String,
    /// Without port.
    pub host: String,
    /// First part of the path.
    pub app: String,
    /// Second part; percent-encoding stays in the name.
    pub stream: String,
    /// After `?`.
    pub query: String,
}

/// Takes an address apart; it need not have a stream.
pub fn parse(url: &str) -> Option<Address> {
    let (scheme, rest) = url.split_once("://")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once(':').map_or(authority, |(h, _)| h);
    let mut parts = path.split('/');
    Some(Address {
        scheme: scheme.to_lowercase(),
        host: host.to_owned(),
        app: parts.next().unwrap_or_default().to_owned(),
        stream: parts.next().unwrap_or_default().to_owned(),
        query: query.to_owned(),
    })
}

/// What OME asks about for an RTMP address: the port is always there, and of a
/// deep path only the first and the last part are left.
pub fn rtmp(url: &str) -> Option<String> {
    let rest = url.strip_prefix("rtmp://")?;
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(r, q)| (r, Some(q)));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:1935")
    };
    let parts: Vec<&str> = path.split('/').collect();
    let path = match parts.as_slice() {
        [app, .., stream] if parts.len() > 2 => format!("{app}/{stream}"),
        _ => path.to_owned(),
    };
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    Some(format!("rtmp://{authority}/{path}{query}"))
}

/// What OME asks about for an SRT address, or why it refuses before asking.
pub fn srt(url: &str) -> Result<String, String> {
    const FORMAT: &str =
        "The streamid must be in the following format: {host}/{app}/{stream}[/{playlist}]";
    let query = url.split_once('?').map(|(_, q)| q).unwrap_or_default();
    // `#` and `&` inside a raw streamid are the client's business; ours is the text.
    let raw = match query_raw(query, "streamid") {
        Some(_) => query
            .split_once("streamid=")
            .map(|(_, v)| v)
            .unwrap_or_default(),
        None => return Err("There is no streamid, and no stream map for this port".to_owned()),
    };
    let raw = raw.split('&').next().unwrap_or_default();
    if let Some(pairs) = raw.strip_prefix("#!::") {
        let user = pairs
            .split(',')
            .find_map(|p| p.strip_prefix("u="))
            .unwrap_or_default();
        return plain(user).ok_or_else(|| FORMAT.to_owned());
    }
    let decoded = percent_decode(raw);
    if decoded.starts_with("#!::") {
        return Err("Could not find VirtualHost ()".to_owned());
    }
    if decoded.starts_with("srt://") {
        return Ok(decoded);
    }
    plain(&decoded).ok_or_else(|| FORMAT.to_owned())
}

fn plain(id: &str) -> Option<String> {
    let path = id.split('?').next().unwrap_or_default();
    (path.split('/').filter(|p| !p.is_empty()).count() >= 3).then(|| format!("srt://{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtmp_addresses_are_asked_about_as_the_contract_says() {
        assert_eq!(
            rtmp("rtmp://H/live/sk").as_deref(),
            Some("rtmp://H:1935/live/sk")
        );
        assert_eq!(
            rtmp("rtmp://H:21935/app/sk_1?a=b&c=d").as_deref(),
            Some("rtmp://H:21935/app/sk_1?a=b&c=d")
        );
        assert_eq!(
            rtmp("rtmp://H:1/live/inst/sk_1").as_deref(),
            Some("rtmp://H:1/live/sk_1")
        );
        assert_eq!(rtmp("rtmp://H:1/sk_1").as_deref(), Some("rtmp://H:1/sk_1"));
    }

    #[test]
    fn srt_streamids_are_read_as_the_contract_says() {
        let ok = |id: &str| srt(&format!("srt://H:9999?streamid={id}"));
        assert_eq!(ok("default/app/sk").as_deref(), Ok("srt://default/app/sk"));
        assert_eq!(
            ok("rooms.example/app/sk%3Ftoken%3Dabc").as_deref(),
            Ok("srt://rooms.example/app/sk?token=abc")
        );
        assert_eq!(
            ok("#!::u=default/app/sk,m=publish").as_deref(),
            Ok("srt://default/app/sk")
        );
        assert_eq!(
            ok("%23%21%3A%3Au%3Ddefault/app/sk"),
            Err("Could not find VirtualHost ()".into())
        );
        assert_eq!(
            ok("srt%3A%2F%2Fhost%3A9999%2Fapp%2Fsk").as_deref(),
            Ok("srt://host:9999/app/sk")
        );
        assert!(ok("sk").is_err_and(|e| {
            e.contains("must be in the following format: {host}/{app}/{stream}[/{playlist}]")
        }));
        assert!(srt("srt://H:9999").is_err());
    }

    #[test]
    fn the_parts_of_an_address() {
        let a = parse("ws://video.localhost:8443/app/room-one?ticket=a%2Fb");
        assert_eq!(
            a.map(|a| (a.host, a.app, a.stream, a.query)),
            Some((
                "video.localhost".into(),
                "app".into(),
                "room-one".into(),
                "ticket=a%2Fb".into()
            ))
        );
    }
}
