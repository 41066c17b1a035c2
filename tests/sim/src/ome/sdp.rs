//! Session descriptions of the right shape, for want of a maker of media.

use super::config::Config;
use crate::common::hash::hex;
use crate::common::text::{random_bytes, random_name};

fn head(setup: &str) -> String {
    let mark: [u8; 32] = random_bytes();
    let fingerprint: Vec<String> = mark.iter().map(|b| hex(&[*b]).to_uppercase()).collect();
    format!(
        "v=0\r\no=OvenMediaEngine 101 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic:WMS *\r\na=fingerprint:sha-256 {}\r\na=ice-options:trickle\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=setup:{setup}\r\n",
        fingerprint.join(":"),
        random_name(6).replace(['-', '_'], "x"),
        random_name(32).replace(['-', '_'], "x"),
    )
}

fn media(direction: &str) -> String {
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1\r\na=rtcp-fb:98 nack pli\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 110\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:110 OPUS/48000/2\r\na=fmtp:110 sprop-stereo=1;stereo=1;minptime=10;useinbandfec=1\r\n"
    )
}

/// What a player is offered.
pub fn offer() -> String {
    head("actpass") + &media("sendonly")
}

/// What an encoder over WHIP is answered.
pub fn answer(config: &Config, _offer: &str) -> String {
    let mut sdp = head("passive") + &media("recvonly");
    for candidate in candidates(config) {
        sdp.push_str(&format!("a={candidate}\r\n"));
    }
    sdp + "a=end-of-candidates\r\n"
}

/// The address told to clients: the container's own for `*`, else as given, even if it is nonsense.
pub fn shown(host: &str) -> String {
    if host == "*" {
        super::own_address()
    } else {
        host.to_owned()
    }
}

/// `candidate:...` lines, one for each kind of port.
pub fn candidates(config: &Config) -> Vec<String> {
    let mark = random_name(8);
    config
        .ice
        .iter()
        .enumerate()
        .map(|(i, ice)| {
            let (kind, tail, priority) = if ice.udp {
                ("UDP", "", 2_130_706_431_u32)
            } else {
                ("TCP", " tcptype passive", 1_275_068_415)
            };
            format!(
                "candidate:{mark}{i} 1 {kind} {priority} {} {} typ host{tail}",
                shown(&ice.host),
                ice.last
            )
        })
        .collect()
}
