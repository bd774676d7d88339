//! `/auth/…` and `/me`.

use super::schema::{
    Login, LoginView, Logout, LogoutTarget, MeView, MessageView, Refresh, RefreshView, VerifiedView,
    VerifyToken,
};
use super::{Context, Input, Register, Wanted, advance};
use crate::http::caller::{AgentCredential, Presented, Principal, Source};
use crate::http::error::{ErrorView, storage};
use crate::http::list::Params;
use crate::http::{
    ApiError, AppState, Caller, Json, OptionalJson, Tenant, caller, captcha, cookie, csrf, idempotency, json,
    own_page as pages, signed_in,
};
use crate::identity::agents::auth as agents;
use crate::identity::agents::schema::AgentMeView;
use crate::identity::api_keys::schema::KeyHolderView;
use crate::identity::api_keys::service::{Holder, Owner};
use crate::identity::devices::Device;
use crate::identity::identifiers::IdentifierKind;
use crate::identity::sessions::service;
use crate::identity::users::schema::UserView;
use crate::integration::Browser;
use crate::integration::access;
use crate::tenant::verify::{Claims, TokenError, TokenType, authenticate, verify};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use kernel::ProblemKind;
use kernel::problem::FieldError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(login))
        .routes(routes!(register))
        .routes(routes!(refresh, refresh_by_cookie))
        .routes(routes!(logout, logout_by_link))
        .routes(routes!(verify_token))
        .routes(routes!(me))
}

/// The paths below `/auth`
#[utoipa::path(get, path = "/auth", tag = "Authentication", operation_id = "auth_index",
    responses((status = 200, body = Vec<String>)))]
pub async fn index(State(state): State<AppState>) -> Json<Vec<String>> {
    Json(state.auth_paths.get().cloned().unwrap_or_default())
}

/// Sign in
#[utoipa::path(post, path = "/auth/login", tag = "Authentication", operation_id = "login", request_body = Login,
    responses((status = 200, description = "Signed in, or what is needed next", body = LoginView),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 429, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn login(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(request): Json<Login>,
) -> Result<Response, ApiError> {
    let register = if request.register { Register::IfAbsent } else { Register::No };
    sign_in(&state, &tenant, &headers, request, register).await
}

/// Make an account and sign in
#[utoipa::path(post, path = "/auth/register", tag = "Authentication", operation_id = "register", request_body = Login,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = LoginView), (status = 400, body = ErrorView), (status = 403, body = ErrorView),
        (status = 409, body = ErrorView), (status = 503, body = ErrorView)))]
pub async fn register(
    State(state): State<AppState>,
    tenant: Tenant,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    // The bytes are the request's fingerprint for `Idempotency-Key`.
    let body = json::read_json(request, &state).await?;
    let parsed: Login = json::parse(&body)?;
    if parsed.secret.is_none() && parsed.password.is_none() {
        return Err(missing("secret"));
    }
    idempotency::once(&tenant, &headers, ("register", &body), async {
        let mut response = sign_in(&state, &tenant, &headers, parsed, Register::Required).await?;
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    })
    .await
}

async fn sign_in(
    state: &AppState,
    tenant: &Tenant,
    headers: &HeaderMap,
    request: Login,
    register: Register,
) -> Result<Response, ApiError> {
    let device = Device::parse(cookie::get(headers, cookie::DEVICE));
    let temporary = caller::temporary(headers).map(str::to_owned);
    let mut input = input(request, register, (device.clone(), temporary))?;
    input.captchas.extend(captcha::presented(headers, None).map(str::to_owned));
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let step = advance(context, input).await?;
    Ok(signed_in::respond(tenant, &device, step))
}

fn missing(field: &'static str) -> ApiError {
    let loc = vec!["body".into(), field.into()];
    let error = FieldError { loc, msg: "is required".to_owned(), kind: "missing".into() };
    ApiError::invalid(vec![error], format!("{field}: is required"))
}

fn input(
    request: Login,
    register: Register,
    (device, temporary): (Device, Option<String>),
) -> Result<Input, ApiError> {
    let named = [
        (request.identifier, request.kind),
        (request.email, Some(IdentifierKind::Email)),
        (request.phone, Some(IdentifierKind::Phone)),
        (request.username, Some(IdentifierKind::Username)),
    ];
    let mut given = named.into_iter().filter_map(|(value, kind)| Some((value?, kind)));
    let (identifier, kind) = match given.next() {
        Some((value, kind)) => (Some(value), kind),
        None if temporary.is_some() && request.secret.is_some() => (None, None),
        None => return Err(missing("identifier")),
    };
    if given.next().is_some() {
        return Err(ApiError::invalid(Vec::new(), "Give one identifier only"));
    }
    let name = request.name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    if name.as_ref().is_some_and(|n| n.chars().count() > 200) {
        return Err(ApiError::invalid(Vec::new(), "name: at most 200 characters"));
    }
    if request.audience.as_ref().is_some_and(|a| a.is_empty() || a.len() > 255) {
        return Err(ApiError::invalid(Vec::new(), "audience: needs 1 to 255 characters"));
    }
    Ok(Input {
        kind,
        identifier,
        method: request.method,
        secret: request.secret.or(request.password),
        register,
        name,
        referral_code: request.referral_code,
        wanted: Wanted {
            audience: request.audience,
            workspace_id: request.workspace_id,
            is_rotating: request.refresh_token_rotation.unwrap_or(true),
        },
        device,
        temporary,
        captchas: request.captcha.into_iter().chain(request.altcha).collect(),
    })
}

