//! `/agents`.

use super::auth::{self, AgentAuthError};
use super::model::Agent;
use super::schema::{AgentLoginView, AgentScopesView, AgentView, CreateAgent, CreatedAgentView, UpdateAgent};
use super::service::{self, AgentError, Granter};
use super::usage;
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied, Resource};
use crate::access_control::visible::visible;
use crate::http::caller::{Presented, Source, presented};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, Tenant, creating};
use crate::identity::api_keys::service::end_keys_of;
use crate::tenant::{Actor, ClientInfo};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use kernel::{AgentId, ProblemKind, Record, Stored, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_agent");
const CREATE: Permission = permission("create_agent");
const UPDATE: Permission = permission("update_agent");
const DELETE: Permission = permission("delete_agent");

/// How many reads of a list are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(authenticate))
        .routes(routes!(scopes))
        .routes(routes!(get, update, delete))
}

/// The token an agent signed: a bearer, and nothing else will do.
fn signed(headers: &HeaderMap) -> Result<&str, ApiError> {
    match presented(headers)? {
        Some(Presented::Token(token, Source::Header)) => Ok(token),
        Some(Presented::ApiKey(_)) => Err(AgentAuthError::Refused.into()),
        Some(Presented::Token(_, Source::Cookie | Source::Dpop)) | None => {
            Err(ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "No agent token"))
        }
    }
}

/// Exchange a JWT an agent signed for an access token
///
/// Signed with the agent's key; `kid`, `iss` or both name the agent. At most five minutes old, and accepted once.
#[utoipa::path(post, path = "/agents/auth", tag = "Agents", operation_id = "authenticate_agent",
    security(("bearer" = [])),
    responses((status = 200, body = AgentLoginView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn authenticate(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Result<Json<AgentLoginView>, ApiError> {
    let (issuer, client) = (tenant.issuer(), tenant.client());
    let signed_in =
        auth::exchange(&state.identity, &tenant.scope, &issuer, signed(&headers)?, &client).await?;
    Ok(Json(AgentLoginView::of(signed_in.tokens)))
}

/// What an agent may ask for, by a JWT it signed
#[utoipa::path(post, path = "/agents/scopes", tag = "Agents", operation_id = "agent_scopes",
    security(("bearer" = [])),
    responses((status = 200, body = AgentScopesView), (status = 401, body = ErrorView)))]
pub async fn scopes(tenant: Tenant, headers: HeaderMap) -> Result<Json<AgentScopesView>, ApiError> {
    let proven = auth::prove(&tenant.scope, signed(&headers)?).await?;
    Ok(Json(AgentScopesView::of(tenant.scope.id().as_str(), &proven.agent)))
}

/// Which agents to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AgentFilter {
    /// Made by this user.
    user_id: Option<String>,
    /// Of this workspace alone.
    workspace_id: Option<String>,
    /// Active or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

fn may(caller: &Caller, permission: Permission, agent: &Agent) -> bool {
    let (id, tenant) = (agent.id.as_str(), caller.tenant.scope.id().as_str());
    let mut attributes =
        vec![("tenant_id", tenant), ("user_id", agent.user_id.as_str()), ("id", id), ("uid", id)];
    attributes.extend(agent.workspace_id.iter().map(|id| ("workspace_id", id.as_str())));
    caller.may(permission, &attributes)
}

/// Whether the caller made the agent, or is it.
fn is_own(caller: &Caller, agent: &Agent) -> bool {
    caller.user.id == agent.user_id || caller.agent().is_some_and(|own| own.id == agent.id)
}

/// Finds an agent that the caller may do this with: any the permission admits, and those they made, for which the user
/// themself needs no permission; one of their API keys does, or a key for little could take over an agent for more.
async fn allowed(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<Agent>, ApiError> {
    let refused = || ApiError::from(PermissionDenied(permission));
    match service::get(&caller.tenant.scope, id).await {
        Ok(agent) if may(caller, permission, &agent) => Ok(agent),
        Ok(agent) if is_own(caller, &agent) => {
            if permission == READ || caller.is_in_person() {
                Ok(agent)
            } else {
                Err(refused())
            }
        }
        Ok(agent) if may(caller, READ, &agent) => Err(refused()),
        // Of what can't be seen nobody learns whether it is there.
        Ok(_) | Err(AgentError::NotFound) if visible_agents(caller, permission).is_none() => Err(refused()),
        Ok(_) => Err(AgentError::NotFound.into()),
        Err(error) => Err(error.into()),
    }
}

async fn view(caller: &Caller, agent: &Stored<Agent>) -> Result<AgentView, ApiError> {
    let scope = &caller.tenant.scope;
    let used = usage::last(scope, &agent.id).await.map_err(|e| storage(&e))?;
    Ok(AgentView::of(scope.id().as_str(), agent, used))
}

fn visible_agents(caller: &Caller, permission: Permission) -> Option<Vec<Vec<TagMatch>>> {
    let fixed = [("tenant_id", caller.tenant.scope.id().as_str())];
    visible(permission, caller.scopes(), &fixed, &[("user_id", "user:"), ("workspace_id", "workspace:")])
}

/// Refuses a workspace that the caller doesn't belong to: a token of the agent would say that it does.
fn check_workspace(caller: &Caller, id: Option<&str>) -> Result<(), AgentError> {
    let manages = |id| {
        let manage = Permission::new("manage", Resource::Workspaces);
        caller.may(manage, &[("tenant_id", caller.tenant.scope.id().as_str()), ("id", id), ("uid", id)])
    };
    let belongs = |id| match caller.agent() {
        Some(agent) => agent.workspace_id.as_deref() == Some(id),
        None => caller.user.workspace(Some(id)).is_some(),
    };
    match id {
        Some(id) if !belongs(id) && !manages(id) => {
            Err(AgentError::Invalid("workspace_id: not a workspace of yours".into()))
        }
        _ => Ok(()),
    }
}

fn granter<'a>(caller: &'a Caller, (actor, client): &'a (Actor, ClientInfo)) -> Granter<'a> {
    Granter { scopes: caller.scopes(), actor, client }
}

/// Make an agent
///
/// It may no more than the caller. A private key the server makes is in this answer and nowhere else.
#[utoipa::path(post, path = "/agents", tag = "Agents", operation_id = "create_agent", request_body = CreateAgent,
    params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = CreatedAgentView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_agent", async |caller: &Caller, new: CreateAgent| {
        let scope = &caller.tenant.scope;
        let mut attributes = vec![("tenant_id", scope.id().as_str()), ("user_id", caller.maker().as_str())];
        attributes.extend(new.workspace_id.iter().map(|id| ("workspace_id", id.as_str())));
        // It would outlive a session in somebody else's name.
        if !caller.may(CREATE, &attributes) || caller.is_impersonated() {
            return Err(PermissionDenied(CREATE).into());
        }
        caller.check_sensitive()?;
        check_workspace(caller, new.workspace_id.as_deref())?;
        let author = (caller.actor(), caller.tenant.client());
        let (agent, private) = service::create(scope, caller.maker(), new, granter(caller, &author)).await?;
        let view = AgentView::of(scope.id().as_str(), &agent, None);
        let private = private.as_ref().map(|pem| pem.as_str());
        Ok((agent.revision, CreatedAgentView::of(view, private, &caller.tenant.issuer())))
    })
    .await
}

