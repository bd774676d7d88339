//! The tenant of a request.

use crate::access_control::permission::{Permission, PermissionDenied};
use crate::http::request_info::SharedInfo;
use crate::http::{ApiError, AppState, Caller, RequestInfo};
use crate::tenant::issuer::Addressed;
use crate::tenant::registry::Selected;
use crate::tenant::tenants::service::TenantError;
use crate::tenant::{ClientInfo, SelectionError, TenantScope};
use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::TenantId;
use std::sync::Arc;

/// The tenant a request names, and how.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The tenant.
    pub scope: Arc<TenantScope>,
    /// How it was named.
    pub addressed: Addressed,
    /// Facts about the request.
    pub info: SharedInfo,
}

/// Under which name a tenant was asked, and by whom.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The issuer to write.
    pub issuer: String,
    /// The other end.
    pub peer: ClientInfo,
}

impl Tenant {
    /// Under which name it was asked, and by whom.
    pub fn asked(&self) -> Asked {
        Asked { issuer: self.issuer(), peer: self.client() }
    }

    /// The issuer to write into tokens.
    pub fn issuer(&self) -> String {
        self.scope.profile().issuers.written(&self.addressed)
    }

    /// The other end, for audit events.
    pub fn client(&self) -> ClientInfo {
        self.info.client()
    }

    /// The path below which the tenant's cookies live.
    pub fn cookie_path(&self) -> String {
        match self.addressed {
            Addressed::Path => format!("/t/{}", self.scope.id()),
            _ => "/".to_owned(),
        }
    }
}

/// Chooses the tenant of a request.
///
/// # Errors
/// See [`SelectionError`].
pub async fn select(state: &AppState, info: &SharedInfo) -> Result<Tenant, SelectionError> {
    let Selected { scope, addressed } = selected(state, info).await?;
    Ok(Tenant { scope, addressed, info: info.clone() })
}

/// As [`select`], without the facts of the request.
///
/// # Errors
/// See [`SelectionError`].
pub async fn selected(state: &AppState, info: &RequestInfo) -> Result<Selected, SelectionError> {
    if info.is_ambiguous {
        return Err(SelectionError::Conflict);
    }
    state.registry.select(&info.selection).await
}

/// The facts the edge put into a request.
///
/// # Errors
/// When a request didn't come through the edge: a defect of the wiring.
pub fn info(parts: &Parts) -> Result<SharedInfo, ApiError> {
    let missing = || ApiError::new(kernel::ProblemKind::Internal, "INTERNAL_ERROR", "Internal error");
    parts.extensions.get::<SharedInfo>().cloned().ok_or_else(missing)
}

/// Which tenant a caller means: any for the system administrator, their own for those who hold the permission.
///
/// # Errors
/// `PERMISSION_DENIED`; `NOT_FOUND` for any other tenant.
pub fn meant(caller: &Caller, id: &str, permission: Permission) -> Result<TenantId, ApiError> {
    let is_system = caller.is_system();
    if !is_system && !caller.may(permission, &[("tenant_id", caller.tenant.scope.id().as_str())]) {
        return Err(PermissionDenied(permission).into());
    }
    match TenantId::parse(id) {
        Ok(id) if is_system || id == *caller.tenant.scope.id() => Ok(id),
        _ => Err(TenantError::NotFound.into()),
    }
}

impl FromRequestParts<AppState> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        // CORS may have chosen it already.
        if let Some(tenant) = parts.extensions.get::<Self>() {
            return Ok(tenant.clone());
        }
        Ok(select(state, &info(parts)?).await?)
    }
}
