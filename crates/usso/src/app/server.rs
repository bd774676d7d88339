//! The listener: accepts, serves, and drains.

use crate::app::idle::{Waiting, Watched};
use crate::app::tls::Tls;
use crate::http::edge::Edge;
use axum::body::Body;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long to wait before accepting again when the process is out of file descriptors.
const BREATHER: Duration = Duration::from_millis(50);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a connection may be idle, or its request head incomplete.
    pub header_timeout: Duration,
    /// How many connections may be open.
    pub connections: usize,
    /// How long requests under way may take after the end was announced.
    pub drain: Duration,
}

/// Serves until the channel says to stop, then lets requests under way finish. Answers how many connections had to be
/// cut.
pub async fn serve(
    listener: TcpListener,
    edge: Edge,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let graceful = GracefulShutdown::new();
    let house = House { builder: http1::Builder::new(), edge, tls, stop: stop.clone() };
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.ok(),
            _ = stop.changed() => break,
        };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => house.welcome(accepted, graceful.watcher(), (place, limits.header_timeout)),
                Err(error) => {
                    tracing::warn!(%error, "accepting failed");
                    tokio::time::sleep(BREATHER).await;
                }
            },
            _ = stop.changed() => break,
        }
    }
    // Free the port first: another instance may be waiting for it.
    drop(listener);
    house.edge.state().drain();
    let open = graceful.count();
    match tokio::time::timeout(limits.drain, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open,
    }
}

/// Most requests have no body, and need no box for it.
fn body(incoming: Incoming) -> Body {
    if incoming.is_end_stream() { Body::empty() } else { Body::new(incoming) }
}

/// What every connection is served with.
struct House {
    builder: http1::Builder,
    edge: Edge,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
}

impl House {
    /// Serves a connection in a task of its own, as long as it doesn't wait too long.
    fn welcome(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        watcher: Watcher,
        (place, limit): (Option<OwnedSemaphorePermit>, Duration),
    ) {
        // Answers are small and complete: waiting to fill a packet only adds latency.
        drop(stream.set_nodelay(true));
        let waiting = Waiting::new();
        let served = (self.builder.clone(), self.edge.clone(), waiting.clone());
        match self.tls.clone() {
            None => {
                let connection = converse(served, stream, (peer.ip(), false), watcher);
                tokio::spawn(within(limit, waiting, connection, place));
            }
            Some(tls) => {
                let stop = self.stop.clone();
                let connection = async move {
                    if let Some(stream) = greet(&tls, stream, stop).await {
                        converse(served, stream, (peer.ip(), true), watcher).await;
                    }
                };
                tokio::spawn(within(limit, waiting, connection, place));
            }
        }
    }
}

/// Drives a connection until it ends or has waited too long, then gives its place back.
async fn within(
    limit: Duration,
    waiting: Arc<Waiting>,
    connection: impl Future<Output = ()>,
    place: Option<OwnedSemaphorePermit>,
) {
    tokio::select! {
        biased;
        () = connection => {}
        () = waiting.is_over(limit) => tracing::debug!("connection waited too long"),
    }
    drop(place);
}

/// The TLS handshake. Nobody has asked for anything yet, so the end of the server is the end of it too.
async fn greet(
    tls: &Tls,
    stream: TcpStream,
    mut stop: watch::Receiver<bool>,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    tokio::select! {
        greeted = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => match greeted {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
        _ = stop.changed() => {}
    }
    None
}

/// One request after the other.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    (builder, edge, waiting): (http1::Builder, Edge, Arc<Waiting>),
    stream: S,
    (peer, is_tls): (IpAddr, bool),
    watcher: Watcher,
) {
    // Outside of TLS: what TLS writes by itself, on a client's demand, is no sign of life.
    let stream = Watched::new(stream, waiting.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (edge, waiting) = (edge.clone(), waiting.clone());
        waiting.begin();
        // Boxed, because the connection moves what it is given around.
        Box::pin(async move {
            let mut answer = edge.handle(request.map(body), (peer, is_tls)).await;
            // Its last one: proxies keep connections, and the next request might meet the end.
            if edge.state().is_draining() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            waiting.end();
            Ok::<_, Infallible>(answer)
        })
    });
    if let Err(error) = watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!(%error, "connection ended");
    }
}