/// The agents the caller made; all the caller may see, for those who may read agents
#[utoipa::path(get, path = "/agents", tag = "Agents", operation_id = "list_agents", params(ListParams, AgentFilter),
    security(("bearer" = [])),
    responses((status = 200, body = ListView<AgentView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<AgentFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let mut alternatives = visible_agents(&caller, READ).unwrap_or_default();
    alternatives.push(vec![TagMatch::Is(format!("user:{}", caller.user.id))]);
    let mut tags: Vec<_> = filter.user_id.iter().map(|id| TagMatch::Is(format!("user:{id}"))).collect();
    tags.extend(filter.workspace_id.iter().map(|id| TagMatch::Is(format!("workspace:{id}"))));
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        tags.push(TagMatch::Is(format!("active:{active}")));
    }
    let query = params.query(Agent::KIND, &["created_at", "name"])?.with_any(alternatives, &tags);
    let page = scope.records::<Agent>().page(query.clone()).await.map_err(|e| storage(&e))?;
    let ids: Vec<AgentId> = page.items.iter().map(|agent| agent.id.clone()).collect();
    let reads = stream::iter(ids).map(|id| async move { usage::last(scope, &id).await });
    let used: Vec<_> = reads.buffered(SIDE_BY_SIDE).collect().await;
    let used = used.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| storage(&e))?;
    let mut used = used.into_iter();
    answer(&query, &page, |agent| AgentView::of(scope.id().as_str(), agent, used.next().flatten()))
}

/// An agent
#[utoipa::path(get, path = "/agents/{agent_id}", tag = "Agents", operation_id = "get_agent",
    params(("agent_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = AgentView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<AgentView>, ApiError> {
    let agent = allowed(&caller, &id, READ).await?;
    Ok(Tagged(agent.revision, view(&caller, &agent).await?))
}

/// Change an agent
///
/// Switching it off, or giving it another key, ends its sessions at once.
#[utoipa::path(patch, path = "/agents/{agent_id}", tag = "Agents", operation_id = "update_agent",
    params(("agent_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateAgent,
    security(("bearer" = [])),
    responses((status = 200, body = AgentView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateAgent>,
) -> Result<Tagged<AgentView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, UPDATE).await?;
    let moved = Agent {
        workspace_id: request.workspace_id.clone().unwrap_or_else(|| found.workspace_id.clone()),
        ..found.record.clone()
    };
    if caller.is_impersonated() || may(&caller, UPDATE, &found) && !may(&caller, UPDATE, &moved) {
        return Err(PermissionDenied(UPDATE).into());
    }
    check_workspace(&caller, request.workspace_id.as_ref().and_then(|id| id.as_deref()))?;
    let author = (caller.actor(), caller.tenant.client());
    let check = |old: &Stored<Agent>| stale(&if_match, old);
    let granter = granter(&caller, &author);
    let agent = service::update(&state.identity, scope, &found.id, request, (granter, check)).await?;
    Ok(Tagged(agent.revision, view(&caller, &agent).await?))
}

/// Remove an agent; its tokens and keys end at once
#[utoipa::path(delete, path = "/agents/{agent_id}", tag = "Agents", operation_id = "delete_agent",
    params(("agent_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = AgentView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<AgentView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let check = |old: &Stored<Agent>| stale(&if_match, old);
    let used = view(&caller, &found).await?.last_used_at;
    let agent = service::delete(&state.identity, scope, &found.id, author, check).await?;
    end_keys_of(&state.identity, scope, &found.id, author).await?;
    usage::forget(scope, &found.id).await.map_err(|e| storage(&e))?;
    let view = AgentView::of(scope.id().as_str(), &agent, used);
    Ok(Tagged(agent.revision, AgentView { is_active: false, is_deleted: true, ..view }))
}

fn stale(if_match: &IfMatch, agent: &Stored<Agent>) -> Result<(), AgentError> {
    if if_match.is_stale(agent.revision) { Err(AgentError::Stale) } else { Ok(()) }
}
