//! `/users/{user_id}/identifiers`, and `/identifiers` for the caller's own.

use super::{add, remove, update};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::list::{ListView, plain};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use crate::identity::codes::Purpose;
use crate::identity::codes::request::request;
use crate::identity::codes::schema::CodeSentView;
use crate::identity::identifiers::{Identifier, NormaliseOptions};
use crate::identity::sign_in::parse;
use crate::identity::users::access::{Asker, allowed};
use crate::identity::users::admin::may_take_over;
use crate::identity::users::credentials::check_recent;
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::schema::{AddIdentifier, IdentifierView, UpdateIdentifier, identifier_view};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::Stored;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("list_user_identifiers");
const CREATE: Permission = permission("add_user_identifier");
const UPDATE: Permission = permission("update_user_identifier");
const DELETE: Permission = permission("remove_user_identifier");
const RESEND: Permission = permission("resend_user_identifier");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_of_user, add_to_user))
        .routes(routes!(update_of_user, remove_of_user))
        .routes(routes!(resend_of_user))
        .routes(routes!(list_own, add_own))
        .routes(routes!(get_own, remove_own))
}

async fn readable(caller: &Caller, user: &str) -> Result<Stored<User>, UserError> {
    let asker = Asker { scopes: caller.scopes(), own: Some(&caller.user.id) };
    Ok(allowed(&caller.tenant.scope, user, READ, asker).await?.0)
}

/// A user whose identifiers the caller may change: themself, who has signed in lately; or whoever could add a way in must hold all
/// that lies behind it.
async fn changeable(
    state: &AppState,
    caller: &Caller,
    user: &str,
    permission: Permission,
) -> Result<Stored<User>, UserError> {
    // Nobody changes in somebody's name how anybody signs in.
    if caller.is_impersonated() {
        return Err(PermissionDenied(permission).into());
    }
    let scope = &caller.tenant.scope;
    let own = caller.is_in_person().then_some(&caller.user.id);
    let (user, is_own) = allowed(scope, user, permission, Asker { scopes: caller.scopes(), own }).await?;
    match &caller.principal {
        // Whoever adds an address gets a way to a new password.
        Principal::Session { session, .. } if is_own => check_recent(scope, session)?,
        _ => may_take_over(&state.identity, scope, caller.scopes(), &user).await?,
    }
    Ok(user)
}

/// The id of the caller, who must be a user of the tenant.
fn own(caller: &Caller) -> Result<String, ApiError> {
    caller.at_home()?;
    Ok(caller.user.id.as_str().to_owned())
}

fn list(caller: &Caller, user: &Stored<User>) -> Result<Response, ApiError> {
    let tenant = caller.tenant.scope.id().as_str();
    plain(&user.identifiers.iter().map(|own| identifier_view(tenant, user, own)).collect::<Vec<_>>())
}

async fn added(state: &AppState, request: Request, user: Option<String>) -> Result<Response, ApiError> {
    let operation = format!("add_identifier {}", user.as_deref().unwrap_or_default());
    creating::once(state, request, &operation, async |caller: &Caller, new: AddIdentifier| {
        let scope = &caller.tenant.scope;
        let id = match user {
            Some(id) => id,
            None => own(caller)?,
        };
        let user = changeable(state, caller, &id, CREATE).await?;
        let country = scope.profile().settings.default_country_code.as_deref();
        let options = NormaliseOptions { default_country_code: country, allow_reserved: false };
        let name = Identifier::parse(new.kind, &new.identifier, &options).map_err(UserError::Identifier)?;
        let author = (&caller.actor(), &caller.tenant.client());
        let new = (name, new.is_primary.unwrap_or(false));
        let (user, added) = add(&state.identity, scope, &user.id, new, author).await?;
        Ok((user.revision, identifier_view(scope.id().as_str(), &user, &added)))
    })
    .await
}

async fn removed(
    state: &AppState,
    caller: &Caller,
    user: &str,
    id: &str,
) -> Result<Json<IdentifierView>, ApiError> {
    let scope = &caller.tenant.scope;
    let user = changeable(state, caller, user, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let (user, removed) = remove(&state.identity, scope, (&user.id, id), author).await?;
    let view = identifier_view(scope.id().as_str(), &user, &removed);
    Ok(Json(IdentifierView { is_deleted: true, is_active: false, ..view }))
}

/// The identifiers of a user
#[utoipa::path(get, path = "/users/{user_id}/identifiers", tag = "Users", operation_id = "list_user_identifiers",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ListView<IdentifierView>), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn list_of_user(caller: Caller, Path(user): Path<String>) -> Result<Response, ApiError> {
    let user = readable(&caller, &user).await?;
    list(&caller, &user)
}

