//! The end of a user: deleted at once, restorable for [`GRACE_DAYS`], then erased; or erased on request.
//!
//! A deleted user's identifiers stay reserved until erasure (ruling D23). What is to be erased when is kept among the
//! platform's records, written before the deletion, so that a crash between the two forgets nothing.

use super::admin::{change, is_system_admin};
use super::consents::Consent;
use super::error::UserError;
use super::model::User;
use crate::identity::Identity;
use crate::identity::agents::model::Agent;
use crate::identity::agents::service::{self as agents, AgentError};
use crate::identity::api_keys::error::ApiKeyError;
use crate::identity::api_keys::model::ApiKey;
use crate::identity::api_keys::service as api_keys;
use crate::identity::sessions::model::Session;
use crate::identity::stale_user;
use crate::tenant::audit::{Event, erasure};
use crate::tenant::registry::Registry;
use crate::tenant::{Actor, ClientInfo, SelectionError, TenantScope};
use kernel::{Query, Record, Sort, StorageError, Stored, TagMatch, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// How long a deleted user can be restored, in days.
pub const GRACE_DAYS: i64 = 30;

const DAY: i64 = 86_400;
const PAGE: u32 = 100;
/// How often a deletion is retried after losing against a change.
const ATTEMPTS: u32 = 16;

type Author<'a> = (&'a Actor, &'a ClientInfo);

/// That a user is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Tenant, user and time.
    pub id: String,
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// When.
    pub due_at: Timestamp,
    /// Whether no grace was asked for.
    pub at_once: bool,
}

impl Record for Erasure {
    const KIND: &'static str = "erasure";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn sorts(&self) -> Vec<(&'static str, String)> {
        vec![(DUE, self.due_at.to_rfc3339())]
    }
}

/// What reminders are sorted by.
const DUE: &str = "due_at";

