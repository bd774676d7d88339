//! `/oauth/authorize`: browsers in, browsers out.

use super::respond::Redirection;
use super::{Pause, Step, begin, page, resume};
use crate::http::error::ErrorView;
use crate::http::form::Form;
use crate::http::{ApiError, AppState, Json, Tenant, browser, redirect};
use crate::integration::Browser;
use crate::integration::authorize::request::ResponseMode;
use crate::integration::consents::schema::ConsentView;
use crate::integration::consents::service::Pending;
use axum::extract::{FromRequest, Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::ProblemKind;
use protocol::oauth::Params;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(authorize, authorize_by_form))
}

/// Ask a user for a client
///
/// Takes the parameters of RFC 6749, OpenID Connect Core and RFC 7636. A browser is sent on: to sign in, to consent, and back
/// to the client with a code or an error. With only `state`, the handle of a request that waits, that goes on.
#[utoipa::path(get, path = "/oauth/authorize", tag = "OAuth", operation_id = "authorize",
    params(("client_id" = Option<String>, Query), ("response_type" = Option<String>, Query),
        ("redirect_uri" = Option<String>, Query), ("scope" = Option<String>, Query), ("state" = Option<String>, Query),
        ("code_challenge" = Option<String>, Query), ("code_challenge_method" = Option<String>, Query),
        ("nonce" = Option<String>, Query), ("prompt" = Option<String>, Query), ("max_age" = Option<u32>, Query),
        ("response_mode" = Option<String>, Query), ("login_hint" = Option<String>, Query)),
    responses((status = 303, description = "Back to the client, or on to sign in or to consent"),
        (status = 200, description = "For programs: what the user would be asked", body = ConsentView),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn authorize(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    answer(&state, &tenant, request.headers(), &params).await
}

/// The same by a form
#[utoipa::path(post, path = "/oauth/authorize", tag = "OAuth", operation_id = "authorize_by_form",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Back to the client, or on to sign in or to consent"),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 415, body = ErrorView)))]
pub async fn authorize_by_form(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let in_query = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    let Form(in_body) = Form::from_request(request, &state).await?;
    // One request: what stands in both is there twice.
    let params = Params::of(in_query.pairs().chain(in_body.pairs()));
    answer(&state, &tenant, &headers, &params).await
}

async fn answer(
    state: &AppState,
    tenant: &Tenant,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, ApiError> {
    let browser = browser::signed_in_enough(state, tenant, headers).await;
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    let step = match params.get("state") {
        Some(handle) if params.pairs().all(|(name, _)| name == "state") => {
            resume(ctx, handle, browser.as_ref()).await
        }
        _ => begin(ctx, params, browser.as_ref()).await,
    };
    let wants_page = !redirect::wants_json(headers);
    match step {
        Ok(step) => respond(tenant, headers, (step, browser)),
        Err(error) if wants_page && is_browser(headers) => Err(ApiError::from(error).as_page()),
        Err(error) => Err(error.into()),
    }
}

/// Whether somebody sits in front of it.
fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn respond(
    tenant: &Tenant,
    headers: &HeaderMap,
    (step, browser): (Step, Option<Browser>),
) -> Result<Response, ApiError> {
    let for_program = redirect::wants_json(headers);
    Ok(match step {
        Step::Back(back) => back_to_client(&back),
        Step::SignIn(_) if for_program => {
            return Err(ApiError::new(
                ProblemKind::Unauthenticated,
                "NOT_AUTHENTICATED",
                "Not authenticated",
            ));
        }
        Step::Consent(pause) if for_program => shown(pause, browser)?,
        Step::SignIn(pause) => on(&sign_in_page(tenant, &pause)),
        Step::Consent(pause) => on(&consent_page(tenant, &pause)),
    })
}

/// For a program: what the page would show.
fn shown(pause: Pause, browser: Option<Browser>) -> Result<Response, ApiError> {
    let Pause { handle, transaction, client } = pause;
    let browser = browser.ok_or_else(ApiError::not_found)?;
    Ok(Json(ConsentView::of(&handle, &Pending { transaction, client, browser })).into_response())
}

/// Sends a browser on: 303, so that a form isn't posted again (RFC 9700 §4.12).
fn on(target: &str) -> Response {
    let mut response = redirect::found(target, HeaderMap::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
}

/// Sends a browser back to its client.
pub fn back_to_client(back: &Redirection) -> Response {
    match back.mode {
        ResponseMode::Query => on(&back.url()),
        ResponseMode::FormPost => {
            let mut response = Html(page::form_post(back)).into_response();
            if let Ok(policy) = HeaderValue::try_from(page::policy(back)) {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
    }
}

/// The address at which the request or the answer of a handle goes on, under the path that no front end has for its own.
pub fn way_on(tenant: &Tenant, handle: &str) -> String {
    absolute(tenant, &own_page(tenant, format!("/api/sso/v1/oauth/authorize?state={handle}")))
}

/// The tenant's page to sign in, which comes back to the request that waits.
fn sign_in_page(tenant: &Tenant, pause: &Pause) -> String {
    let page = own_page(tenant, redirect::front_end(tenant, ["login", "login_url"], "/login"));
    let way_back = own_page(tenant, format!("/oauth/authorize?state={}", pause.handle));
    // A page elsewhere needs to know on which host that is.
    let way_back = if page.starts_with('/') { way_back } else { absolute(tenant, &way_back) };
    let request = &pause.transaction.request;
    let hints = [("login_hint", &request.login_hint), ("ui_locales", &request.ui_locales)];
    let page = redirect::with_param(&page, ("return_to", &way_back));
    hints.iter().fold(page, |page, (name, hint)| match hint {
        Some(hint) => redirect::with_param(&page, (name, hint)),
        None => page,
    })
}

/// The tenant's page to consent; front ends read these three names (contract 5.9).
fn consent_page(tenant: &Tenant, pause: &Pause) -> String {
    let page = own_page(tenant, redirect::front_end(tenant, ["consent", "consent_url"], "/oauth/consent"));
    let (request, client) = (&pause.transaction.request, pause.client.id.as_str());
    let scope = request.asked().join(" ");
    let params = [("state", pause.handle.as_str()), ("client_id", client), ("scope", &scope)];
    params.into_iter().fold(page, |page, pair| redirect::with_param(&page, pair))
}

/// A path of this host, below the tenant's prefix if it was addressed by that.
fn own_page(tenant: &Tenant, page: String) -> String {
    let prefix = tenant.cookie_path();
    if page.starts_with('/') && prefix != "/" { format!("{prefix}{page}") } else { page }
}

fn absolute(tenant: &Tenant, path: &str) -> String {
    let issuer = tenant.issuer();
    let origin = issuer.strip_suffix(tenant.cookie_path().trim_end_matches('/')).unwrap_or(&issuer);
    format!("{origin}{path}")
}
