use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{Method, Request};
use url::Url;

use super::text::Told;
use crate::failure::Failure;
use crate::redact::keep_secret;
use crate::serve::post::Poster;
use crate::serve::secret::SigningSecret;

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where notices go: `slack=URL`, or `URL` for whatever takes JSON. Its address is a secret: who knows it can write there.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    url: Url,
    slack: bool,
}

impl FromStr for Receiver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (slack, address) = text.strip_prefix("slack=").map_or((false, text), |address| (true, address));
        keep_secret(address);
        let url =
            Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        // It is not repeated.
        Ok(Self { url: url.ok_or("it is neither URL nor slack=URL, with an https:// address")?, slack })
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("slack", &self.slack).field("host", &self.url.host_str()).finish()
    }
}

/// All receivers by name, and what is needed to reach them.
#[derive(Debug)]
pub struct Receivers {
    all: Vec<(String, Receiver)>,
    secret: Option<SigningSecret>,
    /// If there is somebody to reach.
    poster: Option<Poster>,
}

impl Receivers {
    /// The receivers, and the secret with which what those that are not Slack get is signed.
    ///
    /// # Errors
    /// If one needs the secret and there is none, or none can be reached.
    pub fn new(receivers: Vec<Receiver>, secret: Option<SigningSecret>) -> Result<Self, Failure> {
        if secret.is_none() && receivers.iter().any(|receiver| !receiver.slack) {
            let failure =
                Failure::new("PIPELINE_NOTIFY_SECRET is not set: a receiver could not tell who tells it");
            return Err(failure.hint("make one with `openssl rand -hex 32`, and give it to the receiver too"));
        }
        let named = |(number, receiver): (usize, Receiver)| (receiver.name(number), receiver);
        let poster = if receivers.is_empty() { None } else { Some(Poster::new()?) };
        Ok(Self { all: receivers.into_iter().enumerate().map(named).collect(), secret, poster })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<Reachable<'_>> {
        let (_, receiver) = self.all.iter().find(|(known, _)| known == name)?;
        Some(Reachable { receiver, secret: self.secret.as_ref(), poster: self.poster.as_ref()? })
    }
}

impl Receiver {
    /// What it is called in the store and in messages: its place among all, and its host.
    fn name(&self, number: usize) -> String {
        let kind = if self.slack { "slack" } else { "webhook" };
        format!("{kind} {} at {}", number + 1, self.url.host_str().unwrap_or_default())
    }
}

/// A receiver and the way to it.
pub(super) struct Reachable<'a> {
    receiver: &'a Receiver,
    secret: Option<&'a SigningSecret>,
    poster: &'a Poster,
}

impl Reachable<'_> {
    /// Tells a receiver something.
    ///
    /// # Errors
    /// If it is not known to have heard, with the reason.
    pub(super) async fn post(&self, told: &Told<'_>) -> Result<(), String> {
        let body = if self.receiver.slack { told.slack() } else { told.generic() };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.receiver.url.as_str())
            .header("content-type", "application/json")
            .header("idempotency-key", told.key());
        if let Some(secret) = self.secret.filter(|_| !self.receiver.slack) {
            request = request.header("x-hub-signature-256", secret.sign(body.as_bytes()));
        }
        let request = request.body(body.into_bytes().into()).map_err(|error| error.to_string())?;
        self.poster.post(request, PATIENCE).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_nowhere() {
        let receiver: Receiver = "slack=https://hooks.example.com/services/T0/B0/canary".parse().unwrap();
        assert_eq!(receiver.name(0), "slack 1 at hooks.example.com");
        assert!(!format!("{receiver:?}").contains("canary"), "{receiver:?}");
        for wrong in ["slack=", "canary-host/path", "ftp://canary-host/", "https://"] {
            let error = wrong.parse::<Receiver>().unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn who_is_not_slack_is_signed_for() {
        let receiver = |text: &str| vec![text.parse::<Receiver>().unwrap()];
        assert!(Receivers::new(receiver("https://example.com/"), None).is_err());
        assert!(Receivers::new(receiver("slack=https://example.com/"), None).is_ok());
    }
}
