//! The record of a referral code.

use kernel::{Key, Record, ReferralId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Referral {
    /// `referral_…`.
    pub id: ReferralId,
    /// What is told to others, in upper case.
    pub code: String,
    /// Who brings them.
    pub user_id: UserId,
    /// Until when it counts.
    pub expires_at: Option<Timestamp>,
    /// Whether it may be used.
    pub is_active: bool,
    /// How often it was used.
    pub usage_count: u64,
    /// How often it may be.
    pub max_usage: Option<u64>,
    /// Whatever is kept with it.
    pub meta_data: Map<String, Value>,
}

impl Record for Referral {
    const KIND: &'static str = "referral";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        vec![code_key(&self.code)]
    }

    fn tags(&self) -> Vec<String> {
        vec![format!("user:{}", self.user_id), format!("active:{}", self.is_active)]
    }
}

impl Referral {
    /// Whether it may be used once more.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.is_active
            && self.expires_at.is_none_or(|end| now < end)
            && self.max_usage.is_none_or(|max| self.usage_count < max)
    }
}

/// The key a code is found by, however it is typed.
pub fn code_key(code: &str) -> Key {
    Key::new("code", &normal(code))
}

/// A code as it is kept.
pub fn normal(code: &str) -> String {
    code.trim().to_ascii_uppercase()
}
