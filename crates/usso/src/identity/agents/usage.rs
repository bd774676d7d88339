//! When agents were last used: counted in memory and written from time to time, beside the agent, so that it doesn't get
//! in the way of changing it.

use super::model::Agent;
use kernel::{AgentId, Change, Record, Scope, StorageError, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// When an agent was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentUsage {
    /// The agent.
    pub id: AgentId,
    /// When.
    pub last_used_at: Timestamp,
}

impl Record for AgentUsage {
    const KIND: &'static str = "agent_usage";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        self.id.as_str()
    }
}

/// What isn't written yet.
#[derive(Debug, Default)]
pub struct Used(Mutex<HashMap<(TenantId, AgentId), Timestamp>>);

impl Used {
    /// Notes a use.
    pub fn note(&self, tenant: &TenantId, agent: &AgentId, at: Timestamp) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = used.entry((tenant.clone(), agent.clone())).or_insert(at);
        *last = at.max(*last);
    }

    /// Takes what was noted, to write it.
    pub fn take(&self) -> Vec<((TenantId, AgentId), Timestamp)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// When an agent was last used, as far as that was written.
///
/// # Errors
/// When the database is away.
pub async fn last(scope: &Scope, agent: &AgentId) -> Result<Option<Timestamp>, StorageError> {
    Ok(scope.records::<AgentUsage>().get(agent.as_str()).await?.map(|usage| usage.last_used_at))
}

/// Writes when an agent was last used. One that is gone leaves nothing behind.
///
/// # Errors
/// When the database is away.
pub async fn write(scope: &Scope, agent: &AgentId, at: Timestamp) -> Result<(), StorageError> {
    if scope.records::<Agent>().get(agent.as_str()).await?.is_none() {
        return forget(scope, agent).await;
    }
    let records = scope.records::<AgentUsage>();
    match records.insert(AgentUsage { id: agent.clone(), last_used_at: at }, Vec::new()).await {
        Err(StorageError::Exists) => {}
        written => return written.map(drop),
    }
    let later = records.update::<StorageError>(agent.as_str(), |old| {
        let last_used_at = at.max(old.last_used_at);
        Ok(Change::Put(AgentUsage { last_used_at, ..old.record.clone() }, Vec::new()))
    });
    later.await.map(drop)
}

/// Forgets when an agent was used.
///
/// # Errors
/// When the database is away.
pub async fn forget(scope: &Scope, agent: &AgentId) -> Result<(), StorageError> {
    let records = scope.records::<AgentUsage>();
    let Some(left) = records.get(agent.as_str()).await? else { return Ok(()) };
    match records.delete(&left, Vec::new()).await {
        // Another instance wrote; it finds the agent gone the next time.
        Err(StorageError::Conflict) => Ok(()),
        deleted => deleted,
    }
}
