//! What clients look like on the wire: RFC 7591's names and ours, both taken and both given (contract 5.9).

use super::model::{ApplicationType, Client};
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a client says of itself, or an administrator of it. Of two names for one thing either will do. What is absent stays
/// as it is, or has its default; `null` takes a value away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClientMetadata {
    /// What people call it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub client_name: Option<Option<String>>,
    /// The same.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    /// What it is for.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// Its home page.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub client_uri: Option<Option<String>>,
    /// Its picture.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub logo_uri: Option<Option<String>>,
    /// What it does with data.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub policy_uri: Option<Option<String>>,
    /// Its terms.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub tos_uri: Option<Option<String>>,
    /// Whom to write to.
    pub contacts: Option<Vec<String>>,
    /// Where codes may be sent.
    pub redirect_uris: Option<Vec<String>>,
    /// `authorization_code`, `refresh_token`, `client_credentials`.
    pub grant_types: Option<Vec<String>>,
    /// `code`, with the grant `authorization_code`.
    pub response_types: Option<Vec<String>>,
    /// How it says who it is; either with a secret by default.
    pub token_endpoint_auth_method: Option<String>,
    /// The algorithm of its assertions.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub token_endpoint_auth_signing_alg: Option<Option<String>>,
    /// `public` is another way to say `token_endpoint_auth_method: none`.
    pub client_type: Option<String>,
    /// The words of `scope` it may ask for, separated by spaces …
    pub scope: Option<String>,
    /// … or as a list …
    pub scopes: Option<Vec<String>>,
    /// … under either name.
    pub allowed_scopes: Option<Vec<String>>,
    /// The resources it may ask tokens for.
    pub audiences: Option<Vec<String>>,
    /// `web` or `native`.
    pub application_type: Option<ApplicationType>,
    /// Its public keys (RFC 7517) …
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Option<Value>>,
    /// … or where they are.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub jwks_uri: Option<Option<String>>,
    /// What its id tokens are signed with; `RS256` by default.
    pub id_token_signed_response_alg: Option<String>,
    /// What its userinfo is signed with; not at all by default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub userinfo_signed_response_alg: Option<Option<String>>,
    /// Where a browser may be sent after signing out.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Told from server to server that a user signed out.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub backchannel_logout_uri: Option<Option<String>>,
    /// Whether it needs the session's id.
    pub backchannel_logout_session_required: Option<bool>,
    /// Told through the browser that a user signed out.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub frontchannel_logout_uri: Option<Option<String>>,
    /// Whether it needs the session's id.
    pub frontchannel_logout_session_required: Option<bool>,
    /// Where a sign-in can be begun from elsewhere.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub initiate_login_uri: Option<Option<String>>,
    /// How old a sign-in may be, in seconds, when a request doesn't say.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    pub default_max_age: Option<Option<u32>>,
    /// Whether requests need a proof key, although the client keeps a secret.
    pub require_pkce: Option<bool>,
    /// Whether requests must be pushed first.
    pub require_pushed_authorization_requests: Option<bool>,
    /// Whether tokens must be bound to a key.
    pub dpop_bound_access_tokens: Option<bool>,
    /// Whether the FAPI 2.0 Security Profile applies to it: pushed requests, proof keys, bound tokens, stronger algorithms.
    pub fapi2: Option<bool>,
    /// `public`: everybody sees the same `sub`.
    pub subject_type: Option<String>,
    /// A document that lists every redirection URI.
    pub sector_identifier_uri: Option<String>,
    /// What software it is.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub software_id: Option<Option<String>>,
    /// In which version.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub software_version: Option<Option<String>>,
    /// Whether it is the tenant's own, so that users needn't be asked. Only administrators say so.
    pub is_first_party: Option<bool>,
    /// Whether it may do anything. Only administrators say so.
    pub is_active: Option<bool>,
}

