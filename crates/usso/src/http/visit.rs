//! The system administrator in another tenant: `/admin/tenants/{tenant_id}/<path>` (ruling D22).
//!
//! The path is taken apart at the edge, before anything is routed, so that it exists for every operation there is and
//! will be. Whoever sends it must be the system administrator of the tenant the request is addressed to; from then on the
//! request is one to the tenant in the path, by that administrator. Each is an event of that tenant.

use crate::http::edge::without_token;
use crate::http::request_info::SharedInfo;
use crate::http::{ApiError, AppState, Caller, SystemAdmin, Tenant};
use crate::tenant::audit::Event;
use crate::tenant::{Selection, SelectionError};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use std::sync::Arc;

const API: &str = "/api/sso/v1";
const PREFIX: &str = "/admin/tenants/";

/// The caller of a request that came through the door of the system administrator.
#[derive(Debug, Clone)]
pub(super) struct Visitor(pub(super) Caller);

/// Takes `/admin/tenants/{tenant_id}` off the path, at the host's root or below the API's; what follows is a path of the
/// API.
pub(super) fn take(uri: &mut Uri) -> Option<String> {
    let after = uri.path().strip_prefix(API).unwrap_or(uri.path()).strip_prefix(PREFIX)?;
    let (id, rest) = after.split_once('/').filter(|(_, rest)| !rest.is_empty())?;
    let id = id.replace("%5F", "_").replace("%5f", "_");
    let target = match uri.query() {
        Some(query) => format!("{API}/{rest}?{query}"),
        None => format!("{API}/{rest}"),
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
    Some(id)
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call {
    caller: Caller,
    method: String,
    path: String,
}

/// Lets the system administrator in: from now on the request is one to the tenant of this id.
///
/// # Errors
/// What anybody else is told by every operation of the system administrator; `NOT_FOUND` for no tenant,
/// `TENANT_INACTIVE`.
pub(super) async fn enter(parts: &mut Parts, state: &AppState, id: &str) -> Result<Call, ApiError> {
    let SystemAdmin(caller) = SystemAdmin::from_request_parts(parts, state).await?;
    let selection = Selection { path: Some(id.to_owned()), header: None, host: None };
    let found = state.registry.select(&selection).await;
    let selected = found.map_err(|error| match error {
        SelectionError::NotFound | SelectionError::Malformed => ApiError::not_found(),
        other => other.into(),
    })?;
    let info = (*caller.tenant.info).clone();
    let info: SharedInfo = Arc::new(crate::http::RequestInfo { selection, is_visit: true, ..info });
    let tenant = Tenant { scope: selected.scope, addressed: selected.addressed, info: info.clone() };
    let caller = Caller { tenant: tenant.clone(), workspace: None, ..caller };
    parts.extensions.insert(info);
    parts.extensions.insert(tenant);
    parts.extensions.insert(Visitor(caller.clone()));
    Ok(Call { caller, method: parts.method.to_string(), path: without_token(parts.uri.path()).to_owned() })
}

impl Call {
    /// Writes the event of a call that was answered. What can't be written down isn't answered.
    pub(super) async fn answered(self, response: Response) -> Response {
        let (scope, client) = (&self.caller.tenant.scope, self.caller.tenant.client());
        let status = response.status();
        let event = if status.is_success() || status.is_redirection() { Event::new } else { Event::refused };
        let event = event("admin.call", self.caller.actor(), scope.id().as_str(), &client)
            .with("method", self.method)
            .with("path", self.path)
            .with("status", status.as_u16());
        match event.write(scope).await {
            Ok(()) => response,
            Err(error) => crate::http::error::storage(&error).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(path: &str) -> (String, Option<String>) {
        let mut uri: Uri = path.parse().unwrap_or_default();
        let tenant = take(&mut uri);
        (uri.to_string(), tenant)
    }

    #[test]
    fn the_door_stands_at_the_root_and_below_the_api() {
        let wanted = ("/api/sso/v1/users?q=1".to_owned(), Some("org_a".to_owned()));
        assert_eq!(taken("/admin/tenants/org_a/users?q=1"), wanted);
        assert_eq!(taken("/api/sso/v1/admin/tenants/org%5Fa/users?q=1"), wanted);
    }

    #[test]
    fn other_paths_are_left_alone() {
        for path in
            ["/admin/tenants/org_a", "/admin/tenants/", "/admin/tenants/org_a/", "/api/sso/v1/me", "/"]
        {
            assert_eq!(taken(path), (path.to_owned(), None));
        }
    }
}
