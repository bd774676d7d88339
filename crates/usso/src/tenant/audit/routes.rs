//! `/audit`.

use super::AuditEvent;
use super::checkpoint::{self, Checkpoint};
use super::schema::{AuditEventView, CheckpointView};
use super::service::{Export, Filter};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::visible::visible;
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::{ApiError, AppState, Caller, Json};
use crate::tenant::TenantScope;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, header};
use kernel::problem::FieldError;
use kernel::{ProblemKind, Query, Record, TagMatch};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("list_audit_events");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(export))
        .routes(routes!(list_checkpoints))
        .routes(routes!(get))
}

/// Which events to read.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// What happened: `user.registered`, or everything that begins so: `user.`
    event: Option<String>,
    /// By whom: a user id, `system` or `anonymous`.
    actor: Option<String>,
    /// On whom.
    target: Option<String>,
    /// `success` or `failure`.
    result: Option<String>,
}

fn query(caller: &Caller, params: &ListParams, filter: AuditFilter) -> Result<Query, ApiError> {
    if filter.result.as_deref().is_some_and(|result| !matches!(result, "success" | "failure")) {
        let msg = "must be success or failure";
        let loc = vec!["query".into(), "result".into()];
        let error = FieldError { loc, msg: msg.to_owned(), kind: "value".into() };
        return Err(ApiError::invalid(vec![error], format!("result: {msg}")));
    }
    let AuditFilter { event, actor, target, result } = filter;
    let filter = Filter { event, actor, target, result };
    let seen = seen(caller).ok_or(PermissionDenied(READ))?;
    Ok(params.query(AuditEvent::KIND, &["created_at"])?.with_any(seen, &filter.tags()))
}

/// What the caller sees of the log: any of these, each all of its tags.
fn seen(caller: &Caller) -> Option<Vec<Vec<TagMatch>>> {
    let fixed = [("tenant_id", caller.tenant.scope.id().as_str())];
    let tagged = [("actor", "actor:"), ("target", "target:"), ("event", "event:"), ("result", "result:")];
    visible(READ, caller.scopes(), &fixed, &tagged)
}

fn admit(caller: &Caller) -> Result<(), ApiError> {
    let attributes = [("tenant_id", caller.tenant.scope.id().as_str())];
    if caller.may(READ, &attributes) { Ok(()) } else { Err(PermissionDenied(READ).into()) }
}

/// The tenant's audit log
#[utoipa::path(get, path = "/audit", tag = "Audit", operation_id = "list_audit_events",
    params(ListParams, AuditFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<AuditEventView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<AuditFilter>,
) -> Result<Response, ApiError> {
    let query = query(&caller, &params, filter)?;
    let scope = &caller.tenant.scope;
    let page = scope.records::<AuditEvent>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |event| AuditEventView::of(scope.id().as_str(), event))
}

/// An event of the audit log
#[utoipa::path(get, path = "/audit/{event_id}", tag = "Audit", operation_id = "get_audit_event",
    params(("event_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = AuditEventView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Json<AuditEventView>, ApiError> {
    seen(&caller).ok_or(PermissionDenied(READ))?;
    let scope = &caller.tenant.scope;
    let found = scope.records::<AuditEvent>().get(&id).await.map_err(|e| storage(&e))?;
    let found = found.filter(|event| {
        let AuditEvent { event, actor, target, result, .. } = &event.record;
        let tenant = ("tenant_id", scope.id().as_str());
        caller
            .may(READ, &[tenant, ("actor", actor), ("target", target), ("event", event), ("result", result)])
    });
    let found = found.ok_or_else(|| ApiError::new(ProblemKind::NotFound, "NOT_FOUND", "Event not found"))?;
    Ok(Json(AuditEventView::of(scope.id().as_str(), &found)))
}

/// The checkpoints of the audit log
///
/// Each is signed with a key of the tenant's key set: whoever keeps one sees from any later export whether the log was cut.
#[utoipa::path(get, path = "/audit/checkpoints", tag = "Audit", operation_id = "list_audit_checkpoints",
    params(ListParams), security(("bearer" = [])),
    responses((status = 200, body = ListView<CheckpointView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list_checkpoints(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    admit(&caller)?;
    let query = params.query(Checkpoint::KIND, &["created_at"])?;
    let scope = &caller.tenant.scope;
    let page = scope.records::<Checkpoint>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |made| CheckpointView::of(scope.id().as_str(), made))
}

/// The audit log as lines of JSON, oldest first
///
/// Takes the filters of the list; page and order are its own. Without filters the checkpoints follow.
#[utoipa::path(get, path = "/audit/export", tag = "Audit", operation_id = "export_audit_events",
    params(AuditFilter, ("created_at_from" = Option<String>, Query), ("created_at_to" = Option<String>, Query)),
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn export(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<AuditFilter>,
) -> Result<Response, ApiError> {
    let query = query(&caller, &params, filter)?;
    let is_whole = query.any_of.iter().all(Vec::is_empty) && query.created_to.is_none();
    let checkpoints = if is_whole { checkpoint_lines(&caller.tenant.scope).await } else { Ok(String::new()) };
    let checkpoints = checkpoints.map_err(|e| storage(&e))?;
    let mut export = Export::new(caller.tenant.scope.clone(), query);
    // The first page before the status: a database that is away is an error and no empty log.
    let first = lines(&mut export).await.map_err(|e| storage(&e))?;
    let rest = stream::try_unfold((export, Some(first)), |(mut export, first)| async move {
        let text = match first {
            Some(text) => text,
            None => lines(&mut export).await?,
        };
        Ok::<_, kernel::StorageError>((!text.is_empty()).then_some((text, (export, None))))
    });
    // Those of the moment before, so that each is of an event that is here.
    let rest = rest.chain(stream::iter((!checkpoints.is_empty()).then_some(Ok(checkpoints))));
    let content_type = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(rest)).into_response())
}

async fn lines(export: &mut Export) -> Result<String, kernel::StorageError> {
    let events = export.next().await?;
    let mut text = String::new();
    for event in &events {
        put_line(&AuditEventView::of(export.scope().id().as_str(), event), &mut text)?;
    }
    Ok(text)
}

async fn checkpoint_lines(tenant: &TenantScope) -> Result<String, kernel::StorageError> {
    let mut text = String::new();
    for made in checkpoint::all(tenant).await? {
        put_line(&CheckpointView::of(tenant.id().as_str(), &made), &mut text)?;
    }
    Ok(text)
}

fn put_line(view: &impl serde::Serialize, text: &mut String) -> Result<(), kernel::StorageError> {
    let line = serde_json::to_string(view).map_err(|e| kernel::StorageError::Corrupt(e.to_string()))?;
    text.push_str(&line);
    text.push('\n');
    Ok(())
}
