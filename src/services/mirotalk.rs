//! What MiroTalk says of itself, whether strangers get in, and ending a
//! meeting.

use std::collections::BTreeMap;

use hyper::header::LOCATION;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::http::{Answer, Extras, Http, ServiceError};
use super::mirotalk_token::{Account, mint};
use crate::desired::Secrets;
use crate::model::{Secret, escaped};
use crate::settings::Flavour;

/// One MiroTalk.
#[derive(Clone, Debug)]
pub struct Mirotalk {
    pub(super) http: Http,
    pub(super) base: String,
    pub(super) flavour: Flavour,
    pub(super) api_key: Secret<String>,
}

/// A call that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meeting {
    /// Room name, the room's stream.
    pub room: String,
    /// Who is in it.
    pub people: Vec<Person>,
}

/// Somebody in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// As typed by themselves.
    pub name: String,
    /// Whether MiroTalk takes them for a presenter.
    pub presenter: bool,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Meetings.
    pub rooms: u32,
    /// People in all of them.
    pub people: u32,
}

/// What ending a meeting brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfMeeting {
    /// It is over.
    Ended,
    /// There was none.
    NotThere,
    /// This flavour has no such call: those inside stay until they leave.
    Unsupported,
}

/// What the probes need besides the server: fresh for each round.
#[derive(Clone, Debug)]
pub struct ProbeInput<'a> {
    /// Our keys.
    pub secrets: &'a Secrets,
    /// Seconds since the epoch.
    pub now: i64,
    /// A room nobody knows: 128 random bits in hexadecimal.
    pub room: String,
    /// Salts of the four tokens.
    pub salts: [[u8; 8]; 4],
    /// Also ask without a token: tells the truth only right after a start.
    pub without_token: bool,
}

/// Keys and accounts that MiroTalk falls back to, by itself and in silence,
/// when it cannot read its file.
const BUILT_IN: [(&str, &str, &str); 3] = [
    ("mirotalksfu_jwt_secret", "username", "password"),
    ("mirotalkp2p_jwt_secret", "admin", "admin"),
    ("mirotalk_jwt_secret", "MiroTalk", "P2P"),
];
/// The REST key baked into P2P's image.
const BUILT_IN_API_KEY: &str = "mirotalkp2p_default_secret";
/// The call page loads it, the login page does not.
const CALL_PAGE: &str = "/socket.io/socket.io.js";

