//! `/oauth/device_authorization` for devices, `/oauth/device` for the page to enter the code.

use super::model::{INTERVAL, LIFETIME};
use super::schema::{DeviceAnswer, DeviceAnswerView, DeviceCodesView, DeviceParams, DeviceRequestView};
use super::service::{Approver, DeviceError, answer, ask, find};
use crate::http::caller::Principal;
use crate::http::error::{ErrorView, storage};
use crate::http::form::Form;
use crate::http::list::Params;
use crate::http::{ApiError, AppState, Caller, Json, Tenant, oauth, redirect};
use crate::identity::sessions::model::Session;
use crate::integration::OauthError;
use crate::integration::clients::service as clients;
use crate::integration::token::Call;
use axum::extract::State;
use http::HeaderMap;
use kernel::{ProblemKind, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the host's root.
pub fn root() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(begin))
}

/// The routes of the page.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(look, decide))
}

/// Ask for the codes of a device (RFC 8628)
#[utoipa::path(post, path = "/oauth/device_authorization", tag = "OAuth", operation_id = "authorize_device",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = DeviceCodesView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 415, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn begin(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Form(params): Form,
) -> Result<Json<DeviceCodesView>, ApiError> {
    let asked = tenant.asked();
    let proof = tenant.proof(None).map_err(|error| OauthError::invalid_dpop_proof(error.to_string()))?;
    let call =
        Call { authorization: oauth::authorization(&headers)?, params: &params, proof: proof.as_ref() };
    let made = ask(state.context(&tenant.scope, &asked), call).await?;
    let page = redirect::front_end(&tenant, ["device", "device_url"], "/device");
    let page = if page.starts_with('/') { format!("{}{page}", tenant.issuer()) } else { page };
    let user_code = made.user_code.to_string();
    Ok(Json(DeviceCodesView {
        device_code: made.device_code,
        verification_uri_complete: redirect::with_param(&page, ("user_code", &user_code)),
        verification_uri: page,
        user_code,
        expires_in: LIFETIME,
        interval: INTERVAL,
    }))
}

/// Whoever is signed in themself, in a session of their own.
fn in_person(caller: &Caller) -> Result<&Stored<Session>, ApiError> {
    match &caller.principal {
        Principal::Session { session, .. } if caller.is_in_person() && session.is_personal() => Ok(session),
        _ => {
            let detail = "Only who is signed in themself connects a device";
            Err(ApiError::new(ProblemKind::Forbidden, "PERMISSION_DENIED", detail))
        }
    }
}

/// See which device shows a code
#[utoipa::path(get, path = "/oauth/device", tag = "OAuth", operation_id = "look_at_device", params(DeviceParams),
    security(("bearer" = [])),
    responses((status = 200, body = DeviceRequestView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn look(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<DeviceParams>,
) -> Result<Json<DeviceRequestView>, ApiError> {
    caller.at_home()?;
    in_person(&caller)?;
    let scope = &caller.tenant.scope;
    let request = find(scope, &params.user_code, &caller.tenant.client()).await?;
    let client = clients::live(&state.identity, &state.integration, scope, &request.client_id).await;
    let client = client.map_err(|e| storage(&e))?.ok_or(DeviceError::NotFound)?;
    Ok(Json(DeviceRequestView::of(&request, &client)))
}

/// Connect the device that shows a code, or refuse to
#[utoipa::path(post, path = "/oauth/device", tag = "OAuth", operation_id = "answer_device",
    request_body = DeviceAnswer, security(("bearer" = [])),
    responses((status = 200, body = DeviceAnswerView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn decide(
    State(_): State<AppState>,
    caller: Caller,
    Json(said): Json<DeviceAnswer>,
) -> Result<Json<DeviceAnswerView>, ApiError> {
    caller.at_home()?;
    let session = in_person(&caller)?;
    let (scope, client) = (&caller.tenant.scope, caller.tenant.client());
    let request = find(scope, &said.user_code, &client).await?;
    let approver = Approver { user: &caller.user, session, client: &client };
    answer(scope, &request, approver, said.approve).await?;
    Ok(Json(DeviceAnswerView { status: if said.approve { "approved" } else { "denied" } }))
}
