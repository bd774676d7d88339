//! `/referrals`.

use super::model::Referral;
use super::schema::{CreateReferral, ReferralView, UpdateReferral};
use super::service::{self, ReferralError};
use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied};
use crate::access_control::visible::visible;
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

const READ: Permission = permission("get_referral");
const CREATE: Permission = permission("create_referral");
const UPDATE: Permission = permission("update_referral");
const DELETE: Permission = permission("delete_referral");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Which codes to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReferralFilter {
    /// Of this user.
    user_id: Option<String>,
    /// Usable or not.
    #[param(value_type = Option<bool>)]
    is_active: Option<String>,
}

fn may(caller: &Caller, permission: Permission, referral: &Referral) -> bool {
    let (id, tenant) = (referral.id.as_str(), caller.tenant.scope.id().as_str());
    let user = referral.user_id.as_str();
    caller.may(permission, &[("tenant_id", tenant), ("user_id", user), ("id", id), ("uid", id)])
}

/// Finds a code the caller may do this with: their own, in person, or by permission.
async fn allowed(caller: &Caller, id: &str, permission: Permission) -> Result<Stored<Referral>, ApiError> {
    let referral = service::get(&caller.tenant.scope, id).await?;
    let is_own = referral.user_id == caller.user.id;
    if may(caller, permission, &referral) || is_own && (permission == READ || caller.is_in_person()) {
        Ok(referral)
    } else if is_own || may(caller, READ, &referral) {
        Err(PermissionDenied(permission).into())
    } else {
        Err(ReferralError::NotFound.into())
    }
}

fn stale(if_match: &IfMatch, referral: &Stored<Referral>) -> Result<(), ReferralError> {
    if if_match.is_stale(referral.revision) { Err(ReferralError::Stale) } else { Ok(()) }
}

/// Make a referral code of the caller's
#[utoipa::path(post, path = "/referrals", tag = "Referrals", operation_id = "create_referral",
    request_body = CreateReferral, params(("Idempotency-Key" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 201, body = ReferralView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn create(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    creating::once(&state, request, "create_referral", async |caller: &Caller, new: CreateReferral| {
        caller.at_home()?;
        let scope = &caller.tenant.scope;
        let user = caller.user.id.as_str();
        let by_permission = caller.may(CREATE, &[("tenant_id", scope.id().as_str()), ("user_id", user)]);
        if !caller.is_in_person() && !by_permission {
            return Err(PermissionDenied(CREATE).into());
        }
        let author = (&caller.actor(), &caller.tenant.client());
        let referral = service::create(scope, &caller.user.id, new, author).await?;
        Ok((referral.revision, ReferralView::of(scope.id().as_str(), &referral)))
    })
    .await
}

/// The caller's referral codes; those of others, too, for who may read them
#[utoipa::path(get, path = "/referrals", tag = "Referrals", operation_id = "list_referrals",
    params(ListParams, ReferralFilter), security(("bearer" = [])),
    responses((status = 200, body = ListView<ReferralView>), (status = 400, body = ErrorView),
        (status = 401, body = ErrorView)))]
pub async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
    Params(filter): Params<ReferralFilter>,
) -> Result<Response, ApiError> {
    let scope = &caller.tenant.scope;
    let fixed = [("tenant_id", scope.id().as_str())];
    let mut alternatives =
        visible(READ, caller.scopes(), &fixed, &[("user_id", "user:")]).unwrap_or_default();
    if !alternatives.iter().any(Vec::is_empty) {
        alternatives.push(vec![TagMatch::Is(format!("user:{}", caller.user.id))]);
    }
    let mut tags: Vec<_> = filter.user_id.iter().map(|id| TagMatch::Is(format!("user:{id}"))).collect();
    if let Some(active) = flag("is_active", filter.is_active.as_deref())? {
        tags.push(TagMatch::Is(format!("active:{active}")));
    }
    let query = params.query(Referral::KIND, &["created_at"])?.with_any(alternatives, &tags);
    let page = scope.records::<Referral>().page(query.clone()).await.map_err(|e| storage(&e))?;
    answer(&query, &page, |referral| ReferralView::of(scope.id().as_str(), referral))
}

/// A referral code
#[utoipa::path(get, path = "/referrals/{referral_id}", tag = "Referrals", operation_id = "get_referral",
    params(("referral_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ReferralView), (status = 401, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn get(caller: Caller, Path(id): Path<String>) -> Result<Tagged<ReferralView>, ApiError> {
    let referral = allowed(&caller, &id, READ).await?;
    Ok(Tagged(referral.revision, ReferralView::of(caller.tenant.scope.id().as_str(), &referral)))
}

/// Change a referral code
#[utoipa::path(patch, path = "/referrals/{referral_id}", tag = "Referrals", operation_id = "update_referral",
    params(("referral_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = UpdateReferral,
    security(("bearer" = [])),
    responses((status = 200, body = ReferralView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn update(
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(request): Json<UpdateReferral>,
) -> Result<Tagged<ReferralView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, UPDATE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let fits = |old: &Stored<Referral>| stale(&if_match, old);
    let referral = service::update(scope, &found.id, request, (author, fits)).await?;
    Ok(Tagged(referral.revision, ReferralView::of(scope.id().as_str(), &referral)))
}

/// Remove a referral code
#[utoipa::path(delete, path = "/referrals/{referral_id}", tag = "Referrals", operation_id = "delete_referral",
    params(("referral_id" = String, Path), ("If-Match" = Option<String>, Header)), security(("bearer" = [])),
    responses((status = 200, body = ReferralView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView), (status = 412, body = ErrorView)))]
pub async fn delete(
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<ReferralView>, ApiError> {
    let scope = &caller.tenant.scope;
    let found = allowed(&caller, &id, DELETE).await?;
    let author = (&caller.actor(), &caller.tenant.client());
    let fits = |old: &Stored<Referral>| stale(&if_match, old);
    let referral = service::delete(scope, &found.id, author, fits).await?;
    let view = ReferralView::of(scope.id().as_str(), &referral);
    Ok(Tagged(referral.revision, ReferralView { is_deleted: true, is_active: false, ..view }))
}
