//! What every operation of the API needs: the one place where it is said. Handlers take their permission from here while
//! they are compiled ([`permission`]), the OpenAPI document says it of each operation, `usso permissions` prints it for
//! `docs/guide/permissions.md`, and a test asks every operation for it.

use super::permission::{Permission, Resource};
use std::fmt::Write;

/// Who may do an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody: it looks at no credential, or at one in its body, or at one that only it takes.
    Nothing,
    /// Whoever is signed in, for themself.
    Session,
    /// Whoever holds the permission.
    Holding(Permission),
    /// Whoever holds one of the two.
    Either(Permission, Permission),
    /// Whoever it belongs to, and for what is others' whoever holds the permission.
    OwnOr(Permission),
    /// As [`Needs::OwnOr`], with one of the two.
    OwnOrEither(Permission, Permission),
}

impl Needs {
    /// The permission that is asked for first.
    pub const fn permission(self) -> Option<Permission> {
        match self {
            Self::Nothing | Self::Session => None,
            Self::Holding(needed)
            | Self::Either(needed, _)
            | Self::OwnOr(needed)
            | Self::OwnOrEither(needed, _) => Some(needed),
        }
    }

    /// The other permission that is enough.
    pub const fn other(self) -> Option<Permission> {
        match self {
            Self::Either(_, other) | Self::OwnOrEither(_, other) => Some(other),
            _ => None,
        }
    }

    /// Whether being whom it belongs to is enough.
    pub const fn is_for_owners(self) -> bool {
        matches!(self, Self::OwnOr(_) | Self::OwnOrEither(..))
    }
}

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Session => f.write_str("a session"),
            Self::Holding(needed) => write!(f, "`{}`", needed.scope()),
            Self::Either(needed, other) => write!(f, "`{}` or `{}`", needed.scope(), other.scope()),
            Self::OwnOr(needed) => write!(f, "`{}`, or its being one's own", needed.scope()),
            Self::OwnOrEither(needed, other) => {
                write!(f, "`{}` or `{}`, or its being one's own", needed.scope(), other.scope())
            }
        }
    }
}

const fn holding(verb: &'static str, resource: Resource) -> Needs {
    Needs::Holding(Permission::new(verb, resource))
}

const fn own_or(verb: &'static str, resource: Resource) -> Needs {
    Needs::OwnOr(Permission::new(verb, resource))
}

const fn invitations(verb: &'static str) -> Needs {
    let manage = Permission::new("manage", Resource::Workspaces);
    Needs::OwnOrEither(manage, Permission::new(verb, Resource::Invitations))
}

