//! `/oauth/register`.

use super::service::{own, register as service, remove, replace};
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, Json, OptionalCaller, Tenant, json, oauth};
use crate::integration::clients::model::Client;
use crate::integration::clients::routes::prepare_key;
use crate::integration::clients::schema::{ClientMetadata, ClientView};
use crate::integration::error::{OauthCode, OauthError};
use crate::tenant::Actor;
use crate::tenant::verify::TokenError;
use axum::extract::{FromRequest, Path, Request, State};
use http::{HeaderMap, StatusCode};
use kernel::Stored;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("create_oauth_client");

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(get, put, delete))
}

/// A client as it is told of itself (RFC 7591 §3.2.1, RFC 7592 §3).
#[derive(Serialize, ToSchema)]
pub struct RegisteredView {
    /// The client.
    #[serde(flatten)]
    pub view: ClientView,
    /// Its secret, if it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// With this it looks after its record …
    pub registration_access_token: String,
    /// … here.
    pub registration_client_uri: String,
}

/// What a client says of itself, in JSON. A member of a wrong type is called what RFC 7591 §3.2.2 calls a wrong value.
pub struct Said(ClientMetadata);

impl FromRequest<AppState> for Said {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        json::parse(&json::read_json(request, state).await?).map(Self).map_err(|wrong| {
            let code = match wrong.member() {
                None => return wrong,
                Some("redirect_uris") => OauthCode::InvalidRedirectUri,
                Some(_) => OauthCode::InvalidClientMetadata,
            };
            OauthError::Refused(code, wrong.detail().to_owned().into()).into()
        })
    }
}

fn view(tenant: &Tenant, client: &Stored<Client>, secrets: (Option<&SecretString>, &str)) -> RegisteredView {
    let (secret, token) = secrets;
    RegisteredView {
        view: ClientView::of(tenant.scope.id().as_str(), client),
        client_secret: secret.map(|secret| secret.expose_secret().to_owned()),
        registration_access_token: token.to_owned(),
        registration_client_uri: format!("{}/oauth/register/{}", tenant.issuer(), client.id),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let token = oauth::authorization(headers)?.and_then(|header| header.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(TokenError::Invalid.into()),
    }
}

/// Register a client (RFC 7591)
///
/// Whether anybody may, or only with the token or API key of somebody who may make clients, is the tenant's setting
/// `oauth.registration`; by default nobody may.
#[utoipa::path(post, path = "/oauth/register", tag = "OAuth", operation_id = "register_client",
    request_body = ClientMetadata, security((), ("bearer" = [])),
    responses((status = 201, body = RegisteredView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn register(
    State(state): State<AppState>,
    tenant: Tenant,
    OptionalCaller(caller): OptionalCaller,
    Said(said): Said,
) -> Result<(StatusCode, Json<RegisteredView>), ApiError> {
    let own = [("tenant_id", tenant.scope.id().as_str())];
    let letting = caller.as_ref().filter(|caller| caller.may(CREATE, &own));
    let actor = letting.map_or(Actor::Anonymous, |caller| caller.actor());
    let asked = tenant.asked();
    let ctx = state.context(&tenant.scope, &asked);
    let made = service(ctx, said, (&actor, letting.map(|caller| caller.scopes()))).await?;
    prepare_key(&state, tenant.scope.id(), &made.client);
    let token = made.registration.expose_secret();
    Ok((StatusCode::CREATED, Json(view(&tenant, &made.client, (made.secret.as_ref(), token)))))
}

/// A client about itself (RFC 7592)
#[utoipa::path(get, path = "/oauth/register/{client_id}", tag = "OAuth", operation_id = "get_registration",
    params(("client_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = RegisteredView), (status = 401, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RegisteredView>, ApiError> {
    let asked = tenant.asked();
    let token = bearer(&headers)?;
    let client = own(state.context(&tenant.scope, &asked), &id, token).await?;
    Ok(Json(view(&tenant, &client, (None, token))))
}

/// Replace what a client says of itself (RFC 7592)
///
/// The answer has a new registration access token; the one presented is worth nothing any more.
#[utoipa::path(put, path = "/oauth/register/{client_id}", tag = "OAuth", operation_id = "replace_registration",
    params(("client_id" = String, Path)), request_body = ClientMetadata, security(("bearer" = [])),
    responses((status = 200, body = RegisteredView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn put(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(id): Path<String>,
    headers: HeaderMap,
    Said(said): Said,
) -> Result<Json<RegisteredView>, ApiError> {
    let asked = tenant.asked();
    let (ctx, token) = (state.context(&tenant.scope, &asked), bearer(&headers)?);
    let found = own(ctx, &id, token).await?;
    let (client, next) = replace(ctx, (&found.id, token), said).await?;
    Ok(Json(view(&tenant, &client, (None, next.expose_secret()))))
}

/// Remove a client by its own token (RFC 7592)
#[utoipa::path(delete, path = "/oauth/register/{client_id}", tag = "OAuth", operation_id = "remove_registration",
    params(("client_id" = String, Path)), security(("bearer" = [])),
    responses((status = 204, description = "Removed"), (status = 401, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    tenant: Tenant,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let asked = tenant.asked();
    let (ctx, token) = (state.context(&tenant.scope, &asked), bearer(&headers)?);
    let found = own(ctx, &id, token).await?;
    remove(ctx, (&found.id, token)).await?;
    Ok(StatusCode::NO_CONTENT)
}
