//! The document.

use crate::integration::authorize::request::ResponseMode;
use crate::integration::clients::model::{AuthMethod, GrantType};
use crate::integration::token::jwt_bearer;
use crate::integration::userinfo::claims;
use crate::tenant::TenantScope;
use crate::tenant::settings::ClientRegistration;
use protocol::jose::Algorithm;
use protocol::oauth::scope::OPENID;
use serde::Serialize;

/// What an issuer offers.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Metadata {
    /// The issuer, as tokens name it.
    pub issuer: String,
    /// Where users are asked.
    pub authorization_endpoint: String,
    /// Where grants become tokens.
    pub token_endpoint: String,
    /// Where tokens tell of users.
    pub userinfo_endpoint: String,
    /// The public keys.
    pub jwks_uri: String,
    /// Where resource servers ask what a token is worth.
    pub introspection_endpoint: String,
    /// Where clients give tokens up.
    pub revocation_endpoint: String,
    /// Words of `scope` with a meaning of their own.
    pub scopes_supported: Vec<&'static str>,
    /// `code`.
    pub response_types_supported: Vec<&'static str>,
    /// How answers travel.
    pub response_modes_supported: Vec<&'static str>,
    /// The grants.
    pub grant_types_supported: Vec<&'static str>,
    /// Strengths of sign-in.
    pub acr_values_supported: Vec<&'static str>,
    /// Everybody sees the same `sub`.
    pub subject_types_supported: Vec<&'static str>,
    /// What id tokens are signed with.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// What userinfo may be signed with.
    pub userinfo_signing_alg_values_supported: Vec<&'static str>,
    /// How clients say who they are.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The same, for introspection: only those that prove it.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The same, for revocation.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// `S256`.
    pub code_challenge_methods_supported: Vec<&'static str>,
    /// Claims of users.
    pub claims_supported: Vec<&'static str>,
    /// Only normal claims.
    pub claim_types_supported: Vec<&'static str>,
    /// Whether single claims may be asked for.
    pub claims_parameter_supported: bool,
    /// Whether request objects are read.
    pub request_parameter_supported: bool,
    /// Whether request objects are fetched.
    pub request_uri_parameter_supported: bool,
    /// Where clients register themselves, if they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Where users are signed out.
    pub end_session_endpoint: String,
    /// Whether clients are told, from server to server, that a session has ended.
    pub backchannel_logout_supported: bool,
    /// And which.
    pub backchannel_logout_session_supported: bool,
    /// Whether they are told through the browser.
    pub frontchannel_logout_supported: bool,
    /// And which.
    pub frontchannel_logout_session_supported: bool,
    /// Where devices ask for their codes (RFC 8628).
    pub device_authorization_endpoint: String,
    /// Where requests are pushed (RFC 9126).
    pub pushed_authorization_request_endpoint: String,
    /// Whether all must be.
    pub require_pushed_authorization_requests: bool,
    /// What client assertions may be signed with.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// What DPoP proofs may be signed with (RFC 9449).
    pub dpop_signing_alg_values_supported: Vec<&'static str>,
    /// Whether answers name the issuer (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// The languages of pages.
    pub ui_locales_supported: Vec<&'static str>,
}

/// What a tenant offers under one of its issuers.
pub fn metadata(tenant: &TenantScope, issuer: &str) -> Metadata {
    let settings = &tenant.profile().settings;
    // A front end may have our path for its own page (contract 9.7).
    let base = settings.oauth_public_base.as_deref().unwrap_or_default();
    let at = |path: &str| format!("{issuer}{path}");
    let methods: Vec<_> = AuthMethod::ALL.into_iter().map(AuthMethod::as_str).collect();
    let proving = AuthMethod::ALL.into_iter().filter(|method| *method != AuthMethod::None);
    let own =
        ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid"];
    Metadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: at(&format!("{base}/oauth/authorize")),
        token_endpoint: at("/oauth/token"),
        userinfo_endpoint: at("/oauth/userinfo"),
        jwks_uri: at("/.well-known/jwks.json"),
        introspection_endpoint: at("/oauth/introspect"),
        revocation_endpoint: at("/oauth/revoke"),
        scopes_supported: OPENID.to_vec(),
        response_types_supported: vec!["code"],
        response_modes_supported: ResponseMode::ALL.into_iter().map(ResponseMode::as_str).collect(),
        grant_types_supported: GrantType::ALL
            .into_iter()
            .map(GrantType::as_str)
            .chain([jwt_bearer::GRANT])
            .collect(),
        acr_values_supported: vec!["usso:acr:1", "usso:acr:2"],
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: algorithms(tenant),
        userinfo_signing_alg_values_supported: algorithms(tenant),
        introspection_endpoint_auth_methods_supported: proving.map(AuthMethod::as_str).collect(),
        revocation_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_methods_supported: methods,
        code_challenge_methods_supported: vec!["S256"],
        claims_supported: own.into_iter().chain(claims::names()).collect(),
        claim_types_supported: vec!["normal"],
        claims_parameter_supported: true,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        registration_endpoint: (settings.oauth_registration != ClientRegistration::Off)
            .then(|| at("/oauth/register")),
        end_session_endpoint: at("/oauth/logout"),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
        device_authorization_endpoint: at("/oauth/device_authorization"),
        pushed_authorization_request_endpoint: at("/oauth/par"),
        require_pushed_authorization_requests: false,
        token_endpoint_auth_signing_alg_values_supported: every_algorithm(),
        dpop_signing_alg_values_supported: every_algorithm(),
        authorization_response_iss_parameter_supported: true,
        ui_locales_supported: vec!["en", "fa"],
    }
}

/// What others may sign with.
fn every_algorithm() -> Vec<&'static str> {
    Algorithm::ALL.into_iter().map(Algorithm::as_str).collect()
}

/// What the tenant signs with, and RS256, which every issuer must (Discovery §3).
fn algorithms(tenant: &TenantScope) -> Vec<&'static str> {
    let own = tenant.profile().tenant.algorithm;
    let all = [own, Algorithm::Rs256];
    all.into_iter().take(if own == Algorithm::Rs256 { 1 } else { 2 }).map(Algorithm::as_str).collect()
}
