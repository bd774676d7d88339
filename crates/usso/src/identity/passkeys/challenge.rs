//! Challenges: 16 random bytes, when they end, and a tag of the tenant over what they are for.
//!
//! Beginning a ceremony writes nothing, so it costs a stranger nothing of ours. A challenge that was answered rightly is
//! written down until it has ended: it is good once, on every instance and after every restart.

use super::PasskeyError;
use crate::tenant::TenantScope;
use crate::tenant::one_time::OneTime;
use kernel::{StorageError, Timestamp};
use protocol::b64url;

/// Seconds a challenge is good for.
pub const LIFETIME: i64 = 300;

const NONCE: usize = 16;
const END: usize = 8;

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Registering a passkey of a user, in a session or an unfinished sign-in.
    Create {
        /// The user.
        user: &'a str,
        /// The session, or what else stands for it.
        session: &'a str,
    },
    /// Signing in as whoever the passkey belongs to.
    Get,
    /// Signing in as a certain user.
    GetOf(&'a str),
}

impl Purpose<'_> {
    fn message(self, rp_id: &str, head: &[u8]) -> Vec<u8> {
        let parts = match self {
            Self::Create { user, session } => ["webauthn.create", user, session],
            Self::Get => ["webauthn.get", "", ""],
            Self::GetOf(user) => ["webauthn.get", "of", user],
        };
        let mut message = Vec::from(head);
        for part in parts.into_iter().chain([rp_id]) {
            // Lengths keep ("ab","c") apart from ("a","bc").
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        message
    }
}

/// A challenge of this tenant whose time isn't over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    bytes: Vec<u8>,
    expires_at: Timestamp,
}

impl Challenge {
    /// A new one.
    ///
    /// # Errors
    /// When the tenant's key can't be derived.
    pub fn new(tenant: &TenantScope, rp_id: &str, purpose: Purpose<'_>) -> Result<Self, PasskeyError> {
        let expires_at = tenant.now().plus_seconds(LIFETIME);
        let mut bytes = Vec::from(tenant.token::<NONCE>());
        bytes.extend_from_slice(&expires_at.unix_seconds().to_be_bytes());
        let tag = super::model::mac(tenant)?.tag(&purpose.message(rp_id, &bytes));
        bytes.extend_from_slice(&tag);
        Ok(Self { bytes, expires_at })
    }

    /// Reads what came back. None when it is over or none at all; whether it is the tenant's is for [`Self::is_for`].
    pub fn read(tenant: &TenantScope, bytes: Vec<u8>) -> Option<Self> {
        let end = bytes.get(NONCE..NONCE + END).and_then(|end| <[u8; END]>::try_from(end).ok())?;
        let expires_at = Timestamp::from_unix_seconds(i64::from_be_bytes(end));
        (tenant.now() < expires_at).then_some(Self { bytes, expires_at })
    }

    /// Whether the tenant made it for this.
    ///
    /// # Errors
    /// When the tenant's key can't be derived.
    pub fn is_for(
        &self,
        tenant: &TenantScope,
        rp_id: &str,
        purpose: Purpose<'_>,
    ) -> Result<bool, PasskeyError> {
        let (head, tag) = self.bytes.split_at(self.bytes.len().min(NONCE + END));
        Ok(super::model::mac(tenant)?.verify(&purpose.message(rp_id, head), tag))
    }

    /// As it stands in the options and in `clientDataJSON`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Uses it up. False when it was used before.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn spend(&self, tenant: &TenantScope) -> Result<bool, StorageError> {
        let spent = OneTime {
            id: OneTime::id_for("passkey", &[&b64url::encode(&self.bytes)]),
            data: serde_json::Value::Null,
            expires_at: self.expires_at,
        };
        match tenant.records::<OneTime>().insert(spent, Vec::new()).await {
            Ok(_) => Ok(true),
            Err(StorageError::Exists) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
