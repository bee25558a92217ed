use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::failure::{Failure, root_cause};

/// Posts to addresses that whoever runs the server has chosen. Redirections are not followed.
#[derive(Clone)]
pub(super) struct Poster(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Poster {
    /// # Errors
    /// If there are no certificates of authorities.
    pub(super) fn new() -> Result<Self, Failure> {
        let builder = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            Failure::new(format!("reading the certificates of authorities: {error}"))
                .hint("install the package ca-certificates, or name a file in SSL_CERT_FILE")
        })?;
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Posts, and waits so long for the answer.
    ///
    /// # Errors
    /// If there is none, or none of success, with the reason. Addresses are not in it.
    pub(super) async fn post(&self, request: Request<Full<Bytes>>, patience: Duration) -> Result<(), String> {
        match tokio::time::timeout(patience, self.0.request(request)).await {
            Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
            Ok(Err(error)) => Err(root_cause(&error)),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("the answer was {}", answer.status())),
        }
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Poster")
    }
}
