//! One list of routes, from which the router and the OpenAPI document are made.

use crate::access_control::{catalog, gateway, operations, roles};
use crate::app::archive;
use crate::http::{AppState, docs, health};
use crate::identity::sign_in::enrolment::routes as enrolment;
use crate::identity::sign_in::routes as auth;
use crate::identity::social::routes as social;
use crate::identity::{
    agents, api_keys, captcha, codes, links, onboarding, passkeys, qr, recovery, referrals, sessions, usage,
    users, workspaces,
};
use crate::integration::{
    authorize, clients, consents, device, discovery, introspect, logout, par, registration, revoke, token,
    userinfo,
};
use crate::tenant::{audit, keys, messaging, tenants};
use crate::web;
use axum::Router;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

/// The root of the API.
pub const API: &str = "/api/sso/v1";

/// What the document says about itself.
#[derive(OpenApi)]
#[openapi(
    info(title = "USSO", description = "Multi-tenant single sign-on: sign-in, sessions, tokens, tenants. The system administrator \
            has every operation of every tenant at /admin/tenants/{tenant_id}/ and its path below /api/sso/v1.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags((name = "Authentication"), (name = "Sessions"), (name = "API keys"), (name = "Agents"), (name = "Roles"), (name = "Scope catalog"), (name = "Gateway routes"), (name = "Referrals"), (name = "Users"), (name = "Profiles"), (name = "Workspaces"), (name = "Tenants"), (name = "Keys"), (name = "Audit"), (name = "OAuth"), (name = "OAuth clients"), (name = "Health"))
)]
struct Document;

fn described() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::new()
        .merge(auth::router())
        .merge(enrolment::router())
        .merge(social::router())
        .merge(qr::routes::router())
        .merge(codes::routes::router())
        .merge(links::routes::router())
        .merge(recovery::routes::router())
        .merge(onboarding::routes::router())
        .merge(sessions::routes::router())
        .merge(api_keys::routes::router())
        .merge(agents::routes::router())
        .merge(agents::registration::routes::router())
        .merge(roles::routes::router())
        .merge(referrals::routes::router())
        .merge(gateway::routes::router())
        .merge(catalog::routes::router())
        .merge(users::routes::router())
        .merge(users::identifiers::routes::router())
        .merge(users::credentials::routes::router())
        .merge(passkeys::routes::router())
        .merge(captcha::routes::router())
        .merge(users::profile::routes::router())
        .merge(workspaces::routes::router())
        .merge(workspaces::members::routes::router())
        .merge(workspaces::invitations::routes::router())
        .merge(tenants::routes::router())
        .merge(usage::routes::router())
        .merge(tenants::domains::routes::router())
        .merge(archive::routes::router())
        .merge(tenants::public::routes::router())
        .merge(messaging::routes::router())
        .merge(clients::routes::router())
        .merge(consents::routes::router())
        .merge(device::routes::router())
        .merge(keys::admin::routes::router())
        .merge(audit::routes::router());
    OpenApiRouter::with_openapi(Document::openapi())
        .nest(API, api)
        .merge(keys::routes::router())
        .merge(passkeys::routes::root())
        .merge(discovery::routes::router())
        .merge(authorize::routes::router())
        .merge(token::routes::router())
        .merge(par::routes::router())
        .merge(registration::routes::router())
        .merge(logout::routes::router())
        .merge(device::routes::root())
        .merge(userinfo::routes::router())
        .merge(introspect::routes::router())
        .merge(revoke::routes::router())
        .merge(health::router())
}

