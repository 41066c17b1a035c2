#![expect(clippy::unwrap_used)]

use super::*;
use crate::model::{Link, Slug};
use crate::store::Visits;

/// What a cutter was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>, AtomicU64);

impl Told {
    fn all(&self) -> Vec<String> {
        let mut all = lock(&self.0).clone();
        all.sort();
        all
    }

    fn tell(&self, what: String) -> Result<(), String> {
        if self.1.load(Ordering::Relaxed) > 0 {
            self.1.fetch_sub(1, Ordering::Relaxed);
            return Err("busy".into());
        }
        lock(&self.0).push(what);
        Ok(())
    }
}

struct Hand(Arc<Told>);

impl Cutter for Hand {
    fn delete_stream<'a>(&'a self, profile: &'a str, stream: &'a StreamName) -> Later<'a> {
        Box::pin(async move { self.0.tell(format!("delete {profile}/{stream}")) })
    }

    fn end_meeting<'a>(&'a self, stream: &'a StreamName) -> Later<'a> {
        Box::pin(async move { self.0.tell(format!("end {stream}")) })
    }
}

fn clock() -> Clock {
    let start = tokio::time::Instant::now();
    let begin: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
    Arc::new(move || {
        begin
            .checked_add(SignedDuration::try_from(start.elapsed()).unwrap())
            .unwrap()
    })
}

fn room(now: Timestamp) -> Room {
    Room::sample(now).unwrap()
}

fn facts() -> StreamFacts {
    StreamFacts::of(&serde_json::Value::Null, None, None, Timestamp::UNIX_EPOCH)
}

fn seen(profile: &str, name: &str) -> SeenStream {
    SeenStream {
        profile: profile.into(),
        name: name.into(),
        facts: facts(),
    }
}

struct House {
    access: Arc<Access>,
    store: Arc<Store>,
    told: Arc<Told>,
}

