//! The tenant record.

use crate::tenant::keys::KeySet;
use crate::tenant::settings::Config;
use kernel::{Key, Record, TenantId, Timestamp};
use protocol::jose::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most bytes of each free part of a tenant, as stored JSON: 64 KiB.
pub const MAX_PART: usize = 65_536;

/// A host name of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// The normalised host.
    pub host: String,
    /// Whether it counts: set by the system administrator, or ownership proven (ruling D27).
    pub is_proven: bool,
    /// What must be published to prove it; none once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

/// An issuer that was written once and is accepted until its tokens have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredIssuer {
    /// The former issuer.
    pub issuer: String,
    /// From when on it is refused.
    pub until: Timestamp,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// `org_` and the slug.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// For addresses.
    pub slug: String,
    /// Its host names.
    pub domains: Vec<Domain>,
    /// Whether it is served.
    pub is_active: bool,
    /// What new keys sign with.
    pub algorithm: Algorithm,
    /// Its signing keys.
    pub keys: KeySet,
    /// Bumped to end every session of the tenant (ruling D26).
    pub session_epoch: u64,
    /// Issuers in their overlap.
    #[serde(default)]
    pub retired_issuers: Vec<RetiredIssuer>,
    /// Settings.
    #[serde(default)]
    pub config: Config,
    /// Name, logo, colours.
    #[serde(default)]
    pub branding: Map<String, Value>,
    /// Mail and SMS providers; secrets sealed.
    #[serde(default)]
    pub messaging: Map<String, Value>,
    /// Pages of a separate front end.
    #[serde(default)]
    pub frontend_urls: Map<String, Value>,
    /// Whatever the operator keeps with it.
    #[serde(default)]
    pub custom_payload: Map<String, Value>,
    /// Who created it.
    pub created_by: Option<String>,
    /// What its passkeys are made for; settled by the first (ruling D30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rp_id: Option<String>,
    /// When it was deleted; it can be restored until the grace is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Record for Tenant {
    const KIND: &'static str = "tenant";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn keys(&self) -> Vec<Key> {
        // A host belongs to a tenant once proven; before that anybody may claim it, so nobody can squat on it.
        let proven = self.domains.iter().filter(|d| d.is_proven).map(|d| Self::domain_key(&d.host));
        proven.chain([Self::slug_key(&self.slug)]).collect()
    }

    fn tags(&self) -> Vec<String> {
        let deleted = self.deleted_at.map(|_| Self::DELETED.to_owned());
        let forgets = self.config.settings().audit_retention_days.map(|_| Self::FORGETS.to_owned());
        deleted.into_iter().chain(forgets).chain([format!("active:{}", self.is_active)]).collect()
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

impl Tenant {
    /// What deleted tenants are found by.
    pub const DELETED: &'static str = "deleted";

    /// What tenants are found by that keep their audit log for a time only.
    pub const FORGETS: &'static str = "forgets";

    /// The key a host is found by.
    pub fn domain_key(host: &str) -> Key {
        Key::new("domain", host)
    }

    /// The key a slug is found by.
    pub fn slug_key(slug: &str) -> Key {
        Key::new("slug", slug)
    }

    /// Whether this host resolves to the tenant.
    pub fn answers_to(&self, host: &str) -> bool {
        self.domains.iter().any(|d| d.is_proven && d.host == host)
    }

    /// Whether a cookie may be shared within a domain: one of the tenant's own, or what one of them lies below.
    /// `base`: the installation's own host, which is the default tenant's.
    pub fn may_share_cookies_within(&self, domain: &str, base: &str) -> bool {
        let own = self.domains.iter().filter(|d| d.is_proven).map(|d| d.host.as_str());
        let base = (self.id == TenantId::default_tenant()).then_some(base);
        own.chain(base)
            .any(|host| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }

    /// Gives back what its lists got in reserve while it was read: it stays open for long, and so do many others.
    pub fn shrink(&mut self) {
        self.domains.shrink_to_fit();
        self.retired_issuers.shrink_to_fit();
        self.keys.shrink();
    }

    /// The first free part that is too large, by its name.
    pub fn oversized(&self) -> Option<&'static str> {
        let parts = [
            ("config", self.config.extra()),
            ("branding", &self.branding),
            ("messaging", &self.messaging),
            ("frontend_urls", &self.frontend_urls),
            ("custom_payload", &self.custom_payload),
        ];
        let size =
            |part: &Map<String, Value>| serde_json::to_string(part).map_or(usize::MAX, |text| text.len());
        parts.into_iter().find(|(_, part)| size(part) > MAX_PART).map(|(name, _)| name)
    }

    /// Replaces the domains; issuers that vanish stay accepted until `until`, and those that return are current
    /// again.
    pub fn set_domains(
        &mut self,
        domains: Vec<Domain>,
        base: &crate::tenant::issuer::BaseUrl,
        until: Timestamp,
    ) {
        let stays = |host: &str| domains.iter().any(|d| d.is_proven && d.host == host);
        for gone in self.domains.iter().filter(|d| d.is_proven && !stays(&d.host)) {
            self.retired_issuers.push(RetiredIssuer { issuer: base.origin_of(&gone.host), until });
        }
        self.domains = domains;
        self.welcome_back(base);
    }

    /// Issuers of domains that count are current, not retired.
    pub fn welcome_back(&mut self, base: &crate::tenant::issuer::BaseUrl) {
        let proven = self.domains.iter().filter(|d| d.is_proven);
        let current: Vec<String> = proven.map(|d| base.origin_of(&d.host)).collect();
        self.retired_issuers.retain(|r| !current.contains(&r.issuer));
    }
}
