//! Who is calling.
//!
//! A [`Caller`] exists only for a verified access token of this tenant whose session and user live now. The first
//! credential present decides; there is no fall-through to a weaker one (contract 1.4).

use crate::access_control::permission::{Permission, PermissionDenied, Resource};
use crate::http::{ApiError, AppState, Tenant, cookie, csrf};
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service;
use crate::identity::users::model::User;
use crate::tenant::Actor;
use crate::tenant::verify::{Claims, TokenError, TokenType, verify};
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use kernel::{ProblemKind, Stored, TenantId};
use std::sync::Arc;

/// A signed-in user of the tenant.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant.
    pub tenant: Tenant,
    /// What the access token says.
    pub claims: Claims,
    /// The session.
    pub session: Arc<Stored<Session>>,
    /// The user.
    pub user: Arc<Stored<User>>,
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A header a program sets on purpose.
    Header,
    /// A cookie a browser sends by itself.
    Cookie,
}

/// The access credential a request presents.
///
/// # Errors
/// `TOKEN_INVALID` for a credential that can't be one.
pub fn presented(headers: &HeaderMap) -> Result<Option<(&str, Source)>, TokenError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(_), Some(_)) => return Err(TokenError::Invalid),
        (Some(value), None) => {
            let value = value.to_str().map_err(|_| TokenError::Invalid)?.trim();
            let token = match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
                Some(_) => return Err(TokenError::Invalid),
                None => value,
            };
            return Ok(Some((token, Source::Header)));
        }
        (None, _) => {}
    }
    if headers.contains_key("x-api-key") {
        // No API key exists yet, so none can be right.
        return Err(TokenError::Invalid);
    }
    Ok(cookie::get(headers, cookie::ACCESS).map(|token| (token, Source::Cookie)))
}

impl Caller {
    /// The caller as the author of an audit event.
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.id.as_str().to_owned())
    }

    /// The scopes of the token.
    pub fn scopes(&self) -> &[String] {
        self.claims.scopes.as_deref().unwrap_or_default()
    }

    /// Whether the caller holds a permission on an object with these attributes.
    pub fn may(&self, permission: Permission, attributes: &[(&str, &str)]) -> bool {
        permission.is_granted(self.scopes(), attributes)
    }

    /// Whether the caller is the system administrator: of the default tenant, with the system scope.
    pub fn is_system(&self) -> bool {
        let superadmin = Permission::new("superadmin", Resource::Tenants);
        *self.tenant.scope.id() == TenantId::default_tenant() && self.may(superadmin, &[])
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let tenant = Tenant::from_request_parts(parts, state).await?;
        let (token, source) = presented(&parts.headers)?.ok_or_else(not_authenticated)?;
        let claims = verify(&tenant.scope, token)?;
        if claims.token_type != TokenType::Access {
            return Err(TokenError::WrongType.into());
        }
        if source == Source::Cookie && !parts.method.is_safe() {
            csrf::check(&tenant, &parts.headers)?;
        }
        let (session, user) = service::live(&state.identity, &tenant.scope, &claims).await?;
        Ok(Self { tenant, claims, session, user })
    }
}

fn not_authenticated() -> ApiError {
    ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "Not authenticated")
}

/// The verified system administrator. One of the three owners of the platform's scope.
#[derive(Debug, Clone)]
pub struct SystemAdmin(pub Caller);

impl FromRequestParts<AppState> for SystemAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_system() {
            Ok(Self(caller))
        } else {
            Err(PermissionDenied(Permission::new("superadmin", Resource::Tenants)).into())
        }
    }
}
