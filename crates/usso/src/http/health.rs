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
    OpenApiRouter::new().routes(routes!(health))
}

/// Whether the instance can work
#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "health",
    responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
pub async fn health(State(state): State<AppState>) -> Response {
    let ports = state.registry.system().ports();
    let database = tokio::time::timeout(PATIENCE, ports.storage.ping()).await.is_ok_and(|r| r.is_ok());
    let cache = tokio::time::timeout(PATIENCE, ports.ephemeral.ping()).await.is_ok_and(|r| r.is_ok());
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
