//! `/oauth/introspect`.

use super::service::{Introspection, introspect as service};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant, oauth};
use axum::extract::State;
use http::HeaderMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(introspect))
}

/// What a token is worth, to the client that asks
#[utoipa::path(post, path = "/oauth/introspect", tag = "OAuth", operation_id = "introspect",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 415, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn introspect(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Json<Introspection>, ApiError> {
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    Ok(Json(service(ctx, oauth::authorization(&headers)?, &params).await?))
}
