//! The published key set: `/.well-known/jwks.json` (RFC 7517 §5).

use crate::http::request_info::SharedInfo;
use crate::http::error::ErrorView;
use crate::http::list::Params;
use crate::http::tenant::select;
use crate::http::{ApiError, AppState};
use crate::tenant::domain::normalise_host;
use crate::tenant::{SelectionError, TenantScope};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::TenantId;
use serde::Deserialize;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
pub async fn jwks(
    State(state): State<AppState>,
    Extension(info): Extension<SharedInfo>,
    Params(params): Params<JwksParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tenant = match (&params.domain, &params.tenant_id) {
        (None, None) => select(&state, &info).await?.scope,
        _ => asked_for(&state, &params).await?,
    };
    let published = tenant.profile().keys.published();
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|tags| matches(tags, &published.etag));
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { published.body.clone().into_response() };
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::VARY, HeaderValue::from_static("Host, X-Tenant-ID")),
        (header::ETAG, published.etag.clone()),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, value);
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
