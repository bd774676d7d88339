//! `/auth/oauth/{provider}/…`, `/auth/telegram` and `/credentials/oauth/{provider}`.

use super::error::SocialError;
use super::schema::{AuthorizeParams, BeginLink, BegunView, CallbackParams, TelegramLogin};
use super::service::{Callback, Outcome, Start, finish, start};
use super::telegram;
use super::transaction::{LIFETIME, Link, browser_secret};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::list::{Params, parse};
use crate::http::{
    ApiError, AppState, Caller, Json, OptionalJson, Tenant, caller, cookie, json, own_page, redirect,
    signed_in,
};
use crate::identity::devices::Device;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::schema::LoginView;
use crate::identity::sign_in::{Carried, Context, Step, Wanted};
use crate::identity::users::credentials::check_recent;
use crate::identity::users::error::UserError;
use crate::identity::users::schema::credential_view;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use kernel::ProblemKind;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .routes(routes!(callback, callback_by_form))
        .routes(routes!(telegram_login))
        .routes(routes!(begin_link))
}

/// Send the browser to a provider to sign in there
#[utoipa::path(get, path = "/auth/oauth/{provider}/authorize", tag = "Authentication", operation_id = "oauth_authorize",
    params(("provider" = String, Path), AuthorizeParams),
    responses((status = 302, description = "To the provider"), (status = 404, body = ErrorView),
        (status = 503, body = ErrorView)))]
pub async fn authorize(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(provider): Path<String>,
    headers: HeaderMap,
    Params(params): Params<AuthorizeParams>,
) -> Result<Response, ApiError> {
    let target = params.redirect_url.or(params.return_to);
    match begin(&state, &tenant, &headers, (&provider, target, None)).await {
        Ok((url, cookies)) => Ok(redirect::found(&url, cookies)),
        Err(error) => failed(&tenant, &headers, error),
    }
}

/// Where to go, and the browser's secret: the one it has already, so that two tabs can sign in at once.
async fn begin(
    state: &AppState,
    tenant: &Tenant,
    headers: &HeaderMap,
    (provider, target, link): (&str, Option<String>, Option<Link>),
) -> Result<(String, HeaderMap), SocialError> {
    let kept = cookie::get(headers, cookie::OAUTH).filter(|secret| secret.len() == 43);
    let browser = kept.map_or_else(|| browser_secret(&tenant.scope), str::to_owned);
    let target = target.filter(|target| own_page::is_own(tenant, target));
    let issuer = tenant.issuer();
    let begun = Start { provider, issuer: &issuer, target, link, browser: &browser };
    let started = start(&state.identity, &*state.internet, &tenant.scope, begun).await?;
    let mut cookies = HeaderMap::new();
    cookie::set_oauth(&mut cookies, tenant, (&browser, LIFETIME), started.posts);
    Ok((started.url, cookies))
}

/// Take the browser back from a provider
#[utoipa::path(get, path = "/auth/oauth/{provider}/callback", tag = "Authentication", operation_id = "oauth_callback",
    params(("provider" = String, Path), CallbackParams),
    responses((status = 302, description = "Signed in, or to the page that says why not"),
        (status = 200, description = "To a caller who accepts JSON", body = LoginView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 503, body = ErrorView)))]
pub async fn callback(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(provider): Path<String>,
    headers: HeaderMap,
    Params(callback): Params<Callback>,
) -> Result<Response, ApiError> {
    take_back(&state, &tenant, &headers, (&provider, &callback)).await
}

/// Take the browser back from a provider that sends it by a form (Apple)
#[utoipa::path(post, path = "/auth/oauth/{provider}/callback", tag = "Authentication", operation_id = "oauth_callback_by_form",
    params(("provider" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 302, description = "Signed in, or to the page that says why not"),
        (status = 200, description = "To a caller who accepts JSON", body = LoginView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 503, body = ErrorView)))]
pub async fn callback_by_form(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(provider): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let body = json::read(request, &state).await?;
    let callback: Callback = parse(&String::from_utf8_lossy(&body))?;
    take_back(&state, &tenant, &headers, (&provider, &callback)).await
}

