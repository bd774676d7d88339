//! `/tenants/config`: what a sign-in page has to know of its tenant before anybody has signed in.

use super::PublicTenantConfig;
use crate::http::error::ErrorView;
use crate::http::{AppState, Json, Tenant};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(config))
}

/// What a sign-in page has to know
#[utoipa::path(get, path = "/tenants/config", tag = "Tenants", operation_id = "tenant_config",
    responses((status = 200, body = PublicTenantConfig), (status = 400, body = ErrorView)))]
pub async fn config(tenant: Tenant) -> Json<PublicTenantConfig> {
    Json(PublicTenantConfig::from(&tenant.scope.profile().tenant.record))
}
