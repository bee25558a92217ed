//! `pipeline serve`: a server as it is run, a repository that is pushed to, and what is deployed and remembered.

mod support;

#[path = "serve/server.rs"]
mod server;

#[path = "serve/access.rs"]
mod access;
#[path = "serve/app.rs"]
mod app;
#[path = "serve/approvals.rs"]
mod approvals;
#[path = "serve/browser.rs"]
mod browser;
#[path = "serve/crashes.rs"]
mod crashes;
#[path = "serve/deliveries.rs"]
mod deliveries;
#[path = "serve/drift.rs"]
mod drift;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/rollbacks.rs"]
mod rollbacks;
#[path = "serve/runs.rs"]
mod runs;
#[path = "serve/shared.rs"]
mod shared;
