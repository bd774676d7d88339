//! `/auth/passkey`, `/credentials/webauthn`, and `/.well-known/webauthn` at the host's root.

use super::ceremony::{Assertion, Attestation};
use super::registration::{self, Owner};
use super::schema::{
    AssertionResponse, CreationView, NewPasskey, PasskeyQuery, PasskeySignIn, RelatedOrigins,
    RenameCredential, RequestView, is_public_key,
};
use super::{PasskeyError, sign_in};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied, Resource};
use crate::http::caller::Principal;
use crate::http::error::ErrorView;
use crate::http::list::Params;
use crate::http::{ApiError, AppState, Caller, Json, OptionalJson, Tenant, caller, cookie, signed_in};
use crate::identity::devices::Device;
use crate::identity::sign_in::enrolment::enrolling;
use crate::identity::sign_in::pending::Pending;
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::sign_in::schema::LoginView;
use crate::identity::sign_in::{Carried, Context, Wanted, may_be_second, parse, proven};
use crate::identity::users::credentials::check_recent;
use crate::identity::users::schema::{CredentialView, credential_view};
use crate::tenant::Actor;
use crate::tenant::tenants::relying_party;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use kernel::problem::FieldError;
use protocol::b64url;
use std::time::Duration;
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("set_credential");
const UPDATE: Permission = Permission::new("update", Resource::Credentials);

/// How long it takes to tell somebody's passkeys: longer than it takes to read any account, so that the time doesn't tell
/// whether there is one (ruling D28).
const EVEN_TIME: Duration = Duration::from_millis(5);

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_in_options, sign_in))
        .routes(routes!(enrolment_options, enrol))
        .routes(routes!(registration_options, register))
        .routes(routes!(rename))
}

/// The routes at the host's root.
pub fn root() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(related_origins))
}

/// The RP id, where passkeys may be used at all.
fn rp_id(tenant: &Tenant) -> Result<String, PasskeyError> {
    let is_open = may_be_second(&tenant.scope.profile().settings, Method::Webauthn);
    let rp_id = relying_party::rp_id(&tenant.scope, &tenant.addressed);
    rp_id.filter(|_| is_open).ok_or(PasskeyError::NotAvailable)
}

fn blame(field: &'static str, msg: &str) -> ApiError {
    let error =
        FieldError { loc: vec!["body".into(), field.into()], msg: msg.to_owned(), kind: "value".into() };
    ApiError::invalid(vec![error], format!("{field}: {msg}"))
}

fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, ApiError> {
    b64url::decode(text).map_err(|_| blame(field, "must be base64url without padding"))
}

/// The id of a credential, which clients send twice.
fn raw_id(id: &str, raw_id: Option<&str>) -> Result<Vec<u8>, ApiError> {
    if raw_id.is_some_and(|raw| raw != id) {
        return Err(blame("rawId", "must be the same as `id`"));
    }
    bytes("id", id)
}

fn attestation(request: NewPasskey) -> Result<(Attestation, Option<String>), ApiError> {
    if !is_public_key(request.kind.as_deref()) {
        return Err(blame("type", "must be `public-key`"));
    }
    let answer = Attestation {
        raw_id: raw_id(&request.id, request.raw_id.as_deref())?,
        client_data: bytes("clientDataJSON", &request.response.client_data_json)?,
        object: bytes("attestationObject", &request.response.attestation_object)?,
        transports: request.response.transports.unwrap_or_default(),
    };
    Ok((answer, request.name))
}

fn assertion(request: &PasskeySignIn, response: &AssertionResponse) -> Result<Assertion, ApiError> {
    if !is_public_key(request.kind.as_deref()) {
        return Err(blame("type", "must be `public-key`"));
    }
    let id = request.id.as_deref().or(request.raw_id.as_deref()).ok_or_else(|| blame("id", "is required"))?;
    Ok(Assertion {
        raw_id: raw_id(id, request.raw_id.as_deref())?,
        client_data: bytes("clientDataJSON", &response.client_data_json)?,
        authenticator_data: bytes("authenticatorData", &response.authenticator_data)?,
        signature: bytes("signature", &response.signature)?,
        user_handle: response.user_handle.as_deref().map(|text| bytes("userHandle", text)).transpose()?,
    })
}

