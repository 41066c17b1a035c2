//! What OvenMediaEngine says of itself and its streams, and the one thing we
//! change in it: ending a stream.

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::http::{Extras, Http, ServiceError, basic};
use crate::model::{Secret, escaped};

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
        Ok(self.response_at(&path).await?.unwrap_or_default())
    }

    /// A stream in detail as it came; `None` if nobody publishes it.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stream(&self, app: &str, name: &str) -> Result<Option<Value>, ServiceError> {
        self.response_at(&stream_path(app, name)).await
    }

    /// A stream's figures as they came; `None` if nobody publishes it.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn stats(&self, app: &str, name: &str) -> Result<Option<Value>, ServiceError> {
        self.response_at(&stats_path(app, name)).await
    }

    /// How many watch over WebRTC, one socket each. LLHLS comes through
    /// Traefik's shared connections: its sessions are no count of viewers.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn viewers(&self) -> Result<u32, ServiceError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Totals {
            connections: Connections,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Connections {
            webrtc: u32,
        }
        let path = format!("/v1/stats/current/vhosts/{HOST}");
        let totals: Option<Totals> = self.response_at(&path).await?;
        Ok(totals.unwrap_or_default().connections.webrtc)
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

    async fn response_at<T: serde::de::DeserializeOwned>(
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
