//! The key sets that clients publish at their `jwks_uri`, remembered for an hour.
//!
//! An unknown key is a reason to look again, but not more often than once a minute: nobody makes us ask a client's server by
//! showing us keys it doesn't have. A server that doesn't answer counts as asked.

use crate::integration::outbound::{self, Unreachable};
use crate::tenant::TenantScope;
use kernel::{Internet, Timestamp};
use protocol::jose::JwkSet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds a key set is good.
const FRESH: i64 = 3_600;
/// Seconds between two looks.
const PAUSE: i64 = 60;
/// How many sets are remembered.
const MANY: usize = 1_000;

/// A set with the time it was found, and when it was last asked for.
#[derive(Clone)]
struct Entry {
    found: Option<(Arc<JwkSet>, Timestamp)>,
    asked_at: Timestamp,
}

impl Entry {
    /// The keys, while they are good.
    fn keys(&self, now: Timestamp) -> Option<Arc<JwkSet>> {
        let fresh = self.found.as_ref().filter(|(_, at)| now.seconds_since(*at) < FRESH);
        fresh.map(|(keys, _)| keys.clone())
    }
}

/// The sets, by tenant and address.
#[derive(Default)]
pub struct KeySets(Mutex<HashMap<(String, String), Entry>>);

impl KeySets {
    /// The keys at an address. `is_stale`: whether the ones remembered lack the key that is looked for.
    ///
    /// # Errors
    /// [`Unreachable`], for a set that can't be used, too.
    pub async fn get(
        &self,
        internet: &dyn Internet,
        tenant: &TenantScope,
        (url, is_stale): (&str, bool),
    ) -> Result<Arc<JwkSet>, Unreachable> {
        let now = tenant.now();
        let known = self.entry(tenant, url);
        let kept = known.as_ref().and_then(|entry| entry.keys(now));
        let was_asked = known.as_ref().is_some_and(|entry| now.seconds_since(entry.asked_at) < PAUSE);
        if was_asked || (kept.is_some() && !is_stale) {
            return kept.ok_or(Unreachable);
        }
        // What was there stays good while the server is away, for the rest of its hour.
        let found = match fetched(internet, url).await {
            Ok(keys) => Some((keys, now)),
            Err(Unreachable) => known.and_then(|entry| entry.found),
        };
        let entry = Entry { found, asked_at: now };
        let keys = entry.keys(now);
        self.keep(tenant, url, entry);
        keys.ok_or(Unreachable)
    }

    fn entry(&self, tenant: &TenantScope, url: &str) -> Option<Entry> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant.id().as_str().to_owned(), url.to_owned())).cloned()
    }

    fn keep(&self, tenant: &TenantScope, url: &str, entry: Entry) {
        let key = (tenant.id().as_str().to_owned(), url.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY && !all.contains_key(&key) {
            all.clear();
        }
        all.insert(key, entry);
    }
}

async fn fetched(internet: &dyn Internet, url: &str) -> Result<Arc<JwkSet>, Unreachable> {
    let document = outbound::document(internet, url).await?;
    let keys = JwkSet::from_slice_skipping_unsupported(&document).map_err(|_| Unreachable)?;
    Ok(Arc::new(keys))
}
