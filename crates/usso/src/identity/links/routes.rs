//! `/auth/request-magic-link` and `/auth/magic-link`.

use super::request::{redeem, request};
use super::schema::{LinkParams, LinkSentView, RequestMagicLink, UseMagicLink};
use crate::http::error::ErrorView;
use crate::http::list::Params;
use crate::http::{
    ApiError, AppState, Json, Tenant, caller, captcha, cookie, csrf, own_page, redirect, signed_in,
};
use crate::identity::devices::Device;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::schema::LoginView;
use crate::identity::sign_in::{Context, Step, parse};
use crate::web;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The most bytes of a form with a token.
const MAX_FORM: usize = 8_192;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(request_magic_link)).routes(routes!(follow, use_magic_link))
}

/// Send a link to sign in with
#[utoipa::path(post, path = "/auth/request-magic-link", tag = "Authentication", operation_id = "request_magic_link",
    request_body = RequestMagicLink,
    responses((status = 200, description = "The same whether there is an account or not", body = LinkSentView),
        (status = 400, body = ErrorView), (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn request_magic_link(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(body): Json<RequestMagicLink>,
) -> Result<Json<LinkSentView>, ApiError> {
    captcha::require(&tenant, &headers)?;
    let identifier = parse(&tenant.scope, body.kind, &body.identifier)?;
    let wanted = body.redirect_url.or(body.return_to);
    let redirect = wanted.as_deref().filter(|target| own_page::is_own(&tenant, target));
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    request(context, &identifier, redirect).await?;
    let expires_in = tenant.scope.profile().settings.magic_link_timeout;
    Ok(Json(LinkSentView { message: "If the address can be used, a link is on its way", expires_in }))
}

/// Follow a link: browsers get a page whose button uses it, programs that ask for JSON sign in
#[utoipa::path(get, path = "/auth/magic-link", tag = "Authentication", operation_id = "follow_magic_link",
    params(LinkParams),
    responses((status = 200, body = LoginView), (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn follow(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Params(params): Params<LinkParams>,
    page: web::Page,
) -> Result<Response, ApiError> {
    if !redirect::wants_page(&headers) {
        return sign_in(&state, &tenant, &headers, &params.token).await.map(|(response, _)| response);
    }
    web::magic_link(page).await
}

/// Use a link to sign in
#[utoipa::path(post, path = "/auth/magic-link", tag = "Authentication", operation_id = "use_magic_link",
    request_body = UseMagicLink,
    responses((status = 200, body = LoginView), (status = 302, description = "For the page's button"),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn use_magic_link(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let Json(body) = Json::<UseMagicLink>::from_request(request, &state).await?;
        return sign_in(&state, &tenant, &headers, &body.token).await.map(|(response, _)| response);
    }
    // Another site's form would sign its visitors in to an account of its choice.
    csrf::check(&tenant, &headers)?;
    let body = axum::body::to_bytes(request.into_body(), MAX_FORM).await;
    let body = body.map_err(|_| ApiError::invalid(Vec::new(), "The form can't be read"))?;
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == "token").map(|(_, value)| value);
    let token = token.ok_or_else(|| ApiError::invalid(Vec::new(), "token: is required"))?;
    let (mut response, target) = sign_in(&state, &tenant, &headers, &token).await?;
    if let Some(target) = target {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, target);
    }
    Ok(response)
}

/// Signs in; tells where a browser goes from here.
async fn sign_in(
    state: &AppState,
    tenant: &Tenant,
    headers: &HeaderMap,
    token: &str,
) -> Result<(Response, Option<HeaderValue>), ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let pending = caller::temporary(headers).and_then(|token| Pending::read(&tenant.scope, token));
    let (step, redirect) = redeem(context, token, pending).await?;
    let config = tenant.scope.profile().tenant.config.extra();
    let default = config.get("default_redirect_url").and_then(Value::as_str).unwrap_or("/");
    let target = match &step {
        Step::Completed(_) => redirect.as_deref().unwrap_or(default),
        // The second factor is asked for where signing in is.
        _ => tenant
            .scope
            .profile()
            .tenant
            .frontend_urls
            .get("login")
            .and_then(Value::as_str)
            .unwrap_or("/login"),
    };
    let target = HeaderValue::from_str(target).ok();
    let device = Device::parse(cookie::get(headers, cookie::DEVICE));
    Ok((signed_in::respond(tenant, &device, step), target))
}
