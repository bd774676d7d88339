//! `/apikeys`.

use super::error::ApiKeyError;
use super::model::{ApiKey, Bearer};
use super::schema::{ApiKeyView, CreateApiKey, CreatedApiKeyView, KeyHolderView, UpdateApiKey, VerifyApiKey};
use super::service::{self, Edit, Granter, NewApiKey};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied, Resource};
use crate::access_control::visible::visible as shown;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, Tenant, idempotency, json};
use crate::identity::agents::model::Agent;
use crate::identity::agents::service::{self as agents, AgentError};
use crate::identity::attempts;
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, StatusCode, header};
use kernel::problem::FieldError;
use kernel::{KeyId, ProblemKind, Record, Stored, TagMatch, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_api_key");
const CREATE: Permission = Permission::new("create", Resource::ApiKeys);
const UPDATE: Permission = permission("update_api_key");
const DELETE: Permission = permission("delete_api_key");

const MAX_NAME: usize = 200;
const MAX_DAYS: u32 = 36_500;
const DAY: i64 = 86_400;
/// How many records of use are read at once for a list.
const SIDE_BY_SIDE: usize = 8;
/// How many wrong keys a source may ask about in a minute.
const WRONG_KEYS: u64 = 100;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(verify))
        .routes(routes!(get, update, delete))
}

/// Which keys to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApiKeyFilter {
    /// Of this user; everybody's by default, for those who may read them.
    user_id: Option<String>,
    /// Of this agent.
    agent_id: Option<String>,
    /// Usable or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

fn may(caller: &Caller, permission: Permission, key: &ApiKey) -> bool {
    let (id, tenant) = (key.id.as_str(), caller.tenant.scope.id().as_str());
    let mut attributes =
        vec![("tenant_id", tenant), ("user_id", key.user_id.as_str()), ("id", id), ("uid", id)];
    attributes.extend(key.agent_id.iter().map(|id| ("agent_id", id.as_str())));
    caller.may(permission, &attributes)
}

/// Finds a key that the caller may see: one's own, or any for those who may read them.
async fn visible(caller: &Caller, id: &str) -> Result<Stored<ApiKey>, ApiError> {
    let key = service::get(&caller.tenant.scope, id).await?;
    let is_visible = key.user_id == caller.user.id || may(caller, READ, &key);
    if is_visible { Ok(key) } else { Err(ApiKeyError::NotFound.into()) }
}

