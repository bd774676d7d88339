//! `/tenants/{tenant_id}/usage`.

use super::schema::UsageView;
use super::service;
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::{ErrorView, storage};
use crate::http::tenant::meant;
use crate::http::{ApiError, AppState, Caller, Json};
use crate::tenant::tenants::service::TenantError;
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_tenant_usage");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get))
}

/// How much a tenant is used
#[utoipa::path(get, path = "/tenants/{tenant_id}/usage", tag = "Tenants", operation_id = "get_tenant_usage",
    params(("tenant_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = UsageView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<UsageView>, ApiError> {
    let id = meant(&caller, &id, READ)?;
    let tenant = state.registry.open(&id).await?.ok_or(TenantError::NotFound)?;
    Ok(Json(service::of(&tenant, &id).await.map_err(|e| storage(&e))?))
}