/// Every operation by its id in the OpenAPI document, in the order of the alphabet.
pub const OPERATIONS: &[(&str, Needs)] = &[
    ("accept_invitation", Needs::Nothing),
    ("accept_workspace_invitation", Needs::Session),
    ("activate", Needs::Nothing),
    ("add_domain", holding("admin", Resource::Tenants)),
    ("add_identifier", own_or("create", Resource::Identifiers)),
    ("add_user_identifier", own_or("create", Resource::Identifiers)),
    ("agent_scopes", Needs::Nothing),
    ("answer_device", Needs::Session),
    ("answer_qr", Needs::Nothing),
    ("ask_by_qr", Needs::Nothing),
    ("auth_index", Needs::Nothing),
    ("authenticate_agent", Needs::Nothing),
    ("authorization_server_metadata", Needs::Nothing),
    ("authorize", Needs::Nothing),
    ("authorize_by_form", Needs::Nothing),
    ("authorize_device", Needs::Nothing),
    ("begin_link", Needs::Session),
    ("captcha_challenge", Needs::Nothing),
    ("change_password", Needs::Session),
    ("confirm_credential", Needs::Session),
    ("confirm_enrolment", Needs::Nothing),
    ("confirm_user_credential", Needs::Session),
    ("create_agent", holding("create", Resource::Agents)),
    ("create_api_key", Needs::Session),
    ("create_gateway_route", holding("create", Resource::GatewayRoutes)),
    ("create_key", holding("admin", Resource::Keys)),
    ("create_oauth_client", holding("create", Resource::OauthClients)),
    ("create_profile", own_or("create", Resource::Profiles)),
    ("create_referral", own_or("create", Resource::Referrals)),
    ("create_registration_key", holding("create", Resource::Agents)),
    ("create_role", holding("create", Resource::Roles)),
    ("create_tenant", holding("superadmin", Resource::Tenants)),
    ("create_user", holding("create", Resource::Users)),
    ("create_workspace", holding("create", Resource::Workspaces)),
    ("create_workspace_invitation", invitations("create")),
    ("decide_oauth_consent", Needs::Session),
    ("decline_workspace_invitation", Needs::Session),
    ("delete_agent", own_or("delete", Resource::Agents)),
    ("delete_api_key", own_or("delete", Resource::ApiKeys)),
    ("delete_gateway_route", holding("delete", Resource::GatewayRoutes)),
    ("delete_member", own_or("manage", Resource::Workspaces)),
    ("delete_oauth_client", holding("delete", Resource::OauthClients)),
    ("delete_profile", own_or("delete", Resource::Profiles)),
    ("delete_referral", own_or("delete", Resource::Referrals)),
    ("delete_role", holding("delete", Resource::Roles)),
    ("delete_session", own_or("delete", Resource::Sessions)),
    ("delete_tenant", holding("superadmin", Resource::Tenants)),
    ("delete_user", own_or("delete", Resource::Users)),
    ("delete_workspace", own_or("delete", Resource::Workspaces)),
    ("delete_workspace_invitation", invitations("delete")),
    ("end_session", Needs::Nothing),
    ("end_session_by_form", Needs::Nothing),
    ("enrol", Needs::Nothing),
    ("enrol_passkey", Needs::Nothing),
    ("enrol_passkey_options", Needs::Nothing),
    ("erase_user", holding("admin", Resource::Users)),
    ("export_audit_events", holding("read", Resource::Audit)),
    ("export_tenant", holding("superadmin", Resource::Tenants)),
    ("follow_magic_link", Needs::Nothing),
    ("get_agent", own_or("read", Resource::Agents)),
    ("get_api_key", own_or("read", Resource::ApiKeys)),
    ("get_audit_event", holding("read", Resource::Audit)),
    ("get_credential", Needs::Session),
    ("get_gateway_route", holding("read", Resource::GatewayRoutes)),
    ("get_identifier", Needs::Session),
    ("get_invitation", Needs::Nothing),
    ("get_my_profile", Needs::Session),
    ("get_oauth_client", holding("read", Resource::OauthClients)),
    ("get_oauth_consent", Needs::Session),
    ("get_profile", own_or("read", Resource::Profiles)),
    ("get_referral", own_or("read", Resource::Referrals)),
    ("get_registration", Needs::Nothing),
    ("get_role", holding("read", Resource::Roles)),
    ("get_scope_catalog", Needs::Session),
    ("get_session", own_or("read", Resource::Sessions)),
    ("get_tenant", holding("read", Resource::Tenants)),
    ("get_tenant_usage", holding("read", Resource::Tenants)),
    ("get_user", own_or("read", Resource::Users)),
    ("get_workspace", own_or("read", Resource::Workspaces)),
    ("health", Needs::Nothing),
    ("health_live", Needs::Nothing),
    ("health_ready", Needs::Nothing),
    ("health_serving", Needs::Nothing),
    ("impersonate_user", holding("admin", Resource::Users)),
    ("import_tenant", holding("superadmin", Resource::Tenants)),
    ("introspect", Needs::Nothing),
    ("jwks", Needs::Nothing),
    ("list_agents", own_or("read", Resource::Agents)),
    ("list_api_keys", own_or("read", Resource::ApiKeys)),
    ("list_audit_checkpoints", holding("read", Resource::Audit)),
    ("list_audit_events", holding("read", Resource::Audit)),
    ("list_credentials", Needs::Session),
    ("list_domains", holding("read", Resource::Tenants)),
    ("list_gateway_routes", holding("read", Resource::GatewayRoutes)),
    ("list_identifiers", Needs::Session),
    ("list_keys", holding("read", Resource::Keys)),
    ("list_members", own_or("read", Resource::Workspaces)),
    ("list_oauth_clients", holding("read", Resource::OauthClients)),
    ("list_oauth_consents", Needs::Session),
    ("list_profiles", holding("read", Resource::Profiles)),
    ("list_referrals", own_or("read", Resource::Referrals)),
    ("list_roles", holding("read", Resource::Roles)),
    ("list_scope_catalog", Needs::Session),
    ("list_sessions", own_or("read", Resource::Sessions)),
    ("list_tenants", holding("read", Resource::Tenants)),
    ("list_user_credentials", own_or("read", Resource::Credentials)),
    ("list_user_identifiers", own_or("read", Resource::Identifiers)),
    ("list_users", holding("read", Resource::Users)),
    ("list_workspace_invitations", invitations("read")),
    ("list_workspaces", own_or("read", Resource::Workspaces)),
    ("login", Needs::Nothing),
    ("logout", Needs::Nothing),
    ("logout_by_link", Needs::Nothing),
    ("look_at_device", Needs::Session),
    ("me", Needs::Session),
    ("move_user", holding("superadmin", Resource::Users)),
    ("new_passkey_options", Needs::Session),
    ("oauth_authorize", Needs::Nothing),
    ("oauth_callback", Needs::Nothing),
    ("oauth_callback_by_form", Needs::Nothing),
    ("openid_configuration", Needs::Nothing),
    ("passkey_options", Needs::Nothing),
    ("passkey_sign_in", Needs::Nothing),
    ("preview_template", holding("read", Resource::Tenants)),
    ("push_authorization_request", Needs::Nothing),
    ("put_scope_catalog", holding("manage", Resource::ScopeCatalog)),
    ("qr_status", Needs::Nothing),
    ("refresh", Needs::Nothing),
    ("refresh_by_cookie", Needs::Nothing),
    ("register", Needs::Nothing),
    ("register_agent", Needs::Nothing),
    ("register_client", Needs::Nothing),
    ("register_passkey", Needs::Session),
    ("related_origins", Needs::Nothing),
    ("remove_credential", own_or("delete", Resource::Credentials)),
    ("remove_domain", holding("admin", Resource::Tenants)),
    ("remove_identifier", own_or("delete", Resource::Identifiers)),
    ("remove_registration", Needs::Nothing),
    ("remove_user_credential", own_or("delete", Resource::Credentials)),
    ("remove_user_identifier", own_or("delete", Resource::Identifiers)),
    ("rename_credential", Needs::Session),
    ("replace_registration", Needs::Nothing),
    ("request_magic_link", Needs::Nothing),
    ("request_otp", Needs::Nothing),
    ("resend_user_identifier", own_or("update", Resource::Identifiers)),
    ("resend_workspace_invitation", invitations("create")),
    ("reset_password", Needs::Nothing),
    ("reset_user_credential", Needs::Session),
    ("restore_tenant", holding("superadmin", Resource::Tenants)),
    ("restore_user", holding("delete", Resource::Users)),
    ("revoke", Needs::Nothing),
    ("revoke_key", holding("admin", Resource::Keys)),
    ("rotate_keys", holding("admin", Resource::Keys)),
    ("rotate_oauth_client_secret", holding("update", Resource::OauthClients)),
    ("set_credential", own_or("create", Resource::Credentials)),
    ("set_user_credential", own_or("create", Resource::Credentials)),
    ("show_workspace_invitation", Needs::Nothing),
    ("telegram_login", Needs::Nothing),
    ("tenant_config", Needs::Nothing),
    ("token", Needs::Nothing),
    ("update_agent", own_or("update", Resource::Agents)),
    ("update_api_key", own_or("update", Resource::ApiKeys)),
    ("update_gateway_route", holding("update", Resource::GatewayRoutes)),
    ("update_key", holding("admin", Resource::Keys)),
    ("update_member", own_or("manage", Resource::Workspaces)),
    ("update_my_profile", own_or("update", Resource::Profiles)),
    ("update_oauth_client", holding("update", Resource::OauthClients)),
    ("update_profile", own_or("update", Resource::Profiles)),
    ("update_referral", own_or("update", Resource::Referrals)),
    ("update_role", holding("update", Resource::Roles)),
    ("update_session", own_or("update", Resource::Sessions)),
    ("update_tenant", holding("admin", Resource::Tenants)),
    ("update_user", own_or("update", Resource::Users)),
    ("update_user_identifier", own_or("update", Resource::Identifiers)),
    ("update_workspace", own_or("update", Resource::Workspaces)),
    ("use_magic_link", Needs::Nothing),
    ("userinfo", Needs::Session),
    ("userinfo_by_form", Needs::Session),
    ("verify_api_key", Needs::Nothing),
    ("verify_captcha", Needs::Nothing),
    ("verify_domain", holding("admin", Resource::Tenants)),
    ("verify_token", Needs::Nothing),
    ("withdraw_oauth_consent", Needs::Session),
];