/// Finds a key that the caller may change. Owning it is enough for the user, but not for one of the user's keys: else a
/// key for little could end, revive and rename those for more.
async fn changeable(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<ApiKey>, ApiError> {
    let key = service::get(&caller.tenant.scope, id).await?;
    let is_own = key.user_id == caller.user.id;
    if may(caller, permission, &key) || is_own && caller.is_in_person() {
        Ok(key)
    } else if is_own || may(caller, READ, &key) {
        Err(PermissionDenied(permission).into())
    } else {
        Err(ApiKeyError::NotFound.into())
    }
}

async fn view(caller: &Caller, key: &Stored<ApiKey>) -> Result<ApiKeyView, ApiError> {
    let scope = &caller.tenant.scope;
    let usage = service::usage(scope, &key.id).await.map_err(|e| storage(&e))?;
    Ok(ApiKeyView::of(scope.id().as_str(), key, usage.as_ref()))
}

fn granter<'a>(caller: &'a Caller, (actor, client): &'a (Actor, ClientInfo)) -> Granter<'a> {
    Granter { scopes: caller.scopes(), key: caller.api_key().map(|key| &key.record), actor, client }
}

fn blame(field: &'static str, msg: &str) -> ApiError {
    let loc = vec!["body".into(), field.into()];
    let error = FieldError { loc, msg: msg.to_owned(), kind: "value".into() };
    ApiError::invalid(vec![error], format!("{field}: {msg}"))
}

fn checked_name(name: Option<String>) -> Result<Option<String>, ApiError> {
    let name = name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    if name.as_ref().is_some_and(|n| n.chars().count() > MAX_NAME) {
        return Err(blame("name", "at most 200 characters"));
    }
    Ok(name)
}

/// The agent a key is wanted for, if the caller made it or may change it.
async fn agent_of(caller: &Caller, id: &str) -> Result<Stored<Agent>, ApiError> {
    let agent = agents::get(&caller.tenant.scope, id).await?;
    let (id, tenant) = (agent.id.as_str(), caller.tenant.scope.id().as_str());
    let attributes = [("tenant_id", tenant), ("user_id", agent.user_id.as_str()), ("id", id), ("uid", id)];
    let may = |verb| caller.may(Permission::new(verb, Resource::Agents), &attributes);
    if may("update") || caller.is_in_person() && agent.user_id == caller.user.id {
        Ok(agent)
    } else if may("read") {
        Err(PermissionDenied(Permission::new("update", Resource::Agents)).into())
    } else {
        Err(AgentError::NotFound.into())
    }
}

fn wanted(request: CreateApiKey, now: Timestamp) -> Result<NewApiKey, ApiError> {
    let expires_at = match (request.expires_at, request.expires_in_days) {
        (Some(_), Some(_)) => return Err(blame("expires_in_days", "give this or expires_at, not both")),
        (None, Some(days)) if !(1..=MAX_DAYS).contains(&days) => {
            return Err(blame("expires_in_days", "must be a whole number from 1 to 36500"));
        }
        (None, Some(days)) => Some(now.plus_seconds(i64::from(days) * DAY)),
        (expires_at, None) => expires_at,
    };
    let name = checked_name(request.name)?;
    Ok(NewApiKey { name, scopes: request.scopes, workspace_id: request.workspace_id, expires_at })
}

/// Make an API key for the caller, or for an agent
///
/// Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/apikeys", tag = "API keys", operation_id = "create_api_key",
    request_body = CreateApiKey, params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = CreatedApiKeyView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    // Who asks comes before what they ask.
    let caller = Caller::from_request_parts(&mut parts, &state).await?;
    // A key would outlive a session in somebody else's name, and what a client was given.
    let is_lasting = caller.is_in_person() || caller.api_key().is_some() || caller.agent().is_some();
    if !is_lasting {
        return Err(PermissionDenied(CREATE).into());
    }
    caller.check_sensitive()?;
    let headers = parts.headers.clone();
    let body = json::read_json(Request::from_parts(parts, body), &state).await?;
    let scope = &caller.tenant.scope;
    let request: CreateApiKey = json::parse(&body)?;
    let agent = match request.agent_id.as_deref() {
        Some(id) => Some(agent_of(&caller, id).await?),
        None => {
            caller.at_home()?;
            None
        }
    };
    let new = wanted(request, scope.now())?;
    // The answer holds a secret: it is repeated to nobody but this caller, whatever they sign in with.
    let operation = format!("create_api_key {}", caller.principal_id());
    idempotency::once_by(&caller, &headers, (&operation, &body), async {
        let author = (caller.actor(), caller.tenant.client());
        let granter = granter(&caller, &author);
        let bearer = match &agent {
            Some(agent) => Bearer::Agent(agent, caller.maker()),
            None => Bearer::User(&caller.user),
        };
        let (key, secret) = service::create(&state.identity, scope, bearer, new, granter).await?;
        let tag = HeaderValue::try_from(key.revision.etag()).unwrap_or(HeaderValue::from_static(""));
        let created = CreatedApiKeyView::of(ApiKeyView::of(scope.id().as_str(), &key, None), &secret);
        Ok((StatusCode::CREATED, [(header::ETAG, tag)], Json(created)).into_response())
    })
    .await
}

/// The caller's API keys; all of them, for those who may read API keys
#[utoipa::path(get, path = "/apikeys", tag = "API keys", operation_id = "list_api_keys",
    params(ListParams, ApiKeyFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<ApiKeyView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<ApiKeyFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let fixed = [("tenant_id", scope.id().as_str())];
    let tagged = [("user_id", "user:"), ("agent_id", "agent:")];
    let mut seen = shown(READ, caller.scopes(), &fixed, &tagged).unwrap_or_default();
    seen.push(vec![TagMatch::Is(format!("user:{}", caller.user.id))]);
    let mut tags: Vec<_> = filter.user_id.iter().map(|id| TagMatch::Is(format!("user:{id}"))).collect();
    tags.extend(filter.agent_id.iter().map(|id| TagMatch::Is(format!("agent:{id}"))));
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        tags.push(TagMatch::Is(format!("active:{active}")));
    }
    let query = params.query(ApiKey::KIND, &["created_at", "name"])?.with_any(seen, &tags);
    let page = scope.records::<ApiKey>().page(query.clone()).await.map_err(|e| storage(&e))?;
    let ids: Vec<KeyId> = page.items.iter().map(|key| key.id.clone()).collect();
    let reads = stream::iter(ids).map(|id| async move { service::usage(scope, &id).await });
    let read: Vec<_> = reads.buffered(SIDE_BY_SIDE).collect().await;
    let used = read.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| storage(&e))?;
    let mut used = used.into_iter();
    answer(&query, &page, |key| ApiKeyView::of(scope.id().as_str(), key, used.next().flatten().as_ref()))
}

