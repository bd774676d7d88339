//! Ending sessions: one write, with its event, and with what tells the applications its user went to.

use crate::identity::sessions::error::SessionError;
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service::session_id;
use crate::identity::{Identity, stale_session};
use crate::tenant::audit::Event;
use crate::tenant::verify::Claims;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Effect, SessionId, Stored, Topic};
use serde_json::json;

/// Ends a session with an event of this name. Ending it twice is no error and no second event.
///
/// # Errors
/// When the database is away.
pub async fn end(
    identity: &Identity,
    tenant: &TenantScope,
    id: &SessionId,
    (event, actor): (&'static str, Actor),
    client: &ClientInfo,
) -> Result<Option<Stored<Session>>, SessionError> {
    let ended = tenant
        .records::<Session>()
        .update::<SessionError>(id.as_str(), |old| {
            if old.revoked_at.is_some() {
                return Ok(Change::Keep);
            }
            let effect = Event::new(event, actor.clone(), id.as_str(), client)
                .with("user_id", old.user_id.as_str())
                .effect(tenant);
            let mut effects = vec![effect, stale_session(tenant, id).effect(tenant)];
            effects.extend(old.is_personal().then(|| ended(tenant, old)));
            Ok(Change::Put(old.revoked(tenant.now()), effects))
        })
        .await;
    identity.forget_session(tenant, id);
    ended
}

/// That a session has ended, for the applications its user went to.
fn ended(tenant: &TenantScope, session: &Session) -> Effect {
    let payload = json!({ "session": session.id, "user": session.user_id });
    Effect { topic: Topic::Logout, payload, due_at: tenant.now() }
}

/// Ends the session a caller presents any token of: access or refresh, in any generation, even an expired one is
/// no error. `None`: the token names no session of this tenant.
///
/// # Errors
/// When the database is away.
pub async fn log_out(
    identity: &Identity,
    tenant: &TenantScope,
    claims: &Claims,
    client: &ClientInfo,
) -> Result<Option<Stored<Session>>, SessionError> {
    let Ok(id) = session_id(claims) else { return Ok(None) };
    let actor = Actor::User(claims.sub.clone());
    end(identity, tenant, &id, ("session.logged_out", actor), client).await
}
