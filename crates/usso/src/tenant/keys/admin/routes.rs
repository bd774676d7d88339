//! `/tenants/{tenant_id}/keys`: what its administrators do with a tenant's signing keys.

use super::schema::{KeysView, NewKey, UpdateKey};
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::ErrorView;
use crate::http::revision::Tagged;
use crate::http::tenant::meant;
use crate::http::{ApiError, AppState, Caller, Json, OptionalJson};
use crate::tenant::keys::changes;
use crate::tenant::registry::Registry;
use crate::tenant::tenants::model::Tenant;
use crate::tenant::tenants::service::{Authority, TenantError, get, parse_algorithm};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use kernel::{Stored, TenantId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("list_keys");
const ADMIN: Permission = permission("rotate_keys");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(rotate)).routes(routes!(retire, revoke))
}

fn answer(registry: &Registry, tenant: &Stored<Tenant>) -> Tagged<KeysView> {
    Tagged(tenant.revision, KeysView::of(registry, tenant))
}

/// A tenant's signing keys
#[utoipa::path(get, path = "/tenants/{tenant_id}/keys", tag = "Keys", operation_id = "list_keys",
    params(("tenant_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = KeysView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<KeysView>, ApiError> {
    let tenant = get(&state.registry, &meant(&caller, &id, READ)?).await?;
    Ok(answer(&state.registry, &tenant))
}

/// Publish a new signing key
#[utoipa::path(post, path = "/tenants/{tenant_id}/keys", tag = "Keys", operation_id = "create_key",
    params(("tenant_id" = String, Path)), request_body = Option<NewKey>, security(("bearer" = [])),
    responses((status = 201, body = KeysView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalJson(request): OptionalJson<NewKey>,
) -> Result<Response, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let tenant = published(&state, &caller, &id, request.unwrap_or_default()).await?;
    Ok((StatusCode::CREATED, tenant).into_response())
}

/// Replace the signing key
#[utoipa::path(post, path = "/tenants/{tenant_id}/keys/rotate", tag = "Keys", operation_id = "rotate_keys",
    params(("tenant_id" = String, Path)), request_body = Option<NewKey>, security(("bearer" = [])),
    responses((status = 200, body = KeysView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalJson(request): OptionalJson<NewKey>,
) -> Result<Tagged<KeysView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    published(&state, &caller, &id, request.unwrap_or_default()).await
}

async fn published(
    state: &AppState,
    caller: &Caller,
    id: &TenantId,
    request: NewKey,
) -> Result<Tagged<KeysView>, ApiError> {
    let algorithm = parse_algorithm(request.algorithm.as_deref())?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    Ok(answer(&state.registry, &changes::rotate(&state.registry, id, algorithm, authority).await?))
}

/// Retire a signing key
#[utoipa::path(patch, path = "/tenants/{tenant_id}/keys/{kid}", tag = "Keys", operation_id = "update_key",
    params(("tenant_id" = String, Path), ("kid" = String, Path)), request_body = UpdateKey,
    security(("bearer" = [])),
    responses((status = 200, body = KeysView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn retire(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, kid)): Path<(String, String)>,
    Json(request): Json<UpdateKey>,
) -> Result<Tagged<KeysView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    if request.is_active {
        return Err(TenantError::Invalid(vec![irrevocable()]).into());
    }
    Ok(answer(&state.registry, &changes::retire(&state.registry, &id, &kid, authority).await?))
}

fn irrevocable() -> kernel::problem::FieldError {
    let msg = "can only be made false: a retired key does not come back".to_owned();
    kernel::problem::FieldError { loc: vec!["body".into(), "is_active".into()], msg, kind: "value".into() }
}

/// Revoke a signing key in an emergency: everything it signed is refused from now on
#[utoipa::path(delete, path = "/tenants/{tenant_id}/keys/{kid}", tag = "Keys", operation_id = "revoke_key",
    params(("tenant_id" = String, Path), ("kid" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = KeysView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, kid)): Path<(String, String)>,
) -> Result<Tagged<KeysView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    Ok(answer(&state.registry, &changes::revoke(&state.registry, &id, &kid, authority).await?))
}
