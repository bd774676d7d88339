//! Asking a tenant's own validators (see [`crate::tenant::hooks`]).
//!
//! A call is signed, goes through the one guarded way out, takes only so long, and a tenant has only so many under way: a slow
//! validator delays its own people and nobody else. The answer is `{"allow": true}` or `{"allow": false, "message": "…"}`, with
//! `claims` to add to what is being made; 204 is a plain yes. Whatever else comes, or nothing, is a failure, and the tenant has
//! said what that means. The system administrator is let through unasked: somebody must be able to put a hook right.

use crate::identity::Identity;
use crate::identity::identifiers::Identifier;
use crate::identity::sessions::model::Session;
use crate::identity::users::admin::is_system_admin;
use crate::identity::users::claims;
use crate::identity::users::model::User;
use crate::tenant::audit::{Event, tally};
use crate::tenant::hooks::{Hook, Moment, of};
use crate::tenant::{Actor, ClientInfo, TenantScope, signed_call};
use kernel::{Internet, Problem, ProblemKind, StorageError, TenantId};
use protocol::b64url;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls of one tenant at one moment that may be under way.
const PER_TENANT: usize = 32;
/// The longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 300;

/// Why somebody is not let through.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The validator says no.
    #[error("a validator of the tenant denies it")]
    Denied(Option<String>),
    /// The validator can't be asked, and the tenant wants nobody let through then.
    #[error("a validator of the tenant does not answer")]
    Unavailable,
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for HookError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Denied(_) => ProblemKind::Forbidden,
            Self::Unavailable => ProblemKind::Unavailable { retry_after: 5 },
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "HOOK_DENIED",
            Self::Unavailable => "HOOK_UNAVAILABLE",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Denied(Some(message)) => message.clone().into(),
            Self::Denied(None) => "This is not allowed here".into(),
            Self::Unavailable | Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// Calls under way.
pub struct Hooks {
    internet: Arc<dyn Internet>,
    under_way: Mutex<HashMap<(TenantId, Moment), usize>>,
}

/// A place among the calls under way.
struct Place<'a>(&'a Hooks, (TenantId, Moment));

