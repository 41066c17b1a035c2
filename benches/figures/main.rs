//! The figures of the design, measured side by side in one run against a real
//! engine: `make bench`. Prints a table and leaves it in `docs/benchmarks.md`.
//!
//! An example and not a `cargo bench` target: those are compiled with another
//! panic strategy, so the controller measured would not be the one shipped
//! and everything would be compiled twice.
#![expect(clippy::print_stderr, reason = "a program for a terminal")]

mod client;
mod house;
mod pure;
mod table;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use colourstream::desired::Secrets;
use colourstream::disk::{Disk, load_existing_secrets};
use colourstream::engine::{DockerEngine, Engine as _};
use colourstream::reconcile::{Ask, Controller, Gate, Source, Trigger, Wanted};
use colourstream::services::Services;
use colourstream::settings::{Overrides, load};
use colourstream::store::Store;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use client::Client;
use house::{ADMIN, ENGINE, House, INSTANCE, INTERNAL, LIVE, PAGES};
use table::{Samples, Table, ms};

/// Whatever went wrong: the run ends, and what it started is taken away.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Says something to whoever watches.
fn say(line: &str) {
    eprintln!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut table = Table::default();
    let mut house = House::new()?;
    say("computing");
    pure::measure(&house, &mut table)?;
    say("the stack comes up");
    house.start()?;
    house.ready(Duration::from_secs(120)).await?;
    say("starting again and again");
    cold_start(&mut house, &mut table).await?;
    say("healing");
    healing(&house, &mut table).await?;
    say("doing nothing");
    house.stop()?;
    idle_pass(&house, &mut table).await?;
    house.start()?;
    house.ready(Duration::from_secs(60)).await?;
    say("memory and rooms");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle = house.memory()?;
    table.push(
        "controller memory, idle",
        Some("≤ 20 MB".into()),
        format!("{idle:.1} MB"),
        None,
        Some(idle / 20.0),
    );
    closing(&house, &mut table).await?;
    let mut rooms = Vec::new();
    for count in [1, 100, 1_000] {
        fill(&house, &mut rooms, count - 1).await?;
        say(&format!("  {count} rooms"));
        admitted(&house, &mut table, count).await?;
        routed(&house, &mut table, count).await?;
    }
    streams(&house, &mut table).await?;
    load_of_hooks(&house, &mut table).await?;
    let size = std::fs::metadata(&house.binary)?.len() as f64 / 1e6;
    table.push(
        "binary, release, stripped",
        Some("≤ 20 MB".into()),
        format!("{size:.1} MB"),
        None,
        Some(size / 20.0),
    );
    write(&table)
}

