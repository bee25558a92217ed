//! `pipeline serve`: a server as it is run, a repository that is pushed to, and what is deployed and remembered.

mod support;

#[path = "serve/server.rs"]
mod server;

#[path = "serve/container.rs"]
mod container;
#[path = "serve/crashes.rs"]
mod crashes;
#[path = "serve/deliveries.rs"]
mod deliveries;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/on_aws.rs"]
mod on_aws;
#[path = "serve/runs.rs"]
mod runs;
#[path = "serve/shared.rs"]
mod shared;
#[path = "serve/tasks.rs"]
mod tasks;
