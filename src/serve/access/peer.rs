use std::net::SocketAddr;

use axum::http::{Extensions, HeaderMap};

/// What a forwarded address may have at most.
const LENGTH: usize = 64;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct Peer(pub(in crate::serve) SocketAddr);

/// From where a request comes: the other end of the connection, and whom a proxy there speaks for as it says.
pub(super) fn from(extensions: &Extensions, headers: &HeaderMap) -> String {
    let peer = extensions.get::<Peer>().map_or_else(|| "unknown".to_owned(), |peer| peer.0.ip().to_string());
    let forwarded = headers.get_all("x-forwarded-for").into_iter().next_back();
    // The last one was added by the nearest proxy; whoever asks can have written those before it.
    let forwarded = forwarded.and_then(|header| header.to_str().ok()?.rsplit(',').next());
    match forwarded.map(str::trim).filter(|it| !it.is_empty() && it.len() <= LENGTH) {
        Some(forwarded) => format!("{forwarded} by {peer}"),
        None => peer,
    }
}
