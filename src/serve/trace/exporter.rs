use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use percent_encoding::percent_decode_str;
use url::Url;

use super::otlp::encoded;
use super::spans::Trace;
use crate::failure::Failure;
use crate::redact::keep_secret;
use crate::serve::post::Poster;

/// How long whoever takes traces may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where traces go.
pub struct Exporter {
    url: Url,
    headers: HeaderMap,
    service: String,
    poster: Poster,
}

impl Exporter {
    /// As OpenTelemetry's variables say: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS` (`NAME=VALUE,…`, whose
    /// values are secrets) and `OTEL_SERVICE_NAME`.
    /// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
    ///
    /// # Errors
    /// If one of them can't be understood, or there are no certificates of authorities.
    pub fn new(endpoint: &str, headers: Option<&str>, service: Option<String>) -> Result<Self, Failure> {
        let url = Url::parse(&format!("{}/v1/traces", endpoint.trim_end_matches('/'))).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
            Failure::new("OTEL_EXPORTER_OTLP_ENDPOINT is no address").hint("write http://HOST:4318")
        })?;
        Ok(Self {
            url,
            headers: read_headers(headers.unwrap_or_default())?,
            service: service.unwrap_or_else(|| "pipeline".to_owned()),
            poster: Poster::new()?,
        })
    }

    /// Sends a trace.
    ///
    /// # Errors
    /// If it is not known to have arrived, with the reason.
    pub(super) async fn post(&self, trace: &Trace) -> Result<(), String> {
        let body = encoded(trace, &self.service).to_string();
        let mut request = Request::post(self.url.as_str()).header("content-type", "application/json");
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        let request = request.body(body.into_bytes().into()).map_err(|error| error.to_string())?;
        self.poster.post(request, PATIENCE).await
    }
}

fn read_headers(text: &str) -> Result<HeaderMap, Failure> {
    let header = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        keep_secret(&value);
        Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(&value).ok()?))
    };
    let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
    entries.map(header).collect::<Option<_>>().ok_or_else(|| {
        Failure::new("OTEL_EXPORTER_OTLP_HEADERS has something that is no header")
            .hint("write NAME=VALUE,NAME=VALUE")
    })
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_what_is_none_is_not_repeated() {
        let headers = read_headers("authorization=Bearer%20canary, x-scope = a").unwrap();
        assert_eq!(headers["authorization"], "Bearer canary");
        assert_eq!(headers["x-scope"], "a");
        assert!(read_headers("").unwrap().is_empty());
        let failure = read_headers("canary").unwrap_err();
        assert!(!failure.to_string().contains("canary"), "{failure}");
    }
}
