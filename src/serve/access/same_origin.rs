use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::Url;

/// Whether a browser says that a request comes from a page of this server.
///
/// Newer browsers say it in so many words where the connection is safe; all name the page's origin with whatever is not
/// merely read. A request that says neither is not from a browser, and has no business with cookies.
pub(super) fn is_same_origin(headers: &HeaderMap, url: Option<&Url>) -> bool {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()).and_then(|origin| Url::parse(origin).ok()) else { return false };
    match url {
        Some(url) => origin.origin() == url.origin(),
        None => text(HOST.as_str()).is_some_and(|host| authority(&origin) == host.to_ascii_lowercase()),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(pairs: &[(&'static str, &'static str)], url: Option<&str>) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        is_same_origin(&pairs.collect(), url.map(|url| url.parse().unwrap()).as_ref())
    }

    #[test]
    fn what_the_browser_says_in_so_many_words_counts_first() {
        assert!(says(&[("sec-fetch-site", "same-origin"), ("origin", "https://behind.proxy")], None));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!says(&[("sec-fetch-site", site), ("origin", "http://here"), ("host", "here")], None));
        }
    }

    #[test]
    fn else_the_origin_is_the_address_given_or_the_host_asked() {
        let url = Some("https://deploy.example/");
        assert!(says(&[("origin", "https://deploy.example")], url));
        assert!(!says(&[("origin", "http://deploy.example")], url));
        assert!(!says(&[("origin", "https://deploy.example.evil"), ("host", "deploy.example.evil")], url));
        assert!(says(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], None));
        assert!(!says(&[("origin", "http://evil:8080"), ("host", "127.0.0.1:8080")], None));
        assert!(!says(&[("origin", "null"), ("host", "null")], None));
        assert!(!says(&[("host", "127.0.0.1:8080")], None));
    }
}
