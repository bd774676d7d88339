//! Keeps the caches of an instance in step with those of the others: by messages, and by the feed of invalidations.

use crate::http::AppState;
use crate::tenant::coherence::{CHANNEL, Stale};
use kernel::{Position, StorageError, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

/// How many invalidations are read at once.
const BATCH: u32 = 1_000;

/// Who has not read the feed for this long has missed something: it is kept ten minutes.
const FEED_SECONDS: i64 = 9 * 60;

/// Where an instance is in the feed.
#[derive(Debug)]
pub struct Reader(Mutex<Place>);

#[derive(Debug, Clone, Copy)]
struct Place {
    position: Position,
    read_at: Timestamp,
}

/// Begins to listen and to read.
///
/// # Errors
/// When the database is away. Without messages the feed suffices.
pub async fn join(state: &AppState) -> Result<Reader, StorageError> {
    let ports = state.registry.system().ports();
    let now = state.registry.system().now();
    let position = ports.storage.effects_head().await?;
    let listener = {
        let state = Arc::downgrade(state);
        Arc::new(move |message: &[u8]| {
            let Some(state) = state.upgrade() else { return };
            // Empty: messages may have been missed. The feed will tell, within a second.
            if let Ok(stale) = serde_json::from_slice::<Stale>(message) {
                forget(&state, &stale);
            }
        })
    };
    if let Err(error) = ports.ephemeral.subscribe(CHANNEL, listener).await {
        tracing::warn!(%error, "no messages from other instances: changes take up to two seconds to arrive");
    }
    // What was cached on the way here may have changed before anybody listened.
    forget_all(state);
    state.identity.freshness().read(now);
    Ok(Reader(Mutex::new(Place { position, read_at: now })))
}

impl Reader {
    /// Reads the feed to its end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn read(&self, state: &AppState) -> Result<(), StorageError> {
        let storage = &state.registry.system().ports().storage;
        let began = state.registry.system().now();
        let mut place = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if began > place.read_at.plus_seconds(FEED_SECONDS) {
            place.position = storage.effects_head().await?;
            forget_all(state);
            tracing::warn!("too far behind the other instances: all caches emptied");
        } else {
            loop {
                let effects = storage.effects_since(place.position, BATCH).await?;
                for stored in &effects {
                    match serde_json::from_value::<Stale>(stored.effect.payload.clone()) {
                        Ok(stale) => forget(state, &stale),
                        // Of a newer version, during an upgrade.
                        Err(_) => forget_all(state),
                    }
                }
                place.position = effects.last().map_or(place.position, |last| last.position);
                if effects.len() < BATCH as usize {
                    break;
                }
            }
        }
        place.read_at = began;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
        state.identity.freshness().read(began);
        Ok(())
    }
}

/// Forgets everything on this instance.
pub fn forget_all(state: &AppState) {
    state.registry.forget_all();
    state.identity.forget_all();
    state.integration.forget_all();
}

fn forget(state: &AppState, stale: &Stale) {
    match stale {
        Stale::Session { tenant, id } => state.identity.drop_session(tenant, id),
        Stale::User { tenant, id } => state.identity.drop_user(tenant, id),
        Stale::Agent { tenant, id } => state.identity.drop_agent(tenant, id),
        Stale::ApiKey { tenant, id } => state.identity.drop_api_key(tenant, id),
        Stale::Client { tenant, id } => state.integration.clients().drop_client(tenant, id),
        Stale::Role { tenant, slug } => state.identity.roles().drop_role(tenant, slug),
        Stale::Workspace { tenant, id } => state.identity.workspaces().drop_workspace(tenant, id),
        Stale::Everything => forget_all(state),
        Stale::Tenant { id, hosts } => state.registry.drop_tenant(id, hosts.iter().map(String::as_str)),
    }
}
