//! `/auth/qr`.

use super::schema::{QrAnswer, QrAnswerView, QrScanView, QrStatusParams, QrStatusView, QrView};
use super::service::{Approver, LIFETIME, Status, answer, make, picture, read, status};
use crate::http::caller::{OptionalCaller, Principal};
use crate::http::error::ErrorView;
use crate::http::list::Params;
use crate::http::{ApiError, AppState, Json, OptionalJson, Tenant, cookie, redirect, signed_in};
use crate::identity::devices::Device;
use crate::identity::sign_in::{Context, Step};
use crate::identity::social::transaction::browser_secret;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use kernel::ProblemKind;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ask, respond)).routes(routes!(tell))
}

fn asked(tenant: &Tenant, headers: &HeaderMap) -> Result<Response, ApiError> {
    let kept = cookie::get(headers, cookie::OAUTH).filter(|secret| secret.len() == 43);
    let browser = kept.map_or_else(|| browser_secret(&tenant.scope), str::to_owned);
    let made = make(&tenant.scope, &tenant.client(), &browser)?;
    let page = redirect::front_end(tenant, ["qr", "qr_url"], "/qr");
    let page = if page.starts_with('/') { format!("{}{page}", tenant.issuer()) } else { page };
    let url = redirect::with_param(&page, ("qr_code", &made.code));
    let view = QrView {
        qr_token: made.token,
        qr_code: made.code,
        qr: picture(&url),
        url,
        number: made.number,
        expires_in: LIFETIME,
    };
    let mut cookies = HeaderMap::new();
    cookie::set_oauth(&mut cookies, tenant, (&browser, LIFETIME), false);
    Ok((cookies, Json(view)).into_response())
}

/// Ask to be signed in by a device that is
#[utoipa::path(get, path = "/auth/qr", tag = "Authentication", operation_id = "ask_by_qr",
    responses((status = 200, body = QrView), (status = 400, body = ErrorView)))]
pub async fn ask(tenant: Tenant, headers: HeaderMap) -> Result<Response, ApiError> {
    asked(&tenant, &headers)
}

/// Ask to be signed in by a device that is; or, signed in and with a scanned code, see who asks, and approve by the number
#[utoipa::path(post, path = "/auth/qr", tag = "Authentication", operation_id = "answer_qr",
    request_body(content = Option<QrAnswer>),
    responses((status = 200, body = QrAnswerView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn respond(
    tenant: Tenant,
    OptionalCaller(caller): OptionalCaller,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<QrAnswer>,
) -> Result<Response, ApiError> {
    let request = request.unwrap_or_default();
    let Some(code) = &request.qr_code else { return asked(&tenant, &headers) };
    let none = || ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "Not authenticated");
    let caller = caller.ok_or_else(none)?;
    let asked = read(&tenant.scope, code)?;
    caller.at_home()?;
    let Principal::Session { session, .. } = &caller.principal else { return Err(in_person()) };
    if !caller.is_in_person() {
        return Err(in_person());
    }
    let client = tenant.client();
    let approver = Approver { user: &caller.user, session, client: &client };
    let choice = (request.approve.unwrap_or(true), request.number);
    let status = answer(&tenant.scope, &asked, approver, choice).await?;
    let view = QrScanView {
        status,
        ip: asked.ip,
        user_agent: asked.agent,
        choices: asked.choices,
        tokens: None,
        expires_in: LIFETIME,
    };
    Ok(Json(view).into_response())
}

fn in_person() -> ApiError {
    let detail = "Only who is signed in themself signs another device in";
    ApiError::new(ProblemKind::Forbidden, "PERMISSION_DENIED", detail)
}

/// Where a request stands; once it is approved, the first to ask is signed in
#[utoipa::path(get, path = "/auth/qr/status", tag = "Authentication", operation_id = "qr_status",
    params(QrStatusParams), responses((status = 200, body = QrStatusView), (status = 400, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn tell(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Params(params): Params<QrStatusParams>,
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let plain = |status| Ok(Json(QrStatusView { status }).into_response());
    match status(context, &params.qr_token, cookie::get(&headers, cookie::OAUTH)).await? {
        Status::Pending => plain("pending"),
        Status::Scanned => plain("scanned"),
        Status::Rejected => plain("rejected"),
        Status::Expired => plain("expired"),
        Status::Authenticated { step, is_same } => {
            let is_done = matches!(*step, Step::Completed(_));
            let device = Device::parse(cookie::get(&headers, cookie::DEVICE));
            let mut response = signed_in::respond(&tenant, &device, *step);
            // Nobody is signed in by following a link to somebody else's approval.
            if !is_same {
                response.headers_mut().remove(header::SET_COOKIE);
            }
            if is_done { authenticated(response).await } else { Ok(response) }
        }
    }
}

/// The answer of a sign-in, under the name that this one's clients wait for.
async fn authenticated(response: Response) -> Result<Response, ApiError> {
    let broken = |_| ApiError::new(ProblemKind::Internal, "INTERNAL_ERROR", "Internal error");
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map_err(broken)?.to_bytes();
    let mut view: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(view) = view.as_object_mut() {
        view.insert("status".to_owned(), "authenticated".into());
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(view.to_string())))
}
