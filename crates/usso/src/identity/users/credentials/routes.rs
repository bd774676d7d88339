//! `/users/{user_id}/credentials`, and `/credentials` for the caller's own.

use super::schema::{BackupCodesView, ConfirmCredential, NewCredentialView};
use super::{authenticator, check_recent, remove, set_password};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied, Resource};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::list::{ListView, plain};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use crate::identity::sign_in::enrolment::schema::AuthenticatorView;
use crate::identity::users::access::{Asker, allowed};
use crate::identity::users::admin::may_take_over;
use crate::identity::users::error::UserError;
use crate::identity::users::model::User;
use crate::identity::users::schema::{CredentialView, SetCredential, credential_view};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{ProblemKind, Revision, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("list_user_credentials");
const CREATE: Permission = permission("set_user_credential");
const DELETE: Permission = permission("remove_user_credential");
const RESET: Permission = Permission::new("update", Resource::Credentials);

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_of_user, set_of_user))
        .routes(routes!(remove_of_user))
        .routes(routes!(confirm_of_user))
        .routes(routes!(reset_of_user))
        .routes(routes!(confirm_own))
        .routes(routes!(list_own, set_own))
        .routes(routes!(get_own, remove_own))
}

async fn readable(caller: &Caller, user: &str) -> Result<Stored<User>, UserError> {
    let asker = Asker { scopes: caller.scopes(), own: Some(&caller.user.id) };
    Ok(allowed(&caller.tenant.scope, user, READ, asker).await?.0)
}

/// A user whose credentials the caller may change, and whether it is themself: who has signed in lately, or who holds all
/// that lies behind them.
async fn changeable(
    state: &AppState,
    caller: &Caller,
    user: &str,
    permission: Permission,
) -> Result<(Stored<User>, bool), UserError> {
    // Nobody changes in somebody's name how anybody signs in.
    if caller.is_impersonated() {
        return Err(PermissionDenied(permission).into());
    }
    let scope = &caller.tenant.scope;
    let own = caller.is_in_person().then_some(&caller.user.id);
    let (user, is_own) = allowed(scope, user, permission, Asker { scopes: caller.scopes(), own }).await?;
    match &caller.principal {
        Principal::Session { session, .. } if is_own => check_recent(scope, session)?,
        _ => may_take_over(&state.identity, scope, caller.scopes(), &user).await?,
    }
    Ok((user, is_own))
}

/// The id of the caller, who must be a user of the tenant.
fn own(caller: &Caller) -> Result<String, ApiError> {
    caller.at_home()?;
    Ok(caller.user.id.as_str().to_owned())
}

fn list(caller: &Caller, user: &Stored<User>) -> Result<Response, ApiError> {
    let tenant = caller.tenant.scope.id().as_str();
    plain(&user.credentials.iter().map(|own| credential_view(tenant, user, own)).collect::<Vec<_>>())
}

async fn set(state: &AppState, request: Request, user: Option<String>) -> Result<Response, ApiError> {
    let operation = format!("set_credential {}", user.as_deref().unwrap_or_default());
    creating::once(state, request, &operation, async |caller: &Caller, new: SetCredential| {
        let id = match user {
            Some(id) => id,
            None => own(caller)?,
        };
        let whose = changeable(state, caller, &id, CREATE).await?;
        made(state, caller, whose, new).await
    })
    .await
}

