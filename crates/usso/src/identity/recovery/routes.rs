//! `/auth/reset-password` and `/auth/password`.

use super::schema::{ChangePassword, ResetPassword};
use super::{by_link, guarded, is_current, request};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Caller, Json, OptionalCaller, Tenant, captcha};
use crate::identity::attempts::{self, Client, Lane, Target};
use crate::identity::sign_in::schema::MessageView;
use crate::identity::sign_in::{Context, SignInError, parse};
use crate::identity::users::credentials::{check_recent, set_password};
use crate::tenant::audit::Event;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("set_credential");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(reset_password)).routes(routes!(change_password))
}

/// Get a way to a new password, or choose it
#[utoipa::path(post, path = "/auth/reset-password", tag = "Authentication", operation_id = "reset_password",
    request_body = ResetPassword, security((), ("bearer" = [])),
    responses((status = 200, body = MessageView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn reset_password(
    State(state): State<AppState>,
    tenant: Tenant,
    OptionalCaller(caller): OptionalCaller,
    headers: HeaderMap,
    Json(body): Json<ResetPassword>,
) -> Result<Json<MessageView>, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let invalid = |detail: &'static str| ApiError::invalid(Vec::new(), detail);
    let identifier =
        body.identifier.as_deref().map(|typed| parse(&tenant.scope, body.kind, typed)).transpose()?;
    let Some(password) = body.new_password.or(body.password) else {
        captcha::require(&tenant, &headers)?;
        let identifier = identifier.ok_or_else(|| invalid("identifier: is required"))?;
        request(context, &identifier).await?;
        return Ok(Json(MessageView {
            message: "If there is an account, a way to a new password is on its way",
        }));
    };
    match (body.secure_token.or(body.token), body.code, identifier, caller) {
        (Some(token), ..) => drop(by_link(context, &token, &password).await?),
        (None, Some(code), Some(identifier), _) => {
            guarded(context, &identifier, (&code, &password)).await?;
        }
        (None, None, None, Some(caller)) => own(&state, &caller, &password).await?,
        _ => return Err(invalid("token: is required, or identifier and code")),
    }
    Ok(Json(MessageView { message: "The password is set; sign in with it" }))
}

/// The password of who is signed in, lately and themself.
async fn own(state: &AppState, caller: &Caller, password: &SecretString) -> Result<(), ApiError> {
    caller.at_home()?;
    let Principal::Session { session, .. } = &caller.principal else {
        return Err(PermissionDenied(CREATE).into());
    };
    if caller.is_impersonated() {
        return Err(PermissionDenied(CREATE).into());
    }
    let scope = &caller.tenant.scope;
    check_recent(scope, session)?;
    let author = (&caller.actor(), &caller.tenant.client());
    set_password(&state.identity, scope, (&caller.user, Some(&session.id)), password, author).await?;
    Ok(())
}

/// Change one's password; the other sessions end
#[utoipa::path(post, path = "/auth/password", tag = "Authentication", operation_id = "change_password",
    request_body = ChangePassword, security(("bearer" = [])),
    responses((status = 204), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    Json(body): Json<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    let Some(old) = &body.old_password else {
        own(&state, &caller, &body.new_password).await?;
        return Ok(StatusCode::NO_CONTENT);
    };
    caller.at_home()?;
    if !caller.is_in_person() {
        return Err(PermissionDenied(CREATE).into());
    }
    let (scope, client) = (&caller.tenant.scope, caller.tenant.client());
    let (actor, user) = (caller.actor(), &caller.user);
    let target = Target { identifier: user.id.as_str(), account: Some(user.id.as_str()), method: "change" };
    let lane = Lane::of(target, &Client::Address(client.ip));
    if let Some(retry_after) = attempts::exhausted(scope, &lane).await.map_err(SignInError::from)? {
        return Err(SignInError::RateLimited { retry_after }.into());
    }
    if !is_current(&state.identity, scope, user, old).await? {
        let event = |name| Event::refused(name, actor.clone(), user.id.as_str(), &client).effect(scope);
        let events = (event("user.password_change_failed"), event("user.password_change_locked"));
        attempts::record_failure(scope, &lane, events).await.map_err(SignInError::from)?;
        return Err(SignInError::InvalidCredentials.into());
    }
    let stays = caller.session_id();
    set_password(&state.identity, scope, (user, stays), &body.new_password, (&actor, &client)).await?;
    Ok(StatusCode::NO_CONTENT)
}
