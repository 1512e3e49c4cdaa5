use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Controller;
use crate::access::Peer;
use crate::api::{self, App};
use crate::stall::Stall;

/// Connections that are open at most; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// For a head, and between two requests of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head.
const HEAD_MAX: usize = 32 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// For answers under way when the end was ordered.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// After an error of accept, as when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens for the API.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket: whoever may open it may change things, if no token is set.
    Unix(UnixListener),
}

/// Serves the API on these sockets until `shutdown` ends; then accepts no more, and gives answers
/// under way a second. With a token, it is needed for everything but `/healthz`, `/readyz` and
/// the dashboard's files.
///
/// To be called within a tokio runtime with I/O and time.
pub async fn serve(
    listening: Vec<Listening>,
    controller: Arc<dyn Controller>,
    token: Option<String>,
    shutdown: impl Future<Output = ()>,
) {
    let app = App { controller, token: token.map(Arc::from) };
    let router = api::router(app);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, end) = watch::channel(false);
    let mut loops = JoinSet::new();
    for socket in listening {
        loops.spawn(accept(socket, router.clone(), Arc::clone(&permits), end.clone()));
    }
    shutdown.await;
    loops.abort_all();
    // Nobody may listen any more; that is no error.
    let _ = ending.send(true);
    // Each connection holds a permit. The semaphore is never closed, and waiting longer than
    // connections may take is not needed: they end by themselves.
    let _ = timeout(END_TIMEOUT * 2, permits.acquire_many(CONNECTIONS_MAX as u32)).await;
}

async fn accept(
    socket: Listening,
    router: Router,
    permits: Arc<Semaphore>,
    end: watch::Receiver<bool>,
) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (router, end) = (router.clone(), end.clone());
        match &socket {
            Listening::Tcp(listener) => match listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it answers may wait for an acknowledgement; no reason to refuse.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(async move {
                        connection(stream, Peer::Tcp(peer), router, end).await;
                        drop(permit);
                    });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Listening::Unix(listener) => match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(async move {
                        connection(stream, Peer::Unix, router, end).await;
                        drop(permit);
                    });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    mut end: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX);
    let stream = TokioIo::new(Stall::new(stream));
    let mut connection = pin!(http.serve_connection(stream, service));
    tokio::select! {
        // How a connection ended is the client's business.
        _ = connection.as_mut() => return,
        _ = end.wait_for(|end| *end) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(END_TIMEOUT, connection).await;
}
