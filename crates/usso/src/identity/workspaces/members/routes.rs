//! `/workspaces/{id}/members`.

use super::schema::{MemberView, UpdateMember};
use super::service;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json};
use crate::identity::users::model::{User, workspace_tag};
use crate::identity::workspaces::access::{Act, Asker};
use crate::identity::workspaces::service::WorkspaceError;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{Record, Stored, TagMatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(update, remove))
}

/// Who belongs to a workspace
#[utoipa::path(get, path = "/workspaces/{workspace_id}/members", tag = "Workspaces", operation_id = "list_members",
    params(("workspace_id" = String, Path), ListParams), security(("bearer" = [])),
    responses((status = 200, body = ListView<MemberView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Path(id): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let workspace = Asker::from(&caller).open(scope, &id, Act::ReadMembers).await?;
    let tag = TagMatch::Is(workspace_tag(workspace.id.as_str()));
    let query = params.query(User::KIND, &["created_at", "name"])?.with_all(vec![tag]);
    let page = scope.records::<User>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |user| MemberView::of(scope.id().as_str(), &workspace, user))
}

/// Change a member's roles, or make them an owner
#[utoipa::path(patch, path = "/workspaces/{workspace_id}/members/{user_id}", tag = "Workspaces",
    operation_id = "update_member",
    params(("workspace_id" = String, Path), ("user_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UpdateMember, security(("bearer" = [])),
    responses((status = 200, body = MemberView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user)): Path<(String, String)>,
    if_match: IfMatch,
    Json(request): Json<UpdateMember>,
) -> Result<Tagged<MemberView>, ApiError> {
    let scope = &caller.tenant.scope;
    let asker = Asker::from(&caller);
    let workspace = asker.open(scope, &id, Act::Manage).await?;
    let member = service::get(scope, &workspace, &user).await?;
    stale(&if_match, &member)?;
    service::update(&state.identity, scope, (&workspace, &member), request, &asker).await?;
    let workspace = asker.open(scope, &id, Act::Read).await?;
    let member = service::get(scope, &workspace, &user).await?;
    Ok(Tagged(member.revision, MemberView::of(scope.id().as_str(), &workspace, &member)))
}

/// Take a member out of a workspace, or leave it
///
/// The last owner can't go.
#[utoipa::path(delete, path = "/workspaces/{workspace_id}/members/{user_id}", tag = "Workspaces",
    operation_id = "delete_member",
    params(("workspace_id" = String, Path), ("user_id" = String, Path), ("If-Match" = Option<String>, Header)),
    security(("bearer" = [])),
    responses((status = 200, body = MemberView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 409, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user)): Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Tagged<MemberView>, ApiError> {
    let scope = &caller.tenant.scope;
    let asker = Asker::from(&caller);
    let is_leaving = asker.is_in_person && user == caller.user.id.as_str();
    let act = if is_leaving { Act::Read } else { Act::Manage };
    let workspace = asker.open(scope, &id, act).await?;
    let member = service::get(scope, &workspace, &user).await?;
    stale(&if_match, &member)?;
    service::remove(&state.identity, scope, &workspace, &member.id, &asker).await?;
    Ok(Tagged(member.revision, MemberView::of(scope.id().as_str(), &workspace, &member)))
}

fn stale(if_match: &IfMatch, member: &Stored<User>) -> Result<(), WorkspaceError> {
    if if_match.is_stale(member.revision) { Err(WorkspaceError::Stale) } else { Ok(()) }
}
