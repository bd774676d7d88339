//! `/captcha/…`.

use super::CaptchaError;
use super::schema::{CaptchaView, ChallengeView, SolveCaptcha};
use super::service::{PROOF_LIFETIME, challenge, redeem};
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Json, Tenant, cookie};
use axum::response::{IntoResponse, Response};
use kernel::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(verify))
}

/// A puzzle to solve
#[utoipa::path(get, path = "/captcha/challenge", tag = "Authentication", operation_id = "captcha_challenge",
    responses((status = 200, body = ChallengeView), (status = 400, body = ErrorView)))]
pub async fn get(tenant: Tenant) -> Result<Json<ChallengeView>, ApiError> {
    Ok(Json(challenge(&tenant.scope)?))
}

/// A solution for a proof
#[utoipa::path(post, path = "/captcha/verify", tag = "Authentication", operation_id = "verify_captcha",
    request_body = SolveCaptcha,
    responses((status = 200, body = CaptchaView), (status = 400, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn verify(tenant: Tenant, Json(request): Json<SolveCaptcha>) -> Result<Response, ApiError> {
    match redeem(&tenant.scope, &request.payload).await {
        Ok(proof) => {
            let mut response = Json(CaptchaView::verified(proof.clone(), PROOF_LIFETIME)).into_response();
            cookie::set_captcha(response.headers_mut(), &tenant, &proof, PROOF_LIFETIME);
            Ok(response)
        }
        // The widget takes every 200 for success, but not where it sent a code.
        Err(error @ CaptchaError::Invalid(_)) if request.code.is_some() => {
            Ok(Json(CaptchaView::refused(error.detail().into_owned())).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
