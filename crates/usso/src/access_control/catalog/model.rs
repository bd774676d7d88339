//! The record of a service's scopes.

use kernel::Record;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most characters of a service's name.
const MAX_SERVICE: usize = 64;

/// What a scope means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogEntry {
    /// The scope.
    pub scope: String,
    /// What to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to call it in Persian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_fa: Option<String>,
    /// What it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// All scopes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceScopes {
    /// The service; also the id.
    pub service: String,
    /// Its scopes.
    pub scopes: Vec<CatalogEntry>,
}

impl Record for ServiceScopes {
    const KIND: &'static str = "scope_catalog";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.service
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("service", self.service.clone())]
    }
}

/// Whether a text names a service: 1 to 64 letters, digits, `_`, `-` and `.`.
pub fn is_service(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=MAX_SERVICE).contains(&text.len()) && text.bytes().all(allowed)
}
