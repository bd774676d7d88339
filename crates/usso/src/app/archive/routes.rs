//! `/tenants/{tenant_id}/export` and `/tenants/import`: the system administrator's, for an archive holds the keys a tenant
//! signs with.

use super::{export, import};
use crate::http::error::ErrorView;
use crate::http::{ApiError, AppState, RequestInfo, SystemAdmin, json, tenant};
use crate::tenant::tenants::schema::TenantView;
use crate::tenant::tenants::service::{Authority, TenantError};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use kernel::TenantId;
use secrecy::SecretString;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The header with the passphrase of an archive.
const PASSPHRASE: &str = "x-archive-passphrase";

/// The largest archive to import over HTTP, in bytes; the command line knows no limit.
const LARGEST: usize = 256 * 1024 * 1024;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(export_tenant)).routes(routes!(import_tenant))
}

fn passphrase(headers: &HeaderMap) -> Result<SecretString, ApiError> {
    let mut given = headers.get_all(PASSPHRASE).iter();
    match (given.next().map(|value| std::str::from_utf8(value.as_bytes())), given.next()) {
        (Some(Ok(text)), None) => Ok(SecretString::from(text)),
        _ => Err(ApiError::invalid(Vec::new(), "The header X-Archive-Passphrase must hold the passphrase")),
    }
}

/// Export a tenant
///
/// All its records as they are at one moment, sealed under a passphrase of at least 12 characters.
#[utoipa::path(get, path = "/tenants/{tenant_id}/export", tag = "Tenants", operation_id = "export_tenant",
    params(("tenant_id" = String, Path), ("X-Archive-Passphrase" = String, Header)), security(("bearer" = [])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, body = ErrorView), (status = 401, body = ErrorView), (status = 403, body = ErrorView),
        (status = 404, body = ErrorView)))]
pub async fn export_tenant(
    State(state): State<AppState>,
    SystemAdmin(caller): SystemAdmin,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = TenantId::parse(&id).map_err(|_| TenantError::NotFound)?;
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: true };
    let file = export(&state, &id, passphrase(&headers)?, authority).await?;
    let name = format!("attachment; filename=\"{id}.usso-tenant\"");
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, &name)];
    Ok((headers, file).into_response())
}

/// Import a tenant
///
/// From an export of this or another installation. Its id, slug and domains must be free here.
#[utoipa::path(post, path = "/tenants/import", tag = "Tenants", operation_id = "import_tenant",
    params(("X-Archive-Passphrase" = String, Header)), security(("bearer" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = TenantView), (status = 400, body = ErrorView), (status = 401, body = ErrorView),
        (status = 403, body = ErrorView), (status = 409, body = ErrorView), (status = 413, body = ErrorView)))]
pub async fn import_tenant(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    // Who asks comes before what they ask, and before a large buffer.
    let SystemAdmin(caller) = SystemAdmin::from_request_parts(&mut parts, &state).await?;
    let passphrase = passphrase(&parts.headers)?;
    let info = RequestInfo { body_limit: LARGEST, ..(*tenant::info(&parts)?).clone() };
    parts.extensions.insert(Arc::new(info));
    let body = json::read(Request::from_parts(parts, body), &state).await?;
    let file = String::from_utf8(body.to_vec()).map_err(|_| super::file::FileError::NotAnArchive);
    let (actor, client) = (caller.actor(), caller.tenant.client());
    let authority = Authority { actor: &actor, client: &client, is_system: true };
    let file = file.map_err(super::ArchiveError::from)?;
    let imported = import(&state, file, passphrase, authority).await?;
    let tag = [(header::ETAG, imported.revision.etag())];
    Ok((StatusCode::CREATED, tag, json::Json(TenantView::from(&imported))).into_response())
}
