//! An unfinished sign-in: what was shown so far, in a signed token that its user carries (contract 9.3).
//!
//! Nothing is stored for it. It opens nothing but the next step: no other operation takes a token of this kind. It ends with
//! its user's sessions: a changed password takes it back.

use super::proof::Shown;
use crate::identity::sign_in::Wanted;
use crate::identity::users::model::User;
use crate::tenant::TenantScope;
use crate::tenant::keys::KeyUse;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::verify::{TokenType, verified};
use kernel::{TokenId, UserId};
use serde::{Deserialize, Serialize};

/// An unfinished sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Whose.
    pub user_id: UserId,
    /// The user's session epoch when it began.
    pub user_epoch: u64,
    /// The tenant's.
    pub tenant_epoch: u64,
    /// What was shown.
    pub shown: Vec<Shown>,
    /// Whether a credential of the account itself is among it, that proves the account to be this person's (ruling D23).
    pub is_own: bool,
    /// Whether it may enrol a second factor (ruling D39).
    pub may_enrol: bool,
    /// What the session is to be like.
    pub wanted: Wanted,
}

/// The token's claims: those of every token, and the unfinished sign-in.
#[derive(Serialize, Deserialize)]
struct PendingClaims {
    jti: String,
    token_type: TokenType,
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    tenant_id: String,
    amr: Vec<String>,
    pending: Pending,
}

impl Pending {
    /// The methods that were shown.
    pub fn amr(&self) -> Vec<String> {
        self.shown.iter().map(|shown| shown.method.as_str().to_owned()).collect()
    }

    /// Signs it, and tells for how many seconds it is good.
    ///
    /// # Errors
    /// When the tenant has no key or signing fails.
    pub fn sign(&self, tenant: &TenantScope, issuer: &str) -> Result<(String, i64), KeyRingError> {
        let (now, profile) = (tenant.now(), tenant.profile());
        let lifetime = profile.settings.mfa_timeout;
        let claims = PendingClaims {
            jti: TokenId::generate(now, tenant.random()).into(),
            token_type: TokenType::Temporary,
            iss: issuer.to_owned(),
            sub: self.user_id.as_str().to_owned(),
            iat: now.unix_seconds(),
            exp: now.unix_seconds() + lifetime,
            tenant_id: tenant.id().as_str().to_owned(),
            amr: self.amr(),
            pending: self.clone(),
        };
        Ok((profile.keys.sign(KeyUse::Access, &claims, now)?, lifetime))
    }

    /// Reads a token. Anything but a live one of this tenant is none: whoever presents it begins anew.
    pub fn read(tenant: &TenantScope, token: &str) -> Option<Self> {
        let claims: PendingClaims = verified(tenant, token, TokenType::Temporary).ok()?;
        (claims.sub == claims.pending.user_id.as_str()).then_some(claims.pending)
    }

    /// Whether it is still good for this user.
    pub fn is_of(&self, tenant: &TenantScope, user: &User) -> bool {
        self.user_id == user.id
            && self.user_epoch == user.session_epoch
            && self.tenant_epoch == tenant.profile().tenant.session_epoch
    }
}
