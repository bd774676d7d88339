//! What referrals look like on the wire (contract 5.7, 6.7).

use super::model::Referral;
use crate::tenant::patch::given;
use kernel::{Stored, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A new referral code.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateReferral {
    /// The code; made by the server by default. Case doesn't count.
    pub code: Option<String>,
    /// How often it may be used; without limit by default.
    pub max_usage: Option<u64>,
    /// Until when it counts; for ever by default.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Whatever is to be kept with it.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
}

/// A change of a referral code; what is absent stays. The code never changes.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct UpdateReferral {
    /// How often it may be used; `null` for without limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    pub max_usage: Option<Option<u64>>,
    /// Until when it counts; `null` for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether it may be used.
    pub is_active: Option<bool>,
    /// Whatever is kept with it, merged; `null` removes.
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<Map<String, Value>>,
}

/// A referral code.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReferralView {
    /// `referral_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// The code.
    pub code: String,
    /// Who brings others with it.
    pub user_id: String,
    /// Until when it counts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be used.
    pub is_active: bool,
    /// How often it was used.
    pub usage_count: u64,
    /// How often it may be.
    pub max_usage: Option<u64>,
    /// Whatever is kept with it.
    #[schema(value_type = Object)]
    pub meta_data: Map<String, Value>,
    /// Always false: a deleted code is gone.
    pub is_deleted: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed or used.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl ReferralView {
    /// A code of a tenant.
    pub fn of(tenant_id: &str, referral: &Stored<Referral>) -> Self {
        let id = referral.id.as_str().to_owned();
        Self {
            uid: id.clone(),
            id,
            tenant_id: tenant_id.to_owned(),
            code: referral.code.clone(),
            user_id: referral.user_id.as_str().to_owned(),
            expires_at: referral.expires_at,
            is_active: referral.is_active,
            usage_count: referral.usage_count,
            max_usage: referral.max_usage,
            meta_data: referral.meta_data.clone(),
            is_deleted: false,
            created_at: referral.created_at,
            updated_at: referral.updated_at,
        }
    }
}
