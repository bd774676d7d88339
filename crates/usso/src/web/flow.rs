//! What a page knows between two requests: who signs in, and where they go afterwards.
//!
//! It travels in the page's address, sealed: an address with it tells nobody a name, and nobody makes one up.

use crate::tenant::TenantScope;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// What it is sealed for.
const PLACE: &[u8] = b"web-flow";
/// Seconds it is good: as long as somebody may take who reads a mail in between.
const LIFETIME: i64 = 3_600;

/// What a page knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Who signs in, as typed.
    #[serde(rename = "i", default, skip_serializing_if = "String::is_empty")]
    pub identifier: String,
    /// Where to go afterwards: a path of this origin.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
    /// Whether somebody is registering.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    flow: Flow,
    #[serde(rename = "e")]
    expires_at: Timestamp,
}

impl Flow {
    /// Seals it.
    pub fn seal(&self, tenant: &TenantScope) -> String {
        let sealed = Sealed { flow: self.clone(), expires_at: tenant.now().plus_seconds(LIFETIME) };
        let plain = serde_json::to_vec(&sealed).unwrap_or_default();
        // Sealing fails for want of randomness only; without it the sign-in begins anew.
        tenant.profile().seal.seal(PLACE, &plain).unwrap_or_default()
    }

    /// Reads one; anything but a live one of this tenant is none.
    pub fn open(tenant: &TenantScope, text: &str) -> Option<Self> {
        let plain = tenant.profile().seal.open(PLACE, text).ok()?;
        let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
        (tenant.now() < sealed.expires_at).then_some(sealed.flow)
    }
}
