use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Server;
use super::access::Peer;

/// How long a request's head may take, and a connection may wait for one.
const HEAD: Duration = Duration::from_secs(10);

/// What a connection may buffer, and with it how large a request's head may be.
const BUFFER: usize = 64 * 1024;

/// How many connections are served at the same time; more wait to be accepted.
const CONNECTIONS: usize = 512;

/// The pause after a connection could not be accepted, for instance because there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// How long requests that were begun are answered at the end.
const LAST: Duration = Duration::from_secs(5);

/// Answers requests until the server's runs have ended.
pub(super) async fn serve(listener: TcpListener, router: Router, server: Arc<Server>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, accept(&listener).await))
        };
        let (place, (stream, peer)) = tokio::select! {
            Some(next) = next => next,
            () = server.drained.cancelled() => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            service.call(request)
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Who breaks off has no answer to wait for.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST, connections.shutdown()).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
