//! The stand-in for OME held to its contract, over real sockets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Controller, Http, Service, Socket, get, until};
use serde_json::json;

fn rtmp(key: &str) -> serde_json::Value {
    json!({"url": format!("rtmp://127.0.0.1:21935/app/{key}"), "protocol": "rtmp", "from": "172.17.0.1:49104"})
}

#[test]
fn rest_refuses_and_answers_in_omes_words() {
    let ome = Service::ome(&Controller::kind(), |t| t).ready();
    let bare = |headers: &str| get(&ome.at(8081), "/v1/version", headers);
    assert_eq!(
        bare("").text(),
        r#"{"message":"[HTTP] Authorization header is required to call API (401)","statusCode":401}"#
    );
    assert_eq!(
        bare("").header("www-authenticate").as_deref(),
        Some("Basic realm=\"OvenMediaEngine\"")
    );
    assert_eq!(
        bare("Authorization: Basic eA==\r\n").text(),
        r#"{"message":"[HTTP] Invalid credential (401)","statusCode":401}"#
    );
    assert_eq!(
        bare("Authorization: Bearer x\r\n").text(),
        r#"{"message":"[HTTP] Not supported credential type: Bearer (401)","statusCode":401}"#
    );
    let ask = |method: &str, path: &str| ome.rest(method, path).text();
    assert_eq!(
        ask("GET", "/v1/version"),
        r#"{"message":"OK","response":{"gitVersion":"v0.21.0","version":"0.21.0"},"statusCode":200}"#
    );
    assert_eq!(
        ask("GET", "/v1/vhosts/default/apps/app/streams"),
        r#"{"message":"OK","response":[],"statusCode":200}"#
    );
    assert_eq!(
        ask("GET", "/v1/vhosts/default/apps/app/streams/sk_abc123"),
        r#"{"message":"[HTTP] Could not find the stream: [default/#default#app/sk_abc123] (404)","statusCode":404}"#
    );
    assert_eq!(
        ask("GET", "/v1/vhosts/nope"),
        r#"{"message":"[HTTP] Could not find the virtual host: [nope] (404)","statusCode":404}"#
    );
    assert_eq!(
        ask("GET", "/v1/vhosts/default/apps/nope/streams"),
        r#"{"message":"[HTTP] Could not find the application: [default/nope] (404)","statusCode":404}"#
    );
    assert_eq!(
        ask("GET", "/v1/nope"),
        r#"{"message":"[HTTP] Controller not found (404)","statusCode":404}"#
    );
    assert_eq!(
        ask("DELETE", "/v1/vhosts/default/apps/app"),
        r#"{"message":"[HTTP] The VirtualHost is read-only: [default] (403)","statusCode":403}"#
    );
    assert!(ask("GET", "/v1/vhosts/default").contains(r#""secretKey":"hook-secret""#));
}

#[test]
fn a_key_becomes_a_room_and_a_delete_says_goodbye_twice() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let published = ome.order("publish", rtmp("sk_one"));
    assert_eq!(
        (published["result"].as_str(), published["stream"].as_str()),
        (Some("accepted"), Some("room-one"))
    );
    let streams = || {
        ome.rest("GET", "/v1/vhosts/default/apps/app/streams")
            .json()["response"]
            .clone()
    };
    until(|| (streams() == json!(["room-one"])).then_some(())).unwrap();
    let detail = ome
        .rest("GET", "/v1/vhosts/default/apps/app/streams/room-one")
        .json();
    assert_eq!(
        detail["response"]["input"]["sourceUrl"],
        "TCP://172.17.0.1:49104/tcp"
    );
    assert_eq!(detail["response"]["input"]["sourceType"], "Rtmp");
    assert_eq!(
        ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one")
            .text(),
        r#"{"message":"OK","statusCode":200}"#
    );
    assert_eq!(
        ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one")
            .status,
        404
    );
    let url = "incoming RTMP rtmp://127.0.0.1:21935/app/sk_one";
    assert_eq!(
        controller.wait_for(3),
        [
            format!("opening {url}"),
            format!("closing {url}"),
            format!("closing {url}")
        ]
    );
    let seen = controller.seen.lock().unwrap();
    assert_eq!(
        seen[1].1["request"]["new_url"],
        "rtmp://127.0.0.1:21935/app/room-one"
    );
    let names: Vec<&str> = seen[0]
        .0
        .lines()
        .skip(1)
        .filter_map(|l| l.split_once(':'))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(
        names,
        [
            "Content-Length",
            "Host",
            "Content-Type",
            "X-OME-Signature",
            "Accept",
            "User-Agent"
        ]
    );
}

#[test]
fn closings_lie_where_the_contract_says_they_do() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let reason = |v: serde_json::Value| v["reason"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reason(ome.order("publish", rtmp("nokey"))), "no such key");
    controller.wait_for(2);
    assert_eq!(ome.order("publish", rtmp("sk_a"))["result"], "accepted");
    assert!(reason(ome.order("publish", rtmp("sk_a"))).contains("Duplicate"));
    controller.wait_for(5);
    let srt = json!({"url": "srt://h:9999?streamid=default/app/nokey", "protocol": "srt"});
    assert_eq!(reason(ome.order("publish", srt)), "no such key");
    std::thread::sleep(Duration::from_millis(300));
    let denied = "incoming RTMP rtmp://127.0.0.1:21935/app/nokey";
    let live = "incoming RTMP rtmp://127.0.0.1:21935/app/sk_a";
    assert_eq!(
        controller.told(),
        [
            format!("opening {denied}"),
            format!("closing {denied}"),
            format!("opening {live}"),
            format!("opening {live}"),
            format!("closing {live}"),
            "opening incoming SRT srt://default/app/nokey".to_owned(),
        ]
    );
}

