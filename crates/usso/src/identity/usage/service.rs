//! Counting what a tenant holds.

use super::schema::{DayView, StorageView, UsageView};
use crate::identity::api_keys::model::ApiKey;
use crate::identity::sessions::model::Session;
use crate::identity::users::model::User;
use crate::tenant::audit::AuditEvent;
use crate::tenant::usage::{TenantUsage, day};
use kernel::{Count, Query, Record, Scope, StorageError, TagMatch, TenantId};

/// How many days of requests are told.
const DAYS: i64 = 30;

const DAY: i64 = 86_400;

/// How much a tenant is used.
///
/// # Errors
/// When the database is away.
pub async fn of(tenant: &Scope, id: &TenantId) -> Result<UsageView, StorageError> {
    let active = vec![TagMatch::Is("active:true".to_owned())];
    let users = count::<User>(tenant, Vec::new()).await?;
    let first = day(tenant.now().plus_seconds(-(DAYS - 1) * DAY));
    let kept = Query { limit: 100, ..Query::all(TenantUsage::KIND) };
    let kept = tenant.records::<TenantUsage>().page(kept).await?;
    let mut days: Vec<DayView> = kept
        .items
        .into_iter()
        .map(|day| DayView { date: day.record.id, requests: day.record.requests })
        .filter(|day| day.date >= first)
        .collect();
    days.sort_by(|a, b| b.date.cmp(&a.date));
    Ok(UsageView {
        tenant_id: id.as_str().to_owned(),
        users,
        active_sessions: count::<Session>(tenant, active).await?,
        requests: days.iter().map(|day| day.requests).sum(),
        requests_by_day: days,
        storage: StorageView {
            users,
            sessions: count::<Session>(tenant, Vec::new()).await?,
            api_keys: count::<ApiKey>(tenant, Vec::new()).await?,
            audit_events: count::<AuditEvent>(tenant, Vec::new()).await?,
        },
    })
}

async fn count<R: Record>(tenant: &Scope, tags: Vec<TagMatch>) -> Result<u64, StorageError> {
    let query = Query { limit: 1, count: Count::Exact, ..Query::all(R::KIND).with_all(tags) };
    Ok(tenant.records::<R>().page(query).await?.total)
}
