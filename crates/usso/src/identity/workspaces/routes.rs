//! `/workspaces`.

use super::access::{Act, Asker};
use super::model::Workspace;
use super::schema::{CreateWorkspace, UpdateWorkspace, WorkspaceView};
use super::service::{self, WorkspaceError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer, flag};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Record, Stored, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CREATE: Permission = permission("create_workspace");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Which workspaces to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkspaceFilter {
    /// Active or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

/// Make a workspace
///
/// Its maker is its first owner and member.
#[utoipa::path(post, path = "/workspaces", tag = "Workspaces", operation_id = "create_workspace",
    request_body = CreateWorkspace, params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = WorkspaceView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_workspace", async |caller: &Caller, new: CreateWorkspace| {
        let scope = &caller.tenant.scope;
        service::check_enabled(scope)?;
        if !caller.may(CREATE, &[("tenant_id", scope.id().as_str())]) {
            return Err(PermissionDenied(CREATE).into());
        }
        let workspace = service::create(&state.identity, scope, new, &Asker::from(caller)).await?;
        Ok((workspace.revision, WorkspaceView::of(scope.id().as_str(), &workspace)))
    })
    .await
}

/// The workspaces the caller belongs to; all of them, for those who may read workspaces
#[utoipa::path(get, path = "/workspaces", tag = "Workspaces", operation_id = "list_workspaces",
    params(ListParams, WorkspaceFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<WorkspaceView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<WorkspaceFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    service::check_enabled(scope)?;
    let active = flag("is_active", filter.is_active.as_deref())?;
    let tags: Vec<_> = active.iter().map(|active| TagMatch::Is(format!("active:{active}"))).collect();
    let query = params.query(Workspace::KIND, &["created_at", "name"])?;
    let query = query.with_any(Asker::from(&caller).visible(scope), &tags);
    let page = scope.records::<Workspace>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |workspace| WorkspaceView::of(scope.id().as_str(), workspace))
}

/// A workspace
#[utoipa::path(get, path = "/workspaces/{workspace_id}", tag = "Workspaces", operation_id = "get_workspace",
    params(("workspace_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = WorkspaceView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<WorkspaceView>, ApiError> {
    let scope = &caller.tenant.scope;
    let workspace = Asker::from(&caller).open(scope, &id, Act::Read).await?;
    Ok(Tagged(workspace.revision, WorkspaceView::of(scope.id().as_str(), &workspace)))
}

/// Change a workspace
#[utoipa::path(patch, path = "/workspaces/{workspace_id}", tag = "Workspaces", operation_id = "update_workspace",
    params(("workspace_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateWorkspace,
    security(("bearer" = [])),
    responses((status = 200, body = WorkspaceView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateWorkspace>,
) -> Result<Tagged<WorkspaceView>, ApiError> {
    let scope = &caller.tenant.scope;
    let asker = Asker::from(&caller);
    let found = asker.open(scope, &id, Act::Update).await?;
    let check = |old: &Stored<Workspace>| stale(&if_match, old);
    let workspace = service::update(&state.identity, scope, (&found.id, request), &asker, check).await?;
    Ok(Tagged(workspace.revision, WorkspaceView::of(scope.id().as_str(), &workspace)))
}

/// Remove a workspace, and take it from every member
#[utoipa::path(delete, path = "/workspaces/{workspace_id}", tag = "Workspaces", operation_id = "delete_workspace",
    params(("workspace_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = WorkspaceView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<WorkspaceView>, ApiError> {
    let scope = &caller.tenant.scope;
    let check = |old: &Stored<Workspace>| stale(&if_match, old);
    let gone = service::delete(&state.identity, scope, &id, &Asker::from(&caller), check).await?;
    Ok(Tagged(gone.revision, WorkspaceView::of(scope.id().as_str(), &gone)))
}

fn stale(if_match: &IfMatch, workspace: &Stored<Workspace>) -> Result<(), WorkspaceError> {
    if if_match.is_stale(workspace.revision) { Err(WorkspaceError::Stale) } else { Ok(()) }
}