/// Deletes a user: they can't sign in, their sessions and API keys end.
///
/// # Errors
/// [`UserError::NotFound`], also for one that is deleted already; [`UserError::Protected`]; what `check` says.
pub async fn delete(
    registry: &Registry,
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    (author, check): (Author<'_>, impl Fn(&Stored<User>) -> Result<(), UserError>),
) -> Result<Stored<User>, UserError> {
    // Before anything is written: a refused deletion leaves nothing behind.
    let found = tenant.records::<User>().get(id.as_str()).await?.ok_or(UserError::NotFound)?;
    check(&found)?;
    remind(registry, tenant, id, false).await?;
    close(identity, tenant, id, (author, check)).await
}

/// Takes a user's access away.
async fn close(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    (author, check): (Author<'_>, impl Fn(&Stored<User>) -> Result<(), UserError>),
) -> Result<Stored<User>, UserError> {
    let now = tenant.now();
    let deleted = change(identity, tenant, id, author, |old| {
        check(old)?;
        if old.deleted_at.is_some() {
            return Err(UserError::NotFound);
        }
        if is_system_admin(tenant, old) {
            return Err(UserError::Protected);
        }
        let mut next = old.record.clone();
        next.deleted_at = Some(now);
        next.session_epoch += 1;
        Ok(Some((next, "user.deleted", Vec::new())))
    })
    .await?;
    end_keys(identity, tenant, id, author).await?;
    Ok(deleted)
}

/// Writes down that a user is to be erased.
async fn remind(
    registry: &Registry,
    tenant: &TenantScope,
    user: &UserId,
    at_once: bool,
) -> Result<(), StorageError> {
    let now = tenant.now();
    let id = format!("{}|{user}|{}|{at_once}", tenant.id(), now.unix_micros());
    let due_at = if at_once { now } else { now.plus_seconds(GRACE_DAYS * DAY) };
    let reminder = Erasure { id, tenant: tenant.id().clone(), user: user.clone(), due_at, at_once };
    match registry.system().records::<Erasure>().insert(reminder, Vec::new()).await {
        Err(StorageError::Exists) | Ok(_) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Takes a deletion back while the grace lasts. Sessions and API keys stay ended.
///
/// # Errors
/// [`UserError::NotFound`] for a user that isn't deleted.
pub async fn restore(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    author: Author<'_>,
) -> Result<Stored<User>, UserError> {
    change(identity, tenant, id, author, |old| {
        if old.deleted_at.is_none() {
            return Err(UserError::NotFound);
        }
        let next = User { deleted_at: None, ..old.record.clone() };
        Ok(Some((next, "user.restored", Vec::new())))
    })
    .await
}

/// Erases a user for good: the record with its identifiers, credentials and profile, their sessions and keys. They are
/// deleted first, so that nothing new can begin meanwhile. What the audit log knows of them beyond their id goes within a
/// minute, by [`erase_due`], which also goes on when this is stopped.
///
/// # Errors
/// [`UserError::NotFound`], [`UserError::Protected`].
pub async fn erase(
    registry: &Registry,
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    author: Author<'_>,
) -> Result<(), UserError> {
    remind(registry, tenant, id, true).await?;
    match close(identity, tenant, id, (author, |_| Ok(()))).await {
        // Deleted before, or not there.
        Ok(_) | Err(UserError::NotFound) => {}
        Err(e) => return Err(e),
    }
    remove(identity, tenant, id, author).await
}

async fn remove(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    (actor, client): Author<'_>,
) -> Result<(), UserError> {
    end_agents(identity, tenant, id, (actor, client)).await?;
    end_keys(identity, tenant, id, (actor, client)).await?;
    drop_sessions(identity, tenant, id).await?;
    drop_consents(tenant, id).await?;
    for _ in 0..ATTEMPTS {
        let found = tenant.records::<User>().get(id.as_str()).await?;
        let user = found.filter(|user| user.deleted_at.is_some()).ok_or(UserError::NotFound)?;
        let event = Event::new("user.erased", actor.clone(), id.as_str(), client).effect(tenant);
        let effects = vec![event, stale_user(tenant, id).effect(tenant)];
        let gone = tenant.records::<User>().delete(&user, effects).await;
        identity.forget_user(tenant, id);
        match gone {
            Err(StorageError::Conflict) => {}
            other => return Ok(other?),
        }
    }
    Err(StorageError::Contended.into())
}

fn of_user<R: Record>(id: &UserId) -> Query {
    Query { limit: PAGE, ..Query::all(R::KIND) }.with_all(vec![TagMatch::Is(format!("user:{id}"))])
}

/// Ends the agents a user made. They are worth nothing while their maker may not sign in; with the maker they go.
pub(super) async fn end_agents(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    (actor, client): Author<'_>,
) -> Result<(), UserError> {
    loop {
        let made = tenant.records::<Agent>().page(of_user::<Agent>(id)).await?.items;
        if made.is_empty() {
            return Ok(());
        }
        for agent in made {
            match agents::delete(identity, tenant, &agent.id, (actor, client), |_| Ok(())).await {
                Ok(_) | Err(AgentError::NotFound) => {}
                Err(AgentError::Storage(e)) => return Err(e.into()),
                Err(_) => return Err(StorageError::Contended.into()),
            }
        }
    }
}

pub(super) async fn end_keys(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
    (actor, client): Author<'_>,
) -> Result<(), UserError> {
    loop {
        let keys = tenant.records::<ApiKey>().page(of_user::<ApiKey>(id)).await?.items;
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            match api_keys::delete(identity, tenant, &key.id, (actor, client), |_| Ok(())).await {
                Ok(_) | Err(ApiKeyError::NotFound) => {}
                Err(ApiKeyError::Storage(e)) => return Err(e.into()),
                Err(_) => return Err(StorageError::Contended.into()),
            }
        }
    }
}

pub(super) async fn drop_sessions(
    identity: &Identity,
    tenant: &TenantScope,
    id: &UserId,
) -> Result<(), StorageError> {
    loop {
        let sessions = tenant.records::<Session>().page(of_user::<Session>(id)).await?.items;
        if sessions.is_empty() {
            return Ok(());
        }
        for session in sessions {
            // They ended when their user was deleted; nothing changes but that they are forgotten.
            match tenant.records::<Session>().delete(&session, Vec::new()).await {
                Ok(()) | Err(StorageError::Conflict) => identity.forget_session(tenant, &session.id),
                Err(e) => return Err(e),
            }
        }
    }
}

async fn drop_consents(tenant: &TenantScope, id: &UserId) -> Result<(), StorageError> {
    loop {
        let consents = tenant.records::<Consent>().page(of_user::<Consent>(id)).await?.items;
        if consents.is_empty() {
            return Ok(());
        }
        for consent in consents {
            match tenant.records::<Consent>().delete(&consent, Vec::new()).await {
                Ok(()) | Err(StorageError::Conflict) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Erases the users whose grace is over, and takes those who are gone out of the audit log. Events that are still to be
/// carried out should have been.
///
/// # Errors
/// When the database is away.
pub async fn erase_due(registry: &Registry, identity: &Identity) -> Result<(), StorageError> {
    let records = registry.system().records::<Erasure>();
    let mut query = Query { limit: PAGE, ..Query::all(Erasure::KIND) };
    query.sort = Sort { field: DUE, descending: false };
    loop {
        let page = records.page(query.clone()).await?.items;
        for reminder in &page {
            if reminder.due_at > registry.system().now() {
                return Ok(());
            }
            if let Err(error) = erase_one(registry, identity, reminder).await {
                // One tenant's trouble must not keep the others' people.
                tracing::error!(%error, tenant = %reminder.tenant, "a user could not be erased; tried again");
                query.offset += 1;
                continue;
            }
            match records.delete(reminder, Vec::new()).await {
                Ok(()) | Err(StorageError::Conflict) => {}
                Err(e) => return Err(e),
            }
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

async fn erase_one(registry: &Registry, identity: &Identity, due: &Erasure) -> Result<(), StorageError> {
    let tenant = match registry.open(&due.tenant).await {
        Ok(Some(tenant)) => tenant,
        // Gone with everybody in it.
        Ok(None) => return Ok(()),
        Err(SelectionError::Storage(e)) => return Err(e),
        Err(e) => return Err(StorageError::Unavailable(e.to_string())),
    };
    if let Some(user) = tenant.records::<User>().get(due.user.as_str()).await? {
        let is_due = |at: Timestamp| due.at_once || at.plus_seconds(GRACE_DAYS * DAY) <= tenant.now();
        if !user.deleted_at.is_some_and(is_due) {
            // Restored, or deleted once more since.
            return Ok(());
        }
        match remove(identity, &tenant, &due.user, (&Actor::System, &ClientInfo::local())).await {
            Ok(()) | Err(UserError::NotFound) => {}
            Err(UserError::Storage(e)) => return Err(e),
            Err(e) => return Err(StorageError::Unavailable(e.to_string())),
        }
    }
    let chain = (registry.seal(), due.tenant.as_str());
    erasure::erase(&tenant, chain, due.user.as_str()).await.map(drop)
}