async fn made(
    state: &AppState,
    caller: &Caller,
    (user, is_own): (Stored<User>, bool),
    new: SetCredential,
) -> Result<(Revision, NewCredentialView), ApiError> {
    let (scope, identity) = (&caller.tenant.scope, &state.identity);
    let tenant = scope.id().as_str();
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let author = (&actor, &client);
    match new.method.as_str() {
        "password" => {
            let secret = new.secret.ok_or_else(|| UserError::Invalid("secret: is required".into()))?;
            let stays = is_own.then(|| caller.session_id()).flatten();
            let (user, set) = set_password(identity, scope, (&user, stays), &secret, author).await?;
            Ok((user.revision, NewCredentialView::Plain(credential_view(tenant, &user, &set))))
        }
        // What only its owner may know is told to nobody else.
        "totp" | "backup_codes" if !is_own => Err(PermissionDenied(CREATE).into()),
        "totp" => {
            let begun = authenticator::enrol(identity, scope, &user.id, author).await?;
            let view = AuthenticatorView::of(tenant, &begun);
            Ok((begun.user.revision, NewCredentialView::Authenticator(view)))
        }
        "backup_codes" => {
            let (user, set, codes) = authenticator::backup_codes(identity, scope, &user.id, author).await?;
            let credential = credential_view(tenant, &user, &set);
            Ok((user.revision, NewCredentialView::BackupCodes(BackupCodesView::of(credential, &codes))))
        }
        _ => {
            let detail = "Credentials of this method can't be set here";
            Err(ApiError::new(ProblemKind::Invalid, "METHOD_NOT_AVAILABLE", detail))
        }
    }
}

async fn confirmed(
    state: &AppState,
    caller: &Caller,
    (user, id): (&str, &str),
    request: &ConfirmCredential,
) -> Result<Json<CredentialView>, ApiError> {
    let scope = &caller.tenant.scope;
    let (user, is_own) = changeable(state, caller, user, CREATE).await?;
    if !is_own {
        return Err(PermissionDenied(CREATE).into());
    }
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let author = (&actor, &client);
    let set = authenticator::confirm(&state.identity, scope, (&user, id), &request.code, author).await?;
    let (user, set) = set.ok_or_else(|| UserError::Invalid("code: is wrong or was used before".into()))?;
    Ok(Json(credential_view(scope.id().as_str(), &user, &set)))
}

