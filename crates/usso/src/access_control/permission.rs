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
    /// OAuth clients.
    OauthClients,
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
    /// The paths a held scope may name it by; the first is canonical.
    const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Agents => &["sso/agents", "sso/agent"],
            Self::ApiKeys => &["sso/apikeys", "sso/apikey", "sso/api-keys"],
            Self::Credentials => &["sso/credentials", "sso/credential"],
            Self::Invitations => &["sso/invitations", "sso/invitation"],
            Self::Audit => &["sso/audit", "sso/audit-logs"],
            Self::Keys => &["sso/keys", "sso/key"],
            Self::Profiles => &["sso/profiles", "sso/profile"],
            Self::Referrals => &["sso/referrals", "sso/referral", "sso/referralcode"],
            Self::GatewayRoutes => &["sso/gatewayroutes", "sso/gatewayroute"],
            Self::OauthClients => &["sso/oauth-clients", "sso/clients", "sso/client", "sso/oauthclient"],
            Self::Roles => &["sso/roles", "sso/role"],
            Self::ScopeCatalog => &["sso/scope-catalog", "sso/scopes"],
            Self::Sessions => &["sso/sessions", "sso/session", "sso/authsession"],
            Self::Tenants => &["sso/tenants", "sso/tenant"],
            Self::Users => &["sso/users", "sso/user"],
            Self::Identifiers => &["sso/identifiers", "sso/identifier", "sso/useridentifier"],
            Self::Workspaces => &["sso/workspaces", "sso/workspace"],
        }
    }
}

impl Resource {
    /// Its name in scopes and messages.
    pub fn name(self) -> &'static str {
        self.paths().first().map_or("", |path| path.trim_start_matches("sso/"))
    }
}

impl Permission {
    /// A verb on a resource.
    pub const fn new(verb: &'static str, resource: Resource) -> Self {
        Self { verb, resource }
    }

    /// The scope that grants this and nothing above it.
    pub fn scope(&self) -> String {
        format!("{}:{}", self.verb, self.resource.name())
    }

    /// Whether one of the held scopes grants this on an object with these attributes.
    pub fn is_granted(&self, held: &[String], attributes: &[(&str, &str)]) -> bool {
        let paths = self.resource.paths();
        held.iter().any(|text| scope::grants(text, self.verb, paths, attributes))
    }

    /// Whether a scope grants this on at least some objects: those its filters admit.
    pub fn is_covered(&self, scope: &Scope<'_>) -> bool {
        self.resource.paths().iter().any(|path| scope.covers(self.verb, path))
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
        format!("{NEEDS}{}", self.0.scope()).into()
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
