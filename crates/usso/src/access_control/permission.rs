//! Permissions: effective scopes, and the check every operation makes.

use kernel::{Problem, ProblemKind};
use protocol::scope::{self, Scope};
use std::borrow::Cow;

/// The slug of the built-in administrator role of every tenant.
pub const ADMIN_ROLE: &str = "admin";

/// What the built-in administrator role grants.
pub const ADMIN_SCOPE: &str = "*:*";

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
    /// Agents: programs with a key of their own.
    Agents,
    /// API keys.
    ApiKeys,
    /// Credentials of users.
    Credentials,
    /// Invitations to workspaces.
    Invitations,
    /// The audit log.
    Audit,
    /// Signing keys.
    Keys,
    /// Profiles of users.
    Profiles,
    /// Referral codes.
    Referrals,
    /// Routes of a gateway.
    GatewayRoutes,
    /// Roles.
    Roles,
    /// The scope catalog.
    ScopeCatalog,
    /// Sessions.
    Sessions,
    /// Tenants.
    Tenants,
    /// Users.
    Users,
    /// Identifiers of users.
    Identifiers,
    /// Workspaces.
    Workspaces,
}

impl Resource {
    /// The names a held scope may use; the first is canonical.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Agents => &["agents", "agent"],
            Self::ApiKeys => &["apikeys", "apikey", "api-keys"],
            Self::Credentials => &["credentials", "credential"],
            Self::Invitations => &["invitations", "invitation"],
            Self::Audit => &["audit", "audit-logs"],
            Self::Keys => &["keys", "key"],
            Self::Profiles => &["profiles", "profile"],
            Self::Referrals => &["referrals", "referral", "referralcode"],
            Self::GatewayRoutes => &["gatewayroutes", "gatewayroute"],
            Self::Roles => &["roles", "role"],
            Self::ScopeCatalog => &["scope-catalog", "scopes"],
            Self::Sessions => &["sessions", "session", "authsession"],
            Self::Tenants => &["tenants", "tenant"],
            Self::Users => &["users", "user"],
            Self::Identifiers => &["identifiers", "identifier", "useridentifier"],
            Self::Workspaces => &["workspaces", "workspace"],
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
        let paths = self.paths();
        held.iter()
            .map(|text| Scope::parse(text))
            .any(|scope| paths.iter().any(|path| scope.covers(self.verb, path)) && scope.admits(attributes))
    }

    /// The paths scopes may name the resource by.
    fn paths(&self) -> Vec<String> {
        self.resource.names().iter().map(|name| format!("sso/{name}")).collect()
    }

    /// Whether a scope grants this on at least some objects: those its filters admit.
    pub fn is_covered(&self, scope: &Scope<'_>) -> bool {
        self.paths().iter().any(|path| scope.covers(self.verb, path))
    }
}

/// How the detail of [`PermissionDenied`] begins; the permission follows.
pub const NEEDS: &str = "This needs the permission ";

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
        format!("{NEEDS}{}:{name}", self.0.verb).into()
    }
}

/// The scopes of a token that whoever presents it still holds: `None` as long as that is all of them, which is nearly
/// always and costs nothing.
pub fn narrowed(token: &[String], held: &[String]) -> Option<Vec<String>> {
    if token == held {
        return None;
    }
    let parsed: Vec<_> = held.iter().map(|text| Scope::parse(text)).collect();
    let is_held = |text: &String| parsed.iter().any(|own| scope::is_narrower(&Scope::parse(text), own));
    if token.iter().all(is_held) {
        return None;
    }
    Some(scope::common(token, held).into_iter().map(str::to_owned).collect())
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
        let scopes = [ADMIN_SCOPE.to_owned()];
        assert!(LIST.is_granted(&scopes, &[]));
        assert!(!Permission::new("superadmin", Resource::Tenants).is_granted(&scopes, &[]));
    }

    #[test]
    fn a_token_keeps_what_is_held_and_loses_the_rest() {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(narrowed(&own(&["read:users"]), &own(&["read:users"])), None);
        assert_eq!(narrowed(&own(&["read:users"]), &own(&["*:*", "read:posts"])), None);
        assert_eq!(
            narrowed(&own(&["read:users", "read:posts"]), &own(&["read:posts"])),
            Some(own(&["read:posts"]))
        );
        // What is left of a wider scope is not lost with it.
        assert_eq!(narrowed(&own(&["update:users"]), &own(&["read:users"])), Some(own(&["read:users"])));
        assert_eq!(narrowed(&own(&["read:users"]), &[]), Some(Vec::new()));
    }
}