/// A client. Its secrets are shown only in the answer that made them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClientView {
    /// `client_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The same as `id`.
    pub client_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// Who made it.
    pub user_id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// The same as `name`.
    pub client_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `confidential` or `public`.
    pub client_type: &'static str,
    /// `web` or `native`.
    pub application_type: ApplicationType,
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it does with data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to write to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// The grants it may use.
    pub grant_types: Vec<&'static str>,
    /// `code`, if it may use that grant.
    pub response_types: Vec<&'static str>,
    /// How it says who it is.
    pub token_endpoint_auth_method: &'static str,
    /// The algorithm of its assertions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<&'static str>,
    /// The words of `scope` it may ask for …
    pub scopes: Vec<String>,
    /// … as a text …
    pub scope: String,
    /// … and once more as a list.
    pub allowed_scopes: Vec<String>,
    /// The resources it may ask tokens for.
    pub audiences: Vec<String>,
    /// Its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What its id tokens are signed with.
    pub id_token_signed_response_alg: &'static str,
    /// What its userinfo is signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<&'static str>,
    /// Where a browser may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Told from server to server that a user signed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id.
    pub backchannel_logout_session_required: bool,
    /// Told through the browser that a user signed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id.
    pub frontchannel_logout_session_required: bool,
    /// Where a sign-in can be begun from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// How old a sign-in may be, in seconds, when a request doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Whether requests need a proof key.
    pub require_pkce: bool,
    /// Whether requests must be pushed first.
    pub require_pushed_authorization_requests: bool,
    /// Whether tokens must be bound to a key.
    pub dpop_bound_access_tokens: bool,
    /// Whether the FAPI 2.0 Security Profile applies to it.
    pub fapi2: bool,
    /// What software it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// In which version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Whether it is the tenant's own.
    pub is_first_party: bool,
    /// Whether it may do anything.
    pub is_active: bool,
    /// When it was made, seconds.
    pub client_id_issued_at: i64,
    /// Zero: its secret doesn't end by itself.
    pub client_secret_expires_at: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl ClientView {
    /// A client of a tenant.
    pub fn of(tenant_id: &str, client: &Stored<Client>) -> Self {
        let id = client.id.as_str().to_owned();
        let (display, logout) = (client.display.clone(), client.logout.clone());
        let method = client.auth_methods.first().map_or("none", |method| method.as_str());
        let takes_codes = client.may_use(super::model::GrantType::AuthorizationCode);
        Self {
            uid: id.clone(),
            client_id: id.clone(),
            id,
            tenant_id: tenant_id.to_owned(),
            user_id: client.user_id.clone(),
            name: client.name.clone(),
            client_name: client.name.clone(),
            description: client.description.clone(),
            client_type: if client.is_public() { "public" } else { "confidential" },
            application_type: client.application_type,
            client_uri: display.client_uri,
            logo_uri: display.logo_uri,
            policy_uri: display.policy_uri,
            tos_uri: display.tos_uri,
            contacts: display.contacts,
            redirect_uris: client.redirect_uris.clone(),
            grant_types: client.grant_types.iter().map(|grant| grant.as_str()).collect(),
            response_types: if takes_codes { vec!["code"] } else { Vec::new() },
            token_endpoint_auth_method: method,
            token_endpoint_auth_signing_alg: client.assertion_alg.map(|alg| alg.as_str()),
            scopes: client.scopes.clone(),
            scope: client.scopes.join(" "),
            allowed_scopes: client.scopes.clone(),
            audiences: client.audiences.clone(),
            jwks: client.jwks.clone(),
            jwks_uri: client.jwks_uri.clone(),
            id_token_signed_response_alg: client.id_token_alg.as_str(),
            userinfo_signed_response_alg: client.userinfo_alg.map(|alg| alg.as_str()),
            post_logout_redirect_uris: logout.post_logout_redirect_uris,
            backchannel_logout_uri: logout.backchannel_logout_uri,
            backchannel_logout_session_required: logout.backchannel_logout_session_required,
            frontchannel_logout_uri: logout.frontchannel_logout_uri,
            frontchannel_logout_session_required: logout.frontchannel_logout_session_required,
            initiate_login_uri: client.initiate_login_uri.clone(),
            default_max_age: client.default_max_age,
            require_pkce: client.needs_pkce(),
            require_pushed_authorization_requests: client.needs_par(),
            dpop_bound_access_tokens: client.needs_dpop(),
            fapi2: client.fapi2,
            software_id: client.software_id.clone(),
            software_version: client.software_version.clone(),
            is_first_party: client.is_first_party,
            is_active: client.is_active,
            client_id_issued_at: client.created_at.unix_seconds(),
            client_secret_expires_at: 0,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

/// A client that was just made, with what can't be shown again.
#[derive(Serialize, ToSchema)]
pub struct CreatedClientView {
    /// The client.
    #[serde(flatten)]
    pub view: ClientView,
    /// Its secret, if it keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// With this it manages itself.
    pub registration_access_token: String,
}

impl CreatedClientView {
    /// A new client and its secrets.
    pub fn of(view: ClientView, (secret, registration): (Option<&SecretString>, &SecretString)) -> Self {
        let client_secret = secret.map(|secret| secret.expose_secret().to_owned());
        Self { view, client_secret, registration_access_token: registration.expose_secret().to_owned() }
    }
}

/// How a secret is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RotateSecret {
    /// How many seconds the present secret stays good; a day by default, at most 30 days, 0 for not at all.
    pub overlap_seconds: Option<u32>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
pub struct RotatedSecretView {
    /// The client.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
    /// Until when the one before is good.
    #[schema(value_type = String, format = DateTime)]
    pub previous_expires_at: Timestamp,
}