/// The unfinished sign-in that a request presents.
fn pending(tenant: &Tenant, headers: &HeaderMap) -> Option<Pending> {
    caller::temporary(headers).and_then(|token| Pending::read(&tenant.scope, token))
}

/// What a passkey needs to sign somebody in
#[utoipa::path(get, path = "/auth/passkey", tag = "Authentication", operation_id = "passkey_options",
    params(PasskeyQuery),
    responses((status = 200, body = RequestView), (status = 400, body = ErrorView)))]
pub async fn sign_in_options(
    tenant: Tenant,
    headers: HeaderMap,
    Params(query): Params<PasskeyQuery>,
) -> Result<Json<RequestView>, ApiError> {
    options(&tenant, &headers, query.identifier.as_deref()).await
}

async fn options(
    tenant: &Tenant,
    headers: &HeaderMap,
    identifier: Option<&str>,
) -> Result<Json<RequestView>, ApiError> {
    let rp_id = rp_id(tenant)?;
    let identifier = identifier.filter(|text| !text.is_empty());
    let identifier = identifier.map(|text| parse(&tenant.scope, None, text)).transpose()?;
    let must_verify = pending(tenant, headers).is_none();
    let begun = Instant::now();
    let options = sign_in::options(&tenant.scope, &rp_id, identifier.as_ref(), must_verify).await?;
    if identifier.is_some() {
        tokio::time::sleep_until(begun + EVEN_TIME).await;
    }
    Ok(Json(options.into()))
}

/// Sign in with a passkey; without a `response`, what it needs
#[utoipa::path(post, path = "/auth/passkey", tag = "Authentication", operation_id = "passkey_sign_in",
    request_body(content = Option<PasskeySignIn>),
    responses((status = 200, description = "Signed in, or what is needed next", body = LoginView),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 503, body = ErrorView)))]
pub async fn sign_in(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<PasskeySignIn>,
) -> Result<Response, ApiError> {
    let request = request.unwrap_or_default();
    let Some(response) = &request.response else {
        return Ok(options(&tenant, &headers, request.identifier.as_deref()).await?.into_response());
    };
    let answer = assertion(&request, response)?;
    let (rp_id, pending) = (rp_id(&tenant)?, pending(&tenant, &headers));
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let signed =
        sign_in::authenticate(&state.identity, &tenant.scope, (&rp_id, pending.as_ref()), answer, &client)
            .await?;
    let pending = pending.filter(|pending| pending.is_of(&tenant.scope, &signed.user));
    // What is to be like what was asked for first.
    let wanted = pending.as_ref().map_or_else(|| wanted(request), |pending| pending.wanted.clone());
    let proof = signed.proof();
    let step = proven(context, signed.user, proof, Carried { wanted, pending }).await?;
    Ok(signed_in::respond(&tenant, &Device::parse(cookie::get(&headers, cookie::DEVICE)), step))
}

fn wanted(request: PasskeySignIn) -> Wanted {
    Wanted {
        audience: request.audience,
        workspace_id: request.workspace_id,
        is_rotating: request.refresh_token_rotation.unwrap_or(true),
    }
}

/// What a passkey needs that the sign-in under way asks for as second factor
#[utoipa::path(get, path = "/auth/enrol/passkey", tag = "Authentication", operation_id = "enrol_passkey_options",
    responses((status = 200, body = CreationView), (status = 400, body = ErrorView), (status = 401, body = ErrorView)))]
pub async fn enrolment_options(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Result<Json<CreationView>, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let token = caller::temporary(&headers);
    let (user, _) = enrolling(context, token).await?;
    let owner = Owner { user: &user, session: token.unwrap_or_default() };
    Ok(Json(registration::options(&tenant.scope, &rp_id(&tenant)?, owner)?.into()))
}

