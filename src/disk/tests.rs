#![expect(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    disk: Disk,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(&dir.path().join("state")).unwrap();
    Place { _dir: dir, disk }
}

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn left_in_tmp(disk: &Disk) -> usize {
    fs::read_dir(disk.state().join(TMP)).unwrap().count()
}

#[test]
fn a_written_file_has_its_bytes_mode_and_owner() {
    let Place { disk, _dir } = place();
    let (can_chown, us) = disk.ownership().unwrap();
    let owner = if can_chown { (1000, 1000) } else { us };
    let path = Path::new("mirotalk/abc/.env");
    disk.write(path, b"A=1", 0o400, Some(owner)).unwrap();
    disk.write(path, b"A=2", 0o440, Some(owner)).unwrap();
    assert_eq!(
        disk.scan().unwrap()[path],
        FileFacts {
            state: FileState::File(Digest::of("A=2")),
            mode: 0o440,
            owner,
        }
    );
    assert_eq!(left_in_tmp(&disk), 0);
    let state = fs::metadata(disk.state()).unwrap();
    assert_eq!(state.mode() & 0o777, 0o700);
}

#[test]
fn a_reader_never_sees_a_torn_file() {
    let Place { disk, _dir } = place();
    let path = Path::new("traefik/dynamic/routes.yml");
    let one = vec![b'1'; 300_000];
    let two = vec![b'2'; 500_000];
    disk.write(path, &one, 0o644, None).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let full = disk.rendered().join(path);
    let reader = std::thread::spawn({
        let (stop, one, two) = (Arc::clone(&stop), one.clone(), two.clone());
        move || {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                let bytes = fs::read(&full).unwrap();
                assert!(bytes == one || bytes == two, "torn: {} bytes", bytes.len());
                reads += 1;
            }
            reads
        }
    });
    for _ in 0..60 {
        disk.write(path, &two, 0o644, None).unwrap();
        disk.write(path, &one, 0o644, None).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
}

#[test]
fn no_temporary_file_ever_appears_among_the_rendered() {
    let Place { disk, _dir } = place();
    disk.write(Path::new("a/f"), b"1", 0o600, None).unwrap();
    let names: Vec<_> = disk.scan().unwrap().into_keys().collect();
    assert_eq!(names, [PathBuf::from("a"), PathBuf::from("a/f")]);
}

/// A file system of 64 KiB; needs root.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(at)
            .output()
            .ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_named_and_the_old_file_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    // Where nothing may be mounted, /dev/full's kin cannot be had either.
    let Some(_small) = Small::mount(&state) else {
        assert_ne!(
            rustix::process::geteuid().as_raw(),
            0,
            "root could not mount a tmpfs"
        );
        return;
    };
    let disk = Disk::open(&state).unwrap();
    let path = Path::new("traefik/dynamic/routes.yml");
    disk.write(path, b"good", 0o644, None).unwrap();
    let error = disk
        .write(path, &vec![0; 100_000], 0o644, None)
        .unwrap_err();
    let full = disk.rendered().join(path);
    assert_eq!(error, DiskError::Full { path: full.clone() });
    assert!(error.to_string().contains("routes.yml") && error.to_string().contains("free some"));
    assert_eq!(error.issue().code, IssueCode::StateUnwritable);
    assert_eq!(fs::read(&full).unwrap(), b"good");
    assert_eq!(left_in_tmp(&disk), 0);
    disk.write(path, b"better", 0o644, None).unwrap();
}

#[test]
fn paths_that_lead_out_are_refused() {
    let Place { disk, _dir } = place();
    for bad in ["../x", "/etc/x", "", "a/../../x"] {
        let error = disk.write(Path::new(bad), b"", 0o600, None).unwrap_err();
        assert!(matches!(error, DiskError::Refused { .. }), "{bad}: {error}");
    }
    symlink("/tmp", disk.rendered().join("link")).unwrap();
    let error = disk
        .write(Path::new("link/x"), b"", 0o600, None)
        .unwrap_err();
    assert!(matches!(error, DiskError::Refused { .. }), "{error}");
}

#[test]
fn a_scan_tells_links_folders_pipes_and_files_apart() {
    let Place { disk, _dir } = place();
    let root = disk.rendered();
    fs::write(root.join("file"), "x").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    let states: Vec<_> = disk
        .scan()
        .unwrap()
        .into_iter()
        .map(|(path, facts)| (path.display().to_string(), facts.state))
        .collect();
    assert_eq!(
        states,
        [
            ("file".to_owned(), FileState::File(Digest::of("x"))),
            ("folder".to_owned(), FileState::Directory),
            ("link".to_owned(), FileState::Other),
            ("pipe".to_owned(), FileState::Other),
        ]
    );
}

#[test]
fn an_edit_is_seen_even_when_size_and_time_of_content_are_restored() {
    let Place { disk, _dir } = place();
    let path = Path::new("f");
    disk.write(path, b"one", 0o644, None).unwrap();
    let full = disk.rendered().join(path);
    let before = fs::metadata(&full).unwrap().modified().unwrap();
    disk.scan().unwrap();
    fs::write(&full, "two").unwrap();
    File::options()
        .write(true)
        .open(&full)
        .unwrap()
        .set_modified(before)
        .unwrap();
    assert_eq!(
        disk.scan().unwrap()[path].state,
        FileState::File(Digest::of("two"))
    );
}