/// New tokens for a refresh token, from the body or the cookie
#[utoipa::path(post, path = "/auth/refresh", tag = "Authentication", operation_id = "refresh",
    request_body(content = Option<Refresh>),
    responses((status = 200, body = RefreshView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn refresh(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<Refresh>,
) -> Result<Response, ApiError> {
    let (in_body, switch) = request.map(|r| (r.refresh_token, r.workspace_id)).unwrap_or_default();
    let switch = switch.as_ref().map(Option::as_deref);
    match &in_body {
        Some(token) => rotate(&state, &tenant, (token, switch), true).await,
        None => {
            let token = refresh_cookie(&headers)?;
            csrf::check(&tenant, &headers)?;
            rotate(&state, &tenant, (token, switch), false).await
        }
    }
}

/// New tokens for the refresh token in the cookie
#[utoipa::path(get, path = "/auth/refresh", tag = "Authentication", operation_id = "refresh_by_cookie",
    responses((status = 200, body = RefreshView), (status = 401, body = ErrorView)))]
pub async fn refresh_by_cookie(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    rotate(&state, &tenant, (refresh_cookie(&headers)?, None), false).await
}

fn refresh_cookie(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "No refresh token");
    cookie::get(headers, cookie::REFRESH).ok_or_else(missing)
}

async fn rotate(
    state: &AppState,
    tenant: &Tenant,
    (token, switch): (&str, Option<Option<&str>>),
    in_body: bool,
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let claims = verify(&tenant.scope, token)?;
    let tokens = if agents::is_of_agent(&claims) {
        agents::refresh(&state.identity, &tenant.scope, &issuer, &claims).await?
    } else {
        let refresh = service::Refresh { claims: &claims, switch };
        service::refresh(&state.identity, &tenant.scope, &issuer, refresh, &client).await?.tokens
    };
    let mut headers = HeaderMap::new();
    cookie::set_tokens(&mut headers, tenant, &tokens);
    Ok((headers, Json(RefreshView::of(tokens, in_body))).into_response())
}

/// End the session
#[utoipa::path(post, path = "/auth/logout", tag = "Authentication", operation_id = "logout",
    request_body(content = Option<Logout>),
    responses((status = 200, body = MessageView), (status = 400, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn logout(
    State(state): State<AppState>,
    tenant: Tenant,
    method: Method,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<Logout>,
) -> Result<Response, ApiError> {
    end(&state, &tenant, (&method, &headers), request.and_then(|r| r.refresh_token)).await
}

/// End the session, by following a link
#[utoipa::path(get, path = "/auth/logout", tag = "Authentication", operation_id = "logout_by_link",
    params(LogoutTarget),
    responses((status = 200, body = MessageView), (status = 302, description = "To a page of the tenant"),
        (status = 400, body = ErrorView)))]
pub async fn logout_by_link(
    State(state): State<AppState>,
    tenant: Tenant,
    method: Method,
    headers: HeaderMap,
    Params(target): Params<LogoutTarget>,
) -> Result<Response, ApiError> {
    // A link is followed or asked for by a program; a picture in a page signs nobody out.
    let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
    if destination.is_some_and(|destination| !matches!(destination, "document" | "empty")) {
        let detail = "Signing out is no part of a page";
        return Err(ApiError::new(ProblemKind::Forbidden, "ORIGIN_NOT_ALLOWED", detail));
    }
    let mut response = end(&state, &tenant, (&method, &headers), None).await?;
    if let Some(target) = own_page(&tenant, &target) {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, target);
    }
    Ok(response)
}

/// Where to go, if it is a page of the tenant.
fn own_page(tenant: &Tenant, target: &LogoutTarget) -> Option<HeaderValue> {
    let target = target.callback.as_deref().or(target.redirect_url.as_deref())?;
    if pages::is_own(tenant, target) { HeaderValue::from_str(target).ok() } else { None }
}

