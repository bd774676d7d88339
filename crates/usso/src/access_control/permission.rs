//! Permissions: effective scopes, and the check every operation makes.

use kernel::{Problem, ProblemKind};
use protocol::scope::{self, Scope};
use std::borrow::Cow;

/// The slug of the built-in administrator role of every tenant.
pub const ADMIN_ROLE: &str = "admin";

/// What the built-in administrator role grants.
const ADMIN_SCOPE: &str = "*:*";

/// What only the system administrator holds.
pub const SUPERADMIN_SCOPE: &str = "superadmin:*";

/// What an operation asks for: a verb on a resource, `sso/<resource>` on the wire of scopes (contract 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// `read`, `create`, `update`, `delete`, `admin`, `superadmin`.
    pub verb: &'static str,
    /// The resource and its synonyms.
    pub resource: Resource,
}

/// A resource of our own API (contract 4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// API keys.
    ApiKeys,
    /// The audit log.
    Audit,
    /// Signing keys.
    Keys,
    /// Roles.
    Roles,
    /// Sessions.
    Sessions,
    /// Tenants.
    Tenants,
    /// Users.
    Users,
    /// Identifiers of users.
    Identifiers,
}

impl Resource {
    /// The names a held scope may use; the first is canonical.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::ApiKeys => &["apikeys", "apikey", "api-keys"],
            Self::Audit => &["audit", "audit-logs"],
            Self::Keys => &["keys", "key"],
            Self::Roles => &["roles", "role"],
            Self::Sessions => &["sessions", "session", "authsession"],
            Self::Tenants => &["tenants", "tenant"],
            Self::Users => &["users", "user"],
            Self::Identifiers => &["identifiers", "identifier", "useridentifier"],
        }
    }
}

impl Permission {
    /// A verb on a resource.
    pub const fn new(verb: &'static str, resource: Resource) -> Self {
        Self { verb, resource }
    }

    /// Whether one of the held scopes grants this on an object with these attributes.
    pub fn is_granted(&self, held: &[String], attributes: &[(&str, &str)]) -> bool {
        self.resource.names().iter().any(|name| {
            let path = format!("sso/{name}");
            held.iter().any(|s| scope::satisfies(&Scope::parse(s), self.verb, &path, attributes))
        })
    }
}

/// The caller may not do this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("missing permission")]
pub struct PermissionDenied(pub Permission);

impl Problem for PermissionDenied {
    fn kind(&self) -> ProblemKind {
        ProblemKind::Forbidden
    }

    fn code(&self) -> &'static str {
        "PERMISSION_DENIED"
    }

    fn detail(&self) -> Cow<'static, str> {
        let name = self.0.resource.names().first().copied().unwrap_or_default();
        format!("This needs the permission {}:{name}", self.0.verb).into()
    }
}

/// The scopes a token carries: those granted directly, and those of the roles.
pub fn effective_scopes(roles: &[String], direct: &[String]) -> Vec<String> {
    let mut scopes = direct.to_vec();
    if roles.iter().any(|r| r == ADMIN_ROLE) && !scopes.iter().any(|s| s == ADMIN_SCOPE) {
        scopes.push(ADMIN_SCOPE.to_owned());
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Permission = Permission::new("read", Resource::Sessions);

    #[test]
    fn a_scope_grants_under_any_name_of_the_resource() {
        for scope in [
            "read:sessions",
            "read:session",
            "manage:authsession",
            "*:*",
            "superadmin:*",
            "read:sso/sessions",
        ] {
            assert!(LIST.is_granted(&[scope.to_owned()], &[]), "{scope}");
        }
        for scope in ["read:users", "none:sessions", "read:app/sessions", ""] {
            assert!(!LIST.is_granted(&[scope.to_owned()], &[]), "{scope:?}");
        }
    }

    #[test]
    fn a_tenant_administrator_is_no_system_administrator() {
        let scopes = effective_scopes(&[ADMIN_ROLE.to_owned()], &[]);
        assert!(LIST.is_granted(&scopes, &[]));
        assert!(!Permission::new("superadmin", Resource::Tenants).is_granted(&scopes, &[]));
    }
}
