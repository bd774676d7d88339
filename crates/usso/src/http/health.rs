//! Health: for load balancers and people. Needs no tenant.

use crate::http::{AppState, Json};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// The state of an instance; all values are texts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HealthView {
    /// `healthy` or `unhealthy`.
    status: &'static str,
    /// `ok` or `unavailable`.
    database: &'static str,
    /// `ok` or `unavailable`.
    cache: &'static str,
    /// Now.
    timestamp: String,
    /// The version.
    version: &'static str,
}

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(serving))
}

/// A word for a probe.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProbeView {
    /// `ok`, `stopping` or `unavailable`.
    status: &'static str,
}

/// Whether the process lives
#[utoipa::path(get, path = "/health/live", tag = "Health", operation_id = "health_live",
    responses((status = 200, body = ProbeView)))]
pub async fn live() -> Response {
    Json(ProbeView { status: "ok" }).into_response()
}

/// Whether the instance can do everything it is for: not before its end, and not without its database
#[utoipa::path(get, path = "/health/ready", tag = "Health", operation_id = "health_ready",
    responses((status = 200, body = ProbeView), (status = 503, body = ProbeView)))]
pub async fn ready(State(state): State<AppState>) -> Response {
    let status = if state.is_draining() {
        "stopping"
    } else if answers(state.registry.system().ports().storage.ping()).await {
        return Json(ProbeView { status: "ok" }).into_response();
    } else {
        "unavailable"
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(ProbeView { status })).into_response()
}

/// Whether the instance should get requests: not before its end. For load balancers: without the database every instance
/// still has the key set and confirmed sessions to answer, and taking all of them away would help nobody
#[utoipa::path(get, path = "/health/serving", tag = "Health", operation_id = "health_serving",
    responses((status = 200, body = ProbeView), (status = 503, body = ProbeView)))]
pub async fn serving(State(state): State<AppState>) -> Response {
    if state.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, Json(ProbeView { status: "stopping" })).into_response()
    } else {
        Json(ProbeView { status: "ok" }).into_response()
    }
}

async fn answers<E>(ping: impl Future<Output = Result<(), E>>) -> bool {
    tokio::time::timeout(PATIENCE, ping).await.is_ok_and(|answer| answer.is_ok())
}

/// Whether the instance can work
#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "health",
    responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
pub async fn health(State(state): State<AppState>) -> Response {
    let ports = state.registry.system().ports();
    let (database, cache) =
        futures_util::future::join(answers(ports.storage.ping()), answers(ports.ephemeral.ping())).await;
    let word = |ok: bool| if ok { "ok" } else { "unavailable" };
    let is_healthy = database && !state.is_draining();
    let view = HealthView {
        status: if is_healthy { "healthy" } else { "unhealthy" },
        database: word(database),
        cache: word(cache),
        timestamp: state.registry.system().now().to_rfc3339(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let status = if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(view)).into_response()
}
