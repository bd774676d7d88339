//! What `/tenants/{tenant_id}/usage` answers.

use serde::Serialize;
use utoipa::ToSchema;

/// The requests of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayView {
    /// The day, in UTC.
    #[schema(format = Date)]
    pub date: String,
    /// How many requests named the tenant.
    pub requests: u64,
}

/// The records of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StorageView {
    /// Users.
    pub users: u64,
    /// Sessions, ended ones included until they would have expired.
    pub sessions: u64,
    /// API keys.
    pub api_keys: u64,
    /// Audit events.
    pub audit_events: u64,
}

/// How much a tenant is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageView {
    /// The tenant.
    pub tenant_id: String,
    /// Its users.
    pub users: u64,
    /// Sessions that have neither expired nor been ended one by one.
    pub active_sessions: u64,
    /// The requests of the last 30 days, as far as they are written: every ten seconds.
    pub requests: u64,
    /// The same, day by day, the newest first.
    pub requests_by_day: Vec<DayView>,
    /// What is stored, in records.
    pub storage: StorageView,
}
