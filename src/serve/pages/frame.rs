use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{self, SCRIPT, STYLE};
use super::mark::Mark;
use crate::diagnostic::visible;
use crate::serve::access::Access;
use crate::serve::problem::Problem;

/// What stands around a page.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The title, without the name of the program.
    pub(super) title: String,
    /// How what is shown stands: the icon in the browser's tab.
    pub(super) mark: Mark,
    /// The address of the part of the site that it belongs to.
    pub(super) part: &'a str,
    /// Who looks at it, if that is known.
    pub(super) access: Option<&'a Access>,
    /// After how many seconds it is to be fetched again.
    pub(super) refresh: Option<u32>,
    /// Where it is told that there is something new.
    pub(super) stream: Option<String>,
}

/// The keys that can be used, and what they do.
const KEYS: [(&str, &str); 9] = [
    ("e", "environments"),
    ("r", "runs"),
    ("j", "next run or step"),
    ("k", "previous run or step"),
    ("Enter", "open it"),
    ("f", "first failure"),
    ("/", "search or filter"),
    ("?", "these keys"),
    ("Esc", "close"),
];

const PARTS: [(&str, &str); 2] = [("/", "Environments"), ("/runs", "Runs")];

/// Puts a page into its frame.
pub(super) fn frame(frame: &Frame<'_>, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (frame.title) " · pipeline" }
                link rel="icon" type="image/svg+xml" href=(assets::icon(frame.mark).address());
                link rel="stylesheet" href=(STYLE.address());
                script src=(SCRIPT.address()) defer {}
            }
            body data-refresh=[frame.refresh] data-stream=[frame.stream.as_deref()] {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.brand href="/" { (logo()) "pipeline" }
                    nav aria-label="Site" {
                        @for (address, name) in PARTS {
                            a href=(address) aria-current=[(address == frame.part).then_some("page")] { (name) }
                        }
                    }
                    span.live #live role="status" {}
                    @if let Some(access) = frame.access { (who(access)) }
                    button.keys #show-keys type="button" hidden aria-label="Show keys" { kbd { "?" } }
                }
                main #main tabindex="-1" { (content) }
                (keys())
            }
        }
    };
    Html(page.into_string()).into_response()
}

/// Who is signed in, and the way out.
fn who(access: &Access) -> Markup {
    html! {
        span.who { (visible(access.who())) }
        @if let Some(csrf) = access.csrf() {
            form.out method="post" action="/sign-out" {
                input type="hidden" name="csrf" value=(csrf);
                button { "Sign out" }
            }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl { @for (key, what) in KEYS { div { dt { kbd { (key) } } dd { (what) } } } }
            form method="dialog" { button { "Close" } }
        }
    }
}

fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" {
            path d="M3 5H8Q11 5 11 8V12Q11 15 14 15H17" {}
            circle cx="3.5" cy="5" r="2.2" {}
            circle cx="16.5" cy="15" r="2.2" {}
        }
    }
}

/// A page that says why there is no other.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) Problem);

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, message) = self.0.told();
        let title = status.canonical_reason().unwrap_or("Error");
        let about = Frame {
            title: title.to_owned(),
            mark: Mark::Stopped,
            part: "",
            access: None,
            // What is away may be back soon.
            refresh: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
            stream: None,
        };
        let content = html! {
            h1 { (title) }
            p { (message) "." }
            p { a href="/" { "What runs where" } " · " a href="/runs" { "All runs" } }
        };
        let mut response = frame(&about, &content);
        *response.status_mut() = status;
        response
    }
}
