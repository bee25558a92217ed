use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::serve::Options;

/// A cookie of the server's own: with TLS no other host and no plain connection can set it.
fn name(options: &Options, base: &str) -> String {
    if is_secure(options) { format!("__Host-{base}") } else { base.to_owned() }
}

fn is_secure(options: &Options) -> bool {
    options.url.as_ref().is_some_and(|url| url.scheme() == "https")
}

/// The value of a cookie that came with a request.
pub(super) fn read<'a>(options: &Options, headers: &'a HeaderMap, base: &str) -> Option<&'a str> {
    let name = name(options, base);
    let headers = headers.get_all(COOKIE).into_iter().filter_map(|header| header.to_str().ok());
    let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

/// The header that sets a cookie until the browser is closed.
pub(super) fn set(options: &Options, base: &str, value: &str) -> HeaderValue {
    header(options, base, value, "")
}

/// The header that removes one.
pub(super) fn remove(options: &Options, base: &str) -> HeaderValue {
    header(options, base, "", "; Max-Age=0")
}

fn header(options: &Options, base: &str, value: &str, more: &str) -> HeaderValue {
    let secure = if is_secure(options) { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}", name(options, base));
    // Values are made here, in hexadecimal.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
