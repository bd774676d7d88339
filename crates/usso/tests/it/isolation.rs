//! Isolation: no operation, under no way of addressing, gives anybody anything of another tenant (checklist TEN-02, TEN-03,
//! TEN-05: the forger, TEN-07: the administrator and the holder of a tenant).
//!
//! Generated from the OpenAPI document: every operation × caller × where the credential is × way of addressing × id. Among
//! the callers are nobody, a user without the permission, one with it and nothing else, the tenant's administrator, another
//! tenant's, and the system administrator; the ids are an own one, another tenant's, and one that nothing has.
//! An operation without a row in [`rows`] fails the test, so nobody can add one and forget what must not leak from it.

use crate::app::{Answer, PASSWORD, Requests, TenantHandle, TestApp, User};
use crate::keys::{Forge, claims_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// In the name and address of a user of tenant A; must never be seen from tenant B.
const CANARY: &str = "canary-7f31c2";

/// The sample of RFC 8410 §10.1.
const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// Who may do an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nobody in particular: no credential is looked at, or one in the body.
    Nothing,
    /// A live session of the addressed tenant.
    Session,
    /// An administrator of the addressed tenant; to others, who could be members, it is not there.
    Member,
    /// An administrator of the addressed tenant.
    Admin,
    /// The system administrator.
    System,
}

/// What the id in the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    None,
    Session,
    ApiKey,
    Event,
    Tenant,
    /// A name in the scope catalog, which every tenant may take.
    Service,
    /// Something an administrator makes by posting to this path, see [`making`].
    Made(&'static str),
    /// The token of an invitation to a workspace.
    Invitation,
}

/// What an administrator posts to make something with an id.
fn making(path: &str) -> Value {
    match path {
        "/agents" => json!({"name": "Agent {n}", "description": CANARY}),
        "/roles" => json!({"name": "Role {n}", "description": CANARY}),
        "/referrals" => json!({"meta_data": {"for": CANARY}}),
        "/gatewayroutes" => json!({"slug": "route{n}", "title": CANARY}),
        "/oauth/clients" => json!({"name": CANARY, "redirect_uris": ["https://{n}.example/"]}),
        "/users" => json!({"identifier": "made{n}@example.com", "name": CANARY}),
        "/workspaces" => json!({"name": "Workspace {n}", "description": CANARY}),
        other => panic!("{other} has no body here"),
    }
}

/// The paths things with ids are made by.
const MADE: [&str; 7] =
    ["/agents", "/gatewayroutes", "/oauth/clients", "/referrals", "/roles", "/users", "/workspaces"];

/// What must hold for one operation.
pub(crate) struct Row {
    pub(crate) needs: Needs,
    pub(crate) id: Id,
    /// A body that works; with `{n}` made unique for each request.
    pub(crate) body: Option<Value>,
    /// Bodies with credentials of tenant A, and the status each must get at tenant B.
    foreign: Vec<(Value, u16)>,
    /// A query with a credential of tenant A, and its status.
    query: Option<(String, u16)>,
    /// What those who may do it get with an id of their own.
    pub(crate) own: u16,
}

const fn row(needs: Needs, id: Id) -> Row {
    Row { needs, id, body: None, foreign: Vec::new(), query: None, own: 200 }
}

