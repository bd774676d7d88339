//! The published key set: `/.well-known/jwks.json` (RFC 7517 §5).

use crate::http::error::ErrorView;
use crate::http::list::parse;
use crate::http::tenant::{info, selected};
use crate::http::{ApiError, AppState, RequestInfo};
use crate::tenant::domain::normalise_host;
use crate::tenant::{SelectionError, TenantScope};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use kernel::TenantId;
use serde::Deserialize;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the set is.
pub const PATH: &str = "/.well-known/jwks.json";

/// The routes at the host's root.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(jwks))
}

/// Whose keys, when not the addressed tenant's.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JwksParams {
    /// The tenant that answers to this host; a port is ignored.
    domain: Option<String>,
    /// The tenant with this id.
    tenant_id: Option<String>,
}

/// The public keys a tenant's tokens are signed with
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Keys", operation_id = "jwks", params(JwksParams),
    responses((status = 200, body = Object), (status = 304, description = "Not modified"),
        (status = 400, body = ErrorView), (status = 404, body = ErrorView)))]
pub async fn jwks(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    key_set(&state, &*info(&parts)?, &parts).await
}

/// The key set a request asks for. The edge comes here without the router's detour: this is the busiest document of all.
///
/// # Errors
/// When the tenant can't be chosen.
pub async fn key_set(state: &AppState, info: &RequestInfo, parts: &Parts) -> Result<Response, ApiError> {
    let params = parts.uri.query().map(parse::<JwksParams>).transpose()?.unwrap_or_default();
    let tenant = match (&params.domain, &params.tenant_id) {
        (None, None) => selected(state, info).await?.scope,
        _ => asked_for(state, &params).await?,
    };
    let published = tenant.profile().keys.published();
    let is_known = parts
        .headers
        .get(header::IF_NONE_MATCH)
        .zip(published.headers.get(header::ETAG))
        .is_some_and(|(tags, own)| matches(tags, own));
    let body = if is_known { Body::empty() } else { Body::from(published.body.clone()) };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    *response.headers_mut() = published.headers.clone();
    if is_known {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if !state.identity.freshness().holds(|| state.registry.system().now()) {
        // Cut off from the others: a key may have been published since that will sign before this set is asked for again.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Ok(response)
}

/// `If-None-Match`: a list of tags or `*`, compared weakly (RFC 9110 §13.1.2).
fn matches(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(etag)) = (tags.to_str(), etag.to_str()) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

async fn asked_for(state: &AppState, params: &JwksParams) -> Result<Arc<TenantScope>, ApiError> {
    let found = match (&params.domain, &params.tenant_id) {
        (Some(domain), _) => match normalise_host(domain) {
            Ok(host) => state.registry.open_by_host(&host).await?,
            Err(_) => None,
        },
        (None, Some(id)) => match TenantId::parse(id) {
            Ok(id) => state.registry.open(&id).await?,
            Err(_) => None,
        },
        (None, None) => None,
    };
    let missing = || ApiError::from(SelectionError::NotFound).with_status(StatusCode::NOT_FOUND);
    let tenant = found.ok_or_else(missing)?;
    if tenant.profile().tenant.is_active { Ok(tenant) } else { Err(SelectionError::Inactive.into()) }
}