fn house(change: impl FnOnce(&mut Room, Timestamp)) -> House {
    let (store, clock) = (Arc::new(Store::in_memory().unwrap()), clock());
    let now = clock();
    let mut room = room(now);
    change(&mut room, now);
    store.insert_room(&room, now).unwrap();
    let keys = AdmissionKeys {
        hook: Secret::new("h".into()),
        tickets: TicketKey::new(Secret::new("t".into())),
    };
    let access = Access::new(Arc::clone(&store), keys, clock).unwrap();
    let told = Arc::new(Told::default());
    tokio::spawn(Arc::clone(&access).run(Arc::new(Hand(Arc::clone(&told)))));
    House {
        access,
        store,
        told,
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

impl House {
    fn change(&self, change: impl FnOnce(&mut Room)) {
        self.store
            .change_room(&Id::kept("room"), None, self.access.now(), |room| {
                change(room);
                Ok(Visits::Keep)
            })
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn closing_cuts_picture_and_call() {
    let house = house(|_, _| {});
    settle().await;
    house.change(|room| room.closed = true);
    settle().await;
    assert_eq!(house.told.all(), ["delete live/roomone1", "end roomone1"]);
    assert_eq!(
        house
            .access
            .index()
            .room(&Id::kept("room"))
            .unwrap()
            .gate(house.access.now()),
        Gate::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn expiry_needs_nobody() {
    let house =
        house(|room, now| room.expires_at = now.checked_add(SignedDuration::from_hours(1)).ok());
    tokio::time::sleep(Duration::from_secs(3_599)).await;
    assert!(house.told.all().is_empty());
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(house.told.all(), ["delete live/roomone1", "end roomone1"]);
}

#[tokio::test(start_paused = true)]
async fn what_expired_while_nobody_looked_is_cut_at_the_first_look() {
    let house = house(|room, now| room.expires_at = Some(now));
    settle().await;
    assert!(house.told.all().is_empty());
    house
        .access
        .see_streams(vec![seen("live", "roomone1"), seen("live", "strangers9")]);
    house
        .access
        .see_calls(vec![("roomone1".into(), vec!["Ann".into()])]);
    settle().await;
    // The call waits for its turn: one cut per stream at a time.
    house
        .access
        .see_calls(vec![("roomone1".into(), vec!["Ann".into()])]);
    settle().await;
    assert_eq!(
        house.told.all(),
        [
            "delete live/roomone1",
            "delete live/strangers9",
            "end roomone1"
        ]
    );
    assert!(
        !house
            .access
            .live(|live| live.rooms().any(|(_, room)| room.is_live()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_key_cuts_the_encoder_and_leaves_the_call() {
    let house = house(|_, _| {});
    settle().await;
    house.change(|room| room.key = "sk_new1".parse().unwrap());
    settle().await;
    assert_eq!(house.told.all(), ["delete live/roomone1"]);
}

fn since(began: Timestamp) -> Vec<SeenStream> {
    let mut seen = seen("live", "roomone1");
    seen.facts.live_since = Some(began);
    vec![seen]
}

#[tokio::test(start_paused = true)]
async fn a_former_key_is_found_after_a_kill_between_the_change_and_the_cut() {
    let first = house(|_, _| {});
    let before = first.access.now();
    tokio::time::sleep(Duration::from_secs(60)).await;
    first.change(|room| room.key = "sk_new1".parse().unwrap());
    // Another process finds what this one left.
    let next = |clock: Clock| {
        let access = Access::new(Arc::clone(&first.store), first.access.keys.clone(), clock);
        let (access, told) = (access.unwrap(), Arc::new(Told::default()));
        tokio::spawn(Arc::clone(&access).run(Arc::new(Hand(Arc::clone(&told)))));
        (access, told)
    };
    let clock = Arc::clone(&first.access.clock);
    let (access, told) = next(Arc::clone(&clock));
    access.see_streams(since(before));
    settle().await;
    assert_eq!(told.all(), ["delete live/roomone1"]);
    assert!(!access.live(|live| live.rooms().any(|(_, room)| room.is_live())));
    // The same encoder with the new key, and what says nothing of its time.
    tokio::time::sleep(Duration::from_secs(10)).await;
    access.see_streams(since(access.now()));
    access.see_streams(vec![seen("live", "roomone1")]);
    settle().await;
    assert_eq!(told.all().len(), 1);
    // Changed while the clock was a day ahead: the right encoder stays.
    let day = SignedDuration::from_hours(24);
    let (access, told) = next(Arc::new(move || clock().checked_sub(day).unwrap()));
    access.see_streams(since(access.now()));
    settle().await;
    assert!(told.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_former_key_is_cut_however_long_the_service_refuses() {
    let house = house(|_, _| {});
    let before = house.access.now();
    tokio::time::sleep(Duration::from_secs(60)).await;
    house.told.1.store(u64::MAX, Ordering::Relaxed);
    house.change(|room| room.key = "sk_new1".parse().unwrap());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        house.access.see_streams(since(before));
    }
    assert!(house.told.all().is_empty());
    house.told.1.store(0, Ordering::Relaxed);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        house.access.see_streams(since(before));
    }
    assert!(!house.told.all().is_empty());
    assert!(
        house
            .told
            .all()
            .iter()
            .all(|it| it == "delete live/roomone1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_former_key_that_was_let_in_before_and_is_listed_after_the_cut_is_cut() {
    let house = house(|_, _| {});
    settle().await;
    let encoder = |port| Peer {
        protocol: "srt".into(),
        address: "10.0.0.1".into(),
        port,
    };
    let lets_in = |port| {
        let (stream, now) = ("roomone1".parse().unwrap(), house.access.now());
        lock(&house.access.live).publishes(&stream, encoder(port), now);
    };
    lets_in(1);
    house.change(|room| room.key = "sk_new1".parse().unwrap());
    settle().await;
    assert_eq!(house.told.all().len(), 1, "when nothing was there yet");
    tokio::time::sleep(Duration::from_millis(500)).await;
    house.access.see_streams(since(house.access.now()));
    settle().await;
    assert_eq!(house.told.all().len(), 2);
    // By the new key, within the same moments.
    lets_in(2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    house.access.see_streams(since(house.access.now()));
    settle().await;
    assert_eq!(house.told.all().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_stream_cuts_the_old_one() {
    let house = house(|_, _| {});
    settle().await;
    house.change(|room| room.stream = "roomnew1".parse().unwrap());
    settle().await;
    assert_eq!(house.told.all(), ["delete live/roomone1", "end roomone1"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_ends_nothing_cuts_nothing() {
    let house = house(|_, _| {});
    settle().await;
    house.change(|room| {
        room.title = "Other".into();
        room.slug = Slug::kept("other");
        room.viewer_cap = Some(3);
    });
    settle().await;
    assert!(house.told.all().is_empty());
    assert!(house.access.index().redirect("room-one").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_busy_is_asked_again() {
    let house = house(|_, _| {});
    settle().await;
    house.told.1.store(2, Ordering::Relaxed);
    house.change(|room| room.archived = true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(house.told.all(), ["delete live/roomone1", "end roomone1"]);
}

fn link(house: &House, max_uses: Option<u32>, expires_at: Option<Timestamp>) -> Token {
    let token = Token::new(&random());
    let link = Link {
        id: Id::new(&random()),
        room: Id::kept("room"),
        name: "Ann".into(),
        seat: Seat::Presenter,
        expires_at,
        max_uses,
        uses: 0,
        revoked: false,
        last_seen: None,
        created_at: house.access.now(),
    };
    house.store.insert_link(&link, token.digest()).unwrap();
    house.access.refresh().unwrap();
    token
}

#[tokio::test(start_paused = true)]
async fn a_link_opens_its_room_and_a_code_opens_the_call_once() {
    let house = house(|_, _| {});
    let token = link(&house, Some(1), None);
    let entered = house
        .access
        .enter_by_link(token.clone(), None, None, "::1")
        .await
        .unwrap();
    assert_eq!(
        (entered.grant.name.as_str(), entered.grant.seat),
        ("Ann", Seat::Presenter)
    );
    let cookie = entered.cookie.unwrap();
    // The same browser again is the same person; another one is one too many.
    let again = house
        .access
        .enter_by_link(token.clone(), Some(cookie.clone()), None, "::1")
        .await
        .unwrap();
    assert_eq!(
        (again.grant.id, again.cookie.is_none()),
        (entered.grant.id.clone(), true)
    );
    let other = house.access.enter_by_link(token, None, None, "::1").await;
    assert!(matches!(other, Err(EntryError::LinkUsedUp)));
    let code = house.access.call_code(
        cookie.digest(),
        &entered.grant.id,
        Secret::new("/join".into()),
    );
    assert!(house.access.redeem(&code).is_some());
    assert!(house.access.redeem(&code).is_none());
    let late = house.access.call_code(
        cookie.digest(),
        &entered.grant.id,
        Secret::new("/join".into()),
    );
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(house.access.redeem(&late).is_none());
    // Whoever asks again and again does not fill the memory.
    let codes: Vec<Token> = (0..100)
        .map(|_| {
            let (session, place) = (cookie.digest(), &entered.grant.id);
            house
                .access
                .call_code(session, place, Secret::new("/join".into()))
        })
        .collect();
    assert!(house.access.redeem(&codes[99]).is_some());
    let kept = codes.iter().filter_map(|code| house.access.redeem(code));
    assert_eq!(kept.count(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_chosen_cookie_is_not_taken_over() {
    let house = house(|_, _| {});
    let token = link(&house, None, None);
    let entered = house
        .access
        .enter_by_link(token, Some(Token::given("chosen")), None, "::1")
        .await
        .unwrap();
    assert!(entered.cookie.is_some());
    assert_ne!(entered.session, Token::given("chosen").digest());
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_with_its_time_and_takes_its_holder_out() {
    let house = house(|_, _| {});
    let until = house
        .access
        .now()
        .checked_add(SignedDuration::from_secs(60))
        .unwrap();
    let token = link(&house, None, Some(until));
    let entered = house
        .access
        .enter_by_link(token.clone(), None, None, "::1")
        .await
        .unwrap();
    let is_in = || {
        house
            .access
            .index()
            .place_by_id(&entered.grant.id, house.access.now())
            .is_some()
    };
    assert!(is_in());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!is_in());
    assert!(matches!(
        house.access.enter_by_link(token, None, None, "::1").await,
        Err(EntryError::LinkExpired)
    ));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_read_again_without_another_change() {
    let house = house(|_, _| {});
    let token = link(&house, None, None);
    let entered = house
        .access
        .enter_by_link(token, None, None, "::1")
        .await
        .unwrap();
    let is_in = || {
        let (index, now) = (house.access.index(), house.access.now());
        index.place_by_id(&entered.grant.id, now).is_some()
    };
    settle().await;
    house
        .store
        .behind("ALTER TABLE visitors RENAME TO away")
        .unwrap();
    let link = entered.grant.link.clone().unwrap();
    house.store.revoke_link(&entered.room.id, &link).unwrap();
    assert!(house.access.refresh().is_err());
    settle().await;
    assert!(is_in(), "the last that is known stays in force");
    house
        .store
        .behind("ALTER TABLE away RENAME TO visitors")
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!is_in());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_and_an_edit_end_nobodys_place() {
    let house = house(|_, _| {});
    let token = link(&house, None, None);
    let entered = house
        .access
        .enter_by_link(token, None, None, "::1")
        .await
        .unwrap();
    let right = Arc::clone(&house.access.clock);
    let off = |days: i64| -> Clock {
        let (right, days) = (Arc::clone(&right), SignedDuration::from_hours(24 * days));
        Arc::new(move || right().checked_add(days).unwrap())
    };
    let from_1970 = house.access.now().as_second() / 86_400;
    for days in [70, -70, -from_1970, 0] {
        let keys = house.access.keys.clone();
        let access = Access::new(Arc::clone(&house.store), keys, off(days)).unwrap();
        let running = tokio::spawn(Arc::clone(&access).run(Arc::new(Hand(Arc::default()))));
        let here = || {
            let (index, now) = (access.index(), access.now());
            index.place_by_id(&entered.grant.id, now).is_some()
        };
        house.change(|room| room.title = format!("{days} days off"));
        access.refresh().unwrap();
        assert!(here(), "{days}");
        // Nor does it while the controller runs on.
        tokio::time::sleep(3 * FORGOTTEN).await;
        house.change(|room| room.title = format!("{days} days off, later"));
        access.refresh().unwrap();
        assert!(here(), "{days}");
        running.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_long_gone_is_forgotten_while_the_controller_runs() {
    let house = house(|_, _| {});
    let token = link(&house, None, None);
    let came = house.access.now();
    let days = |days: i64| {
        came.checked_add(SignedDuration::from_hours(24 * days))
            .unwrap()
    };
    for (name, last) in [("gone", -80), ("later", -10)] {
        let (entered, session) = (house.access.clone(), Token::new(&random()));
        let grant = entered
            .enter_by_link(token.clone(), Some(session), Some(name.into()), "::1")
            .await
            .unwrap();
        house
            .store
            .behind(&format!(
                "UPDATE visitors SET last_seen = {} WHERE token = '{}'",
                days(last).as_millisecond(),
                grant.session
            ))
            .unwrap();
    }
    let names = || {
        let (index, now) = (house.access.index(), house.access.now());
        let visitors = house.store.visitors().unwrap().into_iter();
        let places = visitors.flat_map(|visitor| visitor.grants);
        places
            .filter(|place| index.place_by_id(&place.id, now).is_some())
            .map(|place| place.name)
            .collect::<Vec<_>>()
    };
    tokio::time::sleep(FORGOTTEN / 2).await;
    assert_eq!(names().len(), 2);
    tokio::time::sleep(FORGOTTEN).await;
    assert_eq!(names(), ["later"]);
}

#[tokio::test(start_paused = true)]
async fn passcodes_are_limited_by_address_and_room() {
    let house = house(|_, _| {});
    let hash = house
        .access
        .passwords
        .hash(Secret::new("grade".into()))
        .await
        .unwrap();
    house.change(|room| room.passcode = Some(hash));
    house.access.refresh().unwrap();
    let access = Arc::clone(&house.access);
    let enter = async |slug: &str, passcode: &str, address: &str| {
        access
            .enter_by_passcode(
                slug,
                Secret::new(passcode.into()),
                None,
                "Bob".into(),
                address,
            )
            .await
    };
    assert_eq!(
        enter("room-one", "grade", "10.0.0.1")
            .await
            .unwrap()
            .grant
            .seat,
        Seat::Viewer
    );
    assert!(matches!(
        enter("no-such", "grade", "10.0.0.1").await,
        Err(EntryError::PasscodeWrong)
    ));
    for _ in 0..5 {
        assert!(matches!(
            enter("room-one", "", "10.0.0.1").await,
            Err(EntryError::PasscodeWrong)
        ));
    }
    assert!(matches!(
        enter("room-one", "grade", "10.0.0.1").await,
        Err(EntryError::TooManyTries(_))
    ));
    assert!(enter("room-one", "grade", "10.0.0.2").await.is_ok());
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(enter("room-one", "grade", "10.0.0.1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_room_is_guessed_at_so_often_from_however_many_networks() {
    let house = house(|_, _| {});
    let hash = house.access.passwords.hash(Secret::new("grade".into()));
    let hash = hash.await.unwrap();
    house.change(|room| room.passcode = Some(hash));
    house.change(|room| room.slug = Slug::kept("other"));
    house.access.refresh().unwrap();
    let enter = async |slug: &str, passcode: &str, address: &str| {
        let (passcode, name) = (Secret::new(passcode.into()), "Bob".to_owned());
        let access = &house.access;
        access
            .enter_by_passcode(slug, passcode, None, name, address)
            .await
    };
    let name = |number: usize| ["room-one", "other"][number % 2];
    // One network, by both names.
    let mut wrong = 0;
    for number in 0..10 {
        let entered = enter(name(number), "", "10.0.0.1").await;
        wrong += usize::from(matches!(entered, Err(EntryError::PasscodeWrong)));
    }
    assert_eq!(wrong, 5);
    // A full house of people who mistype once.
    for number in 0..60 {
        let address = format!("10.0.1.{number}");
        assert!(enter("other", "", &address).await.is_err());
        assert!(enter("other", "grade", &address).await.is_ok());
    }
    for number in 0..300 {
        let entered = enter(name(number), "", &format!("2001:db8:{number:x}::1")).await;
        match entered {
            Err(EntryError::PasscodeWrong) => wrong += 1,
            other => assert!(matches!(other, Err(EntryError::TooManyTries(_)))),
        }
    }
    assert_eq!(wrong + 60, ROOM.tries);
    // Half an hour later the door is open again; a room that is not there says
    // the same all along.
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    assert!(enter("other", "grade", "10.0.2.1").await.is_ok());
    let mut wrong = 0;
    for number in 0..300 {
        let entered = enter("no-such", "", &format!("2001:db8:{number:x}::1")).await;
        wrong += usize::from(matches!(entered, Err(EntryError::PasscodeWrong)));
    }
    assert_eq!(wrong, ROOM.tries);
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_is_remembered_over_a_restart() {
    let house = house(|_, _| {});
    let token = link(&house, None, None);
    let entered = house
        .access
        .enter_by_link(token, None, None, "::1")
        .await
        .unwrap();
    let again = Access::new(
        Arc::clone(&house.store),
        house.access.keys.clone(),
        Arc::clone(&house.access.clock),
    )
    .unwrap();
    assert_eq!(
        again
            .index()
            .place(entered.session, &entered.room.id, again.now()),
        Some(&entered.grant)
    );
}

#[tokio::test(start_paused = true)]
async fn set_up_is_offered_until_it_is_done() {
    let house = house(|_, _| {});
    let token = house.access.setup_token().unwrap().unwrap();
    assert!(house.access.is_setup_token(&token));
    assert!(!house.access.is_setup_token(&Token::given("guess")));
    house.access.setup_done();
    assert!(!house.access.is_setup_token(&token));
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_was_let_in_is_looked_for_until_it_is_there() {
    let house = house(|_, _| {});
    let looks = async |within| {
        tokio::time::timeout(Duration::from_millis(within), house.access.look())
            .await
            .is_ok()
    };
    assert!(!looks(1_000).await);
    let peer = Peer {
        protocol: "srt".into(),
        address: "10.0.0.1".into(),
        port: 9,
    };
    lock(&house.access.live).publishes(&"roomone1".parse().unwrap(), peer, house.access.now());
    assert!(looks(150).await);
    assert!(looks(150).await);
    house.access.see_streams(vec![seen("live", "roomone1")]);
    assert!(!looks(1_000).await);
}