async fn take_back(
    state: &AppState,
    tenant: &Tenant,
    headers: &HeaderMap,
    answer: (&str, &Callback),
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let pending = caller::temporary(headers).and_then(|token| Pending::read(&tenant.scope, token));
    let wanted = pending.as_ref().map_or_else(Wanted::default, |pending| pending.wanted.clone());
    let browser = cookie::get(headers, cookie::OAUTH);
    let finished = finish(context, &*state.internet, answer, browser, Carried { wanted, pending }).await;
    let (target, outcome) = match finished {
        Ok(finished) => finished,
        Err(SocialError::RegistrationRequired) if redirect::wants_json(headers) => {
            (None, Outcome::SignedIn(Step::RegistrationRequired))
        }
        Err(error) => return failed(tenant, headers, error),
    };
    let wants_json = redirect::wants_json(headers);
    let (response, page) = match outcome {
        Outcome::SignedIn(step) => {
            let page = match step {
                Step::Completed(_) => None,
                _ => Some(redirect::front_end_here(tenant, ["login", "login_url"], "/login")),
            };
            let device = Device::parse(cookie::get(headers, cookie::DEVICE));
            (signed_in::respond(tenant, &device, step), page)
        }
        Outcome::Linked(linked) => {
            let (user, credential) = *linked;
            (Json(credential_view(tenant.scope.id().as_str(), &user, &credential)).into_response(), None)
        }
    };
    if wants_json {
        return Ok(response);
    }
    let page = page.map(|page| {
        let page = redirect::with_param(&page, ("status", "mfa_required"));
        target.as_ref().map_or(page.clone(), |target| redirect::with_param(&page, ("return_to", target)))
    });
    let page = page.or(target).unwrap_or_else(|| default_page(tenant));
    Ok(redirect::found(&page, cookies_of(&response)))
}

/// Where people go who have signed in and named no page.
fn default_page(tenant: &Tenant) -> String {
    let config = tenant.scope.profile().tenant.config.extra();
    let page = config.get("default_redirect_url").and_then(|page| page.as_str());
    page.unwrap_or("/").to_owned()
}

fn cookies_of(response: &Response) -> HeaderMap {
    let mut cookies = HeaderMap::new();
    for cookie in response.headers().get_all(header::SET_COOKIE) {
        cookies.append(header::SET_COOKIE, cookie.clone());
    }
    cookies
}

/// Why it failed: as JSON, or on the tenant's page for that. An unknown provider is no page's business.
fn failed(tenant: &Tenant, headers: &HeaderMap, error: SocialError) -> Result<Response, ApiError> {
    if matches!(error, SocialError::NotFound) || redirect::wants_json(headers) {
        return Err(error.into());
    }
    tracing::info!(request_id = tenant.info.id(), %error, "a social login failed");
    let page = redirect::front_end_here(tenant, ["oauth_failed", "oauth_failed_url"], "/oauth/failed");
    Ok(redirect::found(&redirect::with_param(&page, ("error", &error.slug())), HeaderMap::new()))
}

/// Sign in with what Telegram's widget hands to its page
#[utoipa::path(post, path = "/auth/telegram", tag = "Authentication", operation_id = "telegram_login",
    request_body = TelegramLogin,
    responses((status = 200, description = "Signed in, or what is needed next", body = LoginView),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn telegram_login(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(login): Json<TelegramLogin>,
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let pending = caller::temporary(&headers).and_then(|token| Pending::read(&tenant.scope, token));
    let wanted = pending.as_ref().map_or_else(Wanted::default, |pending| pending.wanted.clone());
    let step = match telegram::sign_in(context, &login, Carried { wanted, pending }).await {
        Err(SocialError::RegistrationRequired) => Step::RegistrationRequired,
        step => step?,
    };
    let device = Device::parse(cookie::get(&headers, cookie::DEVICE));
    Ok(signed_in::respond(&tenant, &device, step))
}

/// Begin to link an account at a provider to the caller's, within ten minutes after signing in
#[utoipa::path(post, path = "/credentials/oauth/{provider}", tag = "Users", operation_id = "begin_link",
    params(("provider" = String, Path)), request_body(content = Option<BeginLink>), security(("bearer" = [])),
    responses((status = 200, body = BegunView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn begin_link(
    State(state): State<AppState>,
    caller: Caller,
    Path(provider): Path<String>,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<BeginLink>,
) -> Result<Response, ApiError> {
    caller.at_home()?;
    let Principal::Session { session, .. } = &caller.principal else { return Err(in_person()) };
    if !caller.is_in_person() {
        return Err(in_person());
    }
    check_recent(&caller.tenant.scope, session).map_err(|e: UserError| ApiError::from(e))?;
    let link =
        Link { user_id: caller.user.id.as_str().to_owned(), session_id: session.id.as_str().to_owned() };
    let target = request.unwrap_or_default().redirect_url;
    let (url, cookies) = begin(&state, &caller.tenant, &headers, (&provider, target, Some(link))).await?;
    Ok((cookies, Json(BegunView { authorization_url: url, expires_in: LIFETIME })).into_response())
}

fn in_person() -> ApiError {
    let detail = "Only who is signed in themself changes how they sign in";
    ApiError::new(ProblemKind::Forbidden, "PERMISSION_DENIED", detail)
}
