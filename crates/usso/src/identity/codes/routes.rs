//! `/auth/request-otp` and `/auth/activate`.

use super::request::{activate, request};
use super::schema::{Activate, ActivationView, CodeSentView, RequestOtp};
use super::{Purpose, channel_of};
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Json, OptionalCaller, Tenant, caller, captcha};
use crate::identity::identifiers::Identifier;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::{parse, reached_by};
use crate::identity::users::schema::UserView;
use crate::tenant::messaging::budget::PAUSE;
use axum::extract::State;
use http::HeaderMap;
use kernel::Channel;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(request_otp)).routes(routes!(activate_identifier))
}

/// Send a code to sign in with, or to prove an address or number with
#[utoipa::path(post, path = "/auth/request-otp", tag = "Authentication", operation_id = "request_otp",
    request_body = RequestOtp,
    responses((status = 200, description = "The same whether there is an account or not", body = CodeSentView),
        (status = 400, body = ErrorView), (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn request_otp(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(body): Json<RequestOtp>,
) -> Result<Json<CodeSentView>, ApiError> {
    captcha::require(&tenant, &headers)?;
    let scope = &tenant.scope;
    let invalid = |detail: &'static str| ApiError::invalid(Vec::new(), detail);
    let purpose = body.purpose.as_deref().unwrap_or("login");
    let purpose = Purpose::parse(purpose).ok_or_else(|| invalid("purpose: is login or verify_identifier"))?;
    let channel = match body.channel_type.as_deref() {
        None => None,
        Some(name) => Some(Channel::parse(name).ok_or_else(|| invalid("channel_type: is email or sms"))?),
    };
    let named = parse(scope, body.kind, &body.identifier)?;
    let pending = caller::temporary(&headers).and_then(|token| Pending::read(scope, token));
    let identifier = match (channel_of(named.kind()), channel) {
        (Some(own), Some(asked)) if own != asked => {
            return Err(invalid("channel_type: doesn't reach this identifier"));
        }
        (None, Some(asked)) => reached(&state, &tenant, pending.as_ref(), asked).await?.unwrap_or(named),
        _ => named,
    };
    request(scope, (purpose, &identifier), &tenant.client()).await?;
    Ok(Json(CodeSentView::of(scope, "If the identifier can be used, a code is on its way")))
}

/// Where who is in the middle of a sign-in is reached over a channel.
async fn reached(
    state: &AppState,
    tenant: &Tenant,
    pending: Option<&Pending>,
    channel: Channel,
) -> Result<Option<Identifier>, ApiError> {
    let Some(pending) = pending else { return Ok(None) };
    let user = state.identity.user(&tenant.scope, &pending.user_id).await;
    let user = user.map_err(|e| crate::http::error::storage(&e))?;
    let method = match channel {
        Channel::Email => Method::EmailOtp,
        Channel::Sms => Method::PhoneOtp,
    };
    Ok(user.filter(|user| pending.is_of(&tenant.scope, user)).and_then(|user| reached_by(&user, method)))
}

/// Prove that an address or number is one's own; without a code one is sent
#[utoipa::path(post, path = "/auth/activate", tag = "Authentication", operation_id = "activate",
    request_body = Activate, security((), ("bearer" = [])),
    responses((status = 200, body = ActivationView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn activate_identifier(
    State(state): State<AppState>,
    tenant: Tenant,
    OptionalCaller(caller): OptionalCaller,
    Json(body): Json<Activate>,
) -> Result<Json<ActivationView>, ApiError> {
    let (scope, client) = (&tenant.scope, tenant.client());
    let identifier = parse(scope, body.kind, &body.identifier)?;
    let Some(code) = body.code.or(body.secret) else {
        request(scope, (Purpose::Verify, &identifier), &client).await?;
        return Ok(Json(ActivationView { status: "pending", user: None, resend_after: Some(PAUSE) }));
    };
    // Who acts in somebody's name proves nothing for them.
    let own = caller.as_ref().filter(|caller| caller.is_in_person() && !caller.is_impersonated());
    let own = own.map(|caller| &caller.user.id);
    let user = activate(&state.identity, scope, (&identifier, own), &code, &client).await?;
    let is_own = own.is_some_and(|id| *id == user.id);
    let user = is_own.then(|| UserView::of(scope.id().as_str(), &user));
    Ok(Json(ActivationView { status: "active", user, resend_after: None }))
}
