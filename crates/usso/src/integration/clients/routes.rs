//! `/oauth/clients` (contract 5.9).

use super::error::ClientError;
use super::model::Client;
use super::schema::{ClientMetadata, ClientView, CreatedClientView, RotateSecret, RotatedSecretView};
use super::service::{self, Granter};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, OptionalJson, creating};
use crate::tenant::{Actor, ClientInfo};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use kernel::{Record, Stored, TagMatch, TenantId};
use protocol::jose::Algorithm;
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_oauth_client");
const CREATE: Permission = permission("create_oauth_client");
const UPDATE: Permission = permission("update_oauth_client");
const DELETE: Permission = permission("delete_oauth_client");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(rotate_secret))
}

/// Which clients to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ClientFilter {
    /// Usable or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
    /// `array` answers the bare list (ruling D10).
    format: Option<String>,
}

/// Clients are the tenant's: who may do something may do it with all of them.
fn require(caller: &Caller, permission: Permission) -> Result<(), PermissionDenied> {
    let is_allowed = caller.may(permission, &[("tenant_id", caller.tenant.scope.id().as_str())]);
    if is_allowed { Ok(()) } else { Err(PermissionDenied(permission)) }
}

fn stale(if_match: &IfMatch, client: &Stored<Client>) -> Result<(), ClientError> {
    if if_match.is_stale(client.revision) { Err(ClientError::Stale) } else { Ok(()) }
}

fn view(caller: &Caller, client: &Stored<Client>) -> ClientView {
    ClientView::of(caller.tenant.scope.id().as_str(), client)
}

fn granter<'a>(caller: &'a Caller, (actor, client): &'a (Actor, ClientInfo)) -> Granter<'a> {
    Granter { scopes: caller.scopes(), actor, client }
}

/// Makes the key that the client's id tokens need, if the tenant has none, while nobody waits for it (ruling D9).
pub(crate) fn prepare_key(state: &AppState, tenant: &TenantId, client: &Client) {
    if client.id_token_alg == Algorithm::Rs256 || client.userinfo_alg == Some(Algorithm::Rs256) {
        let (state, id) = (state.clone(), tenant.clone());
        tokio::spawn(async move {
            let made = crate::tenant::keys::changes::ensure(&state.registry, &id, Algorithm::Rs256).await;
            if let Err(error) = made {
                tracing::warn!(%error, tenant = %id, "no key for id tokens yet; the first one that needs it makes it");
            }
        });
    }
}

/// Make an OAuth client
///
/// Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/oauth/clients", tag = "OAuth clients", operation_id = "create_oauth_client",
    request_body = ClientMetadata, params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = CreatedClientView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_oauth_client", async |caller: &Caller, said: ClientMetadata| {
        require(caller, CREATE)?;
        let author = (caller.actor(), caller.tenant.client());
        let (scope, maker) = (&caller.tenant.scope, Some(caller.maker().as_str().to_owned()));
        let made = service::create(&state.integration, scope, maker, &said, granter(caller, &author)).await?;
        prepare_key(&state, caller.tenant.scope.id(), &made.client);
        let secrets = (made.secret.as_ref(), &made.registration);
        Ok((made.client.revision, CreatedClientView::of(view(caller, &made.client), secrets)))
    })
    .await
}

/// The OAuth clients
#[utoipa::path(get, path = "/oauth/clients", tag = "OAuth clients", operation_id = "list_oauth_clients",
    params(ListParams, ClientFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<ClientView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<ClientFilter>,
) -> Result<Response, ApiError> {
    require(&caller, READ)?;
    let mut query = params.query(Client::KIND, &["created_at", "name"])?;
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        query = query.with_all(vec![TagMatch::Is(format!("active:{active}"))]);
    }
    let page = caller.tenant.scope.records::<Client>().page(query.clone()).await.map_err(|e| storage(&e))?;
    if filter.format.as_deref() == Some("array") {
        let views: Vec<ClientView> = page.items.iter().map(|client| view(&caller, client)).collect();
        return Ok(axum::response::IntoResponse::into_response(Json(views)));
    }
    answer(&query, &page, |client| view(&caller, client))
}

/// An OAuth client
#[utoipa::path(get, path = "/oauth/clients/{client_id}", tag = "OAuth clients", operation_id = "get_oauth_client",
    params(("client_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ClientView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<ClientView>, ApiError> {
    require(&caller, READ)?;
    let client = service::get(&caller.tenant.scope, &id).await?;
    Ok(Tagged(client.revision, view(&caller, &client)))
}

/// Change an OAuth client
#[utoipa::path(patch, path = "/oauth/clients/{client_id}", tag = "OAuth clients", operation_id = "update_oauth_client",
    params(("client_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = ClientMetadata,
    security(("bearer" = [])),
    responses((status = 200, body = ClientView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(said): Json<ClientMetadata>,
) -> Result<Tagged<ClientView>, ApiError> {
    require(&caller, UPDATE)?;
    let scope = &caller.tenant.scope;
    let found = service::get(scope, &id).await?;
    let author = (caller.actor(), caller.tenant.client());
    let check = |old: &Stored<Client>| stale(&if_match, old);
    let authority = (granter(&caller, &author), check);
    let client = service::update(&state.integration, scope, &found.id, &said, authority).await?;
    prepare_key(&state, caller.tenant.scope.id(), &client);
    Ok(Tagged(client.revision, view(&caller, &client)))
}

/// Remove an OAuth client, with everything it was given
#[utoipa::path(delete, path = "/oauth/clients/{client_id}", tag = "OAuth clients", operation_id = "delete_oauth_client",
    params(("client_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 204, description = "Removed"), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<StatusCode, ApiError> {
    require(&caller, DELETE)?;
    let scope = &caller.tenant.scope;
    let found = service::get(scope, &id).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let check = |old: &Stored<Client>| stale(&if_match, old);
    service::delete(&state.integration, scope, &found.id, author, check).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an OAuth client a new secret
///
/// The present one stays good for a day, or for as long as `overlap_seconds` says. Then it is gone, and never are more than
/// two good.
#[utoipa::path(post, path = "/oauth/clients/{client_id}/rotate-secret", tag = "OAuth clients",
    operation_id = "rotate_oauth_client_secret", params(("client_id" = String, Path)),
    request_body(content = Option<RotateSecret>), security(("bearer" = [])),
    responses((status = 200, body = RotatedSecretView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView),
        (status = 409, body = ErrorView)))]
pub async fn rotate_secret(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalJson(request): OptionalJson<RotateSecret>,
) -> Result<Json<RotatedSecretView>, ApiError> {
    require(&caller, UPDATE)?;
    let scope = &caller.tenant.scope;
    let found = service::get(scope, &id).await?;
    let overlap = request.and_then(|request| request.overlap_seconds);
    let author = (caller.actor(), caller.tenant.client());
    let granter = granter(&caller, &author);
    let rotated = service::rotate_secret(&state.integration, scope, &found.id, overlap, granter).await?;
    let (client, secret, previous_expires_at) = rotated;
    let (client_id, client_secret) = (client.id.as_str().to_owned(), secret.expose_secret().to_owned());
    Ok(Json(RotatedSecretView { client_id, client_secret, previous_expires_at }))
}
