//! `/roles`.

use super::model::Role;
use super::schema::{CreateRole, RoleView, UpdateRole};
use super::service::{self, Granter, RoleError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::visible::visible;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use crate::tenant::{Actor, ClientInfo};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Record, Stored, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_role");
const CREATE: Permission = permission("create_role");
const UPDATE: Permission = permission("update_role");
const DELETE: Permission = permission("delete_role");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Which roles to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoleFilter {
    /// Of this workspace alone.
    workspace_id: Option<String>,
    /// Active or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

fn may(caller: &Caller, permission: Permission, role: &Role) -> bool {
    let (id, tenant) = (role.id.as_str(), caller.tenant.scope.id().as_str());
    let mut attributes = vec![("tenant_id", tenant), ("id", id), ("uid", id), ("slug", role.slug.as_str())];
    attributes.extend(role.workspace_id.iter().map(|id| ("workspace_id", id.as_str())));
    caller.may(permission, &attributes)
}

/// Finds a role the caller may do this with. What they may not even read is not there.
async fn allowed(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<Role>, ApiError> {
    let refused = || ApiError::from(PermissionDenied(permission));
    match service::get(&caller.tenant.scope, id).await {
        Ok(role) if may(caller, permission, &role) => Ok(role),
        Ok(role) if may(caller, READ, &role) => Err(refused()),
        // Of what can't be seen nobody learns whether it is there.
        Ok(_) | Err(RoleError::NotFound) if visible_roles(caller, permission).is_none() => Err(refused()),
        Ok(_) => Err(RoleError::NotFound.into()),
        Err(error) => Err(error.into()),
    }
}

fn visible_roles(caller: &Caller, permission: Permission) -> Option<Vec<Vec<TagMatch>>> {
    let fixed = [("tenant_id", caller.tenant.scope.id().as_str())];
    visible(permission, caller.scopes(), &fixed, &[("workspace_id", "workspace:")])
}

fn granter<'a>(caller: &'a Caller, (actor, client): &'a (Actor, ClientInfo)) -> Granter<'a> {
    Granter { scopes: caller.scopes(), actor, client }
}

/// Make a role
///
/// It can grant no more than the caller holds.
#[utoipa::path(post, path = "/roles", tag = "Roles", operation_id = "create_role", request_body = CreateRole,
    params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = RoleView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_role", async |caller: &Caller, new: CreateRole| {
        let scope = &caller.tenant.scope;
        let mut attributes = vec![("tenant_id", scope.id().as_str())];
        let workspace = new.workspace_id.iter().filter(|id| !id.trim().is_empty());
        attributes.extend(workspace.map(|id| ("workspace_id", id.as_str())));
        if !caller.may(CREATE, &attributes) {
            return Err(PermissionDenied(CREATE).into());
        }
        let author = (caller.actor(), caller.tenant.client());
        let role = service::create(state.identity.roles(), scope, new, granter(caller, &author)).await?;
        Ok((role.revision, RoleView::of(scope.id().as_str(), &role)))
    })
    .await
}

/// The roles the caller may see
#[utoipa::path(get, path = "/roles", tag = "Roles", operation_id = "list_roles", params(ListParams, RoleFilter),
    security(("bearer" = [])),
    responses((status = 200, body = ListView<RoleView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<RoleFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let alternatives = visible_roles(&caller, READ).ok_or(PermissionDenied(READ))?;
    let mut tags: Vec<_> =
        filter.workspace_id.iter().map(|id| TagMatch::Is(format!("workspace:{id}"))).collect();
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        tags.push(TagMatch::Is(format!("active:{active}")));
    }
    let query = params.query(Role::KIND, &["created_at", "name"])?.with_any(alternatives, &tags);
    let page = scope.records::<Role>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |role| RoleView::of(scope.id().as_str(), role))
}

/// A role, by id or slug
#[utoipa::path(get, path = "/roles/{role_id}", tag = "Roles", operation_id = "get_role",
    params(("role_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = RoleView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<RoleView>, ApiError> {
    let role = allowed(&caller, &id, READ).await?;
    Ok(Tagged(role.revision, RoleView::of(caller.tenant.scope.id().as_str(), &role)))
}

/// Change a role
#[utoipa::path(patch, path = "/roles/{role_id}", tag = "Roles", operation_id = "update_role",
    params(("role_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateRole,
    security(("bearer" = [])),
    responses((status = 200, body = RoleView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateRole>,
) -> Result<Tagged<RoleView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, UPDATE).await?;
    // A permission for the roles of one workspace makes none for another.
    let workspace_id = request.workspace_id.clone().unwrap_or_else(|| found.workspace_id.clone());
    if !may(&caller, UPDATE, &Role { workspace_id, ..found.record.clone() }) {
        return Err(PermissionDenied(UPDATE).into());
    }
    let author = (caller.actor(), caller.tenant.client());
    let check = |old: &Stored<Role>| stale(&if_match, old);
    let granter = granter(&caller, &author);
    let role = service::update(state.identity.roles(), scope, &found, request, (granter, check)).await?;
    Ok(Tagged(role.revision, RoleView::of(scope.id().as_str(), &role)))
}

/// Remove a role
#[utoipa::path(delete, path = "/roles/{role_id}", tag = "Roles", operation_id = "delete_role",
    params(("role_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = RoleView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<RoleView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let check = |old: &Stored<Role>| stale(&if_match, old);
    let role = service::delete(state.identity.roles(), scope, &found, author, check).await?;
    Ok(Tagged(role.revision, RoleView { is_deleted: true, ..RoleView::of(scope.id().as_str(), &role) }))
}

fn stale(if_match: &IfMatch, role: &Stored<Role>) -> Result<(), RoleError> {
    if if_match.is_stale(role.revision) { Err(RoleError::Stale) } else { Ok(()) }
}
