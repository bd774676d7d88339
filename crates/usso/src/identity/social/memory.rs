//! What is remembered of providers: their endpoints and keys, for an hour. An unknown key is a reason to look again, but not
//! more often than once a minute: nobody makes us ask a provider by showing it keys it doesn't have.

use super::error::SocialError;
use super::exchange::{fetch_json, get};
use crate::tenant::TenantScope;
use kernel::{Internet, Timestamp};
use protocol::jose::JwkSet;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds endpoints and keys are good.
const FRESH: i64 = 3_600;
/// Seconds between two looks at a provider's keys.
const PAUSE: i64 = 60;
/// How many providers are remembered.
const MANY: usize = 1_000;

/// What a provider says of itself (OpenID Connect Discovery 1.0 section 3).
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The issuer, which must be the one that was asked.
    pub issuer: String,
    /// Where people agree.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where the user is told of.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// Its keys.
    pub jwks_uri: String,
    /// Whether its answers name it (RFC 9207 section 3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// How clients may prove who they are; by `client_secret_basic` if nothing is said.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Clone)]
struct Entry {
    metadata: Arc<Metadata>,
    found_at: Timestamp,
    keys: Option<(Arc<JwkSet>, Timestamp)>,
}

/// The providers, by tenant and issuer.
#[derive(Default)]
pub struct Providers(Mutex<HashMap<(String, String), Entry>>);

impl Providers {
    fn entry(&self, tenant: &TenantScope, issuer: &str) -> Option<Entry> {
        let key = (tenant.id().as_str().to_owned(), issuer.to_owned());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).filter(|entry| tenant.now().seconds_since(entry.found_at) < FRESH).cloned()
    }

    fn keep(&self, tenant: &TenantScope, issuer: &str, entry: Entry) {
        let key = (tenant.id().as_str().to_owned(), issuer.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY && !all.contains_key(&key) {
            all.clear();
        }
        all.insert(key, entry);
    }

    /// A provider's endpoints.
    ///
    /// # Errors
    /// [`SocialError::Unreachable`]; [`SocialError::Invalid`] when it says it is somebody else.
    pub async fn metadata(
        &self,
        internet: &dyn Internet,
        tenant: &TenantScope,
        issuer: &str,
    ) -> Result<Arc<Metadata>, SocialError> {
        if let Some(entry) = self.entry(tenant, issuer) {
            return Ok(entry.metadata);
        }
        let url = format!("{issuer}/.well-known/openid-configuration");
        let metadata: Metadata = fetch_json(internet, get(&url)).await?;
        if metadata.issuer.trim_end_matches('/') != issuer {
            return Err(SocialError::Invalid("the issuer of the metadata"));
        }
        let metadata = Arc::new(metadata);
        let entry = Entry { metadata: metadata.clone(), found_at: tenant.now(), keys: None };
        self.keep(tenant, issuer, entry);
        Ok(metadata)
    }

    /// A provider's keys, with this one among them if it has it.
    ///
    /// # Errors
    /// [`SocialError::Unreachable`]; [`SocialError::Invalid`] for a set that can't be one.
    pub async fn keys(
        &self,
        internet: &dyn Internet,
        tenant: &TenantScope,
        (issuer, kid): (&str, Option<&str>),
    ) -> Result<Arc<JwkSet>, SocialError> {
        let metadata = self.metadata(internet, tenant, issuer).await?;
        let kept = self.entry(tenant, issuer).and_then(|entry| entry.keys);
        if let Some((keys, at)) = kept {
            let is_known = kid.is_none_or(|kid| keys.get(kid).is_some());
            if is_known || tenant.now().seconds_since(at) < PAUSE {
                return Ok(keys);
            }
        }
        let answer = super::exchange::send(internet, get(&metadata.jwks_uri)).await?;
        let keys = JwkSet::from_slice_skipping_unsupported(&answer.body)
            .map_err(|_| SocialError::Invalid("the key set"))?;
        let keys = Arc::new(keys);
        let now = tenant.now();
        let entry = self.entry(tenant, issuer);
        let found_at = entry.map_or(now, |entry| entry.found_at);
        self.keep(tenant, issuer, Entry { metadata, found_at, keys: Some((keys.clone(), now)) });
        Ok(keys)
    }
}