impl Mirotalk {
    /// Whether it serves. There is no health path; `/stats` is the one answer
    /// that no redirect can fake.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn ready(&self) -> Result<(), ServiceError> {
        #[derive(Deserialize)]
        struct Stats {
            #[serde(rename = "enabled")]
            _enabled: bool,
        }
        let answer = self.http.get(&self.base, "/stats").await?.ok()?;
        answer.json::<Stats>().map(|_| ())
    }

    /// Meetings and people.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn counts(&self) -> Result<Counts, ServiceError> {
        #[derive(Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        #[derive(Default)]
        struct Stats {
            total_rooms: u32,
            total_users: u32,
            total_peers: u32,
        }
        let answer = self.api("/api/v1/stats").await?.ok()?;
        let stats: Stats = answer.json()?;
        Ok(Counts {
            rooms: stats.total_rooms,
            // SFU says users, P2P says peers.
            people: stats.total_users.max(stats.total_peers),
        })
    }

    /// Who is in which call.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn meetings(&self) -> Result<Vec<Meeting>, ServiceError> {
        #[derive(Deserialize)]
        struct Meetings {
            meetings: serde_json::Value,
        }
        let answer = self.api("/api/v1/meetings").await?.ok()?;
        Ok(meetings(answer.json::<Meetings>()?.meetings))
    }

    /// Ends a meeting; its people are sent to `redirect` (http or https).
    /// Whoever has a valid token walks back in: close the gate first.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn end(
        &self,
        room: &str,
        redirect: Option<&str>,
    ) -> Result<EndOfMeeting, ServiceError> {
        #[derive(Deserialize)]
        struct Ended {
            success: bool,
        }
        if self.flavour == Flavour::P2p {
            return Ok(EndOfMeeting::Unsupported);
        }
        let extras = Extras {
            authorization: Some(self.api_key.clone()),
            json: redirect.map(|to| serde_json::json!({ "redirect": to }).to_string()),
        };
        let path = format!("/api/v1/meeting/{}", escaped(room));
        let answer = self
            .http
            .send(Method::DELETE, &self.base, &path, extras)
            .await?;
        // The status alone proves nothing: P2P answers 200 with a page.
        match (answer.status, answer.json::<Ended>()) {
            (StatusCode::NOT_FOUND, _) => Ok(EndOfMeeting::NotThere),
            (status, Ok(Ended { success: true })) if status.is_success() => Ok(EndOfMeeting::Ended),
            (status, Err(error)) if status.is_success() => Err(error),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks as a stranger would. An empty list means that nobody gets in but
    /// with our tokens; otherwise each entry is a sentence of what is open.
    ///
    /// # Errors
    /// When an answer did not come: nothing is known then.
    pub async fn probe(&self, input: &ProbeInput<'_>) -> Result<Vec<String>, ServiceError> {
        let secrets = input.secrets;
        let [salt, foreign @ ..] = input.salts;
        let ours = mint(
            secrets.mirotalk_jwt_key.expose(),
            Account {
                username: "viewer",
                password: &secrets.mirotalk_viewer_password,
                presenter: false,
            },
            salt,
            input.now,
            60,
        );
        let built_in = BUILT_IN
            .iter()
            .zip(foreign)
            .map(|((key, username, password), salt)| {
                let password = Secret::new((*password).to_owned());
                let account = Account {
                    username,
                    password: &password,
                    presenter: false,
                };
                self.join(&input.room, Some(mint(key, account, salt, input.now, 60)))
            });
        let without_token = async {
            if input.without_token {
                self.join(&input.room, None).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let stats = |key: Option<Secret<String>>| async {
            let extras = Extras {
                authorization: key,
                json: None,
            };
            self.http
                .send(Method::GET, &self.base, "/api/v1/stats", extras)
                .await
        };
        let default_key = Secret::new(BUILT_IN_API_KEY.to_owned());
        let (ours, built_in, login, no_token, keyed, keyless, default) = tokio::try_join!(
            self.join(&input.room, Some(ours)),
            futures_util::future::try_join_all(built_in),
            self.http.get(&self.base, "/login"),
            without_token,
            stats(Some(self.api_key.clone())),
            stats(None),
            stats(Some(default_key)),
        )?;

        let mut open = Vec::new();
        let body = String::from_utf8_lossy(&ours.body);
        if ours.status != StatusCode::OK {
            open.push(format!(
                "it refuses our own tokens ({})",
                ours.status.as_u16()
            ));
        } else if !body.contains(CALL_PAGE) {
            open.push("it does not know our own account".to_owned());
        }
        for ((key, ..), answer) in BUILT_IN.iter().zip(&built_in) {
            if answer.status != StatusCode::UNAUTHORIZED {
                open.push(format!(
                    "it takes tokens of the built-in key {key} ({})",
                    answer.status.as_u16()
                ));
            }
        }
        if login.status != StatusCode::OK {
            open.push(format!(
                "its gates are off (/login: {})",
                login.status.as_u16()
            ));
        }
        if no_token.is_some_and(|answer| !self.turned_away(&answer)) {
            open.push("it opens a call to people without a token".to_owned());
        }
        if keyed.status != StatusCode::OK {
            open.push(format!(
                "it refuses our REST key ({})",
                keyed.status.as_u16()
            ));
        }
        for (answer, whom) in [
            (keyless, "without a key"),
            (default, "with the built-in key"),
        ] {
            if answer.status != StatusCode::FORBIDDEN {
                let status = answer.status.as_u16();
                open.push(format!("its REST interface answers {whom} ({status})"));
            }
        }
        Ok(open)
    }

    fn turned_away(&self, answer: &Answer) -> bool {
        match self.flavour {
            Flavour::Sfu => {
                answer.status.is_redirection()
                    && answer
                        .header(&LOCATION)
                        .is_some_and(|to| to.starts_with("/whoAreYou/"))
            }
            Flavour::P2p => answer.status == StatusCode::UNAUTHORIZED,
        }
    }

    async fn join(
        &self,
        room: &str,
        token: Option<Secret<String>>,
    ) -> Result<Answer, ServiceError> {
        let token = token.map_or_else(String::new, |token| format!("&token={}", token.expose()));
        let path = format!("/join?room={}&name=x{token}", escaped(room));
        self.http.get(&self.base, &path).await
    }

    async fn api(&self, path: &str) -> Result<Answer, ServiceError> {
        self.http
            .get_as(&self.base, path, self.api_key.clone())
            .await
    }
}

/// Both shapes: a list of rooms with lists of people (SFU), or a map of rooms
/// with maps of people, and a lock and a password among them (P2P).
pub(super) fn meetings(value: serde_json::Value) -> Vec<Meeting> {
    let text = |value: &serde_json::Value, key: &str| {
        value
            .get(key)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let truth = |value: &serde_json::Value, key: &str| {
        value
            .get(key)
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false)
    };
    match value {
        serde_json::Value::Array(rooms) => rooms
            .iter()
            .map(|room| Meeting {
                room: text(room, "roomId"),
                people: room
                    .get("peers")
                    .and_then(serde_json::Value::as_array)
                    .into_iter()
                    .flatten()
                    .map(|peer| Person {
                        name: text(peer, "name"),
                        presenter: truth(peer, "presenter"),
                    })
                    .collect(),
            })
            .collect(),
        serde_json::Value::Object(rooms) => {
            let rooms: BTreeMap<_, _> = rooms.into_iter().collect();
            rooms
                .into_iter()
                .map(|(room, peers)| Meeting {
                    room,
                    people: peers
                        .as_object()
                        .into_iter()
                        .flat_map(serde_json::Map::values)
                        .filter(|peer| peer.get("peer_name").is_some())
                        .map(|peer| Person {
                            name: text(peer, "peer_name"),
                            presenter: truth(peer, "peer_presenter"),
                        })
                        .collect(),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}
