//! Issuers (ruling D24): a tenant has a set of them, a token with any member is accepted, and the one addressed is
//! written. Scheme and port come from configuration, never from the request.

use crate::tenant::tenants::model::Tenant;
use kernel::{TenantId, Timestamp};
use std::sync::Arc;

/// The origin this installation is reached at, split for making tenants' origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: String,
    host: String,
    /// With its colon, empty for the scheme's default.
    port: String,
}

impl BaseUrl {
    /// Reads a validated origin such as `http://localhost:8000`.
    pub fn parse(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let host = crate::tenant::domain::normalise_host(authority).ok()?.into_owned();
        let port = authority.get(host.len()..)?;
        Some(Self { scheme: scheme.to_owned(), host, port: port.to_owned() })
    }

    /// The installation's own origin.
    pub fn origin(&self) -> String {
        self.origin_of(&self.host)
    }

    /// The host part.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The origin of another host of this installation: same scheme, same port.
    pub fn origin_of(&self, host: &str) -> String {
        format!("{}://{}{}", self.scheme, host, self.port)
    }

    /// Whether the installation is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    fn path_issuer(&self, id: &TenantId) -> String {
        format!("{}/t/{id}", self.origin())
    }
}

/// How a request named its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressed {
    /// By a host of the tenant.
    Host(Arc<str>),
    /// By the path prefix `/t/{tenant_id}`.
    Path,
    /// By `X-Tenant-ID` on a shared host.
    Header,
}

/// The issuers of one tenant.
#[derive(Debug, Clone)]
pub struct IssuerSet {
    base: BaseUrl,
    by_path: String,
    /// Host and issuer of each domain that counts, in the tenant's order.
    by_domain: Vec<(String, String)>,
    /// Former issuers and until when they are accepted.
    retired: Vec<(String, Timestamp)>,
    is_default: bool,
}

impl IssuerSet {
    /// The issuers of a tenant.
    pub fn of(tenant: &Tenant, base: &BaseUrl) -> Self {
        let by_domain = tenant
            .domains
            .iter()
            .filter(|d| d.is_proven)
            .map(|d| (d.host.clone(), base.origin_of(&d.host)))
            .collect();
        let retired = tenant.retired_issuers.iter().map(|r| (r.issuer.clone(), r.until)).collect();
        Self {
            base: base.clone(),
            by_path: base.path_issuer(&tenant.id),
            by_domain,
            retired,
            is_default: tenant.id == TenantId::default_tenant(),
        }
    }

    /// The issuer to write for a request that addressed the tenant this way.
    pub fn written(&self, addressed: &Addressed) -> String {
        let first = || self.by_domain.first().map(|(_, issuer)| issuer.clone());
        match addressed {
            Addressed::Path => self.by_path.clone(),
            Addressed::Host(host) => {
                let own =
                    self.by_domain.iter().find(|(h, _)| **h == **host).map(|(_, issuer)| issuer.clone());
                own.unwrap_or_else(|| self.base.origin())
            }
            Addressed::Header if self.is_default => self.base.origin(),
            Addressed::Header => first().unwrap_or_else(|| self.by_path.clone()),
        }
    }

    /// The installation's own origin, where tenants are named by a header.
    pub fn base_origin(&self) -> String {
        self.base.origin()
    }

    /// Whether a token with this `iss` may be this tenant's.
    pub fn accepts(&self, issuer: &str, now: Timestamp) -> bool {
        (self.is_default && issuer == self.base.origin())
            || issuer == self.by_path
            || self.by_domain.iter().any(|(_, own)| own == issuer)
            || self.retired.iter().any(|(old, until)| old == issuer && now < *until)
    }

    /// Whether a host (normalised) is one of the tenant's domains, or the installation's for the default tenant.
    pub fn is_own_host(&self, host: &str) -> bool {
        self.by_domain.iter().any(|(own, _)| own == host) || (self.is_default && host == self.base.host)
    }

    /// The tenant's own origins.
    pub fn origins(&self) -> Vec<String> {
        let base = self.is_default.then(|| self.base.origin());
        let own =
            self.by_domain.iter().map(|(_, origin)| origin.clone()).filter(|o| Some(o) != base.as_ref());
        base.iter().cloned().chain(own).collect()
    }

    /// Whether an origin (RFC 6454) is exactly one of the tenant's own (ruling D36).
    pub fn is_own_origin(&self, origin: &str) -> bool {
        self.by_domain.iter().any(|(_, own)| own == origin)
            || (self.is_default && origin == self.base.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_gives_every_host_its_scheme_and_port() {
        let base = BaseUrl::parse("http://localhost:8000").unwrap();
        assert_eq!(base.origin(), "http://localhost:8000");
        assert_eq!(base.origin_of("company-a.com"), "http://company-a.com:8000");
        let base = BaseUrl::parse("https://sso.example.com").unwrap();
        assert_eq!(base.origin_of("b.com"), "https://b.com");
        assert!(base.is_https());
    }
}
