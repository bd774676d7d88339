//! `/auth/enrol`.

use super::schema::{AuthenticatorView, ConfirmEnrolment, Enrol};
use super::{begin, confirm};
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Json, Tenant, caller, cookie, signed_in};
use crate::identity::devices::Device;
use crate::identity::sign_in::schema::LoginView;
use crate::identity::sign_in::{Context, SignInError};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(enrol)).routes(routes!(confirm_enrolment))
}

/// Set up a second factor that the sign-in under way needs
#[utoipa::path(post, path = "/auth/enrol", tag = "Authentication", operation_id = "enrol", request_body = Enrol,
    responses((status = 201, body = AuthenticatorView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn enrol(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(request): Json<Enrol>,
) -> Result<(StatusCode, Json<AuthenticatorView>), ApiError> {
    if request.method != "totp" {
        return Err(SignInError::MethodNotAllowed(request.method).into());
    }
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let begun = begin(context, caller::temporary(&headers)).await?;
    Ok((StatusCode::CREATED, Json(AuthenticatorView::of(tenant.scope.id().as_str(), &begun))))
}

/// Confirm the second factor, and sign in
#[utoipa::path(post, path = "/auth/enrol/confirm", tag = "Authentication", operation_id = "confirm_enrolment",
    request_body = ConfirmEnrolment,
    responses((status = 200, body = LoginView), (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn confirm_enrolment(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(request): Json<ConfirmEnrolment>,
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let proof = (request.credential_id.as_str(), &request.code);
    let step = confirm(context, caller::temporary(&headers), proof).await?;
    Ok(signed_in::respond(&tenant, &Device::parse(cookie::get(&headers, cookie::DEVICE)), step))
}