/// An API key
#[utoipa::path(get, path = "/apikeys/{key_id}", tag = "API keys", operation_id = "get_api_key",
    params(("key_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyView), (status = 401, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<ApiKeyView>, ApiError> {
    let key = visible(&caller, &id).await?;
    Ok(Tagged(key.revision, view(&caller, &key).await?))
}

/// Change an API key
#[utoipa::path(patch, path = "/apikeys/{key_id}", tag = "API keys", operation_id = "update_api_key",
    params(("key_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateApiKey,
    security(("bearer" = [])),
    responses((status = 200, body = ApiKeyView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateApiKey>,
) -> Result<Tagged<ApiKeyView>, ApiError> {
    let found = changeable(&caller, &id, UPDATE).await?;
    let edit = Edit {
        name: request.name.map(checked_name).transpose()?,
        scopes: request.scopes,
        is_active: request.is_active,
        expires_at: request.expires_at,
    };
    let author = (caller.actor(), caller.tenant.client());
    let check = |old: &Stored<ApiKey>| stale(&if_match, old);
    let granter = granter(&caller, &author);
    let updated =
        service::update(&state.identity, &caller.tenant.scope, &found.id, edit, (granter, check)).await?;
    Ok(Tagged(updated.revision, view(&caller, &updated).await?))
}

/// End an API key for good
#[utoipa::path(delete, path = "/apikeys/{key_id}", tag = "API keys", operation_id = "delete_api_key",
    params(("key_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<ApiKeyView>, ApiError> {
    let found = changeable(&caller, &id, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let check = |old: &Stored<ApiKey>| stale(&if_match, old);
    let used = service::usage(&caller.tenant.scope, &found.id).await.map_err(|e| storage(&e))?;
    let ended = service::delete(&state.identity, &caller.tenant.scope, &found.id, author, check).await?;
    let view = ApiKeyView::of(caller.tenant.scope.id().as_str(), &ended, used.as_ref());
    Ok(Tagged(ended.revision, ApiKeyView { is_active: false, is_deleted: true, ..view }))
}

fn stale(if_match: &IfMatch, key: &Stored<ApiKey>) -> Result<(), ApiKeyError> {
    if if_match.is_stale(key.revision) { Err(ApiKeyError::Stale) } else { Ok(()) }
}

/// What a source is told that presents what is no key: that, or to wait. A source may stand for many people, and what is
/// a key is answered all the same.
async fn refused(tenant: &Tenant) -> Result<ApiError, ApiError> {
    let source =
        attempts::Source { purpose: "verify_api_key", ip: tenant.info.ip, limit: WRONG_KEYS, window: 60 };
    let client = tenant.client();
    let limited =
        Event::refused("api_key.verify_limited", Actor::Anonymous, tenant.scope.id().as_str(), &client);
    let limited = limited.effect(&tenant.scope);
    match attempts::spend(&tenant.scope, &source, limited).await.map_err(|e| storage(&e))? {
        None => Ok(ApiKeyError::Refused.into()),
        Some(retry_after) => {
            let kind = ProblemKind::TooManyRequests { retry_after };
            Ok(ApiError::new(kind, "RATE_LIMITED", "Too many wrong API keys; try again later"))
        }
    }
}

/// For whom a key stands and what it may, if it may be used
#[utoipa::path(post, path = "/apikeys/verify", tag = "API keys", operation_id = "verify_api_key",
    request_body = VerifyApiKey,
    responses((status = 200, body = KeyHolderView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 429, body = ErrorView)))]
pub async fn verify(
    State(state): State<AppState>,
    tenant: Tenant,
    Json(request): Json<VerifyApiKey>,
) -> Result<Json<KeyHolderView>, ApiError> {
    let secret = request.api_key.expose_secret();
    let holder = match service::authenticate(&state.identity, &tenant.scope, secret).await {
        Err(ApiKeyError::Refused) => return Err(refused(&tenant).await?),
        holder => holder?,
    };
    Ok(Json(KeyHolderView::of(tenant.scope.id().as_str(), tenant.issuer(), holder)))
}