/// Register a passkey as second factor, and sign in
#[utoipa::path(post, path = "/auth/enrol/passkey", tag = "Authentication", operation_id = "enrol_passkey",
    request_body = NewPasskey,
    responses((status = 200, body = LoginView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub async fn enrol(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    Json(request): Json<NewPasskey>,
) -> Result<Response, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let context =
        Context { identity: &state.identity, tenant: &tenant.scope, issuer: &issuer, client: &client };
    let token = caller::temporary(&headers);
    let (user, pending) = enrolling(context, token).await?;
    let owner = Owner { user: &user, session: token.unwrap_or_default() };
    let author = (&Actor::User(user.id.as_str().to_owned()), &client);
    let (services, rp_id) = ((&state.registry, &state.identity), rp_id(&tenant)?);
    let (user, _) =
        registration::register(services, &tenant.scope, (&rp_id, owner), attestation(request)?, author)
            .await?;
    let carried = Carried { wanted: pending.wanted.clone(), pending: Some(pending) };
    let step = proven(context, user, Proof::of(Method::Webauthn), carried).await?;
    Ok(signed_in::respond(&tenant, &Device::parse(cookie::get(&headers, cookie::DEVICE)), step))
}

/// The session of a user who is here in person.
fn session(caller: &Caller, permission: Permission) -> Result<&str, ApiError> {
    caller.at_home()?;
    match &caller.principal {
        Principal::Session { session, .. } if caller.is_in_person() => Ok(session.id.as_str()),
        _ => Err(PermissionDenied(permission).into()),
    }
}

/// The same, who has signed in lately.
fn recent_session(caller: &Caller) -> Result<&str, ApiError> {
    let id = session(caller, CREATE)?;
    if let Principal::Session { session, .. } = &caller.principal {
        check_recent(&caller.tenant.scope, session)?;
    }
    Ok(id)
}

/// What a new passkey of the caller needs, within ten minutes after signing in
#[utoipa::path(get, path = "/credentials/webauthn", tag = "Users", operation_id = "new_passkey_options",
    security(("bearer" = [])),
    responses((status = 200, body = CreationView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView)))]
pub async fn registration_options(caller: Caller) -> Result<Json<CreationView>, ApiError> {
    let owner = Owner { user: &caller.user, session: recent_session(&caller)? };
    let rp_id = rp_id(&caller.tenant)?;
    Ok(Json(registration::options(&caller.tenant.scope, &rp_id, owner)?.into()))
}

/// Register a passkey of the caller, within ten minutes after signing in
#[utoipa::path(post, path = "/credentials/webauthn", tag = "Users", operation_id = "register_passkey",
    request_body = NewPasskey, security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn register(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<NewPasskey>,
) -> Result<Json<CredentialView>, ApiError> {
    let owner = Owner { user: &caller.user, session: recent_session(&caller)? };
    let answer = attestation(request)?;
    let (tenant, rp_id) = (&caller.tenant.scope, rp_id(&caller.tenant)?);
    let author = (&caller.actor(), &caller.tenant.client());
    let services = (&state.registry, &state.identity);
    let (user, new) = registration::register(services, tenant, (&rp_id, owner), answer, author).await?;
    Ok(Json(credential_view(tenant.id().as_str(), &user, &new)))
}

/// Give a credential of the caller another name
#[utoipa::path(patch, path = "/credentials/{credential_id}", tag = "Users", operation_id = "rename_credential",
    params(("credential_id" = String, Path)), request_body = RenameCredential, security(("bearer" = [])),
    responses((status = 200, body = CredentialView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn rename(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<RenameCredential>,
) -> Result<Json<CredentialView>, ApiError> {
    session(&caller, UPDATE)?;
    let tenant = &caller.tenant.scope;
    let author = (&caller.actor(), &caller.tenant.client());
    let whose = (&caller.user.id, id.as_str());
    let (user, renamed) = registration::rename(&state.identity, tenant, whose, request.name, author).await?;
    Ok(Json(credential_view(tenant.id().as_str(), &user, &renamed)))
}

/// The origins at which the tenant's passkeys may be used (WebAuthn Level 3 §5.11)
#[utoipa::path(get, path = "/.well-known/webauthn", tag = "Authentication", operation_id = "related_origins",
    responses((status = 200, body = RelatedOrigins), (status = 400, body = ErrorView)))]
pub async fn related_origins(tenant: Tenant) -> Json<RelatedOrigins> {
    Json(RelatedOrigins { origins: tenant.scope.profile().issuers.origins() })
}
