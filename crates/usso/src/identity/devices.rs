//! Known devices: a cookie that says which accounts have signed in here before.
//!
//! The value is a device id and one tag for each of the last accounts, `HMAC(device id | user id)` under the tenant's
//! key. It proves nothing but "seen before": it only moves an attempt into a budget of its own.

use crate::tenant::TenantScope;
use kernel::UserId;
use protocol::b64url;

/// How many accounts one device remembers.
const ACCOUNTS: usize = 8;
const SEPARATOR: char = '~';

/// A device as its cookie describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    id: String,
    tags: Vec<String>,
}

impl Device {
    /// Reads the cookie; anything unreadable is a device without a past.
    pub fn parse(cookie: Option<&str>) -> Self {
        let Some(text) = cookie.filter(|c| c.len() <= 512) else { return Self::default() };
        let mut parts = text.split(SEPARATOR).map(str::to_owned);
        let id = parts.next().unwrap_or_default();
        if id.len() == 22 { Self { id, tags: parts.take(ACCOUNTS).collect() } } else { Self::default() }
    }

    /// The device's id if this account has signed in from it before.
    pub fn known_to(&self, tenant: &TenantScope, user: &UserId) -> Option<&str> {
        let message = Self::message(&self.id, user);
        let mac = &tenant.profile().device_mac;
        let known = self
            .tags
            .iter()
            .any(|tag| b64url::decode(tag).is_ok_and(|tag| mac.verify(message.as_bytes(), &tag)));
        (known && !self.id.is_empty()).then_some(self.id.as_str())
    }

    /// The cookie's value after this account has signed in.
    pub fn remember(&self, tenant: &TenantScope, user: &UserId) -> String {
        let id = if self.id.is_empty() { b64url::encode(tenant.token::<16>()) } else { self.id.clone() };
        let tag = b64url::encode(tenant.profile().device_mac.tag(Self::message(&id, user).as_bytes()));
        let older = self.tags.iter().filter(|t| **t != tag).take(ACCOUNTS - 1).cloned();
        let parts: Vec<String> = [id, tag.clone()].into_iter().chain(older).collect();
        parts.join("~")
    }

    fn message(id: &str, user: &UserId) -> String {
        format!("{id}|{user}")
    }
}
