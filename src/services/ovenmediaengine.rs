//! What OvenMediaEngine says of itself and its streams, and the one thing we
//! change in it: ending a stream.

use std::net::SocketAddr;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::http::{Extras, Http, ServiceError, basic, escaped};
use crate::model::Secret;

/// Port of the REST interface; never published.
pub const PORT: u16 = 8081;

/// The one virtual host.
const HOST: &str = "default";

/// The REST interface of one OvenMediaEngine.
#[derive(Clone, Debug)]
pub struct Ovenmediaengine {
    pub(super) http: Http,
    pub(super) base: String,
    pub(super) token: Secret<String>,
}

/// OME's envelope around every answer.
#[derive(Deserialize)]
struct Envelope<T> {
    response: T,
}

/// A stream that is being published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub input: Input,
}

/// Where a stream comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Input {
    /// When the encoder came.
    pub created_time: Option<Timestamp>,
    /// `Rtmp`, `SRT`, `WebRTC`, `Ovt`.
    pub source_type: String,
    /// Such as `TCP://172.17.0.1:49104/tcp`.
    pub source_url: String,
    /// What it sends. Ids differ by protocol: find a track by its type.
    pub tracks: Vec<Track>,
}

impl Input {
    /// The encoder's address and port, equal to `client` of its opening hook.
    pub fn peer(&self) -> Option<SocketAddr> {
        let rest = self.source_url.split_once("://")?.1;
        rest.split('/').next()?.parse().ok()
    }

    /// The picture.
    pub fn video(&self) -> Option<&Video> {
        self.tracks.iter().find_map(|track| track.video.as_ref())
    }

    /// The sound.
    pub fn audio(&self) -> Option<&Audio> {
        self.tracks.iter().find_map(|track| track.audio.as_ref())
    }
}

/// One track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// `Video`, `Audio`, `Data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Set for a picture.
    pub video: Option<Video>,
    /// Set for sound.
    pub audio: Option<Audio>,
}

/// Facts of a picture track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Video {
    /// Such as `H264`.
    pub codec: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bits per second, as measured last.
    pub bitrate_latest: f64,
    /// Bits per second, as announced.
    pub bitrate: f64,
    /// Pictures per second, as measured last.
    pub framerate_latest: f64,
    /// Pictures per second, as announced.
    pub framerate: f64,
    /// Whether it has B-frames, which browsers cannot play in WebRTC.
    pub has_bframes: bool,
    /// FRAMES between key frames; 0 until two have come.
    pub key_frame_interval: f64,
    /// How often the encoder changed its configuration.
    pub config_change_count: u64,
}

impl Video {
    /// Seconds between key frames; `None` until it is known.
    pub fn key_frame_seconds(&self) -> Option<f64> {
        (self.key_frame_interval > 0.0 && self.framerate > 0.0)
            .then(|| self.key_frame_interval / self.framerate)
    }
}

/// Facts of a sound track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Audio {
    /// Such as `AAC`.
    pub codec: String,
    /// Channels.
    pub channel: u32,
    /// Hertz.
    pub samplerate: u32,
    /// Bits per second, as measured last.
    pub bitrate_latest: f64,
}

/// Figures of a stream, an application or the whole host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Stats {
    /// Open connections by protocol.
    pub connections: Connections,
    /// When bytes came last: data flows only while this advances.
    pub last_recv_time: Option<Timestamp>,
    /// Bits per second in; keeps its value when an encoder freezes.
    pub last_throughput_in: u64,
    /// Bits per second out.
    pub last_throughput_out: u64,
    /// Bytes since it began.
    pub total_bytes_in: u64,
    /// Bytes since it began.
    pub total_bytes_out: u64,
}

/// Open connections by protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// One socket per viewer: trustworthy.
    pub webrtc: u32,
    /// Sessions behind Traefik's shared connections: no count of viewers.
    pub llhls: u32,
}

impl Ovenmediaengine {
    /// Its version, and with it that it is ready: the REST interface is the
    /// last to come up.
    ///
    /// # Errors
    /// See [`ServiceError`]; status 401 means it runs with another token.
    pub async fn version(&self) -> Result<String, ServiceError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let answer = self.get("/v1/version").await?.ok()?;
        Ok(answer.json::<Envelope<Version>>()?.response.version)
    }

    /// Names of the streams in an application; none if there is no such.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn streams(&self, app: &str) -> Result<Vec<String>, ServiceError> {
        let path = format!("/v1/vhosts/{HOST}/apps/{}/streams", escaped(app));
        match self.get(&path).await?.found()? {
            Some(answer) => Ok(answer.json::<Envelope<Vec<String>>>()?.response),
            None => Ok(Vec::new()),
        }
    }

    /// A stream in detail; `None` if nobody publishes it.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stream(&self, app: &str, name: &str) -> Result<Option<Stream>, ServiceError> {
        let answer = self.get(&stream_path(app, name)).await?.found()?;
        answer
            .map(|answer| Ok(answer.json::<Envelope<Stream>>()?.response))
            .transpose()
    }

    /// A stream in detail as it came, for those who read it tolerantly.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stream_json(
        &self,
        app: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, ServiceError> {
        let answer = self.get(&stream_path(app, name)).await?.found()?;
        answer
            .map(|answer| Ok(answer.json::<Envelope<serde_json::Value>>()?.response))
            .transpose()
    }

    /// A stream's figures; `None` if nobody publishes it.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stats(&self, app: &str, name: &str) -> Result<Option<Stats>, ServiceError> {
        self.stats_at(&stats_path(app, name)).await
    }

    /// A stream's figures as they came, for those who read them tolerantly.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stats_json(
        &self,
        app: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, ServiceError> {
        self.stats_at(&stats_path(app, name)).await
    }

    /// The figures of all streams together.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn totals(&self) -> Result<Stats, ServiceError> {
        let path = format!("/v1/stats/current/vhosts/{HOST}");
        Ok(self.stats_at::<Stats>(&path).await?.unwrap_or_default())
    }

    /// Ends a stream: encoder and WebRTC viewers lose it within 0.1 s. Tells
    /// whether there was one. Encoders come back by themselves, so refuse
    /// their key first, and look again afterwards.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn end(&self, app: &str, name: &str) -> Result<bool, ServiceError> {
        let extras = Extras {
            authorization: Some(basic(&self.token)),
            json: None,
        };
        let path = stream_path(app, name);
        let answer = self
            .http
            .send(Method::DELETE, &self.base, &path, extras)
            .await?;
        Ok(answer.found()?.is_some())
    }

    async fn stats_at<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, ServiceError> {
        let answer = self.get(path).await?.found()?;
        answer
            .map(|answer| Ok(answer.json::<Envelope<T>>()?.response))
            .transpose()
    }

    async fn get(&self, path: &str) -> Result<super::http::Answer, ServiceError> {
        self.http.get_as(&self.base, path, basic(&self.token)).await
    }
}

fn stats_path(app: &str, name: &str) -> String {
    format!(
        "/v1/stats/current/vhosts/{HOST}/apps/{}/streams/{}",
        escaped(app),
        escaped(name)
    )
}

fn stream_path(app: &str, name: &str) -> String {
    format!(
        "/v1/vhosts/{HOST}/apps/{}/streams/{}",
        escaped(app),
        escaped(name)
    )
}