async fn end(
    state: &AppState,
    tenant: &Tenant,
    (method, headers): (&Method, &HeaderMap),
    in_body: Option<String>,
) -> Result<Response, ApiError> {
    let presented = caller::presented(headers).ok().flatten();
    let (tokens, by_cookie): (Vec<&str>, bool) = match (&in_body, presented) {
        (Some(token), _) => (vec![token], false),
        (None, Some(Presented::Token(token, Source::Header | Source::Dpop))) => (vec![token], false),
        // A key has no session to end.
        (None, Some(Presented::ApiKey(_))) => (Vec::new(), false),
        // An access cookie may be gone while the refresh cookie still lives.
        (None, Some(Presented::Token(token, Source::Cookie))) => {
            (cookie::get(headers, cookie::REFRESH).into_iter().chain([token]).collect(), true)
        }
        (None, None) => (cookie::get(headers, cookie::REFRESH).into_iter().collect(), true),
    };
    if by_cookie && !tokens.is_empty() && !method.is_safe() {
        csrf::check(tenant, headers)?;
    }
    for token in tokens {
        if let Ok(claims) = authenticate(&tenant.scope, token) {
            service::log_out(&state.identity, &tenant.scope, &claims, &tenant.client()).await?;
        }
    }
    let mut response = Json(MessageView { message: "Logged out" }).into_response();
    cookie::clear_tokens(response.headers_mut(), tenant);
    Ok(response)
}

/// What a token says, if it is valid and its session lives
#[utoipa::path(post, path = "/auth/verify-token", tag = "Authentication", operation_id = "verify_token",
    request_body = VerifyToken,
    responses((status = 200, body = VerifiedView), (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn verify_token(
    State(state): State<AppState>,
    tenant: Tenant,
    Json(request): Json<VerifyToken>,
) -> Result<Json<VerifiedView>, ApiError> {
    let claims: Claims = verify(&tenant.scope, &request.token)?;
    let is_wanted = match request.token_type {
        Some(wanted) => claims.token_type == wanted,
        None => matches!(claims.token_type, TokenType::Access | TokenType::Refresh),
    };
    if !is_wanted {
        return Err(TokenError::WrongType.into());
    }
    let layers = (&state.identity, &state.integration);
    match access::holder(layers, &tenant.scope, &claims).await? {
        access::Holder::User(Browser { session, user })
        | access::Holder::Delegate(Browser { session, user }, _) => {
            let workspace = claims.workspace_id.as_deref();
            let held = state.identity.held_in(&tenant.scope, (&session, &user), workspace).await;
            held.map_err(|e| storage(&e))?.ok_or(TokenError::Revoked)?;
        }
        access::Holder::Client(_) | access::Holder::Agent(..) => {}
    }
    service::check_generation(&state.identity, &tenant.scope, &claims).await?;
    let claims = serde_json::to_value(claims.flattened()).unwrap_or_default();
    Ok(Json(VerifiedView { valid: true, active: true, claims }))
}

/// The caller; of an API key only whom it acts for and what it may
#[utoipa::path(get, path = "/me", tag = "Authentication", operation_id = "me", security(("bearer" = [])),
    responses((status = 200, body = MeView), (status = 401, body = ErrorView)))]
pub async fn me(caller: Caller) -> Result<Response, ApiError> {
    if !caller.owns_nothing() {
        caller.at_home()?;
    }
    let Caller { tenant, principal, user, workspace } = caller;
    let tenant_id = tenant.scope.id().as_str();
    Ok(match principal {
        Principal::Session { claims, .. } => {
            let view =
                MeView::of(UserView::of(tenant_id, &user), Claims { workspace_id: workspace, ..*claims });
            ([(header::ETAG, user.revision.etag())], Json(view)).into_response()
        }
        Principal::Client { claims, delegation: Some(own), scopes, .. } => {
            let granted: Vec<String> =
                claims.scope.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).collect();
            let user = UserView::of(tenant_id, &own.user).opened_by(&granted);
            let claims = Claims { workspace_id: workspace, scopes: Some(scopes), ..*claims };
            Json(MeView::of(user, claims)).into_response()
        }
        Principal::Client { claims, scopes, .. } => {
            let claims = Claims { scopes: Some(scopes), ..*claims };
            Json(serde_json::to_value(claims).unwrap_or_default()).into_response()
        }
        Principal::Agent { agent, credential: AgentCredential::Session { claims, .. }, scopes } => {
            Json(AgentMeView::of(&agent, *claims, scopes)).into_response()
        }
        Principal::Agent { agent, credential: AgentCredential::ApiKey(key), scopes } => {
            let holder = Holder { key, owner: Owner::Agent(agent), scopes, workspace };
            Json(KeyHolderView::of(tenant_id, tenant.issuer(), holder)).into_response()
        }
        Principal::ApiKey { key, scopes } => {
            let holder = KeyHolderView::of(
                tenant_id,
                tenant.issuer(),
                Holder { key, owner: Owner::User(user), scopes, workspace },
            );
            Json(holder).into_response()
        }
    })
}
