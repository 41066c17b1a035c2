//! Making, checking and restoring, on real files.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::*;
use crate::VERSION;
use crate::disk::{Disk, StateLock};
use crate::settings::Settings;
use crate::store::{self, Store};

fn now() -> Timestamp {
    "2026-11-23T01:00:00Z".parse().unwrap()
}

/// An installation on disk, with everything a backup takes along.
struct House {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for folder in [
            "state/tls",
            "state/traefik/acme",
            "state/tmp",
            "secrets",
            "templates/traefik",
        ] {
            std::fs::create_dir_all(path(folder)).unwrap();
        }
        let turn = dir.path().join("secrets/turn");
        let text = format!(
            "domain: review.example.com\ntls: {{email: a@b.tld}}\nstate: ./state\ntemplates: ./templates\nengine: {{logins: ./logins.json}}\n\
             conference: {{flavour: p2p, turn: {{url: 'turn:t.example.com:3478', username: u, credential_file: {}}}}}\n",
            turn.display()
        );
        for (name, text) in [
            ("colourstream.yaml", text.as_str()),
            ("secrets/turn", "the turn's credential"),
            ("logins.json", "{\"auths\": {}}"),
            ("templates/traefik/dynamic.yml.tera", "http: {}"),
            ("state/secrets.json", "{\"ticket_key\": \"s3cr3t\"}"),
            ("state/tls/authority.key", "the authority's key"),
            (
                "state/traefik/acme/acme.json",
                "{\"acme\": {\"Certificates\": null}}",
            ),
            ("state/lock", "not taken along"),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        let store = Store::open(&path("state").join(store::FILE), VERSION).unwrap();
        store.set_meta("room", "Northlight").unwrap();
        let settings = crate::settings::preview(
            &text,
            &path("colourstream.yaml"),
            &crate::settings::Overrides::default(),
        )
        .unwrap();
        Self { dir, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("colourstream.yaml")
    }

    fn database(&self) -> PathBuf {
        self.settings.state.join(store::FILE)
    }

    fn back_up(&self, to: &Path, passphrase: Option<&str>) -> Result<Made, BackupError> {
        let secret = passphrase.map(word);
        make(&Order {
            source: Source {
                settings: &self.settings,
                file: Some(&self.config()),
            },
            to,
            why: Why::Asked,
            who: "a test",
            passphrase: secret.as_ref(),
            now: now(),
            version: VERSION,
        })
    }

    fn room(&self) -> Option<String> {
        Store::open(&self.database(), VERSION)
            .unwrap()
            .meta("room")
            .unwrap()
    }
}

fn word(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn put_back(
    state: &Path,
    from: &Path,
    passphrase: Option<&str>,
    settings_file: Option<&Path>,
) -> Result<Option<Restored>, BackupError> {
    Disk::open(state)?;
    let lock = StateLock::acquire(state, now(), VERSION)?;
    let secret = passphrase.map(word);
    restore(
        state,
        &lock,
        (from, secret.as_ref()),
        settings_file,
        (now(), VERSION),
        |_| true,
    )
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_that_cannot_be_made_again_comes_back() {
    for passphrase in [None, Some("a long passphrase")] {
        let house = House::new();
        let file = house.path("one.backup");
        // While it is in use.
        let store = Store::open(&house.database(), VERSION).unwrap();
        store.set_meta("late", "in the log alone").unwrap();
        let made = house.back_up(&file, passphrase).unwrap();
        drop(store);
        assert_eq!(made.sealed, passphrase.is_some());
        assert_eq!(mode(&file), 0o600);
        assert_eq!(made.manifest.left_out, Vec::<String>::new());

        let other = tempfile::tempdir().unwrap();
        let state = other.path().join("deep/state");
        let config = other.path().join("deep/review.yaml");
        let restored = put_back(&state, &file, passphrase, Some(&config))
            .unwrap()
            .unwrap();
        assert_eq!(restored.aside, None, "nothing was there");
        let store = Store::open(&state.join(store::FILE), VERSION).unwrap();
        assert_eq!(store.meta("room").unwrap().as_deref(), Some("Northlight"));
        assert_eq!(
            store.meta("late").unwrap().as_deref(),
            Some("in the log alone")
        );
        let audit = store.audit_page(None, None, 1).unwrap();
        assert_eq!(audit[0].what, "restored");
        for name in [
            "secrets.json",
            "tls/authority.key",
            "traefik/acme/acme.json",
        ] {
            let (was, is) = (house.settings.state.join(name), state.join(name));
            assert_eq!(
                std::fs::read(was).unwrap(),
                std::fs::read(is).unwrap(),
                "{name}"
            );
        }
        assert!(!state.join("lock").metadata().unwrap().is_dir());
        // The settings under the name they have here, and what lay beside them.
        for (was, is) in [
            ("colourstream.yaml", "review.yaml"),
            ("secrets/turn", "secrets/turn"),
            ("logins.json", "logins.json"),
            (
                "templates/traefik/dynamic.yml.tera",
                "templates/traefik/dynamic.yml.tera",
            ),
        ] {
            let is = other.path().join("deep").join(is);
            assert_eq!(
                std::fs::read(house.path(was)).unwrap(),
                std::fs::read(&is).unwrap()
            );
            assert_eq!(mode(&is), 0o600);
        }
        // Nothing is left lying about.
        assert!(!state.join("restore").exists());
        let left: Vec<_> = std::fs::read_dir(house.settings.state.join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A controller with `--user` runs Traefik as itself, and makes the next backup.
#[test]
fn certificates_are_given_to_the_traefik_that_will_run() {
    // Only root can show it.
    let us = crate::host::identity();
    if !us.can_chown || us.uid != 0 {
        return;
    }
    let house = House::new();
    let file = house.path("one.backup");
    house.back_up(&file, None).unwrap();
    for (owner, traefik) in [
        ((4711, 4712), (4711, 4712)),
        ((0, 0), (65_532, 65_532)),
        ((65_532, 65_532), (65_532, 65_532)),
    ] {
        let state = house.path(&format!("of-{}", owner.0));
        std::fs::create_dir(&state).unwrap();
        std::os::unix::fs::chown(&state, Some(owner.0), Some(owner.1)).unwrap();
        put_back(&state, &file, None, None).unwrap();
        let of = |name: &str| {
            let meta = std::fs::metadata(state.join(name)).unwrap();
            (meta.uid(), meta.gid())
        };
        assert_eq!(of("traefik/acme/acme.json"), traefik, "{owner:?}");
        assert_eq!(of("secrets.json"), owner);
    }
}

#[test]
fn what_is_replaced_is_set_aside_and_what_the_operator_has_stays() {
    let house = House::new();
    let file = house.path("one.backup");
    house.back_up(&file, None).unwrap();
    let store = Store::open(&house.database(), VERSION).unwrap();
    store.set_meta("room", "Halcyon").unwrap();
    drop(store);
    std::fs::write(house.config(), "domain: other.example.com\n").unwrap();
    let restored = put_back(&house.settings.state, &file, None, Some(&house.config()))
        .unwrap()
        .unwrap();
    assert_eq!(house.room().as_deref(), Some("Northlight"));
    assert!(restored.stayed.contains(&house.config()));
    assert_eq!(
        std::fs::read_to_string(house.config()).unwrap(),
        "domain: other.example.com\n"
    );
    let aside = restored.aside.unwrap();
    let old = Store::open(&aside.join(store::FILE), VERSION).unwrap();
    assert_eq!(old.meta("room").unwrap().as_deref(), Some("Halcyon"));
}

#[test]
fn files_from_elsewhere_wait_and_are_written_nowhere_else() {
    let house = House::new();
    let other = tempfile::tempdir().unwrap();
    let key = other.path().join("fullchain.pem");
    std::fs::write(&key, "pem").unwrap();
    let mut settings = house.settings.clone();
    settings.tls = crate::settings::Tls::Files {
        certificate: key.clone(),
        key: other.path().join("gone.pem"),
    };
    let house = House { settings, ..house };
    let file = house.path("one.backup");
    let made = house.back_up(&file, None).unwrap();
    assert_eq!(
        made.manifest.left_out.len(),
        1,
        "{:?}",
        made.manifest.left_out
    );
    std::fs::remove_file(&key).unwrap();
    let state = other.path().join("state");
    let restored = put_back(&state, &file, None, None).unwrap().unwrap();
    let waits = restored.waiting.iter().find(|(_, belongs)| *belongs == key);
    assert_eq!(std::fs::read_to_string(&waits.unwrap().0).unwrap(), "pem");
    assert!(waits.unwrap().0.starts_with(&state));
    assert!(!key.exists());
}

#[test]
fn a_no_changes_nothing() {
    let house = House::new();
    let file = house.path("one.backup");
    house.back_up(&file, None).unwrap();
    Store::open(&house.database(), VERSION)
        .unwrap()
        .set_meta("room", "Halcyon")
        .unwrap();
    let state = &house.settings.state;
    let lock = StateLock::acquire(state, now(), VERSION).unwrap();
    let clock = (now(), VERSION);
    let done = restore(state, &lock, (&file, None), None, clock, |_| false).unwrap();
    assert!(done.is_none());
    assert_eq!(house.room().as_deref(), Some("Halcyon"));
    assert!(!state.join("restore").exists() && !state.join("aside").exists());
}

#[test]
fn what_is_no_good_backup_is_refused_in_its_own_words_and_changes_nothing() {
    let house = House::new();
    let (open, sealed) = (house.path("open.backup"), house.path("sealed.backup"));
    house.back_up(&open, None).unwrap();
    house.back_up(&sealed, Some("a long passphrase")).unwrap();
    let bytes = std::fs::read(&open).unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = house.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut changed = bytes.clone();
    let at = changed.len() - 3000;
    changed[at] ^= 1;
    let text = String::from_utf8_lossy(&bytes[512..2000]).into_owned();
    assert!(text.contains("\"format\": 1"), "{text}");
    let newer = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes.clone();
        let at = bytes
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        bytes[at.unwrap()..][..to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let cases: [(PathBuf, Option<&str>, &str); 9] = [
        (house.path("nothing"), None, "nothing"),
        (house.path("secrets"), None, "it is a folder"),
        (written("letter", b"dear grandmother"), None, "not a backup"),
        (
            written("cut", &bytes[..bytes.len() / 2]),
            None,
            "is damaged",
        ),
        (written("changed", &changed), None, "is damaged"),
        (
            written("newer", &newer("\"format\": 1", "\"format\": 9")),
            None,
            "newer than this one",
        ),
        (sealed.clone(), None, "sealed with a passphrase"),
        (
            sealed.clone(),
            Some("another passphrase"),
            "another passphrase",
        ),
        (
            written("sealed-cut", &std::fs::read(&sealed).unwrap()[..70_000]),
            Some("a long passphrase"),
            "is damaged",
        ),
    ];
    for (path, passphrase, words) in cases {
        let error = put_back(&house.settings.state, &path, passphrase, None).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(words), "{}: {error}", path.display());
        assert!(!house.settings.state.join("restore").exists());
        assert_eq!(house.room().as_deref(), Some("Northlight"));
    }
}

#[test]
fn a_backup_of_a_newer_schema_is_refused_by_the_version_that_wrote_it() {
    let house = House::new();
    let newer =
        "PRAGMA user_version = 9999; UPDATE meta SET value = '9.9.9' WHERE key = 'schema_by';";
    store::for_tests(&house.database(), newer).unwrap();
    // It can be backed up all the same: it may be all there is.
    let file = house.path("one.backup");
    assert_eq!(house.back_up(&file, None).unwrap().manifest.schema, 9999);
    let other = tempfile::tempdir().unwrap();
    let error = put_back(&other.path().join("state"), &file, None, None).unwrap_err();
    assert!(
        matches!(&error, BackupError::Newer { by, .. } if by == "9.9.9"),
        "{error}"
    );
}

#[test]
fn nothing_is_overwritten_and_a_failure_leaves_nothing() {
    let house = House::new();
    let file = house.path("one.backup");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(
        house.back_up(&file, None),
        Err(BackupError::Exists(_))
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = house.path("no/such/folder/x");
    assert!(matches!(
        house.back_up(&nowhere, None),
        Err(BackupError::Disk(_))
    ));
    // A damaged database gives no backup.
    let mut bytes = std::fs::read(house.database()).unwrap();
    let page = bytes.len() / 2;
    bytes[page..page + 2000].fill(0xA5);
    std::fs::write(house.database(), bytes).unwrap();
    let folder = house.path("out");
    std::fs::create_dir(&folder).unwrap();
    let error = house.back_up(&folder.join("x"), None).unwrap_err();
    assert!(matches!(error, BackupError::Store(_)), "{error}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn without_the_secrets_it_is_no_backup() {
    let house = House::new();
    let (file, secrets) = (
        house.path("one.backup"),
        house.settings.state.join("secrets.json"),
    );
    let kept = std::fs::read(&secrets).unwrap();
    std::fs::remove_file(&secrets).unwrap();
    let error = house.back_up(&file, None).unwrap_err().to_string();
    assert!(error.contains("secrets.json"), "{error}");
    assert!(!file.exists());
    std::fs::write(&secrets, kept).unwrap();
    // One that was made so is refused: all its files are there, but these.
    let manifest = house.back_up(&file, None).unwrap().manifest;
    let old = house.path("old.backup");
    let mut archive = tar::Writer::new(std::fs::File::create(&old).unwrap());
    let mut lacking = manifest.clone();
    lacking.files.retain(|item| item.path == archive::DATABASE);
    let text = serde_json::to_vec(&lacking).unwrap();
    archive
        .file("manifest.json", text.len() as u64, 0, &mut text.as_slice())
        .unwrap();
    let database = bytes_of(&file, &manifest, archive::DATABASE);
    archive
        .file(
            archive::DATABASE,
            database.len() as u64,
            0,
            &mut database.as_slice(),
        )
        .unwrap();
    archive.finish().unwrap();
    let state = house.path("other");
    let error = put_back(&state, &old, None, None).unwrap_err().to_string();
    assert!(error.contains("`state/secrets.json` is missing"), "{error}");
}

fn bytes_of(file: &Path, manifest: &Manifest, name: &str) -> Vec<u8> {
    let item = manifest
        .files
        .iter()
        .find(|item| item.path == name)
        .unwrap();
    read_item(file, None, VERSION, item).unwrap()
}

#[test]
fn the_settings_file_is_found_by_name_and_not_by_its_place() {
    let house = House::new();
    let file = house.path("one.backup");
    let manifest = house.back_up(&file, None).unwrap().manifest;
    let item = manifest.settings_file().unwrap().clone();
    assert_eq!(item.path, "settings/colourstream.yaml");
    let bytes = bytes_of(&file, &manifest, &item.path);
    assert_eq!(bytes, std::fs::read(house.config()).unwrap());
    // It could not be read: what lay beside it is not taken for it.
    std::fs::remove_file(house.config()).unwrap();
    let file = house.path("two.backup");
    let manifest = house.back_up(&file, None).unwrap().manifest;
    assert_eq!(manifest.left_out.len(), 1);
    assert_eq!(manifest.settings_file(), None);
    let other = tempfile::tempdir().unwrap();
    let config = other.path().join("review.yaml");
    let state = other.path().join("state");
    put_back(&state, &file, None, Some(&config)).unwrap();
    assert!(!config.exists());
    assert!(other.path().join("logins.json").exists());
    // A backup from before that was written down.
    let mut older = manifest;
    older.files.push(item);
    assert_eq!(
        older.settings_file().unwrap().path,
        "settings/colourstream.yaml"
    );
}

#[test]
fn a_certificate_that_is_being_written_is_waited_for() {
    let house = House::new();
    let acme = house.settings.state.join("traefik/acme/acme.json");
    // Traefik empties the file before it writes it.
    for (round, half) in ["{\"acme\": {\"half", ""].into_iter().enumerate() {
        std::fs::write(&acme, half).unwrap();
        let path = acme.clone();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            std::fs::write(path, "{\"acme\": {}}").unwrap();
        });
        let file = house.path(&format!("{round}.backup"));
        house.back_up(&file, None).unwrap();
        writer.join().unwrap();
        let other = tempfile::tempdir().unwrap();
        put_back(&other.path().join("state"), &file, None, None).unwrap();
        let is =
            std::fs::read_to_string(other.path().join("state/traefik/acme/acme.json")).unwrap();
        assert_eq!(is, "{\"acme\": {}}");
    }
    // One that stays empty has no certificates yet.
    std::fs::write(&acme, "").unwrap();
    house.back_up(&house.path("empty.backup"), None).unwrap();
}

/// The disk was full, or the power gone, while Traefik wrote: rooms are not to
/// be without a backup for what can be ordered again.
#[test]
fn a_certificate_that_stays_damaged_keeps_no_backup_and_no_upgrade() {
    let house = House::new();
    let acme = house.settings.state.join("traefik/acme");
    std::fs::write(acme.join("acme.json"), "{\"acme\": {\"half").unwrap();
    std::fs::write(acme.join("acme.json.bak"), "no JSON").unwrap();
    let file = house.path("one.backup");
    let made = house.back_up(&file, None).unwrap();
    let names: Vec<&str> = made
        .manifest
        .files
        .iter()
        .map(|item| item.path.as_str())
        .collect();
    assert!(!names.contains(&"state/traefik/acme/acme.json"));
    assert!(names.contains(&"state/traefik/acme/acme.json.bak"));
    let told = made.lacking().unwrap();
    assert_eq!(told.severity, Severity::Warning);
    for words in [
        "acme/acme.json: it is damaged",
        "Move it away: Traefik makes another",
    ] {
        assert!(told.why.contains(words), "{}", told.why);
    }
    let state = house.path("other");
    put_back(&state, &file, None, None).unwrap();
    assert!(!state.join("traefik/acme/acme.json").exists());
    // A folder that nobody can list.
    let tls = house.settings.state.join("tls");
    std::fs::rename(&tls, house.path("tls")).unwrap();
    std::fs::write(&tls, "a file").unwrap();
    let made = house.back_up(&house.path("two.backup"), None).unwrap();
    let told = made.lacking().unwrap();
    assert!(told.why.contains("state/tls"), "{}", told.why);

    store::to_first_schema(&house.database()).unwrap();
    let made = before_upgrade(&house.settings, Some(house.config()), now()).unwrap();
    assert_eq!(made.unwrap().manifest.left_out.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_daily_one_lacks_is_told_until_one_holds_it() {
    let kept = keeping(|settings| {
        std::fs::write(settings.state.join("traefik/acme/acme.json"), "{").unwrap();
    });
    hours(1).await;
    let told = kept.keeper.kept().borrow().clone();
    assert_eq!((list(&kept.house.settings).len(), told.failed), (1, None));
    assert!(told.lacking.unwrap().why.contains("acme.json"));
    std::fs::write(kept.house.settings.state.join("traefik/acme/acme.json"), "").unwrap();
    hours(24).await;
    assert_eq!(kept.keeper.kept().borrow().issues().count(), 0);
}

#[test]
fn only_the_daily_ones_beyond_what_is_kept_go() {
    let house = House::new();
    let mut settings = house.settings.clone();
    settings.backup.keep = 2;
    std::fs::create_dir_all(upgrades(&settings)).unwrap();
    let day = |days: i64| now() - SignedDuration::from_hours(24 * days);
    for days in 0..5 {
        let file = name("colourstream", Why::Daily, day(days));
        std::fs::write(folder(&settings).join(file), "x").unwrap();
    }
    let stays = [
        folder(&settings).join(name("colourstream", Why::Asked, day(9))),
        upgrades(&settings).join(name("colourstream", Why::Upgrade, day(9))),
        folder(&settings).join(name("neighbour", Why::Daily, day(9))),
        folder(&settings).join("notes.txt"),
    ];
    for path in &stays {
        std::fs::write(path, "x").unwrap();
    }
    let made = folder(&settings).join(name("colourstream", Why::Daily, day(0)));
    prune(&settings, &made, now()).unwrap();
    assert!(stays.iter().all(|path| path.exists()));
    let daily: Vec<Timestamp> = list(&settings)
        .into_iter()
        .filter(|one| one.why == Why::Daily)
        .map(|one| one.at)
        .collect();
    assert_eq!(daily, [day(0), day(1)]);
}

/// The clock was wrong for a while, and is right again.
#[test]
fn those_of_the_future_go_first_and_the_one_just_made_never() {
    let house = House::new();
    let mut settings = house.settings.clone();
    settings.backup.keep = 3;
    std::fs::create_dir_all(folder(&settings)).unwrap();
    let day = |days: i64| now() - SignedDuration::from_hours(24 * days);
    let home = folder(&settings);
    let file = |days: i64| home.join(name("colourstream", Why::Daily, day(days)));
    for days in [-900, -901, -902, -903, 0, 1] {
        std::fs::write(file(days), "x").unwrap();
    }
    prune(&settings, &file(0), now()).unwrap();
    let left: Vec<Timestamp> = list(&settings).into_iter().map(|one| one.at).collect();
    assert_eq!(left, [day(-903), day(0), day(1)]);
    // Even one that is itself from before the others by a clock set back.
    settings.backup.keep = 1;
    prune(&settings, &file(1), now()).unwrap();
    let left: Vec<Timestamp> = list(&settings).into_iter().map(|one| one.at).collect();
    assert_eq!(left, [day(1)]);
}

/// A keeper on a clock that follows paused time, and can be set.
struct Kept24 {
    house: House,
    keeper: Arc<Keeper>,
    set: Arc<AtomicI64>,
}

fn keeping(change: impl FnOnce(&mut Settings)) -> Kept24 {
    let mut house = House::new();
    house.settings.backup.every = Some(Duration::from_secs(24 * 3600));
    change(&mut house.settings);
    let store = Arc::new(Store::open(&house.database(), VERSION).unwrap());
    let (_sender, settings) = watch::channel(Arc::new(house.settings.clone()));
    let set = Arc::new(AtomicI64::new(0));
    let (begun, shift) = (tokio::time::Instant::now(), Arc::clone(&set));
    let clock = Arc::new(move || {
        let passed = i64::try_from(begun.elapsed().as_secs()).unwrap();
        now() + SignedDuration::from_secs(passed + shift.load(Ordering::Relaxed))
    });
    let keeper = Keeper::new(store, settings, Some(house.config()), clock);
    tokio::spawn(Arc::clone(&keeper).run());
    Kept24 { house, keeper, set }
}

async fn hours(hours: u64) {
    // In steps: the backup itself runs on real threads.
    for _ in 0..hours * 60 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let done = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(300)));
    done.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_is_made_every_day_and_seven_are_kept() {
    let kept = keeping(|settings| settings.backup.keep = 3);
    let count = || list(&kept.house.settings).len();
    assert_eq!(count(), 0, "not in the way of a start");
    hours(1).await;
    assert_eq!(count(), 1);
    hours(22).await;
    assert_eq!(count(), 1, "not before its time");
    for day in 2..=5 {
        hours(24).await;
        assert_eq!(count(), day.min(3), "day {day}");
    }
    let now = kept.keeper.kept().borrow().clone();
    assert_eq!(now.failed, None);
    assert_eq!(now.last, newest(&kept.house.settings));
    assert!(now.next.unwrap() > now.last.unwrap().at);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_told_and_tried_again() {
    let kept = keeping(|settings| {
        let file = settings.state.join("a-file");
        std::fs::write(&file, "x").unwrap();
        settings.backup.folder = Some(file.join("backups"));
    });
    hours(1).await;
    let told = kept.keeper.kept().borrow().failed.clone().unwrap();
    assert_eq!(told.code.name(), "backup-failed");
    assert!(told.why.contains("no good backup yet"), "{}", told.why);
    std::fs::remove_file(kept.house.settings.state.join("a-file")).unwrap();
    hours(1).await;
    assert_eq!(kept.keeper.kept().borrow().failed, None);
    assert_eq!(list(&kept.house.settings).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_passphrase_that_seals_nothing_is_told_and_opens_what_it_sealed() {
    let kept = keeping(|settings| {
        let file = settings.state.join("word");
        std::fs::write(&file, "\n").unwrap();
        settings.backup.passphrase_file = Some(file);
    });
    let settings = &kept.house.settings;
    hours(1).await;
    let told = kept.keeper.kept().borrow().failed.clone().unwrap();
    assert_eq!(told.code.name(), "backup-failed");
    let word = settings.backup.passphrase_file.clone().unwrap();
    assert!(
        told.why.contains(&format!("{} holds", word.display())),
        "{told:?}"
    );
    assert!(
        told.fix.starts_with("Write a longer passphrase"),
        "{told:?}"
    );
    assert_eq!(list(settings), []);
    // One from before that was refused.
    let old = kept.house.path("old.backup");
    kept.house.back_up(&old, Some("")).unwrap();
    let secret = passphrase(settings).unwrap().unwrap();
    assert!(peek(&old, Some(&secret), VERSION).is_ok());
    std::fs::write(word, "12345678\n").unwrap();
    hours(1).await;
    assert_eq!(kept.keeper.kept().borrow().failed, None);
    assert_eq!(list(settings).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_a_day_either_way_does_not_stop_them() {
    let kept = keeping(|_| ());
    let count = || list(&kept.house.settings).len();
    hours(1).await;
    assert_eq!(count(), 1);
    kept.set.store(-24 * 3600, Ordering::Relaxed);
    hours(1).await;
    assert_eq!(count(), 2, "one of the future is no reason to wait");
    kept.set.store(24 * 3600, Ordering::Relaxed);
    hours(1).await;
    assert_eq!(count(), 3);
}

#[tokio::test(start_paused = true)]
async fn many_of_the_future_cost_no_good_one_and_begin_no_storm() {
    let kept = keeping(|settings| {
        settings.backup.keep = 2;
        std::fs::create_dir_all(folder(settings)).unwrap();
        for year in 1..=4 {
            let at = now() + SignedDuration::from_hours(24 * 365 * year);
            let path = folder(settings).join(name("colourstream", Why::Daily, at));
            std::fs::write(path, "x").unwrap();
        }
    });
    let good = || -> Vec<BackupFile> {
        let now = now() + SignedDuration::from_hours(24 * 30);
        let all = list(&kept.house.settings).into_iter();
        all.filter(|one| one.at <= now).collect()
    };
    hours(2).await;
    let first = good();
    assert_eq!(first.len(), 1);
    hours(20).await;
    assert_eq!(good(), first, "one a day, and it stays");
    hours(24).await;
    assert_eq!(good().len(), 2);
    assert_eq!(
        list(&kept.house.settings).len(),
        2,
        "those of the future went"
    );
}

#[tokio::test(start_paused = true)]
async fn off_is_off_and_asking_works_all_the_same() {
    let kept = keeping(|settings| settings.backup.every = None);
    hours(30).await;
    assert_eq!(list(&kept.house.settings), []);
    let made = kept.keeper.make(Why::Asked, "ben").await.unwrap();
    assert_eq!(made.manifest.who, "ben");
    assert_eq!(
        kept.keeper.kept().borrow().last.as_ref().unwrap().path,
        made.path
    );
}

#[test]
fn an_older_database_is_backed_up_before_it_is_changed() {
    let house = House::new();
    let upgrade = || before_upgrade(&house.settings, Some(house.config()), now()).unwrap();
    assert!(upgrade().is_none(), "nothing to change");
    store::to_first_schema(&house.database()).unwrap();
    let made = upgrade().unwrap();
    assert_eq!(made.manifest.schema, 1);
    assert_eq!(made.manifest.why, Why::Upgrade);
    assert!(made.path.starts_with(upgrades(&house.settings)));
    // An upgrade that fails is tried again: the same backup serves, as long as
    // it is whole and nothing was changed since.
    let later = |minutes: i64| now() + SignedDuration::from_mins(minutes);
    let again = |minutes| before_upgrade(&house.settings, None, later(minutes)).unwrap();
    assert!(again(1).is_none());
    assert!(again(2).is_none());
    let change = |room: &str| {
        let sql = format!("UPDATE meta SET value = '{room}' WHERE key = 'room'");
        store::for_tests(&house.database(), &sql).unwrap();
    };
    change("Halcyon");
    assert!(again(3).is_some());
    assert!(again(4).is_none());
    let newest = newest(&house.settings).unwrap().path;
    std::fs::write(&newest, "not whole").unwrap();
    assert!(again(5).is_some());
    assert_eq!(list(&house.settings).len(), 3);
    change("Northlight");
    // It comes back, brought up to date.
    assert_eq!(house.room().as_deref(), Some("Northlight"));
    let other = tempfile::tempdir().unwrap();
    let state = other.path().join("state");
    put_back(&state, &made.path, None, None).unwrap();
    let facts = store::examine(&state.join(store::FILE), VERSION, true).unwrap();
    assert!(!facts.is_older());
}

#[test]
fn one_that_would_go_with_its_container_says_what_to_mount() {
    for path in [
        "/mnt/backups/x-daily.backup",
        "/mnt/backups/before-upgrade/x-upgrade.backup",
    ] {
        let issue = BackupError::Passing(path.into()).issue(Path::new("/mnt/backups"), None);
        assert_eq!(issue.code.name(), "backup-failed");
        let (why, fix) = (issue.why, issue.fix);
        assert!(why.contains("in this container alone"), "{why}");
        assert!(fix.contains("`-v /srv/backups:/mnt/backups`"), "{fix}");
    }
}
