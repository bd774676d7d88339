//! `/oauth/consent` and `/oauth/consents` (contract 5.9).

use super::schema::{ConsentView, DecidedView, Decision, GivenConsentView};
use super::service;
use crate::http::error::{ErrorView, storage};
use crate::http::form::{Form, is_form};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::{ApiError, AppState, Caller, Json, OptionalJson, Tenant, browser, csrf, redirect};
use crate::identity::users::consents::Consent;
use crate::integration::Browser;
use crate::integration::authorize::request::ResponseMode;
use crate::integration::authorize::routes::way_on;
use crate::integration::authorize::transaction::keep_answer;
use crate::web;
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use kernel::{ClientId, ProblemKind, Record, TagMatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ask, decide)).routes(routes!(list)).routes(routes!(withdraw))
}

async fn signed_in(state: &AppState, tenant: &Tenant, headers: &HeaderMap) -> Result<Browser, ApiError> {
    let missing = || ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "Not authenticated");
    browser::signed_in_enough(state, tenant, headers).await.ok_or_else(missing)
}

fn handle(decision: &Decision) -> Result<&str, ApiError> {
    let missing = || ApiError::invalid(Vec::new(), "state: is required");
    decision.state.as_deref().filter(|handle| !handle.is_empty()).ok_or_else(missing)
}

/// What the user is asked
///
/// Nothing is recorded, whatever `consent` says.
#[utoipa::path(get, path = "/oauth/consent", tag = "OAuth", operation_id = "get_oauth_consent", params(Decision),
    security(("bearer" = [])),
    responses((status = 200, body = ConsentView), (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn ask(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Params(decision): Params<Decision>,
    page: web::Page,
) -> Result<Response, ApiError> {
    if redirect::wants_page(&headers) {
        return web::consent(page).await;
    }
    let browser = signed_in(&state, &tenant, &headers).await?;
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    let handle = handle(&decision)?;
    let pending = service::pending(ctx, handle, browser).await?;
    Ok(Json(ConsentView::of(handle, &pending)).into_response())
}

/// Allow or deny what was asked
#[utoipa::path(post, path = "/oauth/consent", tag = "OAuth", operation_id = "decide_oauth_consent", params(Decision),
    request_body(content = Option<Decision>, content_type = "application/x-www-form-urlencoded"), security(("bearer" = [])),
    responses((status = 200, body = DecidedView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn decide(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Params(in_query): Params<Decision>,
    request: Request,
) -> Result<Json<DecidedView>, ApiError> {
    let browser = signed_in(&state, &tenant, &headers).await?;
    if browser::is_by_cookie(&headers) {
        csrf::check(&tenant, &headers)?;
    }
    let in_body = body(&state, request).await?;
    let decision =
        Decision { state: in_query.state.or(in_body.state), consent: in_query.consent.or(in_body.consent) };
    let is_allowed = flag("consent", decision.consent.as_deref())?;
    let is_allowed = is_allowed.ok_or_else(|| ApiError::invalid(Vec::new(), "consent: is required"))?;
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    let back = service::decide(ctx, handle(&decision)?, browser, is_allowed).await?;
    let url = match back.mode {
        ResponseMode::Query => back.url(),
        // Only a page can post it: the browser goes and gets that.
        ResponseMode::FormPost => {
            let kept = keep_answer(&tenant.scope, &back).await.map_err(|e| storage(&e))?;
            way_on(&tenant, &kept)
        }
    };
    Ok(Json(DecidedView::of(url)))
}

/// A form, JSON, or nothing: front ends send any of them.
async fn body(state: &AppState, request: Request) -> Result<Decision, ApiError> {
    if is_form(request.headers()) {
        let Form(params) = Form::from_request(request, state).await?;
        let text = |name| params.get(name).map(str::to_owned);
        return Ok(Decision { state: text("state"), consent: text("consent") });
    }
    let OptionalJson(decision) = OptionalJson::from_request(request, state).await?;
    Ok(decision.unwrap_or_default())
}

/// What the caller has allowed which clients
#[utoipa::path(get, path = "/oauth/consents", tag = "OAuth", operation_id = "list_oauth_consents",
    params(ListParams), security(("bearer" = [])),
    responses((status = 200, body = ListView<GivenConsentView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let own = TagMatch::Is(format!("user:{}", caller.user.id));
    let query = params.query(Consent::KIND, &["created_at"])?.with_all(vec![own]);
    let page = scope.records::<Consent>().page(query.clone()).await.map_err(|e| storage(&e))?;
    let mut clients = Vec::with_capacity(page.items.len());
    for consent in &page.items {
        let client = state.integration.clients().get(scope, &consent.client_id, true).await;
        clients.push(client.map_err(|e| storage(&e))?);
    }
    let mut clients = clients.iter();
    answer(&query, &page, |consent| {
        let client = clients.next().and_then(Option::as_ref).map(|client| &client.record);
        GivenConsentView::of(scope.id().as_str(), consent, client)
    })
}

/// Take back what the caller has allowed a client
///
/// Its sessions with the caller end at once.
#[utoipa::path(delete, path = "/oauth/consents/{client_id}", tag = "OAuth", operation_id = "withdraw_oauth_consent",
    params(("client_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = GivenConsentView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn withdraw(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<GivenConsentView>, ApiError> {
    if !caller.is_signed_in() {
        return Err(ApiError::not_found());
    }
    let id = ClientId::parse(&id).map_err(|_| ApiError::not_found())?;
    let (scope, asked) = (&caller.tenant.scope, caller.tenant.asked());
    let ctx = state.context(scope, &asked);
    let withdrawn = service::withdraw(ctx, &caller.user.id, &id).await.map_err(|e| storage(&e))?;
    let consent = withdrawn.ok_or_else(ApiError::not_found)?;
    let client = state.integration.clients().get(scope, &id, true).await.map_err(|e| storage(&e))?;
    let client = client.as_ref().map(|client| &client.record);
    Ok(Json(GivenConsentView::of(scope.id().as_str(), &consent, client)))
}
