//! The post: carrying messages out, apart from everything else.
//!
//! The drain of effects hands messages over and goes on; here they are delivered, tried again, and settled.

use crate::http::AppState;
use crate::http::tenant::Asked;
use crate::integration::logout::notices;
use crate::tenant::issuer::Addressed;
use crate::tenant::messaging::service::deliver;
use crate::tenant::{ClientInfo, TenantScope};
use futures_util::stream::{FuturesUnordered, StreamExt};
use kernel::{SendError, Settlement, StorageError, StoredEffect, SystemScope, TenantId, Topic};
use serde_json::Value;

/// Deliveries under way.
const SIDE_BY_SIDE: usize = 16;
/// Seconds before a message is tried again, after each failure; then it is given up.
const PAUSES: [i64; 7] = [5, 30, 120, 600, 1_800, 7_200, 21_600];
/// After how many of them a notice of the end of a session is given up.
const LOGOUT_TRIES: usize = 3;

/// Delivers what waits, until nothing does.
///
/// # Errors
/// When the database is away: what was delivered and couldn't be settled is delivered again.
pub async fn work(state: &AppState) -> Result<(), StorageError> {
    let mut under_way = FuturesUnordered::new();
    let mut outcome = Ok(());
    loop {
        while under_way.len() < SIDE_BY_SIDE
            && let Some(message) = state.post.begin()
        {
            under_way.push(async move {
                let tenant = message.partition.clone();
                let settled = settle(state, message).await;
                state.post.end(&tenant);
                settled
            });
        }
        match under_way.next().await {
            Some(settled) => outcome = outcome.and(settled),
            None => return outcome,
        }
    }
}

/// How long to wait after each failure. Who doesn't hear in minutes that a session has ended has ended it by itself.
fn pauses(topic: Topic) -> &'static [i64] {
    let logout = PAUSES.split_at(LOGOUT_TRIES).0;
    if topic == Topic::Logout { logout } else { &PAUSES }
}

/// Tells a client that a session has ended.
async fn notify(state: &AppState, tenant: &TenantScope, payload: &Value) -> Result<(), SendError> {
    let issuer = tenant.profile().issuers.written(&Addressed::Header);
    let asked = Asked { issuer, peer: ClientInfo::local() };
    notices::tell(state.context(tenant, &asked), payload).await
}

async fn settle(state: &AppState, message: StoredEffect) -> Result<(), StorageError> {
    let system: &SystemScope = state.registry.system();
    let name = message.effect.payload.get("template").and_then(|name| name.as_str()).unwrap_or("message");
    let name = format!("{:020}-{name}", message.position.0);
    let outcome = match TenantId::parse(&message.partition) {
        Err(_) => Err(SendError::Refused("nobody's message".to_owned())),
        Ok(id) => match state.registry.open(&id).await {
            Ok(Some(tenant)) => match message.effect.topic {
                Topic::Logout => notify(state, &tenant, &message.effect.payload).await,
                _ => {
                    let ways = (state.messenger.as_ref(), state.internet.as_ref());
                    deliver(&tenant, ways, (&name, &message.effect.payload)).await
                }
            },
            Ok(None) => Err(SendError::Refused("the tenant is gone".to_owned())),
            Err(error) => Err(SendError::Later(error.to_string())),
        },
    };
    // Counted when it was put off, too.
    let tries = usize::try_from(message.attempts).unwrap_or(usize::MAX) / 2;
    let settlement = match outcome {
        Ok(()) => Settlement::Done,
        Err(SendError::Refused(why)) => {
            tracing::warn!(tenant = %message.partition, message = %name, %why, "a message was given up");
            Settlement::Done
        }
        Err(SendError::Later(why)) => match pauses(message.effect.topic).get(tries) {
            Some(pause) => {
                tracing::warn!(tenant = %message.partition, message = %name, %why, "a message is tried again");
                Settlement::RetryAt(system.now().plus_seconds(*pause))
            }
            None => {
                tracing::warn!(tenant = %message.partition, message = %name, %why, "a message was given up");
                Settlement::Done
            }
        },
    };
    system.effects_settle(&[(message.position, settlement)]).await
}
