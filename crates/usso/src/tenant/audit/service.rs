//! Reading the audit log.

use super::AuditEvent;
use kernel::{Query, Sort, StorageError, Stored, TagMatch, Timestamp};
use std::sync::Arc;

use crate::tenant::TenantScope;

/// How many events of an export are read at once.
const PAGE: u32 = 500;

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// What happened; a text that ends in a dot is a prefix.
    pub event: Option<String>,
    /// Who.
    pub actor: Option<String>,
    /// On whom.
    pub target: Option<String>,
    /// `success` or `failure`.
    pub result: Option<String>,
}

impl Filter {
    /// What to ask the storage.
    pub fn tags(&self) -> Vec<TagMatch> {
        let event = self.event.as_ref().map(|event| {
            let tag = format!("event:{event}");
            if event.ends_with('.') { TagMatch::StartsWith(tag) } else { TagMatch::Is(tag) }
        });
        let exact = [("actor", &self.actor), ("target", &self.target), ("result", &self.result)];
        let exact =
            exact.into_iter().filter_map(|(name, value)| value.as_ref().map(|v| format!("{name}:{v}")));
        event.into_iter().chain(exact.map(TagMatch::Is)).collect()
    }
}

/// How far an export has come: oldest first, ties by id.
#[derive(Debug)]
pub struct Export {
    scope: Arc<TenantScope>,
    query: Option<Query>,
}

impl Export {
    /// Everything a query asks for that is there now, whatever its page.
    pub fn new(scope: Arc<TenantScope>, query: Query) -> Self {
        // What is written meanwhile would make it endless.
        let end = query.created_to.map_or(scope.now(), |to| to.min(scope.now()));
        let sort = Sort { field: "created_at", descending: false };
        let query = Query { sort, offset: 0, limit: PAGE, created_to: Some(end), ..query };
        Self { scope, query: Some(query) }
    }

    /// The tenant.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// The next events; none at the end. A page begins at the time of the last event before it, so that it costs the same
    /// however far the export has come.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn next(&mut self) -> Result<Vec<Stored<AuditEvent>>, StorageError> {
        let Some(mut query) = self.query.take() else { return Ok(Vec::new()) };
        let items = self.scope.records::<AuditEvent>().page(query.clone()).await?.items;
        let Some(last) = items.last().filter(|_| items.len() >= PAGE as usize) else { return Ok(items) };
        let seen = items.iter().rev().take_while(|item| item.created_at == last.created_at).count() as u64;
        let is_same: bool = query.created_from == Some(last.created_at);
        query.offset = if is_same { query.offset + seen } else { seen };
        query.created_from = Some::<Timestamp>(last.created_at);
        self.query = Some(query);
        Ok(items)
    }
}