async fn removed(
    state: &AppState,
    caller: &Caller,
    user: &str,
    id: &str,
) -> Result<Json<CredentialView>, ApiError> {
    let scope = &caller.tenant.scope;
    let (user, is_own) = changeable(state, caller, user, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let (user, removed) = remove(&state.identity, scope, (&user.id, id), (author, is_own)).await?;
    let view = credential_view(scope.id().as_str(), &user, &removed);
    Ok(Json(CredentialView { is_deleted: true, is_active: false, ..view }))
}

/// Give an authenticator of one's own another secret, or oneself other backup codes, within ten minutes after signing in
///
/// What was there is worth nothing any more, and the other sessions end. An authenticator counts again once it is confirmed.
#[utoipa::path(post, path = "/users/{user_id}/credentials/{credential_id}/reset", tag = "Users",
    operation_id = "reset_user_credential",
    params(("user_id" = String, Path), ("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = NewCredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn reset_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<NewCredentialView>, ApiError> {
    let (scope, identity) = (&caller.tenant.scope, &state.identity);
    let (user, is_own) = changeable(&state, &caller, &user, RESET).await?;
    // What only its owner may know is told to nobody else: who administers removes it.
    if !is_own {
        return Err(PermissionDenied(RESET).into());
    }
    let old = user.credentials.iter().find(|own| own.id == id).ok_or(UserError::NotFound)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let (tenant, author) = (scope.id().as_str(), (&actor, &client));
    match old.method.as_str() {
        "totp" => {
            let whose = (&user.id, id.as_str(), caller.session_id());
            let begun = authenticator::reset(identity, scope, whose, author).await?;
            Ok(Json(NewCredentialView::Authenticator(AuthenticatorView::of(tenant, &begun))))
        }
        "backup_codes" => {
            let (user, set, codes) = authenticator::backup_codes(identity, scope, &user.id, author).await?;
            let credential = credential_view(tenant, &user, &set);
            Ok(Json(NewCredentialView::BackupCodes(BackupCodesView::of(credential, &codes))))
        }
        _ => {
            let detail = "Credentials of this method are set anew instead";
            Err(ApiError::new(ProblemKind::Invalid, "METHOD_NOT_AVAILABLE", detail))
        }
    }
}

/// Confirm an authenticator with a code; from then on it counts
#[utoipa::path(post, path = "/users/{user_id}/credentials/{credential_id}/confirm", tag = "Users",
    operation_id = "confirm_user_credential", request_body = ConfirmCredential,
    params(("user_id" = String, Path), ("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn confirm_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
    Json(request): Json<ConfirmCredential>,
) -> Result<Json<CredentialView>, ApiError> {
    confirmed(&state, &caller, (&user, &id), &request).await
}

/// Confirm an authenticator of the caller with a code; from then on it counts
#[utoipa::path(post, path = "/credentials/{credential_id}/confirm", tag = "Users", operation_id = "confirm_credential",
    request_body = ConfirmCredential, params(("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn confirm_own(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<ConfirmCredential>,
) -> Result<Json<CredentialView>, ApiError> {
    confirmed(&state, &caller, (&own(&caller)?, &id), &request).await
}

/// The credentials of a user, without their secrets
#[utoipa::path(get, path = "/users/{user_id}/credentials", tag = "Users", operation_id = "list_user_credentials",
    params(("user_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ListView<CredentialView>), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn list_of_user(caller: Caller, Path(user): Path<String>) -> Result<Response, ApiError> {
    let user = readable(&caller, &user).await?;
    list(&caller, &user)
}

/// Set a user's password, which ends their sessions, or begin an authenticator or backup codes of one's own
#[utoipa::path(post, path = "/users/{user_id}/credentials", tag = "Users", operation_id = "set_user_credential",
    params(("user_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = SetCredential,
    security(("bearer" = [])),
    responses((status = 201, body = NewCredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn set_of_user(
    State(state): State<AppState>,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    set(&state, request, Some(user)).await
}

/// Remove a credential of a user; their sessions end
#[utoipa::path(delete, path = "/users/{user_id}/credentials/{credential_id}", tag = "Users",
    operation_id = "remove_user_credential",
    params(("user_id" = String, Path), ("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn remove_of_user(
    State(state): State<AppState>,
    caller: Caller,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<CredentialView>, ApiError> {
    removed(&state, &caller, &user, &id).await
}

/// The caller's credentials, without their secrets
#[utoipa::path(get, path = "/credentials", tag = "Users", operation_id = "list_credentials", security(("bearer" = [])),
    responses((status = 200, body = ListView<CredentialView>), (status = 401, body = ErrorView)))]
pub async fn list_own(caller: Caller) -> Result<Response, ApiError> {
    caller.at_home()?;
    list(&caller, &caller.user)
}

/// Set the caller's password, which ends their other sessions, or begin an authenticator or backup codes, within ten minutes
/// after signing in
#[utoipa::path(post, path = "/credentials", tag = "Users", operation_id = "set_credential",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = SetCredential, security(("bearer" = [])),
    responses((status = 201, body = NewCredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn set_own(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    set(&state, request, None).await
}

/// A credential of the caller, without its secret
#[utoipa::path(get, path = "/credentials/{credential_id}", tag = "Users", operation_id = "get_credential",
    params(("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 401, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get_own(caller: Caller, Path(id): Path<String>) -> Result<Json<CredentialView>, ApiError> {
    caller.at_home()?;
    let own = caller.user.credentials.iter().find(|c| c.id == id).ok_or(UserError::NotFound)?;
    Ok(Json(credential_view(caller.tenant.scope.id().as_str(), &caller.user, own)))
}

/// Remove a credential of the caller, within ten minutes after signing in
#[utoipa::path(delete, path = "/credentials/{credential_id}", tag = "Users", operation_id = "remove_credential",
    params(("credential_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn remove_own(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<CredentialView>, ApiError> {
    removed(&state, &caller, &own(&caller)?, &id).await
}