/// The table: one row an operation.
pub(crate) fn rows(world: &World) -> BTreeMap<&'static str, Row> {
    let a = &world.user_a;
    let registration = json!({"identifier": "fresh{n}@example.com", "secret": PASSWORD});
    let login = |identifier: &str, secret: &str| json!({"identifier": identifier, "secret": secret});
    BTreeMap::from([
        ("jwks", row(Needs::Nothing, Id::None)),
        ("health", row(Needs::Nothing, Id::None)),
        ("health_live", row(Needs::Nothing, Id::None)),
        ("health_ready", row(Needs::Nothing, Id::None)),
        ("health_serving", row(Needs::Nothing, Id::None)),
        ("auth_index", row(Needs::Nothing, Id::None)),
        (
            "login",
            Row { foreign: vec![(login(&a.identifier, PASSWORD), 401)], ..row(Needs::Nothing, Id::None) },
        ),
        // What a token of an unfinished sign-in allows has tests of its own; no other credential does.
        ("enrol", Row { foreign: vec![(json!({"method": "totp"}), 401)], ..row(Needs::Nothing, Id::None) }),
        (
            "confirm_enrolment",
            Row {
                foreign: vec![(json!({"credential_id": "credential_x", "code": "000000"}), 401)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        // What is sent to whom has tests of its own; here nothing leaves the budgets of messages.
        (
            "request_otp",
            Row { foreign: vec![(json!({"identifier": "nobody"}), 400)], ..row(Needs::Nothing, Id::None) },
        ),
        (
            "activate",
            Row {
                foreign: vec![(json!({"identifier": a.identifier, "code": "000000"}), 401)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        (
            "request_magic_link",
            Row { foreign: vec![(json!({"identifier": "nobody"}), 400)], ..row(Needs::Nothing, Id::None) },
        ),
        (
            "use_magic_link",
            Row { foreign: vec![(json!({"token": a.access()}), 401)], ..row(Needs::Nothing, Id::None) },
        ),
        (
            "follow_magic_link",
            Row { query: Some((format!("token={}", a.access()), 401)), ..row(Needs::Nothing, Id::None) },
        ),
        (
            "reset_password",
            Row {
                foreign: vec![(json!({"token": a.access(), "new_password": PASSWORD}), 401)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        (
            "change_password",
            Row {
                body: Some(json!({"old_password": PASSWORD, "new_password": PASSWORD})),
                own: 204,
                ..row(Needs::Session, Id::None)
            },
        ),
        (
            "preview_template",
            Row { body: Some(json!({"template": "magic_link"})), ..row(Needs::Admin, Id::Tenant) },
        ),
        ("register", Row { body: Some(registration), ..row(Needs::Nothing, Id::None) }),
        (
            "refresh",
            Row {
                foreign: vec![(json!({"refresh_token": a.refresh()}), 401), (json!({}), 401)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("refresh_by_cookie", row(Needs::Nothing, Id::None)),
        // Neither tenant has such a provider or bot; what crosses from one that has is tested with social login.
        ("oauth_authorize", Row { query: Some((String::new(), 404)), ..row(Needs::Nothing, Id::None) }),
        ("oauth_callback", Row { query: Some((String::new(), 404)), ..row(Needs::Nothing, Id::None) }),
        (
            "oauth_callback_by_form",
            Row { query: Some((String::new(), 404)), ..row(Needs::Nothing, Id::None) },
        ),
        (
            "telegram_login",
            Row {
                foreign: vec![(json!({"id": 1, "auth_date": 1, "hash": ""}), 404)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("ask_by_qr", row(Needs::Nothing, Id::None)),
        ("answer_qr", Row { foreign: vec![(json!({"qr_code": "x"}), 401)], ..row(Needs::Nothing, Id::None) }),
        ("qr_status", Row { query: Some(("qr_token=x".to_owned(), 200)), ..row(Needs::Nothing, Id::None) }),
        ("begin_link", Row { own: 404, ..row(Needs::Session, Id::Service) }),
        (
            "logout",
            Row {
                foreign: vec![(json!({"refresh_token": a.refresh()}), 200), (json!({}), 200)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("logout_by_link", row(Needs::Nothing, Id::None)),
        (
            "verify_token",
            Row {
                foreign: vec![(json!({"token": a.access()}), 401), (json!({"token": a.refresh()}), 401)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        (
            "get_invitation",
            Row {
                query: Some((format!("token={}", world.invitation_a), 410)),
                ..row(Needs::Nothing, Id::None)
            },
        ),
        (
            "accept_invitation",
            Row {
                foreign: vec![(json!({"token": world.invitation_a, "secret": PASSWORD}), 410)],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("me", row(Needs::Session, Id::None)),
        (
            "list_sessions",
            Row { query: Some((format!("user_id={}", a.id()), 200)), ..row(Needs::Session, Id::None) },
        ),
        ("get_session", row(Needs::Session, Id::Session)),
        (
            "update_session",
            Row { body: Some(json!({"meta_data": {"k": 1}})), ..row(Needs::Session, Id::Session) },
        ),
        ("delete_session", row(Needs::Session, Id::Session)),
        (
            "list_api_keys",
            Row { query: Some((format!("user_id={}", a.id()), 200)), ..row(Needs::Session, Id::None) },
        ),
        (
            "create_api_key",
            Row { body: Some(json!({"name": "Key {n}"})), own: 201, ..row(Needs::Session, Id::None) },
        ),
        ("get_api_key", row(Needs::Session, Id::ApiKey)),
        ("update_api_key", Row { body: Some(json!({"name": "{n}"})), ..row(Needs::Session, Id::ApiKey) }),
        ("delete_api_key", row(Needs::Session, Id::ApiKey)),
        (
            "verify_api_key",
            Row { foreign: vec![(json!({"api_key": world.key_a.1}), 401)], ..row(Needs::Nothing, Id::None) },
        ),
        ("list_agents", row(Needs::Session, Id::None)),
        (
            "create_agent",
            Row { body: Some(json!({"name": "Made {n}"})), own: 201, ..row(Needs::Admin, Id::None) },
        ),
        (
            "create_registration_key",
            Row { body: Some(json!({"name": "Key {n}"})), own: 201, ..row(Needs::Admin, Id::None) },
        ),
        (
            "register_agent",
            Row {
                foreign: vec![(
                    json!({"registration_key": world.registration_a, "name": "x", "verify_key": PUBLIC_PEM}),
                    410,
                )],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("authenticate_agent", row(Needs::Nothing, Id::None)),
        ("agent_scopes", row(Needs::Nothing, Id::None)),
        ("get_agent", row(Needs::Admin, Id::Made("/agents"))),
        (
            "update_agent",
            Row { body: Some(json!({"description": "{n}"})), ..row(Needs::Admin, Id::Made("/agents")) },
        ),
        ("delete_agent", row(Needs::Admin, Id::Made("/agents"))),
        ("list_scope_catalog", row(Needs::Session, Id::None)),
        ("get_scope_catalog", row(Needs::Session, Id::Service)),
        (
            "put_scope_catalog",
            Row {
                body: Some(json!({"scopes": [{"scope": "no scope"}]})),
                own: 400,
                ..row(Needs::Admin, Id::Service)
            },
        ),
        ("list_roles", row(Needs::Admin, Id::None)),
        (
            "create_role",
            Row { body: Some(json!({"name": "Made {n}"})), own: 201, ..row(Needs::Admin, Id::None) },
        ),
        ("get_role", row(Needs::Admin, Id::Made("/roles"))),
        (
            "update_role",
            Row { body: Some(json!({"description": "{n}"})), ..row(Needs::Admin, Id::Made("/roles")) },
        ),
        ("delete_role", row(Needs::Admin, Id::Made("/roles"))),
        ("list_referrals", row(Needs::Session, Id::None)),
        (
            "create_referral",
            Row { body: Some(json!({"code": "code{n}"})), own: 201, ..row(Needs::Session, Id::None) },
        ),
        ("get_referral", row(Needs::Member, Id::Made("/referrals"))),
        (
            "update_referral",
            Row { body: Some(json!({"max_usage": 5})), ..row(Needs::Member, Id::Made("/referrals")) },
        ),
        ("delete_referral", row(Needs::Member, Id::Made("/referrals"))),
        ("list_gateway_routes", row(Needs::Admin, Id::None)),
        (
            "create_gateway_route",
            Row {
                body: Some(json!({"slug": "made{n}", "title": "Made"})),
                own: 201,
                ..row(Needs::Admin, Id::None)
            },
        ),
        ("get_gateway_route", row(Needs::Admin, Id::Made("/gatewayroutes"))),
        (
            "update_gateway_route",
            Row { body: Some(json!({"title": "{n}"})), ..row(Needs::Admin, Id::Made("/gatewayroutes")) },
        ),
        ("delete_gateway_route", row(Needs::Admin, Id::Made("/gatewayroutes"))),
        ("list_users", row(Needs::Admin, Id::None)),
        (
            "create_user",
            Row {
                body: Some(json!({"identifier": "new{n}@example.com"})),
                own: 201,
                ..row(Needs::Admin, Id::None)
            },
        ),
        ("get_user", row(Needs::Admin, Id::Made("/users"))),
        ("update_user", Row { body: Some(json!({"name": "{n}"})), ..row(Needs::Admin, Id::Made("/users")) }),
        ("delete_user", row(Needs::Admin, Id::Made("/users"))),
        ("restore_user", Row { own: 404, ..row(Needs::Admin, Id::Made("/users")) }),
        ("erase_user", Row { own: 204, ..row(Needs::Admin, Id::Made("/users")) }),
        (
            "move_user",
            Row { body: Some(json!({"tenant_id": "org_default"})), ..row(Needs::System, Id::Made("/users")) },
        ),
        ("impersonate_user", row(Needs::Admin, Id::Made("/users"))),
        ("list_user_identifiers", row(Needs::Admin, Id::Made("/users"))),
        (
            "add_user_identifier",
            Row {
                body: Some(json!({"identifier": "further{n}@example.com"})),
                own: 201,
                ..row(Needs::Admin, Id::Made("/users"))
            },
        ),
        (
            "update_user_identifier",
            Row {
                body: Some(json!({"is_primary": true})),
                own: 404,
                ..row(Needs::Admin, Id::Made("/users"))
            },
        ),
        ("remove_user_identifier", Row { own: 404, ..row(Needs::Admin, Id::Made("/users")) }),
        ("list_identifiers", row(Needs::Session, Id::None)),
        (
            "add_identifier",
            Row {
                body: Some(json!({"identifier": "{n}", "type": "telegram_id"})),
                own: 400,
                ..row(Needs::Session, Id::None)
            },
        ),
        ("get_identifier", Row { own: 404, ..row(Needs::Session, Id::Session) }),
        ("remove_identifier", Row { own: 404, ..row(Needs::Session, Id::Session) }),
        ("list_user_credentials", row(Needs::Admin, Id::Made("/users"))),
        (
            "set_user_credential",
            Row {
                body: Some(json!({"method": "password", "secret": PASSWORD})),
                own: 201,
                ..row(Needs::Admin, Id::Made("/users"))
            },
        ),
        ("remove_user_credential", Row { own: 404, ..row(Needs::Admin, Id::Made("/users")) }),
        ("list_credentials", row(Needs::Session, Id::None)),
        (
            "set_credential",
            Row {
                body: Some(json!({"method": "password", "secret": PASSWORD})),
                own: 201,
                ..row(Needs::Session, Id::None)
            },
        ),
        (
            "confirm_user_credential",
            Row { body: Some(json!({"code": "000000"})), own: 403, ..row(Needs::Admin, Id::Made("/users")) },
        ),
        (
            "confirm_credential",
            Row { body: Some(json!({"code": "000000"})), own: 404, ..row(Needs::Session, Id::Session) },
        ),
        ("get_credential", Row { own: 404, ..row(Needs::Session, Id::Session) }),
        ("remove_credential", Row { own: 404, ..row(Needs::Session, Id::Session) }),
        (
            "rename_credential",
            Row { body: Some(json!({"name": "x"})), own: 404, ..row(Needs::Session, Id::Session) },
        ),
        ("resend_user_identifier", Row { own: 404, ..row(Needs::Admin, Id::Made("/users")) }),
        ("reset_user_credential", Row { own: 403, ..row(Needs::Admin, Id::Made("/users")) }),
        ("new_passkey_options", row(Needs::Session, Id::None)),
        (
            "register_passkey",
            Row {
                body: Some(
                    json!({"id": "AA", "response": {"clientDataJSON": "AA", "attestationObject": "AA"}}),
                ),
                own: 400,
                ..row(Needs::Session, Id::None)
            },
        ),
        (
            "enrol_passkey_options",
            Row { query: Some(("lang=en".to_owned(), 401)), ..row(Needs::Nothing, Id::None) },
        ),
        (
            "enrol_passkey",
            Row {
                foreign: vec![(
                    json!({"id": "AA", "response": {"clientDataJSON": "AA", "attestationObject": "AA"}}),
                    401,
                )],
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("passkey_options", row(Needs::Nothing, Id::None)),
        ("passkey_sign_in", row(Needs::Nothing, Id::None)),
        ("captcha_challenge", row(Needs::Nothing, Id::None)),
        (
            "verify_captcha",
            Row { foreign: vec![(json!({"payload": "e30="}), 400)], ..row(Needs::Nothing, Id::None) },
        ),
        ("related_origins", row(Needs::Nothing, Id::None)),
        ("list_profiles", row(Needs::Admin, Id::None)),
        (
            "create_profile",
            Row {
                body: Some(json!({"user_id": "user:dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa"})),
                own: 404,
                ..row(Needs::Admin, Id::None)
            },
        ),
        ("get_my_profile", row(Needs::Session, Id::None)),
        ("update_my_profile", Row { body: Some(json!({"locale": "fa"})), ..row(Needs::Session, Id::None) }),
        ("get_profile", row(Needs::Admin, Id::Made("/users"))),
        (
            "update_profile",
            Row { body: Some(json!({"locale": "fa"})), ..row(Needs::Admin, Id::Made("/users")) },
        ),
        ("delete_profile", row(Needs::Admin, Id::Made("/users"))),
        ("list_workspaces", row(Needs::Session, Id::None)),
        (
            "create_workspace",
            Row { body: Some(json!({"name": "Made {n}"})), own: 201, ..row(Needs::Admin, Id::None) },
        ),
        ("get_workspace", row(Needs::Member, Id::Made("/workspaces"))),
        (
            "update_workspace",
            Row { body: Some(json!({"description": "{n}"})), ..row(Needs::Member, Id::Made("/workspaces")) },
        ),
        ("delete_workspace", row(Needs::Member, Id::Made("/workspaces"))),
        ("list_members", row(Needs::Member, Id::Made("/workspaces"))),
        (
            "update_member",
            Row { body: Some(json!({"roles": []})), own: 404, ..row(Needs::Member, Id::Made("/workspaces")) },
        ),
        ("delete_member", Row { own: 404, ..row(Needs::Member, Id::Made("/workspaces")) }),
        (
            "create_workspace_invitation",
            Row {
                body: Some(json!({"email": "invited{n}@example.com"})),
                own: 201,
                ..row(Needs::Member, Id::Made("/workspaces"))
            },
        ),
        ("list_workspace_invitations", row(Needs::Member, Id::Made("/workspaces"))),
        ("delete_workspace_invitation", Row { own: 404, ..row(Needs::Member, Id::Made("/workspaces")) }),
        (
            "resend_workspace_invitation",
            Row { body: Some(json!({})), own: 404, ..row(Needs::Member, Id::Made("/workspaces")) },
        ),
        ("show_workspace_invitation", row(Needs::Nothing, Id::Invitation)),
        ("accept_workspace_invitation", row(Needs::Session, Id::Invitation)),
        ("decline_workspace_invitation", row(Needs::Session, Id::Invitation)),
        ("list_oauth_clients", row(Needs::Admin, Id::None)),
        (
            "create_oauth_client",
            Row {
                body: Some(json!({"redirect_uris": ["https://{n}.example/"]})),
                own: 201,
                ..row(Needs::Admin, Id::None)
            },
        ),
        ("get_oauth_client", row(Needs::Admin, Id::Made("/oauth/clients"))),
        (
            "update_oauth_client",
            Row {
                body: Some(json!({"description": "{n}"})),
                ..row(Needs::Admin, Id::Made("/oauth/clients"))
            },
        ),
        ("delete_oauth_client", Row { own: 204, ..row(Needs::Admin, Id::Made("/oauth/clients")) }),
        ("rotate_oauth_client_secret", row(Needs::Admin, Id::Made("/oauth/clients"))),
        // What a handle of one tenant is at another has a test of its own (oidc/isolation.rs).
        ("get_oauth_consent", Row { own: 400, ..row(Needs::Session, Id::None) }),
        ("decide_oauth_consent", Row { own: 400, ..row(Needs::Session, Id::None) }),
        ("list_oauth_consents", row(Needs::Session, Id::None)),
        ("withdraw_oauth_consent", Row { own: 404, ..row(Needs::Session, Id::Session) }),
        ("openid_configuration", row(Needs::Nothing, Id::None)),
        ("authorization_server_metadata", row(Needs::Nothing, Id::None)),
        (
            "authorize",
            Row {
                query: Some((format!("client_id={}", world.made_a["/oauth/clients"]), 400)),
                ..row(Needs::Nothing, Id::None)
            },
        ),
        ("authorize_by_form", Row { foreign: vec![(json!({}), 415)], ..row(Needs::Nothing, Id::None) }),
        ("token", Row { foreign: vec![(json!({}), 415)], ..row(Needs::Nothing, Id::None) }),
        (
            "push_authorization_request",
            Row { foreign: vec![(json!({}), 415)], ..row(Needs::Nothing, Id::None) },
        ),
        ("register_client", Row { foreign: vec![(json!({}), 400)], ..row(Needs::Nothing, Id::None) }),
        ("get_registration", Row { foreign: vec![(json!({}), 401)], ..row(Needs::Nothing, Id::None) }),
        ("replace_registration", Row { foreign: vec![(json!({}), 401)], ..row(Needs::Nothing, Id::None) }),
        ("remove_registration", Row { foreign: vec![(json!({}), 401)], ..row(Needs::Nothing, Id::None) }),
        ("end_session", row(Needs::Nothing, Id::None)),
        ("end_session_by_form", Row { foreign: vec![(json!({}), 415)], ..row(Needs::Nothing, Id::None) }),
        ("authorize_device", Row { foreign: vec![(json!({}), 415)], ..row(Needs::Nothing, Id::None) }),
        // Refused for what they say: a wrong code is counted.
        ("look_at_device", Row { own: 400, ..row(Needs::Session, Id::None) }),
        (
            "answer_device",
            Row { body: Some(json!({"approve": true})), own: 400, ..row(Needs::Session, Id::None) },
        ),
        (
            "introspect",
            Row { foreign: vec![(json!({"token": a.access()}), 415)], ..row(Needs::Nothing, Id::None) },
        ),
        (
            "revoke",
            Row { foreign: vec![(json!({"token": a.access()}), 415)], ..row(Needs::Nothing, Id::None) },
        ),
        ("userinfo", row(Needs::Session, Id::None)),
        ("userinfo_by_form", row(Needs::Session, Id::None)),
        (
            "list_audit_events",
            Row { query: Some((format!("actor={}", a.id()), 200)), ..row(Needs::Admin, Id::None) },
        ),
        ("export_audit_events", row(Needs::Admin, Id::None)),
        ("list_audit_checkpoints", row(Needs::Admin, Id::None)),
        ("get_audit_event", row(Needs::Admin, Id::Event)),
        ("list_tenants", row(Needs::Admin, Id::None)),
        ("create_tenant", Row { body: Some(json!({"name": "Made {n}"})), ..row(Needs::System, Id::None) }),
        ("get_tenant", row(Needs::Admin, Id::Tenant)),
        (
            "update_tenant",
            Row { body: Some(json!({"custom_payload": {"k": 1}})), ..row(Needs::Admin, Id::Tenant) },
        ),
        ("delete_tenant", row(Needs::System, Id::Tenant)),
        ("restore_tenant", row(Needs::System, Id::Tenant)),
        ("get_tenant_usage", row(Needs::Admin, Id::Tenant)),
        ("export_tenant", row(Needs::System, Id::Tenant)),
        ("import_tenant", row(Needs::System, Id::None)),
        ("list_domains", row(Needs::Admin, Id::Tenant)),
        (
            "add_domain",
            Row { body: Some(json!({"domain": "new.example"})), own: 201, ..row(Needs::Admin, Id::Tenant) },
        ),
        ("verify_domain", Row { own: 404, ..row(Needs::Admin, Id::Tenant) }),
        ("remove_domain", Row { own: 404, ..row(Needs::Admin, Id::Tenant) }),
        ("tenant_config", row(Needs::Nothing, Id::None)),
        ("list_keys", row(Needs::Admin, Id::Tenant)),
        (
            "create_key",
            Row { body: Some(json!({"algorithm": "x"})), own: 400, ..row(Needs::Admin, Id::Tenant) },
        ),
        (
            "rotate_keys",
            Row { body: Some(json!({"algorithm": "x"})), own: 400, ..row(Needs::Admin, Id::Tenant) },
        ),
        (
            "update_key",
            Row { body: Some(json!({"is_active": true})), own: 400, ..row(Needs::Admin, Id::Tenant) },
        ),
        ("revoke_key", Row { own: 404, ..row(Needs::Admin, Id::Tenant) }),
    ])
}

pub(crate) struct World {
    pub(crate) app: TestApp,
    a: TenantHandle,
    pub(crate) b: TenantHandle,
    user_a: User,
    pub(crate) user_b: User,
    /// Somebody of B who holds every permission of this API, and nothing else: no role.
    holder_b: User,
    system: User,
    invitation_a: String,
    /// A registration key of A's administrator.
    registration_a: String,
    /// An API key of A's administrator: its id and its secret.
    key_a: (String, String),
    /// What A's administrator made, by path.
    made_a: BTreeMap<&'static str, String>,
    /// The token of an invitation to a workspace of A.
    token_a: String,
    /// An audit event of A and one of B.
    pub(crate) events: (String, String),
    /// A's own key, put to work against B.
    forged: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let app = TestApp::new().await;
        let a = app.tenant("Company A", &["company-a.com"]).await;
        let b = app.tenant("Company B", &["company-b.com"]).await;
        // Strangers share a budget, too: nor must that one hide what is asked.
        app.configure(&b.id, json!({"login_attempts_limit": 100})).await;
        let (user_a, user_b) = (a.user(CANARY).await, b.user("bob").await);
        let mut claims = claims_of(user_b.access());
        claims["scopes"] = json!(["superadmin:*", "*:*"]);
        let forged = Forge::of(&app, &a.id).await.sign(&claims);
        let invitation_a = invite(&app).await;
        let holder_b = b.user("holder").await;
        app.change_user(&holder_b, |user| user.scopes = vec!["admin:sso/*".to_owned()]).await;
        let holder_b = holder_b.again().await;
        let system = app.system_admin().await;
        let key_a = make_key(&a.admin()).await;
        let registration_a = a.admin().post("/agents/registration-keys", json!({})).await.expect(201);
        let registration_a = registration_a.str("registration_key").to_owned();
        let entry = json!({"scopes": [{"scope": "read:media", "description": CANARY}]});
        a.admin().send("PUT", "/scope-catalog/media-a", entry).await.expect(200);
        let entry = json!({"scopes": [{"scope": "read:media"}]});
        b.admin().send("PUT", "/scope-catalog/media-b", entry).await.expect(200);
        let mut made_a = BTreeMap::new();
        for path in MADE {
            made_a.insert(path, make(&a.admin(), path, 0).await);
        }
        let token_a = make_invitation(&a.admin(), &made_a["/workspaces"], 0).await;
        let events = (first_event(&app, &a.id).await, first_event(&app, &b.id).await);
        Self {
            app,
            a,
            b,
            user_a,
            user_b,
            holder_b,
            system,
            invitation_a,
            registration_a,
            key_a,
            made_a,
            token_a,
            events,
            forged,
        }
    }

    /// Everybody.
    fn callers(&self) -> Vec<Caller> {
        let of = |user: &User| Some((user.access().to_owned(), user.refresh().to_owned()));
        vec![
            ("nobody", None, false, false),
            ("user A", of(&self.user_a), false, false),
            ("admin A", of(&self.a.admin()), false, false),
            ("key of A", Some((self.key_a.1.clone(), self.key_a.1.clone())), false, false),
            ("user B", of(&self.user_b), true, false),
            ("holder B", of(&self.holder_b), true, true),
            ("admin B", of(&self.b.admin()), true, true),
            ("system admin", of(&self.system), false, false),
            ("forger", Some((self.forged.clone(), self.forged.clone())), false, false),
        ]
    }
}

/// An invitation to a tenant that belongs to A's side: it must be worth nothing at B.
async fn invite(app: &TestApp) -> String {
    let body = json!({"name": "Invited", "admin": {"identifier": format!("{CANARY}@invited.example")}});
    let created = app.system_admin().await.post("/tenants", body).await.expect(201);
    created.str("invitation_url").split_once("token=").expect("a token").1.to_owned()
}

async fn first_event(app: &TestApp, tenant_id: &str) -> String {
    app.audit(tenant_id).await.first().expect("an event").id.clone()
}

/// An API key with a telling name: its id and its secret.
async fn make_key(user: &User) -> (String, String) {
    let made = user.post("/apikeys", json!({"name": CANARY})).await.expect(201);
    (made.str("id").to_owned(), made.str("api_key").to_owned())
}

/// Makes something and gives its id.
pub(crate) async fn make(admin: &User, path: &str, serial: usize) -> String {
    let body = making(path).to_string().replace("{n}", &serial.to_string());
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let body = if admin.tenant_id() == "org_company_b" {
        serde_json::from_str(&body.to_string().replace(CANARY, "ours")).expect("JSON")
    } else {
        body
    };
    admin.post(path, body).await.expect(201).str("id").to_owned()
}

/// Invites somebody to a workspace and gives the token.
async fn make_invitation(admin: &User, workspace: &str, serial: usize) -> String {
    let body = json!({"email": format!("guest{serial}@example.com")});
    let path = format!("/workspaces/{workspace}/invitations");
    admin.post(&path, body).await.expect(201).str("token").to_owned()
}

/// An operation of the document.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

pub(crate) fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(usso::app::router::openapi()).expect("JSON");
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if let Some(id) = operation["operationId"].as_str() {
                all.push(Operation { id: id.to_owned(), method: method.to_uppercase(), path: path.clone() });
            }
        }
    }
    assert!(all.len() >= 21, "the document has only {} operations", all.len());
    all
}

/// How tenant B is addressed: host, header and path prefix.
const WAYS: [(&str, Option<&str>, &str); 3] = [
    ("company-b.com", None, ""),
    ("localhost:8000", Some("org_company_b"), ""),
    ("localhost:8000", None, "/t/org_company_b"),
];

/// The walk, and what it counted.
struct Walk<'w> {
    world: &'w World,
    cells: usize,
    leaks: Vec<String>,
    serial: usize,
}

impl Walk<'_> {
    async fn send(&mut self, operation: &Operation, request: &Cell<'_>) -> Answer {
        self.serial += 1;
        self.cells += 1;
        let (host, header, prefix) = request.way;
        let is_visit = prefix.contains("/admin/");
        let origin = if is_visit { "http://localhost:8000" } else { "http://company-b.com:8000" };
        let mut who = self.world.app.on_host(host).with_header("origin", origin);
        // From everywhere, or the limit of failed attempts would hide what is asked here.
        who = who.from_ip(&format!("10.7.{}.{}", self.serial / 250, self.serial % 250));
        if let Some(id) = header {
            who = who.with_header("x-tenant-id", id);
        }
        if let Some((access, refresh)) = request.credential {
            who = if request.in_cookie {
                who.with_header(
                    "cookie",
                    &format!("usso-access-token={access}; usso-refresh-token={refresh}"),
                )
            } else {
                who.with_token(access)
            };
        }
        // The first id is the cell's; what lies below it is looked for under an id that nothing has.
        let path = if is_visit {
            operation.path.strip_prefix(API).unwrap_or(&operation.path)
        } else {
            &operation.path
        };
        let (start, below) = path.split_once('{').unwrap_or((path, "}"));
        let below = below.split_once('}').map_or("", |(_, below)| below);
        let below: String = below
            .split('/')
            .map(|part| if part.starts_with('{') { "none" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let query = request.query.map_or(String::new(), |q| format!("?{q}"));
        let target = format!("ROOT{prefix}{start}{}{below}{query}", request.id);
        match request.body {
            None => who.send(&operation.method, &target, ()).await,
            Some(body) => {
                let text = body.to_string().replace("{n}", &self.serial.to_string());
                who.send(&operation.method, &target, ("application/json", text.as_str())).await
            }
        }
    }

    fn check(&mut self, is_fine: bool, cell: &str, answer: &Answer) {
        let seen = answer.text();
        let cookies = format!("{:?}", answer.headers);
        if !is_fine || seen.contains(CANARY) || cookies.contains(CANARY) {
            self.leaks.push(format!("{cell}: {} {seen}", answer.status));
        }
    }
}

#[derive(Clone, Copy)]
struct Cell<'a> {
    way: (&'a str, Option<&'a str>, &'a str),
    credential: Option<&'a (String, String)>,
    in_cookie: bool,
    id: &'a str,
    body: Option<&'a Value>,
    query: Option<&'a str>,
}

fn without_request_id(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json.clone();
    if let Some(object) = body.as_object_mut() {
        object.remove("request_id");
    }
    (answer.status, body)
}

#[tokio::test]
async fn no_operation_leaks_into_another_tenant() {
    let world = World::new().await;
    let table = rows(&world);
    let operations = operations();
    for operation in &operations {
        assert!(
            table.contains_key(operation.id.as_str()),
            "{} {} has no row in the isolation table",
            operation.method,
            operation.path
        );
    }
    assert_eq!(operations.len(), table.len(), "a row for an operation that is gone");
    let mut walk = Walk { world: &world, cells: 0, leaks: Vec::new(), serial: 0 };
    for operation in &operations {
        let row = &table[operation.id.as_str()];
        for way in WAYS {
            for caller in world.callers() {
                for in_cookie in [false, true] {
                    match row.needs {
                        Needs::Nothing => public(&mut walk, operation, row, (way, &caller, in_cookie)).await,
                        _ => guarded(&mut walk, operation, row, (way, &caller, in_cookie)).await,
                    }
                }
            }
        }
    }
    let (operations, personas) = (operations.len(), world.callers().len());
    println!(
        "isolation: {operations} operations, {personas} personas, {} cells, {} leaks",
        walk.cells,
        walk.leaks.len()
    );
    assert_eq!(walk.leaks, Vec::<String>::new());
    assert!(walk.cells > 1_000, "{}", walk.cells);
    // Nothing done at B, with anything, has touched A.
    world.user_a.get("/me").await.is(200);
    world.a.admin().get("/me").await.is(200);
    let refresh = json!({"refresh_token": world.user_a.refresh()});
    world.a.anonymous().post("/auth/refresh", refresh).await.is(200);
    let invited = world.app.anonymous().with_header("x-tenant-id", "org_invited");
    invited.get(&format!("/auth/invitation?token={}", world.invitation_a)).await.is(200);
    let a = world.app.system_admin().await.get("/tenants/org_company_a").await.expect(200);
    assert_eq!(a["custom_payload"], json!({}));
}

type Way<'a> = (&'a str, Option<&'a str>, &'a str);
/// A name, access and refresh token, whether they are tenant B's, and whether they hold the permissions.
type Caller = (&'static str, Option<(String, String)>, bool, bool);

/// Operations that look at no bearer: what they are given in cookie, body or query must be the addressed tenant's.
async fn public(
    walk: &mut Walk<'_>,
    operation: &Operation,
    row: &Row,
    (way, caller, in_cookie): (Way<'_>, &Caller, bool),
) {
    let (who, credential, is_own, _) = caller;
    // Signing B's people out would end the walk; that their own sessions end is tested elsewhere.
    let signs_out = operation.id.starts_with("logout") || operation.id.starts_with("end_session");
    if *is_own && signs_out {
        return;
    }
    // A refresh cookie of B's own works, and rotates as it should.
    let cell = |what: &str| format!("{} by {who} (cookie {in_cookie}) via {way:?}, {what}", operation.id);
    let id = match row.id {
        Id::Invitation => walk.world.token_a.as_str(),
        _ if operation.path.contains('{') => "nobody",
        _ => "",
    };
    let base = Cell { way, credential: credential.as_ref(), in_cookie, id, body: None, query: None };
    for (body, status) in &row.foreign {
        let has_own_cookie = in_cookie && *is_own && *body == json!({});
        let answer = walk.send(operation, &Cell { body: Some(body), ..base }).await;
        walk.check(answer.status == *status || has_own_cookie, &cell(&body.to_string()), &answer);
    }
    if let Some((query, status)) = &row.query {
        let answer = walk.send(operation, &Cell { query: Some(query), ..base }).await;
        walk.check(answer.status == *status, &cell("a foreign query"), &answer);
    }
    if let Some(body) = &row.body {
        let answer = walk.send(operation, &Cell { body: Some(body), ..base }).await;
        walk.check(answer.status == 201, &cell("a body"), &answer);
    }
    if row.foreign.is_empty() && row.query.is_none() && row.body.is_none() {
        let answer = walk.send(operation, &base).await;
        let wanted = match operation.id.as_str() {
            "authenticate_agent" | "agent_scopes" => 401,
            "refresh_by_cookie" if !(in_cookie && *is_own) => 401,
            _ if row.id == Id::Invitation => 410,
            _ => 200,
        };
        walk.check(answer.status == wanted, &cell("nothing"), &answer);
    }
}

/// An id of the same form that nothing has.
fn random_like(id: &str) -> String {
    id[..id.len().saturating_sub(24).max(3)].to_owned() + &"a".repeat(24)
}

/// Operations that need a credential: a foreign one is 401, an own one sees own things, and foreign ids look like random ones.
async fn guarded(
    walk: &mut Walk<'_>,
    operation: &Operation,
    row: &Row,
    (way, caller, in_cookie): (Way<'_>, &Caller, bool),
) {
    let (who, credential, is_own, is_admin) = caller;
    let world = walk.world;
    let own = match (*who, is_admin) {
        ("holder B", _) => world.holder_b.clone(),
        (_, true) => world.b.admin(),
        (_, false) => world.user_b.clone(),
    };
    // Nobody belongs to more than a hundred workspaces.
    let maker = if *is_admin { own.clone() } else { world.b.admin() };
    let own = match (is_own, row.id) {
        (true, Id::Session) => own.again().await.session_id().to_owned(),
        (true, Id::ApiKey) => own.post("/apikeys", json!({})).await.expect(201).str("id").to_owned(),
        (false, Id::ApiKey) => "key_dd4t400bbbbbbbbbbbbbbbbbbbbbbbbb".to_owned(),
        (true, Id::Made(path)) if *is_admin => {
            walk.serial += 1;
            make(&own, path, walk.serial).await
        }
        (true, Id::Invitation) => {
            walk.serial += 1;
            let workspace = make(&maker, "/workspaces", walk.serial).await;
            make_invitation(&maker, &workspace, walk.serial).await
        }
        _ => world.user_b.session_id().to_owned(),
    };
    let ids: Vec<(&str, String)> = match row.id {
        Id::None => vec![("none", String::new())],
        Id::Session => vec![
            ("own", own),
            ("foreign", world.user_a.session_id().to_owned()),
            ("random", "session:dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
        ],
        Id::ApiKey => vec![
            ("own", own),
            ("foreign", world.key_a.0.clone()),
            ("random", "key_dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
        ],
        Id::Invitation => {
            vec![("own", own), ("foreign", world.token_a.clone()), ("random", "a".repeat(43))]
        }
        Id::Made(path) => {
            let foreign = world.made_a[path].clone();
            let random = random_like(&foreign);
            vec![("own", own), ("foreign", foreign), ("random", random)]
        }
        Id::Event => vec![
            ("own", world.events.1.clone()),
            ("foreign", world.events.0.clone()),
            ("random", "event_00000000000000000000_aaaaaaaaaaaa".to_owned()),
        ],
        Id::Service => vec![
            ("own", "media-b".to_owned()),
            ("foreign", "media-a".to_owned()),
            ("random", "media-c".to_owned()),
        ],
        Id::Tenant => vec![
            ("own", "org_company_b".to_owned()),
            ("foreign", "org_company_a".to_owned()),
            ("random", "org_nobody".to_owned()),
        ],
    };
    let mut answers: BTreeMap<&str, Answer> = BTreeMap::new();
    for (kind, id) in &ids {
        let cell = Cell {
            way,
            credential: credential.as_ref(),
            in_cookie,
            id,
            body: row.body.as_ref(),
            query: None,
        };
        let answer = walk.send(operation, &cell).await;
        let name = format!("{} by {who} (cookie {in_cookie}) via {way:?}, {kind} id", operation.id);
        let is_missing = matches!(*kind, "foreign" | "random");
        let wanted: u16 = match (is_own, row.needs) {
            (false, _) => 401,
            // Other sites may read the answer: cookies don't count.
            (true, _) if operation.id.starts_with("userinfo") && in_cookie => 401,
            (true, Needs::System) => 403,
            (true, Needs::Admin) if !is_admin => 403,
            (true, Needs::Member) if !is_admin => 404,
            // A name that another tenant has is free here.
            (true, _) if is_missing && operation.id == "put_scope_catalog" => row.own,
            (true, _) if is_missing => 404,
            (true, _) => row.own,
        };
        walk.check(answer.status == wanted, &name, &answer);
        if let Some((query, status)) = &row.query {
            let asked = walk.send(operation, &Cell { query: Some(query), ..cell }).await;
            let holds_nothing = asked.json["items"]
                .as_array()
                .is_none_or(|items| items.iter().all(|i| i["tenant_id"] == "org_company_b"));
            let wanted = if wanted == 200 { *status } else { wanted };
            walk.check(asked.status == wanted && holds_nothing, &name, &asked);
        }
        answers.insert(kind, answer);
    }
    if let (Some(foreign), Some(random)) = (answers.get("foreign"), answers.get("random")) {
        let is_same = without_request_id(foreign) == without_request_id(random);
        walk.check(
            is_same,
            &format!("{} by {who}: a foreign id differs from a random one", operation.id),
            foreign,
        );
    }
}

/// Through the system administrator's door every operation is B's, for the system administrator; for everybody else it
/// is shut, in front of tenants that exist and those that don't.
#[tokio::test]
async fn no_operation_leaks_through_the_door_of_the_system_administrator() {
    let world = World::new().await;
    let table = rows(&world);
    let mut walk = Walk { world: &world, cells: 0, leaks: Vec::new(), serial: 0 };
    for operation in operations().iter().filter(|o| o.path.starts_with(API)) {
        let row = &table[operation.id.as_str()];
        for prefix in DOORS {
            for (who, credential, ..) in world.callers() {
                for in_cookie in [false, true] {
                    let way = ("localhost:8000", None, prefix);
                    let (credential, body) = (credential.as_ref(), row.body.as_ref());
                    let cell = Cell { way, credential, in_cookie, id: "", body, query: None };
                    let name = format!("{} by {who} (cookie {in_cookie}) via {prefix}", operation.id);
                    if who == "system admin" {
                        visit(&mut walk, operation, row, (cell, &name)).await;
                    } else {
                        shut(&mut walk, operation, (cell, &name)).await;
                    }
                }
            }
        }
    }
    println!("the system administrator's door: {} cells, {} leaks", walk.cells, walk.leaks.len());
    assert_eq!(walk.leaks, Vec::<String>::new());
    world.user_a.get("/me").await.is(200);
    world.a.admin().get("/me").await.is(200);
}

const API: &str = "/api/sso/v1";
const DOORS: [&str; 2] = ["/admin/tenants/org_company_b", "/api/sso/v1/admin/tenants/org_company_b"];

/// What only somebody who is signed in here can do.
const NOT_FOR_VISITORS: [&str; 4] = ["me", "create_api_key", "get_oauth_consent", "decide_oauth_consent"];

/// What the operation does for the system administrator: as for B's own, and A's things look like nothing.
async fn visit(walk: &mut Walk<'_>, operation: &Operation, row: &Row, (cell, name): (Cell<'_>, &str)) {
    // Signing in or out, and what needs a thing of one's own, has its own tests.
    if row.needs == Needs::Nothing || NOT_FOR_VISITORS.contains(&operation.id.as_str()) {
        return;
    }
    let made = |path: &str| {
        let foreign = walk.world.made_a[path].clone();
        let random = random_like(&foreign);
        (foreign, random)
    };
    let (foreign, random): (String, String) = match row.id {
        Id::Made(path) => made(path),
        Id::None => return walk_list(walk, operation, (cell, name)).await,
        Id::Invitation => (walk.world.token_a.clone(), "a".repeat(43)),
        Id::Event => (walk.world.events.0.clone(), "event_00000000000000000000_aaaaaaaaaaaa".into()),
        Id::Session => {
            (walk.world.user_a.session_id().into(), "session:dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa".into())
        }
        Id::ApiKey => (walk.world.key_a.0.clone(), "key_dd4t400aaaaaaaaaaaaaaaaaaaaaaaaa".into()),
        Id::Service => ("media-a".into(), "media-c".into()),
        Id::Tenant => ("org_company_a".into(), "org_nobody".into()),
    };
    let foreign = walk.send(operation, &Cell { id: &foreign, ..cell }).await;
    let random = walk.send(operation, &Cell { id: &random, ..cell }).await;
    // Moving is for visitors, too; whatever else needs the system administrator needs them at home.
    let is_closed = row.needs == Needs::System && operation.id != "move_user";
    let wanted = match operation.id.as_str() {
        _ if is_closed => 403,
        "put_scope_catalog" => row.own,
        _ => 404,
    };
    let is_same = without_request_id(&foreign) == without_request_id(&random);
    walk.check(is_same && foreign.status == wanted, name, &foreign);
}

async fn walk_list(walk: &mut Walk<'_>, operation: &Operation, (cell, name): (Cell<'_>, &str)) {
    let answer = walk.send(operation, &cell).await;
    let items = answer.json["items"].as_array();
    let is_own = items.is_none_or(|items| items.iter().all(|i| i["tenant_id"] == "org_company_b"));
    walk.check(is_own && answer.status != 401, name, &answer);
}

/// Nobody else learns through the door whether the tenant, or anything in it, exists.
async fn shut(walk: &mut Walk<'_>, operation: &Operation, (cell, name): (Cell<'_>, &str)) {
    let cell = Cell { id: "x", ..cell };
    let answer = walk.send(operation, &cell).await;
    let (host, header, prefix) = cell.way;
    let nowhere = prefix.replace("company_b", "nobody");
    let random = walk.send(operation, &Cell { way: (host, header, &nowhere), ..cell }).await;
    let is_same = without_request_id(&answer) == without_request_id(&random);
    walk.check(is_same && answer.status == 401, name, &answer);
}

#[tokio::test]
async fn lists_hold_the_addressed_tenants_things_only() {
    let world = World::new().await;
    for way in WAYS {
        let (host, header, prefix) = way;
        for user in [world.user_b.clone(), world.b.admin()] {
            let mut who = world.app.on_host(host).with_token(user.access());
            if let Some(id) = header {
                who = who.with_header("x-tenant-id", id);
            }
            let sessions = who.get(&format!("ROOT{prefix}/api/sso/v1/sessions?limit=100")).await.expect(200);
            assert!(!sessions.items().is_empty());
            assert!(
                sessions.items().iter().all(|s| s["tenant_id"] == "org_company_b"),
                "{}",
                sessions.text()
            );
            assert!(!sessions.text().contains(world.user_a.session_id()));
        }
    }
    let own = world.b.admin().get("/tenants").await.expect(200);
    assert_eq!((own.items().len(), &own.items()[0]["id"]), (1, &json!("org_company_b")));
}

#[tokio::test]
async fn a_superadmin_scope_outside_the_default_tenant_is_worth_nothing() {
    let world = World::new().await;
    let mut claims = claims_of(world.a.admin().access());
    claims["scopes"] = json!(["superadmin:*"]);
    let token = Forge::of(&world.app, &world.a.id).await.sign(&claims);
    let who = world.a.anonymous().with_token(&token);
    who.post("/tenants", json!({"name": "Mine"})).await.problem(403, "PERMISSION_DENIED");
    who.get("/tenants/org_company_b").await.problem(404, "NOT_FOUND");
    who.get("/tenants/org_default").await.problem(404, "NOT_FOUND");
    who.patch("/tenants/org_company_a", json!({"is_active": false})).await.problem(403, "PERMISSION_DENIED");
    let list = who.get("/tenants").await.expect(200);
    assert_eq!(list.items().len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_of_another_tenant_replays_nothing() {
    let world = World::new().await;
    let body = json!({"identifier": "same@example.com", "secret": PASSWORD});
    let keyed = |who: crate::app::Anonymous| who.with_header("idempotency-key", "one-key");
    let a = keyed(world.a.anonymous()).post("/auth/register", body.clone()).await.expect(201);
    let b = keyed(world.b.anonymous()).post("/auth/register", body).await.expect(201);
    assert_eq!(b.header("idempotency-replayed"), None);
    assert_ne!(a["user"]["id"], b["user"]["id"]);
    assert_ne!(a["tenant_id"], b["tenant_id"]);
}
