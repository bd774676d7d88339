//! `/tenants`: all of them for the system administrator, their own for a tenant's administrators.

use super::deletion;
use super::model::Tenant;
use super::schema::{CreateTenant, CreatedTenantView, TenantView, UpdateTenant};
use super::service::{self, Authority, TenantError};
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::tenant::meant;
use crate::http::{ApiError, AppState, Caller, Json, SystemAdmin, idempotency, json};
use crate::identity::onboarding;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::{Record, TenantId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_tenant");
const ADMIN: Permission = permission("update_tenant");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(restore))
}

/// Create a tenant
#[utoipa::path(post, path = "/tenants", tag = "Tenants", operation_id = "create_tenant", request_body = CreateTenant,
    params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = CreatedTenantView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    // Who asks comes before what they ask.
    let SystemAdmin(caller) = SystemAdmin::from_request_parts(&mut parts, &state).await?;
    let headers = parts.headers.clone();
    let body = json::read_json(Request::from_parts(parts, body), &state).await?;
    let request = json::parse(&body)?;
    let operation = format!("create_tenant {}", caller.principal_id());
    idempotency::once_by(&caller, &headers, (&operation, &body), async {
        let (actor, client) = (caller.actor(), caller.tenant.client());
        let authority = Authority { actor: &actor, client: &client, is_system: true };
        let created = onboarding::create_tenant(&state.registry, &state.identity, request, authority).await?;
        let record = &created.tenant.profile().tenant;
        let tag = HeaderValue::try_from(record.revision.etag()).unwrap_or(HeaderValue::from_static(""));
        let view =
            CreatedTenantView { tenant: TenantView::from(record), invitation_url: created.invitation_url };
        Ok((StatusCode::CREATED, [(header::ETAG, tag)], Json(view)).into_response())
    })
    .await
}

/// The tenants the caller may see
#[utoipa::path(get, path = "/tenants", tag = "Tenants", operation_id = "list_tenants", params(ListParams),
    security(("bearer" = [])),
    responses((status = 200, body = ListView<TenantView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let query = params.query(Tenant::KIND, &["created_at", "name"])?;
    let page = if caller.is_system() {
        state.registry.system().records::<Tenant>().page(query.clone()).await.map_err(|e| storage(&e))?
    } else {
        let own = meant(&caller, caller.tenant.scope.id().as_str(), READ)?;
        let own = service::get(&state.registry, &own).await?;
        let items = if query.offset == 0 { vec![own] } else { Vec::new() };
        kernel::Page { items, total: 1, total_exact: true }
    };
    answer(&query, &page, |tenant| TenantView::from(tenant))
}

/// A tenant
#[utoipa::path(get, path = "/tenants/{tenant_id}", tag = "Tenants", operation_id = "get_tenant",
    params(("tenant_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = TenantView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<TenantView>, ApiError> {
    let id = meant(&caller, &id, READ)?;
    let tenant = service::get(&state.registry, &id).await?;
    Ok(Tagged(tenant.revision, TenantView::from(&tenant)))
}

/// Change a tenant
#[utoipa::path(patch, path = "/tenants/{tenant_id}", tag = "Tenants", operation_id = "update_tenant",
    params(("tenant_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateTenant,
    security(("bearer" = [])),
    responses((status = 200, body = TenantView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateTenant>,
) -> Result<Tagged<TenantView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    let tenant = service::update(&state.registry, &id, request, if_match.0.as_deref(), authority).await?;
    Ok(Tagged(tenant.revision, TenantView::from(&tenant)))
}

/// Delete a tenant: it can be restored for 30 days, then it is removed with everything in it
#[utoipa::path(delete, path = "/tenants/{tenant_id}", tag = "Tenants", operation_id = "delete_tenant",
    params(("tenant_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = TenantView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    SystemAdmin(caller): SystemAdmin,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<TenantView>, ApiError> {
    let id = TenantId::parse(&id).map_err(|_| TenantError::NotFound)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: true };
    let tenant = deletion::delete(&state.registry, &id, if_match.0.as_deref(), authority).await?;
    Ok(Tagged(tenant.revision, TenantView::from(&tenant)))
}

/// Take the deletion of a tenant back
#[utoipa::path(post, path = "/tenants/{tenant_id}/restore", tag = "Tenants", operation_id = "restore_tenant",
    params(("tenant_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = TenantView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn restore(
    State(state): State<AppState>,
    SystemAdmin(caller): SystemAdmin,
    Path(id): Path<String>,
) -> Result<Tagged<TenantView>, ApiError> {
    let id = TenantId::parse(&id).map_err(|_| TenantError::NotFound)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: true };
    let tenant = deletion::restore(&state.registry, &id, authority).await?;
    Ok(Tagged(tenant.revision, TenantView::from(&tenant)))
}
