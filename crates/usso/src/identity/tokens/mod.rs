//! Tokens: what a session hands out.
//!
//! Access and refresh tokens are JWTs signed with the tenant's published key (contract 2). An access token says what
//! its bearer is and may; a refresh token carries the session's generation `g` and nothing else of value.

use crate::access_control::roles::effective::Effective;
use crate::identity::agents::model::Agent;
use crate::identity::identifiers::IdentifierKind;
use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::tenant::TenantScope;
use crate::tenant::keys::KeyUse;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::verify::{Act, Claims, TokenType};
use kernel::TokenId;

/// A pair of tokens and what the access token says.
#[derive(Clone)]
pub struct TokenPair {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The access token's claims.
    pub claims: Claims,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// Seconds the refresh token lives.
    pub refresh_expires_in: i64,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenPair").field("jti", &self.claims.jti).finish_non_exhaustive()
    }
}

/// Mints the tokens of a session in its present generation, with what its user holds now.
///
/// # Errors
/// When the tenant has no key or signing fails.
pub fn mint(
    tenant: &TenantScope,
    issuer: &str,
    session: &Session,
    (user, held): (&User, Effective),
) -> Result<TokenPair, KeyRingError> {
    let claims = access_claims(tenant, issuer, session, (user, held), lifetime(tenant, session));
    pair(tenant, issuer, session, claims)
}

/// Mints the tokens of an agent's session, with what the agent holds now of what the session was opened for.
///
/// # Errors
/// When the tenant has no key or signing fails.
pub fn mint_for_agent(
    tenant: &TenantScope,
    issuer: &str,
    session: &Session,
    agent: &Agent,
) -> Result<TokenPair, KeyRingError> {
    let claims = Claims {
        workspace_id: agent.workspace_id.clone(),
        aud: session.aud.clone(),
        roles: Some(Vec::new()),
        scopes: Some(agent.held_in(session)),
        amr: Some(session.amr.clone()),
        acr: Some(session.acr.clone()),
        sub_type: Some("agent".to_owned()),
        user_name: Some(agent.name.clone()),
        ..base_claims(tenant, issuer, session, (TokenType::Access, lifetime(tenant, session)))
    };
    pair(tenant, issuer, session, claims)
}

/// Seconds an access token of the session may live now.
pub(crate) fn lifetime(tenant: &TenantScope, session: &Session) -> i64 {
    tenant.profile().settings.access_timeout.min(session.expires_at.seconds_since(tenant.now())).max(1)
}

fn pair(
    tenant: &TenantScope,
    issuer: &str,
    session: &Session,
    claims: Claims,
) -> Result<TokenPair, KeyRingError> {
    let (now, keys) = (tenant.now(), &tenant.profile().keys);
    let access = keys.sign(KeyUse::Access, &claims.flattened(), now)?;
    let refresh = keys.sign(KeyUse::Access, &refresh_claims(tenant, issuer, session), now)?;
    let refresh_expires_in = session.expires_at.seconds_since(now);
    let expires_in = claims.exp - claims.iat;
    Ok(TokenPair { access, refresh, claims, expires_in, refresh_expires_in })
}

/// What an access token of a user's session says.
pub(crate) fn access_claims(
    tenant: &TenantScope,
    issuer: &str,
    session: &Session,
    (user, held): (&User, Effective),
    lifetime: i64,
) -> Claims {
    let verified = |kind| user.verified(kind).map(str::to_owned);
    let sub = user.id.as_str().to_owned();
    let mut custom = user.custom_claims.clone();
    custom.extend(session.claims.clone());
    Claims {
        workspace_id: held.workspace,
        aud: session.aud.clone(),
        roles: Some(held.roles),
        scopes: Some(held.scopes),
        amr: Some(session.amr.clone()),
        acr: Some(session.acr.clone()),
        user_id: Some(sub.clone()),
        sub_type: Some("user".to_owned()),
        user_name: user.name.clone(),
        username: verified(IdentifierKind::Username),
        email: verified(IdentifierKind::Email),
        phone: verified(IdentifierKind::Phone),
        act: session.actor.as_ref().map(|actor| Act { sub: actor.as_str().to_owned(), act: None }),
        claims: (!custom.is_empty()).then_some(custom),
        ..base_claims(tenant, issuer, session, (TokenType::Access, lifetime))
    }
}

/// What a refresh token of a session says, in its present generation.
pub(crate) fn refresh_claims(tenant: &TenantScope, issuer: &str, session: &Session) -> Claims {
    let lifetime = session.expires_at.seconds_since(tenant.now());
    Claims {
        aud: Some(issuer.to_owned()),
        g: Some(session.generation),
        ..base_claims(tenant, issuer, session, (TokenType::Refresh, lifetime))
    }
}

fn base_claims(
    tenant: &TenantScope,
    issuer: &str,
    session: &Session,
    (token_type, lifetime): (TokenType, i64),
) -> Claims {
    let now = tenant.now();
    Claims {
        jti: TokenId::generate(now, tenant.random()).into(),
        token_type,
        iss: issuer.to_owned(),
        sub: session.subject().to_owned(),
        aud: None,
        iat: now.unix_seconds(),
        exp: now.unix_seconds() + lifetime,
        tenant_id: tenant.id().as_str().to_owned(),
        workspace_id: None,
        session_id: Some(session.id.as_str().to_owned()),
        roles: None,
        scopes: None,
        amr: None,
        acr: None,
        user_id: None,
        sub_type: None,
        user_name: None,
        username: None,
        email: None,
        phone: None,
        act: None,
        scope: None,
        client_id: None,
        auth_time: None,
        cnf: None,
        claims: None,
        g: None,
    }
}