#[test]
fn a_settled_file_is_not_read_again() {
    let Place { disk, _dir } = place();
    let path = Path::new("f");
    disk.write(path, b"one", 0o644, None).unwrap();
    disk.scan().unwrap();
    assert!(disk.known().is_empty(), "too fresh to be remembered");
    std::thread::sleep(SETTLED + Duration::from_millis(2100));
    disk.scan().unwrap();
    // A false memory shows that the file itself is not asked.
    let false_digest = Digest::of("other");
    disk.known()
        .values_mut()
        .for_each(|known| known.digest = false_digest);
    assert_eq!(
        disk.scan().unwrap()[path].state,
        FileState::File(false_digest)
    );
}

#[test]
fn removing_takes_the_digest_folder_but_never_a_watched_one() {
    let Place { disk, _dir } = place();
    let identity = Path::new("mirotalk/0123456789ab/.env");
    let watched = Path::new("traefik/dynamic/routes.yml");
    for path in [identity, watched] {
        disk.write(path, b"x", 0o644, None).unwrap();
        disk.remove(path).unwrap();
        disk.remove(path).unwrap();
    }
    let left: Vec<_> = disk.scan().unwrap().into_keys().collect();
    assert_eq!(
        left,
        ["mirotalk", "traefik", "traefik/dynamic"].map(PathBuf::from)
    );
}

#[test]
fn quarantine_keeps_what_it_takes_and_overwrites_nothing() {
    let Place { disk, _dir } = place();
    let path = Path::new("traefik/dynamic/mine.yml");
    let mut kept = Vec::new();
    for content in ["a", "b"] {
        disk.write(path, content.as_bytes(), 0o644, None).unwrap();
        kept.push(disk.quarantine(path, now()).unwrap().unwrap());
    }
    assert_eq!(disk.quarantine(path, now()).unwrap(), None);
    assert!(kept[0].ends_with("quarantine/20261122T100000Z-traefik_dynamic_mine.yml"));
    assert_eq!(fs::read(&kept[0]).unwrap(), b"a");
    assert_eq!(fs::read(&kept[1]).unwrap(), b"b");
}

#[test]
fn the_second_holder_learns_who_the_first_is() {
    let Place { disk, _dir } = place();
    let first = StateLock::acquire(disk.state(), now(), "1.2.3").unwrap();
    let error = StateLock::acquire(disk.state(), now(), "1.2.4").unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("1.2.3") && words.contains(&std::process::id().to_string()),
        "{words}"
    );
    drop(first);
    StateLock::acquire(disk.state(), now(), "1.2.4").unwrap();
}

#[test]
fn left_overs_of_a_killed_writer_are_cleared() {
    let Place { disk, _dir } = place();
    fs::write(disk.state().join(TMP).join("1-1"), "half").unwrap();
    let lock = StateLock::acquire(disk.state(), now(), "1").unwrap();
    disk.clear_tmp(&lock);
    assert_eq!(left_in_tmp(&disk), 0);
}

#[test]
fn secrets_are_made_once_and_read_ever_after() {
    let Place { disk, _dir } = place();
    let lock = StateLock::acquire(disk.state(), now(), "1").unwrap();
    let made = load_or_create_secrets(&disk, &lock, None).unwrap();
    let path = disk.state().join("secrets.json");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let turn = disk.state().join("turn");
    fs::write(&turn, "credential\n").unwrap();
    let read = load_or_create_secrets(&disk, &lock, Some(&turn)).unwrap();
    assert_eq!(read.ome_api_token, made.ome_api_token);
    assert_eq!(read.ticket_key, made.ticket_key);
    assert_eq!(read.turn_credential.expose(), "credential");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(made.mirotalk_jwt_key.expose().len(), 64);
    assert_ne!(made.mirotalk_jwt_key, made.mirotalk_api_key);
}

#[test]
fn damaged_or_vanished_secrets_are_refused_and_never_shown() {
    let Place { disk, _dir } = place();
    let lock = StateLock::acquire(disk.state(), now(), "1").unwrap();
    load_or_create_secrets(&disk, &lock, None).unwrap();
    let path = disk.state().join("secrets.json");
    let whole = fs::read_to_string(&path).unwrap();
    for damaged in [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"ticket_key\"", "\"ticket\""),
        "{\"ome_api_token\": \"hunter2-hunter2\"}".to_owned(),
        whole.replacen(": \"", ": \"zzhunter2", 1),
    ] {
        fs::write(&path, &damaged).unwrap();
        let error = load_or_create_secrets(&disk, &lock, None).unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, DiskError::Damaged { .. }), "{words}");
        assert!(
            words.contains("secrets.json") && !words.contains("hunter2"),
            "{words}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "not remade");
    }
    fs::remove_file(&path).unwrap();
    disk.write(Path::new("f"), b"", 0o600, None).unwrap();
    let error = load_or_create_secrets(&disk, &lock, None).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_service_folder_gets_mode_and_owner_each_time() {
    let Place { disk, _dir } = place();
    let path = Path::new("data/acme");
    disk.ensure_folder(path, 0o700, None).unwrap();
    let full = disk.state().join(path);
    fs::set_permissions(&full, fs::Permissions::from_mode(0o777)).unwrap();
    disk.ensure_folder(path, 0o700, None).unwrap();
    assert_eq!(fs::metadata(full).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn what_we_lack_ourselves_says_nothing_of_a_file() {
    let of = |code: i32| {
        let error = io::Error::from_raw_os_error(code);
        DiskError::of("read", Path::new("/state/rendered/a"), &error)
    };
    // EMFILE, ENFILE, ENOMEM: too many open files here, everywhere; no memory.
    for code in [24, 23, 12] {
        let error = of(code);
        assert!(matches!(error, DiskError::Exhausted { .. }), "{error:?}");
        assert!(error.issue().fix.contains("--ulimit nofile"), "{error:?}");
    }
    for code in [2, 5, 13, 28] {
        assert!(!matches!(of(code), DiskError::Exhausted { .. }), "{code}");
    }
}