/// Give a user another identifier
#[utoipa::path(post, path = "/users/{user_id}/identifiers", tag = "Users", operation_id = "add_user_identifier",
    params(("user_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = AddIdentifier,
    security(("bearer" = [])),
    responses((status = 201, body = IdentifierView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn add_to_user(
    State(state): State<AppState>,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    added(&state, request, Some(user)).await
}

/// Change an identifier of a user
#[utoipa::path(patch, path = "/users/{user_id}/identifiers/{identifier_id}", tag = "Users",
    operation_id = "update_user_identifier",
    params(("user_id" = String, Path), ("identifier_id" = String, Path)), request_body = UpdateIdentifier,
    security(("bearer" = [])),
    responses((status = 200, body = IdentifierView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn update_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
    Json(request): Json<UpdateIdentifier>,
) -> Result<Json<IdentifierView>, ApiError> {
    let scope = &caller.tenant.scope;
    let user = changeable(&state, &caller, &user, UPDATE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let wanted = (request.is_primary, request.is_active);
    let (user, own) = update(&state.identity, scope, (&user.id, &id), wanted, author).await?;
    Ok(Json(identifier_view(scope.id().as_str(), &user, &own)))
}

/// Take an identifier from a user
#[utoipa::path(delete, path = "/users/{user_id}/identifiers/{identifier_id}", tag = "Users",
    operation_id = "remove_user_identifier",
    params(("user_id" = String, Path), ("identifier_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = IdentifierView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn remove_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<IdentifierView>, ApiError> {
    removed(&state, &caller, &user, &id).await
}

/// Send another code to an identifier of a user that isn't proven yet
///
/// Whoever it is sent to proves it with `/auth/activate`.
#[utoipa::path(post, path = "/users/{user_id}/identifiers/{identifier_id}/resend", tag = "Users",
    operation_id = "resend_user_identifier",
    params(("user_id" = String, Path), ("identifier_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CodeSentView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 429, body = ErrorView),
        (status = 503, body = ErrorView)))]
pub async fn resend_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<CodeSentView>, ApiError> {
    let scope = &caller.tenant.scope;
    let user = changeable(&state, &caller, &user, RESEND).await?;
    let own = user.identifiers.iter().find(|own| own.id == id).ok_or(UserError::NotFound)?;
    if own.verified_at.is_some() {
        return Err(UserError::Invalid("This identifier is proven already".into()).into());
    }
    let identifier = parse(scope, Some(own.kind), &own.value)?;
    request(scope, (Purpose::Verify, &identifier), &caller.tenant.client()).await?;
    Ok(Json(CodeSentView::of(scope, "A code is on its way")))
}

/// The caller's identifiers
#[utoipa::path(get, path = "/identifiers", tag = "Users", operation_id = "list_identifiers", security(("bearer" = [])),
    responses((status = 200, body = ListView<IdentifierView>), (status = 401, body = ErrorView)))]
pub async fn list_own(caller: Caller) -> Result<Response, ApiError> {
    caller.at_home()?;
    list(&caller, &caller.user)
}

/// Give the caller another identifier
#[utoipa::path(post, path = "/identifiers", tag = "Users", operation_id = "add_identifier",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = AddIdentifier, security(("bearer" = [])),
    responses((status = 201, body = IdentifierView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn add_own(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    added(&state, request, None).await
}

/// An identifier of the caller
#[utoipa::path(get, path = "/identifiers/{identifier_id}", tag = "Users", operation_id = "get_identifier",
    params(("identifier_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = IdentifierView), (status = 401, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get_own(caller: Caller, Path(id): Path<String>) -> Result<Json<IdentifierView>, ApiError> {
    caller.at_home()?;
    let own = caller.user.identifiers.iter().find(|i| i.id == id).ok_or(UserError::NotFound)?;
    Ok(Json(identifier_view(caller.tenant.scope.id().as_str(), &caller.user, own)))
}

/// Take an identifier from the caller
#[utoipa::path(delete, path = "/identifiers/{identifier_id}", tag = "Users", operation_id = "remove_identifier",
    params(("identifier_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = IdentifierView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn remove_own(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<IdentifierView>, ApiError> {
    removed(&state, &caller, &own(&caller)?, &id).await
}
