//! `pipeline serve`: a server as it is run, a repository that is pushed to, and what is deployed and remembered.

mod support;

#[path = "serve/receiver.rs"]
mod receiver;
#[path = "serve/server.rs"]
mod server;
#[path = "serve/told.rs"]
mod told;
#[path = "serve/window.rs"]
mod window;

#[path = "serve/access.rs"]
mod access;
#[path = "serve/app.rs"]
mod app;
#[path = "serve/approvals.rs"]
mod approvals;
#[path = "serve/asked.rs"]
mod asked;
#[path = "serve/browser.rs"]
mod browser;
#[path = "serve/crashes.rs"]
mod crashes;
#[path = "serve/deliveries.rs"]
mod deliveries;
#[path = "serve/description.rs"]
mod description;
#[path = "serve/drift.rs"]
mod drift;
#[path = "serve/examples.rs"]
mod examples;
#[path = "serve/fire.rs"]
mod fire;
#[path = "serve/github.rs"]
mod github;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/measures.rs"]
mod measures;
#[path = "serve/notices.rs"]
mod notices;
#[path = "serve/pages.rs"]
mod pages;
#[path = "serve/pictures.rs"]
mod pictures;
#[path = "serve/pushes.rs"]
mod pushes;
#[path = "serve/rollbacks.rs"]
mod rollbacks;
#[path = "serve/runs.rs"]
mod runs;
#[path = "serve/shared.rs"]
mod shared;
#[path = "serve/traces.rs"]
mod traces;
