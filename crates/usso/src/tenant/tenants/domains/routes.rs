//! `/tenants/{tenant_id}/domains`: the host names a tenant answers to.

use super::schema::{DomainView, DomainsView, NewDomain, VerifyDomain};
use super::service;
use crate::access_control::operations::permission;
use crate::access_control::permission::Permission;
use crate::http::error::ErrorView;
use crate::http::revision::Tagged;
use crate::http::tenant::meant;
use crate::http::{ApiError, AppState, Caller, Json, OptionalJson};
use crate::tenant::tenants::model::Tenant;
use crate::tenant::tenants::service::{Authority, TenantError, get};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use kernel::Stored;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const READ: Permission = permission("list_domains");
const ADMIN: Permission = permission("add_domain");

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(remove)).routes(routes!(verify))
}

fn view((tenant, host): &(Stored<Tenant>, String)) -> Result<Tagged<DomainView>, ApiError> {
    let domain = tenant.domains.iter().find(|d| d.host == *host).ok_or(TenantError::NotFound)?;
    Ok(Tagged(tenant.revision, DomainView::of(tenant, domain)))
}

/// A tenant's domains
#[utoipa::path(get, path = "/tenants/{tenant_id}/domains", tag = "Tenants", operation_id = "list_domains",
    params(("tenant_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = DomainsView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Tagged<DomainsView>, ApiError> {
    let tenant = get(&state.registry, &meant(&caller, &id, READ)?).await?;
    Ok(Tagged(tenant.revision, DomainsView::from(&tenant.record)))
}

/// Add a domain
///
/// One the system administrator adds counts at once. Any other resolves to nothing, and anybody may still claim it, until
/// it is verified; the answer says what to publish where.
#[utoipa::path(post, path = "/tenants/{tenant_id}/domains", tag = "Tenants", operation_id = "add_domain",
    params(("tenant_id" = String, Path)), request_body = NewDomain, security(("bearer" = [])),
    responses((status = 201, body = DomainView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView)))]
pub async fn add(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<NewDomain>,
) -> Result<Response, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    let added = service::add(&state.registry, &id, &request.domain, authority).await?;
    Ok((StatusCode::CREATED, view(&added)?).into_response())
}

/// Verify a domain
///
/// Looks for what proves it: the TXT record, the file, or first the one and then the other.
#[utoipa::path(post, path = "/tenants/{tenant_id}/domains/{domain}/verify", tag = "Tenants",
    operation_id = "verify_domain", request_body = Option<VerifyDomain>,
    params(("tenant_id" = String, Path), ("domain" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = DomainView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 404, body = ErrorView), (status = 409, body = ErrorView),
        (status = 429, body = ErrorView)))]
pub async fn verify(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, domain)): Path<(String, String)>,
    OptionalJson(request): OptionalJson<VerifyDomain>,
) -> Result<Tagged<DomainView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    let method = request.unwrap_or_default().method;
    let internet = state.internet.as_ref();
    let verified = service::verify(&state.registry, internet, (&id, &domain), method, authority).await?;
    view(&verified)
}

/// Remove a domain
///
/// It resolves to the tenant no more; tokens issued under it stay good until they expire.
#[utoipa::path(delete, path = "/tenants/{tenant_id}/domains/{domain}", tag = "Tenants", operation_id = "remove_domain",
    params(("tenant_id" = String, Path), ("domain" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = DomainView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, domain)): Path<(String, String)>,
) -> Result<Json<DomainView>, ApiError> {
    let id = meant(&caller, &id, ADMIN)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: caller.is_system() };
    let (tenant, removed) = service::remove(&state.registry, (&id, &domain), authority).await?;
    Ok(Json(DomainView::of(&tenant, &removed)))
}
