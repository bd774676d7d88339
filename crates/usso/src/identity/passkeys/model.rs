//! A passkey inside the user's record.

use super::{METHOD, PasskeyError};
use crate::identity::users::model::{Credential, User};
use crate::tenant::TenantScope;
use kernel::{Key, Timestamp};
use protocol::b64url;
use protocol::seal::MacKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs::prelude::Passkey;

/// The longest credential id there may be (WebAuthn §5.8.3).
pub const MAX_ID: usize = 1023;

/// What is kept with a credential of this method; none of it is a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PasskeyData {
    /// Public key, counter and flags.
    pub passkey: Passkey,
    /// How the authenticator may be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<String>,
    /// When somebody last signed in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it was last used with a counter that should be behind it: there may be a copy (§6.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_suspected_at: Option<Timestamp>,
}

impl PasskeyData {
    /// Reads it. None for a credential of another method.
    pub fn of(credential: &Credential) -> Option<Self> {
        if credential.method != METHOD {
            return None;
        }
        serde_json::from_value(Value::Object(credential.data.clone())).ok()
    }

    /// Puts it into its credential.
    ///
    /// # Errors
    /// When it can't be serialised: a defect.
    pub fn put(&self, credential: &mut Credential) -> Result<(), PasskeyError> {
        if let Value::Object(data) = serde_json::to_value(self).map_err(PasskeyError::Format)? {
            credential.data = data;
        }
        Ok(())
    }
}

/// The passkeys of a user that count.
pub fn passkeys(user: &User) -> impl Iterator<Item = (&Credential, PasskeyData)> {
    user.credentials_of(METHOD).filter_map(|c| Some((c, PasskeyData::of(c)?)))
}

/// The key the user with this passkey is found by.
pub fn key(id: &[u8]) -> Key {
    Key::new(METHOD, &b64url::encode(id))
}

/// The key by which the tenant recognises what it gave out.
///
/// # Errors
/// When it can't be derived.
pub fn mac(tenant: &TenantScope) -> Result<MacKey, PasskeyError> {
    Ok(tenant.profile().seal.derive_mac("passkey", tenant.id().as_str())?)
}
