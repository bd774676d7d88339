//! `/oauth/par`.

use super::service::{LIFETIME, push};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant, oauth};
use crate::integration::OauthError;
use crate::integration::token::Call;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(par))
}

/// The reference to a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushedView {
    /// What the browser brings in place of the request, once, beside `client_id`.
    pub request_uri: String,
    /// Seconds it is good.
    pub expires_in: i64,
}

/// Push an authorization request (RFC 9126)
///
/// The client says who it is as at the token endpoint; the other parameters are those of the authorization endpoint.
#[utoipa::path(post, path = "/oauth/par", tag = "OAuth", operation_id = "push_authorization_request",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 201, body = PushedView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 413, body = ErrorView), (status = 415, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn par(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<(StatusCode, Json<PushedView>), ApiError> {
    let asked = tenant.asked();
    let proof = tenant.proof(None).map_err(|error| OauthError::invalid_dpop_proof(error.to_string()))?;
    let call =
        Call { authorization: oauth::authorization(&headers)?, params: &params, proof: proof.as_ref() };
    let request_uri = push(state.context(&tenant.scope, &asked), call).await?;
    Ok((StatusCode::CREATED, Json(PushedView { request_uri, expires_in: LIFETIME })))
}
