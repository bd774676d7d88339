//! What `/tenants/{tenant_id}/keys` accepts and answers.

use crate::tenant::keys::{KeyUse, TenantKey};
use crate::tenant::registry::Registry;
use crate::tenant::tenants::model::Tenant;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signing key; its private half is never shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// The same as `id`, as it stands in tokens.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// What it signs: `access` or `id_token`.
    #[serde(rename = "use")]
    #[schema(value_type = String)]
    pub usage: KeyUse,
    /// The public half, as in the published set.
    #[schema(value_type = Object)]
    pub public_key: protocol::jose::Jwk,
    /// Always true: what isn't published any more isn't listed.
    pub is_active: bool,
    /// Whether it signs now.
    pub is_signing: bool,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    pub sign_from: Timestamp,
    /// When it leaves the published set, if it has a successor.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unpublished_at: Option<Timestamp>,
    /// When it was made and published.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A tenant's published keys, oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeysView {
    /// The tenant.
    pub tenant_id: String,
    /// Its keys.
    pub keys: Vec<KeyView>,
}

impl KeysView {
    /// Those of a tenant.
    pub fn of(registry: &Registry, tenant: &Tenant) -> Self {
        let (set, times, now) = (&tenant.keys, registry.succession(), registry.system().now());
        let view = |key: &TenantKey| KeyView {
            id: key.id.as_str().to_owned(),
            kid: key.id.as_str().to_owned(),
            algorithm: key.algorithm.as_str().to_owned(),
            usage: key.usage,
            public_key: key.public.clone(),
            is_active: true,
            is_signing: set.signer(key.usage, now).is_some_and(|signer| signer.id == key.id),
            sign_from: key.sign_from,
            unpublished_at: set.unpublished_at(key, times),
            created_at: key.published_at,
        };
        let keys = set.keys().iter().filter(|key| set.is_published(key, times, now)).map(view).collect();
        Self { tenant_id: tenant.id.as_str().to_owned(), keys }
    }
}

/// A new key.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewKey {
    /// What new tokens are signed with: EdDSA, RS256, ES256 …; what they are signed with today by default.
    pub algorithm: Option<String>,
}

/// A change of a key.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateKey {
    /// `false` retires the key: it gets a successor, and stays published until the last token it signed has expired.
    pub is_active: bool,
}
