//! The listener: accepts, serves, and drains.

use crate::http::edge::Edge;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long to wait before accepting again when the process is out of file descriptors.
const BREATHER: Duration = Duration::from_millis(50);

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
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.ok(),
            _ = stop.changed() => break,
        };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => connect(&builder, &graceful, edge.clone(), accepted, place),
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
    edge.state().drain();
    let open = graceful.count();
    match tokio::time::timeout(limits.drain, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open,
    }
}

fn connect(
    builder: &http1::Builder,
    graceful: &GracefulShutdown,
    edge: Edge,
    (stream, peer): (TcpStream, SocketAddr),
    place: Option<OwnedSemaphorePermit>,
) {
    // Answers are small and complete: waiting to fill a packet only adds latency.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let edge = edge.clone();
        // Boxed, because the connection moves what it is given around.
        Box::pin(
            async move { Ok::<_, Infallible>(edge.handle(request.map(Body::new), (peer.ip(), false)).await) },
        )
    });
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
        drop(place);
    });
}
