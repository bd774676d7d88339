//! `/scope-catalog`.

use super::model::ServiceScopes;
use super::schema::{PutServiceScopes, ServiceScopesView};
use super::service::{self, CatalogError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json};
use axum::extract::Path;
use axum::response::Response;
use kernel::{Record, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const MANAGE: Permission = permission("put_scope_catalog");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put))
}

/// What services have registered
#[utoipa::path(get, path = "/scope-catalog", tag = "Scope catalog", operation_id = "list_scope_catalog",
    params(ListParams), security(("bearer" = [])),
    responses((status = 200, body = ListView<ServiceScopesView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(caller: Caller, Params(params): Params<ListParams>) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let query = params.query(ServiceScopes::KIND, &["created_at", "service"])?;
    let page = scope.records::<ServiceScopes>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |found| ServiceScopesView::of(scope.id().as_str(), found))
}

/// The scopes of a service
#[utoipa::path(get, path = "/scope-catalog/{service}", tag = "Scope catalog", operation_id = "get_scope_catalog",
    params(("service" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ServiceScopesView), (status = 401, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(name): Path<String>) -> Result<Tagged<ServiceScopesView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = service::get(scope, &name).await?;
    Ok(Tagged(found.revision, ServiceScopesView::of(scope.id().as_str(), &found)))
}

/// Replace the scopes of a service
///
/// What stood there and isn't sent again is gone. Applications do this when they start.
#[utoipa::path(put, path = "/scope-catalog/{service}", tag = "Scope catalog", operation_id = "put_scope_catalog",
    params(("service" = String, Path), ("If-Match" = Option<String>, Header)), request_body = PutServiceScopes,
    security(("bearer" = [])),
    responses((status = 200, body = ServiceScopesView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn put(
    caller: Caller,
    Path(name): Path<String>,
    if_match: IfMatch,
    Json(request): Json<PutServiceScopes>,
) -> Result<Tagged<ServiceScopesView>, ApiError> {
    let scope = &caller.tenant.scope;
    if !caller.may(MANAGE, &[("tenant_id", scope.id().as_str()), ("service", &name), ("id", &name)]) {
        return Err(PermissionDenied(MANAGE).into());
    }
    let author = (&caller.actor(), &caller.tenant.client());
    let judge = |old: &Stored<ServiceScopes>| {
        if if_match.is_stale(old.revision) { Err(CatalogError::Stale) } else { Ok(()) }
    };
    let found = service::put(scope, (&name, request.scopes), author, judge).await?;
    Ok(Tagged(found.revision, ServiceScopesView::of(scope.id().as_str(), &found)))
}
