use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::BoxBody;
use octocrab::{Error, Octocrab};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::options::Exit;
use crate::failure::{Failure, root_cause};

/// Who asks a server is known by this token.
const TOKEN: &str = "PIPELINE_TOKEN";

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of `pipeline serve`, as whoever has the token. octocrab is a client of any API in JSON.
#[derive(Debug)]
pub struct Remote {
    octocrab: Octocrab,
    url: Url,
}

impl Remote {
    /// The server with this address.
    pub fn of(url: &Url) -> Result<Self, Exit> {
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()).ok_or_else(|| {
            Exit::usage(
                Failure::new(format!("{TOKEN} is not set: the server has to know who asks"))
                    .hint("set it to a token that `pipeline token create` printed on the server's machine"),
            )
        })?;
        let unusable = |error: Error| Exit::usage(format!("the server's address {url}: {error}"));
        let builder = Octocrab::builder().personal_token(token).base_uri(url.as_str().trim_end_matches('/'));
        let octocrab = builder.map_err(unusable)?.build().map_err(unusable)?;
        Ok(Self { octocrab, url: url.clone() })
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Exit> {
        self.answer(path, self.octocrab._get(path)).await
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Exit> {
        self.answer(path, self.octocrab._post(path, Some(body))).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        path: &str,
        asked: impl Future<Output = Result<Response<BoxBody<Bytes, Error>>, Error>>,
    ) -> Result<T, Exit> {
        let answer = async {
            let (head, body) = asked.await?.into_parts();
            Ok((head.status, self.octocrab.body_to_string(Response::new(body)).await?))
        };
        let failed = |why: &str| Exit::failed(format!("asking {}{path}: {why}", origin(&self.url)));
        let (status, text) = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| failed(&format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error: Error| failed(&root_cause(&error)))?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|_| failed("an answer of another kind than a server's"));
        }
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(failed(&format!("{status}: {}", problem["error"].as_str().unwrap_or_default())))
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
