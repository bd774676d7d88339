//! `/profiles`.

use super::{Edit, clear, owner, update};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::visible::visible;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::revision::Tagged;
use crate::http::{ApiError, AppState, Caller, Json, creating};
use crate::identity::users::access::{Asker, allowed};
use crate::identity::users::error::UserError;
use crate::identity::users::model::{PRESENT, User};
use crate::identity::users::schema::{CreateProfile, ProfileView, UpdateProfile};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Record, Stored, TagMatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_profile");
const CREATE: Permission = permission("create_profile");
const UPDATE: Permission = permission("update_profile");
const DELETE: Permission = permission("delete_profile");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(mine, update_mine))
        .routes(routes!(get, update_one, delete))
}

async fn allowed_owner(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<User>, UserError> {
    let scope = &caller.tenant.scope;
    let is_own = permission == READ || caller.is_signed_in();
    let asker = Asker { scopes: caller.scopes(), own: is_own.then_some(&caller.user.id) };
    // An id that can't be one is asked for all the same: who may do nothing learns nothing about ids.
    let id = owner(id).map_or_else(|_| id.to_owned(), |user| user.as_str().to_owned());
    Ok(allowed(scope, &id, permission, asker).await?.0)
}

fn view(caller: &Caller, user: &Stored<User>) -> Tagged<ProfileView> {
    Tagged(user.revision, ProfileView::of(caller.tenant.scope.id().as_str(), user))
}

fn edit(request: UpdateProfile) -> Edit {
    let mut data = request.profile_data.unwrap_or_default();
    data.extend(request.others);
    Edit { data, meta_data: request.meta_data.unwrap_or_default() }
}

/// The profiles of the users the caller may read
#[utoipa::path(get, path = "/profiles", tag = "Profiles", operation_id = "list_profiles", params(ListParams),
    security(("bearer" = [])),
    responses((status = 200, body = ListView<ProfileView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(caller: Caller, Params(params): Params<ListParams>) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let fixed = [("tenant_id", scope.id().as_str())];
    let alternatives = visible(READ, caller.scopes(), &fixed, &[("workspace_id", "workspace:")]);
    let alternatives = alternatives.ok_or(PermissionDenied(READ))?;
    let present = [TagMatch::Is(PRESENT.to_owned())];
    let query = params.query(User::KIND, &["created_at", "name"])?.with_any(alternatives, &present);
    let page = scope.records::<User>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |user| ProfileView::of(scope.id().as_str(), user))
}

/// Make a user's profile
#[utoipa::path(post, path = "/profiles", tag = "Profiles", operation_id = "create_profile", request_body = CreateProfile,
    params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = ProfileView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_profile", async |caller: &Caller, new: CreateProfile| {
        let scope = &caller.tenant.scope;
        let user = allowed_owner(caller, &new.user_id, CREATE).await?;
        let author = (&caller.actor(), &caller.tenant.client());
        let edit =
            Edit { data: new.profile_data.unwrap_or_default(), meta_data: new.meta_data.unwrap_or_default() };
        let user = update(&state.identity, scope, (&user.id, true), &edit, author).await?;
        Ok((user.revision, ProfileView::of(scope.id().as_str(), &user)))
    })
    .await
}

/// The caller's profile
#[utoipa::path(get, path = "/profiles/mine", tag = "Profiles", operation_id = "get_my_profile",
    security(("bearer" = [])), responses((status = 200, body = ProfileView), (status = 401, body = ErrorView)))]
pub async fn mine(caller: Caller) -> Result<Tagged<ProfileView>, ApiError> {
    caller.at_home()?;
    Ok(view(&caller, &caller.user))
}

/// Change the caller's profile
#[utoipa::path(patch, path = "/profiles/mine", tag = "Profiles", operation_id = "update_my_profile",
    request_body = UpdateProfile, security(("bearer" = [])),
    responses((status = 200, body = ProfileView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn update_mine(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<UpdateProfile>,
) -> Result<Tagged<ProfileView>, ApiError> {
    caller.at_home()?;
    changed(&state, &caller, caller.user.id.as_str(), request).await
}

/// A profile, by its id or its user's
#[utoipa::path(get, path = "/profiles/{profile_id}", tag = "Profiles", operation_id = "get_profile",
    params(("profile_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ProfileView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<ProfileView>, ApiError> {
    let user = allowed_owner(&caller, &id, READ).await?;
    Ok(view(&caller, &user))
}

/// Change a profile, by its id or its user's
#[utoipa::path(patch, path = "/profiles/{profile_id}", tag = "Profiles", operation_id = "update_profile",
    params(("profile_id" = String, Path)), request_body = UpdateProfile, security(("bearer" = [])),
    responses((status = 200, body = ProfileView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn update_one(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<UpdateProfile>,
) -> Result<Tagged<ProfileView>, ApiError> {
    changed(&state, &caller, &id, request).await
}

async fn changed(
    state: &AppState,
    caller: &Caller,
    id: &str,
    request: UpdateProfile,
) -> Result<Tagged<ProfileView>, ApiError> {
    let user = allowed_owner(caller, id, UPDATE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let scope = &caller.tenant.scope;
    let user = update(&state.identity, scope, (&user.id, false), &edit(request), author).await?;
    Ok(view(caller, &user))
}

/// Empty a profile
#[utoipa::path(delete, path = "/profiles/{profile_id}", tag = "Profiles", operation_id = "delete_profile",
    params(("profile_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ProfileView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<ProfileView>, ApiError> {
    let user = allowed_owner(&caller, &id, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let user = clear(&state.identity, &caller.tenant.scope, &user.id, author).await?;
    Ok(view(&caller, &user))
}
