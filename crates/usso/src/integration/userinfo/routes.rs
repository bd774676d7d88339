//! `/oauth/userinfo`.

use super::service::{Userinfo, userinfo};
use crate::http::caller::{self, Presented, Source};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant};
use crate::tenant::verify::verify;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use kernel::ProblemKind;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get, post))
}

/// What an access token tells of its user
#[utoipa::path(get, path = "/oauth/userinfo", tag = "OAuth", operation_id = "userinfo", security(("bearer" = [])),
    responses((status = 200, body = Object), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&state, &tenant, in_header(&headers)?).await
}

/// The same, the token in the header or in a form (RFC 6750 section 2.2)
#[utoipa::path(post, path = "/oauth/userinfo", tag = "OAuth", operation_id = "userinfo_by_form",
    request_body(content = Option<Object>, content_type = "application/x-www-form-urlencoded"), security(("bearer" = [])),
    responses((status = 200, body = Object), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 415, body = ErrorView)))]
pub async fn post(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let Form(params) = Form::from_request(request, &state).await?;
    let in_header = in_header(&headers)?;
    let in_body = params.get("access_token");
    if params.repeated().is_some() || in_header.is_some() && in_body.is_some() {
        return Err(ApiError::new(ProblemKind::Invalid, "INVALID_REQUEST", "Present one token, once"));
    }
    answer(&state, &tenant, in_header.or(in_body.map(|token| (token, Source::Header)))).await
}

/// The token in the `Authorization` header. Cookies don't count: other sites may read the answer.
fn in_header(headers: &HeaderMap) -> Result<Option<(&str, Source)>, ApiError> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    match caller::presented(headers)? {
        Some(Presented::Token(token, source)) => Ok(Some((token, source))),
        // An API key stands for a user, but no user gave it to a client.
        Some(Presented::ApiKey(_)) | None => Err(crate::tenant::verify::TokenError::Invalid.into()),
    }
}

async fn answer(
    state: &AppState,
    tenant: &Tenant,
    presented: Option<(&str, Source)>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "Not authenticated");
    let (token, source) = presented.ok_or_else(missing)?;
    let claims = verify(&tenant.scope, token)?;
    caller::check_possession(tenant, &claims, (token, source)).await?;
    let asked = tenant.asked();
    let found = userinfo(state.context(&tenant.scope, &asked), &claims).await?;
    Ok(match found {
        Userinfo::Plain(told) => Json(told).into_response(),
        Userinfo::Signed(token) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"))], token).into_response()
        }
    })
}
