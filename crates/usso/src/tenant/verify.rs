//! Verifying a token of one tenant.
//!
//! A token is this tenant's when its key is, its `tenant_id` is, and its `iss` is a member of the tenant's issuer set.
//! Expiry allows no skew: the same clock wrote it. What kind a token may be, and whether its session lives, is for
//! the caller.

use crate::tenant::TenantScope;
use kernel::{Problem, ProblemKind};
use protocol::jose::{Untrusted, Verified};
use serde::de::DeserializeOwned;
use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Seconds a token's `iat` may lie in the future (instances' clocks differ).
const CLOCK_SKEW: i64 = 60;

/// The claims of every token this installation signs (contract 2.3, 2.4; RFC 7519 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Unique id.
    pub jti: String,
    /// `access`, `refresh` …: no token passes for another kind.
    pub token_type: TokenType,
    /// Issuer.
    pub iss: String,
    /// Subject: a user or a service.
    pub sub: String,
    /// Audience; never an array, and absent unless one is known (ruling D1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Issued at, seconds.
    pub iat: i64,
    /// Expires at, seconds.
    pub exp: i64,
    /// The tenant.
    pub tenant_id: String,
    /// The active workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Effective role slugs; access tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// Effective scopes; access tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// How the user proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// How strongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Equal to `sub` for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// `user`, `agent` or `api_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<String>,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Verified e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Verified phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Who really acts (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// What an OAuth client was granted, in its words; of its tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The OAuth client it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// When the user signed in, seconds; of OAuth clients' tokens only (RFC 9068 section 2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The key it is bound to (RFC 7800 section 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The user's custom claims; they stand at the top of the token, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
    /// The refresh generation (ruling D2); refresh tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub g: Option<u32>,
}

/// The key a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Confirmation {
    /// Its thumbprint (RFC 9449 section 6.1).
    pub jkt: String,
}

/// Who acts as the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Act {
    /// A user, or a client.
    pub sub: String,
    /// Who acted before, if it was handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub act: Option<Box<Act>>,
}

impl Claims {
    /// As they are written: custom claims at the top as well, where none replaces one of ours.
    pub fn flattened(&self) -> Flattened<'_> {
        Flattened(self)
    }
}

/// Claims with the custom ones at the top.
#[derive(Debug, Clone, Copy)]
pub struct Flattened<'a>(&'a Claims);

impl Serialize for Flattened<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(custom) = &self.0.claims else { return self.0.serialize(serializer) };
        let mut all = match serde_json::to_value(self.0) {
            Ok(Value::Object(all)) => all,
            _ => return Err(S::Error::custom("claims are an object")),
        };
        for (name, value) in custom {
            if !all.contains_key(name) {
                all.insert(name.clone(), value.clone());
            }
        }
        all.serialize(serializer)
    }
}

/// The kinds of token (contract 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    /// For applications and our own API.
    Access,
    /// For `/auth/refresh` only.
    Refresh,
    /// An unfinished sign-in.
    Temporary,
    /// One sensitive action.
    Secure,
    /// A link.
    OneTime,
    /// An OpenID Connect id token.
    Id,
}

/// Why a token isn't accepted. The text never tells which check failed beyond expired or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this tenant.
    #[error("invalid token")]
    Invalid,
    /// A token of this tenant whose time is over.
    #[error("expired token")]
    Expired,
    /// A token of another kind than asked for.
    #[error("wrong kind of token")]
    WrongType,
    /// Its session has ended, or its user or tenant ended all sessions.
    #[error("revoked token")]
    Revoked,
}

impl Problem for TokenError {
    fn kind(&self) -> ProblemKind {
        ProblemKind::Unauthenticated
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "TOKEN_INVALID",
            Self::Expired => "TOKEN_EXPIRED",
            Self::WrongType => "TOKEN_TYPE_INVALID",
            Self::Revoked => "TOKEN_REVOKED",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid => "Invalid token",
            Self::Expired => "Token expired",
            Self::WrongType => "This kind of token is not accepted here",
            Self::Revoked => "The session of this token has ended",
        }
        .into()
    }
}

/// Verifies a token of this tenant: signature, issuer, tenant, times.
///
/// # Errors
/// [`TokenError::Invalid`] or [`TokenError::Expired`].
pub fn verify(tenant: &TenantScope, token: &str) -> Result<Claims, TokenError> {
    let claims = authenticate(tenant, token)?;
    if claims.exp <= tenant.now().unix_seconds() { Err(TokenError::Expired) } else { Ok(claims) }
}

/// Verifies a token of another shape and this kind.
///
/// # Errors
/// [`TokenError::Invalid`], [`TokenError::Expired`], [`TokenError::WrongType`].
pub fn verified<T: DeserializeOwned>(
    tenant: &TenantScope,
    token: &str,
    wanted: TokenType,
) -> Result<T, TokenError> {
    let (claims, payload) = opened(tenant, token)?;
    if claims.token_type != wanted {
        return Err(TokenError::WrongType);
    }
    if claims.exp <= tenant.now().unix_seconds() {
        return Err(TokenError::Expired);
    }
    payload.claims().map_err(|_| TokenError::Invalid)
}

/// As [`verified`], whatever its age: for what a token of the past may still tell.
///
/// # Errors
/// [`TokenError::Invalid`], [`TokenError::WrongType`].
pub fn authenticated<T: DeserializeOwned>(
    tenant: &TenantScope,
    token: &str,
    wanted: TokenType,
) -> Result<T, TokenError> {
    let (claims, payload) = opened(tenant, token)?;
    if claims.token_type != wanted {
        return Err(TokenError::WrongType);
    }
    payload.claims().map_err(|_| TokenError::Invalid)
}

/// Verifies everything but the expiry: for ending the session of a token, which its age must not prevent.
///
/// # Errors
/// [`TokenError::Invalid`].
pub fn authenticate(tenant: &TenantScope, token: &str) -> Result<Claims, TokenError> {
    Ok(opened(tenant, token)?.0)
}

fn opened(tenant: &TenantScope, token: &str) -> Result<(Claims, Verified), TokenError> {
    let profile = tenant.profile();
    let untrusted = Untrusted::parse(token).map_err(|_| TokenError::Invalid)?;
    let key =
        untrusted.require_kid().ok().and_then(|kid| profile.keys.verifier(kid)).ok_or(TokenError::Invalid)?;
    let verified = untrusted.verify(key).map_err(|_| TokenError::Invalid)?;
    let claims: Claims = verified.claims().map_err(|_| TokenError::Invalid)?;
    let now = tenant.now();
    let is_ours = claims.tenant_id == tenant.id().as_str() && profile.issuers.accepts(&claims.iss, now);
    if !is_ours || claims.iat > now.unix_seconds() + CLOCK_SKEW {
        return Err(TokenError::Invalid);
    }
    Ok((claims, verified))
}
