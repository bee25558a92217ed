use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::frame::{Frame, frame};
use super::guard::with_headers;
use super::mark::Mark;

/// The page on which people sign in. Its form goes to the address that it was loaded from, and so remembers where to go;
/// at `github`, if there is such an address, people sign in with what GitHub knows of them.
pub(in crate::serve) fn sign_in(status: StatusCode, github: Option<&str>) -> Response {
    let about = Frame {
        title: "Sign in".to_owned(),
        mark: Mark::Waiting,
        part: "",
        access: None,
        refresh: None,
        stream: None,
    };
    let content = html! {
        div.sign-in {
            h1 { "Sign in" }
            @if !status.is_success() {
                p.note role="alert" { "This token opens nothing: it is wrong, expired or revoked." }
            }
            @if let Some(github) = github {
                p.way { a href=(github) { "Sign in with GitHub" } }
                p.about { "Or with a token:" }
            }
            form method="post" {
                label {
                    span { "Token" }
                    input type="password" name="token" autocomplete="current-password" required autofocus;
                }
                button.primary { "Sign in" }
            }
            p.about { code { "pipeline token create" } " on the server's machine makes tokens." }
        }
    };
    let mut response = frame(&about, &content);
    *response.status_mut() = status;
    with_headers(response)
}
