//! What people see in a browser. The server writes the pages, each whole; a small script fetches a page again when there is
//! something new and puts it in the place of what is shown, so that nothing is ever shown that a reload would not.

mod acts;
mod ansi;
mod assets;
mod changes;
mod environments;
mod failures;
mod frame;
mod graph;
mod guard;
mod layout;
mod links;
mod log;
mod mark;
mod moment;
mod run;
mod runs;
mod sign_in;
mod steps;
mod story;
mod stream;
mod subjects;

pub(super) use sign_in::sign_in;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use super::Server;
use super::access::guarded;

pub(super) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    let pages = Router::new()
        .route("/", get(environments::page))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(run::page))
        .route("/runs/{id}/approve", post(acts::approve))
        .route("/runs/{id}/reject", post(acts::reject))
        .route("/runs/{id}/again", post(acts::again))
        .route("/runs/{id}/rollback", post(acts::roll_back))
        .route("/runs/{id}/log", get(log::whole))
        .route("/runs/{id}/stream", get(stream::stream));
    Router::new()
        .merge(guarded(server, pages))
        .route("/assets/{name}", get(assets::asset))
        .layer(from_fn(guard::guard))
}
