//! Secrets that every pipeline of the tests is given, and that must come out nowhere.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Output;

/// Environment variables with a value that is found wherever it comes out.
pub(crate) const VARIABLES: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEOFATEST00"),
    ("AWS_SECRET_ACCESS_KEY", "canary/secret+access=key"),
    ("AWS_SESSION_TOKEN", "canary/session+token=="),
];

/// What the value of every hidden parameter of the tests begins with.
pub(crate) const HIDDEN: &str = "canary/hidden+value";

/// With this a job asks who it is.
pub(crate) const REQUEST_TOKEN: &str = "canary/request+token";

/// Checks that no secret came out, neither as it is nor encoded.
#[track_caller]
pub(crate) fn check(output: &Output) {
    for secret in
        ["canary/secret+access=key", "canary/session+token==", HIDDEN, "canary/github+token", REQUEST_TOKEN]
    {
        let url = secret.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        // The last characters follow from what is encoded behind the secret.
        let base64 = BASE64_STANDARD.encode(secret);
        let base64 = base64[..base64.trim_end_matches('=').len() - 2].to_owned();
        for form in [secret.to_owned(), url.to_lowercase(), url, base64] {
            for text in [&output.stdout, &output.stderr] {
                assert!(!text.contains(&form), "`{form}` came out:\n{text}");
            }
        }
    }
}
