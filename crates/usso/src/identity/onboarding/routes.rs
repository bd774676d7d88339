//! `/auth/invitation`.

use super::{Invitation, accept, invitation};
use crate::http::error::ErrorView;
use crate::http::list::Params;
use crate::http::{ApiError, AppState, Json, Tenant, redirect};
use crate::web;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, redeem))
}

/// Which invitation.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvitationParams {
    /// The token of the link.
    token: String,
}

/// An invitation and the chosen password.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct AcceptInvitation {
    /// The token of the link.
    token: String,
    /// The chosen password.
    #[schema(value_type = String, format = Password)]
    secret: SecretString,
}

/// Who an invitation is for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InvitationView {
    /// The identifier to sign in with.
    identifier: String,
    /// Until when it can be used.
    expires_at: String,
}

/// Look at an invitation; looking doesn't use it up
#[utoipa::path(get, path = "/auth/invitation", tag = "Authentication", operation_id = "get_invitation",
    params(InvitationParams),
    responses((status = 200, body = InvitationView), (status = 400, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn show(
    tenant: Tenant,
    headers: HeaderMap,
    Params(params): Params<InvitationParams>,
    page: web::Page,
) -> Result<Response, ApiError> {
    if redirect::wants_page(&headers) {
        return web::invitation(page).await;
    }
    let found = invitation(&tenant.scope, &params.token).await?;
    Ok(Json(view(&found)).into_response())
}

fn view(found: &Invitation) -> InvitationView {
    InvitationView {
        identifier: found.identifier().to_owned(),
        expires_at: found.record.expires_at.to_rfc3339(),
    }
}

/// Use an invitation: choose a password; then sign in
#[utoipa::path(post, path = "/auth/invitation", tag = "Authentication", operation_id = "accept_invitation",
    request_body = AcceptInvitation,
    responses((status = 201, body = InvitationView), (status = 400, body = ErrorView), (status = 410, body = ErrorView)))]
pub async fn redeem(
    State(state): State<AppState>,
    tenant: Tenant,
    Json(request): Json<AcceptInvitation>,
) -> Result<(StatusCode, Json<InvitationView>), ApiError> {
    let client = tenant.client();
    let used = accept(&state.identity, &tenant.scope, &request.token, &request.secret, &client).await?;
    Ok((StatusCode::CREATED, Json(view(&used))))
}