/// What an operation needs.
pub const fn needs(operation: &str) -> Option<Needs> {
    let mut rest = OPERATIONS;
    while let [(name, needs), after @ ..] = rest {
        if is_same(name.as_bytes(), operation.as_bytes()) {
            return Some(*needs);
        }
        rest = after;
    }
    None
}

/// The permission an operation asks for. For constants: an operation that has none doesn't compile.
#[expect(clippy::panic, reason = "while compiling")]
pub const fn permission(operation: &str) -> Permission {
    match needs(operation) {
        Some(needs) => match needs.permission() {
            Some(permission) => permission,
            None => panic!("this operation needs no permission"),
        },
        None => panic!("this operation is not in the table"),
    }
}

const fn is_same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, after_x @ ..], [y, after_y @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (after_x, after_y);
    }
    a.is_empty() && b.is_empty()
}

/// The table of the guide.
pub fn table() -> String {
    let mut table = "| operation | needs |\n|---|---|\n".to_owned();
    for (name, needs) in OPERATIONS {
        // A text takes whatever is written to it.
        let _ = writeln!(table, "| `{name}` | {needs} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_each_operation_once() {
        assert!(OPERATIONS.iter().zip(&OPERATIONS[1..]).all(|((a, _), (b, _))| a < b));
    }

    #[test]
    fn an_operation_is_found_by_its_whole_name() {
        assert_eq!(needs("list_roles"), Some(holding("read", Resource::Roles)));
        assert_eq!(needs("list_role"), None);
        assert_eq!(needs("list_roles_"), None);
        assert_eq!(permission("update_role"), Permission::new("update", Resource::Roles));
    }

    #[test]
    fn a_need_is_told_in_words() {
        assert_eq!(holding("read", Resource::Roles).to_string(), "`read:roles`");
        assert_eq!(own_or("read", Resource::Sessions).to_string(), "`read:sessions`, or its being one's own");
        let either = "`manage:workspaces` or `create:invitations`, or its being one's own";
        assert_eq!(invitations("create").to_string(), either);
    }
}
