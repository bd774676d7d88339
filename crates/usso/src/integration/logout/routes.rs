//! `/oauth/logout`.

use super::page;
use super::service::{Outcome, end};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Tenant, browser, cookie, csrf, redirect};
use crate::integration::OauthError;
use axum::extract::{FromRequest, Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::oauth::Params;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(logout, logout_by_form))
}

/// Sign a user out for a client (OpenID Connect RP-Initiated Logout)
#[utoipa::path(get, path = "/oauth/logout", tag = "OAuth", operation_id = "end_session",
    params(("id_token_hint" = Option<String>, Query), ("post_logout_redirect_uri" = Option<String>, Query),
        ("state" = Option<String>, Query), ("client_id" = Option<String>, Query)),
    responses((status = 200, description = "Signed out, or asked whether to"),
        (status = 303, description = "Signed out, and back to the client"), (status = 400, body = ErrorView)))]
pub async fn logout(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    let headers = request.headers();
    // Browsers say from where they were sent; who doesn't is no browser that could be misled.
    let is_bidden = headers.get("sec-fetch-site").is_none_or(|site| site != "cross-site");
    answer(&state, &tenant, (headers, is_bidden), &params).await
}

/// The same by a form
#[utoipa::path(post, path = "/oauth/logout", tag = "OAuth", operation_id = "end_session_by_form",
    request_body(content = Option<Object>, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Signed out, or asked whether to"),
        (status = 303, description = "Signed out, and back to the client"), (status = 400, body = ErrorView),
        (status = 415, body = ErrorView)))]
pub async fn logout_by_form(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let Form(params) = Form::from_request(request, &state).await?;
    // Our own page, which asked.
    let is_bidden = csrf::check(&tenant, &headers).is_ok();
    answer(&state, &tenant, (&headers, is_bidden), &params).await
}

async fn answer(
    state: &AppState,
    tenant: &Tenant,
    (headers, is_bidden): (&HeaderMap, bool),
    params: &Params,
) -> Result<Response, ApiError> {
    let browser = browser::signed_in(state, tenant, headers).await;
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    let outcome = end(ctx, params, (browser.as_ref(), is_bidden)).await;
    let for_people = redirect::wants_page(headers);
    let told = |error: OauthError| match for_people {
        true => ApiError::from(error).as_page(),
        false => error.into(),
    };
    let mut response = match outcome.map_err(told)? {
        Outcome::Ask => return Ok(shown(page::ask(&format!("{}/oauth/logout", prefix(tenant))))),
        Outcome::SignedOut(told) => shown(page::signed_out(&told)),
        Outcome::Back(target) => {
            let mut response = redirect::found(&target, HeaderMap::new());
            *response.status_mut() = StatusCode::SEE_OTHER;
            response
        }
    };
    cookie::clear_tokens(response.headers_mut(), tenant);
    Ok(response)
}

fn prefix(tenant: &Tenant) -> String {
    tenant.cookie_path().trim_end_matches('/').to_owned()
}

fn shown((page, policy): (String, String)) -> Response {
    let mut response = Html(page).into_response();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
