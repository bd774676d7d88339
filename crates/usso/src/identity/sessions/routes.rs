//! `/sessions`.

use super::model::Session;
use super::schema::{SessionView, UpdateSession};
use super::service::{self, MAX_META_DATA, SessionError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::roles::effective::Effective;
use crate::access_control::visible::visible;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json};
use crate::identity::agents::auth as agents;
use crate::tenant::TenantScope;
use crate::tenant::patch::merge;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{Change, Record, Stored, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_session");
const UPDATE: Permission = permission("update_session");
const DELETE: Permission = permission("delete_session");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, update, delete))
}

/// Which sessions to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionFilter {
    /// Of this user; everybody's by default, for those who may read them.
    user_id: Option<String>,
    /// Ended or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

fn may(caller: &Caller, permission: Permission, session: &Session) -> bool {
    let (id, tenant) = (session.id.as_str(), caller.tenant.scope.id().as_str());
    let mut attributes =
        vec![("tenant_id", tenant), ("user_id", session.user_id.as_str()), ("id", id), ("uid", id)];
    attributes.extend(session.agent_id.iter().map(|id| ("agent_id", id.as_str())));
    caller.may(permission, &attributes)
}

/// The sessions a permission opens: any of these, each all of its tags.
fn shown(caller: &Caller, permission: Permission) -> Option<Vec<Vec<TagMatch>>> {
    let fixed = [("tenant_id", caller.tenant.scope.id().as_str())];
    visible(permission, caller.scopes(), &fixed, &[("user_id", "user:"), ("agent_id", "agent:")])
}

/// Finds a session that the caller may do this with: their own, and those the permission admits. One of their API keys
/// needs the permission. Who acts in the user's name changes none but the session they act in.
async fn allowed(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<Session>, ApiError> {
    let seen = |session: &Stored<Session>| {
        session.user_id == caller.user.id || may(caller, READ, session) || may(caller, permission, session)
    };
    let session = match service::get(&caller.tenant.scope, id).await {
        Ok(session) if seen(&session) => session,
        // Of what can't be seen nobody learns whether it is there.
        Ok(_) | Err(SessionError::NotFound) => {
            let needs_it = permission != READ && !caller.is_signed_in();
            let is_denied = needs_it && shown(caller, permission).is_none();
            let denied = || PermissionDenied(permission).into();
            return Err(if is_denied { denied() } else { SessionError::NotFound.into() });
        }
        Err(error) => return Err(error.into()),
    };
    let is_own = session.user_id == caller.user.id;
    let is_other = caller.session_id() != Some(&session.id);
    if permission != READ && caller.is_impersonated() && is_other {
        return Err(PermissionDenied(permission).into());
    }
    let by_owning = is_own && (permission == READ || caller.is_signed_in());
    if by_owning || may(caller, permission, &session) {
        Ok(session)
    } else {
        Err(PermissionDenied(permission).into())
    }
}

async fn view(state: &AppState, caller: &Caller, session: &Stored<Session>) -> SessionView {
    let scope = &caller.tenant.scope;
    SessionView::of(
        scope.id().as_str(),
        session,
        (caller.session_id().map(AsRef::as_ref).unwrap_or_default(), state.identity.places().of(&session.ip)),
        held(state, scope, session).await,
    )
}

/// What a session comes to now; none when it has ended.
async fn held(state: &AppState, scope: &TenantScope, session: &Stored<Session>) -> Option<Effective> {
    let identity = &state.identity;
    if let Some(id) = &session.agent_id {
        let agent = identity.agent(scope, id).await.ok().flatten()?;
        let scopes = agents::is_live(scope, session, &agent).then(|| agent.held_in(session))?;
        return Some(Effective { scopes, workspace: agent.workspace_id.clone(), ..Effective::default() });
    }
    let owner = identity.user(scope, &session.user_id).await.ok().flatten()?;
    if !service::lives(identity, scope, session, &owner).await.unwrap_or(false) {
        return None;
    }
    identity.held_in(scope, (session, &owner), session.workspace_id.as_deref()).await.ok().flatten()
}

/// The caller's sessions; all of them, for those who may read sessions
#[utoipa::path(get, path = "/sessions", tag = "Sessions", operation_id = "list_sessions",
    params(ListParams, SessionFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<SessionView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<SessionFilter>,
) -> Result<Response, ApiError> {
    let mut seen = shown(&caller, READ).unwrap_or_default();
    seen.push(vec![TagMatch::Is(format!("user:{}", caller.user.id))]);
    let mut tags: Vec<_> = filter.user_id.iter().map(|id| TagMatch::Is(format!("user:{id}"))).collect();
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        tags.push(TagMatch::Is(format!("active:{active}")));
    }
    let query = params.query(Session::KIND, &["created_at"])?.with_any(seen, &tags);
    let page = caller.tenant.scope.records::<Session>().page(query.clone()).await.map_err(|e| storage(&e))?;
    let mut views = Vec::with_capacity(page.items.len());
    for session in &page.items {
        views.push(view(&state, &caller, session).await);
    }
    let mut views = views.into_iter();
    answer(&query, &page, |_| views.next())
}

/// A session
#[utoipa::path(get, path = "/sessions/{session_id}", tag = "Sessions", operation_id = "get_session",
    params(("session_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<SessionView>, ApiError> {
    let session = allowed(&caller, &id, READ).await?;
    Ok(Tagged(session.revision, view(&state, &caller, &session).await))
}

/// Change what is kept with a session
#[utoipa::path(patch, path = "/sessions/{session_id}", tag = "Sessions", operation_id = "update_session",
    params(("session_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateSession,
    security(("bearer" = [])),
    responses((status = 200, body = SessionView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateSession>,
) -> Result<Tagged<SessionView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, UPDATE).await?;
    let updated = service::update(&state.identity, scope, &found.id, |old| {
        if if_match.is_stale(old.revision) {
            return Err(SessionError::Stale);
        }
        let mut next = old.record.clone();
        merge(&mut next.meta_data, request.meta_data.clone());
        // What is merged counts, not what came: small steps must not lead beyond the bound.
        let size = serde_json::to_string(&next.meta_data).map_or(usize::MAX, |text| text.len());
        if size > MAX_META_DATA {
            return Err(SessionError::MetaDataTooLarge);
        }
        Ok(Change::Put(
            next,
            vec![service::updated_event(scope, &caller.actor(), &found, &caller.tenant.client())],
        ))
    })
    .await?;
    Ok(Tagged(updated.revision, view(&state, &caller, &updated).await))
}

/// End a session
#[utoipa::path(delete, path = "/sessions/{session_id}", tag = "Sessions", operation_id = "delete_session",
    params(("session_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<SessionView>, ApiError> {
    let scope = &caller.tenant.scope;
    let session = allowed(&caller, &id, DELETE).await?;
    if if_match.is_stale(session.revision) {
        return Err(SessionError::Stale.into());
    }
    let event = ("session.revoked", caller.actor());
    let ended = service::end(&state.identity, scope, &session.id, event, &caller.tenant.client()).await?;
    let ended = ended.ok_or(SessionError::NotFound)?;
    Ok(Tagged(ended.revision, view(&state, &caller, &ended).await))
}