#[test]
fn anything_but_a_proper_yes_is_a_no() {
    let answers = [
        (
            500,
            "{\"allowed\":true}",
            "Control server responded with 500 status code.",
        ),
        (200, "nonsense", "InvalidDataFormat"),
        (200, "{}", "InvalidDataFormat"),
    ];
    for (status, text, reason) in answers {
        let ome = Service::ome(
            &Controller::new(move |_| (status, text.to_owned(), 0)),
            |t| t,
        )
        .ready();
        assert_eq!(ome.order("publish", rtmp("sk"))["reason"], reason);
    }
    let elsewhere = Controller::new(|_| {
        (
            200,
            r#"{"allowed":true,"new_url":"rtmp://x/nope/room"}"#.to_owned(),
            0,
        )
    });
    let ome = Service::ome(&elsewhere, |t| t).ready();
    assert_eq!(
        ome.order("publish", rtmp("sk"))["reason"],
        "Could not find application: #default#nope"
    );
    let slow = Service::ome(&Controller::new(|_| (200, "{}".to_owned(), 2000)), |t| {
        t.replace(
            "<Timeout>3000</Timeout>\n      <Enables>",
            "<Timeout>300</Timeout><Enables>",
        )
    })
    .ready();
    let begun = Instant::now();
    assert_eq!(
        slow.order("publish", rtmp("sk"))["reason"],
        "Receive timed out"
    );
    assert!(
        begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_wrong_word_in_enables_opens_the_door_in_silence() {
    let controller = Controller::new(|_| (200, r#"{"allowed":false}"#.to_owned(), 0));
    let ome = Service::ome(&controller, |t| {
        t.replace("rtmp,srt,webrtc", "rtmps,srt,webrtc")
    })
    .ready();
    assert_eq!(ome.order("publish", rtmp("sk_abc"))["stream"], "sk_abc");
    assert!(controller.told().is_empty());
}

#[test]
fn frozen_encoders_are_dropped_after_the_silence_and_lifetimes_end() {
    let controller = Controller::new(|b| {
        let lifetime = if b["request"]["url"].as_str().unwrap().contains("short") {
            400
        } else {
            0
        };
        (
            200,
            json!({"allowed": true, "lifetime": lifetime}).to_string(),
            0,
        )
    });
    let ome = Service::ome(&controller, |t| {
        t.replace(
            "10000</PacketSilenceTimeoutMs>",
            "500</PacketSilenceTimeoutMs>",
        )
    })
    .ready();
    let id = ome.order("publish", rtmp("long"))["id"].clone();
    ome.order("publish", rtmp("short"));
    ome.order("freeze", json!({"id": id}));
    until(|| {
        ome.order("sessions", json!({}))["publishers"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .unwrap();
    controller.wait_for(4);
}

#[test]
fn start_faults_have_their_exit_codes() {
    let controller = Controller::kind();
    let (code, out) = Service::ome(&controller, |t| {
        t.replace("<Type>origin</Type>", "<Type>origin</Type><Bogus/>")
    })
    .end();
    assert!(code == 1 && out.contains("OvenMediaEngine | main.cpp:353  | An error occurred while load config: [Config] Unknown item found: Server.Bogus in origin_conf/Server.xml"), "{code} {out}");
    let (code, out) = Service::ome(&controller, |t| t.replace("ome-access-token", "")).end();
    assert!(
        code == 0 && out.contains("Empty <AccessToken> is not allowed"),
        "{code} {out}"
    );
    let taken = Service::ome(&controller, |t| t).ready();
    let (code, out) = Service::ome(&controller, |t| {
        let at = t.find("<IP>").unwrap();
        let end = t.find("</IP>").unwrap();
        format!("{}<IP>{}{}", &t[..at], taken.ip, &t[end..])
    })
    .end();
    assert!(
        code == 0
            && out.contains("[errno] Address already in use (98))")
            && out.contains("Failed to initialize"),
        "{code} {out}"
    );
}

#[test]
fn sigterm_ends_with_closings_and_exit_0() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    ome.order("publish", rtmp("sk_one"));
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(
        ome.order(
            "watch",
            json!({"url": "ws://h/app/room-one", "protocol": "webrtc"})
        )["result"],
        "accepted"
    );
    let begun = Instant::now();
    ome.terminate();
    let (code, out) = ome.end();
    assert!(
        code == 0 && begun.elapsed() < Duration::from_secs(1),
        "{code} {out}"
    );
    assert!(out.contains("All modules are initialized successfully"));
    assert_eq!(
        controller
            .told()
            .iter()
            .filter(|t| t.starts_with("closing"))
            .count(),
        2
    );
}

#[test]
fn signalling_offers_and_refuses_and_breaks_with_the_stream() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let ask = |path: &str| {
        let mut socket = Socket::open(&ome.at(3333), path, "User-Agent: probe/1.0\r\n")
            .unwrap_or_else(|a| panic!("{a:?}"));
        socket.send(r#"{"command":"request_offer"}"#);
        let answer = socket.next().unwrap();
        (socket, answer)
    };
    let refused = r#"{"code":404,"error":"Cannot create offer"}"#;
    assert_eq!(ask("/app/room-one").1, refused);
    assert_eq!(ask("/app/nokey").1, refused);
    ome.order("publish", rtmp("sk_one"));
    std::thread::sleep(Duration::from_millis(150));
    let (mut socket, offer) = ask("/app/room-one?transport=relay");
    let offer: serde_json::Value = serde_json::from_str(&offer).unwrap();
    assert_eq!(
        (offer["command"].as_str(), offer["code"].as_u64()),
        (Some("offer"), Some(200))
    );
    assert_eq!(offer["ice_servers"][0]["user_name"], "ome");
    assert!(offer["sdp"]["sdp"].as_str().unwrap().starts_with("v=0"));
    let stats = || {
        ome.rest(
            "GET",
            "/v1/stats/current/vhosts/default/apps/app/streams/room-one",
        )
        .json()["response"]["connections"]["webrtc"]
            .clone()
    };
    assert_eq!(stats(), 1);
    ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one");
    assert_eq!(socket.next(), None, "cut without a close frame");
    until(|| {
        controller
            .told()
            .iter()
            .any(|t| t.starts_with("closing outgoing WebRTC ws://live.test:3333/app/room-one"))
            .then_some(())
    })
    .unwrap();
}

#[test]
fn media_of_an_attached_maker_passes_the_ice_port_and_ends_with_the_stream() {
    let ome = Service::ome(&Controller::kind(), |t| t).ready();
    ome.order("publish", rtmp("sk_one"));
    std::thread::sleep(Duration::from_millis(150));
    // The maker: a WebSocket for orders and a port for packets.
    let mut maker = Socket::open(&ome.control, "/media", "").unwrap_or_else(|a| panic!("{a:?}"));
    let media = UdpSocket::bind("0.0.0.0:0").unwrap();
    let wait = Some(Duration::from_millis(700));
    media.set_read_timeout(wait).unwrap();
    let at = json!([
        ["not-an-address.local", 9],
        ["127.0.0.1", media.local_addr().unwrap().port()]
    ]);
    let mut viewer =
        Socket::open(&ome.at(3333), "/app/room-one", "").unwrap_or_else(|a| panic!("{a:?}"));
    viewer.send(r#"{"command":"request_offer"}"#);
    let order = maker.json();
    assert_eq!(order["order"], "offer");
    let sdp = "v=0\r\na=ice-ufrag:maker\r\na=candidate:1 1 udp 1 192.0.2.9 7 typ host\r\n";
    maker.send(&json!({"id": order["id"], "sdp": sdp, "at": at}).to_string());
    let offer = viewer.json();
    assert_eq!(
        offer["sdp"]["sdp"], "v=0\r\na=ice-ufrag:maker\r\n",
        "the maker's candidates are nobody's business"
    );
    let candidate = offer["candidates"][0]["candidate"].as_str().unwrap();
    let parts: Vec<&str> = candidate.split(' ').collect();
    assert_eq!((parts[2], parts[5]), ("UDP", "10003"), "{candidate}");
    viewer.send(
        &json!({"command": "answer", "sdp": {"type": "answer", "sdp": "v=0\r\na=candidate:2\r\n"}})
            .to_string(),
    );
    assert_eq!(
        maker.json(),
        json!({"order": "answer", "id": order["id"], "sdp": "v=0\r\n"})
    );

    // A connectivity check names the maker; from then on both ways are open.
    let player = UdpSocket::bind("0.0.0.0:0").unwrap();
    player.set_read_timeout(wait).unwrap();
    let door = ome.at(10003);
    let mut check = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend(b"\x00\x06\x00\x0cmaker:player");
    let mut stranger = check.clone();
    stranger.truncate(24);
    stranger.extend(b"nobody:here!");
    let mut heard = [0; 100];
    player.send_to(&stranger, &door).unwrap();
    assert!(media.recv_from(&mut heard).is_err(), "nobody has that name");
    player.send_to(&check, &door).unwrap();
    let (length, way) = media.recv_from(&mut heard).unwrap();
    assert_eq!(&heard[..length], check);
    media.send_to(b"\x80picture", way).unwrap();
    let (length, from) = player.recv_from(&mut heard).unwrap();
    assert_eq!(
        (&heard[..length], from.port()),
        (&b"\x80picture"[..], 10003)
    );

    // Blocked, nothing passes; open again, it does.
    ome.order("ice", json!({"open": false}));
    player.send_to(&check, &door).unwrap();
    media.send_to(b"\x80picture", way).unwrap();
    assert!(media.recv_from(&mut heard).is_err() && player.recv_from(&mut heard).is_err());
    ome.order("ice", json!({"open": true}));
    player.send_to(&check, &door).unwrap();
    assert!(media.recv_from(&mut heard).is_ok());

    // With the stream, the picture ends at once, and the maker is told.
    ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one");
    assert_eq!(maker.json(), json!({"order": "end", "id": order["id"]}));
    media.send_to(b"\x80picture", way).unwrap();
    assert!(player.recv_from(&mut heard).is_err());
}

#[test]
fn whip_is_accepted_refused_and_ended_by_delete() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let post = |key: &str| {
        Http::to(&ome.at(3333)).ask(
            "POST",
            &format!("/app/{key}?direction=whip"),
            "Content-Type: application/sdp\r\n",
            "v=0\r\n",
        )
    };
    let denied = post("nokey");
    assert_eq!(
        (denied.status, denied.text().as_str()),
        (401, "AdmissionWebhooks error")
    );
    let made = post("sk_one");
    assert_eq!(made.status, 201);
    let location = made.header("location").unwrap();
    assert!(
        location.starts_with("/app/sk_one/")
            && location.ends_with("?direction=whip")
            && made.header("etag").is_some()
    );
    let twice = post("sk_one");
    assert_eq!(
        (twice.status, twice.text().as_str()),
        (500, "Could not publish stream")
    );
    assert_eq!(
        Http::to(&ome.at(3333))
            .ask("DELETE", &location, "", "")
            .status,
        200
    );
    controller.wait_for(4);
    let seen = controller.seen.lock().unwrap();
    let closing = &seen.last().unwrap().1["request"];
    assert!(
        closing["status"] == "closing" && closing.get("new_url").is_none(),
        "{closing}"
    );
}

#[test]
fn llhls_starts_guards_plays_and_stops_as_omes_does() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let master = "/app/room-one/llhls.m3u8";
    assert_eq!(get(&ome.at(3333), "/app/nokey/llhls.m3u8", "").status, 401);
    assert_eq!(get(&ome.at(3333), master, "").status, 404);
    ome.order("publish", rtmp("sk_one"));
    std::thread::sleep(Duration::from_millis(500));
    let early = get(&ome.at(3333), master, "");
    assert_eq!((early.status, early.body.len()), (201, 0));
    std::thread::sleep(Duration::from_millis(300));
    // Held from now on: one connection, and so one session.
    let mut player = Http::to(&ome.at(3333));
    let list = player.ask("GET", master, "", "");
    assert_eq!(
        (list.status, list.header("content-type").as_deref()),
        (200, Some("application/vnd.apple.mpegurl"))
    );
    let text = list.text();
    let video = text.lines().last().unwrap().to_owned();
    assert!(
        video.starts_with("/app/room-one/chunklist_0_video_") && video.contains("?session="),
        "{text}"
    );
    let chunks = player.ask("GET", &video, "", "").text();
    assert!(
        chunks.contains("#EXT-X-TARGETDURATION:1\n") && chunks.contains("INDEPENDENT=YES"),
        "{chunks}"
    );
    assert!(chunks.matches("#EXTINF:1.000000,").count() >= 2, "{chunks}");
    let uri = |mark: &str| {
        let line = chunks.lines().find(|l| l.contains(mark)).unwrap();
        let at = line.find("URI=\"").map_or(0, |i| i + 5);
        format!("/app/room-one/{}", line[at..].split('"').next().unwrap())
    };
    let init = player.ask("GET", &uri("#EXT-X-MAP"), "", "");
    assert!(init.status == 200 && init.body[4..8] == *b"ftyp");
    let segment = player.ask("GET", &uri("seg_0_0"), "", "");
    assert!(segment.status == 200 && segment.body[4..8] == *b"moof");
    let begun = Instant::now();
    let hinted = player.ask("GET", &uri("#EXT-X-PRELOAD-HINT"), "", "");
    assert!(
        hinted.status == 200 && begun.elapsed() < Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
    let bare = video.split('?').next().unwrap();
    assert_eq!(get(&ome.at(3333), bare, "").status, 401);
    assert_eq!(
        get(&ome.at(3333), &format!("{bare}?session=1_wrong"), "").status,
        401
    );
    // A held request stays without an answer when the stream is deleted.
    player.write("GET", &format!("{video}&_HLS_msn=500"), "", "");
    std::thread::sleep(Duration::from_millis(50));
    ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one");
    player
        .0
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    assert!(player.read().is_err());
    assert_eq!(get(&ome.at(3333), master, "").status, 404);
}

#[test]
fn an_llhls_session_closes_with_its_last_connection() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    ome.order("publish", rtmp("sk_one"));
    std::thread::sleep(Duration::from_millis(800));
    let mut player = Http::to(&ome.at(3333));
    assert_eq!(
        player
            .ask(
                "GET",
                "/app/room-one/llhls.m3u8",
                "X-Forwarded-For: 9.9.9.9, 1.1.1.1\r\n",
                ""
            )
            .status,
        200
    );
    drop(player);
    controller.wait_for(3);
    let seen = controller.seen.lock().unwrap();
    assert_eq!(seen[1].1["client"]["real_ip"], "9.9.9.9");
    assert_eq!(
        (
            seen[2].1["request"]["status"].as_str(),
            seen[2].1["client"]["real_ip"].as_str()
        ),
        (Some("closing"), Some("127.0.0.1"))
    );
}

#[test]
fn a_waiting_hook_holds_up_the_other_viewers_of_its_worker() {
    let controller = Controller::new(|b| {
        (
            200,
            r#"{"allowed":true}"#.to_owned(),
            if b["request"]["url"].as_str().unwrap().contains("slow") {
                1200
            } else {
                0
            },
        )
    });
    let ome = Service::ome(&controller, |t| t).ready();
    ome.order("publish", rtmp("room-one"));
    std::thread::sleep(Duration::from_millis(800));
    let mut player = Http::to(&ome.at(3333));
    let list = player.ask("GET", "/app/room-one/llhls.m3u8", "", "").text();
    let video = list.lines().last().unwrap().to_owned();
    player.ask("GET", &video, "", "");
    let mut other = Http::to(&ome.at(3333));
    other.write("GET", "/app/slow/llhls.m3u8", "", "");
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    player.ask("GET", &video, "", "");
    assert!(
        begun.elapsed() > Duration::from_millis(800),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn alerts_tell_each_change_of_the_set() {
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let mut wish = rtmp("sk_one");
    wish["tracks"] = json!([{"type": "video", "bitrate": 800_000, "hasBframes": true, "keyFrameInterval": 60}, {"type": "audio"}]);
    ome.order("publish", wish);
    let alerts = || {
        controller
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, b)| b["type"] == "INGRESS")
            .map(|(_, b)| b.clone())
            .collect::<Vec<_>>()
    };
    let two = until(|| Some(alerts()).filter(|a| a.len() == 2)).unwrap();
    assert_eq!(two[0]["messages"][0]["code"], "INGRESS_HAS_BFRAME");
    assert_eq!(two[1]["messages"].as_array().unwrap().len(), 2);
    assert_eq!(two[1]["sourceInfo"]["name"], "room-one");
}

#[test]
fn an_encoder_like_obs_comes_back_and_is_told_to_stop() {
    let ome = Service::ome(&Controller::kind(), |t| t).ready();
    let mut wish = rtmp("sk_one");
    wish["reconnect_ms"] = json!(100);
    wish["from"] = json!("172.17.0.1");
    let id = ome.order("publish", wish)["id"].clone();
    let streams = || {
        ome.rest("GET", "/v1/vhosts/default/apps/app/streams")
            .json()["response"]
            .clone()
    };
    until(|| (streams() == json!(["room-one"])).then_some(())).unwrap();
    assert_eq!(
        ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one")
            .status,
        200
    );
    until(|| (streams() == json!(["room-one"])).then_some(())).unwrap();
    ome.order("stop", json!({"id": id}));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(streams(), json!([]));
}

/// A command in AMF0: name, number, and values already written.
fn amf(name: &str, call: f64, rest: &[u8]) -> Vec<u8> {
    let mut body = text(name);
    body.push(0);
    body.extend_from_slice(&call.to_be_bytes());
    body.extend_from_slice(rest);
    let mut chunk = vec![3, 0, 0, 0, 0, 0, body.len() as u8, 20, 0, 0, 0, 0];
    assert!(body.len() <= 128, "one chunk");
    chunk.append(&mut body);
    chunk
}

fn text(value: &str) -> Vec<u8> {
    [&[2, 0, value.len() as u8], value.as_bytes()].concat()
}

/// Publishes over a real connection; gives it back with what was answered.
fn publish_over_rtmp(ome: &Service, key: &str) -> (std::net::TcpStream, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(ome.at(1935)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(700)))
        .unwrap();
    stream
        .write_all(&[&[3], [0; 1536].as_slice()].concat())
        .unwrap();
    stream.read_exact(&mut [0; 3073]).unwrap();
    stream.write_all(&[0; 1536]).unwrap();
    let place = format!("rtmp://{}/app", ome.ip);
    let object = [&[3, 0, 5], b"tcUrl".as_slice(), &text(&place), &[0, 0, 9]].concat();
    stream.write_all(&amf("connect", 1.0, &object)).unwrap();
    stream.write_all(&amf("createStream", 2.0, &[5])).unwrap();
    stream
        .write_all(&amf(
            "publish",
            3.0,
            &[&[5], text(key).as_slice(), &text("live")].concat(),
        ))
        .unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..count]);
    }
    (stream, String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_real_encoder_publishes_over_rtmp_and_is_cut_by_delete() {
    use std::io::Read;
    let controller = Controller::kind();
    let ome = Service::ome(&controller, |t| t).ready();
    let (_gone, answer) = publish_over_rtmp(&ome, "nokey");
    assert!(
        answer.contains("NetConnection.Connect.Success")
            && !answer.contains("NetStream.Publish.Start")
    );
    let (mut stream, answer) = publish_over_rtmp(&ome, "sk_one");
    assert!(answer.contains("NetStream.Publish.Start"));
    assert_eq!(
        ome.rest("GET", "/v1/vhosts/default/apps/app/streams")
            .json()["response"],
        json!(["room-one"])
    );
    let asked = format!("opening incoming RTMP rtmp://{}:1935/app/sk_one", ome.ip);
    assert!(
        controller.told().contains(&asked),
        "{:?}",
        controller.told()
    );
    let port = stream.local_addr().unwrap().port();
    assert!(
        controller
            .seen
            .lock()
            .unwrap()
            .iter()
            .any(|(_, b)| b["client"]["port"] == port)
    );
    ome.rest("DELETE", "/v1/vhosts/default/apps/app/streams/room-one");
    assert_eq!(
        stream.read(&mut [0; 16]).unwrap_or(0),
        0,
        "the connection is closed"
    );
}