impl Hooks {
    /// Asks through this way out.
    pub fn new(internet: Arc<dyn Internet>) -> Self {
        Self { internet, under_way: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<(TenantId, Moment), usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, tenant: &TenantId, moment: Moment) -> Option<Place<'_>> {
        let key = (tenant.clone(), moment);
        let mut counts = self.counts();
        let count = counts.entry(key.clone()).or_default();
        if *count >= PER_TENANT {
            return None;
        }
        *count += 1;
        Some(Place(self, key))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// What a validator answers.
#[derive(Debug, Deserialize)]
struct Verdict {
    allow: bool,
    message: Option<String>,
    claims: Option<Map<String, Value>>,
}

/// Asks before an account is made; gives the claims it is to have.
///
/// # Errors
/// See [`HookError`].
pub async fn before_registration(
    identity: &Identity,
    tenant: &TenantScope,
    (identifier, method, name): (&Identifier, &str, Option<&str>),
    client: &ClientInfo,
) -> Result<Map<String, Value>, HookError> {
    ask(identity, tenant, (Moment::Registration, "unknown"), client, || {
        json!({"identifier": identifier.value(), "type": identifier.kind(), "method": method, "name": name})
    })
    .await
}

/// Asks before a session is opened; gives the claims its tokens are to have.
///
/// # Errors
/// See [`HookError`].
pub async fn before_login(
    identity: &Identity,
    tenant: &TenantScope,
    (user, amr, factors): (&User, &[String], u8),
    client: &ClientInfo,
) -> Result<Map<String, Value>, HookError> {
    if is_system_admin(tenant, user) {
        return Ok(Map::new());
    }
    ask(identity, tenant, (Moment::Login, user.id.as_str()), client, || {
        let identifiers = user
            .identifiers
            .iter()
            .map(|own| json!({"type": own.kind, "value": own.value, "verified": own.verified_at.is_some()}));
        json!({"user_id": user.id, "name": user.name, "identifiers": identifiers.collect::<Vec<_>>(),
            "amr": amr, "factors": factors})
    })
    .await
}

/// Asks before tokens of a session are written; gives the claims they are to have.
///
/// # Errors
/// See [`HookError`].
pub async fn before_token(
    identity: &Identity,
    tenant: &TenantScope,
    (user, session): (&User, &Session),
    client: &ClientInfo,
) -> Result<Map<String, Value>, HookError> {
    if is_system_admin(tenant, user) {
        return Ok(Map::new());
    }
    ask(identity, tenant, (Moment::Token, user.id.as_str()), client, || {
        json!({"user_id": user.id, "session_id": session.id, "session_type": session.session_type,
            "workspace_id": session.workspace_id, "amr": session.amr, "acr": session.acr, "aud": session.aud})
    })
    .await
}

async fn ask(
    identity: &Identity,
    tenant: &TenantScope,
    (moment, target): (Moment, &str),
    client: &ClientInfo,
    data: impl FnOnce() -> Value,
) -> Result<Map<String, Value>, HookError> {
    let Some(hook) = of(tenant, moment) else { return Ok(Map::new()) };
    let mut data = data();
    if let Some(data) = data.as_object_mut() {
        data.insert("ip".to_owned(), client.ip.to_string().into());
        data.insert("user_agent".to_owned(), client.user_agent.clone().into());
    }
    let body = json!({
        "id": format!("hook_{}", b64url::encode(tenant.token::<12>())), "event": moment.as_str(),
        "tenant_id": tenant.id(), "created_at": tenant.now(), "data": data,
    });
    // That others wait already is no failure of the validator: nobody gets by it through a crowd.
    let place = identity.hooks().place(tenant.id(), moment);
    let Some(_place) = place else { return Err(HookError::Unavailable) };
    let failed = match call(identity.hooks(), tenant, &hook, &body).await {
        Ok(Verdict { allow: true, claims, .. }) => {
            match claims::check(claims.as_ref().unwrap_or(&Map::new())) {
                Ok(()) => return Ok(claims.unwrap_or_default()),
                Err(_) => "claims that a token can't have",
            }
        }
        Ok(Verdict { message, .. }) => {
            let event = Event::refused("hook.denied", Actor::Anonymous, target, client);
            tally::note(tenant, &event.with("hook", moment.as_str()).effect(tenant)).await?;
            return Err(HookError::Denied(message.as_deref().and_then(told)));
        }
        Err(why) => why,
    };
    tracing::warn!(tenant = %tenant.id(), hook = moment.as_str(), why = failed, "a validator could not be asked");
    let event = Event::refused("hook.failed", Actor::Anonymous, target, client);
    let event = event.with("hook", moment.as_str()).with("let_through", hook.fails_open);
    tally::note(tenant, &event.effect(tenant)).await?;
    if hook.fails_open { Ok(Map::new()) } else { Err(HookError::Unavailable) }
}

async fn call(
    hooks: &Hooks,
    tenant: &TenantScope,
    hook: &Hook,
    body: &Value,
) -> Result<Verdict, &'static str> {
    let secret = hook.secret.as_deref().ok_or("no secret")?;
    let request = signed_call::post(&hook.url, secret, body, tenant.now().unix_seconds());
    let answer = tokio::time::timeout(hook.timeout, hooks.internet.send(request)).await;
    let answer = answer.map_err(|_| "no answer in time")?.map_err(|_| "no answer")?;
    match answer.status {
        204 => Ok(Verdict { allow: true, message: None, claims: None }),
        200 => serde_json::from_slice(&answer.body).map_err(|_| "an answer that can't be read"),
        _ => Err("an unexpected status"),
    }
}

/// A message as it may be passed on: one line, and not too long.
fn told(message: &str) -> Option<String> {
    let line: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line() {
        assert_eq!(told(" Not\nyou\u{7} ").as_deref(), Some("Not you"));
        assert_eq!(told(&"x".repeat(1_000)).map(|text| text.len()), Some(MAX_MESSAGE));
        assert_eq!(told(" \n"), None);
    }
}
