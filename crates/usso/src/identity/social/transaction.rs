//! A sign-in under way at a provider. It travels as `state`, sealed, so that nothing is written when it begins; it holds
//! whatever the answer must fit, and the digest of a secret that only the browser has that began it (RFC 9700 section 4.7.1).

use super::error::SocialError;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{StorageError, Timestamp};
use protocol::b64url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Seconds it may take.
pub const LIFETIME: i64 = 600;

const PLACE: &[u8] = b"social-transaction";

/// A sign-in under way.
#[derive(Serialize, Deserialize)]
pub struct Transaction {
    /// With whom.
    pub provider: String,
    /// What the id token must hold, and what the transaction is used up by.
    pub nonce: String,
    /// What proves that the code was asked for by us (RFC 7636).
    pub verifier: String,
    /// Where the provider sends the browser back to: told again when the code is redeemed.
    pub redirect_uri: String,
    /// Where the browser goes at the end.
    pub target: Option<String>,
    /// The session that wants the account linked.
    pub link: Option<Link>,
    /// Digest of the browser's secret.
    pub browser: String,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// For whom an account is to be linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The user.
    pub user_id: String,
    /// In which session.
    pub session_id: String,
}

/// A fresh secret of a browser.
pub fn browser_secret(tenant: &TenantScope) -> String {
    b64url::encode(tenant.token::<32>())
}

fn digest(text: &str) -> String {
    b64url::encode(protocol::sha256(text.as_bytes()))
}

impl Transaction {
    /// Begins one.
    pub fn new(
        tenant: &TenantScope,
        (provider, redirect_uri): (&str, String),
        (target, link): (Option<String>, Option<Link>),
        browser: &str,
    ) -> Self {
        Self {
            provider: provider.to_owned(),
            nonce: b64url::encode(tenant.token::<16>()),
            verifier: b64url::encode(tenant.token::<32>()),
            redirect_uri,
            target,
            link,
            browser: digest(browser),
            expires_at: tenant.now().plus_seconds(LIFETIME),
        }
    }

    /// The challenge to its verifier: S256 of RFC 7636.
    pub fn challenge(&self) -> String {
        digest(&self.verifier)
    }

    /// As it travels.
    ///
    /// # Errors
    /// [`SocialError::Crypto`].
    pub fn seal(&self, tenant: &TenantScope) -> Result<String, SocialError> {
        let plain = serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| SocialError::Crypto)?;
        tenant.profile().seal.seal(PLACE, &plain).map_err(|_| SocialError::Crypto)
    }

    /// Reads one that came back: of this tenant, provider and browser, and in time.
    ///
    /// # Errors
    /// [`SocialError::State`].
    pub fn open(
        tenant: &TenantScope,
        provider: &str,
        state: &str,
        browser: Option<&str>,
    ) -> Result<Self, SocialError> {
        let plain = tenant.profile().seal.open(PLACE, state).map_err(|_| SocialError::State)?;
        let own: Self = serde_json::from_slice(&plain).map_err(|_| SocialError::State)?;
        // Digests are compared: how long that takes tells nothing of the secret.
        let is_same = browser.is_some_and(|secret| digest(secret) == own.browser);
        if is_same && own.provider == provider && tenant.now() < own.expires_at {
            Ok(own)
        } else {
            Err(SocialError::State)
        }
    }

    /// Uses it up. Of parallel tries one succeeds, on whatever instance.
    ///
    /// # Errors
    /// [`SocialError::State`] when it was.
    pub async fn use_up(&self, tenant: &TenantScope) -> Result<(), SocialError> {
        let used = OneTime {
            id: OneTime::id_for("oauth_state", &[&self.nonce]),
            data: serde_json::Value::Null,
            expires_at: self.expires_at,
        };
        match tenant.records::<OneTime>().insert(used, Vec::new()).await {
            Ok(_) => Ok(()),
            Err(StorageError::Exists) => Err(SocialError::State),
            Err(e) => Err(e.into()),
        }
    }
}
