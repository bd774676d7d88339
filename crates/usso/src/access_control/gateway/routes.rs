//! `/gatewayroutes`.

use super::model::GatewayRoute;
use super::schema::{CreateGatewayRoute, GatewayRouteView, UpdateGatewayRoute};
use super::service::{self, GatewayError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::error::{ErrorView, storage};
use crate::http::list::{ListParams, ListView, Params, answer};
use crate::http::revision::{IfMatch, Tagged};
use crate::http::{ApiError, AppState, Caller, Json, creating};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use kernel::{Record, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("get_gateway_route");
const CREATE: Permission = permission("create_gateway_route");
const UPDATE: Permission = permission("update_gateway_route");
const DELETE: Permission = permission("delete_gateway_route");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Routes are the tenant's: who may do something may do it with all of them.
fn require(caller: &Caller, permission: Permission) -> Result<(), PermissionDenied> {
    let is_allowed = caller.may(permission, &[("tenant_id", caller.tenant.scope.id().as_str())]);
    if is_allowed { Ok(()) } else { Err(PermissionDenied(permission)) }
}

fn stale(if_match: &IfMatch, route: &Stored<GatewayRoute>) -> Result<(), GatewayError> {
    if if_match.is_stale(route.revision) { Err(GatewayError::Stale) } else { Ok(()) }
}

fn view(caller: &Caller, route: &Stored<GatewayRoute>) -> GatewayRouteView {
    GatewayRouteView::of(caller.tenant.scope.id().as_str(), route)
}

/// Make a route of a gateway
#[utoipa::path(post, path = "/gatewayroutes", tag = "Gateway routes", operation_id = "create_gateway_route",
    request_body = CreateGatewayRoute, params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = GatewayRouteView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(
        &state,
        request,
        "create_gateway_route",
        async |caller: &Caller, new: CreateGatewayRoute| {
            require(caller, CREATE)?;
            let author = (&caller.actor(), &caller.tenant.client());
            let route = service::create(&caller.tenant.scope, new, author).await?;
            Ok((route.revision, view(caller, &route)))
        },
    )
    .await
}

/// The routes of a gateway
#[utoipa::path(get, path = "/gatewayroutes", tag = "Gateway routes", operation_id = "list_gateway_routes",
    params(ListParams), security(("bearer" = [])),
    responses((status = 200, body = ListView<GatewayRouteView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView)))]
pub async fn list(caller: Caller, Params(params): Params<ListParams>) -> Result<Response, ApiError> {
    require(&caller, READ)?;
    let query = params.query(GatewayRoute::KIND, &["created_at", "title"])?;
    let page = caller.tenant.scope.records::<GatewayRoute>().page(query.clone()).await;
    answer(&query, &page.map_err(|e| storage(&e))?, |route| view(&caller, route))
}

/// A route of a gateway
#[utoipa::path(get, path = "/gatewayroutes/{route_id}", tag = "Gateway routes", operation_id = "get_gateway_route",
    params(("route_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = GatewayRouteView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<GatewayRouteView>, ApiError> {
    require(&caller, READ)?;
    let route = service::get(&caller.tenant.scope, &id).await?;
    Ok(Tagged(route.revision, view(&caller, &route)))
}

/// Change a route of a gateway
#[utoipa::path(patch, path = "/gatewayroutes/{route_id}", tag = "Gateway routes", operation_id = "update_gateway_route",
    params(("route_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateGatewayRoute,
    security(("bearer" = [])),
    responses((status = 200, body = GatewayRouteView), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView), (status = 403, body = ErrorView), (status = 404, body = ErrorView),
        (status = 412, body = ErrorView)))]
pub async fn update(
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateGatewayRoute>,
) -> Result<Tagged<GatewayRouteView>, ApiError> {
    require(&caller, UPDATE)?;
    let scope = &caller.tenant.scope;
    let found = service::get(scope, &id).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let fits = |old: &Stored<GatewayRoute>| stale(&if_match, old);
    let route = service::update(scope, &found.id, request, (author, fits)).await?;
    Ok(Tagged(route.revision, view(&caller, &route)))
}

/// Remove a route of a gateway
#[utoipa::path(delete, path = "/gatewayroutes/{route_id}", tag = "Gateway routes", operation_id = "delete_gateway_route",
    params(("route_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = GatewayRouteView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<GatewayRouteView>, ApiError> {
    require(&caller, DELETE)?;
    let author = (&caller.actor(), &caller.tenant.client());
    let fits = |old: &Stored<GatewayRoute>| stale(&if_match, old);
    let route = service::delete(&caller.tenant.scope, &id, author, fits).await?;
    Ok(Tagged(route.revision, GatewayRouteView { is_deleted: true, ..view(&caller, &route) }))
}
