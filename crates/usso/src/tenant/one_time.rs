//! One-time things: failure budgets, replayed answers, and later codes and links.
//!
//! They are durable records, so that neither a restart nor a cache flush revives one. Each lives until what it guards
//! has expired.

use kernel::{Record, Timestamp};
use serde::{Deserialize, Serialize};

/// A small record with a purpose and an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneTime {
    /// Purpose and digest, see [`OneTime::id_for`].
    pub id: String,
    /// What it means to its purpose.
    pub data: serde_json::Value,
    /// When it is over.
    pub expires_at: Timestamp,
}

impl OneTime {
    /// The id of a thing: its purpose, and a digest of what identifies it, so that the store holds no address and no
    /// secret.
    pub fn id_for(purpose: &str, parts: &[&str]) -> String {
        let mut text = String::from(purpose);
        for part in parts {
            // Lengths keep ("ab","c") apart from ("a","bc").
            text.push_str(&format!("|{}:{part}", part.len()));
        }
        format!("{purpose}:{}", protocol::b64url::encode(protocol::sha256(text.as_bytes())))
    }
}

impl Record for OneTime {
    const KIND: &'static str = "one_time";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}
