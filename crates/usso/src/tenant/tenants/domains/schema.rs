//! What `/tenants/{tenant_id}/domains` accepts and answers.

use super::service::Proof;
use crate::tenant::tenants::model::{Domain, Tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A domain to add.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct NewDomain {
    /// The host name.
    pub domain: String,
}

/// How to look for the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In the DNS.
    Dns,
    /// In a file of the host.
    Http,
}

impl Method {
    /// As written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Http => "http",
        }
    }
}

/// A domain to prove.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct VerifyDomain {
    /// How; both ways when absent.
    pub method: Option<Method>,
}

/// A TXT record that proves a domain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DnsChallengeView {
    /// `TXT`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The name of the record.
    pub name: String,
    /// What it holds; other records may stand beside it.
    pub value: String,
}

/// A file that proves a domain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HttpChallengeView {
    /// Where it is fetched from: over plain HTTP, without following redirects.
    pub url: String,
    /// Its path.
    pub path: String,
    /// What it holds.
    pub content: String,
}

/// What proves a domain; one of the two is enough.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChallengeView {
    /// In the DNS.
    pub dns: DnsChallengeView,
    /// In a file.
    pub http: HttpChallengeView,
}

/// A domain of a tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DomainView {
    /// The host name.
    pub domain: String,
    /// The tenant.
    pub tenant_id: String,
    /// Whether it resolves to the tenant.
    pub is_verified: bool,
    /// What proves it, until it is.
    pub challenge: Option<ChallengeView>,
}

impl DomainView {
    /// A domain of this tenant.
    pub fn of(tenant: &Tenant, domain: &Domain) -> Self {
        let proof = Proof::of(tenant, domain);
        Self {
            domain: domain.host.clone(),
            tenant_id: tenant.id.as_str().to_owned(),
            is_verified: domain.is_proven,
            challenge: proof.map(|proof| ChallengeView {
                dns: DnsChallengeView { kind: "TXT", name: proof.record, value: proof.content.clone() },
                http: HttpChallengeView {
                    url: format!("http://{}{}", domain.host, proof.path),
                    path: proof.path,
                    content: proof.content,
                },
            }),
        }
    }
}

/// The domains of a tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DomainsView {
    /// The tenant.
    pub tenant_id: String,
    /// Its domains, in its order: the first proven one is written into tokens when none is addressed.
    pub domains: Vec<DomainView>,
}

impl From<&Tenant> for DomainsView {
    fn from(tenant: &Tenant) -> Self {
        let domains = tenant.domains.iter().map(|domain| DomainView::of(tenant, domain)).collect();
        Self { tenant_id: tenant.id.as_str().to_owned(), domains }
    }
}