/// Runs the controller's start again and again beside a stack that runs.
async fn cold_start(house: &mut House, table: &mut Table) -> Result<(), Failed> {
    let (mut page, mut plan) = (Samples::default(), Samples::default());
    for _ in 0..7 {
        house.stop()?;
        let begun = house.start()?;
        let limit = Duration::from_secs(10);
        while begun.elapsed() < limit {
            if let Ok(mut client) = Client::tcp(PAGES, ADMIN).await
                && client.get("/").await.is_ok()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        page.add(begun.elapsed());
        while begun.elapsed() < limit {
            // Ready: the first plan is made and published.
            if let Ok(mut internal) = Client::tcp(INTERNAL, ADMIN).await
                && let Ok(answer) = internal.get("/readyz").await
                && answer.status == 200
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        plan.add(begun.elapsed());
        house.ready(Duration::from_secs(30)).await?;
    }
    table.time("cold start → first page", Some(50.0), &page);
    table.time("cold start → first plan", Some(300.0), &plan);
    Ok(())
}

/// `docker rm -f`, and how long the engine is without the service.
async fn healing(house: &House, table: &mut Table) -> Result<(), Failed> {
    for (role, healthy_target) in [
        ("ovenmediaengine", Some(2_000.0)),
        ("traefik", Some(2_000.0)),
        ("mirotalk", None),
    ] {
        let (mut running, mut healthy) = (Samples::default(), Samples::default());
        for _ in 0..5 {
            let name = format!("{INSTANCE}-{role}");
            let mut engine = Client::unix(ENGINE.as_ref()).await?;
            let out = Command::new("docker").args(["rm", "-f", &name]).output()?;
            if !out.status.success() {
                return Err(format!("docker rm: {}", String::from_utf8_lossy(&out.stderr)).into());
            }
            let begun = Instant::now();
            let limit = Duration::from_secs(30);
            loop {
                let facts = engine.get(&format!("/containers/{name}/json")).await?;
                if facts.status == 200 && facts.json()?["State"]["Running"] == true {
                    break;
                }
                if begun.elapsed() > limit {
                    return Err(format!("{name} is not healed").into());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            running.add(begun.elapsed());
            let mut control = house.control().await?;
            loop {
                let status = control.get("/api/v1/status").await?.json()?;
                let service = status["services"]
                    .as_array()
                    .and_then(|all| all.iter().find(|service| service["role"] == role).cloned());
                if service.is_some_and(|it| it["health"] == "healthy" && it["running"] == "running")
                    && status["summary"] == "ready"
                {
                    break;
                }
                if begun.elapsed() > limit {
                    return Err(format!("{name} is not healthy: {status}").into());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            healthy.add(begun.elapsed());
        }
        table.time(
            &format!("`docker rm -f` of {role} → running"),
            Some(600.0),
            &running,
        );
        let told = if role == "mirotalk" {
            " (the stand-in takes 2 s of it)"
        } else {
            ""
        };
        table.time(
            &format!("`docker rm -f` of {role} → healthy{told}"),
            healthy_target,
            &healthy,
        );
    }
    Ok(())
}

/// A pass that finds nothing to do, beside the same calls made bare, beside
/// Compose doing nothing.
async fn idle_pass(house: &House, table: &mut Table) -> Result<(), Failed> {
    let settings = load(Some(&house.config()), &Overrides::default())
        .map_err(|errors| format!("{errors:?}"))?;
    let disk = Arc::new(Disk::open(&house.state())?);
    let secrets: Secrets = load_existing_secrets(&disk, None)?;
    let engine = Arc::new(DockerEngine::new(&settings.engine)?);
    let store = Arc::new(Store::open(
        &house.state().join("colourstream.db"),
        "0.1.0",
    )?);
    let source = Source {
        file: Some(house.config()),
        overrides: Overrides::default(),
    };
    let wanted = Wanted::new(source, settings.clone(), Arc::clone(&disk), secrets.clone());
    let probe = Ask {
        services: Services::default(),
        secrets: Arc::new(secrets),
        settings: wanted.follow(),
        people: Arc::default(),
        gate: Gate::new(Arc::clone(&store)),
    };
    let references: Vec<String> = [
        &settings.images.traefik,
        &settings.images.ovenmediaengine,
        &settings.images.mirotalk,
    ]
    .into_iter()
    .cloned()
    .collect();
    let mut controller = Controller::new(
        Arc::clone(&engine),
        Arc::new(probe),
        store,
        disk,
        wanted,
        None,
        tokio::sync::watch::channel(Arc::default()).0,
        Arc::new(Timestamp::now),
    );
    let mut bare = Client::unix(ENGINE.as_ref()).await?;
    let ids: Vec<String> = ["traefik", "ovenmediaengine", "mirotalk"]
        .map(|role| format!("/containers/{INSTANCE}-{role}/json"))
        .into();
    let (mut passes, mut looks, mut calls) =
        (Samples::default(), Samples::default(), Samples::default());
    // In turns, so that what else the machine does strikes all alike.
    for round in 0..210 {
        let begun = Instant::now();
        let pass = controller.pass(&[Trigger::Sweep]).await;
        let took = begun.elapsed();
        if !pass.plan.is_empty() {
            let steps: Vec<String> = colourstream::plan::views(&pass.plan)
                .into_iter()
                .map(|step| format!("{}: {}", step.what, step.why))
                .collect();
            if round < 10 {
                tokio::time::sleep(Duration::from_millis(300)).await;
                continue;
            }
            return Err(format!("there is something to do: {steps:?}").into());
        }
        if round >= 10 {
            passes.add(took);
        }
        let begun = Instant::now();
        let facts = engine.observe(INSTANCE, &references).await?;
        looks.add(begun.elapsed());
        if facts.containers.len() != 3 {
            return Err("not three containers".into());
        }
        let begun = Instant::now();
        bare.get("/containers/json?all=1").await?;
        for id in &ids {
            bare.get(id).await?;
        }
        bare.get("/networks").await?;
        calls.add(begun.elapsed());
    }
    table.time(
        "reconcile, nothing to do, 3 services (with the services' own answers)",
        Some(5.0),
        &passes,
    );
    table.time("… of it, the look at the engine", None, &looks);
    table.time(
        "the same engine calls made bare (list, 3 inspects, networks)",
        None,
        &calls,
    );
    let ratio = passes.p50() / calls.p50();
    table.push(
        "reconcile ÷ bare calls",
        Some("≤ 2".into()),
        format!("{ratio:.1} ×"),
        None,
        Some(ratio / 2.0),
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compose-noop");
    let compose = Command::new(script).arg("15").output()?;
    match serde_json::from_slice::<Value>(&compose.stdout)
        .ok()
        .and_then(|it| it["p50_ms"].as_f64())
    {
        Some(compose) => {
            table.push(
                "`docker compose up -d` doing nothing (15 ×)",
                None,
                ms(compose),
                None,
                None,
            );
            let ratio = compose / passes.p50();
            table.push(
                "Compose ÷ reconcile",
                Some("≥ 8".into()),
                format!("{ratio:.1} ×"),
                None,
                Some(8.0 / ratio),
            );
        }
        None => say(&format!(
            "  no Compose to compare with: {}",
            String::from_utf8_lossy(&compose.stderr)
        )),
    }
    Ok(())
}

/// Makes rooms until there are `count`.
async fn fill(house: &House, rooms: &mut Vec<String>, count: usize) -> Result<(), Failed> {
    let mut control = house.control().await?;
    while rooms.len() < count {
        let title = format!("Reel {}", rooms.len());
        let made = control
            .ask(Method::POST, "/api/v1/rooms", None, json!({"title": title}))
            .await?;
        rooms.push(id_of(&made)?);
    }
    Ok(())
}

fn id_of(made: &Value) -> Result<String, Failed> {
    Ok(made["room"]["id"]
        .as_str()
        .ok_or("a room without id")?
        .to_owned())
}

/// A signed question as OvenMediaEngine asks it.
fn question(
    key: &str,
    direction: &str,
    protocol: &str,
    url: &str,
) -> Result<(String, String), Failed> {
    let body = json!({
        "client": {"address": "192.0.2.9", "port": 1, "real_ip": "192.0.2.9"},
        "request": {"direction": direction, "protocol": protocol, "status": "opening",
            "time": Timestamp::now().to_string(), "url": url},
    })
    .to_string();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key.as_bytes())?;
    mac.update(body.as_bytes());
    let signature =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok((body, signature))
}

async fn is_admitted(
    internal: &mut Client,
    key: &str,
    direction: &str,
    protocol: &str,
    url: &str,
) -> Result<bool, Failed> {
    let (body, signature) = question(key, direction, protocol, url)?;
    let headers = [("x-ome-signature", signature.as_str())];
    let answer = internal
        .send(Method::POST, "/internal/ome/admission", &headers, body)
        .await?;
    Ok(answer.json()?["allowed"] == true)
}

/// From the 201 until publisher and viewer are let in. The key and the ticket
/// are asked for in between, as nobody has them before; that counts.
async fn admitted(house: &House, table: &mut Table, count: usize) -> Result<(), Failed> {
    let key = house.secret("ome_hook_key")?;
    let mut control = house.control().await?;
    let mut internal = Client::tcp(INTERNAL, "controller").await?;
    let (mut made, mut let_in) = (Samples::default(), Samples::default());
    for number in 0..50 {
        let begun = Instant::now();
        let title = format!("Admitted {count} {number}");
        let room = control
            .ask(Method::POST, "/api/v1/rooms", None, json!({"title": title}))
            .await?;
        made.add(begun.elapsed());
        let begun = Instant::now();
        let id = id_of(&room)?;
        let ingest = control
            .get(&format!("/api/v1/rooms/{id}/ingest"))
            .await?
            .json()?;
        let preview = control
            .ask(
                Method::POST,
                &format!("/api/v1/rooms/{id}/preview"),
                None,
                Value::Null,
            )
            .await?;
        let publish = ingest["rtmp"]["url"]
            .as_str()
            .ok_or("no address to publish to")?;
        let play = preview["webrtc"].as_str().ok_or("no address to play")?;
        let first = is_admitted(&mut internal, &key, "incoming", "RTMP", publish).await?
            && is_admitted(&mut internal, &key, "outgoing", "WebRTC", play).await?;
        let_in.add(begun.elapsed());
        if !first {
            return Err("a new room does not let in".into());
        }
        remove(&mut control, &id).await?;
    }
    table.time(
        &format!("room created, of {count}: the request itself → 201"),
        None,
        &made,
    );
    table.tail(
        &format!("room created, of {count}: 201 → publish and play admitted"),
        15.0,
        &let_in,
    );
    Ok(())
}

async fn remove(control: &mut Client, id: &str) -> Result<(), Failed> {
    for forever in ["", "?forever=true"] {
        let etag = etag(control, id).await?;
        control
            .ask(
                Method::DELETE,
                &format!("/api/v1/rooms/{id}{forever}"),
                Some(&etag),
                Value::Null,
            )
            .await?;
    }
    Ok(())
}

async fn etag(control: &mut Client, id: &str) -> Result<String, Failed> {
    let room = control.get(&format!("/api/v1/rooms/{id}")).await?.json()?;
    Ok(room["etag"]
        .as_str()
        .ok_or("a room without etag")?
        .to_owned())
}

/// From the 201 until Traefik has loaded another configuration.
async fn routed(house: &House, table: &mut Table, count: usize) -> Result<(), Failed> {
    let mut control = house.control().await?;
    let mut traefik = Client::tcp(&format!("{}:8080", house.address("traefik")?), LIVE).await?;
    let mut samples = Samples::default();
    for number in 0..20 {
        house.ready(Duration::from_secs(30)).await?;
        let before = generation(&mut traefik).await?;
        let title = format!("Routed {count} {number}");
        let room = control
            .ask(Method::POST, "/api/v1/rooms", None, json!({"title": title}))
            .await?;
        let begun = Instant::now();
        while generation(&mut traefik).await? == before {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("the route does not come".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        samples.add(begun.elapsed());
        remove(&mut control, &id_of(&room)?).await?;
    }
    let target = (count <= 100).then_some(200.0);
    table.time(
        &format!("room created, of {count}: 201 → its route live in Traefik"),
        target,
        &samples,
    );
    Ok(())
}

async fn generation(traefik: &mut Client) -> Result<String, Failed> {
    let answer = traefik.get("/config-generation").await?;
    let marker = answer
        .headers
        .get("x-config-generation")
        .ok_or("no generation")?;
    Ok(marker.to_str()?.to_owned())
}

/// From the order to close until the encoder is out.
async fn closing(house: &House, table: &mut Table) -> Result<(), Failed> {
    let mut control = house.control().await?;
    let address = house.address("ovenmediaengine")?;
    let mut ome = match Client::tcp(&format!("{address}:9998"), "ome").await {
        Ok(ome) => ome,
        Err(error) => {
            say(&format!(
                "  closing is not measured, the real OvenMediaEngine has no such door: {error}"
            ));
            return Ok(());
        }
    };
    let mut samples = Samples::default();
    for number in 0..10 {
        let room = control
            .ask(
                Method::POST,
                "/api/v1/rooms",
                None,
                json!({"title": format!("Closed {number}")}),
            )
            .await?;
        let id = id_of(&room)?;
        let ingest = control
            .get(&format!("/api/v1/rooms/{id}/ingest"))
            .await?
            .json()?;
        let published = ome
            .ask(
                Method::POST,
                "/publish",
                None,
                json!({"url": ingest["rtmp"]["url"], "protocol": "rtmp"}),
            )
            .await?;
        if published["result"] != "accepted" {
            return Err(format!("the stand-in may not publish: {published}").into());
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let etag = etag(&mut control, &id).await?;
        let begun = Instant::now();
        control
            .ask(
                Method::POST,
                &format!("/api/v1/rooms/{id}/close"),
                Some(&etag),
                Value::Null,
            )
            .await?;
        loop {
            let sessions = ome.ask(Method::POST, "/sessions", None, json!({})).await?;
            if sessions["publishers"].as_array().is_none_or(Vec::is_empty) {
                break;
            }
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("nobody cuts it: {sessions}").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        samples.add(begun.elapsed());
        remove(&mut control, &id).await?;
    }
    table.time(
        "room closed → picture cut (the stand-in's encoder is out)",
        Some(400.0),
        &samples,
    );
    Ok(())
}

/// Two hundred open pages beside a thousand rooms.
async fn streams(house: &House, table: &mut Table) -> Result<(), Failed> {
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut stream =
            tokio::net::UnixStream::connect(house.state().join("control.sock")).await?;
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: control\r\naccept: text/event-stream\r\n\r\n").await?;
        let mut first = [0; 512];
        let got = stream.read(&mut first).await?;
        if !first[..got].starts_with(b"HTTP/1.1 200") {
            return Err(format!("no events: {}", String::from_utf8_lossy(&first[..got])).into());
        }
        // Read on, as pages do.
        open.push(tokio::spawn(async move {
            let mut rest = vec![0; 16 << 10];
            while stream.read(&mut rest).await.is_ok_and(|got| got > 0) {}
        }));
    }
    let mut control = house.control().await?;
    // One change that everybody is told of.
    let room = control
        .ask(
            Method::POST,
            "/api/v1/rooms",
            None,
            json!({"title": "Seen by all"}),
        )
        .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let memory = house.memory()?;
    table.push(
        "controller memory, 1,000 rooms and 200 event streams",
        Some("≤ 40 MB".into()),
        format!("{memory:.1} MB"),
        None,
        Some(memory / 40.0),
    );
    remove(&mut control, &id_of(&room)?).await?;
    for task in open {
        task.abort();
    }
    Ok(())
}

/// Two hundred questions a second, ten seconds long.
async fn load_of_hooks(house: &House, table: &mut Table) -> Result<(), Failed> {
    let key = house.secret("ome_hook_key")?;
    let mut control = house.control().await?;
    let room = control
        .ask(
            Method::POST,
            "/api/v1/rooms",
            None,
            json!({"title": "Asked for"}),
        )
        .await?;
    let id = id_of(&room)?;
    let preview = control
        .ask(
            Method::POST,
            &format!("/api/v1/rooms/{id}/preview"),
            None,
            Value::Null,
        )
        .await?;
    let play = preview["webrtc"]
        .as_str()
        .ok_or("no address to play")?
        .to_owned();
    let mut workers = Vec::new();
    // Eight connections, each a question every 40 ms.
    for worker in 0..8_u64 {
        let (key, play) = (key.clone(), play.clone());
        workers.push(tokio::spawn(async move {
            let mut internal = Client::tcp(INTERNAL, "controller").await?;
            let mut due = tokio::time::interval(Duration::from_millis(40));
            tokio::time::sleep(Duration::from_millis(5 * worker)).await;
            let mut took = Vec::new();
            for _ in 0..250 {
                due.tick().await;
                let begun = Instant::now();
                let allowed = is_admitted(&mut internal, &key, "outgoing", "WebRTC", &play).await?;
                took.push(begun.elapsed());
                if !allowed {
                    return Err::<_, Failed>("refused under load".into());
                }
            }
            Ok(took)
        }));
    }
    let mut samples = Samples::default();
    for worker in workers {
        for took in worker.await?? {
            samples.add(took);
        }
    }
    table.tail("admission answered, 200 a second for 10 s", 5.0, &samples);
    Ok(())
}

/// The machine, the table, the date.
fn write(table: &Table) -> Result<(), Failed> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(':')
                .map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let engine = Command::new("docker")
        .args(["version", "-f", "{{.Server.Version}}"])
        .output()?;
    let engine = String::from_utf8_lossy(&engine.stdout).trim().to_owned();
    let simulated: BTreeSet<String> = ["ovenmediaengine", "mirotalk"]
        .into_iter()
        .filter(|role| {
            let label = "{{index .Config.Labels \"org.colourstream.simulated\"}}";
            Command::new("docker")
                .args(["inspect", "-f", label, &format!("{INSTANCE}-{role}")])
                .output()
                .is_ok_and(|out| out.stdout.starts_with(b"true"))
        })
        .map(str::to_owned)
        .collect();
    let services = if simulated.is_empty() {
        "the official images".to_owned()
    } else {
        format!(
            "the real Traefik; stand-ins for {}",
            simulated.into_iter().collect::<Vec<_>>().join(" and ")
        )
    };
    let busy = match load.first().and_then(|load| load.parse::<f64>().ok()) {
        Some(load) if load > cores as f64 => format!(
            "The machine was busy with other work meanwhile (load {} on {cores} cores): read the ratios and medians, not the absolute times.",
            load
        ),
        _ => "The machine had little else to do.".to_owned(),
    };
    let text = format!(
        "# Figures\n\nWritten by `make bench`; do not edit. All in one run, side by side, against a real engine; the targets are those of the design. \
         `✓`/`✗` is the measured value divided by its target, below 1 is reached.\n\n\
         - machine: {cores} cores, {model}; load {} (1, 5, 15 min)\n- engine: Docker {engine}; services: {services}\n- {}\n\n{busy}\n\n{}",
        load.join(", "),
        Timestamp::now().strftime("%Y-%m-%d"),
        table.markdown(),
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
    std::fs::write(path, &text)?;
    say(&format!("\n{text}"));
    Ok(())
}