/// Other names of the same handlers (contract 1.1): not redirects, and not described twice.
fn aliases() -> Router<AppState> {
    let api = Router::new()
        .route("/auth/me", get(auth::me))
        .route("/users/me", get(auth::me))
        .route("/auth/signin", post(auth::login))
        .route("/captcha/validate", post(captcha::routes::verify))
        .route("/api-keys", get(api_keys::routes::list).post(api_keys::routes::create))
        .route("/api-keys/verify", post(api_keys::routes::verify))
        .route(
            "/api-keys/{key_id}",
            get(api_keys::routes::get).patch(api_keys::routes::update).delete(api_keys::routes::delete),
        )
        .route("/workspaces/{workspace_id}/invite", post(workspaces::invitations::routes::create))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/health/serving", get(health::serving))
        .route("/.well-known/jwks.json", get(keys::routes::jwks))
        .route("/.well-known/openid-configuration", get(discovery::routes::openid_configuration))
        .route("/.well-known/oauth-authorization-server", get(discovery::routes::authorization_server))
        .route(
            "/oauth/authorize",
            get(authorize::routes::authorize).post(authorize::routes::authorize_by_form),
        )
        .route("/oauth/token", post(token::routes::token))
        .route("/oauth/par", post(par::routes::par))
        .route("/oauth/register", post(registration::routes::register))
        .route(
            "/oauth/register/{client_id}",
            get(registration::routes::get)
                .put(registration::routes::put)
                .delete(registration::routes::delete),
        )
        .route("/oauth/logout", get(logout::routes::logout).post(logout::routes::logout_by_form))
        .route("/oauth/device_authorization", post(device::routes::begin))
        .route("/oauth/userinfo", get(userinfo::routes::get).post(userinfo::routes::post))
        .route("/oauth/introspect", post(introspect::routes::introspect))
        .route("/oauth/revoke", post(revoke::routes::revoke))
        .merge(docs::router());
    let clients = Router::new()
        .route("/oauth/clients", get(clients::routes::list).post(clients::routes::create))
        .route(
            "/oauth/clients/{client_id}",
            get(clients::routes::get).patch(clients::routes::update).delete(clients::routes::delete),
        )
        .route("/oauth/clients/{client_id}/rotate-secret", post(clients::routes::rotate_secret))
        .route("/oauth/consent", get(consents::routes::ask).post(consents::routes::decide))
        .route("/oauth/consents", get(consents::routes::list))
        .route("/oauth/consents/{client_id}", delete(consents::routes::withdraw));
    Router::new().nest(API, api).merge(clients).route("/website/jwks.json", get(keys::routes::jwks))
}

/// The OpenAPI 3.1 document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    completed(described().into_openapi())
}

/// With what routes don't say of themselves.
fn completed(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document.paths.paths.values_mut().flat_map(operations_of).for_each(say_needs);
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Says of an operation which permission it needs: in words, and as `x-needs` for programs.
fn say_needs(operation: &mut Operation) {
    let needs = operation.operation_id.as_deref().and_then(operations::needs);
    let Some((needs, needed)) = needs.and_then(|needs| Some((needs, needs.permission()?))) else { return };
    let scopes: Vec<String> = [Some(needed), needs.other()].iter().flatten().map(|p| p.scope()).collect();
    let before = operation.description.take().map_or_else(String::new, |text| format!("{text}\n\n"));
    operation.description = Some(format!("{before}Needs {needs}."));
    // One extension, and its members by name: any other order would not be the same in every build.
    let said = serde_json::json!({ "own": needs.is_for_owners(), "permissions": scopes });
    let said = Extensions::from_iter([("x-needs", said)]);
    operation.extensions.get_or_insert_default().merge(said);
}

/// The OpenAPI document as `docs/openapi.json` keeps it.
///
/// # Errors
/// When the document can't be serialised: a defect.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&openapi())? + "\n")
}

/// Every route of an instance.
pub fn router(state: AppState) -> Router {
    // In a thread of its own, with whose end its memory is free: the descriptions are a hundred thousand small pieces, and the
    // few that stay, the routes, would keep all pages from being given back. The routes move out when they get the state.
    let made = std::thread::spawn(made).join();
    let Made { routes, document, auth_paths } = made.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    state.auth_paths.get_or_init(|| auth_paths);
    state.openapi.get_or_init(|| Bytes::copy_from_slice(&document));
    routes.with_state(state)
}

/// The routes and what is told about them.
struct Made {
    routes: Router<AppState>,
    document: Vec<u8>,
    auth_paths: Vec<String>,
}

fn made() -> Made {
    let (described, document) = described().split_for_parts();
    let document = completed(document);
    let mut auth_paths: Vec<String> = document.paths.paths.keys().cloned().collect();
    auth_paths.retain(|path| path.starts_with("/api/sso/v1/auth"));
    let document = serde_json::to_vec(&document).unwrap_or_default();
    Made { routes: described.merge(aliases()).merge(web::router()), document, auth_paths }
}
